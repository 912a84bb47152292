//! Profiles that extend profiles: what is inherited, what is not, and what is refused.

use anode::diagnose::Origin;
use anode::render::render;
use anode::repository::{Profile, Repository, Value};
use anode_bundle::name::Id;

use crate::fixture::Fixture;

const BASE: &str = r#"title = "Base"
abstract = true
installer = "debian"
version = "13"
architecture = "amd64"
unattended = true

[variables]
timezone = "Europe/Berlin"
partitioning = "plain"

[[prompts]]
name = "hostname"
type = "hostname"
title = "Name"

[[prompts]]
name = "disk"
type = "disk"

[[prompts]]
name = "password"
type = "password"

[ansible]
repository = "https://git.example.org/base.git"
branch = "main"
playbook = "base.yml"
"#;

const HEIR: &str = r#"title = "Heir"
extends = "base"
version = "12"

[variables]
partitioning = "lvm"
packages = ["vim"]

[[prompts]]
name = "full_name"
type = "full-name"

[[prompts]]
name = "hostname"
type = "hostname"
title = "Name of the heir"

[ansible]
commit = "0123456789abcdef0123456789abcdef01234567"
"#;

fn family() -> Fixture {
    let fixture = Fixture::example();
    fixture.write("base/profile.toml", BASE).write("heir/profile.toml", HEIR);
    fixture
}

fn profile<'r>(repository: &'r Repository, id: &str) -> &'r Profile {
    repository.profile(&Id::new(id).unwrap(), None).unwrap()
}

fn place(origin: &Origin) -> String {
    format!("{}:{}", origin.source.path, origin.position().0)
}

#[test]
fn an_heir_has_what_its_base_says_and_what_it_says_itself_wins() {
    let repository = family().load();
    let heir = profile(&repository, "heir");
    assert_eq!((heir.title.as_str(), heir.unattended), ("Heir", true));
    assert_eq!(
        (heir.installer.value.as_str(), &*heir.version.value, &*heir.architecture.value),
        ("debian", "12", "amd64")
    );
    let settings: Vec<_> = heir.variables.iter().map(|(name, set)| (name.as_str(), place(&set.origin))).collect();
    assert_eq!(
        settings,
        [
            ("packages", "heir/profile.toml:7".to_owned()),
            ("partitioning", "heir/profile.toml:6".to_owned()),
            ("timezone", "base/profile.toml:9".to_owned()),
        ]
    );
    let ancestors: Vec<_> = heir.ancestors.iter().map(|ancestor| ancestor.id.as_str()).collect();
    assert_eq!(ancestors, ["base"]);
}

#[test]
fn prompts_keep_the_place_of_the_base_and_new_ones_stand_behind() {
    let fixture = family();
    let asked = |fixture: &Fixture| {
        let repository = fixture.load();
        let prompts = profile(&repository, "heir").prompts.iter();
        prompts.map(|prompt| (prompt.value.name.to_string(), prompt.value.title.clone())).collect::<Vec<_>>()
    };
    let pair = |name: &str, title: &str| (name.to_owned(), title.to_owned());
    let all = [pair("hostname", "Name of the heir"), pair("disk", ""), pair("password", ""), pair("full_name", "")];
    assert_eq!(asked(&fixture), all);
    fixture.replace("heir/profile.toml", "version", "remove_prompts = [\"disk\"]\nversion");
    assert_eq!(asked(&fixture), [all[0].clone(), all[2].clone(), all[3].clone()]);
}

#[test]
fn the_words_of_ansible_are_inherited_and_a_commit_replaces_a_branch() {
    let fixture = family();
    let repository = fixture.load();
    let rendered = render(&repository, profile(&repository, "heir"), None).ok().unwrap();
    let ansible = rendered.contents.manifest().ansible.clone().unwrap();
    assert_eq!(ansible.repository, "https://git.example.org/base.git");
    assert_eq!((ansible.commit.map(|commit| commit.len()), ansible.branch), (Some(40), None));
    assert_eq!(ansible.playbook, "base.yml");
}

#[test]
fn a_snippet_beside_the_base_is_the_heirs_unless_it_has_its_own() {
    let fixture = family();
    let motd = |fixture: &Fixture, id: &str| {
        let repository = fixture.load();
        let rendered = render(&repository, profile(&repository, id), None).ok().unwrap();
        let (_, bytes) = rendered.contents.files().find(|(file, _)| file.path.as_str() == "anode/motd").unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    fixture.write("grandchild/profile.toml", "title = \"G\"\nextends = \"heir\"\n");
    fixture.write("base/motd", "of the base\n");
    assert_eq!((&*motd(&fixture, "heir"), &*motd(&fixture, "grandchild")), ("of the base\n", "of the base\n"));
    fixture.write("heir/motd", "of the heir\n");
    assert_eq!((&*motd(&fixture, "heir"), &*motd(&fixture, "grandchild")), ("of the heir\n", "of the heir\n"));
    fixture.write("grandchild/motd", "its own\n");
    assert_eq!((&*motd(&fixture, "heir"), &*motd(&fixture, "grandchild")), ("of the heir\n", "its own\n"));
}

#[test]
fn what_a_base_inherits_reaches_its_heirs_through_several_profiles() {
    let fixture = family();
    fixture.write("root/profile.toml", "title = \"R\"\nabstract = true\n[variables]\nkeyboard = \"fr\"\n");
    fixture.replace("base/profile.toml", "abstract", "extends = \"root\"\nabstract");
    let repository = fixture.load();
    let heir = profile(&repository, "heir");
    assert_eq!(heir.variables["keyboard"].value, Value::Text("fr".into()));
    let ancestors: Vec<_> = heir.ancestors.iter().map(|ancestor| ancestor.id.as_str()).collect();
    assert_eq!(ancestors, ["base", "root"]);
    assert!(repository.profiles.iter().all(|profile| !["root", "base"].contains(&profile.id.as_str())));
}

#[test]
fn a_circle_is_shown_with_every_place_and_once() {
    let fixture = Fixture::example();
    fixture.write("a/profile.toml", "title = \"A\"\nextends = \"b\"\n");
    fixture.write("b/profile.toml", "title = \"B\"\nabstract = true\nextends = \"c\"\n");
    fixture.write("c/profile.toml", "title = \"C\"\n\n\nextends = \"a\"\n");
    fixture.write("d/profile.toml", "title = \"D\"\nextends = \"c\"\n");
    fixture.write("self/profile.toml", "title = \"S\"\nextends = \"self\"\n");
    assert_eq!(
        fixture.problems(),
        [
            "a/profile.toml:2:11: `a` extends itself: a → b → c → a (remove one `extends`: `a/profile.toml:2`, `b/profile.toml:3`, `c/profile.toml:4`)",
            "self/profile.toml:2:11: `self` extends itself: self → self (remove one `extends`: `self/profile.toml:2`)",
        ]
    );
}

#[test]
fn a_parent_must_be_there_and_its_nearest_name_is_proposed() {
    let fixture = family();
    fixture.replace("heir/profile.toml", "\"base\"", "\"bsae\"");
    fixture.write("heir2/profile.toml", "title = \"H\"\nextends = \"heir\"\n");
    assert_eq!(
        fixture.problems(),
        [
            "heir/profile.toml:2:11: there is no profile `bsae` (did you mean `base`?)",
            "base/profile.toml:1:1: no profile extends the abstract profile `base` (write `extends = \"base\"` in a profile, or remove `abstract`)",
        ]
    );
    let fixture = family();
    fixture.replace("heir/profile.toml", "\"base\"", "\"Not A Name\"");
    assert!(fixture.problems()[0].starts_with("heir/profile.toml:2:11: `extends` is not right"));
    // One that can not be read is reported once, and not again as one that is not there.
    let fixture = family();
    fixture.write("base/profile.toml", "title = \n");
    let problems = fixture.problems();
    assert!(problems.len() == 1 && problems[0].starts_with("base/profile.toml:1:"), "{problems:#?}");
}

#[test]
fn an_organisation_extends_its_own_profiles_or_everybodys_and_nobody_extends_anothers() {
    let fixture = family();
    fixture.write("orgs/other/org.toml", "title = \"Other\"\n");
    fixture.write("orgs/other/secret-base/profile.toml", "title = \"S\"\nextends = \"base\"\nabstract = true\n");
    fixture.write("orgs/other/mine/profile.toml", "title = \"M\"\nextends = \"secret-base\"\n");
    assert_eq!(fixture.problems(), Vec::<String>::new());
    fixture.write("orgs/example-school/thief/profile.toml", "title = \"T\"\nextends = \"secret-base\"\n");
    fixture.write("thief/profile.toml", "title = \"T\"\nextends = \"secret-base\"\n");
    assert_eq!(
        fixture.problems(),
        [
            "orgs/example-school/thief/profile.toml:2:11: a profile of `example-school` can not extend `secret-base`, which belongs to `other` (move `orgs/other/secret-base` to the top, or copy it to `orgs/example-school/`)",
            "thief/profile.toml:2:11: everybody's profile can not extend `secret-base`, which belongs to `other` (move `orgs/other/secret-base` to the top)",
        ]
    );
}

#[test]
fn a_chain_that_leaves_something_open_says_what_and_where_to_add_it() {
    let fixture = family();
    fixture.replace("base/profile.toml", "architecture = \"amd64\"\n", "");
    assert_eq!(
        fixture.problems(),
        [
            "heir/profile.toml:2:11: nothing sets `architecture`: neither `heir` nor base (add `architecture = \"amd64\"`)"
        ]
    );
}

#[test]
fn a_code_can_not_offer_an_abstract_profile() {
    let fixture = family();
    let code = crate::refusals::CODE.replace("debian-server", "base");
    fixture.write("codes/example-school/x.toml", &code);
    let problems = fixture.problems();
    assert!(
        problems.iter().any(|line| line.contains(
            "the profile `base` is abstract: nobody can be offered it (offer a profile that extends it: `heir`)"
        )),
        "{problems:#?}"
    );
}

#[test]
fn a_public_heir_is_judged_by_what_it_inherits() {
    let fixture = family();
    fixture.replace("heir/profile.toml", "version", "public = true\nversion");
    assert_eq!(
        fixture.problems(),
        [
            "heir/profile.toml:2:11: a public profile can not ask for a secret (remove `public`, or add `remove_prompts = [\"password\"]`)"
        ]
    );
    fixture.replace("heir/profile.toml", "version", "remove_prompts = [\"password\"]\nversion");
    assert_eq!(fixture.problems(), Vec::<String>::new());
    // `public` is said by each profile itself.
    fixture.write("child/profile.toml", "title = \"C\"\nextends = \"heir\"\n");
    let repository = fixture.load();
    assert_eq!((profile(&repository, "heir").public, profile(&repository, "child").public), (true, false));
    fixture.replace("base/profile.toml", "abstract", "public = true\nabstract");
    assert!(fixture.problems()[0].contains("an abstract profile can not be `public`"));
}

#[test]
fn inherited_secrets_are_secrets_of_the_heir() {
    let fixture = family();
    let hash = format!("$6$saltsalt${}", "a".repeat(86));
    fixture.replace("base/profile.toml", "partitioning = \"plain\"", &format!("password = \"{hash}\""));
    let repository = fixture.load();
    assert!(repository.holds_secrets(profile(&repository, "heir"), None));
}

#[test]
fn removing_a_prompt_that_is_not_inherited_is_a_mistake() {
    let fixture = family();
    fixture.replace("heir/profile.toml", "version", "remove_prompts = [\"dsik\", \"full_name\"]\nversion");
    fixture.replace("debian-server/profile.toml", "version", "remove_prompts = [\"disk\"]\nversion");
    fixture.replace("debian-server/profile.toml", "name = \"disk\"", "name = \"diskette\"");
    assert_eq!(
        fixture.problems(),
        [
            "debian-server/profile.toml:4:19: there is no prompt `disk` to remove (this profile extends none: leave the prompt out)",
            "heir/profile.toml:3:19: there is no prompt `dsik` to remove (did you mean `disk`?)",
            "heir/profile.toml:3:27: the prompt `full_name` is removed and declared (what is declared here replaces what is inherited: remove it from `remove_prompts`)",
        ]
    );
}

#[test]
fn a_wrong_value_of_a_base_is_reported_where_it_stands_and_once() {
    let fixture = family();
    fixture.write("heir2/profile.toml", "title = \"H\"\nextends = \"base\"\n");
    fixture.replace("base/profile.toml", "\"plain\"", "\"zfs\"");
    fixture.replace("heir/profile.toml", "partitioning = \"lvm\"\n", "");
    let problems = fixture.problems();
    assert!(problems.len() == 1 && problems[0].starts_with("base/profile.toml:10:"), "{problems:#?}");
    // Without an installer of its own, a base is judged by all of them, and by those of its heirs.
    let fixture = family();
    fixture.replace("base/profile.toml", "installer = \"debian\"\n", "");
    fixture.replace("base/profile.toml", "timezone", "tasks = [\"standard\"]\ntimezone");
    fixture.replace(
        "heir/profile.toml",
        "version = \"12\"",
        "installer = \"fedora\"\nversion = \"43\"\narchitecture = \"x86_64\"",
    );
    let problems = fixture.problems();
    assert!(
        problems.len() == 1
            && problems[0].starts_with("base/profile.toml:8:9: the installer `fedora` has no variable `tasks`"),
        "{problems:#?}"
    );
}

#[test]
fn a_line_of_profiles_has_an_end() {
    let fixture = Fixture::example();
    fixture.write("p0/profile.toml", BASE);
    for number in 1..=18 {
        let text = format!("title = \"P\"\nextends = \"p{}\"\n", number - 1);
        fixture.write(&format!("p{number}/profile.toml"), &text);
    }
    assert_eq!(
        fixture.problems(),
        [
            "p17/profile.toml:2:11: `p17` extends a line of 17 profiles (extend one that is nearer to the end of the line)"
        ]
    );
}
