//! `anode.toml`: the site.

use std::sync::Arc;

use anode_bundle::document::ceiling;
use anode_bundle::name::SiteId;

use super::ansible::{AnsibleSettings, read_ansible};
use super::fields::{Fields, read_toml};
use super::secrets::{SecretDefinitions, read_secrets};
use super::value::{Settings, is_url};
use crate::diagnose::{Origin, Problem, Problems, Source};

/// The site and its defaults.
#[derive(Debug, Clone)]
pub struct Site {
    /// 26 base32 characters, made by `anode init`.
    pub id: SiteId,
    /// A short name for people.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Where the tree is served, in order of preference; each ends in `/`. Empty while nobody decided.
    pub urls: Vec<String>,
    /// Does the tree hold what is pinned, so that media ask the site itself first?
    pub mirror: bool,
    /// The language of pages and console.
    pub language: Language,
    /// The site layer.
    pub variables: Settings,
    /// How long signed things hold.
    pub lifetimes: Lifetimes,
    /// Which codes there are.
    pub codes: CodeRules,
    /// Where reports are dropped.
    pub inbox: Option<String>,
    /// Defaults of `[ansible]`.
    pub ansible: AnsibleSettings,
    /// Where secrets come from.
    pub secrets: SecretDefinitions,
    /// The file.
    pub origin: Origin,
}

/// The languages of pages and console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `de`
    German,
    /// `en`
    English,
}

impl Language {
    /// `de` or `en`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Language::German => "de",
            Language::English => "en",
        }
    }
}

/// Lifetimes in days (format, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of a root.
    pub root: u64,
    /// Of a release.
    pub release: u64,
    /// Of a timestamp.
    pub timestamp: u64,
    /// How long a medium may do without the network; 0: never.
    pub offline: u64,
    /// Of a code.
    pub activation: u64,
}

/// Which codes a site makes and accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRules {
    /// Numbers of symbols: 16, 20 or both; new codes have the first.
    pub length: Vec<u64>,
    /// May a person choose a code?
    pub phrases: bool,
    /// May a machine activate itself by UUID and serial number?
    pub hardware: bool,
}

/// Reads `anode.toml`.
pub fn read(source: &Arc<Source>, problems: &mut Problems) -> Option<Site> {
    read_toml(source, problems, |top| {
        let head = top.table("site", |site| {
            let id = site.required_name("id", "id = \"…\"", SiteId::new);
            let name = site.required_title("name", 40, "name = \"example\"");
            let title = site.required_title("title", 72, "title = \"Example\"");
            let urls = read_urls(site);
            let mirror = site.switch("mirror").unwrap_or(false);
            if mirror && urls.is_empty() {
                let problem = Problem::at(&site.origin(), "`mirror` needs an address of the site in `urls`");
                site.push(problem.help("add `urls = [\"https://install.example.org/\"]`, or remove `mirror`"));
            }
            let language = site.word("language", &[("de", Language::German), ("en", Language::English)]);
            Some((id?.value, name?, title?, urls, mirror, language.unwrap_or(Language::English)))
        });
        if head.is_none() && !top.has("site") {
            top.missing("site", "[site]` with `id`, `name`, `title` and `urls");
        }
        let variables = top.values("variables");
        let lifetimes = top.table("lifetimes", read_lifetimes).unwrap_or(DEFAULT_LIFETIMES);
        let codes = top.table("codes", read_codes).unwrap_or_else(default_codes);
        let inbox = top.table("inbox", |inbox| inbox.text("url")).flatten().and_then(|url| {
            if is_url(&url.value) && url.value.starts_with("https://") {
                return Some(url.value);
            }
            top.push(Problem::at(&url.origin, "`url` must be an address that begins with `https://`"));
            None
        });
        let ansible = top.table("ansible", read_ansible).unwrap_or_default();
        let secrets = read_secrets(top);
        let (id, name, title, urls, mirror, language) = head.flatten()?;
        let origin = top.origin();
        Some(Site {
            id,
            name,
            title,
            urls,
            mirror,
            language,
            variables,
            lifetimes,
            codes,
            inbox,
            ansible,
            secrets,
            origin,
        })
    })
    .flatten()
}

/// Can a tree be served there?
#[must_use]
pub fn is_site_url(url: &str) -> bool {
    let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|host| url.starts_with(host));
    is_url(url) && (url.starts_with("https://") || loopback) && !url.contains(['?', '#'])
}

fn read_urls(site: &mut Fields<'_, '_, '_>) -> Vec<String> {
    let urls = site.texts("urls");
    if urls.is_empty() {
        let problem = Problem::at(
            &site.origin(),
            "the site has no address yet, so `anode publish` can not look at it from outside",
        );
        site.push(problem.as_warning().help("add `urls = [\"https://install.example.org/\"]`"));
    }
    let mut read = Vec::new();
    for url in urls {
        if !is_site_url(&url.value) {
            let problem = Problem::at(&url.origin, "an address of the site must begin with `https://`");
            site.push(problem.label("`http://` is for loopback only; `?` and `#` have no place in it"));
        }
        read.push(if url.value.ends_with('/') { url.value } else { format!("{}/", url.value) });
    }
    read
}

const DEFAULT_LIFETIMES: Lifetimes = Lifetimes { root: 365, release: 120, timestamp: 7, offline: 30, activation: 365 };
// Format 1 sets no ceiling for a code; ten years is longer than any machine waits for its installation.
const ACTIVATION_CEILING: u64 = 3650;

fn read_lifetimes(table: &mut Fields<'_, '_, '_>) -> Lifetimes {
    let default = DEFAULT_LIFETIMES;
    Lifetimes {
        root: table.number("root_days", 1..=ceiling::ROOT).unwrap_or(default.root),
        release: table.number("release_days", 1..=ceiling::RELEASE).unwrap_or(default.release),
        timestamp: table.number("timestamp_days", 1..=ceiling::TIMESTAMP).unwrap_or(default.timestamp),
        offline: table.number("offline_days", 0..=ceiling::RELEASE).unwrap_or(default.offline),
        activation: table.number("activation_days", 1..=ACTIVATION_CEILING).unwrap_or(default.activation),
    }
}

fn default_codes() -> CodeRules {
    CodeRules { length: vec![16], phrases: false, hardware: false }
}

fn read_codes(table: &mut Fields<'_, '_, '_>) -> CodeRules {
    let lengths = table.numbers("length");
    let mut length = Vec::new();
    for found in lengths.into_iter().flatten() {
        if ![16, 20].contains(&found.value) || length.contains(&found.value) {
            let problem = Problem::at(&found.origin, "`length` must list 16, 20 or both");
            table.push(problem.label("the number of symbols of a code"));
        } else {
            length.push(found.value);
        }
    }
    if length.is_empty() {
        length.push(16);
    }
    CodeRules {
        length,
        phrases: table.switch("phrases").unwrap_or(false),
        hardware: table.switch("hardware").unwrap_or(false),
    }
}
