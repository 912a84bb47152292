//! Validators that are programs: found, run in a folder of their own, their words brought to the line that they name.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::Filled;
use crate::diagnose::{Problem, Source, line_span};

/// A program as a definition declares it.
#[derive(Clone, Copy)]
pub struct Program<'r> {
    /// The program and its arguments.
    pub command: &'r [String],
    /// The package that has it.
    pub package: &'r str,
    /// Some programs complain and exit 0.
    pub stderr_is_failure: bool,
    /// A configuration file of its own, and the environment variable that names it.
    pub configuration: &'r Option<(String, String)>,
}

/// Is there such a program?
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

impl Program<'_> {
    /// The arguments for a file, which is `{file}` still: two files with the same arguments and text need one run.
    pub fn arguments(&self, file: &Filled<'_>) -> Vec<String> {
        let fill = |word: &String| word.replace("{version}", file.version).replace("{architecture}", file.architecture);
        self.command.iter().map(fill).collect()
    }
}

/// Runs a program on a file. `None`: it accepts it.
pub fn run(program: Program<'_>, file: &Filled<'_>) -> Option<Problem> {
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
    let Program { stderr_is_failure, configuration, .. } = program;
    let words = program.arguments(file);
    let (program, arguments) = words.split_first()?;
    let mut command = Command::new(program);
    command
        .args(arguments.iter().map(|word| word.replace("{file}", &path.to_string_lossy())))
        .current_dir(folder.path())
        // A parser of other people's making has no business with secrets.
        .env_clear()
        .envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("LC_ALL", "C.UTF-8")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null());
    if let Some((variable, text)) = configuration {
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
    let complained = stderr_is_failure && !complaint.trim().is_empty();
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
