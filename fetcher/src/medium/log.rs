//! What was said on screen, as text: for the log on screen and on the stick.
//!
//! It records what programs print and never what a person types, hidden or not: the terminal's echo is taken out, and so are the answers where the fetcher
//! repeats them before its last question, and for whom a code is: the log travels on the stick. What looks like an activation code is replaced even so, because
//! a code can stand in the kernel's arguments, which the kernel prints.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anode_bundle::code::{Code, Secret};

use crate::words::Language;

/// More than hours of talk; a download's progress is one line.
const LIMIT: usize = 1 << 20;
/// A line that does not end is written in pieces.
const LINE: usize = 4096;
/// Longer answers are cut by the terminal itself.
const ECHO: usize = 4096;

/// The log while it is written.
pub(super) struct Log {
    file: Option<File>,
    written: usize,
    line: Vec<u8>,
    escape: Escape,
    /// What the terminal will repeat of what was typed.
    echo: VecDeque<u8>,
    /// Inside of what is repeated before the last question.
    in_summary: bool,
}

#[derive(PartialEq, Eq)]
enum Escape {
    No,
    Begun,
    Sequence,
}

impl Log {
    /// Appends to a file. Without one nothing is kept, and nothing else changes.
    pub fn open(path: &Path) -> Log {
        let file = File::options().create(true).append(true).open(path).ok();
        Log { file, written: 0, line: Vec::new(), escape: Escape::No, echo: VecDeque::new(), in_summary: false }
    }

    /// A person typed this, and the terminal repeats it.
    pub fn expect_echo(&mut self, typed: &[u8]) {
        let room = ECHO.saturating_sub(self.echo.len());
        // A terminal ends a line with CR, a paste or a scanner perhaps with LF; either is shown as a line's end.
        let shown = typed.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte });
        self.echo.extend(shown.filter(|byte| (*byte >= b' ' && *byte != 0x7F) || *byte == b'\n').take(room));
    }

    /// Programs printed this, or the terminal repeated what was typed.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.take(*byte);
        }
    }

    fn take(&mut self, byte: u8) {
        match (&self.escape, byte) {
            (Escape::Begun, b'[') => self.escape = Escape::Sequence,
            (Escape::Begun, _) | (Escape::Sequence, 0x40..=0x7E) => self.escape = Escape::No,
            (Escape::Sequence, _) => {}
            (Escape::No, 0x1B) => self.escape = Escape::Begun,
            (Escape::No, b'\n') => {
                // What was typed ends with its line; of several lines that were typed at once, the first.
                let end = self.echo.iter().position(|byte| *byte == b'\n').map_or(self.echo.len(), |at| at + 1);
                self.echo.drain(..end);
                self.end_line();
            }
            // A bar of progress begins its line anew: the last one counts.
            (Escape::No, b'\r') => {
                if self.line.last() != Some(&b'\r') {
                    self.line.push(b'\r');
                }
            }
            (Escape::No, 0x08) => {
                self.line.pop();
            }
            (Escape::No, _) if byte < b' ' || byte == 0x7F => {}
            (Escape::No, _) if self.echo.front() == Some(&byte) => {
                self.echo.pop_front();
            }
            (Escape::No, _) => {
                self.line.push(byte);
                if self.line.len() >= LINE {
                    self.end_line();
                }
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\r');
        let mut text = without_codes(text.rsplit('\r').next().unwrap_or_default());
        if let Some(end) = self.personal(&text) {
            text.truncate(end);
            text.push_str("****");
        }
        text.push('\n');
        if self.written + text.len() > LIMIT {
            return;
        }
        self.written += text.len();
        if let Some(file) = &mut self.file {
            let _ = file.write_all(text.as_bytes());
        }
    }
}

impl Log {
    /// Where in a line of the fetcher's begins what is the person's or the organisation's affair.
    fn personal(&mut self, text: &str) -> Option<usize> {
        let languages = Language::ALL.map(Language::words);
        if languages.iter().any(|words| text == words.summary) {
            self.in_summary = true;
            return None;
        }
        let row = text.strip_prefix("  ").filter(|_| self.in_summary);
        self.in_summary = row.is_some();
        let Some(row) = row else {
            let heads = languages.iter().filter_map(|words| words.code_for.split_once('{')).map(|(head, _)| head);
            return heads.filter(|head| text.starts_with(head)).map(str::len).next();
        };
        // A label that fills its column has one blank behind it: then nothing says where the answer begins.
        let Some((label, _)) = row.split_once("  ") else { return Some(2) };
        let says_what = languages.iter().any(|words| [words.profile, words.installer, words.release].contains(&label));
        (!says_what).then_some(4 + label.len())
    }
}

/// The same line without anything that could be an activation code, in one word or in groups, and without the kernel argument that holds one.
pub(super) fn without_codes(line: &str) -> String {
    let is_code = |text: &str| matches!(Secret::parse(text), Ok(Secret::Code(_))) && Code::parse(text).is_ok();
    let mut words: Vec<&str> = line.split(' ').collect();
    for start in 0..words.len() {
        for count in [5, 4, 1] {
            let group = words.get(start..start + count).unwrap_or_default();
            let (first, rest) = (group.first().copied().unwrap_or_default(), group.get(1..).unwrap_or_default());
            let grouped = count == 1 || (first.len() == 4 && rest.iter().all(|word| word.len() == 4));
            let bare = group.concat();
            let bare = bare.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            let hidden = !bare.is_empty() && grouped && is_code(bare);
            let argument = count == 1 && first.contains("anode.code=");
            let count = if argument { argument_words(words.get(start..).unwrap_or_default()) } else { count };
            if hidden || argument {
                for word in words.iter_mut().skip(start).take(count) {
                    *word = "****";
                }
            }
        }
    }
    words.join(" ")
}

/// How many words a kernel argument has: between quotes a blank ends none, and a phrase has blanks.
fn argument_words(words: &[&str]) -> usize {
    let mut quotes = 0;
    let ends = |word: &&str| {
        quotes += word.matches('"').count();
        quotes % 2 == 0
    };
    words.iter().position(ends).map_or(words.len(), |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(steps: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::open(&path);
        for (typed, printed) in steps {
            log.expect_echo(typed.as_bytes());
            log.write(printed.as_bytes());
        }
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn what_programs_print_is_kept_and_what_is_typed_is_not() {
        let log = logged(&[("", "Name: "), ("hunter2\r", "hunter2\r\nDone.\r\n"), ("", "hunter2\r\n")]);
        assert_eq!(log, "Name: \nDone.\nhunter2\n");
    }

    #[test]
    fn what_the_fetcher_repeats_of_answers_and_of_the_organisation_is_left_out() {
        for words in Language::ALL.map(Language::words) {
            let width = 20;
            let row = |label: &str, value: &str| format!("  {label:width$}  {value}\n");
            let told = [
                words.code_for.replace("{organisation}", "Berta GmbH") + "\n",
                format!("{}\n", words.summary),
                row(words.organisation, "Berta GmbH"),
                row(words.profile, "Office machine"),
                row(words.username, "berta"),
                row("A question of exactly 20", "Berta B."),
                row("Overlong label of a prompt ab", "Berta B."),
                "It goes on.\n  berta is said again\n".to_owned(),
            ];
            let log = logged(&[("", &told.concat())]);
            let (within, behind) = log.split_once("It goes on.\n").unwrap();
            assert!(!within.to_lowercase().contains("berta") && within.contains("Office machine"), "{log}");
            assert!(within.contains(words.username) && behind == "  berta is said again\n", "{log}");
        }
    }

    #[test]
    fn an_echo_that_never_comes_does_not_swallow_later_lines() {
        assert_eq!(logged(&[("abc", "xyz\nabc\n")]), "xyz\nabc\n");
    }

    #[test]
    fn of_several_lines_that_are_typed_at_once_none_is_kept() {
        for typed in ["one\rhunter2\r", "one\nhunter2\n"] {
            assert_eq!(logged(&[(typed, "one\r\nhunter2\r\nDone.\r\n")]), "\n\nDone.\n");
        }
        // A line that came with the other half of a pair, and one whose end is not typed yet.
        assert_eq!(logged(&[("one\r\nhun", "one\r\n\r\nhun"), ("ter2\r", "ter2\r\nDone.\n")]), "\n\n\nDone.\n");
    }

    #[test]
    fn escapes_masks_and_bars_leave_text() {
        assert_eq!(logged(&[("", "\x1b[2J\x1b[1;31mred\x1b[0m\x07\r\n")]), "red\n");
        assert_eq!(logged(&[("", "Code: ***\x08 \x08*\r\n")]), "Code: ***\n");
        assert_eq!(logged(&[("", " 1 %\r 2 %\r 3 %\r\r\n")]), " 3 %\n");
    }

    #[test]
    fn a_code_is_never_kept_however_it_is_written() {
        for line in [
            "it is 0123-4567-89AB-CDER.",
            "it is 0123456789abcder",
            "it is 0123 4567 89ab cder now",
            "Kernel command line: quiet anode.code=0123-4567-89AB-CDES",
        ] {
            let kept = without_codes(line).to_lowercase();
            assert!(!kept.contains("89ab") && !kept.contains("cde") && kept.contains("****"), "{kept}");
        }
        let harmless = "eth0 ready 192.0.2.10/24 sha256 0123 4567 89ab";
        assert_eq!(without_codes(harmless), harmless);
    }

    #[test]
    fn a_phrase_among_the_kernels_arguments_is_hidden_to_its_last_word() {
        for argument in ["anode.code=\"correct horse battery staple\"", "\"anode.code=correct horse battery staple\""] {
            let kept = without_codes(&format!("Kernel command line: quiet {argument} console=tty0"));
            assert_eq!(kept, "Kernel command line: quiet **** **** **** **** console=tty0");
        }
        let open = without_codes("[    0.0] anode.code=\"correct horse battery");
        assert_eq!(open, "[    0.0] **** **** ****");
    }

    #[test]
    fn a_line_without_end_and_a_talk_without_end_stay_bounded() {
        let text = "x".repeat(2 * LIMIT);
        let log = logged(&[("", &text)]);
        assert!(log.len() <= LIMIT, "{}", log.len());
    }
}
