//! Hostile values through every format, read back by somebody else's parser: the value that went in comes out, or it is refused with the place
//! where it was set. Never does another directive appear.
//!
//! Each parser is started once and reads everything.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::corpus::{is_ordinary, values};
use crate::fixture::{Fixture, lines};
use anode::render::Renderer;
use anode::repository::{Profile, Repository};
use anode_bundle::name::Id;

/// The definition with one file of each format, and nothing else that would take time.
fn repository() -> (Fixture, Repository) {
    let fixture = Fixture::with("formats");
    for entry in fs::read_dir(fixture.path()).unwrap().map(Result::unwrap) {
        let keep = ["anode.toml", "installers", "probe", "snippets"];
        if !keep.iter().any(|name| entry.file_name() == *name) && entry.path().is_dir() {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    for entry in fs::read_dir(fixture.path().join("installers")).unwrap().map(Result::unwrap) {
        let _ = fs::remove_dir_all(entry.path().join("tests"));
    }
    let repository = fixture.load();
    (fixture, repository)
}

fn profile(repository: &Repository, format: &str, value: &str) -> Result<Profile, Vec<String>> {
    let text = toml::Value::String(value.to_owned());
    let head = "title = \"Probe\"\ninstaller = \"formats\"\nversion = \"1\"\narchitecture = \"any\"\n";
    let text = format!("{head}[variables]\nonly = \"{format}\"\nvalue = {text}\n");
    let read = repository.read_profile(&Id::new("probe").unwrap(), text);
    read.map(|(profile, _)| profile).map_err(|problems| lines(&problems))
}

/// Every value that the format takes, with the file that holds it. What it does not take, `refused` has to expect.
fn written(format: &str, refused: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let (_fixture, repository) = repository();
    let mut profiles = Vec::new();
    for value in values() {
        match profile(&repository, format, &value) {
            Ok(profile) => profiles.push((value, profile)),
            Err(problems) => {
                assert!(!is_ordinary(&value), "{value:?}: {problems:?}");
                assert!(problems[0].starts_with("probe/profile.toml:7:9: `value` must"), "{value:?}: {problems:?}");
            }
        }
    }
    let renderer = Renderer::new(&repository).unwrap();
    let mut written = Vec::new();
    for (value, profile) in &profiles {
        match renderer.render(profile, None) {
            Ok(rendered) => {
                assert!(!refused(value), "{format} took {value:?}");
                let (_, bytes) = rendered.contents.files().next().unwrap();
                written.push((value.clone(), String::from_utf8(bytes.to_vec()).unwrap()));
            }
            Err(problems) => {
                let problems = lines(&problems);
                assert!(refused(value), "{format} refused {value:?}: {problems:?}");
                assert!(problems[0].starts_with("probe/profile.toml:7:9: `value` "), "{value:?}: {problems:?}");
            }
        }
    }
    assert!(written.len() > 250, "{format}: only {} values were written", written.len());
    written
}

fn many_lines(value: &str) -> bool {
    value.contains('\n')
}

/// What a line without quotes can not hold.
fn unquotable(value: &str) -> bool {
    many_lines(value) || value.contains('\\') || value.trim() != value
}

/// Hands `input` to a program and returns what it prints.
fn run(program: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A program that ends early does not read to the end.
    let _ = writer.join().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What each script prints, all of them run by one shell.
pub fn shell<'s>(scripts: impl IntoIterator<Item = &'s str>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut all = String::new();
    for (number, script) in scripts.into_iter().enumerate() {
        let path = folder.path().join(format!("{number:04}"));
        fs::write(&path, script).unwrap();
        all.push_str(&format!(". {}; printf '\\000'\n", path.display()));
    }
    let printed = run("sh", &[], &all);
    let mut printed: Vec<_> = printed.split('\0').map(str::to_owned).collect();
    assert_eq!(printed.pop().as_deref(), Some(""));
    printed
}

/// What a Python program makes of each text; `None` where no Python has the module.
fn python(module: &str, function: &str, texts: &[&str]) -> Option<Vec<serde_json::Value>> {
    let beside = std::env::var_os("PATH").unwrap_or_default();
    let mut pythons: Vec<_> = std::env::split_paths(&beside)
        .filter(|folder| folder.join("ksvalidator").is_file())
        .map(|folder| folder.join("python3").display().to_string())
        .collect();
    pythons.extend(["python3".to_owned(), "/usr/bin/python3".to_owned()]);
    let has = |python: &&String| {
        let import = Command::new(python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
        import.is_ok_and(|status| status.success())
    };
    let Some(program) = pythons.iter().find(has) else {
        assert!(std::env::var_os("CI_REQUIRE_VALIDATORS").is_none(), "no Python here has `{module}`");
        eprintln!("skipped: no Python here has `{module}`");
        return None;
    };
    let script =
        format!("import json, sys, {module}\n{function}\nprint(json.dumps([read(t) for t in json.load(sys.stdin)]))");
    let printed = run(program, &["-c", &script], &serde_json::to_string(texts).unwrap());
    Some(serde_json::from_str(&printed).unwrap())
}

fn texts(written: &[(String, String)]) -> Vec<&str> {
    written.iter().map(|(_, text)| text.as_str()).collect()
}

#[test]
fn the_corpus_has_more_than_500_values() {
    assert!(values().len() > 500, "{}", values().len());
}

#[test]
fn a_shell_prints_every_value_as_it_went_in() {
    let written = written("shell", |_| false);
    for ((value, text), printed) in written.iter().zip(shell(texts(&written))) {
        assert_eq!(printed, *value, "{text}");
    }
}

#[test]
fn json_and_toml_give_back_every_value() {
    for (value, text) in written("json", |_| false) {
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, serde_json::json!({ "value": value, "again": [value] }));
    }
    for (value, text) in written("toml", |_| false) {
        let read: toml::Table = text.parse().unwrap();
        assert_eq!((read["value"].as_str(), read.len()), (Some(value.as_str()), 1));
    }
}

#[test]
fn yaml_and_xml_give_back_every_value_to_parsers_of_other_people() {
    let written_yaml = written("yaml", |_| false);
    let read = "def read(t): return list(yaml.safe_load_all(t))";
    for ((value, text), read) in
        written_yaml.iter().zip(python("yaml", read, &texts(&written_yaml)).unwrap_or_default())
    {
        assert_eq!(read, serde_json::json!([{ "value": value, "again": [value] }]), "{text}");
    }
    let written_xml = written("xml", |value| value.contains('\u{fffe}'));
    let read = "import xml.etree.ElementTree as e\ndef read(t):\n  r = e.fromstring(t)\n  return [r.tag, r.attrib, r.text or '', len(r)]";
    for ((value, text), read) in written_xml.iter().zip(python("xml", read, &texts(&written_xml)).unwrap_or_default()) {
        assert_eq!(read, serde_json::json!(["a", { "b": value }, value, 0]), "{text}");
    }
}

#[test]
fn a_kickstart_holds_every_value_of_one_line_and_no_other_directive() {
    let written = written("kickstart", many_lines);
    let scripts: Vec<_> = written.iter().map(|(_, text)| text.lines().nth(2).unwrap()).collect();
    for ((value, text), printed) in written.iter().zip(shell(scripts)) {
        assert_eq!(printed, *value, "{text}");
    }
    let read = "import pykickstart.parser as p, pykickstart.version as v
handler = type(v.makeVersion())
def read(t):
  k = p.KickstartParser(handler())
  k.readKickstartFromString(t)
  h = k.handler
  lines = [l for l in str(h).splitlines() if l and not l.startswith('#')]
  u = h.user.userList
  return [[(x.name, x.gecos, x.lock) for x in u], len(h.scripts), h.scripts[0].script]";
    for ((value, text), read) in written.iter().zip(python("pykickstart", read, &texts(&written)).unwrap_or_default()) {
        let script = text.lines().nth(2).unwrap();
        assert_eq!(read, serde_json::json!([[["x", value, true]], 1, format!("{script}\n")]), "{text}");
    }
}

#[test]
fn debconf_holds_every_value_that_a_preseed_takes() {
    let written = written("preseed", unquotable);
    let folder = tempfile::tempdir().unwrap();
    let mut all = String::new();
    for (number, (_, text)) in written.iter().enumerate() {
        assert_eq!(text.lines().count(), 3, "{text}");
        all.push_str(&text.replacen("a/value", &format!("a/value-{number}"), 1));
    }
    let (answers, templates) = (folder.path().join("answers"), folder.path().join("templates"));
    let configuration = format!(
        "Config: answers\nTemplates: templates\n\nName: answers\nDriver: File\nFilename: {}\n\nName: templates\nDriver: File\nFilename: {}\n",
        answers.display(),
        templates.display()
    );
    fs::write(folder.path().join("debconf.conf"), configuration).unwrap();
    fs::write(folder.path().join("preseed.cfg"), all).unwrap();
    let output = Command::new("debconf-set-selections")
        .arg(folder.path().join("preseed.cfg"))
        .env("DEBCONF_SYSTEMRC", folder.path().join("debconf.conf"))
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut kept = BTreeMap::new();
    for stanza in fs::read_to_string(answers).unwrap().split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        kept.insert(field("Name: "), field("Value: "));
    }
    // The two neighbours, and one question for each value.
    assert_eq!(kept.keys().filter(|name| !name.is_empty()).count(), written.len() + 2);
    for (number, (value, _)) in written.iter().enumerate() {
        assert_eq!(kept.get(&format!("a/value-{number}")), Some(value));
    }
}

#[test]
fn a_value_in_a_preseeded_command_is_one_word_of_its_shell() {
    let refused = |value: &str| many_lines(value) || value.contains('\\');
    let written = written("command", refused);
    let commands = written.iter().map(|(_, text)| text.trim_start_matches("d-i preseed/late_command string "));
    for ((value, text), printed) in written.iter().zip(shell(commands)) {
        assert_eq!((text.lines().count(), printed.as_str()), (1, value.as_str()), "{text}");
    }
    let (fixture, _) = repository();
    fixture.write("installers/formats/command", "d-i preseed/late_command string printf {{ value }}\n");
    let repository = fixture.load();
    let profiles = ["plain", "$(reboot)"].map(|value| profile(&repository, "command", value).unwrap());
    let renderer = Renderer::new(&repository).unwrap();
    let [plain, hostile] = profiles.each_ref().map(|profile| renderer.render(profile, None));
    assert!(plain.is_ok());
    assert_eq!(
        lines(&hostile.err().unwrap()),
        ["installers/formats/command:1:1: a value here stands in a command: write `| shell` behind it"]
    );
}

#[test]
fn a_line_of_a_unit_or_key_file_holds_a_value_as_it_is_or_refuses_it() {
    let written = written("ini", unquotable);
    for (value, text) in &written {
        assert_eq!(*text, format!("[x]\nvalue={value}\nafter=1\n"));
    }
    let read = "def read(t):
  c = configparser.RawConfigParser(delimiters=('=',), comment_prefixes=('#', ';'), default_section=None, strict=True)
  c.read_string(t)
  return {s: dict(c[s]) for s in c.sections()}";
    for ((value, text), read) in written.iter().zip(python("configparser", read, &texts(&written)).unwrap_or_default())
    {
        assert_eq!(read, serde_json::json!({ "x": { "value": value, "after": "1" } }), "{text}");
    }
}
