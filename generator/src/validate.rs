//! What was rendered, read by others: the installer's own parser where it is installed, and our checks where that parser looks away.
//!
//! Inserts are filled with harmless answers of the right type. Problems point into the rendered file, which lies nowhere: its name says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anode_bundle::name::SafePath;
use rayon::prelude::*;

use crate::diagnose::{Problem, Problems, Source, line_span};
use crate::render::{Rendered, sample_answers};
use crate::repository::{Format, InstallerDefinition, Judge, Repository};

/// A rendered file with answers in it.
struct Filled<'r> {
    definition: &'r InstallerDefinition,
    version: &'r str,
    architecture: &'r str,
    path: SafePath,
    format: Format,
    source: Arc<Source>,
}

/// Our own checks, then every validator of the definitions that is installed. One that is not is a warning.
#[must_use]
pub fn validate<'r>(repository: &'r Repository, rendered: impl IntoIterator<Item = &'r Rendered>) -> Problems {
    let (files, mut problems) = fill(repository, rendered);
    problems.extend(files.par_iter().flat_map_iter(own_checks).collect::<Vec<_>>());
    problems.extend(run_programs(&files));
    problems
}

/// Our own checks alone: fast enough for every build.
#[must_use]
pub fn check_rendered<'r>(repository: &'r Repository, rendered: impl IntoIterator<Item = &'r Rendered>) -> Problems {
    let (files, mut problems) = fill(repository, rendered);
    problems.extend(files.par_iter().flat_map_iter(own_checks).collect::<Vec<_>>());
    problems
}

fn fill<'r>(
    repository: &'r Repository,
    rendered: impl IntoIterator<Item = &'r Rendered>,
) -> (Vec<Filled<'r>>, Problems) {
    let mut files = Vec::new();
    let mut problems = Problems::new();
    for rendered in rendered {
        let manifest = rendered.contents.manifest();
        let Some(definition) = repository.installers.get(&manifest.installer.id) else { continue };
        let organisation = manifest.organisation.as_ref().map(|id| format!(" for {id}")).unwrap_or_default();
        let name = |path: &str| format!("{}{organisation}: {path} (rendered)", manifest.profile);
        let filled = match rendered.contents.fill(&sample_answers(&rendered.contents)) {
            Ok(filled) => filled,
            Err(refusal) => {
                problems.push(Problem::error(&name("answers"), refusal.to_string()));
                continue;
            }
        };
        for (file, format) in filled.iter().zip(&rendered.formats) {
            let Ok(text) = String::from_utf8(file.bytes.to_vec()) else { continue };
            files.push(Filled {
                definition,
                version: &manifest.installer.version,
                architecture: &manifest.installer.architecture,
                path: file.path.clone(),
                format: *format,
                source: Arc::new(Source { path: name(file.path.as_str()), text }),
            });
        }
    }
    (files, problems)
}

fn own_checks(file: &Filled<'_>) -> Vec<Problem> {
    let source = &file.source;
    let whole = |line: usize| line_span(&source.text, line);
    let at = |line: usize, message: String| Problem::error(&source.path, message).in_source(source, whole(line));
    match file.format {
        Format::Preseed => preseed(&source.text).into_iter().map(|(line, message)| at(line, message)).collect(),
        Format::Json => match serde_json::from_str::<serde_json::Value>(&source.text) {
            Ok(_) => Vec::new(),
            Err(error) => vec![at(error.line(), format!("is not JSON: {error}"))],
        },
        Format::Toml => match source.text.parse::<toml::Table>() {
            Ok(_) => Vec::new(),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                vec![Problem::error(&source.path, format!("is not TOML: {}", error.message())).in_source(source, span)]
            }
        },
        _ => Vec::new(),
    }
}

const PRESEED_TYPES: [&str; 9] =
    ["string", "boolean", "select", "multiselect", "password", "text", "note", "title", "error"];

/// The lines of a preseed that debconf would take and misunderstand.
fn preseed(text: &str) -> Vec<(usize, String)> {
    let mut problems = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let mut line = first.to_owned();
        while let Some(begun) = line.strip_suffix('\\') {
            let Some((_, next)) = lines.next() else { break };
            line = format!("{begun}{next}");
        }
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(_), Some(question), Some(kind)) = (words.next(), words.next(), words.next()) else {
            problems.push((index + 1, "a line needs an owner, a question and a type".to_owned()));
            continue;
        };
        if !question.contains('/') {
            problems.push((index + 1, format!("`{question}` is not a question: it has no `/`")));
        }
        if !PRESEED_TYPES.contains(&kind) {
            problems.push((index + 1, format!("`{kind}` is not a type of debconf")));
        }
        let value: Vec<_> = words.collect();
        if kind == "boolean" && !matches!(*value, ["true" | "false"]) {
            problems.push((index + 1, format!("`{question}` must be true or false, not `{}`", value.join(" "))));
        }
    }
    problems
}

fn run_programs(files: &[Filled<'_>]) -> Vec<Problem> {
    let mut missing: BTreeMap<&str, (String, &str)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut runs = Vec::new();
    for file in files {
        for validator in file.definition.validators.iter().filter(|validator| {
            let path = validator.path.as_ref().is_none_or(|path| *path == file.path);
            path && validator.format == file.format && validator.versions.cover(file.version)
        }) {
            let manifest = file.definition.origin.source.path.as_str();
            match &validator.judge {
                Judge::Schema(schema) => {
                    missing.insert(schema.as_str(), ("schemas can not be read yet".to_owned(), manifest));
                }
                Judge::Program { command, package, stderr_is_failure, configuration } => {
                    let Some(program) = command.first() else { continue };
                    if !is_installed(program) {
                        missing.insert(program, (format!("install `{package}`"), manifest));
                    } else if seen.insert((command, file.version, &file.source.text)) {
                        runs.push((Program { command, stderr_is_failure: *stderr_is_failure, configuration }, file));
                    }
                }
            }
        }
    }
    let mut problems: Vec<_> = runs.par_iter().filter_map(|(program, file)| run(program, file)).collect();
    problems.extend(missing.into_iter().map(|(program, (remedy, manifest))| {
        Problem::warning(manifest, format!("`{program}` was not run")).help(remedy)
    }));
    problems
}

/// A program as a definition declares it.
struct Program<'r> {
    command: &'r [String],
    stderr_is_failure: bool,
    configuration: &'r Option<(String, String)>,
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn run(validator: &Program<'_>, file: &Filled<'_>) -> Option<Problem> {
    let source = &file.source;
    let failed = |what: String| Some(Problem::error(&source.path, what).help("check that the program works by hand"));
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return failed(format!("no temporary folder for a validator: {error}")),
    };
    let path = folder.path().join("rendered");
    if let Err(error) = std::fs::write(&path, &source.text) {
        return failed(format!("no temporary file for a validator: {error}"));
    }
    let (program, arguments) = validator.command.split_first()?;
    let fill = |word: &String| {
        word.replace("{version}", file.version)
            .replace("{architecture}", file.architecture)
            .replace("{file}", &path.to_string_lossy())
    };
    let mut command = Command::new(program);
    command
        .args(arguments.iter().map(fill))
        .current_dir(folder.path())
        // A parser of other people's making has no business with secrets.
        .env_clear()
        .envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("LC_ALL", "C.UTF-8")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null());
    if let Some((variable, text)) = validator.configuration {
        let configuration = folder.path().join("configuration");
        if let Err(error) = std::fs::write(&configuration, text) {
            return failed(format!("no temporary file for a validator: {error}"));
        }
        command.env(variable, configuration);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return failed(format!("`{program}` could not be run: {error}")),
    };
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let complained = validator.stderr_is_failure && !complaint.trim().is_empty();
    if output.status.success() && !complained {
        return None;
    }
    let said = format!("{complaint}\n{}", String::from_utf8_lossy(&output.stdout));
    Some(complain(program, &said, &path, source))
}

/// The program's words, at the line that they name.
fn complain(program: &str, said: &str, path: &Path, source: &Arc<Source>) -> Problem {
    let words: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
    let text = words.join("; ").replace(&*path.to_string_lossy(), "the file");
    let problem = Problem::error(&source.path, format!("`{program}` does not accept it"));
    // `… on line 14 of …`, or a compiler's `FILE: 14: …`.
    let named = format!("{}:", path.display());
    let line = ["line ", &named].iter().find_map(|before| {
        let (_, rest) = said.split_once(before)?;
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok().filter(|line| (1..=source.text.lines().count()).contains(line))
    });
    match line {
        Some(line) => problem.in_source(source, line_span(&source.text, line)).label(text),
        None => problem.help(format!("it says: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::preseed;

    #[test]
    fn finds_what_debconf_would_take_and_misunderstand() {
        let text = "# comment\n\nd-i a/b string x y\nd-i a/c boolean maybe\nd-i a/d strnig x\nd-i a/e\nd-i e string x\nd-i a/f string \\\n  x\nd-i a/g boolean true\n";
        let found = preseed(text);
        assert_eq!(
            found,
            [
                (4, "`a/c` must be true or false, not `maybe`".to_owned()),
                (5, "`strnig` is not a type of debconf".to_owned()),
                (6, "a line needs an owner, a question and a type".to_owned()),
                (7, "`e` is not a question: it has no `/`".to_owned()),
            ]
        );
    }
}
