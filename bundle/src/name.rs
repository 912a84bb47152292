//! Names that reach a path, a URL or a key table. Each can only be built safe, so no caller has to remember to check.

use std::fmt;

use base32ct::{Base32UpperUnpadded, Encoding as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256 as Hasher};

/// The text does not have the form that the name demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct BadName {
    /// What was found, at most 80 characters of it, safe to print.
    pub text: String,
    /// What would be right.
    pub wanted: &'static str,
}

impl BadName {
    fn new(text: &str, wanted: &'static str) -> BadName {
        BadName { text: crate::display::line(text, 80), wanted }
    }
}

/// A name of a profile, organisation, code label, installer or prompt: `[a-z0-9][a-z0-9._-]{0,63}` without `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// What an id looks like, for messages.
    pub const FORM: &'static str =
        "a name of 1 to 64 characters from `a-z 0-9 . _ -`, beginning with a letter or digit";

    /// From the text as it stands in a document or a folder's name.
    ///
    /// # Errors
    /// [`BadName`] unless the text matches `[a-z0-9][a-z0-9._-]{0,63}` and has no `..`.
    pub fn new(text: &str) -> Result<Id, BadName> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let rest = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        // `..` can not climb out of a folder in the middle of a name, but nobody needs it and every reader would have to think about it.
        if first && rest && text.len() <= 64 && !text.contains("..") {
            Ok(Id(text.to_owned()))
        } else {
            Err(BadName::new(text, Id::FORM))
        }
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A relative path of 1 to 8 parts, each `[A-Za-z0-9_][A-Za-z0-9._+@-]{0,127}` or the same after one leading dot;
/// never `.` or `..`, never empty, never absolute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafePath(String);

impl SafePath {
    /// From a path with `/` between its parts.
    ///
    /// # Errors
    /// [`BadName`] unless there are 1 to 8 parts and every part is a plain file name.
    pub fn new(text: &str) -> Result<SafePath, BadName> {
        let part_is_plain = |part: &str| {
            let body = part.strip_prefix('.').unwrap_or(part);
            let first = body.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
            first && part.len() <= 128 && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+@-".contains(&b))
        };
        if text.split('/').count() <= 8 && text.split('/').all(part_is_plain) {
            Ok(SafePath(text.to_owned()))
        } else {
            Err(BadName::new(text, "a relative path of plain file names"))
        }
    }

    /// The path, `/` between the parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The identity of a site: 26 upper-case base32 characters of 128 random bits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(String);

impl SiteId {
    /// From its 26 characters (RFC 4648, section 6, without padding).
    ///
    /// # Errors
    /// [`BadName`] unless the text is the one base32 text of 16 bytes.
    pub fn new(text: &str) -> Result<SiteId, BadName> {
        match Base32UpperUnpadded::decode_vec(text) {
            Ok(bytes) if bytes.len() == 16 && Base32UpperUnpadded::encode_string(&bytes) == text => {
                Ok(SiteId(text.to_owned()))
            }
            _ => Err(BadName::new(text, "a site id of 26 base32 characters")),
        }
    }

    /// The id of 16 random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> SiteId {
        SiteId(Base32UpperUnpadded::encode_string(&bytes))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a minisign key: 8 bytes, written as 16 upper-case hex digits, most significant first, as `minisign` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

impl KeyId {
    /// From the 8 bytes that a key file or signature holds (little-endian).
    #[must_use]
    pub fn from_le_bytes(bytes: [u8; 8]) -> KeyId {
        KeyId(u64::from_le_bytes(bytes))
    }

    /// The 8 bytes that a key file or signature holds.
    #[must_use]
    pub fn to_le_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// From the text that `minisign` and the names of signature files have.
    ///
    /// # Errors
    /// [`BadName`] unless the text is 16 upper-case hex digits.
    pub fn parse(text: &str) -> Result<KeyId, BadName> {
        let bytes = base16ct::upper::decode_vec(text).ok().and_then(|b| <[u8; 8]>::try_from(b).ok());
        bytes
            .map(|b| KeyId(u64::from_be_bytes(b)))
            .ok_or_else(|| BadName::new(text, "a key id of 16 upper-case hex digits"))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// 32 bytes written as 64 lower-case hex digits: the base of every hash and public key below.
macro_rules! hex32 {
    ($(#[$doc:meta])* $name:ident, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// From 64 lower-case hex digits: 32 bytes.
            ///
            /// # Errors
            /// [`BadName`] unless the text is 64 lower-case hex digits.
            pub fn parse(text: &str) -> Result<$name, BadName> {
                let bytes = base16ct::lower::decode_vec(text).ok().and_then(|b| <[u8; 32]>::try_from(b).ok());
                bytes.map($name).ok_or_else(|| BadName::new(text, $wanted))
            }

            /// The 32 bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base16ct::lower::encode_string(&self.0))
            }
        }

        text_serde!($name, |text: &str| $name::parse(text));
    };
}

macro_rules! text_serde {
    ($name:ident, $parse:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = String::deserialize(deserializer)?;
                $parse(text.as_str()).map_err(de::Error::custom)
            }
        }
    };
}

macro_rules! plain_display {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

plain_display!(Id, SafePath, SiteId);
text_serde!(Id, |text: &str| Id::new(text));
text_serde!(SafePath, |text: &str| SafePath::new(text));
text_serde!(SiteId, |text: &str| SiteId::new(text));
text_serde!(KeyId, |text: &str| KeyId::parse(text));

hex32!(
    /// A SHA-256 hash: the name of an object.
    Sha256,
    "a SHA-256 of 64 lower-case hex digits"
);
hex32!(
    /// What a code looks up in the index of activations. Pseudonymous: it says nothing about the code.
    Locator,
    "a locator of 64 lower-case hex digits"
);
hex32!(
    /// The name of a pack in the index of packs. Pseudonymous: it says nothing about profile or organisation.
    PackId,
    "a pack id of 64 lower-case hex digits"
);
hex32!(
    /// An X25519 public key that something is sealed to.
    SealPublicKey,
    "an X25519 public key of 64 lower-case hex digits"
);
hex32!(
    /// An Ed25519 public key that documents are signed with.
    SigningPublicKey,
    "an Ed25519 public key of 64 lower-case hex digits"
);

impl Sha256 {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Sha256 {
        Sha256(Hasher::digest(bytes).into())
    }
}

/// A hash of bytes that come piece by piece.
#[derive(Default)]
pub struct Hashing(Hasher);

impl Hashing {
    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all pieces.
    #[must_use]
    pub fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

/// Where things lie in the published tree (design, section 2).
pub mod tree {
    use super::{KeyId, Sha256};

    /// Signature and body of the current timestamp in one file.
    pub const TIMESTAMP: &str = "timestamp.signed";

    /// `root/<N>.json`
    #[must_use]
    pub fn root(version: u64) -> String {
        format!("root/{version}.json")
    }

    /// `root/<N>.json.<keyid>.minisig`
    #[must_use]
    pub fn root_signature(version: u64, key: KeyId) -> String {
        format!("root/{version}.json.{key}.minisig")
    }

    /// `release/<V>.json`
    #[must_use]
    pub fn release(version: u64) -> String {
        format!("release/{version}.json")
    }

    /// `release/<V>.json.minisig`
    #[must_use]
    pub fn release_signature(version: u64) -> String {
        format!("release/{version}.json.minisig")
    }

    /// `objects/<aa>/<sha256>`
    #[must_use]
    pub fn object(hash: &Sha256) -> String {
        let name = hash.to_string();
        format!("objects/{}/{name}", name.get(..2).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_the_documented_form_only() {
        for good in ["a", "0", "debian-server", "a.b_c-d", &"x".repeat(64)] {
            assert!(Id::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", ".a", "_a", "a/b", "a b", "ä", "a..b", &"x".repeat(65), "a\n", "a\0"] {
            assert!(Id::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn paths_can_not_leave_their_folder() {
        for good in ["preseed.cfg", "usr/local/lib/anode/firstboot", ".treeinfo", "etc/systemd/system/a@b.service"] {
            assert!(SafePath::new(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\\b", "a b", "a\0", "-a", "C:a", "..a"]
        {
            assert!(SafePath::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn key_ids_print_as_minisign_prints_them() {
        let id = KeyId::from_le_bytes([0x21, 0x43, 0x65, 0x87, 0xA9, 0xCB, 0xED, 0x00]);
        assert_eq!(id.to_string(), "00EDCBA987654321");
        assert_eq!(KeyId::parse("00EDCBA987654321"), Ok(id));
        assert_eq!(id.to_le_bytes(), [0x21, 0x43, 0x65, 0x87, 0xA9, 0xCB, 0xED, 0x00]);
        assert!(KeyId::parse("EDCBA987654321").is_err());
        assert!(KeyId::parse("00edcba987654321").is_err());
    }

    #[test]
    fn files_of_the_tree_have_the_names_of_the_format() {
        let key = KeyId(0x00ED_CBA9_8765_4321);
        assert_eq!(tree::root(2), "root/2.json");
        assert_eq!(tree::root_signature(2, key), "root/2.json.00EDCBA987654321.minisig");
        assert_eq!(tree::release(3), "release/3.json");
        assert_eq!(tree::release_signature(3), "release/3.json.minisig");
        let hash = "ab".repeat(32);
        assert_eq!(Sha256::parse(&hash).map(|hash| tree::object(&hash)), Ok(format!("objects/ab/{hash}")));
    }

    #[test]
    fn site_ids_are_canonical_base32() {
        let id = SiteId::from_bytes([0xAB; 16]);
        assert_eq!(id.as_str().len(), 26);
        assert_eq!(SiteId::new(id.as_str()), Ok(id.clone()));
        // Another text of the same bytes: the last character's unused bits set.
        let twin = format!("{}7", &id.as_str()[..25]);
        assert!(twin == id.as_str() || SiteId::new(&twin).is_err());
        assert!(SiteId::new(&id.as_str().to_lowercase()).is_err());
    }
}
