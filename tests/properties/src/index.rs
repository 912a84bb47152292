//! The index: single nodes as they come from a host, and whole maps as they are built.

use std::collections::BTreeMap;

use anode_bundle::Refusal;
use anode_bundle::index::{Entry, NODE_LIMIT, Node, Step, build, check_root, descend, read, step};
use anode_bundle::name::Sha256;

use crate::Verdict::{self, Accepted, Refused};

/// The first 5·`depth` bits, as text: slow and plain.
fn prefix(key: &[u8; 32], depth: usize) -> String {
    let bits: String = key.iter().map(|byte| format!("{byte:08b}")).collect();
    bits[..5 * depth].to_owned()
}

/// `depth ‖ key ‖ node`: an accepted node is in its one form and in its place, and a step from it leads where its bytes say.
pub fn node(data: &[u8]) -> Verdict {
    let Some(([depth], rest)) = data.split_first_chunk::<1>() else { return Refused };
    let Some((key, bytes)) = rest.split_first_chunk::<32>() else { return Refused };
    let node = match read(bytes, *depth, key) {
        Ok(node) => node,
        Err(refusal) => {
            assert!(matches!(refusal, Refusal::Integrity { .. }), "never an absence: {refusal:?}");
            assert!(step(bytes, *depth, key).is_err());
            return Refused;
        }
    };
    let level = usize::from(*depth);
    assert!(bytes.len() as u64 <= NODE_LIMIT && level <= 12);
    let mut again = b"ANX1".to_vec();
    let wanted = match &node {
        Node::Leaf(entries) => {
            let count = u16::try_from(entries.len()).unwrap();
            assert!(count <= 128 && (count > 0 || level == 0));
            again.extend([1, *depth]);
            again.extend(count.to_be_bytes());
            for entry in entries {
                again.extend([&entry.key[..], entry.sha256.as_bytes(), &entry.length.to_be_bytes()].concat());
                assert_eq!(prefix(&entry.key, level), prefix(key, level));
            }
            assert!(entries.windows(2).all(|pair| pair[0].key < pair[1].key));
            if level == 0 {
                assert_eq!(build(entries.clone()).root, bytes);
                assert_eq!(check_root(bytes, u64::from(count)), Ok(()));
            }
            entries.iter().find(|entry| entry.key == *key).map_or(Step::Absent, |entry| Step::Found(*entry))
        }
        Node::Inner(children) => {
            assert!(level < 12 && (1..=32).contains(&children.len()));
            let bitmap = children.iter().fold(0_u32, |bitmap, (child, _)| bitmap | 1 << (31 - child));
            again.extend([0, *depth]);
            again.extend(u16::try_from(children.len()).unwrap().to_be_bytes());
            again.extend(bitmap.to_be_bytes());
            again.extend(children.iter().flat_map(|(_, hash)| *hash.as_bytes()));
            for (child, _) in children {
                assert_eq!(
                    prefix(&descend(key, *depth, *child), level + 1),
                    prefix(key, level) + &format!("{child:05b}")
                );
            }
            let next = prefix(key, level + 1).split_off(5 * level);
            let next = u32::from_str_radix(&next, 2).unwrap();
            let child = children.iter().find(|(child, _)| *child == next);
            child.map_or(Step::Absent, |(_, hash)| Step::Child(*hash))
        }
    };
    assert_eq!(again, bytes, "another encoding of the same node");
    assert_eq!(step(bytes, *depth, key), Ok(wanted));
    Accepted
}

/// Four bytes a key: every key of a built map is found, every other is absent, and every node is read in its place.
pub fn map(data: &[u8]) -> Verdict {
    let (chunks, rest) = data.as_chunks::<4>();
    // More keys only take longer.
    if !rest.is_empty() || chunks.len() > 1024 {
        return Refused;
    }
    let entry = |bytes: &[u8; 4]| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(bytes);
        Entry { key, sha256: Sha256::of(bytes), length: u32::from_be_bytes(*bytes) }
    };
    let map = build(chunks.iter().map(entry).collect());
    let keys: BTreeMap<_, _> = chunks.iter().map(|bytes| (entry(bytes).key, entry(bytes))).collect();
    assert_eq!(check_root(&map.root, keys.len() as u64), Ok(()));
    assert!(check_root(&map.root, if keys.len() > 128 { 128 } else { 129 }).is_err());
    let nodes: BTreeMap<_, _> = map.nodes.iter().map(|(hash, node)| (*hash, node)).collect();
    let mut visited = std::collections::BTreeSet::new();
    let neighbours = keys.keys().map(|key| {
        let mut other = *key;
        other[31] ^= 1;
        other
    });
    for key in keys.keys().copied().chain(neighbours.collect::<Vec<_>>()) {
        let (mut node, mut depth) = (&map.root, 0);
        let end = loop {
            assert!(node.len() as u64 <= NODE_LIMIT);
            match step(node, depth, &key).expect("a built node is read") {
                Step::Child(hash) => {
                    visited.insert(hash);
                    (node, depth) = (nodes[&hash], depth + 1);
                }
                end => break end,
            }
        };
        assert_eq!(end, keys.get(&key).map_or(Step::Absent, |entry| Step::Found(*entry)));
    }
    assert!(visited.into_iter().eq(nodes.into_keys()), "a node that nobody reaches");
    Accepted
}
