//! Every hostile value through every free text that the built-in definitions write: what is written has the shape that it has with a harmless value,
//! and where a file's format has values of its own (JSON, YAML, units, preseeds), the value stands there as it went in; or it is refused where it
//! was set.
//!
//! A *spot* is a variable of type text or line, the item of a list of them, or such a field of a record in a list. The definitions of one installer
//! share their templates and count as one. Each of its spots is tried with all values, in the first of its cases that writes it; the versions and
//! definitions that have this case take turns, value by value. One rendering holds one value in all spots at once; those that refuse it get a
//! harmless one, and it is rendered again. The count is asserted: every value in every spot was either written or refused. What no case writes is
//! listed in `NOT_WRITTEN`.
//!
//! That a written value comes out of its format's real parser is `injection`'s; here it is about the templates.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::values;
use crate::fixture::{Fixture, lines};
use crate::shapes::{Shape, is_written, shapes};
use crate::spots::{Spot, Within, harmless, is_of_its_type, spots, with};
use anode::diagnose::Problems;
use anode::render::{Rendered, Renderer};
use anode::repository::{Pinned, Profile, Repository, Vouched};
use anode_bundle::name::Sha256;
use rayon::prelude::*;

/// A case of one installer's definitions, in each of their versions, and the spots that all of these write.
struct Stage<'r> {
    name: String,
    profiles: Vec<&'r Profile>,
    spots: Vec<Spot<'r>>,
}

/// Every spot in the first case that writes it, the fullest one first; and those that none writes.
fn stages<'r>(repository: &'r Repository, family: &str) -> (Vec<Stage<'r>>, Vec<Spot<'r>>) {
    let definitions: Vec<_> = repository.installers.values().filter(|known| known.family == family).collect();
    let mut left: BTreeMap<String, Spot<'_>> = BTreeMap::new();
    for definition in &definitions {
        left.extend(spots(definition).map(|spot| (spot.name.clone(), spot)));
    }
    let own = || repository.cases.iter().filter(|case| definitions.iter().any(|known| known.id == case.installer));
    let mut names: Vec<_> = own().map(|case| case.name.as_str()).collect();
    names.sort_by_key(|name| (*name != "full", *name));
    names.dedup();
    let mut stages: Vec<Stage<'_>> = Vec::new();
    for name in names {
        let profiles: Vec<_> = own().filter(|case| case.name.as_str() == name).map(|case| &case.profile).collect();
        for spot in left.values().filter(|spot| is_of_its_type(spot, &harmless(0))).cloned().collect::<Vec<_>>() {
            let marker = harmless(0);
            let tried: Vec<_> = profiles.iter().map(|profile| with(profile, &[(&spot, &marker)])).collect();
            let renderer = Renderer::new(repository).unwrap();
            let declares =
                |profile| repository.definition(profile).unwrap().variables.contains_key(&spot.variable.name);
            let rendered = tried.par_iter().map(|one| declares(one).then(|| renderer.render(one, None)));
            let writes =
                rendered.map(|done| done.is_some_and(|done| done.is_ok_and(|done| is_written(&done, &marker))));
            let those: Vec<_> = writes.collect();
            let those: Vec<_> = profiles.iter().zip(those).filter(|(_, writes)| *writes).map(|(one, _)| *one).collect();
            if those.is_empty() {
                continue;
            }
            left.remove(&spot.name);
            let same = |stage: &&mut Stage<'_>| {
                stage.profiles.len() == those.len()
                    && stage.profiles.iter().zip(&those).all(|(a, b)| std::ptr::eq(*a, *b))
            };
            match stages.iter_mut().find(same) {
                Some(stage) => stage.spots.push(spot),
                None => stages.push(Stage { name: format!("{family}/{name}"), profiles: those, spots: vec![spot] }),
            }
        }
    }
    (stages, left.into_values().collect())
}

/// The example with everything pinned that a case boots, so that command lines are written too.
fn pinned(fixture: &Fixture) -> Repository {
    let mut repository = fixture.load();
    let renderer = Renderer::new(&repository).unwrap();
    let mut urls = BTreeSet::new();
    for case in &repository.cases {
        let addresses = renderer.addresses(&case.profile, None).ok().unwrap();
        urls.extend(
            addresses
                .into_iter()
                .flat_map(|boots| {
                    let loaders = boots.loaders.into_iter().flatten();
                    [boots.kernel].into_iter().chain(boots.initrd).chain(boots.images).chain(loaders)
                })
                .map(|url| url.value),
        );
    }
    for url in urls {
        repository
            .lock
            .insert(&url, Pinned { sha256: Sha256::of(b""), length: 1, vouched: Vouched::Unsaid, signature: None });
    }
    repository
}

/// What one stage is tried with.
struct Trial<'r> {
    repository: &'r Repository,
    stage: &'r Stage<'r>,
    /// Something harmless for each spot.
    harmless: Vec<String>,
    /// What that becomes, by version.
    plain: Vec<Vec<Shape>>,
    /// Places of templates that write a spot word by word, and refuse there what is not one word.
    word_by_word: Vec<(String, usize)>,
}

/// A value, and the spots that it stands in; the others have something harmless.
struct Attempt<'v> {
    turn: usize,
    text: &'v str,
    hostile: Vec<usize>,
}

/// What came of it.
#[derive(Default)]
struct Found {
    wrong: Vec<String>,
    /// Values that were refused for what they are, by their place.
    refused: usize,
    /// Values that were written.
    written: usize,
    /// Values that were compared with what a reader gets.
    read_back: usize,
}

impl Found {
    fn add(&mut self, other: Found) {
        self.wrong.extend(other.wrong);
        self.refused += other.refused;
        self.written += other.written;
        self.read_back += other.read_back;
    }
}

impl<'r> Trial<'r> {
    fn begin(repository: &'r Repository, stage: &'r Stage<'r>) -> Trial<'r> {
        let harmless: Vec<_> = (0..stage.spots.len()).map(harmless).collect();
        let mut trial = Trial { repository, stage, harmless, plain: Vec::new(), word_by_word: Vec::new() };
        let nothing = |turn| Attempt { turn, text: "", hostile: Vec::new() };
        let keys = trial.harmless.iter().map(String::as_str).collect();
        let plain = trial.render(&(0..stage.profiles.len()).map(nothing).collect::<Vec<_>>());
        let shapes = plain.into_iter().map(|done| match done {
            Ok(rendered) => shapes(&rendered, &keys),
            Err(problems) => panic!("{}: {:?}", stage.name, lines(&problems)),
        });
        let plain = shapes.collect();
        let mut words = Vec::new();
        for turn in 0..stage.profiles.len() {
            words.extend((0..stage.spots.len()).map(|spot| Attempt { turn, text: "a b", hostile: vec![spot] }));
        }
        for (attempt, done) in words.iter().zip(trial.render(&words)) {
            let problems = done.err().map(|problems| lines(&problems)).unwrap_or_default();
            let places = problems.iter().filter(|line| is_word_by_word(line)).map(|line| place(line));
            trial.word_by_word.extend(places.map(|place| (place, attempt.hostile[0])));
        }
        trial.plain = plain;
        trial
    }

    /// Templates are parsed once for all of them.
    fn render(&self, attempts: &[Attempt<'_>]) -> Vec<Result<Rendered, Problems>> {
        let profile = |attempt: &Attempt<'_>| {
            let choose = |number: usize| match attempt.hostile.contains(&number) {
                true => attempt.text,
                false => self.harmless[number].as_str(),
            };
            let texts: Vec<_> =
                self.stage.spots.iter().enumerate().map(|(number, spot)| (spot, choose(number))).collect();
            with(self.stage.profiles[attempt.turn % self.stage.profiles.len()], &texts)
        };
        let profiles: Vec<_> = attempts.iter().map(profile).collect();
        let renderer = Renderer::new(self.repository).unwrap();
        profiles.par_iter().map(|profile| renderer.render(profile, None)).collect()
    }

    fn run(&self, values: &[String]) -> Found {
        let mut found = Found::default();
        let mut attempts = Vec::new();
        for (turn, text) in values.iter().enumerate() {
            let mut together = Vec::new();
            for (number, spot) in self.stage.spots.iter().enumerate() {
                let not_set = text.is_empty() && matches!(spot.within, Within::Itself);
                let words = text.is_empty() || text.contains(char::is_whitespace);
                if !is_of_its_type(spot, text) {
                    found.refused += 1;
                } else if not_set || words && self.word_by_word.iter().any(|(_, other)| *other == number) {
                    attempts.push(Attempt { turn, text, hostile: vec![number] });
                } else {
                    together.push(number);
                }
            }
            if !together.is_empty() {
                attempts.push(Attempt { turn, text, hostile: together });
            }
        }
        while !attempts.is_empty() {
            let rendered = self.render(&attempts);
            let done: Vec<_> =
                attempts.into_par_iter().zip(rendered).map(|(one, done)| self.judge(one, done)).collect();
            attempts = Vec::new();
            for (one, again) in done {
                found.add(one);
                attempts.extend(again);
            }
        }
        found
    }

    /// What came of an attempt, and what has to be tried again because of it.
    fn judge<'v>(&self, attempt: Attempt<'v>, done: Result<Rendered, Problems>) -> (Found, Vec<Attempt<'v>>) {
        let Attempt { turn, text, mut hostile } = attempt;
        let mut found = Found::default();
        let problems = match done {
            Ok(rendered) => {
                found.written += hostile.len();
                self.compare(turn, &rendered, &hostile, text, &mut found);
                return (found, Vec::new());
            }
            // Nothing is pinned here; that is no news.
            Err(problems) => lines(&problems).into_iter().filter(|line| !line.contains("is not pinned")),
        };
        let problems: Vec<_> = problems.collect();
        let knows_no_spot = |line: &&String| !hostile.iter().any(|spot| self.refuses(*spot, line));
        let general: Vec<_> = problems.iter().filter(knows_no_spot).collect();
        if let Some(line) = general.iter().find(|line| !is_about(line, text)) {
            found.wrong.push(format!("{} {text:?} in {}: {line}", self.stage.name, self.names(&hostile)));
            return (found, Vec::new());
        }
        let mut alone = Vec::new();
        match (&hostile[..], general.is_empty()) {
            ([_], _) => {
                found.refused += 1;
                hostile.clear();
            }
            // One of them at least.
            (_, false) => alone.append(&mut hostile),
            (_, true) => {
                for line in &problems {
                    let (those, others): (Vec<_>, _) = hostile.into_iter().partition(|spot| self.refuses(*spot, line));
                    hostile = others;
                    match those[..] {
                        [_] => found.refused += 1,
                        _ => alone.extend(those),
                    }
                }
            }
        }
        let again = alone.into_iter().map(|spot| vec![spot]).chain((!hostile.is_empty()).then_some(hostile));
        (found, again.map(|hostile| Attempt { turn, text, hostile }).collect())
    }

    fn names(&self, spots: &[usize]) -> String {
        spots.iter().map(|spot| self.stage.spots[*spot].name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Where it was set; or, where a list is written word by word, the template's line that writes it.
    fn refuses(&self, spot: usize, line: &str) -> bool {
        let set = format!("set/{}:1:1:", self.stage.spots[spot].variable.name);
        let words = is_word_by_word(line) && self.word_by_word.contains(&(place(line), spot));
        line.starts_with(&set) || words
    }

    fn compare(&self, turn: usize, rendered: &Rendered, hostile: &[usize], text: &str, found: &mut Found) {
        let keys = self.harmless.iter().map(String::as_str).chain([text]).collect();
        let shapes = shapes(rendered, &keys);
        // The empty text of a variable is that it is not set, and then other things may be written.
        let not_set = |spot: &usize| text.is_empty() && matches!(self.stage.spots[*spot].within, Within::Itself);
        if hostile.iter().any(not_set) {
            return;
        }
        let plain = &self.plain[turn % self.plain.len()];
        let mut wrong = Vec::new();
        if shapes.len() != plain.len() {
            wrong.push("other files".to_owned());
        }
        for (made, plain) in shapes.iter().zip(plain) {
            if (&made.path, &made.outline, made.texts.len()) != (&plain.path, &plain.outline, plain.texts.len()) {
                wrong.push(format!("{}: {} is no {}", made.path, made.outline, plain.outline));
            }
            for (made, plain) in made.texts.iter().zip(&plain.texts) {
                let whole = |spot: &&usize| *plain == self.harmless[**spot];
                if hostile.iter().any(|spot| whole(&spot)) {
                    found.read_back += 1;
                    if made != text {
                        wrong.push(format!("came out as {made:?}"));
                    }
                }
            }
        }
        let place = format!("{} {text:?} in {}", self.stage.name, self.names(hostile));
        found.wrong.extend(wrong.into_iter().map(|what| format!("{place}: {what}")));
    }
}

fn is_word_by_word(line: &str) -> bool {
    ["is not one word", "stands among packages, where nothing can be quoted"].iter().any(|words| line.contains(words))
}

/// Refusals that know no variable: of our own marks, of a line that is too long, and of what is not set.
fn is_about(line: &str, text: &str) -> bool {
    let mark = text.contains("AnodeInsert") && line.contains("an answer is not known yet");
    let long = text.len() > 2000 && line.contains("the command line has more than 2,000 characters");
    mark || long || text.is_empty()
}

/// `file:line:column` of a problem.
fn place(line: &str) -> String {
    line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")
}

/// What no case of the built-in definitions writes as free text into a file or command line.
const NOT_WRITTEN: [&str; 6] = [
    // Refused but for a digest.
    "anaconda container_image",
    "anaconda live_image_sha256",
    // Parts of addresses: another one is another file, which is not pinned.
    "archinstall release",
    "coreos-installer build",
    // The case has a prompt in their place.
    "debian-installer passphrase",
    "subiquity passphrase",
];

#[test]
fn no_value_changes_the_shape_of_what_a_definition_writes() {
    let repository = pinned(&Fixture::example());
    let values = values();
    let families: BTreeSet<_> = repository.installers.values().map(|known| known.family.as_str()).collect();
    let mut all = Vec::new();
    let mut left = Vec::new();
    for family in families {
        let (stages, others) = stages(&repository, family);
        all.extend(stages);
        left.extend(others.into_iter().map(|spot| format!("{family} {}", spot.name)));
    }
    assert_eq!(left, NOT_WRITTEN);
    let spots: usize = all.iter().map(|stage| stage.spots.len()).sum();
    assert!(spots > 100, "{spots} spots");
    let mut found = Found::default();
    for stage in &all {
        found.add(Trial::begin(&repository, stage).run(&values));
    }
    let Found { wrong, refused, written, read_back } = found;
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(refused + written, values.len() * spots);
    assert!(read_back > written / 4, "{read_back} of {written} values were read back");
}

#[test]
fn what_is_rendered_does_not_depend_on_the_order_of_files_and_tables() {
    let fixture = Fixture::example();
    let reversed = tempfile::tempdir().unwrap();
    // The same files, made in the opposite order, so that a folder lists them in another one.
    let mut all = crate::fixture::files(fixture.path());
    all.reverse();
    for path in all {
        let target = reversed.path().join(path.strip_prefix(fixture.path()).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let own_profile = path.ends_with("debian-server/profile.toml");
        std::fs::write(target, if own_profile { permuted(&text) } else { text }).unwrap();
    }
    let packs = |folder: &std::path::Path| {
        let (repository, _) = anode::repository::load(folder).ok().unwrap();
        let renderer = Renderer::new(&repository).unwrap();
        let pack = |profile| renderer.render(profile, None).ok().unwrap().contents.encode().unwrap().to_vec();
        repository.profiles.iter().map(pack).collect::<Vec<_>>()
    };
    assert_eq!(packs(fixture.path()), packs(reversed.path()));
}

/// The lines of `[variables]` in the opposite order.
fn permuted(text: &str) -> String {
    let (head, rest) = text.split_once("[variables]\n").unwrap();
    let end = rest.find("\n\n").unwrap_or(rest.len());
    let mut lines: Vec<_> = rest[..end].lines().collect();
    assert!(lines.iter().all(|line| line.contains(" = ") && !line.ends_with(['[', '{'])), "{lines:?}");
    lines.reverse();
    format!("{head}[variables]\n{}{}", lines.join("\n"), &rest[end..])
}
