//! The fetcher inside the installer's initrd: the hooks of a pack call it there for what the installer would not check (`anode-fetch blob`).
//!
//! Refused is a program that needs the libraries of the system it runs on: in another system's initramfs it would not start.

use anode_bundle::Refusal;
use anode_bundle::name::SafePath;
use anode_bundle::pack::FilledFile;
use zeroize::Zeroizing;

use super::Network;
use crate::error::{Failure, reason};

/// Where hooks find it.
const PROGRAM: &str = "anode/anode-fetch";
/// Where it finds whom to believe: an installer's initramfs has no certificates.
const AUTHORITIES: &str = "anode/ca.pem";
/// Where it finds through whom it reaches anything, in networks that let nothing else through.
pub(crate) const PROXY: &str = "anode/proxy";
/// The program header that names a dynamic linker (ELF, `PT_INTERP`).
const INTERPRETER: u32 = 3;

/// This very program as a file of the archive, and what it needs to know of the network.
pub(super) fn files(files: &[FilledFile], network: Network) -> Result<Vec<FilledFile>, Failure> {
    if let Some(file) = files.iter().find(|file| [PROGRAM, AUTHORITIES, PROXY].contains(&file.path.as_str())) {
        let problem = format!("it has a file named `{}`, which is reserved", file.path);
        return Err(Refusal::UnsealFailed { what: "the pack".to_owned(), problem }.into());
    }
    let remedy = "use the program of a medium";
    // Not `current_exe`: the path may mean another file by now.
    let program = std::fs::read("/proc/self/exe")
        .map_err(|error| Failure::hand_over(format!("this program can not read itself: {}", reason(&error)), remedy))?;
    if needs_linker(&program) != Some(false) {
        let problem = "the installer's initrd needs this program, and it is not a static one";
        return Err(Failure::hand_over(problem, remedy));
    }
    let file = |path: &str, mode, bytes| {
        let path = SafePath::new(path).map_err(|error| Failure::Internal(error.to_string()))?;
        Ok::<_, Failure>(FilledFile { path, mode, bytes: Zeroizing::new(bytes) })
    };
    let mut carried = vec![file(PROGRAM, 0o755, program)?];
    if !network.authorities.is_empty() {
        carried.push(file(AUTHORITIES, 0o644, network.authorities)?);
    }
    if let Some(proxy) = network.proxy {
        carried.push(file(PROXY, 0o644, proxy.as_str().as_bytes().to_vec())?);
    }
    Ok(carried)
}

/// Does a 64-bit little-endian ELF file name a dynamic linker? `None`: it is no such file, or its headers are broken.
#[must_use]
pub fn needs_linker(elf: &[u8]) -> Option<bool> {
    let number = |at: usize, width: usize| {
        let bytes = elf.get(at..at.checked_add(width)?)?;
        Some(bytes.iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte)))
    };
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let mut found = false;
    for index in 0..count {
        let kind = number(index.checked_mul(size)?.checked_add(table)?, 4)?;
        found |= u32::try_from(kind) == Ok(INTERPRETER);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pack_may_not_bring_itself_is_reserved() {
        for path in [PROGRAM, AUTHORITIES, PROXY] {
            let path = SafePath::new(path).unwrap();
            let own = FilledFile { path, mode: 0o644, bytes: Zeroizing::new(Vec::new()) };
            assert!(files(&[own], Network::default()).is_err_and(|failure| failure.exit().number() == 25));
        }
    }

    #[test]
    fn only_a_program_without_a_dynamic_linker_is_carried() {
        let mut elf = vec![0; 64 + 2 * 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[32], elf[54], elf[56]) = (64, 56, 2);
        (elf[64], elf[120]) = (1, 2);
        assert_eq!(needs_linker(&elf), Some(false));
        elf[120] = 3;
        assert_eq!(needs_linker(&elf), Some(true));
        elf[56] = 9;
        assert_eq!(needs_linker(&elf), None);
        assert_eq!(needs_linker(b"#!/bin/sh"), None);
        elf[4] = 1;
        assert_eq!(needs_linker(&elf), None);
    }
}
