//! Would a firmware with Secure Boot come from shim to the kernel? What the files say themselves, at the desk.
//!
//! Only what is certain without a machine: a shim without a signature by one of Microsoft's authorities for third parties is started by no firmware with the
//! usual keys, and shim starts nothing that is not signed. Whether a signature is *right*, and whether this shim knows that signer, is the machine's to judge.

use std::collections::BTreeSet;
use std::path::Path;

use super::wanted::{Part, Wanted};
use super::{here, image_of};
use crate::diagnose::Problem;
use crate::lock::signer;

/// Subject key identifiers of `Microsoft Corporation UEFI CA 2011` and `Microsoft UEFI CA 2023`.
const MICROSOFT: [&str; 2] = ["13adbf4309bd82709c8cd54f316ed522988a1bd4", "81aa6b3244c935bce0d6628af39827421e32497d"];

/// What breaks the chain at a file that has just been pinned.
pub(super) fn broken(url: &str, wanted: &Wanted<'_>, path: &Path) -> Result<Vec<Problem>, Box<Problem>> {
    let in_chain = [Part::Shim, Part::Grub, Part::KernelBehindLoaders];
    if !wanted.parts.iter().any(|part| in_chain.contains(part)) {
        return Ok(Vec::new());
    }
    let image = image_of(path).map_err(|error| here(wanted, &error))?;
    let keys = image.and_then(|image| signer::keys(&image));
    let said = wanted.parts.iter().filter_map(|part| said(*part, url, keys.as_ref()));
    let warning = |(message, help): (String, &str)| Problem::at(&wanted.origin, message).as_warning().help(help);
    Ok(said.map(warning).collect())
}

fn said(part: Part, url: &str, keys: Option<&BTreeSet<String>>) -> Option<(String, &'static str)> {
    let is_signed = keys.is_some_and(|keys| !keys.is_empty());
    let by_microsoft = keys.is_some_and(|keys| MICROSOFT.iter().any(|key| keys.contains(*key)));
    match part {
        Part::Shim if !by_microsoft => Some((
            format!(
                "`{url}` has no signature by Microsoft's UEFI authority: no firmware with the usual keys starts it"
            ),
            "name the shim that the distribution had signed; with keys of your own in every machine it may be right",
        )),
        Part::Grub if !is_signed => Some((
            format!("`{url}` is not signed: shim does not start it under Secure Boot"),
            "name the GRUB that the distribution signed, or leave `[boot.loaders]` out",
        )),
        Part::KernelBehindLoaders if !is_signed => Some((
            format!("`{url}` is not signed: the boot loaders of its definition do not start it under Secure Boot"),
            "leave `[boot.loaders]` out, or name the kernel that the distribution signed",
        )),
        _ => None,
    }
}
