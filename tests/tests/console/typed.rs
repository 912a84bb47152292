//! A code that a person typed is typed once, as long as nothing is wrong with it.

use anode_tests::Medium;

use super::person::{CODE, ends_in_turn};

/// A medium whose fetcher is told the code once, says what it was given, and ends in these ways, one after the other; then it loads a kernel.
fn medium(exits: &[u8]) -> Medium {
    let medium = Medium::new();
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    let given = medium.path("given").display().to_string();
    medium.fetcher(&format!(
        "file=$(echo \"$@\" | sed 's/.*--typed-code //; s/ .*//')\n\
         if [ -e \"$file\" ]; then {{ stat -c %a \"$file\"; cat \"$file\"; echo; }} >>'{given}'; else echo asked >>'{given}'; printf %s {CODE} >\"$file\"; fi\n\
         {}\n\
         echo '{{\"ok\":true,\"profile\":\"server\",\"unattended\":false}}'",
        ends_in_turn(&medium, exits)
    ));
    medium
}

#[test]
fn after_a_failure_that_is_not_the_codes_it_is_known_and_lies_nowhere_between_two_tries() {
    let medium = medium(&[30, 40]);
    let mut screen = medium.session();
    screen.expect("Error 30  unreachable");
    screen.expect("The code that was typed is still known");
    screen.expect("Go on with another code");
    screen.expect("Number:");
    assert!(!medium.path("run/anode/typed-code").exists());
    // By way of the network's settings.
    screen.type_line("2");
    screen.expect("Go on");
    screen.expect("Number:");
    screen.type_line("5");
    screen.expect("Error 40  hand-over");
    screen.expect("Number:");
    screen.type_line("1");
    screen.expect("Starting the installer.");
    assert_eq!(screen.exit(), Some(100));
    assert_eq!(medium.read("given"), format!("asked\n600\n{CODE}\n600\n{CODE}\n"));
    assert!(!medium.path("run/anode/typed-code").exists());
    assert!(!screen.screen().contains("89AB") && !medium.read("arguments").contains("89AB"), "{}", screen.screen());
}

#[test]
fn another_code_can_be_typed() {
    let medium = medium(&[30]);
    let mut screen = medium.session();
    screen.expect("3  Go on with another code");
    screen.expect("Number:");
    screen.type_line("3");
    assert_eq!(screen.exit(), Some(100));
    assert_eq!(medium.read("given"), "asked\nasked\n");
}

#[test]
fn a_code_that_was_refused_or_whose_installation_was_declined_is_forgotten() {
    for exit in [3, 10, 11, 12, 13] {
        let medium = medium(&[exit]);
        let mut screen = medium.session();
        screen.expect(&format!("Error {exit} "));
        screen.expect("Number:");
        assert!(!screen.screen().contains("still known"), "{}", screen.screen());
        assert!(!medium.path("run/anode/typed-code").exists());
        screen.type_line("1");
        assert_eq!(screen.exit(), Some(100));
        assert_eq!(medium.read("given"), "asked\nasked\n", "{exit}");
    }
}

#[test]
fn what_lies_there_before_anybody_typed_is_not_used() {
    let medium = medium(&[]);
    medium.write("run/anode/typed-code", "1111-1111-1111-1111");
    assert_eq!(medium.session().exit(), Some(100));
    assert_eq!(medium.read("given"), "asked\n");
}
