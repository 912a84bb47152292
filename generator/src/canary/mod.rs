//! Looks for secrets where none may be: in every file of a tree, in the names of files, and in what a build said.
//!
//! Every secret value that the site has is a canary. It is searched for as it is, backwards, in hexadecimal, in base64 at each of its three
//! alignments, percent-encoded, each also with line breaks in between, and all of it again inside gzip and zlib streams. A finding names the file and
//! the secret, never its value. This is the net below careful code, not a replacement for it: what is encrypted, cut in pieces or encoded in another
//! way is not found.

mod forms;
mod search;
mod secrets;
mod streams;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anode_bundle::name::Sha256;
use anode_bundle::name::tree::object;
use anyhow::{Context as _, Result};
use rayon::prelude::*;
use walkdir::WalkDir;
use zeroize::Zeroizing;

pub use forms::Form;
pub use search::Search;
pub use secrets::{SiteSecrets, is_crypt_hash, site_secrets};

/// Larger files are read piece by piece.
const PIECE: usize = 16 << 20;
/// The pieces overlap, so that nothing is cut in two: no form of any secret is longer.
const OVERLAP: usize = 256 << 10;
/// A shorter text would be found everywhere.
pub const SHORTEST: usize = 8;

/// Where a secret may lie in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// With its owner alone.
    Owner,
    /// In the repository, and nowhere that is published.
    Repository,
}

/// A secret value and its name. Not printable, wiped when dropped.
pub struct Canary {
    name: String,
    home: Home,
    value: Zeroizing<Vec<u8>>,
}

impl Canary {
    /// `None` for a value that is too short to be recognised.
    #[must_use]
    pub fn new(name: &str, home: Home, value: &[u8]) -> Option<Canary> {
        let long_enough = value.len() >= SHORTEST;
        long_enough.then(|| Canary { name: name.to_owned(), home, value: Zeroizing::new(value.to_vec()) })
    }

    /// Where it may lie.
    #[must_use]
    pub fn home(&self) -> Home {
        self.home
    }
}

/// A secret where it must not be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The secret's name.
    pub secret: String,
    /// How it is written there.
    pub form: &'static str,
    /// In the file's name, in its bytes, or in a compressed stream among them.
    pub place: Place,
}

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In its name.
    Name,
    /// Among its bytes.
    Bytes,
    /// In a compressed stream among its bytes.
    Compressed,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = match self.place {
            Place::Name => " in the file's name",
            Place::Bytes => "",
            Place::Compressed => " in a compressed stream",
        };
        write!(f, "`{}` holds {} ({}{place})", self.file, self.secret, self.form)
    }
}

/// What was looked through.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Every secret that was found, by file.
    pub findings: Vec<Finding>,
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Scan {
    /// Looks through a file, or through a folder and everything below it. A link is judged by its name and where it points, and not followed.
    ///
    /// # Errors
    /// If something can not be read: what was not looked at is not clean.
    pub fn of(path: &Path, search: &Search) -> Result<Scan> {
        Scan::of_tree(path, search, &BTreeSet::new())
    }

    /// As [`Scan::of`], and passes over the bytes of `foreign` objects: what distributions publish can not hold our secrets, and is large. Whoever publishes
    /// them compares their hashes.
    ///
    /// # Errors
    /// As [`Scan::of`].
    pub fn of_tree(path: &Path, search: &Search, foreign: &BTreeSet<Sha256>) -> Result<Scan> {
        let foreign: BTreeSet<_> = foreign.iter().map(|hash| path.join(object(hash))).collect();
        let mut entries = Vec::new();
        let all = WalkDir::new(path).follow_root_links(true).sort_by_file_name().into_iter();
        for entry in all.filter_entry(|entry| !foreign.contains(entry.path())) {
            entries.push(entry.with_context(|| format!("looking through `{}`", path.display()))?);
        }
        let base = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let parts: Vec<Scan> = entries
            .par_iter()
            .map(|entry| {
                let name = entry.path().strip_prefix(base).unwrap_or(entry.path()).to_owned();
                let mut scan = Scan::of_name(&name, search);
                if entry.path_is_symlink() && entry.depth() > 0 {
                    let points_to = fs::read_link(entry.path())?;
                    scan.findings.extend(Scan::of_name(&points_to, search).findings);
                } else if entry.file_type().is_file() {
                    let file = File::open(entry.path())?;
                    scan.append(Scan::of_reader(&name.to_string_lossy(), file, search)?);
                }
                Ok::<_, anyhow::Error>(scan)
            })
            .zip(&entries)
            .map(|(scan, entry)| scan.with_context(|| format!("looking through `{}`", entry.path().display())))
            .collect::<Result<_>>()?;
        let mut sum = Scan::default();
        parts.into_iter().for_each(|part| sum.append(part));
        Ok(sum)
    }

    fn of_name(name: &Path, search: &Search) -> Scan {
        let find = |name: &Path| search.find(name.as_os_str().as_encoded_bytes());
        // The name itself can not be repeated.
        let clean = name.ancestors().skip(1).find(|folder| find(folder).is_empty()).unwrap_or(Path::new(""));
        let file = clean.join("…").to_string_lossy().into_owned();
        let finding = |(secret, form): (&str, Form)| Finding {
            file: file.clone(),
            secret: secret.to_owned(),
            form: form.name(),
            place: Place::Name,
        };
        Scan { findings: find(name).into_iter().map(finding).collect(), files: 0, bytes: 0 }
    }

    /// Looks through everything that a reader gives, under the name of `file`.
    ///
    /// # Errors
    /// What the reader says.
    pub fn of_reader(file: &str, mut from: impl Read, search: &Search) -> Result<Scan> {
        let mut scan = Scan { findings: Vec::new(), files: 1, bytes: 0 };
        let mut piece = Vec::new();
        loop {
            let before = piece.len();
            let read = (&mut from).take((PIECE - before) as u64).read_to_end(&mut piece)?;
            scan.bytes += read as u64;
            for (place, found) in streams::find_everywhere(&piece, search) {
                scan.findings.extend(found.into_iter().map(|(secret, form)| Finding {
                    file: file.to_owned(),
                    secret: secret.to_owned(),
                    form: form.name(),
                    place,
                }));
            }
            if piece.len() < PIECE {
                break;
            }
            piece.drain(..PIECE - OVERLAP);
        }
        scan.findings.sort();
        scan.findings.dedup();
        Ok(scan)
    }

    /// Adds what was found elsewhere.
    pub fn append(&mut self, other: Scan) {
        self.findings.extend(other.findings);
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests;
