//! Validators and test cases: who is asked, who is missing, and what is said at which line.

use std::fs;
use std::process::Command;

use crate::fixture::{Fixture, lines};
use anode::render::{render, render_cases};
use anode::validate::{Asked, Judgement, Kind, Subject, validate};

const MANIFEST: &str = "installers/language/manifest.toml";

/// The definition `language` with a validator more.
fn with(validator: &str) -> Fixture {
    let fixture = Fixture::with("language");
    let manifest = fs::read_to_string(fixture.path().join(MANIFEST)).unwrap();
    fixture.write(MANIFEST, &format!("{manifest}\n[[validators]]\n{validator}\n"));
    fixture
}

fn judge(fixture: &Fixture) -> Judgement {
    let repository = fixture.load();
    let profile = repository.profiles.iter().find(|profile| profile.id.as_str() == "probe").unwrap();
    let rendered = render(&repository, profile, None).ok().unwrap();
    validate(&repository, [Subject::pack(&rendered)])
}

#[test]
fn a_program_that_is_missing_is_one_warning_and_is_listed() {
    let judged = judge(&with("format = \"shell\"\ncommand = [\"no-such-parser\", \"{file}\"]\npackage = \"parsers\""));
    assert_eq!(lines(&judged.problems), [format!("{MANIFEST}: `no-such-parser` was not run (install `parsers`)")]);
    assert!(!judged.problems.has_errors());
    let not_run = Some("install `parsers`".to_owned());
    // Two scripts and what finishes.
    assert_eq!(judged.validators, [Asked { name: "no-such-parser".into(), kind: Kind::Program, files: 3, not_run }]);
}

#[test]
fn a_validator_reads_the_files_of_its_path_and_versions_only() {
    let shell = "format = \"shell\"\ncommand = [\"sh\", \"-n\", \"{file}\"]\npackage = \"dash\"\n";
    let asked = |more: &str| judge(&with(&format!("{shell}{more}"))).validators;
    let sh = |files| Asked { name: "sh".into(), kind: Kind::Program, files, not_run: None };
    assert_eq!(asked("path = \"anode/finish\""), [sh(1)]);
    assert_eq!(asked("versions = [\"2\"]"), [sh(3)]);
    assert_eq!(asked("versions = [\"1\"]"), []);
}

// One process, one environment: all that needs `ANODE_SCHEMAS` is in one test, in a process of its own.
#[test]
fn schemas_judge_with_line_and_pointer_and_are_listed_where_they_are_absent() {
    if std::env::var_os("ANODE_SCHEMAS").is_none_or(|folders| !folders.to_string_lossy().contains("anode-test-schemas"))
    {
        let folder = tempfile::Builder::new().prefix("anode-test-schemas").tempdir().unwrap();
        let main = serde_json::json!({
            "$id": "https://schemas.example.org/made/all.schema.json",
            "type": "object",
            "properties": { "desktop": { "$ref": "desktop.schema.json" }, "users": { "maxItems": 1 } },
        });
        fs::create_dir(folder.path().join("made")).unwrap();
        fs::write(folder.path().join("made/all.schema.json"), main.to_string()).unwrap();
        fs::write(folder.path().join("made/desktop.schema.json"), "{ \"enum\": [\"none\"] }").unwrap();
        fs::write(folder.path().join("made/broken.schema.json"), "{ \"$ref\": \"nowhere.schema.json\" }").unwrap();
        let test = "validators::schemas_judge_with_line_and_pointer_and_are_listed_where_they_are_absent";
        let mut this = Command::new(std::env::current_exe().unwrap());
        let output = this.args(["--exact", test]).env("ANODE_SCHEMAS", folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let found = |schema: &str| judge(&with(&format!("format = \"json\"\nschema = \"{schema}\"")));
    let judged = found("made/all.schema.json");
    let said = lines(&judged.problems);
    assert_eq!(
        said,
        [
            "probe: all.json (rendered):2:1: the schema `made/all.schema.json` does not accept it".to_owned(),
            "probe: all.json (rendered):3:1: the schema `made/all.schema.json` does not accept it".to_owned(),
        ]
    );
    let shown = judged.problems.render(anode::diagnose::Colour::Never);
    assert!(shown.contains("at `/desktop`: \"kde\" is not one of"), "{shown}");
    assert_eq!(judged.validators[0].not_run, None);
    let broken = lines(&found("made/broken.schema.json").problems).join("\n");
    assert!(broken.contains("the schema `made/broken.schema.json` is not a schema that can be used"), "{broken}");
    let absent = found("other/all.schema.json");
    assert_eq!(
        lines(&absent.problems),
        [format!(
            "{MANIFEST}: the schema `other/all.schema.json` was not run (put the schema below a folder that `ANODE_SCHEMAS` names)"
        )]
    );
    assert!(!absent.problems.has_errors() && absent.validators[0].not_run.is_some());
}

#[test]
fn yaml_that_is_none_or_says_a_thing_twice_is_found_with_its_line() {
    let fixture = Fixture::with("language");
    fixture.replace(MANIFEST, "format = \"json\"", "format = \"yaml\"");
    for (text, wanted) in [
        ("a: [1\nb: 2\n", "probe: all.json (rendered):2:"),
        ("a: 1\nb: 2\na: 3\n", "probe: all.json (rendered):3:1: is not YAML: duplicated key in mapping"),
    ] {
        fixture.write("installers/language/all.json", &format!("{text}# {{{{ prompt.hostname }}}}\n"));
        let found = lines(&judge(&fixture).problems);
        assert!(found.iter().any(|line| line.starts_with(wanted)), "{found:?}");
    }
}

#[test]
fn a_case_is_rendered_for_each_version_of_its_definition() {
    let fixture = Fixture::with("language");
    let tests = "installers/language/tests";
    fixture.write(&format!("{tests}/all.toml"), "title = \"All\"\n[variables]\npost_scripts = [\"own\"]\n");
    fixture.write(&format!("{tests}/all/own"), "#!/bin/sh\necho {{ version }}\n");
    fixture.write(&format!("{tests}/second.toml"), "title = \"Second\"\nversion = \"2\"\n");
    let repository = fixture.load();
    let rendered = render_cases(&repository).ok().unwrap();
    let language = rendered.iter().filter(|(case, _)| case.installer.as_str() == "language");
    let names: Vec<_> = language.map(|(case, _)| (case.name.as_str(), case.profile.version.value.as_str())).collect();
    assert_eq!(names, [("all", "1"), ("all", "2"), ("second", "2")]);
    let scripts: Vec<_> = rendered
        .iter()
        .filter(|(case, _)| case.name.as_str() == "all")
        .map(|(_, done)| String::from_utf8(done.contents.files().next().unwrap().1.to_vec()).unwrap())
        .collect();
    assert_eq!(scripts, ["#!/bin/sh\necho 1\n", "#!/bin/sh\necho 2\n"]);
}

#[test]
fn what_is_wrong_with_a_case_is_said_once_and_at_its_place() {
    let fixture = Fixture::with("language");
    let tests = "installers/language/tests";
    fixture.write(&format!("{tests}/a.toml"), "title = \"A\"\n[variables]\nnetwrok = \"dhcp\"\n");
    fixture.write(&format!("{tests}/b.toml"), "title = \"B\"\ninstaller = \"language\"\n");
    fixture.write(&format!("{tests}/c.toml"), "title = \"C\"\nversion = \"3\"\n");
    fixture.write(&format!("{tests}/d.toml"), "title = \"D\"\nextends = \"probe\"\n");
    fixture.write(&format!("{tests}/e/script"), "x");
    fixture.write(&format!("{tests}/notes.txt"), "x");
    assert_eq!(
        fixture.problems(),
        [
            format!(
                "{tests}/a.toml:3:11: the installer `language` has no variable `netwrok` (did you mean `network`?)"
            ),
            format!(
                "{tests}/b.toml:2:13: a test case has no `installer` of its own (remove the line: it is tried with the definition that it lies beside)"
            ),
            format!("{tests}/c.toml:2:11: the installer `language` has no version `3` (it has 1, 2)"),
            format!(
                "{tests}/d.toml:2:11: a test case extends nothing (write out what it needs: a definition is tried without any profile)"
            ),
            format!(
                "{tests}/e/script: there is no test case `e` that could use it (add `{tests}/e.toml`, or remove the folder)"
            ),
            format!(
                "{tests}/notes.txt: is not a test case (a test case is `<case>.toml`, its snippets lie in `<case>/`)"
            ),
        ]
    );
}

/// Every playbook of the example's profiles, asked once.
fn judge_playbooks(fixture: &Fixture) -> Judgement {
    let mut judged = Judgement::default();
    judged.ask_playbooks(&fixture.load());
    judged
}

#[test]
fn a_playbook_of_the_repository_itself_is_read_by_ansible_and_is_wrong_where_it_is_named() {
    let fixture = Fixture::example();
    let judged = judge_playbooks(&fixture);
    // Those of other repositories lie nowhere, and nothing is said of them.
    let [asked] = &judged.validators[..] else { panic!("{:?}", judged.validators) };
    assert_eq!((asked.name.as_str(), asked.files), ("ansible-playbook", 1));
    if asked.not_run.is_some() {
        assert!(std::env::var_os("CI_REQUIRE_VALIDATORS").is_none(), "{asked:?}");
        eprintln!("skipped: {asked:?}");
        return;
    }
    assert_eq!(lines(&judged.problems), Vec::<String>::new());

    let playbook = "playbooks/server.yml";
    let place = "debian-server/profile.toml:43:12";
    fixture.replace(playbook, "  tasks:\n", "  task:\n");
    // A second profile that names it is a second place, and one that inherits the words is none.
    fixture.replace("rocky-base/profile.toml", "\"server.yml\"", "\"playbooks/server.yml\"");
    let judged = judge_playbooks(&fixture);
    let refused = "`ansible-playbook` does not accept `playbooks/server.yml` (mend `playbooks/server.yml`, which is in this repository)";
    let wanted = [format!("{place}: {refused}"), format!("rocky-base/profile.toml:31:12: {refused}")];
    assert_eq!(lines(&judged.problems), wanted);
    assert_eq!(judged.validators[0].files, 1);
    let shown = judged.problems.render(anode::diagnose::Colour::Never);
    assert!(shown.contains("playbooks/server.yml:2: 'task' is not a valid attribute for a Play"), "{shown}");

    // What only the machine will have is a warning: its packages or `requirements` may bring it.
    for (text, said) in [
        ("- hosts: all\n  roles: [web.server]\n", "playbooks/server.yml:2: the role 'web.server' was not found"),
        ("- hosts: all\n  tasks:\n    - nobody.has.this:\n", "couldn't resolve module/action 'nobody.has.this'"),
        ("- hosts: all\n  vars_files: [vault.yml]\n", "Attempting to decrypt but no vault secrets found"),
    ] {
        fixture.write(playbook, text);
        fixture.write("playbooks/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n3633\n");
        let problems = judge_playbooks(&fixture).problems;
        let shown = problems.render(anode::diagnose::Colour::Never);
        assert!(!problems.has_errors() && shown.contains(said) && shown.contains("could not judge"), "{shown}");
    }
}

#[test]
fn without_ansible_the_check_lists_that_it_was_not_asked() {
    let fixture = Fixture::example();
    let mut check = Command::new(env!("CARGO_BIN_EXE_anode"));
    check.args(["check", "--json", "--repository"]).arg(fixture.path()).env("PATH", "/nowhere");
    let output = check.output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let asked = said["validators"].as_array().unwrap().iter().find(|asked| asked["name"] == "ansible-playbook");
    let wanted = serde_json::json!({
        "name": "ansible-playbook", "kind": "program", "files": 1, "not_run": "install `ansible-core`",
    });
    assert_eq!(asked, Some(&wanted));
    let problem =
        said["problems"].as_array().unwrap().iter().find(|problem| problem["file"] == "debian-server/profile.toml");
    assert_eq!(problem.unwrap()["message"], "`ansible-playbook` was not run");
}

#[test]
fn archinstalls_own_reader_refuses_what_it_does_not_know() {
    let check = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.json");
        fs::write(&path, text).unwrap();
        let output = Command::new("archinstall-check").arg(&path).output().ok()?;
        Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let boots = r#"{"bootloader_config": {"bootloader": "Grub", "uki": false, "removable": false}}"#;
    let Some(accepted) = check(boots) else {
        assert!(std::env::var_os("CI_REQUIRE_VALIDATORS").is_none(), "there is no archinstall-check");
        eprintln!("skipped: there is no archinstall-check");
        return;
    };
    assert!(accepted.0, "{}", accepted.1);
    for (text, said) in [
        (boots.replace("Grub", "Grup"), "archinstall refuses it"),
        (boots.replace("removable", "removble"), "archinstall does not look at bootloader_config.removble"),
        (r#"{"disk_config": {"config_type": "pre_mounted"}}"#.to_owned(), "archinstall refuses it"),
        (r#"{"users": [{"username": "anna", "enc_password": "*", "grups": []}]}"#.to_owned(), "users[0].grups"),
    ] {
        let (accepted, words) = check(&text).unwrap();
        assert!(!accepted && words.contains(said), "{text}: {words}");
    }
}
