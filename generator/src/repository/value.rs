//! Variables: their values, their types, and where they were set.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::fields::{Located, integer};
use crate::diagnose::Origin;

/// What a variable holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A switch.
    Switch(bool),
    /// A list.
    List(Vec<Value>),
    /// Names and values.
    Map(BTreeMap<String, Value>),
}

/// A variable that some layer set.
pub type Setting = Located<Value>;

/// The variables that one layer sets.
pub type Settings = BTreeMap<String, Setting>;

/// The type of a variable. Each but [`VariableType::Text`] excludes line ends and control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableType {
    /// Several lines.
    Text,
    /// One line.
    Line,
    /// A name as in [`anode_bundle::name::Id`].
    Id,
    /// true or false.
    Bool,
    /// A whole number.
    Int,
    /// Such as `de_DE.UTF-8`.
    Locale,
    /// Such as `de` or `de-nodeadkeys`.
    Keyboard,
    /// Such as `Europe/Berlin`.
    Timezone,
    /// A host name.
    Hostname,
    /// A user or group name.
    Username,
    /// An absolute path.
    Path,
    /// `https://…`, `http://…`, `ssh://…`, `git://…`, `nfs://…`, `ftp://…`
    Url,
    /// Such as `20G` or `512MiB`.
    Size,
    /// A crypt hash, never a password.
    Crypt,
    /// One of the declared choices.
    Choice,
    /// A list of values of the declared item type.
    List,
    /// Names with values of the declared item type.
    Map,
}

/// The words that manifests use.
pub const TYPE_WORDS: [(&str, VariableType); 17] = [
    ("text", VariableType::Text),
    ("line", VariableType::Line),
    ("id", VariableType::Id),
    ("bool", VariableType::Bool),
    ("int", VariableType::Int),
    ("locale", VariableType::Locale),
    ("keyboard", VariableType::Keyboard),
    ("timezone", VariableType::Timezone),
    ("hostname", VariableType::Hostname),
    ("username", VariableType::Username),
    ("path", VariableType::Path),
    ("url", VariableType::Url),
    ("size", VariableType::Size),
    ("crypt", VariableType::Crypt),
    ("choice", VariableType::Choice),
    ("list", VariableType::List),
    ("map", VariableType::Map),
];

/// A variable as an installer definition declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: VariableType,
    /// The type of the items of a list or map.
    pub items: VariableType,
    /// What a choice may be.
    pub choices: Vec<String>,
    /// The definition layer's value.
    pub default: Option<Setting>,
    /// A sentence for people.
    pub help: String,
    /// Where it is declared.
    pub origin: Origin,
}

impl Value {
    /// # Errors
    /// What templates have no use for: floats and dates.
    pub fn from_toml(value: &DeValue<'_>) -> Result<Value, String> {
        match value {
            DeValue::String(text) => Ok(Value::Text(text.to_string())),
            DeValue::Boolean(switch) => Ok(Value::Switch(*switch)),
            DeValue::Integer(_) => integer(value).map(Value::Number).ok_or_else(|| "is too large a number".to_owned()),
            DeValue::Array(items) => {
                items.iter().map(|item| Value::from_toml(item.get_ref())).collect::<Result<_, _>>().map(Value::List)
            }
            DeValue::Table(table) => {
                let entry = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                    let name: &std::borrow::Cow<'_, str> = name.get_ref();
                    Ok((name.to_string(), Value::from_toml(value.get_ref())?))
                };
                table.iter().map(entry).collect::<Result<_, String>>().map(Value::Map)
            }
            DeValue::Float(_) => Err("must not be a number with a fraction: write it as a string".to_owned()),
            DeValue::Datetime(_) => Err("must not be a date: write it as a string".to_owned()),
        }
    }

    /// What it is, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Number(_) => "a whole number",
            Value::Switch(_) => "true or false",
            Value::List(_) => "a list",
            Value::Map(_) => "a table",
        }
    }
}

impl Variable {
    /// # Errors
    /// Why the value does not fit, as a predicate: `must be …`.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        match (self.kind, value) {
            (VariableType::List, Value::List(items)) => items.iter().try_for_each(|item| self.check_item(item)),
            (VariableType::List, _) => Err(format!("must be a list, not {}", value.type_name())),
            (VariableType::Map, Value::Map(items)) => items.iter().try_for_each(|(name, item)| {
                match name.chars().find(|c| !anode_bundle::display::is_printable(*c)) {
                    Some(c) => Err(format!("has a key with the character U+{:04X}", u32::from(c))),
                    None => self.check_item(item),
                }
            }),
            (VariableType::Map, _) => Err(format!("must be a table, not {}", value.type_name())),
            (kind, value) => self.check_plain(kind, value),
        }
    }

    fn check_item(&self, item: &Value) -> Result<(), String> {
        self.check_plain(self.items, item).map_err(|problem| format!("has an item that {problem}"))
    }

    fn check_plain(&self, kind: VariableType, value: &Value) -> Result<(), String> {
        let text = match (kind, value) {
            (VariableType::Bool, Value::Switch(_)) | (VariableType::Int, Value::Number(_)) => return Ok(()),
            (VariableType::Bool, other) => return Err(format!("must be true or false, not {}", other.type_name())),
            (VariableType::Int, other) => return Err(format!("must be a whole number, not {}", other.type_name())),
            (_, Value::Text(text)) => text,
            (_, other) => return Err(format!("must be a string, not {}", other.type_name())),
        };
        let line_end = kind == VariableType::Text;
        let odd = |c: &char| !(anode_bundle::display::is_printable(*c) || line_end && matches!(c, '\n' | '\t'));
        if let Some(c) = text.chars().find(odd) {
            return Err(match c {
                '\n' | '\r' => "must be one line".to_owned(),
                c => format!("must not hold the character U+{:04X}", u32::from(c)),
            });
        }
        self.check_form(kind, text)
    }

    fn check_form(&self, kind: VariableType, text: &str) -> Result<(), String> {
        let only = |also: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || also.as_bytes().contains(&b));
        let (fits, wanted) = match kind {
            VariableType::Id => (anode_bundle::name::Id::new(text).is_ok(), "a name such as `office-pc`"),
            VariableType::Locale => (plain(text) && only("_.@-"), "a locale such as `de_DE.UTF-8`"),
            VariableType::Keyboard => (plain(text) && only("_-"), "a keyboard layout such as `de`"),
            VariableType::Timezone => (plain(text) && only("_+-/"), "a time zone such as `Europe/Berlin`"),
            VariableType::Hostname => {
                let label = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
                (text.len() <= 253 && only(".-") && text.split('.').all(label), "a host name such as `pc-07`")
            }
            VariableType::Username => {
                let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
                let rest = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
                (first && rest && text.len() <= 32, "a user name such as `anna`")
            }
            VariableType::Path => {
                (text.starts_with('/') && !text.split('/').any(|part| part == ".."), "an absolute path such as `/srv`")
            }
            VariableType::Url => (is_url(text), "an address such as `https://example.org/`"),
            VariableType::Size => {
                let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let units = ["", "B", "K", "M", "G", "T", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"];
                let unit = text.get(digits.len()..).unwrap_or_default();
                let number = !digits.is_empty() && digits.len() < 16 && digits.bytes().all(|b| b.is_ascii_digit());
                (number && units.contains(&unit), "a size such as `20GiB`")
            }
            VariableType::Crypt => {
                let known = ["$6$", "$5$", "$y$", "$gy$", "$2b$"].iter().any(|prefix| text.starts_with(prefix));
                (known && only("./$=,") && text.len() >= 20, "a crypt hash (`$y$…` or `$6$…`), never a password")
            }
            VariableType::Choice => {
                let fits = self.choices.iter().any(|choice| choice == text);
                let choices: Vec<_> = self.choices.iter().map(|choice| format!("`{choice}`")).collect();
                return if fits { Ok(()) } else { Err(format!("must be one of {}", choices.join(", "))) };
            }
            _ => return Ok(()),
        };
        if fits { Ok(()) } else { Err(format!("must be {wanted}")) }
    }
}

fn plain(text: &str) -> bool {
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// An address of a scheme that installers and git know, without blanks, quotes and control characters.
pub fn is_url(text: &str) -> bool {
    let schemes = ["https://", "http://", "ssh://", "git://", "nfs://", "ftp://", "file:///"];
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&()*+,;=%".contains(&b);
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnose::Source;

    fn variable(kind: VariableType) -> Variable {
        let source = Arc::new(Source { path: "manifest.toml".into(), text: String::new() });
        Variable {
            name: "v".into(),
            kind,
            items: VariableType::Line,
            choices: vec!["lvm".into(), "plain".into()],
            default: None,
            help: String::new(),
            origin: Origin { source, span: 0..0 },
        }
    }

    #[test]
    fn each_type_takes_what_it_describes() {
        use VariableType::*;
        for (kind, good, bad) in [
            (Text, vec!["a\nb\tc", ""], vec!["a\r", "\0", "\u{1b}", "\u{202e}"]),
            (Line, vec!["a \"b\" $(c) 'd' \\ # %end", ""], vec!["a\nb", "a\rb", "\0"]),
            (Id, vec!["office-pc"], vec!["", "Office", "../x"]),
            (Locale, vec!["de_DE.UTF-8", "C.UTF-8"], vec!["", "de DE", "de;"]),
            (Keyboard, vec!["de", "de-nodeadkeys"], vec!["", "d e"]),
            (Timezone, vec!["Europe/Berlin", "Etc/GMT+3"], vec!["", "Europe Berlin"]),
            (Hostname, vec!["pc-07", "a.example.org"], vec!["", "-a", "a..b", "a_b"]),
            (Username, vec!["anna", "_x"], vec!["", "Anna", "1a", "a b"]),
            (Path, vec!["/srv/x y"], vec!["srv", "/a/../b", ""]),
            (
                Url,
                vec!["https://example.org/a?b=c", "ssh://git@h/x"],
                vec!["", "https://", "javascript:x", "https://a b"],
            ),
            (Size, vec!["20GiB", "512M", "1"], vec!["", "G", "20 G", "20XB", "-1"]),
            (Crypt, vec!["$6$saltsaltsalt$abcdefghijk"], vec!["secret", "$6$x", "$1$saltsaltsalt$abcdefghijk"]),
            (Choice, vec!["lvm"], vec!["LVM", ""]),
        ] {
            for text in good {
                assert_eq!(variable(kind).check(&Value::Text(text.into())), Ok(()), "{kind:?} {text:?}");
            }
            for text in bad {
                assert!(variable(kind).check(&Value::Text(text.into())).is_err(), "{kind:?} {text:?}");
            }
        }
    }

    #[test]
    fn items_of_lists_and_maps_are_checked() {
        let list = variable(VariableType::List);
        assert_eq!(list.check(&Value::List(vec![Value::Text("a".into())])), Ok(()));
        assert_eq!(
            list.check(&Value::List(vec![Value::Text("a\nb".into())])),
            Err("has an item that must be one line".into())
        );
        assert_eq!(list.check(&Value::Switch(true)), Err("must be a list, not true or false".into()));
    }
}
