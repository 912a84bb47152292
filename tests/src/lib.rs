//! What the whole-system tests share: programs that run under a limit, temporary sites, a real web server, the fetcher, a terminal.
//!
//! Nothing here links the crates under test. A test does what a person would do, with the programs a person has, and looks at exit
//! codes, files and text. What is started is ended by its process id when its owner is dropped, and every program has its own limit of time.

mod ceremony;
mod distribution;
mod fetch;
mod gpg;
mod kills;
mod medium;
mod mirror;
mod port;
mod program;
mod proxy;
mod site;
mod space;
mod terminal;
mod web;

pub use ceremony::{key_id, stock_key, stock_sign};
pub use distribution::{Distribution, apt_mirrors, debian_installer, downloads, programs_of_a_medium};
pub use fetch::{Fetch, Fetched};
pub use gpg::Gpg;
pub use kills::Kills;
pub use medium::Medium;
pub use mirror::{Fault, Mirror};
pub use port::Port;
pub use program::{Output, Program, anode, binary};
pub use proxy::Proxy;
pub use site::{Code, Site, read_json};
pub use space::SmallDisk;
pub use terminal::Terminal;
pub use web::{Authority, Nginx, Plan};

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The root of the source repository.
#[must_use]
pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// Polls until `done`, at most a minute.
///
/// # Panics
/// If it never comes, naming `what`.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every file below a folder with its bytes; links are followed. What a tree is, for comparing it.
#[must_use]
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    collect(folder, "", &mut found);
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("reading {}: {error}", folder.display())) {
        let entry = entry.expect("an entry of a folder");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{name}/"), found);
        } else {
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
            found.insert(name, bytes);
        }
    }
}

/// Copies a folder with everything in it; links become what they point to.
pub fn copy_folder(from: &Path, to: &Path) {
    for (name, bytes) in files(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder of the copy");
        fs::write(path, bytes).expect("a file of the copy");
    }
}

/// Names that differ between two sets of files.
#[must_use]
pub fn differing(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

/// Says that a test can not check anything on this machine, and why.
///
/// # Panics
/// Where everything has to be tested: in CI, a test that checks nothing is one that failed.
#[track_caller]
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI_REQUIRE_VALIDATORS").is_none(), "{why}, and everything has to be tested here");
    eprintln!("skipped: {why}");
}

/// A program file. Another process writes it: a file that this one has open for writing could be inherited by whatever another thread starts at that
/// moment, and then can not be run.
pub fn program_file(path: &Path, text: &str) {
    let _ = Program::new("install").args(["-m", "755", "/dev/stdin"]).arg(path).input(text).run().ok();
}

/// The time in so many days, as the command lines take it.
#[must_use]
pub fn in_days(days: u32) -> String {
    moment(&format!("+{days} days"))
}

/// A time in the words of date(1), such as `1 hour ago`, as the command lines take it.
#[must_use]
pub fn moment(words: &str) -> String {
    let date = Program::new("date").args(["-u", "-d", words, "+%Y-%m-%dT%H:%M:%SZ"]);
    date.run().ok().stdout.trim().to_owned()
}
