//! Rotating the keys of every role, end to end: media that were made before follow, and the old key opens nothing any more.

use std::fs;
use std::path::PathBuf;

use anode_tests::{Code, Fetched, Nginx, Program, Site, copy_folder, files, read_json, stock_sign};

/// A site with a machine that has been there before: its state folder holds what the first root signed.
struct Lived {
    site: Site,
    code: Code,
    state: PathBuf,
    /// The first root, as the medium carries it.
    medium: PathBuf,
}

impl Lived {
    fn new() -> Lived {
        let site = Site::new();
        let code = site.code(&[Site::SERVER], &[]);
        site.release();
        let medium = site.scratch("medium");
        copy_folder(&site.repository().join("keys/root"), &medium);
        let lived = Lived { state: site.scratch("state"), site, code, medium };
        let _ = lived.fetch(&lived.site.web.url).files();
        lived
    }

    /// The machine that has been there before, at an address.
    fn fetch(&self, url: &str) -> Fetched {
        self.medium(url).option("--state", &self.state).answers(Site::SERVER_ANSWERS).run()
    }

    /// A machine that has never been there, at an address.
    fn fetch_anew(&self, url: &str) -> Fetched {
        self.medium(url).answers(Site::SERVER_ANSWERS).run()
    }

    fn medium(&self, url: &str) -> anode_tests::Fetch {
        let fetch = anode_tests::Fetch::new(&self.medium.join("1.json")).option("--site", url);
        fetch.option("--ca", self.site.authority.certificate()).option("--code", &self.code.text)
    }

    fn root(&self, arguments: &[&str]) {
        let _ = self.site.anode(&["root", arguments[0]]).args(&arguments[1..]).run().ok();
    }

    /// Signs the proposal with what the key folder has, builds, publishes; machines old and new follow to a release with this title.
    fn complete(&self, title: &str) {
        self.site.sign_root();
        self.site.change_title(title);
        self.site.release();
        assert_eq!(self.fetch(&self.site.web.url).selection()["title"], title);
        assert_eq!(self.fetch_anew(&self.site.web.url).selection()["title"], title);
    }

    /// A copy of the published tree whose timestamp says what `change` makes of it, signed with a key of the key folder.
    fn forged(&self, key: &str, change: impl FnOnce(&mut serde_json::Value)) -> Nginx {
        let copy = self.site.scratch(&format!("forged-by-{key}"));
        let _ = fs::remove_dir_all(&copy);
        copy_folder(&self.site.current(), &copy);
        self.sign_timestamp(&copy, key, change);
        Nginx::tree(&copy, &self.site.authority)
    }

    fn sign_timestamp(&self, tree: &std::path::Path, key: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let mut timestamp = read_json(&tree.join("timestamp.json"));
        change(&mut timestamp);
        let (body, signature) = (tree.join("timestamp.json"), tree.join("timestamp.json.minisig"));
        fs::write(&body, format!("{timestamp}\n")).expect("writing");
        let comment = format!("anode/1 timestamp {} {}", timestamp["version"], self.site.id());
        let secret = self.site.keys().join(format!("{key}.key"));
        let _ = stock_sign(&body, &secret, &comment, &signature).ok();
        let both = [fs::read(signature).expect("a signature"), fs::read(body).expect("a body")].concat();
        fs::write(tree.join("timestamp.signed"), both).expect("writing");
    }

    fn timestamp(&self) -> u64 {
        read_json(&self.site.current().join("timestamp.json"))["version"].as_u64().expect("a version")
    }
}

/// A newer timestamp by this key is worth nothing: a new machine refuses, an old one stays with what it knows.
fn is_locked_out(lived: &Lived, key: &str) {
    let version = lived.timestamp() + 5;
    let forged = lived.forged(key, |timestamp| timestamp["version"] = version.into());
    let _ = lived.fetch_anew(&forged.url).refused(20, "signature-invalid");
    let old = lived.fetch(&forged.url);
    assert!(old.output.exit == Some(20) || old.json["warnings"].to_string().contains("key"), "{}", old.output);
    let honest = lived.forged(&newest_key(lived), |timestamp| timestamp["version"] = version.into());
    let _ = lived.fetch_anew(&honest.url).files();
}

/// The file of the timestamp key that the newest root lists.
fn newest_key(lived: &Lived) -> String {
    let rows = lived.site.anode(&["key", "list", "--json"]).run().ok().json();
    let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["role"] == "timestamp")).cloned();
    row.expect("a timestamp key")["name"].as_str().expect("a name").to_owned()
}

#[test]
fn a_rotated_timestamp_key_signs_from_then_on_and_the_old_one_is_refused() {
    let lived = Lived::new();
    lived.root(&["rotate", "timestamp"]);
    let before = lived.site.release_version();
    lived.complete("After the rotation");
    assert_eq!(newest_key(&lived), "timestamp-2");
    // Versions go on: no file name is used for two documents.
    assert_eq!((lived.site.release_version(), lived.timestamp()), (before + 1, 2));
    is_locked_out(&lived, "timestamp");
    let refresh = lived.site.anode(&["refresh"]).arg("--to").arg(lived.site.target());
    let _ = refresh.run().ok();
    assert_eq!(lived.timestamp(), 3);
    let _ = lived.fetch(&lived.site.web.url).files();
}

#[test]
fn a_rotated_release_key_signs_from_then_on_and_the_old_one_is_refused() {
    let lived = Lived::new();
    lived.root(&["rotate", "release"]);
    let before = lived.site.release_version();
    lived.complete("After the rotation");
    assert_eq!(lived.site.release_version(), before + 1);
    // The old key signs a release of its own; the timestamp key is made to name it.
    let copy = lived.site.scratch("forged-release");
    copy_folder(&lived.site.current(), &copy);
    let version = before + 2;
    let mut release = read_json(&copy.join(format!("release/{}.json", before + 1)));
    release["version"] = version.into();
    let body = copy.join(format!("release/{version}.json"));
    fs::write(&body, format!("{release}\n")).expect("writing");
    let comment = format!("anode/1 release {version} {}", lived.site.id());
    let sign = |key: &str| {
        let signature = copy.join(format!("release/{version}.json.minisig"));
        let _ = stock_sign(&body, &lived.site.keys().join(format!("{key}.key")), &comment, &signature).ok();
    };
    sign("release");
    let bytes = fs::read(&body).expect("the release");
    let hash = Program::new("sha256sum").arg(&body).run().ok().stdout[..64].to_owned();
    lived.sign_timestamp(&copy, "timestamp", |timestamp| {
        timestamp["version"] = 9.into();
        timestamp["release"] = serde_json::json!({"version": version, "length": bytes.len(), "sha256": hash});
    });
    let forged = Nginx::tree(&copy, &lived.site.authority);
    let _ = lived.fetch_anew(&forged.url).refused(20, "signature-invalid");
    sign("release-2");
    let _ = lived.fetch_anew(&forged.url).files();
}

#[test]
fn rotated_root_keys_make_the_next_root_and_the_old_ones_nothing() {
    let lived = Lived::new();
    lived.root(&["rotate", "root", "--replace", "root-1", "--name", "anna"]);
    lived.root(&["rotate", "root", "--replace", "root-2", "--name", "bert"]);
    let status = lived.site.root_status();
    // One of the old pair and one of the new has to sign.
    assert_eq!(status["proposal"]["signatures_left"], 2, "{status}");
    lived.complete("With new root keys");
    lived.root(&["change", "--site-name", "Renamed"]);
    for (key, counts) in [("root-1", false), ("root-2", false), ("bert", true)] {
        let signed = lived.site.anode(&["root", "sign", "--key", key]).run();
        if counts {
            let _ = signed.ok();
        } else {
            let _ = signed.fails(&["neither of root 2 nor of root 3", "count for nothing"]);
        }
    }
    lived.site.change_title("Third root");
    lived.site.release();
    assert_eq!(lived.fetch(&lived.site.web.url).selection()["site_title"], "Renamed");
    // Whoever still has both old keys makes another third root: no medium takes it.
    let copy = lived.site.scratch("forged-root");
    copy_folder(&lived.site.current(), &copy);
    for (name, _) in files(&copy.join("root")) {
        if name.starts_with("3.json.") {
            fs::remove_file(copy.join("root").join(name)).expect("removing");
        }
    }
    let body = copy.join("root/3.json");
    let text = fs::read_to_string(&body).expect("root 3").replace("Renamed", "Taken over");
    fs::write(&body, text).expect("writing");
    for key in ["root-1", "root-2"] {
        let comment = format!("anode/1 root 3 {}", lived.site.id());
        // Under the name that the client asks for, and under its own.
        for id in [lived.site.key_id("anna"), lived.site.key_id(key)] {
            let signature = copy.join(format!("root/3.json.{id}.minisig"));
            let _ = stock_sign(&body, &lived.site.keys().join(format!("{key}.key")), &comment, &signature).ok();
        }
    }
    let forged = Nginx::tree(&copy, &lived.site.authority);
    let _ = lived.fetch_anew(&forged.url).refused(20, "signature-invalid");
}

#[test]
fn a_threshold_of_one_becomes_two_of_three_and_one_signature_is_not_enough_any_more() {
    let lived = Lived::new();
    let _ = lived.site.anode(&["key", "new", "carl", "--role", "root"]).run().ok();
    lived.root(&["add-key", "--role", "root", "carl", "--threshold", "2"]);
    lived.complete("Two of three");
    lived.root(&["rotate", "timestamp"]);
    for (key, complete) in [("root-2", false), ("carl", true)] {
        let _ = lived.site.anode(&["root", "sign", "--key", key]).run().ok();
        assert_eq!(lived.site.root_status()["proposal"].is_null(), complete, "{key}");
    }
    lived.site.change_title("Signed by two");
    lived.site.release();
    assert_eq!(lived.fetch(&lived.site.web.url).selection()["title"], "Signed by two");
    is_locked_out(&lived, "timestamp");
}

#[test]
fn a_thief_who_ran_ahead_to_the_end_of_all_numbers_is_left_behind_by_a_rotation() {
    let lived = Lived::new();
    let end = (1_u64 << 53) - 1;
    // The thief has the timestamp key and the host.
    lived.sign_timestamp(&lived.site.current(), "timestamp", |timestamp| timestamp["version"] = end.into());
    let _ = lived.fetch(&lived.site.web.url).files();
    lived.site.change_title("Stuck");
    let _ = lived.site.build().arg("--previous").arg(lived.site.target()).run().fails(&["timestamp"]);
    lived.root(&["rotate", "timestamp"]);
    lived.site.sign_root();
    lived.site.change_title("Free again");
    let _ = lived.site.build().arg("--previous").arg(lived.site.target()).run().ok();
    let _ = lived.site.publish().run().ok();
    assert!(lived.timestamp() < 100, "{}", lived.timestamp());
    // The release key was not rotated, so its floor holds and versions went on.
    assert_eq!(lived.site.release_version(), 2);
    assert_eq!(lived.fetch(&lived.site.web.url).selection()["title"], "Free again");
    let _ = lived.site.anode(&["refresh"]).arg("--to").arg(lived.site.target()).run().ok();
}

#[test]
fn a_thief_who_named_a_release_that_nobody_has_is_left_behind_too() {
    let lived = Lived::new();
    lived.sign_timestamp(&lived.site.current(), "timestamp", |timestamp| {
        timestamp["version"] = 9.into();
        timestamp["release"]["version"] = 77.into();
    });
    let build = || lived.site.build().arg("--previous").arg(lived.site.target()).run();
    let _ = build().fails(&["release/77.json"]);
    lived.root(&["rotate", "timestamp"]);
    lived.site.sign_root();
    lived.site.change_title("Free again");
    let _ = build().ok();
    let _ = lived.site.publish().run().ok();
    assert_eq!((lived.site.release_version(), lived.timestamp()), (2, 10));
    assert_eq!(lived.fetch(&lived.site.web.url).selection()["title"], "Free again");
}

#[test]
fn nothing_is_signed_under_a_root_that_the_tree_does_not_hold() {
    let lived = Lived::new();
    lived.site.change_title("Built before");
    let _ = lived.site.build().run().ok();
    lived.root(&["rotate", "timestamp"]);
    lived.site.sign_root();
    let before = files(&lived.site.current());
    let refresh = || lived.site.anode(&["refresh"]).arg("--to").arg(lived.site.target()).run();
    let _ = refresh().fails(&["root 2 is complete", "build and publish first"]);
    let _ = lived.site.publish().run().fails(&["root 2 is complete", "build again"]);
    assert_eq!(files(&lived.site.current()), before);
    lived.site.release();
    let _ = refresh().ok();
    let _ = lived.fetch(&lived.site.web.url).files();
}

#[test]
fn in_ci_the_variable_has_to_hold_the_key_that_the_newest_root_lists() {
    let lived = Lived::new();
    lived.root(&["rotate", "release"]);
    lived.site.sign_root();
    let key = |name: &str| fs::read_to_string(lived.site.keys().join(name)).expect("the key");
    let build = |secret: String| lived.site.build().env("ANODE_RELEASE_KEY", secret).run();
    let _ = build(key("release.key")).fails(&[&lived.site.key_id("release"), "is not in root 2"]);
    let _ = build(key("release-2.key")).ok();
}

#[test]
fn while_a_role_has_two_keys_either_signs_and_then_the_old_one_goes() {
    let lived = Lived::new();
    let _ = lived.site.anode(&["key", "new", "ci", "--role", "release"]).run().ok();
    lived.root(&["add-key", "--role", "release", "ci"]);
    lived.complete("Both keys count");
    let secret = fs::read_to_string(lived.site.keys().join("ci.key")).expect("the key");
    lived.site.change_title("Signed by the new one");
    let _ = lived.site.build().env("ANODE_RELEASE_KEY", &secret).run().ok();
    let _ = lived.site.publish().run().ok();
    assert_eq!(lived.fetch(&lived.site.web.url).selection()["title"], "Signed by the new one");
    lived.root(&["remove-key", "release"]);
    lived.site.sign_root();
    // The old key's file is still there, and is not the one that is taken.
    lived.site.change_title("Only the new one");
    lived.site.release();
    assert_eq!(lived.fetch(&lived.site.web.url).selection()["title"], "Only the new one");
    fs::remove_file(lived.site.keys().join("ci.key")).expect("removing");
    lived.site.change_title("Nobody can sign this");
    let _ = lived.site.build().run().fails(&[&lived.site.key_id("release"), "is not in root 3"]);
}

#[test]
fn a_published_tree_of_another_site_is_no_previous_tree_even_after_a_rotation() {
    let lived = Lived::new();
    lived.root(&["rotate", "timestamp"]);
    lived.site.sign_root();
    let other = Site::published();
    let _ = lived.site.build().arg("--previous").arg(other.target()).run().fails(&["verifying the timestamp"]);
}
