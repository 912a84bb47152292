//! Making the three signed documents. Bodies are pretty-printed JSON, so that a person can read what a key signed.

use anode_bundle::Moment;
use anode_bundle::derive::KdfPolicy;
use anode_bundle::document::{
    Document, FormatEnd, Index, Lifetimes, ObjectRef, Policy, RELEASE_LIMIT, ROOT_LIMIT, Release, ReleaseRef, Role,
    Roles, Root, Timestamp,
};
use anode_bundle::name::{Id, SealPublicKey, Sha256, SiteId, tree};
use anode_bundle::signature::{ListedKey, split_signed};
use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::expiry::{Announced, Expiry, Urgency};
use crate::keys::Signer;

const DAY: u64 = 86_400;

/// A body and its signature file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The JSON.
    pub body: Vec<u8>,
    /// The four lines.
    pub signature: Vec<u8>,
}

impl Signed {
    /// The two parts of a file that [`Signed::joined`] made; `None` if it has no four signature lines.
    #[must_use]
    pub fn split(joined: &[u8]) -> Option<Signed> {
        let (signature, body) = split_signed(joined)?;
        Some(Signed { body: body.to_vec(), signature: signature.to_vec() })
    }

    /// The three files of a timestamp in the tree; the one that the medium reads comes last.
    #[must_use]
    pub fn timestamp_files(&self) -> [(&'static str, Vec<u8>); 3] {
        [
            ("timestamp.json", self.body.clone()),
            ("timestamp.json.minisig", self.signature.clone()),
            (tree::TIMESTAMP, self.joined()),
        ]
    }

    /// Signature and body in one file, as the medium reads a timestamp.
    #[must_use]
    pub fn joined(&self) -> Vec<u8> {
        [&self.signature[..], &self.body[..]].concat()
    }

    /// How a release is named by a timestamp.
    #[must_use]
    pub fn reference(&self, version: u64) -> ReleaseRef {
        reference(&self.body, version)
    }
}

/// How a release with this body is named by a timestamp.
#[must_use]
pub fn reference(body: &[u8], version: u64) -> ReleaseRef {
    ReleaseRef { version, length: body.len() as u64, sha256: Sha256::of(body) }
}

/// The keys of a new site.
pub struct FirstKeys<'a> {
    /// At least two, so that one can be lost.
    pub root: &'a [ListedKey],
    /// CI's, or a maintainer's.
    pub release: &'a ListedKey,
    /// CI's.
    pub timestamp: &'a ListedKey,
    /// What reports are sealed to.
    pub inbox: SealPublicKey,
}

/// Which codes a site makes and accepts.
#[derive(Debug, Clone, Copy)]
pub struct CodePolicy {
    /// Symbols of a code: 16 or 20.
    pub length: u64,
    /// Codes that a person chooses.
    pub phrases: bool,
    /// Machines that activate themselves by UUID and serial number.
    pub hardware: bool,
}

/// The first root of a site: threshold 1, format 1, one key derivation of 64 MiB.
///
/// # Errors
/// Never for keys that were generated.
pub fn first_root(site: &SiteId, name: &str, keys: &FirstKeys<'_>, codes: CodePolicy, at: Moment) -> Result<Vec<u8>> {
    let single = |key: &ListedKey| Role { threshold: 1, keys: vec![key.clone()] };
    let root = Root {
        format: 1,
        kind: Root::KIND.to_owned(),
        site: site.clone(),
        name: name.to_owned(),
        version: 1,
        issued: at,
        expires: at.plus(365 * DAY),
        roles: Roles {
            root: Role { threshold: 1, keys: keys.root.to_vec() },
            release: single(keys.release),
            timestamp: single(keys.timestamp),
        },
        policy: Policy {
            kdf: vec![KdfPolicy::standard(Id::new("a1")?)],
            code_length: vec![codes.length],
            phrases: codes.phrases,
            hardware: codes.hardware,
            lifetimes: Lifetimes { root: 365, release: 120, timestamp: 7, activation: 365 },
            offline_max: 400,
            mirrors: Vec::new(),
            inbox_key: Some(keys.inbox),
            formats: vec![FormatEnd { format: 1, until: None }],
        },
        critical: Vec::new(),
    };
    self::root(&root)
}

/// The bytes of a root, to be signed.
///
/// # Errors
/// If it would be larger than the medium reads, or break a rule that the medium checks.
pub fn root(root: &Root) -> Result<Vec<u8>> {
    body(root, ROOT_LIMIT)
}

/// What a release says, besides its version and dates.
#[derive(Clone)]
pub struct ReleaseContent {
    /// The two maps.
    pub index: Index,
    /// The list of public profiles.
    pub public: ObjectRef,
    /// Where reports are dropped.
    pub inbox_url: Option<String>,
}

/// Lifetimes that the repository asks for, in days.
#[derive(Debug, Clone, Copy)]
pub struct Days {
    /// Of a release.
    pub release: u64,
    /// Of a timestamp.
    pub timestamp: u64,
    /// From `issued` to `offline_until`; 0: never offline.
    pub offline: u64,
}

/// Makes a release; it still has to be signed.
///
/// # Errors
/// If it would be larger than the medium reads, or break a rule that the medium checks.
pub fn release(
    content: ReleaseContent,
    version: u64,
    root: &Root,
    days: Days,
    at: Moment,
) -> Result<(Release, Vec<u8>)> {
    let release = Release {
        format: 1,
        kind: Release::KIND.to_owned(),
        site: root.site.clone(),
        version,
        root: root.version,
        issued: at,
        expires: at.plus(days.release * DAY),
        offline_until: at.plus(days.offline.min(root.policy.offline_max) * DAY),
        index: content.index,
        public: content.public,
        inbox_url: content.inbox_url,
        critical: Vec::new(),
    };
    let body = body(&release, RELEASE_LIMIT)?;
    Ok((release, body))
}

/// Signs a release.
///
/// # Errors
/// If the key is not one that the root lists for releases.
pub fn sign_release(body: Vec<u8>, version: u64, root: &Root, signer: &Signer) -> Result<Signed> {
    let signature = sign::<Release>(&body, version, root, &root.roles.release, signer)?;
    Ok(Signed { body, signature })
}

/// Makes and signs a timestamp.
///
/// # Errors
/// As [`release`].
pub fn timestamp(
    release: ReleaseRef,
    version: u64,
    root: &Root,
    days: Days,
    at: Moment,
    signer: &Signer,
) -> Result<Signed> {
    let timestamp = Timestamp {
        format: 1,
        kind: Timestamp::KIND.to_owned(),
        site: root.site.clone(),
        version,
        root: root.version,
        issued: at,
        expires: at.plus(days.timestamp * DAY),
        release,
        critical: Vec::new(),
    };
    let body = body(&timestamp, 4 << 10)?;
    let signature = sign::<Timestamp>(&body, version, root, &root.roles.timestamp, signer)?;
    Ok(Signed { body, signature })
}

/// Could a release with this content have been `old`? Then the old one can be kept, if enough of its life remains.
#[must_use]
pub fn says_the_same(old: &Release, content: &ReleaseContent, root: &Root, days: Days) -> bool {
    old.index == content.index
        && old.public == content.public
        && old.inbox_url == content.inbox_url
        && old.root == root.version
        && old.critical.is_empty()
        && old.expires.since(old.issued) == days.release * DAY
        && old.offline_until.since(old.issued) == days.offline.min(root.policy.offline_max) * DAY
}

/// Does more than a third of a document's life remain, and is its end not announced yet? Else the remedy "build again" would change nothing.
#[must_use]
pub fn is_young<D: Announced>(document: &D, at: Moment) -> bool {
    let enough = document.expires().since(at) * 3 > document.expires().since(document.issued());
    enough && Expiry::of(document, at).urgency == Urgency::Fine
}

fn body<D: Document + Serialize>(document: &D, limit: u64) -> Result<Vec<u8>> {
    let mut body = serde_json::to_vec_pretty(document)?;
    body.push(b'\n');
    ensure!(
        body.len() as u64 <= limit,
        "the {} would have {} bytes, and the medium reads {limit}",
        D::KIND,
        body.len()
    );
    D::parse(&body)
        .map_err(|refusal| anyhow::anyhow!("the new {} is not one that the medium accepts: {refusal}", D::KIND))?;
    Ok(body)
}

fn sign<D: Document>(body: &[u8], version: u64, root: &Root, role: &Role, signer: &Signer) -> Result<Vec<u8>> {
    ensure!(
        role.keys.contains(signer.listed()),
        "the {} key {} is not in root {} of this site; `anode key list` shows the one that is: give that, in the key \
         folder or in CI's variable",
        D::KIND,
        signer.listed().id,
        root.version
    );
    signer.sign(D::KIND, version, &root.site, body).with_context(|| format!("signing {} {version}", D::KIND))
}
