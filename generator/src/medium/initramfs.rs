//! The system that a medium boots: one initramfs, composed of packages, our programs and scripts, and what the medium knows of its site.
//!
//! Its id is a hash over everything in it: how a running medium recognises the stick that it was booted from. The same inputs give the same bytes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anode_bundle::name::Sha256;
use anyhow::{Context as _, Result, ensure};
use rayon::prelude::*;
use sha2::Digest as _;
use zeroize::Zeroizing;

use super::Architecture;
use super::compress::{gzip, xz};
use super::cpio::{self, Node, Nodes};
use super::deb::Deb;
use super::firmware::{self, Form};
use super::lock::MediumLock;
use super::modules::{Equipment, Modules};
use super::programs::{CONSOLE, FETCHER, Programs};
use super::site::Site;
use crate::builtin;
use crate::initrd::Listing;

/// Mount points, and where programs expect a folder.
const FOLDERS: [&str; 9] = ["dev", "mnt", "proc", "root", "run", "sys", "tmp", "usr", "var"];
/// Programs that look for others find them in one folder; the kernel calls `/sbin/modprobe`, which unpacks modules before busybox loads them.
const LINKS: [(&str, &str); 5] = [
    ("bin/modprobe", "../lib/anode/modprobe"),
    ("bin/sh", "busybox"),
    ("sbin", "bin"),
    ("usr/bin", "../bin"),
    ("usr/sbin", "../bin"),
];
/// What only somebody puts there who names a file with it: a code, the key of a certificate.
const SECRETS: [&str; 2] = [CODE, CLIENT_KEY];
const CODE: &str = "etc/anode/code";
const CLIENT_KEY: &str = "etc/anode/client.key";
const MOZILLA: &str = "usr/share/ca-certificates/mozilla/";

/// What a person adds to a medium. Whoever has the medium has it.
#[derive(Default)]
pub struct Personal {
    /// Authorities of the site's own (PEM).
    pub authorities: Option<Vec<u8>>,
    /// A certificate (PEM) and its key, for hosts that ask for one.
    pub client: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    /// An activation code.
    pub code: Option<Zeroizing<Vec<u8>>>,
}

impl Personal {
    /// Would somebody who finds the medium, or a copy of its image, have a secret?
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.client.is_some() || self.code.is_some()
    }
}

/// What an initramfs is made of.
pub struct Recipe<'a> {
    /// For which machines.
    pub architecture: Architecture,
    /// With or without firmware.
    pub equipment: Equipment,
    /// What is pinned.
    pub lock: &'a MediumLock,
    /// The packages' files by name: verified.
    pub packages: &'a BTreeMap<String, PathBuf>,
    /// Our programs.
    pub programs: &'a Programs,
    /// The site.
    pub site: &'a Site,
    /// Where the medium speaks: `tty0`, `ttyS0`.
    pub consoles: &'a [String],
    /// What a person adds.
    pub personal: &'a Personal,
}

/// A kernel and what it boots.
pub struct System {
    /// The signed kernel, as it is in its package.
    pub kernel: Vec<u8>,
    /// The initramfs, compressed with gzip.
    pub initrd: Vec<u8>,
    /// `medium.json`
    pub description: Vec<u8>,
    /// The hash over everything in it.
    pub id: Sha256,
    /// The kernel's release.
    pub release: String,
    /// How many modules there are.
    pub modules: usize,
    /// Bytes of all files when they are unpacked.
    pub unpacked: u64,
}

/// Composes kernel and initramfs.
///
/// # Errors
/// If a package does not hold what is needed.
pub fn compose(recipe: &Recipe<'_>) -> Result<System> {
    let Recipe { architecture, lock, site, .. } = recipe;
    let mut nodes = Nodes::new();
    FOLDERS.iter().for_each(|path| cpio::folder(&mut nodes, path));
    LINKS.iter().for_each(|(path, target)| cpio::link(&mut nodes, path, target));
    for (path, mode, bytes) in builtin::medium_files() {
        cpio::insert(&mut nodes, &path, mode, bytes.to_vec());
    }
    ensure!(nodes.contains_key("init"), "`site/medium/init` is not built in");
    cpio::insert(
        &mut nodes,
        "bin/busybox",
        0o755,
        recipe.open("busybox-static")?.read_any(&["bin/busybox", "usr/bin/busybox"])?,
    );
    cpio::insert(&mut nodes, &format!("bin/{FETCHER}"), 0o755, recipe.programs.fetcher.clone());
    cpio::insert(&mut nodes, &format!("bin/{CONSOLE}"), 0o755, recipe.programs.console.clone());
    cpio::insert(
        &mut nodes,
        "etc/ssl/certs/ca-certificates.crt",
        0o644,
        authorities(&mut recipe.open("ca-certificates")?)?,
    );
    let kernel_package = &lock.find(*architecture, "linux-image-")?.name;
    let mut package = recipe.open(kernel_package)?;
    let modules = add_modules(&mut nodes, &mut package, recipe.equipment)
        .with_context(|| format!("reading the package `{kernel_package}`"))?;
    let kernel = package.read(&format!("boot/vmlinuz-{}", modules.release))?;
    if recipe.equipment == Equipment::Firmware {
        let settings = package.read(&format!("boot/config-{}", modules.release))?;
        firmware::add(&mut nodes, recipe, &modules, Form::of(&settings))?;
    }
    let description = site.description(*architecture, recipe.consoles)?;
    cpio::insert(&mut nodes, "etc/anode/medium.json", 0o644, description.clone());
    for (name, bytes) in site.files() {
        cpio::insert(&mut nodes, &format!("etc/anode/{name}"), 0o644, bytes);
    }
    add_personal(&mut nodes, recipe.personal);
    let id = identity(&kernel, &nodes);
    cpio::insert(&mut nodes, "etc/anode/id", 0o644, format!("{id}\n").into_bytes());
    let unpacked =
        nodes.values().map(|node| if let Node::File { bytes, .. } = node { bytes.len() as u64 } else { 0 }).sum();
    let initrd = gzip(&cpio::archive(&nodes))?;
    Ok(System { kernel, initrd, description, id, release: modules.release.clone(), modules: modules.count(), unpacked })
}

impl Recipe<'_> {
    /// A package, unpacked.
    ///
    /// # Errors
    /// If it is not among those that were obtained, or broken.
    pub fn open(&self, name: &str) -> Result<Deb> {
        let pinned = self.lock.find(self.architecture, name)?;
        let path = self.packages.get(&pinned.name).with_context(|| format!("the package `{name}` was not obtained"))?;
        Deb::open(path).with_context(|| format!("opening the package `{name}`"))
    }
}

/// Every public authority, one behind the other.
fn authorities(package: &mut Deb) -> Result<Vec<u8>> {
    let files: Vec<String> =
        package.paths().filter(|path| path.starts_with(MOZILLA) && path.ends_with(".crt")).map(str::to_owned).collect();
    ensure!(!files.is_empty(), "the package `ca-certificates` has no authorities below `{MOZILLA}`");
    let mut all = Vec::new();
    for file in files {
        all.extend(package.read(&file)?);
        if !all.ends_with(b"\n") {
            all.push(b'\n');
        }
    }
    Ok(all)
}

fn add_modules(nodes: &mut Nodes, package: &mut Deb, equipment: Equipment) -> Result<Modules> {
    let modules = Modules::choose(package, equipment)?;
    let folder = format!("lib/modules/{}", modules.release);
    let mut files = Vec::new();
    for (from, to) in modules.files() {
        files.push((format!("{folder}/{to}.xz"), package.read(&from)?));
    }
    // Each by itself: what a machine does not need stays packed in its memory.
    let packed: Vec<_> = files.par_iter().map(|(path, bytes)| Ok((path, xz(bytes)?))).collect::<Result<_>>()?;
    for (path, bytes) in packed {
        cpio::insert(nodes, path, 0o644, bytes);
    }
    let builtin = package.read(&modules.builtin())?;
    for (name, bytes) in [
        ("modules.dep", modules.dependencies()?.into_bytes()),
        ("modules.alias", modules.aliases().into_bytes()),
        ("modules.builtin", builtin),
    ] {
        cpio::insert(nodes, &format!("{folder}/{name}"), 0o644, bytes);
    }
    Ok(modules)
}

/// Is this an initramfs of ours with a code or a key in it? Bytes that are no initramfs have none.
#[must_use]
pub fn has_secret(bytes: &[u8]) -> bool {
    let mut listing = Listing::default();
    listing.add(bytes).is_ok() && SECRETS.iter().any(|path| listing.contains(path))
}

fn add_personal(nodes: &mut Nodes, personal: &Personal) {
    if let Some(authorities) = &personal.authorities {
        cpio::insert(nodes, "etc/anode/ca.pem", 0o644, authorities.clone());
    }
    if let Some((certificate, key)) = &personal.client {
        cpio::insert(nodes, "etc/anode/client.pem", 0o644, certificate.clone());
        cpio::insert(nodes, CLIENT_KEY, 0o600, key.to_vec());
    }
    if let Some(code) = &personal.code {
        cpio::insert(nodes, CODE, 0o600, code.to_vec());
    }
}

/// The hash over a kernel and everything in its initramfs.
fn identity(kernel: &[u8], nodes: &Nodes) -> Sha256 {
    let mut digest = sha2::Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    add(kernel);
    for (path, node) in nodes {
        add(path.as_bytes());
        match node {
            Node::Folder => add(b"folder"),
            Node::Link(target) => add(target.as_bytes()),
            Node::File { mode, bytes } => {
                add(&mode.to_be_bytes());
                add(bytes);
            }
        }
    }
    Sha256(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initramfs_with_a_code_or_a_key_is_told_from_one_without() {
        let packed = |personal: &Personal| {
            let mut nodes = Nodes::new();
            cpio::insert(&mut nodes, "etc/anode/id", 0o644, b"id".to_vec());
            add_personal(&mut nodes, personal);
            gzip(&cpio::archive(&nodes)).unwrap()
        };
        let secret = || Zeroizing::new(b"secret".to_vec());
        let open = Personal { authorities: Some(b"x".to_vec()), ..Personal::default() };
        assert!(!has_secret(&packed(&open)) && !has_secret(b"\x1f\x8b of something else") && !has_secret(b""));
        assert!(has_secret(&packed(&Personal { code: Some(secret()), ..Personal::default() })));
        assert!(has_secret(&packed(&Personal { client: Some((Vec::new(), secret())), ..Personal::default() })));
    }

    #[test]
    fn the_id_changes_with_every_name_mode_and_byte() {
        let nodes = |path: &str, mode, bytes: &[u8]| {
            let mut nodes = Nodes::new();
            cpio::insert(&mut nodes, path, mode, bytes.to_vec());
            nodes
        };
        let first = identity(b"kernel", &nodes("a", 0o644, b"x"));
        assert_eq!(first, identity(b"kernel", &nodes("a", 0o644, b"x")));
        for other in [nodes("b", 0o644, b"x"), nodes("a", 0o600, b"x"), nodes("a", 0o644, b"y"), nodes("a", 0o644, b"")]
        {
            assert_ne!(first, identity(b"kernel", &other));
        }
        assert_ne!(first, identity(b"other", &nodes("a", 0o644, b"x")));
    }
}
