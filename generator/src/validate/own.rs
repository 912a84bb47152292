//! Our own checks: what a parser that may not be installed would say first, and what it would take and misunderstand.

use saphyr::{LoadableYamlNode as _, MarkedYaml};

use super::Filled;
use crate::diagnose::{Problem, line_span};
use crate::repository::Format;

/// What is wrong with a file at first sight.
pub fn own_checks(file: &Filled<'_>) -> Vec<Problem> {
    let source = &file.source;
    let whole = |line: usize| line_span(&source.text, line);
    let at = |line: usize, message: String| Problem::error(&source.path, message).in_source(source, whole(line));
    match file.format {
        Format::Preseed => preseed(&source.text).into_iter().map(|(line, message)| at(line, message)).collect(),
        Format::Json => match serde_json::from_str::<serde_json::Value>(&source.text) {
            Ok(_) => Vec::new(),
            Err(error) => vec![at(error.line(), format!("is not JSON: {error}"))],
        },
        Format::Toml => match source.text.parse::<toml::Table>() {
            Ok(_) => Vec::new(),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                vec![Problem::error(&source.path, format!("is not TOML: {}", error.message())).in_source(source, span)]
            }
        },
        Format::Yaml => match MarkedYaml::load_from_str(&source.text) {
            Ok(_) => Vec::new(),
            Err(error) => vec![at(error.marker().line(), format!("is not YAML: {}", error.info()))],
        },
        Format::Kickstart | Format::Shell | Format::Xml | Format::Ini | Format::Text => Vec::new(),
    }
}

const PRESEED_TYPES: [&str; 9] =
    ["string", "boolean", "select", "multiselect", "password", "text", "note", "title", "error"];

/// The lines of a preseed that debconf would take and misunderstand.
fn preseed(text: &str) -> Vec<(usize, String)> {
    let mut problems = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let mut line = first.to_owned();
        while let Some(begun) = line.strip_suffix('\\') {
            let Some((_, next)) = lines.next() else { break };
            line = format!("{begun}{next}");
        }
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(_), Some(question), Some(kind)) = (words.next(), words.next(), words.next()) else {
            problems.push((index + 1, "a line needs an owner, a question and a type".to_owned()));
            continue;
        };
        if !question.contains('/') {
            problems.push((index + 1, format!("`{question}` is not a question: it has no `/`")));
        }
        if !PRESEED_TYPES.contains(&kind) {
            problems.push((index + 1, format!("`{kind}` is not a type of debconf")));
        }
        let value: Vec<_> = words.collect();
        if kind == "boolean" && !matches!(*value, ["true" | "false"]) {
            problems.push((index + 1, format!("`{question}` must be true or false, not `{}`", value.join(" "))));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::preseed;

    #[test]
    fn finds_what_debconf_would_take_and_misunderstand() {
        let text = "# comment\n\nd-i a/b string x y\nd-i a/c boolean maybe\nd-i a/d strnig x\nd-i a/e\nd-i e string x\nd-i a/f string \\\n  x\nd-i a/g boolean true\n";
        let found = preseed(text);
        assert_eq!(
            found,
            [
                (4, "`a/c` must be true or false, not `maybe`".to_owned()),
                (5, "`strnig` is not a type of debconf".to_owned()),
                (6, "a line needs an owner, a question and a type".to_owned()),
                (7, "`e` is not a question: it has no `/`".to_owned()),
            ]
        );
    }
}
