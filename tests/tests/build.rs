//! `anode build`: equal inputs, equal bytes; whatever interrupts it, the previous tree is still there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use anode_tests::{Kills, Program, Site, SmallDisk, copy_folder, differing, files, in_days, moment};

#[test]
fn building_twice_gives_the_same_bytes_signatures_excepted() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER, Site::WORKSTATION], &["--expires", &in_days(300)[..10]]);
    let epoch = Program::new("date").arg("+%s").run().ok().stdout.trim().to_owned();
    let twin = site.scratch("twin");
    copy_folder(&site.repository(), &twin);
    let build = |repository: &Path, name: &str| {
        let out = site.scratch(name);
        let build =
            anode_tests::anode(["build", "-C"]).arg(repository).arg("--out").arg(&out).env("ANODE_KEYS", site.keys());
        let _ = build.env("TZ", "Pacific/Apia").env("SOURCE_DATE_EPOCH", &epoch).run().ok();
        files(&out)
    };
    let (one, other) = (build(&site.repository(), "one"), build(&twin, "other"));
    let different = differing(&one, &other);
    let signed = |name: &String| name.ends_with(".minisig") || name == "timestamp.signed";
    let unexpected: Vec<_> = different.iter().filter(|name| !signed(name)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    let body = |tree: &std::collections::BTreeMap<String, Vec<u8>>| {
        let text = String::from_utf8(tree["timestamp.signed"].clone()).expect("text");
        text.lines().skip(4).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(body(&one), body(&other));
}

#[test]
fn an_unchanged_input_keeps_the_release_byte_for_byte() {
    let site = Site::new();
    let _ = site.build().run().ok();
    let before = files(&site.tree());
    let again = site.build().run().ok();
    assert!(again.stderr.contains("unchanged"), "{again}");
    assert_eq!(differing(&before, &files(&site.tree())), Vec::<String>::new());
}

#[test]
fn a_changed_profile_writes_its_pack_and_a_new_release_and_little_else() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &[]);
    let _ = site.build().run().ok();
    let before = files(&site.tree());
    site.change_title("Changed");
    let _ = site.build().run().ok();
    let changed = differing(&before, &files(&site.tree()));
    let objects: Vec<_> = changed.iter().filter(|name| name.starts_with("objects/")).collect();
    assert!(changed.contains(&"release/2.json".to_owned()), "{changed:?}");
    assert!((1..=10).contains(&objects.len()), "{objects:?}");
}

#[test]
fn the_memory_of_earlier_builds_changes_no_byte() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &[]);
    let _ = site.build().run().ok();
    let with = files(&site.tree().join("objects"));
    fs::remove_dir_all(site.repository().join(".anode")).expect("removing the tree and the memory");
    let _ = site.build().run().ok();
    assert_eq!(differing(&with, &files(&site.tree().join("objects"))), Vec::<String>::new());
}

/// Terms of codes that nobody has: locators and keys that look like those of real ones.
fn write_terms(site: &Site, count: u8) {
    let probe = fs::read_to_string(site.repository().join("keys/probe.toml")).expect("the probe's terms");
    let kdf = probe.lines().find(|line| line.starts_with("kdf = ")).expect("its policy");
    for number in 0..count {
        let hex = |part: u8| format!("{number:02x}{part:02x}").repeat(16);
        site.write(
            &format!("codes/{}/c{number:03}.toml", Site::ORGANISATION),
            &format!(
                "locator = \"{}\"\npublic_key = \"{}\"\nclaim_key = \"{}\"\n{kdf}\nprofiles = [\"{}\"]\n\
                 not_before = \"2026-01-01T00:00:00Z\"\nnot_after = \"2099-01-01T00:00:00Z\"\n",
                hex(1),
                hex(2),
                hex(3),
                if number % 2 == 0 { Site::SERVER } else { Site::WORKSTATION },
            ),
        );
    }
}

#[test]
fn what_builds_leave_beside_the_tree_saves_time_and_changes_no_byte_whatever_becomes_of_it() {
    let site = Site::new();
    write_terms(&site, 100);
    let (left, kept) = (site.repository().join(".anode"), site.scratch("kept"));
    let build = |at: &str| site.build().args(["--at", at]).run().ok();
    let (first, second) = (moment("2 hours ago"), moment("1 hour ago"));
    let _ = build(&first);
    // Second names stay second names, as they are for a build.
    let copy = |from: &Path, to: &Path| {
        let _ = fs::remove_dir_all(to);
        let _ = Program::new("cp").arg("-a").arg(from).arg(to).run().ok();
    };
    copy(&left, &kept);
    site.change_title("Changed");
    let rebuilt = |spoil: &dyn Fn(&Path)| {
        copy(&kept, &left);
        spoil(&left);
        let said = build(&second);
        assert_eq!(site.verify(site.tree()).ok().json()["findings"], serde_json::json!([]));
        (files(&site.tree()), said.stderr)
    };
    let object = |folder: &Path| {
        let names = files(folder).into_keys();
        folder.join(names.into_iter().next().expect("an object"))
    };
    let (wanted, said) = rebuilt(&|left| {
        fs::remove_file(left.join("memo")).expect("the memory");
        fs::remove_dir_all(left.join(".tree.spare")).expect("the spare objects");
    });
    assert!(said.contains("100 activations") || said.contains("101 activations"), "{said}");
    type Spoil<'s> = &'s dyn Fn(&Path);
    let spoilt: [(&str, Spoil<'_>); 9] = [
        ("as it is", &|_| {}),
        ("without memory", &|left| fs::remove_file(left.join("memo")).expect("the memory")),
        ("a damaged memory", &|left| {
            let mut memo = fs::read(left.join("memo")).expect("the memory");
            *memo.last_mut().expect("an entry") ^= 1;
            fs::write(left.join("memo"), memo).expect("writing");
        }),
        ("a memory that ends early", &|left| fs::write(left.join("memo"), "anodemm1").expect("writing")),
        ("without spare", &|left| fs::remove_dir_all(left.join(".tree.spare")).expect("the spare")),
        ("a spare object with other bytes", &|left| {
            let object = object(&left.join(".tree.spare"));
            fs::remove_file(&object).expect("removing");
            fs::write(&object, "damaged").expect("writing");
        }),
        ("a spare of another tree", &|left| {
            fs::remove_dir_all(left.join(".tree.spare/00")).ok();
            fs::create_dir_all(left.join(".tree.spare/zz/deep")).expect("a folder");
            fs::write(left.join(".tree.spare/zz/deep/foreign"), "foreign").expect("writing");
            fs::write(left.join(".tree.spare/foreign"), "foreign").expect("writing");
        }),
        ("a spare that is a file", &|left| {
            fs::remove_dir_all(left.join(".tree.spare")).expect("the spare");
            fs::write(left.join(".tree.spare"), "a file").expect("writing");
        }),
        ("a spare that leads elsewhere", &|left| {
            fs::remove_dir_all(left.join(".tree.spare")).expect("the spare");
            fs::create_dir_all(site.scratch("precious/aa")).expect("a folder");
            fs::write(site.scratch("precious/aa/mine"), "mine").expect("writing");
            symlink(site.scratch("precious"), left.join(".tree.spare")).expect("a link");
        }),
    ];
    for (name, spoil) in spoilt {
        assert_eq!(differing(&wanted, &rebuilt(spoil).0), Vec::<String>::new(), "{name}");
    }
    assert_eq!(fs::read(site.scratch("precious/aa/mine")).expect("still there"), b"mine");
    // And a build that nothing was left for has the same objects.
    let fresh = site.scratch("fresh");
    let _ = site.build().arg("--out").arg(&fresh).args(["--at", &second]).run().ok();
    for (name, bytes) in files(&fresh.join("objects")) {
        assert_eq!(wanted.get(&format!("objects/{name}")), Some(&bytes), "{name}");
    }
}

#[test]
fn a_build_that_is_killed_leaves_the_old_tree_or_the_new_one() {
    let site = Site::published();
    for number in 0..40 {
        let _ = site.code(&[Site::SERVER, Site::WORKSTATION], &["--label", &format!("c{number}")]);
    }
    let begun = Instant::now();
    let _ = site.build().run().ok();
    let duration = begun.elapsed();
    let (mut kills, mut kept) = (Kills::over(duration), 0);
    for round in 0.. {
        if kills.suffice(24, 10) && kept >= 5 {
            break;
        }
        assert!(round < 240, "{kept} builds before their end");
        site.change_title(&format!("Round {round}"));
        let before = files(&site.tree());
        kills.strike(site.build());
        let audit = site.verify(site.tree()).ok();
        assert_eq!(audit.json()["findings"], serde_json::json!([]), "{audit}");
        let after = files(&site.tree());
        if after == before {
            kept += 1;
        } else {
            assert!(differing(&before, &after).iter().any(|name| name == "timestamp.signed"), "half a tree");
        }
    }
    site.change_title("After it all");
    let _ = site.build().run().ok();
    let left: Vec<_> =
        fs::read_dir(site.repository().join(".anode")).expect("the folder").filter_map(Result::ok).collect();
    let left: Vec<_> = left.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(!left.iter().any(|name| name.ends_with(".new")), "{left:?}");
}

#[test]
fn a_full_disk_during_a_build_leaves_everything_as_it_was() {
    let site = Site::new();
    let Some(disk) = SmallDisk::new(8) else { return };
    let out = disk.path().join("tree");
    let build = || site.build().arg("--out").arg(&out).run();
    let _ = build().ok();
    let before = files(&out);
    site.change_title("Changed");
    for kilobytes in [0, 4, 8, 16, 24, 32, 48, 64] {
        disk.fill(kilobytes);
        let built = build();
        if built.exit == Some(0) {
            assert!(kilobytes > 8, "a full disk is not full: {built}");
            return;
        }
        let _ = built.fails(&["No space left on device", out.parent().expect("a parent").to_str().expect("text")]);
        assert_eq!(differing(&before, &files(&out)), Vec::<String>::new());
        disk.empty();
    }
    let _ = build().ok();
    assert_ne!(files(&out), before);
}

#[test]
fn a_read_only_target_is_named_and_left_alone() {
    let site = Site::new();
    let Some(disk) = SmallDisk::new(8) else { return };
    let out = disk.path().join("tree");
    let _ = site.build().arg("--out").arg(&out).run().ok();
    let before = files(&out);
    site.change_title("Changed");
    disk.read_only(true);
    let _ = site
        .build()
        .arg("--out")
        .arg(&out)
        .run()
        .fails(&["Read-only file system", disk.path().to_str().expect("text")]);
    assert_eq!(files(&out), before);
    disk.read_only(false);
    let _ = site.build().arg("--out").arg(&out).run().ok();
}

#[test]
fn a_folder_with_something_else_in_it_is_never_overwritten() {
    let site = Site::new();
    let out = site.scratch("home");
    fs::create_dir(&out).expect("a folder");
    fs::write(out.join("precious"), "mine").expect("writing");
    let _ = site.build().arg("--out").arg(&out).run().fails(&["home", "something else than a tree"]);
    assert_eq!(files(&out).into_keys().collect::<Vec<_>>(), ["precious"]);
    let init = anode_tests::anode(["init"]).arg(&out).arg("--keys").arg(site.scratch("other-keys")).run();
    let _ = init.fails(&["home", "not empty"]);
    assert!(!site.scratch("other-keys").exists(), "keys of a site that was not made");
    // Nor are keys.
    let again = anode_tests::anode(["init"]).arg(site.scratch("second")).arg("--keys").arg(site.keys()).run();
    let _ = again.fails(&["never overwritten"]);
}

#[test]
fn missing_foreign_and_readable_keys_are_named_with_the_remedy() {
    let site = Site::new();
    let keys = site.scratch("some-keys");
    let fresh = || {
        let _ = fs::remove_dir_all(&keys);
        copy_folder(&site.keys(), &keys);
        for name in files(&keys).keys() {
            let _ = Program::new("chmod").arg("600").arg(keys.join(name)).run().ok();
        }
    };
    let build = || site.build().env("ANODE_KEYS", &keys).run();
    fresh();
    let _ = build().ok();
    let _ = fs::remove_dir_all(site.repository().join(".anode"));
    fresh();
    fs::remove_file(keys.join("release.key")).expect("removing");
    let _ = build().fails(&["release.key", "--keys", "ANODE_RELEASE_KEY"]);
    fresh();
    let _ = Program::new("chmod").arg("644").arg(keys.join("seal.secret")).run().ok();
    let _ = build().fails(&["seal.secret", "chmod 600"]);
    fresh();
    fs::copy(keys.join("timestamp.key"), keys.join("release.key")).expect("copying");
    let _ = build().fails(&["release"]);
    fresh();
    fs::write(keys.join("release.key"), "untrusted comment: nothing\nAAAA\n").expect("writing");
    let _ = build().fails(&["release.key"]);
    let other = Site::new();
    let foreign = site.build().env("ANODE_KEYS", other.keys()).run();
    let _ = foreign.fails(&["release"]);
    assert!(!site.tree().exists(), "something was built");
}

#[test]
fn secrets_can_come_from_the_environment_as_in_ci() {
    let site = Site::new();
    let secret = |name: &str| fs::read_to_string(site.keys().join(name)).expect("a secret");
    let build = site.build().env("ANODE_KEYS", site.scratch("nothing-here"));
    let build =
        build.env("ANODE_RELEASE_KEY", secret("release.key")).env("ANODE_TIMESTAMP_KEY", secret("timestamp.key"));
    let _ = build.env("ANODE_SEAL_SECRET", secret("seal.secret")).run().ok();
}

#[test]
fn a_time_before_the_previous_build_is_refused() {
    let site = Site::new();
    let _ = site.build().run().ok();
    site.change_title("Changed");
    let _ = site.build().args(["--at", "2020-01-01T00:00:00Z"]).run().fails(&["2020-01-01", "earlier"]);
    let _ = site.build().args(["--at", "yesterday"]).run().fails(&["yesterday"]);
}

#[test]
fn a_tree_that_is_built_into_the_repository_is_no_part_of_it() {
    let site = Site::new();
    let _ = site.build().args(["--out"]).arg(site.repository().join("public")).run().ok();
    let _ = site.anode(&["check"]).run().ok();
}
