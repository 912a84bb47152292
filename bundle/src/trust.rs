//! The chain of trust: which documents are verified, in which order they are checked, and what time it is (format, sections 2 to 4).
//!
//! Every check of a document is made here, in one order: signature → well-formed → format → type, site, version → floor → expiry. Length and hash
//! were compared before, by the caller who knows which parent named them. The shipped root alone is parsed before its signatures are checked: it
//! names their keys.

use std::collections::BTreeMap;

use crate::document::{Document, Release, Role, Root, TIMESTAMP_BODY_LIMIT, Timestamp};
use crate::error::Refusal;
use crate::moment::Moment;
use crate::name::KeyId;
use crate::signature::{SignatureFile, comment, split_signed};

const TEN_YEARS: u64 = 3653 * 86_400;

/// What the machine knows of the time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The reading of the machine's clock.
    pub rtc: Moment,
    /// When the medium was built. `None`: when its root was issued.
    pub build: Option<Moment>,
}

/// A document whose signature verified under the trusted root.
#[derive(Debug, Clone)]
pub struct Verified<D> {
    /// The document.
    pub document: D,
    /// The key that signed it.
    pub key: KeyId,
}

/// The trusted root and the time.
pub struct Trust {
    root: Root,
    rtc: Moment,
    build: Moment,
    newest: Moment,
}

/// A root that joined the chain, with the signatures that carried it.
pub struct RootStep {
    /// Its version.
    pub version: u64,
    /// The signature files, by key.
    pub signatures: BTreeMap<KeyId, Vec<u8>>,
}

/// Brings the signature file of one key: `Ok(None)` if there is none.
pub type SignatureSource<'a> = &'a mut dyn FnMut(KeyId) -> Result<Option<Vec<u8>>, Refusal>;

impl Trust {
    /// Begins with the root that came with the medium. It must meet its own threshold; its expiry is judged after the chain was walked.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`], [`Refusal::BelowThreshold`], [`Refusal::WrongDocument`], [`Refusal::TooNew`].
    pub fn start(shipped: &[u8], signatures: SignatureSource<'_>, clock: Clock) -> Result<Trust, Refusal> {
        let root = Root::parse(shipped)?;
        let mut carried = BTreeMap::new();
        let what = format!("root {}", root.version);
        meet_threshold(&root.roles.root, &what, shipped, &mut carried, signatures)?;
        check_comments(&what, &carried, &root)?;
        let build = clock.build.unwrap_or(root.issued);
        let newest = root.issued;
        Ok(Trust { root, rtc: clock.rtc, build, newest })
    }

    /// Takes the next root: signed by the threshold of this one and of its own, and exactly one version higher.
    ///
    /// # Errors
    /// As [`Trust::start`]; nothing changes then.
    pub fn step(&mut self, body: &[u8], signatures: SignatureSource<'_>) -> Result<RootStep, Refusal> {
        let wanted = self.root.version + 1;
        let what = format!("root {wanted}");
        let mut carried = BTreeMap::new();
        // The old keys vouch for the bytes before a single one of them is parsed.
        meet_threshold(&self.root.roles.root, &what, body, &mut carried, signatures)?;
        let next = Root::parse(body)?;
        meet_threshold(&next.roles.root, &what, body, &mut carried, signatures)?;
        check_comments(&what, &carried, &next)?;
        if next.site != self.root.site || next.version != wanted {
            return Err(Refusal::wrong(&what, format!("it is root {} of the site {}", next.version, next.site)));
        }
        self.newest = self.newest.max(next.issued);
        self.root = next;
        Ok(RootStep { version: wanted, signatures: carried })
    }

    /// Verifies `timestamp.signed`. Floor and expiry are the caller's next checks.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`], [`Refusal::WrongDocument`], [`Refusal::TooNew`].
    pub fn timestamp(&mut self, signed: &[u8]) -> Result<Verified<Timestamp>, Refusal> {
        let (signature, body) = split_signed(signed)
            .ok_or_else(|| Refusal::signature(Timestamp::KIND, "the signature file does not have four lines"))?;
        if body.len() as u64 > TIMESTAMP_BODY_LIMIT {
            return Err(Refusal::length(Timestamp::KIND, TIMESTAMP_BODY_LIMIT, body.len() as u64));
        }
        let verified = verify::<Timestamp>(&self.root, &self.root.roles.timestamp, signature, body)?;
        self.not_from_the_future_root(Timestamp::KIND, verified.document.root)?;
        self.newest = self.newest.max(verified.document.issued);
        Ok(verified)
    }

    /// Verifies a release whose length and hash are those that a verified timestamp names.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`], [`Refusal::WrongDocument`], [`Refusal::TooNew`].
    pub fn release(&mut self, signature: &[u8], body: &[u8]) -> Result<Verified<Release>, Refusal> {
        let verified = verify::<Release>(&self.root, &self.root.roles.release, signature, body)?;
        let release = &verified.document;
        self.not_from_the_future_root(Release::KIND, release.root)?;
        if release.offline_until.since(release.issued) > self.root.policy.offline_max * 86_400 {
            return Err(Refusal::wrong(Release::KIND, "its `offline_until` is later than the root's policy allows"));
        }
        self.newest = self.newest.max(release.issued);
        Ok(verified)
    }

    fn not_from_the_future_root(&self, kind: &str, needed: u64) -> Result<(), Refusal> {
        if needed > self.root.version {
            let problem =
                format!("it may be read from root {needed} on, and no source has a root after {}", self.root.version);
            return Err(Refusal::wrong(kind, problem));
        }
        Ok(())
    }

    /// The medium was not built before this moment, for something that was issued then lies on it.
    pub fn was_built(&mut self, at: Moment) {
        self.build = self.build.max(at);
    }

    /// The trusted root.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// A lower bound of the present: the clock's reading, the medium's build time, and every verified `issued`.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.rtc.max(self.build).max(self.newest)
    }

    /// The newest `issued` of all verified documents.
    #[must_use]
    pub fn newest_issued(&self) -> Moment {
        self.newest
    }

    /// The clock's reading lies before the medium was built, so it says nothing.
    #[must_use]
    pub fn clock_is_dead(&self) -> bool {
        self.rtc < self.build
    }

    /// TUF 5.4.3.1 and 5.5.5: a document is not older than one that was verified before.
    ///
    /// # Errors
    /// [`Refusal::Rollback`] if the version is below the floor.
    pub fn check_floor<D: Document>(&self, document: &D, floor: u64) -> Result<(), Refusal> {
        if document.version() < floor {
            return Err(Refusal::Rollback { document: D::KIND.to_owned(), found: document.version(), floor });
        }
        Ok(())
    }

    /// TUF 5.3.10, 5.4.4, 5.5.6, at [`Trust::now`], a lower bound of the present.
    ///
    /// # Errors
    /// [`Refusal::Expired`], or [`Refusal::Clock`] if the clock is so far ahead that it can not be believed.
    pub fn check_expiry<D: Document>(&self, document: &D) -> Result<(), Refusal> {
        if document.expires() >= self.now() {
            return Ok(());
        }
        if self.rtc > self.build.plus(TEN_YEARS) {
            return Err(Refusal::Clock { rtc: self.rtc, build: self.build });
        }
        Err(Refusal::Expired {
            document: D::KIND.to_owned(),
            expires: document.expires(),
            rtc: self.rtc,
            newest: self.newest,
        })
    }
}

/// Asks for the signatures of a role's keys in their order until its threshold is met. A missing one counts nothing; a wrong one is a refusal.
/// A role has at most 8 keys, so for the old and the new side of a root at most 16 signatures are asked for.
fn meet_threshold(
    role: &Role,
    what: &str,
    body: &[u8],
    carried: &mut BTreeMap<KeyId, Vec<u8>>,
    signatures: SignatureSource<'_>,
) -> Result<(), Refusal> {
    let mut found = 0;
    for listed in &role.keys {
        if found as u64 >= role.threshold {
            break;
        }
        if !carried.contains_key(&listed.id)
            && let Some(file) = signatures(listed.id)?
        {
            carried.insert(listed.id, file);
        }
        let Some(bytes) = carried.get(&listed.id) else { continue };
        if !read_signature(what, bytes)?.verifies(listed, body) {
            return Err(Refusal::signature(what, format!("the signature of key {} does not verify", listed.id)));
        }
        found += 1;
    }
    if (found as u64) < role.threshold {
        let wanted = usize::try_from(role.threshold).unwrap_or(usize::MAX);
        return Err(Refusal::BelowThreshold { document: what.to_owned(), found, wanted });
    }
    Ok(())
}

fn verify<D: Document>(root: &Root, role: &Role, signature: &[u8], body: &[u8]) -> Result<Verified<D>, Refusal> {
    let file = read_signature(D::KIND, signature)?;
    let listed = role
        .keys
        .iter()
        .find(|listed| listed.id == file.key)
        .ok_or_else(|| Refusal::unlisted_key(D::KIND, file.key))?;
    if !file.verifies(listed, body) {
        return Err(Refusal::signature(D::KIND, format!("the signature of key {} does not verify", listed.id)));
    }
    let document = D::parse(body)?;
    if *document.site() != root.site {
        return Err(Refusal::wrong(
            D::KIND,
            format!("it belongs to the site {}, not to {}", document.site(), root.site),
        ));
    }
    check_comment(D::KIND, &file, &document)?;
    Ok(Verified { document, key: listed.id })
}

fn read_signature(what: &str, bytes: &[u8]) -> Result<SignatureFile, Refusal> {
    SignatureFile::parse(bytes).map_err(|problem| Refusal::signature(what, format!("the signature file {problem}")))
}

fn check_comments(what: &str, carried: &BTreeMap<KeyId, Vec<u8>>, root: &Root) -> Result<(), Refusal> {
    carried.values().try_for_each(|bytes| check_comment(what, &read_signature(what, bytes)?, root))
}

/// The trusted comment must say what the body says.
fn check_comment<D: Document>(what: &str, file: &SignatureFile, document: &D) -> Result<(), Refusal> {
    let wanted = comment(D::KIND, document.version(), document.site());
    if file.comment == wanted {
        return Ok(());
    }
    Err(Refusal::signature(
        what,
        format!("the trusted comment is `{}` and must be `{wanted}`", crate::display::line(&file.comment, 120)),
    ))
}
