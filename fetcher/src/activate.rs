//! One activation from the code to the filled files, as the medium does it. The publisher's `verify` and `publish` call exactly this.
//!
//! What is believed is decided in `anode_bundle::client`; here is only the order of the questions. Whoever answers them is a [`Person`]: the console, or
//! [`Unasked`] where everything was given in advance.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use anode_bundle::activation::{Menu, Offer};
use anode_bundle::client::{Client, Event, PAIR_LIMIT, Setup, Snapshot, Store, Transport};
use anode_bundle::code::{Machine, Secret};
use anode_bundle::document::ROOT_LIMIT;
use anode_bundle::hardware::Facts;
use anode_bundle::name::KeyId;
use anode_bundle::pack::{Answers, Contents, FilledFile, Manifest};
use anode_bundle::signature;
use anode_bundle::trust::Clock;
use anode_bundle::{Moment, Refusal};

use crate::answers::{Given, Sheet, system_salt};
use crate::error::{Failure, reason};
use crate::hand_over::{ClockState, RunFacts, Selection, Way};

const SIGNATURES: usize = 16;

/// The root document that came with the medium, not verified yet.
#[derive(Debug, Clone)]
pub struct Shipped {
    /// The document as it is in its file.
    pub root: Vec<u8>,
    /// Its signature files, by key.
    pub signatures: BTreeMap<KeyId, Vec<u8>>,
    /// The floor: timestamp and release of the day on which the medium was built.
    pub floor: Option<Vec<u8>>,
}

impl Shipped {
    /// Reads `FILE`, every `FILE.<keyid>.minisig` beside it, and `FILE.floor` if there is one.
    ///
    /// # Errors
    /// [`Failure::Io`] if the root can not be read, is longer than 64 KiB, or has more than 16 signature files.
    pub fn read(file: &Path) -> Result<Shipped, Failure> {
        let root = read_limited(file, ROOT_LIMIT)?;
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |error| Failure::io(format!("reading `{}`: {}", folder.display(), reason(&error)));
        let mut signatures = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let found = entry.file_name();
            let rest =
                found.to_str().and_then(|found| found.strip_prefix(name)).and_then(|rest| rest.strip_prefix('.'));
            let Some(key) = rest.and_then(|rest| rest.strip_suffix(".minisig")).and_then(|key| KeyId::parse(key).ok())
            else {
                continue;
            };
            if signatures.len() == SIGNATURES {
                return Err(Failure::io(format!(
                    "`{}` has more than {SIGNATURES} signature files beside it",
                    file.display()
                )));
            }
            signatures.insert(key, read_limited(&entry.path(), signature::LIMIT)?);
        }
        let floor = folder.join(format!("{name}.floor"));
        let is_absent = std::fs::symlink_metadata(&floor).is_err_and(|error| error.kind() == ErrorKind::NotFound);
        let floor = if is_absent { None } else { Some(read_limited(&floor, PAIR_LIMIT)?) };
        Ok(Shipped { root, signatures, floor })
    }
}

/// Reads a small local file that the operator named.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let failed = |problem: String| Failure::io(format!("reading `{}`: {problem}", path.display()));
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    opened.map_err(|error| failed(reason(&error)))?;
    if bytes.len() as u64 > limit {
        return Err(failed(format!("it is longer than {limit} bytes")));
    }
    Ok(bytes)
}

/// What a run starts from.
pub struct Order<'a> {
    /// The medium's root.
    pub shipped: &'a Shipped,
    /// Base URLs in the order in which they are asked.
    pub mirrors: Vec<String>,
    /// What the machine knows of the time.
    pub clock: Clock,
    /// The machine, where its firmware gives it an identity: for codes that are bound to one.
    pub machine: Option<Machine>,
    /// What the machine says about itself, for patterns of host names and the rules of a code.
    pub facts: Facts,
    /// The profile, if it is chosen in advance.
    pub profile: Option<String>,
    /// Answers that are given in advance.
    pub given: Given,
    /// How what the profile is can be handed over here: asked as soon as its pack is open, and before any question of it.
    pub way: &'a dyn Fn(&Manifest) -> Result<Way, Failure>,
}

/// Where a run gets and keeps its bytes.
pub struct Sources<'a> {
    /// Reaches the mirrors.
    pub transport: &'a mut dyn Transport,
    /// Signed documents that were seen before.
    pub state: Option<&'a mut dyn Store>,
    /// A copy of the tree.
    pub cache: Option<&'a mut dyn Store>,
}

impl Sources<'_> {
    /// A client that uses them for as long as it lives.
    ///
    /// # Errors
    /// What [`Client::new`] says about the shipped root.
    pub fn client<'b>(
        &'b mut self,
        shipped: &Shipped,
        mirrors: &[String],
        clock: Clock,
        observer: &'b mut dyn FnMut(Event),
    ) -> Result<Client<'b>, Refusal> {
        let setup = Setup {
            shipped_root: &shipped.root,
            shipped_signatures: shipped.signatures.clone(),
            floor: shipped.floor.as_deref(),
            mirrors: mirrors.to_vec(),
            clock,
        };
        let state = self.state.as_mut().map(|store| &mut **store as &mut dyn Store);
        let cache = self.cache.as_mut().map(|store| &mut **store as &mut dyn Store);
        Client::new(setup, &mut *self.transport, state, cache, observer)
    }
}

/// Whoever decides what documents do not.
pub trait Person {
    /// The activation code. Nothing was sent yet.
    ///
    /// # Errors
    /// [`Refusal::CodeMalformed`], or that nobody answers.
    fn code(&mut self) -> Result<Secret, Failure>;

    /// The machine's clock is dead, and the newest date that the site signed is `newest`: what day is it? `None`: nobody knows.
    ///
    /// # Errors
    /// That nobody answers.
    fn today(&mut self, newest: Moment) -> Result<Option<Moment>, Failure>;

    /// Which of the profiles on offer.
    ///
    /// # Errors
    /// That nobody answers, or nobody is there to choose.
    fn profile(&mut self, menu: &Menu<'_>) -> Result<String, Failure>;

    /// The answers to the prompts that are still open.
    ///
    /// # Errors
    /// Every wrong answer at once.
    fn answers(&mut self, manifest: &Manifest, sheet: Sheet) -> Result<Answers, Failure>;

    /// The last question.
    ///
    /// # Errors
    /// [`Failure::Declined`].
    fn confirm(&mut self, choice: &Choice<'_>) -> Result<(), Failure>;

    /// Something happened.
    fn tell(&mut self, event: &Event);
}

/// What the last question is about.
pub struct Choice<'a> {
    /// The site's name.
    pub site: &'a str,
    /// The organisation's name.
    pub organisation: &'a str,
    /// The pack's manifest.
    pub manifest: &'a Manifest,
    /// The answers.
    pub answers: &'a Answers,
    /// Where the current release was learnt from, and which one it is.
    pub snapshot: &'a Snapshot,
    /// How it is handed over.
    pub way: &'a Way,
    /// Goes ahead without the last question.
    pub unattended: bool,
}

/// Verified files, ready to be handed over.
pub struct Activated {
    /// The open pack.
    pub contents: Contents,
    /// The answers to its prompts.
    pub answers: Answers,
    /// The record of the choice.
    pub selection: Selection,
    /// How they are handed over, as the person was told.
    pub way: Way,
    /// The code or the profile says that nobody needs to be asked.
    pub unattended: bool,
}

impl Activated {
    /// The files with the answers in them.
    ///
    /// # Errors
    /// [`Refusal::AnswerInvalid`].
    pub fn files(&self) -> Result<Vec<FilledFile>, Refusal> {
        self.contents.fill(&self.answers)
    }
}

/// Code → tree → activation → profile → pack → answers → the last question.
///
/// # Errors
/// What the client refuses, what the person declines.
pub fn activate(order: &Order<'_>, mut sources: Sources<'_>, person: &mut dyn Person) -> Result<Activated, Failure> {
    let secret = person.code()?;
    match attempt(order, order.clock, &mut sources, &secret, person)? {
        Attempt::Activated(activated) => Ok(*activated),
        Attempt::Dated(today) => {
            match attempt(order, Clock { rtc: today, ..order.clock }, &mut sources, &secret, person)? {
                Attempt::Activated(mut activated) => {
                    // A person's word is better than a dead clock, and still not a clock.
                    activated.selection.clock = ClockState::Dead;
                    Ok(*activated)
                }
                Attempt::Dated(_) => Err(Failure::Internal("the clock is dead although a date was given".to_owned())),
            }
        }
    }
}

enum Attempt {
    Activated(Box<Activated>),
    /// A person knows a later date than the documents prove: everything is judged again at that time.
    Dated(Moment),
}

fn attempt(
    order: &Order<'_>,
    clock: Clock,
    sources: &mut Sources<'_>,
    secret: &Secret,
    person: &mut dyn Person,
) -> Result<Attempt, Failure> {
    let person = RefCell::new(person);
    // The client speaks only while it is called, and then nobody is being asked.
    let mut observer = |event: Event| {
        if let Ok(mut person) = person.try_borrow_mut() {
            person.tell(&event);
        }
    };
    let mut client = sources.client(order.shipped, &order.mirrors, clock, &mut observer)?;
    client.refresh()?;
    if client.clock_is_dead() {
        let newest = client.now();
        if let Some(today) = person.borrow_mut().today(newest)?.filter(|today| *today > newest) {
            return Ok(Attempt::Dated(today));
        }
    }
    let mut profile = order.profile.clone();
    let (activation, offer, contents) = loop {
        let activation = client.activate(secret, order.machine.as_ref())?;
        let wanted = match profile {
            Some(profile) => profile,
            None => person.borrow_mut().profile(&activation.menu(&order.facts)?)?,
        };
        let offer: Offer = activation.offer(&wanted)?.clone();
        match client.pack(&offer) {
            Ok(contents) => break (activation, offer, contents),
            // Nobody has the pack of this release: an older one that is still valid may be complete. Nothing of the two is mixed.
            Err(refusal) => client.fall_back(refusal)?,
        };
        profile = Some(wanted);
    };
    let way = (order.way)(contents.manifest())?;
    let snapshot =
        client.snapshot().cloned().ok_or_else(|| Failure::Internal("a pack without a release".to_owned()))?;

    let sheet =
        Sheet::begin(&contents.manifest().prompts, &activation.answers, &order.given, &order.facts, &mut system_salt);
    let answers = person.borrow_mut().answers(contents.manifest(), sheet)?;
    let unattended = offer.unattended || contents.manifest().unattended;
    person.borrow_mut().confirm(&Choice {
        site: &client.root().name,
        organisation: activation.organisation(),
        manifest: contents.manifest(),
        answers: &answers,
        snapshot: &snapshot,
        way: &way,
        unattended,
    })?;
    let run = RunFacts {
        site_title: client.root().name.clone(),
        release: snapshot.release.version,
        at: client.now(),
        clock: if client.clock_is_dead() { ClockState::Dead } else { ClockState::Ok },
        source: snapshot.source,
    };
    let selection = Selection::new(contents.manifest(), activation.org.clone(), &run);
    Ok(Attempt::Activated(Box::new(Activated { contents, answers, selection, way, unattended })))
}

/// Everything was given in advance: nobody is asked, and what is missing is an error.
pub struct Unasked {
    secret: Option<Secret>,
    /// What the client warned of.
    pub warnings: Vec<String>,
}

impl Unasked {
    /// With the code.
    #[must_use]
    pub fn new(secret: Secret) -> Unasked {
        Unasked { secret: Some(secret), warnings: Vec::new() }
    }

    /// The profile of a code that offers just one on this machine, or preselects one.
    ///
    /// # Errors
    /// [`Failure::Usage`] with the list if it offers several.
    pub fn only_profile(menu: &Menu<'_>) -> Result<String, Failure> {
        match (menu.offers.as_slice(), menu.preselected) {
            (&[only], _) | (_, Some(only)) => Ok(only.profile.to_string()),
            ([], _) => Err(Refusal::CodeNotValid("offers no profile".to_owned()).into()),
            (several, None) => {
                let ids: Vec<_> = several.iter().map(|offer| format!("`{}`", offer.profile)).collect();
                Err(Failure::usage(
                    format!("the code offers several profiles: {}", ids.join(", ")),
                    "choose one with `--profile`",
                ))
            }
        }
    }
}

impl Person for Unasked {
    fn code(&mut self) -> Result<Secret, Failure> {
        self.secret.take().ok_or_else(|| Failure::Internal("the code was asked for twice".to_owned()))
    }

    fn today(&mut self, _newest: Moment) -> Result<Option<Moment>, Failure> {
        Ok(None)
    }

    fn profile(&mut self, menu: &Menu<'_>) -> Result<String, Failure> {
        Unasked::only_profile(menu)
    }

    fn answers(&mut self, _manifest: &Manifest, sheet: Sheet) -> Result<Answers, Failure> {
        sheet.finish().map_err(Failure::Answers)
    }

    fn confirm(&mut self, _choice: &Choice<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn tell(&mut self, event: &Event) {
        if let Event::Warning(text) = event {
            self.warnings.push(text.clone());
        }
    }
}
