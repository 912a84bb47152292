//! A network and a medium in memory. The network logs every request and fails where it is told to; a disk counts its writes and can stop in the
//! middle.

use std::collections::BTreeMap;

use anode_bundle::activation::Activation;
use anode_bundle::client::{Client, Event, FetchError, Request, Setup, Snapshot, Store, Transport};
use anode_bundle::code::{Machine, Secret};
use anode_bundle::name::{KeyId, tree};
use anode_bundle::pack::Contents;
use anode_bundle::trust::Clock;
use anode_bundle::{Moment, Refusal};

pub use anode_hostile::*;

/// How it ended, as the process would say it.
pub fn exit<T>(result: &Result<T, Refusal>) -> u8 {
    result.as_ref().map_or_else(|refusal| refusal.exit().number(), |_| 0)
}

/// What one mirror serves, and how it fails.
#[derive(Default, Clone)]
pub struct Mirror {
    pub tree: Tree,
    /// Fails every request.
    pub down: Option<FetchError>,
    /// Fails the requests of these paths.
    pub broken: BTreeMap<String, FetchError>,
}

/// Every mirror by the name in its URL, and every request in order.
#[derive(Default)]
pub struct Network {
    pub mirrors: BTreeMap<String, Mirror>,
    pub log: Vec<String>,
}

impl Network {
    /// Mirrors `a`, `b`, … that serve these trees.
    pub fn of(trees: &[&Tree]) -> Network {
        let mirrors = trees
            .iter()
            .zip('a'..)
            .map(|(tree, name)| (name.to_string(), Mirror { tree: (*tree).clone(), ..Mirror::default() }));
        Network { mirrors: mirrors.collect(), log: Vec::new() }
    }

    pub fn mirror(&mut self, name: &str) -> &mut Mirror {
        self.mirrors.get_mut(name).unwrap()
    }

    /// Takes a mirror off the net.
    pub fn cut(&mut self, name: &str) {
        self.mirror(name).down = Some(FetchError::Unreachable(format!("{name}: no route")));
    }

    /// The requests since the last call.
    pub fn requests(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}

impl Transport for Network {
    fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
        let name = request.base.strip_prefix("https://").unwrap();
        self.log.push(format!("{name} {}", request.path));
        let Some(mirror) = self.mirrors.get(name) else {
            return Err(FetchError::Unreachable(format!("{name}: no such host")));
        };
        if let Some(error) = mirror.down.as_ref().or(mirror.broken.get(request.path)) {
            return Err(error.clone());
        }
        match mirror.tree.get(request.path) {
            None => Err(FetchError::Absent(format!("{name}: 404 {}", request.path))),
            Some(bytes) if bytes.len() as u64 > request.limit => {
                Err(FetchError::TooLong { path: request.path.to_owned(), limit: request.limit })
            }
            Some(bytes) => Ok(bytes.clone()),
        }
    }
}

/// A folder that can stop taking writes.
#[derive(Default, Clone, PartialEq, Debug)]
pub struct Disk {
    pub files: Tree,
    /// How many more writes and removals succeed.
    pub writes_left: Option<usize>,
    /// The one file that can not be written.
    pub unwritable: Option<String>,
    /// Every path that was written or removed, in order.
    pub written: Vec<String>,
}

impl Disk {
    pub fn of(files: &Tree) -> Disk {
        Disk { files: files.clone(), ..Disk::default() }
    }

    fn take_write(&mut self) -> bool {
        match &mut self.writes_left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }
}

impl Store for Disk {
    fn read(&mut self, path: &str, limit: u64) -> Option<Vec<u8>> {
        self.files.get(path).filter(|bytes| bytes.len() as u64 <= limit).cloned()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), String> {
        if self.unwritable.as_deref() == Some(path) || !self.take_write() {
            return Err(format!("`{path}`: no space left"));
        }
        self.written.push(path.to_owned());
        self.files.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn list(&mut self, folder: &str) -> Vec<String> {
        let prefix = format!("{folder}/");
        self.files.keys().filter_map(|path| path.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    fn remove(&mut self, path: &str) {
        if self.take_write() {
            self.written.push(path.to_owned());
            self.files.remove(path);
        }
    }
}

/// What a person boots.
#[derive(Clone)]
pub struct Medium {
    pub root: Vec<u8>,
    pub signatures: BTreeMap<KeyId, Vec<u8>>,
    pub floor: Option<Vec<u8>>,
    pub mirrors: Vec<String>,
    pub rtc: Moment,
    pub build: Option<Moment>,
    pub state: Option<Disk>,
    pub cache: Option<Disk>,
    pub machine: Option<Machine>,
    pub events: Vec<Event>,
}

impl Medium {
    /// With the publisher's root 1 and an empty state, an hour after the site began.
    pub fn new(publisher: &Publisher, mirrors: &[&str]) -> Medium {
        let signatures = publisher.tree.iter().filter_map(|(path, file)| {
            let key = path.strip_prefix("root/1.json.")?.strip_suffix(".minisig")?;
            Some((KeyId::parse(key).unwrap(), file.clone()))
        });
        Medium {
            root: publisher.tree[&tree::root(1)].clone(),
            signatures: signatures.collect(),
            floor: None,
            mirrors: mirrors.iter().map(|name| format!("https://{name}")).collect(),
            rtc: start().plus(HOUR),
            build: Some(start()),
            state: Some(Disk::default()),
            cache: None,
            machine: None,
            events: Vec::new(),
        }
    }

    /// Boots: a new client over the same state and cache.
    pub fn run<T>(
        &mut self,
        network: &mut Network,
        work: impl FnOnce(&mut Client<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let setup = Setup {
            shipped_root: &self.root,
            shipped_signatures: self.signatures.clone(),
            floor: self.floor.as_deref(),
            mirrors: self.mirrors.clone(),
            clock: Clock { rtc: self.rtc, build: self.build },
        };
        self.events.clear();
        let mut observer = |event| self.events.push(event);
        let state = self.state.as_mut().map(|disk| disk as &mut dyn Store);
        let cache = self.cache.as_mut().map(|disk| disk as &mut dyn Store);
        work(&mut Client::new(setup, network, state, cache, &mut observer)?)
    }

    pub fn refresh(&mut self, network: &mut Network) -> Result<Snapshot, Refusal> {
        self.run(network, |client| client.refresh())
    }

    pub fn activate(&mut self, network: &mut Network, code: &str) -> Result<Activation, Refusal> {
        let machine = self.machine.clone();
        self.run(network, |client| client.activate(&Secret::parse(code)?, machine.as_ref()))
    }

    /// Activates [`CODE`] and opens the pack that it offers, from the next best tree if this one is incomplete.
    pub fn install(&mut self, network: &mut Network) -> Result<Contents, Refusal> {
        self.run(network, |client| {
            loop {
                let activation = client.activate(&Secret::parse(CODE)?, None)?;
                match client.pack(activation.offer("debian")?) {
                    Err(refusal) => client.fall_back(refusal)?,
                    contents => return contents,
                };
            }
        })
    }

    /// Is there a warning that says all of this?
    pub fn was_warned(&self, words: &[&str]) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event, Event::Warning(text) if words.iter().all(|word| text.contains(word))))
    }
}
