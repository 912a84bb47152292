//! `anode.lock`: what is pinned of the files that lie outside the repository.

use std::collections::BTreeMap;
use std::sync::Arc;

use anode_bundle::name::Sha256;
use anode_bundle::pack::Blob;

use super::fields::read_toml;
use super::value::is_url;
use crate::diagnose::{Problem, Problems, Source};

/// Kernels, initrds and images by address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    files: BTreeMap<String, (Sha256, u64)>,
}

impl Lock {
    /// Where it lies in the repository.
    pub const PATH: &'static str = "anode.lock";

    /// What is known about an address.
    #[must_use]
    pub fn blob(&self, url: &str) -> Option<Blob> {
        let (sha256, length) = *self.files.get(url)?;
        Some(Blob { urls: vec![url.to_owned()], sha256, length })
    }

    /// Pins an address.
    pub fn insert(&mut self, url: &str, sha256: Sha256, length: u64) {
        self.files.insert(url.to_owned(), (sha256, length));
    }

    /// The addresses, in order.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The file, in a stable order.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let entry = |(url, (sha256, length)): (&String, &(Sha256, u64))| {
            format!("[[files]]\nurl = \"{url}\"\nsha256 = \"{sha256}\"\nlength = {length}\n")
        };
        self.files.iter().map(entry).collect::<Vec<_>>().join("\n")
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
                Some((url?, sha256?.value, length?))
            });
            for (url, sha256, length) in entries.into_iter().flatten() {
                if !is_url(&url.value) {
                    top.push(Problem::at(&url.origin, "`url` is not an address"));
                } else if lock.files.insert(url.value, (sha256, length)).is_some() {
                    let problem = Problem::at(&url.origin, "this address is pinned twice");
                    top.push(problem.help("remove one of the two, or run `anode lock` again"));
                }
            }
        });
        lock
    }
}
