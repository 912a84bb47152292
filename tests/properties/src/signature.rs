//! Signature files and the keys that they are verified with.

use anode_bundle::name::SigningPublicKey;
use anode_bundle::signature::{LIMIT, SignatureFile, UNTRUSTED_COMMENT, is_strict_key};
use data_encoding::{BASE64, HEXLOWER};

use crate::Verdict::{self, Accepted, Refused};
use crate::text;
use crate::vector::SIGNED;

/// What is taken is exactly the four lines, minisign's own reader takes it too, and only the one real signature verifies.
pub fn signature(data: &[u8]) -> Verdict {
    let Ok(file) = SignatureFile::parse(data) else {
        assert_ne!(data, SIGNED.file);
        return Refused;
    };
    assert!(data.len() as u64 <= LIMIT);
    let text = text(data).expect("a signature file is text");
    let signed = BASE64.decode(text.split('\n').nth(1).unwrap().as_bytes()).expect("canonical base64");
    let global = BASE64.decode(text.split('\n').nth(3).unwrap().as_bytes()).expect("canonical base64");
    assert_eq!(
        (signed.len(), global.len(), &signed[..2], &signed[2..10]),
        (74, 64, &b"ED"[..], &file.key.to_le_bytes()[..])
    );
    let (signed, global, comment) = (BASE64.encode(&signed), BASE64.encode(&global), &file.comment);
    assert_eq!(text, format!("{UNTRUSTED_COMMENT}\n{signed}\ntrusted comment: {comment}\n{global}\n"));
    assert!(comment.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    assert!(minisign::SignatureBox::from_string(text).is_ok(), "minisign does not read it");

    let verifies = file.verifies(&SIGNED.key, &SIGNED.body);
    assert_eq!(verifies, data == SIGNED.file);
    Accepted
}

/// p = 2²⁵⁵ − 19, little-endian.
const PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    prime
};

/// The y of the points of order 1, 2, 4 and 8, without the sign of x.
const SMALL_ORDER: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

/// A key is 64 lower-case hex digits and nothing else; one that may sign is canonical and not of small order.
pub fn public_key(data: &[u8]) -> Verdict {
    let parsed = text(data).and_then(|text| SigningPublicKey::parse(text).ok());
    if let Some(key) = &parsed {
        assert_eq!(key.to_string().as_bytes(), data);
    }
    let Some(key) = parsed.or_else(|| data.try_into().ok().map(SigningPublicKey)) else { return Refused };
    if !is_strict_key(&key) {
        return Refused;
    }
    let mut y = *key.as_bytes();
    y[31] &= 0x7f;
    assert!(y.iter().rev().lt(PRIME.iter().rev()), "not canonical");
    assert!(!SMALL_ORDER.contains(&HEXLOWER.encode(&y).as_str()), "of small order");
    Accepted
}
