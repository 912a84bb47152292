//! Bad input of every kind: the message names the thing and the remedy, and nothing is built.

use std::fs;
use std::os::unix::fs::symlink;

use anode_tests::{Program, Site};
use serde_json::Value;

/// `anode check` finds exactly one kind of thing: the message holds every word, and `anode build` refuses for the same reason.
#[track_caller]
fn faulty(site: &Site, words: &[&str]) {
    let _ = site.anode(&["check"]).run().fails(words);
    let _ = site.build().run().fails(words);
    assert!(!site.tree().exists(), "something was built");
}

#[test]
fn a_fresh_repository_has_no_errors() {
    let site = Site::new();
    let checked = site.anode(&["check"]).run().ok();
    assert!(!checked.stderr.contains("error"), "{checked}");
    // Kernels are pinned by whoever means to boot them.
    for problem in problems(&site.anode(&["check", "--json"]).run().ok().json()) {
        let message = problem["message"].to_string();
        // Schemas and some parsers are other people's, and not on every machine.
        let expected = message.contains("not pinned") || message.contains("was not run");
        assert!(problem["severity"] == "warning" && expected, "{problem}");
    }
}

fn problems(json: &Value) -> Vec<Value> {
    json.as_array().or_else(|| json["problems"].as_array()).expect("a list of problems").clone()
}

#[test]
fn malformed_toml_is_shown_with_its_line() {
    let site = Site::new();
    site.write("kiosk/profile.toml", "title = \"Kiosk\"\ninstaller = \"debian\nversion = \"12\"\n");
    faulty(&site, &["kiosk/profile.toml:2:", "string"]);
}

#[test]
fn an_unknown_key_is_shown_with_the_nearest_known_one() {
    let site = Site::new();
    site.edit("anode.toml", "language = \"en\"", "langauge = \"en\"");
    faulty(&site, &["anode.toml:", "langauge", "did you mean `language`?"]);
}

#[test]
fn a_variable_that_no_installer_knows_is_shown_with_the_nearest_one() {
    let site = Site::new();
    let toml = "title = \"Kiosk\"\ninstaller = \"debian\"\nversion = \"12\"\narchitecture = \"amd64\"\n[variables]\ntimezon = \"UTC\"\n";
    site.write("kiosk/profile.toml", toml);
    faulty(&site, &["kiosk/profile.toml:6:1", "timezon", "timezone"]);
}

#[test]
fn an_installer_that_does_not_exist_is_shown_with_the_nearest_one() {
    let site = Site::new();
    let toml = "title = \"Kiosk\"\ninstaller = \"debain\"\nversion = \"12\"\narchitecture = \"amd64\"\n";
    site.write("kiosk/profile.toml", toml);
    faulty(&site, &["kiosk/profile.toml:2:", "debain", "`debian`"]);
}

#[test]
fn names_outside_the_alphabet_are_refused() {
    for name in ["Kiosk", "ki osk", "kiösk", "-kiosk", ".kiosk", &"k".repeat(65)] {
        let site = Site::new();
        let toml = "title = \"Kiosk\"\ninstaller = \"debian\"\nversion = \"12\"\narchitecture = \"amd64\"\n";
        site.write(&format!("{name}/profile.toml"), toml);
        let checked = site.anode(&["check"]).run();
        // A name that begins with a dot belongs to other programs: it is not a profile at all.
        if name.starts_with('.') {
            let _ = checked.ok();
        } else {
            let _ = checked.fails(&[name, "a-z 0-9"]);
        }
    }
}

#[test]
fn symlinks_and_special_files_are_not_followed() {
    let site = Site::new();
    symlink("/etc/passwd", site.repository().join("snippets/passwd")).expect("a link");
    faulty(&site, &["snippets/passwd", "symlink"]);
    fs::remove_file(site.repository().join("snippets/passwd")).expect("removing");
    symlink("..", site.repository().join("loop")).expect("a link");
    faulty(&site, &["loop", "symlink"]);
    fs::remove_file(site.repository().join("loop")).expect("removing");
    let _ = Program::new("mkfifo").arg(site.repository().join("snippets/pipe")).run().ok();
    faulty(&site, &["snippets/pipe"]);
}

#[test]
fn a_path_that_leaves_the_repository_is_refused() {
    let site = Site::new();
    let toml = "title = \"Kiosk\"\ninstaller = \"../../etc\"\nversion = \"12\"\narchitecture = \"amd64\"\n";
    site.write("kiosk/profile.toml", toml);
    faulty(&site, &["kiosk/profile.toml:2:", "installer"]);
}

#[test]
fn an_organisations_profile_must_not_hide_a_shared_one() {
    let site = Site::new();
    let toml = "title = \"Twin\"\ninstaller = \"debian\"\nversion = \"12\"\narchitecture = \"amd64\"\n";
    site.write(&format!("orgs/{}/{}/profile.toml", Site::ORGANISATION, Site::SERVER), toml);
    faulty(&site, &[Site::SERVER, "profile"]);
}

#[test]
fn two_terms_with_one_locator_are_refused() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &["--label", "first"]);
    let terms = site.repository().join("codes").join(format!("{}.toml", code.name));
    fs::copy(&terms, terms.with_file_name("second.toml")).expect("copying");
    faulty(&site, &["second.toml", "locator"]);
}

#[test]
fn characters_that_deceive_a_reader_are_refused() {
    let site = Site::new();
    site.change_title("Server \\u202Eexe.txt");
    faulty(&site, &["U+202E", "title"]);
}

#[test]
fn a_huge_file_is_refused() {
    let site = Site::new();
    site.write("kiosk/profile.toml", &format!("title = \"{}\"\n", "x".repeat(300 * 1024)));
    faulty(&site, &["kiosk/profile.toml", "256 KiB"]);
}

#[test]
fn a_folder_that_is_no_repository_says_so() {
    let site = Site::new();
    let empty = site.scratch("empty");
    fs::create_dir(&empty).expect("a folder");
    for command in ["check", "build"] {
        let _ = anode_tests::anode([command, "-C"])
            .arg(&empty)
            .env("ANODE_KEYS", site.keys())
            .run()
            .fails(&["anode.toml", "anode init"]);
    }
    let _ = anode_tests::anode(["check", "-C"]).arg(site.scratch("nowhere")).run().fails(&["nowhere"]);
}

#[test]
fn a_template_with_an_undefined_variable_is_shown_with_its_place() {
    let site = Site::new();
    site.write("installers/tiny/manifest.toml", TINY);
    site.write("installers/tiny/answers.tera", "host {{ hostnam }}\n");
    let toml = "title = \"Kiosk\"\ninstaller = \"tiny\"\nversion = \"1\"\narchitecture = \"amd64\"\n";
    site.write("kiosk/profile.toml", toml);
    faulty(&site, &["installers/tiny/answers.tera:1:", "hostnam"]);
}

const TINY: &str = r#"
[installer]
title = "Tiny"
family = "tiny"
versions = ["1"]
architectures = ["amd64"]
hand_over = "files"

[[second_stage]]
pinned = true
how = "there is none"

[variables.hostname_prefix]
type = "hostname"
default = "kiosk"
help = "what names begin with"

[[files]]
template = "answers.tera"
path = "answers.txt"
format = "text"
mode = "0644"
"#;

#[test]
fn all_mistakes_of_a_repository_are_reported_in_one_run_with_their_places() {
    let site = Site::new();
    site.edit("anode.toml", "language = \"en\"", "langauge = \"en\"");
    site.write(
        "kiosk/profile.toml",
        "title = \"Kiosk\"\ninstaller = \"debain\"\nversion = \"12\"\narchitecture = \"amd64\"\n",
    );
    site.write("lab/profile.toml", "titel = \"Lab\"\ninstaller = \"debian\"\nversion = 12\narchitecture = \"amd64\"\n");
    site.write("hall/profile.toml", "title = \"Hall\"\ninstaller = \"debian\"\nversion = \"12\"\narchitecture = \"amd64\"\n[variables]\ntimezon = \"UTC\"\n");
    site.write("orgs/acme/org.toml", "[variables]\n");
    site.write("codes/acme/broken.toml", "profiles = [\"nothing\"]\n");
    site.write("Broken/profile.toml", "title = \"x\"\n");
    symlink("/etc/passwd", site.repository().join("link")).expect("a link");
    let json = site.anode(&["check", "--json"]).run();
    assert_eq!(json.exit, Some(1), "{json}");
    let found = problems(&json.json());
    let in_file =
        |file: &str| found.iter().any(|problem| problem["file"].as_str().is_some_and(|found| found.starts_with(file)));
    for file in
        ["anode.toml", "kiosk/", "lab/", "hall/", "orgs/acme/org.toml", "codes/acme/broken.toml", "Broken", "link"]
    {
        assert!(in_file(file), "nothing about {file}: {json}");
    }
    for problem in &found {
        assert!(problem["message"].as_str().is_some_and(|message| !message.is_empty()), "{problem}");
    }
    let place = |file: &str| {
        found.iter().find(|problem| problem["file"] == file && problem["line"].is_u64() && problem["column"].is_u64())
    };
    for file in ["anode.toml", "kiosk/profile.toml", "lab/profile.toml", "hall/profile.toml"] {
        assert!(place(file).is_some(), "{file} without line and column: {json}");
    }
    let shown =
        site.anode(&["check"]).run().fails(&["anode.toml:", "kiosk/profile.toml:2:", "lab/profile.toml:1:1", "help:"]);
    assert!(
        shown.stderr.contains(&format!("{} errors", found.iter().filter(|p| p["severity"] == "error").count())),
        "{shown}"
    );
}

#[test]
fn a_command_line_with_a_mistake_is_exit_2_with_a_hint() {
    for arguments in [&["biuld"][..], &["build", "--outt", "x"], &["code", "new"], &["publish"], &[]] {
        let output = anode_tests::anode(arguments).run();
        assert_eq!(output.exit, Some(2), "{output}");
        assert!(output.stderr.contains("--help") || output.stderr.contains("Usage"), "{output}");
    }
}

#[test]
fn man_pages_and_completions_come_from_the_same_definition() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _ = anode_tests::anode(["man"]).arg(folder.path()).run().ok();
    let pages = anode_tests::files(folder.path());
    for command in ["init", "check", "build", "publish", "refresh", "verify"] {
        assert!(pages.contains_key(&format!("anode-{command}.1")), "{:?}", pages.keys());
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = anode_tests::anode(["completions", shell]).run().ok().stdout;
        assert!(script.contains("publish"), "{script}");
    }
}
