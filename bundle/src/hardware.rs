//! What a machine says about itself, as far as a profile or the terms of a code may ask for it: patterns of host names, and rules that hide or preselect
//! profiles. Nothing here protects anything: whoever has the code has the keys of every pack on offer, and firmware says what it likes.

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::name::Id;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Default)]
pub struct Facts(pub Vec<(Fact, Known)>);

impl Facts {
    /// What is known of one of them.
    #[must_use]
    pub fn get(&self, fact: Fact) -> Option<&Known> {
        self.0.iter().find(|(known, _)| *known == fact).map(|(_, known)| known)
    }
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// A text.
    Text(String),
    /// A count or size.
    Number(u64),
}

impl Fact {
    fn of(word: &str) -> Option<Fact> {
        FACTS.iter().find(|(known, _)| *known == word).map(|(_, fact)| *fact)
    }

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
    /// Where: conditions such as `product OptiPlex*` or `memory >= 8`. Of those that begin with the same fact one has to hold.
    pub when: Vec<String>,
}

impl Rule {
    /// Does it apply to this machine? A fact that is not known meets no condition.
    #[must_use]
    pub fn applies(&self, facts: &Facts) -> bool {
        let holds = |fact: &str, condition: &str| {
            Fact::of(fact).and_then(|fact| facts.get(fact)).is_some_and(|known| meets(known, condition))
        };
        self.conditions()
            .all(|(fact, _)| self.conditions().any(|(other, condition)| other == fact && holds(other, condition)))
    }

    /// Facts and what is asked of them: a text with `*` for anything, whatever the case; a number as `>= 8`, `< 8` or `8`.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.when.iter().map(|condition| condition.split_once(' ').unwrap_or((condition, "")))
    }

    /// Checks the rule itself.
    ///
    /// # Errors
    /// What is wrong with it, as a predicate of the rule.
    pub fn check(&self) -> Result<(), String> {
        if self.when.is_empty() {
            return Err("has no condition".to_owned());
        }
        for (word, condition) in self.conditions() {
            let fact = Fact::of(word).ok_or_else(|| "asks for a fact that no machine has".to_owned())?;
            let (fits, wanted) = if fact.is_number() {
                (bound(condition).is_some(), "`>= 8`, `< 8` or `8`")
            } else {
                (!condition.is_empty() && condition.len() <= 128, "a text such as `OptiPlex*`")
            };
            if !fits {
                let condition = crate::display::line(condition, 40);
                return Err(format!("has the condition `{condition}`, which is not {wanted}"));
            }
        }
        Ok(())
    }
}

fn meets(known: &Known, condition: &str) -> bool {
    match known {
        Known::Text(text) => is_like(&text.to_ascii_lowercase(), &condition.to_ascii_lowercase()),
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
        let fact = Fact::of(name).ok_or_else(|| unknown(name))?;
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
        Facts(vec![
            (Fact::Product, Known::Text("OptiPlex 7000".into())),
            (Fact::Serial, Known::Text(" 5B5RJ_Y1/x ".into())),
            (Fact::Memory, Known::Number(8)),
        ])
    }

    fn rule(when: &[&str]) -> Rule {
        let when = when.iter().map(|condition| (*condition).to_owned()).collect();
        Rule { profile: Id::new("lab").unwrap(), effect: Effect::Hide, when }
    }

    #[test]
    fn a_rule_applies_where_every_fact_meets_one_of_its_conditions() {
        for (when, applies) in [
            (vec!["product optiplex*"], true),
            (vec!["product Latitude*", "product *7000"], true),
            (vec!["product *plex*70*"], true),
            (vec!["product OptiPlex"], false),
            (vec!["product *plex*plex*"], false),
            (vec!["product OptiPlex 7000*7000"], false),
            (vec!["memory >= 8"], true),
            (vec!["memory >= 9"], false),
            (vec!["memory < 9"], true),
            (vec!["memory <8"], false),
            (vec!["memory 8"], true),
            (vec!["memory 7"], false),
            (vec!["memory 7", "product *", "memory 8"], true),
            (vec!["product *", "memory < 8"], false),
            // Nobody knows how many there are.
            (vec!["cores >= 0"], false),
        ] {
            assert_eq!(rule(&when).check(), Ok(()), "{when:?}");
            assert_eq!(rule(&when).applies(&machine()), applies, "{when:?}");
        }
    }

    #[test]
    fn a_rule_that_could_never_mean_anything_is_refused() {
        let long = format!("product {}", "x".repeat(129));
        for when in [
            vec![],
            vec!["product"],
            vec!["product "],
            vec![long.as_str()],
            vec!["room 12"],
            vec!["memory much"],
            vec!["memory > 8"],
            vec!["memory +8"],
            vec!["memory 9999999999999"],
        ] {
            assert!(rule(&when).check().is_err(), "{when:?}");
        }
        assert!(!rule(&["room 12"]).applies(&machine()));
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
        let dashes = Facts(vec![(Fact::Serial, Known::Text("--/--".into()))]);
        assert_eq!(fill("pc-{serial}", &dashes), Ok(None));
    }
}
