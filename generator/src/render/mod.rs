//! Rendering: a profile becomes the contents of a pack.
//!
//! Strict: an undefined variable, a misspelt snippet, a value that the format can not hold are errors with file and line. Pure: the result is a
//! function of the repository, the profile and the organisation. The random nonce only names the places of prompts and is cut out again.

mod escape;
mod layers;
mod markers;
mod slots;
mod tags;
mod templates;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anode_bundle::name::{Id, SafePath};
use anode_bundle::pack::{
    Answers, Blob, Boot, Contents, File, Insert, Installer, Manifest, Prompt, PromptType, SecondStage,
};

use crate::diagnose::{Origin, Problem, Problems, Source};
use crate::repository::{
    FileTemplate, Format, InstallerDefinition, Located, Organisation, Profile, Repository, Setting,
};

pub use markers::Nonce;

use escape::Rule;
use layers::Layers;
use templates::Templates;

/// A rendered profile.
pub struct Rendered {
    /// What goes into the pack.
    pub contents: Contents,
    /// The plain files of a public profile, by their path below `public/<profile>/`.
    pub public: Vec<(SafePath, Vec<u8>)>,
    /// What somebody should look at.
    pub warnings: Problems,
}

/// Renders many profiles of one repository; templates that several of them share are parsed once.
pub struct Renderer<'r> {
    repository: &'r Repository,
    nonce: Nonce,
    // By rule, definition and the addresses of the files: the repository outlives the renderer.
    parsed: Mutex<HashMap<TemplatesKey<'r>, Parsed>>,
}

type TemplatesKey<'r> = (Rule, &'r Id, Vec<usize>);
type Parsed = Arc<Result<Templates, Problems>>;

/// Renders one profile.
///
/// # Errors
/// Every problem of its templates and values.
pub fn render(
    repository: &Repository,
    profile: &Profile,
    organisation: Option<&Organisation>,
) -> Result<Rendered, Problems> {
    Renderer::new(repository)?.render(profile, organisation)
}

/// Would the organisation's layer change what is rendered? If not, everybody's pack will do.
#[must_use]
pub fn organisation_matters(repository: &Repository, profile: &Profile, organisation: &Organisation) -> bool {
    let Some(definition) = repository.definition(profile) else { return false };
    if profile.organisation.is_some() {
        return true;
    }
    let with = Layers { repository, definition, organisation: Some(organisation), profile };
    let without = Layers { organisation: None, ..with };
    let value = |setting: Option<&Setting>| setting.map(|setting| setting.value.clone());
    let mut set = organisation.variables.keys().filter(|name| definition.variables.contains_key(*name));
    if set.any(|name| value(with.setting(name)) != value(without.setting(name))) {
        return true;
    }
    if organisation.snippets.is_empty() {
        return false;
    }
    // A closure that can not be found is a problem that rendering will report.
    let mains = |layers: Layers<'_>| {
        templates::closure(&layers, definition.files.iter().map(|file| (&*file.template.value, None)))
    };
    match (mains(with), mains(without)) {
        (Ok(with), Ok(without)) => with.iter().map(text_of).ne(without.iter().map(text_of)),
        _ => true,
    }
}

fn text_of<'s>((name, source): (&'s String, &'s Arc<Source>)) -> (&'s str, &'s str) {
    (name, &source.text)
}

/// The variables of a profile, each with the place it was set at.
#[must_use]
pub fn effective_variables<'r>(
    repository: &'r Repository,
    profile: &'r Profile,
    organisation: Option<&'r Organisation>,
) -> BTreeMap<&'r str, &'r Setting> {
    match repository.definition(profile) {
        Some(definition) => Layers { repository, definition, organisation, profile }.settings(),
        None => BTreeMap::new(),
    }
}

impl<'r> Renderer<'r> {
    /// A renderer with a random nonce.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new(repository: &'r Repository) -> Result<Renderer<'r>, Problems> {
        let mut random = [0; 16];
        match getrandom::fill(&mut random) {
            Ok(()) => Ok(Renderer::with_nonce(repository, Nonce::new(random))),
            Err(error) => Err(Problem::error(".", format!("the system gives no random numbers: {error}")).into()),
        }
    }

    /// A renderer with a nonce of the caller's.
    #[must_use]
    pub fn with_nonce(repository: &'r Repository, nonce: Nonce) -> Renderer<'r> {
        Renderer { repository, nonce, parsed: Mutex::default() }
    }

    /// Renders a profile as an organisation sees it.
    ///
    /// # Errors
    /// Every problem of its templates and values.
    pub fn render(&self, profile: &'r Profile, organisation: Option<&'r Organisation>) -> Result<Rendered, Problems> {
        let repository = self.repository;
        let Some(definition) = repository.definition(profile) else {
            let message = format!("there is no installer `{}`", profile.installer.value);
            return Err(Problem::at(&profile.installer.origin, message).into());
        };
        let organisation = organisation.filter(|organisation| organisation_matters(repository, profile, organisation));
        Pass {
            renderer: self,
            layers: Layers { repository, definition, organisation, profile },
            prompts: profile.prompts.iter().map(|prompt| prompt.value.name.clone()).collect(),
            context: Layers { repository, definition, organisation, profile }.context(self.nonce),
            used: BTreeSet::new(),
            by_format: BTreeMap::new(),
            problems: Problems::new(),
        }
        .run()
    }

    /// `key` names what is in `sources`; empty: their addresses do.
    fn parsed(
        &self,
        rule: Rule,
        definition: &'r InstallerDefinition,
        key: &[usize],
        sources: BTreeMap<String, Arc<Source>>,
    ) -> Parsed {
        let addresses = if key.is_empty() { sources.values().map(address).collect() } else { key.to_vec() };
        let key = (rule, &definition.id, addresses);
        // A panic elsewhere does not make parsed templates wrong.
        let cached = self.parsed.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        cached.unwrap_or_else(|| {
            let parsed = Arc::new(Templates::parse(sources, rule, &definition.variables));
            self.parsed.lock().unwrap_or_else(PoisonError::into_inner).insert(key, parsed.clone());
            parsed
        })
    }
}

fn address(source: &Arc<Source>) -> usize {
    Arc::as_ptr(source) as usize
}

/// One rendering.
struct Pass<'a, 'r> {
    renderer: &'a Renderer<'r>,
    layers: Layers<'r>,
    prompts: Vec<Id>,
    context: tera::Context,
    used: BTreeSet<Id>,
    by_format: BTreeMap<Format, Option<Parsed>>,
    problems: Problems,
}

impl<'r> Pass<'_, 'r> {
    fn run(mut self) -> Result<Rendered, Problems> {
        let definition = self.layers.definition;
        let images = self.images();
        self.context.insert_value("image", layers::images(&images));
        let second_stage = self.second_stage(&images);
        let mut files = Vec::new();
        for template in &definition.files {
            files.extend(self.file(template));
        }
        let boot = self.boot(images);
        let (profile, site) = (self.layers.profile, &self.layers.repository.site);
        for prompt in profile.prompts.iter().filter(|prompt| !self.used.contains(&prompt.value.name)) {
            let message = format!("no file asks for the prompt `{}`", prompt.value.name);
            self.problems.push(
                Problem::at(&prompt.origin, message)
                    .as_warning()
                    .help("remove it, or use it in a snippet of the profile"),
            );
        }
        let manifest = Manifest {
            format: 1,
            site: site.id.clone(),
            profile: profile.id.clone(),
            organisation: self.layers.organisation.map(|organisation| organisation.id.clone()),
            title: profile.title.clone(),
            description: profile.description.clone(),
            installer: Installer {
                id: definition.id.clone(),
                title: definition.title.clone(),
                version: profile.version.value.clone(),
                architecture: profile.architecture.value.clone(),
            },
            hand_over: definition.hand_over,
            unattended: profile.unattended,
            second_stage,
            boot,
            files: files.iter().map(|(file, _, _)| file.clone()).collect(),
            prompts: profile.prompts.iter().map(|prompt| prompt.value.clone()).collect(),
            ansible: self.layers.ansible(),
            critical: Vec::new(),
        };
        let is_public: Vec<_> = files.iter().map(|(_, _, template)| profile.public && template.public).collect();
        let contents = match Contents::new(manifest, files.into_iter().map(|(_, bytes, _)| bytes).collect()) {
            Ok(contents) => contents,
            Err(refusal) => {
                self.problems.push(Problem::at(&profile.origin, format!("can not be a pack: {refusal}")));
                return Err(self.problems);
            }
        };
        let public = self.public(&contents, &is_public);
        let (public, warnings) = self.problems.unless_errors(public)?;
        Ok(Rendered { contents, public, warnings })
    }

    /// All templates of a format, with what they include.
    fn templates(&mut self, format: Format) -> Option<Parsed> {
        if let Some(parsed) = self.by_format.get(&format) {
            return parsed.clone();
        }
        let definition = self.layers.definition;
        let mains = definition.files.iter().filter(|file| !file.verbatim && file.format == format);
        let closure = templates::closure(&self.layers, mains.map(|file| (&*file.template.value, None)));
        let parsed = match closure {
            Ok(sources) => Some(self.renderer.parsed(Rule::of(format), definition, &[], sources)),
            Err(problems) => {
                self.problems.append(problems);
                None
            }
        };
        self.by_format.insert(format, parsed.clone());
        parsed
    }

    fn file(&mut self, template: &'r FileTemplate) -> Option<(File, Vec<u8>, &'r FileTemplate)> {
        if let Some(when) = &template.when
            && !self.applies(when)?
        {
            return None;
        }
        let name = template.template.value.as_str();
        let (text, inserts) = if template.verbatim {
            (self.layers.snippet(name)?.text.clone(), Vec::new())
        } else {
            let parsed = self.templates(template.format)?;
            self.rendered(&parsed, name)?
        };
        let length = text.len() as u64;
        let file = File { path: template.path.value.clone(), mode: template.mode, length, inserts };
        Some((file, text.into_bytes(), template))
    }

    fn rendered(&mut self, parsed: &Parsed, name: &str) -> Option<(String, Vec<Insert>)> {
        let result = match &**parsed {
            Ok(templates) => templates.render(name, &self.layers, &self.context).map(|text| (templates, text)),
            Err(problems) => Err(problems.clone()),
        };
        let (templates, text) = match result {
            Ok(rendered) => rendered,
            Err(problems) => {
                self.problems.append(problems);
                return None;
            }
        };
        let path = templates.source(name).map_or(name, |source| source.path.as_str()).to_owned();
        let closed = match slots::close(&text, templates.rule()) {
            Ok(closed) => closed,
            Err(misplaced) => {
                let line = text.lines().nth(misplaced.line.saturating_sub(1)).unwrap_or_default();
                let problem = match templates.line_of(name, line) {
                    Some((source, span)) => Problem::error(&source.path, format!("a value here {}", misplaced.problem))
                        .in_source(&source, span),
                    None => Problem::error(&path, format!("a value {}", misplaced.problem)),
                };
                self.problems.push(problem);
                return None;
            }
        };
        match markers::cut(&closed, self.renderer.nonce, &self.prompts) {
            Ok((text, inserts)) => {
                self.used.extend(inserts.iter().map(|insert| insert.prompt.clone()));
                Some((text, inserts))
            }
            Err(line) => {
                let message = format!("a prompt was altered on its way into line {line} of the rendered file");
                self.problems.push(Problem::error(&path, message).help("write `{{ prompt.name }}` without filters"));
                None
            }
        }
    }

    /// A template inside a manifest; `text` is what it stands for.
    fn inline(&mut self, template: &'r Located<String>, text: String, rule: Rule) -> Option<(String, Vec<Insert>)> {
        let name = "manifest.toml";
        let source = Arc::new(Source { path: template.origin.source.path.clone(), text });
        let missing = |inner: &str| Problem::at(&template.origin, format!("there is no snippet `{inner}`"));
        let inner = tags::includes(&source.text).into_iter().map(|(inner, _)| (inner, Some(missing(inner))));
        let mut sources = match templates::closure(&self.layers, inner) {
            Ok(sources) => sources,
            Err(problems) => {
                self.problems.append(problems);
                return None;
            }
        };
        // The place in the manifest stands for the text, which is made anew each time.
        let mut key: Vec<_> = sources.values().map(address).collect();
        key.push(std::ptr::from_ref(template) as usize);
        sources.insert(name.to_owned(), source.clone());
        let parsed = self.renderer.parsed(rule, self.layers.definition, &key, sources);
        let outer = std::mem::take(&mut self.problems);
        let rendered = self.rendered(&parsed, name);
        // What is wrong inside the string is shown at the string, for its escapes move the columns.
        let inner = std::mem::replace(&mut self.problems, outer);
        self.problems.extend(inner.into_iter().map(|problem| at_string(problem, &template.origin)));
        rendered
    }

    /// The second stages that are pinned, by name. One whose address renders to nothing is not needed.
    fn images(&mut self) -> BTreeMap<Id, Blob> {
        let mut images = BTreeMap::new();
        let Some(boot) = &self.layers.definition.boot else { return images };
        for (name, template) in &boot.images {
            let Some((url, _)) = self.inline(template, template.value.clone(), Rule::Address) else { continue };
            if let Some(blob) = self.layers.repository.lock.blob(&url) {
                images.insert(name.clone(), blob);
            } else if !url.is_empty() {
                let message = format!("the second stage `{name}` is not pinned");
                self.problems.push(self.unpinned(&message, &[&url]));
            }
        }
        images
    }

    /// What is known about the parts that the installer fetches by itself: the first case that applies.
    fn second_stage(&mut self, images: &BTreeMap<Id, Blob>) -> SecondStage {
        for case in &self.layers.definition.second_stage {
            if case.when.as_ref().is_some_and(|when| self.applies(when) != Some(true)) {
                continue;
            }
            let missing = case.images.iter().find(|image| !images.contains_key(image));
            return match missing.filter(|_| case.pinned) {
                Some(image) => SecondStage { pinned: false, how: format!("`{image}` is not in `anode.lock`") },
                None => SecondStage { pinned: case.pinned, how: case.how.clone() },
            };
        }
        SecondStage { pinned: false, how: "the definition does not say".to_owned() }
    }

    /// Is the expression true? `None`: it is wrong, and that was reported.
    fn applies(&mut self, when: &'r Located<String>) -> Option<bool> {
        let test = format!("{{% if {} %}}yes{{% endif %}}", when.value);
        self.inline(when, test, Rule::Line).map(|(text, _)| !text.is_empty())
    }

    fn unpinned(&self, message: &str, urls: &[&String]) -> Problem {
        let list = urls.iter().map(|url| format!("`{url}`")).collect::<Vec<_>>().join(" and ");
        let problem = Problem::at(&self.layers.profile.installer.origin, message);
        problem.as_warning().help(format!("pin {list} in `anode.lock`"))
    }

    /// What to boot, if all of it is pinned.
    fn boot(&mut self, images: BTreeMap<Id, Blob>) -> Option<Boot> {
        let boot = self.layers.definition.boot.as_ref()?;
        let kernel = self.inline(&boot.kernel, boot.kernel.value.clone(), Rule::Address);
        let initrd: Vec<_> =
            boot.initrd.iter().map(|initrd| self.inline(initrd, initrd.value.clone(), Rule::Address)).collect();
        let command_line = self.inline(&boot.command_line, boot.command_line.value.clone(), Rule::Address);
        let urls: Option<Vec<_>> = [kernel].into_iter().chain(initrd).collect();
        let (urls, (command_line, inserts)) = (urls?, command_line?);
        let lock = &self.layers.repository.lock;
        let pinned: Option<Vec<_>> = urls.iter().map(|(url, _)| lock.blob(url)).collect();
        let Some((kernel, initrd)) = pinned.as_ref().and_then(|blobs| blobs.split_first()) else {
            let message = "kernel and initrd are not pinned: the pack can be handed over with --files only";
            let missing: Vec<_> = urls.iter().map(|(url, _)| url).filter(|url| lock.blob(url).is_none()).collect();
            self.problems.push(self.unpinned(message, &missing));
            return None;
        };
        let carry_fetcher = boot.carry_fetcher;
        Some(Boot { kernel: kernel.clone(), initrd: initrd.to_vec(), images, carry_fetcher, command_line, inserts })
    }

    /// The public files, with the defaults of prompts in their places.
    fn public(&mut self, contents: &Contents, is_public: &[bool]) -> Vec<(SafePath, Vec<u8>)> {
        if !is_public.contains(&true) {
            return Vec::new();
        }
        let prompts = &self.layers.profile.prompts;
        let mut public = Vec::new();
        for ((file, bytes), _) in contents.files().zip(is_public).filter(|(_, public)| **public) {
            let asked = |prompt: &&Located<_>| file.inserts.iter().any(|insert| insert.prompt == name_of(prompt));
            for prompt in prompts.iter().filter(|prompt| prompt.value.default.is_none()).filter(asked) {
                let message = format!("the public file `{}` has no answer to `{}`", file.path, prompt.value.name);
                self.problems
                    .push(Problem::at(&prompt.origin, message).as_warning().help("give the prompt a `default`"));
            }
            let mut filled = Vec::new();
            let mut done = 0;
            for insert in &file.inserts {
                let at = usize::try_from(insert.at).unwrap_or(usize::MAX).min(bytes.len());
                filled.extend_from_slice(bytes.get(done..at).unwrap_or_default());
                let prompt = prompts.iter().find(|prompt| prompt.value.name == insert.prompt);
                let answer = prompt.and_then(|prompt| prompt.value.default.as_deref()).unwrap_or_default();
                filled.extend_from_slice(answer.as_bytes());
                done = at;
            }
            filled.extend_from_slice(bytes.get(done..).unwrap_or_default());
            public.push((file.path.clone(), filled));
        }
        public
    }
}

fn name_of(prompt: &Located<anode_bundle::pack::Prompt>) -> Id {
    prompt.value.name.clone()
}

/// A variable's own place is right; a place inside the string becomes the string.
fn at_string(problem: Problem, origin: &Origin) -> Problem {
    if problem.file != origin.source.path { problem } else { problem.moved_to(origin) }
}

/// Harmless answers of the right types, for validators and previews.
#[must_use]
pub fn sample_answers(contents: &Contents) -> Answers {
    let prompts = contents.manifest().prompts.iter();
    prompts.map(|prompt| (prompt.name.clone(), sample_answer(prompt).into())).collect()
}

/// A harmless answer of the right type: the default where there is one.
#[must_use]
pub fn sample_answer(prompt: &Prompt) -> String {
    match (&prompt.default, prompt.kind) {
        (Some(default), _) => default.clone(),
        (None, PromptType::Hostname) => "sample-pc".to_owned(),
        (None, PromptType::Username) => "sample".to_owned(),
        (None, PromptType::FullName) => "Sample Person".to_owned(),
        (None, PromptType::Password) => format!("$6$samplesample$./{}", "0".repeat(84)),
        (None, PromptType::Disk) => "/dev/sda".to_owned(),
        (None, PromptType::Language) => "en_US.UTF-8".to_owned(),
        (None, PromptType::Keyboard) => "us".to_owned(),
        (None, PromptType::Choice) => prompt.choices.first().map(|choice| choice.value.clone()).unwrap_or_default(),
        (None, PromptType::Number) => prompt.min.unwrap_or(1).min(prompt.max.unwrap_or(u64::MAX)).to_string(),
        (None, PromptType::Text) => "sample".to_owned(),
    }
}
