//! The index: a content-addressed prefix tree over 32-byte keys (format, section 7). Its shape depends on the set of keys alone; a verified leaf
//! without a key says with authority that there is no such key.

use crate::error::Refusal;
use crate::name::Sha256;

/// The largest node in bytes.
pub const NODE_LIMIT: u64 = (HEADER + LEAF_ENTRIES * ENTRY) as u64;
/// A root node of at most this many bytes lies in the release itself.
pub const INLINE_LIMIT: usize = 1100;

const MAGIC: &[u8; 4] = b"ANX1";
const HEADER: usize = 8;
const ENTRY: usize = 68;
const LEAF_ENTRIES: usize = 128;
const DEEPEST: u8 = 12;

/// What a key points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The key: a locator or a pack id.
    pub key: [u8; 32],
    /// The object's hash.
    pub sha256: Sha256,
    /// The object's length in bytes.
    pub length: u32,
}

/// One step of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The key's entry.
    Found(Entry),
    /// With authority: no such key.
    Absent,
    /// Go on with this node, one deeper.
    Child(Sha256),
}

/// A built map.
pub struct Map {
    /// The root node.
    pub root: Vec<u8>,
    /// Every other node, named by its hash.
    pub nodes: Vec<(Sha256, Vec<u8>)>,
}

/// Builds the one map of a set of entries; of two entries with one key the later one stays.
#[must_use]
pub fn build(mut entries: Vec<Entry>) -> Map {
    entries.sort_by_key(|entry| entry.key);
    entries.dedup_by_key(|entry| entry.key);
    let mut nodes = Vec::new();
    let root = build_node(&entries, 0, &mut nodes);
    Map { root, nodes }
}

fn build_node(entries: &[Entry], depth: u8, nodes: &mut Vec<(Sha256, Vec<u8>)>) -> Vec<u8> {
    if entries.len() <= LEAF_ENTRIES {
        let mut node = header(1, depth, entries.len());
        for entry in entries {
            node.extend_from_slice(&entry.key);
            node.extend_from_slice(entry.sha256.as_bytes());
            node.extend_from_slice(&entry.length.to_be_bytes());
        }
        return node;
    }
    let mut bitmap = 0_u32;
    let mut children = Vec::new();
    for group in entries.chunk_by(|a, b| child_at(&a.key, depth) == child_at(&b.key, depth)) {
        let Some(first) = group.first() else { continue };
        let child = build_node(group, depth + 1, nodes);
        let hash = Sha256::of(&child);
        nodes.push((hash, child));
        bitmap |= bit(child_at(&first.key, depth));
        children.push(hash);
    }
    let mut node = header(0, depth, children.len());
    node.extend_from_slice(&bitmap.to_be_bytes());
    for child in children {
        node.extend_from_slice(child.as_bytes());
    }
    node
}

fn header(kind: u8, depth: u8, count: usize) -> Vec<u8> {
    let mut node = MAGIC.to_vec();
    node.extend_from_slice(&[kind, depth]);
    node.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
    node
}

/// Key bits 5d…5d+4, most significant first.
fn child_at(key: &[u8; 32], depth: u8) -> u32 {
    (0..5).fold(0, |value, offset| {
        let at = usize::from(depth) * 5 + offset;
        let byte = key.get(at / 8).copied().unwrap_or_default();
        value * 2 + u32::from(byte >> (7 - at % 8) & 1)
    })
}

fn bit(child: u32) -> u32 {
    1 << (31 - child)
}

fn shares_prefix(a: &[u8; 32], b: &[u8; 32], depth: u8) -> bool {
    (0..depth).all(|level| child_at(a, level) == child_at(b, level))
}

/// A node of the right form, in the right place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// At most 128 entries, keys ascending.
    Leaf(Vec<Entry>),
    /// The present children: the five bits that lead to each, and its hash.
    Inner(Vec<(u32, Sha256)>),
}

/// Reads the node at `depth` on the path of `key`. The node's bytes must already be those that its parent named.
///
/// # Errors
/// [`Refusal::Integrity`] unless kind, length, depth, order and prefix are exactly right.
pub fn read(node: &[u8], depth: u8, key: &[u8; 32]) -> Result<Node, Refusal> {
    let broken = |problem: &str| Refusal::Integrity {
        what: "an index node".to_owned(),
        wanted: "a well-formed node of format 1".to_owned(),
        found: problem.to_owned(),
    };
    let (head, body) = node.split_first_chunk::<HEADER>().ok_or_else(|| broken("a node that ends early"))?;
    let [m0, m1, m2, m3, kind, found_depth, c0, c1] = *head;
    if [m0, m1, m2, m3] != *MAGIC {
        return Err(broken("another magic"));
    }
    if found_depth != depth || depth > DEEPEST {
        return Err(broken("a node of another depth"));
    }
    let count = usize::from(u16::from_be_bytes([c0, c1]));
    match kind {
        // Where no key is, the parent has no child.
        1 if count == 0 && depth > 0 => Err(broken("an empty leaf below the root")),
        1 => read_leaf(body, count, depth, key).map_err(broken),
        0 => read_inner(body, count, depth).map_err(broken),
        _ => Err(broken("another kind")),
    }
}

/// One step of the walk for `key`.
///
/// # Errors
/// As [`read`]: a malformed node is never an absence.
pub fn step(node: &[u8], depth: u8, key: &[u8; 32]) -> Result<Step, Refusal> {
    Ok(match read(node, depth, key)? {
        Node::Leaf(entries) => entries.into_iter().find(|entry| entry.key == *key).map_or(Step::Absent, Step::Found),
        Node::Inner(children) => {
            let wanted = child_at(key, depth);
            children.into_iter().find(|(child, _)| *child == wanted).map_or(Step::Absent, |(_, hash)| Step::Child(hash))
        }
    })
}

/// A key on the path of `child` below the node at `depth` on the path of `key`: for walks through a whole map.
#[must_use]
pub fn descend(key: &[u8; 32], depth: u8, child: u32) -> [u8; 32] {
    let mut below = *key;
    for offset in 0..5 {
        let at = usize::from(depth) * 5 + offset;
        if let Some(byte) = below.get_mut(at / 8) {
            let mask = 0x80 >> (at % 8);
            *byte = if child >> (4 - offset) & 1 == 1 { *byte | mask } else { *byte & !mask };
        }
    }
    below
}

fn read_leaf(body: &[u8], count: usize, depth: u8, key: &[u8; 32]) -> Result<Node, &'static str> {
    let (chunks, rest) = body.as_chunks::<ENTRY>();
    if count > LEAF_ENTRIES || chunks.len() != count || !rest.is_empty() {
        return Err("a leaf whose length does not fit its count");
    }
    let entries: Vec<Entry> = chunks.iter().filter_map(read_entry).collect();
    if !entries.is_sorted_by(|a, b| a.key < b.key) {
        return Err("a leaf whose keys are not ascending");
    }
    if entries.iter().any(|entry| !shares_prefix(&entry.key, key, depth)) {
        return Err("a leaf with a key of another prefix");
    }
    Ok(Node::Leaf(entries))
}

fn read_entry(bytes: &[u8; ENTRY]) -> Option<Entry> {
    let (key, rest) = bytes.split_first_chunk::<32>()?;
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let length = u32::from_be_bytes(*rest.first_chunk::<4>()?);
    Some(Entry { key: *key, sha256: Sha256(*hash), length })
}

fn read_inner(body: &[u8], count: usize, depth: u8) -> Result<Node, &'static str> {
    let (bitmap, body) = body.split_first_chunk::<4>().ok_or("a node that ends early")?;
    let bitmap = u32::from_be_bytes(*bitmap);
    let (hashes, rest) = body.as_chunks::<32>();
    if count == 0 || bitmap.count_ones() as usize != count || hashes.len() != count || !rest.is_empty() {
        return Err("an inner node whose length does not fit its bitmap");
    }
    if depth == DEEPEST {
        return Err("an inner node where only a leaf can be");
    }
    let present = (0..32).filter(|child| bitmap & bit(*child) != 0);
    Ok(Node::Inner(present.zip(hashes).map(|(child, hash)| (child, Sha256(*hash))).collect()))
}

/// Checks what only the root node can show: that a map of `count` keys begins with a leaf or an inner node, as it must.
///
/// # Errors
/// [`Refusal::Integrity`].
pub fn check_root(node: &[u8], count: u64) -> Result<(), Refusal> {
    let (kind, entries) = match node.first_chunk::<HEADER>() {
        Some([_, _, _, _, kind, _, c0, c1]) => (*kind, u64::from(u16::from_be_bytes([*c0, *c1]))),
        None => (2, 0),
    };
    let fits = if count <= LEAF_ENTRIES as u64 { kind == 1 && entries == count } else { kind == 0 };
    if fits {
        return Ok(());
    }
    Err(Refusal::Integrity {
        what: "the root node of an index".to_owned(),
        wanted: format!("the root of {count} keys"),
        found: "a node of another size".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn entry(number: u32) -> Entry {
        let hash = Sha256::of(&number.to_be_bytes());
        Entry { key: hash.0, sha256: Sha256::of(hash.as_bytes()), length: number }
    }

    /// Where a walk through all nodes of a map ends.
    fn walker(map: &Map) -> impl Fn(&[u8; 32]) -> Step {
        let nodes: BTreeMap<_, _> = map.nodes.iter().map(|(hash, node)| (*hash, node)).collect();
        move |key| {
            let (mut node, mut depth) = (&map.root, 0);
            loop {
                match step(node, depth, key).unwrap() {
                    Step::Child(hash) => (node, depth) = (nodes[&hash], depth + 1),
                    end => return end,
                }
            }
        }
    }

    #[test]
    fn every_key_is_found_and_every_other_is_absent() {
        for count in [0, 1, 16, 17, 128, 129, 5000] {
            let map = build((0..count).map(entry).collect());
            assert!(check_root(&map.root, u64::from(count)).is_ok());
            let walk = walker(&map);
            for number in 0..count {
                assert_eq!(walk(&entry(number).key), Step::Found(entry(number)));
            }
            for number in count..count + 500 {
                assert_eq!(walk(&entry(number).key), Step::Absent);
            }
        }
    }

    #[test]
    fn the_shape_depends_on_the_set_alone() {
        let forward = build((0..3000).map(entry).collect());
        let backward = build((0..3000).rev().map(entry).collect());
        assert_eq!(forward.root, backward.root);
        assert_eq!(forward.nodes.len(), backward.nodes.len());
    }

    #[test]
    fn one_changed_key_rewrites_at_most_three_nodes() {
        let old = build((0..10_000).map(entry).collect());
        let mut entries: Vec<_> = (0..10_000).map(entry).collect();
        entries[77].length += 1;
        let new = build(entries);
        let known: std::collections::BTreeSet<_> = old.nodes.iter().map(|(hash, _)| *hash).collect();
        let rewritten = new.nodes.iter().filter(|(hash, _)| !known.contains(hash)).count() + 1;
        assert!(rewritten <= 3, "{rewritten}");
    }

    #[test]
    fn a_leaf_is_read_on_the_path_of_its_keys_and_nowhere_else() {
        let bits = |key: &[u8], depth: u8| -> Vec<u8> {
            (0..usize::from(depth) * 5).map(|at| key[at / 8] >> (7 - at % 8) & 1).collect()
        };
        let map = build((0..5000).map(entry).collect());
        let key = entry(1).key;
        let leaves: Vec<_> = map.nodes.iter().filter(|(_, node)| node[4] == 1).collect();
        let here = |node: &[u8]| bits(&node[HEADER..], node[5]) == bits(&key, node[5]);
        assert_eq!(leaves.iter().filter(|(_, node)| here(node)).count(), 1);
        for (_, node) in leaves {
            assert_eq!(read(node, node[5], &key).is_ok(), here(node));
        }
    }

    #[test]
    fn malformed_nodes_are_refused() {
        let leaf = build((0..3).map(entry).collect()).root;
        let inner = build((0..200).map(entry).collect()).root;
        let key = entry(1).key;
        let refused = |node: &[u8], depth| step(node, depth, &key).is_err();
        for node in [&leaf, &inner] {
            assert!(!refused(node, 0));
            for length in 0..node.len() {
                assert!(refused(&node[..length], 0), "{length}");
            }
            assert!(refused(&[node, &[0][..]].concat(), 0));
            assert!(refused(node, 1));
            for at in [0, 3, 4, 5, 6, 7] {
                let mut changed = node.clone();
                changed[at] ^= 0x40;
                assert!(refused(&changed, 0), "byte {at}");
            }
        }
        assert!(!refused(&header(1, 0, 0), 0));
        assert!(refused(&header(1, 1, 0), 1), "an empty leaf below the root");
        // The first key alone in a leaf, and the inner node, as if they lay deeper.
        let deep = |kind, depth| match kind {
            1 => [&header(1, depth, 1)[..], &leaf[HEADER..HEADER + ENTRY]].concat(),
            _ => [&header(0, depth, usize::from(inner[7]))[..], &inner[HEADER..]].concat(),
        };
        let own: [u8; 32] = leaf[HEADER..HEADER + 32].try_into().unwrap();
        assert!(step(&deep(1, 12), 12, &own).is_ok() && step(&deep(0, 11), 11, &own).is_ok());
        assert!(step(&deep(1, 13), 13, &own).is_err() && step(&deep(0, 12), 12, &own).is_err());
        let mut swapped = leaf.clone();
        swapped[HEADER..].rotate_left(ENTRY);
        assert!(refused(&swapped, 0));
        let twice = [&header(1, 0, 2)[..], &leaf[HEADER..HEADER + ENTRY], &leaf[HEADER..HEADER + ENTRY]].concat();
        assert!(refused(&twice, 0));
        assert!(refused(&[&header(0, 0, 0)[..], &[0; 4]].concat(), 0));
        assert!(check_root(&inner, 128).is_err());
        assert!(check_root(&leaf, 129).is_err());
        assert!(check_root(&leaf, 2).is_err());
    }

    #[test]
    fn descending_sets_the_five_bits_of_a_level_and_no_others() {
        for key in [[0; 32], [0xFF; 32], entry(1).key] {
            for (depth, child) in (0..=DEEPEST).flat_map(|depth| (0..32).map(move |child| (depth, child))) {
                let below = descend(&key, depth, child);
                for level in 0..51 {
                    let wanted = if level == depth { child } else { child_at(&key, level) };
                    assert_eq!(child_at(&below, level), wanted, "level {level} below {depth}/{child}");
                }
                assert_eq!(below[31] & 1, key[31] & 1);
            }
        }
    }

    #[test]
    fn a_node_holds_what_its_count_and_its_bitmap_say() {
        let key = entry(1).key;
        let inner = build((0..200).map(entry).collect()).root;
        for bit in 0..32 {
            let mut changed = inner.clone();
            changed[HEADER + bit / 8] ^= 1 << (bit % 8);
            assert!(read(&changed, 0, &key).is_err(), "bit {bit} of the bitmap");
        }
        // Sorted and complete, and one more than a leaf may hold.
        let mut entries: Vec<_> = (0..129).map(entry).collect();
        entries.sort_by_key(|entry| entry.key);
        let body: Vec<_> =
            entries.iter().flat_map(|e| [&e.key[..], e.sha256.as_bytes(), &e.length.to_be_bytes()].concat()).collect();
        let leaf = |count: usize| [&header(1, 0, count)[..], &body[..count * ENTRY]].concat();
        assert!(read(&leaf(128), 0, &key).is_ok());
        assert!(read(&leaf(129), 0, &key).is_err());
    }

    #[test]
    fn small_root_nodes_fit_into_the_release() {
        assert!(build((0..16).map(entry).collect()).root.len() <= INLINE_LIMIT);
        assert!(build((0..17).map(entry).collect()).root.len() > INLINE_LIMIT);
        assert!(build((0..100_000).map(entry).collect()).root.len() <= INLINE_LIMIT);
    }
}
