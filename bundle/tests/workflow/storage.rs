//! State and cache: only what was verified is kept, a crash leaves old or new, and what is found there never stops a run.

use crate::simulator::*;
use anode_bundle::name::tree;

#[test]
fn nothing_is_written_before_it_is_verified() {
    let publisher = Publisher::new();
    for path in publisher.tree.keys().filter(|path| !path.starts_with("root/")) {
        let mut network = Network::of(&[&publisher.tree]);
        for byte in network.mirror("a").tree.get_mut(path).unwrap() {
            *byte ^= 1;
        }
        let mut medium = Medium::new(&publisher, &["a"]);
        medium.cache = Some(Disk::default());
        let installed = medium.install(&mut network).is_ok();
        let wrong = &network.mirrors["a"].tree[path];
        for disk in [medium.state.unwrap(), medium.cache.unwrap()] {
            assert!(disk.files.values().all(|kept| kept != wrong), "{path}");
            if path == tree::TIMESTAMP || path.starts_with("release/") {
                assert_eq!(disk.written, [""; 0], "{path}");
                assert!(!installed);
            }
        }
    }
}

#[test]
fn received_bytes_are_kept_as_they_came() {
    let mut publisher = Publisher::new();
    let keys = publisher.root_keys.clone();
    publisher.add_root(&keys, |root| root["colour"] = "unknown members stay".into());
    publisher.publish();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.cache = Some(Disk::default());
    medium.install(&mut Network::of(&[&publisher.tree])).unwrap();
    let (state, cache) = (medium.state.unwrap().files, medium.cache.unwrap().files);
    assert_eq!(state[&tree::root(2)], publisher.tree[&tree::root(2)]);
    for (path, bytes) in cache.iter().filter(|(path, _)| *path != "partial-copy") {
        assert_eq!(*bytes, publisher.tree[path], "{path}");
    }
    assert!(cache.contains_key(&publisher.activation_path()));
    let pair = format!("current/{}-{}", publisher.timestamp_key.listed.id, publisher.release_key.listed.id);
    assert!(state.contains_key(&pair), "{:?}", state.keys());
}

/// After a crash at every write the next boot, with and without network, has the old tree or the new one.
#[test]
fn a_crash_at_every_write_leaves_the_old_or_the_new_state() {
    let mut publisher = Publisher::new();
    let mut before = Medium::new(&publisher, &["a"]);
    before.cache = Some(Disk::default());
    before.install(&mut Network::of(&[&publisher.tree])).unwrap();
    let keys = publisher.root_keys.clone();
    publisher.add_root(&keys, |_| ());
    publisher.publish_with(|terms| terms["label"] = "pc-08".into(), |_| ());
    let mut outcomes = Vec::new();
    for writes in 0.. {
        let mut network = Network::of(&[&publisher.tree]);
        let mut medium = before.clone();
        let (state, cache) = (medium.state.as_mut().unwrap(), medium.cache.as_mut().unwrap());
        state.written.clear();
        (state.writes_left, cache.writes_left) = (Some(writes), Some(writes));
        // A disk that is full stops nobody.
        assert_eq!(medium.refresh(&mut network).unwrap().release.version, 2);
        let done = medium.state.as_ref().unwrap().writes_left != Some(0);

        for disk in [medium.state.as_mut().unwrap(), medium.cache.as_mut().unwrap()] {
            disk.writes_left = None;
        }
        network.cut("a");
        let mut without_cache = medium.clone();
        without_cache.cache = None;
        outcomes.push(without_cache.refresh(&mut network).unwrap().release.version);
        let mut without_state = medium.clone();
        without_state.state = None;
        without_state.refresh(&mut network).unwrap();
        network.mirror("a").down = None;
        assert_eq!(medium.refresh(&mut network).unwrap().release.version, 2);
        assert_eq!(medium.install(&mut network).unwrap().files().count(), 1);
        if done {
            break;
        }
    }
    assert_eq!((outcomes.first(), outcomes.last()), (Some(&1), Some(&2)));
    assert!(outcomes.is_sorted(), "{outcomes:?}");
}

#[test]
fn what_needs_a_root_that_could_not_be_kept_replaces_nothing_that_can_be_read_without_it() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    let keys = publisher.root_keys.clone();
    publisher.add_root(&keys, |_| ());
    publisher.publish();
    let mut network = Network::of(&[&publisher.tree]);
    medium.state.as_mut().unwrap().unwritable = Some(tree::root(2));
    assert_eq!(medium.refresh(&mut network).unwrap().release.version, 2);
    network.cut("a");
    let kept = medium.refresh(&mut network).unwrap();
    assert_eq!((kept.release.version, kept.offline), (1, true));
}

#[test]
fn a_crash_during_a_key_rotation_is_healed_by_the_next_run() {
    let mut publisher = Publisher::new();
    let mut before = Medium::new(&publisher, &["a"]);
    before.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    publisher.rotate("timestamp");
    publisher.rotate("release");
    publisher.publish();
    let mut network = Network::of(&[&publisher.tree]);
    publisher.stamp();
    let mut later = Network::of(&[&publisher.tree]);
    for writes in 0..10 {
        let mut medium = before.clone();
        medium.state.as_mut().unwrap().writes_left = Some(writes);
        medium.refresh(&mut network).unwrap();
        medium.state.as_mut().unwrap().writes_left = None;
        assert_eq!(medium.refresh(&mut network).unwrap().release.version, 2);
        // At the latest the next timestamp sweeps away what the removed keys left.
        medium.refresh(&mut later).unwrap();
        let files = medium.state.unwrap().files;
        assert_eq!(files.keys().filter(|path| path.starts_with("current/")).count(), 1, "after {writes} writes");
    }
}

#[test]
fn a_damaged_state_stops_nobody() {
    let mut publisher = Publisher::new();
    let keys = publisher.root_keys.clone();
    let mut medium = Medium::new(&publisher, &["a"]);
    publisher.add_root(&keys, |_| ());
    publisher.stamp();
    let mut network = Network::of(&[&publisher.tree]);
    medium.refresh(&mut network).unwrap();
    let whole = medium.state.clone().unwrap();
    for path in whole.files.keys() {
        for damage in [Vec::new(), b"junk".to_vec(), vec![0xff; 20_000], whole.files[path][1..].to_vec()] {
            let mut medium = medium.clone();
            medium.state.as_mut().unwrap().files.insert(path.clone(), damage);
            let snapshot = medium.refresh(&mut network).unwrap();
            assert_eq!((snapshot.offline, snapshot.timestamp.version), (false, 2), "{path}");
            assert_eq!(medium.state.unwrap().files, whole.files, "{path} is not repaired");
        }
    }
}

#[test]
fn no_more_files_of_the_state_are_read_than_an_honest_one_can_have() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.stamp();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    // Whoever can write there can also remove the floor, so that is all that a flood of files can do.
    for (flood, version) in [(31, 2), (32, 1)] {
        let mut medium = medium.clone();
        let files = (0..flood).map(|number| (format!("current/+{number:03}"), vec![0; 100]));
        medium.state.as_mut().unwrap().files.extend(files);
        assert_eq!(medium.refresh(&mut Network::of(&[&old])).unwrap().timestamp.version, version, "{flood}");
    }
}

#[test]
fn a_cache_never_decides_the_exit_code() {
    let publisher = Publisher::new();
    let mut foreign = Publisher::of_site(7);
    foreign.publish();
    let mut expired = Publisher::of_site(8);
    expired.publish();
    let junk = publisher.tree.keys().map(|path| (path.clone(), b"junk".to_vec())).collect();
    for cache in [&foreign.tree, &expired.tree, &junk] {
        let mut medium = Medium::new(&publisher, &["a"]);
        medium.cache = Some(Disk::of(cache));
        let mut network = Network::of(&[&publisher.tree]);
        network.cut("a");
        assert_eq!(exit(&medium.install(&mut network)), 30);
        network.mirror("a").down = None;
        medium.install(&mut network).unwrap();
        assert_eq!(exit(&medium.activate(&mut network, OTHER_CODE)), 11);
    }
}

#[test]
fn a_complete_cache_saves_every_object_and_keeps_its_own_timestamp() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.cache = Some(Disk::of(&publisher.tree));
    let mut network = Network::of(&[&publisher.tree]);
    medium.install(&mut network).unwrap();
    assert_eq!(network.requests(), ["a root/2.json", "a timestamp.signed"]);
    // It is still complete for what its timestamp names, whatever the run fetched.
    publisher.publish_with(|terms| terms["label"] = "pc-08".into(), |_| ());
    medium.install(&mut Network::of(&[&publisher.tree])).unwrap();
    let cache = medium.cache.clone().unwrap();
    assert_ne!(cache.files[tree::TIMESTAMP], publisher.tree[tree::TIMESTAMP]);
    assert!(!cache.files.contains_key("partial-copy"));
    medium.state = None;
    medium.mirrors.clear();
    assert_eq!(medium.activate(&mut Network::default(), CODE).unwrap().label.as_str(), "pc-07");
    medium.install(&mut Network::default()).unwrap();
}

#[test]
fn a_partial_cache_follows_the_newest_tree_and_serves_the_codes_that_filled_it() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.state = None;
    medium.cache = Some(Disk::default());
    medium.install(&mut Network::of(&[&publisher.tree])).unwrap();
    assert!(medium.cache.as_ref().unwrap().files.contains_key("partial-copy"));
    publisher.publish_with(|terms| terms["label"] = "pc-08".into(), |_| ());
    let mut network = Network::of(&[&publisher.tree]);
    medium.install(&mut network).unwrap();
    network.cut("a");
    assert_eq!(medium.activate(&mut network, CODE).unwrap().label.as_str(), "pc-08");
    medium.install(&mut network).unwrap();
    // Without the node or the pack, nothing is claimed about anything.
    for path in [publisher.index_path(), publisher.activation_path()] {
        let mut medium = medium.clone();
        medium.cache.as_mut().unwrap().files.remove(&path);
        assert_eq!(exit(&medium.install(&mut network)), 30);
    }
    assert_eq!(exit(&medium.activate(&mut network, OTHER_CODE)), 30);
}

#[test]
fn a_cache_that_is_given_to_a_medium_with_a_state_becomes_usable_alone() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut network).unwrap();
    medium.cache = Some(Disk::default());
    medium.install(&mut network).unwrap();
    // A run that brings nothing new writes nothing.
    let filled = medium.cache.clone();
    medium.install(&mut network).unwrap();
    assert_eq!(medium.cache, filled);
    medium.state = None;
    network.cut("a");
    medium.install(&mut network).unwrap();
}

#[test]
fn a_newer_cache_wins_over_an_older_mirror_and_is_kept_in_the_state() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.publish();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.cache = Some(Disk::of(&publisher.tree));
    let snapshot = medium.refresh(&mut Network::of(&[&old])).unwrap();
    assert_eq!((snapshot.source.as_str(), snapshot.timestamp.version, snapshot.offline), ("cache", 2, false));
    medium.cache = None;
    let snapshot = medium.refresh(&mut Network::of(&[&old])).unwrap();
    assert_eq!((snapshot.source.as_str(), snapshot.timestamp.version), ("state", 2));
}

#[test]
fn a_root_in_the_cache_leads_on_when_no_mirror_has_it() {
    let mut publisher = Publisher::new();
    let medium = Medium::new(&publisher, &["a"]);
    publisher.rotate("timestamp");
    publisher.stamp();
    let mut network = Network::of(&[&publisher.tree]);
    network.cut("a");
    let mut medium = Medium { cache: Some(Disk::of(&publisher.tree)), ..medium };
    assert_eq!(medium.refresh(&mut network).unwrap().timestamp.version, 2);
    assert!(medium.state.unwrap().files.contains_key("root/2.json"));
}
