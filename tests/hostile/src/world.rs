//! One case while it runs: its publishers, saved trees, mirrors and folders, and what each step does to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anode_bundle::Moment;
use anode_bundle::name::{SiteId, tree};
use anode_bundle::signature::comment;
use serde_json::Value;
use tempfile::TempDir;

use crate::case::{self, Case, Copy, Forge, NextRoot, Serve, Sign, Site, Stamp, Step};
use crate::certificate::Authorities;
use crate::host::{Host, Log};
use crate::objects::{CODE, Edition, Forgery};
use crate::publisher::{Publisher, Tree, start};
use crate::signer::{Signer, listed};
use crate::words::{Words, moment};

/// The number of the site `site`; others count up from it.
const FIRST_SITE: u8 = 7;

/// A mirror and what it serves.
pub(crate) struct Mirror {
    pub host: Host,
    pub tree: String,
    pub tls: bool,
}

/// A case that runs.
pub struct World {
    pub(crate) sites: BTreeMap<String, Publisher>,
    pub(crate) saved: BTreeMap<String, Tree>,
    pub(crate) mirrors: BTreeMap<String, Mirror>,
    pub(crate) log: Log,
    pub(crate) folder: TempDir,
    authorities: Option<Authorities>,
    now: Moment,
    number: u32,
}

impl World {
    /// Runs a case.
    ///
    /// # Errors
    /// Which step did not end as expected, and how.
    ///
    /// # Panics
    /// If a step makes no sense.
    pub fn run(case: &Case) -> Result<(), String> {
        let mut world = World::new();
        for (number, step) in case.steps.iter().enumerate() {
            world.step(step).map_err(|problem| format!("step {}: {problem}", number + 1))?;
        }
        Ok(())
    }

    /// Before the first step. Sites and mirrors begin when they are named.
    ///
    /// # Panics
    /// If there is no temporary folder.
    #[must_use]
    pub fn new() -> World {
        World {
            sites: BTreeMap::new(),
            saved: BTreeMap::new(),
            mirrors: BTreeMap::new(),
            log: Log::default(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            authorities: None,
            now: start(),
            number: 0,
        }
    }

    /// For the names of folders.
    pub(crate) fn next_number(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// Performs one step.
    ///
    /// # Errors
    /// How a run of the fetcher did not end as expected.
    ///
    /// # Panics
    /// If the step makes no sense.
    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Site(site) => self.begin(site),
            Step::Clock(text) => {
                self.now = moment(text, start());
                self.sites.values_mut().for_each(|site| site.now = self.now);
            }
            Step::Root(root) => (0..root.times.unwrap_or(1)).for_each(|_| self.root(root)),
            Step::Publish(edition) => (0..edition.times.unwrap_or(1)).for_each(|_| self.publish(edition)),
            Step::Timestamp(stamp) => (0..stamp.times.unwrap_or(1)).for_each(|_| self.stamp(stamp)),
            Step::Sign(sign) => self.sign(sign),
            Step::Save(save) => {
                let tree = self.tree(&save.tree).clone();
                self.saved.insert(save.name.clone(), tree);
            }
            Step::Copy(Copy { from, to }) => {
                let bytes = self.read(from);
                self.write(to, bytes);
            }
            Step::CopyTree(Copy { from, to }) => {
                for (path, bytes) in self.tree(from).clone() {
                    self.write(&format!("{to}:{path}"), bytes);
                }
            }
            Step::Serve(serve) => self.serve(serve),
            Step::Down(mirror) => self.mirror(mirror).host.set_down(true),
            Step::Up(mirror) => self.mirror(mirror).host.set_down(false),
            Step::Honest(mirror) => self.mirror(mirror).host.be_honest(),
            Step::Answer(answer) => {
                let mut answer = answer.clone();
                self.mirror(&answer.mirror);
                let words = self.words();
                answer.path = words.fill(&answer.path);
                answer.file = answer.file.map(|file| words.fill(&file));
                answer.headers = answer.headers.iter().map(|line| words.fill(line)).collect();
                self.mirrors[&answer.mirror].host.answer(answer);
            }
            Step::Update(run) => return self.update(run),
            Step::Activate(run) => return self.activate(run),
            bytes => self.change_bytes(bytes),
        }
        Ok(())
    }

    fn begin(&mut self, site: &Site) {
        assert!(!self.sites.contains_key(&site.name), "the site `{}` began before", site.name);
        let number = FIRST_SITE + u8::try_from(self.sites.len()).expect("a few sites");
        let number = if site.name == "site" { FIRST_SITE } else { number.max(FIRST_SITE + 1) };
        // Keys have the names of their roles, at another site with its name before.
        let own = |key: &str| if site.name == "site" { key.to_owned() } else { format!("{}-{key}", site.name) };
        let names = site.keys.clone().unwrap_or_else(|| ["root-1", "root-2", "root-3"].map(own).to_vec());
        let key_list = keys(&names);
        let named = |name: &Option<String>, role: &str| Signer::named(&name.clone().unwrap_or_else(|| own(role)));
        let release = named(&site.release, "release");
        let timestamp = named(&site.timestamp, "timestamp");
        let mut publisher = Publisher::with_keys(number, site.threshold, &key_list, release, timestamp);
        // Root 1 again, as it is wanted.
        publisher.tree.clear();
        publisher.root["version"] = 0.into();
        publisher.now = self.now;
        let words = self.words();
        publisher.comment = site.comment.as_ref().map(|comment| words.fill(comment));
        let signers = site.sign.as_ref().map_or(key_list, |names| keys(names));
        publisher.add_root(&signers, |root| words.patch(root, &site.set));
        publisher.comment = None;
        self.sites.insert(site.name.clone(), publisher);
    }

    /// The publisher of a site, which begins here unless it began before.
    pub(crate) fn publisher(&mut self, name: Option<&String>) -> &mut Publisher {
        let name = name.map_or("site", String::as_str).to_owned();
        if !self.sites.contains_key(&name) {
            let site = Site {
                name: name.clone(),
                keys: None,
                threshold: 2,
                release: None,
                timestamp: None,
                set: BTreeMap::new(),
                sign: None,
                comment: None,
            };
            self.begin(&site);
        }
        self.sites.get_mut(&name).expect("a site that began")
    }

    /// What placeholders stand for now.
    pub(crate) fn words(&mut self) -> Words {
        let mut words = Words::default();
        for (name, publisher) in &self.sites {
            words.learn_site(name, publisher);
        }
        for (name, mirror) in &self.mirrors {
            words.learn_mirror(name, &mirror.host.url);
        }
        words
    }

    pub(crate) fn fill(&mut self, text: &str) -> String {
        self.words().fill(text)
    }

    fn root(&mut self, root: &NextRoot) {
        let publisher = self.publisher(root.site.as_ref());
        let old = publisher.root_keys.clone();
        let new = root.keys.as_ref().map_or_else(|| old.clone(), |names| keys(names));
        let mut everybody = old;
        for key in &new {
            if !everybody.iter().any(|known| known.listed == key.listed) {
                everybody.push(Arc::clone(key));
            }
        }
        let signers = root.sign.as_ref().map_or(everybody, |names| keys(names));
        let words = self.words();
        let publisher = self.publisher(root.site.as_ref());
        publisher.comment = root.comment.as_ref().map(|comment| words.fill(comment));
        publisher.add_root(&signers, |document| {
            let roles = &mut document["roles"];
            if root.keys.is_some() {
                roles["root"]["keys"] = listed(&new);
            }
            if let Some(threshold) = root.threshold {
                roles["root"]["threshold"] = threshold.into();
            }
            for (role, names) in [("release", &root.release), ("timestamp", &root.timestamp)] {
                if let Some(names) = names {
                    roles[role]["keys"] = listed(&keys(names));
                }
            }
            words.patch(document, &root.set);
        });
        publisher.comment = None;
        publisher.root_keys = new;
        let first = |names: &Option<Vec<String>>| Some(Signer::named(names.as_ref()?.first()?));
        if let Some(key) = first(&root.release) {
            publisher.release_key = key;
        }
        if let Some(key) = first(&root.timestamp) {
            publisher.timestamp_key = key;
        }
    }

    fn publish(&mut self, wanted: &case::Edition) {
        self.publisher(wanted.site.as_ref());
        let words = self.words();
        let publisher = self.publisher(wanted.site.as_ref());
        let mut edition = Edition::default();
        for code in wanted.codes.clone().unwrap_or_else(|| vec![CODE.to_owned()]) {
            let mut terms = publisher.activation(&code);
            words.patch(&mut terms, &wanted.terms);
            edition.terms.push((code, terms));
        }
        edition.others = wanted.others.unwrap_or(edition.others);
        edition.forgery = wanted.forge.as_ref().map(forgery);
        let usual = Arc::clone(&publisher.release_key);
        if let Some(key) = &wanted.sign {
            publisher.release_key = Signer::named(key);
        }
        publisher.comment = wanted.comment.as_ref().map(|comment| words.fill(comment));
        publisher.publish_edition(&edition, |release| words.patch(release, &wanted.set));
        publisher.comment = None;
        publisher.release_key = usual;
    }

    fn stamp(&mut self, wanted: &Stamp) {
        self.publisher(wanted.site.as_ref());
        let words = self.words();
        let publisher = self.publisher(wanted.site.as_ref());
        let usual = Arc::clone(&publisher.timestamp_key);
        if let Some(key) = &wanted.sign {
            publisher.timestamp_key = Signer::named(key);
        }
        publisher.comment = wanted.comment.as_ref().map(|comment| words.fill(comment));
        publisher.stamp_with(|timestamp| words.patch(timestamp, &wanted.set));
        publisher.comment = None;
        publisher.timestamp_key = usual;
    }

    fn sign(&mut self, wanted: &Sign) {
        let body = self.read(&wanted.file);
        let said = wanted.comment.as_ref().map(|comment| self.fill(comment)).unwrap_or_else(|| {
            let document: Value = serde_json::from_slice(&body).expect("a document, or a comment that says what it is");
            let site = SiteId::new(document["site"].as_str().expect("a site")).expect("the id of a site");
            comment(document["type"].as_str().expect("a type"), document["version"].as_u64().expect("a version"), &site)
        });
        let signature = Signer::named(&wanted.key).sign(&body, &said);
        match &wanted.joined {
            Some(file) => self.write(file, [signature, body].concat()),
            None => self.write(&wanted.to.clone().unwrap_or_else(|| format!("{}.minisig", wanted.file)), signature),
        }
    }

    fn serve(&mut self, serve: &Serve) {
        let config = serve.tls.as_ref().map(|tls| {
            let (from, until) = (moment(&tls.from, start()), moment(&tls.until, start()));
            self.authorities().server(tls, from, until)
        });
        let tls = config.is_some();
        let known = self.mirrors.get_mut(&serve.mirror).filter(|mirror| !tls && !mirror.tls);
        match known {
            Some(mirror) => mirror.tree = serve.tree.clone(),
            None => {
                let host = Host::start(&serve.mirror, &self.log, config);
                self.mirrors.insert(serve.mirror.clone(), Mirror { host, tree: serve.tree.clone(), tls });
            }
        }
    }

    pub(crate) fn authorities(&mut self) -> &Authorities {
        self.authorities.get_or_insert_default()
    }

    /// A mirror, which begins here and serves `site` unless it began before.
    pub(crate) fn mirror(&mut self, name: &str) -> &Mirror {
        if !self.mirrors.contains_key(name) {
            self.serve(&Serve { mirror: name.to_owned(), tree: "site".to_owned(), tls: None });
        }
        &self.mirrors[name]
    }

    /// The tree of a site or a saved one.
    pub(crate) fn tree(&mut self, name: &str) -> &Tree {
        if self.saved.contains_key(name) {
            return &self.saved[name];
        }
        &self.publisher(Some(&name.to_owned())).tree
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where `place` leads: a tree and a path, or a file on disk.
    fn split(&mut self, place: &str) -> (String, String) {
        let place = self.fill(place);
        let (name, path) = place.split_once(':').unwrap_or(("site", place.as_str()));
        (name.to_owned(), path.to_owned())
    }

    fn is_folder(&self, name: &str) -> bool {
        !self.saved.contains_key(name) && (name.starts_with("state") || name.starts_with("cache"))
    }

    pub(crate) fn read(&mut self, place: &str) -> Vec<u8> {
        let (name, path) = self.split(place);
        if self.is_folder(&name) {
            let file = self.path(&name).join(path);
            return fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
        self.tree(&name).get(&path).unwrap_or_else(|| panic!("`{name}` has no `{path}`")).clone()
    }

    pub(crate) fn write(&mut self, place: &str, bytes: Vec<u8>) {
        let (name, path) = self.split(place);
        if self.is_folder(&name) {
            write_file(&self.path(&name).join(path), &bytes);
        } else {
            self.tree_mut(&name).insert(path, bytes);
        }
    }

    pub(crate) fn remove(&mut self, place: &str) {
        let (name, path) = self.split(place);
        if self.is_folder(&name) {
            fs::remove_file(self.path(&name).join(path)).expect("a file that can be removed");
        } else {
            self.tree_mut(&name).remove(&path).unwrap_or_else(|| panic!("`{name}` has no `{path}`"));
        }
    }

    fn tree_mut(&mut self, name: &str) -> &mut Tree {
        if self.saved.contains_key(name) {
            return self.saved.get_mut(name).expect("it is there");
        }
        &mut self.publisher(Some(&name.to_owned())).tree
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

fn keys(names: &[String]) -> Vec<Arc<Signer>> {
    names.iter().map(|name| Signer::named(name)).collect()
}

fn forgery(forge: &Forge) -> Forgery {
    match forge {
        Forge::Overwrite { part, at, hex } => {
            let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex");
            Forgery::Overwrite { part: *part, at: *at, bytes }
        }
        Forge::ExchangeActivations => Forgery::ExchangeActivations,
        Forge::ExchangeNodes => Forgery::ExchangeNodes,
        Forge::CountOneMore => Forgery::CountOneMore,
    }
}

pub(crate) fn write_file(file: &Path, bytes: &[u8]) {
    fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
    fs::write(file, bytes).expect("a file");
}

/// The root document of version `version` in a tree, with its signatures, as files of a folder.
pub(crate) fn ship(tree: &Tree, version: u64, folder: &Path) -> PathBuf {
    let body = tree::root(version);
    for (path, bytes) in tree.range(body.clone()..).take_while(|(path, _)| path.starts_with(&body)) {
        write_file(&folder.join(path.trim_start_matches("root/")), bytes);
    }
    folder.join(format!("{version}.json"))
}
