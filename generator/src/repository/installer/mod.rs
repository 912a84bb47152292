//! Installer definitions: a folder with `manifest.toml` and templates. Everything that is known about an installer is in there.

use std::collections::BTreeMap;
use std::sync::Arc;

use anode_bundle::name::Id;
use anode_bundle::pack::HandOver;

mod files;
mod parts;
mod validators;
mod variables;

use super::Snippets;
use super::boot::{self, BootTemplates, SecondStageCase};
use super::checksums::Checksums;
use super::fields::{Fields, Located, read_toml};
use super::value::Variable;
use crate::diagnose::{Origin, Problem, Problems, Source};

use parts::Body;

pub use files::{EACH, FORMAT_WORDS, FileTemplate, Format};
pub use validators::{HookPoint, Judge, Refusal, Validator};
pub use variables::{Catalogue, read_catalogue};

/// How one installer family is driven.
#[derive(Debug, Clone)]
pub struct InstallerDefinition {
    /// The folder's name.
    pub id: Id,
    /// One line for people.
    pub title: String,
    /// The installer program, such as `anaconda`; for people and for reports.
    pub family: String,
    /// The versions of the distribution that it was made for.
    pub versions: Vec<String>,
    /// The distribution's names of processor architectures.
    pub architectures: Vec<String>,
    /// How the files reach the installer.
    pub hand_over: HandOver,
    /// Set where upstream has no unattended mode: no profile can name it.
    pub interactive_only: Option<InteractiveOnly>,
    /// What to boot; templates.
    pub boot: Option<BootTemplates>,
    /// What is known about the parts that the installer fetches by itself: the first case that applies counts, the last one applies always.
    pub second_stage: Vec<SecondStageCase>,
    /// The definition layer.
    pub variables: BTreeMap<String, Variable>,
    /// What is written.
    pub files: Vec<FileTemplate>,
    /// Combinations of values that make no sense.
    pub refusals: Vec<Refusal>,
    /// Other people's parsers for what is written.
    pub validators: Vec<Validator>,
    /// What must be in the pinned initrd for the hand-over to work.
    pub hook_points: Vec<HookPoint>,
    /// Who says what kernels, initrds, images and boot loaders hash to.
    pub checksums: Vec<Checksums>,
    /// The templates beside `manifest.toml`, and those that all definitions share.
    pub snippets: Snippets,
    /// `manifest.toml`
    pub origin: Origin,
}

impl InstallerDefinition {
    /// Did it come with the program?
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.origin.source.path.starts_with("built-in/")
    }
}

/// `[installer.interactive_only]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InteractiveOnly {
    /// What upstream lacks.
    pub why: String,
    /// What to use instead.
    pub remedy: String,
}

/// The versions that an entry of a manifest is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions(Vec<String>);

impl Versions {
    /// Is the entry for that version?
    #[must_use]
    pub fn cover(&self, version: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|covered| covered == version)
    }

    /// Reads `versions` of an entry; `known` are the installer's, `None` in a part of several. Without the key, it is for all of them.
    pub(super) fn read(table: &mut Fields<'_, '_, '_>, known: Option<&[String]>) -> Versions {
        let versions = table.texts("versions");
        let known = known.unwrap_or_default();
        for version in versions.iter().filter(|version| !known.is_empty() && !known.contains(&version.value)) {
            let problem = Problem::at(&version.origin, format!("this installer has no version `{}`", version.value));
            table.push(problem.help(format!("it has {}", known.join(", "))));
        }
        Versions(versions.into_iter().map(|version| version.value).collect())
    }
}

/// Names that templates have in any case.
pub const RESERVED_VARIABLES: [&str; 9] =
    ["prompt", "profile", "site", "installer", "version", "architecture", "ansible", "organisation", "image"];

/// What all installer definitions share: `installers/shared/`.
pub struct Shared {
    /// Templates.
    pub snippets: Snippets,
    /// `variables.toml`
    pub variables: Catalogue,
}

struct Head {
    title: String,
    family: String,
    versions: Vec<String>,
    architectures: Vec<String>,
    hand_over: HandOver,
    interactive_only: Option<InteractiveOnly>,
    standard: Vec<Located<String>>,
    parts: Vec<Located<String>>,
}

/// Reads a definition from its files, whose names are relative to its folder.
pub fn read(id: &Id, mut files: Snippets, shared: &Shared, problems: &mut Problems) -> Option<InstallerDefinition> {
    let manifest = files.remove("manifest.toml")?;
    for (name, source) in &shared.snippets {
        files.entry(name.clone()).or_insert_with(|| source.clone());
    }
    read_toml(&manifest, problems, |top| {
        let head = top.table("installer", read_head);
        if !top.has("installer") {
            top.missing("installer", "[installer]");
        }
        let head = head.flatten();
        let versions = head.as_ref().map(|head| head.versions.clone()).unwrap_or_default();
        let parts = parts::find(head.as_ref().map_or(&[], |head| &head.parts), &files, top);
        let (inherited, catalogue) = parts::variables(&parts, &shared.variables);
        let standard = head.as_ref().map_or(&[][..], |head| &head.standard);
        let mut variables = inherited;
        variables.extend(variables::read(top, standard, &catalogue));
        let mut body = Body::default();
        for part in &parts {
            body.join(parts::read(part, &shared.variables, &files, &variables, top));
        }
        body.join(Body::read(top, &files, &variables, Some(&versions)));
        let Body { boot, mut second_stage, files: file_templates, refusals, validators, hook_points, checksums } = body;
        if head.as_ref().is_some_and(|head| head.interactive_only.is_some()) {
            // Nothing of it is ever booted.
            second_stage.clear();
        } else {
            boot::check_second_stage(top, &second_stage, boot.as_ref());
        }
        let Head { title, family, versions, architectures, hand_over, interactive_only, .. } = head?;
        if hand_over == HandOver::Kexec {
            // What the medium refuses to put into an initrd must not get as far as a medium.
            for file in &file_templates {
                if let Err(unfit) = anode_fetch::hand_over::check_path(&file.path.value) {
                    top.push(
                        Problem::at(&file.path.origin, unfit.to_string()).label("an initrd can not carry this file"),
                    );
                }
            }
        }
        Some(InstallerDefinition {
            id: id.clone(),
            title,
            family,
            versions,
            architectures,
            hand_over,
            interactive_only,
            boot,
            second_stage,
            variables,
            files: file_templates,
            refusals,
            validators,
            hook_points,
            checksums,
            snippets: files,
            origin: top.origin(),
        })
    })
    .flatten()
}

fn read_head(table: &mut Fields<'_, '_, '_>) -> Option<Head> {
    let title = table.required_title("title", 72, "title = \"Debian\"");
    let family = table.required_title("family", 40, "family = \"debian-installer\"");
    let versions = words(table, "versions", "versions = [\"13\"]");
    let architectures = words(table, "architectures", "architectures = [\"amd64\"]");
    let ways = [("kexec", HandOver::Kexec), ("image", HandOver::Image), ("files", HandOver::Files)];
    let hand_over = table.word("hand_over", &ways).unwrap_or(HandOver::Kexec);
    let standard = table.texts("standard");
    let parts = table.texts("parts");
    let interactive_only = table.table("interactive_only", |table| {
        let why = table.required_title("why", 240, "why = \"what upstream lacks\"");
        let remedy = table.required_title("remedy", 240, "remedy = \"what to use instead\"");
        Some(InteractiveOnly { why: why?, remedy: remedy? })
    });
    Some(Head {
        title: title?,
        family: family?,
        versions,
        architectures,
        hand_over,
        interactive_only: interactive_only.flatten(),
        standard,
        parts,
    })
}

fn words(table: &mut Fields<'_, '_, '_>, key: &'static str, example: &str) -> Vec<String> {
    let words = table.texts(key);
    if words.is_empty() {
        table.missing(key, example);
    }
    let plain = |text: &str| {
        !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    for word in words.iter().filter(|word| !plain(&word.value)) {
        let problem = Problem::at(&word.origin, format!("`{key}` holds a word that can not be used in an address"));
        table.push(problem.label("letters, digits and `. _ -` only"));
    }
    words.into_iter().map(|word| word.value).collect()
}

/// The templates of a folder of built-in or own files.
pub fn snippets(prefix: &str, files: impl IntoIterator<Item = (String, String)>) -> Snippets {
    let source = |(name, text): (String, String)| {
        let path = format!("{prefix}/{name}");
        (name, Arc::new(Source { path, text }))
    };
    files.into_iter().map(source).collect()
}
