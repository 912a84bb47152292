//! What a site's operator has to know: what ends when, what waits for whom, and whether what is published is what the repository says.
//!
//! Everything is judged from documents that verify; nothing is changed. Who must do what, by when, is one list, the most pressing first.

use std::path::Path;

use anode_bundle::Moment;
use anode_bundle::activation::Status as CodeStatus;
use anode_bundle::client::{FetchError, Request, Transport};
use anode_bundle::document::ROOT_LIMIT;
use anode_bundle::name::tree;
use anode_bundle::signature::ListedKey;
use serde::Serialize;

use crate::build::Previous;
use crate::expiry::{Expiry, Urgency, span};
use crate::repository::{CodeTerms, Repository};
use crate::strict::{PROPOSAL, Proposed, SIGNATURE};
use crate::tree::TreeFolder;
use crate::trusted::TrustedSite;

const DAY: u64 = 86_400;
/// A nightly job that did not run twice.
pub const REFRESH_ALARM: u64 = 2 * DAY;
/// Codes that end in this time are named.
pub const CODES_AHEAD: u64 = 14 * DAY;

/// How pressing everything is together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nobody has to do anything.
    Fine,
    /// Somebody has to do something soon.
    Warning,
    /// Machines are refused, or will be in hours.
    Alarm,
}

/// Something that somebody has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// How pressing it is.
    pub level: Level,
    /// Until when, if there is an end.
    pub by: Option<Moment>,
    /// What is the matter.
    pub what: String,
    /// Who does what: the key and the command.
    pub remedy: String,
}

/// One of the three documents.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its end.
    #[serde(flatten)]
    pub expiry: Expiry,
    /// The names of the keys that may sign it.
    pub keys: Vec<String>,
    /// How many of them have to.
    pub threshold: u64,
}

/// Is what is published what the repository says?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drift {
    /// It is.
    Equal,
    /// A build would make another release.
    Differs,
    /// The seal secret is not here, and without it nobody can tell.
    Unknown,
}

/// The codes of the repository.
#[derive(Debug, Default, Serialize)]
pub struct Codes {
    /// Those that can be used now, or later.
    pub active: usize,
    /// Those of them that end soon, the first to end first.
    pub ending: Vec<Ending>,
    /// Those that ended or are used up, and still have terms.
    pub over: usize,
}

/// A code that ends soon.
#[derive(Debug, Serialize)]
pub struct Ending {
    /// Organisation and label.
    pub code: String,
    /// When.
    pub not_after: Moment,
}

/// All of it.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The most pressing of the tasks.
    pub level: Level,
    /// The site's id.
    pub site: String,
    /// Its name.
    pub name: String,
    /// Where it is published.
    pub at: String,
    /// Root, release, timestamp; the latter two as published.
    pub documents: Vec<Row>,
    /// The published release.
    pub published: Option<u64>,
    /// The release in the tree that was built here last.
    pub built: Option<u64>,
    /// Published against repository.
    pub repository: Drift,
    /// The codes.
    pub codes: Codes,
    /// What has to be done, the most pressing first.
    pub tasks: Vec<Task>,
}

/// What is looked at.
pub struct View<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Its site.
    pub site: &'a TrustedSite,
    /// Where it is published.
    pub at: &'a str,
    /// The published tree, or why there is none.
    pub published: Result<Option<&'a Previous>, String>,
    /// The release of the tree that was built last.
    pub built: Option<u64>,
    /// Published against repository.
    pub drift: Drift,
    /// Now.
    pub now: Moment,
}

impl View<'_> {
    /// Judges what was found. `tree` reaches the published tree, `proposal` is where CI's proposal would lie.
    #[must_use]
    pub fn status(&self, tree: &mut dyn Transport, proposal: &Path) -> Status {
        let mut tasks = Vec::new();
        let mut documents = vec![self.row(Expiry::of(self.site.root(), self.now), &self.site.root().roles.root.keys)];
        match &self.published {
            Err(problem) => tasks.push(task(
                Level::Alarm,
                None,
                format!("nothing could be read: {problem}"),
                "look at the web server; `--ca FILE` trusts a private authority",
            )),
            Ok(None) => {
                tasks.push(task(
                    Level::Warning,
                    None,
                    "nothing is published".to_owned(),
                    "run `anode build` and `anode publish`",
                ));
            }
            Ok(Some(published)) => self.published(published, tree, &mut documents, &mut tasks),
        }
        tasks.extend(documents.iter().filter_map(ending));
        tasks.extend(self.clock_is_behind(&documents));
        self.waiting(proposal, &mut tasks);
        let codes = codes(&self.repository.codes, self.now);
        if let Some(first) = codes.ending.first() {
            let what = format!("{} codes end soon, `{}` first", codes.ending.len(), first.code);
            tasks.push(task(
                Level::Warning,
                Some(first.not_after),
                what,
                "hand out new ones with `anode code new` where they are needed",
            ));
        }
        tasks.sort_by(|a, b| (b.level, a.by.is_none(), a.by).cmp(&(a.level, b.by.is_none(), b.by)));
        Status {
            level: tasks.iter().map(|task| task.level).max().unwrap_or(Level::Fine),
            site: self.site.id().to_string(),
            name: self.site.config.name.clone(),
            at: self.at.to_owned(),
            documents,
            published: self.published.as_ref().ok().and_then(|tree| tree.map(|tree| tree.reference().version)),
            built: self.built,
            repository: self.drift,
            codes,
            tasks,
        }
    }

    /// Nothing ends for a clock that stands still, so a monitor with one would stay green for ever.
    fn clock_is_behind(&self, documents: &[Row]) -> Option<Task> {
        let newest = documents.iter().max_by_key(|row| row.expiry.issued)?;
        let Expiry { document, version, issued, .. } = &newest.expiry;
        (self.now < *issued).then(|| {
            let what = format!("the clock reads {}, and {document} {version} was made on {issued}", self.now);
            task(Level::Alarm, None, what, "set the clock of this machine: nothing here can be judged without it")
        })
    }

    fn row(&self, expiry: Expiry, keys: &[ListedKey]) -> Row {
        let threshold = if expiry.document == "root" { self.site.root().roles.root.threshold } else { 1 };
        let name =
            |key: &ListedKey| self.site.keys.name_of(key).map_or_else(|| key.id.to_string(), ToString::to_string);
        Row { expiry, keys: keys.iter().map(name).collect(), threshold }
    }

    fn published(
        &self,
        published: &Previous,
        tree: &mut dyn Transport,
        documents: &mut Vec<Row>,
        tasks: &mut Vec<Task>,
    ) {
        let roles = &self.site.root().roles;
        let removed = |what: &str| {
            let what = format!("the published {what} is signed by a key that the newest root does not list");
            task(Level::Alarm, None, what, "run `anode build` and `anode publish`")
        };
        match published.release() {
            Some(release) => documents.push(self.row(Expiry::of(release, self.now), &roles.release.keys)),
            None => tasks.push(removed("release")),
        }
        match published.timestamp() {
            Some(timestamp) => {
                documents.push(self.row(Expiry::of(timestamp, self.now), &roles.timestamp.keys));
                let age = self.now.since(timestamp.issued);
                if age > REFRESH_ALARM {
                    let what = format!("the timestamp was refreshed {} ago", span(age));
                    let remedy = format!(
                        "CI, key {}: `anode refresh --to DIR`; see why the nightly job does not run",
                        names(&self.row(Expiry::of(timestamp, self.now), &roles.timestamp.keys))
                    );
                    tasks.push(task(Level::Alarm, Some(timestamp.expires), what, &remedy));
                }
            }
            None => tasks.push(removed("timestamp")),
        }
        let newest = self.site.root().version;
        let request = Request { base: self.at, path: &tree::root(newest), limit: ROOT_LIMIT, now: self.now };
        if let Err(FetchError::Absent(_)) = tree.get(&request) {
            let what = format!("root {newest} is complete and not published");
            tasks.push(task(Level::Warning, None, what, "run `anode build` and `anode publish`"));
        }
        if self.drift == Drift::Differs {
            let what = "the repository says something else than what is published".to_owned();
            tasks.push(task(Level::Warning, None, what, "push, or run `anode build` and `anode publish`"));
        }
        if let Some(built) = self.built.filter(|built| *built > published.reference().version) {
            let what = format!("release {built} is built and not published");
            tasks.push(task(Level::Warning, None, what, "run `anode publish --to DIR`"));
        }
    }

    /// What waits for signatures: the next root, and a release that CI proposes.
    fn waiting(&self, folder: &Path, tasks: &mut Vec<Task>) {
        if let Some(proposal) = &self.site.chain.proposal {
            let what = proposal.waits_for(&self.site.keys);
            let by = Some(self.site.root().expires);
            tasks.push(task(
                Level::Warning,
                by,
                what,
                "each, with that key: `anode root sign`; `anode root status` says more",
            ));
        }
        if folder.join(PROPOSAL).exists() && !folder.join(SIGNATURE).exists() {
            let base = folder.display().to_string();
            let what = match Proposed::read(&mut TreeFolder::new(folder), &base, self.now) {
                Ok(proposed) => format!(
                    "release {} of {} waits for its signature",
                    proposed.proposal.release.version, proposed.proposal.at
                ),
                Err(error) => format!("the proposal in `{base}` can not be read: {error:#}"),
            };
            tasks.push(task(
                Level::Warning,
                None,
                what,
                &format!("a maintainer, release key: `anode release sign --proposal {base}`"),
            ));
        }
    }
}

fn task(level: Level, by: Option<Moment>, what: String, remedy: &str) -> Task {
    Task { level, by, what, remedy: remedy.to_owned() }
}

fn ending(row: &Row) -> Option<Task> {
    let Expiry { document, version, expires, seconds_left, urgency, remedy, .. } = &row.expiry;
    let (level, what) = match urgency {
        Urgency::Fine => return None,
        Urgency::Soon => (Level::Warning, format!("{document} {version} ends in {}", span(*seconds_left))),
        Urgency::Over => (Level::Alarm, format!("{document} {version} is over: no machine accepts it")),
    };
    let who = match *document {
        "root" => format!("{} of {}", row.threshold, names(row)),
        _ => format!("key {}", names(row)),
    };
    Some(task(level, Some(*expires), what, &format!("{who}: {remedy}")))
}

fn names(row: &Row) -> String {
    row.keys.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn codes(all: &[CodeTerms], now: Moment) -> Codes {
    let mut codes = Codes::default();
    for terms in all {
        if terms.status != CodeStatus::Active || terms.not_after < now {
            codes.over += 1;
            continue;
        }
        codes.active += 1;
        if terms.not_after.since(now) <= CODES_AHEAD {
            let code = format!("{}/{}", terms.organisation, terms.label);
            codes.ending.push(Ending { code, not_after: terms.not_after });
        }
    }
    codes.ending.sort_by(|a, b| (a.not_after, &a.code).cmp(&(b.not_after, &b.code)));
    codes
}
