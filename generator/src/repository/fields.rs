//! Reading TOML tables strictly: every key is either asked for or a located error, and one wrong key does not hide the next.
//!
//! This is what `deny_unknown_fields` does, except that serde stops at the first problem of a file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use anode_bundle::moment::Moment;
use anode_bundle::name::BadName;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::Value;
use crate::diagnose::{Origin, Problem, Problems, Source};

/// Text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// What was read.
    pub value: T,
    /// Where it stands.
    pub origin: Origin,
}

/// A table that is being read. What was not asked for by [`Fields::finish`] is an error.
pub struct Fields<'s, 'i, 'p> {
    source: &'s Arc<Source>,
    table: &'s DeTable<'i>,
    span: Range<usize>,
    // What the table is, for messages: `[site]`, `the file`.
    name: String,
    asked: Vec<&'static str>,
    problems: &'p mut Problems,
}

/// Parses a file and hands its top table to `read`.
pub fn read_toml<T>(
    source: &Arc<Source>,
    problems: &mut Problems,
    read: impl FnOnce(&mut Fields<'_, '_, '_>) -> T,
) -> Option<T> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        problems.push(Problem::error(&source.path, error.message()).in_source(source, span));
    }
    // Half a table would only add problems that are none.
    if !errors.is_empty() {
        return None;
    }
    let span = 0..source.text.find('\n').unwrap_or(source.text.len());
    let mut fields =
        Fields { source, table: table.get_ref(), span, name: "this file".to_owned(), asked: Vec::new(), problems };
    let value = read(&mut fields);
    fields.finish();
    Some(value)
}

impl<'s, 'i> Fields<'s, 'i, '_> {
    /// The place of the table.
    pub fn origin(&self) -> Origin {
        self.place(self.span.clone())
    }

    /// A problem that is found by the caller.
    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Is the key there?
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn place(&self, span: Range<usize>) -> Origin {
        Origin { source: self.source.clone(), span }
    }

    fn take(&mut self, key: &'static str) -> Option<&'s Spanned<DeValue<'i>>> {
        self.asked.push(key);
        self.table.get(key)
    }

    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let origin = self.place(value.span());
        let found = value.get_ref().type_str();
        self.push(
            Problem::at(&origin, format!("`{key}` must be {wanted}")).label(format!("this is {}", article(found))),
        );
    }

    /// Reports a key that is not there.
    pub fn missing(&mut self, key: &str, example: &str) {
        let problem = Problem::at(&self.origin(), format!("`{key}` is missing in {}", self.name));
        self.push(problem.help(format!("add `{example}`")));
    }

    /// Optional text.
    pub fn text(&mut self, key: &'static str) -> Option<Located<String>> {
        let value = self.take(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some(Located { value: text.to_owned(), origin: self.place(value.span()) }),
            None => {
                self.wrong_type(key, value, "a string");
                None
            }
        }
    }

    /// Text that must be there; `example` is the line to add.
    pub fn required(&mut self, key: &'static str, example: &str) -> Option<Located<String>> {
        if !self.has(key) {
            self.asked.push(key);
            self.missing(key, example);
            return None;
        }
        self.text(key)
    }

    /// One line for people, at most `columns` characters: no control, bidi or invisible characters.
    pub fn title(&mut self, key: &'static str, columns: usize) -> Option<String> {
        let text = self.text(key)?;
        self.check_title(key, &text, columns);
        Some(text.value)
    }

    /// As [`Fields::title`], and it must be there.
    pub fn required_title(&mut self, key: &'static str, columns: usize, example: &str) -> Option<String> {
        let text = self.required(key, example)?;
        self.check_title(key, &text, columns);
        Some(text.value)
    }

    fn check_title(&mut self, key: &str, text: &Located<String>, columns: usize) {
        if let Some(c) = text.value.chars().find(|c| !anode_bundle::display::is_printable(*c)) {
            let problem = Problem::at(&text.origin, format!("`{key}` holds the character U+{:04X}", u32::from(c)));
            self.push(
                problem
                    .label("control, bidi and invisible characters can deceive the reader of a screen")
                    .help("remove the character, or type it anew"),
            );
        } else if text.value.trim().is_empty() || text.value.chars().count() > columns {
            let problem = Problem::at(&text.origin, format!("`{key}` must have 1 to {columns} characters"));
            self.push(problem);
        }
    }

    /// A name that its type checks, which must be there.
    pub fn required_name<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl Fn(&str) -> Result<T, BadName>,
    ) -> Option<Located<T>> {
        let text = self.required(key, example)?;
        self.parse(key, text, parse)
    }

    /// An optional name that its type checks.
    pub fn name<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, BadName>) -> Option<Located<T>> {
        let text = self.text(key)?;
        self.parse(key, text, parse)
    }

    fn parse<T>(
        &mut self,
        key: &str,
        text: Located<String>,
        parse: impl Fn(&str) -> Result<T, BadName>,
    ) -> Option<Located<T>> {
        match parse(&text.value) {
            Ok(value) => Some(Located { value, origin: text.origin }),
            Err(bad) => {
                let problem = Problem::at(&text.origin, format!("`{key}` is not right"));
                self.push(problem.label(format!("not {}", bad.wanted)));
                None
            }
        }
    }

    /// One word of a list of words.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let problem = Problem::at(&text.origin, format!("`{key}` can not be `{}`", text.value));
            let problem = problem.label(format!("one of {}", known.join(", ")));
            self.push(problem.nearest(&text.value, words.iter().map(|(word, _)| *word)));
        }
        found.map(|(_, value)| *value)
    }

    /// A switch.
    pub fn switch(&mut self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        let switch = value.get_ref().as_bool();
        if switch.is_none() {
            self.wrong_type(key, value, "true or false");
        }
        switch
    }

    /// A whole number within bounds.
    pub fn number(&mut self, key: &'static str, bounds: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(key)?;
        let number = integer(value.get_ref()).and_then(|number| u64::try_from(number).ok());
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => Some(number),
            None => {
                let wanted = format!("a whole number from {} to {}", bounds.start(), bounds.end());
                self.wrong_type(key, value, &wanted);
                None
            }
        }
    }

    /// A moment, as a string or as TOML's own date and time in UTC.
    pub fn moment(&mut self, key: &'static str) -> Option<Moment> {
        let value = self.take(key)?;
        let text = match value.get_ref() {
            DeValue::Datetime(moment) => moment.to_string(),
            DeValue::String(text) => text.to_string(),
            _ => String::new(),
        };
        let moment = Moment::parse(&text).ok();
        if moment.is_none() {
            self.wrong_type(key, value, "a time such as \"2027-11-21T09:00:00Z\"");
        }
        moment
    }

    /// A list of texts; empty if the key is not there.
    pub fn texts(&mut self, key: &'static str) -> Vec<Located<String>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of strings");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(Located { value: text.to_owned(), origin: self.place(item.span()) }),
                None => self.wrong_type(key, item, "a list of strings"),
            }
        }
        texts
    }

    /// A list of names that their type checks.
    pub fn names<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, BadName>) -> Vec<Located<T>> {
        let texts = self.texts(key);
        texts.into_iter().filter_map(|text| self.parse(key, text, &parse)).collect()
    }

    /// A list of whole numbers; `None` if the key is not there.
    pub fn numbers(&mut self, key: &'static str) -> Option<Vec<Located<u64>>> {
        let value = self.take(key)?;
        let items: Option<Vec<_>> = value.get_ref().as_array().and_then(|items| {
            let number = |item: &Spanned<DeValue<'_>>| integer(item.get_ref()).and_then(|n| u64::try_from(n).ok());
            items.iter().map(|item| Some((number(item)?, item.span()))).collect()
        });
        let Some(items) = items else {
            self.wrong_type(key, value, "a list of whole numbers");
            return None;
        };
        Some(items.into_iter().map(|(value, span)| Located { value, origin: self.place(span) }).collect())
    }

    /// Any value.
    pub fn value(&mut self, key: &'static str) -> Option<Located<Value>> {
        let value = self.take(key)?;
        let origin = self.place(value.span());
        match Value::from_toml(value.get_ref()) {
            Ok(value) => Some(Located { value, origin }),
            Err(problem) => {
                self.push(Problem::at(&origin, format!("`{key}` {problem}")));
                None
            }
        }
    }

    /// A table of free keys, such as `[variables]`.
    pub fn values(&mut self, key: &'static str) -> BTreeMap<String, Located<Value>> {
        let mut values = BTreeMap::new();
        for (name, _, value) in self.entries(key) {
            let origin = self.place(value.span());
            match Value::from_toml(value.get_ref()) {
                Ok(value) => {
                    values.insert(name, Located { value, origin });
                }
                Err(problem) => self.push(Problem::at(&origin, format!("`{name}` {problem}"))),
            }
        }
        values
    }

    /// The entries of a table of free keys, in the order of the file.
    fn entries(&mut self, key: &'static str) -> Vec<(String, Range<usize>, &'s Spanned<DeValue<'i>>)> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table");
            return Vec::new();
        };
        let mut entries: Vec<_> =
            table.iter().map(|(name, value)| (name.get_ref().to_string(), name.span(), value)).collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        entries
    }

    /// Reads a table of known keys; `None` if it is not there.
    pub fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Fields<'_, '_, '_>) -> T) -> Option<T> {
        let value = self.take(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table");
            return None;
        };
        Some(self.inner(table, value.span(), format!("[{key}]"), read))
    }

    /// Reads each table of a list of tables, `[[key]]`.
    pub fn tables<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Fields<'_, '_, '_>) -> T) -> Vec<T> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of tables");
            return Vec::new();
        };
        let mut read_tables = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(table) => read_tables.push(self.inner(table, item.span(), format!("[[{key}]]"), &mut read)),
                None => self.wrong_type(key, item, "a list of tables"),
            }
        }
        read_tables
    }

    /// Reads each table of a table of tables, `[key.name]`.
    pub fn named_tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&str, Origin, &mut Fields<'_, '_, '_>) -> T,
    ) -> Vec<T> {
        let mut read_tables = Vec::new();
        for (name, span, value) in self.entries(key) {
            match value.get_ref().as_table() {
                Some(table) => {
                    let origin = self.place(span);
                    let title = format!("[{key}.{name}]");
                    read_tables.push(self.inner(table, value.span(), title, |fields| read(&name, origin, fields)));
                }
                None => self.wrong_type(&name, value, "a table"),
            }
        }
        read_tables
    }

    fn inner<T>(
        &mut self,
        table: &DeTable<'_>,
        span: Range<usize>,
        name: String,
        read: impl FnOnce(&mut Fields<'_, '_, '_>) -> T,
    ) -> T {
        let mut fields =
            Fields { source: self.source, table, span, name, asked: Vec::new(), problems: &mut *self.problems };
        let value = read(&mut fields);
        fields.finish();
        value
    }

    fn finish(self) {
        for (key, _) in self.table.iter().filter(|(key, _)| !self.asked.iter().any(|asked| asked == key.get_ref())) {
            let message = format!("unknown key `{}` in {}", key.get_ref(), self.name);
            let mut problem = Problem::error(&self.source.path, message)
                .in_source(self.source, key.span())
                .nearest(key.get_ref(), self.asked.iter().copied());
            if problem.help.is_none() {
                let mut known = self.asked.clone();
                known.sort_unstable();
                known.dedup();
                problem = problem.help(format!("known keys: {}", known.join(", ")));
            }
            self.problems.push(problem);
        }
    }
}

/// The number that a TOML integer stands for.
pub fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn article(type_name: &str) -> String {
    let vowel = type_name.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {type_name}", if vowel { "an" } else { "a" })
}
