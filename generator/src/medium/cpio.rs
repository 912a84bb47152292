//! The archive of a medium's own initramfs: *newc*, everything owned by root, no time, in the order of its paths, so that equal files give equal bytes.
//!
//! Unlike the archive that the fetcher appends to an installer's initrd, it has links: this system is ours from its first folder on.

use std::collections::BTreeMap;

use anode_fetch::hand_over::{BLOCK, append_entry};

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Its mode, such as `0o644`.
        mode: u32,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A symbolic link.
    Link(String),
}

/// Files by their path, without `/` in front.
pub type Nodes = BTreeMap<String, Node>;

const END: &str = "TRAILER!!!";

/// Adds a file, and every folder above it.
pub fn insert(nodes: &mut Nodes, path: &str, mode: u32, bytes: Vec<u8>) {
    place(nodes, path, Node::File { mode, bytes });
}

/// Adds a link, and every folder above it.
pub fn link(nodes: &mut Nodes, path: &str, target: &str) {
    place(nodes, path, Node::Link(target.to_owned()));
}

/// Adds a folder, and every folder above it.
pub fn folder(nodes: &mut Nodes, path: &str) {
    place(nodes, path, Node::Folder);
}

fn place(nodes: &mut Nodes, path: &str, node: Node) {
    for (at, _) in path.match_indices('/') {
        nodes.entry(path.get(..at).unwrap_or_default().to_owned()).or_insert(Node::Folder);
    }
    nodes.insert(path.to_owned(), node);
}

/// The archive. A path sorts behind the folder that it lies in, so that every parent comes first. Files of a package are smaller than 256 MiB, and
/// paths have less than 4096 bytes.
#[must_use]
pub fn archive(nodes: &Nodes) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, (path, node)) in (1_u32..).zip(nodes) {
        match node {
            Node::Folder => append_entry(&mut out, number, path, 0o040_755, 2, &[]),
            Node::File { mode, bytes } => append_entry(&mut out, number, path, 0o100_000 | mode & 0o777, 1, bytes),
            Node::Link(target) => append_entry(&mut out, number, path, 0o120_777, 1, target.as_bytes()),
        }
    }
    append_entry(&mut out, 0, END, 0, 1, &[]);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn cpio_unpacks_files_modes_and_links_with_their_parents() {
        let mut nodes = Nodes::new();
        insert(&mut nodes, "etc/anode/code", 0o600, b"code".to_vec());
        insert(&mut nodes, "init", 0o755, b"#!/bin/sh\n".to_vec());
        insert(&mut nodes, "etc.d", 0o644, Vec::new());
        link(&mut nodes, "bin/sh", "busybox");
        folder(&mut nodes, "proc");
        let bytes = archive(&nodes);
        assert_eq!(bytes.len() % 512, 0);
        let folder = tempfile::tempdir().unwrap();
        let mut cpio = Command::new("cpio")
            .args(["-id", "--quiet"])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("the package cpio");
        cpio.stdin.take().unwrap().write_all(&bytes).unwrap();
        assert!(cpio.wait().unwrap().success());
        let mode = |path| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("etc/anode/code"), mode("init"), mode("proc"), mode("etc")), (0o600, 0o755, 0o755, 0o755));
        assert_eq!(std::fs::read(folder.path().join("etc/anode/code")).unwrap(), b"code");
        assert_eq!(std::fs::read_link(folder.path().join("bin/sh")).unwrap().to_str(), Some("busybox"));
    }
}
