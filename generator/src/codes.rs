//! Making and revoking activation codes. The repository gets locator, public key and terms; the code itself exists for one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anode_bundle::Moment;
use anode_bundle::activation::Status;
use anode_bundle::code::{Machine, Phrase, Secret};
use anode_bundle::derive::derive;
use anode_bundle::document::Root;
use anode_bundle::name::{Id, Sha256};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use zeroize::Zeroizing;

use crate::founding::new_code;
use crate::plan::pack_name;
use crate::repository::{CodeKind, CodeTerms, Generations, Repository, USES};

/// The weakest phrase, in bits.
const PHRASE_BITS: f64 = 70.0;

/// What the operator wants of a new code.
pub struct Wanted {
    /// The organisation.
    pub organisation: Id,
    /// What it offers.
    pub profiles: Vec<Id>,
    /// Its name in the repository.
    pub label: Id,
    /// Refused before.
    pub not_before: Moment,
    /// Refused after.
    pub not_after: Moment,
    /// How many machines.
    pub uses: Option<u64>,
    /// Never with offline data.
    pub online: bool,
    /// Bound to these machines.
    pub machines: Vec<Sha256>,
    /// Answers to prompts.
    pub answers: BTreeMap<Id, String>,
}

/// Where the secret of a new code comes from.
pub enum Origin {
    /// Random.
    Generated,
    /// Chosen by a person.
    Chosen {
        /// The code.
        phrase: Phrase,
        /// As the person wrote it: words that normalising hides count as words.
        typed: Zeroizing<String>,
    },
    /// The machine itself.
    Hardware(Machine),
}

/// Makes the secret and its terms. Nothing is written.
///
/// # Errors
/// If organisation or profile do not exist, or the root's policy forbids this kind of code.
pub fn make(repository: &Repository, root: &Root, origin: Origin, wanted: Wanted) -> Result<(Secret, CodeTerms)> {
    check_wanted(repository, &wanted)?;
    let policy = &root.policy;
    let secret = match origin {
        Origin::Generated => Secret::Code(new_code(root)?),
        Origin::Chosen { phrase, typed } => {
            ensure!(
                policy.phrases,
                "the root of this site allows no chosen codes (`phrases`); leave `--code` away and a code is made"
            );
            check_strength(&phrase, &typed)?;
            Secret::Phrase(phrase)
        }
        Origin::Hardware(machine) => {
            ensure!(
                policy.hardware,
                "the root of this site allows no hardware activation (`hardware`); leave `--hardware` away and a code is made"
            );
            Secret::Hardware(machine)
        }
    };
    let kind = match secret {
        Secret::Code(_) => CodeKind::Generated,
        Secret::Phrase(_) => CodeKind::Phrase,
        Secret::Hardware(_) => CodeKind::Hardware,
    };
    check_secrets(repository, &wanted, kind)?;
    let kdf = policy.kdf.first().context("the root has no key derivation")?;
    let derived = derive(&secret, &root.site, kdf)?;
    if let Some(other) = repository.codes.iter().find(|terms| terms.locator == derived.locator) {
        bail!("this code exists already: `{}`", other.path());
    }
    let terms = CodeTerms {
        organisation: wanted.organisation,
        label: wanted.label,
        kind,
        locator: derived.locator,
        public_key: derived.seal.public,
        claim_key: derived.claim_key,
        kdf: kdf.id.clone(),
        profiles: wanted.profiles,
        not_before: wanted.not_before,
        not_after: wanted.not_after,
        uses: wanted.uses,
        online: wanted.online,
        status: Status::Active,
        machines: wanted.machines,
        answers: wanted.answers,
        rules: Vec::new(),
    };
    Ok((secret, terms))
}

/// What the repository would refuse to load must not be written into it.
fn check_wanted(repository: &Repository, wanted: &Wanted) -> Result<()> {
    ensure!(
        wanted.not_before < wanted.not_after,
        "the code would expire on {}, before it can be used from {} on; give a later `--expires`",
        wanted.not_after,
        wanted.not_before
    );
    ensure!(
        wanted.uses.is_none_or(|uses| USES.contains(&uses)),
        "the number of uses must be from {} to {}; leave `--uses` away for any number",
        USES.start(),
        USES.end()
    );
    let near = |found: &str, known: Vec<&str>| match crate::diagnose::nearest(found, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!("; there are {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    };
    let organisation = &wanted.organisation;
    if repository.organisation(organisation).is_none() {
        let known = repository.organisations.iter().map(|known| known.id.as_str()).collect();
        bail!("there is no organisation `{organisation}`{}", near(organisation.as_str(), known));
    }
    for (at, profile) in wanted.profiles.iter().enumerate() {
        if let Some(base) = repository.base(profile, Some(organisation)) {
            let known = repository.heirs(base, organisation).iter().map(|heir| format!("`{heir}`")).collect::<Vec<_>>();
            let known = if known.is_empty() { "none does yet".to_owned() } else { known.join(", ") };
            bail!("the profile `{profile}` is abstract: offer one that extends it ({known})");
        }
        if repository.profile(profile, Some(organisation)).is_none() {
            let known = repository.visible_to(organisation).map(|known| known.id.as_str()).collect();
            bail!("`{organisation}` has no profile `{profile}`{}", near(profile.as_str(), known));
        }
        ensure!(
            !wanted.profiles.iter().take(at).any(|other| other == profile),
            "the profile `{profile}` is named twice"
        );
    }
    for (name, answer) in &wanted.answers {
        let mut prompts =
            wanted.profiles.iter().filter_map(|profile| repository.profile(profile, Some(organisation))).flat_map(
                |profile| profile.prompts.iter().map(|prompt| &prompt.value).filter(|prompt| prompt.name == *name),
            );
        ensure!(prompts.clone().next().is_some(), "none of the profiles asks for `{name}`");
        prompts.try_for_each(|prompt| prompt.check(answer))?;
    }
    Ok(())
}

/// A phrase or a serial number can be guessed more easily than a code, so it must not open secrets.
fn check_secrets(repository: &Repository, wanted: &Wanted, kind: CodeKind) -> Result<()> {
    match repository.too_secret(kind, &wanted.organisation, &wanted.profiles) {
        Some(profile) => {
            bail!("the profile `{}` holds secrets (crypt hashes), which {}", profile.id, kind.secrets_remedy())
        }
        None => Ok(()),
    }
}

fn check_strength(phrase: &Phrase, typed: &str) -> Result<()> {
    let bits = strength(phrase.reveal()).min(strength(&typed.to_lowercase()));
    ensure!(
        bits >= PHRASE_BITS,
        "the chosen code is worth about {bits:.0} bits, and {PHRASE_BITS:.0} are needed; add words that do not belong together, or leave `--code` away and a code is made"
    );
    Ok(())
}

/// The estimated strength of a phrase, in bits. `zxcvbn` counts to 2⁶⁴ and reads 100 symbols, so a longer count is that of several parts, each cut
/// before a word; what an earlier part had is known in the later ones.
fn strength(phrase: &str) -> f64 {
    let count =
        |text: &str, known: &[String]| zxcvbn::zxcvbn(text, &known.iter().map(String::as_str).collect::<Vec<_>>());
    let (mut bits, mut known, mut rest) = (0.0, Vec::new(), phrase.to_owned());
    loop {
        let whole = count(&rest, &known);
        let part = if whole.guesses() < u64::MAX {
            None
        } else {
            let prefix = |length| count(&rest.chars().take(length).collect::<String>(), &known);
            (1..rest.chars().count().min(100)).rev().map(prefix).find(|part| part.guesses() < u64::MAX)
        };
        let Some(part) = part else { return bits + whole.guesses_log10() * std::f64::consts::LOG2_10 };
        // The last word of a part may go on in the next one.
        let complete = part.sequence().len().saturating_sub(1).max(1);
        let mut length = 0;
        for word in part.sequence().iter().take(complete) {
            length = word.j + 1;
            bits += word.guesses.map_or(0.0, |guesses| (guesses as f64).log2());
            known.push(word.token.clone());
        }
        if length == 0 || bits >= PHRASE_BITS {
            return bits;
        }
        rest = rest.chars().skip(length).collect();
    }
}

/// Writes the terms of a new code. Never overwrites.
///
/// # Errors
/// If the label is taken or the repository can not be written.
pub fn write_terms(folder: &Path, terms: &CodeTerms) -> Result<PathBuf> {
    let path = folder.join(terms.path());
    let file = draft(&path, &terms.to_toml())?;
    file.persist_noclobber(&path).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => anyhow!("`{}` is there already; choose another `--label`", path.display()),
        _ => anyhow!(error.error).context(format!("writing `{}`", path.display())),
    })?;
    Ok(path)
}

/// Removes a code. Unless `keep_keys`, every pack that it offered gets a new key, so that its holder can not read later versions.
///
/// # Errors
/// If the repository can not be written. The generations are raised first: a stop in between only renews keys for nothing.
pub fn revoke(repository: &Repository, terms: &CodeTerms, keep_keys: KeepKeys) -> Result<Vec<String>> {
    let mut raised = Vec::new();
    if keep_keys == KeepKeys::No {
        let mut generations = repository.generations.clone();
        let mut names = BTreeSet::new();
        for id in &terms.profiles {
            let Some(profile) = repository.profile(id, Some(&terms.organisation)) else { continue };
            let Some(organisation) = repository.organisation(&terms.organisation) else { continue };
            names.insert(pack_name(repository, profile, organisation));
        }
        for (profile, organisation) in names {
            generations.raise(&profile, organisation.as_ref());
            let organisation = organisation.map(|id| format!("/{id}")).unwrap_or_default();
            raised.push(format!("{profile}{organisation}"));
        }
        let path = repository.root.join(Generations::PATH);
        let file = draft(&path, &generations.to_toml())?;
        file.persist(&path).with_context(|| format!("writing `{}`", path.display()))?;
    }
    let path = repository.root.join(terms.path());
    fs::remove_file(&path).with_context(|| format!("removing `{}`", path.display()))?;
    Ok(raised)
}

/// A whole file beside `path`, on the disk, ready to take its place. Terms hold no secret, and a checkout may be used by several people.
fn draft(path: &Path, text: &str) -> Result<tempfile::NamedTempFile> {
    let parent = path.parent().context("a file of the repository needs a folder")?;
    fs::create_dir_all(parent).with_context(|| format!("creating `{}`", parent.display()))?;
    let mut file =
        tempfile::NamedTempFile::new_in(parent).with_context(|| format!("writing below `{}`", parent.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().set_permissions(fs::Permissions::from_mode(0o644)))
        .and_then(|()| file.as_file().sync_all())
        .with_context(|| format!("writing `{}`", path.display()))?;
    Ok(file)
}

/// Whether the packs of a revoked code keep their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepKeys {
    /// They get new ones.
    No,
    /// They keep theirs: the code was never given to anybody.
    Yes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_can_be_strong_enough_and_repetition_is_not() {
        let strength = |text: &str| strength(Phrase::parse(text).unwrap().reveal());
        for strong in ["trombone velvet glacier pumpkin saxony qwark xylem boat", "7f3k9x2m8q4w6r1t5y0p3h7d9s2g"] {
            assert!(strength(strong) >= PHRASE_BITS, "{strong}: {}", strength(strong));
        }
        for weak in [
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
            "password".repeat(8),
            "correct horse battery ".repeat(4),
            "abcdefghijklmnopqrstuvwxyz0123456789".to_owned(),
            "qwertyuiopasdfghjklzxcvbnm".to_owned(),
        ] {
            assert!(strength(&weak) < PHRASE_BITS, "{weak}: {}", strength(&weak));
        }
    }

    /// Written into the repository, such terms would keep every other command from loading it.
    #[test]
    fn refuses_terms_that_the_repository_would_not_load() {
        let repository =
            crate::repository::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles")).ok().unwrap().0;
        let wanted = |before: u64, after: u64, uses| Wanted {
            organisation: Id::new("example-school").unwrap(),
            profiles: vec![Id::new("debian-server").unwrap()],
            label: Id::new("label").unwrap(),
            not_before: Moment::from_seconds(before),
            not_after: Moment::from_seconds(after),
            uses,
            online: false,
            machines: Vec::new(),
            answers: BTreeMap::new(),
        };
        let check = |wanted| check_wanted(&repository, &wanted).map_err(|error| error.to_string());
        assert_eq!(check(wanted(1, 2, Some(1))), Ok(()));
        for (uses, named) in [(0, "number of uses"), (1_000_001, "number of uses")] {
            assert!(check(wanted(1, 2, Some(uses))).unwrap_err().contains(named));
        }
        assert!(check(wanted(2, 1, None)).unwrap_err().contains("later `--expires`"));
    }
}
