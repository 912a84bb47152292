//! Command lines that are refused, and runs that fail before or on the network, against a host of a few lines.

use std::io;
use std::path::Path;

use serde_json::Value;
use zeroize::Zeroizing;

use super::*;
use crate::console::Echo;

/// Nobody types, everything is written down.
#[derive(Default)]
struct Paper {
    said: Vec<String>,
    printed: String,
    torn: bool,
    /// A person sits in front of it.
    watched: bool,
}

impl Terminal for Paper {
    fn say(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }

    fn overwrite(&mut self, line: &str) {
        self.say(line);
    }

    fn ask(&mut self, question: &str, _echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
        self.said.push(question.to_owned());
        Ok(None)
    }

    fn is_typed(&self) -> bool {
        self.watched
    }
}

impl Host for Paper {
    fn terminal(&mut self) -> &mut dyn Terminal {
        self
    }

    fn print(&mut self, text: &str) -> io::Result<()> {
        if self.torn {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.printed.push_str(text);
        Ok(())
    }

    fn clock(&self) -> Moment {
        Moment::parse("2026-11-01T00:00:00Z").unwrap()
    }

    fn facts(&self) -> Facts {
        Facts::read(Path::new("/nowhere"))
    }

    fn kernel(&self) -> Box<dyn Kernel> {
        Box::new(kexec::Running)
    }

    fn locale(&self) -> Option<String> {
        None
    }
}

fn run_line(line: &str) -> (ExitCode, Paper) {
    let mut paper = Paper::default();
    let exit = run(&mut paper, line.split_whitespace().map(OsString::from).collect());
    (exit, paper)
}

const REACH: &str = "--site https://example.invalid --root /nowhere/root.json";

#[test]
fn misuse_is_refused_with_a_remedy() {
    for (line, wanted) in [
        ("", "there is no command"),
        ("install", "`install` is not a command"),
        ("report", "`report` is not a command"),
        ("--quiet", "`--quiet` is not an option"),
        ("activate", "`--root FILE` is missing"),
        ("activate --root r --files d", "`--site URL` is missing"),
        (&format!("activate {REACH}"), "`--files DIR`, `--initrd FILE`, `--kexec` or `--stage DIR` is missing"),
        (&format!("activate {REACH} --files d --kexec"), "two of `--files`, `--initrd` and `--kexec` or `--stage`"),
        (&format!("activate {REACH} --stage d --initrd i"), "two of `--files`, `--initrd` and `--kexec` or `--stage`"),
        (&format!("activate {REACH} --kexec --stage a --stage b"), "`--stage` is given twice"),
        (&format!("update {REACH} --state s --stage d"), "`--stage` is not an option"),
        (&format!("update {REACH} --state s --kexec"), "`--kexec` is not an option"),
        (&format!("activate {REACH} --image /dev/sda"), "`--image` is not an option"),
        (&format!("activate {REACH} --insecure --files d"), "`--insecure` is not an option"),
        (&format!("activate {REACH} --files d --files e"), "`--files` is given twice"),
        (&format!("activate {REACH} --files d --code a --code-file b"), "given together"),
        (&format!("activate {REACH} --files d --code a --typed-code b"), "`--typed-code` and another code"),
        (&format!("activate {REACH} --files d --initrd i"), "two of `--files`, `--initrd` and `--kexec` or `--stage`"),
        (&format!("update {REACH} --state s --initrd i"), "`--initrd` is not an option"),
        (&format!("activate {REACH} --files d --answer x"), "`--answer` without a name"),
        (&format!("activate {REACH} --files d --answer x=1 --answer x=2"), "`--answer x=…` is given twice"),
        (&format!("activate {REACH} --files d --client-cert x"), "belong together"),
        (&format!("activate {REACH} --files d --now yesterday"), "`--now` is not a time"),
        (&format!("activate {REACH} --files d --lang fr"), "`--lang` knows"),
        (&format!("activate {REACH} --files d stray"), "a word that belongs to no option"),
        (&format!("activate {REACH} --files"), "`--files` needs a value"),
        (&format!("activate {REACH} --kexec --ip 192.0.2.10"), "`--ip` is not an address with its prefix"),
        (
            &format!("activate {REACH} --kexec --ip 192.0.2.10/24,2001:db8::1"),
            "`--ip` is not an address with its prefix",
        ),
        (&format!("activate {REACH} --kexec --vlan 4095"), "`--vlan` is not a VLAN"),
        (&format!("activate {REACH} --stage d --interface eth0"), "`--interface` is not a hardware address"),
        (&format!("activate {REACH} --kexec --vlan 1 --vlan 2"), "`--vlan` is given twice"),
        (&format!("activate {REACH} --files d --vlan 7"), "are for an installer that is started"),
        (&format!("activate {REACH} --initrd d --wireless"), "are for an installer that is started"),
        (&format!("update {REACH} --state s --ip 192.0.2.10/24"), "`--ip` is not an option"),
        (&format!("activate {REACH} --allow-http=yes --files d"), "`--allow-http` takes no value"),
        ("activate --site http://example.org --root r --files d", "is not `https`"),
        ("activate --site http://example.org --allow-http --root r --files d", "to this machine only"),
        ("activate --site https://u:p@example.org --root r --files d", "user name or password"),
        (&format!("update {REACH}"), "`--state DIR` is missing"),
        (&format!("update {REACH} --state s --files d"), "`--files` is not an option"),
        ("facts --site https://example.org", "`--site` is not an option"),
        ("blob", "`--url URL` is missing"),
        ("blob --url https://example.org/a", "`--sha256 HEX` is missing"),
        ("blob --url https://example.org/a --sha256 12", "`--sha256` is not a hash"),
        ("blob --url https://example.org/a --length -1", "`--length` is not a number of bytes"),
        ("blob --url ftp://example.org/a --sha256 x", "`--sha256` is not a hash"),
        ("blob --url ftp://example.org/a", "does not begin with `https://`"),
        ("blob --url https://example.org/a --site https://example.org", "`--site` is not an option"),
    ] {
        let (exit, paper) = run_line(line);
        assert_eq!(exit, ExitCode::Usage, "{line}");
        let [error, help] = paper.said.as_slice() else { panic!("{line}: {:?}", paper.said) };
        assert!(error.starts_with("error: ") && error.contains(wanted), "{line}: {error}");
        assert!(help.starts_with("help: ") && help.len() > 10, "{line}: {help}");
        assert_eq!(paper.printed, "");
    }
}

#[test]
fn a_value_that_may_be_a_code_is_never_repeated() {
    let (_, paper) = run_line(&format!("activate {REACH} --files d 0123-4567-89AB-CDER"));
    assert!(!paper.said.concat().contains("0123"), "{:?}", paper.said);
    let (exit, paper) =
        run_line(&format!("activate {REACH} --files /tmp/does-not-exist-yet --code 0123-4567-89AB-CDES"));
    assert_eq!(exit, ExitCode::CodeMalformed);
    assert!(!paper.said.concat().contains("0123"), "{:?}", paper.said);
}

#[test]
fn a_malformed_code_comes_before_the_root_and_the_network() {
    let (exit, paper) =
        run_line(&format!("activate {REACH} --files /tmp/does-not-exist-yet --code 0000-0000-0000-0000 --json"));
    assert_eq!(exit, ExitCode::CodeMalformed);
    let json: Value = serde_json::from_str(&paper.printed).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["exit"], 10);
    assert_eq!(json["code"], "code-malformed");
    assert!(json["message"].as_str().unwrap().starts_with("the activation code has a wrong symbol"));
    assert!(json["remedy"].as_str().unwrap().contains("slip"));
}

#[test]
fn a_missing_root_is_a_local_problem_that_is_named() {
    let (exit, paper) =
        run_line(&format!("activate {REACH} --files /tmp/does-not-exist-yet --code 0123-4567-89AB-CDER"));
    assert_eq!(exit, ExitCode::Io);
    assert_eq!(paper.said.first().unwrap(), "error: reading `/nowhere/root.json`: no such file or directory");
}

#[test]
fn a_root_that_is_none_is_refused_without_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.json");
    std::fs::write(&root, "{}").unwrap();
    let line = format!(
        "update --site https://example.invalid --root {} --state {}",
        root.display(),
        folder.path().join("state").display()
    );
    let (exit, paper) = run_line(&line);
    assert!(matches!(exit, ExitCode::SignatureInvalid | ExitCode::WrongDocument), "{exit:?} {:?}", paper.said);
    assert!(!folder.path().join("state").exists());
}

#[test]
fn usage_errors_are_json_too_when_json_was_asked_for() {
    let (_, paper) = run_line("activate --json --nonsense");
    let json: Value = serde_json::from_str(&paper.printed).unwrap();
    assert_eq!((&json["exit"], &json["code"]), (&2.into(), &"usage".into()));
}

#[test]
fn on_a_screen_what_went_wrong_is_folded_behind_its_label_and_what_is_english_is_said_to_be() {
    let code = "activate --code 0000-0000-0000-0000 --files /tmp/does-not-exist-yet";
    for (language, heading) in [("en", None), ("de", Some("Einzelheiten (englisch):"))] {
        for line in [format!("{code} {REACH} --lang {language}"), format!("nonsense --lang {language}")] {
            let mut paper = Paper { watched: true, ..Paper::default() };
            let _ = run(&mut paper, line.split_whitespace().map(OsString::from).collect());
            let mut rows = paper.said.iter().map(String::as_str).peekable();
            assert_eq!(rows.next_if(|row| !row.starts_with("error: ")), heading, "{:?}", paper.said);
            let rows: Vec<&str> = rows.collect();
            assert!(rows.len() > 1 && rows.iter().all(|row| row.chars().count() < 80), "{rows:?}");
            // The same words as in a pipe, where each line is whole.
            let whole = run_line(&line).1.said.join(" ");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&rows.join(" ")), words(&whole));
        }
    }
    // A row behind the first one stands below it, not below the label.
    let mut paper = Paper { watched: true, ..Paper::default() };
    let line =
        format!("update --site https://example.invalid --root /nowhere/{} --state /nowhere/state", "a/".repeat(25));
    let _ = run(&mut paper, line.split_whitespace().map(OsString::from).collect());
    let [first, second, ..] = paper.said.as_slice() else { panic!("{:?}", paper.said) };
    assert!(
        first.starts_with("error: reading `/nowhere/a/a/") && second.starts_with("       no such"),
        "{:?}",
        paper.said
    );
}

#[test]
fn help_version_and_facts_are_data() {
    for (line, wanted) in [
        ("--help", "usage: anode-fetch"),
        ("activate --help", "--code-file"),
        ("update -h", "--state DIR"),
        ("facts --help", "JSON"),
        ("--version", "anode-fetch 0."),
        ("facts --json", "\"firmware\": \"bios\""),
    ] {
        let (exit, paper) = run_line(line);
        assert_eq!(exit, ExitCode::Done);
        assert!(paper.printed.contains(wanted) && paper.said.is_empty(), "{line}: {}", paper.printed);
    }
}

#[test]
fn a_broken_pipe_is_success() {
    let mut paper = Paper { torn: true, ..Paper::default() };
    assert_eq!(run(&mut paper, vec!["facts".into()]), ExitCode::Done);
}

#[test]
fn a_proxy_that_was_carried_into_an_initramfs_is_used_there_and_a_broken_one_is_named() {
    let root = tempfile::tempdir().unwrap();
    assert!(carried_proxy(root.path()).unwrap().is_none());
    std::fs::create_dir(root.path().join("anode")).unwrap();
    std::fs::write(root.path().join(PROXY), "http://192.0.2.1:3128\n").unwrap();
    assert_eq!(carried_proxy(root.path()).unwrap().unwrap().as_str(), "http://192.0.2.1:3128");
    std::fs::write(root.path().join(PROXY), "192.0.2.1:3128").unwrap();
    let failure = carried_proxy(root.path()).unwrap_err();
    assert!(failure.to_string().contains("anode/proxy") && failure.exit() == ExitCode::Io, "{failure}");
}
