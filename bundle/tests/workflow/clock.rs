//! Time: a lower bound of the present, what expires by it, and what may still be used offline.

use crate::simulator::*;
use anode_bundle::Moment;
use anode_bundle::client::Event;
use serde_json::json;

#[test]
fn each_expired_document_is_refused() {
    let short = |document: &mut serde_json::Value| document["expires"] = json!(start().plus(HOUR));
    for (document, exit_code) in [("none", 0), ("timestamp", 21), ("release", 21), ("root", 21)] {
        let mut publisher = Publisher::of_site(7);
        let keys = publisher.root_keys.clone();
        publisher.add_root(&keys, |root| {
            if document == "root" {
                short(root)
            }
        });
        publisher.publish_with(
            |_| (),
            |release| {
                if document == "release" {
                    short(release)
                }
            },
        );
        publisher.stamp_with(|timestamp| {
            if document == "timestamp" {
                short(timestamp)
            }
        });
        let mut medium = Medium::new(&publisher, &["a"]);
        let mut network = Network::of(&[&publisher.tree]);
        medium.rtc = start().plus(HOUR + 1);
        assert_eq!(exit(&medium.refresh(&mut network)), exit_code, "{document}");
        medium.rtc = start().plus(HOUR);
        assert_eq!(exit(&medium.refresh(&mut network)), 0, "{document} at its last second");
    }
}

#[test]
fn a_refusal_for_age_shows_the_clock_and_the_date_of_the_tree() {
    let publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.rtc = start().plus(8 * DAY);
    let refusal = medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap_err();
    let text = refusal.to_string();
    assert!(text.contains("2026-11-29T09:00:00Z") && text.contains("2026-11-21T09:00:00Z"), "{text}");
}

#[test]
fn a_dead_clock_blocks_nobody_and_makes_every_mirror_be_asked() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.now = start().plus(HOUR);
    publisher.publish();
    let mut medium = Medium::new(&publisher, &["a", "b"]);
    medium.rtc = Moment::EPOCH;
    let mut network = Network::of(&[&old, &publisher.tree]);
    let snapshot = medium.refresh(&mut network).unwrap();
    assert_eq!(snapshot.timestamp.version, 2);
    medium.activate(&mut network, CODE).unwrap();
    let facts = medium.run(&mut network, |client| {
        client.refresh()?;
        Ok((client.clock_is_dead(), client.now()))
    });
    assert_eq!(facts.unwrap(), (true, start().plus(HOUR)));
}

#[test]
fn with_a_dead_clock_the_newest_signed_date_judges_the_others() {
    let mut publisher = Publisher::new();
    let old = publisher.tree.clone();
    publisher.now = start().plus(8 * DAY);
    publisher.publish();
    let mut network = Network::of(&[&publisher.tree, &old]);
    // Only `b`, whose timestamp is over by the date of `a`'s, has a release at all.
    network.mirror("a").tree.remove("release/2.json");
    let mut medium = Medium::new(&publisher, &["b", "a"]);
    medium.rtc = Moment::EPOCH;
    let result = medium.refresh(&mut network);
    assert_eq!(exit(&result), 21, "{result:?}");
}

/// By the clock alone each of these trees would still hold.
#[test]
fn with_a_dead_clock_the_dates_of_root_and_release_count_too() {
    for document in ["none", "root", "release"] {
        let mut publisher = Publisher::of_site(7);
        let keys = publisher.root_keys.clone();
        publisher.now = start().plus(if document == "root" { 8 * DAY } else { DAY });
        publisher.add_root(&keys, |_| ());
        publisher.now = start().plus(if document == "release" { 8 * DAY } else { DAY });
        publisher.publish();
        publisher.stamp_with(|timestamp| {
            timestamp["issued"] = json!(start());
            timestamp["expires"] = json!(start().plus(7 * DAY));
        });
        let mut medium = Medium::new(&publisher, &["a"]);
        medium.rtc = Moment::EPOCH;
        let expected = if document == "none" { 0 } else { 21 };
        assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), expected, "{document}");
    }
}

#[test]
fn a_release_can_not_be_read_under_a_root_that_ended_before_it() {
    let mut publisher = Publisher::of_site(7);
    let keys = publisher.root_keys.clone();
    publisher.add_root(&keys, |root| root["expires"] = json!(start().plus(DAY)));
    publisher.now = start().plus(2 * DAY);
    publisher.publish();
    publisher.stamp_with(|timestamp| timestamp["issued"] = json!(start()));
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.rtc = Moment::EPOCH;
    assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), 21);
}

#[test]
fn with_a_dead_clock_the_build_time_of_the_medium_counts() {
    let publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.rtc = Moment::EPOCH;
    for (days, expected) in [(7, 0), (8, 21)] {
        medium.build = Some(start().plus(days * DAY));
        assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), expected, "{days} days");
        medium.state = Some(Disk::default());
    }
}

#[test]
fn a_medium_without_a_build_time_was_built_when_its_root_was_issued() {
    let publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.build = None;
    for (rtc, dead) in [(start(), false), (Moment::from_seconds(start().seconds() - 1), true)] {
        medium.rtc = rtc;
        let found = medium.run(&mut Network::of(&[&publisher.tree]), |client| Ok(client.clock_is_dead()));
        assert_eq!(found, Ok(dead));
    }
}

#[test]
fn a_clock_more_than_ten_years_ahead_is_impossible() {
    let publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.cache = Some(Disk::of(&publisher.tree));
    for (days, expected) in [(20 * 365, 26), (3653 + 1, 26), (3653, 21)] {
        medium.rtc = start().plus(days * DAY);
        assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), expected, "{days} days");
    }
}

#[test]
fn an_expired_own_timestamp_serves_offline_until_the_release_says_so() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.cache = Some(Disk::of(&publisher.tree));
    medium.refresh(&mut network).unwrap();
    network.cut("a");
    for (place, keep_state) in [("state", true), ("cache", false)] {
        if !keep_state {
            medium.state = None;
        }
        medium.rtc = start().plus(30 * DAY - 1);
        let snapshot = medium.refresh(&mut network).unwrap();
        assert_eq!((snapshot.source.as_str(), snapshot.offline), (place, true));
        let told = Event::Offline { issued: start(), until: start().plus(30 * DAY) };
        assert!(medium.events.contains(&told), "{:?}", medium.events);
        medium.install(&mut network).unwrap();
        medium.rtc = start().plus(30 * DAY);
        assert_eq!(exit(&medium.refresh(&mut network)), 30);
    }
    medium.mirrors.clear();
    assert_eq!(exit(&medium.refresh(&mut network)), 21, "without mirrors, the copy's own fault is named");
}

#[test]
fn a_mirror_never_gets_away_with_an_expired_timestamp() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.rtc = start().plus(8 * DAY);
    assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), 21);
    // Nor does an own copy while a mirror has a valid one, even one that leads nowhere.
    let mut network = Network::of(&[&publisher.tree]);
    medium.cache = Some(Disk::of(&publisher.tree));
    publisher.now = start().plus(8 * DAY);
    publisher.stamp_with(|timestamp| timestamp["release"]["version"] = 2.into());
    let signed = publisher.tree["timestamp.signed"].clone();
    network.mirror("a").tree.insert("timestamp.signed".to_owned(), signed);
    assert_eq!(exit(&medium.refresh(&mut network)), 30);
    network.cut("a");
    medium.refresh(&mut network).unwrap();
}

#[test]
fn offline_needs_an_unexpired_root_and_release() {
    let soon = |document: &mut serde_json::Value| document["expires"] = json!(start().plus(9 * DAY));
    for (document, expected) in [("none", 0), ("root", 21), ("release", 30)] {
        let mut publisher = Publisher::of_site(7);
        let keys = publisher.root_keys.clone();
        publisher.add_root(&keys, |root| {
            if document == "root" {
                soon(root)
            }
        });
        publisher.publish_with(
            |_| (),
            |release| {
                if document == "release" {
                    soon(release)
                }
            },
        );
        let mut network = Network::of(&[&publisher.tree]);
        let mut medium = Medium::new(&publisher, &["a"]);
        medium.refresh(&mut network).unwrap();
        network.cut("a");
        medium.rtc = start().plus(9 * DAY);
        assert_eq!(exit(&medium.refresh(&mut network)), 0, "{document}: until its last second");
        medium.rtc = start().plus(9 * DAY + 1);
        assert_eq!(exit(&medium.refresh(&mut network)), expected, "{document}");
    }
}

#[test]
fn a_code_that_is_online_only_is_never_used_with_an_expired_timestamp() {
    let mut publisher = Publisher::of_site(7);
    publisher.publish_with(|terms| terms["online"] = true.into(), |_| ());
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.cache = Some(Disk::of(&publisher.tree));
    medium.activate(&mut network, CODE).unwrap();
    network.cut("a");
    // The own timestamp still holds.
    medium.activate(&mut network, CODE).unwrap();
    medium.rtc = start().plus(8 * DAY);
    medium.refresh(&mut network).unwrap();
    assert_eq!(exit(&medium.activate(&mut network, CODE)), 30);
}

#[test]
fn a_release_may_not_claim_a_longer_offline_life_than_the_policy() {
    let mut publisher = Publisher::of_site(7);
    publisher.publish_with(|_| (), |release| release["offline_until"] = json!(start().plus(30 * DAY + 1)));
    let mut medium = Medium::new(&publisher, &["a"]);
    assert_eq!(exit(&medium.refresh(&mut Network::of(&[&publisher.tree]))), 24);
}

#[test]
fn an_expired_own_copy_does_not_stand_in_the_way_of_a_new_one() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    publisher.now = start().plus(200 * DAY);
    publisher.publish();
    medium.rtc = start().plus(200 * DAY);
    let snapshot = medium.refresh(&mut Network::of(&[&publisher.tree])).unwrap();
    assert_eq!((snapshot.timestamp.version, snapshot.offline), (2, false));
}

#[test]
fn the_age_and_the_life_of_a_copy_are_said_wherever_no_mirror_delivered() {
    let publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    let mut network = Network::of(&[&publisher.tree]);
    let offline = |medium: &Medium| medium.events.iter().any(|event| matches!(event, Event::Offline { .. }));
    medium.refresh(&mut network).unwrap();
    assert!(!offline(&medium), "the mirror answers");
    network.cut("a");
    medium.refresh(&mut network).unwrap();
    assert!(offline(&medium));
    medium.mirrors.clear();
    medium.refresh(&mut network).unwrap();
    assert!(offline(&medium), "nobody was to be asked");
}
