//! The real binary against a small real site: what a person or a script sees.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod site;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use site::{CODE, NOW, OTHER_CODE, Site, names};

/// Runs `anode-fetch`, typing `input` into a pipe.
fn run(arguments: &[&str], input: &str) -> (i32, Output) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_anode-fetch"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A run that fails early does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), output)
}

struct Machine<'a> {
    site: &'a Site,
    base: String,
    now: &'a str,
}

impl<'a> Machine<'a> {
    fn new(site: &'a Site) -> Machine<'a> {
        Machine { site, base: site.serve(), now: NOW }
    }

    /// `activate` into the folder `out`, with JSON.
    fn activate(&self, more: &[&str], input: &str) -> (i32, Value, String) {
        self.activate_into("--files", more, input)
    }

    /// The same with another option that takes `out`.
    fn activate_into(&self, option: &str, more: &[&str], input: &str) -> (i32, Value, String) {
        let (root, out) = (self.site.root(), self.site.path("out"));
        let mut arguments = vec!["activate", "--site", &self.base, "--allow-http", "--now", self.now, "--json"];
        arguments.extend(["--root", root.to_str().unwrap(), option, out.to_str().unwrap()]);
        arguments.extend(more);
        let (exit, output) = run(&arguments, input);
        let talk = String::from_utf8(output.stderr).unwrap();
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {talk}"));
        (exit, json, talk)
    }
}

const ANSWERS: [&str; 4] = ["--answer", "hostname=pc-07", "--answer", "password=correct horse"];

fn all<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["--code", CODE, "--profile", "server"], &ANSWERS[..], more].concat()
}

fn preseed(site: &Site) -> String {
    std::fs::read_to_string(site.path("out/preseed.cfg")).unwrap()
}

#[test]
fn a_code_becomes_files_with_the_answers_in_them() {
    let site = Site::build();
    let (exit, json, talk) = Machine::new(&site).activate(&all(&[]), "");
    assert_eq!(exit, 0, "{talk}");
    assert_eq!((&json["ok"], &json["exit"]), (&true.into(), &0.into()));
    assert_eq!(
        (&json["organisation"], &json["profile"], &json["release"]),
        (&"acme".into(), &"server".into(), &3.into())
    );
    assert_eq!(json["files"], serde_json::json!(["preseed.cfg", "provisioning-selection.json"]));
    assert!(json["source"].as_str().unwrap().starts_with("http://127.0.0.1:"));

    let text = preseed(&site);
    assert!(text.starts_with("host=pc-07\npassword=$6$") && text.ends_with('\n') && !text.contains("horse"), "{text}");
    let record = std::fs::read_to_string(site.path("out/provisioning-selection.json")).unwrap();
    assert!(["$6$", "horse", "pc-07", "0123"].iter().all(|secret| !record.contains(secret)), "{record}");
    assert!(["$6$", "horse", "0123"].iter().all(|secret| !talk.contains(secret)), "{talk}");
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(
        (&record["site_title"], &record["clock"], &record["release"]),
        (&"Example site".into(), &"ok".into(), &3.into())
    );
    assert_eq!(record["ansible"]["branch"], "main");
    assert!(talk.contains("not pinned: an updates image without a hash"), "{talk}");
}

#[test]
fn an_initrd_to_append_holds_the_same_files() {
    let site = Site::build();
    let machine = Machine::new(&site);
    let (exit, json, talk) = machine.activate_into("--initrd", &all(&[]), "");
    assert_eq!(exit, 0, "{talk}");
    let written = serde_json::json!(["preseed.cfg", "provisioning-selection.json"]);
    assert_eq!(json["files"], written);
    let archive = std::fs::read(site.path("out")).unwrap();
    let unpacked = site.path("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    let mut cpio = Command::new("cpio").arg("-i").current_dir(&unpacked).stdin(Stdio::piped()).spawn().unwrap();
    cpio.stdin.take().unwrap().write_all(&archive[512..]).unwrap();
    assert!(cpio.wait().unwrap().success());
    assert_eq!(serde_json::json!(names(&unpacked)), written);
    let text = std::fs::read_to_string(unpacked.join("preseed.cfg")).unwrap();
    assert!(text.starts_with("host=pc-07\npassword=$6$"), "{text}");

    let (exit, _, talk) = machine.activate_into("--initrd", &all(&[]), "");
    assert_eq!(exit, 50, "{talk}");
    assert_eq!(std::fs::read(site.path("out")).unwrap(), archive);
    std::fs::remove_file(site.path("out")).unwrap();
    let (exit, ..) = machine.activate_into("--initrd", &["--code", OTHER_CODE], "");
    assert_eq!((exit, site.path("out").exists()), (11, false));
}

#[test]
fn refusals_have_their_exit_codes_and_leave_no_folder() {
    let site = Site::build();
    let machine = Machine::new(&site);
    for (arguments, wanted, name) in [
        (vec!["--code", OTHER_CODE], 11, "code-unknown"),
        (vec!["--code", CODE, "--profile", "tablet"], 14, "profile-unknown"),
        (vec!["--code", CODE], 2, "usage"),
        (vec!["--code", CODE, "--profile", "server"], 15, "answer-invalid"),
        (
            vec!["--code", CODE, "--profile", "server", "--answer", "hostname=A B", "--answer", "password=x"],
            15,
            "answer-invalid",
        ),
        (vec!["--code-file", "/nowhere/code"], 50, "io"),
        (vec!["--code", "0000-0000-0000-0000"], 10, "code-malformed"),
    ] {
        let (exit, json, talk) = machine.activate(&arguments, "");
        assert_eq!((exit, json["code"].as_str()), (wanted, Some(name)), "{arguments:?}: {talk}");
        assert!(talk.contains("error: ") && talk.contains("help: "), "{talk}");
        assert!(names(site.folder.path()).iter().all(|name| !name.contains("out")));
    }
}

#[test]
fn a_changed_object_is_refused() {
    let site = Site::build();
    for (path, bytes) in site.tree.lock().unwrap().iter_mut() {
        if path.starts_with("objects/") {
            bytes[0] ^= 1;
        }
    }
    let (exit, json, _) = Machine::new(&site).activate(&all(&[]), "");
    assert_eq!((exit, &json["code"]), (23, &"integrity".into()));
    assert!(!site.path("out").exists());
}

#[test]
fn a_person_is_asked_line_by_line() {
    let site = Site::build();
    let machine = Machine::new(&site);
    let input = format!("0123\n{CODE}\n2\nPC 7\npc-07\ncorrect horse\nmaybe\nyes\n");
    let (exit, json, talk) = machine.activate(&[], &input);
    assert_eq!(exit, 0, "{talk}");
    assert_eq!(json["profile"], "desktop");
    for part in [
        "has 4 symbols",
        "  1  The server (server)",
        "must be 1 to 63",
        "Password of root",
        "(not shown)",
        "Acme Inc.",
        "Go ahead?",
    ] {
        assert!(talk.contains(part), "{part}: {talk}");
    }
    assert!(preseed(&site).starts_with("host=pc-07\npassword=$6$"));
}

#[test]
fn no_means_no_and_so_does_the_end_of_the_input() {
    let site = Site::build();
    let machine = Machine::new(&site);
    for last in ["nein\n", ""] {
        let input = format!("{CODE}\ncorrect horse\n{last}");
        let (exit, json, talk) =
            machine.activate(&["--profile", "server", "--answer", "hostname=a", "--lang", "de"], &input);
        assert_eq!((exit, &json["code"]), (3, &"declined".into()), "{talk}");
        assert!(talk.contains("Fortfahren? (ja/nein)"), "{talk}");
        assert!(!site.path("out").exists());
    }
}

#[test]
fn the_copy_on_the_medium_serves_while_no_mirror_answers() {
    let site = Site::build();
    let machine = Machine::new(&site);
    let (state, cache) = (site.path("state"), site.path("cache"));
    let kept = ["--state", state.to_str().unwrap(), "--cache", cache.to_str().unwrap()];
    assert_eq!(machine.activate(&all(&kept), "").0, 0);
    std::fs::remove_dir_all(site.path("out")).unwrap();

    let offline = Machine { base: "http://127.0.0.1:1".to_owned(), now: "2026-11-20T00:00:00Z", ..machine };
    let (exit, json, talk) = offline.activate(&all(&kept), "");
    assert_eq!(exit, 0, "{talk}");
    assert!(["state", "cache"].contains(&json["source"].as_str().unwrap()));
    assert!(talk.contains("using the copy of 2026-11-01, good until 2026-11-30"), "{talk}");
    assert!(!json["warnings"].as_array().unwrap().is_empty());

    std::fs::remove_dir_all(site.path("out")).unwrap();
    let late = Machine { now: "2026-12-24T00:00:00Z", ..offline };
    assert_ne!(late.activate(&all(&kept), "").0, 0);
    assert!(!site.path("out").exists());
}

#[test]
fn a_dead_clock_is_recorded_and_asked_about_only_where_somebody_is() {
    let site = Site::build();
    let machine = Machine { now: "1970-01-01T00:00:10Z", ..Machine::new(&site) };
    let (exit, _, talk) = machine.activate(&all(&[]), "");
    assert_eq!(exit, 0, "{talk}");
    let record = std::fs::read_to_string(site.path("out/provisioning-selection.json")).unwrap();
    assert!(record.contains("\"clock\": \"dead\""), "{record}");

    std::fs::remove_dir_all(site.path("out")).unwrap();
    let typed = |day: &str| format!("{CODE}\n{day}\npw\nyes\n");
    let chosen = ["--profile", "server", "--answer", "hostname=a"];
    let (exit, json, talk) = machine.activate(&chosen, &typed("2026-12-24"));
    assert_eq!((exit, &json["code"]), (21, &"metadata-expired".into()), "{talk}");
    assert!(talk.contains("The newest date that the site signed is 2026-11-01"), "{talk}");
    let (exit, _, talk) = machine.activate(&chosen, &typed("2026-11-05"));
    assert_eq!(exit, 0, "{talk}");
    let record = std::fs::read_to_string(site.path("out/provisioning-selection.json")).unwrap();
    assert!(record.contains("\"clock\": \"dead\"") && record.contains("2026-11-05T00:00:00Z"), "{record}");
}

#[test]
fn update_keeps_what_it_verified() {
    let site = Site::build();
    let (base, root, state) = (site.serve(), site.root(), site.path("state"));
    let arguments = ["update", "--site", &base, "--allow-http", "--now", NOW, "--json"];
    let arguments = [&arguments[..], &["--root", root.to_str().unwrap(), "--state", state.to_str().unwrap()]].concat();
    let (exit, output) = run(&arguments, "");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(exit, 0);
    assert_eq!((&json["root"], &json["release"], &json["timestamp"]), (&1.into(), &3.into(), &5.into()));
    assert_eq!(names(&state.join("current")).len(), 1);
}

#[test]
fn with_tls_a_private_authority_must_be_named_and_the_given_time_counts() {
    let site = Site::build();
    let (base, ca) = site.serve_tls();
    let machine = Machine { site: &site, base, now: NOW };
    let (exit, json, _) = machine.activate(&all(&[]), "");
    assert_eq!((exit, &json["code"]), (31, &"tls".into()));
    assert!(json["message"].as_str().unwrap().contains("unknown issuer"), "{json}");
    let ca = ["--ca", ca.to_str().unwrap()];
    let late = Machine { now: "2027-06-01T00:00:00Z", base: machine.base.clone(), ..machine };
    let (exit, json, _) = late.activate(&all(&ca), "");
    assert_eq!(exit, 31);
    assert!(json["message"].as_str().unwrap().contains("certificate expired on 2027-01-01"), "{json}");
    let (exit, _, talk) = machine.activate(&all(&ca), "");
    assert_eq!(exit, 0, "{talk}");
}

#[test]
fn facts_are_json_and_a_closed_pipe_is_no_error() {
    let (exit, output) = run(&["facts"], "");
    assert_eq!(exit, 0);
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(facts["cpu"]["threads"].as_u64().unwrap() >= 1 || !Path::new("/proc/cpuinfo").exists());
    let closed =
        Command::new("sh").args(["-c", "\"$0\" facts | true", env!("CARGO_BIN_EXE_anode-fetch")]).output().unwrap();
    assert!(closed.stderr.is_empty(), "{}", String::from_utf8_lossy(&closed.stderr));
}
