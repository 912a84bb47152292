//! SSH key pairs for deploy keys: Ed25519, in the files of OpenSSH. The secret goes to the key folder and never into the repository.
//!
//! The format is `PROTOCOL.key` of OpenSSH, unencrypted: whoever builds has to read it without being asked.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anode_bundle::name::Id;
use anyhow::{Context as _, Result, ensure};
use data_encoding::BASE64;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::making::check_place;
use super::{KeyRing, random};

const KIND: &[u8] = b"ssh-ed25519";
/// OpenSSH writes lines of this length.
const WIDTH: usize = 70;

/// A key pair that was made and lies nowhere yet. Not printable.
pub struct SshKey {
    secret: Zeroizing<String>,
    /// The line for the host that the key opens.
    pub public: String,
}

impl SshKey {
    /// Makes a key pair; `comment` says whose it is.
    ///
    /// # Errors
    /// If no randomness can be had, or the comment is more than a few plain words.
    pub fn make(comment: &str) -> Result<SshKey> {
        let plain = comment.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        ensure!(plain && comment.trim() == comment && comment.len() <= 100, "a comment is up to 100 ASCII characters");
        let (seed, check) = (random::<32>()?, random::<4>()?);
        Ok(SshKey::of(&seed, *check, comment))
    }

    fn of(seed: &[u8; 32], check: [u8; 4], comment: &str) -> SshKey {
        let key = SigningKey::from_bytes(seed);
        let public_half = key.verifying_key().to_bytes();
        let mut blob = Vec::new();
        string(&mut blob, KIND);
        string(&mut blob, &public_half);

        let mut inner = Zeroizing::new(Vec::with_capacity(512));
        inner.extend_from_slice(&check);
        inner.extend_from_slice(&check);
        inner.extend_from_slice(&blob);
        string(&mut inner, Zeroizing::new([&seed[..], &public_half].concat()).as_slice());
        string(&mut inner, comment.as_bytes());
        // To the block size of no cipher at all, counted from 1.
        let padding = (1..=8).take(inner.len().next_multiple_of(8) - inner.len());
        inner.extend(padding);

        let mut whole = Zeroizing::new(Vec::with_capacity(1024));
        whole.extend_from_slice(b"openssh-key-v1\0");
        for word in [&b"none"[..], b"none", b""] {
            string(&mut whole, word);
        }
        whole.extend_from_slice(&1_u32.to_be_bytes());
        string(&mut whole, &blob);
        string(&mut whole, &inner);

        let text = Zeroizing::new(BASE64.encode(&whole));
        let mut secret = Zeroizing::new(String::with_capacity(text.len() + 128));
        secret.push_str("-----BEGIN OPENSSH PRIVATE KEY-----\n");
        for line in text.as_bytes().chunks(WIDTH) {
            secret.extend(line.iter().map(|byte| char::from(*byte)));
            secret.push('\n');
        }
        secret.push_str("-----END OPENSSH PRIVATE KEY-----\n");
        let public = format!("ssh-ed25519 {} {comment}", BASE64.encode(&blob));
        SshKey { secret, public: public.trim_end().to_owned() }
    }

    /// Writes both halves to the key folder; the path of the secret one.
    ///
    /// # Errors
    /// If either is there already, or the key folder lies in the repository.
    pub fn keep(&self, name: &Id, ring: &KeyRing, repository: &Path) -> Result<PathBuf> {
        check_place(ring, repository)?;
        let public = ring.folder().join(format!("{name}.ssh.pub"));
        ensure!(
            !public.exists(),
            "`{}` is there already; a key is never overwritten, choose another name",
            public.display()
        );
        let secret = ring.create_file(&format!("{name}.ssh"), &self.secret)?;
        let mut file = File::create_new(&public).with_context(|| format!("creating `{}`", public.display()))?;
        writeln!(file, "{}", self.public).with_context(|| format!("writing `{}`", public.display()))?;
        Ok(secret)
    }
}

/// A string of RFC 4251: its length, then its bytes.
fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn openssh_reads_what_was_made_whatever_the_length_of_the_comment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for length in 0..9 {
            let key = SshKey::make(&"x".repeat(length)).unwrap();
            std::fs::write(&path, key.secret.as_bytes()).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            let read = Command::new("ssh-keygen").arg("-y").arg("-f").arg(&path).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&read.stdout).trim_end(), key.public, "{length}");
        }
    }

    #[test]
    fn the_file_is_that_of_openssh_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "anna@pc", "-f"]).arg(&path);
        assert!(keygen.status().unwrap().success());
        let theirs = std::fs::read_to_string(&path).unwrap();
        let body: String = theirs.lines().filter(|line| !line.starts_with('-')).collect();
        let bytes = BASE64.decode(body.as_bytes()).unwrap();
        let check = bytes[98..102].try_into().unwrap();
        let seed = bytes[161..193].try_into().unwrap();
        assert_eq!(SshKey::of(&seed, check, "anna@pc").secret.as_str(), theirs);
    }

    #[test]
    fn a_comment_stays_in_its_line() {
        for comment in ["a\nb", " a", "ä", &"x".repeat(101)] {
            assert!(SshKey::make(comment).is_err(), "{comment:?}");
        }
    }
}
