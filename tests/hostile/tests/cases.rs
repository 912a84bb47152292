//! Every case of `cases/`, each under its name.

use std::path::Path;

use anode_hostile::World;
use anode_hostile::case::Theme;
use libtest_mimic::{Arguments, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    // A case waits for a program and for time to pass more than it computes.
    arguments.test_threads = arguments.test_threads.or(Some(8));
    let mut trials = Vec::new();
    for (file, theme) in Theme::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")) {
        for case in theme.cases.into_iter().filter(|case| case.rust.is_none()) {
            let name = format!("{file}::{}", case.name.replace(' ', "_"));
            trials.push(Trial::test(name, move || World::run(&case).map_err(Into::into)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}
