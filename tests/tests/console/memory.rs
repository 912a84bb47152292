//! A medium with a code on it: it needs nobody, and installs no machine twice without a question.

use std::fs;

use anode_tests::Medium;

use super::person::CODE;

#[test]
fn a_medium_with_a_code_needs_nobody() {
    let medium = Medium::new();
    medium.write(
        "etc/anode/medium.json",
        r#"{"format":1,"title":"Beispiel","urls":["https://a.example"],"language":"de"}"#,
    );
    medium.write("etc/anode/code", CODE);
    medium.script("bin/busybox", "echo busybox \"$@\" >>\"$(dirname \"$0\")/../calls\"");
    medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":true}'");
    let mut screen = medium.session();
    screen.expect("Die Installation startet.");
    assert_eq!(screen.exit(), Some(100));
    assert!(!screen.screen().contains("Sprache") && !screen.screen().contains("Tastatur"), "{}", screen.screen());
    assert!(medium.read("arguments").contains("--lang de"));
    assert!(medium.read("calls").contains("busybox dumpkmap"), "a layout is loaded: {}", medium.read("calls"));
}

#[test]
fn a_medium_with_a_code_remembers_what_it_installed_and_asks_the_next_time() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.write("etc/anode/code", CODE);
    medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":true}'");
    assert_eq!(medium.session().exit(), Some(100));
    let remembered = medium.read("run/anode/stick/anode-done.txt");
    assert!(remembered.lines().any(|line| line.ends_with(" server")), "{remembered}");
    assert!(!remembered.contains("0123"), "{remembered}");

    let mut screen = medium.session();
    screen.expect("has already installed this machine");
    screen.expect("[no]");
    screen.type_line("");
    screen.expect("Nothing was installed.");
    screen.expect("Number:");
    assert_eq!(medium.read("arguments").lines().count(), 1, "nothing was asked of the fetcher");
    // Another code is typed by a person: the medium's is not used again.
    screen.type_line("1");
    assert_eq!(screen.exit(), Some(100));
    let arguments = medium.read("arguments");
    assert!(!arguments.lines().nth(1).expect("a second call").contains("--code-file"), "{arguments}");

    let mut screen = medium.session();
    screen.expect("[no]");
    screen.type_line("yes");
    assert_eq!(screen.exit(), Some(100));
}

#[test]
fn a_stick_that_appears_late_is_read_before_it_is_written() {
    for (report, answer, exit) in [("true", "", None), ("true", "yes", Some(100)), ("false", "", None)] {
        let medium = Medium::new();
        medium.write("etc/anode/code", CODE);
        let report = format!("echo '{{\"ok\":true,\"profile\":\"server\",\"unattended\":{report}}}'");
        medium.fetcher(&report);
        assert_eq!(medium.session().exit(), Some(100));
        let remembered = medium.read("run/anode/stick/anode-done.txt");

        // At the next start the stick can be opened only when the fetcher has run.
        medium.script("lib/anode/stick", "test -e \"$ANODE_ROOT/late\"");
        medium.fetcher(&format!(": >'{}'; {report}", medium.path("late").display()));
        let mut screen = medium.session();
        screen.expect("has already installed this machine");
        screen.expect("[no]");
        screen.type_line(answer);
        if exit.is_none() {
            screen.expect("Nothing was installed.");
            screen.expect("Number:");
            screen.type_line("5");
        }
        assert_eq!(screen.exit(), exit.or(Some(101)));
        assert_eq!(medium.read("run/anode/stick/anode-done.txt"), remembered);
    }
}

#[test]
fn a_search_of_which_nothing_is_said_yet_is_waited_for() {
    let medium = Medium::new();
    medium.write("etc/anode/code", CODE);
    fs::remove_file(medium.path("run/anode/medium.state")).expect("the state");
    let mut screen = medium.session();
    screen.expect("Looking for the medium.");
    assert!(!medium.path("arguments").exists());
    medium.write("run/anode/medium.state", "found sda1\n");
    assert_eq!(screen.exit(), Some(100));
}

#[test]
fn two_disks_with_the_same_medium_are_named_in_both_languages_and_an_unattended_installation_is_asked_for() {
    for (language, words, again, no) in [
        ("en", "Two disks of this machine hold this medium (sda, sdb1).", "can not remember", "[no]"),
        (
            "de",
            "Zwei Datenträger dieses Rechners tragen dieses Medium (sda, sdb1).",
            "kann sich nicht merken",
            "[nein]",
        ),
    ] {
        let medium = Medium::new();
        medium.write("proc/cmdline", &format!("anode.lang={language} anode.keyboard=us anode.code={CODE}"));
        medium.write("run/anode/twin", "sda sdb1\n");
        medium.script("lib/anode/stick", "exit 1");
        medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":true}'");
        let mut screen = medium.session();
        screen.expect(words);
        screen.expect(again);
        screen.expect(no);
        screen.type_line("");
        screen.expect(if language == "en" { "Nothing was installed." } else { "Nichts wurde installiert." });
    }
}

#[test]
fn an_unattended_installation_that_can_not_be_remembered_is_asked_for() {
    for report in ["{\"ok\":true,\"profile\":\"server\",\"unattended\":true}", "{\"ok\":true}", "nonsense"] {
        let medium = Medium::new();
        medium.write("proc/cmdline", &format!("anode.lang=en anode.keyboard=us anode.code={CODE}"));
        medium.script("lib/anode/stick", "exit 1");
        medium.fetcher(&format!("cat \"$(echo \"$@\" | sed 's/.*--code-file //; s/ .*//')\" >&2; echo '{report}'"));
        let mut screen = medium.session();
        screen.expect("can not remember");
        screen.expect("[no]");
        screen.type_line("");
        screen.expect("Nothing was installed.");
        screen.expect("Number:");
        screen.type_line("5");
        assert_eq!(screen.exit(), Some(101));
        assert!(screen.screen().contains(CODE), "the fetcher reads the code from a file: {}", screen.screen());
        assert!(!medium.read("arguments").contains("0123"), "and not from its arguments");
        assert!(!medium.path("run/anode/code").exists());
    }
}

#[test]
fn a_memory_that_can_not_be_read_counts_as_one_of_this_machine() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.write("etc/anode/code", CODE);
    fs::create_dir(medium.path("run/anode/stick/anode-done.txt")).expect("a folder in place of the file");
    let mut screen = medium.session();
    screen.expect("has already installed this machine");
    screen.expect("[no]");
}

#[test]
fn a_preset_code_that_does_not_work_is_asked_for() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us anode.profile=gone");
    medium.write("etc/anode/code", CODE);
    medium.fetcher("case $* in *--code-file*) exit 11 ;; esac; echo '{\"ok\":true,\"unattended\":true}'");
    let mut screen = medium.session();
    screen.expect("Error 11  code-unknown");
    screen.expect("Number:");
    screen.type_line("1");
    assert_eq!(screen.exit(), Some(100));
    assert!(!medium.read("arguments").lines().nth(1).expect("a second call").contains("--profile"));
}
