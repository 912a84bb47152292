//! A distribution's archive of packages: the real one that this machine is set up with, and small ones of our own with every fault.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::gpg::Gpg;
use crate::mirror::Mirror;
use crate::program::{Program, binary};

/// The mirrors that apt uses here for a suite and for its security updates.
///
/// # Panics
/// If apt has none: the tests run on the distribution that media are made of.
#[must_use]
pub fn apt_mirrors(suite: &str) -> [String; 2] {
    let format = ["--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"];
    let listed = Program::new("apt-get").arg("indextargets").args(format).run().ok().stdout;
    let find = |name: &str| {
        let url = listed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        url.unwrap_or_else(|| panic!("apt has no mirror of {name}:\n{listed}")).trim_end_matches('/').to_owned()
    };
    [find(suite), find(&format!("{suite}-security"))]
}

/// Where the real packages stay from one run to the next.
///
/// # Panics
/// If the binaries under test lie nowhere.
#[must_use]
pub fn downloads() -> PathBuf {
    let debug = binary("anode").parent().and_then(Path::parent).map(Path::to_owned);
    debug.expect("the target folder").join("medium/downloads")
}

/// Kernel, initrd and boot loaders of the real installer of Debian 12, which `ci/test` unpacks; `None`, and a note, where it did not.
///
/// # Panics
/// Where everything that tests need has to be there.
#[must_use]
pub fn debian_installer() -> Option<PathBuf> {
    let folder = std::env::var_os("ANODE_DEBIAN_INSTALLER").map(PathBuf::from);
    if folder.is_none() {
        assert!(
            std::env::var_os("CI_REQUIRE_VALIDATORS").is_none(),
            "ANODE_DEBIAN_INSTALLER names the unpacked package"
        );
        eprintln!("skipped: ANODE_DEBIAN_INSTALLER does not name an unpacked debian-installer-12-netboot-amd64");
    }
    Some(folder?.join("usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64"))
}

/// Two static programs in a new folder, in the place of those of a medium: what they are is not looked at, but that they would start.
///
/// # Panics
/// If there is no static busybox.
#[must_use]
pub fn programs_of_a_medium(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).expect("a folder");
    let busybox = Program::new("sh").args(["-c", "command -v busybox"]).run().ok().stdout;
    for name in ["anode-fetch", "anode-console"] {
        fs::copy(busybox.trim(), folder.join(name)).expect("the package busybox-static");
    }
    folder.to_owned()
}

/// An archive of packages with any bytes, laid out and signed as the real one.
pub struct Distribution {
    /// Serves it.
    pub mirror: Mirror,
    gpg: Gpg,
    packages: BTreeMap<String, (String, String)>,
}

impl Distribution {
    /// With a package of each name that a medium needs.
    #[must_use]
    pub fn new() -> Distribution {
        let mut distribution = Distribution { mirror: Mirror::new(), gpg: Gpg::new(), packages: BTreeMap::new() };
        for name in [
            "busybox-static",
            "ca-certificates",
            "shim-signed",
            "grub-efi-amd64-signed",
            "grub-pc-bin",
            "grub-common",
            "wireless-regdb",
            "wpasupplicant",
            "linux-image-6.1.0-1-amd64",
        ] {
            distribution.package(name, "1.0-1", "");
        }
        distribution.package("linux-image-amd64", "1.0-1", "linux-image-6.1.0-1-amd64 (= 1.0-1)");
        distribution
    }

    /// Puts a package there, in the place of an older one.
    pub fn package(&mut self, name: &str, version: &str, depends: &str) {
        let path = format!("pool/main/{name}_{version}_amd64.deb");
        let bytes = format!("the package {name} {version}\n");
        self.mirror.put(&path, &bytes);
        let stanza = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nDepends: {depends}\nFilename: {path}\nSize: {}\nSHA256: {}\n",
            bytes.len(),
            sha256(&self.mirror.root().join(&path))
        );
        self.packages.insert(name.to_owned(), (version.to_owned(), stanza));
    }

    /// Takes a package away.
    pub fn without(&mut self, name: &str) {
        self.packages.remove(name);
    }

    /// Writes the lists and signs them, with more lines in the signed text.
    ///
    /// # Panics
    /// If that fails.
    pub fn sign(&self, more: &str) {
        let text: String = self.packages.values().map(|(_, stanza)| format!("{stanza}\n")).collect();
        for (suite, text) in [("bookworm", text.as_str()), ("bookworm-security", "")] {
            let list = format!("dists/{suite}/main/binary-amd64/Packages");
            self.mirror.put(&list, text);
            let list = self.mirror.root().join(list);
            let _ = Program::new("xz").args(["--force", "--keep"]).arg(&list).run().ok();
            let packed = list.with_extension("xz");
            let length = fs::metadata(&packed).expect("the list").len();
            let release = format!(
                "Codename: {suite}\n{more}SHA256:\n {} {length} main/binary-amd64/Packages.xz\n",
                sha256(&packed)
            );
            self.mirror.put(&format!("dists/{suite}/Release"), release);
            let folder = self.mirror.root().join("dists").join(suite);
            self.gpg.clearsign(&folder.join("Release"), &folder.join("InRelease"));
        }
    }

    /// Has a repository believe this archive's key.
    pub fn trust(&self, repository: &Path) {
        self.gpg.export(&repository.join("keys/vendors/debian-archive-keyring.gpg"));
    }
}

impl Default for Distribution {
    fn default() -> Distribution {
        Distribution::new()
    }
}

fn sha256(file: &Path) -> String {
    let said = Program::new("sha256sum").arg(file).run().ok().stdout;
    said.split(' ').next().unwrap_or_default().to_owned()
}
