//! Rendering: a profile becomes the contents of a pack.
//!
//! Strict: an undefined variable, a misspelt snippet, a value that the format can not hold are errors with file and line. Pure: the result is a
//! function of the repository, the profile and the organisation. The random nonce only names the places of prompts and is cut out again.

mod addresses;
mod branches;
mod each;
mod escape;
mod layers;
mod loaders;
mod markers;
mod network;
mod origins;
mod pass;
mod samples;
mod slots;
mod tags;
mod templates;
mod texts;
mod usage;
mod xml;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anode_bundle::name::{Id, SafePath};
use anode_bundle::pack::{Contents, File};
use rayon::prelude::*;

use crate::diagnose::{Problem, Problems, Source};
use crate::repository::{Case, Format, InstallerDefinition, Organisation, Profile, Repository, Setting};

pub use addresses::{Addresses, Vouching};
pub use markers::Nonce;
pub use origins::{MadeOf, made_of};
pub use samples::{sample_answer, sample_answers};
pub use usage::{idle_files, unused_variables};

use escape::Rule;
use layers::Layers;
use templates::Templates;
use usage::Seen;

/// A rendered profile.
pub struct Rendered {
    /// What goes into the pack.
    pub contents: Contents,
    /// What each of its files is, in the same order.
    pub formats: Vec<Format>,
    /// The plain files of a public profile, by their path below `public/<profile>/`.
    pub public: Vec<(SafePath, Vec<u8>)>,
    /// What somebody should look at.
    pub warnings: Problems,
}

impl Rendered {
    /// Its files as a person reads them, `«name»` where an answer belongs.
    #[must_use]
    pub fn readable(&self) -> Vec<(&SafePath, String)> {
        let text = |(file, bytes): (&'_ File, &[u8])| {
            let mut text = String::new();
            let mut done = 0;
            for insert in &file.inserts {
                let at = usize::try_from(insert.at).unwrap_or(usize::MAX).min(bytes.len());
                text.push_str(&String::from_utf8_lossy(bytes.get(done..at).unwrap_or_default()));
                text.push_str(&format!("«{}»", insert.prompt));
                done = at;
            }
            text + &String::from_utf8_lossy(bytes.get(done..).unwrap_or_default())
        };
        self.contents.files().map(|(file, bytes)| (&file.path, text((file, bytes)))).collect()
    }
}

/// Renders many profiles of one repository; templates that several of them share are parsed once.
pub struct Renderer<'r> {
    repository: &'r Repository,
    nonce: Nonce,
    // By rule, definition and the addresses of the files: the repository outlives the renderer.
    parsed: Mutex<HashMap<TemplatesKey<'r>, Parsed>>,
    seen: Mutex<Seen>,
}

type TemplatesKey<'r> = (Rule, &'r Id, Vec<usize>);
type Parsed = Arc<Result<Templates, Problems>>;

/// Renders one profile.
///
/// # Errors
/// Every problem of its templates and values.
pub fn render(
    repository: &Repository,
    profile: &Profile,
    organisation: Option<&Organisation>,
) -> Result<Rendered, Problems> {
    Renderer::new(repository)?.render(profile, organisation)
}

/// Renders everything that the repository's own definitions are tried with.
///
/// # Errors
/// Every problem of the definitions' templates. Warnings are for profiles: nobody is offered a case.
pub fn render_cases(repository: &Repository) -> Result<Vec<(&Case, Rendered)>, Problems> {
    let renderer = Renderer::new(repository)?;
    let results: Vec<_> =
        repository.cases.par_iter().map(|case| (case, renderer.render(&case.profile, None))).collect();
    let mut problems = Problems::new();
    let mut rendered = Vec::new();
    for (case, result) in results {
        match result {
            Ok(done) => rendered.push((case, done)),
            Err(found) => problems.append(found),
        }
    }
    problems.unless_errors(rendered).map(|(rendered, _)| rendered)
}

/// Would the organisation's layer change what is rendered? If not, everybody's pack will do.
#[must_use]
pub fn organisation_matters(repository: &Repository, profile: &Profile, organisation: &Organisation) -> bool {
    let Some(definition) = repository.definition(profile) else { return false };
    if profile.organisation.is_some() {
        return true;
    }
    let with = Layers { repository, definition, organisation: Some(organisation), profile };
    let without = Layers { organisation: None, ..with };
    let value = |setting: Option<&Setting>| setting.map(|setting| setting.value.clone());
    let mut set = organisation.variables.keys().filter(|name| definition.variables.contains_key(*name));
    if set.any(|name| value(with.setting(name)) != value(without.setting(name))) {
        return true;
    }
    if organisation.snippets.is_empty() {
        return false;
    }
    // A closure that can not be found is a problem that rendering will report.
    match (pass::everything(&with), pass::everything(&without)) {
        (Ok(with), Ok(without)) => with.differs_from(&without),
        _ => true,
    }
}

/// The variables of a profile, each with the place it was set at.
#[must_use]
pub fn effective_variables<'r>(
    repository: &'r Repository,
    profile: &'r Profile,
    organisation: Option<&'r Organisation>,
) -> BTreeMap<&'r str, &'r Setting> {
    match repository.definition(profile) {
        Some(definition) => Layers { repository, definition, organisation, profile }.settings(),
        None => BTreeMap::new(),
    }
}

impl<'r> Renderer<'r> {
    /// A renderer with a random nonce.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new(repository: &'r Repository) -> Result<Renderer<'r>, Problems> {
        let mut random = [0; 16];
        match getrandom::fill(&mut random) {
            Ok(()) => Ok(Renderer::with_nonce(repository, Nonce::new(random))),
            Err(error) => Err(Problem::error(".", format!("the system gives no random numbers: {error}")).into()),
        }
    }

    /// A renderer with a nonce of the caller's.
    #[must_use]
    pub fn with_nonce(repository: &'r Repository, nonce: Nonce) -> Renderer<'r> {
        Renderer { repository, nonce, parsed: Mutex::default(), seen: Mutex::default() }
    }

    /// Renders a profile as an organisation sees it.
    ///
    /// # Errors
    /// Every problem of its templates and values.
    pub fn render(&self, profile: &'r Profile, organisation: Option<&'r Organisation>) -> Result<Rendered, Problems> {
        pass::run(self, self.layers(profile, organisation)?)
    }

    fn layers(&self, profile: &'r Profile, organisation: Option<&'r Organisation>) -> Result<Layers<'r>, Problems> {
        let repository = self.repository;
        let Some(definition) = repository.definition(profile) else {
            let message = format!("there is no installer `{}`", profile.installer.value);
            return Err(Problem::at(&profile.installer.origin, message).into());
        };
        let organisation = organisation.filter(|organisation| organisation_matters(repository, profile, organisation));
        Ok(Layers { repository, definition, organisation, profile })
    }

    /// What is written in the repository and had no effect on anything that was rendered so far.
    #[must_use]
    pub fn unused(&self) -> Problems {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).unused(self.repository)
    }

    /// `key` names what is in `sources`; empty: their addresses do.
    fn parsed(
        &self,
        rule: Rule,
        definition: &'r InstallerDefinition,
        key: &[usize],
        sources: BTreeMap<String, Arc<Source>>,
    ) -> Parsed {
        let addresses = if key.is_empty() { sources.values().map(address).collect() } else { key.to_vec() };
        let key = (rule, &definition.id, addresses);
        // A panic elsewhere does not make parsed templates wrong.
        let cached = self.parsed.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        cached.unwrap_or_else(|| {
            let parsed = Arc::new(Templates::parse(sources, rule, &definition.variables));
            self.parsed.lock().unwrap_or_else(PoisonError::into_inner).insert(key, parsed.clone());
            parsed
        })
    }
}

fn address(source: &Arc<Source>) -> usize {
    Arc::as_ptr(source) as usize
}
