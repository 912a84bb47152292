//! Where the secrets of a site lie: a folder outside the repository, or environment variables in CI. Never an argument.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anode_bundle::name::SiteId;
use anyhow::{Context as _, Result, bail, ensure};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::signer::Signer;

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
}

impl SecretName {
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
        }
    }
}

/// The folder with a site's secrets.
pub struct KeyRing {
    folder: PathBuf,
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
        Ok(KeyRing { folder: std::path::absolute(folder)? })
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
        name.variable().is_some_and(|variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty()))
    }

    fn text(&self, name: SecretName) -> Result<Zeroizing<String>> {
        if let Some(value) =
            name.variable().and_then(|variable| std::env::var(variable).ok()).filter(|value| !value.is_empty())
        {
            return Ok(Zeroizing::new(value));
        }
        let path = self.folder.join(name.file_name());
        let remedy = match name.variable() {
            Some(variable) => format!("; give the folder with `--keys DIR` or the secret in {variable}"),
            None => "; give the folder with `--keys DIR`".to_owned(),
        };
        read_secret(&path, &remedy)
    }

    /// A signing key, decrypted.
    ///
    /// # Errors
    /// If it is missing, readable by others, no minisign key, or its password is wrong.
    pub fn signer(&self, name: SecretName) -> Result<Signer> {
        let text = self.text(name)?;
        let label = name.file_name();
        Signer::read(&text, &mut || password(&label)).with_context(|| format!("reading the key `{label}`"))
    }

    /// A signing key in a file of the folder, or anywhere if the path is absolute, decrypted.
    ///
    /// # Errors
    /// As [`KeyRing::signer`].
    pub fn signer_in(&self, file: &Path) -> Result<Signer> {
        let text = read_secret(&self.folder.join(file), "; give the folder with `--keys DIR`")?;
        let label = file.display().to_string();
        Signer::read(&text, &mut || password(&label)).with_context(|| format!("reading the key `{label}`"))
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

fn read_secret(path: &Path, remedy: &str) -> Result<Zeroizing<String>> {
    let metadata = fs::metadata(path).with_context(|| format!("reading `{}`{remedy}", path.display()))?;
    ensure!(
        metadata.permissions().mode() & 0o077 == 0,
        "`{}` can be read by others; run `chmod 600 {}`",
        path.display(),
        path.display()
    );
    fs::read_to_string(path).map(Zeroizing::new).with_context(|| format!("reading `{}`", path.display()))
}

/// The password of an encrypted key: from ANODE_KEY_PASSWORD, else from the terminal.
fn password(label: &str) -> Result<Zeroizing<String>> {
    if let Ok(value) = std::env::var("ANODE_KEY_PASSWORD") {
        return Ok(Zeroizing::new(value));
    }
    ensure!(
        std::io::stdin().is_terminal(),
        "the key `{label}` is encrypted; set ANODE_KEY_PASSWORD or run this on a terminal"
    );
    rpassword::prompt_password(format!("password of `{label}`: ")).map(Zeroizing::new).context("reading the password")
}
