//! A distribution's signing key, made and used by the real `gpg`.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::program::{Output, Program};

/// A key of its own in a folder of its own.
pub struct Gpg {
    home: TempDir,
}

impl Gpg {
    /// Makes a key.
    #[must_use]
    pub fn new() -> Gpg {
        let gpg = Gpg { home: tempfile::tempdir().expect("a temporary folder") };
        let _ = gpg.run(&["--passphrase", "", "--quick-gen-key", "Distribution <keys@example.org>", "ed25519", "sign"]);
        gpg
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Program::new("gpg")
            .args(["--batch", "--yes", "--quiet", "--homedir"])
            .arg(self.home.path())
            .args(arguments)
            .run()
            .ok()
    }

    /// Signs a file: the signature goes to another one.
    pub fn sign(&self, file: &Path, signature: &Path) {
        let (file, signature) = (file.display().to_string(), signature.display().to_string());
        let _ = self.run(&["--output", &signature, "--detach-sign", &file]);
    }

    /// The same in letters.
    pub fn sign_armoured(&self, file: &Path, signature: &Path) {
        let (file, signature) = (file.display().to_string(), signature.display().to_string());
        let _ = self.run(&["--armor", "--output", &signature, "--detach-sign", &file]);
    }

    /// A copy of a text with the signature around it.
    pub fn clearsign(&self, file: &Path, signed: &Path) {
        let (file, signed) = (file.display().to_string(), signed.display().to_string());
        let _ = self.run(&["--output", &signed, "--clearsign", &file]);
    }

    /// The public key.
    ///
    /// # Panics
    /// If it can not be written.
    pub fn export(&self, keyring: &Path) {
        fs::create_dir_all(keyring.parent().expect("a parent")).expect("a folder");
        let _ = self.run(&["--output", &keyring.display().to_string(), "--export"]);
    }

    /// The public key in letters.
    ///
    /// # Panics
    /// If it can not be written.
    pub fn export_armoured(&self, keyring: &Path) {
        fs::create_dir_all(keyring.parent().expect("a parent")).expect("a folder");
        let _ = self.run(&["--armor", "--output", &keyring.display().to_string(), "--export"]);
    }

    /// Its fingerprint.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let listed = self.run(&["--with-colons", "--list-keys"]).stdout;
        let line = listed.lines().find_map(|line| line.strip_prefix("fpr:")).expect("a fingerprint");
        line.trim_matches(':').to_owned()
    }
}

impl Default for Gpg {
    fn default() -> Gpg {
        Gpg::new()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // The agent of this folder, and no other.
        let _ = Program::new("gpgconf").arg("--homedir").arg(self.home.path()).args(["--kill", "all"]).run();
    }
}
