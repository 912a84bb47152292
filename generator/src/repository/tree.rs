//! The work tree: which files there are, before any of them is read.
//!
//! No symlink is followed, so nothing outside the repository is ever read, and what is not a regular file is refused by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anode_bundle::name::Id;
use walkdir::WalkDir;

use crate::diagnose::{Problem, Problems, Source};

/// The largest TOML file in bytes: a parser needs about a hundred times as much memory.
pub const TOML_LIMIT: u64 = 256 << 10;
/// The largest other file in bytes.
const FILE_LIMIT: u64 = 8 << 20;
/// All files together, in bytes, without `.git`.
const TREE_LIMIT: u64 = 64 << 20;

/// Folders at the top that other commands and programs read.
const RESERVED: [&str; 5] = ["keys", "nodes", "hooks", "ci", "playbooks"];
/// What every built tree has.
const TIMESTAMP: &str = anode_bundle::name::tree::TIMESTAMP;
/// Folders at the top that hold something else than a profile.
const KNOWN: [&str; 4] = ["installers", "snippets", "orgs", "codes"];
const KNOWN_FILES: [&str; 2] = ["anode.toml", "anode.lock"];
/// Trees and locks of a build.
const LEFT_BEHIND: &str = ".anode";

/// The regular files of a repository.
pub struct Tree {
    root: PathBuf,
    files: BTreeSet<String>,
}

impl Tree {
    /// Lists the files below `root`.
    pub fn list(root: &Path, problems: &mut Problems) -> Tree {
        let mut tree = Tree { root: root.to_owned(), files: BTreeSet::new() };
        let mut folded: BTreeMap<String, String> = BTreeMap::new();
        let mut total = 0;
        let walk = WalkDir::new(root).min_depth(1).follow_links(false).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| !is_skipped(entry)) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    // The repository itself has no name inside itself.
                    let inside = error.path().and_then(|path| path.strip_prefix(root).ok());
                    let path = inside.filter(|path| !path.as_os_str().is_empty()).unwrap_or(root);
                    problems.push(
                        Problem::error(&path.to_string_lossy(), format!("can not be read: {}", cause(&error)))
                            .help("check that the path exists and that you may read it"),
                    );
                    continue;
                }
            };
            let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let Some(path) = relative.to_str() else {
                let name = relative.to_string_lossy();
                problems.push(Problem::error(&name, "the name is not UTF-8").help("rename it"));
                continue;
            };
            if let Some(problem) = refuse_kind(path, entry.file_type()) {
                problems.push(problem);
                continue;
            }
            if let Some(other) = folded.insert(path.to_lowercase(), path.to_owned()) {
                let message = format!("differs from `{other}` in upper and lower case only");
                problems
                    .push(Problem::error(path, message).help("rename one of the two: not every system can hold both"));
            }
            if entry.file_type().is_file() {
                total += entry.metadata().map_or(0, |metadata| metadata.len());
                tree.files.insert(path.to_owned());
            }
        }
        if total > TREE_LIMIT {
            let message = format!("the repository holds {} MiB, more than 64 MiB", total >> 20);
            problems.push(
                Problem::error(".", message)
                    .help("images and packages belong on a web server: name them in `anode.lock`"),
            );
        }
        tree
    }

    /// Is there such a file?
    pub fn has(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    /// The files below a folder, as paths relative to it, in order.
    pub fn below<'t>(&'t self, folder: &str) -> impl Iterator<Item = &'t str> {
        let prefix = format!("{folder}/");
        self.files
            .range(prefix.clone()..)
            .take_while({
                let prefix = prefix.clone();
                move |path| path.starts_with(&prefix)
            })
            .filter_map(move |path| path.strip_prefix(&prefix))
    }

    /// The folders directly below a folder (`""`: the top) that hold a file at some depth, in order.
    pub fn folders(&self, folder: &str) -> BTreeSet<&str> {
        let first = |path: &'_ str| path.split_once('/').map(|(first, _)| first.len());
        if folder.is_empty() {
            return self.files.iter().filter_map(|path| path.get(..first(path)?)).collect();
        }
        self.below(folder).filter_map(|path| path.get(..first(path)?)).collect()
    }

    /// The files directly at the top.
    fn top_files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str).filter(|path| !path.contains('/'))
    }

    /// Reads a TOML file; `None` if it is missing or was refused.
    pub fn toml(&self, path: &str, problems: &mut Problems) -> Option<Arc<Source>> {
        self.read(path, TOML_LIMIT, problems)
    }

    /// Reads a template or script; `None` if it is missing or was refused.
    pub fn text(&self, path: &str, problems: &mut Problems) -> Option<Arc<Source>> {
        self.read(path, FILE_LIMIT, problems)
    }

    fn read(&self, path: &str, limit: u64, problems: &mut Problems) -> Option<Arc<Source>> {
        self.has(path).then(|| read_limited(&self.root, path, limit, problems)).flatten()
    }

    /// The ids of the folders directly below a folder; a name that is no id is a problem.
    pub fn ids(&self, folder: &str, what: &str, problems: &mut Problems) -> Vec<Id> {
        let folders = self.folders(folder);
        folders.into_iter().filter_map(|name| check_id(&join(folder, name), name, what, problems)).collect()
    }

    /// The profiles at the top. A folder that is neither a profile nor known is a problem.
    pub fn profiles(&self, problems: &mut Problems) -> Vec<Id> {
        let folders = self.folders("");
        for file in self.top_files().filter(|file| !KNOWN_FILES.contains(file)) {
            if let Some(meant) = crate::diagnose::nearest(file, KNOWN_FILES) {
                let problem = Problem::warning(file, "is not part of a profiles repository");
                problems.push(problem.help(format!("did you mean `{meant}`?")));
            }
        }
        let mut ids = Vec::new();
        for name in folders.iter().filter(|name| !KNOWN.contains(name)) {
            if self.has(&format!("{name}/profile.toml")) {
                ids.extend(check_id(name, name, "a profile", problems));
                continue;
            }
            let message = format!("the folder `{name}` has no `profile.toml`");
            let mut problem = Problem::error(name, message).nearest(name, KNOWN.into_iter().chain(RESERVED));
            if problem.help.is_none() {
                let inside: Vec<_> = self.below(name).collect();
                problem = problem.help(match crate::diagnose::nearest("profile.toml", inside) {
                    Some(found) => format!("rename `{name}/{found}` to `{name}/profile.toml`"),
                    None => "a folder at the top is a profile: add a `profile.toml`, or move the folder elsewhere"
                        .to_owned(),
                });
            }
            problems.push(problem);
        }
        ids
    }
}

/// The path of `name` in `folder`.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The id that a file or folder is named.
pub fn check_id(path: &str, name: &str, what: &str, problems: &mut Problems) -> Option<Id> {
    match Id::new(name) {
        Ok(id) => Some(id),
        Err(bad) => {
            let message = format!("`{}` can not be the name of {what}", bad.text);
            problems.push(Problem::error(path, message).help(format!("rename it: {}", Id::FORM)));
            None
        }
    }
}

fn is_skipped(entry: &walkdir::DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    // What a build leaves behind is skipped, and not where a link puts it.
    if entry.depth() == 1 && name == LEFT_BEHIND && entry.path_is_symlink() {
        return false;
    }
    // A tree that was built into the repository is not part of it.
    let reserved =
        || RESERVED.contains(&&*name) || name.starts_with("README") || entry.path().join(TIMESTAMP).is_file();
    name.starts_with('.') || entry.depth() == 1 && reserved()
}

fn refuse_kind(path: &str, kind: std::fs::FileType) -> Option<Problem> {
    let (what, help) = if kind.is_symlink() {
        ("is a symlink", "replace it by a copy of what it points to: a repository must not reach outside itself")
    } else if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device() {
        ("is neither a file nor a folder", "remove it")
    } else {
        return None;
    };
    Some(Problem::error(path, what).help(help))
}

fn cause(error: &walkdir::Error) -> String {
    error.io_error().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Reads a TOML file without listing its repository; `None` if it is missing or was refused.
pub fn read_file(root: &Path, path: &str, problems: &mut Problems) -> Option<Arc<Source>> {
    root.join(path).exists().then(|| read_limited(root, path, TOML_LIMIT, problems)).flatten()
}

fn read_limited(root: &Path, path: &str, limit: u64, problems: &mut Problems) -> Option<Arc<Source>> {
    // Room for most files at once: there may be a hundred thousand of them.
    let mut bytes = Vec::with_capacity(4 << 10);
    // A file that became a symlink since it was listed is not followed.
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(root.join(path));
    if let Err(error) = opened.and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)) {
        problems.push(Problem::error(path, format!("can not be read: {error}")).help("check its permissions"));
        return None;
    }
    if bytes.len() as u64 > limit {
        let message = format!("is larger than {} KiB", limit >> 10);
        problems.push(Problem::error(path, message).help("split it, or move data out of the repository"));
        return None;
    }
    bytes.shrink_to_fit();
    match String::from_utf8(bytes) {
        Ok(text) => Some(Arc::new(Source { path: path.to_owned(), text })),
        Err(error) => {
            let message = format!("is not UTF-8 from byte {} on", error.utf8_error().valid_up_to());
            problems.push(Problem::error(path, message).help("save it as UTF-8"));
            None
        }
    }
}
