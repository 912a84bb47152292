//! What one file says about another: names that must exist, variables that must be declared, codes that must be unique.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anode_bundle::Refusal;
use anode_bundle::name::{Id, Locator};

use super::fields::Located;
use super::installer::InstallerDefinition;
use super::profile::{Ancestor, Organisation, Profile, ProfileDraft};
use super::site::Site;
use super::terms::ReadTerms;
use super::tree::Tree;
use super::value::{Settings, Variable};
use crate::diagnose::{Origin, Problem, Problems};

/// What was read, for names to be looked up in.
pub struct Named<'a> {
    pub tree: &'a Tree,
    pub profiles: &'a [Profile],
    pub bases: &'a [ProfileDraft],
    pub organisations: &'a [Organisation],
    pub installers: &'a BTreeMap<Id, InstallerDefinition>,
}

/// What is checked of a profile, also of one that is only there to be extended and says half of it.
struct View<'a> {
    id: &'a Id,
    organisation: Option<&'a Id>,
    installer: Option<&'a Located<Id>>,
    version: Option<&'a Located<String>>,
    architecture: Option<&'a Located<String>>,
    variables: &'a Settings,
    origin: &'a Origin,
}

impl<'a> From<&'a Profile> for View<'a> {
    fn from(profile: &'a Profile) -> View<'a> {
        View {
            id: &profile.id,
            organisation: profile.organisation.as_ref(),
            installer: Some(&profile.installer),
            version: Some(&profile.version),
            architecture: Some(&profile.architecture),
            variables: &profile.variables,
            origin: &profile.origin,
        }
    }
}

impl<'a> From<&'a ProfileDraft> for View<'a> {
    fn from(draft: &'a ProfileDraft) -> View<'a> {
        View {
            id: &draft.id,
            organisation: draft.organisation.as_ref(),
            installer: draft.installer.as_ref(),
            version: draft.version.as_ref(),
            architecture: draft.architecture.as_ref(),
            variables: &draft.variables,
            origin: &draft.origin,
        }
    }
}

/// Profiles name a definition, a version and an architecture that exist, and set variables that it declares.
pub fn profiles(named: &Named<'_>, problems: &mut Problems) {
    // What is inherited would be reported again for each heir.
    let mut said = BTreeSet::new();
    let views: Vec<View<'_>> =
        named.bases.iter().map(View::from).chain(named.profiles.iter().map(View::from)).collect();
    let everybodys: HashSet<&Id> =
        views.iter().filter(|view| view.organisation.is_none()).map(|view| view.id).collect();
    let declared = declared(named.installers);
    for view in &views {
        if let Some(owner) = view.organisation.filter(|_| everybodys.contains(view.id)) {
            let message = format!("`{}` of the organisation `{owner}` has the id of everybody's profile", view.id);
            problems.push(Problem::at(view.origin, message).help("rename the folder"));
        }
        let mut found = Problems::new();
        // A definition of that name that could not be read has been reported already.
        let unreadable = |name: &Id| named.tree.has(&format!("installers/{name}/manifest.toml"));
        match view.installer {
            Some(name) if !named.installers.contains_key(&name.value) && unreadable(&name.value) => {}
            Some(name) => check_view(view, name, named.installers, &mut found),
            None => check_layer(view.variables, &declared, &mut found),
        }
        problems.extend(found.into_iter().filter(|problem| {
            said.insert((problem.file.clone(), problem.span.as_ref().map(|span| span.start), problem.message.clone()))
        }));
    }
}

/// Every secret that somebody names is defined, and every one that is defined is named.
pub fn secrets(named: &Named<'_>, site: Option<&Site>, problems: &mut Problems) {
    let Some(site) = site else { return };
    let layers = [&site.variables]
        .into_iter()
        .chain(named.organisations.iter().map(|org| &org.variables))
        .chain(named.bases.iter().map(|base| &base.variables))
        .chain(named.profiles.iter().map(|profile| &profile.variables));
    let variables = layers.flat_map(|layer| layer.values());
    let variables = variables.flat_map(|set| set.value.secret_names().into_iter().map(|name| (name, &set.origin)));
    let ansible = [&site.ansible].into_iter().chain(named.bases.iter().map(|base| &base.ansible));
    let ansible = ansible.chain(named.profiles.iter().map(|profile| &profile.ansible));
    let ansible = ansible.flat_map(|ansible| [&ansible.vault, &ansible.deploy_key]).flatten();
    let ansible = ansible.map(|name| (name.value.as_str(), &name.origin));
    let mut used = BTreeSet::new();
    let mut said = BTreeSet::new();
    for (name, origin) in variables.chain(ansible) {
        used.insert(name);
        // What is inherited would be reported again for each heir.
        if !site.secrets.contains_key(name) && said.insert((&origin.source.path, origin.span.start, name)) {
            let problem = Problem::at(origin, format!("there is no secret `{name}`"));
            let problem = problem.help(format!(
                "say in `anode.toml` where it comes from: `[secrets.{name}]` with `env`, `file` or `command`"
            ));
            problems.push(problem.nearest(name, site.secrets.keys().map(String::as_str)));
        }
    }
    for (name, definition) in site.secrets.iter().filter(|(name, _)| !used.contains(name.as_str())) {
        let problem = Problem::at(&definition.origin, format!("nothing uses the secret `{name}`"));
        problems.push(
            problem.as_warning().help(format!("remove it, or write `{{ secret = \"{name}\" }}` where it belongs")),
        );
    }
}

/// The words of `[ansible]` that a profile and the site say go together.
pub fn ansible(named: &Named<'_>, site: Option<&Site>, problems: &mut Problems) {
    let mut found = Problems::new();
    for profile in named.profiles {
        match site {
            Some(site) => profile.ansible.over(&site.ansible).check(&mut found),
            None => profile.ansible.check(&mut found),
        }
    }
    // Many profiles may have their words from one place.
    let mut said = BTreeSet::new();
    problems.extend(found.into_iter().filter(|problem| said.insert((problem.file.clone(), problem.message.clone()))));
}

/// One profile names what exists.
pub fn profile(profile: &Profile, installers: &BTreeMap<Id, InstallerDefinition>, problems: &mut Problems) {
    check_view(&profile.into(), &profile.installer, installers, problems);
}

fn check_view(
    view: &View<'_>,
    name: &Located<Id>,
    installers: &BTreeMap<Id, InstallerDefinition>,
    problems: &mut Problems,
) {
    // What is wrong in a profile may be right where it was written: then the reader has to know who else uses it.
    let from_here = |problem: Problem| match problem.file == view.origin.source.path {
        true => problem,
        false => problem.label(format!("`{}` inherits this", view.id)),
    };
    let Some(definition) = installers.get(&name.value) else {
        let message = format!("there is no installer `{}`", name.value);
        let known = installers.keys().map(Id::as_str);
        problems.push(nearest_or_list(Problem::at(&name.origin, message), name.value.as_str(), known));
        return;
    };
    if let Some(only) = &definition.interactive_only {
        let message = format!("the installer `{}` can not be answered by a profile: {}", name.value, only.why);
        problems.push(Problem::at(&name.origin, message).help(&*only.remedy));
    }
    for (what, found, known) in [
        ("version", view.version, &definition.versions),
        ("architecture", view.architecture, &definition.architectures),
    ] {
        if let Some(found) = found.filter(|found| !known.contains(&found.value)) {
            let message = format!("the installer `{}` has no {what} `{}`", name.value, found.value);
            let problem = Problem::at(&found.origin, message).help(format!("it has {}", known.join(", ")));
            problems.push(from_here(problem));
        }
    }
    let mut found = Problems::new();
    for (variable, setting) in view.variables {
        match definition.variables.get(variable) {
            Some(declared) => check_type(declared, setting, &mut found),
            None => {
                let message = format!("the installer `{}` has no variable `{variable}`", name.value);
                let known = definition.variables.keys().map(String::as_str);
                found.push(nearest_or_list(Problem::at(&setting.origin, message), variable, known));
            }
        }
    }
    problems.extend(found.into_iter().map(from_here));
}

fn declared(installers: &BTreeMap<Id, InstallerDefinition>) -> BTreeMap<&str, Vec<&Variable>> {
    let mut declared: BTreeMap<&str, Vec<&Variable>> = BTreeMap::new();
    for variable in installers.values().flat_map(|definition| definition.variables.values()) {
        declared.entry(&variable.name).or_default().push(variable);
    }
    declared
}

/// The site's and the organisations' variables are declared by at least one definition.
pub fn layers(named: &Named<'_>, site: Option<&Site>, problems: &mut Problems) {
    let declared = declared(named.installers);
    let layers =
        site.map(|site| &site.variables).into_iter().chain(named.organisations.iter().map(|org| &org.variables));
    for settings in layers {
        check_layer(settings, &declared, problems);
    }
}

fn check_layer(settings: &Settings, declared: &BTreeMap<&str, Vec<&Variable>>, problems: &mut Problems) {
    for (name, setting) in settings {
        match declared.get(name.as_str()) {
            // The same name may have another type elsewhere: it is enough if one definition can use the value.
            Some(variables) => match variables.iter().find(|variable| variable.check(&setting.value).is_ok()) {
                Some(variable) => warn_in_clear(variable, setting, problems),
                None => variables.iter().take(1).for_each(|variable| check_type(variable, setting, problems)),
            },
            None => {
                let problem = Problem::at(&setting.origin, format!("no installer has a variable `{name}`"));
                problems.push(nearest_or_list(problem, name, declared.keys().copied()));
            }
        }
    }
}

/// A passphrase in git is one that everybody has who ever reads the repository.
fn warn_in_clear(declared: &Variable, setting: &super::value::Setting, problems: &mut Problems) {
    if let Some(origin) = super::secrets::in_clear(declared, setting) {
        let problem = Problem::at(origin, format!("`{}` is a secret, and stands here in clear", declared.name));
        problems.push(problem.as_warning().help(format!(
            "write `{} = {{ secret = \"{}\" }}`, and say in `anode.toml` where it comes from; replace the value, for git keeps it",
            declared.name,
            declared.name.replace('_', "-")
        )));
    }
}

fn check_type(declared: &Variable, setting: &super::value::Setting, problems: &mut Problems) {
    if let Err(problem) = declared.check(&setting.value) {
        let message = format!("`{}` {problem}", declared.name);
        let problem = Problem::at(&setting.origin, message);
        problems.push(if declared.help.is_empty() {
            problem
        } else {
            problem.help(format!("`{}`: {}", declared.name, declared.help))
        });
    } else {
        warn_in_clear(declared, setting, problems);
    }
}

/// Codes belong to organisations, offer profiles that these may see, and are unique.
pub fn codes(named: &Named<'_>, codes: &[ReadTerms], problems: &mut Problems) {
    let mut seen: HashMap<Locator, &ReadTerms> = HashMap::with_capacity(codes.len());
    let mut profiles: HashMap<&Id, Vec<&Profile>> = HashMap::new();
    for profile in named.profiles {
        profiles.entry(&profile.id).or_default().push(profile);
    }
    let organisations: HashSet<&Id> = named.organisations.iter().map(|known| &known.id).collect();
    for code in codes {
        let terms = &code.terms;
        let organisation = &terms.organisation;
        if let Some(other) = seen.insert(terms.locator, code) {
            let message = format!("has the locator of `{}`", other.terms.path());
            problems.push(Problem::error(&code.source.path, message).help("one of the two is a copy: remove it"));
        }
        // One that could not be read has been reported already.
        if !organisations.contains(organisation) && !named.tree.has(&format!("orgs/{organisation}/org.toml")) {
            let message = format!("there is no organisation `{organisation}`");
            let known = named.organisations.iter().map(|known| known.id.as_str());
            problems.push(nearest_or_list(Problem::error(&code.source.path, message), organisation.as_str(), known));
        }
        let visible = |profile: &&Profile| profile.organisation.as_ref().is_none_or(|owner| owner == organisation);
        let find = |id: &Id| profiles.get(id)?.iter().copied().find(visible);
        for name in &code.profiles {
            let id = &name.value;
            let unread = [format!("{id}/profile.toml"), format!("orgs/{organisation}/{id}/profile.toml")];
            let is_base =
                |base: &&ProfileDraft| base.id == *id && base.organisation.as_ref().is_none_or(|o| o == organisation);
            if let Some(base) = named.bases.iter().find(is_base) {
                problems.push(offers_base(name, base, named.profiles.iter().filter(visible)));
            } else if find(id).is_none() && !unread.iter().any(|path| named.tree.has(path)) {
                let foreign =
                    named.profiles.iter().find(|profile| profile.id == *id).and_then(|p| p.organisation.as_ref());
                problems.push(match foreign {
                    Some(owner) => Problem::at(&name.origin, format!("the profile `{id}` belongs to `{owner}`"))
                        .help(format!("move it to the top, or to `orgs/{organisation}/`")),
                    None => {
                        let known = named.profiles.iter().filter(visible).map(|profile| profile.id.as_str());
                        nearest_or_list(
                            Problem::at(&name.origin, format!("there is no profile `{id}`")),
                            id.as_str(),
                            known,
                        )
                    }
                });
            }
        }
        for rule in code.rules.iter().filter(|rule| !terms.profiles.contains(&rule.value.profile)) {
            let message = format!("the code does not offer `{}`", rule.value.profile);
            let offered = terms.profiles.iter().map(Id::as_str);
            problems.push(nearest_or_list(Problem::at(&rule.origin, message), rule.value.profile.as_str(), offered));
        }
        check_answers(code, find, problems);
    }
}

fn offers_base<'p>(name: &Located<Id>, base: &ProfileDraft, visible: impl Iterator<Item = &'p Profile>) -> Problem {
    let problem = Problem::at(&name.origin, format!("the profile `{}` is abstract: nobody can be offered it", base.id));
    let heirs = heirs(base, visible).iter().map(|heir| format!("`{heir}`")).collect::<Vec<_>>();
    match heirs.is_empty() {
        true => problem.help("offer a profile that extends it: there is none yet"),
        false => problem.help(format!("offer a profile that extends it: {}", heirs.join(", "))),
    }
}

/// The profiles that inherit from a base, by id.
pub fn heirs<'p>(base: &ProfileDraft, profiles: impl Iterator<Item = &'p Profile>) -> Vec<&'p Id> {
    let from = |ancestor: &Ancestor| ancestor.id == base.id && ancestor.organisation == base.organisation;
    profiles.filter(|profile| profile.ancestors.iter().any(from)).map(|profile| &profile.id).collect()
}

fn check_answers<'p>(code: &ReadTerms, find: impl Fn(&Id) -> Option<&'p Profile>, problems: &mut Problems) {
    let offered: Vec<_> = code.terms.profiles.iter().filter_map(find).collect();
    // With a profile missing, nothing can be said about its prompts.
    if offered.len() < code.terms.profiles.len() {
        return;
    }
    for name in &code.answers {
        let prompts: Vec<_> = offered
            .iter()
            .flat_map(|profile| &profile.prompts)
            .filter(|prompt| prompt.value.name == name.value)
            .collect();
        if prompts.is_empty() {
            let problem = Problem::at(&name.origin, format!("no profile of this code has a prompt `{}`", name.value));
            let known = offered.iter().flat_map(|profile| &profile.prompts).map(|prompt| prompt.value.name.as_str());
            problems.push(nearest_or_list(problem, name.value.as_str(), known));
        }
        let answer = code.terms.answers.get(&name.value).map_or("", String::as_str);
        for prompt in prompts {
            if let Err(Refusal::AnswerInvalid { problem, .. }) = prompt.value.check_preset(answer) {
                problems.push(Problem::at(&name.origin, format!("the answer to `{}` {problem}", name.value)));
            }
        }
    }
}

/// The nearest known name, else all of them as long as a person can take them in.
pub fn nearest_or_list<'a>(problem: Problem, found: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
    let mut known: Vec<_> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    let problem = problem.nearest(found, known.iter().copied());
    if problem.help.is_some() || known.is_empty() {
        return problem;
    }
    let shown = known.iter().take(12).copied().collect::<Vec<_>>().join(", ");
    problem.help(format!("known: {shown}{}", if known.len() > 12 { ", …" } else { "" }))
}
