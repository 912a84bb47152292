//! The strict JSON of format 1 (format, section 1): UTF-8 without BOM, no member twice, integers 0…2⁵³−1, no floats, depth ≤ 8, nothing after the
//! closing brace but one `\n`.
//!
//! `serde_json` checks the grammar; this module adds what the grammar allows and the format does not. Unknown members are ignored: they are signed.

mod members;

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::Refusal;
use members::ByName;

const DEPTH: usize = 8;
const LARGEST: u64 = (1 << 53) - 1;

/// Reads a document into its type.
///
/// # Errors
/// What is wrong, in one line that is safe to print.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    check(bytes)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    T::deserialize(ByName(&mut deserializer)).map_err(|error| plain(&error))
}

/// Checks `format` and `critical` before anything else is understood, so that a document of a later format is told apart from a broken one.
///
/// # Errors
/// [`Refusal::WrongDocument`] if it is not strict JSON with an integer `format`, [`Refusal::TooNew`] for another format or a critical name that is
/// not in `known`.
pub fn check_format(bytes: &[u8], what: &str, known: &[&str]) -> Result<(), Refusal> {
    // One after the other: what `critical` looks like in another format is not ours to say.
    #[derive(serde::Deserialize)]
    struct Format {
        format: u64,
    }
    #[derive(serde::Deserialize)]
    struct Critical {
        #[serde(default)]
        critical: Vec<String>,
    }
    let wrong = |problem: String| Refusal::wrong(what, problem);
    let Format { format } = read(bytes).map_err(wrong)?;
    if format != 1 {
        return Err(Refusal::too_new(what, format!("format {format}")));
    }
    let head: Critical = read(bytes).map_err(wrong)?;
    match head.critical.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::too_new(what, format!("`{}`", crate::display::line(name, 40)))),
        None => Ok(()),
    }
}

/// As [`check_format`], for JSON that lay in a sealed object: it was signed, so that it is not well-formed is the publisher's fault.
///
/// # Errors
/// [`Refusal::UnsealFailed`], [`Refusal::TooNew`].
pub fn check_sealed_format(bytes: &[u8], what: &str) -> Result<(), Refusal> {
    check_format(bytes, what, &[]).map_err(|refusal| match refusal {
        Refusal::WrongDocument { problem, .. } => Refusal::unseal(what, problem),
        other => other,
    })
}

fn check(bytes: &[u8]) -> Result<(), String> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if body.first() != Some(&b'{') || body.last() != Some(&b'}') {
        return Err("not one JSON object with at most one line feed behind it".to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Strict { depth: 1 }.deserialize(&mut deserializer).map_err(|error| plain(&error))?;
    deserializer.end().map_err(|error| plain(&error))
}

fn plain(error: &serde_json::Error) -> String {
    crate::display::line(&error.to_string(), 160)
}

/// Visits every value and keeps none.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Strict, E> {
        if self.depth > DEPTH {
            return Err(E::custom("nested more than 8 deep"));
        }
        Ok(Strict { depth: self.depth + 1 })
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, a list, a string, a whole number, true, false or null")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        if value > LARGEST { Err(E::custom("a number above 2^53-1")) } else { Ok(()) }
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Err(E::custom("a negative number"))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom("a number that is not whole, or too large"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while list.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value_seed(inner)?;
            if let Some(twice) = seen.replace(name) {
                return Err(A::Error::custom(format!("the member `{twice}` occurs twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{check, check_format, read};

    #[test]
    fn a_document_of_another_format_is_too_new_whatever_else_is_in_it() {
        let exit = |text: &str| check_format(text.as_bytes(), "it", &["known"]).map_err(|it| it.exit().number());
        assert_eq!(exit(r#"{"format":1,"critical":["known"]}"#), Ok(()));
        for (number, text) in [
            (27, r#"{"format":2}"#),
            (27, r#"{"format":2,"critical":{"name":[1]}}"#),
            (27, r#"{"format":0,"critical":"x"}"#),
            (27, r#"{"format":1,"critical":["known","other"]}"#),
            (24, r#"{"format":1,"critical":"known"}"#),
            (24, r#"{"format":1,"critical":null}"#),
            (24, r#"{"format":"1"}"#),
            (24, r#"{"critical":[]}"#),
        ] {
            assert_eq!(exit(text), Err(number), "{text}");
        }
    }

    #[derive(Deserialize, Debug, PartialEq)]
    enum Word {
        Left,
        Right,
    }

    #[test]
    fn a_word_is_a_string_and_no_object() {
        #[derive(Deserialize)]
        struct Has {
            word: Word,
        }
        let word = |text: &str| read::<Has>(text.as_bytes()).map(|has| has.word).ok();
        assert_eq!(word(r#"{"word":"Left"}"#), Some(Word::Left));
        assert_eq!(word(r#"{"word":"Right"}"#), Some(Word::Right));
        for bad in [r#"{"word":{"Left":null}}"#, r#"{"word":["Left"]}"#, r#"{"word":0}"#, r#"{"word":"left"}"#] {
            assert_eq!(word(bad), None, "{bad}");
        }
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Inner {
        number: u64,
        #[serde(default)]
        word: String,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Outer {
        one: Inner,
        #[serde(default)]
        perhaps: Option<Inner>,
        #[serde(default)]
        several: Vec<Inner>,
        #[serde(default)]
        named: std::collections::BTreeMap<String, Inner>,
    }

    #[test]
    fn a_list_of_values_is_no_object_at_any_depth() {
        let good = r#"{"one":{"number":1,"word":"x","more":[[1]]},"perhaps":{"number":2},"several":[{"number":3}],"named":{"a":{"number":4}}}"#;
        let inner = |number, word: &str| Inner { number, word: word.to_owned() };
        let wanted = Outer {
            one: inner(1, "x"),
            perhaps: Some(inner(2, "")),
            several: vec![inner(3, "")],
            named: [("a".to_owned(), inner(4, ""))].into(),
        };
        assert_eq!(read::<Outer>(good.as_bytes()), Ok(wanted));
        for bad in [
            r#"{"one":[1,"x"]}"#,
            r#"{"one":{"number":1},"perhaps":[2,"x"]}"#,
            r#"{"one":{"number":1},"several":[[3,"x"]]}"#,
            r#"{"one":{"number":1},"several":{"number":3}}"#,
            r#"{"one":{"number":1},"named":{"a":[4,"x"]}}"#,
        ] {
            assert!(read::<Outer>(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(read::<Outer>(br#"{"one":{"number":1},"perhaps":null}"#).map(|outer| outer.perhaps), Ok(None));
    }

    #[test]
    fn what_is_wrong_with_a_document_is_said_with_its_place() {
        let problem = |text: &str| read::<Outer>(text.as_bytes()).err();
        assert_eq!(problem(r#"{"one":-1}"#).as_deref(), Some("a negative number at line 1 column 9"));
        let wanted = "invalid type: integer `7`, expected struct Inner at line 1 column 8";
        assert_eq!(problem(r#"{"one":7}"#).as_deref(), Some(wanted));
    }

    #[test]
    fn takes_what_the_format_allows() {
        for good in [
            "{}",
            "{}\n",
            r#"{"a":9007199254740991,"b":[true,false,null,"ä\u00e4"],"c":{"a":0}}"#,
            "{\n  \"a\": 1\n}\n",
            r#"{"1":{"2":{"3":{"4":{"5":{"6":{"7":{}}}}}}}}"#,
        ] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
    }

    #[test]
    fn refuses_what_other_readers_would_read_differently() {
        for bad in [
            "",
            "[]",
            "1",
            "{}\n\n",
            " {}",
            "{} ",
            "{}{}",
            "\u{feff}{}",
            r#"{"a":1,"a":1}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"a":18446744073709551616}"#,
            r#"{"a":-1}"#,
            r#"{"a":-0}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":01}"#,
            r#"{"a":NaN}"#,
            r#"{"a":1,}"#,
            r#"{'a':1}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"1":{"2":{"3":{"4":{"5":{"6":{"7":{"8":{}}}}}}}}}"#,
            r#"{"1":[[[[[[[[]]]]]]]]}"#,
        ] {
            assert!(check(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(check(b"{\"a\":\"\xff\"}").is_err());
        assert!(check(b"{\"a\":\"\n\"}").is_err());
    }
}
