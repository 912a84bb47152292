//! The profiles repository: loaded from the work tree, checked, all problems in one run.
//!
//! A value of [`Repository`] is consistent: every name that one file uses of another exists, every variable has its declared type, every
//! code offers profiles that its organisation may see. It says nothing about templates; that is [`crate::render`].

mod ansible;
mod boot;
mod cases;
mod check;
mod checksums;
mod fields;
mod inheritance;
mod installer;
mod lock;
mod profile;
mod secrets;
mod site;
mod terms;
mod tree;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anode_bundle::name::Id;
use rayon::prelude::*;

pub use ansible::AnsibleSettings;
pub use boot::{BootTemplates, LoaderTemplates, NetworkTemplates, SecondStageCase};
pub use cases::Case;
pub use checksums::{Checksums, FILE, INLINE};
pub use fields::Located;
pub use installer::snippets as built_in_snippets;
pub use installer::{
    EACH, FORMAT_WORDS, FileTemplate, Format, HookPoint, InstallerDefinition, InteractiveOnly, Judge,
    RESERVED_VARIABLES, Refusal, Validator, Versions,
};
pub use lock::{Lock, Pinned, Vouched};
pub use profile::{Ancestor, Organisation, Profile, ProfileDraft};
pub use secrets::{SecretDefinition, SecretDefinitions, SecretPlace, SecretUse};
pub use site::{CodeRules, Language, Lifetimes, Site, is_site_url};
pub use terms::{CodeKind, CodeTerms, Generations, USES};
pub use value::{Setting, Settings, Value, Variable, VariableType, is_url as is_address};

use crate::builtin;
use crate::diagnose::{Origin, Problem, Problems, Source};
use crate::secrets::SecretValues;
use inheritance::Family;
use tree::{Tree, check_id};

/// Templates by name.
pub type Snippets = BTreeMap<String, Arc<Source>>;

/// The folder of templates that all installer definitions share.
const SHARED: &str = "shared";
/// The variables that have one meaning for all installers, in that folder.
const CATALOGUE: &str = "variables.toml";

/// Everything that a person wrote.
pub struct Repository {
    /// Where it lies.
    pub root: PathBuf,
    /// The site and its defaults.
    pub site: Site,
    /// `snippets/`
    pub snippets: Snippets,
    /// Everybody's profiles, then the organisations' own; by organisation and id. Each with everything that it inherits.
    pub profiles: Vec<Profile>,
    /// The profiles that are only there to be extended, with everything that they inherit; by organisation and id.
    pub bases: Vec<ProfileDraft>,
    /// By id.
    pub organisations: Vec<Organisation>,
    /// The repository's own definitions, and the built-in ones that it does not shadow.
    pub installers: BTreeMap<Id, InstallerDefinition>,
    /// What the repository's own definitions are tried with.
    pub cases: Vec<Case>,
    /// By organisation and label.
    pub codes: Vec<CodeTerms>,
    /// The generations of packs' keys.
    pub generations: Generations,
    /// What is pinned.
    pub lock: Lock,
    /// The values of the site's secrets: samples, unless somebody asked for the real ones.
    pub secrets: SecretValues,
}

impl Repository {
    /// The organisation of that name.
    #[must_use]
    pub fn organisation(&self, id: &Id) -> Option<&Organisation> {
        let place = self.organisations.binary_search_by(|known| known.id.cmp(id));
        place.ok().and_then(|index| self.organisations.get(index))
    }

    /// The profile that an organisation means by a name: everybody's, or its own. `None`: nobody in particular.
    #[must_use]
    pub fn profile(&self, id: &Id, organisation: Option<&Id>) -> Option<&Profile> {
        let find = |owner: Option<&Id>| {
            let place =
                self.profiles.binary_search_by(|known| (known.organisation.as_ref(), &known.id).cmp(&(owner, id)));
            place.ok().and_then(|index| self.profiles.get(index))
        };
        find(None).or_else(|| organisation.and_then(|owner| find(Some(owner))))
    }

    /// The abstract profile that an organisation means by a name, as [`Repository::profile`].
    #[must_use]
    pub fn base(&self, id: &Id, organisation: Option<&Id>) -> Option<&ProfileDraft> {
        let visible = |base: &&ProfileDraft| base.organisation.is_none() || base.organisation.as_ref() == organisation;
        self.bases.iter().filter(visible).find(|base| base.id == *id)
    }

    /// The profiles that an organisation may use and that inherit from a base.
    #[must_use]
    pub fn heirs<'r>(&'r self, base: &ProfileDraft, organisation: &'r Id) -> Vec<&'r Id> {
        check::heirs(base, self.visible_to(organisation))
    }

    /// The profiles that an organisation may use.
    pub fn visible_to<'r>(&'r self, organisation: &'r Id) -> impl Iterator<Item = &'r Profile> {
        self.profiles
            .iter()
            .filter(move |profile| profile.organisation.as_ref().is_none_or(|owner| owner == organisation))
    }

    /// Does what `organisation` gets of a profile hold secrets? Crypt hashes are the ones that a repository may hold.
    #[must_use]
    pub fn holds_secrets(&self, profile: &Profile, organisation: Option<&Organisation>) -> bool {
        let Some(definition) = self.definition(profile) else { return false };
        let layers = [
            Some(&self.site.variables),
            organisation.map(|organisation| &organisation.variables),
            Some(&profile.variables),
        ];
        let mut names = layers.into_iter().flatten().flat_map(|layer| layer.keys());
        let in_clear = names.any(|name| {
            let variable = definition.variables.get(name);
            variable.is_some_and(Variable::holds_secrets)
        });
        in_clear || !self.secret_uses(profile, organisation).is_empty()
    }

    /// The secrets that `organisation` gets with a profile: the place where each is named, the name of the variable or word, and what it is for.
    #[must_use]
    pub fn secret_uses<'r>(
        &'r self,
        profile: &'r Profile,
        organisation: Option<&'r Organisation>,
    ) -> Vec<(&'r Origin, &'r str, SecretUse<'r>)> {
        let mut uses = Vec::new();
        if let Some(definition) = self.definition(profile) {
            for (name, setting) in crate::render::effective_variables(self, profile, organisation) {
                let variable = definition.variables.get(name);
                let found = variable.map(|variable| variable.secret_uses(&setting.value)).unwrap_or_default();
                uses.extend(found.into_iter().map(|found| (&setting.origin, name, found)));
            }
        }
        uses.extend(profile.ansible.secret_uses(&self.site.ansible));
        uses
    }

    /// The first profile that a code offers and must not open, because it holds secrets and the code can be guessed.
    #[must_use]
    pub fn too_secret(&self, kind: CodeKind, organisation: &Id, profiles: &[Id]) -> Option<&Profile> {
        if kind == CodeKind::Generated {
            return None;
        }
        let organisation = self.organisation(organisation);
        let offered =
            profiles.iter().filter_map(|id| self.profile(id, organisation.map(|organisation| &organisation.id)));
        let mut secret = offered.filter(|profile| self.holds_secrets(profile, organisation));
        secret.find(|profile| kind == CodeKind::Phrase || !profile.hardware_secrets)
    }

    /// Reads the text of a `profile.toml` that is not in the repository (yet), as if it lay in the folder `id`. The problems beside it are warnings.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn read_profile(&self, id: &Id, text: String) -> Result<(Profile, Problems), Problems> {
        let mut problems = Problems::new();
        let source = Arc::new(Source { path: format!("{id}/profile.toml"), text });
        let draft = profile::read_profile(&source, id, None, Snippets::new(), &profile::REQUIRED, &mut problems);
        if let Some(draft) = draft.as_ref().filter(|draft| draft.is_abstract) {
            problems.push(Problem::at(&draft.origin, "is abstract").help("remove `abstract`"));
        }
        let profile = draft.and_then(|draft| inheritance::join(&draft, &self.profiles, &self.bases, &mut problems));
        let Some(profile) = profile else { return Err(problems) };
        check::profile(&profile, &self.installers, &mut problems);
        problems.unless_errors(profile)
    }

    /// The definition that a profile names.
    #[must_use]
    pub fn definition(&self, profile: &Profile) -> Option<&InstallerDefinition> {
        self.installers.get(&profile.installer.value)
    }
}

/// Reads and checks a repository. The problems beside it are warnings.
///
/// # Errors
/// Every problem of the run, if one of them is an error.
pub fn load(root: &Path) -> Result<(Repository, Problems), Problems> {
    let mut problems = Problems::new();
    let tree = Tree::list(root, &mut problems);
    let site = match tree.toml("anode.toml", &mut problems) {
        Some(source) => site::read(&source, &mut problems),
        None => {
            if !problems.has_errors() {
                let problem =
                    Problem::error("anode.toml", "there is no `anode.toml`: this is not a profiles repository");
                problems.push(problem.help("go to the repository, or make one with `anode init`"));
            }
            None
        }
    };
    let snippets = read_snippets(&tree, "snippets", &mut problems);
    let installers = read_installers(&tree, &mut problems);
    let cases = cases::read(&tree, &installers, &mut problems);
    let (mut organisations, own) = read_organisations(&tree, &mut problems);
    let mut drafts = read_profiles(&tree, &mut problems);
    drafts.extend(own);
    let Family { mut profiles, mut bases } = inheritance::resolve(drafts, &tree, &mut problems);
    // Names are looked up in these by halving.
    profiles.sort_by(|a, b| (&a.organisation, &a.id).cmp(&(&b.organisation, &b.id)));
    bases.sort_by(|a, b| (&a.organisation, &a.id).cmp(&(&b.organisation, &b.id)));
    organisations.sort_by(|a, b| a.id.cmp(&b.id));
    let codes = read_codes(&tree, &mut problems);
    let generations = match tree.toml(Generations::PATH, &mut problems) {
        Some(source) => Generations::read(&source, &mut problems),
        None => Generations::default(),
    };
    let mut lock = match tree.toml(Lock::PATH, &mut problems) {
        Some(source) => Lock::read(&source, &mut problems),
        None => Lock::default(),
    };
    let named = check::Named {
        tree: &tree,
        profiles: &profiles,
        bases: &bases,
        organisations: &organisations,
        installers: &installers,
    };
    check::profiles(&named, &mut problems);
    check::ansible(&named, site.as_ref(), &mut problems);
    check::layers(&named, site.as_ref(), &mut problems);
    check::secrets(&named, site.as_ref(), &mut problems);
    check::codes(&named, &codes, &mut problems);
    let Some(site) = site else { return Err(problems) };
    if site.mirror {
        lock.mirror_at(&site.urls);
    }
    let codes = codes.into_iter().map(|read| read.terms).collect();
    let root = root.to_owned();
    problems.unless_errors(Repository {
        root,
        site,
        snippets,
        profiles,
        bases,
        organisations,
        installers,
        cases,
        codes,
        generations,
        lock,
        secrets: SecretValues::Samples,
    })
}

/// Reads `anode.toml` alone, for commands that need the site and not its profiles.
///
/// # Errors
/// Every problem of that file.
pub fn load_site(root: &Path) -> Result<Site, Problems> {
    load_one(root, "anode.toml", site::read)
}

/// Reads one file of terms that does not lie below `codes/`.
///
/// # Errors
/// Every problem of that file.
pub fn load_terms(root: &Path, path: &str, organisation: &Id, label: &Id) -> Result<CodeTerms, Problems> {
    load_one(root, path, |source, problems| terms::read(source, organisation, label, problems).map(|read| read.terms))
}

fn load_one<T>(
    root: &Path,
    path: &str,
    read: impl FnOnce(&Arc<Source>, &mut Problems) -> Option<T>,
) -> Result<T, Problems> {
    let mut problems = Problems::new();
    let value = match tree::read_file(root, path, &mut problems) {
        Some(source) => read(&source, &mut problems),
        None if problems.has_errors() => None,
        None => {
            let problem = Problem::error(path, format!("there is no `{path}`: this is not a profiles repository"));
            problems.push(problem.help("go to the repository, or make one with `anode init`"));
            None
        }
    };
    match value {
        Some(value) if !problems.has_errors() => Ok(value),
        _ => Err(problems),
    }
}

/// The files of a folder; `profile.toml` is none of them.
fn read_snippets(tree: &Tree, folder: &str, problems: &mut Problems) -> Snippets {
    let names: Vec<_> = tree.below(folder).filter(|name| *name != "profile.toml").collect();
    let read = |name: &&str| tree.text(&tree::join(folder, name), problems).map(|source| ((*name).to_owned(), source));
    names.iter().filter_map(read).collect()
}

fn read_installers(tree: &Tree, problems: &mut Problems) -> BTreeMap<Id, InstallerDefinition> {
    let shared = read_shared(tree, problems);
    let mut installers = BTreeMap::new();
    let mut own = Vec::new();
    for id in tree.ids("installers", "an installer definition", problems) {
        if id.as_str() == SHARED {
            continue;
        }
        let folder = tree::join("installers", id.as_str());
        if !tree.has(&format!("{folder}/manifest.toml")) {
            let problem = Problem::error(&folder, "an installer definition without `manifest.toml`");
            let found = tree.below(&folder).collect::<Vec<_>>();
            problems.push(match crate::diagnose::nearest("manifest.toml", found) {
                Some(found) => problem.help(format!("rename `{found}` to `manifest.toml`")),
                None => problem.help("add a `manifest.toml`, or remove the folder"),
            });
            continue;
        }
        let mut files = read_snippets(tree, &folder, problems);
        // What a definition is tried with is no part of it.
        files.retain(|name, _| !name.starts_with("tests/"));
        installers.extend(installer::read(&id, files, &shared, problems).map(|definition| (id.clone(), definition)));
        own.push(id);
    }
    for id in builtin::installers().filter(|id| id.as_str() != SHARED && !own.contains(id)) {
        let files = builtin::installer(id.as_str()).unwrap_or_default();
        installers.extend(installer::read(&id, files, &shared, problems).map(|definition| (id.clone(), definition)));
    }
    installers
}

/// What all definitions share; the repository's own files and variables win by name.
fn read_shared(tree: &Tree, problems: &mut Problems) -> installer::Shared {
    let mut snippets = builtin::installer(SHARED).unwrap_or_default();
    let mut own = read_snippets(tree, &tree::join("installers", SHARED), problems);
    let mut variables = installer::Catalogue::new();
    for catalogue in [snippets.remove(CATALOGUE), own.remove(CATALOGUE)].into_iter().flatten() {
        variables.extend(installer::read_catalogue(&catalogue, problems));
    }
    snippets.extend(own);
    installer::Shared { snippets, variables }
}

fn read_profiles(tree: &Tree, problems: &mut Problems) -> Vec<ProfileDraft> {
    let read = |id: Id| {
        let mut problems = Problems::new();
        let snippets = read_snippets(tree, id.as_str(), &mut problems);
        let source = tree.toml(&format!("{id}/profile.toml"), &mut problems);
        let profile = source
            .and_then(|source| profile::read_profile(&source, &id, None, snippets, &profile::REQUIRED, &mut problems));
        (profile, problems)
    };
    let ids = tree.profiles(problems);
    collect(ids.into_par_iter().map(read).collect(), problems)
}

fn read_organisations(tree: &Tree, problems: &mut Problems) -> (Vec<Organisation>, Vec<ProfileDraft>) {
    let mut organisations = Vec::new();
    let mut own = Vec::new();
    for id in tree.ids("orgs", "an organisation", problems) {
        let folder = tree::join("orgs", id.as_str());
        let path = format!("{folder}/org.toml");
        if !tree.has(&path) {
            let problem = Problem::error(&folder, "an organisation without `org.toml`");
            problems.push(problem.help(format!("add `{path}` with a `title`")));
        }
        let snippets = read_snippets(tree, &format!("{folder}/snippets"), problems);
        if let Some(source) = tree.toml(&path, problems) {
            organisations.extend(profile::read_organisation(&source, &id, snippets, problems));
        }
        for name in tree.folders(&folder).into_iter().filter(|name| *name != "snippets") {
            let inner = tree::join(&folder, name);
            let path = format!("{inner}/profile.toml");
            let Some(source) = tree.toml(&path, problems) else {
                let problem = Problem::error(&inner, "a folder of an organisation without `profile.toml`");
                problems.push(problem.nearest(name, ["snippets"]));
                continue;
            };
            if let Some(profile_id) = check_id(&inner, name, "a profile", problems) {
                let snippets = read_snippets(tree, &inner, problems);
                own.extend(profile::read_profile(
                    &source,
                    &profile_id,
                    Some(&id),
                    snippets,
                    &profile::REQUIRED,
                    problems,
                ));
            }
        }
    }
    (organisations, own)
}

fn read_codes(tree: &Tree, problems: &mut Problems) -> Vec<terms::ReadTerms> {
    let mut files = Vec::new();
    for name in tree.below("codes").filter(|name| *name != "generations.toml") {
        let path = tree::join("codes", name);
        match name.strip_suffix(".toml").and_then(|stem| stem.split_once('/')).filter(|(_, label)| !label.contains('/'))
        {
            Some((organisation, label)) => {
                let organisation = check_id(&path, organisation, "an organisation", problems);
                let label = check_id(&path, label, "a code", problems);
                files.extend(organisation.zip(label).map(|(organisation, label)| (path, organisation, label)));
            }
            None => {
                let problem = Problem::error(&path, "is not the terms of a code");
                problems.push(problem.help("terms lie in `codes/<organisation>/<label>.toml`"));
            }
        }
    }
    let read = |(path, organisation, label): (String, Id, Id)| {
        let mut problems = Problems::new();
        let source = tree.toml(&path, &mut problems);
        let terms = source.and_then(|source| terms::read(&source, &organisation, &label, &mut problems));
        (terms, problems)
    };
    collect(files.into_par_iter().map(read).collect(), problems)
}

fn collect<T>(read: Vec<(Option<T>, Problems)>, problems: &mut Problems) -> Vec<T> {
    let mut values = Vec::with_capacity(read.len());
    for (value, found) in read {
        values.extend(value);
        problems.append(found);
    }
    values
}
