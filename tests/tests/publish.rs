//! `anode publish` and `anode refresh`: readers see the old tree or the new one, and only one publisher at a time.

use std::fs;
use std::time::Instant;

use anode_tests::{Kills, Site, SmallDisk, copy_folder, differing, files, read_json};

#[test]
fn a_publish_that_is_killed_leaves_the_old_tree_or_the_new_one() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    site.change_title("First");
    let _ = site.build().run().ok();
    let begun = Instant::now();
    let _ = site.publish().run().ok();
    let duration = begun.elapsed();
    let (mut kills, mut title) = (Kills::over(duration), String::new());
    for round in 0.. {
        if kills.suffice(16, 5) {
            break;
        }
        title = format!("Round {round}");
        site.change_title(&title);
        let _ = site.build().run().ok();
        let (old, new) = (files(&site.current()), files(&site.tree()));
        kills.strike(site.publish());
        let _ = site.verify(site.current()).ok();
        let published = files(&site.current());
        let is = |tree: &std::collections::BTreeMap<String, Vec<u8>>| {
            published["timestamp.signed"] == tree["timestamp.signed"]
        };
        assert!(is(&old) || is(&new), "neither the old tree nor the new one");
    }
    let _ = site.publish().run().ok();
    let fetched = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(fetched.selection()["title"], title.as_str());
}

#[test]
fn a_full_disk_during_a_publish_leaves_the_old_tree() {
    let site = Site::new();
    let Some(disk) = SmallDisk::new(8) else { return };
    let publish =
        || site.anode(&["publish"]).arg("--ca").arg(site.authority.certificate()).arg("--to").arg(disk.path()).run();
    // The address in anode.toml serves the ordinary place, which therefore comes first.
    site.release();
    let _ = publish().ok();
    site.change_title("Changed");
    site.release();
    let before = files(&disk.path().join("current"));
    for kilobytes in [0, 8, 16, 32] {
        disk.fill(kilobytes);
        let published = publish();
        if published.exit == Some(0) {
            assert!(kilobytes > 8, "a full disk is not full: {published}");
            return;
        }
        let _ = published.fails(&["No space left on device"]);
        assert_eq!(differing(&before, &files(&disk.path().join("current"))), Vec::<String>::new());
        disk.empty();
    }
    let _ = publish().ok();
    assert_ne!(files(&disk.path().join("current")), before);
}

#[test]
fn a_read_only_place_is_named_and_left_alone() {
    let site = Site::published();
    let Some(disk) = SmallDisk::new(8) else { return };
    disk.read_only(true);
    let published = site.anode(&["publish"]).arg("--to").arg(disk.path().join("site")).run();
    let _ = published.fails(&["Read-only file system", disk.path().to_str().expect("text")]);
}

#[test]
fn of_two_publishers_the_second_is_refused() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &[]);
    site.release();
    let twin = site.scratch("twin");
    copy_folder(&site.repository(), &twin);
    site.change_title("Ours");
    site.release();
    let ours = files(&site.current());
    // The twin started from the same release and knows nothing of ours.
    let command = |name: &str| {
        let command = anode_tests::anode([name, "-C"]).arg(&twin).env("ANODE_KEYS", site.keys());
        if name == "publish" {
            command.arg("--to").arg(site.target()).arg("--ca").arg(site.authority.certificate())
        } else {
            command
        }
    };
    fs::write(twin.join("anode.toml"), fs::read_to_string(twin.join("anode.toml")).expect("text") + "\n# theirs\n")
        .expect("writing");
    let profile = twin.join(Site::SERVER).join("profile.toml");
    let text = fs::read_to_string(&profile).expect("the profile").replacen("title = \"", "title = \"Theirs: ", 1);
    fs::write(&profile, text).expect("writing");
    let _ = command("build").run().ok();
    let _ = command("publish").run().fails(&["somebody else published", "--previous"]);
    assert_eq!(files(&site.current()), ours);
    // The remedy that it names works.
    let _ = command("build").arg("--previous").arg(site.target()).run().ok();
    let _ = command("publish").run().ok();
    assert_ne!(files(&site.current()), ours);
}

#[test]
fn of_publishers_at_the_same_moment_one_wins_and_the_others_are_refused() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    for round in 0..3 {
        // Each was built on what is published now.
        let trees: Vec<_> = (0..4).map(|number| site.scratch(&format!("tree-{round}-{number}"))).collect();
        for (number, tree) in trees.iter().enumerate() {
            site.change_title(&format!("Round {round}, publisher {number}"));
            let _ = site.build().arg("--out").arg(tree).arg("--previous").arg(site.target()).run().ok();
        }
        let site = &site;
        let refresh = || site.anode(&["refresh"]).arg("--to").arg(site.target()).run();
        let (published, refreshed) = std::thread::scope(|scope| {
            let publish = |tree: &std::path::PathBuf| site.publish().arg("--tree").arg(tree).run();
            let threads: Vec<_> = trees.iter().map(|tree| scope.spawn(move || publish(tree))).collect();
            let refreshed = refresh();
            let outputs: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("a publisher")).collect();
            (outputs, refreshed)
        });
        let (won, lost): (Vec<_>, Vec<_>) = published.into_iter().partition(|output| output.exit == Some(0));
        for output in lost {
            assert!(
                ["another publisher writes to", "somebody else published in between"]
                    .iter()
                    .any(|reason| output.stderr.contains(reason)),
                "{output}"
            );
        }
        // A refresh in front of all of them is the only thing that may refuse everybody.
        assert!(won.len() == 1 || won.is_empty() && refreshed.exit == Some(0), "{} won", won.len());
        let _ = site.verify(site.current()).ok();
        if won.is_empty() {
            let _ = site.publish().arg("--tree").arg(&trees[0]).run().ok();
        }
        let title = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().selection()["title"].to_string();
        assert!(title.contains(&format!("Round {round}, publisher")), "{title}");
    }
}

#[test]
fn a_tree_that_the_medium_would_not_accept_is_not_published() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &[]);
    site.release();
    let before = files(&site.current());
    site.change_title("Changed");
    let _ = site.build().run().ok();
    let good = site.scratch("good");
    copy_folder(&site.tree(), &good);
    let names: Vec<String> = files(&good).into_keys().filter(|name| !name.ends_with("lineage")).collect();
    let mut refused = 0;
    for name in names
        .iter()
        .filter(|name| name.starts_with("objects/") || name.contains("2.json") || name.starts_with("timestamp"))
    {
        let mut bytes = fs::read(good.join(name)).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(site.tree().join(name), bytes).expect("writing");
        let published = site.publish().run();
        assert_ne!(published.exit, Some(0), "{name} was published\n{published}");
        refused += 1;
        assert_eq!(files(&site.current()), before, "{name}");
        fs::copy(good.join(name), site.tree().join(name)).expect("copying");
    }
    // Release and timestamp, and objects of both releases: those that only the older one needs are refused too.
    assert!(names.contains(&"release/2.json".to_owned()) && refused > 10, "{refused} of {names:?}");
}

#[test]
fn refresh_signs_a_new_timestamp_and_nothing_else() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let before = files(&site.current());
    // The nightly job sees the timestamp key only.
    let secret = fs::read_to_string(site.keys().join("timestamp.key")).expect("the key");
    let refresh = site.anode(&["refresh"]).arg("--to").arg(site.target()).env("ANODE_KEYS", site.scratch("none"));
    let _ = refresh.env("ANODE_TIMESTAMP_KEY", secret).run().ok();
    let changed = differing(&before, &files(&site.current()));
    assert_eq!(changed, ["timestamp.json", "timestamp.json.minisig", "timestamp.signed"]);
    assert_eq!(read_json(&site.current().join("timestamp.json"))["version"], 2);
    let _ = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().files();
    // A build that knows only the first timestamp is still newer than the second.
    site.change_title("Changed");
    site.release();
    let timestamp = read_json(&site.current().join("timestamp.json"));
    assert!(timestamp["version"].as_u64() >= Some(3), "{timestamp}");
}

#[test]
fn verify_finds_every_damaged_object_and_says_which() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &[]);
    site.release();
    assert_ne!(site.verify(&site.web.url).exit, Some(0), "a private authority must be named");
    let by_address = anode_tests::anode(["verify", &site.web.url, "--ca"])
        .arg(site.authority.certificate())
        .arg("--root")
        .arg(site.root());
    let _ = by_address.run().ok();
    let copy = site.scratch("copy");
    copy_folder(&site.current(), &copy);
    for name in files(&copy.join("objects")).into_keys() {
        let path = copy.join("objects").join(&name);
        let good = fs::read(&path).expect("an object");
        fs::write(&path, &good[..good.len() - 1]).expect("writing");
        let _ = site.verify(&copy).fails(&[&name]);
        fs::write(&path, good).expect("writing");
    }
    let _ = site.verify(&copy).ok();
    let late = anode_tests::anode(["verify"])
        .arg(&copy)
        .args(["--now", &anode_tests::in_days(200)])
        .arg("--root")
        .arg(site.root());
    let _ = late.run().fails(&["expire"]);
    let json = anode_tests::anode(["verify", "--json", "--now", &anode_tests::in_days(200)]).arg(&copy).arg("--root");
    let refused = json.arg(site.root()).run();
    assert_eq!(refused.exit, Some(21), "{refused}");
    let json = refused.json();
    assert_eq!((&json["sound"], &json["code"]), (&false.into(), &"metadata-expired".into()), "{refused}");
}

#[test]
fn only_what_everybody_may_read_is_published() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &["--label", "private-label"]);
    site.release();
    for (name, bytes) in files(&site.target()) {
        let text = String::from_utf8_lossy(&bytes);
        for secret in ["private-label", "d-i ", "rootpw"] {
            assert!(!text.contains(secret), "`{secret}` is in {name}");
        }
        let salt = fs::read_to_string(site.repository().join("keys/seal.salt")).expect("the salt");
        assert!(!text.contains(salt.trim()), "the seal salt is in {name}");
    }
}

#[test]
fn a_file_of_the_tree_that_lost_its_end_is_refused_and_mended_by_the_next_build() {
    let site = Site::new();
    let _ = site.code(&[Site::SERVER], &[]);
    let _ = site.build().run().ok();
    let whole = files(&site.tree());
    let objects: Vec<_> = whole.keys().filter(|name| name.starts_with("objects/")).collect();
    assert!(objects.len() > 3, "{objects:?}");
    for (number, name) in objects.iter().enumerate() {
        let path = site.tree().join(name);
        let length = [0, whole[*name].len() - 1, whole[*name].len() + 1][number % 3];
        // As a disk does that was full or lost power: the build's second copy of the objects is the same file.
        fs::File::options().write(true).open(&path).and_then(|file| file.set_len(length as u64)).expect("a file");
    }
    let _ = site.publish().run().fails(&["the tree is not sound; nothing was published"]);
    let _ = site.build().run().ok();
    assert_eq!(differing(&whole, &files(&site.tree())), Vec::<String>::new());
    let _ = site.publish().run().ok();
    // Also what the next build makes its tree of is whole.
    site.change_title("Changed");
    let _ = site.build().run().ok();
    let _ = site.publish().run().ok();
}
