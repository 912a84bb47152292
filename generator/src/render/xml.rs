//! XML 1.0: a value is text between tags or the inside of a quoted attribute, and nowhere else.

use super::escape::{CLOSE, OPEN, is_bare};
use super::slots::Misplaced;

/// Escaped so that it is the same value as text and in an attribute of either quotes, where line ends would become blanks.
///
/// # Errors
/// What XML 1.0 has no way to write, as a predicate of the value.
pub fn escape(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", u32::from(c))),
            c if c < ' ' || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {
                return Err(format!("holds the character U+{:04X}, which XML can not write", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Tag,
    Attribute(char),
    Comment,
    Data,
    Instruction,
}

/// Removes the marks around values.
///
/// # Errors
/// The first value that stands where it could end what it stands in, or where entities are not read.
pub fn close(text: &str) -> Result<String, Misplaced> {
    let mut out = String::with_capacity(text.len());
    let mut place = Place::Text;
    for (index, piece) in text.split([OPEN, CLOSE]).enumerate() {
        if index % 2 == 0 {
            place = read(piece, place);
        } else if let Some(problem) = misplaced(piece, place, &out) {
            return Err(Misplaced { line: out.matches('\n').count() + 1, problem });
        }
        out.push_str(piece);
    }
    Ok(out)
}

fn misplaced(value: &str, place: Place, before: &str) -> Option<&'static str> {
    let plain = is_bare(value) && !value.contains("--") && !value.ends_with('-') && !before.ends_with('-');
    match place {
        Place::Text | Place::Attribute(_) => None,
        Place::Comment if plain => None,
        Place::Comment => Some("stands in a comment, which it could end"),
        Place::Tag => Some("stands in a tag: put it between quotes or between tags"),
        Place::Data => Some("stands in a CDATA section: leave that out, the value is escaped"),
        Place::Instruction => Some("stands in a declaration: put it between tags"),
    }
}

/// Where a piece of template that begins at `place` ends.
fn read(piece: &str, mut place: Place) -> Place {
    let mut rest = piece;
    while let Some(c) = rest.chars().next() {
        let (next, length) = match place {
            Place::Text if rest.starts_with("<!--") => (Place::Comment, 4),
            Place::Text if rest.starts_with("<![CDATA[") => (Place::Data, 9),
            Place::Text if rest.starts_with("<?") || rest.starts_with("<!") => (Place::Instruction, 2),
            Place::Text if c == '<' => (Place::Tag, 1),
            Place::Tag if c == '"' || c == '\'' => (Place::Attribute(c), 1),
            Place::Attribute(quote) if c == quote => (Place::Tag, 1),
            Place::Tag | Place::Instruction if c == '>' => (Place::Text, 1),
            Place::Comment if rest.starts_with("-->") => (Place::Text, 3),
            Place::Data if rest.starts_with("]]>") => (Place::Text, 3),
            place => (place, c.len_utf8()),
        };
        place = next;
        rest = rest.get(length..).unwrap_or_default();
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(before: &str, value: &str, after: &str) -> Result<String, Misplaced> {
        close(&format!("{before}{OPEN}{}{CLOSE}{after}", escape(value).unwrap()))
    }

    #[test]
    fn a_value_is_text_or_the_inside_of_an_attribute() {
        assert_eq!(written("<a>", "<b>&\"'", "</a>").as_deref(), Ok("<a>&lt;b&gt;&amp;&quot;&#39;</a>"));
        assert_eq!(written("<a b=\"", "x\ny", "\"/>").as_deref(), Ok("<a b=\"x&#10;y\"/>"));
        assert_eq!(
            written("<!-- it's < \" --><a b='>'>", "x y", "</a>").as_deref(),
            Ok("<!-- it's < \" --><a b='>'>x y</a>")
        );
        assert!(written("<?xml version=\"1.0\"?>\n<!-- ", "debian-server", " --><a/>").is_ok());
    }

    #[test]
    fn a_value_is_refused_where_it_could_end_what_it_stands_in() {
        for (before, value) in [
            ("<", "a"),
            ("<a ", "b"),
            ("<a b=", "c"),
            ("<!-- ", "a b"),
            ("<!-- ", "a--b"),
            ("<!-- -", "a"),
            ("<![CDATA[", "x"),
            ("<?x ", "y"),
        ] {
            assert!(written(before, value, "").is_err(), "{before}");
        }
        assert_eq!(written("<a>\n<b ", "c", "").unwrap_err().line, 2);
    }

    #[test]
    fn what_xml_can_not_write_is_refused() {
        for value in ["\u{1}", "\u{FFFE}", "a\u{1b}[2J"] {
            assert!(escape(value).is_err(), "{value:?}");
        }
    }
}
