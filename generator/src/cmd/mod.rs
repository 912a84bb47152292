//! The commands. Only this folder prints: data to stdout, talk to stderr.

mod build;
mod check;
mod code;
mod completions;
mod demo;
mod graph;
mod init;
mod key;
mod lock;
mod medium;
mod mirror;
mod passwd;
mod progress;
mod publish;
mod reach;
mod refresh;
mod release;
mod root;
mod scan;
mod show;
mod slip;
mod ssh_key;
mod status;
mod verify;

use std::convert::Infallible;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anode_bundle::name::SiteId;
use anode_bundle::{ExitCode as Exit, Refusal};
use anode_fetch::Failure;
use anyhow::{Context as _, Result, anyhow, ensure};
use clap::{Args, Parser, Subcommand};
use zeroize::Zeroizing;

use crate::diagnose::{Colour, Faulty};
use crate::keys::{GivenName, GivenSecret, KeyRing, SecretSource};

/// Compiles a git repository of installation profiles into a signed static tree that any HTTPS host can serve.
#[derive(Parser)]
#[command(name = "anode", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a profiles repository that builds at once, with its keys
    Init(init::Options),
    /// Report everything that is wrong in a repository
    Check(check::Options),
    /// Say what a profile becomes: every variable with the place it was set at, every file
    Show(show::Options),
    /// Draw which profile extends which
    Graph(graph::Options),
    /// Pin the kernels, initrds, images and boot loaders of the profiles
    Lock(lock::Options),
    /// Make the boot medium
    #[command(subcommand)]
    Medium(medium::Command),
    /// Compile and sign the tree
    Build(build::Options),
    /// Make, list, show, check and revoke activation codes
    #[command(subcommand)]
    Code(code::Command),
    /// Make, list and import keys
    #[command(subcommand)]
    Key(key::Command),
    /// Make the crypt hash of a password
    Passwd(passwd::Options),
    /// Make SSH key pairs with which machines fetch a repository
    #[command(subcommand)]
    SshKey(ssh_key::Command),
    /// Make the next root and have it signed: new keys, thresholds, policy, dates
    #[command(subcommand)]
    Root(Box<root::Command>),
    /// Place a built tree where a web server finds it
    Publish(publish::Options),
    /// Sign a new timestamp for the published tree; run it every night
    Refresh(refresh::Options),
    /// Strict mode: check, sign and finish a release that CI proposes
    #[command(subcommand)]
    Release(release::Command),
    /// Say on one screen what ends when, what waits for whom, and who must do what
    Status(status::Options),
    /// Look for the site's secrets in a tree, a log, or anything else
    Scan(scan::Options),
    /// Audit a whole tree: every signature, object and lifetime
    Verify(verify::Options),
    /// Make a site, serve it, activate a machine, tamper with it: all in a temporary folder
    Demo(demo::Options),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Write the man pages
    Man(completions::Man),
}

/// Where the repository and its keys are.
#[derive(Args)]
struct Place {
    /// The profiles repository
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,
    /// The folder with the site's secrets [default: $ANODE_KEYS or ~/.config/anode/<site id>]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Where a secret comes from, instead: NAME=fd:N, NAME=file:PATH or NAME=env:VARIABLE; NAME is release, timestamp, seal, probe, inbox, password, or of `[secrets]` in anode.toml
    #[arg(long = "secret", value_name = "NAME=SOURCE", value_parser = read_source)]
    secrets: Vec<Result<GivenSecret, String>>,
}

impl Place {
    /// The site's secrets.
    fn ring(&self, site: &SiteId) -> Result<KeyRing> {
        let given: Result<Vec<_>, _> = self.secrets.iter().cloned().collect();
        let wrong = |problem| anyhow!("the value of `--secret` {problem}");
        let given = given.map_err(wrong)?;
        if given.iter().any(|given| matches!(given.name(), GivenName::Defined(_))) {
            let site = crate::repository::load_site(&self.repository).map_err(Faulty)?;
            let defined: Vec<&str> = site.secrets.keys().map(String::as_str).collect();
            given.iter().try_for_each(|given| given.check_name(&defined)).map_err(wrong)?;
        }
        Ok(KeyRing::open(self.keys.as_deref(), site)?.with(given))
    }
}

/// An activation code is a secret too: `-` asks for it, everything else says where it comes from.
type CodeSource = Result<Option<SecretSource>, String>;

/// Never fails, as [`read_source`].
fn read_code_source(text: &str) -> Result<CodeSource, Infallible> {
    Ok(if text == "-" { Ok(None) } else { SecretSource::parse(text).map(Some) })
}

/// Never fails, because the parser of the command line would repeat the value: it may be the secret of somebody who did not read the manual.
fn read_source(text: &str) -> Result<Result<GivenSecret, String>, Infallible> {
    Ok(GivenSecret::parse(text))
}

/// Runs a command.
///
/// # Errors
/// What [`report`] prints.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Init(options) => init::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Show(options) => show::run(&options),
        Command::Graph(options) => graph::run(&options),
        Command::Lock(options) => lock::run(&options),
        Command::Medium(command) => medium::run(&command),
        Command::Build(options) => build::run(&options),
        Command::Code(command) => code::run(&command),
        Command::Key(command) => key::run(&command),
        Command::Passwd(options) => passwd::run(&options),
        Command::SshKey(command) => ssh_key::run(&command),
        Command::Root(command) => root::run(&command),
        Command::Publish(options) => publish::run(&options),
        Command::Refresh(options) => refresh::run(&options),
        Command::Release(command) => release::run(&command),
        Command::Status(options) => status::run(&options),
        Command::Scan(options) => scan::run(&options),
        Command::Verify(options) => verify::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Completions(options) => completions::completions(&options),
        Command::Man(options) => completions::man(&options),
    }
}

/// Prints an error and gives its exit status: that of a refusal, else 1. A reader that closed the pipe has what it wanted.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
    {
        return ExitCode::SUCCESS;
    }
    if let Some(Faulty(problems)) = error.chain().find_map(|cause| cause.downcast_ref()) {
        say(problems.render(colour()).trim_end());
        return ExitCode::FAILURE;
    }
    say(&format!("{}{error:#}", label("error: ", "\u{1b}[1;31m")));
    match refused(error) {
        Some((exit, remedy)) => {
            say(&format!("{}{remedy}", label("help: ", "\u{1b}[1;36m")));
            ExitCode::from(exit.number())
        }
        None => ExitCode::FAILURE,
    }
}

/// What the medium's own code refused, and what to do about it.
fn refused(error: &anyhow::Error) -> Option<(Exit, String)> {
    error.chain().find_map(|cause| match (cause.downcast_ref::<Refusal>(), cause.downcast_ref::<Failure>()) {
        (Some(refusal), _) => Some((refusal.exit(), refusal.remedy().to_owned())),
        (_, Some(failure)) => Some((failure.exit(), failure.remedy())),
        _ => None,
    })
}

fn label(text: &str, escape: &str) -> String {
    if colour() == Colour::Always { format!("{escape}{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Colour only on a terminal, and never against NO_COLOR.
fn colour() -> Colour {
    let wanted = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted { Colour::Always } else { Colour::Never }
}

/// Talk: to stderr. Nobody can be told when that fails.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Data: to stdout.
fn print(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").context("writing to stdout")
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} KB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// A path as a person would type it from here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// The password in the first line of a file.
fn read_password(file: &Path) -> Result<Zeroizing<String>> {
    let text = fs::read_to_string(file).map(Zeroizing::new).with_context(|| format!("reading `{}`", file.display()))?;
    let password = text.lines().next().unwrap_or_default();
    ensure!(!password.is_empty(), "the first line of `{}` is empty, and it has to be the password", file.display());
    Ok(Zeroizing::new(password.to_owned()))
}
