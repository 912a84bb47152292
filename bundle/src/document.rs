//! The signed documents: root, release, timestamp (format, sections 1 and 2). A value of these types is well-formed; whether it is trusted is
//! decided in [`crate::trust`].

use std::collections::BTreeSet;

use base64ct::{Base64, Encoding as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::code;
use crate::derive::KdfPolicy;
use crate::error::Refusal;
use crate::index;
use crate::json;
use crate::moment::Moment;
use crate::name::{SealPublicKey, Sha256, SiteId};
use crate::signature::{ListedKey, is_strict_key};

/// The largest root in bytes.
pub const ROOT_LIMIT: u64 = 64 << 10;
/// The largest timestamp in bytes, without its signature.
pub const TIMESTAMP_BODY_LIMIT: u64 = 4 << 10;
/// The largest `timestamp.signed` in bytes: signature and body.
pub const TIMESTAMP_LIMIT: u64 = crate::signature::LIMIT + TIMESTAMP_BODY_LIMIT;
/// The largest release in bytes.
pub const RELEASE_LIMIT: u64 = 8 << 10;

const DAY: u64 = 86_400;

/// The longest lifetimes in days.
pub mod ceiling {
    /// Root.
    pub const ROOT: u64 = 400;
    /// Release, and `offline_until`.
    pub const RELEASE: u64 = 400;
    /// Timestamp.
    pub const TIMESTAMP: u64 = 30;
}

/// The root of trust: keys and thresholds of all roles, and the site's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// 1.
    pub format: u64,
    /// `root`
    #[serde(rename = "type")]
    pub kind: String,
    /// The site's id.
    pub site: SiteId,
    /// The site's name for people.
    pub name: String,
    /// From 1, without gaps.
    pub version: u64,
    /// When it was made.
    pub issued: Moment,
    /// Until when it holds.
    pub expires: Moment,
    /// Who may sign what.
    pub roles: Roles,
    /// The rules of the site.
    pub policy: Policy,
    /// Names that a reader must know.
    #[serde(default)]
    pub critical: Vec<String>,
}

/// The keys of the three roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Signs roots. 1 ≤ threshold ≤ keys ≤ 8.
    pub root: Role,
    /// Signs releases. Threshold 1, at most 4 keys.
    pub release: Role,
    /// Signs timestamps. Threshold 1, at most 4 keys.
    pub timestamp: Role,
}

/// The keys of a role and how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// How many distinct keys must sign.
    pub threshold: u64,
    /// The keys, in the order in which their signatures are asked for.
    pub keys: Vec<ListedKey>,
}

/// The rules of a site, signed by its offline keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// One or two: new codes use the first, a typed code is tried with each.
    pub kdf: Vec<KdfPolicy>,
    /// The accepted numbers of symbols: 16, 20 or both.
    pub code_length: Vec<u64>,
    /// Are chosen codes allowed?
    #[serde(default)]
    pub phrases: bool,
    /// May a machine activate itself by UUID and serial number?
    #[serde(default)]
    pub hardware: bool,
    /// What the publisher uses unless told otherwise.
    pub lifetimes: Lifetimes,
    /// The longest `offline_until` after `issued`, in days; 0: never offline.
    pub offline_max: u64,
    /// More base URLs of the same tree, asked after those on the medium.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// What reports are sealed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox_key: Option<SealPublicKey>,
    /// Which formats the site serves, and until when.
    #[serde(default)]
    pub formats: Vec<FormatEnd>,
}

/// Lifetimes in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetimes {
    /// Of a root.
    pub root: u64,
    /// Of a release.
    pub release: u64,
    /// Of a timestamp.
    pub timestamp: u64,
    /// Of an activation.
    pub activation: u64,
}

/// Until when a format is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatEnd {
    /// The format.
    pub format: u64,
    /// The last moment, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
}

/// One compiled state of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// 1.
    pub format: u64,
    /// `release`
    #[serde(rename = "type")]
    pub kind: String,
    /// The site's id.
    pub site: SiteId,
    /// Higher than that of every release before.
    pub version: u64,
    /// The lowest root version under which it may be read.
    pub root: u64,
    /// When it was made.
    pub issued: Moment,
    /// Until when it holds.
    pub expires: Moment,
    /// Until when it may be used with an expired timestamp from the medium; equal to `issued`: never.
    pub offline_until: Moment,
    /// The two maps.
    pub index: Index,
    /// The object that lists the public profiles.
    pub public: ObjectRef,
    /// Where reports are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox_url: Option<String>,
    /// Names that a reader must know.
    #[serde(default)]
    pub critical: Vec<String>,
}

/// The maps of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Locator to sealed activation.
    pub activations: MapRoot,
    /// Pack id to sealed pack.
    pub packs: MapRoot,
}

/// The root node of a map: inlined when it has at most 1,100 bytes, else named by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapRoot {
    /// How many keys the map has.
    pub count: u64,
    /// The node, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The node's hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
}

/// Where the walk through a map begins.
pub enum MapStart {
    /// The node itself.
    Inline(Vec<u8>),
    /// The object to fetch.
    Object(Sha256),
}

/// An object by hash and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its hash.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub length: u64,
}

/// Which release is current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    /// 1.
    pub format: u64,
    /// `timestamp`
    #[serde(rename = "type")]
    pub kind: String,
    /// The site's id.
    pub site: SiteId,
    /// Higher than that of every timestamp before.
    pub version: u64,
    /// The lowest root version under which it may be read.
    pub root: u64,
    /// When it was made.
    pub issued: Moment,
    /// Until when it holds.
    pub expires: Moment,
    /// The current release.
    pub release: ReleaseRef,
    /// Names that a reader must know.
    #[serde(default)]
    pub critical: Vec<String>,
}

/// A release by version, length and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRef {
    /// Its version.
    pub version: u64,
    /// The length of its body in bytes.
    pub length: u64,
    /// The hash of its body.
    pub sha256: Sha256,
}

/// What the three documents have in common.
pub trait Document: DeserializeOwned {
    /// Their `type`.
    const KIND: &'static str;

    /// `type` as it is in the document.
    fn kind(&self) -> &str;
    /// The site's id.
    fn site(&self) -> &SiteId;
    /// The version.
    fn version(&self) -> u64;
    /// When it was made.
    fn issued(&self) -> Moment;
    /// Until when it holds.
    fn expires(&self) -> Moment;

    /// Rules that the type alone does not express.
    ///
    /// # Errors
    /// [`Refusal::WrongDocument`], or [`Refusal::TooNew`] for a policy that this version does not know.
    fn check(&self) -> Result<(), Refusal>;

    /// Reads a document: strict JSON, known format and critical names, the right type, its own rules.
    ///
    /// # Errors
    /// [`Refusal::WrongDocument`] (malformed, or another type), [`Refusal::TooNew`].
    fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        json::check_format(bytes, Self::KIND, &[])?;
        let document: Self = json::read(bytes).map_err(|problem| Refusal::wrong(Self::KIND, problem))?;
        if document.kind() != Self::KIND {
            let problem = format!("it is a document of the type `{}`", crate::display::line(document.kind(), 20));
            return Err(Refusal::wrong(Self::KIND, problem));
        }
        if document.version() == 0 || document.expires() <= document.issued() {
            return Err(Refusal::wrong(Self::KIND, "its version is 0, or it expires before it was issued"));
        }
        document.check()?;
        Ok(document)
    }
}

macro_rules! document {
    ($type:ty, $kind:literal, $check:expr) => {
        impl Document for $type {
            const KIND: &'static str = $kind;

            fn kind(&self) -> &str {
                &self.kind
            }
            fn site(&self) -> &SiteId {
                &self.site
            }
            fn version(&self) -> u64 {
                self.version
            }
            fn issued(&self) -> Moment {
                self.issued
            }
            fn expires(&self) -> Moment {
                self.expires
            }
            fn check(&self) -> Result<(), Refusal> {
                let check: fn(&$type) -> Result<(), Refusal> = $check;
                check(self)
            }
        }
    };
}

document!(Root, "root", |root| {
    at_most(root.expires.since(root.issued), ceiling::ROOT, "root")?;
    root.roles.check()?;
    root.policy.check()
});

document!(Release, "release", |release| {
    at_most(release.expires.since(release.issued), ceiling::RELEASE, "release")?;
    at_most(release.offline_until.since(release.issued), ceiling::RELEASE, "release")?;
    release.index.activations.check()?;
    release.index.packs.check()
});

document!(Timestamp, "timestamp", |timestamp| {
    at_most(timestamp.expires.since(timestamp.issued), ceiling::TIMESTAMP, "timestamp")?;
    if timestamp.release.length > RELEASE_LIMIT {
        return Err(Refusal::wrong("timestamp", format!("it names a release of more than {RELEASE_LIMIT} bytes")));
    }
    Ok(())
});

fn at_most(seconds: u64, days: u64, kind: &str) -> Result<(), Refusal> {
    if seconds > days * DAY {
        return Err(Refusal::wrong(kind, format!("it claims to live longer than {days} days")));
    }
    Ok(())
}

impl Roles {
    /// The three roles with their names.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &Role); 3] {
        [("root", &self.root), ("release", &self.release), ("timestamp", &self.timestamp)]
    }

    fn check(&self) -> Result<(), Refusal> {
        let invalid = |problem: String| Err(Refusal::wrong("root", problem));
        let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for (name, role) in self.named() {
            let count = role.keys.len() as u64;
            let most = if name == "root" { 8 } else { 4 };
            if role.threshold == 0 || role.threshold > count || count > most || (name != "root" && role.threshold != 1)
            {
                return invalid(format!("the role `{name}` has threshold {} and {count} keys", role.threshold));
            }
            for listed in &role.keys {
                if !ids.insert(listed.id) || !keys.insert(listed.key) {
                    return invalid(format!("the key {} occurs twice", listed.id));
                }
                if !is_strict_key(&listed.key) {
                    return invalid(format!("the key {} is not a canonical Ed25519 key", listed.id));
                }
            }
        }
        Ok(())
    }
}

impl Policy {
    /// Until when the site serves this format, if it says so.
    #[must_use]
    pub fn end_of_format(&self, format: u64) -> Option<Moment> {
        self.formats.iter().find(|end| end.format == format)?.until
    }

    fn check(&self) -> Result<(), Refusal> {
        let [first, rest @ ..] = self.kdf.as_slice() else {
            return Err(Refusal::wrong("root", "its policy has no key derivation"));
        };
        if rest.len() > 1 || rest.iter().any(|entry| entry.id == first.id) {
            return Err(Refusal::wrong("root", "its policy has more than two key derivations, or two of one name"));
        }
        self.kdf.iter().try_for_each(KdfPolicy::check)?;
        let known = |length: &u64| code::LENGTHS.iter().any(|known| *known as u64 == *length);
        if self.code_length.is_empty() {
            return Err(Refusal::wrong("root", "its policy accepts codes of no length"));
        }
        if !self.code_length.iter().all(known) {
            return Err(Refusal::too_new("root", "a length of codes other than 16 and 20"));
        }
        let Lifetimes { root, release, timestamp, activation } = self.lifetimes;
        if root > ceiling::ROOT
            || release > ceiling::RELEASE
            || timestamp > ceiling::TIMESTAMP
            || self.offline_max > ceiling::RELEASE
        {
            return Err(Refusal::wrong("root", "its policy has a lifetime above the ceiling"));
        }
        if [root, release, timestamp, activation].contains(&0) {
            return Err(Refusal::wrong("root", "its policy has a lifetime of 0"));
        }
        Ok(())
    }
}

impl MapRoot {
    /// Inlines the node or names it, as the rule demands.
    #[must_use]
    pub fn new(count: u64, node: &[u8]) -> MapRoot {
        if node.len() <= index::INLINE_LIMIT {
            MapRoot { count, node: Some(Base64::encode_string(node)), sha256: None }
        } else {
            MapRoot { count, node: None, sha256: Some(Sha256::of(node)) }
        }
    }

    /// Where the walk begins.
    ///
    /// # Errors
    /// [`Refusal::WrongDocument`] unless it is in exactly one form.
    pub fn start(&self) -> Result<MapStart, Refusal> {
        let broken = || Refusal::wrong("release", "the root node of an index is not in the form that its size demands");
        match (&self.node, self.sha256) {
            (Some(text), None) => {
                let node = Base64::decode_vec(text).map_err(|_| broken())?;
                if node.len() > index::INLINE_LIMIT { Err(broken()) } else { Ok(MapStart::Inline(node)) }
            }
            (None, Some(hash)) => Ok(MapStart::Object(hash)),
            _ => Err(broken()),
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        self.start().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client, seal, signature};

    #[test]
    fn what_is_read_of_each_file_is_limited_as_the_format_says() {
        let limits = [ROOT_LIMIT, signature::LIMIT, TIMESTAMP_BODY_LIMIT, TIMESTAMP_LIMIT, RELEASE_LIMIT];
        assert_eq!(limits, [65_536, 1_024, 4_096, 5_120, 8_192]);
        assert_eq!([index::NODE_LIMIT, seal::ACTIVATION_LIMIT, seal::PACK_LIMIT], [8_712, 65_536, 16_777_216]);
        assert_eq!(client::PAIR_LIMIT, 4 + 5_120 + 1_024 + 8_192);
    }

    #[test]
    fn a_root_node_lies_in_the_release_up_to_its_limit_and_beside_it_above() {
        for (length, inlined) in [(0, true), (index::INLINE_LIMIT, true), (index::INLINE_LIMIT + 1, false)] {
            let map = MapRoot::new(1, &vec![0; length]);
            assert_eq!(matches!(map.start(), Ok(MapStart::Inline(_))), inlined, "{length}");
            assert_eq!(matches!(map.start(), Ok(MapStart::Object(_))), !inlined, "{length}");
        }
        let long = MapRoot { count: 1, node: Some(Base64::encode_string(&[0; index::INLINE_LIMIT + 1])), sha256: None };
        assert!(long.start().is_err());
    }
}
