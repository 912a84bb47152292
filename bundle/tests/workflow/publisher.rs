//! A publisher in memory. It signs whatever it is told to, so that a test can publish what an honest one never would.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::rc::Rc;
use std::sync::OnceLock;

use anode_bundle::code::Secret;
use anode_bundle::derive::{KdfPolicy, derive};
use anode_bundle::document::MapRoot;
use anode_bundle::index::{self, Entry};
use anode_bundle::name::{Id, KeyId, Locator, SealPublicKey, Sha256, SigningPublicKey, SiteId, tree};
use anode_bundle::pack::{Contents, File, HandOver, Installer, Manifest, SecondStage};
use anode_bundle::seal::SealRoot;
use anode_bundle::signature::{ListedKey, comment};
use anode_bundle::{Moment, Refusal};
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub const HOUR: u64 = 3600;
pub const DAY: u64 = 24 * HOUR;
pub const CODE: &str = "0123-4567-89AB-CDER";
/// A code that nobody published.
pub const OTHER_CODE: &str = "YYYY-YYYY-YYYY-YYY0";

pub type Tree = BTreeMap<String, Vec<u8>>;

/// When every simulated site begins.
pub fn start() -> Moment {
    Moment::parse("2026-11-21T09:00:00Z").unwrap()
}

pub fn site(number: u8) -> SiteId {
    SiteId::from_bytes([number; 16])
}

pub fn debian() -> Id {
    Id::new("debian").unwrap()
}

pub fn exit<T>(result: &Result<T, Refusal>) -> u8 {
    result.as_ref().map_or_else(|refusal| refusal.exit().number(), |_| 0)
}

fn code_derives() -> (Locator, SealPublicKey) {
    static DERIVED: OnceLock<(Locator, SealPublicKey)> = OnceLock::new();
    *DERIVED.get_or_init(|| {
        let kdf = KdfPolicy::standard(Id::new("a").unwrap());
        let derived = derive(&Secret::parse(CODE).unwrap(), &site(7), &kdf).unwrap();
        (derived.locator, derived.seal.public)
    })
}

/// A minisign key.
pub struct Signer {
    secret: minisign::SecretKey,
    pub listed: ListedKey,
}

impl Signer {
    pub fn new() -> Rc<Signer> {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let bytes = pair.pk.to_bytes();
        let id = KeyId::from_le_bytes(bytes[2..10].try_into().unwrap());
        let key = SigningPublicKey(bytes[10..42].try_into().unwrap());
        Rc::new(Signer { secret: pair.sk, listed: ListedKey { id, key } })
    }

    pub fn several(count: usize) -> Vec<Rc<Signer>> {
        (0..count).map(|_| Signer::new()).collect()
    }

    pub fn sign(&self, body: &[u8], said: &str) -> Vec<u8> {
        let untrusted = Some("signature from minisign secret key");
        let file = minisign::sign(None, &self.secret, Cursor::new(body), Some(said), untrusted).unwrap();
        file.into_string().into_bytes()
    }

    /// Signs a document as what it says it is.
    pub fn sign_document(&self, document: &Value, body: &[u8]) -> Vec<u8> {
        let site = SiteId::new(document["site"].as_str().unwrap()).unwrap();
        let kind = document["type"].as_str().unwrap();
        self.sign(body, &comment(kind, document["version"].as_u64().unwrap(), &site))
    }
}

fn listed(keys: &[Rc<Signer>]) -> Value {
    keys.iter().map(|key| serde_json::to_value(&key.listed).unwrap()).collect()
}

pub fn encode(document: &Value) -> Vec<u8> {
    serde_json::to_vec(document).unwrap()
}

/// One site and everything that it published so far.
pub struct Publisher {
    pub id: SiteId,
    pub root_keys: Vec<Rc<Signer>>,
    pub release_key: Rc<Signer>,
    pub timestamp_key: Rc<Signer>,
    /// The newest root, as published.
    pub root: Value,
    /// The newest release, as published.
    pub release: Value,
    /// The newest timestamp, as published.
    pub timestamp: Value,
    /// When the next document is issued.
    pub now: Moment,
    pub tree: Tree,
    seal: SealRoot,
}

impl Publisher {
    /// Three root keys of which two must sign; root 1, release 1 and timestamp 1.
    pub fn new() -> Publisher {
        let mut publisher = Publisher::of_site(7);
        publisher.publish();
        publisher
    }

    /// Root 1 of this site and nothing else.
    pub fn of_site(number: u8) -> Publisher {
        Publisher::with_root_keys(number, 2, &Signer::several(3))
    }

    /// Root 1 with these root keys, signed by all of them.
    pub fn with_root_keys(number: u8, threshold: u64, root_keys: &[Rc<Signer>]) -> Publisher {
        let (release_key, timestamp_key) = (Signer::new(), Signer::new());
        let policy = json!({
            "kdf": [KdfPolicy::standard(Id::new("a").unwrap())],
            "code_length": [16],
            "lifetimes": {"root": 365, "release": 120, "timestamp": 7, "activation": 365},
            "offline_max": 30,
        });
        let root = json!({
            "format": 1, "type": "root", "site": site(number), "name": "Simulated", "version": 0,
            "issued": start(), "expires": start().plus(365 * DAY),
            "roles": {
                "root": {"threshold": threshold, "keys": listed(root_keys)},
                "release": {"threshold": 1, "keys": listed(std::slice::from_ref(&release_key))},
                "timestamp": {"threshold": 1, "keys": listed(std::slice::from_ref(&timestamp_key))},
            },
            "policy": policy, "critical": [],
        });
        let mut publisher = Publisher {
            id: site(number),
            root_keys: root_keys.to_vec(),
            release_key,
            timestamp_key,
            root,
            release: json!({"version": 0}),
            timestamp: json!({"version": 0}),
            now: start(),
            tree: Tree::new(),
            seal: SealRoot::new(&[1; 32], &Zeroizing::new([2; 32])),
        };
        publisher.add_root(root_keys, |_| ());
        publisher
    }

    /// Publishes the next root after `change`, signed by `signers`.
    pub fn add_root(&mut self, signers: &[Rc<Signer>], change: impl FnOnce(&mut Value)) {
        let version = self.root["version"].as_u64().unwrap() + 1;
        self.root["version"] = version.into();
        self.root["issued"] = json!(self.now);
        self.root["expires"] = json!(self.now.plus(365 * DAY));
        change(&mut self.root);
        let body = encode(&self.root);
        for signer in signers {
            let path = tree::root_signature(version, signer.listed.id);
            self.tree.insert(path, signer.sign_document(&self.root, &body));
        }
        self.tree.insert(tree::root(version), body);
    }

    /// Publishes the next root with other root keys, signed by `signers`.
    pub fn rotate_roots(&mut self, threshold: u64, keys: &[Rc<Signer>], signers: &[Rc<Signer>]) {
        self.add_root(signers, |root| {
            root["roles"]["root"] = json!({"threshold": threshold, "keys": listed(keys)});
        });
        self.root_keys = keys.to_vec();
    }

    /// Publishes the next root with another key for `role`.
    pub fn rotate(&mut self, role: &str) {
        let new = Signer::new();
        let signers = self.root_keys.clone();
        self.add_root(&signers, |root| root["roles"][role]["keys"] = listed(std::slice::from_ref(&new)));
        match role {
            "release" => self.release_key = new,
            "timestamp" => self.timestamp_key = new,
            other => panic!("no role `{other}`"),
        }
    }

    /// Release and timestamp with the one activation of [`CODE`].
    pub fn publish(&mut self) {
        self.publish_with(|_| (), |_| ());
    }

    /// The same, with a changed activation and a changed release.
    pub fn publish_with(&mut self, activation: impl FnOnce(&mut Value), release: impl FnOnce(&mut Value)) {
        let mut terms = self.activation();
        activation(&mut terms);
        let (locator, public) = code_derives();
        let sealed = self.seal.seal_activation(&self.id, &locator, &public, &encode(&terms)).unwrap();
        self.publish_objects(Some(sealed), release);
    }

    /// Release and timestamp without any activation of [`CODE`]: it was revoked.
    pub fn revoke(&mut self) {
        self.publish_objects(None, |_| ());
    }

    fn publish_objects(&mut self, sealed: Option<Vec<u8>>, change: impl FnOnce(&mut Value)) {
        // So many codes of other people that the root node lies beside the release and not in it.
        let mut codes: Vec<Entry> = (0..40_u8)
            .map(|other| Entry { key: Sha256::of(&[other]).0, sha256: Sha256::of(b"elsewhere"), length: 1024 })
            .collect();
        codes.extend(sealed.map(|object| self.add_object(code_derives().0.0, object)));
        let pack = self.seal.seal_pack(&self.id, &debian(), None, 1, &self.pack_plaintext()).unwrap();
        let packs = vec![self.add_object(self.seal.pack_id(&debian(), None).0, pack)];
        let (activations, packs) = (self.add_map(codes), self.add_map(packs));

        let mut release = json!({
            "format": 1, "type": "release", "site": self.id, "root": self.root["version"],
            "version": self.release["version"].as_u64().unwrap() + 1,
            "issued": self.now, "expires": self.now.plus(120 * DAY), "offline_until": self.now.plus(30 * DAY),
            "index": {"activations": activations, "packs": packs},
            "public": {"sha256": Sha256::of(b"[]"), "length": 2}, "critical": [],
        });
        change(&mut release);
        let (version, body) = (release["version"].as_u64().unwrap(), encode(&release));
        self.tree.insert(tree::release_signature(version), self.release_key.sign_document(&release, &body));
        self.tree.insert(tree::release(version), body);
        self.release = release;
        self.stamp();
    }

    /// The next timestamp of the newest release.
    pub fn stamp(&mut self) {
        self.stamp_with(|_| ());
    }

    pub fn stamp_with(&mut self, change: impl FnOnce(&mut Value)) {
        let release = self.release["version"].as_u64().unwrap();
        let body = &self.tree[&tree::release(release)];
        let mut timestamp = json!({
            "format": 1, "type": "timestamp", "site": self.id, "root": self.root["version"],
            "version": self.timestamp["version"].as_u64().unwrap() + 1,
            "issued": self.now, "expires": self.now.plus(7 * DAY),
            "release": {"version": release, "length": body.len(), "sha256": Sha256::of(body)}, "critical": [],
        });
        change(&mut timestamp);
        let body = encode(&timestamp);
        let signed = [self.timestamp_key.sign_document(&timestamp, &body), body].concat();
        self.tree.insert(tree::TIMESTAMP.to_owned(), signed);
        self.timestamp = timestamp;
    }

    /// What [`CODE`] unlocks.
    pub fn activation(&self) -> Value {
        let key = self.seal.pack_key(&debian(), None, 1);
        json!({
            "format": 1, "site": self.id, "locator": code_derives().0, "status": "active", "org": "north",
            "label": "pc-07", "not_before": start(), "not_after": start().plus(365 * DAY),
            "offers": [{
                "profile": "debian", "title": "Debian", "generation": 1,
                "pack_id": self.seal.pack_id(&debian(), None), "pack_key": data_encoding::HEXLOWER.encode(&key[..]),
            }],
            "answers": {}, "critical": [],
        })
    }

    fn pack_plaintext(&self) -> Zeroizing<Vec<u8>> {
        let text = |text: &str| text.to_owned();
        let manifest = Manifest {
            format: 1,
            site: self.id.clone(),
            profile: debian(),
            organisation: None,
            title: text("Debian"),
            description: String::new(),
            installer: Installer {
                id: debian(),
                title: text("Debian"),
                version: text("13"),
                architecture: text("amd64"),
            },
            hand_over: HandOver::Files,
            unattended: false,
            second_stage: SecondStage { pinned: true, how: text("nothing is fetched") },
            boot: None,
            files: vec![File {
                path: anode_bundle::name::SafePath::new("preseed.cfg").unwrap(),
                mode: 0o644,
                length: 5,
                inserts: Vec::new(),
            }],
            prompts: Vec::new(),
            ansible: None,
            critical: Vec::new(),
        };
        Contents::new(manifest, vec![b"hello".to_vec()]).unwrap().encode().unwrap()
    }

    fn add_object(&mut self, key: [u8; 32], object: Vec<u8>) -> Entry {
        let (sha256, length) = (Sha256::of(&object), u32::try_from(object.len()).unwrap());
        self.tree.insert(tree::object(&sha256), object);
        Entry { key, sha256, length }
    }

    fn add_map(&mut self, entries: Vec<Entry>) -> MapRoot {
        let count = entries.len() as u64;
        let map = index::build(entries);
        for (hash, node) in map.nodes.into_iter().chain([(Sha256::of(&map.root), map.root.clone())]) {
            self.tree.insert(tree::object(&hash), node);
        }
        MapRoot::new(count, &map.root)
    }

    /// Where the root node of the map of activations lies.
    pub fn index_path(&self) -> String {
        let hash = self.release["index"]["activations"]["sha256"].as_str().unwrap();
        tree::object(&Sha256::parse(hash).unwrap())
    }

    /// Where the sealed activation of [`CODE`] lies.
    pub fn activation_path(&self) -> String {
        let node = &self.tree[&self.index_path()];
        match index::step(node, 0, &code_derives().0.0) {
            Ok(index::Step::Found(entry)) => tree::object(&entry.sha256),
            other => panic!("{other:?}"),
        }
    }
}
