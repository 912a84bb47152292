//! Known answers for every construction of format 1. What is expected comes from `vectors/reference.py`, which was written from the text of the
//! format, from the RFCs themselves, and from the stock `minisign` program: never from this crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anode_bundle::activation::Activation;
use anode_bundle::code::{self, BadCode, Code, Machine, Secret};
use anode_bundle::derive::{Derived, KdfPolicy, derive};
use anode_bundle::document::{Document, MapRoot, MapStart, Release, Root, Timestamp};
use anode_bundle::index::{self, Entry, Step};
use anode_bundle::keyed::{self, Key};
use anode_bundle::name::{Id, KeyId, Locator, Sha256, SigningPublicKey, SiteId};
use anode_bundle::seal::SealKeyPair;
use anode_bundle::seal::{self, SealRoot, open_activation, open_pack, size_class};
use anode_bundle::signature::{ListedKey, SignatureFile, comment, split_signed};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;
use zeroize::Zeroizing;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder().join(name)).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    let list = value.as_array().unwrap();
    assert!(!list.is_empty(), "a table without rows tests nothing");
    list
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(text(value).as_bytes()).unwrap()
}

fn bytes32(value: &Value) -> [u8; 32] {
    hex(value).try_into().unwrap()
}

fn key(value: &Value) -> Key {
    Zeroizing::new(bytes32(value))
}

fn site(value: &Value) -> SiteId {
    SiteId::new(text(value)).unwrap()
}

fn same(found: &[u8], expected: &Value) {
    assert_eq!(HEXLOWER.encode(found), text(expected));
}

#[test]
fn lp_prf_and_hkdf_give_the_reference_bytes() {
    let table = read("keyed.json");
    for row in list(&table["lp"]) {
        same(&keyed::lps(&[&hex(&row["x"])]), &row["out"]);
    }
    for row in list(&table["prf"]) {
        let parts: Vec<_> = row["parts"].as_array().unwrap().iter().map(hex).collect();
        let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
        same(&keyed::prf(&key(&row["key"]), &parts)[..], &row["out"]);
    }
    for row in list(&table["hkdf"]) {
        let prk = keyed::extract(&hex(&row["salt"]), &hex(&row["ikm"]));
        same(&prk[..], &row["prk"]);
        let okm = keyed::expand::<64>(&prk, &hex(&row["info"]));
        same(&okm[..], &row["okm64"]);
        assert_eq!(keyed::expand::<32>(&prk, &hex(&row["info"]))[..], okm[..32]);
    }
}

#[test]
fn the_alphabet_and_the_check_symbol_are_those_of_the_reference() {
    let table = read("codes.json");
    assert_eq!(text(&table["alphabet"]).as_bytes(), code::ALPHABET);
    for row in list(&table["valid"]) {
        let code = Code::parse(text(row)).unwrap();
        assert_eq!(code.reveal().replace('-', ""), text(row));
    }
    for row in list(&table["wrong_check"]) {
        assert_eq!(Code::parse(text(row)).err(), Some(BadCode::Checksum), "{row}");
    }
}

#[test]
fn what_is_typed_is_normalised_as_in_the_reference() {
    for row in list(&read("codes.json")["normalised"]) {
        match (code::normalise(text(&row["typed"])), row["symbols"].as_str()) {
            (Ok(symbols), Some(expected)) => assert_eq!(*symbols, expected),
            (Err(BadCode::Foreign { position, .. }), None) => {
                assert_eq!(position as u64, number(&row["foreign_at"]), "{row}");
            }
            (other, _) => panic!("{row}: {:?}", other.err()),
        }
    }
}

fn derived(row: &Value) -> Derived {
    let secret = match text(&row["kind"]) {
        "hardware" => {
            let (uuid, serial) = text(&row["text"]).split_once('|').unwrap();
            Secret::Hardware(Machine::new(uuid, serial).unwrap())
        }
        kind => {
            let secret = Secret::parse(text(&row["text"])).unwrap();
            assert_eq!(matches!(secret, Secret::Phrase(_)), kind == "phrase");
            secret
        }
    };
    let (m, t, epoch) = (number(&row["m"]), number(&row["t"]), number(&row["epoch"]));
    let policy = KdfPolicy { m, t, epoch, ..KdfPolicy::standard(Id::new("a").unwrap()) };
    derive(&secret, &site(&row["site"]), &policy).unwrap()
}

#[test]
fn codes_phrases_and_machines_derive_the_reference_locators_and_keys() {
    let mut locators = BTreeSet::new();
    for row in list(&read("kdf.json")["derivations"]) {
        let found = derived(row);
        same(&found.locator.0, &row["locator"]);
        same(&found.seal.public.0, &row["pkR"]);
        same(&found.claim_key[..], &row["claim_key"]);
        locators.insert(found.locator);
    }
    // Only the code that was typed in two ways comes twice.
    assert_eq!(locators.len(), list(&read("kdf.json")["derivations"]).len() - 1);
}

#[test]
fn a_machine_is_bound_by_the_reference_hash() {
    let row = &read("kdf.json")["machine"];
    let machine = Machine::new(text(&row["uuid"]), text(&row["serial"])).unwrap();
    same(machine.binding(&site(&row["site"])).as_bytes(), &row["binding"]);
}

#[test]
fn size_classes_are_those_of_the_reference() {
    for row in list(&read("seal.json")["size_classes"]) {
        assert_eq!(size_class(usize::try_from(number(&row[0])).unwrap()) as u64, number(&row[1]), "{row}");
    }
}

fn sealing() -> (Value, SealRoot) {
    let table = read("seal.json");
    let root = SealRoot::new(&bytes32(&table["seal_salt"]), &key(&table["seal_secret"]));
    same(&keyed::extract(&hex(&table["seal_salt"]), &hex(&table["seal_secret"]))[..], &table["K"]);
    (table, root)
}

fn same_object(object: &[u8], row: &Value) {
    assert_eq!(object.len() as u64, number(&row["length"]));
    match row["sealed"].as_str() {
        Some(_) => same(object, &row["sealed"]),
        None => same(Sha256::of(object).as_bytes(), &row["sha256"]),
    }
}

#[test]
fn activations_are_sealed_to_the_reference_bytes() {
    let (table, root) = sealing();
    let (site, locator) = (site(&table["site"]), Locator(bytes32(&table["locator"])));
    let keys = SealKeyPair::derive(&key(&table["recipient_seed"]));
    same(&keys.public.0, &table["pkR"]);
    for row in list(&table["activations"]) {
        let object = root.seal_activation(&site, &locator, &keys.public, &hex(&row["plain"])).unwrap();
        same_object(&object, row);
        // The public half of DeriveKeyPair(ikmE) travels in front of the ciphertext.
        assert_eq!(object[10..42], SealKeyPair::derive(&key(&row["ikmE"])).public.0);
        assert_eq!(*open_activation(&site, &locator, &keys, &object).unwrap(), hex(&row["plain"]));
    }
}

#[test]
fn packs_are_named_keyed_and_sealed_to_the_reference_bytes() {
    let (table, root) = sealing();
    let site = site(&table["site"]);
    for row in list(&table["packs"]) {
        let profile = Id::new(text(&row["profile"])).unwrap();
        let organisation = Id::new(text(&row["org"])).ok();
        let generation = u32::try_from(number(&row["generation"])).unwrap();
        let plain = match row.get("plain_repeat") {
            Some(repeat) => hex(&repeat[0]).repeat(usize::try_from(number(&repeat[1])).unwrap()),
            None => hex(&row["plain"]),
        };
        let (id, pack_key) =
            (root.pack_id(&profile, organisation.as_ref()), root.pack_key(&profile, organisation.as_ref(), generation));
        same(&id.0, &row["pack_id"]);
        same(&pack_key[..], &row["pack_key"]);
        let object = root.seal_pack(&site, &profile, organisation.as_ref(), generation, &plain).unwrap();
        same(&object[10..42], &row["tag"]);
        same(&object[42..74], &row["commit"]);
        same_object(&object, row);
        assert_eq!(*open_pack(&site, &id, &pack_key, generation, &object).unwrap(), plain);
    }
}

/// Objects that format 1 does not know: a later one is told apart from a broken one.
#[test]
fn unknown_suites_are_too_new_and_foreign_objects_do_not_open() {
    let (table, root) = sealing();
    let site = site(&table["site"]);
    let profile = Id::new("debian").unwrap();
    let (id, pack_key) = (root.pack_id(&profile, None), root.pack_key(&profile, None, 1));
    let pack = root.seal_pack(&site, &profile, None, 1, b"plain").unwrap();
    let locator = Locator(bytes32(&table["locator"]));
    let keys = SealKeyPair::derive(&key(&table["recipient_seed"]));
    let activation = root.seal_activation(&site, &locator, &keys.public, b"{}").unwrap();
    for (at, to, exit) in [(3, b'2', 27), (5, 2, 27), (2, b'X', 25), (9, 2, 25)] {
        let mut changed = pack.clone();
        changed[at] = to;
        let refusal = open_pack(&site, &id, &pack_key, 1, &changed).unwrap_err();
        assert_eq!(refusal.exit().number(), exit, "pack byte {at}");
    }
    for (at, to, exit) in [(3, b'2', 27), (5, 0x21, 27), (7, 3, 27), (9, 1, 27), (2, b'X', 25), (10, 0, 25)] {
        let mut changed = activation.clone();
        changed[at] = to;
        let refusal = open_activation(&site, &locator, &keys, &changed).unwrap_err();
        assert_eq!(refusal.exit().number(), exit, "activation byte {at}");
    }
    assert_eq!(seal::ACTIVATION_LIMIT, 65_536);
    assert_eq!(seal::PACK_LIMIT, 16_777_216);
}

fn index_key(prefix: &[u8], number: u64) -> [u8; 32] {
    let hash = Sha256::of(&[&b"key"[..], &u32::try_from(number).unwrap().to_be_bytes()].concat());
    [prefix, hash.as_bytes()].concat()[..32].try_into().unwrap()
}

#[test]
fn maps_have_the_reference_nodes_and_walks_end_where_theirs_do() {
    for row in list(&read("index.json")["maps"]) {
        let (prefix, count) = (hex(&row["prefix"]), number(&row["count"]));
        let entry = |number| {
            let key = index_key(&prefix, number);
            Entry { key, sha256: Sha256::of(&key), length: u32::try_from(number + 1).unwrap() }
        };
        let map = index::build((0..count).map(entry).collect());
        assert_eq!(map.root.len() as u64, number(&row["root_length"]), "{count} keys");
        same(Sha256::of(&map.root).as_bytes(), &row["root_sha256"]);
        if let Some(root) = row.get("root") {
            same(&map.root, root);
        }
        let nodes: BTreeMap<_, _> = map.nodes.into_iter().collect();
        assert_eq!(nodes.len() as u64, number(&row["nodes"]));
        let names: Vec<u8> = nodes.keys().flat_map(|hash| hash.0).collect();
        same(Sha256::of(&names).as_bytes(), &row["nodes_sha256"]);
        assert!(nodes.iter().all(|(hash, node)| Sha256::of(node) == *hash));

        let inlined = matches!(MapRoot::new(count, &map.root).start(), Ok(MapStart::Inline(node)) if node == map.root);
        assert_eq!(inlined, row["inlined"].as_bool().unwrap());
        index::check_root(&map.root, count).unwrap();
        index::check_root(&map.root, if count > 128 { 128 } else { count + 1 }).unwrap_err();

        let walk = |key: &[u8; 32]| {
            let (mut node, mut depth) = (&map.root, 0);
            loop {
                match index::step(node, depth, key).unwrap() {
                    Step::Child(hash) => (node, depth) = (&nodes[&hash], depth + 1),
                    end => return (end, u64::from(depth)),
                }
            }
        };
        for step in list(&row["walks"]) {
            let number_ = number(&step["i"]);
            let expected = if step["found"] == true { Step::Found(entry(number_)) } else { Step::Absent };
            assert_eq!(walk(&index_key(&prefix, number_)), (expected, number(&step["depth"])), "{count} keys: {step}");
        }
        assert_eq!(walk(&[0; 32]), (Step::Absent, number(&row["zero_key_depth"])));
    }
}

#[test]
fn signature_files_are_accepted_and_refused_as_the_reference_says() {
    let table = read("signatures.json");
    let listed: ListedKey = serde_json::from_value(table["key"].clone()).unwrap();
    let body = BASE64.decode(text(&table["body"]).as_bytes()).unwrap();
    for row in list(&table["files"]) {
        let file = BASE64.decode(text(&row["file"]).as_bytes()).unwrap();
        let accepted = SignatureFile::parse(&file).ok().filter(|file| file.verifies(&listed, &body));
        assert_eq!(accepted.is_some(), row["accept"].as_bool().unwrap(), "{}", row["name"]);
        if let Some(file) = accepted {
            assert_eq!(file.comment, text(&table["trusted_comment"]));
            assert_eq!(file.comment, comment("release", 7, &site(&table["site"])));
            assert_eq!(file.key, listed.id);
        }
    }
}

#[test]
fn what_the_stock_minisign_program_signed_verifies() {
    let file = |name: &str| fs::read(folder().join("minisign").join(name)).unwrap();
    let public = String::from_utf8(file("key.pub")).unwrap();
    let (first, second) = public.split_once('\n').unwrap();
    let bytes = BASE64.decode(second.trim_end().as_bytes()).unwrap();
    let id = KeyId::from_le_bytes(bytes[2..10].try_into().unwrap());
    assert!(first.ends_with(&format!("minisign public key {id}")), "{first} names {id}");
    let listed = ListedKey { id, key: SigningPublicKey(bytes[10..42].try_into().unwrap()) };

    let (body, signature) = (file("timestamp.json"), file("timestamp.json.minisig"));
    let signed = SignatureFile::parse(&signature).unwrap();
    assert!(signed.verifies(&listed, &body));
    let timestamp = Timestamp::parse(&body).unwrap();
    assert_eq!(signed.comment, comment("timestamp", timestamp.version, &timestamp.site));
    let both = [&signature[..], &body].concat();
    assert_eq!(split_signed(&both), Some((&signature[..], &body[..])));
}

/// One file per rule: its name begins with the exit code that a reader must give, 0 for a good one.
#[test]
fn each_document_gets_the_exit_code_in_its_name() {
    let site = site(&read("seal.json")["site"]);
    let locator = Locator([4; 32]);
    let mut wrong = Vec::new();
    for kind in ["root", "release", "timestamp", "activation"] {
        let mut count = 0;
        for file in fs::read_dir(folder().join("documents").join(kind)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let body = fs::read(&path).unwrap();
            let result = match kind {
                "root" => Root::parse(&body).map(|_| ()),
                "release" => Release::parse(&body).map(|_| ()),
                "timestamp" => Timestamp::parse(&body).map(|_| ()),
                _ => Activation::parse(&body, &site, &locator).map(|_| ()),
            };
            let exit = result.as_ref().map_or_else(|refusal| refusal.exit().number(), |()| 0);
            if name.split_once('-').unwrap().0 != exit.to_string() {
                wrong.push(format!("{kind}/{name}: {result:?}"));
            }
            count += 1;
        }
        assert!(count > 35, "{kind} has {count} files");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
