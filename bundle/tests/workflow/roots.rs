//! The chain of roots: each exactly one version higher, signed by both sides.

use std::sync::Arc;

use crate::simulator::*;
use anode_bundle::client::{Event, FetchError, ROOT_STEPS};
use anode_bundle::name::tree;
use serde_json::json;

fn root_version(medium: &Medium) -> u64 {
    let versions = medium.events.iter().filter_map(|event| match event {
        Event::Root { version } => Some(*version),
        _ => None,
    });
    versions.max().unwrap_or(1)
}

fn pick(keys: &[Arc<Signer>], places: &[usize]) -> Vec<Arc<Signer>> {
    places.iter().map(|place| keys[*place].clone()).collect()
}

#[test]
fn root_2_needs_the_threshold_of_the_old_and_of_the_new_keys() {
    // Keys 0 to 5; old and new role as threshold and places; who signs; accepted?
    let keys = Signer::several(6);
    for (name, (old_threshold, old), (new_threshold, new), signers, accepted) in [
        ("one key stays", (1, &[0][..]), (1, &[0][..]), &[0][..], true),
        ("one key is replaced", (1, &[0]), (1, &[1]), &[0, 1], true),
        ("signed by the new key only", (1, &[0]), (1, &[1]), &[1], false),
        ("signed by the old key only", (1, &[0]), (1, &[1]), &[0], false),
        ("signed by nobody", (1, &[0]), (1, &[0]), &[], false),
        ("signed by a stranger", (1, &[0]), (1, &[0]), &[5], false),
        ("unused signatures beside good ones", (1, &[0]), (1, &[1]), &[0, 1, 4, 5], true),
        ("three of five stay", (3, &[0, 1, 2, 3, 4]), (3, &[0, 1, 2, 3, 4]), &[0, 2, 4], true),
        ("three of five, two signed", (3, &[0, 1, 2, 3, 4]), (3, &[0, 1, 2, 3, 4]), &[0, 4], false),
        ("three of five, one key replaced", (3, &[0, 1, 2, 3, 4]), (3, &[1, 2, 3, 4, 5]), &[2, 3, 4], true),
        ("three of five, too few old ones", (3, &[0, 1, 2, 3, 4]), (3, &[1, 2, 3, 4, 5]), &[3, 4, 5], false),
        ("three of five, too few new ones", (3, &[0, 1, 2, 3, 4]), (3, &[1, 2, 3, 4, 5]), &[0, 1, 2], false),
        ("the threshold rises", (1, &[0, 1, 2]), (2, &[0, 1, 2]), &[1, 2], true),
        ("the threshold rises and is not met", (1, &[0, 1, 2]), (2, &[0, 1, 2]), &[1], false),
        ("the threshold falls", (2, &[0, 1, 2]), (1, &[0, 1, 2]), &[1, 2], true),
        ("the threshold falls and the old one is not met", (2, &[0, 1, 2]), (1, &[0, 1, 2]), &[1], false),
        ("all keys are replaced", (2, &[0, 1, 2]), (2, &[3, 4, 5]), &[0, 2, 3, 5], true),
        ("all keys are replaced, the new threshold is not met", (2, &[0, 1, 2]), (2, &[3, 4, 5]), &[0, 1, 3], false),
    ] {
        let mut publisher = Publisher::with_root_keys(7, old_threshold, &pick(&keys, old));
        publisher.rotate_roots(new_threshold, &pick(&keys, new), &pick(&keys, signers));
        publisher.publish();
        let mut network = Network::of(&[&publisher.tree]);
        let mut medium = Medium::new(&publisher, &["a"]);
        let result = medium.refresh(&mut network);
        assert_eq!(exit(&result), if accepted { 0 } else { 20 }, "{name}");
        let kept = medium.state.as_ref().unwrap().files.contains_key("root/2.json");
        assert_eq!(kept, accepted, "{name}");
    }
}

#[test]
fn a_chain_of_roots_is_walked_to_its_end_and_kept() {
    let mut publisher = Publisher::new();
    let medium = Medium::new(&publisher, &["a"]);
    for threshold in [3, 1, 2] {
        let (old, new) = (publisher.root_keys.clone(), Signer::several(3));
        publisher.rotate_roots(threshold, &new, &[old, new.clone()].concat());
    }
    publisher.rotate("timestamp");
    publisher.rotate("release");
    publisher.publish();
    let mut network = Network::of(&[&publisher.tree]);
    let mut first = medium.clone();
    first.refresh(&mut network).unwrap();
    assert_eq!(root_version(&first), 6);
    network.requests();
    // The next run walks the same chain without asking for it.
    first.refresh(&mut network).unwrap();
    assert_eq!(network.requests(), ["a root/7.json", "a timestamp.signed"]);
}

#[test]
fn root_2_must_be_root_2_of_this_site_and_well_formed() {
    let change = |name: &str| {
        let mut publisher = Publisher::new();
        let keys = publisher.root_keys.clone();
        let medium = Medium::new(&publisher, &["a"]);
        publisher.add_root(&keys, |root| match name {
            "version" => root["version"] = 3.into(),
            "site" => root["site"] = serde_json::json!(site(8)),
            "type" => root["type"] = "release".into(),
            "threshold" => root["roles"]["root"]["threshold"] = 0.into(),
            "format" => root["format"] = 2.into(),
            "critical" => root["critical"] = serde_json::json!(["colour"]),
            "kdf" => root["policy"]["kdf"][0]["alg"] = "scrypt".into(),
            other => panic!("{other}"),
        });
        // Whatever it says that it is, it is served as root 2 with every signature.
        let body = publisher.tree.remove(&tree::root(3)).or_else(|| publisher.tree.remove(&tree::root(2))).unwrap();
        for key in &keys {
            let file = key.sign_document(&publisher.root, &body);
            publisher.tree.insert(tree::root_signature(2, key.listed.id), file);
        }
        publisher.tree.insert(tree::root(2), body);
        let mut medium = medium;
        let result = medium.refresh(&mut Network::of(&[&publisher.tree]));
        assert!(!medium.state.unwrap().files.contains_key("root/2.json"), "{name}");
        exit(&result)
    };
    let found = ["version", "site", "type", "threshold", "format", "critical", "kdf"].map(change);
    assert_eq!(found, [24, 24, 24, 24, 27, 27, 27]);
}

#[test]
fn a_root_whose_trusted_comment_says_something_else_is_refused() {
    let mut publisher = Publisher::new();
    let keys = publisher.root_keys.clone();
    publisher.add_root(&keys, |_| ());
    let body = publisher.tree[&tree::root(2)].clone();
    for said in [format!("anode/1 root 3 {}", site(7)), format!("anode/1 root 2 {}", site(8)), "root 2".to_owned()] {
        for key in &keys {
            publisher.tree.insert(tree::root_signature(2, key.listed.id), key.sign(&body, &said));
        }
        let mut medium = Medium::new(&publisher, &["a"]);
        assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), 20, "{said}");
    }
}

#[test]
fn one_signature_that_is_served_and_wrong_refuses_the_root_of_that_mirror() {
    let mut publisher = Publisher::new();
    let keys = publisher.root_keys.clone();
    publisher.add_root(&keys, |_| ());
    publisher.stamp();
    let mut network = Network::of(&[&publisher.tree, &publisher.tree]);
    let path = tree::root_signature(2, keys[0].listed.id);
    let other = keys[0].sign(b"another body", &format!("anode/1 root 2 {}", site(7)));
    network.mirror("a").tree.insert(path.clone(), other);
    let mut medium = Medium::new(&publisher, &["a"]);
    assert_eq!(exit(&medium.refresh(&mut network)), 20);
    // A missing one counts nothing: the other two are enough.
    network.mirror("a").tree.remove(&path);
    medium.refresh(&mut network).unwrap();
    assert_eq!(root_version(&medium), 2);
}

#[test]
fn a_wrong_next_root_of_one_mirror_does_not_stop_the_run() {
    let mut publisher = Publisher::new();
    let keys = publisher.root_keys.clone();
    let medium = Medium::new(&publisher, &["a", "b"]);
    let plain = publisher.tree.clone();
    publisher.add_root(&keys, |_| ());
    for good in [&plain, &publisher.tree] {
        for (junk, keeps) in [("a", "b"), ("b", "a")] {
            let mut network = Network::of(&[good, good]);
            network.mirror(junk).tree.insert(tree::root(2), b"junk".to_vec());
            let mut medium = medium.clone();
            let snapshot = medium.refresh(&mut network).unwrap();
            assert_eq!(snapshot.source, format!("https://{keeps}"));
            // A mirror behind the one that delivered root 2 was never asked for it.
            let asked = good.len() == plain.len() || junk == "a";
            assert_eq!(medium.was_warned(&[&format!("https://{junk}"), "root 2"]), asked);
        }
    }
}

#[test]
fn a_wrong_next_root_of_the_only_mirror_is_refused_unless_an_own_copy_holds() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut network).unwrap();
    network.mirror("a").tree.insert(tree::root(2), b"junk".to_vec());
    let snapshot = medium.refresh(&mut network).unwrap();
    assert_eq!((snapshot.source.as_str(), snapshot.offline), ("state", true));
    medium.state = None;
    network.requests();
    assert_eq!(exit(&medium.refresh(&mut network)), 20);
    assert!(!network.requests().contains(&"a timestamp.signed".to_owned()));
}

#[test]
fn the_chain_ends_only_where_a_mirror_says_so_and_others_are_asked_first() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    let keys = publisher.root_keys.clone();
    publisher.add_root(&keys, |_| ());
    publisher.stamp();
    let mut network = Network::of(&[&old, &publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a", "b"]);
    // `a` has no root 2; `b` has it, and `a`'s timestamp holds under it too.
    medium.refresh(&mut network).unwrap();
    assert_eq!(root_version(&medium), 2);
    assert_eq!(network.requests()[..2], ["a root/2.json", "b root/2.json"]);
}

#[test]
fn an_expired_root_is_kept_and_then_refused() {
    let mut publisher = Publisher::new();
    let keys = publisher.root_keys.clone();
    let mut medium = Medium::new(&publisher, &["a"]);
    publisher.add_root(&keys, |root| root["expires"] = serde_json::json!(start().plus(DAY)));
    publisher.stamp();
    medium.rtc = start().plus(2 * DAY);
    let mut network = Network::of(&[&publisher.tree]);
    assert_eq!(exit(&medium.refresh(&mut network)), 21);
    assert!(medium.state.as_ref().unwrap().files.contains_key("root/2.json"));
    assert!(!medium.state.as_ref().unwrap().files.keys().any(|path| path.starts_with("current/")));
    // The next root ends it.
    publisher.now = start().plus(2 * DAY);
    publisher.add_root(&keys, |_| ());
    publisher.stamp();
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
}

#[test]
fn a_shipped_root_that_expired_long_ago_leads_to_the_current_one() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    let keys = publisher.root_keys.clone();
    publisher.now = start().plus(2000 * DAY);
    publisher.add_root(&keys, |_| ());
    publisher.publish();
    medium.rtc = publisher.now.plus(HOUR);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
}

#[test]
fn sixty_four_new_roots_are_taken_in_one_run_and_no_more() {
    let keys = Signer::several(1);
    let mut publisher = Publisher::with_root_keys(7, 1, &keys);
    publisher.publish();
    let medium = Medium::new(&publisher, &["a"]);
    for _ in 0..ROOT_STEPS {
        publisher.add_root(&keys, |_| ());
    }
    let mut enough = medium.clone();
    enough.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    assert_eq!(root_version(&enough), 65);
    publisher.add_root(&keys, |_| ());
    let mut too_many = medium;
    assert_eq!(exit(&too_many.refresh(&mut Network::of(&[&publisher.tree]))), 24);
    // What was kept is not new any more.
    too_many.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    assert_eq!(root_version(&too_many), 66);
}

#[test]
fn a_root_that_can_not_be_read_is_no_end_of_the_chain_and_no_reason_to_stop() {
    let mut publisher = Publisher::new();
    let keys = publisher.root_keys.clone();
    publisher.add_root(&keys, |_| ());
    let mut network = Network::of(&[&publisher.tree, &publisher.tree]);
    network.mirror("a").broken.insert(tree::root(2), FetchError::TooSlow("a is slow".to_owned()));
    let mut medium = Medium::new(&publisher, &["a", "b"]);
    medium.refresh(&mut network).unwrap();
    assert_eq!(root_version(&medium), 2);
}

#[test]
fn the_end_of_a_format_is_announced_as_soon_as_the_root_names_it() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    assert!(!medium.was_warned(&["a new medium"]));
    let signers = publisher.root_keys.clone();
    publisher.add_root(&signers, |root| {
        root["policy"]["formats"] = json!([{"format": 2}, {"format": 1, "until": "2031-05-06T00:00:00Z"}]);
    });
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    assert!(medium.was_warned(&["until 2031-05-06", "a new medium"]));
}
