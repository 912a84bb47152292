//! What lies on the medium beside its root: the timestamp and release of the day on which it was built.

use crate::simulator::*;
use anode_bundle::Moment;

/// A medium that was built from what is published now, and the way in which its floor is written.
fn built(publisher: &Publisher) -> Medium {
    let mut medium = Medium::new(publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    let state = medium.state.take().unwrap().files;
    medium.floor = state.into_iter().find_map(|(path, bytes)| path.starts_with("current/").then_some(bytes));
    assert!(medium.floor.is_some());
    medium
}

#[test]
fn a_medium_without_any_state_refuses_what_is_older_than_itself() {
    let mut publisher = Publisher::of_site(7);
    publisher.publish_with(|_| (), |release| release["offline_until"] = release["issued"].clone());
    let old = publisher.tree.clone();
    publisher.stamp();
    let mut medium = built(&publisher);
    let mut network = Network::of(&[&old]);
    // Its own copy still holds, so the mirror is only behind.
    let snapshot = medium.refresh(&mut network).unwrap();
    assert_eq!((snapshot.timestamp.version, snapshot.source.as_str(), snapshot.offline), (2, "state", true));
    // Ten days later only the mirror's timestamp would be unexpired, and it is older.
    publisher.now = start().plus(10 * DAY);
    publisher.timestamp["version"] = 0.into();
    publisher.stamp();
    medium.rtc = publisher.now;
    assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), 22);
    medium.floor = None;
    assert_eq!(medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap().timestamp.version, 1);
}

#[test]
fn a_rotated_key_takes_the_floor_of_the_medium_with_it() {
    let mut publisher = Publisher::new();
    publisher.timestamp["version"] = 99.into();
    publisher.stamp();
    let mut medium = built(&publisher);
    publisher.rotate("timestamp");
    publisher.timestamp["version"] = 0.into();
    publisher.stamp();
    assert_eq!(medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap().timestamp.version, 1);
}

#[test]
fn a_floor_that_does_not_verify_under_the_shipped_root_is_a_damaged_medium() {
    let publisher = Publisher::new();
    let medium = built(&publisher);
    let floor = medium.floor.clone().unwrap();
    let mut stranger = Publisher::of_site(7);
    stranger.publish();
    let of_a_stranger = built(&stranger).floor.unwrap();
    let mut flipped = floor.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (broken, wanted) in
        [(of_a_stranger, 20), (flipped, 20), (floor[..floor.len() - 1].to_vec(), 20), (b"floor".to_vec(), 24)]
    {
        let mut medium = medium.clone();
        medium.floor = Some(broken);
        let mut network = Network::of(&[&publisher.tree]);
        assert_eq!(exit(&medium.refresh(&mut network)), wanted);
        assert_eq!(network.requests(), [""; 0]);
    }
}

#[test]
fn a_medium_was_not_built_before_its_floor() {
    let mut publisher = Publisher::new();
    publisher.now = start().plus(5 * DAY);
    publisher.stamp();
    let mut medium = built(&publisher);
    medium.build = None;
    let mut facts = |rtc: Moment| {
        medium.rtc = rtc;
        let mut network = Network::of(&[&publisher.tree]);
        medium.run(&mut network, |client| Ok((client.clock_is_dead(), client.now()))).unwrap()
    };
    assert_eq!(facts(start().plus(4 * DAY)), (true, start().plus(5 * DAY)));
    assert_eq!(facts(start().plus(6 * DAY)), (false, start().plus(6 * DAY)));
}
