//! State and cache folders in which somebody put other things than files: none is followed, waited for, or written through.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anode_tests::{Program, files, skip};

use crate::medium::{Medium, kept, release};

/// A state of release 2, and the names of its two most important files.
fn medium() -> (Medium, std::path::PathBuf, String) {
    let mut medium = Medium::new();
    medium.publish_more();
    let state = medium.path("state");
    assert_eq!(release(&medium.update(&state)), Some(2));
    let pair = kept(&state).into_keys().find(|name| name.starts_with("current/")).expect("a kept pair");
    (medium, state, pair)
}

fn pipe(at: &Path) {
    let _ = Program::new("mkfifo").arg(at).run().ok();
}

/// What is put in the place of `name`.
type Trick = fn(&Medium, &Path);

const TRICKS: [(&str, Trick); 5] = [
    ("a link to its own bytes", |medium, path| {
        let elsewhere = medium.path("elsewhere");
        fs::rename(path, &elsewhere).expect("moving");
        symlink(elsewhere, path).expect("a link");
    }),
    ("a link to nothing", |_, path| {
        fs::remove_file(path).expect("removing");
        symlink("/nonexistent/file", path).expect("a link");
    }),
    ("a pipe", |_, path| {
        fs::remove_file(path).expect("removing");
        pipe(path);
    }),
    ("a device", |_, path| {
        fs::remove_file(path).expect("removing");
        symlink("/dev/zero", path).expect("a link");
    }),
    ("a folder", |_, path| {
        fs::remove_file(path).expect("removing");
        fs::create_dir(path).expect("a folder");
    }),
];

#[test]
fn what_is_no_file_in_the_state_is_not_read_and_the_mirror_is_asked_instead() {
    for (what, trick) in TRICKS {
        for file in ["root/2.json", "pair"] {
            let (medium, state, pair) = medium();
            let name = if file == "pair" { &pair } else { file };
            trick(&medium, &state.join(name));
            let output = medium.update(&state);
            assert_eq!(release(&output), Some(2), "{what} as {name}: {output}");
            // A folder can not be replaced by a file; everything else is a file again.
            let replaced = fs::symlink_metadata(state.join(name)).expect("it").is_file();
            assert_eq!(replaced, what != "a folder", "{what} as {name}: {output}");
            let outside = medium.path("elsewhere");
            let good = medium.publisher.tree.get("root/2.json").expect("root 2");
            if outside.exists() && file == "root/2.json" {
                assert_eq!(fs::read(outside).expect("its bytes"), *good, "{what} was written through");
            }
        }
    }
}

#[test]
fn without_a_mirror_a_state_of_other_things_than_files_is_no_state() {
    for (what, trick) in TRICKS {
        let (medium, state, pair) = medium();
        trick(&medium, &state.join(&pair));
        let output = medium.update_offline(&state);
        assert_eq!(output.exit, Some(30), "{what}: {output}");
    }
}

#[test]
fn folders_that_are_links_are_not_walked_through() {
    let (medium, state, pair) = medium();
    let (elsewhere, current) = (medium.path("elsewhere"), state.join("current"));
    fs::rename(&current, &elsewhere).expect("moving");
    symlink(&elsewhere, &current).expect("a link");
    let before = files(&elsewhere);
    assert_eq!(medium.update_offline(&state).exit, Some(30), "{pair} was read through a link");
    let output = medium.update(&state);
    assert_eq!(release(&output), Some(2), "{output}");
    assert!(output.stdout.contains("writing `"), "that nothing could be kept is not told: {output}");
    assert_eq!(files(&elsewhere), before, "it was written through a link");
}

#[test]
fn a_state_that_is_a_file_is_told_and_left_alone() {
    let (medium, _, _) = medium();
    let file = medium.path("a-file");
    fs::write(&file, "mine").expect("writing");
    let output = medium.update(&file);
    assert!(!output.stderr.contains("panicked") && output.stdout.contains("a-file"), "{output}");
    assert_eq!(fs::read(&file).expect("the file"), b"mine");
}

#[test]
fn thousands_of_strange_names_in_the_state_do_no_harm() {
    let (medium, state, _) = medium();
    for number in 0..5000 {
        fs::write(state.join(format!("current/{number:016X}-x")), b"x").expect("writing");
    }
    for name in ["current/.hidden", "current/ blank ", "current/\u{1b}[2J", "current/ümlaut", "root/999999.json"] {
        fs::write(state.join(name), b"x").expect("writing");
    }
    let output = medium.update(&state);
    assert_eq!(release(&output), Some(2), "{output}");
    assert!(!output.stderr.contains('\u{1b}'), "{output}");
}

/// A machine whose cable is not plugged in: names do not resolve and addresses are nowhere.
#[test]
fn without_any_network_the_state_serves_at_once_and_an_empty_one_says_what_is_wrong() {
    if Program::new("unshare").args(["--map-root-user", "--net", "true"]).run().exit != Some(0) {
        return skip("this user may not make a network of its own");
    }
    let (medium, state, _) = medium();
    let isolated = |state: &Path, mirror: &str| {
        let run = Program::new("unshare").args(["--map-root-user", "--net"]).args(medium.words(state, &[mirror]));
        let begun = std::time::Instant::now();
        let output = run.run();
        assert!(begun.elapsed().as_secs() < 20, "{:?}: {output}", begun.elapsed());
        output
    };
    for mirror in ["https://install.example.org", "https://192.0.2.1", "https://[2001:db8::1]"] {
        let output = isolated(&state, mirror);
        assert_eq!(release(&output), Some(2), "{output}");
        let output = isolated(&medium.path("empty"), mirror);
        assert_eq!(output.exit, Some(30), "{output}");
    }
}
