//! Templates made ready: every name resolved, every tag checked, parsed once for all renderings that use the same files.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use tera::{ErrorKind, Tera};

use super::branches::Branches;
use super::escape::{CLOSE, OPEN, Rule};
use super::layers::{Layers, WHERE_SNIPPETS_LIE};
use super::tags::{Call, assigned, calls, includes, tags};
use super::texts::{Texts, Wanted};
use crate::diagnose::{Problem, Problems, Source, line_span, nearest};
use crate::repository::{RESERVED_VARIABLES, Variable, VariableType};

/// Templates of one rule, ready to render.
pub struct Templates {
    tera: Tera,
    rule: Rule,
    sources: BTreeMap<String, Arc<Source>>,
    wanted: Wanted,
    branches: OnceLock<Branches>,
}

/// What a set of files is made of.
#[derive(Default)]
pub struct Closure {
    /// The templates.
    pub sources: BTreeMap<String, Arc<Source>>,
    /// The snippets that are copied or carried as they are.
    verbatim: BTreeMap<String, Arc<Source>>,
}

impl Closure {
    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Arc<Source>)> {
        self.sources.iter().chain(&self.verbatim)
    }

    /// Do the same names stand for other texts?
    pub fn differs_from(&self, other: &Closure) -> bool {
        let differ = |a: &BTreeMap<String, Arc<Source>>, b: &BTreeMap<String, Arc<Source>>| {
            a.iter().map(|(name, source)| (name, &source.text)).ne(b.iter().map(|(name, source)| (name, &source.text)))
        };
        differ(&self.sources, &other.sources) || differ(&self.verbatim, &other.verbatim)
    }
}

/// Everything reachable from `mains` by includes. A main is its name, what to say if there is none, and whether it is copied as it is.
///
/// # Errors
/// An include that names nothing.
pub fn closure(
    layers: &Layers<'_>,
    mains: impl IntoIterator<Item = ((String, Option<Problem>), bool)>,
) -> Result<Closure, Problems> {
    let mut closure = Closure::default();
    let mut problems = Problems::new();
    let mut open: Vec<_> = mains.into_iter().collect();
    while let Some(((name, problem), verbatim)) = open.pop() {
        let Closure { sources, verbatim: copies } = &mut closure;
        let found = if verbatim { copies } else { sources };
        if found.contains_key(&name) {
            continue;
        }
        let Some(source) = layers.snippet(&name) else {
            // What a manifest names itself was checked when it was loaded.
            problems.extend(problem.map(|problem| problem.nearest(&name, layers.snippet_names())));
            continue;
        };
        found.insert(name, source.clone());
        if verbatim {
            continue;
        }
        let missing = |inner: &str, span| {
            let problem = Problem::error(&source.path, format!("there is no snippet `{inner}`"));
            problem.in_source(source, span).help(WHERE_SNIPPETS_LIE)
        };
        for (inner, span) in includes(&source.text) {
            open.push(((inner.to_owned(), Some(missing(inner, span))), false));
        }
        for (call, span) in calls(&source.text) {
            match call {
                Call::Verbatim(Some(inner)) => open.push(((inner.to_owned(), Some(missing(inner, span))), true)),
                // Any of them may be meant.
                Call::Verbatim(None) => {
                    let all: BTreeSet<_> = layers.snippet_names().collect();
                    open.extend(all.into_iter().map(|name| ((name.to_owned(), None), true)));
                }
                Call::Rendered => {}
            }
        }
    }
    if problems.is_empty() { Ok(closure) } else { Err(problems) }
}

impl Templates {
    /// Checks and parses templates.
    ///
    /// # Errors
    /// Every tag that names something unknown or misuses a prompt, every syntax error.
    pub fn parse(
        sources: BTreeMap<String, Arc<Source>>,
        rule: Rule,
        variables: &BTreeMap<String, Variable>,
    ) -> Result<Templates, Problems> {
        let mut problems = Problems::new();
        let assigned: BTreeSet<&str> = sources.values().flat_map(|source| assigned(&source.text)).collect();
        for source in sources.values() {
            check_tags(source, rule, variables, &assigned, &mut problems);
        }
        let mut tera = Tera::new();
        rule.install(&mut tera);
        if let Err(error) = tera.add_raw_templates(sources.iter().map(|(name, source)| (name, &source.text))) {
            let templates =
                Templates { tera: Tera::new(), rule, sources, wanted: Wanted::default(), branches: OnceLock::new() };
            problems.append(templates.explain(&error, None));
            return Err(problems);
        }
        rule.install(&mut tera);
        let wanted = Wanted::by(sources.values().map(|source| source.text.as_str()));
        if problems.is_empty() {
            Ok(Templates { tera, rule, sources, wanted, branches: OnceLock::new() })
        } else {
            Err(problems)
        }
    }

    /// The rule by which they write.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The texts that they carry as values; `None`: none. `files` are those that were written before.
    pub fn texts(&self, layers: &Layers<'_>, files: &BTreeMap<String, String>) -> Option<Texts> {
        self.wanted.gather(layers, files)
    }

    /// The files, in the order of their names.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.sources.values()
    }

    /// Their branches, found when somebody first asks.
    pub fn branches(&self) -> &Branches {
        self.branches.get_or_init(|| Branches::of(&self.sources, self.rule))
    }

    /// The file behind a name.
    pub fn source(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.get(name)
    }

    /// Renders one of the templates.
    ///
    /// # Errors
    /// What the template asks for and is not there, and values that the format can not hold.
    pub fn render(&self, name: &str, layers: &Layers<'_>, context: &tera::Context) -> Result<String, Problems> {
        self.tera.render(name, context).map_err(|error| self.explain(&error, Some((name, layers))))
    }

    fn explain(&self, error: &tera::Error, rendering: Option<(&str, &Layers<'_>)>) -> Problems {
        match error.kind() {
            ErrorKind::RenderingError(report) if is_about_a_value(report.message()) && rendering.is_some() => {
                let known = rendering.map(|(_, layers)| layers);
                let culprits = rendering.map(|(name, layers)| self.culprits(name, layers)).unwrap_or_default();
                match culprits.is_empty() {
                    true => {
                        self.located(report.message(), report.filename(), report.span().range.clone(), known).into()
                    }
                    false => culprits,
                }
            }
            ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
                let known = rendering.map(|(_, layers)| layers);
                self.located(report.message(), report.filename(), report.span().range.clone(), known).into()
            }
            ErrorKind::Io(_) => match rendering {
                Some((name, layers)) => {
                    let reason = error.source().map(ToString::to_string).unwrap_or_default();
                    self.unwritable(name, layers, &reason)
                }
                None => Problem::error("templates", "can not be written").into(),
            },
            _ => self.reports(&error.to_string()),
        }
    }

    fn located(&self, message: &str, template: &str, span: Range<usize>, layers: Option<&Layers<'_>>) -> Problem {
        let (short, rest) = message.split_once(" Available ").unwrap_or((message, ""));
        let short = short.trim_end_matches('.');
        let Some(source) = self.sources.get(template) else { return Problem::error(template, lower_first(short)) };
        let problem = |message: String| Problem::error(&source.path, message).in_source(source, span.clone());
        let name = short.split('`').nth(1).unwrap_or_default();
        if let (true, Some(layers)) = (short.starts_with("Variable `"), layers) {
            let profile = &layers.profile.origin.source.path;
            return problem(format!("the variable `{name}` has no value"))
                .help(format!("set it in `{profile}`, in an organisation or in `anode.toml`"));
        }
        if short.starts_with("Field `") {
            let is_prompt = source.text.get(..span.start).is_some_and(|text| text.ends_with("prompt."));
            let known: Vec<_> =
                rest.split(": ").nth(1).unwrap_or_default().split(", ").filter(|n| !n.is_empty()).collect();
            return if is_prompt {
                let problem = problem(format!("the profile has no prompt `{name}`"));
                match (nearest(name, known.iter().copied()), layers) {
                    (Some(near), _) => problem.help(format!("did you mean `{near}`?")),
                    (None, Some(layers)) => problem.help(format!(
                        "add `[[prompts]]` with `name = \"{name}\"` to `{}`",
                        layers.profile.origin.source.path
                    )),
                    (None, None) => problem,
                }
            } else {
                problem(format!("`{name}` is not defined")).nearest(name, known)
            };
        }
        problem(lower_first(short))
    }

    /// The engine does not say which value it could not write: the variables that the template uses are tried one by one.
    fn unwritable(&self, name: &str, layers: &Layers<'_>, reason: &str) -> Problems {
        let mut problems = self.culprits(name, layers);
        if problems.is_empty() {
            let file = self.source(name).map_or(name, |source| source.path.as_str());
            problems.push(Problem::error(file, format!("writes a value that {reason}")));
        }
        problems
    }

    /// The variables of a template that its format can not hold, where they were set.
    fn culprits(&self, name: &str, layers: &Layers<'_>) -> Problems {
        let used = self.tera.get_template_variables(name).unwrap_or_default();
        let mut problems = Problems::new();
        for (variable, setting) in layers.settings().into_iter().filter(|(name, _)| used.contains(name)) {
            let mut texts = Vec::new();
            collect_texts(&setting.value, &mut texts);
            let declared = layers.definition.variables.get(variable);
            let uses = declared.map(|declared| declared.secret_uses(&setting.value)).unwrap_or_default();
            texts.extend(uses.into_iter().filter_map(|used| layers.repository.secrets.text(used)));
            if let Some(problem) = texts.iter().find_map(|text| self.rule.write(text).err()) {
                let file = self.source(name).map_or(name, |source| source.path.as_str());
                let message = format!("`{variable}` {problem}, and `{file}` writes it");
                problems.push(Problem::at(&setting.origin, message).help(match self.rule {
                    Rule::Preseed | Rule::KickstartWord => {
                        "write that text with a file of its own (`[[files]]` with format `text` or `shell`)"
                    }
                    _ => "change the value",
                }));
            }
        }
        problems
    }

    /// What the engine says about several templates at once is text: `error: …`, then `--> file:line:column`.
    fn reports(&self, text: &str) -> Problems {
        let mut problems = Problems::new();
        for report in text.split("\n\n") {
            let message = report.lines().next().unwrap_or(report).trim_start_matches("error: ");
            let place = report.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
            let mut parts = place.unwrap_or_default().rsplitn(3, ':');
            let column = parts.next().and_then(|text| text.parse::<usize>().ok());
            let line = parts.next().and_then(|text| text.parse::<usize>().ok());
            let source = parts.next().and_then(|name| self.sources.get(name));
            problems.push(match (source, line, column) {
                (Some(source), Some(line), Some(column)) => {
                    let whole = line_span(&source.text, line);
                    let start = (whole.start + column.saturating_sub(1)).min(whole.end);
                    let rest = source.text.get(start..whole.end).unwrap_or_default();
                    let width = rest.find(['%', '}', '(']).unwrap_or(rest.len());
                    Problem::error(&source.path, lower_first(message)).in_source(source, start..start + width)
                }
                _ => {
                    let file = self.sources.values().next().map_or("templates", |source| source.path.as_str());
                    Problem::error(file, lower_first(message))
                }
            });
        }
        problems
    }

    /// The line of a template that a line of its output came from, as well as it can be told.
    pub fn line_of(&self, main: &str, rendered_line: &str) -> Option<(Arc<Source>, Range<usize>)> {
        let pieces = rendered_line.split([OPEN, CLOSE]).step_by(2).map(str::trim).filter(|piece| !piece.is_empty());
        let constant: Vec<_> = pieces.collect();
        let fits = |line: &str| line.contains("{{") && constant.iter().all(|piece| line.contains(piece));
        let candidates = self.sources.get(main).into_iter().chain(self.sources.values());
        candidates.filter(|_| !constant.is_empty()).find_map(|source| {
            let number = source.text.lines().position(fits)? + 1;
            Some((source.clone(), line_span(&source.text, number)))
        })
    }
}

fn check_tags(
    source: &Arc<Source>,
    rule: Rule,
    variables: &BTreeMap<String, Variable>,
    assigned: &BTreeSet<&str>,
    problems: &mut Problems,
) {
    let problem_at =
        |span: Range<usize>, message: String| Problem::error(&source.path, message).in_source(source, span);
    if let Some(at) = source.text.find([OPEN, CLOSE]) {
        problems.push(problem_at(at..at + OPEN.len_utf8(), "a template must not hold U+E000 or U+E001".to_owned()));
    }
    for tag in tags(&source.text) {
        if let Some(span) = tag.misused_prompt() {
            let problem = problem_at(span, "a prompt can only be written as it is".to_owned());
            problems.push(
                problem.help("the answer is not known yet: write `{{ prompt.name }}`, or ask `prompt.name is defined`"),
            );
        }
        for (name, span) in tag.names() {
            let known = variables.contains_key(name) || RESERVED_VARIABLES.contains(&name) || assigned.contains(name);
            if !known && !KEYWORDS.contains(&name) {
                let all =
                    variables.keys().map(String::as_str).chain(RESERVED_VARIABLES).chain(assigned.iter().copied());
                problems.push(problem_at(span, format!("unknown variable `{name}`")).nearest(name, all));
            }
        }
        let whole = variables.get(tag.inside).filter(|_| tag.writes && !assigned.contains(tag.inside));
        let compound = |kind| matches!(kind, VariableType::List | VariableType::Map | VariableType::Record);
        if let Some(variable) = whole.filter(|variable| compound(variable.kind) && rule != Rule::Literal) {
            let span = tag.start..tag.start + tag.inside.len();
            let problem = problem_at(span, format!("`{}` is a list or table", variable.name));
            problems.push(problem.help(format!("write `{{{{ {} | words }}}}`, or `{{% for … %}}`", variable.name)));
        }
        let typed = |kind| compound(kind) || matches!(kind, VariableType::Bool | VariableType::Int);
        if let Some(variable) = whole.filter(|variable| typed(variable.kind) && rule == Rule::Literal) {
            let span = tag.start..tag.start + tag.inside.len();
            let problem = problem_at(span, format!("`{}` would become a string", variable.name));
            problems.push(problem.help(format!("write `{{{{ {} | json }}}}`", variable.name)));
        }
    }
}

/// Words of the template language.
const KEYWORDS: &[&str] = &[
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "in",
    "set",
    "endset",
    "set_global",
    "include",
    "extends",
    "block",
    "endblock",
    "super",
    "raw",
    "endraw",
    "filter",
    "endfilter",
    "and",
    "or",
    "not",
    "is",
    "true",
    "false",
    "True",
    "False",
    "none",
    "None",
    "null",
    "break",
    "continue",
    "loop",
    "defined",
    "undefined",
    "string",
    "number",
    "array",
    "containing",
    "starting_with",
    "ending_with",
    "map",
    "bool",
    "integer",
    "float",
    "iterable",
    "odd",
    "even",
    "divisible_by",
];

fn collect_texts<'v>(value: &'v crate::repository::Value, texts: &mut Vec<&'v str>) {
    use crate::repository::Value;
    match value {
        Value::Text(text) => texts.push(text),
        Value::List(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Map(items) => items.values().for_each(|item| collect_texts(item, texts)),
        Value::Number(_) | Value::Switch(_) | Value::Secret(_) => {}
    }
}

/// Does a filter say that it can not write a value? Then the variable is to blame, not the template.
fn is_about_a_value(message: &str) -> bool {
    message.starts_with("a value that ") || message.starts_with('`')
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
