//! Firmware on a medium: what its modules name, what says which channels a country allows, and what speaks WPA.
//!
//! Nearly all of it is for cards that a machine does not have, and an initramfs stays in memory: each file is packed by itself. The kernel unpacks what a
//! driver asks for, also `regulatory.db` and its signature, which come through the same loader; no program of the medium reads firmware by itself.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rayon::prelude::*;

use super::compress::xz;
use super::cpio::{self, Nodes};
use super::initramfs::Recipe;
use super::modules::Modules;
use super::packages::Purpose;

/// What is allowed in the air of each country, and its signature.
const REGULATIONS: [&str; 2] = ["regulatory.db", "regulatory.db.p7s"];
/// The package has them twice: signed by the distribution, whose kernel knows its own key, and by others. Its installation makes a link of one.
const OF_DEBIAN: &str = "-debian";

/// How firmware lies in the initramfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As its maker wrote it.
    Plain,
    /// As `NAME.xz`, which the kernel takes where there is no `NAME`.
    Packed,
}

impl Form {
    /// What a kernel with these settings (`boot/config-…`) can read.
    #[must_use]
    pub fn of(settings: &[u8]) -> Form {
        let packed = settings.split(|byte| *byte == b'\n').any(|line| line == b"CONFIG_FW_LOADER_COMPRESS_XZ=y");
        if packed { Self::Packed } else { Self::Plain }
    }
}

/// The firmware that the modules name, and what speaks WPA with its libraries.
///
/// # Errors
/// If a package is not there, or broken.
pub fn add(nodes: &mut Nodes, recipe: &Recipe<'_>, modules: &Modules, form: Form) -> Result<()> {
    let wanted = modules.firmware();
    let mut files = Vec::new();
    let packages = recipe.lock.packages(recipe.architecture).filter(|package| package.purpose == Purpose::Firmware);
    for package in packages {
        let mut deb = recipe.open(&package.name)?;
        let paths: Vec<String> = deb.paths().map(str::to_owned).collect();
        let chosen = chosen_firmware(&paths, &wanted);
        for path in paths.iter().filter(|path| chosen.contains(path.as_str())) {
            files.push((firmware_place(path).to_owned(), deb.read(path)?));
        }
        for path in paths.iter().filter(|path| is_library(path)) {
            let place = path.strip_prefix("usr/").unwrap_or(path);
            match deb.link(path).map(str::to_owned) {
                Some(target) => cpio::link(nodes, place, target.strip_prefix("/usr").unwrap_or(&target)),
                None => cpio::insert(nodes, place, 0o755, deb.read(path)?),
            }
        }
        for name in ["wpa_supplicant", "wpa_cli", "wpa_passphrase"] {
            let found = paths.iter().find(|path| path.ends_with(&format!("bin/{name}")));
            if let Some(path) = found {
                cpio::insert(nodes, &format!("bin/{name}"), 0o755, deb.read(path)?);
            }
        }
    }
    if form == Form::Packed {
        let packed = files.into_par_iter().map(|(path, bytes)| Ok((format!("{path}.xz"), xz(&bytes)?)));
        files = packed.collect::<Result<_>>()?;
    }
    for (path, bytes) in files {
        cpio::insert(nodes, &path, 0o644, bytes);
    }
    Ok(())
}

/// Directly in the folder of an architecture's libraries, or the dynamic linker.
fn is_library(path: &str) -> bool {
    let path = path.strip_prefix("usr/").unwrap_or(path);
    let mut parts = path.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("lib"), Some(folder), Some(name), None) => folder.ends_with("-linux-gnu") && name.contains(".so"),
        (Some("lib" | "lib64"), Some(name), None, None) => name.starts_with("ld-linux"),
        _ => false,
    }
}

/// Of a package's files, the firmware that is wanted.
///
/// Intel's wireless driver names the newest interface that it speaks, `iwlwifi-cc-a0-72.ucode`, and takes the newest file up to it.
fn chosen_firmware<'p>(paths: &'p [String], wanted: &BTreeSet<&str>) -> BTreeSet<&'p str> {
    let files: BTreeMap<&str, &str> =
        paths.iter().filter_map(|path| Some((path.split_once("lib/firmware/")?.1, path.as_str()))).collect();
    let mut chosen = BTreeSet::new();
    for name in wanted {
        if let Some(path) = files.get(name) {
            chosen.insert(*path);
        } else if let Some((stem, newest)) = generation(name) {
            let older = files.iter().filter_map(|(file, path)| Some((generation(file)?, *path)));
            let fitting = older.filter(|((other, number), _)| *other == stem && *number <= newest);
            chosen.extend(fitting.max_by_key(|((_, number), _)| *number).map(|(_, path)| path));
        }
    }
    let regulations = |name: &str| {
        REGULATIONS.contains(&name.trim_end_matches(OF_DEBIAN))
            || name.starts_with("iwlwifi-") && name.ends_with(".pnvm")
    };
    chosen.extend(files.iter().filter(|(name, _)| regulations(name)).map(|(_, path)| *path));
    chosen
}

/// Where the kernel looks for it.
fn firmware_place(path: &str) -> &str {
    let path = path.strip_prefix("usr/").unwrap_or(path);
    path.strip_suffix(OF_DEBIAN).unwrap_or(path)
}

/// `iwlwifi-cc-a0-72.ucode` is number 72 of `iwlwifi-cc-a0`.
fn generation(name: &str) -> Option<(&str, u32)> {
    let (stem, number) = name.strip_suffix(".ucode")?.rsplit_once('-')?;
    Some((stem, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn of_firmware_a_medium_has_what_its_modules_name() {
        let paths = strings(&[
            "lib/firmware/rtl_nic/rtl8168h-2.fw",
            "lib/firmware/amdgpu/vega10.bin",
            "usr/lib/firmware/iwlwifi-cc-a0-59.ucode",
            "usr/lib/firmware/iwlwifi-cc-a0-66.ucode",
            "usr/lib/firmware/iwlwifi-cc-a0-77.ucode",
            "usr/lib/firmware/iwlwifi-ty-a0-gf-a0.pnvm",
            "lib/firmware/regulatory.db-debian",
            "lib/firmware/regulatory.db-upstream",
            "lib/firmware/regulatory.db.p7s-debian",
            "usr/share/doc/x",
        ]);
        let wanted = BTreeSet::from(["rtl_nic/rtl8168h-2.fw", "iwlwifi-cc-a0-72.ucode", "missing.bin"]);
        let chosen: Vec<_> = chosen_firmware(&paths, &wanted).into_iter().collect();
        assert_eq!(
            chosen,
            [
                "lib/firmware/regulatory.db-debian",
                "lib/firmware/regulatory.db.p7s-debian",
                "lib/firmware/rtl_nic/rtl8168h-2.fw",
                "usr/lib/firmware/iwlwifi-cc-a0-66.ucode",
                "usr/lib/firmware/iwlwifi-ty-a0-gf-a0.pnvm",
            ]
        );
        let places: Vec<_> = chosen.iter().map(|path| firmware_place(path)).collect();
        assert_eq!(places[..2], ["lib/firmware/regulatory.db", "lib/firmware/regulatory.db.p7s"]);
        assert_eq!(places[3], "lib/firmware/iwlwifi-cc-a0-66.ucode");
    }

    #[test]
    fn libraries_are_taken_from_their_folder_and_nothing_below_it() {
        for path in
            ["lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libssl.so.3", "lib64/ld-linux-x86-64.so.2"]
        {
            assert!(is_library(path), "{path}");
        }
        for path in ["usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", "usr/share/doc/libc.so", "lib/firmware/a.so", "lib/x"]
        {
            assert!(!is_library(path), "{path}");
        }
    }

    #[test]
    fn firmware_is_packed_for_kernels_that_unpack_it() {
        assert_eq!(Form::of(b"CONFIG_FW_LOADER=y\nCONFIG_FW_LOADER_COMPRESS_XZ=y\nCONFIG_X=m\n"), Form::Packed);
        for settings in ["", "CONFIG_FW_LOADER=y\n", "# CONFIG_FW_LOADER_COMPRESS_XZ is not set\n"] {
            assert_eq!(Form::of(settings.as_bytes()), Form::Plain, "{settings}");
        }
    }
}
