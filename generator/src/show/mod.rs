//! What a profile becomes for somebody: its variables with the places where they were set, its prompts, its files and what they are made of.
//!
//! Nothing of this is a secret: hashes and secret values are replaced before anything is rendered, so that no format and no filter can carry one
//! of them to the screen.

mod hiding;

use anode_bundle::pack::{Ansible, Boot, HandOver, PromptType, SecondStage};
use serde::Serialize;
use serde_json::Value as Json;

pub use hiding::hide_secrets;

use crate::canary::is_crypt_hash;
use crate::diagnose::{Origin, Problems};
use crate::render::{Rendered, effective_variables, made_of, render};
use crate::repository::{CodeTerms, Organisation, Profile, Repository, Setting, Value, Variable, VariableType};

/// A profile as somebody sees it.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Its id.
    pub profile: String,
    /// One line for people.
    pub title: String,
    /// A sentence for people.
    pub description: String,
    /// The organisation that it belongs to.
    pub organisation: Option<String>,
    /// The organisation whose layer is shown.
    pub seen_by: Option<String>,
    /// The code whose presets are shown.
    pub code: Option<String>,
    /// It can not be offered: it is shown as if it could.
    #[serde(rename = "abstract")]
    pub is_abstract: bool,
    /// What it extends, the nearest first.
    pub extends: Vec<String>,
    /// Its `profile.toml`.
    pub file: String,
    /// The installer definition, its version, its architecture, each with its place.
    pub installer: Said<String>,
    /// See `installer`.
    pub version: Said<String>,
    /// See `installer`.
    pub architecture: Said<String>,
    /// Its files appear in clear.
    pub public: bool,
    /// Goes ahead without the last question.
    pub unattended: bool,
    /// How the files reach the installer.
    pub hand_over: HandOver,
    /// What is booted; nothing, where it is not pinned or could not be rendered.
    pub boot: Option<Boot>,
    /// Whether what the installer fetches by itself is pinned.
    pub second_stage: Option<SecondStage>,
    /// By name.
    pub variables: Vec<ShownVariable>,
    /// The variables of the definition that no layer sets.
    pub not_set: Vec<String>,
    /// In the order in which they are asked.
    pub prompts: Vec<ShownPrompt>,
    /// What configures the machine.
    pub ansible: Option<Ansible>,
    /// In the order of the pack.
    pub files: Vec<ShownFile>,
}

/// A value and its place.
#[derive(Debug, Serialize)]
pub struct Said<T> {
    /// What was said.
    pub value: T,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl<T> Said<T> {
    fn at(origin: &Origin, value: T) -> Said<T> {
        Said { value, file: origin.source.path.clone(), line: origin.position().0 }
    }
}

/// A variable that has a value.
#[derive(Debug, Serialize)]
pub struct ShownVariable {
    /// Its name.
    pub name: String,
    /// Its type, as in manifests.
    #[serde(rename = "type")]
    pub kind: String,
    /// The value is a secret, and what stands here says which.
    pub hidden: bool,
    /// The layer that set it.
    pub layer: String,
    /// Its value and place.
    #[serde(flatten)]
    pub said: Said<Json>,
}

/// A prompt.
#[derive(Debug, Serialize)]
pub struct ShownPrompt {
    /// Its name.
    pub name: String,
    /// Its type, as in profiles.
    #[serde(rename = "type")]
    pub kind: String,
    /// The question.
    pub title: String,
    /// What is taken when nothing is typed.
    pub default: Option<String>,
    /// What the code answers in advance.
    pub preset: Option<String>,
    /// Where it is declared.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// A file of the pack.
#[derive(Debug, Serialize)]
pub struct ShownFile {
    /// Where it lies for the installer.
    pub path: String,
    /// Permission bits, octal.
    pub mode: String,
    /// Its length in bytes, without answers.
    pub length: u64,
    /// The snippet that it is made of.
    pub template: String,
    /// The file that this name means.
    pub source: String,
    /// What it includes, and the files that these names mean.
    pub includes: Vec<Include>,
    /// What it says, `«name»` where an answer belongs.
    pub text: String,
}

/// A snippet that is part of a file.
#[derive(Debug, Serialize)]
pub struct Include {
    /// Its name.
    pub name: String,
    /// The file that this name means.
    pub source: String,
}

/// Who looks at a profile.
#[derive(Clone, Copy, Default)]
pub struct Viewer<'r> {
    /// The organisation whose layer applies.
    pub organisation: Option<&'r Organisation>,
    /// The code that presets answers.
    pub code: Option<&'r CodeTerms>,
}

/// What a profile becomes. The problems are those of its rendering: what could be found out in spite of them is there.
///
/// The repository must have gone through [`hide_secrets`].
#[must_use]
pub fn show(repository: &Repository, profile: &Profile, viewer: Viewer<'_>) -> (Shown, Problems) {
    let (rendered, problems) = match render(repository, profile, viewer.organisation) {
        Ok(rendered) => {
            let warnings = rendered.warnings.clone();
            (Some(rendered), warnings)
        }
        Err(problems) => (None, problems),
    };
    let manifest = rendered.as_ref().map(|rendered| rendered.contents.manifest());
    let settings = effective_variables(repository, profile, viewer.organisation);
    let definition = repository.definition(profile);
    let declared = definition.into_iter().flat_map(|definition| definition.variables.keys());
    let not_set = declared.filter(|name| !settings.contains_key(name.as_str())).cloned().collect();
    let variable = |(name, setting): (&str, &Setting)| {
        let declared = definition?.variables.get(name)?;
        let layer = layer(repository, profile, viewer, &setting.origin);
        Some(shown_variable(declared, setting, layer))
    };
    let shown = Shown {
        profile: profile.id.to_string(),
        title: profile.title.clone(),
        description: profile.description.clone(),
        organisation: profile.organisation.as_ref().map(ToString::to_string),
        seen_by: viewer.organisation.map(|organisation| organisation.id.to_string()),
        code: viewer.code.map(CodeTerms::path),
        is_abstract: repository.base(&profile.id, profile.organisation.as_ref()).is_some(),
        extends: profile.ancestors.iter().map(|ancestor| ancestor.id.to_string()).collect(),
        file: profile.origin.source.path.clone(),
        installer: Said::at(&profile.installer.origin, profile.installer.value.to_string()),
        version: Said::at(&profile.version.origin, profile.version.value.clone()),
        architecture: Said::at(&profile.architecture.origin, profile.architecture.value.clone()),
        public: profile.public,
        unattended: profile.unattended,
        hand_over: definition.map_or(HandOver::Files, |definition| definition.hand_over),
        boot: manifest.and_then(|manifest| manifest.boot.clone()),
        second_stage: manifest.map(|manifest| manifest.second_stage.clone()),
        variables: settings.into_iter().filter_map(variable).collect(),
        not_set,
        prompts: prompts(profile, viewer),
        ansible: manifest.and_then(|manifest| manifest.ansible.clone()),
        files: rendered.as_ref().map(|rendered| files(repository, profile, viewer, rendered)).unwrap_or_default(),
    };
    (shown, problems)
}

fn layer(repository: &Repository, profile: &Profile, viewer: Viewer<'_>, origin: &Origin) -> String {
    let path = &origin.source.path;
    let is = |other: &Origin| other.source.path == *path;
    if is(&profile.origin) {
        return "profile".to_owned();
    }
    if let Some(ancestor) = profile.ancestors.iter().find(|ancestor| is(&ancestor.origin)) {
        return ancestor.id.to_string();
    }
    if viewer.organisation.is_some_and(|organisation| is(&organisation.origin)) {
        return "organisation".to_owned();
    }
    if is(&repository.site.origin) { "site".to_owned() } else { "definition".to_owned() }
}

fn shown_variable(declared: &Variable, setting: &Setting, layer: String) -> ShownVariable {
    let kind = match declared.kind {
        VariableType::List | VariableType::Map => format!("{} of {}", declared.kind.word(), declared.items.word()),
        kind => kind.word().to_owned(),
    };
    let value = shown_value(declared, &setting.value);
    let hidden = value.as_str().is_some() && declared.holds_secrets();
    ShownVariable { name: declared.name.clone(), kind, hidden, layer, said: Said::at(&setting.origin, value) }
}

fn shown_value(declared: &Variable, value: &Value) -> Json {
    match value {
        Value::Text(text) if is_crypt_hash(text) => "(crypt hash)".into(),
        Value::Text(_) if declared.secret => "(secret)".into(),
        Value::Secret(name) => format!("(secret `{name}`)").into(),
        Value::Text(text) => text.clone().into(),
        Value::Number(number) => (*number).into(),
        Value::Switch(switch) => (*switch).into(),
        Value::List(items) => items.iter().map(|item| shown_value(declared, item)).collect(),
        Value::Map(items) => {
            let field = |name: &str| declared.fields.iter().find(|field| field.name == name).unwrap_or(declared);
            items.iter().map(|(name, item)| (name.clone(), shown_value(field(name), item))).collect()
        }
    }
}

fn prompts(profile: &Profile, viewer: Viewer<'_>) -> Vec<ShownPrompt> {
    let shown = profile.prompts.iter().map(|prompt| {
        let asked = &prompt.value;
        let preset = viewer.code.and_then(|code| code.answers.get(&asked.name));
        let hidden = if asked.kind == PromptType::Password { "(crypt hash)" } else { "(secret)" };
        ShownPrompt {
            name: asked.name.to_string(),
            kind: word(asked.kind),
            title: asked.title.clone(),
            default: asked.default.clone(),
            preset: preset.map(|answer| if asked.kind.is_secret() { hidden } else { answer }.to_owned()),
            file: prompt.origin.source.path.clone(),
            line: prompt.origin.position().0,
        }
    });
    shown.collect()
}

/// The word that profiles use, which is also that of packs.
fn word(kind: PromptType) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn files(repository: &Repository, profile: &Profile, viewer: Viewer<'_>, rendered: &Rendered) -> Vec<ShownFile> {
    let made = made_of(repository, profile, viewer.organisation);
    let shown = rendered.contents.files().zip(rendered.readable()).map(|((file, _), (path, text))| {
        let made = made.iter().find(|made| made.path == path.as_str());
        let includes = made.into_iter().flat_map(|made| &made.includes);
        ShownFile {
            path: path.to_string(),
            mode: format!("{:04o}", file.mode),
            length: file.length,
            template: made.map(|made| made.template.clone()).unwrap_or_default(),
            source: made.map(|made| made.source.clone()).unwrap_or_default(),
            includes: includes.map(|(name, source)| Include { name: name.clone(), source: source.clone() }).collect(),
            text,
        }
    });
    shown.collect()
}
