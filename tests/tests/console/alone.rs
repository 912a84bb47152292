//! A medium with a code on it, where nobody sits: it tries again by itself, and never where another try can not help or a person is needed.

use std::fs;
use std::time::Duration;

use anode_tests::{Medium, Terminal};

use super::person::{CODE, ends_in_turn};

const UNATTENDED: &str = "echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":true}'";

/// A medium with a code, whose first pause is this long.
fn medium(seconds: u64) -> Medium {
    let medium = Medium::new();
    medium.write("proc/cmdline", &format!("anode.lang=en anode.keyboard=us anode.retry={seconds}"));
    medium.write("etc/anode/code", CODE);
    medium
}

/// Plays a fetcher that ends in these ways, one after the other, and then loads a kernel.
fn ends(medium: &Medium, exits: &[u8]) {
    medium.fetcher(&format!("{}\n{UNATTENDED}", ends_in_turn(medium, exits)));
}

fn calls(medium: &Medium) -> usize {
    medium.read("arguments").lines().count()
}

fn presses_a_key(screen: &mut Terminal) {
    screen.expect("Any key: the menu.");
    screen.type_line("");
    screen.expect("Number:");
}

#[test]
fn it_tries_again_until_the_site_answers_and_remembers_what_it_did() {
    let medium = medium(1);
    ends(&medium, &[30, 33]);
    let mut screen = medium.session();
    screen.expect("Error 30  unreachable");
    screen.expect("Trying again in 0:01. Any key: the menu.");
    screen.expect("Error 33  not-a-site");
    screen.expect("Trying again in 0:02. Any key: the menu.");
    screen.expect("Starting the installer.");
    assert_eq!(screen.exit(), Some(100));
    let arguments = medium.read("arguments");
    assert_eq!(arguments.matches("--code-file").count(), 3, "{arguments}");
    assert!(!screen.screen().contains("Number:"), "{}", screen.screen());
    let remembered = medium.read("run/anode/stick/anode-done.txt");
    assert_eq!(remembered.lines().filter(|line| line.ends_with(" server")).count(), 1, "{remembered}");

    // Neither does a try go past the memory: at the next start a person is asked, however long it takes.
    let mut screen = medium.session();
    screen.expect("has already installed this machine");
    screen.expect("[no]");
    assert_eq!(calls(&medium), 3);
}

#[test]
fn a_later_try_asks_the_last_question_like_the_first_one() {
    let medium = medium(1);
    ends(&medium, &[32]);
    medium.script("lib/anode/stick", "exit 1");
    let mut screen = medium.session();
    screen.expect("Error 32  too-slow");
    screen.expect("can not remember");
    screen.expect("[no]");
    screen.type_line("");
    screen.expect("Nothing was installed.");
    screen.expect("Number:");
    assert_eq!(calls(&medium), 2);
}

#[test]
fn only_after_what_time_can_mend() {
    for exit in [2, 3, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25, 26, 27, 30, 31, 32, 33, 40, 50, 70] {
        let medium = medium(60);
        medium.fetcher(&format!("exit {exit}"));
        let mut screen = medium.session();
        screen.expect(&format!("Error {exit} "));
        let tries_again = [21, 30, 31, 32, 33].contains(&exit);
        screen.expect(if tries_again { "Trying again in 1:00." } else { "Number:" });
        assert_eq!(screen.screen().contains("Trying again"), tries_again, "{}", screen.screen());
    }
}

#[test]
fn never_where_a_person_typed_the_code_or_an_argument_forbids_it() {
    for (arguments, code) in [("anode.retry=1", None), ("anode.retry=0", Some(CODE))] {
        let medium = Medium::new();
        medium.write("proc/cmdline", &format!("anode.lang=en anode.keyboard=us {arguments}"));
        if let Some(code) = code {
            medium.write("etc/anode/code", code);
        }
        medium.fetcher("exit 30");
        let mut screen = medium.session();
        screen.expect("Error 30  unreachable");
        screen.expect("Number:");
        assert!(!screen.screen().contains("Trying again"), "{}", screen.screen());
    }
}

#[test]
fn whoever_presses_a_key_has_the_menu_and_is_not_interrupted() {
    let medium = medium(6);
    ends(&medium, &[30, 30]);
    let mut screen = medium.session();
    presses_a_key(&mut screen);
    // Longer than the pause.
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(calls(&medium), 1);
    screen.type_line("9");
    screen.expect("one of the numbers above");
    screen.expect("Number:");
    // Their own try leaves it to the machine again.
    screen.type_line("1");
    screen.expect("Trying again in 0:06.");
    assert_eq!(screen.exit(), Some(100));
    assert_eq!(calls(&medium), 3);
}

#[test]
fn without_a_network_it_waits_for_one_and_a_key_gives_the_menu() {
    let medium = medium(60);
    medium.write("run/anode/network", "none\neth0 no-link \n");
    let mut screen = medium.session();
    screen.expect("Waiting for the network.");
    presses_a_key(&mut screen);
    assert!(screen.screen().contains("No network. Check the cable"), "{}", screen.screen());
    assert!(!screen.screen().contains("Trying again"), "{}", screen.screen());
    drop(screen);

    let mut screen = medium.session();
    screen.expect("eth0  no link");
    medium.write("run/anode/network", "up\neth0 ready 192.0.2.10/24\n");
    screen.expect("Starting the installer.");
    assert_eq!(screen.exit(), Some(100));
}

/// A medium with a code and a copy of the site, without a network; `offline` is what the kernel's arguments say of the copy.
fn medium_with_copy(offline: &str) -> Medium {
    let medium = medium(1);
    medium.write("proc/cmdline", &format!("anode.lang=en anode.keyboard=us anode.retry=1 {offline}"));
    fs::create_dir_all(medium.path("run/anode/medium/anode/tree")).expect("a folder");
    medium.write("run/anode/network", "none\neth0 no-link \n");
    medium
}

#[test]
fn without_a_network_the_copy_on_the_medium_is_taken_after_a_while_and_remembered_like_any_installation() {
    let medium = medium_with_copy("anode.offline=1");
    medium.fetcher(UNATTENDED);
    let mut screen = medium.session();
    screen.expect("Without a network within 0:01, the copy of the site on the medium is used.");
    screen.expect("No network: going on with the copy of the site on the medium.");
    screen.expect("Starting the installer.");
    assert_eq!(screen.exit(), Some(100));
    let arguments = medium.read("arguments");
    assert!(arguments.contains("--cache") && arguments.contains("--code-file"), "{arguments}");
    assert!(!arguments.contains("--site"), "{arguments}");
    let remembered = medium.read("run/anode/stick/anode-done.txt");
    assert_eq!(remembered.lines().filter(|line| line.ends_with(" server")).count(), 1, "{remembered}");

    // Nor does the copy go past the memory.
    let mut screen = medium.session();
    screen.expect("has already installed this machine");
    screen.expect("[no]");
    assert_eq!(calls(&medium), 1);
}

#[test]
fn a_network_that_comes_in_time_is_used_and_the_copy_with_it() {
    let medium = medium_with_copy("");
    medium.fetcher(UNATTENDED);
    let mut screen = medium.session();
    // Two minutes: a switch port needs one.
    screen.expect("Without a network within 2:00, the copy of the site on the medium is used.");
    medium.write("run/anode/network", "up\neth0 ready 192.0.2.10/24\n");
    assert_eq!(screen.exit(), Some(100));
    assert!(!screen.screen().contains("No network:"), "{}", screen.screen());
    let arguments = medium.read("arguments");
    assert!(arguments.contains("--cache") && arguments.contains("--site https://a.example"), "{arguments}");
}

#[test]
fn a_copy_that_is_of_no_use_is_left_for_a_network_and_not_tried_again() {
    for exit in [11, 21, 22, 23, 30] {
        let medium = medium_with_copy("anode.offline=0");
        // Too old, without the kernels, of a time before this code: the fetcher says so, and not where it has a mirror.
        medium.fetcher(&format!("case $* in *--site*) {UNATTENDED} ;; *) exit {exit} ;; esac"));
        let mut screen = medium.session();
        screen.expect("No network: going on with the copy");
        screen.expect(&format!("Error {exit} "));
        screen.expect("The copy on the medium did not do. The next tries wait for a network.");
        screen.expect("Trying again in 0:01.");
        screen.expect("Waiting for the network.");
        screen.expect("eth0  no link");
        assert_eq!(calls(&medium), 1, "{exit}");
        medium.write("run/anode/network", "up\neth0 ready 192.0.2.10/24\n");
        screen.expect("Starting the installer.");
        assert_eq!((screen.exit(), calls(&medium)), (Some(100), 2), "{exit}");
        assert_eq!(screen.screen().matches("going on with the copy").count(), 1, "{}", screen.screen());
    }
}

#[test]
fn what_no_network_can_mend_is_a_page_for_a_person_with_the_copy_too() {
    for exit in [2, 3, 10, 26, 40, 50, 70] {
        let medium = medium_with_copy("anode.offline=0");
        medium.fetcher(&format!("exit {exit}"));
        let mut screen = medium.session();
        screen.expect(&format!("Error {exit} "));
        screen.expect("Number:");
        assert!(!screen.screen().contains("Trying again"), "{}", screen.screen());
    }
}

#[test]
fn what_a_site_says_is_not_taken_for_its_copys_fault() {
    let medium = medium_with_copy("anode.offline=0");
    medium.fetcher("exit 11");
    let mut screen = medium.session();
    screen.expect("The copy on the medium did not do.");
    screen.expect("Waiting for the network.");
    medium.write("run/anode/network", "up\neth0 ready 192.0.2.10/24\n");
    screen.expect("Error 11 ");
    screen.expect("Number:");
    assert_eq!(screen.screen().matches("did not do").count(), 1, "{}", screen.screen());
    assert_eq!(calls(&medium), 2);
}

#[test]
fn a_key_leaves_the_copy_to_the_person_who_pressed_it() {
    let medium = medium_with_copy("anode.offline=60");
    let mut screen = medium.session();
    presses_a_key(&mut screen);
    assert!(screen.screen().contains("Go on with the copy on the medium"), "{}", screen.screen());
    assert_eq!(calls(&medium), 0);
}

#[test]
fn no_copy_is_taken_by_itself_where_a_person_typed_the_code_or_an_argument_forbids_it() {
    for (arguments, code) in [("anode.offline=0", None), ("anode.offline=0 anode.retry=0", Some(CODE))] {
        let medium = medium_with_copy(arguments);
        fs::remove_file(medium.path("etc/anode/code")).expect("a code");
        if let Some(code) = code {
            medium.write("etc/anode/code", code);
        }
        let mut screen = medium.session();
        screen.expect("eth0  no link");
        screen.type_line("");
        screen.expect("Number:");
        assert!(!screen.screen().contains("the copy of the site"), "{}", screen.screen());
        assert_eq!(calls(&medium), 0);
    }
}
