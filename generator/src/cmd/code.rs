//! `anode code`: make, list, show, check and revoke activation codes.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anode_bundle::activation::Status;
use anode_bundle::code::{Machine, Phrase, Secret};
use anode_bundle::derive::derive;
use anode_bundle::name::Id;
use anode_bundle::{Moment, Refusal};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::{Args, Subcommand};
use serde::Serialize;
use zeroize::Zeroizing;

use super::slip::{self, Slip};
use super::{CodeSource, Place, print, print_json, read_code_source, say, shown};
use crate::codes::{KeepKeys, Origin, Wanted, make, revoke, write_terms};
use crate::diagnose::Faulty;
use crate::repository::{CodeTerms, Repository};
use crate::trusted::TrustedSite;
use crate::{clock, repository};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a code and print it once; the repository gets only its terms
    New(Box<New>),
    /// List the codes and their terms
    List(List),
    /// Show the terms of one code
    Show(Show),
    /// Remove a code; its packs get new keys
    Revoke(Revoke),
    /// Check a code offline: its check symbol, and whose terms it has
    Check(Check),
}

#[derive(Args)]
pub(super) struct New {
    #[command(flatten)]
    place: Place,
    /// The organisation
    #[arg(long, value_name = "ORG", value_parser = parse_id)]
    org: Id,
    /// A profile that the code offers; several make a menu
    #[arg(long = "profile", value_name = "PROFILE", required = true, value_parser = parse_id)]
    profiles: Vec<Id>,
    /// Until when it can be used: 90d, 2027-06-30 or a time [default: `activation_days`]
    #[arg(long, value_name = "END")]
    expires: Option<String>,
    /// From when on it can be used, such as 2026-12-01T06:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = clock::parse_moment)]
    from: Option<Moment>,
    /// How many machines; counted by people
    #[arg(long, value_name = "N")]
    uses: Option<u64>,
    /// Its name in the repository [default: the date and six random symbols]
    #[arg(long, value_parser = parse_id)]
    label: Option<Id>,
    /// A code that you chose, at least 24 symbols: `-` (the terminal or stdin), fd:N, file:PATH or env:VARIABLE
    #[arg(long, value_name = "SOURCE", conflicts_with = "hardware", value_parser = read_code_source)]
    code: Option<CodeSource>,
    /// The machine itself is the code: its product UUID and serial number
    #[arg(long, value_name = "UUID:SERIAL")]
    hardware: Option<String>,
    /// Only this machine can use the code; several bind it to any of them
    #[arg(long, value_name = "UUID:SERIAL")]
    bind: Vec<String>,
    /// Answer a prompt beforehand
    #[arg(long, value_name = "NAME=VALUE")]
    answer: Vec<String>,
    /// Never with the copy on a medium: only while a mirror answers
    #[arg(long)]
    online: bool,
    /// Write a printable slip: FILE.svg or FILE.html
    #[arg(long, value_name = "FILE", conflicts_with_all = ["code", "hardware"])]
    slip: Option<PathBuf>,
    /// Print code and terms as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    place: Place,
    /// The code: ORG/LABEL
    code: String,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    place: Place,
    /// The code: ORG/LABEL
    code: String,
    /// Leave the keys of its packs as they are: nobody ever had the code
    #[arg(long)]
    keep_pack_keys: bool,
}

#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    place: Place,
    /// Where the code comes from: `-` (the terminal or stdin), fd:N, file:PATH or env:VARIABLE
    #[arg(value_name = "SOURCE", default_value = "-", value_parser = read_code_source)]
    code: CodeSource,
}

#[derive(Serialize)]
struct Terms<'a> {
    code: String,
    organisation: &'a Id,
    label: &'a Id,
    profiles: &'a [Id],
    not_before: Moment,
    not_after: Moment,
    uses: Option<u64>,
    online: bool,
    status: &'static str,
    bound: bool,
    locator: String,
}

pub(super) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::New(options) => new(options)?,
        Command::List(options) => list(options)?,
        Command::Show(options) => show(options)?,
        Command::Revoke(options) => take_back(options)?,
        Command::Check(options) => check(options)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn new(options: &New) -> Result<()> {
    let (repository, site) = open(&options.place)?;
    let now = clock::now();
    let not_after = match &options.expires {
        Some(text) => clock::parse_end(text, now)?,
        None => now.plus(repository.site.lifetimes.activation * 86_400),
    };
    ensure!(not_after > now, "the code would expire on {not_after}, before it could be used");
    let label = match &options.label {
        Some(label) => label.clone(),
        None => Id::new(&format!(
            "{}-{}",
            now.date(),
            data_encoding::HEXLOWER.encode(crate::keys::random::<3>()?.as_slice())
        ))?,
    };
    let wanted = Wanted {
        organisation: options.org.clone(),
        profiles: options.profiles.clone(),
        label,
        not_before: options.from.unwrap_or(now),
        not_after,
        uses: options.uses,
        online: options.online,
        machines: options.bind.iter().map(|text| Ok(machine(text)?.binding(site.id()))).collect::<Result<_>>()?,
        answers: options.answer.iter().map(|text| answer(text)).collect::<Result<_>>()?,
    };
    let (secret, terms) = make(&repository, site.root(), origin(options)?, wanted)?;
    // Terms of a code that nobody saw are worth nothing: the slip comes first, and goes with them.
    if let (Some(file), Secret::Code(code)) = (&options.slip, &secret) {
        write_slip(file, &repository, &terms, &code.reveal())?;
    }
    let path = write_terms(&options.place.repository, &terms).inspect_err(|_| {
        // It holds a code that will never work; the error that is reported is the one that matters.
        let _ = options.slip.as_deref().map(std::fs::remove_file);
    })?;
    say(&format!("terms       `{}`", shown(&path)));
    if let Some(file) = &options.slip {
        say(&format!("slip        `{}`", shown(file)));
    }
    match &secret {
        Secret::Code(code) => hand_out(options, &terms, &code.reveal())?,
        Secret::Phrase(_) => hand_out_nothing(options, &terms, "the code is the one that you chose; it is not stored")?,
        Secret::Hardware(_) => {
            hand_out_nothing(options, &terms, "the machine activates itself; there is nothing to type")?;
        }
    }
    say("next        commit the terms, then `anode build` and `anode publish`");
    Ok(())
}

#[derive(Serialize)]
struct Made<'a> {
    secret: Option<&'a str>,
    terms: Terms<'a>,
}

/// The one moment in which the code is shown.
fn hand_out(options: &New, terms: &CodeTerms, code: &str) -> Result<()> {
    if options.json {
        return print_json(&Made { secret: Some(code), terms: describe(terms) });
    }
    if std::io::stderr().is_terminal() {
        say(&slip::terminal(code)?);
        say("this is the only time that the code is shown");
    }
    print(code)
}

fn hand_out_nothing(options: &New, terms: &CodeTerms, why: &str) -> Result<()> {
    say(why);
    if options.json { print_json(&Made { secret: None, terms: describe(terms) }) } else { Ok(()) }
}

fn write_slip(file: &std::path::Path, repository: &Repository, terms: &CodeTerms, code: &str) -> Result<()> {
    let organisation =
        repository.organisation(&terms.organisation).map(|organisation| organisation.title.clone()).unwrap_or_default();
    let titles: Vec<String> = terms
        .profiles
        .iter()
        .filter_map(|id| repository.profile(id, Some(&terms.organisation)))
        .map(|profile| profile.title.clone())
        .collect();
    let slip = Slip {
        code,
        site: &repository.site.title,
        organisation: &organisation,
        profiles: &titles.join(" · "),
        until: &terms.not_after.date(),
        urls: &repository.site.urls,
    };
    let text = match file.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => slip::svg(&slip)?,
        Some("html") => slip::html(&slip)?,
        _ => bail!("the slip `{}` must end in `.svg` or `.html`", file.display()),
    };
    let mut open = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    let mut out = open
        .write(true)
        .create_new(true)
        .open(file)
        .with_context(|| format!("creating the slip `{}`", file.display()))?;
    std::io::Write::write_all(&mut out, text.as_bytes())
        .with_context(|| format!("writing the slip `{}`", file.display()))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(file);
        })
}

fn origin(options: &New) -> Result<Origin> {
    if let Some(text) = &options.hardware {
        return machine(text).map(Origin::Hardware);
    }
    match &options.code {
        None => Ok(Origin::Generated),
        Some(source) => {
            let text = read_code(source)?;
            let phrase = Phrase::parse(&text).map_err(|bad| anyhow!("the chosen code {bad}"))?;
            Ok(Origin::Chosen { phrase, typed: text })
        }
    }
}

fn list(options: &List) -> Result<()> {
    let (repository, _) = open(&options.place)?;
    let now = clock::now();
    if options.json {
        return print_json(&repository.codes.iter().map(describe).collect::<Vec<_>>());
    }
    for terms in &repository.codes {
        let profiles: Vec<&str> = terms.profiles.iter().map(Id::as_str).collect();
        let name = format!("{}/{}", terms.organisation, terms.label);
        print(&format!(
            "{name:<40} {:<8} until {}  {}",
            state(terms, now),
            terms.not_after.date(),
            profiles.join(",")
        ))?;
    }
    Ok(())
}

fn show(options: &Show) -> Result<()> {
    let (repository, _) = open(&options.place)?;
    let terms = find(&repository, &options.code)?;
    if options.json { print_json(&describe(terms)) } else { print(show_terms(terms).trim_end()) }
}

/// What may stand on a screen: the claim key would let anybody report in the name of whoever has the code.
fn show_terms(terms: &CodeTerms) -> String {
    let toml = terms.to_toml();
    let shown = toml.lines().filter(|line| !line.starts_with("claim_key"));
    shown.flat_map(|line| [line, "\n"]).collect()
}

fn take_back(options: &Revoke) -> Result<()> {
    let (repository, _) = open(&options.place)?;
    let terms = find(&repository, &options.code)?;
    let keep = if options.keep_pack_keys { KeepKeys::Yes } else { KeepKeys::No };
    let raised = revoke(&repository, terms, keep)?;
    say(&format!("revoked     {}/{}", terms.organisation, terms.label));
    for pack in raised {
        say(&format!("new key     {pack}"));
    }
    say("the code works until the next tree is published, and on media with a copy until that copy's end");
    say("next        commit `codes/`, then `anode build` and `anode publish`");
    Ok(())
}

fn check(options: &Check) -> Result<()> {
    let (repository, site) = open(&options.place)?;
    let text = read_code(&options.code)?;
    let secret = Secret::parse(&text).map_err(Refusal::from)?;
    for kdf in &site.root().policy.kdf {
        let locator = derive(&secret, site.id(), kdf)?.locator;
        if let Some(terms) = repository.codes.iter().find(|terms| terms.locator == locator) {
            print(&format!(
                "{}/{} {}, until {}",
                terms.organisation,
                terms.label,
                state(terms, clock::now()),
                terms.not_after
            ))?;
            return Ok(());
        }
    }
    Err(Refusal::CodeUnknown).context("it is well-formed, and this repository has no terms for it")
}

fn open(place: &Place) -> Result<(Repository, TrustedSite)> {
    let (repository, _) = repository::load(&place.repository).map_err(Faulty)?;
    let site = TrustedSite::with_config(&place.repository, repository.site.clone())?;
    Ok((repository, site))
}

fn find<'r>(repository: &'r Repository, name: &str) -> Result<&'r CodeTerms> {
    let full = |terms: &CodeTerms| format!("{}/{}", terms.organisation, terms.label);
    let found: Vec<&CodeTerms> =
        repository.codes.iter().filter(|terms| full(terms) == name || terms.label.as_str() == name).collect();
    match found.as_slice() {
        [terms] => Ok(terms),
        [] => {
            let names: Vec<String> = repository.codes.iter().map(full).collect();
            let near = crate::diagnose::nearest(name, names.iter().map(String::as_str));
            bail!(
                "there is no code `{name}`{}",
                near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
            )
        }
        _ => bail!("several organisations have a code `{name}`; write ORG/LABEL"),
    }
}

fn describe(terms: &CodeTerms) -> Terms<'_> {
    Terms {
        code: format!("{}/{}", terms.organisation, terms.label),
        organisation: &terms.organisation,
        label: &terms.label,
        profiles: &terms.profiles,
        not_before: terms.not_before,
        not_after: terms.not_after,
        uses: terms.uses,
        online: terms.online,
        status: state(terms, clock::now()),
        bound: !terms.machines.is_empty(),
        locator: terms.locator.to_string(),
    }
}

fn state(terms: &CodeTerms, now: Moment) -> &'static str {
    match terms.status {
        Status::UsedUp => "used-up",
        Status::Expired => "expired",
        Status::Active if terms.not_after < now => "expired",
        Status::Active if terms.not_before > now => "future",
        Status::Active => "active",
    }
}

fn read_code(source: &CodeSource) -> Result<Zeroizing<String>> {
    match source {
        Ok(Some(source)) => source.read(),
        Ok(None) => ask_code(),
        Err(problem) => Err(anyhow!("where the code comes from {problem}; or `-` to type it")),
    }
}

fn ask_code() -> Result<Zeroizing<String>> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("code: ").map(Zeroizing::new).context("reading the code");
    }
    let mut line = Zeroizing::new(String::with_capacity(256));
    std::io::stdin().read_line(&mut line).context("reading the code")?;
    Ok(line)
}

fn machine(text: &str) -> Result<Machine> {
    let (uuid, serial) = text.split_once(':').with_context(|| format!("`{text}` is not UUID:SERIAL"))?;
    Machine::new(uuid, serial).with_context(|| format!("`{text}`"))
}

fn answer(text: &str) -> Result<(Id, String)> {
    let (name, value) = text.split_once('=').with_context(|| format!("`{text}` is not NAME=VALUE"))?;
    Ok((Id::new(name)?, value.to_owned()))
}

pub(super) fn parse_id(text: &str) -> Result<Id, String> {
    Id::new(text).map_err(|bad| bad.to_string())
}
