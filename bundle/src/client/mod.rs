//! The client's workflow (TUF specification 1.0, section 5; format, sections 3 and 4), over two traits and without any I/O of its own.
//!
//! [`Client::new`], [`Client::refresh`], [`Client::activate`] and [`Client::pack`] are the specification's steps in its order. TUF's snapshot and targets
//! are the release and its index here; what its clients store as "trusted metadata" are the signed documents in the state, verified again at each start.
//!
//! | step | TUF | here | decided in |
//! |---|---|---|---|
//! | 1 | 5.2 load the trusted root | [`Client::new`]: the shipped root meets its own threshold; the medium's floor verifies under it | [`Trust::start`] |
//! | 2 | 5.3.2–5.3.9 update the root | `walk_roots`: exactly N+1, signed by both sides, kept at once | [`Trust::step`] |
//! | 3 | 5.3.11 forget rotated keys | `State::verify`: floors from what verifies under the newest root | `state` |
//! | 4 | 5.4.1–5.4.4 update the timestamp | `collect_timestamps`: signature, floor, expiry of each mirror's; the highest version wins | [`Trust::timestamp`], `timestamps` |
//! | 5 | 5.3.10 the root has not expired | judged when every `issued` was taken in, because those move the present | [`Trust::check_expiry`] |
//! | 6 | 5.5.2–5.5.6, 5.6.2–5.6.5 update snapshot and targets | `complete`: hash and length, signature, version, floor, expiry of the release | [`Trust::release`], `release` |
//! | 7 | 5.4.5, 5.5.7, 5.6.6 persist | `commit`: timestamp and release together, in one replacement | `release`, `state` |
//! | 8 | 5.6.7 find the target | `walk_index`: from the root hash that the release signs, node by node | `lookup`, [`crate::index`] |
//! | 9 | 5.7 fetch the target | [`Client::activate`], [`Client::pack`]: length and hash, then unsealed, then compared with what was asked for | `lookup`, [`crate::seal`] |
//!
//! Where bytes come from and which failure decides the exit code is in `sources`.

mod event;
mod lookup;
mod release;
mod source;
mod sources;
mod state;
mod timestamps;

use std::collections::BTreeMap;

use crate::activation::{Activation, Offer};
use crate::code::{Machine, Secret};
use crate::document::Root;
use crate::error::Refusal;
use crate::moment::Moment;
use crate::name::{KeyId, Sha256};
use crate::pack::Contents;
use crate::trust::{Clock, Trust};

pub use event::{Event, Snapshot};
pub use source::{FetchError, Request, Store, Transport};
use sources::Sources;
pub use state::PAIR_LIMIT;
use state::{Pair, State};
use timestamps::Candidate;

/// At most this many new roots are taken in one run.
pub const ROOT_STEPS: usize = 64;

/// What the medium brings.
pub struct Setup<'a> {
    /// The root document that came with the medium.
    pub shipped_root: &'a [u8],
    /// Its signature files, by key.
    pub shipped_signatures: BTreeMap<KeyId, Vec<u8>>,
    /// The medium's floor: the timestamp and release of the day on which it was built, in one file as the state keeps them.
    pub floor: Option<&'a [u8]>,
    /// Base URLs in the order in which they are asked.
    pub mirrors: Vec<String>,
    /// What the machine knows of the time.
    pub clock: Clock,
}

/// The workflow of one run.
pub struct Client<'a> {
    trust: Trust,
    sources: Sources<'a>,
    state: State<'a>,
    candidates: Vec<Candidate>,
    /// The highest version of a valid timestamp that a mirror delivered in this run; 0: none did.
    newest_delivered: u64,
    /// The highest timestamp that this run committed.
    committed: u64,
    snapshot: Option<Snapshot>,
}

impl<'a> Client<'a> {
    /// Begins with the shipped root, and with the floor that was shipped beside it. No request is made.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`], [`Refusal::BelowThreshold`], [`Refusal::WrongDocument`], [`Refusal::TooNew`] for the shipped root or floor.
    pub fn new(
        setup: Setup<'_>,
        transport: &'a mut dyn Transport,
        state: Option<&'a mut dyn Store>,
        cache: Option<&'a mut dyn Store>,
        observer: &'a mut dyn FnMut(Event),
    ) -> Result<Client<'a>, Refusal> {
        let mut shipped = setup.shipped_signatures;
        let mut trust = Trust::start(setup.shipped_root, &mut |key| Ok(shipped.remove(&key)), setup.clock)?;
        let floor = setup.floor.map(|bytes| Pair::shipped(bytes, &mut trust)).transpose()?;
        Ok(Client {
            trust,
            sources: Sources::new(setup.mirrors, transport, cache, observer),
            state: State::new(state, floor),
            candidates: Vec::new(),
            newest_delivered: 0,
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

    /// Root chain → timestamp → release: steps 2 to 7.
    ///
    /// # Errors
    /// If no source gives a valid tree: the first of the order in format, section 3.
    pub fn refresh(&mut self) -> Result<Snapshot, Refusal> {
        self.walk_roots()?;
        self.warn_of_the_end();
        self.state.verify(&mut self.trust, &mut |warning| self.sources.warn(warning));
        self.collect_timestamps();
        self.trust.check_expiry(self.trust.root()).map_err(|refusal| self.sources.worst_with(refusal))?;
        self.take_best_candidate()
    }

    /// Code → locator → index → sealed activation → terms: steps 8 and 9 for the activation.
    ///
    /// # Errors
    /// [`Refusal::CodeUnknown`] only on the authority of an unexpired timestamp, where a mirror delivered one and none delivered a newer;
    /// [`Refusal::CodeNotValid`], [`Refusal::HardwareMismatch`]; and what [`Client::refresh`] can say.
    pub fn activate(&mut self, secret: &Secret, machine: Option<&Machine>) -> Result<Activation, Refusal> {
        let mut snapshot = match &self.snapshot {
            Some(snapshot) => snapshot.clone(),
            None => self.refresh()?,
        };
        self.check_secret_kind(secret)?;
        let keys = self.derive(secret)?;
        let activation = loop {
            match self.look_up_code(&snapshot, &keys) {
                Ok(Some(activation)) => break activation,
                Ok(None) => match self.newer_elsewhere(&snapshot) {
                    Some(newer) => snapshot = newer,
                    None => return Err(self.unknown_code(&snapshot)),
                },
                Err(refusal) => snapshot = self.fall_back(refusal)?,
            }
        };
        if activation.online && snapshot.expired_offline {
            return Err(Refusal::Unreachable("this code can be used only while a mirror answers".to_owned()));
        }
        activation.check(self.trust.now(), machine)?;
        Ok(activation)
    }

    /// Offer → index → sealed pack → contents: steps 8 and 9 for the pack. Activation and pack come from one release.
    ///
    /// # Errors
    /// [`Refusal::UnsealFailed`] if the tree has no such pack or it does not open; and what a missing or wrong object can say. After one of those
    /// [`Client::fall_back`] may know another release.
    pub fn pack(&mut self, offer: &Offer) -> Result<Contents, Refusal> {
        let snapshot = self.snapshot.clone().ok_or_else(|| Refusal::wrong("release", "nothing is trusted yet"))?;
        self.look_up_pack(&snapshot, offer)
    }

    /// Nobody can deliver a part of the current release: takes the next best tree. What was looked up in the old one has to be looked up again.
    ///
    /// # Errors
    /// The refusal itself, if everything was delivered and is the publisher's fault, so that no other source would say anything else; and the gravest
    /// failure of the run, if there is no other tree.
    pub fn fall_back(&mut self, refusal: Refusal) -> Result<Snapshot, Refusal> {
        let Some(snapshot) = &self.snapshot else { return Err(refusal) };
        if matches!(refusal, Refusal::UnsealFailed { .. } | Refusal::TooNew { .. }) {
            return Err(refusal);
        }
        self.drop_candidate(snapshot.timestamp.version, snapshot.origin, snapshot.delivered, refusal);
        self.take_best_candidate()
    }

    /// A site that changes to a later format says so years ahead; whoever stands before the machine can tell the operator.
    fn warn_of_the_end(&mut self) {
        if let Some(end) = self.trust.root().policy.end_of_format(1) {
            let date = end.date();
            self.sources.warn(format!("the site serves media like this one until {date}; a new medium is needed then"));
        }
    }

    /// Takes every newer root, each exactly one version higher and signed by both sides (step 2).
    fn walk_roots(&mut self) -> Result<(), Refusal> {
        let mut taken = 0;
        loop {
            self.sources.follow_policy(&self.trust.root().policy.mirrors);
            let next = self.trust.root().version + 1;
            // What the state keeps was counted in the run in which it was new: a medium may be older than so many roots.
            if self.state.root(&mut self.trust, next) {
                continue;
            }
            let Some((body, step)) = self.sources.root(&mut self.trust, next) else { return Ok(()) };
            if taken == ROOT_STEPS {
                return Err(Refusal::wrong("root", format!("there are more than {ROOT_STEPS} new roots")));
            }
            taken += 1;
            // A root is kept at once: even an expired one shows the way to its successor.
            if let Err(problem) = self.state.keep_root(&body, &step) {
                self.sources.warn(problem);
            }
            self.sources.cache_root(&body, &step);
            self.sources.tell(Event::Root { version: step.version });
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
