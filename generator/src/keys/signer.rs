//! A minisign key that signs documents. The stock `minisign` program reads the same files.
//!
//! The `minisign` crate makes keys and decrypts them; it does not wipe what it holds, so a key that is kept and signs is held here.

use anode_bundle::name::{KeyId, SigningPublicKey, SiteId};
use anode_bundle::signature::{self, ListedKey, SignatureFile};
use anyhow::{Context as _, Result, anyhow, ensure};
use blake2::{Blake2b512, Digest as _};
use data_encoding::BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::Sha512;
use zeroize::Zeroizing;

/// Of a decrypted key file: algorithms (2 + 2 + 2), salt (32) and limits (8 + 8), id (8), seed (32), public key (32), checksum (32).
const KEY_BYTES: usize = 158;

/// A decrypted signing key. Not printable, wiped when dropped.
pub struct Signer {
    key: SigningKey,
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
        let no_key = "this is no minisign secret key: both lines of a key file were expected, a comment and base64";
        let line = text.lines().nth(1).unwrap_or_default().trim();
        let stored = BASE64.decode(line.as_bytes()).map(Zeroizing::new).unwrap_or_default();
        ensure!(stored.len() == KEY_BYTES && stored.starts_with(b"Ed"), no_key);
        let bytes = match stored.get(2..4) {
            // The stock program leaves the checksum of an open key empty, which the library takes for damage; the halves are compared below.
            Some([0, 0]) => stored,
            _ => {
                let file = minisign::SecretKeyBox::from_string(text).map_err(|error| anyhow!("{error}"))?;
                // The library takes the password by value; its copy is out of our hands.
                let secret = file.into_secret_key(Some(password()?.to_string()));
                Zeroizing::new(secret.map_err(|_| anyhow!("the password is wrong, or the key is damaged"))?.to_bytes())
            }
        };
        let bytes: &[u8; KEY_BYTES] = bytes.as_slice().try_into().context("reading the parts of the key")?;
        let [_, _, _, _, _, _, rest @ ..] = bytes;
        let (id, rest) =
            rest.get(48..).and_then(|rest| rest.split_first_chunk::<8>()).context("reading the key's id")?;
        let (seed, rest) = rest.split_first_chunk::<32>().context("reading the secret half of the key")?;
        let key = SigningKey::from_bytes(seed);
        let public = key.verifying_key().to_bytes();
        ensure!(rest.starts_with(&public), "the two halves of the key do not belong together");
        Ok(Signer { key, listed: ListedKey { id: KeyId::from_le_bytes(*id), key: SigningPublicKey(public) } })
    }

    /// The public half, as a root lists it.
    #[must_use]
    pub fn listed(&self) -> &ListedKey {
        &self.listed
    }

    /// What must never be seen anywhere: the seed of the key, and those bytes of its scalar that do not depend on clamping (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn secrets(&self) -> [Zeroizing<Vec<u8>>; 2] {
        let seed = Zeroizing::new(self.key.to_bytes().to_vec());
        let hash = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(seed.as_slice())));
        let scalar = Zeroizing::new(hash.iter().skip(1).take(30).copied().collect());
        [seed, scalar]
    }

    /// Signs a document: the four-line signature file of format 1.
    ///
    /// # Errors
    /// If the library fails, or its signature is not one that the medium accepts.
    pub fn sign(&self, kind: &str, version: u64, site: &SiteId, body: &[u8]) -> Result<Vec<u8>> {
        let comment = signature::comment(kind, version, site);
        let signed = self.key.sign(&Blake2b512::digest(body)).to_bytes();
        let global = self.key.sign(&[&signed[..], comment.as_bytes()].concat()).to_bytes();
        let line = [&b"ED"[..], &self.listed.id.to_le_bytes(), &signed].concat();
        let file = format!(
            "untrusted comment: signature from minisign secret key\n{}\ntrusted comment: {comment}\n{}\n",
            BASE64.encode(&line),
            BASE64.encode(&global)
        )
        .into_bytes();
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
        let cut = Signer::generate("test", Some("x")).unwrap();
        let cut = cut[..cut.len() - 5].to_owned();
        for text in ["", "\n", "untrusted comment: x\n", "untrusted comment: x\n\n", "x\nRWQ=\n", &cut] {
            let refusal = Signer::read(text, &mut || panic!("asked for a password")).err().unwrap().to_string();
            assert!(refusal.starts_with("this is no minisign secret key"), "{refusal}");
        }
    }

    #[test]
    fn an_open_key_of_the_stock_program_is_read_and_one_with_a_changed_half_is_not() {
        let text = Signer::generate("test", None).unwrap();
        let mut bytes = BASE64.decode(text.lines().nth(1).unwrap().as_bytes()).unwrap();
        bytes[126..].fill(0);
        let file =
            |bytes: &[u8]| format!("untrusted comment: minisign encrypted secret key\n{}\n", BASE64.encode(bytes));
        let read = |bytes: &[u8]| Signer::read(&file(bytes), &mut || panic!("asked for a password"));
        let signer = Signer::read(&text, &mut || panic!("asked for a password")).unwrap();
        assert_eq!(read(&bytes).unwrap().listed(), signer.listed());
        for place in [62, 94] {
            bytes[place] ^= 1;
            assert!(read(&bytes).is_err(), "byte {place}");
            bytes[place] ^= 1;
        }
    }

    #[test]
    fn an_open_key_never_asks_for_a_password() {
        let text = Signer::generate("test", None).unwrap();
        let signer = Signer::read(&text, &mut || panic!("asked for a password")).unwrap();
        assert!(signer.sign("root", 1, &SiteId::from_bytes([1; 16]), b"{}").is_ok());
    }
}
