//! The form of a case: data, a closed vocabulary, nothing that is ignored.
//!
//! A case is a sentence, where it comes from, and steps: what publishers do, what hosts do, and runs of the fetcher with what is expected of each.
//! `README.md` explains the vocabulary to whoever writes cases.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::answer::Answer;
use crate::objects::Part;
pub use crate::wanted::{Compared, Kept, Run, Trusted};

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// Its heading in the documentation.
    pub title: String,
    /// What its cases have in common.
    pub about: String,
    /// The cases.
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
}

impl Theme {
    /// Every file of a folder, by name.
    ///
    /// # Panics
    /// If one can not be read or is not of this form.
    #[must_use]
    pub fn all(folder: &std::path::Path) -> BTreeMap<String, Theme> {
        let mut themes = BTreeMap::new();
        for entry in std::fs::read_dir(folder).expect("the folder of cases") {
            let path = entry.expect("a file").path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".toml")) else { continue };
            let text = std::fs::read_to_string(&path).expect("text");
            let theme = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            themes.insert(name.to_owned(), theme);
        }
        themes
    }
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A sentence that says what holds.
    pub name: String,
    /// Whose case it is: `tuf-conformance FILE::TEST`, an advisory; none: ours.
    #[serde(default)]
    pub origins: Vec<String>,
    /// What happens, where the exit codes of the steps do not tell it.
    pub outcome: Option<String>,
    /// A case that is no data: `FILE::FUNCTION` in `tests/hostile/tests`, or from the root of the repository.
    pub rust: Option<String>,
    /// What happens, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// One step. Publishers, bytes and hosts first, the fetcher last.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Begins a site. Without this step there is `site`, with root keys `root-1` to `root-3` of which two must sign.
    Site(Site),
    /// Publishers sign later documents at this time: `+8d` is eight days after every site began.
    Clock(String),
    /// Publishes the next root.
    Root(NextRoot),
    /// Publishes a release and its timestamp.
    Publish(Edition),
    /// Publishes the next timestamp of the newest release.
    Timestamp(Stamp),
    /// Signs a file as it is.
    Sign(Sign),

    /// Keeps a copy of a tree under a name.
    Save(Save),
    /// Copies a file over another.
    Copy(Copy),
    /// Copies every file of a tree over another tree or into a folder.
    CopyTree(Copy),
    /// Removes a file.
    Remove(Place),
    /// Changes one bit.
    Flip(Flip),
    /// Cuts a file off.
    Cut(Cut),
    /// Writes a file.
    Write(Write),
    /// Replaces a text in a file.
    Edit(Edit),
    /// Compresses a file.
    Gzip(Place),

    /// A mirror serves a tree. Mirror `a` serves `site` from the beginning.
    Serve(Serve),
    /// A mirror closes every connection.
    Down(String),
    /// It answers again.
    Up(String),
    /// How a mirror answers from now on.
    Answer(Answer),
    /// A mirror forgets all answers of such steps.
    Honest(String),

    /// `anode-fetch update`.
    Update(Run),
    /// `anode-fetch activate`.
    Activate(Run),
}

/// A new site.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Site {
    /// Its name in this case.
    #[serde(default = "default_site")]
    pub name: String,
    /// Its root keys.
    pub keys: Option<Vec<String>>,
    /// How many of them must sign.
    #[serde(default = "default_threshold")]
    pub threshold: u64,
    /// Its release key.
    pub release: Option<String>,
    /// Its timestamp key.
    pub timestamp: Option<String>,
    /// Changes of root 1, by JSON pointer.
    #[serde(default)]
    pub set: Patch,
    /// Who signs root 1, instead of all root keys.
    pub sign: Option<Vec<String>>,
    /// What the trusted comments of its signatures say, instead of the truth.
    pub comment: Option<String>,
}

/// JSON pointer to value. `{absent}` removes; texts such as `+8d` become times, `{…}` what it names.
pub type Patch = BTreeMap<String, Value>;

/// The next root.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NextRoot {
    /// Whose; `site` if there is none.
    pub site: Option<String>,
    /// Other root keys.
    pub keys: Option<Vec<String>>,
    /// Another threshold.
    pub threshold: Option<u64>,
    /// Other release keys; the first one signs later releases.
    pub release: Option<Vec<String>>,
    /// Other timestamp keys; the first one signs later timestamps.
    pub timestamp: Option<Vec<String>>,
    /// Changes, by JSON pointer.
    pub set: Patch,
    /// Who signs, instead of all old and all new root keys.
    pub sign: Option<Vec<String>>,
    /// What the trusted comments say, instead of the truth.
    pub comment: Option<String>,
    /// So many roots one after the other.
    pub times: Option<u32>,
}

/// A release with its timestamp.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Edition {
    /// Whose.
    pub site: Option<String>,
    /// Which codes it knows.
    pub codes: Option<Vec<String>>,
    /// How many codes of other people.
    pub others: Option<u16>,
    /// Changes of each activation, by JSON pointer.
    pub terms: Patch,
    /// Changes of the release, by JSON pointer.
    pub set: Patch,
    /// Who signs the release, instead of the key that the newest root lists.
    pub sign: Option<String>,
    /// What the trusted comments of release and timestamp say, instead of the truth.
    pub comment: Option<String>,
    /// A lie that is signed.
    pub forge: Option<Forge>,
    /// So many releases one after the other.
    pub times: Option<u32>,
}

/// A lie in the objects of a release.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Forge {
    /// Other bytes in a part.
    Overwrite {
        /// Which part.
        part: Part,
        /// From which byte on.
        at: usize,
        /// The bytes in hex.
        hex: String,
    },
    /// Each code leads to the activation of the next one.
    ExchangeActivations,
    /// Two nodes below the root node change places.
    ExchangeNodes,
    /// The map says that it has one key more.
    CountOneMore,
}

/// The next timestamp.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stamp {
    /// Whose.
    pub site: Option<String>,
    /// Changes, by JSON pointer.
    pub set: Patch,
    /// Who signs, instead of the key that the newest root lists.
    pub sign: Option<String>,
    /// What the trusted comment says, instead of the truth.
    pub comment: Option<String>,
    /// So many timestamps one after the other.
    pub times: Option<u32>,
}

/// A signature over a file as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sign {
    /// What is signed.
    pub file: String,
    /// By whom.
    pub key: String,
    /// Where the signature goes; `FILE.minisig` if it is not said.
    pub to: Option<String>,
    /// What the trusted comment says, instead of what the document says of itself.
    pub comment: Option<String>,
    /// Writes signature and body to this file, as in `timestamp.signed`.
    pub joined: Option<String>,
}

/// A copy of a tree.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Save {
    /// Which tree; `site` if it is not said.
    #[serde(default = "default_site")]
    pub tree: String,
    /// Its new name.
    pub name: String,
}

/// From here to there. A place is `PATH` in the tree of `site`, or `NAME:PATH` where the name is that of a site, a saved tree,
/// `state` or a cache.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// From.
    pub from: String,
    /// To.
    pub to: String,
}

/// A file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Which.
    pub file: String,
}

/// One bit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// In which file.
    pub file: String,
    /// In which byte; from the end if it is negative.
    pub at: i64,
    /// Which bit of it.
    #[serde(default)]
    pub bit: u8,
}

/// The first bytes of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Which file.
    pub file: String,
    /// How many bytes stay; if it is negative, so many less.
    pub to: i64,
}

/// New bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Write {
    /// Which file.
    pub file: String,
    /// Its text.
    pub text: Option<String>,
    /// This text behind what it has.
    pub append: Option<String>,
    /// So many zeros behind what it has.
    pub zeros: Option<usize>,
}

/// Another text in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// In which file.
    pub file: String,
    /// What is there once.
    pub replace: String,
    /// What is there then.
    pub with: String,
}

/// A mirror and its tree.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serve {
    /// Which mirror.
    #[serde(default = "default_mirror")]
    pub mirror: String,
    /// Which tree: a site's newest, or a saved one.
    #[serde(default = "default_site")]
    pub tree: String,
    /// With TLS.
    pub tls: Option<Tls>,
}

/// A server certificate.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// For which host; the mirror is asked as `localhost`.
    pub host: String,
    /// From when on it is valid.
    pub from: String,
    /// Until when.
    pub until: String,
    /// Who signed it.
    pub by: CertifiedBy,
}

/// Who signed a server certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertifiedBy {
    /// The authority that is given with `--ca`.
    Known,
    /// Another one.
    Unknown,
    /// Its own key.
    Itself,
}

impl Default for Tls {
    fn default() -> Tls {
        let text = |text: &str| text.to_owned();
        Tls { host: text("localhost"), from: text("-30d"), until: text("+3650d"), by: CertifiedBy::Known }
    }
}

pub(crate) fn default_site() -> String {
    "site".to_owned()
}

pub(crate) fn default_mirror() -> String {
    "a".to_owned()
}

fn default_threshold() -> u64 {
    2
}
