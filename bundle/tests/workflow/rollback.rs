//! Floors: what was seen once is never undercut, and a removed key takes its floors with it.

use crate::simulator::*;
use anode_bundle::name::tree;
use serde_json::json;

/// A site whose copies can never be used offline, so that an expired own timestamp is no way out.
fn strict_site() -> Publisher {
    let mut publisher = Publisher::of_site(7);
    publisher.publish_with(|_| (), |release| release["offline_until"] = release["issued"].clone());
    publisher
}

#[test]
fn a_timestamp_below_the_floor_is_refused_and_the_own_copy_stays() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.stamp();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    let state = medium.state.clone();
    let snapshot = medium.refresh(&mut Network::of(&[&old])).unwrap();
    assert_eq!((snapshot.timestamp.version, snapshot.source.as_str(), snapshot.offline), (2, "state", true));
    assert!(medium.was_warned(&["https://a", "version 1", "version 2"]));
    assert_eq!(medium.state.unwrap().files, state.unwrap().files);
}

#[test]
fn a_cache_below_the_floor_is_no_way_out() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.publish();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut network).unwrap();
    // Of the own pair only the timestamp is whole: it can not be used, and it is the floor.
    let pair = medium.state.as_mut().unwrap().files.values_mut().next().unwrap();
    pair.truncate(pair.len() - 1);
    medium.cache = Some(Disk::of(&old));
    network.cut("a");
    assert_eq!(exit(&medium.refresh(&mut network)), 30);
    medium.state = None;
    assert_eq!(medium.refresh(&mut network).unwrap().timestamp.version, 1);
}

#[test]
fn a_timestamp_below_the_floor_is_a_rollback_when_nothing_else_holds() {
    let mut publisher = strict_site();
    publisher.stamp_with(|timestamp| timestamp["expires"] = json!(start().plus(DAY)));
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    medium.rtc = start().plus(2 * DAY);
    publisher.timestamp["version"] = 0.into();
    publisher.stamp();
    assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), 22);
}

#[test]
fn a_release_below_the_floor_is_refused_whatever_the_timestamp_says() {
    let mut publisher = strict_site();
    let first = publisher.release.clone();
    publisher.publish_with(|_| (), |release| release["offline_until"] = release["issued"].clone());
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    let state = medium.state.clone().unwrap();
    publisher.release = first;
    publisher.stamp();
    let network = Network::of(&[&publisher.tree]);
    let snapshot = medium.refresh(&mut Network { mirrors: network.mirrors.clone(), log: Vec::new() }).unwrap();
    assert_eq!((snapshot.timestamp.version, snapshot.release.version), (2, 2));
    assert!(medium.was_warned(&["release", "version 1", "version 2"]));
    // Once the own timestamp is over, nothing is left.
    publisher.now = start().plus(8 * DAY);
    publisher.stamp();
    medium.rtc = start().plus(8 * DAY);
    assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), 22);
    assert_eq!(medium.state.unwrap().files, state.files);
}

#[test]
fn a_new_timestamp_key_recovers_from_a_version_that_ran_ahead() {
    let mut publisher = Publisher::new();
    publisher.timestamp["version"] = 1_000_000.into();
    publisher.stamp();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    publisher.timestamp["version"] = 1.into();
    publisher.rotate("timestamp");
    publisher.stamp();
    let mut network = Network::of(&[&publisher.tree]);
    for _ in 0..2 {
        let snapshot = medium.refresh(&mut network).unwrap();
        assert_eq!((snapshot.timestamp.version, snapshot.offline), (2, false));
    }
    // What the old key signed is gone.
    let kept = medium.state.unwrap().files.into_keys().filter(|path| path.starts_with("current/"));
    let expected = format!("current/{}-{}", publisher.timestamp_key.listed.id, publisher.release_key.listed.id);
    assert_eq!(kept.collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_new_release_key_recovers_from_a_version_that_ran_ahead() {
    let mut publisher = Publisher::new();
    publisher.release["version"] = 1_000_000.into();
    publisher.publish();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    publisher.release["version"] = 1.into();
    publisher.rotate("release");
    publisher.publish();
    let mut network = Network::of(&[&publisher.tree]);
    for _ in 0..2 {
        let snapshot = medium.refresh(&mut network).unwrap();
        assert_eq!((snapshot.release.version, snapshot.offline), (2, false));
    }
}

#[test]
fn a_new_timestamp_key_does_not_lower_the_floor_of_releases() {
    let mut publisher = strict_site();
    let first = publisher.release.clone();
    publisher.publish();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    publisher.rotate("timestamp");
    publisher.release = first;
    publisher.stamp();
    assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), 22);
}

#[test]
fn a_release_that_a_timestamp_only_names_raises_no_floor() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    let mut network = Network::of(&[&publisher.tree]);
    publisher.stamp_with(|timestamp| timestamp["release"]["version"] = 1_000_000.into());
    let ahead = Network::of(&[&publisher.tree]).mirror("a").clone();
    network.mirrors.insert("a".to_owned(), ahead);
    assert_ne!(exit(&medium.refresh(&mut network)), 0);
    assert_eq!(medium.state.as_ref().unwrap().files.len(), 0);
    publisher.timestamp["version"] = 1.into();
    publisher.publish();
    assert_eq!(medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap().release.version, 2);
}

#[test]
fn the_same_version_with_other_bytes_keeps_the_own_one() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    let own = medium.state.clone();
    // The difference is in a member that this reader ignores: bytes count, not what is understood of them.
    publisher.timestamp["version"] = 0.into();
    publisher.stamp_with(|timestamp| timestamp["colour"] = "red".into());
    let snapshot = medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    assert_eq!((snapshot.source.as_str(), snapshot.offline), ("state", false));
    assert!(medium.was_warned(&["https://a", "another timestamp 1"]));
    assert_eq!(medium.state, own);
}

#[test]
fn the_same_timestamp_signed_again_is_the_same_timestamp() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    let before = publisher.tree[tree::TIMESTAMP].clone();
    publisher.timestamp["version"] = 0.into();
    publisher.stamp();
    assert_ne!(publisher.tree[tree::TIMESTAMP], before, "signatures are hedged");
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    assert!(!medium.was_warned(&["another timestamp"]));
}

#[test]
fn a_copy_that_is_used_because_a_better_one_is_incomplete_does_not_lower_the_floor() {
    let mut publisher = Publisher::new();
    let behind = publisher.tree.clone();
    publisher.now = start().plus(HOUR);
    publisher.publish_with(|terms| terms["label"] = "pc-08".into(), |_| ());
    let mut network = Network::of(&[&publisher.tree, &behind]);
    network.mirror("a").tree.remove(&publisher.index_path());
    let mut medium = Medium::new(&publisher, &["a", "b"]);
    let activation = medium.activate(&mut network, CODE).unwrap();
    assert_eq!(activation.label.as_str(), "pc-07");
    assert!(medium.was_warned(&["timestamp 2"]));
    network.cut("a");
    network.cut("b");
    assert_eq!(medium.refresh(&mut network).unwrap().timestamp.version, 2);
}
