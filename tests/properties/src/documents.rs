//! Root, release, timestamp, and the JSON of an activation.

use std::collections::BTreeSet;
use std::fmt::Debug;

use anode_bundle::activation::Activation;
use anode_bundle::document::{Document, MapRoot, MapStart, Release, Root, Timestamp, ceiling};
use anode_bundle::signature::{ListedKey, is_strict_key};
use anode_bundle::{Refusal, index};
use serde::Serialize;
use serde_json::Value;

use crate::Verdict::{self, Accepted, Refused};
use crate::vector::SEALED;

const DAY: u64 = 86_400;

/// What the typed document holds is in the text, as the same kind of JSON value: nothing was converted, reordered or made up but defaults.
fn is_in(read: &Value, written: &Value) -> bool {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => read
            .iter()
            .all(|(name, value)| written.get(name).map_or_else(|| is_default(value), |own| is_in(value, own))),
        (Value::Array(read), Value::Array(written)) => {
            read.len() == written.len() && read.iter().zip(written).all(|(read, written)| is_in(read, written))
        }
        (read, written) => read == written,
    }
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Null | Value::Number(_) => false,
    }
}

fn check_faithful(again: &[u8], data: &[u8]) {
    let read: Value = serde_json::from_slice(again).unwrap();
    let written: Value = serde_json::from_slice(data).expect("JSON for another reader too");
    assert!(is_in(&read, &written), "{read}\n{written}");
    assert_eq!((&written["format"], read.get("critical").is_none_or(is_default)), (&1.into(), true));
}

fn document<D: Document + Serialize + PartialEq + Debug>(data: &[u8], days: u64) -> Option<D> {
    let document = match D::parse(data) {
        Ok(document) => document,
        Err(refusal) => {
            assert!(matches!(refusal, Refusal::WrongDocument { .. } | Refusal::TooNew { .. }), "{refusal:?}");
            return None;
        }
    };
    let again = serde_json::to_vec(&document).unwrap();
    check_faithful(&again, data);
    assert_eq!(D::parse(&again).as_ref(), Ok(&document));
    assert_eq!((document.kind(), document.version() > 0), (D::KIND, true));
    assert!(document.expires() >= document.issued() && document.expires().since(document.issued()) <= days * DAY);
    Some(document)
}

/// An accepted root could be trusted: thresholds that can be met, no key twice, none that anybody could sign for.
pub fn root(data: &[u8]) -> Verdict {
    let Some(root) = document::<Root>(data, ceiling::ROOT) else { return Refused };
    let roles = &root.roles;
    assert!((1..=8).contains(&roles.root.keys.len()));
    assert!((1..=roles.root.keys.len() as u64).contains(&roles.root.threshold));
    for role in [&roles.release, &roles.timestamp] {
        assert_eq!((role.threshold, (1..=4).contains(&role.keys.len())), (1, true));
    }
    let keys: Vec<&ListedKey> = [&roles.root, &roles.release, &roles.timestamp].iter().flat_map(|r| &r.keys).collect();
    assert_eq!(keys.iter().map(|key| key.id).collect::<BTreeSet<_>>().len(), keys.len());
    assert_eq!(keys.iter().map(|key| key.key.as_bytes()).collect::<BTreeSet<_>>().len(), keys.len());
    assert!(keys.iter().all(|key| is_strict_key(&key.key)));
    let policy = &root.policy;
    assert!((1..=2).contains(&policy.kdf.len()));
    for kdf in &policy.kdf {
        // 64 to 256 MiB, and no more than 1 GiB touched.
        assert!((64 << 10..=256 << 10).contains(&kdf.m) && (3..=8).contains(&kdf.t) && kdf.m * kdf.t <= 1 << 20);
    }
    assert!(!policy.code_length.is_empty() && policy.code_length.iter().all(|length| [16, 20].contains(length)));
    Accepted
}

/// An accepted release leads into both maps.
pub fn release(data: &[u8]) -> Verdict {
    let Some(release) = document::<Release>(data, ceiling::RELEASE) else { return Refused };
    assert!(release.offline_until.since(release.issued) <= ceiling::RELEASE * DAY);
    for map in [&release.index.activations, &release.index.packs] {
        match map.start().expect("where the walk begins") {
            MapStart::Inline(node) => {
                assert!(node.len() <= index::INLINE_LIMIT && map.sha256.is_none());
                assert_eq!(MapRoot::new(map.count, &node), *map, "another text of the same node");
            }
            MapStart::Object(hash) => assert_eq!((map.sha256, &map.node), (Some(hash), &None)),
        }
    }
    Accepted
}

/// An accepted timestamp names a release.
pub fn timestamp(data: &[u8]) -> Verdict {
    let Some(timestamp) = document::<Timestamp>(data, ceiling::TIMESTAMP) else { return Refused };
    assert!(timestamp.release.version > 0);
    Accepted
}

/// An accepted activation is that of the place it was found in, and what it offers can be named.
pub fn activation(data: &[u8]) -> Verdict {
    let parse = |data: &[u8]| Activation::parse(data, &SEALED.site, &SEALED.locator);
    let activation = match parse(data) {
        Ok(activation) => activation,
        Err(refusal) => {
            assert!(matches!(refusal, Refusal::UnsealFailed { .. } | Refusal::TooNew { .. }));
            return Refused;
        }
    };
    let again = activation.encode().unwrap_or_else(|refusal| panic!("{refusal}"));
    check_faithful(&again, data);
    let second = parse(&again).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(second.encode().ok(), Some(again));
    assert_eq!((&activation.site, &activation.locator), (&SEALED.site, &SEALED.locator));
    for moment in [activation.not_before, activation.not_after] {
        if activation.check(moment, None).is_ok() {
            assert!((activation.not_before..=activation.not_after).contains(&moment) && activation.machines.is_empty());
        }
    }
    for offer in &activation.offers {
        assert_eq!(activation.offer(offer.profile.as_str()).map(|found| &found.profile), Ok(&offer.profile));
    }
    Accepted
}
