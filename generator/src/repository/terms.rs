//! `codes/`: the terms of codes, and the generations of packs' keys. There is no code in here, nor anything that leads back to one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anode_bundle::activation::Status;
use anode_bundle::hardware::{Effect, FACTS, Rule};
use anode_bundle::keyed::Key;
use anode_bundle::moment::Moment;
use anode_bundle::name::{Id, Locator, SealPublicKey, Sha256};

use super::fields::{Fields, Located, read_toml};
use super::value::Value;
use crate::diagnose::{Problem, Problems, Source};

/// How many machines a code can be for, where it is limited.
pub const USES: std::ops::RangeInclusive<u64> = 1..=1_000_000;

/// What a code is: how hard it is to guess decides what it may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// Made at random.
    Generated,
    /// Chosen by a person.
    Phrase,
    /// The machine's own UUID and serial number.
    Hardware,
}

impl CodeKind {
    const WORDS: [(&'static str, CodeKind); 3] =
        [("generated", CodeKind::Generated), ("phrase", CodeKind::Phrase), ("hardware", CodeKind::Hardware)];

    /// Why a profile with secrets is not for this kind of code, and what to do.
    #[must_use]
    pub fn secrets_remedy(self) -> &'static str {
        match self {
            Self::Generated => "a generated code may open",
            Self::Phrase => "a chosen code must not open; use a generated one",
            Self::Hardware => {
                "a machine's own identity must not open; use a generated code, or set `hardware_secrets = true` in the profile"
            }
        }
    }
}

const EFFECTS: [(&str, Effect); 2] = [("hide", Effect::Hide), ("preselect", Effect::Preselect)];

/// The terms of a code, `codes/<organisation>/<label>.toml`.
#[derive(Clone)]
pub struct CodeTerms {
    /// The folder.
    pub organisation: Id,
    /// The file's name without `.toml`.
    pub label: Id,
    /// What it is.
    pub kind: CodeKind,
    /// What the code looks up.
    pub locator: Locator,
    /// What its activation is sealed to. Never published.
    pub public_key: SealPublicKey,
    /// Tells the operator whether a report comes from somebody who had the code.
    pub claim_key: Key,
    /// The entry of the root's `policy.kdf` that the code was derived with.
    pub kdf: Id,
    /// What it offers, in this order.
    pub profiles: Vec<Id>,
    /// Refused before.
    pub not_before: Moment,
    /// Refused after.
    pub not_after: Moment,
    /// How many machines; counted by people.
    pub uses: Option<u64>,
    /// Never with offline data.
    pub online: bool,
    /// Whether it can be used.
    pub status: Status,
    /// Bound to these machines; empty: to none.
    pub machines: Vec<Sha256>,
    /// Answers to prompts that are already given.
    pub answers: BTreeMap<Id, String>,
    /// What becomes of its offers on certain machines.
    pub rules: Vec<Rule>,
}

impl CodeTerms {
    /// Where the terms lie in the repository.
    #[must_use]
    pub fn path(&self) -> String {
        format!("codes/{}/{}.toml", self.organisation, self.label)
    }

    /// The file, in a stable order. What has its default is left out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        let list = |items: Vec<String>| items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ");
        let status = match self.status {
            Status::Active => None,
            Status::UsedUp => Some("used-up"),
            Status::Expired => Some("expired"),
        };
        let profiles = list(self.profiles.iter().map(ToString::to_string).collect());
        // Writing to a string can not fail.
        if let Some((word, _)) =
            CodeKind::WORDS.iter().find(|(_, kind)| *kind == self.kind && *kind != CodeKind::Generated)
        {
            let _ = writeln!(out, "kind = \"{word}\"");
        }
        let _ = writeln!(out, "locator = \"{}\"", self.locator);
        let _ = writeln!(out, "public_key = \"{}\"", self.public_key);
        let _ = writeln!(out, "claim_key = \"{}\"", data_encoding::HEXLOWER.encode(self.claim_key.as_slice()));
        let _ = writeln!(out, "kdf = \"{}\"", self.kdf);
        let _ = writeln!(out, "profiles = [{profiles}]");
        let _ = writeln!(out, "not_before = \"{}\"", self.not_before);
        let _ = writeln!(out, "not_after = \"{}\"", self.not_after);
        if let Some(uses) = self.uses {
            let _ = writeln!(out, "uses = {uses}");
        }
        if self.online {
            let _ = writeln!(out, "online = true");
        }
        if let Some(status) = status {
            let _ = writeln!(out, "status = \"{status}\"");
        }
        if !self.machines.is_empty() {
            let _ = writeln!(out, "machines = [{}]", list(self.machines.iter().map(ToString::to_string).collect()));
        }
        if !self.answers.is_empty() {
            let _ = writeln!(out, "\n[answers]");
            for (name, answer) in &self.answers {
                let _ = writeln!(out, "\"{name}\" = {}", toml::Value::String(answer.clone()));
            }
        }
        for rule in &self.rules {
            let effect = EFFECTS.iter().find(|(_, effect)| *effect == rule.effect).map_or("hide", |(word, _)| word);
            let _ = writeln!(out, "\n[[rules]]\nprofile = \"{}\"\neffect = \"{effect}\"\n[rules.when]", rule.profile);
            let mut when: BTreeMap<&str, Vec<toml::Value>> = BTreeMap::new();
            for (fact, condition) in rule.conditions() {
                when.entry(fact).or_default().push(toml::Value::String(condition.to_owned()));
            }
            for (fact, conditions) in when {
                let _ = writeln!(out, "{fact} = {}", toml::Value::Array(conditions));
            }
        }
        out
    }
}

/// Terms with the places that later checks point at.
pub struct ReadTerms {
    pub terms: CodeTerms,
    pub profiles: Vec<Located<Id>>,
    pub answers: Vec<Located<Id>>,
    pub rules: Vec<Located<Rule>>,
    pub source: Arc<Source>,
}

/// Reads `codes/<organisation>/<label>.toml`.
pub fn read(source: &Arc<Source>, organisation: &Id, label: &Id, problems: &mut Problems) -> Option<ReadTerms> {
    read_toml(source, problems, |top| {
        let kind = top.word("kind", &CodeKind::WORDS).unwrap_or(CodeKind::Generated);
        let locator = top.required_name("locator", "locator = \"…\"", Locator::parse);
        let public_key = top.required_name("public_key", "public_key = \"…\"", SealPublicKey::parse);
        let claim_key = top.required_name("claim_key", "claim_key = \"…\"", Sha256::parse);
        let kdf = top.required_name("kdf", "kdf = \"…\"", Id::new);
        let profiles = top.names("profiles", Id::new);
        if profiles.is_empty() {
            top.missing("profiles", "profiles = [\"debian-server\"]");
        }
        let not_before = top.moment("not_before").unwrap_or(Moment::EPOCH);
        if !top.has("not_after") {
            top.missing("not_after", "not_after = \"2027-11-21T09:00:00Z\"");
        }
        let not_after = top.moment("not_after");
        let uses = top.number("uses", USES);
        let online = top.switch("online").unwrap_or(false);
        let statuses = [("active", Status::Active), ("used-up", Status::UsedUp), ("expired", Status::Expired)];
        let status = top.word("status", &statuses).unwrap_or(Status::Active);
        let machines = top.names("machines", Sha256::parse);
        let answers = read_answers(top);
        let rules: Vec<_> = top.tables("rules", read_rule).into_iter().flatten().collect();
        let not_after = not_after?;
        if not_after < not_before {
            top.push(Problem::at(&top.origin(), "`not_after` is earlier than `not_before`"));
        }
        let terms = CodeTerms {
            organisation: organisation.clone(),
            label: label.clone(),
            kind,
            locator: locator?.value,
            public_key: public_key?.value,
            claim_key: Key::new(claim_key?.value.0),
            kdf: kdf?.value,
            profiles: profiles.iter().map(|profile| profile.value.clone()).collect(),
            not_before,
            not_after,
            uses,
            online,
            status,
            machines: machines.into_iter().map(|machine| machine.value).collect(),
            answers: answers.iter().map(|(name, answer)| (name.value.clone(), answer.clone())).collect(),
            rules: rules.iter().map(|rule| rule.value.clone()).collect(),
        };
        let answers = answers.into_iter().map(|(name, _)| name).collect();
        Some(ReadTerms { terms, profiles, answers, rules, source: source.clone() })
    })
    .flatten()
}

/// One of `[[rules]]`: `profile`, `effect` and the facts of `when`, each with one condition or several of which one has to hold.
fn read_rule(table: &mut Fields<'_, '_, '_>) -> Option<Located<Rule>> {
    let profile = table.required_name("profile", "profile = \"lab-pc\"", Id::new);
    if !table.has("effect") {
        table.missing("effect", "effect = \"preselect\"");
    }
    let effect = table.word("effect", &EFFECTS);
    let mut when = Vec::new();
    for (name, value) in table.values("when") {
        let Some((word, _)) = FACTS.iter().find(|(word, _)| *word == name) else {
            let problem = Problem::at(&value.origin, format!("no machine has a fact `{name}`"));
            let known = FACTS.map(|(word, _)| word);
            table.push(match problem.nearest(&name, known) {
                problem if problem.help.is_some() => problem,
                problem => problem.help(format!("known: {}", known.join(", "))),
            });
            continue;
        };
        let items = match value.value {
            Value::List(items) => items,
            one => vec![one],
        };
        let texts: Option<Vec<_>> = items.into_iter().map(condition).collect();
        match texts {
            Some(texts) => when.extend(texts.iter().map(|text| format!("{word} {text}"))),
            None => table.push(Problem::at(&value.origin, format!("`{name}` must be a condition or a list of them"))),
        }
    }
    let profile = profile?;
    let rule = Rule { profile: profile.value, effect: effect?, when };
    if let Err(problem) = rule.check() {
        table.push(Problem::at(&profile.origin, format!("the rule for `{}` {problem}", rule.profile)));
    }
    Some(Located { value: rule, origin: profile.origin })
}

fn condition(value: Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn read_answers(top: &mut Fields<'_, '_, '_>) -> Vec<(Located<Id>, String)> {
    let mut answers = Vec::new();
    for (name, answer) in top.values("answers") {
        let text = match (Id::new(&name), answer.value) {
            (Ok(id), Value::Text(text)) => (Located { value: id, origin: answer.origin }, text),
            (Ok(id), Value::Number(number)) => (Located { value: id, origin: answer.origin }, number.to_string()),
            _ => {
                top.push(Problem::at(&answer.origin, format!("the answer to `{name}` must be a string")));
                continue;
            }
        };
        answers.push(text);
    }
    answers
}

/// The generation of each pack's key, `codes/generations.toml`; raised when a code is revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generations {
    packs: BTreeMap<(Id, Option<Id>), u32>,
}

impl Generations {
    /// Where they lie in the repository.
    pub const PATH: &'static str = "codes/generations.toml";

    /// The generation of a pack; 1 where nothing was ever revoked.
    #[must_use]
    pub fn of(&self, profile: &Id, organisation: Option<&Id>) -> u32 {
        self.packs.get(&(profile.clone(), organisation.cloned())).copied().unwrap_or(1)
    }

    /// Raises the generation of a pack by one.
    pub fn raise(&mut self, profile: &Id, organisation: Option<&Id>) {
        let next = self.of(profile, organisation).saturating_add(1);
        self.packs.insert((profile.clone(), organisation.cloned()), next);
    }

    /// The file, in a stable order.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::from("[packs]\n");
        for ((profile, organisation), generation) in &self.packs {
            let organisation = organisation.as_ref().map(|id| format!("/{id}")).unwrap_or_default();
            let _ = writeln!(out, "\"{profile}{organisation}\" = {generation}");
        }
        out
    }

    /// Reads `codes/generations.toml`.
    pub fn read(source: &Arc<Source>, problems: &mut Problems) -> Generations {
        let packs = read_toml(source, problems, |top| {
            let mut packs = BTreeMap::new();
            for (name, value) in top.values("packs") {
                let (profile, organisation) = match name.split_once('/') {
                    Some((profile, organisation)) => (Id::new(profile), Some(Id::new(organisation))),
                    None => (Id::new(&name), None),
                };
                let generation = match value.value {
                    Value::Number(number) => u32::try_from(number).ok().filter(|number| *number > 0),
                    _ => None,
                };
                match (profile, organisation.transpose(), generation) {
                    (Ok(profile), Ok(organisation), Some(generation)) => {
                        packs.insert((profile, organisation), generation);
                    }
                    _ => {
                        let problem = Problem::at(&value.origin, format!("`{name}` is not a pack with its generation"));
                        top.push(problem.help("write `\"profile\" = 2` or `\"profile/organisation\" = 2`"));
                    }
                }
            }
            packs
        });
        Generations { packs: packs.unwrap_or_default() }
    }
}
