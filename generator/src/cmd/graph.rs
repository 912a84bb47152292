//! `anode graph`: a picture of who inherits from whom.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{Place, print};
use crate::diagnose::Faulty;
use crate::graph::Graph;
use crate::repository;

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// For a browser, or for Graphviz
    #[arg(long, value_enum, default_value_t = Format::Svg)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Svg,
    Dot,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let (repository, _) = repository::load(&options.place.repository).map_err(Faulty)?;
    let graph = Graph::of(&repository);
    let text = match options.format {
        Format::Svg => graph.to_svg(),
        Format::Dot => graph.to_dot(),
    };
    print(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
