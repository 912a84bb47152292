//! What a medium knows of its site: the root of its trust, how old a tree may be at most (the floor), and where it is. Fetched while the medium is made, with
//! the medium's own code: what a machine would refuse fails here, and not in front of a customer.

use std::collections::BTreeMap;
use std::path::Path;

use anode_bundle::Moment;
use anode_bundle::client::{Client, Event, PAIR_LIMIT, Setup, Snapshot, Store as _, Transport};
use anode_bundle::document::{Document as _, ROOT_LIMIT, Release, Root};
use anode_bundle::name::{KeyId, tree};
use anode_bundle::signature;
use anode_bundle::trust::Clock;
use anode_fetch::activate::{Shipped, Sources};
use anode_fetch::folder::Folder;
use anode_fetch::transport::{Address, PlainHttp};
use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::Architecture;
use crate::expiry::Expiry;
use crate::trusted::TrustedSite;

/// A site as a medium begins with it.
pub struct Site {
    /// The newest root, its signatures, and the floor.
    pub shipped: Shipped,
    /// Its id.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// Where the tree is served, in order of preference.
    pub urls: Vec<String>,
    /// `de`, `en`
    pub language: String,
    /// The release that is current.
    pub release: Release,
    /// When the floor's timestamp was made: the medium's date. Never the clock of the machine that makes it.
    pub issued: Moment,
    /// Its version: no tree on the medium may be older.
    pub timestamp: u64,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// What the scripts of a medium know of their site.
#[derive(Serialize)]
struct Description<'a> {
    format: u64,
    site: &'a str,
    title: &'a str,
    urls: &'a [String],
    built: Moment,
    language: &'a str,
    architecture: &'a str,
    consoles: &'a [String],
}

impl Site {
    /// Asks the site of a repository, as a machine with a new medium would.
    ///
    /// # Errors
    /// If it has no address, can not be reached, or is not what its root says.
    pub fn fetch(repository: &Path, transport: &mut dyn Transport, now: Moment) -> Result<Site> {
        let trusted = TrustedSite::open(repository)?;
        let urls = trusted.config.urls.clone();
        ensure!(
            !urls.is_empty(),
            "the site has no address, so that a medium would not know whom to ask: set `urls` in `[site]` of `anode.toml`"
        );
        let (mut lost, mut refused) = (Vec::new(), Vec::new());
        for url in &urls {
            match Address::parse(url, PlainHttp::Refused) {
                Ok(address) if address.is_loopback() => lost.push(format!(
                    "`{url}` in `urls` of `anode.toml` is this machine: one that boots the medium would ask itself there"
                )),
                Ok(_) => {}
                Err(error) => refused.push(error.to_string()),
            }
        }
        ensure!(
            refused.is_empty(),
            "a medium can not use what `urls` in `[site]` of `anode.toml` says: {}; give it an `https` address",
            refused.join("; ")
        );
        let first = trusted.shipped_root(repository)?;
        let (shipped, snapshot, mut warnings) = current(&first, &urls, transport, now).context("asking the site")?;
        warnings.extend(trusted.warnings(now).into_iter().map(|(path, warning)| format!("`{path}`: {warning}")));
        let root = Root::parse(&shipped.root)?;
        warnings.extend(lost);
        warnings.extend(Expiry::of(&root, now).warning().filter(|_| trusted.root().version < root.version));
        Ok(Site {
            shipped,
            id: trusted.id().to_string(),
            title: trusted.config.title.clone(),
            urls,
            language: trusted.config.language.code().to_owned(),
            issued: snapshot.timestamp.issued,
            timestamp: snapshot.timestamp.version,
            release: snapshot.release,
            warnings,
        })
    }

    /// `medium.json`
    ///
    /// # Errors
    /// None that could be caused.
    pub fn description(&self, architecture: Architecture, consoles: &[String]) -> Result<Vec<u8>> {
        let description = Description {
            format: 1,
            site: &self.id,
            title: &self.title,
            urls: &self.urls,
            built: self.issued,
            language: &self.language,
            architecture: architecture.name(),
            consoles,
        };
        let mut text = serde_json::to_vec(&description)?;
        text.push(b'\n');
        Ok(text)
    }

    /// The root, its signatures and the floor by their names beside each other.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![("root.json".to_owned(), self.shipped.root.clone())];
        for (key, signature) in &self.shipped.signatures {
            files.push((format!("root.json.{key}.minisig"), signature.clone()));
        }
        files.extend(self.shipped.floor.clone().map(|floor| ("root.json.floor".to_owned(), floor)));
        files
    }
}

/// Walks from a root that is trusted to what is current: the newest root, and timestamp and release as the floor.
fn current(
    first: &Shipped,
    urls: &[String],
    transport: &mut dyn Transport,
    now: Moment,
) -> Result<(Shipped, Snapshot, Vec<String>)> {
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let mut state = Folder::new(folder.path());
    let mut warnings = Vec::new();
    let clock = Clock { rtc: now, build: None };
    let (root, snapshot) = {
        let mut observe = |event| {
            if let Event::Warning(warning) = event {
                warnings.push(warning);
            }
        };
        let mut sources = Sources { transport, state: Some(&mut state), cache: None };
        let mut client = sources.client(first, urls, clock, &mut observe)?;
        let snapshot = client.refresh()?;
        (client.root().clone(), snapshot)
    };
    let kept = state.list("current");
    let floor = kept.iter().find_map(|name| state.read(&format!("current/{name}"), PAIR_LIMIT));
    let floor = floor.context("the site's timestamp and release were not kept")?;
    let (body, signatures) = if root.version == Root::parse(&first.root)?.version {
        (first.root.clone(), first.signatures.clone())
    } else {
        let body = state.read(&tree::root(root.version), ROOT_LIMIT).context("the site's newest root was not kept")?;
        let mut signatures: BTreeMap<KeyId, Vec<u8>> = BTreeMap::new();
        for listed in &root.roles.root.keys {
            let name = tree::root_signature(root.version, listed.id);
            signatures.extend(state.read(&name, signature::LIMIT).map(|file| (listed.id, file)));
        }
        (body, signatures)
    };
    let shipped = Shipped { root: body, signatures, floor: Some(floor) };
    begins(&shipped, clock)?;
    Ok((shipped, snapshot, warnings))
}

/// The medium begins with this: its own code has to take it, before anybody is asked.
fn begins(shipped: &Shipped, clock: Clock) -> Result<()> {
    let setup = Setup {
        shipped_root: &shipped.root,
        shipped_signatures: shipped.signatures.clone(),
        floor: shipped.floor.as_deref(),
        mirrors: Vec::new(),
        clock,
    };
    let mut nobody = Nobody;
    let mut ignore = |_| {};
    Client::new(setup, &mut nobody, None, None, &mut ignore).map(|_| ()).context("beginning with the medium's own root")
}

/// A network without anybody.
struct Nobody;

impl Transport for Nobody {
    fn get(
        &mut self,
        request: &anode_bundle::client::Request<'_>,
    ) -> Result<Vec<u8>, anode_bundle::client::FetchError> {
        Err(anode_bundle::client::FetchError::Unreachable(format!("`{}` is not asked for", request.path)))
    }
}
