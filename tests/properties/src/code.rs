//! What a person types.

use anode_bundle::code::{ALPHABET, BadCode, Code, Machine, Secret, normalise};

use crate::Verdict::{self, Accepted, Refused};
use crate::text;

/// Normalising is idempotent; an accepted code has the check symbol of the format and no accepted neighbour; a machine is itself in any spelling.
pub fn code(data: &[u8]) -> Verdict {
    let Some(text) = text(data) else { return Refused };
    machine(text);
    let symbols = match normalise(text) {
        Ok(symbols) => symbols,
        Err(bad) => {
            let BadCode::Foreign { character, position } = &bad else { panic!("{bad:?}") };
            assert!((1..=text.chars().count()).contains(position));
            assert!(character.chars().all(anode_bundle::display::is_printable));
            assert!(Code::parse(text).is_err() && Secret::parse(text).is_err());
            return Refused;
        }
    };
    assert!(symbols.bytes().all(|symbol| ALPHABET.contains(&symbol)));
    assert_eq!(normalise(&symbols).as_ref(), Ok(&symbols));
    let Ok(code) = Code::parse(text) else {
        assert!(!matches!(Secret::parse(text), Ok(Secret::Code(_))));
        return Refused;
    };
    assert!(matches!(Secret::parse(text), Ok(Secret::Code(_))));
    assert!([16, 20].contains(&symbols.len()) && code.symbol_count() == symbols.len());
    let value = |symbol: u8| ALPHABET.iter().position(|known| *known == symbol).unwrap();
    let sum = symbols.bytes().fold((0, 1), |(sum, power), symbol| ((sum + power * value(symbol)) % 31, power * 3 % 31));
    assert_eq!(sum.0, 1);
    assert_eq!(code.reveal().replace('-', ""), *symbols);
    assert!(Code::parse(&code.reveal()).is_ok() && Code::parse(&code.reveal().to_lowercase()).is_ok());
    let place = text.len() % symbols.len();
    for other in ALPHABET {
        let mut wrong = symbols.as_bytes().to_vec();
        wrong[place] = *other;
        let accepted = Code::parse(std::str::from_utf8(&wrong).unwrap()).is_ok();
        assert_eq!(accepted, wrong == symbols.as_bytes());
    }
    Accepted
}

fn machine(text: &str) {
    let Some((uuid, serial)) = text.split_once('|') else { return };
    let Ok(machine) = Machine::new(uuid, serial) else { return };
    for (uuid, serial) in [
        (uuid.to_ascii_uppercase(), serial.to_ascii_uppercase()),
        (uuid.to_ascii_lowercase(), format!(" {} ", serial.to_ascii_lowercase())),
    ] {
        assert!(Machine::new(&uuid, &serial).is_ok_and(|other| other == machine), "{uuid} {serial}");
    }
}
