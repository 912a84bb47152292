//! `strace`: which system calls touch a folder, and a run in which exactly one of them kills the program or fails.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anode_tests::{Output, Program};

const WATCHED: &str =
    "trace=openat,mkdir,mkdirat,write,fsync,rename,renameat,renameat2,unlink,unlinkat,rmdir,chmod,fchmod,fchmodat";

/// The `number`-th call of `name`.
#[derive(Debug, Clone)]
pub struct Point {
    pub name: String,
    pub number: usize,
}

/// Runs these words, and finds the calls that touch something below `folder`.
pub fn traced(words: &[OsString], folder: &Path) -> (Output, Vec<Point>) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    // -y: the paths of open files are in the trace.
    let strace = Program::new("strace").args(["-f", "-y", "-s", "0", "-e", WATCHED, "-o"]).arg(file.path());
    let output = strace.args(words).run();
    let trace = std::fs::read_to_string(file.path()).expect("the trace");
    let mut counts = BTreeMap::new();
    let mut points = Vec::new();
    for line in trace.lines() {
        let Some((before, _)) = line.split_once('(') else { continue };
        let name = before.split_whitespace().last().unwrap_or_default().to_owned();
        let number: &mut usize = counts.entry(name.clone()).or_default();
        *number += 1;
        if line.contains(&*folder.to_string_lossy()) {
            points.push(Point { name, number: *number });
        }
    }
    (output, points)
}

/// Runs these words with `fault` (`signal=KILL`, `error=ENOSPC`) at `point`.
pub fn with_fault(words: &[OsString], point: &Point, fault: &str) -> Output {
    let inject = format!("inject={}:{fault}:when={}", point.name, point.number);
    let strace = Program::new("strace").args(["-f", "-o", "/dev/null", "-e", WATCHED, "-e", &inject]);
    let output = strace.args(words).run();
    assert!(!output.stderr.contains("panicked"), "{fault} at {point:?}: {output}");
    output
}

/// Hands the points out to a few threads: each run is short and waits much.
pub fn for_each(points: &[Point], check: impl Fn(&Point) + Sync) {
    std::thread::scope(|scope| {
        for part in points.chunks(points.len().div_ceil(4)) {
            let check = &check;
            scope.spawn(move || part.iter().for_each(check));
        }
    });
}
