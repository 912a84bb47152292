//! The client's workflow (TUF specification 1.0, section 5; format, section 3), over two traits and without any I/O of its own.
//!
//! Read [`Client::refresh`] and [`Client::activate`] top down: they are the specification's steps in its order. Where bytes come from is decided in
//! `sources`, what the medium keeps in `state`, and who may sign what in [`crate::trust`].

mod activate;
mod source;
mod sources;
mod state;

use std::collections::BTreeMap;

use crate::document::{RELEASE_LIMIT, Release, Root, TIMESTAMP_LIMIT, Timestamp};
use crate::error::Refusal;
use crate::moment::Moment;
use crate::name::{KeyId, Sha256, tree};
use crate::signature;
use crate::trust::{Clock, Trust, Verified};

pub use source::{FetchError, Request, Store, Transport};
use sources::{Origin, Sources};
use state::State;

/// At most this many new roots are taken in one run.
pub const ROOT_STEPS: usize = 64;

/// A timestamp younger than this ends the search for a newer one.
const FRESH: u64 = 36 * 3600;

/// What the medium brings.
pub struct Setup<'a> {
    /// The root document that came with the medium.
    pub shipped_root: &'a [u8],
    /// Its signature files, by key.
    pub shipped_signatures: BTreeMap<KeyId, Vec<u8>>,
    /// Base URLs in the order in which they are asked.
    pub mirrors: Vec<String>,
    /// What the machine knows of the time.
    pub clock: Clock,
}

/// What happens on the way, for the person at the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The trusted root has this version now.
    Root {
        /// Its version.
        version: u64,
    },
    /// This is the current release.
    Current {
        /// The timestamp's version.
        timestamp: u64,
        /// The release's version.
        release: u64,
        /// When the timestamp was made.
        issued: Moment,
        /// The mirror's URL, `state` or `cache`.
        source: String,
    },
    /// No mirror delivered, so the copy on the medium is used.
    Offline {
        /// When its timestamp was made.
        issued: Moment,
        /// Until when its release may be used like this.
        until: Moment,
    },
    /// Locator and key are being derived from the code; takes a moment and 64 MiB.
    Deriving,
    /// Bytes arrived and were verified or will be.
    Fetched {
        /// Where in the tree.
        path: String,
        /// How many.
        bytes: u64,
        /// The mirror's URL or `cache`.
        source: String,
    },
    /// Something is wrong and does not stop the run.
    Warning(String),
}

/// What is trusted now.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The timestamp.
    pub timestamp: Timestamp,
    /// The release.
    pub release: Release,
    /// The mirror's URL, `state` or `cache`.
    pub source: String,
    /// No mirror delivered a valid timestamp in this run.
    pub offline: bool,
    expired_offline: bool,
    origin: Origin,
    delivered: bool,
}

/// A timestamp that verifies, and where it came from.
struct Candidate {
    timestamp: Verified<Timestamp>,
    signed: Vec<u8>,
    origin: Origin,
    /// A mirror has it, wherever it was found first.
    delivered: bool,
}

impl Candidate {
    fn body(&self) -> Option<&[u8]> {
        signature::split_signed(&self.signed).map(|(_, body)| body)
    }
}

/// A verified release as it was received.
struct ReleaseFiles {
    release: Release,
    body: Vec<u8>,
    signature: Vec<u8>,
}

/// The workflow of one run.
pub struct Client<'a> {
    trust: Trust,
    sources: Sources<'a>,
    state: State<'a>,
    candidates: Vec<Candidate>,
    mirror_delivered: bool,
    /// The highest timestamp that this run committed.
    committed: u64,
    snapshot: Option<Snapshot>,
}

impl<'a> Client<'a> {
    /// Begins with the shipped root. No request is made.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`], [`Refusal::BelowThreshold`], [`Refusal::WrongDocument`], [`Refusal::TooNew`] for the shipped root.
    pub fn new(
        setup: Setup<'_>,
        transport: &'a mut dyn Transport,
        state: Option<&'a mut dyn Store>,
        cache: Option<&'a mut dyn Store>,
        observer: &'a mut dyn FnMut(Event),
    ) -> Result<Client<'a>, Refusal> {
        let mut shipped = setup.shipped_signatures;
        let trust = Trust::start(setup.shipped_root, &mut |key| Ok(shipped.remove(&key)), setup.clock)?;
        Ok(Client {
            trust,
            sources: Sources::new(setup.mirrors, transport, cache, observer),
            state: State::new(state),
            candidates: Vec::new(),
            mirror_delivered: false,
            committed: 0,
            snapshot: None,
        })
    }

    /// The trusted root.
    #[must_use]
    pub fn root(&self) -> &Root {
        self.trust.root()
    }

    /// A lower bound of the present.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.trust.now()
    }

    /// The machine's clock reads a time before the medium was built.
    #[must_use]
    pub fn clock_is_dead(&self) -> bool {
        self.trust.clock_is_dead()
    }

    /// What is trusted now; `None` before [`Client::refresh`].
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// Root chain → timestamp → release (TUF 5.3 to 5.5; snapshot and targets of TUF are our release and index).
    ///
    /// # Errors
    /// If no source gives a valid tree: the first of the order in format, section 3.
    pub fn refresh(&mut self) -> Result<Snapshot, Refusal> {
        self.walk_roots()?;
        self.candidates.clear();
        self.mirror_delivered = false;
        self.state.verify(&mut self.trust, &mut |warning| self.sources.warn(warning));
        self.collect_timestamps();
        if let Err(refusal) = self.trust.check_expiry(self.trust.root()) {
            self.sources.note(refusal);
            return Err(self.sources.worst());
        }
        self.take_best_candidate()
    }

    /// Takes every newer root, each exactly one version higher and signed by both sides (TUF 5.3).
    fn walk_roots(&mut self) -> Result<(), Refusal> {
        for taken in 0.. {
            self.sources.follow_policy(&self.trust.root().policy.mirrors);
            let next = self.trust.root().version + 1;
            let kept = self.state.root(&mut self.trust, next);
            let brought = if kept { None } else { self.sources.root(&mut self.trust, next) };
            if !kept && brought.is_none() {
                break;
            }
            if taken == ROOT_STEPS {
                return Err(Refusal::wrong("root", format!("there are more than {ROOT_STEPS} new roots")));
            }
            let Some((body, step)) = brought else { continue };
            // A root is kept at once: even an expired one shows the way to its successor.
            if let Err(problem) = self.state.keep_root(&body, &step) {
                self.sources.warn(problem);
            }
            self.sources.cache_root(&body, &step);
            self.sources.tell(Event::Root { version: step.version });
        }
        Ok(())
    }

    /// Asks for timestamps until one is fresh; own copies take part. The highest version wins, never the place.
    fn collect_timestamps(&mut self) {
        let kept = self.state.timestamps().into_iter().map(|signed| (signed, Origin::State));
        for (signed, origin) in kept.chain(self.sources.cached(tree::TIMESTAMP, TIMESTAMP_LIMIT)) {
            match self.trust.timestamp(&signed) {
                Ok(timestamp) => self.add_candidate(Candidate { timestamp, signed, origin, delivered: false }),
                // A cache of another site or time is no help and no harm.
                Err(refusal) => self.sources.warn(format!("{origin}: {refusal}")),
            }
        }
        for mirror in self.sources.mirrors() {
            if self.ask_mirror(mirror) {
                break;
            }
        }
        self.sort_candidates();
    }

    fn sort_candidates(&mut self) {
        self.candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.timestamp.document.version));
    }

    /// Asks the mirrors that were spared because another one was fresh.
    fn ask_other_mirrors(&mut self) {
        for mirror in self.sources.mirrors() {
            if !self.sources.was_asked(mirror) {
                self.ask_mirror(mirror);
            }
        }
        self.sort_candidates();
    }

    /// Asks one mirror for its timestamp; true if it is so fresh that no other has to be asked.
    fn ask_mirror(&mut self, mirror: usize) -> bool {
        let Some(signed) = self.sources.timestamp(mirror, self.trust.now()) else { return false };
        let origin = Origin::Mirror(mirror);
        let verified = self.trust.timestamp(&signed).and_then(|timestamp| {
            let document = &timestamp.document;
            self.trust.check_floor(document, self.state.timestamp_floor())?;
            self.trust.check_expiry(document)?;
            Ok(timestamp)
        });
        match verified {
            Ok(timestamp) => {
                let age = self.trust.now().since(timestamp.document.issued);
                self.mirror_delivered = true;
                self.add_candidate(Candidate { timestamp, signed, origin, delivered: true });
                age < FRESH && !self.trust.clock_is_dead()
            }
            Err(refusal) => {
                self.sources.fail(mirror, refusal);
                false
            }
        }
    }

    /// Own copies are added first, so that of two with one version the own one stays.
    fn add_candidate(&mut self, new: Candidate) {
        let version = new.timestamp.document.version;
        match self.candidates.iter_mut().find(|known| known.timestamp.document.version == version) {
            None => self.candidates.push(new),
            Some(known) if known.body() == new.body() => known.delivered |= new.delivered,
            Some(known) => {
                let warning = format!(
                    "{} has another timestamp {version} than {}; keeping the own one",
                    self.sources.name(new.origin),
                    self.sources.name(known.origin)
                );
                self.sources.warn(warning);
            }
        }
    }

    /// The best candidate whose release can be had and is valid. One that nobody can complete is dropped, with a warning.
    fn take_best_candidate(&mut self) -> Result<Snapshot, Refusal> {
        while !self.candidates.is_empty() {
            let candidate = self.candidates.remove(0);
            match self.complete(&candidate) {
                Ok(snapshot) => {
                    self.snapshot = Some(snapshot.clone());
                    return Ok(snapshot);
                }
                Err(refusal) => {
                    let version = candidate.timestamp.document.version;
                    self.drop_candidate(version, candidate.origin, candidate.delivered, refusal);
                }
            }
        }
        self.snapshot = None;
        Err(self.sources.worst())
    }

    /// What no mirror delivered never decides the exit code, unless there are no mirrors. The next best may lie on a mirror that was not asked yet.
    fn drop_candidate(&mut self, version: u64, origin: Origin, delivered: bool, refusal: Refusal) {
        self.sources.warn(format!("timestamp {version} of {} is not usable: {refusal}", self.sources.name(origin)));
        if delivered || !self.sources.has_mirrors() {
            self.sources.note(refusal);
        }
        self.ask_other_mirrors();
    }

    /// Timestamp → release, with floors and lifetimes (TUF 5.4.3, 5.4.4, 5.5).
    fn complete(&mut self, candidate: &Candidate) -> Result<Snapshot, Refusal> {
        let timestamp = &candidate.timestamp.document;
        self.trust.check_floor(timestamp, self.state.timestamp_floor())?;
        let own = matches!(candidate.origin, Origin::State | Origin::Cache);
        let may_be_expired = own && !self.mirror_delivered;
        if !may_be_expired {
            self.trust.check_expiry(timestamp)?;
        }
        let files = self.release(candidate)?;
        self.trust.check_floor(&files.release, self.state.release_floor())?;
        // The release may have moved the present, so all three are judged now.
        self.trust.check_expiry(self.trust.root())?;
        self.trust.check_expiry(&files.release)?;
        let until = files.release.offline_until;
        let expiry = self.trust.check_expiry(timestamp);
        let expired_offline = expiry.is_err();
        if !may_be_expired || self.trust.now() >= until {
            expiry?;
        }
        self.commit(candidate, &files);
        let offline = !self.mirror_delivered;
        if offline && self.sources.has_mirrors() {
            self.sources.tell(Event::Offline { issued: timestamp.issued, until });
        }
        let (release, source) = (files.release, self.sources.name(candidate.origin));
        self.sources.tell(Event::Current {
            timestamp: timestamp.version,
            release: release.version,
            issued: timestamp.issued,
            source: source.clone(),
        });
        Ok(Snapshot {
            timestamp: timestamp.clone(),
            release,
            source,
            offline,
            expired_offline,
            origin: candidate.origin,
            delivered: candidate.delivered,
        })
    }

    /// The release that a timestamp names, from the state, the cache or a mirror: length and hash, then signature, then version.
    fn release(&mut self, candidate: &Candidate) -> Result<ReleaseFiles, Refusal> {
        let named = candidate.timestamp.document.release;
        let what = format!("release {}", named.version);
        let now = self.trust.now();
        let trust = &mut self.trust;
        let mut accept = |body: Vec<u8>, signature: Vec<u8>| {
            check_bytes(&what, &body, Some(named.length), &named.sha256)?;
            let release = trust.release(&signature, &body)?.document;
            if release.version != named.version {
                return Err(Refusal::wrong(&what, format!("it says that it is release {}", release.version)));
            }
            Ok(ReleaseFiles { release, body, signature })
        };
        for (signature, body) in self.state.releases() {
            if let Ok(files) = accept(body, signature) {
                return Ok(files);
            }
        }
        let paths =
            [(tree::release(named.version), RELEASE_LIMIT), (tree::release_signature(named.version), signature::LIMIT)];
        self.sources.pair(&paths, candidate.origin.mirror(), now, &mut accept)
    }

    /// Keeps timestamp and release as a pair, after both were verified. What a run falls back to never replaces something newer.
    fn commit(&mut self, candidate: &Candidate, files: &ReleaseFiles) {
        let version = candidate.timestamp.document.version;
        if version < self.committed {
            return;
        }
        self.committed = version;
        if candidate.origin != Origin::State {
            let signed_release = [&files.signature[..], &files.body[..]].concat();
            if let Err(problem) = self.state.keep_pair(&self.trust, &candidate.signed, &signed_release) {
                self.sources.warn(problem);
            }
        }
        if candidate.delivered {
            self.sources.cache_pair(&candidate.signed, files.release.version, &files.body, &files.signature);
        }
    }
}

/// # Errors
/// [`Refusal::Integrity`] unless the bytes have the length and the hash that a verified parent names.
fn check_bytes(what: &str, bytes: &[u8], length: Option<u64>, hash: &Sha256) -> Result<(), Refusal> {
    if let Some(wanted) = length.filter(|wanted| *wanted != bytes.len() as u64) {
        return Err(Refusal::length(what, wanted, bytes.len() as u64));
    }
    let found = Sha256::of(bytes);
    if found != *hash {
        return Err(Refusal::hash(what, hash, &found));
    }
    Ok(())
}
