//! A publisher in memory. It signs whatever it is told to, so that a test can publish what an honest one never would.

use std::collections::BTreeMap;
use std::sync::Arc;

use anode_bundle::Moment;
use anode_bundle::derive::KdfPolicy;
use anode_bundle::name::{Id, Sha256, SiteId, tree};
use anode_bundle::seal::SealRoot;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::objects::{CODE, Edition};
use crate::signer::{Signer, listed};

/// Seconds.
pub const HOUR: u64 = 3600;
/// Seconds.
pub const DAY: u64 = 24 * HOUR;

/// A published tree: path to bytes.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// When every simulated site begins.
#[must_use]
pub fn start() -> Moment {
    Moment::parse("2026-11-21T09:00:00Z").unwrap()
}

/// The id of a simulated site.
#[must_use]
pub fn site(number: u8) -> SiteId {
    SiteId::from_bytes([number; 16])
}

/// A document as bytes.
#[must_use]
pub fn encode(document: &Value) -> Vec<u8> {
    serde_json::to_vec(document).unwrap()
}

/// One site and everything that it published so far.
pub struct Publisher {
    /// The site.
    pub id: SiteId,
    /// The keys of the newest root's role `root`.
    pub root_keys: Vec<Arc<Signer>>,
    /// Signs releases.
    pub release_key: Arc<Signer>,
    /// Signs timestamps.
    pub timestamp_key: Arc<Signer>,
    /// The newest root, as published.
    pub root: Value,
    /// The newest release, as published.
    pub release: Value,
    /// The newest timestamp, as published.
    pub timestamp: Value,
    /// When the next document is issued.
    pub now: Moment,
    /// What trusted comments say, instead of the truth.
    pub comment: Option<String>,
    /// What is published.
    pub tree: Tree,
    /// The only file of the next release's pack.
    pub file: &'static [u8],
    /// The newest activations that [`Publisher::publish`] made: code to path.
    pub activations: BTreeMap<String, String>,
    pub(crate) seal: SealRoot,
}

impl Publisher {
    /// Three root keys of which two must sign; root 1, release 1 and timestamp 1.
    #[expect(clippy::new_without_default, reason = "a site that published something is no default")]
    #[must_use]
    pub fn new() -> Publisher {
        let mut publisher = Publisher::of_site(7);
        publisher.publish();
        publisher
    }

    /// Root 1 of this site and nothing else.
    #[must_use]
    pub fn of_site(number: u8) -> Publisher {
        Publisher::with_root_keys(number, 2, &Signer::several(3))
    }

    /// Root 1 with these root keys, signed by all of them.
    #[must_use]
    pub fn with_root_keys(number: u8, threshold: u64, root_keys: &[Arc<Signer>]) -> Publisher {
        Publisher::with_keys(number, threshold, root_keys, Signer::random(), Signer::random())
    }

    /// Root 1 with these keys, signed by all root keys.
    #[must_use]
    pub fn with_keys(
        number: u8,
        threshold: u64,
        root_keys: &[Arc<Signer>],
        release_key: Arc<Signer>,
        timestamp_key: Arc<Signer>,
    ) -> Publisher {
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
            comment: None,
            tree: Tree::new(),
            file: b"hello",
            activations: BTreeMap::new(),
            seal: SealRoot::new(&[1; 32], &Zeroizing::new([2; 32])),
        };
        publisher.add_root(root_keys, |_| ());
        publisher
    }

    /// Publishes the next root after `change`, signed by `signers`.
    pub fn add_root(&mut self, signers: &[Arc<Signer>], change: impl FnOnce(&mut Value)) {
        let version = self.root["version"].as_u64().unwrap() + 1;
        self.root["version"] = version.into();
        self.root["issued"] = json!(self.now);
        self.root["expires"] = json!(self.now.plus(365 * DAY));
        change(&mut self.root);
        let body = encode(&self.root);
        for signer in signers {
            let file = self.sign(signer, &self.root, &body);
            self.tree.insert(tree::root_signature(version, signer.listed.id), file);
        }
        self.tree.insert(tree::root(version), body);
    }

    /// Publishes the next root with other root keys, signed by `signers`.
    pub fn rotate_roots(&mut self, threshold: u64, keys: &[Arc<Signer>], signers: &[Arc<Signer>]) {
        self.add_root(signers, |root| {
            root["roles"]["root"] = json!({"threshold": threshold, "keys": listed(keys)});
        });
        self.root_keys = keys.to_vec();
    }

    /// Publishes the next root with another key for `role`.
    pub fn rotate(&mut self, role: &str) {
        let new = Signer::random();
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
        let mut terms = self.activation(CODE);
        activation(&mut terms);
        self.publish_edition(&Edition { terms: vec![(CODE.to_owned(), terms)], ..Edition::default() }, release);
    }

    /// Release and timestamp without any activation of [`CODE`]: it was revoked.
    pub fn revoke(&mut self) {
        self.publish_edition(&Edition::default(), |_| ());
    }

    /// Release and timestamp of an edition.
    pub fn publish_edition(&mut self, edition: &Edition, change: impl FnOnce(&mut Value)) {
        let (activations, packs) = self.add_objects(edition);
        let mut release = json!({
            "format": 1, "type": "release", "site": self.id, "root": self.root["version"],
            "version": self.release["version"].as_u64().unwrap() + 1,
            "issued": self.now, "expires": self.now.plus(120 * DAY), "offline_until": self.now.plus(30 * DAY),
            "index": {"activations": activations, "packs": packs},
            "public": {"sha256": Sha256::of(b"[]"), "length": 2}, "critical": [],
        });
        change(&mut release);
        let (version, body) = (release["version"].as_u64().unwrap(), encode(&release));
        self.tree.insert(tree::release_signature(version), self.sign(&self.release_key, &release, &body));
        self.tree.insert(tree::release(version), body);
        self.release = release;
        self.stamp();
    }

    /// The next timestamp of the newest release.
    pub fn stamp(&mut self) {
        self.stamp_with(|_| ());
    }

    /// The same, after `change`.
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
        let signed = [self.sign(&self.timestamp_key, &timestamp, &body), body].concat();
        self.tree.insert(tree::TIMESTAMP.to_owned(), signed);
        self.timestamp = timestamp;
    }

    fn sign(&self, signer: &Signer, document: &Value, body: &[u8]) -> Vec<u8> {
        match &self.comment {
            Some(comment) => signer.sign(body, comment),
            None => signer.sign_document(document, body),
        }
    }
}
