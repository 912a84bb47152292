//! Which timestamp is the current one: every source's candidate, verified, and the highest version of them (format, section 3).

use super::Client;
use super::event::Snapshot;
use super::sources::Origin;
use crate::document::{TIMESTAMP_LIMIT, Timestamp};
use crate::error::Refusal;
use crate::name::tree;
use crate::signature;
use crate::trust::Verified;

/// A timestamp younger than this ends the search for a newer one.
const FRESH: u64 = 36 * 3600;

/// A timestamp that verifies, and where it came from.
pub(super) struct Candidate {
    pub timestamp: Verified<Timestamp>,
    pub signed: Vec<u8>,
    pub origin: Origin,
    /// A mirror has it, wherever it was found first.
    pub delivered: bool,
}

impl Candidate {
    fn body(&self) -> Option<&[u8]> {
        signature::split_signed(&self.signed).map(|(_, body)| body)
    }
}

impl Client<'_> {
    /// Asks for timestamps until one is fresh; own copies take part. The highest version wins, never the place.
    pub(super) fn collect_timestamps(&mut self) {
        self.candidates.clear();
        self.newest_delivered = 0;
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
    pub(super) fn ask_other_mirrors(&mut self) {
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
                self.newest_delivered = self.newest_delivered.max(timestamp.document.version);
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
    pub(super) fn take_best_candidate(&mut self) -> Result<Snapshot, Refusal> {
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
    pub(super) fn drop_candidate(&mut self, version: u64, origin: Origin, delivered: bool, refusal: Refusal) {
        self.sources.warn(format!("timestamp {version} of {} is not usable: {refusal}", self.sources.name(origin)));
        if delivered || !self.sources.has_mirrors() {
            self.sources.note(refusal);
        }
        self.ask_other_mirrors();
    }
}
