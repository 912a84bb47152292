//! Our own two programs on the medium: static, and made for its architecture. Anything else would not start there, with nobody to say why.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::Architecture;
use super::elf::Elf;

/// What the medium runs.
pub const FETCHER: &str = "anode-fetch";
/// What a person sees.
pub const CONSOLE: &str = "anode-console";

/// The bytes of both.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `anode-fetch`
    pub fetcher: Vec<u8>,
    /// `anode-console`
    pub console: Vec<u8>,
}

impl Programs {
    /// From a folder; else beside this program; else from where this checkout builds them.
    ///
    /// # Errors
    /// If one is missing, not static, or for another machine.
    pub fn find(folder: Option<&Path>, architecture: Architecture) -> Result<Programs> {
        let places = match folder {
            Some(folder) => vec![folder.to_owned()],
            None => usual(architecture),
        };
        let read = |name: &str| {
            let mut refused = None;
            for path in places.iter().map(|place| place.join(name)).filter(|path| path.is_file()) {
                let bytes = fs::read(&path).with_context(|| format!("reading `{}`", path.display()))?;
                match check(&bytes, architecture) {
                    Ok(()) => return Ok(bytes),
                    Err(why) => refused = Some(format!("`{}` {why}", path.display())),
                }
            }
            let target = architecture.target();
            let build = format!(
                "build both with `cargo build --profile fetcher -p anode-fetch --target {target}`, and name their folder \
                 with `--programs`"
            );
            match refused {
                Some(why) => bail!("{why}; {build}"),
                None => bail!("there is no `{name}` for the medium in {}; {build}", listed(&places)),
            }
        };
        Ok(Programs { fetcher: read(FETCHER)?, console: read(CONSOLE)? })
    }
}

fn usual(architecture: Architecture) -> Vec<PathBuf> {
    let this = std::env::current_exe().unwrap_or_default();
    let beside = this.parent().unwrap_or(Path::new(".")).to_owned();
    // `target/debug/anode` finds `target/<triple>/fetcher/`.
    let target = beside.parent().unwrap_or(Path::new(".")).join(architecture.target()).join("fetcher");
    vec![beside, target]
}

fn listed(places: &[PathBuf]) -> String {
    places.iter().map(|place| format!("`{}`", place.display())).collect::<Vec<_>>().join(" or ")
}

/// Would it start on the medium?
fn check(bytes: &[u8], architecture: Architecture) -> Result<()> {
    let elf = Elf::read(bytes).context("is no program for 64-bit Linux")?;
    ensure!(elf.architecture() == Some(architecture), "is not for {}", architecture.name());
    ensure!(elf.needs_linker() == Some(false), "is not static: it needs libraries that a medium has not");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u8, header: u8) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[18], elf[32], elf[54], elf[56], elf[64]) = (machine, 64, 56, 1, header);
        elf
    }

    #[test]
    fn a_program_that_would_not_start_on_the_medium_is_refused_with_how_to_build_it() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |name: &str, bytes: &[u8]| {
            fs::write(folder.path().join(name), bytes).unwrap();
            let found = Programs::find(Some(folder.path()), Architecture::Amd64);
            found.map(|_| ()).map_err(|error| error.to_string())
        };
        for (bytes, why) in [
            (elf(62, 3), "is not static"),
            (elf(183, 1), "is not for amd64"),
            (b"#!/bin/sh\n".to_vec(), "is no program for 64-bit Linux"),
        ] {
            let refusal = refusal(FETCHER, &bytes).unwrap_err();
            assert!(refusal.contains(why) && refusal.contains("--profile fetcher"), "{refusal}");
        }
        let missing = refusal(FETCHER, &elf(62, 1)).unwrap_err();
        assert!(missing.starts_with("there is no `anode-console` for the medium in `"), "{missing}");
        assert_eq!(refusal(CONSOLE, &elf(62, 1)), Ok(()));
    }
}
