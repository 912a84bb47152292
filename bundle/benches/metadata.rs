//! What a new client reads until it knows its activation: bytes and dependent requests at 1,000 to 1,000,000 codes. `ci/bench` prints it.
//!
//! The index is built by the publisher's own builder and its nodes are complete. Bytes are those of *every* code's path; some codes are also looked up by the
//! real client over a network that counts, and what it reads has to be exactly what was computed for it, or there is no figure. Only the activations of
//! these codes are really sealed: how many others lie in the tree changes the nodes and nothing else. There are 1,000 packs.

use std::collections::{BTreeMap, HashMap};

use anode_bundle::client::{Client, FetchError, Request, Setup, Transport};
use anode_bundle::code::{Code, Secret};
use anode_bundle::document::MapRoot;
use anode_bundle::index::{self, Entry, Map, Step};
use anode_bundle::name::{KeyId, Sha256, tree};
use anode_bundle::trust::Clock;
use anode_hostile::{Edition, Publisher, Tree, code_derives, site, start};
use serde_json::json;

/// Codes that the real client looks up, of each size of a map.
const REAL: usize = 8;

/// The root node of their map lies in the release too.
const PACKS: u64 = 1_000;

/// What nobody asks for.
fn elsewhere(number: u64) -> Entry {
    Entry { key: Sha256::of(&number.to_be_bytes()).0, sha256: Sha256::of(b"elsewhere"), length: 1024 }
}

/// Serves a tree and remembers what was read.
struct Counting<'a> {
    tree: &'a Tree,
    read: Vec<(String, usize)>,
}

impl Transport for Counting<'_> {
    fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
        let bytes = self.tree.get(request.path).ok_or_else(|| FetchError::Absent(request.path.to_owned()))?;
        self.read.push((request.path.to_owned(), bytes.len()));
        Ok(bytes.clone())
    }
}

/// What lies between the release and an activation.
struct Path {
    bytes: usize,
    requests: usize,
}

fn path(map: &Map, nodes: &HashMap<Sha256, &[u8]>, key: &[u8; 32]) -> Path {
    let inlined = map.root.len() <= index::INLINE_LIMIT;
    let mut path = if inlined { Path { bytes: 0, requests: 0 } } else { Path { bytes: map.root.len(), requests: 1 } };
    let (mut node, mut depth) = (&map.root[..], 0);
    loop {
        match index::step(node, depth, key).expect("a well-formed node") {
            Step::Child(hash) => (node, depth) = (nodes[&hash], depth + 1),
            Step::Found(_) => return path,
            Step::Absent => panic!("every key was published"),
        }
        path.bytes += node.len();
        path.requests += 1;
    }
}

/// Everything that a client without a state reads from this tree until it has the activation of `code`.
fn activate(publisher: &Publisher, code: &str) -> Vec<(String, usize)> {
    let signatures = publisher.tree.iter().filter_map(|(path, file)| {
        let key = path.strip_prefix("root/1.json.")?.strip_suffix(".minisig")?;
        Some((KeyId::parse(key).expect("a key id"), file.clone()))
    });
    let setup = Setup {
        shipped_root: &publisher.tree[&tree::root(1)],
        shipped_signatures: signatures.collect::<BTreeMap<_, _>>(),
        floor: None,
        mirrors: vec!["https://a".to_owned()],
        clock: Clock { rtc: start(), build: None },
    };
    let mut network = Counting { tree: &publisher.tree, read: Vec::new() };
    let mut ignore = |_| ();
    let mut client = Client::new(setup, &mut network, None, None, &mut ignore).expect("a client");
    client.activate(&Secret::parse(code).expect("a code"), None).expect("an activation");
    network.read
}

fn measure(count: usize, codes: &[String]) {
    let mut publisher = Publisher::of_site(7);
    let terms = codes.iter().map(|code| (code.clone(), publisher.activation(code))).collect();
    publisher.publish_edition(&Edition { terms, ..Edition::default() }, |_| ());
    let mut entries: Vec<_> = (0..(count - codes.len()) as u64).map(elsewhere).collect();
    for code in codes {
        let object = &publisher.tree[&publisher.activations[code]];
        let (sha256, length) = (Sha256::of(object), u32::try_from(object.len()).expect("a short object"));
        entries.push(Entry { key: code_derives(code, &site(7)).0.0, sha256, length });
    }
    let keys: Vec<_> = entries.iter().map(|entry| entry.key).collect();
    let map = index::build(entries);
    let said = json!(MapRoot::new(count as u64, &map.root));
    let packs = json!(MapRoot::new(PACKS, &index::build((0..PACKS).map(elsewhere).collect()).root));
    publisher.publish_edition(&Edition::default(), |release| {
        release["index"] = json!({"activations": said, "packs": packs});
    });
    for (hash, node) in map.nodes.iter().map(|(hash, node)| (*hash, node)).chain([(Sha256::of(&map.root), &map.root)]) {
        publisher.tree.insert(tree::object(&hash), node.clone());
    }

    let version = publisher.release["version"].as_u64().expect("a version");
    let documents: usize = [tree::TIMESTAMP.to_owned(), tree::release(version), tree::release_signature(version)]
        .iter()
        .map(|path| publisher.tree[path].len())
        .sum();
    let nodes: HashMap<_, _> = map.nodes.iter().map(|(hash, node)| (*hash, &node[..])).collect();
    let paths: Vec<_> = keys.iter().map(|key| path(&map, &nodes, key)).collect();
    let mut sealed = 0;
    for code in codes {
        let read = activate(&publisher, code);
        let (activation, metadata) = read.split_last().expect("an activation");
        let expected = path(&map, &nodes, &code_derives(code, &site(7)).0.0);
        let bytes: usize = metadata.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(bytes, documents + expected.bytes, "{read:?}");
        assert_eq!(metadata.len(), 3 + expected.requests, "{read:?}");
        sealed = activation.1;
    }
    let mean = documents + paths.iter().map(|path| path.bytes).sum::<usize>() / count;
    let worst = documents + paths.iter().map(|path| path.bytes).max().expect("a path");
    // The release's signature waits for nothing that the release does not wait for.
    let requests =
        |choose: fn(usize, usize) -> usize| 1 + paths.iter().map(|path| path.requests).reduce(choose).expect("a path");
    let (fewest, most) = (requests(usize::min), requests(usize::max));
    let requests = if fewest == most { most.to_string() } else { format!("{fewest}–{most}") };
    println!("{count}\t{mean}\t{worst}\t{requests}\t{}\t{sealed}", map.nodes.len() + 1);
}

fn main() {
    let mut byte = 0_u8;
    let mut next = || {
        byte = byte.wrapping_mul(5).wrapping_add(47);
        byte
    };
    let codes: Vec<_> =
        (0..REAL).map(|_| Code::generate(16, &mut next).expect("16 symbols").reveal().to_string()).collect();
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        measure(count, &codes);
    }
}
