//! Where did a value end up? A quoted word is right between words and wrong inside quotes, a comment or a here-document. The template author
//! does not have to know: the rendered text is read once, and a value in the wrong place is refused.

use super::escape::{CLOSE, OPEN, Rule, is_bare};
use super::xml;

/// A value in a place where it would mean something else.
#[derive(Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// The line of the rendered text, from 1.
    pub line: usize,
    /// What surrounds it, and what to do.
    pub problem: &'static str,
}

/// Removes the marks around values.
///
/// # Errors
/// The first value that stands where its quotes do not hold.
pub fn close(text: &str, rule: Rule) -> Result<String, Misplaced> {
    match rule {
        Rule::KickstartWord | Rule::ShellWord => Shell::default().read(text),
        Rule::Literal => literals(text),
        Rule::Preseed => preseed(text),
        Rule::Xml => xml::close(text),
        Rule::Line | Rule::Text | Rule::Address => Ok(text.to_owned()),
    }
}

/// The text in pieces: what the template says, and values.
fn pieces(text: &str) -> impl Iterator<Item = (bool, &str)> {
    text.split([OPEN, CLOSE]).enumerate().map(|(index, piece)| (index % 2 == 1, piece))
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Bare,
    Single,
    Double,
    Comment,
}

#[derive(Default)]
struct Shell {
    state: State,
    escaped: bool,
    // The current line as the template wrote it, to find here-documents and comments.
    line: String,
    number: usize,
    // The word that ends the here-document that is open.
    until: Option<String>,
    // The section of a kickstart in which names are taken as they are.
    packages: bool,
}

impl Shell {
    fn read(mut self, text: &str) -> Result<String, Misplaced> {
        let mut out = String::with_capacity(text.len());
        self.number = 1;
        for (is_value, piece) in pieces(text) {
            if is_value {
                self.value(piece)?;
            } else {
                piece.chars().for_each(|c| self.template(c));
            }
            out.push_str(piece);
        }
        Ok(out)
    }

    fn value(&mut self, value: &str) -> Result<(), Misplaced> {
        let problem = match self.state {
            _ if is_bare(value) => None,
            _ if self.packages => Some("stands among packages, where nothing can be quoted"),
            _ if self.until.is_some() => Some("stands in a here-document: write that text as a file of its own"),
            State::Single | State::Double => Some("stands in quotes: leave them out, it brings its own"),
            State::Comment if value.contains('\n') => Some("has several lines and stands in a comment"),
            State::Bare if self.escaped => Some("stands behind a backslash"),
            State::Bare | State::Comment => None,
        };
        self.number += value.matches('\n').count();
        self.line.push('v');
        self.escaped = false;
        match problem {
            Some(problem) => Err(Misplaced { line: self.number, problem }),
            None => Ok(()),
        }
    }

    fn template(&mut self, c: char) {
        if c == '\n' {
            return self.end_line();
        }
        let word_start = self.line.ends_with([' ', '\t', ';', '&', '|', '(']) || self.line.is_empty();
        if self.until.is_none() {
            match (self.state, c) {
                _ if self.escaped => self.escaped = false,
                (State::Bare | State::Double, '\\') => self.escaped = true,
                (State::Bare, '\'') => self.state = State::Single,
                (State::Bare, '"') => self.state = State::Double,
                (State::Bare, '#') if word_start => self.state = State::Comment,
                (State::Single, '\'') | (State::Double, '"') => self.state = State::Bare,
                _ => {}
            }
        }
        self.line.push(c);
    }

    fn end_line(&mut self) {
        self.number += 1;
        let line = std::mem::take(&mut self.line);
        self.escaped = false;
        match &self.until {
            Some(until) if line.trim_start_matches('\t') == until => self.until = None,
            Some(_) => return,
            None => self.until = here_document(&line),
        }
        // A section of a kickstart begins anew, whatever the one before left open.
        if self.state == State::Comment || line.starts_with('%') {
            self.state = State::Bare;
        }
        if line.starts_with('%') {
            self.packages = line.starts_with("%packages");
        }
    }
}

/// The word after `<<` or `<<-`.
fn here_document(line: &str) -> Option<String> {
    let (_, after) = line.split_once("<<")?;
    let word = after.trim_start_matches('-').trim_start().trim_start_matches(['\'', '"', '\\']);
    let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
    word.get(..end).filter(|word| !word.is_empty()).map(str::to_owned)
}

fn literals(text: &str) -> Result<String, Misplaced> {
    let mut out = String::with_capacity(text.len());
    let mut after_value = false;
    for (is_value, piece) in pieces(text) {
        let quote = |c: Option<char>| matches!(c, Some('"' | '\''));
        let inside = is_value && quote(out.chars().next_back()) || after_value && quote(piece.chars().next());
        if inside {
            let line = out.matches('\n').count() + 1;
            return Err(Misplaced { line, problem: "stands in quotes: leave them out, it brings its own" });
        }
        after_value = is_value;
        out.push_str(piece);
    }
    Ok(out)
}

/// A value in a command must mean itself in a shell: `{{ x | shell }}` quotes it.
fn preseed(text: &str) -> Result<String, Misplaced> {
    let mut out = String::with_capacity(text.len());
    for (is_value, piece) in pieces(text) {
        if is_value && !is_bare(piece) && is_command(&out) {
            let line = out.matches('\n').count() + 1;
            return Err(Misplaced { line, problem: "stands in a command: write `| shell` behind it" });
        }
        out.push_str(piece);
    }
    Ok(out)
}

/// Does the text end inside an answer to a question such as `preseed/late_command`? A line goes on after a backslash.
fn is_command(text: &str) -> bool {
    let mut end = text.len();
    let start = loop {
        let before = text.get(..end).unwrap_or_default();
        match before.rfind('\n') {
            Some(newline) if before.get(..newline).is_some_and(|line| line.ends_with('\\')) => end = newline,
            Some(newline) => break newline + 1,
            None => break 0,
        }
    };
    let question = text.get(start..).and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default();
    question.ends_with("_command") || question == "preseed/run"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(rule: Rule, before: &str, value: &str, after: &str) -> Result<String, Misplaced> {
        close(&format!("{before}{}{after}", rule.write(value).unwrap()), rule)
    }

    #[test]
    fn shell_words_are_quoted_between_words() {
        for (before, after, value, wanted) in [
            ("echo ", "\n", "a b", "echo 'a b'\n"),
            ("x=", "; y", "$(reboot)", "x='$(reboot)'; y"),
            ("echo \"a\" ", "", "it's", "echo \"a\" 'it'\"'\"'s'"),
            ("echo \"$(", ")\"", "plain", "echo \"$(plain)\""),
            ("# it's a comment\necho ", "", "a b", "# it's a comment\necho 'a b'"),
            ("cat <<'E'\nit's\nE\necho ", "", "a b", "cat <<'E'\nit's\nE\necho 'a b'"),
            ("echo ${#x} ", "", "", "echo ${#x} ''"),
        ] {
            assert_eq!(written(Rule::ShellWord, before, value, after).as_deref(), Ok(wanted), "{before}");
        }
    }

    #[test]
    fn a_quoted_word_inside_quotes_is_refused_with_its_line() {
        for (before, value) in [
            ("echo \"", "a b"),
            ("\necho '", "a b"),
            ("cat <<EOF\n", "$(x)"),
            ("cat <<-'EOF'\n\t", "$(x)"),
            ("# ", "a\nreboot"),
            ("echo \\", "a b"),
        ] {
            let refused = written(Rule::ShellWord, before, value, "").unwrap_err();
            assert_eq!(refused.line, before.matches('\n').count() + 1 + value.matches('\n').count(), "{before}");
        }
    }

    #[test]
    fn a_kickstart_section_begins_with_fresh_quotes() {
        let text = "%packages\nit's\n%end\n%post\necho ";
        assert!(written(Rule::KickstartWord, text, "a b", "\n%end\n").is_ok());
        assert!(written(Rule::KickstartWord, "%packages\n", "%end", "\n%end\n").is_err());
    }

    #[test]
    fn literals_bring_their_quotes() {
        assert_eq!(written(Rule::Literal, "a: ", "x\"y\n", "\n").as_deref(), Ok("a: \"x\\\"y\\n\"\n"));
        assert!(written(Rule::Literal, "a: \"", "x", "\"").is_err());
        assert!(written(Rule::Literal, "a: '", "x", "'").is_err());
    }

    #[test]
    fn a_value_in_a_preseeded_command_needs_the_shell_filter() {
        let line = "d-i partman/early_command string a; \\\n b; \\\n  debconf-set x ";
        assert!(written(Rule::Preseed, line, "$(reboot)", "").is_err());
        assert!(written(Rule::Preseed, line, "/dev/sda", "").is_ok());
        assert!(written(Rule::Preseed, "d-i a/late_command string x\nd-i netcfg/x string ", "a b", "").is_ok());
    }
}
