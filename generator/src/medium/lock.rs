//! `medium.lock`: which packages a medium is made of, by what they hold. `anode medium lock` writes it; it is to be committed, because a medium that is made
//! from the same commit is the same medium.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use anode_bundle::name::Sha256;
use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Deserializer, Serialize};

use super::Architecture;
use super::lists::is_path;
use super::packages::Purpose;
use super::version;

const HEAD: &str = "\
# Made by `anode medium lock`: the distribution's packages that the boot medium is made of, by what they hold. Each list was signed by the distribution.
";
/// As large as any of our files.
const LIMIT: u64 = 256 << 10;

/// A pinned package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Whose medium it belongs to.
    pub architecture: Architecture,
    /// When it is needed.
    pub purpose: Purpose,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The mirror, without `/` at its end.
    pub from: String,
    /// Its path there.
    pub path: String,
    /// Its hash.
    #[serde(deserialize_with = "sha256")]
    pub sha256: Sha256,
    /// Its length.
    pub length: u64,
}

fn sha256<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sha256, D::Error> {
    Sha256::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

impl Package {
    /// Its file.
    #[must_use]
    pub fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Where it was pinned.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}", self.from, self.path)
    }
}

/// The suite, who signed, and the packages of one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Whose packages.
    pub architecture: Architecture,
    /// `bookworm`
    pub suite: String,
    /// The signed lists and their keys.
    pub signed: Vec<String>,
}

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumLock {
    #[serde(default)]
    suites: Vec<Suite>,
    #[serde(default)]
    packages: Vec<Package>,
}

impl MediumLock {
    /// Where it lies in the repository.
    pub const PATH: &'static str = "medium.lock";

    /// Reads the repository's; `None`: there is none.
    ///
    /// # Errors
    /// If it is broken.
    pub fn read(repository: &Path) -> Result<Option<MediumLock>> {
        let path = repository.join(MediumLock::PATH);
        let reading = || format!("reading `{}`", path.display());
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => {
                let length = other.with_context(reading)?.len();
                ensure!(length <= LIMIT, "`{}` is larger than {LIMIT} bytes; run `anode medium lock`", path.display());
            }
        }
        let text = fs::read_to_string(&path).with_context(reading)?;
        MediumLock::parse(&text).with_context(reading).map(Some)
    }

    fn parse(text: &str) -> Result<MediumLock> {
        let lock: MediumLock = toml::from_str(text)?;
        for package in &lock.packages {
            let Package { name, path, from, .. } = package;
            ensure!(is_path(path), "`{name}`: `{path}` is no path below a mirror");
            let http = from.starts_with("https://") || from.starts_with("http://");
            ensure!(http && crate::repository::is_address(from), "`{name}`: `{from}` is no mirror's address");
        }
        Ok(lock)
    }

    /// Replaces everything that is pinned for one architecture.
    pub fn renew(&mut self, suite: Suite, packages: Vec<Package>) {
        let architecture = suite.architecture;
        self.suites.retain(|suite| suite.architecture != architecture);
        self.packages.retain(|package| package.architecture != architecture);
        self.suites.push(suite);
        self.packages.extend(packages);
        self.suites.sort_by_key(|suite| suite.architecture);
        self.packages.sort_by_key(|package| package.architecture);
    }

    /// What would go back to an older version of the same suite: a mirror, or whoever stands before it, can serve what was signed once.
    #[must_use]
    pub fn older<'n>(&self, suite: &Suite, packages: &'n [Package]) -> Vec<(&Package, &'n Package)> {
        let same = |kept: &&Suite| kept.architecture == suite.architecture && kept.suite == suite.suite;
        if !self.suites.iter().any(|kept| same(&kept)) {
            return Vec::new();
        }
        let pinned = self.packages(suite.architecture).filter_map(|old| {
            let new = packages.iter().find(|new| stem(&new.name) == stem(&old.name))?;
            (version::compare(&new.version, &old.version) == Ordering::Less).then_some((old, new))
        });
        pinned.collect()
    }

    /// What is pinned for an architecture.
    pub fn packages(&self, architecture: Architecture) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(move |package| package.architecture == architecture)
    }

    /// A package by its name, or by the beginning of its name up to a version: `linux-image-`.
    ///
    /// # Errors
    /// If it is not pinned.
    pub fn find(&self, architecture: Architecture, name: &str) -> Result<&Package> {
        let is_it = |package: &&Package| package.name == name || name.ends_with('-') && package.name.starts_with(name);
        match self.packages(architecture).find(is_it) {
            Some(package) => Ok(package),
            None => bail!(
                "`{}` has no `{name}` for {}: run `anode medium lock --arch {}`",
                MediumLock::PATH,
                architecture.name(),
                architecture.name()
            ),
        }
    }

    /// The file, in a stable order.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut text = HEAD.to_owned();
        for Suite { architecture, suite, signed } in &self.suites {
            let signed: Vec<_> = signed.iter().map(|line| format!("    {},\n", quoted(line))).collect();
            text.push_str(&format!(
                "\n[[suites]]\narchitecture = \"{}\"\nsuite = {}\nsigned = [\n{}]\n",
                architecture.name(),
                quoted(suite),
                signed.concat()
            ));
        }
        for Package { architecture, purpose, name, version, from, path, sha256, length } in &self.packages {
            let purpose = match purpose {
                Purpose::Base => "base",
                Purpose::Firmware => "firmware",
            };
            text.push_str(&format!(
                "\n[[packages]]\narchitecture = \"{}\"\npurpose = \"{purpose}\"\nname = {}\nversion = {}\nfrom = {}\n\
                 path = {}\nsha256 = \"{sha256}\"\nlength = {length}\n",
                architecture.name(),
                quoted(name),
                quoted(version),
                quoted(from),
                quoted(path)
            ));
        }
        text
    }
}

/// A kernel's package has its version in its name.
fn stem(name: &str) -> &str {
    let is_version = |at: &usize| name[at + 1..].starts_with(|letter: char| letter.is_ascii_digit());
    name.match_indices('-').map(|(at, _)| at).find(is_version).map_or(name, |at| &name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(architecture: Architecture, name: &str) -> Package {
        Package {
            architecture,
            purpose: Purpose::Base,
            name: name.to_owned(),
            version: "1:1.35.0-4+deb12u1+b1".to_owned(),
            from: "https://deb.debian.org/debian".to_owned(),
            path: format!("pool/main/b/{name}_1.35.0-4+deb12u1+b1_amd64.deb"),
            sha256: Sha256::of(name.as_bytes()),
            length: 928_188,
        }
    }

    fn suite(architecture: Architecture) -> Suite {
        Suite { architecture, suite: "bookworm".to_owned(), signed: vec!["\"a\" \\ \u{1b}".to_owned()] }
    }

    #[test]
    fn what_is_written_is_read_again_and_one_architecture_leaves_the_other_alone() {
        let mut lock = MediumLock::default();
        lock.renew(suite(Architecture::Arm64), vec![package(Architecture::Arm64, "busybox-static")]);
        let kernel = package(Architecture::Amd64, "linux-image-6.1.0-56-amd64");
        lock.renew(suite(Architecture::Amd64), vec![kernel.clone()]);
        assert_eq!(MediumLock::parse(&lock.to_toml()).unwrap(), lock);
        lock.renew(suite(Architecture::Amd64), vec![package(Architecture::Amd64, "shim-signed"), kernel]);
        assert_eq!(lock.packages(Architecture::Amd64).count(), 2);
        assert_eq!(lock.packages(Architecture::Arm64).count(), 1);
        assert_eq!(lock.find(Architecture::Amd64, "linux-image-").unwrap().name, "linux-image-6.1.0-56-amd64");
        let refusal = lock.find(Architecture::Arm64, "shim-signed").unwrap_err().to_string();
        assert_eq!(refusal, "`medium.lock` has no `shim-signed` for arm64: run `anode medium lock --arch arm64`");
    }

    #[test]
    fn a_path_that_leads_elsewhere_or_an_unknown_field_is_refused() {
        let mut lock = MediumLock::default();
        lock.renew(suite(Architecture::Amd64), vec![package(Architecture::Amd64, "shim-signed")]);
        let text = lock.to_toml();
        for (from, to) in
            [("pool/main", "../main"), ("https://", "file:///"), ("length", "size"), ("amd64\"\np", "x\"\np")]
        {
            assert_ne!(text, text.replace(from, to));
            assert!(MediumLock::parse(&text.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn what_would_go_back_is_found_also_where_the_version_is_in_the_name() {
        let named =
            |name: &str, version: &str| Package { version: version.to_owned(), ..package(Architecture::Amd64, name) };
        let mut lock = MediumLock::default();
        let kernel = |abi: &str, version: &str| named(&format!("linux-image-6.1.0-{abi}-amd64"), version);
        lock.renew(suite(Architecture::Amd64), vec![named("shim-signed", "1.44"), kernel("56", "6.1.192-2")]);
        let found = |suite: &Suite, packages: &[Package]| lock.older(suite, packages).len();
        let same = suite(Architecture::Amd64);
        assert_eq!(found(&same, &[named("shim-signed", "1.44"), kernel("57", "6.1.200-1")]), 0);
        assert_eq!(found(&same, &[named("shim-signed", "1.39"), kernel("50", "6.1.176-1")]), 2);
        // Another suite is somebody's decision.
        let other = Suite { suite: "trixie".to_owned(), ..suite(Architecture::Amd64) };
        assert_eq!(found(&other, &[named("shim-signed", "1.39")]), 0);
    }
}
