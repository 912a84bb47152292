//! The bytes of pinned packages: from a folder, from the cache, else from where they were pinned; hashed each time, wherever they come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::lock::Package;
use crate::lock::{Cache, Client, Failed, Progress};
use crate::tree::hash_file;

/// Where packages come from.
pub struct Store<'a> {
    /// A folder with `.deb` files; nothing else is asked then.
    pub folder: Option<&'a Path>,
    /// The network, where there is no folder.
    pub client: &'a Client,
    /// Where downloaded files stay.
    pub cache: &'a Cache,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

impl Store<'_> {
    /// All packages, by name.
    ///
    /// # Errors
    /// Everything that is missing or wrong, in one run.
    pub fn all<'p>(&self, packages: impl Iterator<Item = &'p Package>) -> Result<BTreeMap<String, PathBuf>> {
        let (mut found, mut wrong) = (BTreeMap::new(), Vec::new());
        for package in packages {
            match self.one(package) {
                Ok(path) => {
                    found.insert(package.name.clone(), path);
                }
                Err(error) => wrong.push(format!("{error:#}")),
            }
        }
        if wrong.is_empty() { Ok(found) } else { bail!(wrong.join("\n")) }
    }

    fn one(&self, package: &Package) -> Result<PathBuf> {
        if let Some(folder) = self.folder {
            return in_folder(folder, package);
        }
        if let Some((path, _)) = self.cache.find(&package.sha256)? {
            return Ok(path);
        }
        let url = package.url();
        let file = self.cache.begin()?;
        let downloaded = self.client.file(&url, file, self.progress).map_err(|failed| match failed {
            Failed::Absent(why) => anyhow::anyhow!(
                "{why}: mirrors keep the newest versions only; run `anode medium lock`, or name a folder with the \
                 pinned `{}` by `--packages`",
                package.file()
            ),
            other => anyhow::anyhow!("{other}; try again, or name a folder with the packages by `--packages`"),
        })?;
        let right = downloaded.sha256 == package.sha256 && downloaded.length == package.length;
        ensure!(right, "{}", wrong(&url, package, &downloaded.sha256.to_string()));
        self.cache.keep(downloaded.file, &package.sha256)
    }
}

/// As a mirror names it, or as `apt-get download` does: the epoch is in the name then.
fn in_folder(folder: &Path, package: &Package) -> Result<PathBuf> {
    let (name, version) = (&package.name, package.version.replace(':', "%3a"));
    let machine = package.file().rsplit_once('_').map_or("", |(_, end)| end);
    let names = [package.file().to_owned(), format!("{name}_{version}_{machine}")];
    let Some(path) = names.iter().map(|name| folder.join(name)).find(|path| path.is_file()) else {
        bail!("`{}` is missing in `{}`: fetch it from {}", package.file(), folder.display(), package.url());
    };
    let found = hash_file(&path).with_context(|| format!("reading `{}`", path.display()))?;
    ensure!(found == package.sha256, "{}", wrong(&path.display().to_string(), package, &found.to_string()));
    Ok(path)
}

fn wrong(place: &str, package: &Package, found: &str) -> String {
    format!(
        "`{place}` has the hash {found}, and {} is pinned for `{}` {}: it is damaged, or somebody tampers with it; fetch it \
         again",
        package.sha256, package.name, package.version
    )
}
