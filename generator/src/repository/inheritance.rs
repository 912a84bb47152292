//! Profiles that extend profiles: each link is looked up, each chain folded into one, so that whoever reads a profile afterwards sees what is in
//! effect and need not know where it came from. Each value keeps the place where it was written.
//!
//! Inherited are installer, version, architecture, `unattended`, the words of `[ansible]`, prompts and variables by name, and the snippets beside
//! `profile.toml`. What says something about one profile is not: title, description, `public`, `abstract`, `hardware_secrets`.

use std::collections::{BTreeMap, BTreeSet};

use anode_bundle::name::Id;

use super::check::nearest_or_list;
use super::fields::Located;
use super::profile::{Ancestor, Profile, ProfileDraft, REQUIRED};
use super::tree::Tree;
use crate::diagnose::{Problem, Problems};

/// How many profiles one profile may extend: enough for any site, and few enough for a person to follow.
const DEPTH: usize = 16;

/// All profiles, with everything that they inherit.
#[derive(Default)]
pub struct Family {
    /// Those that can be offered.
    pub profiles: Vec<Profile>,
    /// Those that are only there to be extended.
    pub bases: Vec<ProfileDraft>,
}

/// Looks up what each draft extends, and makes profiles of them. One whose chain is broken is left out, and the break reported once.
pub fn resolve(drafts: Vec<ProfileDraft>, tree: &Tree, problems: &mut Problems) -> Family {
    let links = Links::of(&drafts, tree, problems);
    let mut family = Family::default();
    for (index, draft) in drafts.iter().enumerate() {
        let Some(chain) = links.chain(index) else { continue };
        let ancestors: Vec<_> = chain.iter().skip(1).filter_map(|index| drafts.get(*index)).collect();
        if ancestors.len() > DEPTH {
            problems.extend(too_deep(draft, ancestors.len()));
            continue;
        }
        family.add(inherit(draft, &ancestors, problems), problems);
    }
    warn_of_idle(&drafts, problems);
    family
}

/// A draft that is not part of the repository, with what it inherits from everybody's profiles that are.
pub fn join(
    draft: &ProfileDraft,
    profiles: &[Profile],
    bases: &[ProfileDraft],
    problems: &mut Problems,
) -> Option<Profile> {
    let Some(extends) = &draft.extends else {
        return complete(inherit(draft, &[], problems), problems);
    };
    let profile = profiles.iter().find(|known| known.id == extends.value && known.organisation.is_none());
    let base = bases.iter().find(|known| known.id == extends.value && known.organisation.is_none());
    let Some(parent) = base.cloned().or_else(|| profile.map(ProfileDraft::from)) else {
        let profiles = profiles.iter().map(|known| (&known.organisation, &known.id));
        let known = profiles.chain(bases.iter().map(|known| (&known.organisation, &known.id)));
        problems.push(unknown(extends, known.filter(|(owner, _)| owner.is_none()).map(|(_, id)| id.as_str())));
        return None;
    };
    let mut whole = inherit(draft, &[&parent], problems);
    whole.ancestors.extend(parent.ancestors);
    complete(whole, problems)
}

impl Family {
    fn add(&mut self, draft: ProfileDraft, problems: &mut Problems) {
        if draft.is_abstract {
            self.bases.push(draft);
        } else {
            self.profiles.extend(complete(draft, problems));
        }
    }
}

/// An abstract profile that nobody extends does nothing.
fn warn_of_idle(drafts: &[ProfileDraft], problems: &mut Problems) {
    let extended: BTreeSet<_> =
        drafts.iter().filter_map(|draft| draft.extends.as_ref()).map(|name| &name.value).collect();
    for base in drafts.iter().filter(|draft| draft.is_abstract && !extended.contains(&draft.id)) {
        let problem = Problem::at(&base.origin, format!("no profile extends the abstract profile `{}`", base.id));
        problems.push(
            problem.as_warning().help(format!("write `extends = \"{}\"` in a profile, or remove `abstract`", base.id)),
        );
    }
}

/// What each draft extends, by place in the list.
struct Links {
    parents: Vec<Link>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    // It extends nothing.
    End,
    // What it extends is not there, or leads back to it: reported.
    Broken,
    To(usize),
}

impl Links {
    fn of(drafts: &[ProfileDraft], tree: &Tree, problems: &mut Problems) -> Links {
        let by_name: BTreeMap<_, _> =
            drafts.iter().enumerate().map(|(index, draft)| ((draft.organisation.as_ref(), &draft.id), index)).collect();
        let find = |draft: &ProfileDraft| {
            let Some(extends) = &draft.extends else { return Link::End };
            let own = draft.organisation.as_ref();
            let parent = by_name.get(&(None, &extends.value)).or_else(|| by_name.get(&(own, &extends.value)));
            match parent {
                Some(parent) => Link::To(*parent),
                None => {
                    problems.extend(missing(draft, extends, drafts, tree));
                    Link::Broken
                }
            }
        };
        let mut links = Links { parents: drafts.iter().map(find).collect() };
        links.cut_circles(drafts, problems);
        links
    }

    /// Each circle is reported once, beginning with its first profile, and cut at every link.
    fn cut_circles(&mut self, drafts: &[ProfileDraft], problems: &mut Problems) {
        let mut seen = vec![false; self.parents.len()];
        for start in 0..self.parents.len() {
            let circle = self.circle(start, &mut seen);
            let members: Vec<_> = circle.iter().filter_map(|index| drafts.get(*index)).collect();
            problems.extend(circle_problem(&members));
            for index in circle {
                if let Some(link) = self.parents.get_mut(index) {
                    *link = Link::Broken;
                }
            }
        }
    }

    /// The circle that a way from `start` over drafts that nobody has `seen` leads into; empty if there is none.
    fn circle(&self, start: usize, seen: &mut [bool]) -> Vec<usize> {
        let mut path = Vec::new();
        let mut at = start;
        while let Some(new) = seen.get_mut(at).filter(|seen| !**seen) {
            *new = true;
            path.push(at);
            match self.parents.get(at) {
                Some(Link::To(next)) => at = *next,
                _ => return Vec::new(),
            }
        }
        let Some(entry) = path.iter().position(|index| *index == at) else { return Vec::new() };
        let mut circle = path.split_off(entry);
        let first = circle.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(place, _)| place);
        circle.rotate_left(first);
        circle
    }

    /// A draft and what it extends, the nearest first; `None` if the chain is broken somewhere.
    fn chain(&self, start: usize) -> Option<Vec<usize>> {
        let mut chain = vec![start];
        let mut at = start;
        loop {
            match self.parents.get(at)? {
                Link::End => return Some(chain),
                Link::Broken => return None,
                Link::To(next) => {
                    at = *next;
                    chain.push(at);
                }
            }
        }
    }
}

fn circle_problem(members: &[&ProfileDraft]) -> Option<Problem> {
    let first = members.first()?;
    let extends = first.extends.as_ref()?;
    let way: Vec<_> = members.iter().chain([first]).map(|draft| draft.id.as_str()).collect();
    let place = |draft: &&ProfileDraft| {
        let origin = &draft.extends.as_ref()?.origin;
        Some(format!("`{}:{}`", origin.source.path, origin.position().0))
    };
    let places: Vec<_> = members.iter().filter_map(place).collect();
    let problem = Problem::at(&extends.origin, format!("`{}` extends itself: {}", first.id, way.join(" → ")));
    Some(problem.help(format!("remove one `extends`: {}", places.join(", "))))
}

/// Said of the first profile of a line that is one too many, and of none behind it.
fn too_deep(draft: &ProfileDraft, ancestors: usize) -> Option<Problem> {
    let extends = draft.extends.as_ref().filter(|_| ancestors == DEPTH + 1)?;
    let problem = Problem::at(&extends.origin, format!("`{}` extends a line of {ancestors} profiles", draft.id));
    Some(problem.label(format!("at most {DEPTH}")).help("extend one that is nearer to the end of the line"))
}

/// There is no such parent for this draft. `None` if there is one that could not be read, which has been reported.
fn missing(draft: &ProfileDraft, extends: &Located<Id>, drafts: &[ProfileDraft], tree: &Tree) -> Option<Problem> {
    let id = &extends.value;
    let own = draft.organisation.as_ref().map(|owner| format!("orgs/{owner}/{id}/profile.toml"));
    if tree.has(&format!("{id}/profile.toml")) || own.is_some_and(|path| tree.has(&path)) {
        return None;
    }
    let foreign = drafts.iter().find(|other| other.id == *id).and_then(|other| other.organisation.as_ref());
    Some(match (foreign, &draft.organisation) {
        (Some(owner), None) => {
            let message = format!("everybody's profile can not extend `{id}`, which belongs to `{owner}`");
            Problem::at(&extends.origin, message).help(format!("move `orgs/{owner}/{id}` to the top"))
        }
        (Some(owner), Some(organisation)) => {
            let message = format!("a profile of `{organisation}` can not extend `{id}`, which belongs to `{owner}`");
            let help = format!("move `orgs/{owner}/{id}` to the top, or copy it to `orgs/{organisation}/`");
            Problem::at(&extends.origin, message).help(help)
        }
        (None, organisation) => {
            let visible = |other: &&ProfileDraft| {
                other.id != draft.id && (other.organisation.is_none() || other.organisation == *organisation)
            };
            unknown(extends, drafts.iter().filter(visible).map(|other| other.id.as_str()))
        }
    })
}

fn unknown<'a>(extends: &Located<Id>, known: impl IntoIterator<Item = &'a str>) -> Problem {
    let id = &extends.value;
    nearest_or_list(Problem::at(&extends.origin, format!("there is no profile `{id}`")), id.as_str(), known)
}

/// A draft with everything of its ancestors, the nearest first. What is wrong in an ancestor was said of that ancestor.
fn inherit(draft: &ProfileDraft, ancestors: &[&ProfileDraft], problems: &mut Problems) -> ProfileDraft {
    let mut whole: Option<ProfileDraft> = None;
    let mut said = Problems::new();
    for ancestor in ancestors.iter().rev() {
        whole = Some(fold(ancestor, whole.as_ref(), &mut said));
    }
    let mut whole = fold(draft, whole.as_ref(), problems);
    whole.ancestors = ancestors
        .iter()
        .map(|ancestor| Ancestor {
            id: ancestor.id.clone(),
            organisation: ancestor.organisation.clone(),
            origin: ancestor.origin.clone(),
        })
        .collect();
    whole
}

fn fold(draft: &ProfileDraft, parent: Option<&ProfileDraft>, problems: &mut Problems) -> ProfileDraft {
    let mut whole = draft.clone();
    whole.prompts = prompts(draft, parent.map_or(&[], |parent| &parent.prompts), problems);
    let Some(parent) = parent else { return whole };
    whole.installer = whole.installer.or_else(|| parent.installer.clone());
    whole.version = whole.version.or_else(|| parent.version.clone());
    whole.architecture = whole.architecture.or_else(|| parent.architecture.clone());
    whole.unattended = whole.unattended.or(parent.unattended);
    whole.ansible = whole.ansible.over(&parent.ansible);
    for (name, setting) in &parent.variables {
        whole.variables.entry(name.clone()).or_insert_with(|| setting.clone());
    }
    for (name, source) in &parent.snippets {
        whole.snippets.entry(name.clone()).or_insert_with(|| source.clone());
    }
    whole
}

/// The parent's prompts in their order, each in its place where the draft declares it anew; the draft's own new ones behind.
fn prompts(
    draft: &ProfileDraft,
    inherited: &[Located<anode_bundle::pack::Prompt>],
    problems: &mut Problems,
) -> Vec<Located<anode_bundle::pack::Prompt>> {
    for removed in &draft.remove_prompts {
        let name = &removed.value;
        if draft.prompts.iter().any(|own| own.value.name == *name) {
            let problem = Problem::at(&removed.origin, format!("the prompt `{name}` is removed and declared"));
            problems.push(
                problem.help("what is declared here replaces what is inherited: remove it from `remove_prompts`"),
            );
        } else if !inherited.iter().any(|prompt| prompt.value.name == *name) {
            let problem = Problem::at(&removed.origin, format!("there is no prompt `{name}` to remove"));
            let known = inherited.iter().map(|prompt| prompt.value.name.as_str());
            problems.push(match &draft.extends {
                Some(_) => nearest_or_list(problem, name.as_str(), known),
                None => problem.help("this profile extends none: leave the prompt out"),
            });
        }
    }
    let removed = |name: &Id| draft.remove_prompts.iter().any(|removed| removed.value == *name);
    let own = |name: &Id| draft.prompts.iter().find(|own| own.value.name == *name);
    let new = draft.prompts.iter().filter(|own| !inherited.iter().any(|prompt| prompt.value.name == own.value.name));
    let kept = inherited.iter().filter(|prompt| !removed(&prompt.value.name));
    kept.map(|prompt| own(&prompt.value.name).unwrap_or(prompt)).chain(new).cloned().collect()
}

/// A profile, if its chain says all that a profile needs.
fn complete(draft: ProfileDraft, problems: &mut Problems) -> Option<Profile> {
    let set = [draft.installer.is_some(), draft.version.is_some(), draft.architecture.is_some()];
    if let Some(extends) = &draft.extends {
        for ((key, example), _) in REQUIRED.iter().zip(set).filter(|(_, set)| !set) {
            let chain: Vec<_> = draft.ancestors.iter().map(|ancestor| ancestor.id.as_str()).collect();
            let message = format!("nothing sets `{key}`: neither `{}` nor {}", draft.id, chain.join(" → "));
            problems.push(Problem::at(&extends.origin, message).help(format!("add `{example}`")));
        }
    }
    let password = draft.prompts.iter().find(|prompt| prompt.value.kind.is_secret());
    if let (true, Some(password)) = (draft.public, password) {
        let message = "a public profile can not ask for a secret";
        problems.push(match &draft.extends {
            Some(extends) if password.origin.source.path != draft.origin.source.path => {
                let place = format!("{}:{}", password.origin.source.path, password.origin.position().0);
                Problem::at(&extends.origin, message)
                    .label(format!("`{}` comes from `{place}`", password.value.name))
                    .help(format!("remove `public`, or add `remove_prompts = [\"{}\"]`", password.value.name))
            }
            _ => Problem::at(&password.origin, message).help("remove `public`, or the prompt"),
        });
    }
    Some(Profile {
        id: draft.id,
        organisation: draft.organisation,
        title: draft.title,
        description: draft.description,
        installer: draft.installer?,
        version: draft.version?,
        architecture: draft.architecture?,
        public: draft.public,
        unattended: draft.unattended.unwrap_or(false),
        hardware_secrets: draft.hardware_secrets,
        variables: draft.variables,
        prompts: draft.prompts,
        ansible: draft.ansible,
        snippets: draft.snippets,
        ancestors: draft.ancestors,
        origin: draft.origin,
    })
}

impl ProfileDraft {
    /// What an abstract profile would be if it were none; `None` if it leaves something open.
    #[must_use]
    pub fn to_profile(&self) -> Option<Profile> {
        complete(self.clone(), &mut Problems::new())
    }
}

impl From<&Profile> for ProfileDraft {
    /// What another profile can inherit of it.
    fn from(profile: &Profile) -> ProfileDraft {
        ProfileDraft {
            id: profile.id.clone(),
            organisation: profile.organisation.clone(),
            title: profile.title.clone(),
            description: profile.description.clone(),
            extends: None,
            is_abstract: false,
            installer: Some(profile.installer.clone()),
            version: Some(profile.version.clone()),
            architecture: Some(profile.architecture.clone()),
            public: profile.public,
            unattended: Some(profile.unattended),
            hardware_secrets: profile.hardware_secrets,
            variables: profile.variables.clone(),
            prompts: profile.prompts.clone(),
            remove_prompts: Vec::new(),
            ansible: profile.ansible.clone(),
            snippets: profile.snippets.clone(),
            ancestors: profile.ancestors.clone(),
            origin: profile.origin.clone(),
        }
    }
}
