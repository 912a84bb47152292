//! The minisign signature file, exactly as format 1 allows it (format, section 2), and nothing else that minisign would accept.
//!
//! Four lines, `\n` only: a fixed untrusted comment, the signature, the trusted comment, the global signature. One changed bit anywhere in it is a
//! refusal; legacy `Ed` signatures do not exist here.

use base64ct::{Base64, Encoding as _};
use blake2::{Blake2b512, Digest as _};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::name::{KeyId, SigningPublicKey, SiteId};

/// The only first line.
pub const UNTRUSTED_COMMENT: &str = "untrusted comment: signature from minisign secret key";
/// The largest signature file in bytes.
pub const LIMIT: u64 = 1024;

const COMMENT_LIMIT: usize = 512;

/// A signing key as the root lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedKey {
    /// What minisign calls the key.
    pub id: KeyId,
    /// The key.
    pub key: SigningPublicKey,
}

/// A signature file of the right form. It says nothing yet about who signed what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFile {
    /// The key that is said to have signed.
    pub key: KeyId,
    /// The trusted comment, signed by the global signature.
    pub comment: String,
    signature: [u8; 64],
    global: [u8; 64],
}

impl SignatureFile {
    /// Reads the four lines.
    ///
    /// # Errors
    /// What is wrong with the form, as a predicate of "the signature file".
    pub fn parse(bytes: &[u8]) -> Result<SignatureFile, &'static str> {
        if bytes.len() as u64 > LIMIT {
            return Err("is larger than 1 KiB");
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "is not text")?;
        let mut lines = text.strip_suffix('\n').ok_or("does not end in a line feed")?.split('\n');
        let (Some(first), Some(second), Some(third), Some(fourth), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err("does not have exactly four lines");
        };
        if first != UNTRUSTED_COMMENT {
            return Err("has another first line than minisign writes");
        }
        let signed = base64::<74>(second)?;
        let global = base64::<64>(fourth)?;
        let comment = third.strip_prefix("trusted comment: ").ok_or("has no trusted comment")?;
        if comment.len() > COMMENT_LIMIT || !comment.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return Err("has a trusted comment that is too long or not printable");
        }
        let [b'E', b'D', k0, k1, k2, k3, k4, k5, k6, k7, rest @ ..] = signed else {
            return Err("is not a prehashed (`ED`) signature; sign with a current minisign");
        };
        Ok(SignatureFile {
            key: KeyId::from_le_bytes([k0, k1, k2, k3, k4, k5, k6, k7]),
            comment: comment.to_owned(),
            signature: rest,
            global,
        })
    }

    /// Does `listed` sign `body` and the trusted comment here? minisign does not sign the key's id, so it is compared.
    #[must_use]
    pub fn verifies(&self, listed: &ListedKey, body: &[u8]) -> bool {
        let global = [&self.signature[..], self.comment.as_bytes()].concat();
        listed.id == self.key
            && holds(&listed.key, &Blake2b512::digest(body), &self.signature)
            && holds(&listed.key, &global, &self.global)
    }
}

/// Strict Ed25519 (RFC 8032, section 5.1.7): `S < L`, key and `R` canonical and not of small order, no cofactor, neither context nor prehash.
#[must_use]
pub fn holds(key: &SigningPublicKey, message: &[u8], signature: &[u8; 64]) -> bool {
    strict_key(key).is_some_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

/// The trusted comment that a document must carry.
#[must_use]
pub fn comment(kind: &str, version: u64, site: &SiteId) -> String {
    format!("anode/1 {kind} {version} {site}")
}

/// Is this a canonical encoding of a point that is not of small order?
#[must_use]
pub fn is_strict_key(key: &SigningPublicKey) -> bool {
    strict_key(key).is_some()
}

fn strict_key(key: &SigningPublicKey) -> Option<VerifyingKey> {
    let point = VerifyingKey::from_bytes(key.as_bytes()).ok()?;
    // `from_bytes` also takes y ≥ p: compress again and compare.
    let canonical = point.to_edwards().compress().to_bytes() == *key.as_bytes();
    (canonical && !point.is_weak()).then_some(point)
}

/// Base64 of exactly `N` bytes. `base64ct` refuses every text but the canonical one: wrong padding, trailing bits, white space.
fn base64<const N: usize>(text: &str) -> Result<[u8; N], &'static str> {
    let bytes = Base64::decode_vec(text).map_err(|_| "has a line that is not canonical base64")?;
    bytes.try_into().map_err(|_| "has a line of base64 of the wrong length")
}

/// Splits `timestamp.signed`: the four signature lines, then the body.
#[must_use]
pub fn split_signed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let fourth = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(3)?.0;
    bytes.split_at_checked(fourth + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn signed(body: &[u8]) -> (ListedKey, String) {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let file = minisign::sign(
            Some(&pair.pk),
            &pair.sk,
            Cursor::new(body),
            Some("anode/1 root 1 X"),
            Some("signature from minisign secret key"),
        )
        .unwrap();
        let bytes = pair.pk.to_bytes();
        let id = KeyId::from_le_bytes(bytes[2..10].try_into().unwrap());
        let key = SigningPublicKey(bytes[10..42].try_into().unwrap());
        (ListedKey { id, key }, file.into_string())
    }

    #[test]
    fn what_the_minisign_crate_signs_verifies() {
        let (key, file) = signed(b"body");
        let parsed = SignatureFile::parse(file.as_bytes()).unwrap();
        assert!(parsed.verifies(&key, b"body"));
        assert!(!parsed.verifies(&key, b"bodY"));
        assert_eq!(parsed.comment, "anode/1 root 1 X");
    }

    #[test]
    fn one_changed_bit_or_a_cut_anywhere_is_refused() {
        let (key, file) = signed(b"body");
        let accepts =
            |bytes: &[u8], body: &[u8]| SignatureFile::parse(bytes).is_ok_and(|file| file.verifies(&key, body));
        assert!(accepts(file.as_bytes(), b"body"));
        for bit in 0..file.len() * 8 {
            let mut changed = file.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!accepts(&changed, b"body"), "bit {bit}");
        }
        for length in 0..file.len() {
            assert!(!accepts(&file.as_bytes()[..length], b"body"), "cut to {length}");
        }
        for bit in 0..32 {
            let mut body = *b"body";
            body[bit / 8] ^= 1 << (bit % 8);
            assert!(!accepts(file.as_bytes(), &body));
        }
    }

    #[test]
    fn forms_that_other_verifiers_accept_are_refused() {
        let (_, file) = signed(b"body");
        let refusal = |text: String| SignatureFile::parse(text.as_bytes()).unwrap_err();
        assert_eq!(refusal(format!("{file}junk\n")), "does not have exactly four lines");
        assert_eq!(refusal(format!("{file}\n")), "does not have exactly four lines");
        assert_eq!(refusal(format!("\n{file}")), "does not have exactly four lines");
        assert_eq!(refusal(file.replace('\n', "\r\n")), "has another first line than minisign writes");
        assert_eq!(
            refusal(file.replacen("untrusted comment", "comment", 1)),
            "has another first line than minisign writes"
        );
        assert_eq!(
            refusal(file.replace("root 1 X", "root 1 X\u{1b}[2J")),
            "has a trusted comment that is too long or not printable"
        );
        assert_eq!(refusal(file.replace("X\n", "X\r\n")), "has a trusted comment that is too long or not printable");
        let legacy: String = file
            .lines()
            .enumerate()
            .map(|(n, line)| if n == 1 { format!("RW{}\n", &line[2..]) } else { format!("{line}\n") })
            .collect();
        assert_eq!(
            refusal(legacy.replacen("RWR", "RWQ", 1)),
            "is not a prehashed (`ED`) signature; sign with a current minisign"
        );
    }

    #[test]
    fn a_comment_of_512_bytes_is_read_and_nothing_that_is_longer() {
        let (_, file) = signed(b"body");
        let with_comment = |length: usize| file.replace("anode/1 root 1 X", &"x".repeat(length));
        let refusal = |text: String| SignatureFile::parse(text.as_bytes()).err();
        let rest = with_comment(0).len();
        let too_long = Some("has a trusted comment that is too long or not printable");
        assert_eq!(refusal(with_comment(512)), None);
        assert_eq!(refusal(with_comment(513)), too_long);
        assert_eq!(refusal(with_comment(1024 - rest)), too_long);
        for length in [1025, 2048] {
            assert_eq!(refusal(with_comment(length - rest)), Some("is larger than 1 KiB"));
        }
    }

    #[test]
    fn a_malleated_signature_is_refused() {
        // S + L encodes the same scalar; L = 2^252 + 27742317777372353535851937790883648493.
        const L: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let (key, file) = signed(b"body");
        let mut parsed = SignatureFile::parse(file.as_bytes()).unwrap();
        let mut carry = 0_u16;
        for (byte, add) in parsed.global[32..].iter_mut().zip(L) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry as u8;
            carry >>= 8;
        }
        assert!(!parsed.verifies(&key, b"body"));
    }

    #[test]
    fn small_order_and_non_canonical_keys_are_no_keys() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(!is_strict_key(&SigningPublicKey(identity)));
        // y = p + 3 is another encoding of y = 3, which is on the curve.
        let mut alias = [0xff; 32];
        alias[0] = 0xf0;
        alias[31] = 0x7f;
        let mut plain = [0; 32];
        plain[0] = 3;
        assert!(is_strict_key(&SigningPublicKey(plain)));
        assert!(!is_strict_key(&SigningPublicKey(alias)));
    }
}
