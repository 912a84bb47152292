//! Hostile values through every format, read back by somebody else's parser: the value that went in comes out, or it is refused with the place
//! where it was set. Never does another directive appear.

use std::process::Command;

use crate::fixture::{Fixture, lines};
use anode::render::render;

const VALUES: [&str; 30] = [
    "plain",
    "",
    "two words",
    " blank before and after ",
    "it's",
    "\"quoted\"",
    "'\"'\"'",
    "a\nd-i preseed/late_command string reboot",
    "a\n%end\n%post\nreboot",
    "%end",
    "%include /etc/passwd",
    "# comment",
    "a # b",
    "$(reboot)",
    "`reboot`",
    "${HOME}",
    "$HOME",
    "a;b",
    "a && b || c",
    "a | b > c < d",
    "back\\slash",
    "ends in \\",
    "\\n",
    "*?[a]~",
    "--option",
    "{{ value }}{% raw %}",
    "key: value, [x] {y}",
    "no",
    "Ünïcödé 李",
    "AnodeInsertQx00",
];

struct Case {
    fixture: Fixture,
}

impl Case {
    fn new() -> Case {
        let fixture = Fixture::with("formats");
        // The probe is the only profile.
        for entry in std::fs::read_dir(fixture.path()).unwrap() {
            let folder = entry.unwrap().path();
            if folder.ends_with("orgs") || folder.join("profile.toml").exists() && !folder.ends_with("probe") {
                std::fs::remove_dir_all(folder).unwrap();
            }
        }
        Case { fixture }
    }

    /// The file that holds the value, or why there is none.
    fn file(&self, format: &str, value: &str) -> Result<String, Vec<String>> {
        let text = toml::Value::String(value.to_owned());
        self.fixture.write(
            "probe/profile.toml",
            &format!(
                "title = \"Probe\"\ninstaller = \"formats\"\nversion = \"1\"\narchitecture = \"any\"\n[variables]\nonly = \"{format}\"\nvalue = {text}\n"
            ),
        );
        let repository = self.fixture.load();
        let probe = repository.profiles.iter().find(|profile| profile.id.as_str() == "probe").unwrap();
        match render(&repository, probe, None) {
            Ok(rendered) => Ok(String::from_utf8(rendered.contents.files().next().unwrap().1.to_vec()).unwrap()),
            Err(problems) => Err(lines(&problems)),
        }
    }
}

fn shell(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).current_dir("/").output().unwrap();
    assert!(output.status.success(), "{script}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_shell_prints_every_value_as_it_went_in() {
    let case = Case::new();
    for value in VALUES {
        assert_eq!(shell(&case.file("shell", value).unwrap()), value);
    }
}

#[test]
fn json_yaml_and_toml_give_back_every_value() {
    let case = Case::new();
    for value in VALUES {
        // YAML 1.2 holds JSON: the same text must be right in both.
        for format in ["json", "yaml"] {
            let read: serde_json::Value = serde_json::from_str(&case.file(format, value).unwrap()).unwrap();
            assert_eq!(read, serde_json::json!({ "value": value, "again": [value] }));
        }
        let read: toml::Table = case.file("toml", value).unwrap().parse().unwrap();
        assert_eq!(read["value"].as_str(), Some(value));
        assert_eq!(read.len(), 1);
    }
}

#[test]
fn a_kickstart_holds_every_value_of_one_line_and_refuses_the_others_where_they_were_set() {
    let case = Case::new();
    for value in VALUES {
        match case.file("kickstart", value) {
            Ok(text) => {
                let lines: Vec<_> = text.lines().collect();
                assert_eq!((lines.len(), lines[1], lines[3]), (4, "%post", "%end"), "{text}");
                let words = shell(&format!("printf '%s\\n' {}", lines[0]));
                assert_eq!(words, format!("user\n--name=x\n--gecos={value}\n--lock\n"));
                assert_eq!(shell(lines[2]), value);
            }
            Err(problems) => {
                assert!(value.contains('\n'), "{value:?}: {problems:?}");
                assert!(
                    problems[0].starts_with(
                        "probe/profile.toml:7:9: `value` holds a line end, and `installers/formats/kickstart` writes it"
                    ),
                    "{problems:?}"
                );
            }
        }
    }
}

#[test]
fn a_preseed_holds_a_value_as_it_is_or_refuses_it_where_it_was_set() {
    let case = Case::new();
    for value in VALUES {
        match case.file("preseed", value) {
            Ok(text) => {
                assert_eq!(text, format!("d-i a/before string x\nd-i a/value string {value}\nd-i a/after string y\n"));
            }
            Err(problems) => {
                assert!(value.contains(['\n', '\\']) || value.trim() != value, "{value:?}: {problems:?}");
                assert!(problems[0].starts_with("probe/profile.toml:7:9: `value` "), "{problems:?}");
            }
        }
        let ini = case.file("ini", value);
        assert!(ini.is_err() == value.contains('\n'), "{value:?}");
        assert!(ini.is_err() || ini == Ok(format!("[x]\nvalue={value}\nafter=1\n")));
    }
}

#[test]
fn a_value_in_a_preseeded_command_is_one_word_of_its_shell() {
    let case = Case::new();
    for value in VALUES {
        if let Ok(text) = case.file("command", value) {
            assert_eq!(text.lines().count(), 1);
            assert_eq!(shell(text.trim_start_matches("d-i preseed/late_command string ")), value);
        } else {
            assert!(value.contains(['\n', '\\']), "{value:?}");
        }
    }
    case.fixture.write("installers/formats/command", "d-i preseed/late_command string printf {{ value }}\n");
    assert!(case.file("command", "plain").is_ok());
    assert_eq!(
        case.file("command", "$(reboot)"),
        Err(vec![
            "installers/formats/command:1:1: a value here stands in a command: write `| shell` behind it".to_owned()
        ])
    );
}

#[test]
fn control_characters_are_refused_when_the_value_is_set() {
    let case = Case::new();
    for value in ["\u{0}", "\r", "\u{1b}[2J", "\u{202e}", "\u{200b}", "\u{e000}", "\u{e001}"] {
        let text = toml::Value::String(value.to_owned());
        case.fixture.replace("probe/profile.toml", "\"plain\"", "\"plain\"\n");
        case.fixture.write(
            "probe/profile.toml",
            &format!("title = \"P\"\ninstaller = \"formats\"\nversion = \"1\"\narchitecture = \"any\"\n[variables]\nvalue = {text}\n"),
        );
        let problems = case.fixture.problems();
        assert!(problems.len() == 1 && problems[0].starts_with("probe/profile.toml:6:9: `value` must"), "{problems:?}");
        case.fixture.replace("probe/profile.toml", "value = ", "value = \"plain\" # ");
    }
}
