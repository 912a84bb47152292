//! What is asked and said, in order; pages, and the ways on from them.

use std::fs;

use anode_tests::Medium;

use super::person::greet;

#[test]
fn language_keyboard_network_fetcher_and_start() {
    let medium = Medium::new();
    let mut screen = medium.session();
    screen.expect("Example site");
    screen.expect("2026-11-21");
    greet(&mut screen, "de", "");
    screen.expect("bereit, Adresse 192.0.2.10/24");
    screen.expect("Die Installation startet.");
    assert_eq!(screen.exit(), Some(100));
    let arguments = medium.read("arguments");
    for wanted in ["activate --kexec --json --lang de", "--site https://a.example", "etc/anode/root.json"] {
        assert!(arguments.contains(wanted), "{arguments}");
    }
    for absent in ["--cache", "--code-file", "--proxy", "--ca", "--client-cert"] {
        assert!(!arguments.contains(absent), "{arguments}");
    }
    // A code that a person types needs no memory.
    assert!(!medium.path("run/anode/stick/anode-done.txt").exists());
}

#[test]
fn kernel_arguments_skip_the_questions_and_reach_the_fetcher() {
    let medium = Medium::new();
    medium.write(
        "proc/cmdline",
        "anode.lang=de anode.keyboard=ch anode.url=https://b.example anode.proxy=http://192.0.2.1:3128 anode.profile=server",
    );
    for name in ["ca.pem", "client.pem", "client.key"] {
        medium.write(&format!("etc/anode/{name}"), "");
    }
    fs::create_dir_all(medium.path("run/anode/medium/anode/tree")).expect("a folder");
    assert_eq!(medium.session().exit(), Some(100));
    let arguments = medium.read("arguments");
    assert!(arguments.contains("--site https://b.example --site https://a.example --proxy http://192.0.2.1:3128"));
    for option in ["--cache", "--ca", "--client-cert", "--client-key", "--profile server"] {
        assert!(arguments.contains(option), "{option}: {arguments}");
    }
}

#[test]
fn every_exit_code_has_its_page_and_a_way_back() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    // 30 once, then 23, then a kernel is loaded.
    let state = medium.path("turn");
    medium.fetcher(&format!(
        "test -e '{0}.2' && exit 0; test -e '{0}.1' && : >'{0}.2' && exit 23; : >'{0}.1'; exit 30",
        state.display()
    ));
    let mut screen = medium.session();
    screen.expect("Error 30  unreachable");
    screen.expect("What to do: Check the cable");
    screen.expect("Number:");
    screen.type_line("9");
    screen.expect("one of the numbers above");
    screen.type_line("1");
    screen.expect("Error 23  integrity");
    screen.expect("Number:");
    screen.type_line("1");
    screen.expect("Starting the installer");
    assert_eq!(screen.exit(), Some(100));
}

#[test]
fn a_wrong_address_on_the_kernels_command_line_is_named_and_leads_to_no_dead_end() {
    let medium = Medium::new();
    medium
        .write("proc/cmdline", "anode.lang=en anode.keyboard=us anode.url=http://b.example anode.proxy=192.0.2.1:3128");
    medium.fetcher("exit 2");
    let mut screen = medium.session();
    screen.expect("`anode.url=http://b.example` is left out");
    screen.expect("`anode.proxy=192.0.2.1:3128` is left out");
    screen.expect("Error 2  usage");
    screen.expect("2  Network settings");
    let arguments = medium.read("arguments");
    assert!(!arguments.contains("b.example") && !arguments.contains("--proxy"), "{arguments}");
    screen.expect("Number:");
    screen.type_line("2");
    screen.expect("Network: set a proxy");
    screen.expect("Number:");
    screen.type_line("4");
    // The fetcher would not take these.
    for wrong in ["http://192.0.2.1:99999", "http://192.0.2.1?x", "http://a/../b"] {
        screen.expect("Proxy, as");
        screen.type_line(wrong);
        screen.expect("A proxy looks like");
    }
}

#[test]
fn what_ends_the_fetcher_decides_the_page() {
    for (signal, page) in
        [("INT", "Error 3  declined"), ("KILL", "Error 40  hand-over"), ("TERM", "Error 70  internal")]
    {
        let medium = Medium::new();
        medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
        medium.fetcher(&format!("kill -{signal} $$"));
        let mut screen = medium.session();
        if signal == "KILL" {
            screen.expect("too little memory");
        }
        screen.expect(page);
    }
}

#[test]
fn a_refreshed_copy_that_is_of_no_use_gives_way_to_the_one_that_came_with_the_medium() {
    // How the fetcher ends with the refreshed copy and with the other one; how often it is called; the session's end or the page.
    let cases = [
        ("0", "0", 1, "Starting the installer"),
        ("23", "0", 2, "Starting the installer"),
        ("30", "0", 2, "Starting the installer"),
        ("30", "22", 2, "Error 30  unreachable"),
        ("23", "11", 2, "Error 11  code-unknown"),
        ("11", "0", 1, "Error 11  code-unknown"),
    ];
    for (refreshed, other, calls, end) in cases {
        let medium = Medium::new();
        medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
        for tree in ["data", "medium"] {
            fs::create_dir_all(medium.path(&format!("run/anode/{tree}/anode/tree"))).expect("a tree");
            medium.write(&format!("run/anode/{tree}/anode/tree/timestamp.signed"), "x");
        }
        medium.fetcher(&format!("case $* in *run/anode/data/*) exit {refreshed} ;; *--cache*) exit {other} ;; esac"));
        medium.session().expect(end);
        let arguments = medium.read("arguments");
        assert_eq!(arguments.lines().count(), calls, "{refreshed} {other}: {arguments}");
    }
}

#[test]
fn a_refreshed_copy_that_can_not_be_read_is_not_asked() {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    for tree in ["data", "medium"] {
        fs::create_dir_all(medium.path(&format!("run/anode/{tree}/anode/tree"))).expect("a tree");
    }
    // What a stick that was pulled out leaves.
    medium.write("run/anode/data/anode/tree/timestamp.signed", "");
    assert_eq!(medium.session().exit(), Some(100));
    assert!(medium.read("arguments").contains("--cache") && !medium.read("arguments").contains("run/anode/data"));
}

#[test]
fn a_machine_is_switched_off_or_started_anew_from_a_page() {
    for (choice, exit) in [("4", 102), ("5", 101)] {
        let medium = Medium::new();
        medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
        medium.fetcher("exit 3");
        let mut screen = medium.session();
        screen.expect("Error 3  declined");
        screen.expect("Number:");
        screen.type_line(choice);
        assert_eq!(screen.exit(), Some(exit));
    }
}
