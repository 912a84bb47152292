//! What is asked for, and in which order.

use crate::simulator::*;
use anode_bundle::name::tree;

#[test]
fn a_fresh_run_asks_in_the_order_of_the_specification() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.install(&mut network).unwrap();
    let requests = network.requests();
    let expected = [
        "root/2.json".to_owned(),
        "timestamp.signed".to_owned(),
        "release/1.json".to_owned(),
        "release/1.json.minisig".to_owned(),
        publisher.index_path(),
        publisher.activation_path(),
    ];
    assert_eq!(requests[..6], expected.map(|path| format!("a {path}")));
    assert_eq!(requests.len(), 7, "then the pack, whose map lies in the release: {requests:?}");
}

#[test]
fn what_is_trusted_can_be_asked_for_after_it_was_refreshed_and_not_before() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    Medium::new(&publisher, &["a"])
        .run(&mut network, |client| {
            assert!(client.snapshot().is_none());
            client.refresh()?;
            assert_eq!(client.snapshot().map(|snapshot| snapshot.release.version), Some(1));
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_request_carries_the_locator() {
    let publisher = Publisher::new();
    let locator = publisher.activation(CODE)["locator"].as_str().unwrap().to_owned();
    let mut network = Network::of(&[&publisher.tree]);
    Medium::new(&publisher, &["a"]).install(&mut network).unwrap();
    assert!(network.requests().iter().all(|request| !request.contains(&locator[..8])));
}

#[test]
fn what_the_state_holds_is_not_asked_for_again() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut network).unwrap();
    network.requests();
    medium.refresh(&mut network).unwrap();
    assert_eq!(network.requests(), ["a root/2.json", "a timestamp.signed"]);
}

#[test]
fn every_mirror_is_asked_for_the_next_root_and_the_first_fresh_one_for_the_rest() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree, &publisher.tree]);
    Medium::new(&publisher, &["a", "b"]).refresh(&mut network).unwrap();
    let expected =
        ["a root/2.json", "b root/2.json", "a timestamp.signed", "a release/1.json", "a release/1.json.minisig"];
    assert_eq!(network.requests(), expected);
}

#[test]
fn the_mirror_of_the_best_timestamp_is_the_first_to_be_asked_for_the_rest() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.now = start().plus(HOUR / 2);
    publisher.publish();
    let mut network = Network::of(&[&old, &publisher.tree, &old]);
    let mut medium = Medium::new(&publisher, &["a", "b", "c"]);
    medium.rtc = start().plus(3 * DAY);
    medium.refresh(&mut network).unwrap();
    let requests = network.requests();
    let releases: Vec<_> = requests.iter().filter(|request| request.contains("release/")).collect();
    assert_eq!(releases, ["b release/2.json", "b release/2.json.minisig"], "{requests:?}");
}

#[test]
fn a_mirror_that_does_not_answer_is_not_asked_twice_in_one_run() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree, &publisher.tree]);
    network.cut("a");
    let mut medium = Medium::new(&publisher, &["a", "b"]);
    medium.install(&mut network).unwrap();
    let asked = network.requests();
    assert_eq!(asked.iter().filter(|request| request.starts_with("a ")).count(), 1, "{asked:?}");
    assert!(!medium.was_warned(&["failed before"]), "{:?}", medium.events);
}

#[test]
fn a_shipped_root_that_does_not_meet_its_threshold_is_refused_without_a_request() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    let complete = Medium::new(&publisher, &["a"]);
    assert_eq!(complete.signatures.len(), 3);

    let mut unsigned = complete.clone();
    unsigned.signatures.clear();
    let mut below = complete.clone();
    while below.signatures.len() > 1 {
        below.signatures.pop_first();
    }
    let mut wrong = complete.clone();
    let other = Publisher::of_site(7);
    for (file, foreign) in wrong.signatures.values_mut().zip(Medium::new(&other, &[]).signatures.into_values()) {
        *file = foreign;
    }
    let mut other_body = complete.clone();
    other_body.root = other_body.root.iter().map(|byte| if *byte == b'S' { b's' } else { *byte }).collect();
    let mut other_comment = complete.clone();
    for key in &publisher.root_keys {
        let file = key.sign(&complete.root, &format!("anode/1 root 2 {}", publisher.id));
        other_comment.signatures.insert(key.listed.id, file);
    }
    for mut medium in [unsigned, below, wrong, other_body, other_comment] {
        assert_eq!(exit(&medium.refresh(&mut network)), 20);
    }
    let mut junk = complete.clone();
    junk.root = b"{}".to_vec();
    assert_eq!(exit(&junk.refresh(&mut network)), 24);
    assert_eq!(network.requests(), [""; 0]);

    let mut two_of_three = complete;
    two_of_three.signatures.pop_first();
    two_of_three.refresh(&mut network).unwrap();
}

/// The most that a hostile mirror can make a client fetch and verify for one root.
#[test]
fn at_most_16_signatures_are_asked_for_per_root() {
    let (old, new) = (Signer::several(8), Signer::several(8));
    let mut publisher = Publisher::with_root_keys(7, 8, &old);
    publisher.rotate_roots(8, &new, &[&old[..], &new[..]].concat());
    let mut medium = Medium::new(&publisher, &["a"]);
    publisher.publish();
    let mut network = Network::of(&[&publisher.tree]);
    medium.refresh(&mut network).unwrap();
    let signatures =
        |network: &mut Network| network.requests().iter().filter(|path| path.starts_with("a root/2.json.")).count();
    assert_eq!(signatures(&mut network), 16);

    for key in &new {
        network.mirror("a").tree.remove(&tree::root_signature(2, key.listed.id));
    }
    medium.state = None;
    assert_eq!(exit(&medium.refresh(&mut network)), 20);
    assert_eq!(signatures(&mut network), 16);
}

#[test]
fn mirrors_of_the_policy_are_asked_after_those_of_the_medium_even_for_the_next_root() {
    let mut publisher = Publisher::of_site(7);
    let keys = publisher.root_keys.clone();
    publisher.root["version"] = 0.into();
    publisher.add_root(&keys, |root| root["policy"]["mirrors"] = serde_json::json!(["https://b/", "https://c"]));
    publisher.publish();
    let old = publisher.tree.clone();
    publisher.add_root(&keys, |root| root["policy"]["mirrors"] = serde_json::json!(["https://a", "https://c"]));
    publisher.stamp();
    let mut network = Network::of(&[&publisher.tree, &publisher.tree, &old]);
    network.cut("a");
    let mut medium = Medium::new(&publisher, &["a"]);
    let snapshot = medium.refresh(&mut network).unwrap();
    // `b` has root 2, which no longer lists it: the timestamp comes from `c`, which is behind and still valid.
    assert_eq!((snapshot.timestamp.version, snapshot.source.as_str()), (1, "https://c"));
    assert_eq!(network.requests()[..2], ["a root/2.json", "b root/2.json"]);
}
