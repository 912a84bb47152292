//! What is wrong with a repository is said with file, line, column and remedy, and everything in one run.

use std::os::unix::fs::symlink;

use crate::fixture::{Fixture, lines};
use anode::diagnose::Colour;
use anode::render::render;

pub const CODE: &str = "\
locator = \"1111111111111111111111111111111111111111111111111111111111111111\"
public_key = \"2222222222222222222222222222222222222222222222222222222222222222\"
claim_key = \"3333333333333333333333333333333333333333333333333333333333333333\"
kdf = \"first\"
profiles = [\"debian-server\"]
not_after = \"2027-11-21T09:00:00Z\"
";

/// What rendering one profile says, but that nothing is pinned.
fn render_problems(fixture: &Fixture, profile: &str) -> Vec<String> {
    let repository = fixture.load();
    let profile = repository.profiles.iter().find(|known| known.id.as_str() == profile).unwrap();
    let problems = match render(&repository, profile, None) {
        Ok(rendered) => rendered.warnings,
        Err(problems) => problems,
    };
    lines(&problems).into_iter().filter(|line| !line.contains("not pinned")).collect()
}

#[test]
fn the_example_has_no_problems() {
    assert_eq!(Fixture::example().problems(), Vec::<String>::new());
}

#[test]
fn an_unknown_key_is_shown_with_a_caret_and_the_nearest_name() {
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", "installer = ", "instaler = ");
    let problems = anode::repository::load(fixture.path()).err().unwrap();
    let shown = problems.render(Colour::Never);
    assert_eq!(
        shown,
        "error: `installer` is missing in this file
 --> debian-server/profile.toml:1:1
  |
1 | title = \"Debian server\"
  | ^^^^^^^^^^^^^^^^^^^^^^^
  |
help: add `installer = \"debian\"`

error: unknown key `instaler` in this file
 --> debian-server/profile.toml:3:1
  |
3 | instaler = \"debian\"
  | ^^^^^^^^
  |
help: did you mean `installer`?

2 errors
"
    );
}

#[test]
fn nearest_names_are_proposed_for_everything_that_has_a_name() {
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", "partitioning", "partitionning");
    fixture.replace("fedora-workstation/profile.toml", "\"fedora\"", "\"fedoar\"");
    fixture.replace("orgs/example-school/org.toml", "keyboard", "keybord");
    fixture.replace("anode.toml", "timezone", "timezome");
    fixture.replace("debian-server/profile.toml", "type = \"disk\"", "type = \"dsik\"");
    fixture.write("codes/example-school/a.toml", &CODE.replace("debian-server", "debian-sever"));
    fixture.write("codes/exmple-school/b.toml", &CODE.replace("1111", "4444"));
    fixture.write("snipets/motd", "x");
    assert_eq!(
        fixture.problems(),
        [
            "anode.toml:14:12: no installer has a variable `timezome` (did you mean `timezone`?)",
            "codes/example-school/a.toml:5:13: there is no profile `debian-sever` (did you mean `debian-server`?)",
            "codes/exmple-school/b.toml: there is no organisation `exmple-school` (did you mean `example-school`?)",
            "debian-server/profile.toml:8:17: the installer `debian` has no variable `partitionning` (did you mean `partitioning`?)",
            "debian-server/profile.toml:19:8: `type` can not be `dsik` (did you mean `disk`?)",
            "fedora-workstation/profile.toml:3:13: there is no installer `fedoar` (did you mean `fedora`?)",
            "orgs/example-school/org.toml:5:11: no installer has a variable `keybord` (did you mean `keyboard`?)",
            "snipets: the folder `snipets` has no `profile.toml` (did you mean `snippets`?)",
        ]
    );
}

#[test]
fn one_broken_file_does_not_hide_the_others() {
    let fixture = Fixture::example();
    fixture.write("anode.toml", "[site\n");
    fixture.write("debian-server/profile.toml", "title = 3\nversion = \"13\"\nversion = \"12\"\n");
    fixture.replace("fedora-workstation/profile.toml", "\"43\"", "\"44\"");
    let problems = fixture.problems();
    let about = |file: &str| problems.iter().any(|line| line.starts_with(file));
    assert!(about("anode.toml:1:") && about("debian-server/profile.toml:3:"), "{problems:#?}");
    assert!(
        problems.contains(
            &"fedora-workstation/profile.toml:4:11: the installer `fedora` has no version `44` (it has 42, 43)".into()
        ),
        "{problems:#?}"
    );
}

#[test]
fn symlinks_pipes_and_bad_names_are_refused_by_name() {
    let fixture = Fixture::example();
    symlink("/etc/passwd", fixture.path().join("snippets/passwd")).unwrap();
    symlink("debian-server", fixture.path().join("copy")).unwrap();
    symlink("/etc", fixture.path().join("orgs/example-school/etc")).unwrap();
    symlink("/var/tmp", fixture.path().join(".anode")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(fixture.path().join("debian-server/pipe")).status().unwrap();
    assert!(pipe.success());
    fixture.write("Office PC/profile.toml", "");
    fixture.write("orgs/Ä/org.toml", "title = \"x\"");
    fixture.write("installers/My OS/manifest.toml", "");
    let remedy = "replace it by a copy of what it points to: a repository must not reach outside itself";
    let form = "rename it: a name of 1 to 64 characters from `a-z 0-9 . _ -`, beginning with a letter or digit";
    assert_eq!(
        fixture.problems(),
        [
            format!(".anode: is a symlink ({remedy})"),
            format!("Office PC: `Office PC` can not be the name of a profile ({form})"),
            format!("copy: is a symlink ({remedy})"),
            "debian-server/pipe: is neither a file nor a folder (remove it)".to_owned(),
            format!("installers/My OS: `My OS` can not be the name of an installer definition ({form})"),
            format!("orgs/example-school/etc: is a symlink ({remedy})"),
            format!("orgs/Ä: `Ä` can not be the name of an organisation ({form})"),
            format!("snippets/passwd: is a symlink ({remedy})"),
        ]
    );
}

#[test]
fn names_that_differ_in_case_only_are_refused() {
    let fixture = Fixture::example();
    fixture.write("snippets/MOTD", "x");
    assert_eq!(
        fixture.problems(),
        [
            "snippets/motd: differs from `snippets/MOTD` in upper and lower case only (rename one of the two: not every system can hold both)"
        ]
    );
}

#[test]
fn oversized_files_and_repositories_are_refused() {
    let fixture = Fixture::example();
    fixture.write("orgs/example-school/org.toml", &"#".repeat((256 << 10) + 1));
    assert_eq!(
        fixture.problems(),
        ["orgs/example-school/org.toml: is larger than 256 KiB (split it, or move data out of the repository)"]
    );
    let fixture = Fixture::example();
    let file = std::fs::File::create(fixture.path().join("snippets/image")).unwrap();
    file.set_len(65 << 20).unwrap();
    let problems = fixture.problems();
    assert!(
        problems.iter().any(|line| line.starts_with(".: the repository holds 65 MiB, more than 64 MiB")),
        "{problems:#?}"
    );
}

#[test]
fn duplicate_ids_and_locators_are_refused() {
    let fixture = Fixture::example();
    let own = std::fs::read_to_string(fixture.path().join("debian-server/profile.toml")).unwrap();
    fixture.write("orgs/example-school/debian-server/profile.toml", &own);
    fixture.write("codes/example-school/a.toml", CODE);
    fixture.write("codes/example-school/b.toml", CODE);
    assert_eq!(
        fixture.problems(),
        [
            "codes/example-school/b.toml: has the locator of `codes/example-school/a.toml` (one of the two is a copy: remove it)",
            "orgs/example-school/debian-server/profile.toml:1:1: `debian-server` of the organisation `example-school` has the id of everybody's profile (rename the folder)",
        ]
    );
}

#[test]
fn a_code_can_offer_only_what_its_organisation_sees() {
    let fixture = Fixture::example();
    let own = std::fs::read_to_string(fixture.path().join("debian-server/profile.toml")).unwrap();
    fixture.write("orgs/other/org.toml", "title = \"Other\"\n");
    fixture.write("orgs/other/kiosk/profile.toml", &own);
    let code = CODE.replace("[\"debian-server\"]", "[\"debian-server\", \"kiosk\"]");
    fixture.write("codes/example-school/a.toml", &(code.clone() + "[answers]\nhostnme = \"x\"\n"));
    fixture.write("codes/other/b.toml", &(code.replace("1111", "4444") + "[answers]\nhostname = \"A B\"\n"));
    let problems = fixture.problems();
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(
        problems[0].starts_with("codes/example-school/a.toml:5:30: the profile `kiosk` belongs to `other`"),
        "{problems:#?}"
    );
    assert!(problems[1].starts_with("codes/other/b.toml:8:12: the answer to `hostname` must be"), "{problems:#?}");
}

#[test]
fn titles_with_control_or_bidi_characters_are_refused() {
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", "\"Debian server\"", "\"Debian\\u001b[2J\"");
    fixture.replace("orgs/example-school/org.toml", "\"Example school\"", "\"Example\\u202eloohcs\"");
    let problems = fixture.problems();
    assert_eq!(problems.len(), 2);
    assert!(problems[0].contains("`title` holds the character U+001B"), "{problems:#?}");
    assert!(problems[1].contains("`title` holds the character U+202E"), "{problems:#?}");
}

#[test]
fn a_public_profile_can_not_ask_for_a_password() {
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", "architecture", "public = true\narchitecture");
    assert_eq!(
        fixture.problems(),
        ["debian-server/profile.toml:35:8: a public profile can not ask for a secret (remove `public`, or the prompt)"]
    );
}

#[test]
fn templates_are_checked_before_they_are_rendered() {
    let fixture = Fixture::example();
    let text = "{% if hostnme %}x{% endif %}\n{{ prompt.disk | upper }}\n{{ packages }}\n{% include \"motdd\" %}\n";
    fixture.write("debian-server/debian-late", text);
    assert_eq!(
        render_problems(&fixture, "debian-server"),
        ["debian-server/debian-late:4:13: there is no snippet `motdd` (did you mean `motd`?)"]
    );
    fixture.replace("debian-server/debian-late", "motdd", "motd");
    assert_eq!(
        render_problems(&fixture, "debian-server"),
        [
            "debian-server/debian-late:1:7: unknown variable `hostnme` (did you mean `hostname`?)",
            "debian-server/debian-late:2:4: a prompt can only be written as it is (the answer is not known yet: write `{{ prompt.name }}`, or ask `prompt.name is defined`)",
            "debian-server/debian-late:3:4: `packages` is a list or table (write `{{ packages | words }}`, or `{% for … %}`)",
        ]
    );
}

#[test]
fn what_has_no_value_is_found_at_its_place_in_the_template() {
    let fixture = Fixture::example();
    fixture.write("debian-server/debian-late", "echo {{ ntp }}\n");
    assert_eq!(
        render_problems(&fixture, "debian-server"),
        [
            "debian-server/debian-late:1:9: the variable `ntp` has no value (set it in `debian-server/profile.toml`, in an organisation or in `anode.toml`)"
        ]
    );
    fixture.write("debian-server/debian-late", "echo {{ prompt.hostnme }}\n");
    let problems = render_problems(&fixture, "debian-server");
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].ends_with("the profile has no prompt `hostnme` (did you mean `hostname`?)"), "{problems:#?}");
}

#[test]
fn syntax_errors_and_unknown_filters_are_located() {
    let fixture = Fixture::example();
    for (text, wanted) in [
        ("a\n{% if %}\n", "debian-server/debian-late:2:"),
        ("a\nb {{ hostname | nosuch }}\n", "debian-server/debian-late:2:17: unknown filter `nosuch`"),
        ("a\n{{ hostname | safe }}\n", "debian-server/debian-late:2:"),
        (
            "echo \"{{ profile.title }} x\"\n",
            "debian-server/debian-late:1:1: a value here stands in quotes: leave them out, it brings its own",
        ),
    ] {
        fixture.write("debian-server/debian-late", text);
        let problems = render_problems(&fixture, "debian-server");
        assert!(!problems.is_empty() && problems[0].starts_with(wanted), "{text}: {problems:#?}");
    }
}

#[test]
fn a_file_that_an_initrd_would_lose_is_refused() {
    let fixture = Fixture::with("formats");
    let manifest = "installers/formats/manifest.toml";
    fixture.replace(manifest, "path = \"shell\"", "path = \"lib/shell\"");
    assert_eq!(fixture.problems(), Vec::<String>::new(), "it is not handed over in an initrd");
    fixture.replace(manifest, "hand_over = \"files\"", "hand_over = \"kexec\"");
    let [problem] = fixture.problems().try_into().unwrap();
    assert!(problem.contains("`usr/lib/…` is safe"), "{problem}");
}

#[test]
fn a_prompt_that_no_file_asks_for_is_a_warning() {
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", "name = \"hostname\"", "name = \"host_name\"");
    let problems = render_problems(&fixture, "debian-server");
    assert!(
        problems.contains(&"debian-server/profile.toml:13:8: no file asks for the prompt `host_name` (remove it, or use it in a snippet of the profile)".into()),
        "{problems:#?}"
    );
}

#[test]
fn a_missing_repository_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let problems = anode::repository::load(folder.path()).err().unwrap();
    assert_eq!(
        lines(&problems),
        [
            "anode.toml: there is no `anode.toml`: this is not a profiles repository (go to the repository, or make one with `anode init`)"
        ]
    );
    assert!(anode::repository::load(&folder.path().join("nowhere")).is_err());
}
