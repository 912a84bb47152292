//! `anode-fetch`: the program on the boot medium.

use std::process::ExitCode;

use anode_fetch::cli;
use anode_fetch::host::ThisMachine;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("error: {panic}\nhelp: this is a bug: please report it with the command line, without the code");
        std::process::exit(i32::from(anode_bundle::ExitCode::Internal.number()));
    }));
    let arguments = std::env::args_os().skip(1).collect();
    ExitCode::from(cli::run(&mut ThisMachine::default(), arguments).number())
}
