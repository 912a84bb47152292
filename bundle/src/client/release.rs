//! From a timestamp to the release it names, and the moment at which both are kept (TUF 5.4.3 to 5.6).

use super::event::{Event, Snapshot};
use super::sources::Origin;
use super::timestamps::Candidate;
use super::{Client, check_bytes};
use crate::document::{RELEASE_LIMIT, Release};
use crate::error::Refusal;
use crate::name::tree;
use crate::signature;

/// A verified release as it was received.
struct ReleaseFiles {
    release: Release,
    body: Vec<u8>,
    signature: Vec<u8>,
}

impl Client<'_> {
    /// Timestamp → release, with floors and lifetimes (TUF 5.4.3, 5.4.4, 5.5).
    pub(super) fn complete(&mut self, candidate: &Candidate) -> Result<Snapshot, Refusal> {
        let timestamp = &candidate.timestamp.document;
        self.trust.check_floor(timestamp, self.state.timestamp_floor())?;
        let own = matches!(candidate.origin, Origin::State | Origin::Cache);
        let nobody_delivered = self.newest_delivered == 0;
        let may_be_expired = own && nobody_delivered;
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
        if nobody_delivered {
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
            offline: nobody_delivered,
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
        self.committed = self.committed.max(version);
        if version != self.committed {
            return;
        }
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
