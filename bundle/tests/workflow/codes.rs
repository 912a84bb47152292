//! From a code to its activation and pack, and every way in which a code is refused.

use crate::simulator::*;
use anode_bundle::Refusal;
use anode_bundle::client::Client;
use anode_bundle::code::{Machine, Secret};
use anode_bundle::name::tree;
use serde_json::{Value, json};

const UUID: &str = "4c4c4544-0042-3510-8054-b4c04f4d4e32";

/// The exit code of activating [`CODE`] with these terms.
fn with_terms(change: impl FnOnce(&mut Value), medium: impl FnOnce(&mut Medium)) -> u8 {
    let mut publisher = Publisher::of_site(7);
    publisher.publish_with(change, |_| ());
    let mut booted = Medium::new(&publisher, &["a"]);
    medium(&mut booted);
    exit(&booted.activate(&mut Network::of(&[&publisher.tree]), CODE))
}

#[test]
fn a_published_code_opens_its_activation_and_its_pack() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    let activation = medium.activate(&mut network, "ol23 4567 89ab cder").unwrap();
    assert_eq!((activation.org.as_str(), activation.label.as_str()), ("north", "pc-07"));
    let refusal = activation.offer("windows").err().unwrap();
    assert_eq!((refusal.exit().number(), refusal.to_string().contains("`debian`")), (14, true));
    let pack = medium.install(&mut network).unwrap();
    assert_eq!(pack.files().next().unwrap().1, b"hello");
}

#[test]
fn an_unknown_code_is_11_only_after_every_other_mirror_was_asked() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree, &publisher.tree, &publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a", "b", "c"]);
    assert_eq!(exit(&medium.activate(&mut network, OTHER_CODE)), 11);
    let asked: Vec<_> = network.requests().into_iter().filter(|path| path.ends_with("timestamp.signed")).collect();
    assert_eq!(asked, ["a timestamp.signed", "b timestamp.signed", "c timestamp.signed"]);
}

#[test]
fn a_code_that_only_a_newer_mirror_knows_is_found_there() {
    let mut publisher = Publisher::of_site(7);
    publisher.revoke();
    let old = publisher.tree.clone();
    publisher.now = start().plus(HOUR / 2);
    publisher.publish();
    let mut network = Network::of(&[&old, &publisher.tree]);
    network.mirror("b").tree.retain(|path, _| !old.contains_key(path) || path == "timestamp.signed");
    let mut medium = Medium::new(&publisher, &["a", "b"]);
    medium.install(&mut network).unwrap();
    assert_eq!(medium.refresh(&mut network).unwrap().timestamp.version, 2);
}

#[test]
fn a_code_is_never_unknown_on_the_word_of_an_older_tree_while_the_newer_one_is_incomplete() {
    let mut publisher = Publisher::of_site(7);
    publisher.revoke();
    let old = publisher.tree.clone();
    publisher.now = start().plus(HOUR / 2);
    publisher.publish();
    for path in [tree::release(2), publisher.index_path()] {
        for (place, order) in
            [("another mirror", ["a", "b"]), ("another mirror first", ["b", "a"]), ("state", ["a"; 2])]
        {
            for (junk, code) in [(None, 30), (Some(b"junk".to_vec()), 23)] {
                // `a` has the newer tree, in which the code is, but not all of it; `b` has the older one, in which it is not.
                let mut network = Network::of(&[&publisher.tree, &old]);
                let mut medium = Medium::new(&publisher, &order);
                if place == "state" {
                    medium.refresh(&mut Network::of(&[&old])).unwrap();
                    // What the old tree needs is everywhere; only its timestamp is not.
                    network
                        .mirror("a")
                        .tree
                        .extend(old.clone().into_iter().filter(|(path, _)| path != tree::TIMESTAMP));
                }
                network.mirror("a").tree.remove(&path);
                network.mirror("a").tree.extend(junk.map(|junk| (path.clone(), junk)));
                let refusal = medium.activate(&mut network, CODE).err().unwrap();
                assert_eq!(refusal.exit().number(), code, "{path}, {place}: {refusal}");
            }
        }
    }
}

#[test]
fn another_timestamp_of_the_same_version_is_not_a_newer_one() {
    let (roots, release_key, timestamp_key) = (Signer::several(3), Signer::random(), Signer::random());
    let publisher = || Publisher::with_keys(7, 2, &roots, release_key.clone(), timestamp_key.clone());
    let (mut own, mut twin) = (publisher(), publisher());
    own.revoke();
    twin.publish();
    let mut network = Network::of(&[&own.tree, &twin.tree]);
    let mut medium = Medium::new(&own, &["a", "b"]);
    assert_eq!(exit(&medium.activate(&mut network, CODE)), 11);
    assert!(network.requests().contains(&"b timestamp.signed".to_owned()));
    // The other mirror by itself knows the code.
    Medium::new(&own, &["b"]).activate(&mut network, CODE).unwrap();
}

#[test]
fn a_revoked_code_is_unknown_from_the_next_release_on() {
    let mut publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    let mut network = Network::of(&[&publisher.tree]);
    medium.activate(&mut network, CODE).unwrap();
    publisher.revoke();
    assert_eq!(exit(&medium.activate(&mut Network::of(&[&publisher.tree]), CODE)), 11);
}

#[test]
fn offline_no_answer_says_that_a_code_is_unknown() {
    let publisher = Publisher::new();
    let mut medium = Medium::new(&publisher, &["a"]);
    let mut network = Network::of(&[&publisher.tree]);
    medium.cache = Some(Disk::of(&publisher.tree));
    medium.refresh(&mut network).unwrap();
    network.cut("a");
    let refusal = medium.activate(&mut network, OTHER_CODE).err().unwrap();
    assert_eq!(refusal.exit().number(), 30);
    assert!(refusal.to_string().contains("the copy of 2026-11-21 does not know this code"), "{refusal}");
    medium.activate(&mut network, CODE).unwrap();
}

#[test]
fn a_malformed_code_is_refused_without_a_request() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    for text in ["0123-4567-89AB-CDEF", "0123", "0123-4567-89AB-CD!R"] {
        assert_eq!(exit(&medium.activate(&mut network, text)), 10);
    }
    assert_eq!(network.requests(), [""; 0]);
}

#[test]
fn a_second_code_on_the_same_client_is_looked_up_for_itself() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    let found = medium.run(&mut network, |client: &mut Client<'_>| {
        let first = client.activate(&Secret::parse(OTHER_CODE)?, None);
        assert_eq!(exit(&first), 11);
        client.activate(&Secret::parse(CODE)?, None)
    });
    assert_eq!(exit(&found), 0);
}

#[test]
fn a_code_is_tried_with_each_derivation_of_the_policy() {
    let mut publisher = Publisher::of_site(7);
    let keys = publisher.root_keys.clone();
    publisher.add_root(&keys, |root| {
        let old = root["policy"]["kdf"][0].clone();
        let mut new = old.clone();
        (new["id"], new["epoch"]) = ("b".into(), 1.into());
        root["policy"]["kdf"] = json!([new, old]);
    });
    publisher.publish();
    let mut medium = Medium::new(&publisher, &["a"]);
    medium.activate(&mut Network::of(&[&publisher.tree]), CODE).unwrap();
}

#[test]
fn codes_that_are_used_up_or_outside_their_time_are_12() {
    let until = |key: &'static str, when| move |terms: &mut Value| terms[key] = json!(when);
    assert_eq!(with_terms(|terms| terms["status"] = "used-up".into(), |_| ()), 12);
    assert_eq!(with_terms(|terms| terms["status"] = "expired".into(), |_| ()), 12);
    // The medium's clock says start + 1 h.
    assert_eq!(with_terms(until("not_after", start().plus(HOUR - 1)), |_| ()), 12);
    assert_eq!(with_terms(until("not_after", start().plus(HOUR)), |_| ()), 0);
    assert_eq!(with_terms(until("not_before", start().plus(HOUR + 1)), |_| ()), 12);
    assert_eq!(with_terms(until("not_before", start().plus(HOUR)), |_| ()), 0);
}

#[test]
fn a_bound_code_works_on_its_machines_only() {
    let ours = Machine::new(UUID, "5TNMN32").unwrap();
    let theirs = Machine::new(UUID, "5TNMN33").unwrap();
    let bound = |machines: Vec<&Machine>| {
        let list: Vec<_> = machines.iter().map(|machine| machine.binding(&site(7))).collect();
        move |terms: &mut Value| terms["machines"] = json!(list)
    };
    let on = |machine: Option<&Machine>| {
        let machine = machine.cloned();
        move |medium: &mut Medium| medium.machine = machine
    };
    assert_eq!(with_terms(bound(vec![&ours]), on(Some(&ours))), 0);
    assert_eq!(with_terms(bound(vec![&theirs, &ours]), on(Some(&ours))), 0);
    assert_eq!(with_terms(bound(vec![&theirs]), on(Some(&ours))), 13);
    assert_eq!(with_terms(bound(vec![&ours]), on(None)), 13);
    assert_eq!(with_terms(bound(vec![]), on(None)), 0);
    // A used-up code says so on every machine.
    let both = |terms: &mut Value| {
        bound(vec![&theirs])(terms);
        terms["status"] = "used-up".into();
    };
    assert_eq!(with_terms(both, on(Some(&ours))), 12);
}

#[test]
fn an_activation_of_another_place_or_time_is_a_fault_of_the_publisher() {
    assert_eq!(with_terms(|terms| terms["site"] = json!(site(8)), |_| ()), 25);
    assert_eq!(with_terms(|terms| terms["locator"] = json!("04".repeat(32)), |_| ()), 25);
    assert_eq!(with_terms(|terms| terms["status"] = 7.into(), |_| ()), 25);
    assert_eq!(with_terms(|terms| terms["format"] = "1".into(), |_| ()), 25);
    assert_eq!(with_terms(|terms| terms["format"] = 2.into(), |_| ()), 27);
    assert_eq!(with_terms(|terms| terms["critical"] = json!(["colour"]), |_| ()), 27);
}

#[test]
fn a_pack_that_is_absent_or_has_another_key_does_not_open() {
    let offer = |change: fn(&mut Value)| {
        let mut publisher = Publisher::of_site(7);
        publisher.publish_with(|terms| change(&mut terms["offers"][0]), |_| ());
        exit(&Medium::new(&publisher, &["a"]).install(&mut Network::of(&[&publisher.tree])))
    };
    assert_eq!(offer(|_| ()), 0);
    assert_eq!(offer(|offer| offer["pack_id"] = json!("04".repeat(32))), 25);
    assert_eq!(offer(|offer| offer["pack_key"] = json!("04".repeat(32))), 25);
    assert_eq!(offer(|offer| offer["generation"] = 2.into()), 25);
}

#[test]
fn what_the_policy_does_not_accept_is_refused_before_it_is_derived() {
    let publisher = Publisher::new();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    let machine = Machine::new(UUID, "5TNMN32").unwrap();
    let mut try_secret = |secret: Secret| medium.run(&mut network, |client| client.activate(&secret, None)).err();
    let mut byte = 0_u8;
    let long = anode_bundle::code::Code::generate(20, &mut || {
        byte = byte.wrapping_add(7);
        byte
    });
    assert!(matches!(try_secret(Secret::Code(long.unwrap())), Some(Refusal::CodeMalformed(_))));
    let phrase = Secret::parse("correct horse battery staple").unwrap();
    assert!(matches!(try_secret(phrase), Some(Refusal::CodeMalformed(_))));
    assert!(matches!(try_secret(Secret::Hardware(machine)), Some(Refusal::CodeNotValid(_))));
    assert!(!medium.events.contains(&anode_bundle::client::Event::Deriving));
}

#[test]
fn phrases_and_machines_are_looked_up_where_the_policy_accepts_them() {
    let mut publisher = Publisher::of_site(7);
    let keys = publisher.root_keys.clone();
    publisher.add_root(&keys, |root| {
        root["policy"]["phrases"] = true.into();
        root["policy"]["hardware"] = true.into();
    });
    publisher.publish();
    let mut network = Network::of(&[&publisher.tree]);
    let mut medium = Medium::new(&publisher, &["a"]);
    let phrase = Secret::parse("correct horse battery staple").unwrap();
    for secret in [phrase, Secret::Hardware(Machine::new(UUID, "5TNMN32").unwrap())] {
        let result = medium.run(&mut network, |client| client.activate(&secret, None));
        assert_eq!(exit(&result), 11);
    }
}
