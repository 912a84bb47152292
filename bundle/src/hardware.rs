//! What a machine says about itself, as far as a profile or the terms of a code may ask for it: patterns of host names, and rules that hide or preselect
//! profiles. Nothing here protects anything: whoever has the code has the keys of every pack on offer, and firmware says what it likes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::name::Id;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// Who made it.
    Manufacturer,
    /// What they call it.
    Product,
    /// Its serial number.
    Serial,
    /// The hardware address of its first network interface, twelve hex digits.
    Mac,
    /// `uefi` or `bios`.
    Firmware,
    /// Memory in GiB, rounded up.
    Memory,
    /// Physical cores.
    Cores,
    /// Fixed disks.
    Disks,
    /// The largest fixed disk in GB (10⁹ bytes).
    DiskSize,
}

/// Every fact with the word that files and patterns use.
pub const FACTS: [(&str, Fact); 9] = [
    ("manufacturer", Fact::Manufacturer),
    ("product", Fact::Product),
    ("serial", Fact::Serial),
    ("mac", Fact::Mac),
    ("firmware", Fact::Firmware),
    ("memory", Fact::Memory),
    ("cores", Fact::Cores),
    ("disks", Fact::Disks),
    ("disk-size", Fact::DiskSize),
];

/// The facts of one machine; what is unknown is absent.
pub type Facts = BTreeMap<Fact, Known>;

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// A text.
    Text(String),
    /// A count or size.
    Number(u64),
}

impl Fact {
    fn is_number(self) -> bool {
        matches!(self, Self::Memory | Self::Cores | Self::Disks | Self::DiskSize)
    }
}

/// What a rule does to its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It is not shown.
    Hide,
    /// It is what an empty answer means.
    Preselect,
}

/// A rule in the terms of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which profile.
    pub profile: Id,
    /// What happens to it.
    pub effect: Effect,
    /// Where: for every fact one of its conditions holds. A text with `*` for anything, whatever the case; a number as `>= 8`, `< 8` or `8`.
    pub when: BTreeMap<Fact, Vec<String>>,
}

impl Rule {
    /// Does it apply to this machine? A fact that is not known meets no condition.
    #[must_use]
    pub fn applies(&self, facts: &Facts) -> bool {
        self.when.iter().all(|(fact, conditions)| {
            facts.get(fact).is_some_and(|known| conditions.iter().any(|condition| meets(known, condition)))
        })
    }

    /// Checks the rule itself.
    ///
    /// # Errors
    /// What is wrong with it, as a predicate of the rule.
    pub fn check(&self) -> Result<(), String> {
        if self.when.is_empty() {
            return Err("has no condition".to_owned());
        }
        for (fact, conditions) in &self.when {
            if conditions.is_empty() {
                return Err("has a fact without a condition".to_owned());
            }
            for condition in conditions {
                let fits = if fact.is_number() {
                    bound(condition).is_some()
                } else {
                    !condition.is_empty() && condition.len() <= 128
                };
                if !fits {
                    let wanted = if fact.is_number() { "`>= 8`, `< 8` or `8`" } else { "a text such as `OptiPlex*`" };
                    return Err(format!(
                        "has the condition `{}`, which is not {wanted}",
                        crate::display::line(condition, 40)
                    ));
                }
            }
        }
        Ok(())
    }
}

fn meets(known: &Known, condition: &str) -> bool {
    match known {
        Known::Text(text) => is_like(&text.to_lowercase(), &condition.to_lowercase()),
        Known::Number(number) => match bound(condition) {
            Some((">=", limit)) => *number >= limit,
            Some(("<", limit)) => *number < limit,
            Some((_, wanted)) => *number == wanted,
            None => false,
        },
    }
}

fn bound(condition: &str) -> Option<(&'static str, u64)> {
    let condition = condition.trim();
    let read = |sign: &'static str| Some((sign, condition.strip_prefix(sign)?.trim()));
    let (sign, digits) = read(">=").or_else(|| read("<")).unwrap_or(("", condition));
    let plain = digits.len() <= 12 && digits.bytes().all(|b| b.is_ascii_digit());
    Some((sign, digits.parse().ok().filter(|_| plain)?))
}

/// `*` stands for anything, everything else for itself.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    false
}

/// `lab-{serial}` with what the machine is called: letters and digits in lower case, `-` for everything between them.
///
/// # Errors
/// A name between braces that is no fact of the machine, or a brace without its partner; `Ok(None)` where the machine does not say.
pub fn fill(pattern: &str, facts: &Facts) -> Result<Option<String>, Refusal> {
    let mut filled = String::new();
    let mut known = true;
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}').ok_or_else(|| unknown(behind))?;
        let (_, fact) = FACTS.iter().find(|(word, _)| *word == name).ok_or_else(|| unknown(name))?;
        filled.push_str(before);
        let value = match facts.get(fact) {
            Some(Known::Text(text)) => plain(text),
            Some(Known::Number(number)) => number.to_string(),
            None => String::new(),
        };
        known &= !value.is_empty();
        filled.push_str(&value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(known.then_some(filled))
}

/// Is it a pattern for [`fill`]?
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains('{')
}

fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn unknown(name: &str) -> Refusal {
    let words: Vec<_> = FACTS.iter().map(|(word, _)| format!("{{{word}}}")).collect();
    let problem = format!("names `{}`, which is none of {}", crate::display::line(name, 40), words.join(" "));
    Refusal::AnswerInvalid { prompt: "hostname".to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Facts {
        [
            (Fact::Product, Known::Text("OptiPlex 7000".into())),
            (Fact::Serial, Known::Text(" 5B5RJ_Y1/x ".into())),
            (Fact::Memory, Known::Number(8)),
        ]
        .into()
    }

    fn rule(when: &[(Fact, &[&str])]) -> Rule {
        let when = when.iter().map(|(fact, conditions)| (*fact, conditions.iter().map(|c| (*c).to_owned()).collect()));
        Rule { profile: Id::new("lab").unwrap(), effect: Effect::Hide, when: when.collect() }
    }

    #[test]
    fn a_rule_applies_where_every_fact_meets_one_of_its_conditions() {
        for (when, applies) in [
            (vec![(Fact::Product, &["optiplex*"][..])], true),
            (vec![(Fact::Product, &["Latitude*", "*7000"])], true),
            (vec![(Fact::Product, &["*plex*70*"])], true),
            (vec![(Fact::Product, &["OptiPlex"])], false),
            (vec![(Fact::Product, &["*plex*plex*"])], false),
            (vec![(Fact::Product, &["OptiPlex 7000*7000"])], false),
            (vec![(Fact::Memory, &[">= 8"])], true),
            (vec![(Fact::Memory, &[">= 9"])], false),
            (vec![(Fact::Memory, &["< 9"])], true),
            (vec![(Fact::Memory, &["<8"])], false),
            (vec![(Fact::Memory, &["8"])], true),
            (vec![(Fact::Memory, &["7"])], false),
            (vec![(Fact::Product, &["*"]), (Fact::Memory, &["< 8"])], false),
            // Nobody knows how many there are.
            (vec![(Fact::Cores, &[">= 0"])], false),
        ] {
            assert_eq!(rule(&when).check(), Ok(()), "{when:?}");
            assert_eq!(rule(&when).applies(&machine()), applies, "{when:?}");
        }
    }

    #[test]
    fn a_rule_that_could_never_mean_anything_is_refused() {
        let long = "x".repeat(129);
        for when in [
            vec![],
            vec![(Fact::Product, &[][..])],
            vec![(Fact::Product, &[""])],
            vec![(Fact::Product, &[long.as_str()])],
            vec![(Fact::Memory, &["much"])],
            vec![(Fact::Memory, &["> 8"])],
            vec![(Fact::Memory, &["+8"])],
            vec![(Fact::Memory, &["9999999999999"])],
        ] {
            assert!(rule(&when).check().is_err(), "{when:?}");
        }
    }

    #[test]
    fn a_pattern_becomes_a_name_where_the_machine_says_what_it_needs() {
        let filled = |pattern| fill(pattern, &machine());
        assert_eq!(filled("lab-{serial}"), Ok(Some("lab-5b5rj-y1-x".to_owned())));
        assert_eq!(filled("{product}-{memory}"), Ok(Some("optiplex-7000-8".to_owned())));
        assert_eq!(filled("plain"), Ok(Some("plain".to_owned())));
        assert_eq!(filled("lab-{mac}"), Ok(None));
        for wrong in ["{", "{serial", "{room}", "{}"] {
            assert!(filled(wrong).is_err(), "{wrong}");
        }
        let dashes: Facts = [(Fact::Serial, Known::Text("--/--".into()))].into();
        assert_eq!(fill("pc-{serial}", &dashes), Ok(None));
    }
}
