//! A root that waits for signatures: everybody is told, nobody publishes it, and nothing beside it may be wrong.

use std::fs;
use std::path::Path;

use anode_tests::{Output, Program, Site, files, in_days, read_json, stock_key, stock_sign};

#[test]
fn a_root_that_waits_is_never_published_and_everybody_is_told() {
    let site = Site::published();
    let _ = site.anode(&["root", "new", "--threshold", "2"]).run().ok();
    let waits = "root 2 waits for 2 more signatures: 1 of root 1's keys";
    let told = |output: Output| assert!(output.stderr.contains(waits), "{output}");
    told(site.anode(&["check"]).run().ok());
    site.change_title("Under the first root");
    told(site.build().run().ok());
    told(site.publish().run().ok());
    told(site.anode(&["refresh"]).arg("--to").arg(site.target()).run().ok());
    let _ = site.anode(&["root", "sign", "--key", "root-2"]).run().ok();
    let built = site.build().run().ok();
    let id = site.key_id("root-1");
    assert!(built.stderr.contains(&format!("root 2 waits for 1 more signature of: `root-1` ({id})")), "{built}");
    let _ = site.publish().run().ok();
    let published = files(&site.target());
    assert!(!published.keys().any(|name| name.contains("root/2.json")), "{:?}", published.keys());
    assert_eq!(read_json(&site.current().join("timestamp.json"))["root"], 1);
    // The last signature is all that was missing.
    let _ = site.anode(&["root", "sign", "--key", "root-1"]).run().ok();
    let built = site.build().run().ok();
    assert!(!built.stderr.contains("waits for"), "{built}");
    let _ = site.publish().run().ok();
    assert_eq!(read_json(&site.current().join("timestamp.json"))["root"], 2);
    let signatures = files(&site.current()).into_keys().filter(|name| name.starts_with("root/2.json.")).count();
    assert_eq!(signatures, 2);
}

/// The proposal with `spoil` done to it is an error that names `file`, and nothing is published.
fn is_refused(site: &Site, file: &str, words: &str, spoil: impl FnOnce(&Path)) {
    let folder = site.repository().join("keys/root");
    let before = files(&folder);
    spoil(&folder);
    for command in ["build", "check"] {
        let _ = site.anode(&[command]).run().fails(&[file, words]);
    }
    let _ = site.anode(&["root", "status"]).run().fails(&[file, words]);
    fs::remove_dir_all(&folder).expect("removing");
    fs::create_dir(&folder).expect("a folder");
    for (name, bytes) in before {
        fs::write(folder.join(name), bytes).expect("writing");
    }
    let _ = site.anode(&["root", "status"]).run().ok();
}

#[test]
fn a_signature_that_is_there_and_wrong_is_an_error_that_names_its_file() {
    let site = Site::new();
    let _ = site.anode(&["root", "new", "--threshold", "2"]).run().ok();
    let _ = site.anode(&["root", "sign", "--key", "root-1"]).run().ok();
    let (one, two) = (site.key_id("root-1"), site.key_id("root-2"));
    let (first, second) = (format!("2.json.{one}.minisig"), format!("2.json.{two}.minisig"));
    let comment = format!("anode/1 root 2 {}", site.id());
    let secret = |name: &str| site.keys().join(format!("{name}.key"));
    let sign = |folder: &Path, key: &Path, comment: &str, name: &str| {
        let _ = stock_sign(&folder.join("2.json"), key, comment, &folder.join(name)).ok();
    };
    is_refused(&site, &first, "was changed after it was signed", |folder| {
        let text = fs::read_to_string(folder.join("2.json")).expect("the proposal");
        fs::write(folder.join("2.json"), text.replacen("\"phrases\": false", "\"phrases\": true", 1)).expect("writing");
    });
    is_refused(&site, &first, "does not end in a line feed", |folder| {
        let bytes = fs::read(folder.join(&first)).expect("the signature");
        fs::write(folder.join(&first), &bytes[..bytes.len() - 1]).expect("writing");
    });
    for said in ["something", "anode/1 root 3 x", "anode/1 release 2 x"] {
        is_refused(&site, &second, "trusted comment", |folder| sign(folder, &secret("root-2"), said, &second));
    }
    is_refused(&site, &second, "prehashed", |folder| {
        // What a stock program from before 2021 writes, and a current one with `-l`.
        let legacy = Program::new("minisign").args(["-S", "-l", "-m"]).arg(folder.join("2.json")).arg("-s");
        let _ = legacy.arg(secret("root-2")).args(["-t", &comment]).arg("-x").arg(folder.join(&second)).run().ok();
    });
    is_refused(&site, &second, "it is a signature of the key", |folder| {
        sign(folder, &secret("root-1"), &comment, &second);
    });
    let stranger = stock_key(&site.scratch("others"), "mallory");
    let id = anode_tests::key_id(&stranger.with_extension("pub"));
    let strange = format!("2.json.{id}.minisig");
    is_refused(&site, &strange, "a root key of neither side", |folder| sign(folder, &stranger, &comment, &strange));
    let release = format!("2.json.{}.minisig", site.key_id("release"));
    is_refused(&site, &release, "a root key of neither side", |folder| {
        sign(folder, &secret("release"), &comment, &release);
    });
    // The stock program's own choice of a name would be overlooked.
    is_refused(&site, "2.json.minisig", &format!("it must be `root/{second}`"), |folder| {
        sign(folder, &secret("root-2"), &comment, "2.json.minisig");
    });
}

#[test]
fn a_signature_beyond_the_threshold_has_to_be_right_too() {
    let site = Site::new();
    let _ = site.anode(&["root", "new"]).run().ok();
    let _ = site.anode(&["root", "sign", "--key", "root-1"]).run().ok();
    assert!(site.root_status()["proposal"].is_null());
    let second = format!("2.json.{}.minisig", site.key_id("root-2"));
    is_refused(&site, &second, "trusted comment", |folder| {
        let secret = site.keys().join("root-2.key");
        let _ = stock_sign(&folder.join("2.json"), &secret, "else", &folder.join(&second)).ok();
    });
    site.stock_sign_root(2, "root-2");
    let _ = site.anode(&["root", "status"]).run().ok();
}

#[test]
fn what_is_no_root_of_this_site_and_version_is_no_proposal() {
    let site = Site::new();
    let root = fs::read_to_string(site.root()).expect("root 1");
    let write =
        |name: &'static str, text: String| move |folder: &Path| fs::write(folder.join(name), text).expect("writing");
    is_refused(&site, "2.json", "not", write("2.json", "garbage\n".to_owned()));
    is_refused(&site, "2.json", "root 1 of the site", write("2.json", root.clone()));
    let version = root.replacen("\"version\": 1", "\"version\": 2", 1);
    let other = version.replace(&site.id(), "AAAAAAAAAAAAAAAAAAAAAAAAAA");
    is_refused(&site, "2.json", "of the site AAAAAAAAAAAAAAAAAAAAAAAAAA", write("2.json", other));
    is_refused(
        &site,
        "2.json",
        "threshold",
        write("2.json", version.replacen("\"threshold\": 1", "\"threshold\": 3", 1)),
    );
    is_refused(&site, "2.json", "bytes", write("2.json", format!("{version}{}", " ".repeat(70_000))));
    is_refused(&site, "3.json", "without a gap", write("3.json", root.replacen("\"version\": 1", "\"version\": 3", 1)));
}

#[test]
fn signatures_that_were_left_over_do_not_spoil_the_next_proposal() {
    let site = Site::new();
    let _ = site.anode(&["root", "new", "--threshold", "2"]).run().ok();
    let _ = site.anode(&["root", "sign", "--key", "root-1"]).run().ok();
    // Somebody reverts the body and forgets the signature.
    fs::remove_file(site.root_file("2.json")).expect("removing");
    let _ = site.anode(&["root", "rotate", "timestamp"]).run().ok();
    let status = site.root_status();
    assert_eq!(status["proposal"]["signed"].as_array().map(Vec::len), Some(0), "{status}");
}

/// A root of last year that ends so many days from now, written by hand because no command makes one that is nearly over.
fn ending(site: &Site, version: u64, days: u32) {
    let date = Program::new("date").args(["-u", "-d", "-300 days", "+%Y-%m-%dT%H:%M:%SZ"]).run().ok().stdout;
    site.hand_made_root(version, |root| {
        root["issued"] = date.trim().into();
        root["expires"] = in_days(days).into();
    });
}

#[test]
fn everybody_is_told_sixty_days_before_a_root_ends() {
    let site = Site::new();
    ending(&site, 2, 61);
    site.change_title("One");
    let commands = |words: &str, is_there: bool| {
        let refresh = site.anode(&["refresh"]).arg("--to").arg(site.target());
        for program in [site.anode(&["check"]), site.build(), site.publish(), refresh, site.anode(&["root", "status"])]
        {
            let output = program.run().ok();
            let said = format!("{}{}", output.stdout, output.stderr);
            assert_eq!(said.contains(words), is_there, "{output}");
        }
    };
    commands("expires on", false);
    ending(&site, 3, 59);
    site.change_title("Two");
    commands("root 3 expires on", true);
    let found = site.verify(site.current()).ok().json();
    assert_eq!(found["findings"][0]["what"], "root", "{found}");
    let warning = site.anode(&["root", "status", "--json"]).run().ok().json();
    assert_eq!(warning["expiry"]["urgency"], "soon", "{warning}");
}

#[test]
fn a_root_that_is_over_stops_machines_until_the_next_one_is_published() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    site.hand_made_root(2, |root| {
        root["issued"] = "2025-01-01T00:00:00Z".into();
        root["expires"] = "2026-01-01T00:00:00Z".into();
    });
    let said = site.build().run().ok();
    assert!(said.stderr.contains("root 2 expired on 2026-01-01T00:00:00Z"), "{said}");
    let _ = site.publish().run().fails(&["expire"]);
    let begun = site.anode(&["root", "new"]).run().ok();
    assert!(begun.stderr.contains("root 2 expired on 2026-01-01T00:00:00Z; machines wait for this one"), "{begun}");
    site.sign_root();
    site.release();
    let _ = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().files();
}
