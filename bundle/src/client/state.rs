//! What the medium keeps: signed documents only, verified again at every start (format, section 3). Floors are computed from them, never stored, so a
//! key that the root no longer lists takes its floors with it.

use super::source::Store;
use crate::document::{Document, RELEASE_LIMIT, ROOT_LIMIT, TIMESTAMP_LIMIT};
use crate::error::Refusal;
use crate::name::tree;
use crate::signature::{self, SignatureFile, split_signed};
use crate::trust::{RootStep, Trust};

const FOLDER: &str = "current";
/// More files than this are not read. A root lists at most four keys of each role, so no honest folder has as many; reading what somebody else put
/// there could only cost memory.
const PAIRS: usize = 32;
/// The largest file that holds a timestamp and a release.
pub const PAIR_LIMIT: u64 = 4 + TIMESTAMP_LIMIT + signature::LIMIT + RELEASE_LIMIT;

/// A timestamp and the release it names, in one file so that both are replaced in one step: `u32be length of the timestamp ‖ timestamp ‖ release`,
/// each as signature and body.
#[derive(Clone)]
pub(super) struct Pair {
    timestamp: Vec<u8>,
    release: Vec<u8>,
}

pub(super) struct State<'a> {
    store: Option<&'a mut dyn Store>,
    shipped: Option<Pair>,
    pairs: Vec<Pair>,
    timestamp_floor: u64,
    release_floor: u64,
    /// A root could not be kept, so nothing that may be read only under it is kept either.
    has_gap: bool,
}

impl<'a> State<'a> {
    pub fn new(store: Option<&'a mut dyn Store>, shipped: Option<Pair>) -> State<'a> {
        State { store, shipped, pairs: Vec::new(), timestamp_floor: 0, release_floor: 0, has_gap: false }
    }

    /// Takes the next root from the state, if it is there and valid. A broken one counts as absent: the mirrors are asked for it.
    pub fn root(&mut self, trust: &mut Trust, version: u64) -> bool {
        let Some(store) = self.store.as_mut() else { return false };
        let Some(body) = store.read(&tree::root(version), ROOT_LIMIT) else { return false };
        trust.step(&body, &mut |key| Ok(store.read(&tree::root_signature(version, key), signature::LIMIT))).is_ok()
    }

    /// Signatures first, so that a root that is there is complete.
    pub fn keep_root(&mut self, body: &[u8], step: &RootStep) -> Result<(), String> {
        let Some(store) = self.store.as_mut() else { return Ok(()) };
        let mut signatures = step.signatures.iter();
        let kept = signatures
            .try_for_each(|(key, file)| store.write(&tree::root_signature(step.version, *key), file))
            .and_then(|()| store.write(&tree::root(step.version), body));
        self.has_gap |= kept.is_err();
        kept
    }

    /// Verifies every kept pair under the newest root and computes the floors. What does not verify is dropped.
    pub fn verify(&mut self, trust: &mut Trust, warn: &mut dyn FnMut(String)) {
        self.pairs.clear();
        let mut kept: Vec<(String, Pair)> =
            self.shipped.clone().map(|pair| ("the medium's floor".to_owned(), pair)).into_iter().collect();
        if let Some(store) = self.store.as_mut() {
            for name in store.list(FOLDER).into_iter().take(PAIRS) {
                let path = format!("{FOLDER}/{name}");
                kept.extend(
                    store.read(&path, PAIR_LIMIT).and_then(|bytes| Pair::decode(&bytes)).map(|pair| (path, pair)),
                );
            }
        }
        for (name, pair) in kept {
            if let Ok(timestamp) = trust.timestamp(&pair.timestamp) {
                self.timestamp_floor = self.timestamp_floor.max(timestamp.document.version);
            }
            let release = split_signed(&pair.release).map(|(signature, body)| trust.release(signature, body));
            match release {
                Some(Ok(release)) => self.release_floor = self.release_floor.max(release.document.version()),
                _ => warn(format!("state: `{name}` does not verify under the current root and is not used")),
            }
            self.pairs.push(pair);
        }
    }

    pub fn timestamps(&self) -> Vec<Vec<u8>> {
        self.pairs.iter().map(|pair| pair.timestamp.clone()).collect()
    }

    /// Every kept release, as signature and body.
    pub fn releases(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let split =
            |pair: &Pair| split_signed(&pair.release).map(|(signature, body)| (signature.to_vec(), body.to_vec()));
        self.pairs.iter().filter_map(split).collect()
    }

    pub fn timestamp_floor(&self) -> u64 {
        self.timestamp_floor
    }

    pub fn release_floor(&self) -> u64 {
        self.release_floor
    }

    /// Keeps a verified pair under the names of its keys, and drops what keys that the root no longer lists left behind.
    pub fn keep_pair(&mut self, trust: &Trust, timestamp: &[u8], release: &[u8]) -> Result<(), String> {
        // A pair of a newer root would replace the one that can be read without it.
        let Some(store) = self.store.as_mut().filter(|_| !self.has_gap) else { return Ok(()) };
        let key = |signed: &[u8]| {
            split_signed(signed).and_then(|(file, _)| SignatureFile::parse(file).ok()).map(|file| file.key)
        };
        let (Some(first), Some(second)) = (key(timestamp), key(release)) else { return Ok(()) };
        let length = u32::try_from(timestamp.len()).unwrap_or(u32::MAX);
        let bytes = [&length.to_be_bytes()[..], timestamp, release].concat();
        store.write(&format!("{FOLDER}/{first}-{second}"), &bytes)?;
        let roles = &trust.root().roles;
        for name in store.list(FOLDER) {
            let listed = name.split_once('-').is_some_and(|(first, second)| {
                roles.timestamp.keys.iter().any(|key| key.id.to_string() == first)
                    && roles.release.keys.iter().any(|key| key.id.to_string() == second)
            });
            if !listed {
                store.remove(&format!("{FOLDER}/{name}"));
            }
        }
        Ok(())
    }
}

impl Pair {
    /// The floor that lies on a medium beside its root. Both of its documents verify under that root, or the medium is damaged.
    ///
    /// # Errors
    /// What [`Trust::timestamp`] and [`Trust::release`] say of the two, and [`Refusal::WrongDocument`] for anything else.
    pub fn shipped(bytes: &[u8], trust: &mut Trust) -> Result<Pair, Refusal> {
        let broken =
            || Refusal::wrong("floor", "the file beside the shipped root does not hold a timestamp and a release");
        let pair = Pair::decode(bytes).ok_or_else(broken)?;
        let timestamp = trust.timestamp(&pair.timestamp)?.document;
        let (signature, body) = split_signed(&pair.release).ok_or_else(broken)?;
        trust.release(signature, body)?;
        trust.was_built(timestamp.issued);
        Ok(pair)
    }

    fn decode(bytes: &[u8]) -> Option<Pair> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (timestamp, release) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        Some(Pair { timestamp: timestamp.to_vec(), release: release.to_vec() })
    }
}
