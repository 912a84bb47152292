//! Completions and man pages, from the definition that also makes `--help`.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, print};

#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(Args)]
pub(super) struct Man {
    /// The folder to write them to
    dir: PathBuf,
}

pub(super) fn completions(options: &Completions) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "anode", &mut script);
    io::Write::write_all(&mut io::stdout(), &script).context("writing to stdout")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(options: &Man) -> Result<ExitCode> {
    fs::create_dir_all(&options.dir).with_context(|| format!("creating `{}`", options.dir.display()))?;
    clap_mangen::generate_to(Cli::command(), &options.dir)
        .with_context(|| format!("writing to `{}`", options.dir.display()))?;
    print(&options.dir.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}
