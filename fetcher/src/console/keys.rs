//! From bytes of a keyboard to a line, without a terminal: what each key does, and what is shown for it.

use anode_bundle::code::Code;
use zeroize::{Zeroize, Zeroizing};

use super::terminal::Echo;

/// Longer lines are cut: nothing that is asked for is as long.
const LINE: usize = 1024;
/// Step back, blank, step back.
const ERASE: &str = "\u{8} \u{8}";

/// What a byte led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    /// Show this and go on.
    Go(String),
    /// The line is complete.
    Line(Zeroizing<String>),
    /// The input ended.
    End,
    /// Ctrl-C.
    GiveUp,
}

/// The line so far.
pub(super) struct Keys {
    // Never grows beyond its first allocation, which would leave a copy behind.
    line: Zeroizing<Vec<u8>>,
    /// `None`: the terminal or pipe does its own editing.
    echo: Option<Echo>,
    escape: Escape,
    /// How many columns the verdict on a code takes.
    verdict: usize,
}

/// Arrow keys and their like send several bytes; none of them is part of an answer.
#[derive(PartialEq, Eq)]
enum Escape {
    No,
    Begun,
    Sequence,
}

impl Keys {
    pub fn plain() -> Keys {
        Keys { line: Zeroizing::new(Vec::with_capacity(LINE)), echo: None, escape: Escape::No, verdict: 0 }
    }

    pub fn typed(echo: Echo) -> Keys {
        Keys { echo: Some(echo), ..Keys::plain() }
    }

    /// `None` is the end of the input.
    pub fn press(&mut self, byte: Option<u8>) -> Pressed {
        match (byte, self.echo) {
            (None, _) if self.line.is_empty() => Pressed::End,
            (None | Some(b'\n'), _) => Pressed::Line(self.take()),
            (Some(byte), None) => self.push(byte),
            (Some(byte), Some(_)) => self.edit(byte),
        }
    }

    fn edit(&mut self, byte: u8) -> Pressed {
        match (&self.escape, byte) {
            (Escape::Begun, b'[' | b'O') => self.escape = Escape::Sequence,
            (Escape::Begun, _) | (Escape::Sequence, 0x40..=0x7E) => self.escape = Escape::No,
            (Escape::Sequence, _) => {}
            (Escape::No, b'\r') => return Pressed::Line(self.take()),
            (Escape::No, 0x03 | 0x1C) => return Pressed::GiveUp,
            (Escape::No, 0x04) if self.line.is_empty() => return Pressed::End,
            (Escape::No, 0x08 | 0x7F) => return Pressed::Go(self.erase()),
            (Escape::No, 0x15) => {
                let mut shown = String::new();
                while !self.line.is_empty() {
                    shown.push_str(&self.erase());
                }
                return Pressed::Go(shown);
            }
            (Escape::No, 0x1B) => self.escape = Escape::Begun,
            (Escape::No, 0..=0x1F) => {}
            (Escape::No, _) => return self.push(byte),
        }
        Pressed::Go(String::new())
    }

    fn push(&mut self, byte: u8) -> Pressed {
        if self.line.len() == LINE {
            return Pressed::Go(String::new());
        }
        let shown = match self.symbols() {
            _ if !self.is_code() || !is_symbol(byte) => "",
            0 => "*",
            count if count.is_multiple_of(4) => "-*",
            _ => "*",
        };
        self.line.push(byte);
        let hidden = self.hide_verdict();
        Pressed::Go(hidden + shown + &self.verdict())
    }

    fn is_code(&self) -> bool {
        matches!(self.echo, Some(Echo::Code(_)))
    }

    fn hide_verdict(&mut self) -> String {
        ERASE.repeat(std::mem::take(&mut self.verdict))
    }

    /// Whether what is typed is a code, as soon as it has the length of one.
    fn verdict(&mut self) -> String {
        let Some(Echo::Code(verdicts)) = self.echo else { return String::new() };
        let symbols = self.symbols();
        let verdict = match std::str::from_utf8(&self.line).map(Code::parse) {
            _ if symbols != 16 && symbols != 20 => return String::new(),
            Ok(Ok(_)) => verdicts.right,
            _ if symbols == 16 => verdicts.wrong_yet,
            _ => verdicts.wrong,
        };
        self.verdict = verdict.chars().count() + 2;
        format!("  {verdict}")
    }

    /// Takes back one character, of however many bytes.
    fn erase(&mut self) -> String {
        let mut erased = self.line.pop();
        while erased.is_some_and(|byte| byte & 0xC0 == 0x80) {
            erased = self.line.pop();
        }
        if !self.is_code() {
            return String::new();
        }
        let mut shown = self.hide_verdict();
        if erased.is_some_and(is_symbol) {
            let left = self.symbols();
            shown.push_str(&ERASE.repeat(if left > 0 && left.is_multiple_of(4) { 2 } else { 1 }));
        }
        shown + &self.verdict()
    }

    fn symbols(&self) -> usize {
        self.line.iter().filter(|byte| is_symbol(**byte)).count()
    }

    fn take(&mut self) -> Zeroizing<String> {
        let line = match std::str::from_utf8(&self.line) {
            Ok(text) => Zeroizing::new(text.trim_end_matches('\r').to_owned()),
            Err(_) => Zeroizing::new(String::from_utf8_lossy(&self.line).into_owned()),
        };
        self.line.zeroize();
        self.verdict = 0;
        line
    }
}

/// Takes a place in the mask: everything but separators and the later bytes of a character.
fn is_symbol(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0xC0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::terminal::Verdicts;

    const CODE: Echo = Echo::Code(Verdicts { right: "right", wrong_yet: "not yet", wrong: "wrong" });

    fn type_in(keys: &mut Keys, bytes: &[u8]) -> (String, Option<String>) {
        let mut shown = String::new();
        for byte in bytes {
            match keys.press(Some(*byte)) {
                Pressed::Go(feedback) => shown.push_str(&feedback),
                Pressed::Line(line) => return (shown, Some(line.to_string())),
                other => panic!("{other:?}"),
            }
        }
        (shown, None)
    }

    #[test]
    fn a_code_is_shown_as_its_shape_only() {
        for typed in ["0123456789abcder\r", "0123-4567-89AB-CDER\n", "0123 4567 89ab cder\r"] {
            let (shown, line) = type_in(&mut Keys::typed(CODE), typed.as_bytes());
            assert_eq!(shown, "****-****-****-****  right");
            assert_eq!(line.as_deref(), Some(typed.trim_end()));
        }
    }

    #[test]
    fn a_code_is_judged_as_soon_as_it_is_long_enough() {
        let mut keys = Keys::typed(CODE);
        type_in(&mut keys, b"0123-4567-89AB-CDE");
        // The last symbol is wrong, and is typed again.
        assert_eq!(keys.press(Some(b'S')), Pressed::Go("*  not yet".to_owned()));
        assert_eq!(keys.press(Some(0x7F)), Pressed::Go(ERASE.repeat(10)));
        assert_eq!(keys.press(Some(b'R')), Pressed::Go("*  right".to_owned()));
        // Separators change nothing; a longer one is judged at its own end.
        assert_eq!(keys.press(Some(b'-')), Pressed::Go(format!("{}  right", ERASE.repeat(7))));
        assert_eq!(type_in(&mut keys, b"012").0, format!("{}-***", ERASE.repeat(7)));
        let (shown, line) = type_in(&mut keys, b"3\r");
        assert_eq!((shown.as_str(), line.as_deref()), ("*  wrong", Some("0123-4567-89AB-CDER-0123")));
    }

    #[test]
    fn backspace_takes_back_what_was_shown_and_what_was_typed() {
        let mut keys = Keys::typed(CODE);
        type_in(&mut keys, b"01234");
        assert_eq!(keys.press(Some(0x7F)), Pressed::Go(ERASE.repeat(2)));
        assert_eq!(keys.press(Some(0x7F)), Pressed::Go(ERASE.to_owned()));
        assert_eq!(type_in(&mut keys, b"x\n"), ("*".to_owned(), Some("012x".to_owned())));
        type_in(&mut keys, "0ä".as_bytes());
        keys.press(Some(0x08));
        assert_eq!(type_in(&mut keys, b"\n").1.as_deref(), Some("0"));
        type_in(&mut keys, b"0123-4567");
        keys.press(Some(0x15));
        assert_eq!(keys.press(Some(0x7F)), Pressed::Go(String::new()));
        assert_eq!(type_in(&mut keys, b"\n").1.as_deref(), Some(""));
    }

    #[test]
    fn a_hidden_line_shows_nothing_and_arrow_keys_are_not_part_of_it() {
        let (shown, line) = type_in(&mut Keys::typed(Echo::Hidden), b"se\x1b[Acr\x1bOBe\x1b[3~t\t\r");
        assert_eq!((shown.as_str(), line.as_deref()), ("", Some("secret")));
    }

    #[test]
    fn giving_up_and_the_end_are_told_apart() {
        assert_eq!(Keys::typed(Echo::Hidden).press(Some(0x03)), Pressed::GiveUp);
        assert_eq!(Keys::typed(Echo::Hidden).press(Some(0x04)), Pressed::End);
        assert_eq!(Keys::plain().press(None), Pressed::End);
        let mut keys = Keys::plain();
        keys.press(Some(b'a'));
        assert_eq!(keys.press(None), Pressed::Line(Zeroizing::new("a".to_owned())));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut keys = Keys::plain();
        for _ in 0..10_000 {
            keys.press(Some(b'a'));
        }
        assert_eq!(type_in(&mut keys, b"\n").1.unwrap().len(), LINE);
    }
}
