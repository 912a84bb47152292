//! `anode`: compiles a git repository of installation profiles into a signed static tree.

use std::process::ExitCode;

use anode::cmd::{self, Cli};
use clap::Parser as _;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cmd::run(cli) {
        Ok(code) => code,
        Err(error) => cmd::report(&error),
    }
}
