//! The serial line: what the machine says, without what moves a cursor, and what is typed into it.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, Mutex, MutexGuard};

/// Both directions of it.
pub(crate) struct Serial {
    keyboard: ChildStdin,
    shared: Arc<Mutex<Plain>>,
    seen: usize,
}

impl Serial {
    /// Everything is written to `log` as it came.
    pub(crate) fn new(keyboard: ChildStdin, mut output: ChildStdout, log: &Path) -> Serial {
        let mut log = File::create(log).unwrap_or_else(|error| panic!("making {}: {error}", log.display()));
        let shared = Arc::new(Mutex::new(Plain::default()));
        let reading = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                // A full disk shows in what the test finds, or does not.
                let _ = log.write_all(&buffer[..count]);
                let mut plain = reading.lock().expect("the serial line");
                buffer[..count].iter().for_each(|byte| plain.push(*byte));
            }
        });
        Serial { keyboard, shared, seen: 0 }
    }

    fn plain(&self) -> MutexGuard<'_, Plain> {
        self.shared.lock().expect("the serial line")
    }

    /// Everything that was said so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.plain().text).into_owned()
    }

    /// Which of `words` was said first after what was found before; that is found from now on.
    pub(crate) fn find(&mut self, words: &[&str]) -> Option<usize> {
        let new = self.plain().text.get(self.seen..)?.to_vec();
        let places = words.iter().enumerate().filter_map(|(number, word)| Some((place(&new, word)?, number)));
        let ((_, end), number) = places.min()?;
        self.seen += end;
        Some(number)
    }

    /// Passes over everything that was said so far.
    pub(crate) fn skip(&mut self) {
        let end = self.plain().text.len();
        self.seen = end;
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.keyboard.write_all(bytes)?;
        self.keyboard.flush()
    }
}

/// Where it begins and ends. A long line is folded somewhere: each of its blanks may be the end of a row, and what the next one is indented by.
fn place(text: &[u8], word: &str) -> Option<(usize, usize)> {
    (0..text.len()).find_map(|start| Some((start, start + length(&text[start..], word.as_bytes())?)))
}

/// How much of a text the words at its beginning take.
fn length(text: &[u8], word: &[u8]) -> Option<usize> {
    let mut at = 0;
    for byte in word {
        match text.get(at)? {
            b'\n' if *byte == b' ' => at += 1 + text[at + 1..].iter().take_while(|byte| **byte == b' ').count(),
            found if found == byte => at += 1,
            _ => return None,
        }
    }
    Some(at)
}

/// Text without the sequences that move the cursor or colour it (ECMA-48).
#[derive(Default)]
struct Plain {
    text: Vec<u8>,
    state: State,
}

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Text,
    Escape,
    /// Until a letter ends it.
    Sequence,
    /// One byte more: the choice of a character set.
    One,
}

impl Plain {
    fn push(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Text, 0x1b) => State::Escape,
            (State::Text, b'\r' | 0x0e | 0x0f) => State::Text,
            (State::Text, _) => {
                self.text.push(byte);
                State::Text
            }
            (State::Escape, b'[') => State::Sequence,
            (State::Escape, b'(' | b')' | b'%' | b'#') => State::One,
            (State::Escape | State::One, _) => State::Text,
            (State::Sequence, 0x40..=0x7e) => {
                // What is placed elsewhere is another word.
                if matches!(byte, b'H' | b'f' | b'd' | b'B' | b'C' | b'E' | b'G') {
                    self.text.push(b' ');
                }
                State::Text
            }
            (State::Sequence, _) => State::Sequence,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_a_line_that_was_folded() {
        let text = b"error: the server answers\n       400; it may";
        assert_eq!(place(text, "server answers 400; it"), Some((11, 40)));
        assert_eq!(place(text, "the server answers"), Some((7, 25)));
        assert_eq!(place(text, "answers  400"), None);
        assert_eq!(place(text, "may want"), None);
    }

    #[test]
    fn words_are_found_between_sequences_that_move_and_colour() {
        let mut plain = Plain::default();
        b"\x1b[2J\x1b[01;31mCode\x1b[m:\r\n\x1b(Btyped\x1b[5;1Hbelow".iter().for_each(|byte| plain.push(*byte));
        assert_eq!(String::from_utf8_lossy(&plain.text), "Code:\ntyped below");
    }
}
