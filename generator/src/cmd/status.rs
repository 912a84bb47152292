//! `anode status`: one screen that says what ends when and who must do what. Its exit status is for monitoring.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anode_bundle::Moment;
use anode_bundle::client::Transport;
use anyhow::{Context as _, Result};
use clap::Args;

use super::build::{Prepared, previous_tree};
use super::reach::{self, DEFAULT_PROPOSAL, DEFAULT_TREE, is_address};
use super::{Place, print, print_json, report};
use crate::build::{Previous, draft, memo_file};
use crate::documents::says_the_same;
use crate::expiry::span;
use crate::keys::{KeyRing, SecretName};
use crate::plan::{Memo, needed_secrets};
use crate::publish::read_timestamp;
use crate::secrets::Purpose;
use crate::status::{Codes, Drift, Level, Row, Status, View};
use crate::tree::TreeFolder;
use crate::{clock, trusted};

/// The screen of a serial line.
const COLUMNS: usize = 80;
const LINES: usize = 24;

#[derive(Args)]
#[command(after_help = "Exit status: 0 nothing to do, 1 something to do soon, 2 alarm, 3 it could not be found out.")]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// What `anode publish` wrote, or its address [default: the site's first address]
    #[arg(long, value_name = "DIR|URL")]
    to: Option<String>,
    /// Trust these certificate authorities only (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where CI's proposal would lie, in strict mode [default: .anode/proposal in the repository]
    #[arg(long, value_name = "DIR")]
    proposal: Option<PathBuf>,
    /// Judge lifetimes at this moment, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = clock::parse_moment)]
    now: Option<Moment>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let looked = look(options).and_then(|status| {
        if options.json {
            print_json(&status)?
        } else {
            show(&status)?.iter().try_for_each(|line| print(line))?
        }
        Ok(status.level)
    });
    Ok(match looked {
        Ok(Level::Fine) => ExitCode::SUCCESS,
        Ok(Level::Warning) => ExitCode::from(1),
        Ok(Level::Alarm) => ExitCode::from(2),
        Err(error) => {
            report(&error);
            ExitCode::from(3)
        }
    })
}

fn look(options: &Options) -> Result<Status> {
    let folder = &options.place.repository;
    let now = options.now.unwrap_or_else(clock::now);
    let (mut prepared, ring) = Prepared::load(folder, now, |site| options.place.ring(site), Purpose::Look)?;
    let at = options.to.clone().or_else(|| prepared.repository.site.urls.first().cloned());
    let at = at.context("`anode.toml` names no address of the site: say with `--to DIR|URL` where it is published")?;
    let (mut transport, base) = if is_address(&at) || Path::new(&at).is_dir() {
        reach::open(&at, options.ca.as_deref())?
    } else {
        // Where nothing was ever published there is no folder yet.
        (Box::new(TreeFolder::new(Path::new(&at))) as Box<dyn Transport>, at.clone())
    };
    let published = previous_tree(&at, options.ca.as_deref(), &mut prepared.site).map_err(|error| format!("{error:#}"));
    let (drift, published) = match published {
        Ok(Some(tree)) => {
            let trees = [tree];
            let drift = drift(options, &mut prepared, &ring, &trees)?;
            let [tree] = trees;
            (drift, Ok(Some(tree)))
        }
        other => (Drift::Unknown, other),
    };
    let built = read_timestamp(&folder.join(DEFAULT_TREE))?.map(|timestamp| timestamp.release.version);
    let proposal = options.proposal.clone().unwrap_or_else(|| folder.join(DEFAULT_PROPOSAL));
    let view = View {
        repository: &prepared.repository,
        site: &prepared.site,
        at: &base,
        published: published.as_ref().map(Option::as_ref).map_err(Clone::clone),
        built,
        drift,
        now,
    };
    Ok(view.status(transport.as_mut(), &proposal))
}

/// Would a build make another release? Only whoever has the seal secret can tell.
fn drift(options: &Options, prepared: &mut Prepared, ring: &KeyRing, published: &[Previous]) -> Result<Drift> {
    let folder = &options.place.repository;
    // What packs hold of the site's secrets is only known to a build.
    if !ring.has(SecretName::Seal) || !needed_secrets(&prepared.repository).is_empty() {
        return Ok(Drift::Unknown);
    }
    let seal = trusted::seal_root(folder, ring)?;
    let memo = Memo::read(&seal, &memo_file(folder), &folder.join(DEFAULT_TREE));
    // As of the last refresh: no build may be earlier, and that time goes on is no drift.
    let Some(release) = published.iter().find_map(Previous::release) else { return Ok(Drift::Differs) };
    let refreshed = published.iter().filter_map(Previous::timestamp).map(|timestamp| timestamp.issued).max();
    let at = refreshed.map_or(release.issued, |refreshed| refreshed.max(release.issued));
    let draft = draft(&prepared.source(at), &seal, &memo, published)?;
    let same = says_the_same(release, &draft.plan.content, prepared.site.root(), prepared.site.days());
    Ok(if same { Drift::Equal } else { Drift::Differs })
}

/// The lines of the screen: never more than it has.
fn show(status: &Status) -> Result<Vec<String>> {
    let mut lines = vec![
        format!("site       {} ({})", status.name, status.site),
        format!("published  {}", status.at),
        String::new(),
        format!("{:<10} {:>7}  {:<10}  {:<10}  {:<9}  signed by", "", "version", "issued", "until", "left"),
    ];
    lines.extend(status.documents.iter().map(row));
    lines.push(String::new());
    let version = |number: Option<u64>| number.map_or("nothing".to_owned(), |number| format!("release {number}"));
    let drift = match status.repository {
        Drift::Equal => "what the repository says",
        Drift::Differs => "not what the repository says",
        Drift::Unknown if status.published.is_none() => "and so not compared",
        Drift::Unknown => "not compared: the seal secret is not here",
    };
    lines.push(format!("is         {}, {drift}", version(status.published)));
    lines.push(format!("built      {}", version(status.built)));
    lines.push(format!("codes      {}", codes(&status.codes)));
    lines.push(String::new());
    if status.tasks.is_empty() {
        lines.push("nothing to do".to_owned());
    }
    for (number, task) in status.tasks.iter().enumerate() {
        let level = match task.level {
            Level::Alarm => "ALARM",
            Level::Warning | Level::Fine => "warning",
        };
        let by = task.by.map(|by| format!(", by {}", by.date())).unwrap_or_default();
        let left = status.tasks.len() - number;
        if lines.len() + 2 > LINES - usize::from(left > 1) {
            lines.push(format!("… and {left} more: `anode status --json`"));
            break;
        }
        lines.push(format!("{level:<10} {}{by}", task.what));
        lines.push(format!("           {}", task.remedy));
    }
    Ok(lines.iter().map(|line| fit(line)).collect())
}

fn row(row: &Row) -> String {
    let expiry = &row.expiry;
    let keys = row.keys.join(", ");
    let by = if row.keys.len() > 1 { format!("{} of {keys}", row.threshold) } else { keys };
    format!(
        "{:<10} {:>7}  {:<10}  {:<10}  {:<9}  {by}",
        expiry.document,
        expiry.version,
        expiry.issued.date(),
        expiry.expires.date(),
        if expiry.seconds_left == 0 { "over".to_owned() } else { span(expiry.seconds_left) }
    )
}

fn codes(codes: &Codes) -> String {
    let mut text = format!("{} active", codes.active);
    if codes.over > 0 {
        text += &format!(", {} over", codes.over);
    }
    if let Some(first) = codes.ending.first() {
        text += &format!(", {} end within 14 days: {} on {}", codes.ending.len(), first.code, first.not_after.date());
    }
    text
}

/// What does not fit on the screen is cut where one sees it.
fn fit(line: &str) -> String {
    if line.chars().count() <= COLUMNS {
        return line.to_owned();
    }
    let mut cut: String = line.chars().take(COLUMNS - 1).collect();
    cut.push('…');
    cut
}
