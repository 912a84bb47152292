//! How long a medium works on what arrived, beside the nearest call that does only the arithmetic. `ci/bench` prints the ratios.
//!
//! Each pair has one name; `ours` does everything that the client does with these bytes, `bare` the cipher, signature or hash alone.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::io::Cursor;
use std::time::Duration;

use anode_bundle::code::Secret;
use anode_bundle::derive::{KdfPolicy, derive};
use anode_bundle::index::{self, Entry, Step};
use anode_bundle::keyed::Key;
use anode_bundle::name::{Id, Locator, Sha256, tree};
use anode_bundle::seal::{SealKeyPair, SealRoot, open_activation, open_pack};
use anode_bundle::signature::split_signed;
use anode_bundle::trust::{Clock, Trust};
use anode_hostile::{CODE, Publisher, encode, site, start};
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use criterion::{Criterion, criterion_group, criterion_main};
use data_encoding::BASE64;

/// Timestamp and release: the signature file and the document, from bytes to something trusted. Beside it `minisign`, which knows of no document.
fn verify(criterion: &mut Criterion) {
    let publisher = Publisher::new();
    let tree = &publisher.tree;
    let clock = Clock { rtc: start(), build: None };
    let mut signatures = |key| Ok(tree.get(&tree::root_signature(1, key)).cloned());
    let mut trust = Trust::start(&tree[&tree::root(1)], &mut signatures, clock).unwrap();

    let signed = &tree[tree::TIMESTAMP];
    let mut group = criterion.benchmark_group("verify-timestamp");
    group.bench_function("ours", |b| b.iter(|| trust.timestamp(black_box(signed)).unwrap()));
    let (signature, body) = split_signed(signed).unwrap();
    let key = minisign_key(&publisher.timestamp_key);
    group.bench_function("bare", |b| b.iter(|| minisign_verifies(&key, black_box(signature), black_box(body))));
    group.finish();

    let (signature, body) = (&tree[&tree::release_signature(1)], &tree[&tree::release(1)]);
    let mut group = criterion.benchmark_group("verify-release");
    group.bench_function("ours", |b| b.iter(|| trust.release(black_box(signature), black_box(body)).unwrap()));
    let key = minisign_key(&publisher.release_key);
    group.bench_function("bare", |b| b.iter(|| minisign_verifies(&key, black_box(signature), black_box(body))));
    group.finish();
}

fn minisign_key(signer: &anode_hostile::Signer) -> minisign::PublicKey {
    let bytes = [b"Ed", &signer.listed.id.to_le_bytes()[..], &signer.listed.key.0].concat();
    minisign::PublicKey::from_base64(&BASE64.encode(&bytes)).unwrap()
}

fn minisign_verifies(key: &minisign::PublicKey, signature: &[u8], body: &[u8]) {
    let signature = minisign::SignatureBox::from_string(std::str::from_utf8(signature).unwrap()).unwrap();
    minisign::verify(key, &signature, Cursor::new(body), true, false, false).unwrap();
}

/// An activation of the smallest size class, beside one call of `hpke`; a pack of 1 MiB, beside one call of `chacha20poly1305`.
fn unseal(criterion: &mut Criterion) {
    type Kem = hpke::kem::X25519HkdfSha256;
    type Aead = hpke::aead::ChaCha20Poly1305;
    type Kdf = hpke::kdf::HkdfSha256;

    let (seal, ikm) = (SealRoot::new(&[1; 32], &Key::new([2; 32])), Key::new([3; 32]));
    let (site, locator, keys) = (site(7), Locator([4; 32]), SealKeyPair::derive(&ikm));
    let json = encode(&Publisher::of_site(7).activation(CODE));
    let object = seal.seal_activation(&site, &locator, &keys.public, &json).unwrap();
    let (secret, public) = <Kem as hpke::Kem>::derive_keypair(ikm.as_slice());
    let text = vec![0; object.len() - 58];
    let mut random = Zeros;
    let (enc, sealed) =
        hpke::single_shot_seal_with_rng::<Aead, Kdf, Kem>(&hpke::OpModeS::Base, &public, b"", &text, b"", &mut random)
            .unwrap();
    let mut group = criterion.benchmark_group(format!("unseal-activation-{}", object.len()));
    group.bench_function("ours", |b| b.iter(|| open_activation(&site, &locator, &keys, black_box(&object)).unwrap()));
    let mode = hpke::OpModeR::Base;
    group.bench_function("bare", |b| {
        b.iter(|| {
            hpke::single_shot_open::<Aead, Kdf, Kem>(&mode, &secret, &enc, b"", black_box(&sealed), b"").unwrap()
        });
    });
    group.finish();

    let profile = Id::new("debian").unwrap();
    let plain = vec![9; (1 << 20) - 100];
    let object = seal.seal_pack(&site, &profile, None, 1, &plain).unwrap();
    let (pack_id, key) = (seal.pack_id(&profile, None), seal.pack_key(&profile, None, 1));
    let cipher = ChaCha20Poly1305::new(&[5; 32].into());
    let sealed = cipher.encrypt(&Nonce::default(), &vec![0; object.len() - 90][..]).unwrap();
    let mut group = criterion.benchmark_group(format!("unseal-pack-{}", object.len()));
    group.bench_function("ours", |b| b.iter(|| open_pack(&site, &pack_id, &key, 1, black_box(&object)).unwrap()));
    group.bench_function("bare", |b| {
        b.iter(|| cipher.decrypt(&Nonce::default(), black_box(&sealed[..])).unwrap());
    });
    group.finish();
}

/// Where `hpke` draws a key that nobody keeps secret.
struct Zeros;

impl rand_core::TryRng for Zeros {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.fill(0);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Zeros {}

/// From the root node to a key's entry, every node hashed and checked as the client does. Beside it the hashes alone, and a `BTreeMap` in memory, which
/// proves nothing to anybody.
fn look_up(criterion: &mut Criterion) {
    for count in [1_000_u32, 10_000, 100_000, 1_000_000] {
        let entry = |number: u32| Entry {
            key: Sha256::of(&number.to_be_bytes()).0,
            sha256: Sha256::of(b"elsewhere"),
            length: 1024,
        };
        let entries: Vec<_> = (0..count).map(entry).collect();
        let memory: BTreeMap<_, _> = entries.iter().map(|entry| (entry.key, *entry)).collect();
        // As many keys as are looked up in one iteration of everything below, spread over the whole map.
        let wanted: Vec<_> = entries.iter().step_by(count as usize / 100).map(|entry| entry.key).collect();
        let map = index::build(entries);
        let nodes: HashMap<_, _> = map.nodes.into_iter().collect();
        let walk = |key: &[u8; 32], visit: &mut dyn FnMut(&[u8], u8) -> Step| {
            let (mut node, mut depth) = (&map.root, 0);
            loop {
                match visit(node, depth) {
                    Step::Child(hash) => (node, depth) = (&nodes[&hash], depth + 1),
                    Step::Found(entry) => return entry,
                    Step::Absent => panic!("{key:?} is there"),
                }
            }
        };
        let paths: Vec<Vec<Vec<u8>>> = wanted
            .iter()
            .map(|key| {
                let mut path = Vec::new();
                walk(key, &mut |node, depth| {
                    path.push(node.to_vec());
                    index::step(node, depth, key).unwrap()
                });
                path
            })
            .collect();
        let mut group = criterion.benchmark_group(format!("look-up-100-of-{count}"));
        group.bench_function("ours", |b| {
            b.iter(|| {
                for key in &wanted {
                    walk(key, &mut |node, depth| {
                        black_box(Sha256::of(node));
                        index::step(node, depth, key).unwrap()
                    });
                }
            });
        });
        group.bench_function("bare", |b| {
            b.iter(|| {
                for node in paths.iter().flatten() {
                    black_box(Sha256::of(black_box(node)));
                }
            });
        });
        group.bench_function("btreemap", |b| {
            b.iter(|| {
                for key in &wanted {
                    black_box(memory.get(black_box(key)));
                }
            });
        });
        group.finish();
    }
}

/// A code's locator and keys, beside Argon2id alone.
fn stretch(criterion: &mut Criterion) {
    let secret = Secret::parse(CODE).unwrap();
    let kdf = KdfPolicy::standard(Id::new("a").unwrap());
    let mut group = criterion.benchmark_group("derive");
    group.sample_size(10);
    group.bench_function("ours", |b| b.iter(|| derive(black_box(&secret), &site(7), &kdf).unwrap()));
    let params = argon2::Params::new(65_536, 3, 1, Some(32)).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    group.bench_function("bare", |b| {
        b.iter(|| {
            let mut out = [0; 32];
            argon2.hash_password_into(black_box(b"0123456789ABCDER"), &[0; 32], &mut out).unwrap();
            out
        });
    });
    group.finish();
}

criterion_group! {
    name = speed;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = verify, unseal, look_up, stretch
}
criterion_main!(speed);
