//! The RFCs' own vectors.

use anode_bundle::keyed::{Key, expand, extract};
use anode_bundle::name::SigningPublicKey;
use anode_bundle::seal::SealKeyPair;
use anode_bundle::signature::holds;
use blake2::Digest as _;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use data_encoding::HEXLOWER;
use hpke::aead::ChaCha20Poly1305 as HpkeAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256 as Kem;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use serde_json::Value;
use zeroize::Zeroizing;

/// The rows of one table, which has `count` of them.
fn rows(table: &str, count: usize) -> Vec<Value> {
    let tables: Value = serde_json::from_slice(include_bytes!("../vectors/rfc.json")).unwrap();
    let rows = tables[table]["rows"].as_array().unwrap().clone();
    assert_eq!(rows.len(), count, "{table}");
    rows
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn sized<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn secret(value: &Value) -> Key {
    Zeroizing::new(sized(value))
}

fn same(found: &[u8], expected: &Value) {
    assert_eq!(HEXLOWER.encode(found), expected.as_str().unwrap());
}

#[test]
fn hkdf_answers_as_rfc_5869() {
    for row in rows("hkdf", 3) {
        let prk = extract(&hex(&row["salt"]), &hex(&row["ikm"]));
        same(&prk[..], &row["prk"]);
        // A shorter output is the beginning of a longer one.
        let okm = hex(&row["okm"]);
        assert_eq!(expand::<82>(&prk, &hex(&row["info"]))[..okm.len()], okm);
    }
}

fn signature_holds(row: &Value) -> bool {
    holds(&SigningPublicKey(sized(&row["key"])), &hex(&row["message"]), &sized(&row["signature"]))
}

#[test]
fn ed25519_answers_as_rfc_8032() {
    for row in rows("ed25519", 5) {
        assert!(signature_holds(&row), "{row}");
    }
}

#[test]
fn signatures_with_a_context_or_a_prehash_are_no_plain_signatures() {
    for row in rows("ed25519_variants", 4) {
        assert!(!signature_holds(&row), "{row}");
    }
}

/// Where implementations of Ed25519 disagree, format 1 takes the narrow side: of the ten cases only the one that every equation accepts.
#[test]
fn cases_in_which_implementations_disagree_are_refused() {
    let rows = rows("ed25519_edges", 10);
    for row in &rows {
        assert_eq!(signature_holds(row), row["accept"].as_bool().unwrap(), "{row}");
    }
    let accepted: Vec<_> = rows.iter().filter(|row| signature_holds(row)).map(|row| &row["name"]).collect();
    assert_eq!(accepted, ["A and R mixed, no cofactor needed"]);
}

/// Hands out one ephemeral's key material, as RFC 9180 names it, and nothing else.
struct Ikm(Option<[u8; 32]>);

impl rand_core::TryRng for Ikm {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        panic!("HPKE draws one ephemeral")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        panic!("HPKE draws one ephemeral")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.copy_from_slice(&self.0.take().expect("HPKE draws one ephemeral"));
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Ikm {}

#[test]
fn seal_key_pairs_are_derived_as_in_rfc_9180() {
    for row in rows("hpke", 1) {
        for (ikm, secret_key, public_key) in [("ikmE", "skEm", "pkEm"), ("ikmR", "skRm", "pkRm")] {
            same(SealKeyPair::derive(&secret(&row[ikm])).public.as_bytes(), &row[public_key]);
            let (private, _) = Kem::derive_keypair(&hex(&row[ikm]));
            // The library keeps the scalar as X25519 uses it (RFC 7748, section 5).
            let mut scalar: [u8; 32] = sized(&row[secret_key]);
            scalar[0] &= 0xf8;
            scalar[31] = scalar[31] & 0x7f | 0x40;
            assert_eq!(private.to_bytes()[..], scalar);
        }
    }
}

#[test]
fn the_suite_of_activations_seals_and_opens_as_in_rfc_9180() {
    let row = &rows("hpke", 1)[0];
    let info = hex(&row["info"]);
    let private = <Kem as hpke::Kem>::PrivateKey::from_bytes(&hex(&row["skRm"])).unwrap();
    let public = <Kem as hpke::Kem>::PublicKey::from_bytes(&hex(&row["pkRm"])).unwrap();
    let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(&hex(&row["enc"])).unwrap();
    same(&Kem::decap(&private, None, &enc).unwrap().0, &row["shared_secret"]);

    // As `seal` does it: one message, sequence number 0.
    let first = &row["encryptions"][0];
    assert_eq!(first["sequence"], 0);
    let (plain, aad) = (hex(&first["pt"]), hex(&first["aad"]));
    let (found, sealed) = hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, Kem>(
        &OpModeS::Base,
        &public,
        &info,
        &plain,
        &aad,
        &mut Ikm(Some(sized(&row["ikmE"]))),
    )
    .unwrap();
    same(&found.to_bytes(), &row["enc"]);
    same(&sealed, &first["ct"]);
    let opened = hpke::single_shot_open::<HpkeAead, HkdfSha256, Kem>(
        &OpModeR::Base,
        &private,
        &enc,
        &info,
        &hex(&first["ct"]),
        &aad,
    );
    assert_eq!(opened.unwrap(), plain);

    // The later sequence numbers and the exports that the RFC lists.
    let mut receiver =
        hpke::setup_receiver::<HpkeAead, HkdfSha256, Kem>(&OpModeR::Base, &private, &enc, &info).unwrap();
    let ephemeral = &mut Ikm(Some(sized(&row["ikmE"])));
    let (_, mut sender) =
        hpke::setup_sender_with_rng::<HpkeAead, HkdfSha256, Kem>(&OpModeS::Base, &public, &info, ephemeral).unwrap();
    let listed = row["encryptions"].as_array().unwrap();
    let mut compared = 0;
    for sequence in 0..=256 {
        let aad = format!("Count-{sequence}").into_bytes();
        let sealed = sender.seal(&plain, &aad).unwrap();
        if let Some(expected) = listed.iter().find(|expected| expected["sequence"] == sequence) {
            assert_eq!((hex(&expected["pt"]), hex(&expected["aad"])), (plain.clone(), aad.clone()));
            same(&sealed, &expected["ct"]);
            compared += 1;
        }
        assert_eq!(receiver.open(&sealed, &aad).unwrap(), plain);
    }
    assert_eq!((compared, listed.len()), (6, 6));
    for export in row["exports"].as_array().unwrap() {
        let mut value = [0; 32];
        receiver.export(&hex(&export["context"]), &mut value).unwrap();
        same(&value, &export["value"]);
    }
}

#[test]
fn the_cipher_of_packs_answers_as_rfc_8439() {
    for row in rows("chacha20poly1305", 2) {
        let cipher = ChaCha20Poly1305::new(&sized(&row["key"]).into());
        let (nonce, aad, plain) = (Nonce::from(sized(&row["nonce"])), hex(&row["aad"]), hex(&row["plain"]));
        let sealed = cipher.encrypt(&nonce, Payload { msg: &plain, aad: &aad }).unwrap();
        same(&sealed, &row["sealed"]);
        assert_eq!(cipher.decrypt(&nonce, Payload { msg: &sealed, aad: &aad }).unwrap(), plain);
    }
}

#[test]
fn the_hash_under_every_signature_answers_as_rfc_7693() {
    for row in rows("blake2b", 7) {
        same(&blake2::Blake2b512::digest(hex(&row["message"])), &row["hash"]);
    }
}

/// `derive` refuses so little memory, so the library behind it is asked; that `derive` calls it rightly is shown by `vectors/kdf.json`.
#[test]
fn argon2id_answers_as_rfc_9106() {
    for row in rows("argon2id", 2) {
        let cost = |name: &str| u32::try_from(row[name].as_u64().unwrap()).unwrap();
        let mut parameters = argon2::ParamsBuilder::new();
        parameters.m_cost(cost("m")).t_cost(cost("t")).p_cost(cost("p"));
        let mut key = Vec::new();
        if let Some(data) = row.get("data") {
            parameters.data(argon2::AssociatedData::new(&hex(data)).unwrap());
            key = hex(&row["secret"]);
        }
        let (id, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
        let argon2 = argon2::Argon2::new_with_secret(&key, id, version, parameters.build().unwrap()).unwrap();
        let mut tag = [0; 32];
        argon2.hash_password_into(&hex(&row["password"]), &hex(&row["salt"]), &mut tag).unwrap();
        same(&tag, &row["tag"]);
    }
}
