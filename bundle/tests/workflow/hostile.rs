//! Documents that are validly signed and not what was asked for, and signatures that are not what they say.

use crate::simulator::*;
use anode_bundle::document::MapRoot;
use anode_bundle::index::{self, Entry};
use anode_bundle::name::{Sha256, tree};
use anode_bundle::signature::comment;
use serde_json::{Value, json};

/// The exit code of a fresh run against the publisher's tree; nothing but roots may be kept.
fn refused(publisher: &Publisher) -> u8 {
    let mut medium = Medium::new(publisher, &["a"]);
    medium.cache = Some(Disk::default());
    let result = medium.refresh(&mut Network::of(&[&publisher.tree]));
    let kept = |disk: Option<Disk>| disk.unwrap().files.into_keys().filter(|path| !path.starts_with("root/")).count();
    assert_eq!((kept(medium.state), kept(medium.cache)), (0, 0));
    exit(&result)
}

/// Puts a release beside a timestamp that names it, with this signature.
fn serve_release(publisher: &mut Publisher, document: &Value, sign: impl Fn(&Publisher, &[u8]) -> Vec<u8>) {
    let body = encode(document);
    let signature = sign(publisher, &body);
    publisher.tree.insert(tree::release(1), body);
    publisher.tree.insert(tree::release_signature(1), signature);
    publisher.stamp();
}

fn serve_timestamp(publisher: &mut Publisher, document: &Value, key: &Signer) {
    let body = encode(document);
    publisher.tree.insert(tree::TIMESTAMP.to_owned(), [key.sign_document(document, &body), body].concat());
}

#[test]
fn a_document_of_another_type_is_refused_even_with_the_right_signature() {
    let publisher = Publisher::new();
    let (key, timestamp) = (publisher.timestamp_key.clone(), publisher.timestamp.clone());
    for kind in ["root", "release", "activation", ""] {
        let mut publisher = Publisher::new();
        let mut document = publisher.timestamp.clone();
        document["type"] = kind.into();
        let own = publisher.timestamp_key.clone();
        serve_timestamp(&mut publisher, &document, &own);
        assert_eq!(refused(&publisher), 24, "timestamp of type `{kind}`");
        let mut publisher = Publisher::new();
        let mut document = publisher.release.clone();
        document["type"] = kind.replace("release", "timestamp").into();
        serve_release(&mut publisher, &document.clone(), |publisher, body| {
            publisher.release_key.sign_document(&document, body)
        });
        assert_eq!(refused(&publisher), 24, "release of type `{kind}`");
    }
    // A release in the place of the timestamp, by the key of timestamps and by its own.
    for own in [false, true] {
        let mut publisher = Publisher::new();
        let (document, key) = (publisher.release.clone(), publisher.release_key.clone());
        let key = if own { key } else { publisher.timestamp_key.clone() };
        serve_timestamp(&mut publisher, &document, &key);
        assert_eq!(refused(&publisher), if own { 20 } else { 24 });
    }
    let mut publisher = publisher;
    serve_timestamp(&mut publisher, &timestamp, &key);
    assert_eq!(exit(&Medium::new(&publisher, &["a"]).refresh(&mut Network::of(&[&publisher.tree]))), 0);
}

#[test]
fn keys_of_one_role_sign_nothing_of_another() {
    let mut publisher = Publisher::new();
    let (document, root_key) = (publisher.timestamp.clone(), publisher.root_keys[0].clone());
    for key in [publisher.release_key.clone(), root_key, Signer::random()] {
        serve_timestamp(&mut publisher, &document, &key);
        assert_eq!(refused(&publisher), 20);
    }
    let mut publisher = Publisher::new();
    let document = publisher.release.clone();
    for key in [publisher.timestamp_key.clone(), publisher.root_keys[0].clone(), Signer::random()] {
        serve_release(&mut publisher, &document, |_, body| key.sign_document(&document, body));
        assert_eq!(refused(&publisher), 20);
    }
}

#[test]
fn documents_of_another_site_are_refused() {
    // Another site with its own keys.
    let (publisher, mut other) = (Publisher::new(), Publisher::of_site(8));
    other.publish();
    let mut medium = Medium::new(&publisher, &["a"]);
    assert_eq!(exit(&medium.refresh(&mut Network::of(&[&other.tree]))), 20);
    // Another site of the same operator, who uses the same keys.
    let mut publisher = Publisher::new();
    let mut document = publisher.timestamp.clone();
    document["site"] = json!(site(8));
    let key = publisher.timestamp_key.clone();
    serve_timestamp(&mut publisher, &document, &key);
    assert_eq!(refused(&publisher), 24);
    let mut publisher = Publisher::new();
    let mut document = publisher.release.clone();
    document["site"] = json!(site(8));
    serve_release(&mut publisher, &document.clone(), |publisher, body| {
        publisher.release_key.sign_document(&document, body)
    });
    assert_eq!(refused(&publisher), 24);
}

#[test]
fn a_release_of_another_version_than_the_timestamp_names_is_refused() {
    let mut publisher = Publisher::new();
    let mut document = publisher.release.clone();
    document["version"] = 2.into();
    serve_release(&mut publisher, &document.clone(), |publisher, body| {
        publisher.release_key.sign_document(&document, body)
    });
    assert_eq!(refused(&publisher), 24);
}

#[test]
fn a_document_for_a_later_root_is_refused() {
    let mut publisher = Publisher::new();
    publisher.stamp_with(|timestamp| timestamp["root"] = 2.into());
    assert_eq!(refused(&publisher), 24);
    let mut publisher = Publisher::of_site(7);
    publisher.publish_with(|_| (), |release| release["root"] = 2.into());
    assert_eq!(refused(&publisher), 24);
}

#[test]
fn what_a_later_format_says_is_too_new() {
    for (name, value) in [("format", json!(2)), ("critical", json!(["colour"]))] {
        let mut publisher = Publisher::new();
        publisher.stamp_with(|timestamp| timestamp[name] = value.clone());
        assert_eq!(refused(&publisher), 27, "timestamp, {name}");
        let mut publisher = Publisher::of_site(7);
        publisher.publish_with(|_| (), |release| release[name] = value);
        assert_eq!(refused(&publisher), 27, "release, {name}");
    }
}

#[test]
fn a_trusted_comment_that_differs_from_the_body_is_refused() {
    for said in [comment("release", 1, &site(7)), comment("timestamp", 2, &site(7)), comment("timestamp", 1, &site(8))]
    {
        let mut publisher = Publisher::new();
        let body = encode(&publisher.timestamp);
        let signature = publisher.timestamp_key.sign(&body, &said);
        publisher.tree.insert(tree::TIMESTAMP.to_owned(), [signature, body].concat());
        assert_eq!(refused(&publisher), 20, "{said}");
    }
    let mut publisher = Publisher::new();
    let document = publisher.release.clone();
    serve_release(&mut publisher, &document, |publisher, body| {
        publisher.release_key.sign(body, &comment("release", 2, &site(7)))
    });
    assert_eq!(refused(&publisher), 20);
}

#[test]
fn the_signature_of_another_document_does_not_verify() {
    let mut publisher = Publisher::new();
    let old = publisher.tree[tree::TIMESTAMP].clone();
    publisher.stamp();
    let new = encode(&publisher.timestamp);
    let length = old.len() - new.len();
    publisher.tree.insert(tree::TIMESTAMP.to_owned(), [&old[..length], &new].concat());
    assert_eq!(refused(&publisher), 20);
}

#[test]
fn what_is_no_timestamp_at_all_is_refused() {
    for junk in [&b""[..], b"{}", b"<html>\n<body>\n</body>\n</html>\n", &[0xff; 600], &[b'\n'; 20]] {
        let mut publisher = Publisher::new();
        publisher.tree.insert(tree::TIMESTAMP.to_owned(), junk.to_vec());
        assert_eq!(refused(&publisher), 20);
    }
}

#[test]
fn documents_above_their_size_are_refused_however_well_they_are_signed() {
    let mut publisher = Publisher::new();
    publisher.stamp_with(|timestamp| timestamp["padding"] = "x".repeat(3600).into());
    let body = encode(&publisher.timestamp).len();
    publisher.stamp_with(|timestamp| timestamp["padding"] = "x".repeat(3600 + 4096 - body).into());
    assert_eq!(encode(&publisher.timestamp).len(), 4096);
    assert_eq!(exit(&Medium::new(&publisher, &["a"]).refresh(&mut Network::of(&[&publisher.tree]))), 0);
    publisher.stamp_with(|timestamp| timestamp["padding"] = "x".repeat(3600 + 4097 - body).into());
    assert_eq!(refused(&publisher), 23);
    publisher.stamp_with(|timestamp| timestamp["padding"] = "x".repeat(6000).into());
    assert_eq!(refused(&publisher), 23);

    let mut publisher = Publisher::of_site(7);
    publisher.publish_with(|_| (), |release| release["padding"] = "x".repeat(8192).into());
    assert_eq!(refused(&publisher), 24, "the timestamp already says that it names something too large");
}

#[test]
fn an_index_that_is_not_in_the_form_of_its_size_is_refused() {
    let publisher = Publisher::new();
    let node = publisher.tree[&publisher.index_path()].clone();
    let mut wrong_count = Publisher::of_site(7);
    wrong_count.publish_with(|_| (), |release| release["index"]["activations"]["count"] = 42.into());
    let mut inlined = Publisher::of_site(7);
    inlined.publish_with(
        |_| (),
        |release| {
            release["index"]["activations"] = json!({"count": 41, "node": data_encoding::BASE64.encode(&node)});
        },
    );
    let mut named = Publisher::of_site(7);
    named.publish_with(
        |_| (),
        |release| {
            let packs = data_encoding::BASE64.decode(release["index"]["packs"]["node"].as_str().unwrap().as_bytes());
            let hash = Sha256::of(&packs.unwrap());
            release["index"]["packs"] = json!({"count": 1, "sha256": hash});
        },
    );
    let run =
        |publisher: &Publisher| exit(&Medium::new(publisher, &["a"]).install(&mut Network::of(&[&publisher.tree])));
    assert_eq!([&publisher, &wrong_count, &inlined, &named].map(run), [0, 23, 24, 23]);
}

#[test]
fn an_activation_of_64_kib_is_taken_and_a_longer_one_is_not_even_asked_for() {
    let mut publisher = Publisher::of_site(7);
    publisher.publish_with(|terms| terms["padding"] = "x".repeat(40_000).into(), |_| ());
    assert_eq!(publisher.tree[&publisher.activation_path()].len(), 65_536);
    Medium::new(&publisher, &["a"]).activate(&mut Network::of(&[&publisher.tree]), CODE).unwrap();

    let object = vec![0; 65_537];
    let sha256 = Sha256::of(&object);
    let entry = Entry { key: code_derives(CODE, &publisher.id).0.0, sha256, length: 65_537 };
    let map = MapRoot::new(1, &index::build(vec![entry]).root);
    publisher.publish_edition(&Edition::default(), |release| release["index"]["activations"] = json!(map));
    publisher.tree.insert(tree::object(&sha256), object);
    let mut network = Network::of(&[&publisher.tree]);
    assert_eq!(exit(&Medium::new(&publisher, &["a"]).activate(&mut network, CODE)), 23);
    assert!(!network.requests().contains(&format!("a {}", tree::object(&sha256))));
}
