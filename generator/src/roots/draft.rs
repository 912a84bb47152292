//! The next root while it is being written: a copy of the newest one, and edits. Every rule of format 1 is checked at the end, all problems in
//! one run; what is refused is not written.

use anode_bundle::Moment;
use anode_bundle::document::{Role, Root, ceiling};
use anode_bundle::name::tree;
use anode_bundle::signature::ListedKey;
use clap::ValueEnum;

use crate::diagnose::{Problem, Problems};
use crate::documents;
use crate::keys::PublicKeys;
use crate::repository::is_site_url;

const DAY: u64 = 86_400;

/// A role of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Says which keys count; offline, with people
    Root,
    /// Signs what is compiled
    Release,
    /// Signs every night that it is still current
    Timestamp,
}

impl RoleName {
    /// Its name in documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Release => "release",
            Self::Timestamp => "timestamp",
        }
    }

    /// Its keys in a root.
    #[must_use]
    pub fn of(self, root: &Root) -> &Role {
        match self {
            Self::Root => &root.roles.root,
            Self::Release => &root.roles.release,
            Self::Timestamp => &root.roles.timestamp,
        }
    }

    fn of_mut(self, root: &mut Root) -> &mut Role {
        match self {
            Self::Root => &mut root.roles.root,
            Self::Release => &mut root.roles.release,
            Self::Timestamp => &mut root.roles.timestamp,
        }
    }

    /// The most keys that it may have (format, section 2).
    fn most(self) -> usize {
        if self == Self::Root { 8 } else { 4 }
    }
}

/// The next root, not yet checked.
pub struct Draft<'a> {
    before: &'a Root,
    earlier: &'a [Root],
    names: &'a PublicKeys,
    /// What it will say. The policy may be changed freely.
    pub next: Root,
    problems: Vec<(String, String)>,
    /// What whoever signs should know, and what forbids nothing.
    pub notes: Vec<String>,
}

impl<'a> Draft<'a> {
    /// The successor of `before`, beginning with what is proposed, else with what `before` says. `earlier` are the roots before that.
    #[must_use]
    pub fn begin(before: &'a Root, proposed: Option<&Root>, earlier: &'a [Root], names: &'a PublicKeys) -> Draft<'a> {
        let mut next = proposed.unwrap_or(before).clone();
        next.version = before.version + 1;
        Draft { before, earlier, names, next, problems: Vec::new(), notes: Vec::new() }
    }

    fn refuse(&mut self, problem: impl Into<String>, help: impl Into<String>) {
        self.problems.push((problem.into(), help.into()));
    }

    /// Lists a key.
    pub fn add(&mut self, role: RoleName, key: &ListedKey) {
        let shown = self.names.describe(key);
        let twin = self.next.roles.named().into_iter().find_map(|(name, role)| {
            role.keys
                .iter()
                .find(|listed| listed.id == key.id || listed.key == key.key)
                .map(|twin| (name, twin.clone()))
        });
        if let Some((name, twin)) = twin {
            let help = "no key serves twice: make another one with `anode key new`";
            let problem = if twin == *key {
                format!("the key {shown} is listed already, as a {name} key")
            } else {
                format!("the key {shown} has the id or the bytes of the {name} key {}", self.names.describe(&twin))
            };
            return self.refuse(problem, help);
        }
        let before = self.before.roles.named().into_iter().flat_map(|(_, role)| &role.keys);
        if before.clone().any(|listed| listed.id == key.id && listed.key != key.key) {
            let problem = format!("the id of the key {shown} belongs to another key of root {}", self.before.version);
            return self.refuse(problem, "ids are random: whoever made this key chose one; do not use it");
        }
        if !before.clone().any(|listed| listed == key)
            && let Some(old) = self.earlier.iter().rev().find(|root| lists(root, key))
        {
            self.notes.push(format!(
                "the key {shown} was in root {} and removed since; if it was removed because somebody else had it, do not bring it back",
                old.version
            ));
        }
        role.of_mut(&mut self.next).keys.push(key.clone());
    }

    /// Takes a key out of the role that lists it.
    pub fn remove(&mut self, key: &ListedKey) {
        let roles = [RoleName::Root, RoleName::Release, RoleName::Timestamp];
        match roles.into_iter().find(|role| role.of(&self.next).keys.contains(key)) {
            Some(role) => role.of_mut(&mut self.next).keys.retain(|listed| listed != key),
            None => {
                let problem = format!("the key {} is in no role", self.names.describe(key));
                self.refuse(problem, "`anode key list` shows which keys are");
            }
        }
    }

    /// Puts a key in the place of another.
    pub fn replace(&mut self, role: RoleName, old: &ListedKey, new: &ListedKey) {
        let Some(place) = role.of(&self.next).keys.iter().position(|listed| listed == old) else {
            let problem = format!("the key {} is no {} key", self.names.describe(old), role.as_str());
            return self.refuse(problem, "`anode key list` shows which keys are");
        };
        let count = role.of(&self.next).keys.len();
        self.add(role, new);
        let keys = &mut role.of_mut(&mut self.next).keys;
        // Unless adding was refused, the new key is the last one.
        if keys.len() > count {
            keys.swap_remove(place);
        }
    }

    /// The finished document, as it will be signed, and what whoever signs should know.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn finish(mut self, issued: Moment, days: u64) -> Result<(Vec<u8>, Vec<String>), Problems> {
        for role in [RoleName::Root, RoleName::Release, RoleName::Timestamp] {
            self.check_role(role);
        }
        for url in self.next.policy.mirrors.clone() {
            if !is_site_url(&url) {
                self.refuse(
                    format!("`{url}` can not be the address of a mirror"),
                    "it begins with `https://` and has no `?` or `#`",
                );
            }
        }
        if !(1..=ceiling::ROOT).contains(&days) {
            self.refuse(
                format!("a root can not live for {days} days"),
                format!("at least 1 and at most {}", ceiling::ROOT),
            );
        } else if issued < self.before.issued {
            let before = self.before;
            let problem =
                format!("it is {issued} by this clock, and root {} was issued on {}", before.version, before.issued);
            self.refuse(problem, "set the clock");
        } else {
            self.next.issued = issued;
            self.next.expires = issued.plus(days * DAY);
        }
        let file = format!("keys/{}", tree::root(self.next.version));
        if self.problems.is_empty() {
            match documents::root(&self.next) {
                Ok(body) => return Ok((body, self.notes)),
                Err(error) => self.refuse(format!("{error:#}"), "change what it says, and try again"),
            }
        }
        let mut problems = Problems::new();
        for (problem, help) in self.problems {
            problems.push(Problem::error(&file, problem).help(help));
        }
        Err(problems)
    }

    fn check_role(&mut self, role: RoleName) {
        let Role { threshold, keys } = role.of(&self.next);
        let (threshold, count, name) = (*threshold, keys.len() as u64, role.as_str());
        if count == 0 {
            let problem = format!("the role `{name}` would have no key left");
            self.refuse(problem, format!("put another key in its place with `anode root rotate {name}`"));
        } else if count as usize > role.most() {
            let problem = format!("the role `{name}` would have {count} keys");
            self.refuse(problem, format!("at most {}; remove one with `anode root remove-key`", role.most()));
        } else if threshold == 0 {
            self.refuse("the threshold would be 0, so nobody would have to sign", "at least 1; 2 of 3 is recommended");
        } else if threshold > count {
            let problem = format!("{threshold} of {count} {name} keys would have to sign, which nobody can do");
            let help = "add a key with `anode root add-key`, or give a lower `--threshold` in the same command";
            self.refuse(problem, help);
        }
    }
}

fn lists(root: &Root, key: &ListedKey) -> bool {
    root.roles.named().into_iter().any(|(_, role)| role.keys.contains(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{CodePolicy, FirstKeys, first_root};
    use anode_bundle::document::Document as _;
    use anode_bundle::name::{KeyId, SealPublicKey, SiteId};

    fn key(number: u8) -> ListedKey {
        // Any canonical key will do: multiples of the base point are what signing keys have.
        let secret = crate::keys::Signer::generate("test", None).unwrap();
        let signer = crate::keys::Signer::read(&secret, &mut || panic!("asked for a password")).unwrap();
        ListedKey { id: KeyId::from_le_bytes([number; 8]), key: signer.listed().key }
    }

    fn now() -> Moment {
        Moment::parse("2026-11-21T09:00:00Z").unwrap()
    }

    fn first(keys: &[ListedKey]) -> Root {
        let first =
            FirstKeys { root: &keys[..2], release: &keys[2], timestamp: &keys[3], inbox: SealPublicKey([7; 32]) };
        let codes = CodePolicy { length: 16, phrases: false, hardware: false };
        Root::parse(&first_root(&SiteId::from_bytes([1; 16]), "Test", &first, codes, now()).unwrap()).unwrap()
    }

    fn refusals(draft: Draft<'_>) -> Vec<String> {
        let problems = draft.finish(now(), 365).unwrap_err();
        problems.sorted().iter().map(|problem| problem.message.clone()).collect()
    }

    #[test]
    fn a_draft_without_edits_is_the_root_before_with_new_dates() {
        let keys: Vec<_> = (1..5).map(key).collect();
        let (before, names) = (first(&keys), PublicKeys::default());
        let (body, notes) = Draft::begin(&before, None, &[], &names).finish(now().plus(DAY), 100).unwrap();
        let next = Root::parse(&body).unwrap();
        let dates = (next.issued, next.expires) == (now().plus(DAY), now().plus(101 * DAY));
        assert!(dates && next.version == 2 && notes.is_empty());
        assert_eq!((next.roles, next.policy, next.name), (before.roles, before.policy, before.name));
    }

    #[test]
    fn everything_that_breaks_a_rule_is_said_in_one_run() {
        let keys: Vec<_> = (1..5).map(key).collect();
        let (before, names) = (first(&keys), PublicKeys::default());
        let mut draft = Draft::begin(&before, None, &[], &names);
        draft.remove(&keys[2]);
        draft.add(RoleName::Timestamp, &keys[0]);
        draft.next.roles.root.threshold = 3;
        draft.next.policy.mirrors.push("ftp://example.org".to_owned());
        let said = refusals(draft);
        assert_eq!(said.len(), 4, "{said:?}");
        for part in ["`release` would have no key left", "is listed already", "3 of 2 root keys", "ftp://"] {
            assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:?}");
        }
    }

    #[test]
    fn no_key_serves_twice_neither_by_id_nor_by_bytes() {
        let keys: Vec<_> = (1..5).map(key).collect();
        let (before, names) = (first(&keys), PublicKeys::default());
        let same_bytes = ListedKey { id: KeyId::from_le_bytes([9; 8]), key: keys[0].key };
        let same_id = ListedKey { id: keys[0].id, key: key(9).key };
        for twin in [same_bytes, same_id] {
            let mut draft = Draft::begin(&before, None, &[], &names);
            draft.add(RoleName::Release, &twin);
            assert!(refusals(draft)[0].contains("has the id or the bytes of the root key"));
        }
    }

    #[test]
    fn an_id_can_not_pass_to_another_key_from_one_root_to_the_next() {
        let keys: Vec<_> = (1..5).map(key).collect();
        let (before, names) = (first(&keys), PublicKeys::default());
        let impostor = ListedKey { id: keys[0].id, key: key(9).key };
        let mut draft = Draft::begin(&before, None, &[], &names);
        draft.remove(&keys[0]);
        draft.add(RoleName::Root, &impostor);
        assert!(refusals(draft)[0].contains("belongs to another key of root 1"));
    }

    #[test]
    fn ceilings_hold_for_keys_thresholds_and_days() {
        let keys: Vec<_> = (1..5).map(key).collect();
        let (before, names) = (first(&keys), PublicKeys::default());
        for (role, more, allowed) in [
            (RoleName::Root, 6, true),
            (RoleName::Root, 7, false),
            (RoleName::Release, 3, true),
            (RoleName::Release, 4, false),
        ] {
            let mut draft = Draft::begin(&before, None, &[], &names);
            (0..more).for_each(|number| draft.add(role, &key(20 + number)));
            assert_eq!(draft.finish(now(), 365).is_ok(), allowed, "{role:?} {more}");
        }
        for (days, allowed) in [(0, false), (1, true), (400, true), (401, false)] {
            assert_eq!(Draft::begin(&before, None, &[], &names).finish(now(), days).is_ok(), allowed, "{days}");
        }
        let mut draft = Draft::begin(&before, None, &[], &names);
        draft.next.roles.root.threshold = 0;
        assert!(refusals(draft)[0].contains("the threshold would be 0"));
        let early = Moment::parse("2026-11-20T00:00:00Z").unwrap();
        assert!(Draft::begin(&before, None, &[], &names).finish(early, 365).is_err());
    }

    #[test]
    fn a_replaced_key_leaves_its_place_and_a_refused_one_changes_nothing() {
        let keys: Vec<_> = (1..5).map(key).collect();
        let (before, names, new) = (first(&keys), PublicKeys::default(), key(9));
        let mut draft = Draft::begin(&before, None, &[], &names);
        draft.replace(RoleName::Root, &keys[0], &new);
        assert_eq!(draft.next.roles.root.keys, [new, keys[1].clone()]);
        let mut draft = Draft::begin(&before, None, &[], &names);
        draft.replace(RoleName::Root, &keys[0], &keys[3]);
        assert_eq!(draft.next.roles.root.keys, [keys[0].clone(), keys[1].clone()]);
        assert_eq!(refusals(draft).len(), 1);
    }

    #[test]
    fn bringing_a_removed_key_back_is_said() {
        let keys: Vec<_> = (1..5).map(key).collect();
        let (old, names, new) = (first(&keys), PublicKeys::default(), key(9));
        let mut before = old.clone();
        before.version = 2;
        before.roles.release.keys = vec![new.clone()];
        let earlier = [old];
        let mut draft = Draft::begin(&before, None, &earlier, &names);
        draft.replace(RoleName::Release, &new, &keys[2]);
        let (_, notes) = draft.finish(now(), 365).unwrap();
        assert!(notes[0].contains("was in root 1 and removed since"), "{notes:?}");
    }
}
