//! Who inherits from whom, as a picture: profiles, the installer definitions behind them, and the organisations' own profiles in frames of their own.
//!
//! A profile extends at most one other, so each frame holds a forest. What is drawn is what was written: nothing is rendered for it. Definitions
//! that no profile uses are left out.

mod dot;
mod layout;
mod svg;

use std::collections::BTreeMap;

use anode_bundle::name::Id;

use crate::diagnose::Origin;
use crate::repository::{Ancestor, Located, Organisation, Profile, ProfileDraft, Repository};

/// The picture of a repository.
#[derive(Debug)]
pub struct Graph {
    frames: Vec<Frame>,
}

/// Everybody's profiles, or those of one organisation.
#[derive(Debug)]
struct Frame {
    title: String,
    // What the layer adds, for people.
    note: String,
    roots: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    key: Key,
    title: String,
    // What is said here and not inherited.
    facts: Vec<String>,
    children: Vec<Node>,
}

/// What names a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Definition(Id),
    Profile(Option<Id>, Id),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Definition,
    Abstract,
    Profile,
    // Everybody's profile, in the frame of an organisation that extends it.
    Elsewhere,
}

impl Graph {
    /// The picture of everything in a repository.
    #[must_use]
    pub fn of(repository: &Repository) -> Graph {
        let mut people: Vec<Person<'_>> = repository.profiles.iter().map(Person::from).collect();
        people.extend(repository.bases.iter().map(Person::from));
        people.sort_by_key(Person::key);
        let everybody = Frame {
            title: repository.site.title.clone(),
            note: layer_note(repository.site.variables.len(), repository.snippets.len()),
            roots: forest(repository, &people, None),
        };
        let own = repository.organisations.iter().map(|organisation| Frame {
            title: format!("{}: {}", organisation.id, organisation.title),
            note: note_of(organisation),
            roots: forest(repository, &people, Some(&organisation.id)),
        });
        Graph { frames: [everybody].into_iter().chain(own).collect() }
    }

    /// For Graphviz.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot::write(self)
    }

    /// For a browser: readable on a light and on a dark page.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::write(self)
    }
}

fn note_of(organisation: &Organisation) -> String {
    layer_note(organisation.variables.len(), organisation.snippets.len())
}

fn layer_note(variables: usize, snippets: usize) -> String {
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!("its layer: {}, {}", plural(variables, "variable"), plural(snippets, "snippet"))
}

/// A profile, also one that is only there to be extended.
struct Person<'r> {
    id: &'r Id,
    organisation: Option<&'r Id>,
    kind: Kind,
    title: &'r str,
    ancestors: &'r [Ancestor],
    installer: Option<&'r Located<Id>>,
    version: Option<&'r Located<String>>,
    public: bool,
    origin: &'r Origin,
}

impl<'r> From<&'r Profile> for Person<'r> {
    fn from(profile: &'r Profile) -> Person<'r> {
        Person {
            id: &profile.id,
            organisation: profile.organisation.as_ref(),
            kind: Kind::Profile,
            title: &profile.title,
            ancestors: &profile.ancestors,
            installer: Some(&profile.installer),
            version: Some(&profile.version),
            public: profile.public,
            origin: &profile.origin,
        }
    }
}

impl<'r> From<&'r ProfileDraft> for Person<'r> {
    fn from(base: &'r ProfileDraft) -> Person<'r> {
        Person {
            id: &base.id,
            organisation: base.organisation.as_ref(),
            kind: Kind::Abstract,
            title: &base.title,
            ancestors: &base.ancestors,
            installer: base.installer.as_ref(),
            version: base.version.as_ref(),
            public: base.public,
            origin: &base.origin,
        }
    }
}

impl Person<'_> {
    fn key(&self) -> Key {
        Key::Profile(self.organisation.cloned(), self.id.clone())
    }

    fn parent(&self) -> Option<Key> {
        let parent = self.ancestors.first().map(|parent| Key::Profile(parent.organisation.clone(), parent.id.clone()));
        parent.or_else(|| self.installer.map(|installer| Key::Definition(installer.value.clone())))
    }

    fn facts(&self) -> Vec<String> {
        let here = |origin: &Origin| origin.source.path == self.origin.source.path;
        let installer = self.installer.filter(|set| here(&set.origin)).map(|set| set.value.as_str());
        let version = self.version.filter(|set| here(&set.origin)).map(|set| set.value.as_str());
        let system = match (installer, version) {
            (None, Some(version)) => format!("version {version}"),
            both => [both.0, both.1].into_iter().flatten().collect::<Vec<_>>().join(" "),
        };
        let mut facts = Vec::new();
        if self.kind == Kind::Abstract {
            facts.push("abstract".to_owned());
        }
        if !system.is_empty() {
            facts.push(system);
        }
        if self.public {
            facts.push("public".to_owned());
        }
        facts
    }
}

/// The profiles of one owner below what they extend.
fn forest(repository: &Repository, people: &[Person<'_>], owner: Option<&Id>) -> Vec<Node> {
    let mut below: BTreeMap<Key, Vec<&Person<'_>>> = BTreeMap::new();
    let mut roots: BTreeMap<Key, Node> = BTreeMap::new();
    for person in people.iter().filter(|person| person.organisation == owner) {
        let parent = person.parent();
        match &parent {
            Some(key @ Key::Profile(of, id)) if of.as_ref() != owner => {
                roots.entry(key.clone()).or_insert_with(|| elsewhere(people, of.as_ref(), id));
            }
            Some(key @ Key::Definition(id)) => {
                roots.entry(key.clone()).or_insert_with(|| definition(repository, id));
            }
            Some(Key::Profile(..)) => {}
            None => {
                roots.insert(person.key(), node(person));
            }
        }
        if let Some(parent) = parent {
            below.entry(parent).or_default().push(person);
        }
    }
    let mut roots: Vec<Node> = roots.into_values().collect();
    for root in &mut roots {
        grow(root, &below);
    }
    roots
}

fn grow(node: &mut Node, below: &BTreeMap<Key, Vec<&Person<'_>>>) {
    for person in below.get(&node.key).into_iter().flatten() {
        let mut child = self::node(person);
        grow(&mut child, below);
        node.children.push(child);
    }
}

fn node(person: &Person<'_>) -> Node {
    Node {
        kind: person.kind,
        key: person.key(),
        title: person.title.to_owned(),
        facts: person.facts(),
        children: Vec::new(),
    }
}

fn elsewhere(people: &[Person<'_>], organisation: Option<&Id>, id: &Id) -> Node {
    let title = people.iter().find(|person| person.id == id && person.organisation == organisation);
    Node {
        kind: Kind::Elsewhere,
        key: Key::Profile(organisation.cloned(), id.clone()),
        title: title.map_or("", |person| person.title).to_owned(),
        facts: vec!["everybody's".to_owned()],
        children: Vec::new(),
    }
}

fn definition(repository: &Repository, id: &Id) -> Node {
    let definition = repository.installers.get(id);
    let built_in = definition.is_some_and(|definition| definition.is_built_in());
    Node {
        kind: Kind::Definition,
        key: Key::Definition(id.clone()),
        title: definition.map_or("", |definition| &definition.title).to_owned(),
        facts: vec![if built_in { "built in" } else { "installer definition" }.to_owned()],
        children: Vec::new(),
    }
}

impl Node {
    fn id(&self) -> &str {
        match &self.key {
            Key::Definition(id) | Key::Profile(_, id) => id.as_str(),
        }
    }
}
