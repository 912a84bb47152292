//! `anode.lock`: asking for kernels, initrds, images and boot loaders, verifying and pinning them, and comparing later.
//!
//! Everything that is wrong is found in one run, and nothing is pinned unless all of it is right. What is refused: a wrong signature, a hash that its own
//! list contradicts, a file that was verified and no longer is, and an initrd without what its definition relies on. A boot loader that a mirror does not
//! have is said and left out: what it is for is lost, and nothing else.

mod cache;
mod check;
mod download;
mod lists;
mod missing;
mod openpgp;
mod secure_boot;
mod signer;
mod vouch;
mod wanted;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anode_bundle::name::{Id, Sha256};

pub use cache::Cache;
pub use check::check;
pub use download::{Client, Failed};
pub use missing::{Bootable, bootable};
pub use openpgp::{Keyring, Refused, VENDORS};
pub use wanted::{Part, Wanted, Wishes, wishes};

use crate::diagnose::{Problem, Problems};
use crate::initrd::Unpacked;
use crate::repository::{Lock, Pinned, Repository, Vouched};
use vouch::{Claim, Signer, TAMPERED, Voucher};
use wanted::Chain;

/// An initrd that is looked into, at most.
const INITRD: u64 = 2 << 30;
/// A kernel or boot loader that is looked into, at most.
const KERNEL: u64 = 256 << 20;

/// Who is told while a file comes.
pub trait Progress {
    /// A transfer begins, perhaps in the middle.
    fn begin(&self, url: &str, whole: Option<u64>, done: u64);
    /// So many bytes more.
    fn bytes(&self, amount: u64);
    /// It is there.
    fn end(&self);
}

/// What a run works with.
pub struct Desk<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The network.
    pub client: &'a Client,
    /// Where files stay.
    pub cache: &'a Cache,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

/// Which files are asked for.
pub struct Renew {
    /// Those of these profiles; `None`: of all.
    pub profiles: Option<BTreeSet<Id>>,
    /// And of them?
    pub which: Which,
}

/// Which files of a profile are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those alone that are not pinned.
    Missing,
    /// Those that are pinned too.
    All,
}

/// What happened to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was not pinned.
    Added(Pinned),
    /// Nobody uses it any more.
    Removed,
    /// Other bytes than before.
    Changed {
        /// What was pinned.
        old: Pinned,
        /// What is there now.
        new: Pinned,
    },
}

/// What a run gave.
pub struct Renewed {
    /// The new lock.
    pub lock: Lock,
    /// What is different in it, by address.
    pub changes: Vec<(String, Change)>,
    /// How many files were asked for.
    pub asked: usize,
    /// What somebody should look at.
    pub warnings: Problems,
}

/// Pins what is missing, forgets what nobody uses, and asks again for what is to be renewed.
///
/// # Errors
/// All problems; nothing is to be written then.
pub fn renew(desk: &Desk<'_>, renew: &Renew) -> Result<Renewed, Problems> {
    let wishes = wishes(desk.repository)?;
    let old = &desk.repository.lock;
    let mut renewed = Renewed { lock: old.clone(), changes: Vec::new(), asked: 0, warnings: Problems::new() };
    let mut problems = Problems::new();
    for (url, _) in old.files().filter(|(url, _)| !wishes.files.contains_key(*url)) {
        renewed.lock.remove(url);
        renewed.changes.push((url.to_owned(), Change::Removed));
    }
    let voucher = Voucher::new(desk.client, &desk.repository.root);
    for (url, wanted) in &wishes.files {
        let pinned = old.pinned(url);
        let is_meant = |profiles: &BTreeSet<Id>| wanted.profiles.iter().any(|profile| profiles.contains(profile));
        if !renew.profiles.as_ref().is_none_or(is_meant) || pinned.is_some() && renew.which == Which::Missing {
            continue;
        }
        renewed.asked += 1;
        match obtain(desk, &voucher, url, wanted, &mut renewed.warnings) {
            Ok(new) => {
                if let Some(problem) = pinned.and_then(|old| downgrade(url, wanted, old, &new)) {
                    problems.push(problem);
                    continue;
                }
                let change = match pinned {
                    None => Some(Change::Added(new.clone())),
                    Some(old) if old.sha256 != new.sha256 || old.length != new.length => {
                        Some(Change::Changed { old: old.clone(), new: new.clone() })
                    }
                    Some(_) => None,
                };
                renewed.changes.extend(change.map(|change| (url.clone(), change)));
                renewed.lock.insert(url, new);
            }
            Err(Lacking::Absent(problem)) if wanted.can_be_missed() => {
                renewed.warnings.push(problem.as_warning().help(MISSED));
                if pinned.is_some() {
                    renewed.lock.remove(url);
                    renewed.changes.push((url.clone(), Change::Removed));
                }
            }
            Err(Lacking::Absent(problem) | Lacking::Wrong(problem)) => problems.push(*problem),
        }
    }
    for chain in &wishes.chains {
        // What was pinned before and is not at hand is looked into by `--check`.
        let files: Option<Vec<_>> = chain.initrd.iter().map(|url| at_hand(desk, &renewed.lock, url)).collect();
        if let Some(files) = files {
            look_into(chain, &files, &mut problems);
        }
    }
    if problems.has_errors() { Err(problems) } else { Ok(renewed) }
}

/// What is lost with a boot loader.
const MISSED: &str = "a medium that may not load this installer's kernel under Secure Boot has no other way to start it: \
    set a mirror that has the file, if there are such machines";

/// Why there is nothing to pin.
enum Lacking {
    /// The server has no such file.
    Absent(Box<Problem>),
    /// Anything else.
    Wrong(Box<Problem>),
}

impl From<Box<Problem>> for Lacking {
    fn from(problem: Box<Problem>) -> Lacking {
        Lacking::Wrong(problem)
    }
}

impl From<Lacking> for Box<Problem> {
    fn from(lacking: Lacking) -> Box<Problem> {
        match lacking {
            Lacking::Absent(problem) | Lacking::Wrong(problem) => problem,
        }
    }
}

/// What to pin for an address.
fn obtain(
    desk: &Desk<'_>,
    voucher: &Voucher<'_>,
    url: &str,
    wanted: &Wanted<'_>,
    warnings: &mut Problems,
) -> Result<Pinned, Lacking> {
    let claim = voucher.claim(url, &wanted.checksums)?;
    let known = match &claim {
        Claim::Listed { sha256, .. } => desk.cache.find(sha256).map_err(|error| here(wanted, &error))?,
        _ => None,
    };
    let (path, length, sha256) = match (&claim, known) {
        (Claim::Listed { sha256, .. }, Some((path, length))) => (path, length, *sha256),
        _ => download(desk, url, wanted, warnings)?,
    };
    let signer = match claim {
        Claim::Listed { sha256: said, list, .. } if said != sha256 => {
            let message = format!("`{url}` has the hash {sha256}, and `{list}` says {said}");
            return Err(Lacking::Wrong(Problem::at(&wanted.origin, message).help(TAMPERED).into()));
        }
        Claim::Listed { list, signer: Signer::Nobody(why), .. } => {
            Signer::Nobody(format!("`{list}` agrees, but {why}"))
        }
        Claim::Listed { signer, .. } => signer,
        Claim::Signed(signature) => voucher.verify(&signature, &path)?,
        Claim::Nobody(why) => Signer::Nobody(why),
    };
    let vouched = match signer {
        Signer::Known(by) => Vouched::Verified(by),
        Signer::Nobody(why) => {
            let way = if url.starts_with("https://") {
                "over https"
            } else {
                "over http, where anybody on the way can change it"
            };
            let why = format!("trust on first use, {way}: {why}");
            let message = format!("`{url}` is pinned unsigned: {why}");
            warnings.push(
                Problem::at(&wanted.origin, message).as_warning().help(format!("compare {sha256} with another source")),
            );
            Vouched::Unsigned(why)
        }
    };
    warnings.extend(secure_boot::broken(url, wanted, &path)?);
    let signature = if wanted.is_kernel() {
        image_of(&path).map_err(|error| here(wanted, &error))?.and_then(|image| signer::of(&image))
    } else {
        None
    };
    Ok(Pinned { sha256, length, vouched, signature })
}

/// The whole file, if it may be a PE image. Images of gigabytes are not read for that.
fn image_of(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let mut begin = [0; 2];
    if file.read_exact(&mut begin).is_err() || begin != *b"MZ" || file.metadata()?.len() > KERNEL {
        return Ok(None);
    }
    Ok(Some(std::fs::read(path)?))
}

/// Downloads into the cache.
fn download(
    desk: &Desk<'_>,
    url: &str,
    wanted: &Wanted<'_>,
    warnings: &mut Problems,
) -> Result<(PathBuf, u64, Sha256), Lacking> {
    let file = desk.cache.begin().map_err(|error| here(wanted, &error))?;
    let downloaded = desk.client.file(url, file, desk.progress);
    let downloaded = downloaded.map_err(|failed| {
        let problem = unreachable(wanted, &failed, desk.cache);
        if matches!(failed, Failed::Absent(_)) { Lacking::Absent(problem) } else { Lacking::Wrong(problem) }
    })?;
    if let Some(to) = &downloaded.redirected {
        let problem = Problem::at(&wanted.origin, format!("`{url}` redirects to `{to}`, which a medium never follows"));
        warnings.push(
            problem.as_warning().help("set the mirror to an address that answers itself, or build with `--mirror`"),
        );
    }
    if downloaded.length == 0 {
        let problem = Problem::at(&wanted.origin, format!("`{url}` is empty"));
        return Err(Lacking::Wrong(problem.help("set another mirror").into()));
    }
    let path = desk.cache.keep(downloaded.file, &downloaded.sha256).map_err(|error| here(wanted, &error))?;
    Ok((path, downloaded.length, downloaded.sha256))
}

fn unreachable(wanted: &Wanted<'_>, failed: &Failed, cache: &Cache) -> Box<Problem> {
    let users: Vec<_> = wanted.profiles.iter().map(|profile| format!("`{profile}`")).collect();
    let problem = Problem::at(&wanted.origin, failed.to_string());
    let folder = cache.folder().display();
    let help = match failed {
        Failed::Here(_) => format!("make room in `{folder}`, or name another folder with `--downloads`"),
        Failed::Absent(_) => format!("look at version, architecture and mirror of {}", users.join(", ")),
        Failed::Unreachable(_) => format!("try again, or set another mirror for {}", users.join(", ")),
    };
    problem.help(help).into()
}

fn here(wanted: &Wanted<'_>, error: &anyhow::Error) -> Box<Problem> {
    Problem::at(&wanted.origin, format!("{error:#}"))
        .help("look at the cache folder, or name another one with `--downloads`")
        .into()
}

/// A file that was verified stays verified: otherwise whoever takes the signature away has won.
fn downgrade(url: &str, wanted: &Wanted<'_>, old: &Pinned, new: &Pinned) -> Option<Problem> {
    let (Vouched::Verified(by), Vouched::Unsigned(why)) = (&old.vouched, &new.vouched) else { return None };
    let problem = Problem::at(&wanted.origin, format!("`{url}` was verified by {by}, and is unsigned now: {why}"));
    Some(
        problem.help("mend that; or, to trust what comes now, remove its entry from `anode.lock` and run `anode lock`"),
    )
}

/// The pinned bytes of an address, if they need not be fetched.
fn at_hand(desk: &Desk<'_>, lock: &Lock, url: &str) -> Option<(String, PathBuf)> {
    let pinned = lock.pinned(url)?;
    let (path, _) = desk.cache.find(&pinned.sha256).ok()??;
    Some((url.to_owned(), path))
}

/// Asserts the hook points of a chain of initrds.
fn look_into(chain: &Chain<'_>, files: &[(String, PathBuf)], problems: &mut Problems) {
    let definition = chain.definition;
    let mut initrds = Vec::new();
    for (url, path) in files {
        let read = match std::fs::metadata(path) {
            Ok(metadata) if metadata.len() > INITRD => Err("is larger than any initrd".to_owned()),
            _ => std::fs::read(path).map_err(|error| format!("can not be read from `{}`: {error}", path.display())),
        };
        match read {
            Ok(bytes) => initrds.push(bytes),
            Err(problem) => {
                problems.push(
                    Problem::at(&definition.origin, format!("`{url}` {problem}")).help("look at the cache folder"),
                );
                return;
            }
        }
    }
    let urls: Vec<_> = files.iter().map(|(url, _)| format!("`{url}`")).collect();
    let urls = urls.join(" and ");
    let id = &definition.id;
    let unpacked = match Unpacked::read(&initrds) {
        Ok(unpacked) => unpacked,
        Err((place, unreadable)) => {
            let url = files.get(place).map_or("", |(url, _)| url);
            let problem = Problem::at(&definition.origin, format!("`{url}` is not an initrd: {unreadable}"));
            problems.push(problem.help(format!("look at what is there; `{id}` relies on files in it")));
            return;
        }
    };
    problems.extend(unpacked.missing_hooks(chain.hooks.iter().copied()).into_iter().map(|missing| {
        let path = &missing.hook.path;
        let message = format!("`{id}` relies on `{path}`, which {} ({urls})", missing.found);
        Problem::at(&missing.hook.origin, message)
            .help("the distribution changed its installer: keep the initrd that is pinned, or change the definition")
    }));
    for file in &chain.files {
        let path = &file.path;
        problems.extend(unpacked.lost_links([path.value.as_str()]).into_iter().map(|lost| {
            let message = format!("`{}` is a link to `{}` in the initrd ({urls})", lost.link, lost.target);
            Problem::at(&path.origin, message)
                .label("a folder would take its place, and whatever is reached through it would be lost")
                .help("write the path that the link leads to")
        }));
    }
}

/// The pinned bytes of an address, from the cache or anew.
///
/// # Errors
/// If they can not be had, or are others by now.
pub fn pinned_file(desk: &Desk<'_>, url: &str, wanted: &Wanted<'_>, pinned: &Pinned) -> Result<PathBuf, Box<Problem>> {
    if let Some((path, _)) = desk.cache.find(&pinned.sha256).map_err(|error| here(wanted, &error))? {
        return Ok(path);
    }
    let (path, length, sha256) = download(desk, url, wanted, &mut Problems::new())?;
    if sha256 == pinned.sha256 && length == pinned.length {
        return Ok(path);
    }
    Err(changed(url, wanted, pinned, &sha256))
}

fn changed(url: &str, wanted: &Wanted<'_>, pinned: &Pinned, now: &Sha256) -> Box<Problem> {
    let message = format!("`{url}` changed upstream: {} is pinned, and {now} is there", pinned.sha256);
    Problem::at(&wanted.origin, message).help("look at what is new, and take it with `anode lock --update`").into()
}
