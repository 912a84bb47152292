//! `[[checksums]]`: where a distribution says what its kernels, initrds, images and boot loaders hash to, and who signs that. All are templates.

use super::Versions;
use super::fields::{Fields, Located};
use crate::diagnose::{Origin, Problem};

/// The word for a signature that lies around the list itself (RFC 9580, section 7).
pub const INLINE: &str = "inline";
/// What a signature's address says for the file that it signs.
pub const FILE: &str = "{file}";

/// One way to know a file.
#[derive(Debug, Clone)]
pub struct Checksums {
    /// What the addresses of the files begin with; without it, the folder of the last list.
    pub covers: Option<Located<String>>,
    /// Lists of hashes. Each knows the next one; the last one knows the file.
    pub lists: Vec<Located<String>>,
    /// Who signs the first list (`inline`, or the address of a signature), or without lists the file itself (`{file}.sig`).
    pub signature: Option<Located<String>>,
    /// Whose signature counts.
    pub keyring: Option<Located<String>>,
    /// The package that has the keyring.
    pub package: Option<String>,
    /// The versions that it is for.
    pub versions: Versions,
    /// Where it stands.
    pub origin: Origin,
}

/// Reads one `[[checksums]]`; `versions` are those of the definition.
pub fn read(table: &mut Fields<'_, '_, '_>, known: Option<&[String]>) -> Option<Checksums> {
    let origin = table.origin();
    let covers = table.text("covers");
    let lists = table.texts("lists");
    let signature = table.text("signature");
    let keyring = table.text("keyring");
    let package = table.title("package", 64);
    let versions = Versions::read(table, known);
    match &signature {
        None if lists.is_empty() => {
            let problem = Problem::at(&origin, "`[[checksums]]` names neither `lists` nor a `signature`");
            table.push(problem.help("add `lists = [\"…/SHA256SUMS\"]`, or `signature = \"{file}.sig\"`"));
            return None;
        }
        Some(signature) if lists.is_empty() != signature.value.contains(FILE) => {
            let problem = Problem::at(&signature.origin, "this signature and `lists` do not fit together");
            let help =
                "with `lists`, it is `inline` or the address of the first list's signature; without, it holds `{file}`";
            table.push(problem.help(help));
            return None;
        }
        _ => {}
    }
    if lists.is_empty() && covers.is_none() {
        table.missing("covers", "covers = \"{{ mirror }}/\"");
        return None;
    }
    if let (Some(signature), None) = (&signature, &keyring) {
        let problem = Problem::at(&signature.origin, "a signature counts only with a `keyring`");
        table.push(problem.help("add `keyring = \"NAME\"`: /usr/share/keyrings/NAME.gpg or keys/vendors/NAME.gpg"));
        return None;
    }
    Some(Checksums { covers, lists, signature, keyring, package, versions, origin })
}
