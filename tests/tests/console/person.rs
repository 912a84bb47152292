//! Who sits there, and how the fetcher ends that is played to them.

use anode_tests::{Medium, Terminal};

/// A code that no site knows; its checksum is right.
pub const CODE: &str = "0123-4567-89AB-CDER";

pub fn greet(screen: &mut Terminal, language: &str, keyboard: &str) {
    screen.expect("Language / Sprache");
    screen.type_line(language);
    screen.expect("us) [");
    screen.type_line(keyboard);
}

/// For a script that plays the fetcher: it ends in these ways, one after the other, and from then on goes on.
pub fn ends_in_turn(medium: &Medium, exits: &[u8]) -> String {
    let turn = medium.path("turn").display().to_string();
    let cases: Vec<_> =
        exits.iter().enumerate().map(|(number, exit)| format!("{}) exit {exit} ;;", number + 1)).collect();
    format!("echo >>'{turn}'; case $(wc -l <'{turn}') in {} esac", cases.join(" "))
}
