//! A site as its operator's commands need it: what `anode.toml` says, and the verified root chain beside it.

use std::fs;
use std::path::{Path, PathBuf};

use anode_bundle::Moment;
use anode_bundle::document::Root;
use anode_bundle::name::{Id, SiteId, tree};
use anode_bundle::seal::SealRoot;
use anode_fetch::activate::Shipped;
use anyhow::{Context as _, Result, anyhow, ensure};
use data_encoding::HEXLOWER;

use crate::clock;
use crate::diagnose::{Faulty, Problem, Problems};
use crate::documents::Days;
use crate::expiry::Expiry;
use crate::keys::{KeyRing, PublicKeys, RootChain, SecretName, Signer};
use crate::repository::{self, CodeTerms, Repository, Site};

/// The other half of what seals, in the repository.
pub const SEAL_SALT: &str = "keys/seal.salt";
/// The terms of the probe code, in the repository.
pub const PROBE_TERMS: &str = "keys/probe.toml";

/// A site whose root chain verifies.
pub struct TrustedSite {
    /// What `anode.toml` says.
    pub config: Site,
    /// The root chain.
    pub chain: RootChain,
    /// The names of keys.
    pub keys: PublicKeys,
}

impl TrustedSite {
    /// Reads `anode.toml` and walks `keys/root/`.
    ///
    /// # Errors
    /// If either is missing or wrong, or they belong to different sites.
    pub fn open(repository: &Path) -> Result<TrustedSite> {
        let config = repository::load_site(repository).map_err(Faulty)?;
        TrustedSite::with_config(repository, config)
    }

    /// Walks `keys/root/` for a site whose `anode.toml` was read already.
    ///
    /// # Errors
    /// If the chain is missing or wrong, or belongs to another site.
    pub fn with_config(repository: &Path, config: Site) -> Result<TrustedSite> {
        let chain = RootChain::load(&repository.join("keys"), clock::now())?;
        ensure!(
            chain.root().site == config.id,
            "`keys/root/` belongs to the site {}, and `anode.toml` says {}: one of them was copied from another repository",
            chain.root().site,
            config.id
        );
        Ok(TrustedSite { config, chain, keys: PublicKeys::load(repository)? })
    }

    /// The site's id.
    #[must_use]
    pub fn id(&self) -> &SiteId {
        &self.config.id
    }

    /// The newest root.
    #[must_use]
    pub fn root(&self) -> &Root {
        self.chain.root()
    }

    /// The key that signs releases or timestamps now. After a rotation that is the file named like the key that the newest root lists.
    ///
    /// # Errors
    /// If it is missing or can not be read.
    pub fn signer(&self, ring: &KeyRing, name: SecretName) -> Result<Signer> {
        let role = match name {
            SecretName::Release => &self.root().roles.release,
            SecretName::Timestamp => &self.root().roles.timestamp,
            _ => return ring.signer(name),
        };
        let files = role.keys.iter().filter_map(|listed| self.keys.name_of(listed)).map(|key| format!("{key}.key"));
        let there = files.map(PathBuf::from).find(|file| ring.folder().join(file).exists());
        match there.filter(|_| !ring.is_elsewhere(name)) {
            Some(file) => ring.signer_in(&file),
            None => ring.signer(name),
        }
    }

    /// What somebody has to do about the root chain, and the file that it is about: the newest root ends soon, or the next one waits.
    #[must_use]
    pub fn warnings(&self, now: Moment) -> Vec<(String, String)> {
        let root = self.root();
        let end =
            Expiry::of(root, now).warning().map(|warning| (format!("keys/{}", tree::root(root.version)), warning));
        let proposal = self.chain.proposal.as_ref();
        let waits = proposal.map(|proposal| (format!("keys/{}", proposal.path()), proposal.waits_for(&self.keys)));
        end.into_iter().chain(waits).collect()
    }

    /// How long documents live.
    #[must_use]
    pub fn days(&self) -> Days {
        let lifetimes = self.config.lifetimes;
        Days { release: lifetimes.release, timestamp: lifetimes.timestamp, offline: lifetimes.offline }
    }

    /// The first root, as it lies on a medium.
    ///
    /// # Errors
    /// If it can not be read.
    pub fn shipped_root(&self, repository: &Path) -> Result<Shipped> {
        Ok(Shipped::read(&repository.join("keys").join(tree::root(1)))?)
    }
}

/// The seal keys from their two halves.
///
/// # Errors
/// If either half is missing or not 64 hex digits.
pub fn seal_root(repository: &Path, ring: &KeyRing) -> Result<SealRoot> {
    Ok(SealRoot::new(&seal_salt(repository)?, &ring.seal_secret()?))
}

/// The half of what seals that lies in the repository.
///
/// # Errors
/// If it is missing or not 64 hex digits.
pub fn seal_salt(repository: &Path) -> Result<[u8; 32]> {
    let path = repository.join(SEAL_SALT);
    let text = fs::read_to_string(&path).with_context(|| format!("reading the seal salt `{}`", path.display()))?;
    let bytes = HEXLOWER.decode(text.trim().as_bytes()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.with_context(|| format!("`{}` is not 64 hex digits", path.display()))
}

/// The terms of the probe code.
///
/// # Errors
/// If they are missing or wrong.
pub fn probe_terms(repository: &Path) -> Result<CodeTerms> {
    let id = Id::new("probe").map_err(|bad| anyhow!(bad))?;
    Ok(repository::load_terms(repository, PROBE_TERMS, &id, &id).map_err(Faulty)?)
}

/// Walks the root chain and compares what the repository wants with what the root allows.
#[must_use]
pub fn check_keys(folder: &Path, repository: &Repository) -> Problems {
    match TrustedSite::with_config(folder, repository.site.clone()) {
        Ok(site) => check_policy(&site, folder, repository, clock::now()),
        Err(error) => {
            let problem = Problem::error("keys/root", format!("{error:#}"));
            problem.help("repair what is named, or take `keys/root` back from git").into()
        }
    }
}

/// Compares what the repository wants at `now` with what its root allows: the root is signed, so it wins.
#[must_use]
pub fn check_policy(site: &TrustedSite, folder: &Path, repository: &Repository, now: Moment) -> Problems {
    let mut problems = Problems::new();
    let root = site.root();
    for (path, warning) in site.warnings(now) {
        problems.push(Problem::warning(&path, warning));
    }
    for (path, problem) in &site.keys.unreadable {
        problems.push(Problem::warning(path, problem.clone()).help("repair or remove it"));
    }
    let (policy, wanted) = (&root.policy, &repository.site.codes);
    let differs =
        policy.phrases != wanted.phrases || policy.hardware != wanted.hardware || policy.code_length != wanted.length;
    if differs {
        let problem =
            Problem::at(&repository.site.origin, "`[codes]` differs from the policy of the signed root, which decides");
        problems.push(problem.as_warning().help("write what the root says, or make a new root"));
    }
    if !folder.join(SEAL_SALT).exists() {
        let help = "it lies in the repository since `anode init`; without it no earlier activation opens";
        problems.push(Problem::error(SEAL_SALT, "the seal salt is missing").help(help));
    }
    for terms in &repository.codes {
        if let Some(profile) = repository.too_secret(terms.kind, &terms.organisation, &terms.profiles) {
            let message = format!("offers the profile `{}`, which holds secrets (crypt hashes)", profile.id);
            problems.push(Problem::error(&terms.path(), message).help(terms.kind.secrets_remedy()));
        }
    }
    let known = |terms: &CodeTerms| policy.kdf.iter().any(|kdf| kdf.id == terms.kdf);
    for terms in repository.codes.iter().filter(|terms| !known(terms)) {
        let problem = Problem::error(
            &terms.path(),
            format!("was made with the key derivation `{}`, which the root does not list", terms.kdf),
        );
        problems.push(problem.nearest(terms.kdf.as_str(), policy.kdf.iter().map(|kdf| kdf.id.as_str())));
    }
    problems
}
