//! Which packages a medium is made of, and why each.

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::Architecture;
use super::lists::{Offer, Offered};
use super::lock::Package;

/// When a package is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// In every medium.
    Base,
    /// With `--firmware`.
    Firmware,
}

/// The signed kernel and its modules: the package that the distribution's newest kernel is a dependency of.
#[must_use]
pub const fn kernel(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Amd64 => "linux-image-amd64",
        Architecture::Arm64 => "linux-image-arm64",
    }
}

/// Packages beside the kernel: shell and small programs, public authorities, boot loaders, and the font
/// of their menu.
#[must_use]
pub const fn base(architecture: Architecture) -> &'static [&'static str] {
    match architecture {
        Architecture::Amd64 => {
            &["busybox-static", "ca-certificates", "shim-signed", "grub-efi-amd64-signed", "grub-pc-bin", "grub-common"]
        }
        Architecture::Arm64 => {
            &["busybox-static", "ca-certificates", "shim-signed", "grub-efi-arm64-signed", "grub-common"]
        }
    }
}

/// Firmware of network cards and wireless adapters, and what speaks WPA. Of the firmware, a medium gets what its modules name.
const FIRMWARE: [&str; 12] = [
    "firmware-linux-free",
    "firmware-ath9k-htc",
    "firmware-misc-nonfree",
    "firmware-realtek",
    "firmware-iwlwifi",
    "firmware-atheros",
    "firmware-brcm80211",
    "firmware-bnx2",
    "firmware-bnx2x",
    "firmware-qlogic",
    "firmware-netxen",
    "wireless-regdb",
];

/// Its libraries come along.
const SUPPLICANT: &str = "wpasupplicant";

/// What of those a distribution has to have; the names of firmware packages change from one release to the next.
fn is_optional(name: &str) -> bool {
    name.starts_with("firmware-")
}

/// The packages of a medium for one architecture, by purpose and name.
///
/// # Errors
/// If one is not offered.
pub fn choose(offer: &Offer, architecture: Architecture) -> Result<Vec<Package>> {
    let mut chosen = Vec::new();
    let meta = kernel(architecture);
    let package = offer.find(meta).with_context(|| not_offered(meta))?;
    let (name, version) = exact(package).with_context(|| format!("`{meta}` {} names no kernel", package.version))?;
    let image = offer.find(&name).filter(|image| image.version == version);
    let image = image
        .with_context(|| format!("`{meta}` {} needs `{name}` {version}, which is not offered", package.version))?;
    chosen.push(pin(architecture, Purpose::Base, &name, image));
    for name in base(architecture) {
        let found = offer.find(name).with_context(|| not_offered(name))?;
        chosen.push(pin(architecture, Purpose::Base, name, found));
    }
    for name in FIRMWARE {
        match offer.find(name) {
            Some(found) => chosen.push(pin(architecture, Purpose::Firmware, name, found)),
            None if is_optional(name) => {}
            None => bail!(not_offered(name)),
        }
    }
    for (name, found) in closure(offer, SUPPLICANT)? {
        chosen.push(pin(architecture, Purpose::Firmware, &name, found));
    }
    chosen.sort_by(|one, other| (one.purpose, &one.name).cmp(&(other.purpose, &other.name)));
    Ok(chosen)
}

fn not_offered(name: &str) -> String {
    format!("`{name}` is not offered: look at suite and mirror")
}

fn pin(architecture: Architecture, purpose: Purpose, name: &str, offered: &Offered) -> Package {
    Package {
        architecture,
        purpose,
        name: name.to_owned(),
        version: offered.version.clone(),
        from: offered.url.clone(),
        path: offered.path.clone(),
        sha256: offered.sha256,
        length: offered.length,
    }
}

/// `linux-image-6.1.0-56-amd64 (= 6.1.192-2)`
fn exact(package: &Offered) -> Option<(String, &str)> {
    let name = package.depends.iter().flatten().find(|name| name.starts_with("linux-image-"))?;
    let rest = package.depends_text.split(name.as_str()).nth(1)?;
    let version = rest.trim_start().strip_prefix("(=")?.split(')').next()?.trim();
    Some((name.clone(), version))
}

/// A package and the libraries that it depends on, of alternatives the first that is offered.
fn closure<'o>(offer: &'o Offer, name: &str) -> Result<Vec<(String, &'o Offered)>> {
    let mut found: Vec<(String, &Offered)> = Vec::new();
    let mut wanted = vec![name.to_owned()];
    while let Some(name) = wanted.pop() {
        if found.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let package = offer.find(&name).with_context(|| not_offered(&name))?;
        wanted.extend(package.depends.iter().filter_map(|group| {
            group.iter().find(|name| name.starts_with("lib") && offer.find(name).is_some()).cloned()
        }));
        found.push((name, package));
    }
    Ok(found)
}
