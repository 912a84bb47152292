//! The disks of a machine, as the kernel shows them below `/sys/block`, and what each is used for.
//!
//! In use is a disk from which something is mounted or swapped to, also through what lies between: partitions, encryption, LVM, RAID. Those layers are
//! walked by `holders`, from the disk upwards.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anode_bundle::display;
use anyhow::{Context as _, Result, bail, ensure};

/// What is no disk that somebody would write a medium to: memory, what lies on disks, discs, floppies, tapes.
const OTHERS: [&str; 9] = ["ram", "zram", "dm-", "md", "sr", "fd", "st", "mtd", "nullb"];

/// Where the kernel shows what there is.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

/// A whole disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// `sdb`
    pub name: String,
    /// Who made it and what it is, as it says itself.
    pub model: String,
    /// Its size in bytes; 0: a reader without a card.
    pub bytes: u64,
    /// Can it be pulled out?
    pub kind: Kind,
    /// It lets nobody write.
    pub read_only: bool,
    /// What it is used for: nothing, or reasons to leave it alone.
    pub uses: Vec<Use>,
    /// The number of its device, such as `8:16`.
    pub number: String,
    /// How many disks and cards the kernel had seen when it saw this one: no other has the same, not even in the same reader (diskseq, since Linux 5.15).
    pub sequence: String,
}

/// What a disk is, as far as it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A stick or a card.
    Removable,
    /// A disk that stays where it is; many disks in USB boxes say this too.
    Fixed,
}

/// One use of a disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Something of it is mounted here.
    Mounted {
        /// The partition or layer.
        from: String,
        /// Where.
        at: String,
    },
    /// Memory is swapped to it.
    Swap(String),
    /// Another layer lies on it.
    Layer(String),
}

impl Use {
    /// Does the running system stop without it?
    #[must_use]
    pub fn is_system(&self) -> bool {
        match self {
            Use::Mounted { at, .. } => {
                at == "/" || ["/boot", "/usr", "/var", "/home"].iter().any(|of| Path::new(at).starts_with(of))
            }
            Use::Swap(_) => true,
            Use::Layer(_) => false,
        }
    }
}

impl std::fmt::Display for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Use::Mounted { from, at } => write!(f, "`{from}` is mounted at `{}`", display::line(at, 60)),
            Use::Swap(from) => write!(f, "memory is swapped to `{from}`"),
            Use::Layer(name) => write!(f, "`{name}` (encryption, LVM or RAID) lies on it"),
        }
    }
}

impl Disk {
    /// The device.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// May it be erased?
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn check(&self) -> Result<()> {
        let path = self.path();
        let path = path.display();
        ensure!(self.bytes > 0, "`{path}` has no medium in it");
        ensure!(!self.read_only, "`{path}` is read-only: look for a small switch on it");
        if self.uses.is_empty() {
            return Ok(());
        }
        let uses = self.uses.iter().map(Use::to_string).collect::<Vec<_>>().join(", ");
        if self.uses.iter().any(Use::is_system) {
            bail!("`{path}` holds the running system: {uses}; name another disk");
        }
        bail!("`{path}` is in use: {uses}; release it first, with `umount` what is mounted");
    }
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Machine {
        Machine { root: PathBuf::from("/") }
    }

    /// One whose `/sys`, `/proc` and `/dev` lie below `root`.
    #[must_use]
    pub fn below(root: &Path) -> Machine {
        Machine { root: root.to_owned() }
    }

    /// Every disk on which a medium could be written.
    ///
    /// # Errors
    /// If the kernel does not show its disks.
    pub fn disks(&self) -> Result<Vec<Disk>> {
        let folder = self.root.join("sys/block");
        let reading = || format!("reading `{}`", folder.display());
        let mut disks = Vec::new();
        for entry in fs::read_dir(&folder).with_context(reading)? {
            let name = entry.with_context(reading)?.file_name().to_string_lossy().into_owned();
            if is_disk(&name) {
                disks.push(self.disk(name)?);
            }
        }
        disks.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(disks)
    }

    /// The disk that a path names, perhaps by a link such as those in `/dev/disk/by-id`.
    ///
    /// # Errors
    /// If it names none, or only a part of one.
    pub fn find(&self, path: &Path) -> Result<Disk> {
        let shown = path.display();
        let device = match fs::canonicalize(self.below_root(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("there is no `{shown}`: `anode medium usb` without `--to` lists the removable disks")
            }
            found => found.with_context(|| format!("looking for `{shown}`"))?,
        };
        let name = device.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let in_dev = device
            .parent()
            .is_some_and(|parent| fs::canonicalize(self.root.join("dev")).is_ok_and(|dev| parent == dev));
        ensure!(in_dev, "`{shown}` is no disk: name one such as `/dev/sdb`");
        if self.root.join("sys/block").join(&name).exists() {
            ensure!(is_disk(&name), "`{shown}` (`{name}`) is no disk on which a medium can be written");
            return self.disk(name);
        }
        let whole = fs::canonicalize(self.root.join("sys/class/block").join(&name)).ok();
        let whole = whole.and_then(|path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned()));
        match whole.filter(|whole| self.root.join("sys/block").join(whole).exists()) {
            Some(whole) => bail!("`{shown}` is a part of a disk: a medium needs a whole one, `/dev/{whole}`"),
            None => bail!("`{shown}` is no disk: name one such as `/dev/sdb`"),
        }
    }

    /// The name of a disk's partition, by its number.
    #[must_use]
    pub fn partition(&self, disk: &Disk, number: u32) -> Option<String> {
        let folder = self.root.join("sys/block").join(&disk.name);
        let names = fs::read_dir(&folder).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let number_of = |name: &String| fs::read_to_string(folder.join(name).join("partition")).ok();
        names.into_iter().find(|name| number_of(name).is_some_and(|text| text.trim().parse() == Ok(number)))
    }

    fn below_root(&self, path: &Path) -> PathBuf {
        path.strip_prefix("/").map_or_else(|_| path.to_owned(), |path| self.root.join(path))
    }

    fn disk(&self, name: String) -> Result<Disk> {
        let folder = self.root.join("sys/block").join(&name);
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default().trim().to_owned();
        let words = [read("device/vendor"), read("device/model"), read("device/name")].join(" ");
        let sectors: u64 = read("size").parse().with_context(|| format!("reading the size of `{name}`"))?;
        Ok(Disk {
            model: display::line(&words, 40),
            bytes: sectors * 512,
            kind: if read("removable") == "1" { Kind::Removable } else { Kind::Fixed },
            read_only: read("ro") == "1",
            uses: self.uses(&name)?,
            number: read("dev"),
            sequence: read("diskseq"),
            name,
        })
    }

    fn uses(&self, name: &str) -> Result<Vec<Use>> {
        let mut parts = BTreeMap::new();
        self.collect(name, &mut parts);
        let mut uses = Vec::new();
        for mount in self.lines("proc/self/mountinfo")? {
            let mut fields = mount.split(' ');
            let (number, at) = (fields.nth(2).unwrap_or_default(), fields.nth(1).map(unescape).unwrap_or_default());
            let source = mount.split(" - ").nth(1).and_then(|rest| rest.split(' ').nth(1)).map(unescape);
            let source = source.and_then(|source| self.kernel_name(&source));
            // Some file systems, btrfs for one, have numbers that no device has; those say what they lie on.
            let of = parts.iter().find(|(part, known)| known.as_str() == number || source.as_deref() == Some(part));
            uses.extend(of.map(|(part, _)| Use::Mounted { from: part.clone(), at }));
        }
        for swap in self.lines("proc/swaps")?.iter().skip(1) {
            let path = unescape(swap.split_whitespace().next().unwrap_or_default());
            let of = self.kernel_name(&path).filter(|name| parts.contains_key(name));
            uses.extend(of.map(Use::Swap));
        }
        let is_part = |part: &str| part == name || self.root.join("sys/block").join(name).join(part).exists();
        uses.extend(parts.keys().filter(|part| !is_part(part)).cloned().map(Use::Layer));
        uses.sort();
        uses.dedup();
        Ok(uses)
    }

    /// A device, its partitions, and everything that lies on them, with their numbers.
    fn collect(&self, name: &str, found: &mut BTreeMap<String, String>) {
        if found.contains_key(name) {
            return;
        }
        let folder = self.root.join("sys/class/block").join(name);
        let number = fs::read_to_string(folder.join("dev")).unwrap_or_default().trim().to_owned();
        found.insert(name.to_owned(), number);
        let names = |folder: &Path| -> Vec<String> {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        for inner in names(&folder) {
            if folder.join(&inner).join("partition").exists() {
                self.collect(&inner, found);
            }
        }
        for holder in names(&folder.join("holders")) {
            self.collect(&holder, found);
        }
    }

    fn lines(&self, file: &str) -> Result<Vec<String>> {
        let path = self.root.join(file);
        let text = match fs::read_to_string(&path) {
            // A kernel that can not swap has no list of it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.with_context(|| format!("reading `{}`", path.display()))?,
        };
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// `/dev/mapper/vg-root` is `dm-0`.
    fn kernel_name(&self, source: &str) -> Option<String> {
        let path = Path::new(source);
        path.starts_with("/dev").then_some(())?;
        let device = fs::canonicalize(self.below_root(path)).ok()?;
        Some(device.file_name()?.to_string_lossy().into_owned())
    }
}

fn is_disk(name: &str) -> bool {
    !OTHERS.iter().any(|other| {
        name.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// Blanks are `\040` in the kernel's lists.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[path = "disks_tests.rs"]
mod tests;
