//! Where the secrets of a site lie: a folder outside the repository, environment variables in CI, or wherever `--secret` says. Never an argument.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anode_bundle::name::SiteId;
use anyhow::{Context as _, Result, bail, ensure};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::signer::Signer;
use super::source::{GivenName, GivenSecret, read_file, read_variable};

/// The secrets of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretName {
    /// An offline root key, by number.
    Root(u8),
    /// Signs releases.
    Release,
    /// Signs timestamps.
    Timestamp,
    /// One half of what seals.
    Seal,
    /// The code with which `publish` activates.
    Probe,
    /// Opens reports.
    Inbox,
    /// Decrypts signing keys.
    Password,
}

impl SecretName {
    /// The secrets that `--secret` can name. Root keys are none of them: they stay in files, offline.
    pub const GIVEN: [(&'static str, SecretName); 6] = [
        ("release", Self::Release),
        ("timestamp", Self::Timestamp),
        ("seal", Self::Seal),
        ("probe", Self::Probe),
        ("inbox", Self::Inbox),
        ("password", Self::Password),
    ];

    /// The secret that `--secret` calls so.
    #[must_use]
    pub fn given(word: &str) -> Option<SecretName> {
        Self::GIVEN.iter().find(|(known, _)| *known == word).map(|(_, name)| *name)
    }

    /// The name of its file.
    #[must_use]
    pub fn file_name(self) -> String {
        match self {
            Self::Root(number) => format!("root-{number}.key"),
            Self::Release => "release.key".to_owned(),
            Self::Timestamp => "timestamp.key".to_owned(),
            Self::Seal => "seal.secret".to_owned(),
            Self::Probe => "probe.code".to_owned(),
            Self::Inbox => "inbox.key".to_owned(),
            Self::Password => "password".to_owned(),
        }
    }

    /// The environment variable that holds the secret in CI. Root keys have none: they do not belong there.
    fn variable(self) -> Option<&'static str> {
        match self {
            Self::Root(_) | Self::Inbox => None,
            Self::Release => Some("ANODE_RELEASE_KEY"),
            Self::Timestamp => Some("ANODE_TIMESTAMP_KEY"),
            Self::Seal => Some("ANODE_SEAL_SECRET"),
            Self::Probe => Some("ANODE_PROBE_CODE"),
            Self::Password => Some("ANODE_KEY_PASSWORD"),
        }
    }
}

/// The folder with a site's secrets.
pub struct KeyRing {
    folder: PathBuf,
    given: Vec<GivenSecret>,
}

impl KeyRing {
    /// The given folder, or `$ANODE_KEYS`, or `~/.config/anode/<site id>`.
    ///
    /// # Errors
    /// If none is given and there is no home folder.
    pub fn open(folder: Option<&Path>, site: &SiteId) -> Result<KeyRing> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = folder.map(Path::to_owned).or_else(|| variable("ANODE_KEYS")).or_else(|| {
            let config = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")))?;
            Some(config.join("anode").join(site.as_str()))
        });
        let folder = folder.context("finding the keys: give `--keys DIR` or set ANODE_KEYS")?;
        Ok(KeyRing { folder: std::path::absolute(folder)?, given: Vec::new() })
    }

    /// The same, with what `--secret` gives before everything else.
    #[must_use]
    pub fn with(self, given: Vec<GivenSecret>) -> KeyRing {
        KeyRing { given, ..self }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a new secret with mode 0600. Never overwrites.
    ///
    /// # Errors
    /// If it is there already or the folder can not be written.
    pub fn create(&self, name: SecretName, text: &str) -> Result<PathBuf> {
        self.create_file(&name.file_name(), text)
    }

    /// Writes a new secret under a file name of its own with mode 0600. Never overwrites.
    ///
    /// # Errors
    /// If it is there already or the folder can not be written.
    pub fn create_file(&self, file: &str, text: &str) -> Result<PathBuf> {
        fs::create_dir_all(&self.folder).with_context(|| format!("creating `{}`", self.folder.display()))?;
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))?;
        let path = self.folder.join(file);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("creating `{}` (a secret is never overwritten)", path.display()))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("writing `{}`", path.display()))?;
        Ok(path)
    }

    /// Is the secret there?
    #[must_use]
    pub fn has(&self, name: SecretName) -> bool {
        self.is_elsewhere(name) || self.folder.join(name.file_name()).exists()
    }

    /// Does it come from somewhere else than the folder?
    #[must_use]
    pub fn is_elsewhere(&self, name: SecretName) -> bool {
        let in_environment =
            name.variable().is_some_and(|variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty()));
        in_environment || self.given.iter().any(|given| *given.name() == GivenName::Site(name))
    }

    /// The text of a secret.
    ///
    /// # Errors
    /// If it is nowhere, or can be read by others.
    pub fn text(&self, name: SecretName) -> Result<Zeroizing<String>> {
        if let Some(given) = self.given.iter().rev().find(|given| *given.name() == GivenName::Site(name)) {
            return given.read();
        }
        if let Some(value) = name.variable().and_then(read_variable) {
            return Ok(value);
        }
        read_file(&self.folder.join(name.file_name())).with_context(|| {
            let word = SecretName::GIVEN.iter().find(|(_, known)| *known == name).map(|(word, _)| *word);
            match word.zip(name.variable()) {
                Some((word, variable)) => format!(
                    "looking for the secret `{word}`, which comes from the folder `--keys DIR`, the variable {variable}, or where `--secret {word}=…` says"
                ),
                None => "looking in the folder of the secrets; give it with `--keys DIR`".to_owned(),
            }
        })
    }

    /// A secret that `anode.toml` defines, where `--secret` gives it.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Result<Zeroizing<String>>> {
        let is_it = |given: &&GivenSecret| matches!(given.name(), GivenName::Defined(known) if known.as_str() == name);
        self.given.iter().rev().find(is_it).map(GivenSecret::read)
    }

    /// The password of encrypted keys, where nobody has to be asked for it.
    #[must_use]
    pub fn known_password(&self) -> Option<Zeroizing<String>> {
        let name = SecretName::Password;
        let is_known = self.given.iter().any(|given| *given.name() == GivenName::Site(name))
            || name.variable().and_then(read_variable).is_some();
        let text = is_known.then(|| self.text(name).ok()).flatten()?;
        Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
    }

    /// The password of an encrypted key: given or from the environment, else from the terminal.
    fn password(&self, label: &str) -> Result<Zeroizing<String>> {
        if let Some(password) = self.known_password() {
            return Ok(password);
        }
        ensure!(
            std::io::stdin().is_terminal(),
            "the key `{label}` is encrypted; say with `--secret password=…` or ANODE_KEY_PASSWORD where its password is, or run this on a terminal"
        );
        rpassword::prompt_password(format!("password of `{label}`: "))
            .map(Zeroizing::new)
            .context("reading the password")
    }

    /// A signing key, decrypted.
    ///
    /// # Errors
    /// If it is missing, readable by others, no minisign key, or its password is wrong.
    pub fn signer(&self, name: SecretName) -> Result<Signer> {
        let text = self.text(name)?;
        let label = name.file_name();
        Signer::read(&text, &mut || self.password(&label)).with_context(|| format!("reading the key `{label}`"))
    }

    /// A signing key in a file of the folder, or anywhere if the path is absolute, decrypted.
    ///
    /// # Errors
    /// As [`KeyRing::signer`].
    pub fn signer_in(&self, file: &Path) -> Result<Signer> {
        let text =
            read_file(&self.folder.join(file)).context("looking for a key; give its folder with `--keys DIR`")?;
        let label = file.display().to_string();
        Signer::read(&text, &mut || self.password(&label)).with_context(|| format!("reading the key `{label}`"))
    }

    /// The seal secret.
    ///
    /// # Errors
    /// If it is missing or not 64 hex digits.
    pub fn seal_secret(&self) -> Result<Zeroizing<[u8; 32]>> {
        let text = self.text(SecretName::Seal)?;
        let bytes = HEXLOWER.decode(text.trim().as_bytes()).map(Zeroizing::new).ok();
        match bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok()) {
            Some(bytes) => Ok(Zeroizing::new(bytes)),
            None => bail!("the seal secret is not 64 hex digits"),
        }
    }

    /// The probe code.
    ///
    /// # Errors
    /// If it is missing or not a code.
    pub fn probe(&self) -> Result<anode_bundle::code::Secret> {
        let text = self.text(SecretName::Probe)?;
        anode_bundle::code::Secret::parse(&text).map_err(|problem| anyhow::anyhow!("the probe code {problem}"))
    }
}
