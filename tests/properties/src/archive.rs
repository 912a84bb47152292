//! The archive that is appended to an initrd, read back by a reader of its own.

use std::collections::{BTreeMap, BTreeSet};

use anode_bundle::name::SafePath;
use anode_bundle::pack::FilledFile;
use anode_fetch::hand_over::{BLOCK, archive};
use zeroize::Zeroizing;

use crate::Verdict::{self, Accepted, Refused};

/// Files as `mode u16 ‖ length of the path u8 ‖ length of the bytes u8 ‖ path ‖ bytes`. What comes out of the archive is what went in, parents first
/// and small files before large ones; what is refused would have been dropped, hidden or broken.
pub fn cpio(data: &[u8]) -> Verdict {
    let mut files = Vec::new();
    let mut rest = data;
    while let Some(([m0, m1, path, bytes], tail)) = rest.split_first_chunk::<4>() {
        let Some((path, tail)) = tail.split_at_checked(usize::from(*path)) else { break };
        let (bytes, tail) = tail.split_at(usize::from(*bytes).min(tail.len()));
        rest = tail;
        let Some(path) = std::str::from_utf8(path).ok().and_then(|path| SafePath::new(path).ok()) else { continue };
        let mode = u32::from(u16::from_be_bytes([*m0, *m1])) & 0o777;
        files.push(FilledFile { path, mode, bytes: Zeroizing::new(bytes.to_vec()) });
    }
    let parts: Vec<Vec<&str>> = files.iter().map(|file| file.path.as_str().split('/').collect()).collect();
    let folders: BTreeSet<String> =
        parts.iter().flat_map(|parts| (1..parts.len()).map(|depth| parts[..depth].join("/"))).collect();
    let paths: BTreeSet<String> = parts.iter().map(|parts| parts.join("/")).collect();
    let twice = paths.len() != files.len() || !paths.is_disjoint(&folders);
    let lost = paths.union(&folders).any(|path| {
        let tops = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "dev", "proc", "run", "sys"];
        tops.contains(&path.as_str()) || ["usr/sbin", "usr/lib64", "var/run"].contains(&path.as_str())
    });
    let Ok(written) = archive(&files.iter().collect::<Vec<_>>()) else {
        assert!(twice || lost);
        return Refused;
    };
    assert!(!twice && !lost);
    let mut found = BTreeMap::new();
    let mut sizes = Vec::new();
    for entry in read(&written) {
        let parent = entry.name.rsplit_once('/').map(|(parent, _)| parent);
        assert!(parent.is_none_or(|parent| found.contains_key(parent)), "`{}` before its folder", entry.name);
        match entry.mode {
            0o040_755 => assert!(entry.bytes.is_empty() && folders.contains(entry.name) && sizes.is_empty()),
            mode => {
                assert_eq!(mode & !0o777, 0o100_000);
                sizes.push(entry.bytes.len());
            }
        }
        assert!(found.insert(entry.name, (entry.mode, entry.bytes)).is_none(), "`{}` twice", entry.name);
    }
    assert!(sizes.is_sorted());
    assert_eq!(found.len(), files.len() + folders.len());
    for file in &files {
        assert_eq!(found[file.path.as_str()], (0o100_000 | file.mode, file.bytes.as_slice()));
    }
    Accepted
}

struct Entry<'a> {
    name: &'a str,
    mode: u32,
    bytes: &'a [u8],
}

/// As Linux does it in `init/initramfs.c`: zeros are skipped, every part begins at a multiple of four.
fn read(archive: &[u8]) -> Vec<Entry<'_>> {
    assert!(archive.len().is_multiple_of(BLOCK) && archive[..BLOCK].iter().all(|byte| *byte == 0));
    let mut at = BLOCK;
    let mut entries = Vec::new();
    let mut inodes = BTreeSet::new();
    loop {
        assert_eq!((at % 4, &archive[at..at + 6]), (0, &b"070701"[..]));
        let field = |number: usize| {
            let begin = at + 6 + 8 * number;
            u32::from_str_radix(std::str::from_utf8(&archive[begin..begin + 8]).unwrap(), 16).unwrap()
        };
        let [inode, mode, uid, gid, links, time, length, .., name_length, sum] = std::array::from_fn::<_, 13, _>(field);
        assert_eq!([uid, gid, time, sum, field(7), field(8), field(9), field(10)], [0; 8]);
        let (name_end, length) = (at + 110 + name_length as usize, length as usize);
        let name = std::str::from_utf8(&archive[at + 110..name_end]).unwrap().strip_suffix('\0').unwrap();
        let begin = name_end.next_multiple_of(4);
        let bytes = &archive[begin..begin + length];
        let next = (begin + length).next_multiple_of(4);
        let gaps = [&archive[name_end..begin], &archive[begin + length..next]].concat();
        assert!(gaps.iter().all(|byte| *byte == 0));
        at = next;
        if name == "TRAILER!!!" {
            assert!(length == 0 && archive[at..].iter().all(|byte| *byte == 0) && archive.len() - at < BLOCK);
            return entries;
        }
        // The kernel takes two regular files with one inode and several links for the same file.
        assert!(inodes.insert(inode) && (mode >> 12 == 4 || links == 1));
        entries.push(Entry { name, mode, bytes });
    }
}
