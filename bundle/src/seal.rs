//! Sealing: padding, activations (HPKE, RFC 9180) and packs (ChaCha20-Poly1305 with a commitment, RFC 8439); format, section 6.
//!
//! Sealing is deterministic: equal inputs give equal objects, and no key ever encrypts two plaintexts, because every key and every ephemeral
//! is derived from the plaintext too.

use std::convert::Infallible;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hpke::kdf::HkdfSha256;
use hpke::{Deserializable as _, OpModeR, OpModeS};
use rand_core::{TryCryptoRng, TryRng};
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::error::Refusal;
use crate::keyed::{Key, expand, extract, lps, prf};
use crate::name::{Id, Locator, PackId, SealPublicKey, SiteId};

type Kem = hpke::kem::X25519HkdfSha256;
type HpkeAead = hpke::aead::ChaCha20Poly1305;

/// `"ANA1" ‖ kem 0x0020 ‖ kdf 0x0001 ‖ aead 0x0003`
const ACTIVATION_HEADER: &[u8; 10] = b"ANA1\x00\x20\x00\x01\x00\x03";
const PACK_SUITE: u16 = 1; // ChaCha20-Poly1305, key and commitment by HKDF-SHA256
const PACK_MAGIC: &[u8; 4] = b"ANP1";
const ENC: usize = 32;
const TAG: usize = 16;
const PACK_HEADER: usize = 4 + 2 + 4 + 32 + 32;

/// The largest sealed activation.
pub const ACTIVATION_LIMIT: u64 = 64 << 10;
/// The largest sealed pack.
pub const PACK_LIMIT: u64 = 16 << 20;

/// An X25519 key pair for HPKE (RFC 9180). Not printable; the library wipes the secret half when it is dropped.
pub struct SealKeyPair {
    secret: <Kem as hpke::Kem>::PrivateKey,
    /// The half that things are sealed to.
    pub public: SealPublicKey,
}

impl SealKeyPair {
    /// `DeriveKeyPair(ikm)`, RFC 9180, section 7.1.3.
    #[must_use]
    pub fn derive(ikm: &Key) -> SealKeyPair {
        let (secret, public) = <Kem as hpke::Kem>::derive_keypair(ikm.as_slice());
        SealKeyPair { secret, public: SealPublicKey(hpke::Serializable::to_bytes(&public).into()) }
    }
}

/// The key from which every sealing key of a site is expanded: `HKDF-Extract(salt = seal salt, ikm = seal secret)`.
#[derive(ZeroizeOnDrop)]
pub struct SealRoot(Key);

impl SealRoot {
    /// From the two halves: the salt in the repository and the secret of the CI.
    #[must_use]
    pub fn new(salt: &[u8; 32], secret: &Key) -> SealRoot {
        SealRoot(extract(salt, secret.as_slice()))
    }

    /// The name of the pack of (`profile`, `organisation`) in the index.
    #[must_use]
    pub fn pack_id(&self, profile: &Id, organisation: Option<&Id>) -> PackId {
        PackId(*expand(&self.0, &pack_info(b"anode/1 pack-id", profile, organisation)))
    }

    /// The key of the pack of (`profile`, `organisation`). Raising the generation changes it.
    #[must_use]
    pub fn pack_key(&self, profile: &Id, organisation: Option<&Id>, generation: u32) -> Key {
        let mut info = pack_info(b"anode/1 pack-key", profile, organisation);
        info.extend_from_slice(&generation.to_be_bytes());
        expand(&self.0, &info)
    }

    /// A key for the operator's own bookkeeping, separated from every sealing key by `label`.
    #[must_use]
    pub fn bookkeeping(&self, label: &str) -> Key {
        expand(&self.0, &lps(&[b"anode/1 bookkeeping", label.as_bytes()]))
    }

    /// Seals the JSON of an activation to the key pair that its code derives.
    ///
    /// # Errors
    /// [`Refusal::UnsealFailed`] if `to` is no X25519 public key or the result is larger than 64 KiB.
    pub fn seal_activation(
        &self,
        site: &SiteId,
        locator: &Locator,
        to: &SealPublicKey,
        json: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let what = "the activation";
        let padded = pad(json, ACTIVATION_HEADER.len() + ENC + TAG);
        let info = activation_info(site, locator);
        let ephemeral = expand(&self.0, b"anode/1 ephemeral");
        let ikm = prf(&ephemeral, &[ACTIVATION_HEADER, to.as_bytes(), &info, ACTIVATION_HEADER, &padded]);
        let public = <Kem as hpke::Kem>::PublicKey::from_bytes(to.as_bytes())
            .map_err(|_| Refusal::unseal(what, "its public key is not one"))?;
        let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, Kem>(
            &OpModeS::Base,
            &public,
            &info,
            &padded,
            ACTIVATION_HEADER,
            &mut Once(Some(ikm)),
        )
        .map_err(|_| Refusal::unseal(what, "it can not be sealed"))?;
        let mut object = Vec::with_capacity(ACTIVATION_HEADER.len() + ENC + ciphertext.len());
        object.extend_from_slice(ACTIVATION_HEADER);
        object.extend_from_slice(&hpke::Serializable::to_bytes(&enc));
        object.extend_from_slice(&ciphertext);
        check_size(what, &object, ACTIVATION_LIMIT)?;
        Ok(object)
    }

    /// Seals the plaintext of a pack.
    ///
    /// # Errors
    /// [`Refusal::UnsealFailed`] if the result is larger than 16 MiB.
    pub fn seal_pack(
        &self,
        site: &SiteId,
        profile: &Id,
        organisation: Option<&Id>,
        generation: u32,
        plain: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let what = "the pack";
        let pack_id = self.pack_id(profile, organisation);
        let key = self.pack_key(profile, organisation, generation);
        let padded = pad(plain, PACK_HEADER + TAG);
        let tag_key = expand(&self.0, b"anode/1 pack-tag");
        let tag = prf(&tag_key, &[site.as_str().as_bytes(), pack_id.as_bytes(), &generation.to_be_bytes(), &padded]);
        let (content_key, commitment) = pack_keys(&key, &tag, site, &pack_id);
        let mut object = Vec::with_capacity(PACK_HEADER + padded.len() + TAG);
        object.extend_from_slice(PACK_MAGIC);
        object.extend_from_slice(&PACK_SUITE.to_be_bytes());
        object.extend_from_slice(&generation.to_be_bytes());
        object.extend_from_slice(tag.as_slice());
        object.extend_from_slice(commitment.as_slice());
        let body = ChaCha20Poly1305::new(&(*content_key).into())
            .encrypt(&Nonce::default(), Payload { msg: &padded, aad: &object })
            .map_err(|_| Refusal::unseal(what, "it can not be sealed"))?;
        object.extend_from_slice(&body);
        check_size(what, &object, PACK_LIMIT)?;
        Ok(object)
    }
}

/// Opens a sealed activation whose hash came from a verified index. The JSON inside still has to be compared with what was asked for.
///
/// # Errors
/// [`Refusal::TooNew`] for another suite, [`Refusal::UnsealFailed`] if it does not open or is not padded as it must be.
pub fn open_activation(
    site: &SiteId,
    locator: &Locator,
    key: &SealKeyPair,
    object: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let what = "the activation";
    check_size(what, object, ACTIVATION_LIMIT)?;
    let (header, rest) = object.split_first_chunk::<10>().ok_or_else(|| Refusal::unseal(what, "it ends early"))?;
    if header != ACTIVATION_HEADER {
        return Err(foreign_suite(what, header.starts_with(b"ANA")));
    }
    let (enc, ciphertext) = rest.split_first_chunk::<ENC>().ok_or_else(|| Refusal::unseal(what, "it ends early"))?;
    let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(enc)
        .map_err(|_| Refusal::unseal(what, "its encapsulated key is not one"))?;
    let info = activation_info(site, locator);
    let padded = hpke::single_shot_open::<HpkeAead, HkdfSha256, Kem>(
        &OpModeR::Base,
        &key.secret,
        &enc,
        &info,
        ciphertext,
        ACTIVATION_HEADER,
    )
    .map(Zeroizing::new)
    .map_err(|_| Refusal::unseal(what, "it was not sealed to this code"))?;
    unpad(what, &padded, object.len() - padded.len())
}

/// Opens a sealed pack whose hash came from a verified index.
///
/// # Errors
/// [`Refusal::TooNew`] for another suite, [`Refusal::UnsealFailed`] if generation, commitment, ciphertext or padding is wrong.
pub fn open_pack(
    site: &SiteId,
    pack_id: &PackId,
    key: &Key,
    generation: u32,
    object: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let what = "the pack";
    check_size(what, object, PACK_LIMIT)?;
    let (header, body) =
        object.split_first_chunk::<PACK_HEADER>().ok_or_else(|| Refusal::unseal(what, "it ends early"))?;
    let [m0, m1, m2, m3, s0, s1, g0, g1, g2, g3, secrets @ ..] = header;
    if [*m0, *m1, *m2, *m3] != *PACK_MAGIC || u16::from_be_bytes([*s0, *s1]) != PACK_SUITE {
        return Err(foreign_suite(what, header.starts_with(b"ANP")));
    }
    let found = u32::from_be_bytes([*g0, *g1, *g2, *g3]);
    if found != generation {
        return Err(Refusal::unseal(
            what,
            format!("it has generation {found}, the activation holds the key of {generation}"),
        ));
    }
    let (tag, commitment) = secrets.split_first_chunk::<32>().ok_or_else(|| Refusal::unseal(what, "it ends early"))?;
    let (content_key, wanted) = pack_keys(key, tag, site, pack_id);
    if !bool::from(commitment.ct_eq(wanted.as_slice())) {
        return Err(Refusal::unseal(what, "it was sealed with another key"));
    }
    let padded = ChaCha20Poly1305::new(&(*content_key).into())
        .decrypt(&Nonce::default(), Payload { msg: body, aad: header })
        .map(Zeroizing::new)
        .map_err(|_| Refusal::unseal(what, "it was changed"))?;
    unpad(what, &padded, object.len() - padded.len())
}

fn pack_info(label: &[u8], profile: &Id, organisation: Option<&Id>) -> Vec<u8> {
    lps(&[label, profile.as_str().as_bytes(), organisation.map_or(b"", |id| id.as_str().as_bytes())])
}

fn activation_info(site: &SiteId, locator: &Locator) -> Vec<u8> {
    lps(&[b"anode/1 activation", site.as_str().as_bytes(), locator.as_bytes()])
}

/// `ck ‖ commit = HKDF-Expand(HKDF-Extract(salt = tag, ikm = pack_key), LP("anode/1 pack") ‖ LP(site) ‖ LP(pack_id), 64)`
fn pack_keys(key: &Key, tag: &[u8; 32], site: &SiteId, pack_id: &PackId) -> (Key, Key) {
    let prk = extract(tag, key.as_slice());
    let info = lps(&[b"anode/1 pack", site.as_str().as_bytes(), pack_id.as_bytes()]);
    let both = expand::<64>(&prk, &info);
    let (mut content_key, mut commitment) = (Key::default(), Key::default());
    content_key.copy_from_slice(both.first_chunk::<32>().unwrap_or(&[0; 32]));
    commitment.copy_from_slice(both.last_chunk::<32>().unwrap_or(&[0; 32]));
    (content_key, commitment)
}

fn foreign_suite(what: &str, ours: bool) -> Refusal {
    if ours { Refusal::too_new(what, "an unknown suite") } else { Refusal::unseal(what, "it does not begin as one") }
}

fn check_size(what: &str, object: &[u8], limit: u64) -> Result<(), Refusal> {
    if object.len() as u64 > limit {
        return Err(Refusal::unseal(what, format!("it is larger than {limit} bytes")));
    }
    Ok(())
}

/// The size class of a whole object: powers of two from 1 KiB to 64 KiB, above that the next multiple of 2^(⌊log2(n−1)⌋−4).
#[must_use]
pub fn size_class(bytes: usize) -> usize {
    if bytes <= 64 << 10 {
        return bytes.next_power_of_two().max(1 << 10);
    }
    // The format says n−1. That differs at powers of two alone, and they are multiples of both steps.
    let step = 1 << (bytes.ilog2() - 4);
    bytes.next_multiple_of(step)
}

/// `u32be length ‖ data ‖ zeros`, so long that with `overhead` the object has its size class.
fn pad(data: &[u8], overhead: usize) -> Zeroizing<Vec<u8>> {
    let total = size_class(overhead + 4 + data.len());
    let mut padded = Zeroizing::new(Vec::with_capacity(total - overhead));
    padded.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    padded.extend_from_slice(data);
    padded.resize(total - overhead, 0);
    padded
}

fn unpad(what: &str, padded: &[u8], overhead: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let faulty = || Refusal::unseal(what, "its padding is not what it must be");
    let (length, rest) = padded.split_first_chunk::<4>().ok_or_else(faulty)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| faulty())?;
    let (data, zeros) = rest.split_at_checked(length).ok_or_else(faulty)?;
    if zeros.iter().any(|&byte| byte != 0) || size_class(overhead + 4 + length) != overhead + padded.len() {
        return Err(faulty());
    }
    Ok(Zeroizing::new(data.to_vec()))
}

/// The generator that HPKE draws its ephemeral from: it hands out exactly the 32 derived bytes, once, and then only zeros. A second draw would be a
/// change in the library; the vectors in `tests/` would show it.
struct Once(Option<Key>);

impl TryRng for Once {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(0);
        if let (Some(key), true) = (self.0.take(), out.len() == 32) {
            out.copy_from_slice(key.as_slice());
        }
        Ok(())
    }
}

impl TryCryptoRng for Once {}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> SiteId {
        SiteId::from_bytes([7; 16])
    }

    fn root() -> SealRoot {
        SealRoot::new(&[1; 32], &Zeroizing::new([2; 32]))
    }

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    #[test]
    fn size_classes_are_those_of_the_format() {
        for (bytes, class) in [
            (1, 1024),
            (1024, 1024),
            (1025, 2048),
            (65_536, 65_536),
            (65_537, 69_632),
            (69_632, 69_632),
            (69_633, 73_728),
            (131_072, 131_072),
            (131_073, 139_264),
            (1 << 20, 1 << 20),
        ] {
            assert_eq!(size_class(bytes), class, "{bytes}");
        }
    }

    #[test]
    fn sealed_things_open_with_their_key_and_have_a_size_class() {
        let keys = SealKeyPair::derive(&Zeroizing::new([3; 32]));
        let locator = Locator([4; 32]);
        let object = root().seal_activation(&site(), &locator, &keys.public, b"{}").unwrap();
        assert_eq!(object.len(), 1024);
        assert_eq!(&open_activation(&site(), &locator, &keys, &object).unwrap()[..], b"{}");

        let (profile, org) = (id("p"), id("o"));
        let plain = vec![9; 70_000];
        let object = root().seal_pack(&site(), &profile, Some(&org), 3, &plain).unwrap();
        assert_eq!(object.len(), size_class(object.len()));
        let (pack_id, key) = (root().pack_id(&profile, Some(&org)), root().pack_key(&profile, Some(&org), 3));
        assert_eq!(&open_pack(&site(), &pack_id, &key, 3, &object).unwrap()[..], &plain[..]);
    }

    #[test]
    fn on_both_sides_of_a_size_class_and_up_to_the_limit_what_is_sealed_opens() {
        let keys = SealKeyPair::derive(&Zeroizing::new([3; 32]));
        let locator = Locator([4; 32]);
        // Header, encapsulated key, authentication tag, length.
        let room = |object: usize| object - 10 - 32 - 16 - 4;
        for (length, size) in [(room(1024), 1024), (room(1024) + 1, 2048), (room(65_536), 65_536)] {
            let json = vec![b' '; length];
            let object = root().seal_activation(&site(), &locator, &keys.public, &json).unwrap();
            assert_eq!(object.len(), size);
            assert_eq!(&open_activation(&site(), &locator, &keys, &object).unwrap()[..], &json[..]);
        }
        let json = vec![b' '; room(65_536) + 1];
        assert!(root().seal_activation(&site(), &locator, &keys.public, &json).is_err());
    }

    #[test]
    fn the_operators_bookkeeping_has_keys_of_its_own() {
        let keys =
            [root().bookkeeping("a"), root().bookkeeping("b"), root().pack_key(&id("a"), None, 0), Key::default()];
        let different: std::collections::BTreeSet<_> = keys.iter().map(|key| key.as_slice()).collect();
        assert_eq!(different.len(), keys.len());
    }

    #[test]
    fn the_generator_of_the_ephemeral_hands_out_its_bytes_once_and_then_zeros() {
        let mut once = Once(Some(Zeroizing::new([7; 32])));
        let mut drawn = || {
            let mut bytes = [1; 32];
            once.try_fill_bytes(&mut bytes).map(|()| bytes)
        };
        assert_eq!([drawn(), drawn()], [Ok([7; 32]), Ok([0; 32])]);
        assert_eq!((once.try_next_u32(), once.try_next_u64()), (Ok(0), Ok(0)));
    }

    #[test]
    fn sealing_twice_gives_the_same_bytes_and_other_text_other_ephemerals() {
        let keys = SealKeyPair::derive(&Zeroizing::new([3; 32]));
        let seal = |json: &[u8]| root().seal_activation(&site(), &Locator([4; 32]), &keys.public, json).unwrap();
        assert_eq!(seal(b"{}"), seal(b"{}"));
        assert_ne!(seal(b"{}")[10..42], seal(b"{ }")[10..42]);
    }

    #[test]
    fn a_sealed_activation_opens_only_in_its_own_place() {
        let keys = SealKeyPair::derive(&Zeroizing::new([3; 32]));
        let other = SealKeyPair::derive(&Zeroizing::new([5; 32]));
        let locator = Locator([4; 32]);
        let object = root().seal_activation(&site(), &locator, &keys.public, b"{}").unwrap();
        assert!(open_activation(&SiteId::from_bytes([8; 16]), &locator, &keys, &object).is_err());
        assert!(open_activation(&site(), &Locator([6; 32]), &keys, &object).is_err());
        assert!(open_activation(&site(), &locator, &other, &object).is_err());
    }

    #[test]
    fn a_sealed_pack_opens_only_with_its_own_key_and_generation() {
        let profile = id("p");
        let object = root().seal_pack(&site(), &profile, None, 1, b"x").unwrap();
        let open = |site: &SiteId, profile: &Id, key_generation, generation| {
            let key = root().pack_key(profile, None, key_generation);
            open_pack(site, &root().pack_id(profile, None), &key, generation, &object).is_ok()
        };
        assert!(open(&site(), &profile, 1, 1));
        assert!(!open(&site(), &profile, 2, 1));
        assert!(!open(&site(), &profile, 2, 2));
        assert!(!open(&site(), &id("q"), 1, 1));
        assert!(!open(&SiteId::from_bytes([8; 16]), &profile, 1, 1));
    }

    /// A sealer can make an object that two keys open, because the cipher alone does not commit to its key. The commitment does.
    #[test]
    fn one_half_of_the_seal_opens_nothing() {
        let (salt, secret) = ([1; 32], Zeroizing::new([2; 32]));
        let ours = SealRoot::new(&salt, &secret);
        let sealed = ours.seal_pack(&site(), &id("debian"), None, 1, b"contents").unwrap();
        let pack_id = ours.pack_id(&id("debian"), None);
        let opens = |thief: &SealRoot| {
            open_pack(&site(), &pack_id, &thief.pack_key(&id("debian"), None, 1), 1, &sealed).is_ok()
        };
        assert!(opens(&ours));
        for thief in [SealRoot::new(&salt, &Zeroizing::new([0; 32])), SealRoot::new(&[0; 32], &secret)] {
            assert!(!opens(&thief));
            assert!(thief.pack_id(&id("debian"), None) != pack_id);
        }
    }

    #[test]
    fn an_object_that_does_not_commit_to_its_key_does_not_open() {
        let (pack_id, key) = (root().pack_id(&id("p"), None), root().pack_key(&id("p"), None, 1));
        let padded = pad(b"x", PACK_HEADER + TAG);
        let (content_key, commitment) = pack_keys(&key, &[9; 32], &site(), &pack_id);
        for (said, opens) in [(commitment, true), (Zeroizing::new([0; 32]), false)] {
            let mut object = [&b"ANP1\0\x01\0\0\0\x01"[..], &[9; 32], said.as_slice()].concat();
            let payload = Payload { msg: &padded, aad: &object.clone() };
            let body = ChaCha20Poly1305::new(&(*content_key).into()).encrypt(&Nonce::default(), payload).unwrap();
            object.extend_from_slice(&body);
            assert_eq!(open_pack(&site(), &pack_id, &key, 1, &object).is_ok(), opens);
        }
    }

    #[test]
    fn padding_that_is_not_zero_or_of_another_size_is_refused() {
        let padded = pad(b"abc", 90);
        let opens = |padded: &[u8]| unpad("it", padded, 90).is_ok();
        assert!(opens(&padded));
        let mut marked = padded.to_vec();
        marked[1024 - 90 - 1] = 1;
        assert!(!opens(&marked));
        assert!(!opens(&[&padded[..], &[0; 1024]].concat()));
        assert!(!opens(&padded[..512]));
        for length in [0_u32, u32::MAX, 1024 - 90 - 3] {
            assert_eq!(opens(&[&length.to_be_bytes()[..], &[0; 930]].concat()), length == 0);
        }
    }

    #[test]
    fn one_changed_bit_or_a_cut_anywhere_is_refused() {
        let keys = SealKeyPair::derive(&Zeroizing::new([3; 32]));
        let locator = Locator([4; 32]);
        let activation = root().seal_activation(&site(), &locator, &keys.public, b"{}").unwrap();
        let pack = root().seal_pack(&site(), &id("p"), None, 1, b"x").unwrap();
        let (pack_id, pack_key) = (root().pack_id(&id("p"), None), root().pack_key(&id("p"), None, 1));
        for (object, open) in [
            (activation, &(|o: &[u8]| open_activation(&site(), &locator, &keys, o).is_ok()) as &dyn Fn(&[u8]) -> bool),
            (pack, &|o: &[u8]| open_pack(&site(), &pack_id, &pack_key, 1, o).is_ok()),
        ] {
            assert!(open(&object));
            for bit in 0..object.len() * 8 {
                let mut changed = object.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!open(&changed), "bit {bit}");
            }
            for length in 0..object.len() {
                assert!(!open(&object[..length]), "cut to {length}");
            }
            assert!(!open(&[&object[..], &[0]].concat()));
        }
    }
}
