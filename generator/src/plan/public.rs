//! What is public: files of profiles that their operator marked so, for people and for iPXE. Never an input that the medium trusts.

use std::collections::BTreeMap;

use anode_bundle::name::{Id, Sha256, SiteId};
use anyhow::Result;
use serde::Serialize;

use super::packs::Packs;

/// A public profile, as the web pages and `api/v1/profiles.json` list it.
#[derive(Debug, Clone, Serialize)]
pub struct PublicProfile {
    /// Its id.
    pub id: Id,
    /// Its title.
    pub title: String,
    /// A sentence.
    pub description: String,
    /// The installer and its version.
    pub installer: String,
    /// Whether what the installer fetches by itself is pinned.
    pub second_stage_pinned: bool,
    /// By what, or why not.
    pub second_stage: String,
    /// Its files.
    pub files: Vec<PublicFile>,
}

/// A public file.
#[derive(Debug, Clone, Serialize)]
pub struct PublicFile {
    /// Where in the tree.
    pub path: String,
    /// Its hash.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub length: u64,
}

/// Everything public.
pub(super) struct Public {
    pub files: BTreeMap<String, Vec<u8>>,
    pub profiles: Vec<PublicProfile>,
}

impl Public {
    /// The object that the release names.
    pub fn list(&self, site: &SiteId) -> Result<Vec<u8>> {
        #[derive(Serialize)]
        struct List<'a> {
            format: u64,
            site: &'a SiteId,
            profiles: &'a [PublicProfile],
        }
        let mut list = serde_json::to_vec_pretty(&List { format: 1, site, profiles: &self.profiles })?;
        list.push(b'\n');
        Ok(list)
    }
}

pub(super) fn collect(packs: &Packs) -> Result<Public> {
    let mut public = Public { files: BTreeMap::new(), profiles: Vec::new() };
    for ((profile, organisation), rendered) in &packs.rendered {
        if organisation.is_some() || rendered.public.is_empty() {
            continue;
        }
        let manifest = rendered.contents.manifest();
        let mut files = Vec::new();
        for (path, bytes) in &rendered.public {
            let path = format!("public/{profile}/{path}");
            files.push(PublicFile { path: path.clone(), sha256: Sha256::of(bytes), length: bytes.len() as u64 });
            public.files.insert(path, bytes.clone());
        }
        public.profiles.push(PublicProfile {
            id: profile.clone(),
            title: manifest.title.clone(),
            description: manifest.description.clone(),
            installer: format!("{} {}", manifest.installer.title, manifest.installer.version),
            second_stage_pinned: manifest.second_stage.pinned,
            second_stage: manifest.second_stage.how.clone(),
            files,
        });
    }
    Ok(public)
}
