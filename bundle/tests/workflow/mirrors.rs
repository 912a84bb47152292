//! Several mirrors: the highest version wins, what one gets wrong another makes good, and the exit code is the gravest failure.

use crate::simulator::*;
use anode_bundle::client::FetchError;
use anode_bundle::name::tree;
use anode_bundle::pack::{Answers, Contents};
use serde_json::json;

#[test]
fn the_highest_version_wins_over_the_place() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.now = start().plus(2 * DAY);
    publisher.publish();
    for (trees, winner) in [([&old, &publisher.tree], "https://b"), ([&publisher.tree, &old], "https://a")] {
        let mut medium = Medium::new(&publisher, &["a", "b"]);
        medium.rtc = start().plus(2 * DAY);
        let snapshot = medium.refresh(&mut Network::of(&trees)).unwrap();
        assert_eq!((snapshot.release.version, snapshot.source.as_str()), (2, winner));
    }
}

#[test]
fn a_timestamp_younger_than_36_hours_ends_the_search() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.now = start().plus(HOUR);
    publisher.stamp();
    for (age, version) in [(36 * HOUR - 1, 1), (36 * HOUR, 2)] {
        let mut medium = Medium::new(&publisher, &["a", "b"]);
        medium.rtc = start().plus(age);
        let snapshot = medium.refresh(&mut Network::of(&[&old, &publisher.tree])).unwrap();
        assert_eq!(snapshot.timestamp.version, version, "{age} s");
    }
}

#[test]
fn a_mirror_behind_the_state_is_skipped_with_a_warning() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.publish();
    let mut medium = Medium::new(&publisher, &["a", "b"]);
    medium.refresh(&mut Network::of(&[&publisher.tree, &publisher.tree])).unwrap();
    publisher.stamp();
    let snapshot = medium.refresh(&mut Network::of(&[&old, &publisher.tree])).unwrap();
    assert_eq!((snapshot.timestamp.version, snapshot.source.as_str()), (3, "https://b"));
    assert!(medium.was_warned(&["https://a", "version 1", "version 2"]));
}

#[test]
fn a_timestamp_whose_release_nobody_has_is_dropped_for_the_next_best() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.now = start().plus(HOUR);
    publisher.publish();
    for missing in [tree::release(2), tree::release_signature(2)] {
        let mut network = Network::of(&[&publisher.tree, &old]);
        network.mirror("a").tree.remove(&missing);
        // `a` is fresh, so `b` is asked only because `a` turns out to be no use.
        let mut medium = Medium::new(&publisher, &["a", "b"]);
        let snapshot = medium.refresh(&mut network).unwrap();
        assert_eq!((snapshot.timestamp.version, snapshot.source.as_str()), (1, "https://b"), "{missing}");
        assert!(medium.was_warned(&["timestamp 2", "https://a"]));
    }
}

#[test]
fn a_pack_that_nobody_has_makes_the_whole_activation_fall_back_to_an_older_tree() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.now = start().plus(HOUR);
    publisher.file = b"newer";
    publisher.publish();
    let mut medium = Medium::new(&publisher, &["a", "b"]);
    let mut network = Network::of(&[&publisher.tree, &old]);
    let files = |contents: Contents| contents.fill(&Answers::default()).unwrap().remove(0).bytes.to_vec();
    assert_eq!(files(medium.install(&mut network).unwrap()), b"newer");
    network.mirror("a").tree.remove(&publisher.pack_path());
    medium.state = Some(Disk::default());
    assert_eq!(files(medium.install(&mut network).unwrap()), b"hello");
    assert!(medium.was_warned(&["timestamp 2", "https://a", "the pack", "nowhere to be had"]));
    // The older tree is not the floor's: the next run needs the newer one again.
    assert_eq!(exit(&medium.install(&mut network)), 22);
    medium.state = Some(Disk::default());
    network.cut("b");
    assert_eq!(exit(&medium.install(&mut network)), 30);
}

#[test]
fn a_release_may_come_from_another_mirror_than_its_timestamp() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree, &publisher.tree]);
    network.mirror("a").tree.remove(&tree::release(1));
    let snapshot = Medium::new(&publisher, &["a", "b"]).refresh(&mut network).unwrap();
    assert_eq!(snapshot.source, "https://a");
}

#[test]
fn wrong_bytes_of_one_mirror_cost_it_its_turn_and_are_kept_nowhere() {
    let publisher = Publisher::new();
    let paths = [tree::release(1), tree::release_signature(1), publisher.index_path(), publisher.activation_path()];
    for path in paths {
        let mut network = Network::of(&[&publisher.tree, &publisher.tree]);
        let wrong: Vec<u8> = publisher.tree[&path].iter().map(|byte| byte ^ 1).collect();
        network.mirror("a").tree.insert(path.clone(), wrong.clone());
        let mut medium = Medium::new(&publisher, &["a", "b"]);
        medium.cache = Some(Disk::default());
        medium.install(&mut network).unwrap();
        assert!(network.requests().contains(&format!("b {path}")));
        let disks = [medium.state.unwrap(), medium.cache.unwrap()];
        assert!(disks.iter().flat_map(|disk| disk.files.values()).all(|bytes| *bytes != wrong), "{path}");
    }
}

#[test]
fn a_missing_index_node_is_30_and_a_wrong_one_23_and_neither_is_ever_11() {
    let publisher = Publisher::new();
    for path in [publisher.index_path(), publisher.activation_path()] {
        for has_state in [false, true] {
            let mut network = Network::of(&[&publisher.tree]);
            let mut medium = Medium::new(&publisher, &["a"]);
            if has_state {
                medium.refresh(&mut network).unwrap();
            }
            network.mirror("a").tree.insert(path.clone(), b"junk".to_vec());
            assert_eq!(exit(&medium.activate(&mut network, CODE)), 23, "{path}, state: {has_state}");
            network.mirror("a").tree.remove(&path);
            assert_eq!(exit(&medium.activate(&mut network, CODE)), 30, "{path}, state: {has_state}");
        }
    }
}

#[test]
fn an_object_longer_than_signed_is_refused() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    network.mirror("a").tree.get_mut(&publisher.activation_path()).unwrap().push(0);
    let mut medium = Medium::new(&publisher, &["a"]);
    assert_eq!(exit(&medium.activate(&mut network, CODE)), 23);
}

/// Makes mirror `name` fail in the way that has this exit code.
fn fail(network: &mut Network, name: &str, code: u8, publisher: &mut Publisher) {
    let good = publisher.tree.clone();
    let version = publisher.timestamp["version"].as_u64().unwrap();
    match code {
        20 => {
            publisher.tree.get_mut(tree::TIMESTAMP).unwrap().push(b' ');
        }
        21 => publisher.stamp_with(|timestamp| {
            timestamp["issued"] = json!(start());
            timestamp["expires"] = json!(start().plus(60));
        }),
        22 => {
            publisher.timestamp["version"] = 0.into();
            publisher.stamp();
        }
        23 => {
            publisher.stamp();
            publisher.tree.get_mut(&tree::release(2)).unwrap().push(b' ');
        }
        24 => publisher.stamp_with(|timestamp| timestamp["release"] = json!("none")),
        27 => publisher.stamp_with(|timestamp| timestamp["format"] = 2.into()),
        30 => network.cut(name),
        31 => network.mirror(name).down = Some(FetchError::Tls("certificate".to_owned())),
        32 => network.mirror(name).down = Some(FetchError::TooSlow("slow".to_owned())),
        33 => network.mirror(name).down = Some(FetchError::NotASite("portal".to_owned())),
        other => panic!("{other}"),
    }
    network.mirror(name).tree = std::mem::replace(&mut publisher.tree, good);
    publisher.timestamp["version"] = version.into();
}

#[test]
fn when_all_mirrors_fail_the_gravest_failure_decides_whichever_came_first() {
    const ORDER: [u8; 10] = [20, 24, 23, 22, 27, 21, 31, 33, 32, 30];
    for (rank, grave) in ORDER.iter().enumerate() {
        for light in &ORDER[rank..] {
            for [first, second] in [[grave, light], [light, grave]] {
                let mut publisher = Publisher::of_site(7);
                let never_offline =
                    |release: &mut serde_json::Value| release["offline_until"] = release["issued"].clone();
                publisher.publish_with(|_| (), never_offline);
                publisher.publish_with(|_| (), never_offline);
                publisher.stamp_with(|timestamp| timestamp["expires"] = json!(start().plus(DAY)));
                // The state knows timestamp 3, which is over, and wants release 2 again.
                let mut medium = Medium::new(&publisher, &["a", "b"]);
                let mut network = Network::of(&[&publisher.tree, &publisher.tree]);
                medium.refresh(&mut network).unwrap();
                medium.rtc = start().plus(2 * DAY);
                publisher.now = start().plus(2 * DAY - HOUR);
                fail(&mut network, "a", *first, &mut publisher);
                fail(&mut network, "b", *second, &mut publisher);
                if [*first, *second].contains(&23) {
                    // Nobody else has the right bytes of release 2, and the own copy is damaged.
                    for (name, code) in [("a", first), ("b", second)] {
                        if *code != 23 {
                            network.mirror(name).tree.remove(&tree::release(2));
                        }
                    }
                    let broken = medium.state.as_mut().unwrap();
                    let (path, pair) = broken.files.pop_first().unwrap();
                    let cut = pair.len() - 1;
                    broken.files.insert(path, pair[..cut].to_vec());
                }
                let result = medium.refresh(&mut network);
                assert_eq!(exit(&result), *grave, "{first} then {second}: {result:?}");
            }
        }
    }
}

#[test]
fn an_address_without_a_site_is_named_as_such() {
    let publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    assert_eq!(exit(&medium.refresh(&mut Network::of(&[&Tree::new()]))), 33);
    medium.mirrors.clear();
    assert_eq!(exit(&medium.refresh(&mut Network::default())), 30);
}
