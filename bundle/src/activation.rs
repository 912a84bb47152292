//! What a code unlocks (format, section 1): the JSON inside a sealed activation.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::code::Machine;
use crate::error::Refusal;
use crate::hardware::{Effect, Facts, Rule};
use crate::json;
use crate::keyed::Key;
use crate::moment::Moment;
use crate::name::{Id, Locator, PackId, Sha256, SiteId};
use crate::seal::ACTIVATION_LIMIT;

/// The terms of a code and the keys of its packs. Neither printable nor serialisable, but for [`Activation::encode`]: it holds keys.
#[derive(Deserialize)]
pub struct Activation {
    /// 1.
    pub format: u64,
    /// The site it belongs to.
    pub site: SiteId,
    /// The locator it belongs to.
    pub locator: Locator,
    /// Whether it can be used.
    pub status: Status,
    /// The organisation.
    pub org: Id,
    /// The organisation's name for people.
    #[serde(default)]
    pub org_title: String,
    /// What the code was made for.
    pub label: Id,
    /// Refused before this moment.
    pub not_before: Moment,
    /// Refused after this moment.
    pub not_after: Moment,
    /// How many machines the operator allows; counted by people, not by the medium.
    #[serde(default)]
    pub uses: Option<u64>,
    /// Never with an expired timestamp from the medium.
    #[serde(default)]
    pub online: bool,
    /// Bound to these machines; empty: to none.
    #[serde(default)]
    pub machines: Vec<Sha256>,
    /// What can be chosen.
    #[serde(default)]
    pub offers: Vec<Offer>,
    /// Answers to prompts that are already given.
    #[serde(default, deserialize_with = "read_answers")]
    pub answers: BTreeMap<Id, Zeroizing<String>>,
    /// What becomes of offers on certain machines.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Names that a reader must know.
    #[serde(default)]
    pub critical: Vec<String>,
}

/// Whether an activation can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It can.
    Active,
    /// The operator counted its uses to the end.
    UsedUp,
    /// Its time is over.
    Expired,
}

/// A profile on offer.
#[derive(Clone, Deserialize)]
pub struct Offer {
    /// Its id.
    pub profile: Id,
    /// Its title.
    pub title: String,
    /// Its name in the index of packs.
    pub pack_id: PackId,
    /// The generation of its key.
    pub generation: u32,
    /// What opens it.
    pub pack_key: PackKey,
    /// It goes ahead without the last question.
    #[serde(default)]
    pub unattended: bool,
}

/// What an activation shows on one machine.
pub struct Menu<'a> {
    /// Who the code is for: the title, or the name where there is none.
    pub organisation: &'a str,
    /// The offers that are not hidden.
    pub offers: Vec<&'a Offer>,
    /// What an empty answer means.
    pub preselected: Option<&'a Offer>,
}

/// The key of a pack: 64 hex digits in the activation, and nowhere else.
#[derive(Clone, ZeroizeOnDrop)]
pub struct PackKey(pub Key);

impl<'de> Deserialize<'de> for PackKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PackKey, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = base16ct::lower::decode_vec(text.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| de::Error::custom("not a key"))?;
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| de::Error::custom("not a key"))?;
        Ok(PackKey(Zeroizing::new(bytes)))
    }
}

/// The JSON that is sealed, member by member in this order. Lives for the moment in which it is written.
#[derive(Serialize)]
struct Encoded<'a> {
    format: u64,
    site: &'a SiteId,
    locator: &'a Locator,
    status: Status,
    org: &'a Id,
    org_title: &'a str,
    label: &'a Id,
    not_before: Moment,
    not_after: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<u64>,
    online: bool,
    machines: &'a [Sha256],
    offers: Vec<EncodedOffer<'a>>,
    answers: BTreeMap<&'a Id, &'a str>,
    #[serde(skip_serializing_if = "<[Rule]>::is_empty")]
    rules: &'a [Rule],
    critical: &'a [String],
}

#[derive(Serialize)]
struct EncodedOffer<'a> {
    profile: &'a Id,
    title: &'a str,
    pack_id: &'a PackId,
    generation: u32,
    pack_key: &'a str,
    unattended: bool,
}

fn read_answers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Id, Zeroizing<String>>, D::Error> {
    let answers = BTreeMap::<Id, String>::deserialize(deserializer)?;
    Ok(answers.into_iter().map(|(name, answer)| (name, Zeroizing::new(answer))).collect())
}

impl Activation {
    /// The JSON that [`crate::seal::SealRoot::seal_activation`] seals.
    ///
    /// # Errors
    /// [`Refusal::UnsealFailed`] if it is larger than a sealed activation can be.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let text = |key: &PackKey| Zeroizing::new(base16ct::lower::encode_string(key.0.as_slice()));
        let keys: Vec<Zeroizing<String>> = self.offers.iter().map(|offer| text(&offer.pack_key)).collect();
        let offers = self.offers.iter().zip(&keys).map(|(offer, pack_key)| EncodedOffer {
            profile: &offer.profile,
            title: &offer.title,
            pack_id: &offer.pack_id,
            generation: offer.generation,
            pack_key,
            unattended: offer.unattended,
        });
        let encoded = Encoded {
            format: self.format,
            site: &self.site,
            locator: &self.locator,
            status: self.status,
            org: &self.org,
            org_title: &self.org_title,
            label: &self.label,
            not_before: self.not_before,
            not_after: self.not_after,
            uses: self.uses,
            online: self.online,
            machines: &self.machines,
            offers: offers.collect(),
            answers: self.answers.iter().map(|(name, answer)| (name, answer.as_str())).collect(),
            rules: &self.rules,
            critical: &self.critical,
        };
        // Never grown, so that no copy is left behind. Most have room in the smaller one, and wiping takes longer than all the rest.
        for room in [2 << 10, ACTIVATION_LIMIT as usize] {
            let mut json = Zeroizing::new(vec![0; room]);
            let mut rest = json.as_mut_slice();
            if serde_json::to_writer(&mut rest, &encoded).is_ok() {
                let length = room - rest.len();
                json.truncate(length);
                return Ok(json);
            }
        }
        Err(Refusal::unseal("the activation", "it is larger than 64 KiB"))
    }

    /// Reads the opened JSON and compares it with what was asked for.
    ///
    /// # Errors
    /// [`Refusal::TooNew`], or [`Refusal::UnsealFailed`]: it was signed and is not what it should be.
    pub fn parse(json: &[u8], site: &SiteId, locator: &Locator) -> Result<Activation, Refusal> {
        let what = "the activation";
        json::check_sealed_format(json, what)?;
        let activation: Activation = json::read(json).map_err(|problem| Refusal::unseal(what, problem))?;
        if activation.site != *site || activation.locator != *locator {
            return Err(Refusal::unseal(what, "it belongs to another site or code"));
        }
        Ok(activation)
    }

    /// May it be used at `now` (a lower bound of the present) on `machine`?
    ///
    /// # Errors
    /// [`Refusal::CodeNotValid`], [`Refusal::HardwareMismatch`].
    pub fn check(&self, now: Moment, machine: Option<&Machine>) -> Result<(), Refusal> {
        let not_valid = |problem: String| Err(Refusal::CodeNotValid(problem));
        if self.status == Status::UsedUp {
            return not_valid("is used up".to_owned());
        }
        if self.status == Status::Expired || self.not_after < now {
            return not_valid(format!("expired on {}", self.not_after.date()));
        }
        if self.not_before > now {
            return not_valid(format!(
                "is valid only from {} on; this machine believes that today is {}",
                self.not_before,
                now.date()
            ));
        }
        let bound = |machine: &Machine| self.machines.contains(&machine.binding(&self.site));
        if !self.machines.is_empty() && !machine.is_some_and(bound) {
            return Err(Refusal::HardwareMismatch);
        }
        Ok(())
    }

    /// What is shown on this machine.
    ///
    /// # Errors
    /// [`Refusal::HardwareMismatch`] if its rules hide every offer.
    pub fn menu(&self, facts: &Facts) -> Result<Menu<'_>, Refusal> {
        let has = |offer: &Offer, effect| {
            self.rules.iter().any(|rule| rule.profile == offer.profile && rule.effect == effect && rule.applies(facts))
        };
        let offers: Vec<&Offer> = self.offers.iter().filter(|offer| !has(offer, Effect::Hide)).collect();
        if offers.is_empty() && !self.offers.is_empty() {
            return Err(Refusal::HardwareMismatch);
        }
        let preselected = offers.iter().copied().find(|offer| has(offer, Effect::Preselect));
        Ok(Menu { organisation: self.organisation(), offers, preselected })
    }

    /// Who the code is for: the title, or the name where there is none.
    #[must_use]
    pub fn organisation(&self) -> &str {
        if self.org_title.is_empty() { self.org.as_str() } else { &self.org_title }
    }

    /// The offer of `profile`.
    ///
    /// # Errors
    /// [`Refusal::ProfileUnknown`], which lists what is offered.
    pub fn offer(&self, profile: &str) -> Result<&Offer, Refusal> {
        self.offers.iter().find(|offer| offer.profile.as_str() == profile).ok_or_else(|| Refusal::ProfileUnknown {
            wanted: crate::display::line(profile, 64),
            offered: self.offers.iter().map(|offer| format!("`{}`", offer.profile)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::{Fact, Known};

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn activation(rules: &[(&str, Effect, u64)]) -> Activation {
        let offer = |name| Offer {
            profile: id(name),
            title: String::new(),
            pack_id: PackId([0; 32]),
            generation: 1,
            pack_key: PackKey(Zeroizing::new([7; 32])),
            unattended: false,
        };
        let rule = |(profile, effect, cores): &(&str, Effect, u64)| Rule {
            profile: id(profile),
            effect: *effect,
            when: vec![format!("cores {cores}")],
        };
        Activation {
            format: 1,
            site: SiteId::from_bytes([1; 16]),
            locator: Locator([2; 32]),
            status: Status::Active,
            org: id("acme"),
            org_title: String::new(),
            label: id("label"),
            not_before: Moment::EPOCH,
            not_after: Moment::EPOCH,
            uses: None,
            online: false,
            machines: Vec::new(),
            offers: vec![offer("lab"), offer("office")],
            answers: BTreeMap::new(),
            rules: rules.iter().map(rule).collect(),
            critical: Vec::new(),
        }
    }

    /// What is shown on a machine with four cores, and which of it is preselected.
    fn menu(rules: &[(&str, Effect, u64)]) -> Result<(Vec<String>, Option<String>), Refusal> {
        let facts = Facts(vec![(Fact::Cores, Known::Number(4))]);
        let activation = activation(rules);
        let menu = activation.menu(&facts)?;
        let name = |offer: &Offer| offer.profile.to_string();
        Ok((menu.offers.iter().map(|offer| name(offer)).collect(), menu.preselected.map(name)))
    }

    #[test]
    fn rules_hide_and_preselect_what_they_name_on_the_machines_that_they_describe() {
        let (lab, office) = ("lab".to_owned(), "office".to_owned());
        let both = vec![lab.clone(), office.clone()];
        assert_eq!(menu(&[]), Ok((both.clone(), None)));
        assert_eq!(menu(&[("lab", Effect::Hide, 8)]), Ok((both.clone(), None)));
        assert_eq!(menu(&[("lab", Effect::Hide, 4)]), Ok((vec![office.clone()], None)));
        assert_eq!(menu(&[("office", Effect::Preselect, 4)]), Ok((both, Some(office))));
        // What is hidden is not preselected either.
        assert_eq!(menu(&[("office", Effect::Preselect, 4), ("office", Effect::Hide, 4)]), Ok((vec![lab], None)));
        let all = [("lab", Effect::Hide, 4), ("office", Effect::Hide, 4)];
        assert_eq!(menu(&all), Err(Refusal::HardwareMismatch));
    }

    #[test]
    fn rules_are_sealed_with_the_activation_and_absent_where_there_are_none() {
        let read = |rules: &[_]| {
            let activation = activation(rules);
            let json = activation.encode().unwrap();
            let again = Activation::parse(&json, &activation.site, &activation.locator).unwrap();
            assert_eq!(again.rules, activation.rules);
            String::from_utf8(json.to_vec()).unwrap()
        };
        assert!(!read(&[]).contains("rules"));
        assert!(
            read(&[("lab", Effect::Hide, 4)])
                .contains(r#""rules":[{"profile":"lab","effect":"hide","when":["cores 4"]}]"#)
        );
    }

    fn json(title: &str) -> String {
        let (site, locator, key) = (SiteId::from_bytes([7; 16]), Locator([4; 32]), "ab".repeat(32));
        let offer = format!(
            r#"{{"profile":"debian","title":"{title}","pack_id":"{key}","generation":3,"pack_key":"{key}","unattended":true}}"#
        );
        format!(
            r#"{{"format":1,"site":"{site}","locator":"{locator}","status":"active","org":"o","org_title":"O","label":"pc-07","#
        ) + r#""not_before":"2026-01-01T00:00:00Z","not_after":"2027-01-01T00:00:00Z","uses":5,"online":true,"#
            + &format!(r#""machines":["{key}"],"offers":[{offer}],"answers":{{"hostname":"pc"}},"critical":[]}}"#)
    }

    fn read(json: &str) -> Result<Activation, Refusal> {
        Activation::parse(json.as_bytes(), &SiteId::from_bytes([7; 16]), &Locator([4; 32]))
    }

    #[test]
    fn every_term_of_a_code_is_written_as_it_is_read() {
        let written = read(&json("Debian")).and_then(|activation| activation.encode());
        assert_eq!(written.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()), Ok(json("Debian")));
    }

    #[test]
    fn what_is_larger_than_a_sealed_activation_is_not_written() {
        let room = ACTIVATION_LIMIT as usize - json("").len();
        let written = |length: usize| read(&json(&"x".repeat(length))).and_then(|activation| activation.encode());
        assert_eq!(written(room).map(|bytes| bytes.len()), Ok(65_536));
        assert!(matches!(written(room + 1), Err(Refusal::UnsealFailed { .. })));
    }
}
