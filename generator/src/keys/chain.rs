//! The root chain that lies in the repository, walked with the medium's own code; at its end perhaps a root that waits for signatures.

use std::collections::BTreeMap;
use std::path::Path;

use anode_bundle::document::Root;
use anode_bundle::name::{KeyId, tree};
use anode_bundle::trust::{Clock, Trust};
use anode_bundle::{Moment, Refusal};
use anyhow::{Context as _, Result, anyhow};

use super::proposal::{Proposal, check_first};
use super::root_files::RootFiles;

/// The chain of roots of a site, each verified.
pub struct RootChain {
    /// What is trusted at its end.
    pub trust: Trust,
    /// Every root and signature as a path in the tree and its bytes. Nothing of a proposal.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The roots before the newest, oldest first.
    pub earlier: Vec<Root>,
    /// The next root, while it waits for signatures.
    pub proposal: Option<Proposal>,
}

impl RootChain {
    /// Walks `<folder>/root/1.json` and its successors up to the first that is not signed enough. `folder` is `keys` of a repository, or a
    /// published tree.
    ///
    /// # Errors
    /// If the first root is missing, or any root or signature of the chain or of a proposal is wrong.
    pub fn load(folder: &Path, now: Moment) -> Result<RootChain> {
        let files = RootFiles::read(folder)?;
        let first = files.version(1).and_then(|version| Some((version, version.body.as_ref()?)));
        let (version, body) =
            first.with_context(|| format!("there is no first root `{}`", files.body_path(1).display()))?;
        let refused = |version: u64, refusal: Refusal| {
            anyhow!(refusal).context(format!("verifying the root `{}`", files.body_path(version).display()))
        };
        let mut carried = BTreeMap::new();
        carried.insert(tree::root(1), body.clone());
        let clock = Clock { rtc: now, build: None };
        let trust = Trust::start(body, &mut |key| take(&version.signatures, 1, key, &mut carried), clock)
            .map_err(|refusal| refused(1, refusal))?;
        check_first(trust.root(), &files, version)?;
        let mut chain = RootChain { trust, files: carried, earlier: Vec::new(), proposal: None };
        loop {
            let before = chain.root().clone();
            let number = before.version + 1;
            let Some(version) = files.version(number) else { break };
            let Some(next) = Proposal::read(&before, &files, version)? else { break };
            let mut carried = BTreeMap::new();
            match chain.trust.step(&next.body, &mut |key| take(&version.signatures, number, key, &mut carried)) {
                Ok(_) => {
                    chain.files.append(&mut carried);
                    chain.files.insert(tree::root(number), next.body);
                    chain.earlier.push(before);
                }
                Err(Refusal::BelowThreshold { .. }) => {
                    chain.proposal = Some(next);
                    break;
                }
                Err(refusal) => return Err(refused(number, refusal)),
            }
        }
        files.end_at(chain.proposal.as_ref().map_or(chain.root().version, |proposal| proposal.root.version))?;
        Ok(chain)
    }

    /// The newest root.
    #[must_use]
    pub fn root(&self) -> &Root {
        self.trust.root()
    }

    /// The trust of a medium that has not yet seen the roots after `version`. `None` if the chain has no such root.
    #[must_use]
    pub fn trust_at(&self, version: u64, now: Moment) -> Option<Trust> {
        let body = |number: u64| self.files.get(&tree::root(number));
        let signature = |number: u64, key: KeyId| Ok(self.files.get(&tree::root_signature(number, key)).cloned());
        let clock = Clock { rtc: now, build: None };
        let mut trust = Trust::start(body(1)?, &mut |key| signature(1, key), clock).ok()?;
        for number in 2..=version {
            trust.step(body(number)?, &mut |key| signature(number, key)).ok()?;
        }
        Some(trust)
    }
}

fn take(
    signatures: &BTreeMap<KeyId, Vec<u8>>,
    version: u64,
    key: KeyId,
    carried: &mut BTreeMap<String, Vec<u8>>,
) -> Result<Option<Vec<u8>>, Refusal> {
    let found = signatures.get(&key).cloned();
    if let Some(bytes) = &found {
        carried.insert(tree::root_signature(version, key), bytes.clone());
    }
    Ok(found)
}
