//! The medium without a medium: the files that a machine loads over its network, in one folder that a TFTP server and a web server serve.
//!
//! What is checked on the way and what is not: under Secure Boot, shim, GRUB and the kernel are, by their signatures. Menus and initramfs are not, because
//! nobody signs those and no boot loader here could ask: whoever owns the network from which a machine boots, owns what the machine believes of its site. A
//! stick is for every other network. Nothing here boots anything but the medium: the profiles in the menus are chosen beforehand, and verified like any other.

pub mod dnsmasq;
pub mod menu;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anode_bundle::client::{Request, Transport};
use anode_bundle::document::ObjectRef;
use anode_bundle::name::{Sha256, tree};
use anode_bundle::{Moment, Refusal};
use anyhow::{Context as _, Result, anyhow, ensure};
use serde::Deserialize;

use self::dnsmasq::Service;
use self::menu::{Chosen, Menus};
use super::Architecture;
use super::console::Console;
use super::draft::Draft;
use super::initramfs::{Recipe, System};
use super::iso::{self, Disc, Place};
use super::loaders::{Menu, NetworkEfi, Splash, network_bios};
use crate::tree::{hash_file, sync_folder};

/// The list of hashes, as `sha256sum --check` reads it.
pub const SUMS: &str = "SHA256SUMS";
/// The whole medium, which a firmware loads over HTTP and takes for a disc.
pub const DISC: &str = "anode.iso";
/// More is no list of profiles.
const LIST_LIMIT: u64 = 1 << 20;

/// What is written.
pub struct Netboot<'a> {
    /// Where the packages are.
    pub recipe: &'a Recipe<'a>,
    /// Kernel and initramfs.
    pub system: &'a System,
    /// Where it speaks.
    pub consoles: &'a [Console],
    /// The site's public profiles.
    pub profiles: &'a [Chosen],
    /// Who serves it, and how.
    pub service: &'a Service,
}

/// The folder that appears complete, or not at all.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// What will be moved there, in a draft beside it.
    folder: PathBuf,
    _draft: Draft,
}

impl Folder {
    /// Looks before anything is downloaded or composed.
    ///
    /// # Errors
    /// If something is there, or nothing can be written beside it.
    pub fn at(path: &Path) -> Result<Folder> {
        let path = std::path::absolute(path)?;
        ensure!(
            fs::symlink_metadata(&path).is_err(),
            "`{}` exists: remove it, or name another folder with `--out`",
            path.display()
        );
        ensure!(path.file_name().is_some(), "`--out` needs the name of a folder");
        let draft = Draft::beside(path.parent().context("`--out` needs a folder above it")?)?;
        let folder = draft.path().join("files");
        fs::create_dir(&folder).with_context(|| format!("writing `{}`", folder.display()))?;
        Ok(Folder { path, folder, _draft: draft })
    }

    /// Where it will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let writing = || format!("writing `{}`", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(writing)?;
        }
        fs::write(&path, bytes).with_context(writing)
    }

    /// Everything in it can be read by the servers, which are other users.
    fn open(&self) -> Result<()> {
        for entry in walkdir::WalkDir::new(&self.folder) {
            let entry = entry?;
            let mode = if entry.file_type().is_dir() { 0o755 } else { 0o644 };
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))
                .with_context(|| format!("making `{}` readable", entry.path().display()))?;
        }
        Ok(())
    }

    fn sums(&self) -> Result<String> {
        let mut lines = String::new();
        for entry in walkdir::WalkDir::new(&self.folder).min_depth(1).sort_by_file_name() {
            let entry = entry?;
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(&self.folder)?.display().to_string();
                lines.push_str(&format!("{}  {name}\n", hash_file(entry.path())?));
            }
        }
        Ok(lines)
    }
}

/// Writes the folder; how many bytes are in it.
///
/// # Errors
/// If a package lacks a file, a program fails, or there is no room.
pub fn write(folder: &Folder, netboot: &Netboot<'_>) -> Result<u64> {
    let Netboot { recipe, system, consoles, profiles, service } = netboot;
    let site = recipe.site;
    let (shim, grub) = match recipe.architecture {
        Architecture::Amd64 => ("shim-signed", "grub-efi-amd64-signed"),
        Architecture::Arm64 => ("shim-signed", "grub-efi-arm64-signed"),
    };
    let efi = NetworkEfi::read(recipe.architecture, &mut recipe.open(shim)?, &mut recipe.open(grub)?)?;
    let medium = Menu { language: &site.language, title: &site.title, consoles, marker: "", splash: Splash::Absent };
    let menus = Menus { medium: &medium, profiles };
    folder.put("vmlinuz", &system.kernel)?;
    folder.put("initrd.img", &system.initrd)?;
    folder.put(efi.first.0, &efi.first.1)?;
    folder.put(efi.second.0, &efi.second.1)?;
    folder.put("grub/grub.cfg", menus.grub().as_bytes())?;
    folder.put("boot.ipxe", menus.ipxe().as_bytes())?;
    if recipe.architecture == Architecture::Amd64 {
        folder.put(dnsmasq::BIOS, &network_bios(&mut recipe.open("grub-pc-bin")?, service.server)?)?;
    }
    if service.address.is_some() {
        let place = Place::at(&folder.folder.join(DISC))?;
        let disc = Disc { recipe, system, consoles, splash: None, more: &[] };
        iso::write(&place, &disc)?;
    }
    let configuration = dnsmasq::configuration(recipe.architecture, &site.title, service);
    folder.put("dnsmasq.conf", configuration.as_bytes())?;
    folder.put(SUMS, folder.sums()?.as_bytes())?;
    folder.open()?;
    sync_folder(&folder.folder)?;
    let files = walkdir::WalkDir::new(&folder.folder).into_iter();
    let lengths = files.map(|entry| entry?.metadata()).collect::<Result<Vec<_>, _>>()?;
    // Nothing that came to lie there meanwhile is replaced: a folder is renamed over an empty one at most.
    fs::rename(&folder.folder, &folder.path).with_context(|| format!("writing `{}`", folder.path.display()))?;
    Ok(lengths.iter().filter(|status| status.is_file()).map(fs::Metadata::len).sum())
}

/// The site's public profiles, as its release lists them.
///
/// # Errors
/// If nobody delivers the list with the hash that the release has.
pub fn profiles(
    transport: &mut dyn Transport,
    urls: &[String],
    listed: &ObjectRef,
    now: Moment,
) -> Result<Vec<Chosen>> {
    #[derive(Deserialize)]
    struct List {
        profiles: Vec<Chosen>,
    }
    let path = tree::object(&listed.sha256);
    let mut failure = None;
    for base in urls {
        match transport.get(&Request { base, path: &path, limit: listed.length.min(LIST_LIMIT), now }) {
            Ok(bytes) if Sha256::of(&bytes) == listed.sha256 => {
                let list: List = serde_json::from_slice(&bytes).context("reading the list of public profiles")?;
                return Ok(list.profiles);
            }
            Ok(bytes) => {
                let (wanted, found) = (listed.sha256.to_string(), Sha256::of(&bytes).to_string());
                failure = Some(Refusal::Integrity { what: path.clone(), wanted, found });
            }
            Err(error) => failure = Some(error.refusal()),
        }
    }
    Err(failure.map_or_else(|| anyhow!("the site has no address"), anyhow::Error::from))
        .context("asking for the list of public profiles")
}

/// As dnsmasq takes it, which would take a folder with such a letter for another thing.
///
/// # Errors
/// If the name of the folder has a letter in it that a line of `dnsmasq.conf` can not hold.
pub fn check_folder(path: &Path) -> Result<&str> {
    let text = path.to_str().with_context(|| format!("`{}` is not text", path.display()))?;
    let is_plain = |letter: char| !letter.is_control() && !matches!(letter, '"' | '#' | ',' | ' ' | '\\');
    ensure!(
        path.is_absolute() && text.chars().all(is_plain),
        "`{text}` can not be named in `dnsmasq.conf`: give an absolute path without blanks, commas, quotes, `#` and `\\`"
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_and_an_abandoned_folder_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let there = scratch.path().join("there");
        fs::create_dir(&there).unwrap();
        let refusal = Folder::at(&there).unwrap_err().to_string();
        assert!(refusal.ends_with("there` exists: remove it, or name another folder with `--out`"), "{refusal}");
        let folder = Folder::at(&scratch.path().join("new")).unwrap();
        let above = folder.folder.parent().unwrap();
        assert_eq!(fs::metadata(above).unwrap().permissions().mode() & 0o777, 0o700);
        folder.put("grub/grub.cfg", b"x").unwrap();
        assert_eq!(folder.sums().unwrap(), format!("{}  grub/grub.cfg\n", Sha256::of(b"x")));
        drop(folder);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
        let refusal = format!("{:#}", Folder::at(&scratch.path().join("gone/new")).unwrap_err());
        assert!(refusal.contains("name another place with `--out`"), "{refusal}");
    }

    #[test]
    fn a_folder_that_a_line_of_dnsmasq_can_not_hold_is_refused() {
        assert_eq!(check_folder(Path::new("/srv/anode")).unwrap(), "/srv/anode");
        for path in ["srv/anode", "/srv/a b", "/srv/a,b", "/srv/a#b", "/srv/a\nb", "/srv/\"a\""] {
            assert!(check_folder(Path::new(path)).is_err(), "{path}");
        }
    }
}
