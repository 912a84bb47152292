//! Where bytes come from (format, section 3): the next root from the mirrors in their order, then the cache, so that the newest is found; what a
//! verified parent names by its hash from the cache, then the mirrors, because wrong bytes can not pass for it. A mirror that fails to connect or
//! serves a wrong root is not asked again in this run; one that gives other wrong bytes loses its turn, not the run.

use std::fmt;

use super::source::{FetchError, Request, Store, Transport};
use super::{Event, check_bytes};
use crate::document::{ROOT_LIMIT, TIMESTAMP_LIMIT};
use crate::error::Refusal;
use crate::exit::ExitCode;
use crate::moment::Moment;
use crate::name::{Sha256, tree};
use crate::signature;
use crate::trust::{RootStep, Trust};

/// Marks a cache that a run filled with what it needed; a complete copy of a tree has no such file and keeps its own timestamp.
const PARTIAL: &str = "partial-copy";
const PARTIAL_LIMIT: u64 = 1024;

/// Where a candidate came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Mirror(usize),
    State,
    Cache,
}

impl Origin {
    pub fn mirror(self) -> Option<usize> {
        match self {
            Self::Mirror(mirror) => Some(mirror),
            Self::State | Self::Cache => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mirror(number) => write!(f, "mirror {}", number + 1),
            Self::State => f.write_str("state"),
            Self::Cache => f.write_str("cache"),
        }
    }
}

struct Mirror {
    base: String,
    /// Named by the medium, not by a root's policy.
    given: bool,
    down: bool,
    asked: bool,
}

impl Mirror {
    fn given(base: &str) -> Mirror {
        Mirror { base: base.to_owned(), given: true, down: false, asked: false }
    }

    fn of_policy(base: &str) -> Mirror {
        Mirror { given: false, ..Mirror::given(base) }
    }
}

fn base(url: &str) -> &str {
    url.trim_end_matches('/')
}

pub(super) struct Sources<'a> {
    mirrors: Vec<Mirror>,
    transport: &'a mut dyn Transport,
    cache: Option<&'a mut dyn Store>,
    observer: &'a mut dyn FnMut(Event),
    failures: Vec<Refusal>,
}

impl<'a> Sources<'a> {
    pub fn new(
        mirrors: Vec<String>,
        transport: &'a mut dyn Transport,
        cache: Option<&'a mut dyn Store>,
        observer: &'a mut dyn FnMut(Event),
    ) -> Sources<'a> {
        let mut sources = Sources { mirrors: Vec::new(), transport, cache, observer, failures: Vec::new() };
        sources.add_mirrors(&mirrors, Mirror::given);
        sources
    }

    /// Takes the mirrors of a root's policy in the place of those of the root before, after the mirrors that the medium names.
    ///
    /// Only between roots: mirrors are named by their place, and no candidate names one yet.
    pub fn follow_policy(&mut self, urls: &[String]) {
        self.mirrors.retain(|mirror| mirror.given || urls.iter().any(|url| base(url) == mirror.base));
        self.add_mirrors(urls, Mirror::of_policy);
    }

    fn add_mirrors(&mut self, urls: &[String], new: fn(&str) -> Mirror) {
        for url in urls.iter().map(|url| base(url)) {
            if !self.mirrors.iter().any(|mirror| mirror.base == url) {
                self.mirrors.push(new(url));
            }
        }
    }

    pub fn mirrors(&self) -> std::ops::Range<usize> {
        0..self.mirrors.len()
    }

    pub fn has_mirrors(&self) -> bool {
        !self.mirrors.is_empty()
    }

    pub fn was_asked(&self, mirror: usize) -> bool {
        self.mirrors.get(mirror).is_none_or(|mirror| mirror.asked)
    }

    pub fn name(&self, origin: Origin) -> String {
        match origin {
            Origin::Mirror(mirror) => self.mirrors.get(mirror).map(|mirror| mirror.base.clone()).unwrap_or_default(),
            own => own.to_string(),
        }
    }

    pub fn tell(&mut self, event: Event) {
        (self.observer)(event);
    }

    pub fn warn(&mut self, text: String) {
        self.tell(Event::Warning(text));
    }

    /// Remembers why something failed, for the exit code of the run.
    pub fn note(&mut self, refusal: Refusal) {
        self.failures.push(refusal);
    }

    /// Remembers and reports why a mirror is no help.
    pub fn fail(&mut self, mirror: usize, refusal: Refusal) {
        self.warn(format!("{}: {refusal}", self.name(Origin::Mirror(mirror))));
        self.note(refusal);
    }

    /// The failure that decides the exit code of a run.
    pub fn worst(&self) -> Refusal {
        gravest(&self.failures)
            .unwrap_or_else(|| Refusal::Unreachable("there is no mirror to ask, and no usable copy".to_owned()))
    }

    /// The same, with one more failure.
    pub fn worst_with(&mut self, refusal: Refusal) -> Refusal {
        self.note(refusal);
        self.worst()
    }

    fn get(&mut self, mirror: usize, path: &str, limit: u64, now: Moment) -> Result<Vec<u8>, FetchError> {
        let Some(entry) = self.mirrors.get_mut(mirror).filter(|mirror| !mirror.down) else {
            return Err(FetchError::Unreachable("the mirror failed before".to_owned()));
        };
        let base = entry.base.clone();
        let result = self.transport.get(&Request { base: &base, path, limit, now });
        match &result {
            Ok(bytes) => self.tell(Event::Fetched { path: path.to_owned(), bytes: bytes.len() as u64, source: base }),
            Err(FetchError::Absent(_) | FetchError::TooLong { .. }) => (),
            Err(_) => entry_down(&mut self.mirrors, mirror),
        }
        result
    }

    fn is_down(&self, mirror: usize) -> bool {
        self.mirrors.get(mirror).is_none_or(|mirror| mirror.down)
    }

    /// The cache's copy of a file of the tree, as untrusted as every other.
    pub fn cached(&mut self, path: &str, limit: u64) -> Option<(Vec<u8>, Origin)> {
        self.cache.as_mut()?.read(path, limit).map(|bytes| (bytes, Origin::Cache))
    }

    /// The next root from the first source that has a valid one. `None`: no mirror that answered has one, and the cache has none either.
    ///
    /// A mirror that serves a wrong one is reported and not asked again: it can not stop a run that another source can serve.
    pub fn root(&mut self, trust: &mut Trust, version: u64) -> Option<(Vec<u8>, RootStep)> {
        let path = tree::root(version);
        let now = trust.now();
        for mirror in self.order(None) {
            let body = match self.get(mirror, &path, ROOT_LIMIT, now) {
                Ok(body) => body,
                Err(FetchError::Absent(_)) => continue,
                Err(error) => {
                    self.fail(mirror, error.refusal());
                    entry_down(&mut self.mirrors, mirror);
                    continue;
                }
            };
            let step = trust.step(&body, &mut |key| match self.get(
                mirror,
                &tree::root_signature(version, key),
                signature::LIMIT,
                now,
            ) {
                Ok(file) => Ok(Some(file)),
                Err(FetchError::Absent(_)) => Ok(None),
                Err(error) => Err(error.refusal()),
            });
            match step {
                Ok(step) => return Some((body, step)),
                Err(refusal) => {
                    self.fail(mirror, refusal);
                    entry_down(&mut self.mirrors, mirror);
                }
            }
        }
        let (body, _) = self.cached(&path, ROOT_LIMIT)?;
        let step = trust.step(&body, &mut |key| {
            Ok(self.cached(&tree::root_signature(version, key), signature::LIMIT).map(|(file, _)| file))
        });
        match step {
            Ok(step) => Some((body, step)),
            Err(refusal) => {
                self.warn(format!("cache: {refusal}"));
                None
            }
        }
    }

    /// The mirror's `timestamp.signed`; a failure is noted.
    pub fn timestamp(&mut self, mirror: usize, now: Moment) -> Option<Vec<u8>> {
        if self.is_down(mirror) {
            return None;
        }
        if let Some(entry) = self.mirrors.get_mut(mirror) {
            entry.asked = true;
        }
        match self.get(mirror, tree::TIMESTAMP, TIMESTAMP_LIMIT, now) {
            Ok(signed) => Some(signed),
            Err(error) => {
                self.fail(mirror, error.refusal());
                None
            }
        }
    }

    /// The mirrors that are up, `first` before all others.
    fn order(&self, first: Option<usize>) -> Vec<usize> {
        let rest = self.mirrors().filter(|mirror| Some(*mirror) != first);
        first.into_iter().chain(rest).filter(|mirror| !self.is_down(*mirror)).collect()
    }

    /// A body and its signature, from the cache or a mirror, as soon as `accept` takes them.
    pub fn pair<T>(
        &mut self,
        paths: &[(String, u64); 2],
        first: Option<usize>,
        now: Moment,
        accept: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let [(body_path, body_limit), (signature_path, signature_limit)] = paths;
        if let (Some((body, _)), Some((signature, _))) =
            (self.cached(body_path, *body_limit), self.cached(signature_path, *signature_limit))
            && let Ok(accepted) = accept(body, signature)
        {
            return Ok(accepted);
        }
        let mut failures = Vec::new();
        for mirror in self.order(first) {
            let fetched = self
                .get(mirror, body_path, *body_limit, now)
                .and_then(|body| Ok((body, self.get(mirror, signature_path, *signature_limit, now)?)));
            match fetched.map_err(|error| lacking(&error)).and_then(|(body, signature)| accept(body, signature)) {
                Ok(accepted) => return Ok(accepted),
                Err(refusal) => {
                    self.warn(format!("{}: {refusal}", self.name(Origin::Mirror(mirror))));
                    failures.push(refusal);
                }
            }
        }
        Err(nowhere(&failures, body_path))
    }

    /// An object by its hash, from the cache or any mirror.
    pub fn object(
        &mut self,
        what: &str,
        hash: &Sha256,
        limit: u64,
        length: Option<u64>,
        first: Option<usize>,
        now: Moment,
    ) -> Result<Vec<u8>, Refusal> {
        let path = tree::object(hash);
        if let Some((bytes, _)) = self.cached(&path, limit)
            && check_bytes(what, &bytes, length, hash).is_ok()
        {
            self.tell(Event::Fetched { path, bytes: bytes.len() as u64, source: "cache".to_owned() });
            return Ok(bytes);
        }
        let what = format!("{what} (`{path}`)");
        let mut failures = Vec::new();
        for mirror in self.order(first) {
            let result = self.get(mirror, &path, limit, now).map_err(|error| lacking(&error)).and_then(|bytes| {
                check_bytes(&what, &bytes, length, hash)?;
                Ok(bytes)
            });
            match result {
                Ok(bytes) => {
                    self.cache_file(&path, &bytes);
                    return Ok(bytes);
                }
                Err(refusal) => {
                    self.warn(format!("{}: {refusal}", self.name(Origin::Mirror(mirror))));
                    failures.push(refusal);
                }
            }
        }
        Err(nowhere(&failures, &what))
    }

    /// Verified bytes only.
    fn cache_file(&mut self, path: &str, bytes: &[u8]) {
        let Some(cache) = self.cache.as_mut() else { return };
        if let Err(problem) = cache.write(path, bytes) {
            // One warning is enough; a read-only medium stays read-only.
            self.cache = None;
            self.warn(format!("the cache is not written: {problem}"));
        }
    }

    pub fn cache_root(&mut self, body: &[u8], step: &RootStep) {
        for (key, file) in &step.signatures {
            self.cache_file(&tree::root_signature(step.version, *key), file);
        }
        self.cache_file(&tree::root(step.version), body);
    }

    /// Writes release and timestamp to a cache that a run like this one began; a complete copy keeps the timestamp that it is complete for.
    pub fn cache_pair(&mut self, signed: &[u8], version: u64, body: &[u8], signature: &[u8]) {
        let Some(cache) = self.cache.as_mut() else { return };
        let cached = cache.read(tree::TIMESTAMP, TIMESTAMP_LIMIT);
        if cached.as_deref() == Some(signed) || (cached.is_some() && cache.read(PARTIAL, PARTIAL_LIMIT).is_none()) {
            return;
        }
        self.cache_file(PARTIAL, b"filled by anode-fetch with what it needed; not a complete tree\n");
        self.cache_file(&tree::release_signature(version), signature);
        self.cache_file(&tree::release(version), body);
        self.cache_file(tree::TIMESTAMP, signed);
    }
}

fn entry_down(mirrors: &mut [Mirror], mirror: usize) {
    if let Some(entry) = mirrors.get_mut(mirror) {
        entry.down = true;
    }
}

/// That a mirror lacks a file which a verified document names is an incomplete mirror, not "no site here".
fn lacking(error: &FetchError) -> Refusal {
    match error {
        FetchError::Absent(text) => Refusal::Unreachable(text.clone()),
        other => other.refusal(),
    }
}

/// What to say when every source of one file failed.
fn nowhere(failures: &[Refusal], what: &str) -> Refusal {
    match gravest(failures) {
        Some(Refusal::Unreachable(text)) => Refusal::Unreachable(format!("{what} is nowhere to be had: {text}")),
        Some(refusal) => refusal,
        None => Refusal::Unreachable(format!(
            "{what} is nowhere to be had: no mirror answers and the cache does not have it"
        )),
    }
}

/// Of several failures the one that decides the exit code (format, section 3).
fn gravest(failures: &[Refusal]) -> Option<Refusal> {
    const ORDER: [ExitCode; 11] = [
        ExitCode::SignatureInvalid,
        ExitCode::WrongDocument,
        ExitCode::Integrity,
        ExitCode::Rollback,
        ExitCode::TooNew,
        ExitCode::Clock,
        ExitCode::MetadataExpired,
        ExitCode::Tls,
        ExitCode::NotASite,
        ExitCode::TooSlow,
        ExitCode::Unreachable,
    ];
    let rank = |failure: &&Refusal| ORDER.iter().position(|exit| *exit == failure.exit()).unwrap_or(ORDER.len());
    failures.iter().min_by_key(rank).cloned()
}
