//! Killed, or refused by the disk, at every system call that touches the state.

use std::path::{Path, PathBuf};

use anode_tests::{Output, Program, SmallDisk, copy_folder};

use crate::medium::{Files, Medium, assert_same, is_part_of, kept, release};
use crate::tracer::{Point, for_each, traced, with_fault};

/// A medium with a state of release 1, a mirror with release 2, and every call between them that touches the state.
struct Scene {
    medium: Medium,
    old: PathBuf,
    old_files: Files,
    new_files: Files,
    points: Vec<Point>,
}

impl Scene {
    fn new() -> Scene {
        Scene::with(Medium::publish_more)
    }

    fn with(news: impl FnOnce(&mut Medium)) -> Scene {
        let mut medium = Medium::new();
        let old = medium.path("old");
        assert_eq!(release(&medium.update(&old)), Some(1));
        news(&mut medium);
        let new = medium.path("new");
        copy_folder(&old, &new);
        let (output, points) = traced(&medium.words(&new, &[&medium.host.url]), &new);
        assert_eq!(release(&output), Some(2), "{output}");
        let (old_files, new_files) = (kept(&old), kept(&new));
        assert!(old_files != new_files && points.len() > 20, "{points:?}");
        for name in ["openat", "mkdirat", "write", "fsync", "renameat"] {
            assert!(points.iter().any(|point| point.name == name), "no `{name}` touches the state: {points:?}");
        }
        Scene { medium, old, old_files, new_files, points }
    }

    /// Updates a copy of the old state, with `fault` at `point`.
    fn run_with(&self, point: &Point, fault: &str) -> (PathBuf, Output) {
        let state = self.medium.path(&format!("{fault}-{}-{}", point.name, point.number));
        copy_folder(&self.old, &state);
        let output = with_fault(&self.medium.words(&state, &[&self.medium.host.url]), point, fault);
        (state, output)
    }

    /// Old or new in every file, usable without any network, and whole again after the next run.
    fn check(&self, state: &Path, what: &str) {
        let torn = kept(state);
        assert!(is_part_of(&torn, &[&self.old_files, &self.new_files]), "{what}: {:?}", torn.keys());
        let offline = self.medium.update_offline(state);
        assert!(matches!(release(&offline), Some(1 | 2)), "{what}: {offline}");
        let online = self.medium.update(state);
        assert_eq!(release(&online), Some(2), "{what}: {online}");
        assert_same(&kept(state), &self.new_files, what);
    }
}

#[test]
fn killed_at_any_call_that_touches_the_state_leaves_the_old_or_the_new_one() {
    let scene = Scene::new();
    for_each(&scene.points, |point| {
        let (state, output) = scene.run_with(point, "signal=KILL");
        assert_eq!(output.exit, None, "{point:?} did not kill it: {output}");
        scene.check(&state, &format!("killed at {point:?}"));
    });
}

/// Documents of a key that the newest root no longer lists can not be read any more, and are removed. Between the two there is no tree without a mirror.
#[test]
fn killed_while_a_rotated_key_takes_its_documents_along_is_whole_again_with_a_mirror() {
    let scene = Scene::with(|medium| {
        medium.publisher.rotate("timestamp");
        medium.publisher.publish();
        medium.host.serve(medium.publisher.tree.clone());
    });
    assert!(scene.points.iter().any(|point| point.name == "unlinkat"), "nothing is removed: {:?}", scene.points);
    assert_eq!(scene.new_files.keys().filter(|name| name.starts_with("current/")).count(), 1);
    for_each(&scene.points, |point| {
        let (state, output) = scene.run_with(point, "signal=KILL");
        assert_eq!(output.exit, None, "{point:?} did not kill it: {output}");
        let torn = kept(&state);
        assert!(is_part_of(&torn, &[&scene.old_files, &scene.new_files]), "{point:?}: {:?}", torn.keys());
        let offline = scene.medium.update_offline(&state);
        assert!(matches!(offline.exit, Some(0 | 30)), "{point:?}: {offline}");
        assert_eq!(release(&scene.medium.update(&state)), Some(2), "{point:?}");
        // What the old key signed verifies no more; it goes with the next pair that is kept.
        let whole = kept(&state);
        let complete = scene.new_files.iter().all(|(name, bytes)| whole.get(name) == Some(bytes));
        assert!(complete && is_part_of(&whole, &[&scene.old_files, &scene.new_files]), "{point:?}: {:?}", whole.keys());
    });
}

#[test]
fn a_disk_that_refuses_any_call_leaves_the_old_or_the_new_state_and_the_run_goes_on() {
    let scene = Scene::new();
    let faults = [("openat", "EACCES"), ("mkdirat", "EROFS"), ("write", "ENOSPC"), ("fsync", "EIO")];
    let fault = |name: &str| faults.iter().find(|(call, _)| *call == name).map_or("ENOSPC", |(_, fault)| *fault);
    for_each(&scene.points, |point| {
        let error = fault(&point.name);
        let (state, output) = scene.run_with(point, &format!("error={error}"));
        let what = format!("{error} at {point:?}");
        // Documents that could not be kept are no reason to refuse documents that verify.
        assert_eq!(release(&output), Some(2), "{what}: {output}");
        scene.check(&state, &what);
    });
}

#[test]
fn killed_at_random_moments_leaves_the_old_or_the_new_state() {
    let scene = Scene::new();
    for milliseconds in 0..40 {
        let state = scene.medium.path(&format!("random-{milliseconds}"));
        copy_folder(&scene.old, &state);
        let words = scene.medium.words(&state, &[&scene.medium.host.url]);
        let program = Program::new(&words[0]).args(&words[1..]);
        let _ = program.killed_after(std::time::Duration::from_micros(milliseconds * 700));
        scene.check(&state, &format!("killed after {milliseconds} · 0.7 ms"));
    }
}

#[test]
fn a_full_disk_keeps_the_old_state_and_says_so() {
    let Some(disk) = SmallDisk::new(1) else { return };
    let scene = Scene::new();
    let state = disk.path().join("state");
    copy_folder(&scene.old, &state);
    disk.fill(0);
    let output = scene.medium.update(&state);
    assert_eq!(release(&output), Some(2), "{output}");
    assert!(output.stdout.contains("no space left") || output.stdout.contains("No space left"), "{output}");
    assert_same(&kept(&state), &scene.old_files, "a full disk");
    disk.empty();
    scene.check(&state, "a disk that was full");
}

#[test]
fn a_read_only_disk_keeps_the_old_state_and_says_so() {
    let Some(disk) = SmallDisk::new(1) else { return };
    let scene = Scene::new();
    let state = disk.path().join("state");
    copy_folder(&scene.old, &state);
    disk.read_only(true);
    let output = scene.medium.update(&state);
    assert_eq!(release(&output), Some(2), "{output}");
    assert!(output.stdout.to_lowercase().contains("read-only"), "{output}");
    assert_same(&kept(&state), &scene.old_files, "a read-only disk");
    disk.read_only(false);
    scene.check(&state, "a disk that was read-only");
}
