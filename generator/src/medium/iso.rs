//! The disc image: one file that boots as a disc and as a stick, under BIOS, UEFI, and UEFI with Secure Boot.
//!
//! Written beside its place and moved there when it is complete; never over anything. Every date in it is the site's, every number is fixed, so that the same
//! inputs give the same bytes. An image with a code or a key says so in its first descriptor ([`has_secret`]): it is not published by mistake.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anode_bundle::Moment;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::Serialize;
use walkdir::WalkDir;

use super::Architecture;
use super::console::Console;
use super::draft::{Draft, check_room};
use super::host::Tool;
use super::initramfs::{Recipe, System};
use super::loaders::{AS_A_FILE, Bios, Efi, Menu, Splash};
use super::lock::Package;

/// The label of both file systems.
const LABEL: &str = "ANODE";
/// The serial number of the FAT.
const SERIAL: &str = "a0de0001";
/// What a running medium may write to its stick: a log, and what it did.
const FREE: u64 = 2 << 20;
const MEBIBYTE: u64 = 1 << 20;
/// The application identifier of an image with a code or a key on it (ECMA-119, 8.4.20).
const SECRET: &str = "ANODE MEDIUM WITH A SECRET";
/// Where the first descriptor lies, and in it the application identifier.
const DESCRIPTOR: (u64, std::ops::Range<usize>) = (16 * 2048, 574..702);

/// Where an image may be written.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    /// Beside the place, on the same file system.
    draft: Draft,
}

impl Place {
    /// Looks before anything is downloaded or composed.
    ///
    /// # Errors
    /// If there is something, or nothing can be written.
    pub fn at(path: &Path) -> Result<Place> {
        use std::os::unix::fs::FileTypeExt as _;
        let shown = path.display();
        ensure!(
            !path.as_os_str().as_encoded_bytes().ends_with(b"/") && !path.is_dir(),
            "`{shown}` is the name of a folder: name the image in it, such as `{}`",
            path.join("anode.iso").display()
        );
        if let Ok(status) = fs::metadata(path) {
            ensure!(
                !status.file_type().is_block_device(),
                "`{shown}` is a disk, and nothing was written: `anode medium usb` writes a stick, and asks before"
            );
            bail!("`{shown}` exists: remove it, or name another file with `--out`");
        }
        ensure!(!path.is_symlink(), "`{shown}` is a link to nowhere: remove it, or name another file with `--out`");
        ensure!(path.file_name().is_some(), "`{shown}` is no name of a file; name one with `--out`");
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let draft = Draft::beside(folder)?;
        Ok(Place { path: path.to_owned(), draft })
    }

    /// Moves a complete image to the place: whatever came to lie there meanwhile stays.
    fn settle(&self, image: &Path) -> std::io::Result<()> {
        match renameat_with(CWD, image, CWD, &self.path, RenameFlags::NOREPLACE) {
            // Some file systems have no such call.
            Err(Errno::INVAL | Errno::NOSYS) if !self.path.exists() => fs::rename(image, &self.path),
            other => Ok(other?),
        }
    }
}

/// What an image holds beside the system.
pub struct Disc<'a> {
    /// Where the packages are.
    pub recipe: &'a Recipe<'a>,
    /// Kernel and initramfs.
    pub system: &'a System,
    /// Where it speaks.
    pub consoles: &'a [Console],
    /// A picture behind the menu (PNG).
    pub splash: Option<&'a [u8]>,
    /// More files: where they lie here, and their path on the medium, without `/` in front.
    pub more: &'a [(PathBuf, String)],
}

/// Writes the image.
///
/// # Errors
/// If a package lacks a file, a program fails, or there is no room.
pub fn write(place: &Place, disc: &Disc<'_>) -> Result<u64> {
    let Disc { recipe, system, .. } = disc;
    let date = recipe.site.issued;
    let draft = &place.draft;
    let stage = Stage::new(draft.path())?;
    let marker = format!("/.disk/anode-{}", system.id.to_string().get(..16).unwrap_or_default());
    let splash = if disc.splash.is_some() { Splash::Present } else { Splash::Absent };
    let menu = Menu {
        language: &recipe.site.language,
        title: &recipe.site.title,
        consoles: disc.consoles,
        marker: &marker,
        splash,
    };
    let grub = match recipe.architecture {
        Architecture::Amd64 => "grub-efi-amd64-signed",
        Architecture::Arm64 => "grub-efi-arm64-signed",
    };
    let efi = Efi::read(recipe.architecture, &mut recipe.open("shim-signed")?, &mut recipe.open(grub)?)?;
    let bios = match recipe.architecture {
        Architecture::Amd64 => Some(Bios::make(&mut recipe.open("grub-pc-bin")?, &marker)?),
        Architecture::Arm64 => None,
    };
    check_room(draft.path(), room(disc, &efi)?)?;
    stage.put("boot/vmlinuz", &system.kernel)?;
    stage.put("boot/initrd.img", &system.initrd)?;
    stage.put("boot/grub/grub.cfg", menu.main().as_bytes())?;
    stage.put("boot/grub/entries.cfg", menu.entries().as_bytes())?;
    stage.put("boot/grub/loopback.cfg", AS_A_FILE.as_bytes())?;
    let first_menu = format!("boot/grub/{}/grub.cfg", efi.platform);
    stage.put(&first_menu, menu.platform().as_bytes())?;
    if let Some(splash) = disc.splash {
        stage.put("boot/grub/splash.png", splash)?;
        stage.put("boot/grub/font.pf2", &recipe.open("grub-common")?.read("usr/share/grub/ascii.pf2")?)?;
    }
    stage.put(".disk/info", b"Anode boot medium\n")?;
    stage.put(marker.trim_start_matches('/'), format!("{}\n", system.id).as_bytes())?;
    stage.put("anode/id", format!("{}\n", system.id).as_bytes())?;
    stage.put("anode/medium.json", &system.description)?;
    stage.put("anode/packages.json", &bill(recipe)?)?;
    let [first, second] = [efi.first.0, efi.second.0].map(|name| format!("EFI/BOOT/{name}"));
    stage.put(&first, &efi.first.1)?;
    stage.put(&second, &efi.second.1)?;
    let fat = draft.path().join("efi.img");
    // On a stick with several partitions the firmware starts GRUB from the FAT, where it looks for its menu first, and complains if there is none.
    write_fat(&fat, &stage, &[&first, &second, &first_menu], date)?;
    if let Some(bios) = &bios {
        stage.put("boot/grub/bios.img", &bios.disc)?;
        fs::write(draft.path().join("sector.img"), &bios.sector).context("writing a temporary file")?;
    }
    let image = draft.path().join("medium.iso");
    let (application, mode) = if recipe.personal.is_secret() { (SECRET, 0o600) } else { ("", 0o644) };
    run_xorriso(draft.path(), &stage, disc.more, bios.is_some(), application, &image, date)?;
    let length = fs::metadata(&image)?.len();
    fs::set_permissions(&image, fs::Permissions::from_mode(mode))?;
    fs::File::open(&image)?.sync_all()?;
    place.settle(&image).with_context(|| format!("writing `{}`", place.path.display()))?;
    Ok(length)
}

/// What the image and its parts take together: every file twice, the loaders in the FAT as well.
fn room(disc: &Disc<'_>, efi: &Efi) -> Result<u64> {
    let Disc { system, more, .. } = disc;
    let lengths = |files: &[&[u8]]| files.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
    let mut room = 2 * lengths(&[&system.kernel, &system.initrd]) + 4 * lengths(&[&efi.first.1, &efi.second.1]);
    room += 2 * (FREE + 2 * MEBIBYTE);
    for entry in more.iter().flat_map(|(path, _)| WalkDir::new(path)) {
        let status = entry.and_then(|entry| entry.metadata()).context("reading what belongs on the medium")?;
        room += if status.is_file() { status.len() } else { 0 };
    }
    Ok(room)
}

/// Is a file an image of ours that has a code or a key on it?
///
/// # Errors
/// If it can not be read.
pub fn has_secret(file: &Path) -> std::io::Result<bool> {
    let (at, identifier) = DESCRIPTOR;
    let mut file = fs::File::open(file)?;
    file.seek(SeekFrom::Start(at))?;
    let mut descriptor = Vec::new();
    file.take(2048).read_to_end(&mut descriptor)?;
    let is_ours = descriptor.get(1..6) == Some(b"CD001");
    Ok(is_ours && descriptor.get(identifier).is_some_and(|found| found.starts_with(SECRET.as_bytes())))
}

/// The files of the medium in a folder.
struct Stage {
    folder: PathBuf,
}

impl Stage {
    fn new(draft: &Path) -> Result<Stage> {
        let folder = draft.join("files");
        fs::create_dir(&folder).context("making a temporary folder")?;
        Ok(Stage { folder })
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).context("making a temporary folder")?;
        }
        fs::write(&path, bytes).with_context(|| format!("writing `{}`", path.display()))
    }
}

/// The packages that are in the medium, for whoever looks for a version later.
fn bill(recipe: &Recipe<'_>) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Entry<'a> {
        name: &'a str,
        version: &'a str,
        url: String,
        sha256: String,
    }
    let taken = recipe.lock.packages(recipe.architecture).filter(|package| recipe.packages.contains_key(&package.name));
    let entries: Vec<_> = taken
        .map(|package: &Package| Entry {
            name: &package.name,
            version: &package.version,
            url: package.url(),
            sha256: package.sha256.to_string(),
        })
        .collect();
    let mut text = serde_json::to_vec_pretty(&entries)?;
    text.push(b'\n');
    Ok(text)
}

/// The partition that a UEFI reads.
fn write_fat(image: &Path, stage: &Stage, files: &[&str], date: Moment) -> Result<()> {
    let mut size = FREE;
    let mut folders = BTreeSet::new();
    for file in files {
        size += fs::metadata(stage.folder.join(file))?.len().next_multiple_of(4096);
        let above = Path::new(file).ancestors().skip(1).filter(|folder| *folder != Path::new(""));
        folders.extend(above.map(|folder| format!("::/{}", folder.display())));
    }
    let file = fs::File::create(image).context("writing a temporary file")?;
    // Tables and folders take less than the rest of the last mebibyte and one more.
    file.set_len((size + MEBIBYTE).next_multiple_of(MEBIBYTE)).context("writing a temporary file")?;
    drop(file);
    let image = image.to_string_lossy().into_owned();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Tool::Mformat.run(&words(&["-i", &image, "-v", LABEL, "-N", SERIAL, "-c", "8", "::"]), Some(date))?;
    let mut folders_wanted = words(&["-i", &image]);
    folders_wanted.extend(folders);
    Tool::Mmd.run(&folders_wanted, Some(date))?;
    for file in files {
        let from = stage.folder.join(file).to_string_lossy().into_owned();
        Tool::Mcopy.run(&words(&["-i", &image, &from, &format!("::/{file}")]), Some(date))?;
    }
    Ok(())
}

fn run_xorriso(
    draft: &Path,
    stage: &Stage,
    more: &[(PathBuf, String)],
    bios: bool,
    application: &str,
    image: &Path,
    date: Moment,
) -> Result<()> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let stamp: String = date.to_string().chars().filter(char::is_ascii_digit).collect();
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["-no_rc", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-r", "-J", "-joliet-long", "-V", LABEL]);
    if !application.is_empty() {
        add(&["-A", application]);
    }
    add(&["--set_all_file_dates", &format!("{stamp}00"), &format!("--modification-date={stamp}00")]);
    if bios {
        let sector = path(&draft.join("sector.img"));
        add(&["--grub2-mbr", &sector, "--mbr-force-bootable"]);
        add(&["-c", "boot/grub/boot.cat", "-b", "boot/grub/bios.img", "-no-emul-boot", "-boot-load-size", "4"]);
        add(&["-boot-info-table", "--grub2-boot-info", "-eltorito-alt-boot"]);
    } else {
        add(&["-c", "boot/grub/boot.cat"]);
    }
    let fat = path(&draft.join("efi.img"));
    add(&["-partition_offset", "16", "-append_partition", "2", "0xef", &fat]);
    add(&["-e", "--interval:appended_partition_2:all::", "-no-emul-boot", "-graft-points"]);
    add(&["-o", &path(image)]);
    let list = draft.join("list");
    let mut lines = vec![format!("/={}", graft(&stage.folder)?)];
    for (from, to) in more {
        lines.push(format!("/{to}={}", graft(from)?));
    }
    fs::write(&list, lines.join("\n") + "\n").context("writing a temporary file")?;
    add(&["-path-list", &path(&list)]);
    Tool::Xorriso.run(&arguments, Some(date))
}

/// A path as a line of xorriso's list.
fn graft(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("`{}` is not text", path.display()))?;
    ensure!(!text.contains(['\n', '=', '\\']), "`{text}` has a letter in it that `xorriso` takes for another thing");
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_written_over_and_a_place_that_can_not_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |path: &Path| Place::at(path).unwrap_err().to_string();
        let there = folder.path().join("there.iso");
        fs::write(&there, "mine").unwrap();
        assert!(refusal(&there).ends_with("there.iso` exists: remove it, or name another file with `--out`"));
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        assert!(refusal(&folder.path().join("link")).contains("is a link to nowhere"));
        assert!(
            refusal(&folder.path().join("gone/x.iso")).contains("gone`: make it, or name another place with `--out`")
        );
        let place = Place::at(&folder.path().join("new.iso")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        let image = folder.path().join("image");
        fs::write(&image, "made").unwrap();
        fs::write(&place.path, "came meanwhile").unwrap();
        assert!(place.settle(&image).is_err());
        assert_eq!(fs::read_to_string(&place.path).unwrap(), "came meanwhile");
        fs::remove_file(&place.path).unwrap();
        place.settle(&image).unwrap();
        assert_eq!(fs::read_to_string(&place.path).unwrap(), "made");
    }

    #[test]
    fn a_name_of_a_folder_is_refused_with_the_name_of_a_file_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let shown = folder.path().display().to_string();
        for name in [shown.clone(), format!("{shown}/"), format!("{shown}/new/"), format!("{shown}/..")] {
            let refusal = Place::at(Path::new(&name)).unwrap_err().to_string();
            let within = Path::new(&name).join("anode.iso").display().to_string();
            assert_eq!(refusal, format!("`{name}` is the name of a folder: name the image in it, such as `{within}`"));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_short_file_has_no_secret_and_neither_has_a_text_that_is_no_image() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        let mut bytes = vec![0; 16 * 2048 + 2048];
        let found = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            has_secret(&file).unwrap()
        };
        assert!(!found(b"") && !found(&bytes));
        bytes[16 * 2048 + 574..][..SECRET.len()].copy_from_slice(SECRET.as_bytes());
        assert!(!found(&bytes));
        bytes[16 * 2048 + 1..][..5].copy_from_slice(b"CD001");
        assert!(found(&bytes));
    }
}
