//! What a release of the simulated publisher refers to: sealed activations, a sealed pack, and the two maps; and the ways in which it lies in them.

use anode_bundle::code::Secret;
use anode_bundle::derive::{KdfPolicy, derive};
use anode_bundle::document::MapRoot;
use anode_bundle::index::{self, Entry, Node};
use anode_bundle::name::{Id, Locator, SafePath, SealPublicKey, Sha256, SiteId, tree};
use anode_bundle::pack::{Contents, File, HandOver, Installer, Manifest, SecondStage};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::publisher::{DAY, Publisher, encode, start};

/// The code that every publisher publishes.
pub const CODE: &str = "0123-4567-89AB-CDER";
/// A code that nobody published.
pub const OTHER_CODE: &str = "YYYY-YYYY-YYYY-YYY0";

/// What a release holds.
pub struct Edition {
    /// Codes and what they unlock.
    pub terms: Vec<(String, Value)>,
    /// So many codes of other people. From 129 on the map has more than one node.
    pub others: u16,
    /// A lie that is signed.
    pub forgery: Option<Forgery>,
}

impl Default for Edition {
    /// No code of ours, and so many of others that the root node lies beside the release and not in it.
    fn default() -> Edition {
        Edition { terms: Vec::new(), others: 40, forgery: None }
    }
}

/// Which bytes of an edition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "hosts", derive(serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Part {
    /// Every sealed activation.
    Activation,
    /// The sealed pack.
    Pack,
    /// The root node of the map of activations.
    Node,
}

/// How a publisher lies in what it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forgery {
    /// Other bytes in a part, before it is hashed.
    Overwrite {
        /// Where.
        part: Part,
        /// From which byte on.
        at: usize,
        /// What is there then.
        bytes: Vec<u8>,
    },
    /// The locator of each code leads to the activation of the next one.
    ExchangeActivations,
    /// The node of the first code and its neighbour change places below the root node.
    ExchangeNodes,
    /// The maps say that they have one key more.
    CountOneMore,
}

/// The profile of every simulated pack.
#[must_use]
pub fn debian() -> Id {
    Id::new("debian").unwrap()
}

/// What codes derive at the first simulated site, written down so that not every process of the tests spends the time again.
const KNOWN: [(&str, &str, &str); 2] = [
    (
        CODE,
        "8cae3f0185fb3d72b386087f8aac772675e86ba5d6135a4f12dd759992645a97",
        "15b7b34d55fd7dcc83a62c53fcf84de45ce58f5bb70b34b04636a0ca9959471e",
    ),
    (
        "YXWV-TSRQ-PNMK-JHG6",
        "f0aa7695ad364296766cc1d4fac97210e8f470ff3f6de5639dedcf6f6ddbd5da",
        "e26d4efe5c79672a4cdb96c929ea0e9c0093bf2dcd6867bb729f09eda60beb12",
    ),
];

/// Locator and public key of a code at a site.
#[must_use]
pub fn code_derives(code: &str, site: &SiteId) -> (Locator, SealPublicKey) {
    let known = KNOWN.iter().find(|(known, ..)| *known == code && *site == first_site());
    match known {
        Some((_, locator, public)) => (Locator::parse(locator).unwrap(), SealPublicKey::parse(public).unwrap()),
        None => derive_now(code, site),
    }
}

fn first_site() -> SiteId {
    crate::publisher::site(7)
}

fn derive_now(code: &str, site: &SiteId) -> (Locator, SealPublicKey) {
    let kdf = KdfPolicy::standard(Id::new("a").unwrap());
    let derived = derive(&Secret::parse(code).unwrap(), site, &kdf).unwrap();
    (derived.locator, derived.seal.public)
}

impl Publisher {
    /// What a code unlocks.
    #[must_use]
    pub fn activation(&self, code: &str) -> Value {
        let key = self.seal.pack_key(&debian(), None, 1);
        json!({
            "format": 1, "site": self.id, "locator": code_derives(code, &self.id).0, "status": "active", "org": "north",
            "label": "pc-07", "not_before": start(), "not_after": start().plus(365 * DAY),
            "offers": [{
                "profile": "debian", "title": "Debian", "generation": 1,
                "pack_id": self.seal.pack_id(&debian(), None), "pack_key": data_encoding::HEXLOWER.encode(&key[..]),
            }],
            "answers": {}, "critical": [],
        })
    }

    /// Adds the objects of an edition to the tree: the maps of activations and packs.
    pub(crate) fn add_objects(&mut self, edition: &Edition) -> (MapRoot, MapRoot) {
        let forgery = edition.forgery.as_ref();
        let mut codes: Vec<Entry> = (0..edition.others)
            .map(|other| {
                let name = u8::try_from(other).map_or(other.to_be_bytes().to_vec(), |other| vec![other]);
                Entry { key: Sha256::of(&name).0, sha256: Sha256::of(b"elsewhere"), length: 1024 }
            })
            .collect();
        let mut ours = Vec::new();
        for (code, terms) in &edition.terms {
            let (locator, public) = code_derives(code, &self.id);
            let sealed = self.seal.seal_activation(&self.id, &locator, &public, &encode(terms)).unwrap();
            let entry = self.add_object(locator.0, overwrite(forgery, Part::Activation, sealed));
            self.activations.insert(code.clone(), tree::object(&entry.sha256));
            ours.push(entry);
        }
        if forgery == Some(&Forgery::ExchangeActivations) {
            let mut objects: Vec<_> = ours.iter().map(|entry| (entry.sha256, entry.length)).collect();
            objects.rotate_left(1);
            for (entry, (sha256, length)) in ours.iter_mut().zip(objects) {
                (entry.sha256, entry.length) = (sha256, length);
            }
        }
        codes.extend(ours);
        let plain = pack_plaintext(&self.id, self.file);
        let pack = self.seal.seal_pack(&self.id, &debian(), None, 1, &plain).unwrap();
        let pack_id = self.seal.pack_id(&debian(), None).0;
        let packs = vec![self.add_object(pack_id, overwrite(forgery, Part::Pack, pack))];
        let first = edition.terms.first().map(|(code, _)| code_derives(code, &self.id).0);
        (self.add_map(codes, forgery, first), self.add_map(packs, None, None))
    }

    fn add_object(&mut self, key: [u8; 32], object: Vec<u8>) -> Entry {
        let (sha256, length) = (Sha256::of(&object), u32::try_from(object.len()).unwrap());
        self.tree.insert(tree::object(&sha256), object);
        Entry { key, sha256, length }
    }

    fn add_map(&mut self, entries: Vec<Entry>, forgery: Option<&Forgery>, first: Option<Locator>) -> MapRoot {
        let count = entries.len() as u64 + u64::from(forgery == Some(&Forgery::CountOneMore));
        let map = index::build(entries);
        let mut root = overwrite(forgery, Part::Node, map.root);
        if forgery == Some(&Forgery::ExchangeNodes) {
            exchange_nodes(&mut root, &first.expect("a code").0);
        }
        for (hash, node) in map.nodes.into_iter().chain([(Sha256::of(&root), root.clone())]) {
            self.tree.insert(tree::object(&hash), node);
        }
        MapRoot::new(count, &root)
    }

    /// Where the root node of the map of activations lies.
    #[must_use]
    pub fn index_path(&self) -> String {
        let hash = self.release["index"]["activations"]["sha256"].as_str().expect("a root node beside the release");
        tree::object(&Sha256::parse(hash).unwrap())
    }

    /// Where the sealed activation of [`CODE`] lies.
    #[must_use]
    pub fn activation_path(&self) -> String {
        self.activations[CODE].clone()
    }

    /// Where the sealed pack lies.
    #[must_use]
    pub fn pack_path(&self) -> String {
        let node = self.release["index"]["packs"]["node"].as_str().expect("an inlined node");
        let node = data_encoding::BASE64.decode(node.as_bytes()).unwrap();
        match index::step(&node, 0, &self.seal.pack_id(&debian(), None).0) {
            Ok(index::Step::Found(entry)) => tree::object(&entry.sha256),
            other => panic!("{other:?}"),
        }
    }
}

fn overwrite(forgery: Option<&Forgery>, wanted: Part, mut object: Vec<u8>) -> Vec<u8> {
    if let Some(Forgery::Overwrite { part, at, bytes }) = forgery
        && *part == wanted
    {
        object[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    object
}

/// The hashes of an inner node lie one behind the other after 12 bytes.
fn exchange_nodes(root: &mut [u8], key: &[u8; 32]) {
    let Ok(Node::Inner(children)) = index::read(root, 0, key) else { panic!("a map of more than 128 keys") };
    let wanted = u32::from(key[0] >> 3);
    let place = children.iter().position(|(child, _)| *child == wanted).expect("the child on the path of the code");
    let neighbour = if place == 0 { 1 } else { place - 1 };
    for byte in 0..32 {
        root.swap(12 + 32 * place + byte, 12 + 32 * neighbour + byte);
    }
}

fn pack_plaintext(site: &SiteId, file: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = |text: &str| text.to_owned();
    let manifest = Manifest {
        format: 1,
        site: site.clone(),
        profile: debian(),
        organisation: None,
        title: text("Debian"),
        description: String::new(),
        installer: Installer { id: debian(), title: text("Debian"), version: text("13"), architecture: text("amd64") },
        hand_over: HandOver::Files,
        unattended: false,
        second_stage: SecondStage { pinned: true, how: text("nothing is fetched") },
        boot: None,
        files: vec![File {
            path: SafePath::new("preseed.cfg").unwrap(),
            mode: 0o644,
            length: file.len() as u64,
            inserts: Vec::new(),
        }],
        prompts: Vec::new(),
        ansible: None,
        critical: Vec::new(),
    };
    Contents::new(manifest, vec![file.to_vec()]).unwrap().encode().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_what_the_codes_derive() {
        let derived = KNOWN.map(|(code, ..)| {
            let (locator, public) = derive_now(code, &first_site());
            (code, locator.to_string(), public.to_string())
        });
        assert_eq!(derived, KNOWN.map(|(code, locator, public)| (code, locator.to_owned(), public.to_owned())));
    }
}
