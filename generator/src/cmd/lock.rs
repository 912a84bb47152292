//! `anode lock`: pins kernels, initrds, images and boot loaders.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anode_bundle::name::Id;
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{colour, print, say, size};
use crate::clock;
use crate::diagnose::{Faulty, Problem, Problems};
use crate::lock::{Cache, Change, Client, Desk, Progress, Renew, Which, check, renew};
use crate::repository::{self, Lock, Pinned, Repository, Vouched};
use crate::tree;

#[derive(Args)]
pub(super) struct Options {
    /// The profiles repository
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,
    /// Pin only what these profiles boot, and leave the others as they are [default: all profiles]
    #[arg(value_name = "PROFILE", conflicts_with = "check")]
    profiles: Vec<String>,
    /// Ask again for what is pinned already, and show what changed
    #[arg(long, conflicts_with = "check")]
    update: bool,
    /// Change nothing; fail if anything is missing, unused, unreachable or changed
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    source: Files,
}

/// Where files of distributions come from and stay.
#[derive(Args)]
pub(super) struct Files {
    /// Where downloaded files stay, by what they hold [default: $XDG_CACHE_HOME/anode/files or ~/.cache/anode/files]
    #[arg(long, value_name = "DIR")]
    downloads: Option<PathBuf>,
    /// Trust these certificate authorities only, for https (PEM)
    #[arg(long, value_name = "FILE")]
    mirror_ca: Option<PathBuf>,
}

impl Files {
    /// The usual cache, the public authorities.
    pub const fn usual() -> Files {
        Files { downloads: None, mirror_ca: None }
    }

    /// A cache and authorities that other options named.
    pub const fn at(downloads: Option<PathBuf>, mirror_ca: Option<PathBuf>) -> Files {
        Files { downloads, mirror_ca }
    }

    pub fn cache(&self) -> Result<Cache> {
        Cache::new(self.downloads.as_deref())
    }

    pub fn client(&self) -> Result<Client> {
        let authorities = match &self.mirror_ca {
            Some(file) => vec![fs::read(file).with_context(|| format!("reading `{}`", file.display()))?],
            None => Vec::new(),
        };
        Client::new(&authorities, clock::now())
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    // Before anything is read: what a second one had pinned meanwhile would be written over.
    let _alone = if options.check { None } else { Some(alone(&options.repository, Lock::PATH, "anode lock")?) };
    let (repository, _) = repository::load(&options.repository).map_err(Faulty)?;
    let (client, cache, progress) = (options.source.client()?, options.source.cache()?, Transfer::new());
    let desk = Desk { repository: &repository, client: &client, cache: &cache, progress: &progress };
    if options.check {
        let problems = check(&desk).map_err(Faulty)?;
        if !problems.is_empty() {
            say(problems.render(colour()).trim_end());
            return Ok(ExitCode::FAILURE);
        }
        print(&format!("{} is as it was pinned", files(repository.lock.files().count())))?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Renew {
        profiles: if options.profiles.is_empty() { None } else { Some(known(&repository, &options.profiles)?) },
        which: if options.update { Which::All } else { Which::Missing },
    };
    let renewed = renew(&desk, &wanted).map_err(|problems| {
        say("nothing was pinned");
        Faulty(problems)
    })?;
    if !renewed.warnings.is_empty() {
        say(renewed.warnings.render(colour()).trim_end());
    }
    for (url, change) in &renewed.changes {
        print(&line(url, change))?;
    }
    let text = renewed.lock.to_toml();
    let path = options.repository.join(Lock::PATH);
    // Only what changed: an update that finds everything as it was leaves no difference for git.
    if renewed.lock != repository.lock {
        replace(&path, &text)?;
    }
    let unsigned = renewed.lock.files().filter(|(_, pinned)| !matches!(pinned.vouched, Vouched::Verified(_))).count();
    let total = renewed.lock.files().count();
    say(&format!("pinned      {}, {unsigned} of them unsigned; {} asked for", files(total), renewed.asked));
    Ok(ExitCode::SUCCESS)
}

fn files(count: usize) -> String {
    format!("{count} {}", if count == 1 { "file" } else { "files" })
}

fn known(repository: &Repository, names: &[String]) -> Result<BTreeSet<Id>> {
    let mut problems = Problems::new();
    let mut known = BTreeSet::new();
    for name in names {
        match repository.profiles.iter().find(|profile| profile.id.as_str() == name) {
            Some(profile) => {
                known.insert(profile.id.clone());
            }
            None => {
                let problem = Problem::error("PROFILE", format!("there is no profile `{name}`"));
                problems.push(problem.nearest(name, repository.profiles.iter().map(|profile| profile.id.as_str())));
            }
        }
    }
    if problems.has_errors() { Err(Faulty(problems).into()) } else { Ok(known) }
}

fn line(url: &str, change: &Change) -> String {
    let vouched = |pinned: &Pinned| match &pinned.vouched {
        Vouched::Verified(by) => format!("verified: {by}"),
        Vouched::Unsigned(why) => format!("UNSIGNED: {why}"),
        Vouched::Unsaid => "by hand".to_owned(),
    };
    match change {
        Change::Added(new) => format!("+ {url}\n    {}, {}\n    {}", new.sha256, size(new.length), vouched(new)),
        Change::Removed => format!("- {url}"),
        Change::Changed { old, new } => {
            let (before, after) = (size(old.length), size(new.length));
            format!("~ {url}\n    old {}, {before}\n    new {}, {after}\n    {}", old.sha256, new.sha256, vouched(new))
        }
    }
}

/// Where `name` of a repository is kept from being written by two at once, beside what builds leave behind.
fn busy_file(repository: &Path, name: &str) -> PathBuf {
    repository.join(format!(".anode/{name}.busy"))
}

/// Keeps a second `command` away from the file `name` of a repository for as long as the value lives: both would read the old one, and the later one would
/// write over what the earlier one pinned.
pub(super) fn alone(repository: &Path, name: &str, command: &str) -> Result<File> {
    let path = busy_file(repository, name);
    ensure!(repository.is_dir(), "there is no folder `{}`", repository.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("creating `{}`", folder.display()))?;
    }
    let written = repository.join(name);
    tree::lock(&path, &format!("another `{command}` is about to write `{}`: wait until it is done", written.display()))
}

/// Half a lock would be worse than none.
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let writing = || format!("writing `{}`", path.display());
    ensure!(!path.is_symlink(), "`{}` is a link; replace it by a file", path.display());
    let mut file = tempfile::Builder::new().prefix(".new.lock.").tempfile_in(folder).with_context(writing)?;
    file.write_all(text.as_bytes()).with_context(writing)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).with_context(writing)?;
    file.as_file().sync_all().with_context(writing)?;
    file.persist(path).with_context(writing)?;
    Ok(())
}

/// A bar a file, on a terminal, after half a second.
pub(super) struct Transfer {
    terminal: bool,
    state: RefCell<(Instant, ProgressBar)>,
}

impl Transfer {
    pub fn new() -> Transfer {
        let state = RefCell::new((Instant::now(), ProgressBar::hidden()));
        Transfer { terminal: std::io::stderr().is_terminal(), state }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Progress for Transfer {
    fn begin(&self, url: &str, whole: Option<u64>, done: u64) {
        self.end();
        if !self.terminal {
            return;
        }
        let bar = ProgressBar::with_draw_target(whole, ProgressDrawTarget::hidden());
        let template = match whole {
            Some(_) => "{msg:<32!} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            None => "{msg:<32!} {spinner} {bytes} {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(url.rsplit('/').next().unwrap_or(url).to_owned());
        bar.set_position(done);
        *self.state.borrow_mut() = (Instant::now(), bar);
    }

    fn bytes(&self, amount: u64) {
        let (begun, bar) = &*self.state.borrow();
        bar.inc(amount);
        if self.terminal && bar.is_hidden() && begun.elapsed() > Duration::from_millis(500) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn end(&self) {
        self.state.borrow().1.finish_and_clear();
    }
}
