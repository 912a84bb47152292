//! The vectors of `bundle`, which an independent program computed: what is signed and sealed there is all that may ever verify or open here.

use std::sync::LazyLock;

use anode_bundle::name::{KeyId, Locator, SigningPublicKey, SiteId};
use anode_bundle::seal::SealRoot;
use anode_bundle::signature::ListedKey;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;
use zeroize::Zeroizing;

pub struct Signed {
    pub key: ListedKey,
    pub body: Vec<u8>,
    pub file: Vec<u8>,
}

pub struct Sealed {
    pub site: SiteId,
    pub locator: Locator,
    pub root: SealRoot,
    pub recipient: [u8; 32],
}

/// The one signature file that is accepted, and what it signs.
pub static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let table: Value = serde_json::from_str(include_str!("../../../bundle/tests/vectors/signatures.json")).unwrap();
    let files = table["files"].as_array().unwrap();
    let good = files.iter().find(|file| file["accept"] == true).unwrap();
    let base64 = |value: &Value| BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap();
    let id = KeyId::parse(table["key"]["id"].as_str().unwrap()).unwrap();
    let key = SigningPublicKey::parse(table["key"]["key"].as_str().unwrap()).unwrap();
    Signed { key: ListedKey { id, key }, body: base64(&table["body"]), file: base64(&good["file"]) }
});

/// Sealed activations, and the keys that they were sealed with.
pub static SEALED: LazyLock<Sealed> = LazyLock::new(|| {
    let table: Value = serde_json::from_str(include_str!("../../../bundle/tests/vectors/seal.json")).unwrap();
    let hex = |value: &Value| HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
    let bytes = |value: &Value| <[u8; 32]>::try_from(hex(value)).unwrap();
    Sealed {
        site: SiteId::new(table["site"].as_str().unwrap()).unwrap(),
        locator: Locator(bytes(&table["locator"])),
        root: SealRoot::new(&bytes(&table["seal_salt"]), &Zeroizing::new(bytes(&table["seal_secret"]))),
        recipient: bytes(&table["recipient_seed"]),
    }
});
