//! Two that write one lock file at the same time: the second is refused before it reads anything, so that nothing of the first is lost.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anode_tests::{Distribution, Fault, Mirror, Program, Site};

use crate::desk::{KERNEL, signed};

/// Begins it, and comes back when the mirror was asked for `path` and holds the answer back.
fn begun(program: Program, mirror: &Mirror, path: &str) -> Child {
    mirror.fault(path, Fault::Held);
    let mut command = program.into_command();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !mirror.requests().iter().any(|asked| asked == path) {
        assert!(child.try_wait().unwrap().is_none(), "it ended without asking for `{path}`");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

#[test]
fn a_second_lock_is_refused_while_one_is_at_work_and_the_first_loses_nothing() {
    let desk = signed();
    let mut first = begun(desk.lock(&[]), &desk.mirror, KERNEL);
    let file = desk.repository().join("anode.lock");
    let refusal = format!("another `anode lock` is about to write `{}`: wait until it is done", file.display());
    for arguments in [&[][..], &["--update"], &["pc"]] {
        let _ = desk.lock(arguments).run().fails(&[&refusal, ".anode/anode.lock.busy"]);
    }
    assert_eq!(desk.mirror.requests(), [""; 0], "who is refused asks nobody");
    assert_eq!(desk.text(), "");

    desk.mirror.mend();
    assert!(first.wait().unwrap().success());
    assert!(desk.text().contains(&desk.sum(KERNEL)), "{}", desk.text());
    let _ = desk.lock(&["--update"]).run().ok();
}

#[test]
fn a_lock_that_was_killed_keeps_nobody_out() {
    let desk = signed();
    let mut first = begun(desk.lock(&[]), &desk.mirror, KERNEL);
    first.kill().unwrap();
    let _ = first.wait().unwrap();
    desk.mirror.mend();
    let _ = desk.lock(&[]).run().ok();
}

#[test]
fn a_check_changes_nothing_and_waits_for_nobody() {
    let desk = signed();
    let _ = desk.lock(&[]).run().ok();
    let other = Mirror::new();
    desk.profile("server", &format!("mirror = \"{}\"", other.url()));
    let mut first = begun(desk.lock(&[]), &other, KERNEL);
    let _ = desk.lock(&["--check"]).run().fails(&["is not pinned"]);
    first.kill().unwrap();
    let _ = first.wait().unwrap();
}

#[test]
fn a_second_lock_of_a_medium_is_refused_while_one_is_at_work() {
    let site = Site::new();
    let distribution = Distribution::new();
    distribution.sign("");
    distribution.trust(&site.repository());
    let url = distribution.mirror.url();
    let lock = || {
        let lock = site.anode(&["medium", "lock", "--packages-from", &url, "--security-from", &url]);
        lock.env("XDG_CACHE_HOME", site.scratch("cache"))
    };
    let mut first = begun(lock(), &distribution.mirror, "dists/bookworm/InRelease");
    let file = site.repository().join("medium.lock");
    let refusal = format!("another `anode medium lock` is about to write `{}`", file.display());
    let _ = lock().run().fails(&[&refusal, ".anode/medium.lock.busy"]);
    assert_eq!(text(&site.repository(), "medium.lock"), "");
    distribution.mirror.mend();
    assert!(first.wait().unwrap().success());
    assert!(text(&site.repository(), "medium.lock").contains("busybox-static"));
    let _ = lock().run().ok();
}
