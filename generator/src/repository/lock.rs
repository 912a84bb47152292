//! `anode.lock`: what is pinned of the files that lie outside the repository, and who vouched for it when it was pinned.

use std::collections::BTreeMap;
use std::sync::Arc;

use anode_bundle::name::{Sha256, tree};
use anode_bundle::pack::{Blob, KernelSignature};

use super::fields::{Fields, read_toml};
use super::value::is_url;
use crate::diagnose::{Problem, Problems, Source};

/// Kernels, initrds, images and boot loaders by address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    files: BTreeMap<String, Pinned>,
    mirrors: Vec<String>,
}

/// What is known of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The hash of its bytes.
    pub sha256: Sha256,
    /// How many there are.
    pub length: u64,
    /// Why they were believed.
    pub vouched: Vouched,
    /// Who signed it, where it is a kernel.
    pub signature: Option<KernelSignature>,
}

/// Why a file was believed when it was pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vouched {
    /// A signature of its publisher was verified; which one, and by whose key.
    Verified(String),
    /// There was none: what came is what is pinned. Why.
    Unsigned(String),
    /// Pinned by hand.
    Unsaid,
}

impl Lock {
    /// Where it lies in the repository.
    pub const PATH: &'static str = "anode.lock";

    const HEAD: &'static str = "\
# Made by `anode lock`: kernels, initrds, images and boot loaders of profiles, by what they hold. `anode lock --update` asks for newer
# ones, `anode lock --check` compares. `verified` was signed by its publisher; `unsigned` is what came when it was first asked for.
";

    /// From now on, packs ask these trees first: each has what is pinned among its objects.
    pub fn mirror_at(&mut self, trees: &[String]) {
        self.mirrors = trees.to_vec();
    }

    /// Do packs ask a tree first?
    #[must_use]
    pub fn is_mirrored(&self) -> bool {
        !self.mirrors.is_empty()
    }

    /// What a pack says about an address.
    #[must_use]
    pub fn blob(&self, url: &str) -> Option<Blob> {
        let Pinned { sha256, length, .. } = *self.files.get(url)?;
        let own = self.mirrors.iter().map(|base| format!("{}/{}", base.trim_end_matches('/'), tree::object(&sha256)));
        Some(Blob { name: None, urls: own.chain([url.to_owned()]).collect(), sha256, length })
    }

    /// What is pinned of an address.
    #[must_use]
    pub fn pinned(&self, url: &str) -> Option<&Pinned> {
        self.files.get(url)
    }

    /// Pins an address.
    pub fn insert(&mut self, url: &str, pinned: Pinned) {
        self.files.insert(url.to_owned(), pinned);
    }

    /// Forgets an address.
    pub fn remove(&mut self, url: &str) {
        self.files.remove(url);
    }

    /// The addresses, in order.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The addresses and what is pinned of them, in order.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Pinned)> {
        self.files.iter().map(|(url, pinned)| (url.as_str(), pinned))
    }

    /// The file, in a stable order.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut text = Lock::HEAD.to_owned();
        for (url, Pinned { sha256, length, vouched, signature }) in &self.files {
            let url = quoted(url);
            text.push_str(&format!("\n[[files]]\nurl = {url}\nsha256 = \"{sha256}\"\nlength = {length}\n"));
            match vouched {
                Vouched::Verified(by) => text.push_str(&format!("verified = {}\n", quoted(by))),
                Vouched::Unsigned(why) => text.push_str(&format!("unsigned = {}\n", quoted(why))),
                Vouched::Unsaid => {}
            }
            if let Some(KernelSignature { by, keys }) = signature {
                let keys: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
                text.push_str(&format!("kernel_signed_by = {}\nkernel_keys = [{}]\n", quoted(by), keys.join(", ")));
            }
        }
        text
    }

    /// Reads `anode.lock`.
    pub fn read(source: &Arc<Source>, problems: &mut Problems) -> Lock {
        let mut lock = Lock::default();
        read_toml(source, problems, |top| {
            let entries = top.tables("files", |entry| {
                let url = entry.required("url", "url = \"https://…\"");
                let sha256 = entry.required_name("sha256", "sha256 = \"…\"", Sha256::parse);
                let length = entry.number("length", 1..=1 << 40);
                if length.is_none() && !entry.has("length") {
                    entry.missing("length", "length = 12345");
                }
                let vouched = read_vouched(entry);
                let signature = read_signature(entry);
                Some((url?, Pinned { sha256: sha256?.value, length: length?, vouched, signature }))
            });
            for (url, pinned) in entries.into_iter().flatten() {
                if !is_url(&url.value) {
                    top.push(Problem::at(&url.origin, "`url` is not an address"));
                } else if lock.files.insert(url.value, pinned).is_some() {
                    let problem = Problem::at(&url.origin, "this address is pinned twice");
                    top.push(problem.help("remove one of the two, or run `anode lock` again"));
                }
            }
        });
        lock
    }
}

fn read_vouched(entry: &mut Fields<'_, '_, '_>) -> Vouched {
    match (entry.text("verified"), entry.text("unsigned")) {
        (Some(by), None) => Vouched::Verified(by.value),
        (None, Some(why)) => Vouched::Unsigned(why.value),
        (None, None) => Vouched::Unsaid,
        (Some(by), Some(_)) => {
            let problem = Problem::at(&by.origin, "a file is either `verified` or `unsigned`");
            entry.push(problem.help("remove the entry and run `anode lock`"));
            Vouched::Unsaid
        }
    }
}

fn read_signature(entry: &mut Fields<'_, '_, '_>) -> Option<KernelSignature> {
    let keys = entry.texts("kernel_keys").into_iter().map(|key| key.value).collect();
    entry.text("kernel_signed_by").map(|by| KernelSignature { by: by.value, keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Lock, Problems) {
        let mut problems = Problems::new();
        let lock = Lock::read(&Arc::new(Source { path: Lock::PATH.to_owned(), text: text.to_owned() }), &mut problems);
        (lock, problems)
    }

    #[test]
    fn what_is_written_is_read_again_whatever_the_texts_hold() {
        let mut lock = Lock::default();
        let texts = ["InRelease, key 0xAB", "\"quoted\" \\ and\nmore \u{1b}", ""];
        for (number, text) in texts.into_iter().enumerate() {
            let vouched = match number {
                0 => Vouched::Verified(text.to_owned()),
                1 => Vouched::Unsigned(text.to_owned()),
                _ => Vouched::Unsaid,
            };
            let sha256 = Sha256::of(text.as_bytes());
            let signature = (number > 0)
                .then(|| KernelSignature { by: text.to_owned(), keys: vec!["6ccece7e".to_owned(); number] });
            lock.insert(&format!("https://example.org/{number}"), Pinned { sha256, length: 7, vouched, signature });
        }
        let (again, problems) = read(&lock.to_toml());
        assert!(problems.is_empty(), "{}", problems.count());
        assert_eq!(again, lock);
    }

    #[test]
    fn a_mirrored_file_is_asked_for_at_the_site_first() {
        let (url, sha256) = ("https://example.org/linux", Sha256::of(b"linux"));
        let mut lock = Lock::default();
        lock.insert(url, Pinned { sha256, length: 5, vouched: Vouched::Unsaid, signature: None });
        assert_eq!(lock.blob(url).unwrap().urls, [url]);
        lock.mirror_at(&["https://one.example/".to_owned(), "https://two.example/tree/".to_owned()]);
        let (folder, name) = (&sha256.to_string()[..2], sha256);
        let own =
            ["https://one.example", "https://two.example/tree"].map(|base| format!("{base}/objects/{folder}/{name}"));
        assert_eq!(lock.blob(url).unwrap().urls, [own[0].as_str(), own[1].as_str(), url]);
        assert!(lock.blob("https://example.org/other").is_none());
    }

    #[test]
    fn an_address_twice_and_an_entry_that_is_both_verified_and_unsigned_are_refused() {
        let entry = format!("[[files]]\nurl = \"https://a/b\"\nsha256 = \"{}\"\nlength = 1\n", Sha256::of(b""));
        assert_eq!(read(&entry).1.errors(), 0);
        assert_eq!(read(&format!("{entry}{entry}")).1.errors(), 1);
        assert_eq!(read(&format!("{entry}verified = \"x\"\nunsigned = \"y\"\n")).1.errors(), 1);
    }
}
