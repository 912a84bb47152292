//! The copy of a site on a stick, brought up to date in its place: folder `anode/tree` of the partition that `anode medium usb` made.
//!
//! Everything that is new is written first, each file beside its place and renamed; `timestamp.signed`, which names the rest, comes last. So a stick that is
//! pulled out in the middle has the old tree or the new one. What only the old one needed is removed when the new one is there.
//!
//! Somebody else may have written the stick, and desktops mount file systems that know links: every file is reached from the open folder in steps that follow
//! none, on whatever file system. So it need not be a FAT, on which a stick that `anode medium usb` wrote has its copy: nothing leads out of the folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anode_bundle::client::{FetchError, Request, Transport};
use anode_bundle::document::{TIMESTAMP_LIMIT, Timestamp};
use anode_bundle::name::tree::TIMESTAMP;
use anode_bundle::name::{Hashing, Sha256, SiteId};
use anode_fetch::beneath::{Beneath, FileType, parted};
use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{fstatvfs, syncfs};

use super::disks::{Machine, Use};
use super::partition::LABEL;
use crate::lock::Progress;
use crate::publish::parse_timestamp;
use crate::tree::{answer, hash_file};

/// What `anode medium usb` leaves on the partition, so that no other folder is taken for it.
pub const MARK: &str = "anode";
/// The tree on it.
const TREE: &str = "tree";
const DRAFT: &str = ".new-";
/// The longest file of a FAT.
const LONGEST: u64 = u32::MAX as u64;
/// The folders of a tree are three deep.
const DEPTH: u32 = 16;

/// The partition of a stick, mounted somewhere.
#[derive(Debug)]
pub struct Cache {
    /// Its root.
    folder: PathBuf,
    tree: PathBuf,
    root: Beneath,
    /// What the tree lies in.
    mark: Beneath,
}

/// What a refresh did.
#[derive(Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// Files that were written.
    pub written: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that nothing needs any more.
    pub removed: usize,
}

impl Cache {
    /// By the folder where the partition is mounted, or by the stick.
    ///
    /// # Errors
    /// If it is not mounted, or no partition that `anode medium usb` made.
    pub fn find(machine: &Machine, stick: &Path) -> Result<Cache> {
        let folder = if stick.is_dir() { stick.to_owned() } else { mounted(machine, stick)? };
        let root = Beneath::open(&folder).with_context(|| {
            format!("opening `{}`, which has to be the folder itself and no link", folder.display())
        })?;
        let tree = folder.join(MARK).join(TREE);
        let step = |parent: &Beneath, name: &str, shown: &Path| match parent.kind(name) {
            Ok(None) => Ok(None),
            _ => parent.step(name).map(Some).with_context(|| {
                format!("opening `{}`, which has to be a folder and no link: nothing was changed", shown.display())
            }),
        };
        let mark = step(&root, MARK, &folder.join(MARK))?.with_context(|| {
            format!(
                "`{}` has no folder `{MARK}`: name where the partition {LABEL} of a stick is mounted that `anode medium usb` wrote",
                folder.display()
            )
        })?;
        step(&mark, TREE, &tree)?;
        Ok(Cache { folder, tree, root, mark })
    }

    /// Says what to do where a stick that was written a moment ago can not be written any more. FAT has no journal: pulled out while it was written, it may be
    /// damaged, and the kernel makes it read-only as soon as it notices (mount(8), `errors=remount-ro`).
    #[must_use]
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
        if !causes.any(|cause| cause.kind() == io::ErrorKind::ReadOnlyFilesystem) {
            return error;
        }
        let place = self.folder.display();
        error.context(format!(
            "`{place}` can not be written: if the stick has no switch that says so, it was pulled out while it was written, and its file system is damaged. \
             Unmount it, repair it with `fsck.fat -a` and the name of its device (`findmnt {place}`; of the package dosfstools), mount it, and run the command again"
        ))
    }

    /// Where the tree lies.
    #[must_use]
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Removes what a medium staged on the stick for a firmware to start, with the answers in it. Was there anything?
    ///
    /// # Errors
    /// If it can not be removed.
    pub fn unstage(&self) -> Result<bool> {
        anode_fetch::kexec::unstage_beneath(&self.root)
            .with_context(|| format!("removing the installation that is staged in `{}`", self.folder.display()))
    }

    /// Refuses the copy of another site.
    ///
    /// # Errors
    /// If there is one.
    pub fn check_site(&self, site: &SiteId) -> Result<()> {
        // What can not be read is no copy of anything, and is replaced; a link or a pipe is no part of one.
        let Some(there) = self.timestamp() else { return Ok(()) };
        ensure!(
            there.site == *site,
            "`{}` is a copy of the site {}, and this repository is the site {site}: nothing was written; use another stick, or remove the folder",
            self.tree.display(),
            there.site
        );
        Ok(())
    }

    fn timestamp(&self) -> Option<Timestamp> {
        let mut bytes = Vec::new();
        self.open(TIMESTAMP).ok()?.take(TIMESTAMP_LIMIT + 1).read_to_end(&mut bytes).ok()?;
        parse_timestamp(&bytes, &self.tree.join(TIMESTAMP)).ok()
    }

    /// Makes the tree hold exactly these files: where they lie here, by their paths in the tree.
    ///
    /// # Errors
    /// If there is no room; then nothing was written. If the stick can not be written; then the old tree is there, or the new one.
    pub fn refresh(&self, files: &BTreeMap<String, PathBuf>, progress: &dyn Progress) -> Result<Refreshed> {
        ensure!(files.contains_key(TIMESTAMP), "there is no `{TIMESTAMP}` among the files");
        let mut missing: Vec<(&String, &PathBuf, u64)> = Vec::new();
        for (path, from) in files {
            let length = fs::metadata(from).with_context(|| format!("reading `{}`", from.display()))?.len();
            ensure!(length <= LONGEST, "`{path}` has {length} bytes, and the file system of a stick ends at {LONGEST}");
            if !self.has(path, from, length)? {
                missing.push((path, from, length));
            }
        }
        self.drop_drafts()?;
        self.check_room(&missing)?;
        // The timestamp names everything else.
        missing.sort_by_key(|(path, ..)| (path.as_str() == TIMESTAMP, path.as_str()));
        let bytes = missing.iter().map(|(_, _, length)| length).sum();
        progress.begin("refreshing", Some(bytes), 0);
        for (path, from, length) in &missing {
            if path.as_str() == TIMESTAMP {
                self.sync()?;
            }
            self.put(path, from)?;
            progress.bytes(*length);
        }
        progress.end();
        let removed = self.drop_surplus(files)?;
        self.sync()?;
        Ok(Refreshed { written: missing.len(), bytes, removed })
    }

    fn put(&self, path: &str, from: &Path) -> Result<()> {
        let writing = || format!("writing `{}`", self.tree.join(path).display());
        let (parents, name) = steps(path);
        let folder = self.mark.make(parents).with_context(writing)?;
        let draft = format!("{DRAFT}{name}");
        let write = || -> io::Result<()> {
            let mut file = folder.create(&draft)?;
            io::copy(&mut File::open(from)?, &mut file)?;
            file.sync_all()
        };
        write().with_context(writing)?;
        // What a worn stick gives back is what counts.
        let wanted = hash_file(from).with_context(writing)?;
        let found = folder.read(&draft).and_then(hash).with_context(writing)?;
        ensure!(wanted == found, "{}: it holds other bytes than were written; use another stick", writing());
        folder.rename(&draft, &folder, name).with_context(writing)
    }

    /// Is it there already? Read, and not believed: sticks forget.
    fn has(&self, path: &str, from: &Path, length: u64) -> Result<bool> {
        match self.open(path) {
            Ok(there) if there.metadata().is_ok_and(|status| status.len() == length) => {
                let wanted = hash_file(from).with_context(|| format!("reading `{}`", from.display()))?;
                Ok(hash(there).is_ok_and(|found| found == wanted))
            }
            _ => Ok(false),
        }
    }

    fn open(&self, path: &str) -> io::Result<File> {
        let (parents, name) = steps(path);
        self.mark.walk(parents)?.read(name)
    }

    fn sync(&self) -> Result<()> {
        syncfs(&self.mark).with_context(|| format!("writing `{}` to the disk", self.tree.display()))
    }

    /// Everything that is new has to fit beside everything that is there.
    fn check_room(&self, missing: &[(&String, &PathBuf, u64)]) -> Result<()> {
        let place = &self.folder;
        let asking = || format!("asking `{}` for its free space", place.display());
        let status = fstatvfs(&self.mark).with_context(asking)?;
        let cluster = status.f_frsize.max(1);
        // A file takes whole clusters, and so does a folder, of which nearly every object needs a new one.
        let needed: u64 = missing.iter().map(|(_, _, length)| length.next_multiple_of(cluster) + cluster).sum();
        let free = status.f_bavail * status.f_frsize;
        ensure!(
            needed <= free,
            "`{}` has {free} bytes free, and {needed} are needed: nothing was written; use a larger stick",
            place.display()
        );
        Ok(())
    }

    /// What a refresh that was cut off left behind, and what no refresh writes: links, pipes, devices.
    fn drop_drafts(&self) -> Result<()> {
        let is_draft = |path: &str| path.rsplit('/').next().unwrap_or(path).starts_with(DRAFT);
        self.remove(&|path, kind| kind != FileType::RegularFile || is_draft(path)).map(|_| ())
    }

    fn drop_surplus(&self, files: &BTreeMap<String, PathBuf>) -> Result<usize> {
        self.remove(&|path, _| !files.contains_key(path))
    }

    fn remove(&self, is_surplus: &dyn Fn(&str, FileType) -> bool) -> Result<usize> {
        match self.mark.kind(TREE).with_context(|| format!("reading `{}`", self.tree.display()))? {
            None => Ok(0),
            Some(_) => self.remove_in(&self.mark, TREE, "", DEPTH, is_surplus),
        }
    }

    /// What is surplus in the folder `name` of `parent`, whose path in the tree is `path`.
    fn remove_in(
        &self,
        parent: &Beneath,
        name: &str,
        path: &str,
        depth: u32,
        is_surplus: &dyn Fn(&str, FileType) -> bool,
    ) -> Result<usize> {
        let shown = self.tree.join(path);
        let reading = || format!("reading `{}`", shown.display());
        ensure!(depth > 0, "`{}` lies deeper than anything in a copy of a site: remove it", shown.display());
        let folder = parent.step(name).with_context(reading)?;
        let mut removed = 0;
        for name in folder.names().with_context(reading)? {
            // No name of ours is anything but text.
            let text = name.to_string_lossy();
            let path = if path.is_empty() { text.to_string() } else { format!("{path}/{text}") };
            match folder.kind(&name).with_context(reading)? {
                Some(FileType::Directory) => removed += self.remove_in(&folder, &text, &path, depth - 1, is_surplus)?,
                Some(kind) if is_surplus(&path, kind) => {
                    folder.remove(&name).with_context(|| format!("removing `{}`", self.tree.join(&path).display()))?;
                    removed += 1;
                }
                _ => {}
            }
        }
        Ok(removed)
    }
}

/// The copy, judged as if it were a mirror.
impl Transport for &Cache {
    fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
        answer(self.open(request.path), &self.tree.join(request.path), request)
    }
}

/// From the folder of the mark: the folders down to a file of the tree, and its name.
fn steps(path: &str) -> (impl Iterator<Item = &str>, &str) {
    let (parents, name) = parted(path);
    (std::iter::once(TREE).chain(parents), name)
}

fn hash(mut file: File) -> io::Result<Sha256> {
    let mut hashing = Hashing::default();
    let mut piece = vec![0; 256 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hashing.finish()),
            amount => hashing.update(piece.get(..amount).unwrap_or_default()),
        }
    }
}

/// Where the partition of a stick is mounted.
fn mounted(machine: &Machine, stick: &Path) -> Result<PathBuf> {
    let disk = machine.find(stick)?;
    let part = machine.partition(&disk, 3).with_context(|| {
        format!("`{}` has no third partition: write it with `anode medium usb`", disk.path().display())
    })?;
    let place = disk.uses.iter().find_map(|used| match used {
        Use::Mounted { from, at } if *from == part => Some(PathBuf::from(at)),
        _ => None,
    });
    match place {
        Some(place) => Ok(place),
        None => {
            bail!("`/dev/{part}` is not mounted: mount it, such as with `mount /dev/{part} /mnt`, and name the folder")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::fs::symlink;

    use walkdir::WalkDir;

    struct Quiet;

    impl Progress for Quiet {
        fn begin(&self, _: &str, _: Option<u64>, _: u64) {}
        fn bytes(&self, _: u64) {}
        fn end(&self) {}
    }

    struct Stick(tempfile::TempDir);

    impl Stick {
        fn new() -> Stick {
            let stick = Stick(tempfile::tempdir().unwrap());
            fs::create_dir_all(stick.0.path().join("stick/anode")).unwrap();
            stick
        }

        fn cache(&self) -> Cache {
            Cache::find(&Machine::this(), &self.0.path().join("stick")).unwrap()
        }

        /// Files of a new tree.
        fn files(&self, files: &[(&str, &str)]) -> BTreeMap<String, PathBuf> {
            let folder = tempfile::tempdir_in(self.0.path()).unwrap().keep();
            let file = |(index, (path, text)): (usize, &(&str, &str))| {
                let from = folder.join(index.to_string());
                fs::write(&from, text).unwrap();
                ((*path).to_owned(), from)
            };
            files.iter().enumerate().map(file).collect()
        }

        fn tree(&self) -> Vec<String> {
            let tree = self.cache().tree().to_owned();
            let files = WalkDir::new(&tree).sort_by_file_name().into_iter().map(Result::unwrap);
            let files = files.filter(|entry| entry.file_type().is_file());
            files.map(|entry| entry.path().strip_prefix(&tree).unwrap().display().to_string()).collect()
        }
    }

    #[test]
    fn an_installation_that_was_staged_on_the_stick_is_removed_and_nothing_else() {
        let stick = Stick::new();
        let folder = stick.0.path().join("stick");
        assert!(!stick.cache().unstage().unwrap());
        fs::create_dir_all(folder.join("anode-stage")).unwrap();
        fs::create_dir_all(folder.join("EFI/anode")).unwrap();
        for (name, text) in [
            ("anode-stage/initrd", "answers"),
            ("EFI/anode/shim.efi", "shim"),
            ("anode-stage/files", "anode-stage/initrd\nEFI/anode/shim.efi\nanode-stage/files\n"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        assert!(stick.cache().unstage().unwrap());
        let rest: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(rest, ["anode"]);
    }

    #[test]
    fn links_lead_a_refresh_nowhere() {
        let stick = Stick::new();
        let (folder, home) = (stick.0.path().join("stick"), stick.0.path().join("home"));
        fs::create_dir_all(home.join("aa")).unwrap();
        for name in ["letter.txt", "aa/1", TIMESTAMP] {
            fs::write(home.join(name), "mine").unwrap();
        }
        let intact = || {
            let entries = WalkDir::new(&home).into_iter().map(Result::unwrap);
            let files: Vec<_> = entries.filter(|entry| entry.file_type().is_file()).collect();
            files.len() == 3 && files.iter().all(|file| fs::read(file.path()).unwrap() == b"mine")
        };
        // The tree as a whole, and what it lies in.
        symlink("../../home", folder.join("anode/tree")).unwrap();
        let refusal = format!("{:#}", Cache::find(&Machine::this(), &folder).unwrap_err());
        assert!(refusal.contains("stick/anode/tree`, which has to be a folder and no link"), "{refusal}");
        fs::remove_file(folder.join("anode/tree")).unwrap();
        for name in ["link", "other/anode"] {
            fs::create_dir_all(stick.0.path().join("other")).unwrap();
            symlink(&folder, stick.0.path().join(name)).unwrap();
        }
        for place in ["link", "other"] {
            let refusal = format!("{:#}", Cache::find(&Machine::this(), &stick.0.path().join(place)).unwrap_err());
            assert!(refusal.contains("and no link"), "{refusal}");
        }
        // Folders and files in it are made anew.
        fs::create_dir_all(folder.join("anode/tree/objects")).unwrap();
        symlink("../../../../home/aa", folder.join("anode/tree/objects/aa")).unwrap();
        symlink("../../../home", folder.join("anode/tree/odd")).unwrap();
        symlink("../../../home/letter.txt", folder.join("anode/tree").join(TIMESTAMP)).unwrap();
        stick.cache().check_site(&SiteId::from_bytes([1; 16])).unwrap();
        stick.cache().refresh(&stick.files(&OLD), &Quiet).unwrap();
        assert_eq!(stick.tree(), ["objects/aa/1", "objects/bb/2", TIMESTAMP]);
        assert!(intact());
    }

    const OLD: [(&str, &str); 3] = [("objects/aa/1", "one"), ("objects/bb/2", "two"), (TIMESTAMP, "old")];
    const NEW: [(&str, &str); 3] = [("objects/bb/2", "two"), ("objects/cc/3", "three"), (TIMESTAMP, "new")];

    #[test]
    fn only_what_differs_is_written_and_what_nobody_needs_is_removed() {
        let stick = Stick::new();
        let refresh = |files: &[(&str, &str)]| stick.cache().refresh(&stick.files(files), &Quiet).unwrap();
        assert_eq!(refresh(&OLD), Refreshed { written: 3, bytes: 9, removed: 0 });
        assert_eq!(refresh(&NEW), Refreshed { written: 2, bytes: 8, removed: 1 });
        assert_eq!(stick.tree(), ["objects/bb/2", "objects/cc/3", TIMESTAMP]);
        assert_eq!(refresh(&NEW), Refreshed { written: 0, bytes: 0, removed: 0 });
        // A stick that forgot a byte is repaired.
        fs::write(stick.cache().tree().join("objects/cc/3"), "threw").unwrap();
        assert_eq!(refresh(&NEW), Refreshed { written: 1, bytes: 5, removed: 0 });
    }

    #[test]
    fn a_refresh_that_can_not_write_leaves_the_old_tree_whole() {
        let stick = Stick::new();
        stick.cache().refresh(&stick.files(&OLD), &Quiet).unwrap();
        let tree = stick.cache().tree().to_owned();
        // Something is in the way of the last new object.
        fs::create_dir_all(tree.join("objects/cc/.new-3")).unwrap();
        assert!(stick.cache().refresh(&stick.files(&NEW), &Quiet).is_err());
        for (path, text) in OLD {
            assert_eq!(fs::read_to_string(tree.join(path)).unwrap(), text, "{path}");
        }
        fs::remove_dir(tree.join("objects/cc/.new-3")).unwrap();
        fs::write(tree.join("objects/cc/.new-3"), "cut off").unwrap();
        stick.cache().refresh(&stick.files(&NEW), &Quiet).unwrap();
        assert_eq!(stick.tree(), ["objects/bb/2", "objects/cc/3", TIMESTAMP]);
    }

    #[test]
    fn a_folder_that_is_no_stick_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = Cache::find(&Machine::this(), folder.path()).unwrap_err().to_string();
        assert!(refusal.contains("has no folder `anode`"), "{refusal}");
        let stick = Stick::new();
        assert!(stick.cache().refresh(&stick.files(&OLD[..2]), &Quiet).is_err());
        assert!(stick.tree_is_absent());
    }

    impl Stick {
        fn tree_is_absent(&self) -> bool {
            !self.cache().tree().exists()
        }
    }
}
