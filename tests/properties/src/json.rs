//! The strict JSON of format 1, against a second reader that was written from the same text.

use std::collections::BTreeSet;

use anode_bundle::json::read;
use serde_json::Value;

use crate::Verdict::{self, Accepted, Refused};

/// Both readers take the same texts, and what was read says the same when it is written again.
pub fn json(data: &[u8]) -> Verdict {
    let read_here = is_document(data);
    match read::<Value>(data) {
        Ok(value) => {
            assert!(read_here, "taken, and it is not strict JSON");
            let again = serde_json::to_vec(&value).unwrap();
            assert_eq!(read::<Value>(&again), Ok(value));
            Accepted
        }
        Err(problem) => {
            assert!(!read_here, "refused, and it is strict JSON: {problem}");
            assert!(problem.chars().count() <= 160 && problem.chars().all(anode_bundle::display::is_printable));
            Refused
        }
    }
}

fn is_document(data: &[u8]) -> bool {
    let body = data.strip_suffix(b"\n").unwrap_or(data);
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let mut reader = Reader { text, at: 0 };
    text.starts_with('{') && reader.value(1).is_some() && reader.at == text.len()
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        self.blank();
        (self.peek() == Some(wanted)).then(|| self.at += 1)
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        self.blank();
        let rest = self.text.get(self.at..)?;
        if let Some(word) = ["true", "false", "null"].iter().find(|word| rest.starts_with(**word)) {
            self.at += word.len();
            return Some(());
        }
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'0'..=b'9' => self.number(),
            b'{' if depth <= 8 => self.object(depth),
            b'[' if depth <= 8 => self.list(depth),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<()> {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        let digits = &self.text[begin..self.at];
        let plain = digits == "0" || !digits.starts_with('0');
        let ends = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        (plain && ends && digits.parse::<u64>().is_ok_and(|value| value < 1 << 53)).then_some(())
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(());
        }
        let mut names = BTreeSet::new();
        loop {
            self.blank();
            if !names.insert(self.string()?) {
                return None;
            }
            self.take(b':')?;
            self.value(depth + 1)?;
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        (self.peek() == Some(b'"')).then(|| self.at += 1)?;
        let mut units = Vec::new();
        loop {
            let c = self.text[self.at..].chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return String::from_utf16(&units).ok(),
                '\0'..='\u{1f}' => return None,
                '\\' => {
                    let escape = self.peek()?;
                    self.at += 1;
                    units.push(match escape {
                        b'"' | b'\\' | b'/' => u16::from(escape),
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => 10,
                        b'r' => 13,
                        b't' => 9,
                        b'u' => {
                            let digits = self.text.get(self.at..self.at + 4)?;
                            self.at += 4;
                            let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
                            u16::from_str_radix(digits, 16).ok().filter(|_| hex)?
                        }
                        _ => return None,
                    });
                }
                c => units.extend(c.encode_utf16(&mut [0; 2]).iter()),
            }
        }
    }
}
