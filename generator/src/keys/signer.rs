//! A minisign key that signs documents. The stock `minisign` program reads the same files.

use std::io::Cursor;

use anode_bundle::name::{KeyId, SigningPublicKey, SiteId};
use anode_bundle::signature::{self, ListedKey, SignatureFile};
use anyhow::{Context as _, Result, anyhow, ensure};
use zeroize::Zeroizing;

const UNTRUSTED: &str = "signature from minisign secret key";

/// A decrypted signing key. The library's own type prints its secret in `Debug`; this one has none.
pub struct Signer {
    secret: minisign::SecretKey,
    listed: ListedKey,
}

impl Signer {
    /// A new key as the text of its file, encrypted when a password is given.
    ///
    /// # Errors
    /// If no randomness can be had.
    pub fn generate(comment: &str, password: Option<&str>) -> Result<Zeroizing<String>> {
        let pair = match password {
            Some(password) => minisign::KeyPair::generate_encrypted_keypair(Some(password.to_owned())),
            None => minisign::KeyPair::generate_unencrypted_keypair(),
        };
        let pair = pair.map_err(|error| anyhow!("making a key pair: {error}"))?;
        let file = pair.sk.to_box(Some(comment)).map_err(|error| anyhow!("writing a key: {error}"))?;
        Ok(Zeroizing::new(file.into_string()))
    }

    /// Reads a key file. `password` is asked for only if the key is encrypted.
    ///
    /// # Errors
    /// If the text is no minisign secret key, or the password is wrong.
    pub fn read(text: &str, password: &mut dyn FnMut() -> Result<Zeroizing<String>>) -> Result<Signer> {
        let has_key = text.lines().nth(1).is_some_and(|line| !line.trim().is_empty());
        ensure!(has_key, "this is no minisign secret key: a comment and a line of base64 were expected");
        let file = || minisign::SecretKeyBox::from_string(text).map_err(|error| anyhow!("{error}"));
        let secret = match file()?.into_unencrypted_secret_key() {
            Ok(secret) => secret,
            Err(_) => {
                let password = password()?;
                // The library takes the password by value; its copy is out of our hands.
                file()?
                    .into_secret_key(Some(password.to_string()))
                    .map_err(|_| anyhow!("the password is wrong, or this is no minisign secret key"))?
            }
        };
        let public = minisign::PublicKey::from_secret_key(&secret).map_err(|error| anyhow!("{error}"))?;
        let bytes = public.to_bytes();
        let (id, key) = bytes.get(2..10).zip(bytes.get(10..42)).context("reading the public half of the key")?;
        let listed = ListedKey { id: KeyId::from_le_bytes(id.try_into()?), key: SigningPublicKey(key.try_into()?) };
        Ok(Signer { secret, listed })
    }

    /// The public half, as a root lists it.
    #[must_use]
    pub fn listed(&self) -> &ListedKey {
        &self.listed
    }

    /// The public half, as the stock `minisign` reads it.
    ///
    /// # Errors
    /// Never for a key that was read.
    pub fn public_file(&self) -> Result<String> {
        let public = minisign::PublicKey::from_secret_key(&self.secret).map_err(|error| anyhow!("{error}"))?;
        Ok(public.to_box().map_err(|error| anyhow!("{error}"))?.into_string())
    }

    /// Signs a document: the four-line signature file of format 1.
    ///
    /// # Errors
    /// If the library fails, or its signature is not one that the medium accepts.
    pub fn sign(&self, kind: &str, version: u64, site: &SiteId, body: &[u8]) -> Result<Vec<u8>> {
        let comment = signature::comment(kind, version, site);
        let signed = minisign::sign(None, &self.secret, Cursor::new(body), Some(&comment), Some(UNTRUSTED))
            .map_err(|error| anyhow!("signing {kind} {version}: {error}"))?;
        let file = signed.into_string().into_bytes();
        let parsed = SignatureFile::parse(&file).map_err(|problem| anyhow!("the new signature file {problem}"))?;
        ensure!(
            parsed.verifies(&self.listed, body) && parsed.comment == comment,
            "the new signature of {kind} {version} does not verify"
        );
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_key_signs_only_with_its_password() {
        let text = Signer::generate("test", Some("right")).unwrap();
        assert!(Signer::read(&text, &mut || Ok(Zeroizing::new("wrong".to_owned()))).is_err());
        let signer = Signer::read(&text, &mut || Ok(Zeroizing::new("right".to_owned()))).unwrap();
        assert!(signer.sign("release", 1, &SiteId::from_bytes([1; 16]), b"{}").is_ok());
    }

    #[test]
    fn a_file_that_is_no_key_never_asks_for_a_password() {
        for text in ["", "\n", "untrusted comment: x\n", "untrusted comment: x\n\n"] {
            let refusal = Signer::read(text, &mut || panic!("asked for a password")).err().unwrap().to_string();
            assert!(refusal.starts_with("this is no minisign secret key"), "{refusal}");
        }
    }

    #[test]
    fn an_open_key_never_asks_for_a_password() {
        let text = Signer::generate("test", None).unwrap();
        let signer = Signer::read(&text, &mut || panic!("asked for a password")).unwrap();
        assert!(signer.public_file().unwrap().starts_with("untrusted comment: "));
    }
}
