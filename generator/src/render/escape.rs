//! Writing a value into a file so that it stays a value.
//!
//! `{{ x }}` is always one complete word of the output format: quoted where the format can quote (shell, kickstart, JSON, YAML, TOML), refused
//! where it can not (a line end in a preseed). There is no `safe` filter. Where quotes were added, the place is marked, and [`super::slots`]
//! makes sure that it was not inside quotes, a comment or a here-document already.

use std::io::{self, Write};

use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

use super::{markers, texts, xml};
use crate::repository::Format;

/// Begins a value whose surroundings matter; never part of a template or a value.
pub const OPEN: char = '\u{E000}';
/// Ends it.
pub const CLOSE: char = '\u{E001}';

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// One line that can not quote.
    Preseed,
    /// Shell words without line ends.
    KickstartWord,
    /// Shell words.
    ShellWord,
    /// A string in double quotes with JSON's escapes, which YAML and TOML share.
    Literal,
    /// XML text or the inside of an attribute.
    Xml,
    /// One line, as it is.
    Line,
    /// As it is.
    Text,
    /// A part of an address or kernel parameter.
    Address,
}

impl Rule {
    /// The rule of a format.
    pub fn of(format: Format) -> Rule {
        match format {
            Format::Preseed => Rule::Preseed,
            Format::Kickstart => Rule::KickstartWord,
            Format::Shell => Rule::ShellWord,
            Format::Json | Format::Yaml | Format::Toml => Rule::Literal,
            Format::Xml => Rule::Xml,
            Format::Ini => Rule::Line,
            Format::Text => Rule::Text,
        }
    }

    /// # Errors
    /// Why the format can not hold the value, as a predicate of it.
    pub fn write(self, value: &str) -> Result<String, String> {
        if let Some(c) = value.chars().find(|c| matches!(*c, '\0' | OPEN | CLOSE)) {
            return Err(format!("holds the character U+{:04X}", u32::from(c)));
        }
        let many_lines = matches!(self, Rule::ShellWord | Rule::Literal | Rule::Xml | Rule::Text);
        if !many_lines && value.contains(['\n', '\r']) {
            return Err("holds a line end".to_owned());
        }
        match self {
            Rule::Preseed if value.contains('\\') => Err("holds a backslash, which a preseed can not quote".to_owned()),
            Rule::Preseed if value.trim() != value => {
                Err("begins or ends with a blank, which a preseed would drop".to_owned())
            }
            Rule::Preseed => Ok(format!("{OPEN}{value}{CLOSE}")),
            Rule::KickstartWord | Rule::ShellWord => Ok(format!("{OPEN}{}{CLOSE}", shell_word(value))),
            Rule::Literal => Ok(format!("{OPEN}{}{CLOSE}", literal(value))),
            Rule::Xml => Ok(format!("{OPEN}{}{CLOSE}", xml::escape(value)?)),
            // systemd joins the next line to it, and key files read it as an escape.
            Rule::Line if value.contains('\\') => Err("holds a backslash, which a key file can not quote".to_owned()),
            Rule::Line if value.trim() != value => {
                Err("begins or ends with a blank, which a key file would drop".to_owned())
            }
            Rule::Line | Rule::Text => Ok(value.to_owned()),
            Rule::Address => match value.chars().find(|c| !c.is_ascii_graphic() || "\"'\\`<>".contains(*c)) {
                Some(c) => {
                    Err(format!("holds `{}`, which has no place in an address or kernel parameter", c.escape_debug()))
                }
                None => Ok(value.to_owned()),
            },
        }
    }

    fn escape_fn(self) -> tera::EscapeFn {
        macro_rules! escape_fns {
            ($($rule:ident),*) => { match self { $(Rule::$rule => {
                fn escape(value: &str, out: &mut dyn Write) -> io::Result<()> {
                    out.write_all(Rule::$rule.write(value).map_err(io::Error::other)?.as_bytes())
                }
                escape
            })* } };
        }
        escape_fns!(Preseed, KickstartWord, ShellWord, Literal, Xml, Line, Text, Address)
    }

    /// Makes a template engine write by this rule, everywhere.
    pub fn install(self, tera: &mut Tera) {
        tera.set_escape_fn(self.escape_fn());
        // Every name ends in nothing: every template escapes.
        tera.autoescape_on([""]);
        for name in ["safe", "escape", "escape_html", "escape_xml", "newlines_to_br"] {
            tera.register_filter(name, move |_: Value, _: Kwargs, _: &State| -> TeraResult<Value> {
                Err(Error::message(format!("there is no filter `{name}`: values are escaped for the file they are in")))
            });
        }
        texts::install(tera);
        // The engine's own versions hand on that a text is escaped already.
        tera.register_filter("replace", |text: &str, arguments: Kwargs, _: &State| -> TeraResult<Value> {
            let (from, to): (&str, &str) = (arguments.must_get("from")?, arguments.must_get("to")?);
            Ok(Value::normal_string(&text.replace(from, to)))
        });
        tera.register_filter("join", |list: Value, arguments: Kwargs, _: &State| -> TeraResult<Value> {
            let separator = arguments.get::<&str>("sep")?.unwrap_or_default();
            let texts: Vec<_> = items(&list)?.iter().map(plain_text).collect::<TeraResult<_>>()?;
            Ok(Value::normal_string(&texts.join(separator)))
        });
        tera.register_filter("shell", move |value: Value, _: Kwargs, _: &State| {
            let text = words_of(&value)?.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
            self.finish(text, matches!(self, Rule::KickstartWord | Rule::ShellWord))
        });
        for name in ["json", "yaml"] {
            tera.register_filter(name, move |value: Value, _: Kwargs, _: &State| {
                let text = readable(serde_json::to_string(&value).map_err(Error::message)?);
                self.finish(text, self == Rule::Literal)
            });
        }
        tera.register_filter("words", move |list: Value, _: Kwargs, _: &State| -> TeraResult<Value> {
            let mut written = Vec::new();
            for word in items(&list)?.iter().map(plain_text) {
                let word = word?;
                let quotes = matches!(self, Rule::KickstartWord | Rule::ShellWord);
                if word.is_empty() || !quotes && word.contains(char::is_whitespace) {
                    return Err(Error::message(format!("`{word}` is not one word")));
                }
                written.push(self.write(&word).map_err(|problem| Error::message(format!("`{word}` {problem}")))?);
            }
            Ok(Value::safe_string(&written.join(" ")))
        });
    }

    // What is complete in this file's own format is done; everything else is a value like any other.
    fn finish(self, text: String, complete: bool) -> TeraResult<Value> {
        if !complete {
            return match self {
                // Quoted for a shell, it may stand in a command: only the line itself has rules now.
                Rule::Preseed => match self.write(&text) {
                    Ok(_) => Ok(Value::safe_string(&text)),
                    Err(problem) => Err(Error::message(format!("a value that {problem}"))),
                },
                _ => Ok(Value::normal_string(&text)),
            };
        }
        if self == Rule::KickstartWord && text.contains(['\n', '\r', '\0']) {
            return Err(Error::message("a value that holds a line end"));
        }
        Ok(Value::safe_string(&format!("{OPEN}{text}{CLOSE}")))
    }
}

/// Does the value mean itself in a shell, whatever stands around it?
pub fn is_bare(value: &str) -> bool {
    !value.is_empty()
        && !markers::might_be(value)
        && value.chars().all(|c| c.is_alphanumeric() || "_@+=:,./^-".contains(c))
}

/// One shell word. No backslash is used, so that it can stand in a preseed too.
fn shell_word(value: &str) -> String {
    if is_bare(value) { value.to_owned() } else { format!("'{}'", value.replace('\'', r#"'"'"'"#)) }
}

fn literal(value: &str) -> String {
    readable(serde_json::Value::from(value).to_string())
}

/// JSON that readers of YAML take too: they refuse two characters as they are, and take them escaped.
fn readable(json: String) -> String {
    json.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff")
}

fn items(list: &Value) -> TeraResult<&[Value]> {
    list.as_array().ok_or_else(|| Error::message(format!("this needs a list, found {}", list.name())))
}

fn plain_text(value: &Value) -> TeraResult<String> {
    match (value.as_str(), value.as_bool(), value.as_i64()) {
        (Some(text), _, _) => Ok(text.to_owned()),
        (_, Some(switch), _) => Ok(switch.to_string()),
        (_, _, Some(number)) => Ok(number.to_string()),
        _ => Err(Error::message(format!("this needs text, found {}", value.name()))),
    }
}

fn words_of(value: &Value) -> TeraResult<Vec<String>> {
    match value.as_array() {
        Some(items) => items.iter().map(plain_text).collect(),
        None => Ok(vec![plain_text(value)?]),
    }
}
