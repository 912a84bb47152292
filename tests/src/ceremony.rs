//! Root keys and root documents in the hands of people: what the stock `minisign` and an editor can do without our program.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde_json::Value;

use crate::program::{Output, Program};
use crate::site::{Site, read_json};

/// The id of a key as file names and `minisign` print it, from its public half.
///
/// # Panics
/// If the file is no public key.
#[must_use]
#[track_caller]
pub fn key_id(public: &Path) -> String {
    let text = fs::read_to_string(public).unwrap_or_else(|error| panic!("reading {}: {error}", public.display()));
    let line = text.lines().nth(1).expect("a second line");
    let bytes = BASE64.decode(line.as_bytes()).expect("base64");
    bytes[2..10].iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

/// A key pair of the stock program, `<name>.key` and `<name>.pub` in a folder, without a password.
#[must_use]
pub fn stock_key(folder: &Path, name: &str) -> PathBuf {
    fs::create_dir_all(folder).expect("a folder");
    let (secret, public) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pub")));
    let _ = Program::new("minisign").args(["-G", "-W", "-p"]).arg(&public).arg("-s").arg(&secret).run().ok();
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("the key's mode");
    secret
}

/// Signs a file with the stock program and a trusted comment.
#[must_use]
pub fn stock_sign(file: &Path, secret: &Path, comment: &str, signature: &Path) -> Output {
    let sign = Program::new("minisign").arg("-SHm").arg(file).arg("-s").arg(secret);
    sign.args(["-t", comment]).arg("-x").arg(signature).run()
}

impl Site {
    /// The id of a key of the repository, by name.
    #[must_use]
    #[track_caller]
    pub fn key_id(&self, name: &str) -> String {
        key_id(&self.repository().join(format!("keys/{name}.pub")))
    }

    /// Where a file of the root chain lies in the repository.
    #[must_use]
    pub fn root_file(&self, name: &str) -> PathBuf {
        self.repository().join("keys/root").join(name)
    }

    /// Signs a root of the repository with the stock program and a key of the key folder.
    #[track_caller]
    pub fn stock_sign_root(&self, version: u64, key: &str) {
        let comment = format!("anode/1 root {version} {}", self.id());
        let signature = self.root_file(&format!("{version}.json.{}.minisig", self.key_id(key)));
        let body = self.root_file(&format!("{version}.json"));
        let _ = stock_sign(&body, &self.keys().join(format!("{key}.key")), &comment, &signature).ok();
    }

    /// Writes the next root with an editor and signs it with the stock program and both keys of `anode init`.
    #[track_caller]
    pub fn hand_made_root(&self, version: u64, change: impl FnOnce(&mut Value)) {
        let mut root = read_json(&self.root_file(&format!("{}.json", version - 1)));
        root["version"] = version.into();
        change(&mut root);
        fs::write(self.root_file(&format!("{version}.json")), format!("{root}\n")).expect("writing");
        self.stock_sign_root(version, "root-1");
        self.stock_sign_root(version, "root-2");
    }

    /// `anode root sign` with every root key of the key folder.
    #[track_caller]
    pub fn sign_root(&self) {
        let _ = self.anode(&["root", "sign"]).run().ok();
    }

    /// `anode root status --json`.
    #[must_use]
    #[track_caller]
    pub fn root_status(&self) -> Value {
        self.anode(&["root", "status", "--json"]).run().ok().json()
    }
}
