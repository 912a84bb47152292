//! One profile becomes the contents of a pack: refusals first, then every file, then what to boot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use anode_bundle::hardware::Facts;
use anode_bundle::name::{Id, SafePath};
use anode_bundle::pack::{Blob, Boot, Contents, File, Insert, Installer, Manifest, SecondStage};

use super::each::{self, Entry};
use super::escape::Rule;
use super::layers::{self, Layers, WHERE_SNIPPETS_LIE};
use super::templates::{self, Closure};
use super::usage::Trace;
use super::{Parsed, Rendered, Renderer, address, markers, slots, tags};
use crate::diagnose::{Origin, Problem, Problems, Source};
use crate::repository::{FileTemplate, Format, Located, Lock};

/// One rendering.
pub(super) struct Pass<'a, 'r> {
    renderer: &'a Renderer<'r>,
    pub(super) layers: Layers<'r>,
    prompts: Vec<Id>,
    context: tera::Context,
    used: BTreeSet<Id>,
    by_format: BTreeMap<Format, Option<Parsed>>,
    // The text of each file so far, with markers, for templates that carry another file as a value.
    texts: BTreeMap<String, String>,
    // What was rendered, and every snippet that was reached on the way, by name and address.
    made: Vec<(Parsed, &'r str)>,
    reached: BTreeSet<(String, usize)>,
    pub(super) problems: Problems,
}

/// Renders a profile in its layers.
///
/// # Errors
/// Every problem of its templates and values.
pub fn run<'r>(renderer: &Renderer<'r>, layers: Layers<'r>) -> Result<Rendered, Problems> {
    Pass::begin(renderer, layers).run()
}

/// Every snippet that the profile's files are made of.
///
/// # Errors
/// What names a snippet that there is not.
pub fn everything(layers: &Layers<'_>) -> Result<Closure, Problems> {
    let mut problems = Problems::new();
    let entries: Vec<_> =
        files(layers).flat_map(|file| each::entries(layers, file, &mut problems).unwrap_or_default()).collect();
    templates::closure(layers, entries.into_iter().map(|entry| (entry.main(), entry.verbatim)))
}

/// The files of the profile's version.
pub fn files<'r>(layers: &Layers<'r>) -> impl Iterator<Item = &'r FileTemplate> + use<'r> {
    let version = &layers.profile.version.value;
    layers.definition.files.iter().filter(move |file| file.versions.cover(version))
}

impl<'a, 'r> Pass<'a, 'r> {
    pub(super) fn begin(renderer: &'a Renderer<'r>, layers: Layers<'r>) -> Pass<'a, 'r> {
        let (profile, mut context) = (layers.profile, layers.context(renderer.nonce));
        context.insert_value("image", layers::images(&[]));
        Pass {
            renderer,
            layers,
            prompts: profile.prompts.iter().map(|prompt| prompt.value.name.clone()).collect(),
            context,
            used: BTreeSet::new(),
            by_format: BTreeMap::new(),
            texts: BTreeMap::new(),
            made: Vec::new(),
            reached: BTreeSet::new(),
            problems: Problems::new(),
        }
    }

    fn run(mut self) -> Result<Rendered, Problems> {
        let definition = self.layers.definition;
        let images = self.images();
        self.context.insert_value("image", layers::images(&images));
        let second_stage = self.second_stage(&images);
        self.refuse();
        self.refuse_secrets();
        let mut written = Vec::new();
        for template in files(&self.layers) {
            written.extend(self.file(template));
        }
        let boot = self.boot(images);
        let (profile, site) = (self.layers.profile, &self.layers.repository.site);
        let unused = profile.prompts.iter().filter(|prompt| !self.used.contains(&prompt.value.name));
        // A file that could not be made may have asked for it.
        for prompt in unused.filter(|_| !self.problems.has_errors()).collect::<Vec<_>>() {
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
            files: written.iter().map(|(file, _, _)| file.clone()).collect(),
            prompts: profile.prompts.iter().map(|prompt| prompt.value.clone()).collect(),
            ansible: self.layers.ansible().public_part(),
            critical: Vec::new(),
        };
        let is_public: Vec<_> = written.iter().map(|(_, _, template)| profile.public && template.public).collect();
        let formats = written.iter().map(|(_, _, template)| template.format).collect();
        let contents = match Contents::new(manifest, written.into_iter().map(|(_, bytes, _)| bytes).collect()) {
            Ok(contents) => contents,
            Err(refusal) => {
                self.problems.push(Problem::at(&profile.origin, format!("can not be a pack: {refusal}")));
                return Err(self.problems);
            }
        };
        let public = self.public(&contents, &is_public);
        if !self.problems.has_errors() {
            self.trace();
        }
        let (public, warnings) = self.problems.unless_errors(public)?;
        Ok(Rendered { contents, formats, public, warnings })
    }

    /// Notes what had a part in this rendering, also what only a condition left out of it.
    fn trace(&mut self) {
        for file in files(&self.layers) {
            for entry in each::entries(&self.layers, file, &mut Problems::new()).unwrap_or_default() {
                let source = self.layers.snippet(entry.name);
                self.reached.extend(source.map(|source| (entry.name.to_owned(), address(source))));
            }
            if !file.verbatim {
                self.templates(file.format);
            }
        }
        let Pass { renderer, layers, context, texts, made, reached, .. } = self;
        let noted = Trace { layers, context, texts, made, reached }.note();
        renderer.seen.lock().unwrap_or_else(PoisonError::into_inner).add(noted);
    }

    /// Combinations that make no sense are said where they were set; what is only a default, where the installer was chosen.
    fn refuse(&mut self) {
        let profile = self.layers.profile;
        let refusals = self.layers.definition.refusals.iter();
        for refusal in refusals.filter(|refusal| refusal.versions.cover(&profile.version.value)) {
            if self.holds(&refusal.when) == Some(true) {
                let own = &self.layers.definition.origin.source;
                let setting = self.layers.setting(&refusal.variable);
                let set = setting.map(|setting| &setting.origin).filter(|origin| origin.source.path != own.path);
                let problem = Problem::at(
                    set.unwrap_or(&profile.installer.origin),
                    format!("`{}` {}", refusal.variable, refusal.message),
                );
                self.problems.push(problem.help(&*refusal.remedy));
            }
        }
    }

    /// A secret is in sealed packs only, and a pack without one that it needs is none.
    fn refuse_secrets(&mut self) {
        let (repository, profile) = (self.layers.repository, self.layers.profile);
        for (origin, variable, used) in repository.secret_uses(profile, self.layers.organisation) {
            if profile.public {
                let message =
                    format!("the public profile `{}` has the secret `{}` as its `{variable}`", profile.id, used.name);
                let help = "remove `public` from the profile, or give it another value there";
                self.problems.push(Problem::at(origin, message).help(help));
            }
            if repository.secrets.text(used).is_none() {
                let message = format!("there is no secret `{}`", used.name);
                self.problems.push(Problem::at(origin, message).help("add it to `[secrets]` in `anode.toml`"));
            }
        }
    }

    /// Is the expression true? `None`: it could not be judged.
    pub(super) fn holds(&mut self, when: &'r Located<String>) -> Option<bool> {
        let test = format!("{{% if {} %}}yes{{% endif %}}", when.value);
        Some(!self.inline(when, test, Rule::Line)?.0.is_empty())
    }

    /// All templates of a format, with what they include.
    fn templates(&mut self, format: Format) -> Option<Parsed> {
        if let Some(parsed) = self.by_format.get(&format) {
            return parsed.clone();
        }
        let definition = self.layers.definition;
        let mut mains = Vec::new();
        for file in files(&self.layers).filter(|file| !file.verbatim && file.format == format) {
            // What is wrong with the entries is said when the file is made.
            mains.extend(each::entries(&self.layers, file, &mut Problems::new()).unwrap_or_default());
        }
        let closure = templates::closure(&self.layers, mains.into_iter().map(|entry| (entry.main(), false)));
        let parsed = match closure {
            Ok(closure) => {
                self.reached.extend(closure.all().map(|(name, source)| (name.clone(), address(source))));
                Some(self.renderer.parsed(Rule::of(format), definition, &[], closure.sources))
            }
            Err(problems) => {
                self.problems.append(problems);
                None
            }
        };
        self.by_format.insert(format, parsed.clone());
        parsed
    }

    fn file(&mut self, template: &'r FileTemplate) -> Vec<(File, Vec<u8>, &'r FileTemplate)> {
        if let Some(when) = &template.when
            && self.holds(when) != Some(true)
        {
            return Vec::new();
        }
        let layers = self.layers;
        let entries = each::entries(&layers, template, &mut self.problems).unwrap_or_default();
        entries.into_iter().filter_map(|entry| self.entry(template, entry)).collect()
    }

    fn entry(&mut self, template: &'r FileTemplate, entry: Entry<'r>) -> Option<(File, Vec<u8>, &'r FileTemplate)> {
        // A file that could not be made is said once, not again by those that carry it.
        self.texts.insert(entry.path.as_str().to_owned(), String::new());
        let (text, inserts) = if template.verbatim {
            (self.layers.snippet(entry.name)?.text.clone(), Vec::new())
        } else {
            let parsed = self.templates(template.format)?;
            let (text, inserts, marked) = self.rendered(&parsed, entry.name)?;
            self.texts.insert(entry.path.as_str().to_owned(), marked);
            self.made.push((parsed, entry.name));
            (text, inserts)
        };
        if inserts.is_empty() {
            self.texts.insert(entry.path.as_str().to_owned(), text.clone());
        }
        let length = text.len() as u64;
        let file = File { path: entry.path, mode: template.mode, length, inserts };
        Some((file, text.into_bytes(), template))
    }

    /// The text without its markers, the places of the answers, and the text with its markers.
    fn rendered(&mut self, parsed: &Parsed, name: &str) -> Option<(String, Vec<Insert>, String)> {
        let result = match &**parsed {
            Ok(templates) => {
                let texts = templates.texts(&self.layers, &self.texts);
                let context = texts.map(|texts| texts.into_context(&self.context));
                let rendered = templates.render(name, &self.layers, context.as_ref().unwrap_or(&self.context));
                rendered.map(|text| (templates, text))
            }
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
                Some((text, inserts, closed))
            }
            Err(line) => {
                let message = format!("a prompt was altered on its way into line {line} of the rendered file");
                self.problems.push(Problem::error(&path, message).help("write `{{ prompt.name }}` without filters"));
                None
            }
        }
    }

    /// A template inside a manifest; `text` is what it stands for.
    pub(super) fn inline(
        &mut self,
        template: &'r Located<String>,
        text: String,
        rule: Rule,
    ) -> Option<(String, Vec<Insert>)> {
        let name = "manifest.toml";
        let source = Arc::new(Source { path: template.origin.source.path.clone(), text });
        let missing = |inner: &str| {
            Problem::at(&template.origin, format!("there is no snippet `{inner}`")).help(WHERE_SNIPPETS_LIE)
        };
        let inner = tags::includes(&source.text).into_iter();
        let inner = inner.map(|(inner, _)| ((inner.to_owned(), Some(missing(inner))), false));
        let mut sources = match templates::closure(&self.layers, inner) {
            Ok(closure) => {
                self.reached.extend(closure.all().map(|(name, source)| (name.clone(), address(source))));
                closure.sources
            }
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
        rendered.map(|(text, inserts, _)| (text, inserts))
    }

    /// The second stages that are pinned, by name. One whose address renders to nothing is not needed.
    fn images(&mut self) -> Vec<Blob> {
        let mut images = Vec::new();
        let Some(boot) = &self.layers.definition.boot else { return images };
        for (name, template) in &boot.images {
            let Some((url, _)) = self.inline(template, template.value.clone(), Rule::Address) else { continue };
            if let Some(blob) = self.layers.repository.lock.blob(&url) {
                images.push(Blob { name: Some(name.clone()), ..blob });
            } else if !url.is_empty() {
                self.problems.push(unpinned(&url, "a second stage that nobody compares with a hash"));
            }
        }
        images
    }

    /// What is known about the parts that the installer fetches by itself: the first case that applies.
    fn second_stage(&mut self, images: &[Blob]) -> SecondStage {
        for case in &self.layers.definition.second_stage {
            if case.when.as_ref().is_some_and(|when| self.holds(when) != Some(true)) {
                continue;
            }
            let mut needed = case.images.iter().map(|image| &image.value);
            let missing = needed.find(|image| !images.iter().any(|blob| blob.name.as_ref() == Some(image)));
            return match missing.filter(|_| case.pinned) {
                Some(image) => SecondStage { pinned: false, how: format!("`{image}` is not in `anode.lock`") },
                None => SecondStage { pinned: case.pinned, how: case.how.clone() },
            };
        }
        SecondStage { pinned: false, how: "the definition does not say".to_owned() }
    }

    /// What to boot, if all of it is pinned.
    fn boot(&mut self, images: Vec<Blob>) -> Option<Boot> {
        let boot = self.layers.definition.boot.as_ref()?;
        let kernel = self.inline(&boot.kernel, boot.kernel.value.clone(), Rule::Address);
        let initrd: Vec<_> =
            boot.initrd.iter().map(|initrd| self.inline(initrd, initrd.value.clone(), Rule::Address)).collect();
        let command_line = self.inline(&boot.command_line, boot.command_line.value.clone(), Rule::Address);
        let loaders = self.loaders();
        let network = self.network();
        let urls: Option<Vec<_>> = [kernel].into_iter().chain(initrd).collect();
        let (urls, (command_line, inserts)) = (urls?, command_line?);
        self.say_what_everybody_reads([&command_line].into_iter().chain(urls.iter().map(|(url, _)| url)));
        let lock = &self.layers.repository.lock;
        let pinned: Option<Vec<_>> = urls.iter().map(|(url, _)| lock.blob(url)).collect();
        let Some((kernel, initrd)) = pinned.as_ref().and_then(|blobs| blobs.split_first()) else {
            let missing = urls.iter().filter(|(url, _)| lock.pinned(url).is_none());
            self.problems
                .extend(missing.map(|(url, _)| unpinned(url, "what boots it can be handed over with --files only")));
            return None;
        };
        let carry_fetcher = boot.carry_fetcher;
        let signature = urls.first().and_then(|(url, _)| lock.pinned(url)?.signature.clone());
        let (kernel, initrd) = (kernel.clone(), initrd.to_vec());
        let loaders = loaders.and_then(|named| self.pinned_loaders(named, signature.as_ref()));
        Some(Boot { kernel, signature, initrd, loaders, images, carry_fetcher, command_line, inserts, network })
    }

    /// A secret in these is none on the machine that is installed.
    fn say_what_everybody_reads<'t>(&mut self, texts: impl Iterator<Item = &'t String> + Clone) {
        let (repository, profile) = (self.layers.repository, self.layers.profile);
        for (origin, variable, used) in repository.secret_uses(profile, self.layers.organisation) {
            let Some(secret) = repository.secrets.text(used).filter(|secret| !secret.is_empty()) else { continue };
            if texts.clone().any(|text| text.contains(secret)) {
                let message = format!(
                    "the secret `{}`, as `{variable}`, is on the kernel command line or in an address of what is booted",
                    used.name
                );
                let help = "whoever uses the machine can read it there (`/proc/cmdline`), and so can who sees it start";
                self.problems.push(Problem::at(origin, message).as_warning().help(help));
            }
        }
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
            for prompt in
                prompts.iter().filter(|prompt| prompt.value.default_on(&Facts::default()).is_none()).filter(asked)
            {
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
                let answer = prompt.and_then(|prompt| prompt.value.default_on(&Facts::default())).unwrap_or_default();
                filled.extend_from_slice(answer.as_bytes());
                done = at;
            }
            filled.extend_from_slice(bytes.get(done..).unwrap_or_default());
            public.push((file.path.clone(), filled));
        }
        public
    }
}

/// The remedy for whatever is not pinned.
pub(super) const HOW_TO_PIN: &str = "run `anode lock`, or `anode lock PROFILE` for what one profile boots";

/// The same for every profile that boots it, so that it is said once.
fn unpinned(url: &str, consequence: &str) -> Problem {
    let message = format!("`{url}` is not pinned: {consequence}");
    Problem::warning(Lock::PATH, message).help(HOW_TO_PIN)
}

fn name_of(prompt: &Located<anode_bundle::pack::Prompt>) -> Id {
    prompt.value.name.clone()
}

/// A variable's own place is right; a place inside the string becomes the string.
fn at_string(problem: Problem, origin: &Origin) -> Problem {
    if problem.file != origin.source.path { problem } else { problem.moved_to(origin) }
}
