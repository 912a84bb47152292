//! Every secret value that a site has.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use anode_bundle::keyed::extract;
use anode_bundle::name::Id;
use anode_bundle::seal::SealRoot;
use anyhow::{Context as _, Result};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use super::{Canary, Home, SHORTEST};
use crate::keys::{KeyRing, SecretName, Signer};
use crate::repository::{CodeTerms, Repository, Settings, Value};
use crate::{secrets, trusted};

/// What is looked for.
pub struct SiteSecrets {
    /// The values.
    pub canaries: Vec<Canary>,
    /// Secrets of `anode.toml` that can not be looked for, each with the reason.
    pub missing: Vec<String>,
}

/// Collects the secrets of a site, as far as they are within reach: those of the key folder, of the environment and of the command line, what is
/// derived from them, and what the repository holds and the tree must not.
///
/// # Errors
/// If a secret that is there can be read by others, or is not what it should be.
pub fn site_secrets(folder: &Path, repository: &Repository, ring: &KeyRing) -> Result<SiteSecrets> {
    let mut canaries = Canaries(Vec::new());
    for (word, name) in SecretName::GIVEN {
        if ring.has(name) {
            canaries.text(&format!("the secret `{word}`"), &ring.text(name)?, ring);
        }
    }
    canaries.key_folder(ring)?;
    let salt = trusted::seal_salt(folder)?;
    canaries.repository("the seal salt", &salt);
    let probe = trusted::probe_terms(folder)?;
    for terms in repository.codes.iter().chain([&probe]) {
        canaries.terms(terms);
    }
    if ring.has(SecretName::Seal) {
        let secret = ring.seal_secret()?;
        canaries.owner("the seal secret", secret.as_slice());
        canaries
            .owner("the key that is made of seal secret and seal salt", extract(&salt, secret.as_slice()).as_slice());
        canaries.pack_keys(repository, &SealRoot::new(&salt, &secret), &probe);
    }
    canaries.settings("`anode.toml`", &repository.site.variables);
    for organisation in &repository.organisations {
        canaries.settings(&format!("the organisation `{}`", organisation.id), &organisation.variables);
    }
    for profile in &repository.profiles {
        canaries.settings(&format!("the profile `{}`", profile.id), &profile.variables);
    }
    for base in &repository.bases {
        canaries.settings(&format!("the profile `{}`", base.id), &base.variables);
    }
    let (values, missing) = secrets::within_reach(repository, ring);
    let mut missing: Vec<String> = missing.iter().map(|(name, reason)| format!("`{name}`: {reason}")).collect();
    for (name, value) in &values {
        if value.text().len() < SHORTEST {
            missing.push(format!("`{name}`: shorter than {SHORTEST} bytes, it would be found everywhere"));
        }
        canaries.named(&format!("the secret `{name}`"), value.text());
    }
    Ok(SiteSecrets { canaries: canaries.0, missing })
}

struct Canaries(Vec<Canary>);

impl Canaries {
    fn owner(&mut self, name: &str, value: &[u8]) {
        self.0.extend(Canary::new(name, Home::Owner, value));
    }

    fn repository(&mut self, name: &str, value: &[u8]) {
        self.0.extend(Canary::new(name, Home::Repository, value));
    }

    /// A secret as its file holds it: a minisign key, 64 hexadecimal digits, a code, or a password.
    fn text(&mut self, name: &str, text: &str, ring: &KeyRing) {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match lines.as_slice() {
            [comment, key] if comment.starts_with("untrusted comment:") => {
                self.owner(&format!("{name} as in its file"), key.as_bytes());
                if let Ok(bytes) = BASE64.decode(key.as_bytes()).map(Zeroizing::new) {
                    self.owner(&format!("{name} as in its file"), &bytes);
                }
                // A password that only a person has is not asked for here: the file is what could leak then.
                let known = || ring.known_password().context("nobody asks for a password here");
                if let Ok(signer) = Signer::read(text, &mut { known }) {
                    signer.secrets().iter().for_each(|secret| self.owner(name, secret.as_slice()));
                }
            }
            [line, ..] => {
                if let Ok(bytes) = HEXLOWER_PERMISSIVE.decode(line.as_bytes()).map(Zeroizing::new) {
                    return self.owner(name, &bytes);
                }
                let plain = Zeroizing::new(line.replace('-', ""));
                for text in [*line, plain.as_str()] {
                    self.owner(name, text.as_bytes());
                    self.owner(name, Zeroizing::new(text.to_lowercase()).as_bytes());
                }
            }
            [] => {}
        }
    }

    /// A secret of `anode.toml`; each line of a long one too, for formats write line ends in their own ways.
    fn named(&mut self, name: &str, text: &str) {
        self.owner(name, text.as_bytes());
        // The same in every key of OpenSSH.
        let is_frame = |line: &str| line.starts_with("-----") || line.starts_with("b3BlbnNzaC1rZXktdjEA");
        for line in text.lines().filter(|line| line.len() >= 2 * SHORTEST && line.len() < text.len() && !is_frame(line))
        {
            self.owner(name, line.as_bytes());
        }
    }

    /// Everything in the folder that its owner alone can read is a secret, whatever it is called.
    fn key_folder(&mut self, ring: &KeyRing) -> Result<()> {
        let entries = match fs::read_dir(ring.folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.with_context(|| format!("reading `{}`", ring.folder().display()))?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".ssh")
                && let Ok(text) = crate::keys::read_secret_file(&entry.path())
            {
                self.named(&format!("the secret `{name}`"), &text);
            }
            let is_secret = [".key", ".secret", ".code"].iter().any(|end| name.ends_with(end));
            if !is_secret || !fs::metadata(entry.path()).is_ok_and(|found| found.is_file()) {
                continue;
            }
            match crate::keys::read_secret_file(&entry.path()) {
                Ok(text) => self.text(&format!("the secret `{name}`"), &text, ring),
                // Another user's: whoever publishes can not have put it anywhere.
                Err(error) if is_denied(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn terms(&mut self, terms: &CodeTerms) {
        let code = format!("the code `{}/{}`", terms.organisation, terms.label);
        self.repository(&format!("the claim key of {code}"), terms.claim_key.as_slice());
        self.repository(&format!("the public key of {code}"), terms.public_key.as_bytes());
        for (name, answer) in terms.answers.iter().filter(|(_, answer)| is_crypt_hash(answer)) {
            self.repository(&format!("the answer `{name}` of {code}"), answer.as_bytes());
        }
    }

    fn pack_keys(&mut self, repository: &Repository, seal: &SealRoot, probe: &CodeTerms) {
        let offers = |terms: &CodeTerms| {
            let organisation = terms.organisation.clone();
            let packs = terms
                .profiles
                .iter()
                .flat_map(move |profile| [(profile.clone(), None), (profile.clone(), Some(organisation.clone()))]);
            packs.collect::<Vec<(Id, Option<Id>)>>()
        };
        let packs: BTreeSet<_> = repository.codes.iter().chain([probe]).flat_map(offers).collect();
        for (profile, organisation) in packs {
            let generation = repository.generations.of(&profile, organisation.as_ref());
            let key = seal.pack_key(&profile, organisation.as_ref(), generation);
            let owner = organisation.map(|id| format!(" for `{id}`")).unwrap_or_default();
            self.owner(&format!("the key of the pack of `{profile}`{owner}"), key.as_slice());
        }
    }

    fn settings(&mut self, place: &str, settings: &Settings) {
        for (name, setting) in settings {
            self.value(&format!("the variable `{name}` of {place}"), &setting.value);
        }
    }

    fn value(&mut self, name: &str, value: &Value) {
        match value {
            Value::Text(text) if is_crypt_hash(text) => self.repository(name, text.as_bytes()),
            Value::List(values) => values.iter().for_each(|value| self.value(name, value)),
            Value::Map(values) => values.values().for_each(|value| self.value(name, value)),
            Value::Text(_) | Value::Number(_) | Value::Switch(_) | Value::Secret(_) => {}
        }
    }
}

/// `$6$…`, `$y$…`: the secrets that a repository may hold in clear.
/// Does it look like the hash of a password?
#[must_use]
pub fn is_crypt_hash(text: &str) -> bool {
    text.len() >= 20 && text.strip_prefix('$').is_some_and(|rest| rest.find('$').is_some_and(|end| end <= 8))
}

fn is_denied(error: &anyhow::Error) -> bool {
    let denied = |cause: &io::Error| cause.kind() == io::ErrorKind::PermissionDenied;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(denied))
}
