//! The copy of the site on a stick: brought up to date in its place, and used where no mirror answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anode_tests::{Kills, Program, Site, SmallDisk, files};

/// A published site with a code, so that a changed profile is another release.
fn published() -> Site {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &[]);
    site.release();
    site
}

/// The partition that `anode medium usb` makes, as it is when it is mounted.
fn partition(site: &Site) -> PathBuf {
    let folder = site.scratch("stick");
    fs::create_dir_all(folder.join("anode")).expect("a folder");
    folder
}

fn refresh(site: &Site, stick: &Path) -> Program {
    site.anode(&["medium", "refresh"]).arg(stick).arg("--ca").arg(site.authority.certificate())
}

/// What `anode verify` says of the copy.
#[track_caller]
fn version(site: &Site, stick: &Path) -> u64 {
    site.verify(stick.join("anode/tree")).ok().json()["release"]["version"].as_u64().expect("a version")
}

#[test]
fn a_stick_that_was_refreshed_installs_a_machine_that_no_mirror_answers() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let stick = partition(&site);
    let first = refresh(&site, &stick).run().ok();
    assert_eq!(version(&site, &stick), site.release_version());
    let again = refresh(&site, &stick).run().ok();
    assert!(again.stderr.contains(" 0 files written"), "{again}");

    site.change_title("A newer server");
    site.release();
    let newer = refresh(&site, &stick).run().ok();
    assert_eq!(version(&site, &stick), site.release_version());
    let written = |said: &str| -> u32 {
        let words: Vec<&str> = said.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "refreshed").expect("a report");
        words[at + 1].parse().expect("a number")
    };
    assert!(written(&newer.stderr) < written(&first.stderr), "{newer}");
    // Nothing of the older release is left.
    assert_eq!(fs::read_dir(stick.join("anode/tree/release")).expect("releases").count(), 2);
    let offline = site.fetch_from(&[], &code.text).option("--cache", stick.join("anode/tree"));
    let offline = offline.answers(Site::SERVER_ANSWERS).run();
    assert_eq!(offline.selection()["source"], "cache");
    assert_eq!(offline.selection()["title"], "A newer server");
}

#[test]
fn a_refresh_that_is_killed_leaves_the_old_copy_or_the_new_one() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let stick = partition(&site);
    // A machine reads `timestamp.signed` alone; its two parts for people may belong to the other copy.
    let title = || {
        let offline = site.fetch_from(&[], &code.text).option("--cache", stick.join("anode/tree"));
        offline.answers(Site::SERVER_ANSWERS).run().selection()["title"].as_str().expect("a title").to_owned()
    };
    let begun = Instant::now();
    let _ = refresh(&site, &stick).run().ok();
    let duration = begun.elapsed();
    let (mut kills, mut old, mut new) = (Kills::over(duration), title(), String::new());
    for round in 0.. {
        if kills.suffice(10, 3) {
            break;
        }
        new = format!("Round {round}");
        site.change_title(&new);
        site.release();
        kills.strike(refresh(&site, &stick));
        let found = title();
        assert!(found == old || found == new, "{found}");
        old = found;
    }
    let _ = refresh(&site, &stick).run().ok();
    assert_eq!((version(&site, &stick), title()), (site.release_version(), new));
    let left = files(&stick);
    assert!(left.keys().all(|path| !path.contains(".new-")), "{:?}", left.keys());
}

#[test]
fn a_stick_that_the_kernel_made_read_only_is_said_with_how_to_repair_it_and_its_copy_stays() {
    let site = published();
    let Some(disk) = SmallDisk::new(8) else { return };
    let stick = disk.path();
    fs::create_dir(stick.join("anode")).expect("a folder");
    let _ = refresh(&site, stick).run().ok();
    let before = files(stick);
    site.change_title("Newer");
    site.release();
    disk.read_only(true);
    let _ = refresh(&site, stick).run().fails(&[
        "can not be written",
        "repair it with `fsck.fat -a`",
        "Read-only file system",
    ]);
    assert_eq!(files(stick), before);
    disk.read_only(false);
    let _ = refresh(&site, stick).run().ok();
    assert_eq!(version(&site, stick), site.release_version());
}

#[test]
fn the_copy_of_another_site_and_a_folder_that_is_no_stick_are_left_alone() {
    let (site, other) = (published(), published());
    let stick = partition(&site);
    let _ = refresh(&site, &stick).run().ok();
    fs::create_dir(stick.join("anode-stage")).expect("a folder");
    fs::write(stick.join("anode-stage/initrd"), "answers").expect("a file");
    let before = files(&stick);
    let _ = refresh(&other, &stick).run().fails(&["is a copy of the site", &site.id(), "nothing was written"]);
    assert_eq!(files(&stick), before);
    let unstaged = refresh(&site, &stick).run().ok();
    assert!(
        unstaged.stderr.contains("is removed with its answers") && !stick.join("anode-stage").exists(),
        "{unstaged}"
    );
    let home = site.scratch("home");
    fs::create_dir(&home).expect("a folder");
    let _ = refresh(&site, &home).run().fails(&["has no folder `anode`", "ANODE-DATA"]);
    assert!(files(&home).is_empty());
}

#[test]
fn a_copy_that_is_newer_than_the_mirrors_is_kept() {
    let site = published();
    let stick = partition(&site);
    let behind = site.scratch("behind");
    anode_tests::copy_folder(&site.current(), &behind);
    site.change_title("A newer server");
    site.release();
    let _ = refresh(&site, &stick).run().ok();
    let (newer, before) = (site.release_version(), files(&stick));
    let mirror = anode_tests::Nginx::tree(&behind, &site.authority);
    site.edit("anode.toml", &site.web.url, &mirror.url);
    let kept = refresh(&site, &stick).run().ok();
    assert!(kept.stderr.contains("kept "), "{kept}");
    assert_eq!((version(&site, &stick), files(&stick)), (newer, before));
}

#[test]
fn a_stick_without_room_is_found_before_anything_is_written() {
    let site = published();
    let Some(disk) = SmallDisk::new(4) else { return };
    fs::create_dir(disk.path().join("anode")).expect("a folder");
    let _ = refresh(&site, disk.path()).run().ok();
    let old = version(&site, disk.path());
    disk.fill(8);
    site.change_title("A newer server");
    site.release();
    let _ = refresh(&site, disk.path()).run().fails(&["bytes free", "nothing was written", "larger stick"]);
    assert_eq!(version(&site, disk.path()), old);
    disk.empty();
    let _ = refresh(&site, disk.path()).run().ok();
    assert_eq!(version(&site, disk.path()), site.release_version());
}

/// Opening a pipe that nobody holds would wait for ever.
#[test]
fn a_pipe_or_a_link_in_the_place_of_a_file_makes_a_refresh_neither_wait_nor_read() {
    let site = published();
    let stick = partition(&site);
    let _ = refresh(&site, &stick).run().ok();
    let whole = files(&stick);
    let release = format!("release/{}.json", site.release_version());
    let outside = site.scratch("outside");
    for path in ["timestamp.signed", release.as_str(), "root/1.json", "objects/aa/pipe"] {
        let place = stick.join("anode/tree").join(path);
        for kind in ["pipe", "link"] {
            fs::create_dir_all(place.parent().expect("a folder")).expect("folders");
            let _ = fs::rename(&place, &outside);
            match kind {
                "pipe" => drop(Program::new("mkfifo").arg(&place).run().ok()),
                _ => std::os::unix::fs::symlink(&outside, &place).expect("a link"),
            }
            let said = refresh(&site, &stick).run().ok();
            assert!(said.stderr.contains("refreshed "), "{path}, {kind}: {said}");
            assert_eq!(files(&stick), whole, "{path}, {kind}");
        }
    }
}
