//! "Your file is wrong": problems with a file, a place in it and what would be right, in the shape of rustc's diagnostics.
//!
//! A run collects every problem before it gives up, so that a person repairs a repository once and not once per problem. Nothing here prints.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// A text file of the repository, kept so that a later stage can point into it.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it lies, relative to the repository, `/` between the parts.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// A place in a [`Source`]: where a variable was set, where a profile names its installer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub source: Arc<Source>,
    /// The bytes of the file.
    pub span: Range<usize>,
}

impl Origin {
    /// Line and column, both from 1.
    #[must_use]
    pub fn position(&self) -> (usize, usize) {
        position(&self.source.text, self.span.start)
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing can be built.
    Error,
    /// It can be built, and somebody should look at it.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the repository.
    pub file: String,
    /// The bytes of the file that it is about.
    pub span: Option<Range<usize>>,
    /// What is wrong: one line, lower case, no full stop.
    pub message: String,
    /// What stands under the caret.
    pub label: String,
    /// What would be right.
    pub help: Option<String>,
    source: Option<Arc<Source>>,
}

impl Problem {
    /// An error about a file as a whole.
    #[must_use]
    pub fn error(file: &str, message: impl Into<String>) -> Problem {
        Problem {
            severity: Severity::Error,
            file: file.to_owned(),
            span: None,
            message: message.into(),
            label: String::new(),
            help: None,
            source: None,
        }
    }

    /// A warning about a file as a whole.
    #[must_use]
    pub fn warning(file: &str, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(file, message) }
    }

    /// An error about a place.
    #[must_use]
    pub fn at(origin: &Origin, message: impl Into<String>) -> Problem {
        Problem::error(&origin.source.path, message).in_source(&origin.source, origin.span.clone())
    }

    /// The place, which must lie in the problem's file.
    #[must_use]
    pub fn in_source(mut self, source: &Arc<Source>, span: Range<usize>) -> Problem {
        let end = source.text.len();
        self.span = Some(span.start.min(end)..span.end.clamp(span.start.min(end), end));
        self.source = Some(source.clone());
        self
    }

    /// What stands under the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    /// What would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// `help: did you mean …`, where some known name is near enough to the one that was found.
    #[must_use]
    pub fn nearest<'a>(mut self, found: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
        if let Some(name) = nearest(found, known) {
            self.help = Some(format!("did you mean `{name}`?"));
        }
        self
    }

    /// The same about another place.
    #[must_use]
    pub fn moved_to(self, origin: &Origin) -> Problem {
        let span = origin.span.clone();
        self.in_source(&origin.source, span)
    }

    /// The same without these texts: they are replaced in what it says, and the place is left out where the file holds one of them.
    #[must_use]
    pub fn without(mut self, texts: &[&str]) -> Problem {
        let hide = |said: String| texts.iter().fold(said, |said, text| said.replace(text, "…"));
        self.message = hide(self.message);
        self.label = hide(self.label);
        self.help = self.help.map(hide);
        if self.source.as_ref().is_some_and(|source| texts.iter().any(|text| source.text.contains(text))) {
            (self.source, self.span) = (None, None);
        }
        self
    }

    /// The same as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Problem {
        self.severity = Severity::Warning;
        self
    }

    /// Line and column, both from 1, where the problem has a place.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        let (source, span) = (self.source.as_ref()?, self.span.as_ref()?);
        Some(position(&source.text, span.start))
    }

    /// The problem in rustc's shape, several lines, without a final newline.
    #[must_use]
    pub fn render(&self, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Never => Renderer::plain(),
            Colour::Always => Renderer::styled(),
        };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let message = printable(&self.message);
        let title = level.primary_title(message.as_str());
        let text = self.source.as_ref().map(|source| printable_in_place(&source.text)).unwrap_or_default();
        let mut report = match (&self.source, &self.span) {
            (Some(_), Some(span)) => {
                let annotation = AnnotationKind::Primary.span(span.clone()).label(printable(&self.label));
                vec![title.element(Snippet::source(text.as_str()).path(self.file.as_str()).annotation(annotation))]
            }
            _ => vec![title.element(annotate_snippets::Origin::path(self.file.as_str()))],
        };
        if let Some(help) = &self.help {
            report.push(Group::with_title(Level::HELP.secondary_title(printable(help))));
        }
        renderer.decor_style(DecorStyle::Ascii).render(&report)
    }

    fn order(&self, other: &Problem) -> Ordering {
        let key = |problem: &Problem| problem.span.as_ref().map(|span| (span.start, span.end));
        self.severity
            .cmp(&other.severity)
            .then_with(|| self.file.cmp(&other.file))
            .then_with(|| key(self).cmp(&key(other)))
            .then_with(|| self.message.cmp(&other.message))
            .then_with(|| self.label.cmp(&other.label))
            .then_with(|| self.help.cmp(&other.help))
    }
}

/// Whether output may hold escape sequences for colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// For a terminal.
    Always,
}

/// All problems of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
}

#[derive(Serialize)]
struct JsonProblem<'a> {
    severity: Severity,
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    help: Option<&'a str>,
}

impl Problems {
    /// None yet.
    #[must_use]
    pub fn new() -> Problems {
        Problems::default()
    }

    /// One more.
    pub fn push(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// Those of another stage.
    pub fn append(&mut self, other: Problems) {
        self.list.extend(other.list);
    }

    /// Is there nothing to say?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many errors there are. Equal problems count once.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.sorted().iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// Is any of them an error?
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The problems: errors first, then by file and place, equal ones once.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Problem> {
        let mut sorted: Vec<&Problem> = self.list.iter().collect();
        sorted.sort_by(|a, b| a.order(b));
        sorted.dedup_by(|a, b| a.order(b) == Ordering::Equal);
        sorted
    }

    /// `value`, or all problems if one of them is an error. The warnings are handed on beside the value.
    ///
    /// # Errors
    /// The problems themselves, warnings included.
    pub fn unless_errors<T>(self, value: T) -> Result<(T, Problems), Problems> {
        if self.has_errors() { Err(self) } else { Ok((value, self)) }
    }

    /// All problems and a closing count, as a person reads them; empty without problems.
    #[must_use]
    pub fn render(&self, colour: Colour) -> String {
        let sorted = self.sorted();
        let mut out = String::new();
        for problem in &sorted {
            out.push_str(&problem.render(colour));
            out.push_str("\n\n");
        }
        if !sorted.is_empty() {
            out.push_str(&self.count());
            out.push('\n');
        }
        out
    }

    /// `2 errors, 1 warning`
    #[must_use]
    pub fn count(&self) -> String {
        let errors = self.errors();
        let warnings = self.sorted().len() - errors;
        let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        match (errors, warnings) {
            (0, 0) => "no problems".to_owned(),
            (errors, 0) => plural(errors, "error"),
            (0, warnings) => plural(warnings, "warning"),
            (errors, warnings) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
        }
    }

    /// A JSON array of `{severity, file, line, column, message, help}`, one problem a line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::from("[");
        for (index, problem) in self.sorted().into_iter().enumerate() {
            let (line, column) = problem.position().unzip();
            let json = JsonProblem {
                severity: problem.severity,
                file: &problem.file,
                line,
                column,
                message: &problem.message,
                help: problem.help.as_deref(),
            };
            out.push_str(if index == 0 { "\n  " } else { ",\n  " });
            // Strings and numbers only: there is nothing in it that JSON can not hold.
            let _ = write!(out, "{}", serde_json::to_string(&json).unwrap_or_default());
        }
        out.push_str("\n]\n");
        out
    }
}

/// The problems that ended a run, on their way to whoever prints them.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.count())]
pub struct Faulty(pub Problems);

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems { list: vec![problem] }
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.list.extend(problems);
    }
}

/// The known name that a person most likely meant; `None` if none is near.
#[must_use]
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match found.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    let folded = found.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&folded, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= limit && *distance < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

/// Line and column, both from 1, of a byte; a column is a character.
#[must_use]
pub fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).map_or(0, |part| part.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}

/// The bytes of a line (from 1) without its line end.
#[must_use]
pub fn line_span(text: &str, line: usize) -> Range<usize> {
    let mut start = 0;
    for (number, content) in text.split_inclusive('\n').enumerate() {
        if number + 1 == line {
            return start..start + content.trim_end_matches(['\n', '\r']).len();
        }
        start += content.len();
    }
    text.len()..text.len()
}

/// A message may quote a file that an attacker wrote: nothing of it may move the cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || anode_bundle::display::is_printable(c) { c } else { '\u{FFFD}' }).collect()
}

/// The same for a file that is shown: every character is replaced by as many bytes, so that places in it stay where they are.
fn printable_in_place(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_layout = matches!(c, '\n' | '\t') || c == '\r' && rest.peek() == Some(&'\n');
        if is_layout || anode_bundle::display::is_printable(c) {
            shown.push(c);
            continue;
        }
        shown.push_str(match c.len_utf8() {
            1 => "?",
            2 => "\u{B7}",
            3 => "\u{FFFD}",
            _ => "\u{FFFD}?",
        });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Arc<Source> {
        Arc::new(Source { path: "anode.toml".into(), text: "[site]\ntitel = \"Schule\"\n".into() })
    }

    fn typo() -> Problem {
        Problem::error("anode.toml", "unknown key `titel`")
            .in_source(&source(), 7..12)
            .nearest("titel", ["id", "title"])
    }

    #[test]
    fn renders_in_rustcs_shape_with_caret_and_help() {
        assert_eq!(
            typo().render(Colour::Never),
            "error: unknown key `titel`\n --> anode.toml:2:1\n  |\n2 | titel = \"Schule\"\n  | ^^^^^\n  |\nhelp: did you mean `title`?"
        );
        assert!(typo().render(Colour::Always).contains("\u{1b}["));
    }

    #[test]
    fn a_problem_without_a_place_names_its_file() {
        let problem = Problem::warning("a/b", "is a symlink").help("replace it by a copy");
        assert_eq!(problem.render(Colour::Never), "warning: is a symlink\n--> a/b\n |\nhelp: replace it by a copy");
    }

    #[test]
    fn equal_problems_count_once_and_errors_come_first() {
        let mut problems = Problems::new();
        problems.push(Problem::warning("a", "w"));
        problems.push(typo());
        problems.push(typo());
        problems.push(Problem::error("a", "e"));
        assert_eq!(problems.count(), "2 errors, 1 warning");
        let messages: Vec<_> = problems.sorted().iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, ["e", "unknown key `titel`", "w"]);
        assert!(problems.render(Colour::Never).ends_with("\n\n2 errors, 1 warning\n"));
    }

    #[test]
    fn json_has_line_and_column_from_one() {
        let value: serde_json::Value = serde_json::from_str(&Problems::from(typo()).to_json()).unwrap();
        assert_eq!(
            value,
            serde_json::json!([{
                "severity": "error", "file": "anode.toml", "line": 2, "column": 1,
                "message": "unknown key `titel`", "help": "did you mean `title`?"
            }])
        );
    }

    #[test]
    fn names_that_are_far_away_are_not_proposed() {
        assert_eq!(nearest("hostnme", ["hostname", "username"]), Some("hostname"));
        assert_eq!(nearest("colour", ["hostname", "username"]), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn a_hostile_line_is_shown_without_what_can_not_be_seen_and_with_the_caret_in_its_place() {
        let text = "a = \"\u{1b}\u{9b}31m\u{e000}\u{e0001}\r\" # here\r\n";
        let source = Arc::new(Source { path: "p.toml".into(), text: text.into() });
        let at = text.find("here").unwrap();
        let shown = Problem::error("p.toml", "wrong").in_source(&source, at..at + 4).render(Colour::Never);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[3], "1 | a = \"?\u{B7}31m\u{FFFD}\u{FFFD}??\" # here");
        assert_eq!(lines[4].find('^'), lines[3].chars().position(|c| c == 'h'));
    }

    #[test]
    fn escape_sequences_of_a_hostile_file_do_not_reach_the_terminal() {
        let problem = Problem::error("a", "unknown key `\u{1b}[2J`").help("\u{202e}");
        let shown = problem.render(Colour::Never);
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
    }
}
