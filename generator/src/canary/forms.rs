//! The forms in which a secret may lie somewhere.

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use zeroize::Zeroizing;

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Raw,
    /// Its bytes backwards.
    Reversed,
    /// In lower-case or upper-case digits.
    Hex,
    /// At one of three alignments, in the standard or the URL-safe alphabet.
    Base64,
    /// `%41`: every byte, or only those that have to be.
    Percent,
    /// Base64 whose `+` and `/` are percent-encoded.
    PercentBase64,
}

impl Form {
    /// For messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "as it is",
            Self::Reversed => "backwards",
            Self::Hex => "in hexadecimal",
            Self::Base64 => "in base64",
            Self::Percent => "URL-encoded",
            Self::PercentBase64 => "in URL-encoded base64",
        }
    }
}

/// Every form of a secret, none of them twice.
pub(super) fn forms(secret: &[u8]) -> Vec<(Form, Zeroizing<Vec<u8>>)> {
    let mut forms: Vec<(Form, Zeroizing<Vec<u8>>)> = Vec::with_capacity(24);
    let mut add = |form, text: Vec<u8>| {
        let text = Zeroizing::new(text);
        if !forms.iter().any(|(_, known)| *known == text) {
            forms.push((form, text));
        }
    };
    add(Form::Raw, secret.to_vec());
    add(Form::Reversed, secret.iter().rev().copied().collect());
    add(Form::Hex, HEXLOWER.encode(secret).into_bytes());
    add(Form::Hex, HEXUPPER.encode(secret).into_bytes());
    for alignment in 0..3 {
        for alphabet in [&BASE64, &BASE64URL] {
            add(Form::Base64, base64_at(secret, alignment, alphabet));
        }
        for digits in [LOWER, UPPER] {
            add(Form::PercentBase64, percent(&base64_at(secret, alignment, &BASE64), is_unreserved, digits));
        }
    }
    for digits in [LOWER, UPPER] {
        add(Form::Percent, percent(secret, |_| false, digits));
        add(Form::Percent, percent(secret, is_unreserved, digits));
    }
    forms
}

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn percent(bytes: &[u8], keep: impl Fn(u8) -> bool, digits: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 3);
    for &byte in bytes {
        if keep(byte) {
            out.push(byte);
        } else {
            out.extend([b'%', digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
        }
    }
    out
}

/// The symbols of base64 that depend on nothing but the secret, when `alignment` bytes lie before it in its group of three.
fn base64_at(secret: &[u8], alignment: usize, alphabet: &data_encoding::Encoding) -> Vec<u8> {
    let shifted = Zeroizing::new([&[0; 3][..alignment], secret].concat());
    let mut text = alphabet.encode(&shifted).into_bytes();
    text.truncate(shifted.len() * 8 / 6);
    text.drain(..(alignment * 8).div_ceil(6));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_anything_around_the_secret_holds_one_of_its_forms() {
        let secret = b"correct horse battery";
        let known: Vec<_> = forms(secret).into_iter().filter(|(form, _)| *form == Form::Base64).collect();
        for before in 0..7 {
            for after in 0..7 {
                let text = [&vec![0xFF; before][..], secret, &vec![0xFE; after]].concat();
                for alphabet in [&BASE64, &BASE64URL] {
                    let text = alphabet.encode(&text).into_bytes();
                    let held =
                        known.iter().any(|(_, form)| text.windows(form.len()).any(|part| part == form.as_slice()));
                    assert!(held, "{before} bytes before and {after} behind");
                }
            }
        }
    }

    #[test]
    fn every_form_is_long_enough_to_be_recognised() {
        for (form, text) in forms(&[0xFB; super::super::SHORTEST]) {
            assert!(text.len() >= super::super::SHORTEST, "{form:?}");
        }
    }
}
