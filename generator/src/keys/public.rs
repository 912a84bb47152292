//! Public halves of keys: `keys/<name>.pub` in the repository, as the stock `minisign` writes them. They give keys a name for people.
//!
//! Nothing is trusted because it lies there: which key counts is what the signed root says, key byte by key byte.

use std::fs;
use std::path::Path;

use anode_bundle::name::{Id, KeyId, SigningPublicKey};
use anode_bundle::signature::{ListedKey, is_strict_key};
use anyhow::{Context as _, Result};
use data_encoding::BASE64;

const COMMENT: &str = "untrusted comment: ";
/// A public key file has two short lines.
const LIMIT: usize = 4096;

/// A key with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKey {
    /// The file's name without `.pub`.
    pub name: Id,
    /// The key.
    pub listed: ListedKey,
    /// What the file says about itself; anybody could have written it.
    pub comment: String,
}

/// The public keys of a repository.
#[derive(Debug, Default)]
pub struct PublicKeys {
    keys: Vec<NamedKey>,
    /// Files that are no key, and why.
    pub unreadable: Vec<(String, String)>,
}

impl PublicKeys {
    /// Reads every `keys/*.pub`.
    ///
    /// # Errors
    /// If the folder can not be read. A file that is no key is one of `unreadable`.
    pub fn load(repository: &Path) -> Result<PublicKeys> {
        let folder = repository.join("keys");
        let mut keys = PublicKeys::default();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(keys),
            Err(error) => return Err(error).with_context(|| format!("reading `{}`", folder.display())),
        };
        let mut names: Vec<String> = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("reading `{}`", folder.display()))?;
            names.extend(entry.file_name().to_str().and_then(|name| name.strip_suffix(".pub")).map(str::to_owned));
        }
        names.sort();
        for name in names {
            let path = format!("keys/{name}.pub");
            let read = Id::new(&name).map_err(|bad| bad.to_string()).and_then(|name| {
                let text = fs::read_to_string(repository.join(&path)).map_err(|error| error.to_string())?;
                Ok(NamedKey { name, listed: parse_public(&text)?, comment: comment(&text) })
            });
            match read {
                Ok(key) => keys.keys.push(key),
                Err(problem) => keys.unreadable.push((path, problem)),
            }
        }
        Ok(keys)
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> &[NamedKey] {
        &self.keys
    }

    /// The key of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&NamedKey> {
        self.keys.iter().find(|key| key.name.as_str() == name)
    }

    /// The name of a key, if the repository has its public half.
    #[must_use]
    pub fn name_of(&self, listed: &ListedKey) -> Option<&Id> {
        self.keys.iter().find(|key| key.listed == *listed).map(|key| &key.name)
    }

    /// A key as a message says it: its name and id, or its id alone.
    #[must_use]
    pub fn describe(&self, listed: &ListedKey) -> String {
        match self.name_of(listed) {
            Some(name) => format!("`{name}` ({})", listed.id),
            None => format!("`{}`", listed.id),
        }
    }
}

/// Reads a public key file: a comment and one line of base64.
///
/// # Errors
/// What it is instead, as a sentence about "this".
pub fn parse_public(text: &str) -> Result<ListedKey, String> {
    let no_key = "this is no minisign public key: a comment and a line of base64 were expected";
    if text.len() > LIMIT {
        return Err(no_key.to_owned());
    }
    let mut lines = text.lines();
    let (Some(first), Some(second), None) = (lines.next(), lines.next(), lines.find(|line| !line.trim().is_empty()))
    else {
        return Err(no_key.to_owned());
    };
    let bytes = BASE64.decode(second.trim().as_bytes()).unwrap_or_default();
    if first.contains("secret key") || bytes.len() > 100 {
        return Err("this is a secret key; nobody but its owner may have it: give the file that ends in `.pub`, and \
                    if this one left its owner's hands, make a new key"
            .to_owned());
    }
    if !first.starts_with(COMMENT) || bytes.len() != 42 {
        return Err(no_key.to_owned());
    }
    let algorithm: [u8; 2] = [bytes[0], bytes[1]];
    if algorithm != *b"Ed" {
        return Err("this key is of another algorithm than minisign's `Ed` (Ed25519)".to_owned());
    }
    let mut id = [0; 8];
    id.copy_from_slice(&bytes[2..10]);
    let mut key = [0; 32];
    key.copy_from_slice(&bytes[10..]);
    let listed = ListedKey { id: KeyId::from_le_bytes(id), key: SigningPublicKey(key) };
    if !is_strict_key(&listed.key) {
        return Err("this is no canonical Ed25519 key, so nobody can sign with it: make one with `anode key new` or \
                    `minisign -G`"
            .to_owned());
    }
    Ok(listed)
}

/// The one line of base64 that `minisign -P` takes, and that people compare.
#[must_use]
pub fn key_line(listed: &ListedKey) -> String {
    BASE64.encode(&[b"Ed", &listed.id.to_le_bytes()[..], listed.key.as_bytes()].concat())
}

/// A public key file.
#[must_use]
pub fn public_file(listed: &ListedKey, comment: &str) -> String {
    format!("{COMMENT}{comment}\n{}\n", key_line(listed))
}

fn comment(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    anode_bundle::display::line(first.strip_prefix(COMMENT).unwrap_or(first), 120)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Signer;

    #[test]
    fn a_public_key_comes_back_from_its_file_the_same() {
        let secret = Signer::generate("test", None).unwrap();
        let signer = Signer::read(&secret, &mut || panic!("asked for a password")).unwrap();
        let text = public_file(signer.listed(), &format!("minisign public key {}", signer.listed().id));
        assert_eq!(parse_public(&text).as_ref(), Ok(signer.listed()));
        assert_eq!(parse_public(&text.replace('\n', "\r\n")).as_ref(), Ok(signer.listed()));
        let again = public_file(signer.listed(), "mine");
        assert_eq!(parse_public(&again).as_ref(), Ok(signer.listed()));
        assert_eq!(comment(&again), "mine");
        assert!(text.contains(&key_line(signer.listed())));
    }

    #[test]
    fn what_is_no_public_key_is_refused_for_what_it_is() {
        let secret = Signer::generate("test", None).unwrap();
        let refusal = |text: &str| parse_public(text).unwrap_err();
        assert!(refusal(&secret).starts_with("this is a secret key"));
        let mut weak = [0; 42];
        weak[..2].copy_from_slice(b"Ed");
        weak[10] = 1;
        let file = |bytes: &[u8]| format!("{COMMENT}x\n{}\n", BASE64.encode(bytes));
        assert!(refusal(&file(&weak)).starts_with("this is no canonical Ed25519 key"));
        weak[1] = b'D';
        assert!(refusal(&file(&weak)).starts_with("this key is of another algorithm"));
        for text in [
            "",
            "\n",
            "garbage",
            "untrusted comment: x\n",
            "untrusted comment: x\nAAAA\n",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJhc2U2NA== me\n",
            &format!("{COMMENT}x\n!{}\n", "A".repeat(55)),
            &"x".repeat(LIMIT + 1),
        ] {
            assert!(refusal(text).starts_with("this is no minisign public key"), "{text}");
        }
    }
}
