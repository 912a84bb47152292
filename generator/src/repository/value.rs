//! Variables: their values, their types, and where they were set.

use std::collections::BTreeMap;
use std::net::IpAddr;

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
    /// `{ secret = "…" }`: the text that the site's secret of that name holds.
    Secret(String),
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
    /// An IPv4 or IPv6 address.
    Ip,
    /// Such as `192.0.2.10/24`.
    Cidr,
    /// Such as `22/tcp`.
    Port,
    /// A crypt hash, never a password.
    Crypt,
    /// One of the declared choices.
    Choice,
    /// A list of values of the declared item type.
    List,
    /// Names with values of the declared item type.
    Map,
    /// The declared fields.
    Record,
}

impl VariableType {
    /// The word that manifests use.
    #[must_use]
    pub fn word(self) -> &'static str {
        TYPE_WORDS.iter().find(|(_, kind)| *kind == self).map_or("text", |(word, _)| word)
    }

    /// Is a value of this type one string?
    #[must_use]
    pub fn is_text(self) -> bool {
        use VariableType::{Bool, Int, List, Map, Record};
        !matches!(self, Bool | Int | List | Map | Record)
    }
}

/// The words that manifests use.
pub const TYPE_WORDS: [(&str, VariableType); 21] = [
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
    ("ip", VariableType::Ip),
    ("cidr", VariableType::Cidr),
    ("port", VariableType::Port),
    ("crypt", VariableType::Crypt),
    ("choice", VariableType::Choice),
    ("list", VariableType::List),
    ("map", VariableType::Map),
    ("record", VariableType::Record),
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
    /// What a record holds, in the order of the manifest.
    pub fields: Vec<Variable>,
    /// The definition layer's value.
    pub default: Option<Setting>,
    /// A sentence for people.
    pub help: String,
    /// Nobody but the machine may read it.
    pub secret: bool,
    /// A field that a record need not have.
    pub optional: bool,
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
                if let Some(name) = table.get("secret").filter(|_| table.len() == 1) {
                    let name = name.get_ref().as_str().ok_or("must name a secret: `{ secret = \"wifi\" }`")?;
                    return Ok(Value::Secret(name.to_owned()));
                }
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
            Value::Secret(_) => "a secret",
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
            (VariableType::Record, value) => self.check_record(value),
            (kind, value) => self.check_plain(kind, value),
        }
    }

    fn check_item(&self, item: &Value) -> Result<(), String> {
        let checked = match self.items {
            VariableType::Record => self.check_record(item),
            items => self.check_plain(items, item),
        };
        checked.map_err(|problem| format!("has an item that {problem}"))
    }

    fn check_record(&self, value: &Value) -> Result<(), String> {
        let Value::Map(entries) = value else {
            return Err(format!("must be a table, not {}", value.type_name()));
        };
        if let Some(unknown) = entries.keys().find(|name| !self.fields.iter().any(|field| field.name == **name)) {
            let known: Vec<_> = self.fields.iter().map(|field| &*field.name).collect();
            return Err(match crate::diagnose::nearest(unknown, known.iter().copied()) {
                Some(near) => format!("has the unknown field `{unknown}`: did you mean `{near}`?"),
                None => format!("has the unknown field `{unknown}`: known are {}", known.join(", ")),
            });
        }
        self.fields.iter().try_for_each(|field| match entries.get(&field.name) {
            Some(value) => field.check(value).map_err(|problem| format!("has a field `{}` that {problem}", field.name)),
            None if field.default.is_none() && !field.optional => Err(format!("lacks the field `{}`", field.name)),
            None => Ok(()),
        })
    }

    /// Can it hold a crypt hash or another secret?
    #[must_use]
    pub fn holds_secrets(&self) -> bool {
        self.secret
            || [self.kind, self.items].contains(&VariableType::Crypt)
            || self.fields.iter().any(Variable::holds_secrets)
    }

    fn check_plain(&self, kind: VariableType, value: &Value) -> Result<(), String> {
        let text = match (kind, value) {
            (VariableType::Bool, Value::Switch(_)) | (VariableType::Int, Value::Number(_)) => return Ok(()),
            (VariableType::Bool, other) => return Err(format!("must be true or false, not {}", other.type_name())),
            (VariableType::Int, other) => return Err(format!("must be a whole number, not {}", other.type_name())),
            (_, Value::Text(text)) => text,
            // What it holds is checked as soon as it is known.
            (_, Value::Secret(_)) => return Ok(()),
            (_, other) => return Err(format!("must be a string, not {}", other.type_name())),
        };
        check_text(kind, &self.choices, text)
    }
}

/// Does a text fit a type?
///
/// # Errors
/// Why not, as a predicate that does not repeat it.
pub fn check_text(kind: VariableType, choices: &[String], text: &str) -> Result<(), String> {
    let line_end = kind == VariableType::Text;
    let odd = |c: &char| !(anode_bundle::display::is_printable(*c) || line_end && matches!(c, '\n' | '\t'));
    if let Some(c) = text.chars().find(odd) {
        return Err(match c {
            '\n' | '\r' => "must be one line".to_owned(),
            c => format!("must not hold the character U+{:04X}", u32::from(c)),
        });
    }
    check_form(kind, choices, text)
}

fn check_form(kind: VariableType, choices: &[String], text: &str) -> Result<(), String> {
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
        VariableType::Ip => (text.parse::<IpAddr>().is_ok(), "an address such as `192.0.2.1` or `2001:db8::1`"),
        VariableType::Cidr => (is_cidr(text), "an address with its network such as `192.0.2.10/24`"),
        VariableType::Port => (is_port(text), "a port such as `22/tcp`"),
        VariableType::Crypt => {
            let known = ["$6$", "$5$", "$y$", "$gy$", "$2b$"].iter().any(|prefix| text.starts_with(prefix));
            (known && only("./$=,") && text.len() >= 20, "a crypt hash (`$y$…` or `$6$…`), never a password")
        }
        VariableType::Choice => {
            let fits = choices.iter().any(|choice| choice == text);
            let choices: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
            return if fits { Ok(()) } else { Err(format!("must be one of {}", choices.join(", "))) };
        }
        _ => return Ok(()),
    };
    if fits { Ok(()) } else { Err(format!("must be {wanted}")) }
}

fn plain(text: &str) -> bool {
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let limit = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    // `+24` and `024` are numbers to Rust and to nobody else.
    bits.parse::<u8>().is_ok_and(|number| number <= limit && number.to_string() == bits)
}

fn is_port(text: &str) -> bool {
    let Some((port, protocol)) = text.split_once('/') else { return false };
    let number = port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
    number && matches!(protocol, "tcp" | "udp")
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
            fields: Vec::new(),
            default: None,
            help: String::new(),
            secret: false,
            optional: false,
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
            (Ip, vec!["192.0.2.1", "2001:db8::1"], vec!["", "192.0.2", "192.0.2.1/24", "fe80::1%eth0", "x"]),
            (Cidr, vec!["192.0.2.1/24", "::1/128"], vec!["", "192.0.2.1", "192.0.2.1/33", "::/129", "::/+1", "::/01"]),
            (Port, vec!["22/tcp", "53/udp"], vec!["", "22", "0/tcp", "65536/tcp", "022/tcp", "22/tcp;", "ssh/tcp"]),
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

    #[test]
    fn a_record_has_its_fields_and_no_others() {
        let field = |name: &str, kind| Variable { name: name.into(), ..variable(kind) };
        let name = field("name", VariableType::Username);
        let groups = Variable { items: VariableType::Username, optional: true, ..field("groups", VariableType::List) };
        let users =
            Variable { items: VariableType::Record, fields: vec![name, groups], ..variable(VariableType::List) };
        let check = |text: &str| {
            let value = toml::de::DeValue::parse(text).unwrap();
            users.check(&Value::from_toml(value.get_ref()).unwrap())
        };
        assert_eq!(check("[{ name = 'anna', groups = ['sudo'] }, { name = 'ben' }]"), Ok(()));
        for (text, problem) in [
            ("[{}]", "has an item that lacks the field `name`"),
            ("['anna']", "has an item that must be a table, not a string"),
            ("[{ name = 'Anna' }]", "has an item that has a field `name` that must be a user name such as `anna`"),
            ("[{ name = 'a', nam = 'b' }]", "has an item that has the unknown field `nam`: did you mean `name`?"),
            (
                "[{ name = 'a', groups = [1] }]",
                "has an item that has a field `groups` that has an item that must be a string, not a whole number",
            ),
        ] {
            assert_eq!(check(text), Err(problem.to_owned()));
        }
    }
}
