//! Auditing a whole tree: every signature, every index node, every object, every lifetime; all findings in one run.

use anode_bundle::client::{Event, Request, Snapshot, Transport};
use anode_bundle::document::{Document as _, MapRoot, MapStart, Root};
use anode_bundle::index::{self, Entry, Node};
use anode_bundle::name::{Sha256, tree};
use anode_bundle::signature::{self, ListedKey};
use anode_bundle::trust::{Clock, Trust};
use anode_bundle::{Moment, Refusal, document, seal};
use anode_fetch::activate::{Shipped, Sources};
use serde::Serialize;

use crate::documents::Signed;
use crate::expiry::Expiry;

/// What was found in a tree.
#[derive(Debug, Serialize)]
pub struct Audit {
    /// The site's id.
    pub site: String,
    /// The site's name.
    pub name: String,
    /// The newest root's version, and when it expires.
    pub root: Dated,
    /// The current release.
    pub release: Dated,
    /// The current timestamp.
    pub timestamp: Dated,
    /// Sealed activations.
    pub activations: u64,
    /// Sealed packs.
    pub packs: u64,
    /// Bytes of everything that was read and is referred to.
    pub bytes: u64,
    /// What is wrong, or will be soon.
    pub findings: Vec<Finding>,
    /// The keys that sign releases now.
    #[serde(skip)]
    pub release_keys: Vec<ListedKey>,
}

/// A document's version and end.
#[derive(Debug, Serialize)]
pub struct Dated {
    /// Its version.
    pub version: u64,
    /// When it expires.
    pub expires: Moment,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The tree must not be used as it is; otherwise it is a warning.
    pub fatal: bool,
    /// The file in the tree.
    pub what: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl Audit {
    /// Is there nothing that forbids the use of the tree?
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.findings.iter().any(|finding| finding.fatal)
    }
}

/// Audits the tree at `base`, beginning with a root that is already trusted.
///
/// # Errors
/// What the medium would say, if it can not even reach a release.
pub fn audit(transport: &mut dyn Transport, base: &str, shipped: &Shipped, now: Moment) -> Result<Audit, Refusal> {
    let clock = Clock { rtc: now, build: None };
    let mut findings = Vec::new();
    let mut observe = |event: Event| {
        if let Event::Warning(problem) = event {
            findings.push(Finding { fatal: false, what: base.to_owned(), problem });
        }
    };
    let mut sources = Sources { transport, state: None, cache: None };
    let mut client = sources.client(shipped, &[base.to_owned()], clock, &mut observe)?;
    // The address that was named is the one that is audited, not the mirrors that its policy names.
    let snapshot = client.refresh()?;
    let (root, now) = (client.root().clone(), client.now());
    drop(client);
    let Sources { transport, .. } = sources;
    if snapshot.source != base {
        let problem = format!("a mirror is newer: {} has timestamp {}", snapshot.source, snapshot.timestamp.version);
        findings.push(Finding { fatal: true, what: base.to_owned(), problem });
    }
    let mut walk = Walk { transport, base, now, bytes: 0, findings };
    walk.first_root(shipped, clock);
    walk.stock_timestamp(&snapshot);
    let activations = walk.map("activations", &snapshot.release.index.activations, seal::ACTIVATION_LIMIT);
    let packs = walk.map("packs", &snapshot.release.index.packs, seal::PACK_LIMIT);
    let public = snapshot.release.public;
    walk.object("the list of public profiles", &public.sha256, public.length, Some(public.length));
    walk.lifetimes(&root, &snapshot, now);
    Ok(Audit {
        site: root.site.to_string(),
        name: root.name,
        root: Dated { version: root.version, expires: root.expires },
        release: Dated { version: snapshot.release.version, expires: snapshot.release.expires },
        timestamp: Dated { version: snapshot.timestamp.version, expires: snapshot.timestamp.expires },
        activations,
        packs,
        bytes: walk.bytes,
        findings: walk.findings,
        release_keys: root.roles.release.keys,
    })
}

struct Walk<'a> {
    transport: &'a mut dyn Transport,
    base: &'a str,
    now: Moment,
    bytes: u64,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    fn fatal(&mut self, what: &str, problem: String) {
        self.findings.push(Finding { fatal: true, what: what.to_owned(), problem });
    }

    fn get(&mut self, path: &str, limit: u64) -> Option<Vec<u8>> {
        match self.transport.get(&Request { base: self.base, path, limit, now: self.now }) {
            Ok(bytes) => {
                self.bytes += bytes.len() as u64;
                Some(bytes)
            }
            Err(error) => {
                self.fatal(path, format!("{error}; publish again"));
                None
            }
        }
    }

    fn object(&mut self, what: &str, hash: &Sha256, limit: u64, length: Option<u64>) -> Option<Vec<u8>> {
        let path = tree::object(hash);
        let bytes = self.get(&path, limit)?;
        let right = Sha256::of(&bytes) == *hash && length.is_none_or(|length| length == bytes.len() as u64);
        if right {
            return Some(bytes);
        }
        self.fatal(&path, format!("{what} has other bytes than its name says; publish again"));
        None
    }

    /// The tree's own copy of the root that was trusted beforehand: no medium reads it, people check it by hand.
    fn first_root(&mut self, shipped: &Shipped, clock: Clock) {
        let Ok(root) = Root::parse(&shipped.root) else { return };
        let path = tree::root(root.version);
        let Some(body) = self.get(&path, document::ROOT_LIMIT) else { return };
        if body != shipped.root {
            return self.fatal(&path, "is not the root that the audit began with; publish again".to_owned());
        }
        let (base, now) = (self.base, self.now);
        let mut signatures = |key| {
            let path = tree::root_signature(root.version, key);
            Ok(self.transport.get(&Request { base, path: &path, limit: signature::LIMIT, now }).ok())
        };
        if let Err(refusal) = Trust::start(&body, &mut signatures, clock) {
            self.fatal(&path, format!("{refusal}; publish again"));
        }
    }

    /// The parts for people must be the parts that the medium reads.
    fn stock_timestamp(&mut self, snapshot: &Snapshot) {
        let Some(signed) = self.get(tree::TIMESTAMP, document::TIMESTAMP_LIMIT) else { return };
        let Some(signed) = Signed::split(&signed) else { return };
        let [body, signature, _] = signed.timestamp_files();
        for (path, wanted) in [body, signature] {
            if self.get(path, document::TIMESTAMP_LIMIT).is_some_and(|found| found != wanted) {
                self.fatal(path, format!("is not the part of `{}` that it must be; publish again", tree::TIMESTAMP));
            }
        }
        let release = snapshot.release.version;
        self.get(&tree::release(release), document::RELEASE_LIMIT);
        self.get(&tree::release_signature(release), signature::LIMIT);
    }

    /// Walks a whole map and reads every object in it; the number of its keys.
    fn map(&mut self, name: &str, map: &MapRoot, limit: u64) -> u64 {
        let root = match map.start() {
            Ok(MapStart::Inline(node)) => Some(node),
            Ok(MapStart::Object(hash)) => self.object("an index node", &hash, index::NODE_LIMIT, None),
            Err(refusal) => {
                self.fatal(name, refusal.to_string());
                None
            }
        };
        let Some(root) = root else { return 0 };
        if let Err(refusal) = index::check_root(&root, map.count) {
            self.fatal(name, refusal.to_string());
        }
        let mut entries = Vec::new();
        self.node(name, &root, 0, &[0; 32], &mut entries);
        // A medium sees one path and can not tell; here all keys are known, and with them the one shape that their index can have.
        if entries.len() as u64 != map.count {
            self.fatal(name, format!("the index has {} keys, and the release says {}", entries.len(), map.count));
        } else if MapRoot::new(map.count, &index::build(entries.clone()).root) != *map {
            self.fatal(name, "the index has another shape than its keys demand; publish again".to_owned());
        }
        for entry in &entries {
            let length = u64::from(entry.length);
            if length > limit {
                self.fatal(name, format!("an object of {length} bytes is larger than the medium reads"));
            } else {
                self.object("a sealed object", &entry.sha256, length, Some(length));
            }
        }
        entries.len() as u64
    }

    fn node(&mut self, name: &str, node: &[u8], depth: u8, on_path: &[u8; 32], entries: &mut Vec<Entry>) {
        match index::read(node, depth, on_path) {
            Ok(Node::Leaf(found)) => entries.extend(found),
            Ok(Node::Inner(children)) => {
                for (child, hash) in children {
                    let below = index::descend(on_path, depth, child);
                    if let Some(node) = self.object("an index node", &hash, index::NODE_LIMIT, None) {
                        self.node(name, &node, depth + 1, &below, entries);
                    }
                }
            }
            Err(refusal) => self.fatal(name, refusal.to_string()),
        }
    }

    fn lifetimes(&mut self, root: &Root, snapshot: &Snapshot, now: Moment) {
        let ends = [Expiry::of(root, now), Expiry::of(&snapshot.release, now), Expiry::of(&snapshot.timestamp, now)];
        for end in ends {
            if let Some(problem) = end.warning() {
                self.findings.push(Finding { fatal: false, what: end.document.to_owned(), problem });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use anode_bundle::client::FetchError;

    use super::*;

    struct Objects(BTreeMap<String, Vec<u8>>);

    impl Objects {
        fn add(&mut self, bytes: &[u8]) -> Sha256 {
            let hash = Sha256::of(bytes);
            self.0.insert(tree::object(&hash), bytes.to_vec());
            hash
        }
    }

    impl Transport for Objects {
        fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
            self.0.get(request.path).cloned().ok_or_else(|| FetchError::Absent(request.path.to_owned()))
        }
    }

    fn problems(objects: &mut Objects, map: &MapRoot) -> Vec<String> {
        let now = Moment::EPOCH;
        let mut walk = Walk { transport: objects, base: "", now, bytes: 0, findings: Vec::new() };
        assert_eq!(walk.map("packs", map, 100), map.count);
        walk.findings.into_iter().map(|finding| finding.problem).collect()
    }

    #[test]
    fn an_index_of_another_shape_than_its_keys_demand_is_found() {
        let mut objects = Objects(BTreeMap::new());
        let object = objects.add(b"x");
        let entry = |number: u32| Entry { key: Sha256::of(&number.to_be_bytes()).0, sha256: object, length: 1 };
        let built = index::build((0..200).map(entry).collect());
        for (_, node) in &built.nodes {
            objects.add(node);
        }
        assert_eq!(problems(&mut objects, &MapRoot::new(200, &built.root)), [""; 0]);

        // The first leaf, which has one key in it or a few, becomes an inner node with leaves of one entry each.
        let (_, leaf) = &built.nodes[0];
        let fifth = |key: &[u8]| (u16::from_be_bytes([key[0], key[1]]) >> 6) & 31;
        let (mut bitmap, mut hashes) = (0_u32, Vec::new());
        for group in leaf[8..].as_chunks::<68>().0.chunk_by(|a, b| fifth(a) == fifth(b)) {
            let deeper = [&b"ANX1\x01\x02\0"[..], &[group.len() as u8], group.as_flattened()].concat();
            bitmap |= 1 << (31 - fifth(&group[0]));
            hashes.extend_from_slice(objects.add(&deeper).as_bytes());
        }
        let count = bitmap.count_ones() as u8;
        let inner = [&b"ANX1\0\x01\0"[..], &[count], &bitmap.to_be_bytes(), &hashes].concat();
        let mut root = built.root.clone();
        root[12..44].copy_from_slice(objects.add(&inner).as_bytes());
        let wanted = ["the index has another shape than its keys demand; publish again"];
        assert_eq!(problems(&mut objects, &MapRoot::new(200, &root)), wanted);

        // The root node of few keys lies in the release, and nowhere else.
        let few = index::build((0..3).map(entry).collect()).root;
        let named = MapRoot { count: 3, node: None, sha256: Some(objects.add(&few)) };
        assert_eq!(problems(&mut objects, &named), wanted);
    }
}
