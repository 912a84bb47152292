//! OpenPGP signatures, judged by `gpgv`: the program that distributions themselves verify with. Its words are read from its status lines, and never
//! from its messages; the keyring is the one that the definition names, and nothing else of this machine counts.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

const ARMOUR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// Where packages put keyrings.
const SYSTEM: &str = "/usr/share/keyrings";
const DISTRIBUTIONS: &str = "/usr/share/distribution-gpg-keys";
/// Where a repository has its own.
pub const VENDORS: &str = "keys/vendors";

/// A keyring in a folder of its own, binary.
#[derive(Debug)]
pub struct Keyring {
    name: String,
    folder: tempfile::TempDir,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Detached,
    Inline,
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The program is not installed.
    NoProgram,
    /// It is by a key that the keyring does not have.
    UnknownKey(String),
    /// It is wrong, or no signature.
    Wrong(String),
}

impl Keyring {
    /// Finds a keyring by name: the repository's own wins. `None` where nobody has it.
    ///
    /// # Errors
    /// If it is there and can not be read, or the name is no name.
    pub fn find(repository: &Path, name: &str) -> Result<Option<Keyring>> {
        let parts = name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-/".contains(&byte);
        ensure!(parts && name.bytes().all(plain), "`{name}` is not the name of a keyring");
        let places = [repository.join(VENDORS), PathBuf::from(SYSTEM), PathBuf::from(DISTRIBUTIONS)];
        for place in places {
            for ending in ["", ".gpg", ".asc", ".pgp"] {
                let path = place.join(format!("{name}{ending}"));
                if path.is_file() {
                    let bytes = fs::read(&path).with_context(|| format!("reading `{}`", path.display()))?;
                    return Keyring::new(name, &bytes)
                        .with_context(|| format!("reading the keyring `{}`", path.display()))
                        .map(Some);
                }
            }
        }
        Ok(None)
    }

    fn new(name: &str, bytes: &[u8]) -> Result<Keyring> {
        let folder = tempfile::tempdir().context("making a temporary folder")?;
        let bytes = match std::str::from_utf8(bytes) {
            Ok(text) if text.contains(ARMOUR) => without_armour(text)?,
            _ => bytes.to_vec(),
        };
        fs::write(folder.path().join("keyring"), bytes).context("writing a temporary file")?;
        Ok(Keyring { name: name.to_owned(), folder })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key that made a detached signature of a file.
    ///
    /// # Errors
    /// The outer one: the machine fails. The inner one: the signature does not count.
    pub fn detached(&self, signature: &[u8], file: &Path) -> Result<Result<String, Refused>> {
        let path = self.folder.path().join("signature");
        fs::write(&path, signature).context("writing a temporary file")?;
        self.run(Kind::Detached, &[path.as_os_str(), file.as_os_str()])
    }

    /// The text inside a clearsigned one, and the key that signed it.
    ///
    /// # Errors
    /// As [`Keyring::detached`].
    pub fn inline(&self, text: &[u8]) -> Result<Result<(String, Vec<u8>), Refused>> {
        let (path, inside) = (self.folder.path().join("clearsigned"), self.folder.path().join("inside"));
        fs::write(&path, text).context("writing a temporary file")?;
        let _ = fs::remove_file(&inside);
        let judged = self.run(Kind::Inline, &["--output".as_ref(), inside.as_os_str(), path.as_os_str()])?;
        match judged {
            Ok(key) => Ok(Ok((key, fs::read(&inside).context("reading what `gpgv` wrote")?))),
            Err(refused) => Ok(Err(refused)),
        }
    }

    fn run(&self, kind: Kind, arguments: &[&OsStr]) -> Result<Result<String, Refused>> {
        let output = Command::new("gpgv")
            .args(["--status-fd", "1", "--weak-digest", "SHA1", "--homedir"])
            .arg(self.folder.path())
            .arg("--keyring")
            .arg(self.folder.path().join("keyring"))
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output();
        let output = match output {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Refused::NoProgram)),
            other => other.context("running `gpgv`")?,
        };
        Ok(judge(&String::from_utf8_lossy(&output.stdout), kind))
    }
}

/// As apt does: one good signature is needed, none may be bad, and signatures by keys that nobody here knows, or that ended, are passed over.
fn judge(status: &str, kind: Kind) -> Result<String, Refused> {
    let (mut good, mut valid, mut unknown, mut ended) = (false, None, Vec::new(), None);
    let mut texts = 0;
    for line in status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")) {
        let mut words = line.split(' ');
        let (word, argument) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match word {
            "NEWSIG" => good = false,
            "GOODSIG" => good = true,
            "VALIDSIG" if good => valid = valid.or(Some(format!("0x{argument}"))),
            "NO_PUBKEY" => unknown.push(format!("0x{argument}")),
            "BADSIG" => {
                return Err(Refused::Wrong(format!("it is not the signature of these bytes (key 0x{argument})")));
            }
            "EXPKEYSIG" => ended = Some(format!("the key 0x{argument} expired")),
            "REVKEYSIG" => ended = Some(format!("the key 0x{argument} was revoked")),
            "EXPSIG" => ended = Some("the signature expired".to_owned()),
            "PLAINTEXT" => texts += 1,
            // A second text begins, of which nothing more is said.
            "ERROR" if argument == "proc_pkt.plaintext" => texts += 1,
            _ => {}
        }
    }
    // What carries its own text signs that text, and says nothing about the file beside it.
    if texts != usize::from(kind == Kind::Inline) {
        return Err(Refused::Wrong(match kind {
            Kind::Detached => "it is no detached signature: it signs another text".to_owned(),
            Kind::Inline => format!("there are {texts} texts in it, and not one"),
        }));
    }
    match (valid, ended, unknown.as_slice()) {
        (Some(key), _, _) => Ok(key),
        (None, Some(ended), _) => Err(Refused::Wrong(ended)),
        (None, None, []) => Err(Refused::Wrong("there is no OpenPGP signature in it that counts".to_owned())),
        (None, None, unknown) => Err(Refused::UnknownKey(unknown.join(", "))),
    }
}

/// RFC 9580, section 6.2: every block of keys in the text, one behind the other.
fn without_armour(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for block in text.split(ARMOUR).skip(1) {
        let block = block.split("-----END").next().unwrap_or_default();
        let lines = block.lines().skip(1).skip_while(|line| line.contains(':'));
        let encoded: String = lines.map(str::trim).take_while(|line| !line.starts_with('=')).collect();
        bytes.extend(data_encoding::BASE64.decode(encoded.as_bytes()).ok().context("its armour is damaged")?);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_good_signature_is_needed_and_none_may_be_bad() {
        let good = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG AB x\n[GNUPG:] VALIDSIG ABCD 2026-11-21 1\n";
        let expired = "[GNUPG:] NEWSIG\n[GNUPG:] EXPKEYSIG CD x\n[GNUPG:] VALIDSIG CDEF 2020-11-21 1\n";
        let unknown = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 12 1 10 00 1 9 12\n[GNUPG:] NO_PUBKEY 12\n";
        let bad = "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 34 somebody\n";
        let detached = |status: &str| judge(status, Kind::Detached);
        assert_eq!(detached(good), Ok("0xABCD".to_owned()));
        assert_eq!(detached(&format!("{unknown}{expired}{good}")), Ok("0xABCD".to_owned()));
        assert_eq!(detached(unknown), Err(Refused::UnknownKey("0x12".to_owned())));
        assert_eq!(detached(expired), Err(Refused::Wrong("the key 0xCD expired".to_owned())));
        assert_eq!(detached(&format!("{good}{expired}")), Ok("0xABCD".to_owned()));
        for status in ["", "gpgv: VALIDSIG ABCD", &format!("{good}{bad}"), "[GNUPG:] NODATA 4\n"] {
            assert!(matches!(detached(status), Err(Refused::Wrong(_))), "{status}");
        }
    }

    #[test]
    fn a_text_of_its_own_is_no_signature_of_the_file_beside_it_and_two_texts_are_not_one() {
        let text = "[GNUPG:] PLAINTEXT 74 0 \n";
        let good = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG AB x\n[GNUPG:] VALIDSIG ABCD 2026-11-21 1\n";
        assert!(judge(&format!("{text}{good}"), Kind::Inline).is_ok());
        for (status, kind) in [
            (format!("{text}{good}"), Kind::Detached),
            (good.to_owned(), Kind::Inline),
            (format!("{text}{text}{good}"), Kind::Inline),
        ] {
            assert!(matches!(judge(&status, kind), Err(Refused::Wrong(_))), "{status}");
        }
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for name in ["", "../x", "/etc/passwd", "a//b", "a b", "."] {
            assert!(Keyring::find(Path::new("/"), name).is_err(), "{name}");
        }
        assert!(Keyring::find(Path::new("/"), "no-such-keyring").unwrap().is_none());
    }
}
