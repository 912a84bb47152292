//! What a person types: activation codes, phrases, and the machine's own identity (format, section 5).
//!
//! Nothing here is printable by accident: the types have no `Debug`, no `Display` and no `Serialize`, and are wiped when dropped.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::keyed::lp;
use crate::name::{Sha256, SiteId};

/// The 31 symbols: digits and letters without I, L, O, U, Z. A symbol's value is its place.
pub const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKMNPQRSTVWXY";

/// The numbers of symbols that a code can have, check symbol included.
pub const LENGTHS: [usize; 2] = [16, 20];

/// The most symbols of a phrase.
pub const PHRASE_LIMIT: usize = 128;

/// The fewest symbols of a phrase.
pub const PHRASE_SYMBOLS: usize = 24;

/// Why a text is not a code. Reads as a predicate of "the activation code".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// A character that no code has.
    #[error("has the character `{character}` at position {position}, which no code has")]
    Foreign {
        /// The character, safe to print.
        character: String,
        /// Counted from 1 in the text as typed.
        position: usize,
    },
    /// Too few or too many symbols.
    #[error("has {found} symbols; a code has 16 or 20")]
    Length {
        /// Symbols after normalising.
        found: usize,
    },
    /// The check symbol does not fit.
    #[error("has a wrong symbol: its check symbol does not fit")]
    Checksum,
    /// A phrase with too few or too many symbols.
    #[error("has {found} symbols; a phrase has 24 to 128")]
    PhraseLength {
        /// Symbols after normalising.
        found: usize,
    },
    /// A code of a length that this site does not make.
    #[error("has {found} symbols, a length that this site does not use")]
    ForeignLength {
        /// Symbols after normalising.
        found: usize,
    },
}

/// The symbols of `text`, upper case, without separators, confusable letters resolved.
///
/// # Errors
/// [`BadCode::Foreign`] for the first character that is neither a symbol, a confusable letter nor a separator.
pub fn normalise(text: &str) -> Result<Zeroizing<String>, BadCode> {
    // Room for every symbol at once: growing would leave copies behind.
    let mut symbols = Zeroizing::new(String::with_capacity(text.len()));
    for (index, character) in text.chars().enumerate() {
        let upper = character.to_ascii_uppercase();
        let symbol = match upper {
            'I' | 'L' => '1',
            'O' => '0',
            'U' => 'V',
            'Z' => 'Y',
            ' ' | '\t' | '\r' | '\n' | '-' | '_' | '.' | ',' | ':' | '/' | '\'' | 'ß' | '\u{A0}' => continue,
            '\u{2010}'..='\u{2015}' => continue,
            _ if upper.is_ascii() && ALPHABET.contains(&(upper as u8)) => upper,
            _ => {
                let shown = crate::display::line(&character.to_string(), 1);
                let shown = if shown.is_empty() { format!("U+{:04X}", character as u32) } else { shown };
                return Err(BadCode::Foreign { character: shown, position: index + 1 });
            }
        };
        symbols.push(symbol);
    }
    Ok(symbols)
}

fn value(symbol: u8) -> u32 {
    ALPHABET.iter().position(|&s| s == symbol).map_or(0, |place| place as u32)
}

/// Σ 3ⁱ·vᵢ mod 31, i from 0 at the left, and 3 to the power of the number of symbols.
fn weighted(symbols: &[u8]) -> (u32, u32) {
    symbols.iter().fold((0, 1), |(sum, weight), &symbol| ((sum + weight * value(symbol)) % 31, weight * 3 % 31))
}

/// An activation code with a right check symbol. Not printable, wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct Code(Zeroizing<String>);

impl Code {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// [`BadCode`]; nothing has to be sent to find out.
    pub fn parse(text: &str) -> Result<Code, BadCode> {
        let symbols = normalise(text)?;
        if !LENGTHS.contains(&symbols.len()) {
            return Err(BadCode::Length { found: symbols.len() });
        }
        if weighted(symbols.as_bytes()).0 != 1 {
            return Err(BadCode::Checksum);
        }
        Ok(Code(symbols))
    }

    /// A new code of 16 or 20 symbols from a source of uniformly random bytes. `None` if the length is neither.
    pub fn generate(length: usize, random_byte: &mut dyn FnMut() -> u8) -> Option<Code> {
        if !LENGTHS.contains(&length) {
            return None;
        }
        let mut symbols = Zeroizing::new(String::with_capacity(length));
        while symbols.len() < length - 1 {
            // 248 = 8 · 31: above it the remainder would favour some symbols.
            let byte = random_byte();
            if let Some(&symbol) = ALPHABET.get(usize::from(byte % 31)).filter(|_| byte < 248) {
                symbols.push(char::from(symbol));
            }
        }
        let (sum, weight) = weighted(symbols.as_bytes());
        let check = ALPHABET.iter().find(|&&symbol| (sum + weight * value(symbol)) % 31 == 1)?;
        symbols.push(char::from(*check));
        Some(Code(symbols))
    }

    /// How many symbols it has, check symbol included.
    #[must_use]
    pub fn symbol_count(&self) -> usize {
        self.0.len()
    }

    /// The code as it is printed, in groups of four. For the one moment in which a code is shown.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut grouped = Zeroizing::new(String::with_capacity(self.0.len() * 5 / 4));
        for (index, symbol) in self.0.chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                grouped.push('-');
            }
            grouped.push(symbol);
        }
        grouped
    }
}

/// A code chosen by a person, where the site allows it. Not printable, wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct Phrase(Zeroizing<String>);

impl Phrase {
    /// Reads what a person typed. Whether it is hard enough to guess is judged when the code is made, not when it is typed.
    ///
    /// # Errors
    /// [`BadCode`].
    pub fn parse(text: &str) -> Result<Phrase, BadCode> {
        let symbols = normalise(text)?;
        match symbols.len() {
            found if !(PHRASE_SYMBOLS..=PHRASE_LIMIT).contains(&found) => Err(BadCode::PhraseLength { found }),
            _ => Ok(Phrase(symbols)),
        }
    }

    /// The normalised symbols, for the estimate of their strength.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The machine has no identity of its own that could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the firmware gives this machine no usable identity: UUID or serial number is empty or a placeholder")]
pub struct NoIdentity;

/// A machine as its firmware names it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Machine {
    uuid: String,
    serial: String,
}

/// Serial numbers and UUIDs that boards carry when nobody filled them in.
const PLACEHOLDERS: [&str; 22] = [
    "TO BE FILLED BY O.E.M.",
    "TO BE FILLED BY OEM",
    "DEFAULT STRING",
    "SYSTEM SERIAL NUMBER",
    "SERIAL NUMBER",
    "NOT SPECIFIED",
    "NOT APPLICABLE",
    "NOT AVAILABLE",
    "INVALID",
    "NONE",
    "N/A",
    "NA",
    "O.E.M.",
    "OEM",
    "EMPTY",
    "UNKNOWN",
    "123456789",
    "1234567890",
    "0123456789",
    "XXXXXXXXXX",
    "CHASSIS SERIAL NUMBER",
    "03000200-0400-0500-0006-000700080009",
];

impl Machine {
    /// From Linux' `product_uuid` and `product_serial`.
    ///
    /// # Errors
    /// [`NoIdentity`] if either is empty, all 0, all F or a known placeholder.
    pub fn new(uuid: &str, serial: &str) -> Result<Machine, NoIdentity> {
        let uuid = uuid.trim().to_ascii_lowercase();
        let serial = serial.trim().to_ascii_uppercase();
        let groups = [8, 4, 4, 4, 12];
        let uuid_is_plain =
            uuid.split('-').map(str::len).eq(groups) && uuid.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        let filled = |text: &str| {
            let upper = text.to_ascii_uppercase();
            let mut essence = upper.bytes().filter(|b| b.is_ascii_alphanumeric()).peekable();
            let blank = essence.peek().is_none();
            let essence: Vec<u8> = essence.collect();
            !blank
                && !essence.iter().all(|&b| b == b'0')
                && !essence.iter().all(|&b| b == b'F')
                && !PLACEHOLDERS.contains(&upper.as_str())
        };
        if uuid_is_plain && filled(&uuid) && filled(&serial) { Ok(Machine { uuid, serial }) } else { Err(NoIdentity) }
    }

    /// The name under which an activation is bound to this machine: `H(LP("anode/1 machine") ‖ LP(site) ‖ LP(uuid) ‖ LP(serial))`.
    #[must_use]
    pub fn binding(&self, site: &SiteId) -> Sha256 {
        let mut bytes = Vec::new();
        for part in ["anode/1 machine", site.as_str(), &self.uuid, &self.serial] {
            lp(&mut bytes, part.as_bytes());
        }
        Sha256::of(&bytes)
    }
}

/// Anything that locator and key can be derived from. Not printable; each variant is wiped when dropped.
pub enum Secret {
    /// A generated code.
    Code(Code),
    /// A chosen code.
    Phrase(Phrase),
    /// The machine itself.
    Hardware(Machine),
}

impl Secret {
    /// Reads what a person typed: 16 or 20 symbols are a code, 24 and more a phrase.
    ///
    /// # Errors
    /// [`BadCode`].
    pub fn parse(text: &str) -> Result<Secret, BadCode> {
        let mut count = normalise(text)?.len();
        let secret = if count >= PHRASE_SYMBOLS {
            Phrase::parse(text).map(Secret::Phrase)
        } else {
            Code::parse(text).map(Secret::Code)
        };
        count.zeroize();
        secret
    }

    /// The password of the key derivation.
    pub(crate) fn password(&self) -> Zeroizing<Vec<u8>> {
        let parts: Vec<&str> = match self {
            Self::Code(code) => vec!["code", &code.0],
            Self::Phrase(phrase) => vec!["phrase", &phrase.0],
            Self::Hardware(machine) => vec!["hw", &machine.uuid, &machine.serial],
        };
        let mut password = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum()));
        for part in parts {
            lp(&mut password, part.as_bytes());
        }
        password
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, BadCode> {
        Code::parse(text).map(|code| code.reveal().to_string())
    }

    #[test]
    fn the_vectors_of_the_format_hold() {
        for good in ["0123-4567-89AB-CDER", "YYYY-YYYY-YYYY-YYY0", "YXWV-TSRQ-PNMK-JHG6"] {
            assert_eq!(parse(good).as_deref(), Ok(good));
        }
        assert_eq!(parse("0000-0000-0000-0000"), Err(BadCode::Checksum));
    }

    #[test]
    fn what_people_confuse_is_forgiven() {
        let wanted = Ok("0123-4567-89AB-CDER".to_owned());
        for typed in [
            "0123456789abcder",
            "ol23 4567 89ab cder",
            "OI23.4567,89AB/CDER\r\n",
            "\t0123_4567:89AB'CDER ",
            "0123–4567—89AB‑CDER",
            "0123\u{a0}4567ß89ABCDER",
        ] {
            assert_eq!(parse(typed), wanted, "{typed:?}");
        }
        assert_eq!(parse("zzzz-zzzz-zzzz-zzz0").as_deref(), Ok("YYYY-YYYY-YYYY-YYY0"));
        assert_eq!(parse("YXWU-TSRQ-PNMK-JHG6").as_deref(), Ok("YXWV-TSRQ-PNMK-JHG6"));
    }

    #[test]
    fn foreign_characters_are_named_with_their_position() {
        let foreign = |text: &str| match Code::parse(text) {
            Err(BadCode::Foreign { character, position }) => (character, position),
            _ => panic!("{text} should hold a foreign character"),
        };
        assert_eq!(foreign("0123-4!67"), ("!".into(), 7));
        assert_eq!(foreign("ä"), ("ä".into(), 1));
        assert_eq!(foreign("01\u{1b}"), ("U+001B".into(), 3));
        assert_eq!(foreign("ı"), ("ı".into(), 1));
        assert_eq!(foreign("０"), ("０".into(), 1));
    }

    #[test]
    fn lengths_other_than_16_and_20_are_refused() {
        for count in (0..=40).filter(|count| !LENGTHS.contains(count)) {
            assert_eq!(parse(&"0".repeat(count)), Err(BadCode::Length { found: count }));
        }
    }

    #[test]
    fn every_single_wrong_symbol_and_every_swap_is_caught() {
        let mut seed = 7_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        for length in LENGTHS {
            let code = Code::generate(length, &mut random).unwrap();
            assert!(Code::parse(&code.0).is_ok());
            let symbols = code.0.as_bytes();
            for place in 0..length {
                for &other in ALPHABET {
                    let mut wrong = symbols.to_vec();
                    wrong[place] = other;
                    let accepted = Code::parse(std::str::from_utf8(&wrong).unwrap()).is_ok();
                    assert_eq!(accepted, wrong == symbols);
                }
                for second in 0..length {
                    let mut swapped = symbols.to_vec();
                    swapped.swap(place, second);
                    let accepted = Code::parse(std::str::from_utf8(&swapped).unwrap()).is_ok();
                    assert_eq!(accepted, swapped == symbols);
                }
            }
        }
    }

    #[test]
    fn generated_symbols_are_uniform_over_all_bytes() {
        let mut counts = [0_u32; 31];
        let mut byte = 0_u8;
        let mut every_byte = || {
            byte = byte.wrapping_add(1);
            byte
        };
        for _ in 0..248 {
            let code = Code::generate(16, &mut every_byte).unwrap();
            for symbol in &code.0.as_bytes()[..15] {
                counts[value(*symbol) as usize] += 1;
            }
        }
        assert_eq!(counts.iter().min(), counts.iter().max());
    }

    #[test]
    fn placeholders_are_no_identity() {
        let uuid = "4c4c4544-0042-3510-8054-b4c04f4d4e32";
        assert!(Machine::new(uuid, " 5TNMN32 ").is_ok());
        assert!(Machine::new(&uuid.to_uppercase(), "5tnmn32").unwrap() == Machine::new(uuid, "5TNMN32").unwrap());
        for serial in ["", "  ", "0", "00000000", "FFFFFFFF", "To Be Filled By O.E.M.", "Default string", "n/a", "-"] {
            assert!(Machine::new(uuid, serial).is_err(), "{serial:?}");
        }
        for bad in [
            "",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "03000200-0400-0500-0006-000700080009",
            "4c4c4544004235108054b4c04f4d4e32",
            "g c4c4544-0042-3510-8054-b4c04f4d4e32",
        ] {
            assert!(Machine::new(bad, "5TNMN32").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_a_site_and_an_estimate_judge_are_the_symbols_and_not_the_text() {
        assert_eq!(Code::parse("0123-4567-89AB-CDER").map(|code| code.symbol_count()), Ok(16));
        assert_eq!(Code::generate(20, &mut || 7).map(|code| code.symbol_count()), Some(20));
        let phrase = Phrase::parse("correct horse battery staple");
        assert_eq!(phrase.map(|phrase| phrase.reveal().to_owned()).as_deref(), Ok("C0RRECTH0RSEBATTERYSTAP1E"));
    }

    #[test]
    fn phrases_need_24_symbols() {
        assert!(matches!(Secret::parse("correct horse battery staple"), Ok(Secret::Phrase(_))));
        assert!(matches!(Phrase::parse("correct horse"), Err(BadCode::PhraseLength { found: 12 })));
        assert!(matches!(Secret::parse("0123-4567-89AB-CDER"), Ok(Secret::Code(_))));
        assert!(matches!(Secret::parse(&"0".repeat(129)), Err(BadCode::PhraseLength { found: 129 })));
        assert!(matches!(Secret::parse(&"0".repeat(21)), Err(BadCode::Length { found: 21 })));
    }
}
