//! `[ansible]` of a site or profile: where a machine gets its configuration from after its first boot, and when.
//!
//! Everything here ends in a shell script, a git command or a systemd unit of the machine, so each word has a form that means itself there.

use anode_bundle::name::SafePath;
use anode_bundle::pack::Ansible;

use super::fields::{Fields, Located};
use super::secrets::SecretUse;
use super::value::{Value, VariableType, is_url};
use crate::diagnose::{Origin, Problem, Problems};

/// How far machines spread their runs, where a schedule does not say it.
const JITTER: &str = "10min";
/// What is played where nobody says it.
const PLAYBOOK: &str = "site.yml";

/// `[ansible]` of a site or profile; a profile's words win one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnsibleSettings {
    /// The git repository.
    pub repository: Option<Located<String>>,
    /// The pinned commit.
    pub commit: Option<Located<String>>,
    /// The branch, where no commit is pinned.
    pub branch: Option<Located<String>>,
    /// The playbook below the repository.
    pub playbook: Option<Located<String>>,
    /// The groups of the inventory that the machine is in.
    pub groups: Option<Vec<Located<String>>>,
    /// The file below the repository that names roles and collections.
    pub requirements: Option<Located<String>>,
    /// Lines of OpenSSH's `known_hosts`, for a repository that is fetched over SSH.
    pub known_hosts: Option<Vec<Located<String>>>,
    /// Lines of git's allowed signers file; with them, only commits signed by one of these are played.
    pub signers: Option<Vec<Located<String>>>,
    /// The name of the secret that opens the repository's vault.
    pub vault: Option<Located<String>>,
    /// The name of the secret with which the repository is fetched over SSH: a private key.
    pub deploy_key: Option<Located<String>>,
    /// When it runs again, as systemd's `OnCalendar`; never without it.
    pub schedule: Option<Located<String>>,
    /// How far machines spread their runs, as systemd's `RandomizedDelaySec`.
    pub jitter: Option<Located<String>>,
    /// The schedule plays a new commit only.
    pub only_if_changed: Option<bool>,
    /// `false`: this profile uses none, whatever the site says.
    pub enabled: Option<bool>,
}

impl AnsibleSettings {
    /// These words, and those of `lower` that are not said here. Commit and branch are one word: the nearer of the two replaces both.
    #[must_use]
    pub fn over(&self, lower: &AnsibleSettings) -> AnsibleSettings {
        fn nearer<T: Clone>(own: &Option<T>, lower: &Option<T>) -> Option<T> {
            own.as_ref().or(lower.as_ref()).cloned()
        }
        let revision = if self.commit.is_some() || self.branch.is_some() { self } else { lower };
        AnsibleSettings {
            repository: nearer(&self.repository, &lower.repository),
            commit: revision.commit.clone(),
            branch: revision.branch.clone(),
            playbook: nearer(&self.playbook, &lower.playbook),
            groups: nearer(&self.groups, &lower.groups),
            requirements: nearer(&self.requirements, &lower.requirements),
            known_hosts: nearer(&self.known_hosts, &lower.known_hosts),
            signers: nearer(&self.signers, &lower.signers),
            vault: nearer(&self.vault, &lower.vault),
            deploy_key: nearer(&self.deploy_key, &lower.deploy_key),
            schedule: nearer(&self.schedule, &lower.schedule),
            jitter: nearer(&self.jitter, &lower.jitter),
            only_if_changed: self.only_if_changed.or(lower.only_if_changed),
            enabled: self.enabled.or(lower.enabled),
        }
    }

    /// What a pack says of it: nothing that is not for everybody who may install. `None`: nothing configures the machine.
    #[must_use]
    pub fn public_part(&self) -> Option<Ansible> {
        let text = |located: &Option<Located<String>>| located.as_ref().map(|located| located.value.clone());
        if self.enabled == Some(false) {
            return None;
        }
        Some(Ansible {
            repository: text(&self.repository)?,
            commit: text(&self.commit),
            branch: text(&self.branch),
            playbook: text(&self.playbook).unwrap_or_else(|| PLAYBOOK.to_owned()),
            groups: values(self.groups.as_ref()).into_iter().map(str::to_owned).collect(),
            requirements: text(&self.requirements),
            schedule: text(&self.schedule),
            only_if_changed: self.only_if_changed.unwrap_or(false),
        })
    }

    /// Where it is said what is played: at `playbook`, or at the repository whose `site.yml` is meant.
    #[must_use]
    pub fn place_of_playbook(&self) -> Option<&Origin> {
        self.playbook.as_ref().or(self.repository.as_ref()).map(|word| &word.origin)
    }

    /// The secret with which the repository is fetched, where it is one that needs it.
    #[must_use]
    pub fn key_of_repository(&self) -> Option<&Located<String>> {
        self.deploy_key.as_ref().filter(|_| self.repository.as_ref().is_some_and(is_ssh))
    }

    /// How far machines spread the runs of a schedule.
    #[must_use]
    pub fn spread(&self) -> &str {
        self.jitter.as_ref().map_or(JITTER, |jitter| jitter.value.as_str())
    }

    /// The secrets that these words over the site's hand to a machine.
    pub fn secret_uses<'s>(&'s self, site: &'s AnsibleSettings) -> Vec<(&'s Origin, &'s str, SecretUse<'s>)> {
        let enabled = self.enabled.or(site.enabled) != Some(false);
        let Some(repository) = self.repository.as_ref().or(site.repository.as_ref()).filter(|_| enabled) else {
            return Vec::new();
        };
        let vault = self.vault.as_ref().or(site.vault.as_ref());
        let deploy_key = self.deploy_key.as_ref().or(site.deploy_key.as_ref()).filter(|_| is_ssh(repository));
        let words = [("vault", vault, VariableType::Line), ("deploy_key", deploy_key, VariableType::Text)];
        let used = words
            .into_iter()
            .filter_map(|(word, name, kind)| name.map(|name| (&name.origin, word, SecretUse::of(&name.value, kind))));
        used.collect()
    }

    /// Refuses words that do not go together; of a profile over the site's.
    pub fn check(&self, problems: &mut Problems) {
        let Some(repository) = self.repository.as_ref().filter(|_| self.enabled != Some(false)) else { return };
        // A site's key is for those of its profiles that fetch over SSH.
        let beside = |key: &&Located<String>| key.origin.source.path == repository.origin.source.path;
        if let Some(key) = self.deploy_key.as_ref().filter(beside).filter(|_| !is_ssh(repository)) {
            let problem = Problem::at(&key.origin, "a `deploy_key` is for a repository over SSH");
            problems
                .push(problem.help("write the repository as `ssh://git@git.example.org/site.git`, or remove the key"));
        }
        if is_ssh(repository) && values(self.known_hosts.as_ref()).is_empty() {
            let problem = Problem::at(&repository.origin, "`known_hosts` is missing for a repository over SSH");
            problems.push(problem.help("add `known_hosts = [\"git.example.org ssh-ed25519 …\"]`; `ssh-keyscan` prints them, compare them before"));
        }
    }
}

fn is_ssh(repository: &Located<String>) -> bool {
    repository.value.starts_with("ssh://")
}

/// The values of a list, without their places.
pub fn values(list: Option<&Vec<Located<String>>>) -> Vec<&str> {
    list.into_iter().flatten().map(|located| located.value.as_str()).collect()
}

/// Reads `[ansible]`.
pub fn read_ansible(table: &mut Fields<'_, '_, '_>) -> AnsibleSettings {
    let mut list = |key: &'static str| {
        let there = table.has(key);
        let texts = table.texts(key);
        there.then_some(texts)
    };
    let (groups, known_hosts, signers) = (list("groups"), list("known_hosts"), list("signers"));
    let settings = AnsibleSettings {
        repository: table.text("repository"),
        commit: table.text("commit"),
        branch: table.text("branch"),
        playbook: table.text("playbook"),
        groups,
        requirements: table.text("requirements"),
        vault: read_secret(table, "vault"),
        deploy_key: read_secret(table, "deploy_key"),
        known_hosts,
        signers,
        schedule: table.text("schedule"),
        jitter: table.text("jitter"),
        only_if_changed: table.switch("only_if_changed"),
        enabled: table.switch("enabled"),
    };
    let url = "an address such as `https://git.example.org/site.git`, without a password";
    let path = "a path below the repository such as `site.yml`";
    let signer = "a line such as `anna@example.org ssh-ed25519 AAAA…`";
    let host = "a line such as `git.example.org ssh-ed25519 AAAA…`";
    for (key, text, fits, wanted) in [
        ("repository", &settings.repository, is_repository as fn(&str) -> bool, url),
        ("commit", &settings.commit, is_commit, "a commit id of 40 or 64 lower-case hex digits"),
        ("branch", &settings.branch, is_branch, "the name of a branch"),
        ("playbook", &settings.playbook, is_path, path),
        ("requirements", &settings.requirements, is_path, path),
        ("schedule", &settings.schedule, is_schedule, "an `OnCalendar` of systemd such as `*-*-* 04:00` or `hourly`"),
        ("jitter", &settings.jitter, is_span, "a time of systemd such as `10min` or `1h 30min`"),
    ] {
        check(table, key, text.iter(), fits, wanted);
    }
    for (key, texts, fits, wanted) in [
        ("groups", &settings.groups, is_group as fn(&str) -> bool, "the name of a group: letters, digits and `_`"),
        ("known_hosts", &settings.known_hosts, is_key_line, host),
        ("signers", &settings.signers, is_key_line, signer),
    ] {
        check(table, key, texts.iter().flatten(), fits, wanted);
    }
    settings
}

/// In clear, it has no place in a repository.
fn read_secret(table: &mut Fields<'_, '_, '_>, key: &'static str) -> Option<Located<String>> {
    let Located { value, origin } = table.value(key)?;
    if let Value::Secret(value) = value {
        return Some(Located { value, origin });
    }
    let problem = Problem::at(&origin, format!("`{key}` must name a secret"));
    table.push(problem.help(format!(
        "write `{key} = {{ secret = \"{}\" }}`, and `[secrets]` in `anode.toml`",
        key.replace('_', "-")
    )));
    None
}

fn check<'t>(
    table: &mut Fields<'_, '_, '_>,
    key: &str,
    texts: impl Iterator<Item = &'t Located<String>>,
    fits: fn(&str) -> bool,
    wanted: &str,
) {
    for text in texts.filter(|text| !fits(&text.value)) {
        table.push(Problem::at(&text.origin, format!("`{key}` is not right")).label(format!("not {wanted}")));
    }
}

/// A password in an address would stand in the pack, in the record of the choice and in the machine's journal.
fn is_repository(text: &str) -> bool {
    let authority = text.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
    let password = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    is_url(text) && !password
}

fn is_commit(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_branch(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b));
    plain && !text.is_empty() && !text.starts_with(['-', '/', '.']) && !text.contains("..") && text.len() <= 128
}

fn is_path(text: &str) -> bool {
    SafePath::new(text).is_ok()
}

/// Ansible's own rule for a name that needs no quotes; `all` and `ungrouped` are there anyway.
fn is_group(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    first && rest && text.len() <= 64 && !["all", "ungrouped"].contains(&text)
}

/// The alphabet of systemd's calendar events; what it means is systemd's matter.
fn is_schedule(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b" *:,./~_+-".contains(&b));
    plain && !text.trim().is_empty() && text.trim() == text && text.len() <= 128
}

/// Numbers with units of systemd.time(7).
fn is_span(text: &str) -> bool {
    const UNITS: [&str; 19] = [
        "", "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hr", "hour", "hours", "d", "day",
        "days", "w", "week", "weeks",
    ];
    let part = |part: &str| {
        let unit = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = part.len() - unit.len();
        (1..=9).contains(&digits) && UNITS.contains(&unit)
    };
    !text.is_empty() && text.len() <= 64 && text.split(' ').all(part)
}

/// `names type key`, perhaps with options between: one line of printable characters that is no comment.
fn is_key_line(text: &str) -> bool {
    let printable = text.chars().all(anode_bundle::display::is_printable);
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_type = |word: &&str| {
        ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-"].iter().any(|prefix| word.starts_with(prefix))
    };
    let key = words.iter().skip(1).position(is_type).and_then(|place| words.get(place + 2));
    printable && !text.starts_with('#') && text.len() <= 4096 && key.is_some_and(|key| key.starts_with("AAAA"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_takes_what_it_means_and_nothing_that_a_shell_or_unit_would_read_otherwise() {
        let key = "anna@example.org namespaces=\"git\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5";
        for (fits, good, bad) in [
            (
                is_repository as fn(&str) -> bool,
                vec!["https://git.example.org/a.git", "ssh://git@git.example.org:2222/a.git"],
                vec!["git@git.example.org:a.git", "https://anna:secret@git.example.org/a.git", "https://a b", ""],
            ),
            (is_group, vec!["web", "_x1"], vec!["", "web servers", "a-b", "1a", "all", "a]", "a\nb"]),
            (
                is_schedule,
                vec!["daily", "Mon..Fri *-*-* 04:00:00 Europe/Berlin", "*:0/15"],
                vec!["", " ", "daily\nExecStart=x", "%h", "a;b", "daily "],
            ),
            (is_span, vec!["10min", "1h 30min", "90"], vec!["", "min", "10 min", "1h  2h", "-1", "infinity", "1x"]),
            (
                is_key_line,
                vec![key, "git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 comment"],
                vec!["", "# x ssh-ed25519 AAAA", "ssh-ed25519 AAAAC3Nz", "a ssh-ed25519 BBBB", "a\nssh-rsa AAAA"],
            ),
        ] {
            for text in good {
                assert!(fits(text), "{text:?}");
            }
            for text in bad {
                assert!(!fits(text), "{text:?}");
            }
        }
    }
}
