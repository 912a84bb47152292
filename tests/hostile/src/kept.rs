//! What a state folder holds, read without the code that wrote it: by its layout as ARCHITECTURE.md describes it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::publisher::Tree;

/// The highest versions; 0: none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub root: u64,
    pub release: u64,
    pub timestamp: u64,
}

/// `root/<N>.json`, and `current/…`: `u32be length of the timestamp ‖ timestamp ‖ release`, each as four lines of signature and a body.
pub(crate) fn versions(state: &BTreeMap<String, Vec<u8>>) -> Kept {
    let mut kept = Kept::default();
    for (name, bytes) in state {
        if let Some(number) = name.strip_prefix("root/").and_then(|rest| rest.strip_suffix(".json")) {
            kept.root = kept.root.max(number.parse().unwrap_or(0));
        } else if name.starts_with("current/")
            && let Some((length, rest)) = bytes.split_first_chunk::<4>()
            && let Some((timestamp, release)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)
        {
            kept.timestamp = kept.timestamp.max(version(timestamp));
            kept.release = kept.release.max(version(release));
        }
    }
    kept
}

/// Timestamp and release of a tree in the state's own form.
///
/// # Panics
/// If the tree has none.
pub(crate) fn pair(tree: &Tree) -> Vec<u8> {
    let timestamp = &tree["timestamp.signed"];
    let body: Value = serde_json::from_slice(&body(timestamp)).expect("a timestamp");
    let release = format!("release/{}.json", body["release"]["version"]);
    let length = u32::try_from(timestamp.len()).expect("a small document");
    [&length.to_be_bytes()[..], timestamp, &tree[&format!("{release}.minisig")], &tree[&release]].concat()
}

fn body(signed: &[u8]) -> Vec<u8> {
    signed.splitn(5, |byte| *byte == b'\n').nth(4).unwrap_or_default().to_vec()
}

fn version(signed: &[u8]) -> u64 {
    serde_json::from_slice::<Value>(&body(signed)).ok().and_then(|body| body["version"].as_u64()).unwrap_or(0)
}
