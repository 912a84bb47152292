//! Several consoles, the log of what they showed, and what ends and does not end a session.

use anode_tests::{Medium, wait_for};

use super::person::{CODE, greet};

#[test]
fn one_session_is_seen_and_typed_on_every_console_and_a_dead_one_blocks_none() {
    let medium = Medium::new();
    let (mut serial, serial_path) = medium.console("ttyS0");
    let (mut screen, screen_path) = medium.console("tty0");
    // A write on this one would wait for ever.
    let (dead, dead_path) = medium.dead_console("ttyS1");
    let stopped = medium.path("nobody");
    medium.fetcher("i=0; while [ $i -lt 3000 ]; do echo 'a line of a long talk that fills every buffer'; i=$((i + 1)); done >&2; exit 40");
    let mut mirror = medium.mirror(&[dead_path, stopped, serial_path, screen_path]);
    screen.expect("Language / Sprache");
    serial.expect("Language / Sprache");
    serial.type_line("en");
    screen.expect("Keyboard layout");
    screen.type_line("us");
    serial.expect("Error 40  hand-over");
    screen.expect("Number:");
    screen.type_line("5");
    serial.expect("Power off");
    assert_eq!(mirror.exit(), Some(0), "{}", mirror.screen());
    assert!(medium.read("calls").contains("end off"));
    drop(dead);
}

#[test]
fn the_log_has_what_was_said_and_nothing_that_was_typed() {
    let medium = Medium::new();
    let (mut screen, path) = medium.console("tty0");
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.script("bin/dmesg", &format!("echo 'Kernel command line: anode.code={CODE}'; echo 'usb 1-1: new'"));
    medium.fetcher(&format!(
        "printf 'Name: ' >&2; read -r name; stty -echo; printf 'Password: ' >&2; read -r word; stty echo; \
         printf '\\nthe code %s is wrong\\n' {CODE} >&2; exit 10"
    ));
    let _mirror = medium.mirror(&[path]);
    screen.expect("Name:");
    screen.type_line("visible-name");
    screen.expect("Password:");
    screen.type_line("hidden-word");
    screen.expect("Error 10  code-malformed");
    screen.expect("Number:");
    screen.type_line("3");
    screen.expect("anode-log.txt");
    let log = medium.read("run/anode/stick/anode-log.txt");
    for wanted in ["== screen", "Error 10", "Password:", "usb 1-1: new", "eth0 ready", "the code **** is wrong"] {
        assert!(log.contains(wanted), "{wanted}: {log}");
    }
    for absent in ["hidden-word", "visible-name", "0123", "89AB"] {
        assert!(!log.contains(absent), "{absent}: {log}");
    }
    screen.expect("Number:");
    screen.type_line("2");
    for _ in 0..2 {
        screen.expect("Enter for more");
        screen.type_line("");
    }
    screen.expect("usb 1-1: new");
}

#[test]
fn ctrl_c_ends_the_fetcher_and_never_the_session() {
    let medium = Medium::new();
    let (mut screen, path) = medium.console("tty0");
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.fetcher("echo downloading >&2; exec sleep 60");
    let _mirror = medium.mirror(&[path]);
    screen.expect("downloading");
    screen.type_line("\u{3}");
    screen.expect("Error 3  declined");
}

#[test]
fn a_session_that_breaks_is_followed_by_another() {
    let medium = Medium::new();
    let (mut screen, path) = medium.console("tty0");
    medium.script("lib/anode/end", "exit 1");
    let _mirror = medium.mirror(&[path]);
    greet(&mut screen, "en", "us");
    screen.expect("Starting the installer.");
    screen.expect("The machine did not do that.");
    screen.expect("Language / Sprache");
}

#[test]
fn nobody_is_asked_twice_by_a_terminal_that_is_gone() {
    let medium = Medium::new();
    let missing = medium.path("dev/ttyS9");
    let mut mirror = medium.mirror(&[missing]);
    assert_eq!(mirror.exit(), Some(1));
    wait_for("the reason", || mirror.screen().contains("none of the 1 consoles can be opened"));
}
