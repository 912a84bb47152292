//! From a code to its activation and pack: what is looked up in a verified release (TUF 5.6.7 and 5.7). A missing or wrong node is
//! never an absence: "no such code" needs a verified node that shows the gap.

use super::Client;
use super::event::{Event, Snapshot};
use crate::activation::{Activation, Offer};
use crate::code::{BadCode, Secret};
use crate::derive::{Derived, derive};
use crate::document::{MapRoot, MapStart};
use crate::error::Refusal;
use crate::index::{self, Entry};
use crate::name::Sha256;
use crate::pack::Contents;
use crate::seal;

impl Client<'_> {
    pub(super) fn check_secret_kind(&self, secret: &Secret) -> Result<(), Refusal> {
        let policy = &self.trust.root().policy;
        match secret {
            Secret::Code(code) if !policy.code_length.contains(&(code.symbol_count() as u64)) => {
                Err(BadCode::ForeignLength { found: code.symbol_count() }.into())
            }
            Secret::Phrase(phrase) if !policy.phrases => {
                Err(BadCode::ForeignLength { found: phrase.reveal().len() }.into())
            }
            Secret::Hardware(_) if !policy.hardware => {
                Err(Refusal::CodeNotValid("is the machine's own identity, which this site does not accept".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// What the code derives, under each key derivation that the policy lists.
    pub(super) fn derive(&mut self, secret: &Secret) -> Result<Vec<Derived>, Refusal> {
        self.sources.tell(Event::Deriving);
        let root = self.trust.root();
        root.policy.kdf.iter().map(|kdf| derive(secret, &root.site, kdf)).collect()
    }

    /// The activation of the first derivation that has one; `None` if all are absent.
    pub(super) fn look_up_code(
        &mut self,
        snapshot: &Snapshot,
        derived: &[Derived],
    ) -> Result<Option<Activation>, Refusal> {
        derived.iter().find_map(|keys| self.look_up(snapshot, keys).transpose()).transpose()
    }

    fn look_up(&mut self, snapshot: &Snapshot, keys: &Derived) -> Result<Option<Activation>, Refusal> {
        let Some(entry) = self.walk_index(snapshot, &snapshot.release.index.activations, &keys.locator.0)? else {
            return Ok(None);
        };
        let object = self.object(snapshot, "the activation", &entry, seal::ACTIVATION_LIMIT)?;
        let site = &self.trust.root().site;
        let json = seal::open_activation(site, &keys.locator, &keys.seal, &object)?;
        Activation::parse(&json, site, &keys.locator).map(Some)
    }

    /// Before "no such code" every other mirror is asked for a newer timestamp.
    pub(super) fn newer_elsewhere(&mut self, snapshot: &Snapshot) -> Option<Snapshot> {
        self.ask_other_mirrors();
        self.candidates.retain(|candidate| candidate.timestamp.document.version > snapshot.timestamp.version);
        let newer = self.take_best_candidate().ok();
        if newer.is_none() {
            self.snapshot = Some(snapshot.clone());
        }
        newer
    }

    /// That an index does not have a code is the last word only where a mirror's unexpired timestamp stands behind it, and no newer one is known: a
    /// mirror that withholds a part of the newest tree can not turn it into "no such code".
    pub(super) fn unknown_code(&mut self, snapshot: &Snapshot) -> Refusal {
        let date = snapshot.timestamp.issued.date();
        if snapshot.offline {
            Refusal::Unreachable(format!("the copy of {date} does not know this code, and no mirror answers"))
        } else if snapshot.timestamp.version < self.newest_delivered {
            let newest = self.newest_delivered;
            self.sources.worst_with(Refusal::Unreachable(format!(
                "the tree of {date} does not know this code, and the newer one of timestamp {newest} is incomplete"
            )))
        } else {
            Refusal::CodeUnknown
        }
    }

    pub(super) fn look_up_pack(&mut self, snapshot: &Snapshot, offer: &Offer) -> Result<Contents, Refusal> {
        let entry = self
            .walk_index(snapshot, &snapshot.release.index.packs, &offer.pack_id.0)?
            .ok_or_else(|| Refusal::unseal("the pack", "the tree does not have it"))?;
        let object = self.object(snapshot, "the pack", &entry, seal::PACK_LIMIT)?;
        let site = &self.trust.root().site;
        let plain = seal::open_pack(site, &offer.pack_id, &offer.pack_key.0, offer.generation, &object)?;
        Contents::decode(&plain, site, &offer.profile)
    }

    fn walk_index(&mut self, snapshot: &Snapshot, map: &MapRoot, key: &[u8; 32]) -> Result<Option<Entry>, Refusal> {
        let mut node = match map.start()? {
            MapStart::Inline(node) => node,
            MapStart::Object(hash) => {
                let node = self.node(snapshot, hash)?;
                if node.len() <= index::INLINE_LIMIT {
                    return Err(Refusal::Integrity {
                        what: "the root node of an index".to_owned(),
                        wanted: "one of its size in the release itself".to_owned(),
                        found: "it beside the release".to_owned(),
                    });
                }
                node
            }
        };
        index::check_root(&node, map.count)?;
        for depth in 0.. {
            match index::step(&node, depth, key)? {
                index::Step::Found(entry) => return Ok(Some(entry)),
                index::Step::Absent => return Ok(None),
                index::Step::Child(hash) => node = self.node(snapshot, hash)?,
            }
        }
        Ok(None)
    }

    fn node(&mut self, snapshot: &Snapshot, hash: Sha256) -> Result<Vec<u8>, Refusal> {
        self.sources.object("an index node", &hash, index::NODE_LIMIT, None, snapshot.origin.mirror(), self.trust.now())
    }

    fn object(&mut self, snapshot: &Snapshot, what: &str, entry: &Entry, limit: u64) -> Result<Vec<u8>, Refusal> {
        let length = u64::from(entry.length);
        if length > limit {
            return Err(Refusal::length(what, limit, length));
        }
        self.sources.object(what, &entry.sha256, length, Some(length), snapshot.origin.mirror(), self.trust.now())
    }
}
