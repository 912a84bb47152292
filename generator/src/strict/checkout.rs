//! What git says of the repository's folder: which commit it is, and whether it is exactly that commit.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The commit that the folder is checked out at. Nothing may lie in it that is not part of the commit, ignored files included: whatever a build could
/// read has to be what everybody else sees.
///
/// # Errors
/// If the folder is no git checkout, or differs from its commit.
pub fn head(folder: &Path) -> Result<String> {
    let commit = git(folder, &["rev-parse", "--verify", "HEAD^{commit}"])?.trim().to_owned();
    let status = git(folder, &["status", "--porcelain", "--untracked-files=all", "--ignored", "--", "."])?;
    // What earlier builds left behind is no input of a build.
    let ours = format!("{}.anode/", git(folder, &["rev-parse", "--show-prefix"])?.trim());
    let paths = status.lines().map(|line| line.get(3..).unwrap_or(line));
    let foreign: Vec<&str> = paths.filter(|path| !path.starts_with(&ours)).collect();
    ensure!(
        foreign.is_empty(),
        "`{}` differs from its commit {commit}: {}{}; commit, or use a fresh clone",
        folder.display(),
        foreign.iter().take(5).copied().collect::<Vec<_>>().join(", "),
        if foreign.len() > 5 { format!(" and {} more", foreign.len() - 5) } else { String::new() }
    );
    Ok(commit)
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    // Neither secrets nor settings of whoever runs this: a hook or a filter would decide what is clean.
    command.env_clear().envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.env("LC_ALL", "C.UTF-8").arg("-C").arg(folder).args([
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.quotePath=false",
    ]);
    let output = command.args(arguments).output().context("running `git`")?;
    ensure!(
        output.status.success(),
        "asking git about `{}`: {}",
        folder.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("reading what git says")
}
