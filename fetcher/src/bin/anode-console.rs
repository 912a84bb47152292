//! `anode-console`: what a person at the boot medium sees around `anode-fetch`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(anode_fetch::medium::run(std::env::args_os().skip(1).collect()))
}
