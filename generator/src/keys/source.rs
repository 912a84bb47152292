//! Where a secret can come from: a file descriptor, a file, or an environment variable. Never an argument, which every process of the machine can
//! read and every shell remembers.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anode_bundle::name::Id;
use anyhow::{Context as _, Result, ensure};
use zeroize::Zeroizing;

use super::SecretName;

/// No key, code or password comes near this size.
const LIMIT: u64 = 64 << 10;

/// Where one secret comes from: `fd:N`, `file:PATH` or `env:VARIABLE`. Not printable.
#[derive(Clone)]
pub struct SecretSource(Source);

#[derive(Clone)]
enum Source {
    /// Read when the command line was: a descriptor can be read once, and may be anything as soon as this program opens files itself.
    Descriptor(Arc<Zeroizing<String>>),
    File(PathBuf),
    Variable(String),
}

impl SecretSource {
    /// Reads the text of an option, and the descriptor if it names one.
    ///
    /// # Errors
    /// If it has another form: a secret itself is refused without being repeated.
    pub fn parse(text: &str) -> Result<SecretSource, String> {
        let source = match text.split_once(':') {
            Some(("fd", number)) => {
                let number = number.parse().map_err(|_| "needs the number of an open descriptor behind `fd:`")?;
                let text = read_descriptor(number).map_err(|error| format!("{error:#}"))?;
                Source::Descriptor(Arc::new(text))
            }
            Some(("file", path)) if !path.is_empty() => Source::File(PathBuf::from(path)),
            Some(("env", variable)) if !variable.is_empty() => Source::Variable(variable.to_owned()),
            _ => return Err("must be fd:N, file:PATH or env:VARIABLE; a secret is never an argument".to_owned()),
        };
        Ok(SecretSource(source))
    }

    /// The secret.
    ///
    /// # Errors
    /// If the file can not be read or can be read by others, or the variable is not set.
    pub fn read(&self) -> Result<Zeroizing<String>> {
        match &self.0 {
            Source::Descriptor(text) => Ok(Zeroizing::clone(text)),
            Source::File(path) => read_file(path),
            Source::Variable(variable) => {
                read_variable(variable).with_context(|| format!("the environment has no variable {variable}"))
            }
        }
    }
}

/// Which secret `--secret` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenName {
    /// One that every site has.
    Site(SecretName),
    /// One that `anode.toml` would have to define; it may also be a secret that somebody typed in the wrong place.
    Defined(Id),
}

/// A secret on the command line: NAME=SOURCE. Not printable.
#[derive(Clone)]
pub struct GivenSecret {
    name: GivenName,
    source: SecretSource,
}

impl GivenSecret {
    /// Reads the option's value, and the descriptor if it names one.
    ///
    /// # Errors
    /// As [`SecretSource::parse`].
    pub fn parse(text: &str) -> Result<GivenSecret, String> {
        let (name, source) = text
            .split_once('=')
            .ok_or("must be NAME=fd:N, NAME=file:PATH or NAME=env:VARIABLE; a secret is never an argument")?;
        let name = match (SecretName::given(name), Id::new(name)) {
            (Some(name), _) => GivenName::Site(name),
            (None, Ok(name)) => GivenName::Defined(name),
            (None, Err(_)) => return Err(wrong_name(&[])),
        };
        Ok(GivenSecret { name, source: SecretSource::parse(source)? })
    }

    /// Which secret.
    #[must_use]
    pub fn name(&self) -> &GivenName {
        &self.name
    }

    /// Refuses a name that is neither the site's nor one of `defined`.
    ///
    /// # Errors
    /// Naming the known ones, and not repeating what was given.
    pub fn check_name(&self, defined: &[&str]) -> Result<(), String> {
        match &self.name {
            GivenName::Defined(name) if !defined.contains(&name.as_str()) => Err(wrong_name(defined)),
            _ => Ok(()),
        }
    }

    /// The secret.
    ///
    /// # Errors
    /// As [`SecretSource::read`].
    pub fn read(&self) -> Result<Zeroizing<String>> {
        self.source.read()
    }
}

fn wrong_name(defined: &[&str]) -> String {
    let names: Vec<&str> = SecretName::GIVEN.iter().map(|(word, _)| *word).chain(defined.iter().copied()).collect();
    format!("must begin with the name of a secret: {}", names.join(", "))
}

/// A secret in a file that only its owner can read.
///
/// # Errors
/// If it can not be read, can be read by others, or is no text of the size of a secret.
pub fn read_file(path: &Path) -> Result<Zeroizing<String>> {
    let reading = || format!("reading `{}`", path.display());
    let file = File::open(path).with_context(reading)?;
    let metadata = file.metadata().with_context(reading)?;
    ensure!(metadata.is_file(), "`{}` is not a file", path.display());
    check_mode(path, &metadata)?;
    read_limited(file).with_context(reading)
}

/// The value of a variable that is set and not empty.
pub fn read_variable(name: impl AsRef<OsStr>) -> Option<Zeroizing<String>> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(Zeroizing::new)
}

fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<()> {
    ensure!(
        metadata.permissions().mode() & 0o077 == 0,
        "`{}` can be read by others; run `chmod 600 {}`",
        path.display(),
        path.display()
    );
    Ok(())
}

/// Reads a descriptor that this program was started with, and closes it: no child process inherits it.
fn read_descriptor(number: RawFd) -> Result<Zeroizing<String>> {
    let reading = || format!("reading the descriptor {number}");
    ensure!(number != 1 && number != 2, "names the descriptor {number}, which is for what this program says");
    ensure!(number >= 0, "names a negative descriptor");
    fs::symlink_metadata(format!("/proc/self/fd/{number}"))
        .with_context(|| format!("names the descriptor {number}, which is not open"))?;
    #[allow(unsafe_code, reason = "the standard library can adopt a descriptor by its number only here")]
    // SAFETY: the descriptor is open, was inherited from whoever started this program, and nothing in it owns a descriptor yet that is not one of
    // the standard ones: the command line is read first. Naming it twice finds it closed.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    read_limited(File::from(descriptor)).with_context(reading)
}

fn read_limited(from: impl Read) -> Result<Zeroizing<String>> {
    // As large as it can get, so that no copy is left behind where it grew.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LIMIT)? + 1));
    from.take(LIMIT + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= LIMIT, "it is longer than {LIMIT} bytes, and no secret is");
    let text =
        std::str::from_utf8(&bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::IntoRawFd as _;

    fn refusal(text: &str) -> String {
        GivenSecret::parse(text).err().unwrap_or_else(|| panic!("`{text}` was accepted"))
    }

    #[test]
    fn a_secret_itself_is_refused_and_not_repeated() {
        for text in ["release=RWQAAEIyAAAA", "RWQAAEIyAAAA", "seal=fd:RWQAAEIyAAAA", "RWQAAEIyAAAA=env:X"] {
            assert!(!refusal(text).contains("RWQAAE"), "{}", refusal(text));
        }
        assert!(refusal("release=RWQ").contains("never an argument"));
        let misspelt = GivenSecret::parse("relaese=env:X").unwrap();
        assert!(misspelt.check_name(&["wifi"]).unwrap_err().ends_with("inbox, password, wifi"));
        assert!(GivenSecret::parse("wifi=env:X").unwrap().check_name(&["wifi"]).is_ok());
        for text in ["seal=fd:1", "seal=fd:2", "seal=fd:-1", "seal=fd:987654", "seal=file:", "seal=env:", "seal=fd:"] {
            refusal(text);
        }
    }

    #[test]
    fn a_descriptor_is_read_once_and_closed() {
        let (reader, mut writer) = io::pipe().unwrap();
        io::Write::write_all(&mut writer, b"secret\n").unwrap();
        drop(writer);
        let number = OwnedFd::from(reader).into_raw_fd();
        let given = GivenSecret::parse(&format!("seal=fd:{number}")).unwrap();
        assert_eq!(*given.name(), GivenName::Site(SecretName::Seal));
        assert_eq!(given.read().unwrap().as_str(), "secret\n");
        assert_eq!(given.read().unwrap().as_str(), "secret\n");
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_too_long_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal");
        let given = GivenSecret::parse(&format!("seal=file:{}", path.display())).unwrap();
        let refusal = || format!("{:#}", given.read().err().unwrap());
        assert!(refusal().contains("No such file"), "{}", refusal());
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(refusal().contains("chmod 600"), "{}", refusal());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(given.read().unwrap().as_str(), "x");
        fs::write(&path, vec![b'x'; 65_537]).unwrap();
        assert!(refusal().contains("longer than 65536 bytes"), "{}", refusal());
        let folder = GivenSecret::parse(&format!("seal=file:{}", folder.path().display())).unwrap();
        assert!(folder.read().is_err());
    }
}
