//! Keys that sign anything, through the `minisign` crate: another implementation than the one that judges.
//!
//! A key that is made from a name is the same in every run. Nobody should ever trust one.

use std::io::Cursor;
use std::sync::Arc;

use anode_bundle::name::{KeyId, Sha256, SigningPublicKey, SiteId};
use anode_bundle::signature::{ListedKey, comment};
use serde_json::Value;

/// A minisign key.
pub struct Signer {
    secret: minisign::SecretKey,
    /// As a root lists it.
    pub listed: ListedKey,
}

impl Signer {
    /// A new key.
    #[must_use]
    pub fn random() -> Arc<Signer> {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let bytes = pair.pk.to_bytes();
        let id = KeyId::from_le_bytes(bytes[2..10].try_into().unwrap());
        let key = SigningPublicKey(bytes[10..42].try_into().unwrap());
        Arc::new(Signer { secret: pair.sk, listed: ListedKey { id, key } })
    }

    /// So many new keys.
    #[must_use]
    pub fn several(count: usize) -> Vec<Arc<Signer>> {
        (0..count).map(|_| Signer::random()).collect()
    }

    /// The key of this name. `name@KEYID` is the same key under another id.
    #[must_use]
    pub fn named(text: &str) -> Arc<Signer> {
        let (name, id) = text.split_once('@').map_or((text, None), |(name, id)| (name, Some(id)));
        let id = match id {
            Some(id) => KeyId::parse(id).unwrap_or_else(|error| panic!("`{text}`: {error}")),
            None => KeyId::from_le_bytes(Sha256::of(format!("id of {name}").as_bytes()).0[..8].try_into().unwrap()),
        };
        let seed = Sha256::of(format!("seed of {name}").as_bytes()).0;
        let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        // minisign's own layout: algorithms, no password, key id, seed and public key, a checksum that nobody asks for here.
        let no_password = [0; 32 + 8 + 8];
        let secret = [b"Ed\0\0B2", &no_password[..], &id.to_le_bytes(), &seed, &public, &[0; 32]].concat();
        let secret = minisign::SecretKey::from_bytes(&secret).unwrap();
        Arc::new(Signer { secret, listed: ListedKey { id, key: SigningPublicKey(public) } })
    }

    /// The signature file of these bytes, with this trusted comment.
    #[must_use]
    pub fn sign(&self, body: &[u8], said: &str) -> Vec<u8> {
        let untrusted = Some("signature from minisign secret key");
        let file = minisign::sign(None, &self.secret, Cursor::new(body), Some(said), untrusted).unwrap();
        file.into_string().into_bytes()
    }

    /// Signs a document as what it says it is.
    #[must_use]
    pub fn sign_document(&self, document: &Value, body: &[u8]) -> Vec<u8> {
        let site = SiteId::new(document["site"].as_str().unwrap()).unwrap();
        let kind = document["type"].as_str().unwrap();
        self.sign(body, &comment(kind, document["version"].as_u64().unwrap(), &site))
    }
}

/// Keys as a root lists them.
#[must_use]
pub fn listed(keys: &[Arc<Signer>]) -> Value {
    keys.iter().map(|key| serde_json::to_value(&key.listed).unwrap()).collect()
}
