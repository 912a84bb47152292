//! The root chain that lies in the repository, walked with the medium's own code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anode_bundle::document::Root;
use anode_bundle::name::{KeyId, tree};
use anode_bundle::trust::{Clock, Trust};
use anode_bundle::{Moment, Refusal};
use anyhow::{Context as _, Result, anyhow};

/// The chain of roots of a site, each verified.
pub struct RootChain {
    /// What is trusted at its end.
    pub trust: Trust,
    /// Every root and signature as a path in the tree and its bytes.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl RootChain {
    /// Walks `<folder>/root/1.json` and its successors. `folder` is `keys` of a repository, or a published tree.
    ///
    /// # Errors
    /// If the first root is missing, or any root of the chain does not verify.
    pub fn load(folder: &Path, now: Moment) -> Result<RootChain> {
        let first = folder.join(tree::root(1));
        let body = fs::read(&first).with_context(|| format!("reading the root document `{}`", first.display()))?;
        let mut files = BTreeMap::new();
        let signature = |version: u64, key: KeyId, files: &mut BTreeMap<String, Vec<u8>>| {
            let path = tree::root_signature(version, key);
            match fs::read(folder.join(&path)) {
                Ok(bytes) => {
                    files.insert(path, bytes.clone());
                    Ok(Some(bytes))
                }
                Err(_) => Ok::<_, Refusal>(None),
            }
        };
        let clock = Clock { rtc: now, build: None };
        let refused =
            |version: u64, refusal: Refusal| anyhow!("`{}`: {refusal}", folder.join(tree::root(version)).display());
        let mut trust = Trust::start(&body, &mut |key| signature(1, key, &mut files), clock)
            .map_err(|refusal| refused(1, refusal))?;
        files.insert(tree::root(1), body);
        loop {
            let version = trust.root().version + 1;
            let Ok(body) = fs::read(folder.join(tree::root(version))) else { break };
            trust
                .step(&body, &mut |key| signature(version, key, &mut files))
                .map_err(|refusal| refused(version, refusal))?;
            files.insert(tree::root(version), body);
        }
        Ok(RootChain { trust, files })
    }

    /// The newest root.
    #[must_use]
    pub fn root(&self) -> &Root {
        self.trust.root()
    }
}
