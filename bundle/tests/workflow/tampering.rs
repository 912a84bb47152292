//! Every single-bit flip, every cut and every appended byte of everything that a site publishes: none is accepted.
//!
//! What is claimed, exactly. Signed documents, signature files, sealed activations and packs are refused *on their own*: by the signature or by the
//! authenticated encryption, without help from the hash that their parent names. A changed index node is refused by that hash, which is all the format
//! gives it: seen alone, its form betrays a wrong magic, kind, depth, count, bitmap or length, and not a changed hash inside it.
//! Nothing is sampled: each judge is called for every change, and the number of changes is compared with what the length of the bytes says.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anode_bundle::Refusal;
use anode_bundle::activation::Offer;
use anode_bundle::client::{Client, FetchError, Request, Setup, Transport};
use anode_bundle::document::{MapRoot, MapStart};
use anode_bundle::index::{self, Entry, Node};
use anode_bundle::name::{Locator, PackId, Sha256, tree};
use anode_bundle::seal::{SealKeyPair, SealRoot, open_activation, open_pack};
use anode_bundle::trust::{Clock, Trust};
use zeroize::Zeroizing;

use crate::simulator::*;

/// Hands every change of `good` to `refuses`, which says whether it was refused; gives the number of changes.
fn refuse_every_change(what: &str, good: &[u8], mut refuses: impl FnMut(&[u8]) -> bool) -> usize {
    assert!(!refuses(good), "{what} is refused as it was published");
    let mut count = 0;
    let mut try_one = |changed: &[u8], change: &dyn Fn() -> String| {
        assert!(refuses(changed), "{what} is accepted after {}", change());
        count += 1;
    };
    let mut changed = good.to_vec();
    for bit in 0..good.len() * 8 {
        changed[bit / 8] ^= 1 << (bit % 8);
        try_one(&changed, &|| format!("bit {} of byte {} was flipped", bit % 8, bit / 8));
        changed[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(changed, good);
    for length in 0..good.len() {
        try_one(&good[..length], &|| format!("it was cut to {length} bytes"));
    }
    for byte in 0..=255 {
        try_one(&[good, &[byte]].concat(), &|| format!("byte {byte:#04x} was appended"));
    }
    assert!(!refuses(good), "the judge of {what} does not judge the same twice");
    assert_eq!(count, changes(good.len()), "{what}");
    count
}

/// Eight flips and one cut for each byte, and one of 256 bytes behind them.
fn changes(length: usize) -> usize {
    9 * length + 256
}

/// Two root keys that must both sign, so that no signature file is one that a reader may leave unread; roots 1 and 2, release and timestamp.
fn publisher() -> Publisher {
    let mut publisher = Publisher::with_root_keys(7, 2, &Signer::several(2));
    let signers = publisher.root_keys.clone();
    publisher.add_root(&signers, |_| ());
    publisher.publish();
    publisher
}

fn clock() -> Clock {
    Clock { rtc: start().plus(HOUR), build: Some(start()) }
}

/// A client who knows root 1, and goes on with the documents that are served.
struct Reader {
    trust: Trust,
}

impl Reader {
    fn of_root_1(files: &Tree) -> Option<Reader> {
        let brought = &mut |key| Ok(files.get(&tree::root_signature(1, key)).cloned());
        let trust = Trust::start(&files[&tree::root(1)], brought, clock()).ok()?;
        Some(Reader { trust })
    }

    fn takes_root_2(&mut self, files: &Tree) -> bool {
        let brought = &mut |key| Ok(files.get(&tree::root_signature(2, key)).cloned());
        self.trust.step(&files[&tree::root(2)], brought).is_ok()
    }

    fn takes_timestamp(&mut self, files: &Tree) -> bool {
        self.trust.timestamp(&files[tree::TIMESTAMP]).is_ok()
    }

    /// The hash that the timestamp names is not looked at: the signature is enough.
    fn takes_release(&mut self, files: &Tree) -> bool {
        self.trust.release(&files[&tree::release_signature(1)], &files[&tree::release(1)]).is_ok()
    }
}

#[test]
fn no_change_of_a_signed_document_or_signature_file_is_accepted() {
    let mut files = publisher().tree;
    files.retain(|path, _| !path.starts_with("objects/"));
    let good = files.clone();
    let judge_of = |path: &str| -> fn(&mut Reader, &Tree) -> bool {
        match path {
            _ if path.starts_with("root/1.json") => |_, files| Reader::of_root_1(files).is_some(),
            _ if path.starts_with("root/2.json") => |reader, files| {
                let taken = reader.takes_root_2(files);
                if taken {
                    *reader = Reader::of_root_1(files).unwrap();
                }
                taken
            },
            tree::TIMESTAMP => Reader::takes_timestamp,
            "release/1.json" | "release/1.json.minisig" => Reader::takes_release,
            other => panic!("nobody judges `{other}`"),
        }
    };
    let mut counts = BTreeMap::new();
    for (path, bytes) in &good {
        let judge = judge_of(path);
        let mut reader = Reader::of_root_1(&good).unwrap();
        if !path.starts_with("root/") {
            assert!(reader.takes_root_2(&good));
        }
        let count = refuse_every_change(path, bytes, |changed| {
            files.insert(path.clone(), changed.to_vec());
            !judge(&mut reader, &files)
        });
        files.insert(path.clone(), bytes.clone());
        counts.insert(path.as_str(), count);
    }
    // Two roots with two signature files each, a release with one, and a timestamp that carries its own.
    assert_eq!(counts.len(), 9, "{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), good.values().map(|file| changes(file.len())).sum::<usize>());
}

/// The same through the whole client: one flip and one cut at every byte of what it reads from a mirror, and nothing of it is kept.
#[test]
fn the_client_keeps_nothing_of_a_changed_document() {
    let publisher = publisher();
    let read = |path: &str| !path.starts_with("objects/") && !path.starts_with("root/1.");
    let mut network = Network::of(&[&publisher.tree]);
    let medium = Medium::new(&publisher, &["a"]);
    let mut count = 0;
    for (path, good) in publisher.tree.iter().filter(|(path, _)| read(path)) {
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 1 << (at % 8);
            for changed in [flipped, good[..at].to_vec()] {
                network.mirror("a").tree.insert(path.clone(), changed);
                let mut medium = medium.clone();
                let result = medium.refresh(&mut network);
                assert!(result.is_err(), "{path}, byte {at}");
                let kept = medium.state.unwrap().files;
                assert!(kept.iter().all(|(path, file)| publisher.tree.get(path) == Some(file)), "{path}, byte {at}");
                count += 1;
            }
        }
        network.mirror("a").tree.insert(path.clone(), good.clone());
    }
    let expected: usize = publisher.tree.iter().filter(|(path, _)| read(path)).map(|(_, file)| 2 * file.len()).sum();
    assert!(count == expected && count > 4000, "{count} of {expected}");
    assert!(medium.clone().refresh(&mut network).is_ok());
}

fn seal_root() -> SealRoot {
    SealRoot::new(&[1; 32], &Zeroizing::new([2; 32]))
}

#[test]
fn no_change_of_a_sealed_activation_opens_without_any_hash() {
    let (locator, keys) = (Locator([4; 32]), SealKeyPair::derive(&Zeroizing::new([5; 32])));
    let json = encode(&publisher().activation(CODE));
    let object = seal_root().seal_activation(&site(7), &locator, &keys.public, &json).unwrap();
    let count = refuse_every_change("the sealed activation", &object, |changed| {
        open_activation(&site(7), &locator, &keys, changed).is_err()
    });
    assert_eq!((object.len(), count), (1024, 9472));
}

#[test]
fn no_change_of_a_pack_opens_without_any_hash() {
    let root = seal_root();
    let (id, key) = (root.pack_id(&debian(), None), root.pack_key(&debian(), None, 3));
    let object = root.seal_pack(&site(7), &debian(), None, 3, &[b'x'; 500]).unwrap();
    let count = refuse_every_change("the pack", &object, |changed| open_pack(&site(7), &id, &key, 3, changed).is_err());
    assert_eq!((object.len(), count), (1024, 9472));
}

/// What an index node shows by its form alone, before any hash: every cut, every byte behind it, and every flip of magic, kind, depth, count and bitmap.
#[test]
fn the_form_of_an_index_node_betrays_all_but_its_hashes_and_keys() {
    let entries: Vec<Entry> = (0..200).map(|number| entry(PackId([number; 32]), number)).collect();
    let leaf = index::build(entries[..20].to_vec()).root;
    let inner = index::build(entries.clone()).root;
    let (key, header, bitmap) = (entries[3].key, 8, 4);
    for (node, firm) in [(&leaf, header), (&inner, header + bitmap)] {
        let accepted = |node: &[u8]| index::read(node, 0, &key).is_ok();
        assert!(accepted(node));
        for bit in 0..firm * 8 {
            let mut changed = node.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!accepted(&changed), "bit {bit}");
        }
        assert!((0..node.len()).all(|length| !accepted(&node[..length])));
        assert!((0..=255).all(|byte| !accepted(&[&node[..], &[byte]].concat())));
        // A flip further in gives a node of the same form, or none; never one with more or fewer children.
        let size = |node: &[u8]| match index::read(node, 0, &key) {
            Ok(Node::Leaf(entries)) => Some(entries.len()),
            Ok(Node::Inner(children)) => Some(children.len()),
            Err(_) => None,
        };
        for bit in firm * 8..node.len() * 8 {
            let mut changed = node.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(size(&changed).is_none_or(|found| Some(found) == size(node)), "bit {bit}");
        }
    }
}

fn entry(pack: PackId, number: u8) -> Entry {
    Entry { key: pack.0, sha256: Sha256::of(&[number]), length: 1024 }
}

/// A network that a test may change while a client holds it.
struct Wire<'a>(&'a RefCell<Network>);

impl Transport for Wire<'_> {
    fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
        self.0.borrow_mut().get(request)
    }
}

/// From the release over an inner node and a leaf, both objects of their own, to the pack.
#[test]
fn no_change_on_the_way_from_the_index_to_the_pack_is_accepted_by_the_client() {
    let mut publisher = publisher();
    let offer: Offer = serde_json::from_value(publisher.activation(CODE)["offers"][0].clone()).unwrap();
    let id = offer.pack_id;
    // 257 packs whose ids all begin with the same five bits, so that below the root node lies an inner one.
    let mut nodes = Vec::new();
    publisher.publish_with(
        |_| (),
        |release| {
            let own: MapRoot = serde_json::from_value(release["index"]["packs"].clone()).unwrap();
            let Ok(MapStart::Inline(node)) = own.start() else { panic!("one pack is inlined") };
            let Ok(index::Step::Found(pack)) = index::step(&node, 0, &id.0) else { panic!("the pack is there") };
            let mut others: Vec<Entry> =
                (0..=255_u8).map(|number| entry(PackId(Sha256::of(&[number]).0), number)).collect();
            for other in &mut others {
                other.key[0] = id.0[0] & 0xf8 | other.key[0] & 0x07;
            }
            others.push(pack);
            let map = index::build(others);
            nodes = map.nodes;
            release["index"]["packs"] = serde_json::to_value(MapRoot::new(257, &map.root)).unwrap();
        },
    );
    publisher.tree.extend(nodes.into_iter().map(|(hash, node)| (tree::object(&hash), node)));

    let network = RefCell::new(Network::of(&[&publisher.tree]));
    let mut wire = Wire(&network);
    let medium = Medium::new(&publisher, &["a"]);
    let setup = Setup {
        shipped_root: &medium.root,
        shipped_signatures: medium.signatures.clone(),
        floor: None,
        mirrors: medium.mirrors.clone(),
        clock: clock(),
    };
    let mut observer = |_| ();
    let mut client = Client::new(setup, &mut wire, None, None, &mut observer).unwrap();
    client.refresh().unwrap();
    network.borrow_mut().requests();
    client.pack(&offer).unwrap();
    let asked: Vec<String> = network.borrow_mut().requests();
    let paths: Vec<&str> = asked.iter().map(|request| request.strip_prefix("a ").unwrap()).collect();
    let kinds: Vec<&[u8]> = paths.iter().map(|path| &publisher.tree[*path][..5]).collect();
    assert_eq!(kinds, [b"ANX1\x00", b"ANX1\x01", &b"ANP1\x00"[..]], "an inner node, a leaf, a pack");
    for path in paths {
        let good = &publisher.tree[path];
        refuse_every_change(path, good, |changed| {
            let mut network = network.borrow_mut();
            network.log.clear();
            network.mirror("a").tree.insert(path.to_owned(), changed.to_vec());
            drop(network);
            match client.pack(&offer) {
                Ok(_) => false,
                Err(Refusal::Integrity { .. }) => true,
                Err(other) => panic!("{path}: {other:?}"),
            }
        });
        network.borrow_mut().mirror("a").tree.insert(path.to_owned(), good.clone());
    }
}
