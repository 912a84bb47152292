//! The stock `minisign` program and ours understand each other, in both directions.

use std::fs;
use std::path::Path;

use anode_tests::{Output, Program, Site, files, read_json};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::Value;

/// A key of a root document as `minisign -P` takes it: algorithm, key id (little-endian), key.
fn public_key(listed: &Value) -> String {
    let bytes = |name: &str| HEXLOWER_PERMISSIVE.decode(listed[name].as_str().expect("hex").as_bytes()).expect("hex");
    let mut id = bytes("id");
    id.reverse();
    BASE64.encode(&[b"Ed", &id[..], &bytes("key")[..]].concat())
}

fn stock_verify(file: &Path, signature: &Path, key: &str) -> Output {
    Program::new("minisign").args(["-VHm"]).arg(file).arg("-x").arg(signature).args(["-P", key]).run()
}

#[test]
fn the_stock_program_verifies_root_release_and_timestamp() {
    let site = Site::published();
    let tree = site.current();
    let root = read_json(&tree.join("root/1.json"));
    let keys = |role: &str| root["roles"][role]["keys"].as_array().expect("keys").clone();
    let mut signatures = 0;
    for key in keys("root") {
        let id = key["id"].as_str().expect("an id").to_uppercase();
        let signature = tree.join(format!("root/1.json.{id}.minisig"));
        if signature.exists() {
            let seen = stock_verify(&tree.join("root/1.json"), &signature, &public_key(&key)).ok();
            assert!(seen.stdout.contains(&format!("Trusted comment: anode/1 root 1 {}", site.id())), "{seen}");
            signatures += 1;
        }
    }
    assert!(signatures >= root["roles"]["root"]["threshold"].as_u64().expect("a threshold"));
    let version = site.release_version();
    let release = format!("release/{version}.json");
    let pairs = [("release", release.as_str(), version), ("timestamp", "timestamp.json", 1)];
    for (role, name, version) in pairs {
        let signature = tree.join(format!("{name}.minisig"));
        let seen = stock_verify(&tree.join(name), &signature, &public_key(&keys(role)[0])).ok();
        assert!(seen.stdout.contains(&format!("anode/1 {role} {version} {}", site.id())), "{seen}");
        let wrong = keys(if role == "release" { "timestamp" } else { "release" });
        assert_ne!(stock_verify(&tree.join(name), &signature, &public_key(&wrong[0])).exit, Some(0), "any key will do");
    }
}

#[test]
fn head_and_tail_of_the_signed_timestamp_are_the_stock_files() {
    let site = Site::published();
    let tree = site.current();
    let part = |program: &str, argument: &str| {
        Program::new(program).arg(argument).arg(tree.join("timestamp.signed")).run().ok().stdout.into_bytes()
    };
    assert_eq!(part("head", "-n4"), fs::read(tree.join("timestamp.json.minisig")).expect("the signature"));
    assert_eq!(part("tail", "-n+5"), fs::read(tree.join("timestamp.json")).expect("the body"));
}

/// What the ceremony does, with nothing but an editor and the stock program.
fn next_root(site: &Site, change: impl FnOnce(&mut Value), comment: &dyn Fn(&str) -> String) {
    let folder = site.repository().join("keys/root");
    let mut root = read_json(&folder.join("1.json"));
    root["version"] = 2.into();
    change(&mut root);
    let body = folder.join("2.json");
    fs::write(&body, format!("{root}\n")).expect("writing");
    for (number, key) in root["roles"]["root"]["keys"].as_array().expect("keys").iter().enumerate() {
        let id = key["id"].as_str().expect("an id").to_uppercase();
        let signature = folder.join(format!("2.json.{id}.minisig"));
        let secret = site.keys().join(format!("root-{}.key", number + 1));
        let sign = Program::new("minisign").arg("-SHm").arg(&body).arg("-s").arg(secret);
        let _ = sign.args(["-t", &comment(&site.id())]).arg("-x").arg(signature).run().ok();
    }
}

#[test]
fn a_root_signed_with_the_stock_program_is_the_next_link_of_the_chain() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let medium = site.scratch("medium");
    anode_tests::copy_folder(&site.repository().join("keys/root"), &medium);
    next_root(&site, |root| root["name"] = "Renamed site".into(), &|id| format!("anode/1 root 2 {id}"));
    site.change_title("Under the second root");
    site.release();
    assert!(site.current().join("root/2.json").is_file());
    // The medium still carries the first root.
    let fetch = anode_tests::Fetch::new(&medium.join("1.json")).option("--ca", site.authority.certificate());
    let fetched =
        fetch.option("--site", &site.web.url).option("--code", &code.text).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(fetched.selection()["site_title"], "Renamed site");
}

#[test]
fn a_root_whose_signature_says_something_else_ends_the_chain_before_it_is_published() {
    let site = Site::published();
    let before = files(&site.current());
    for comment in ["anode/1 root 3", "anode/1 release 2", "something"] {
        next_root(&site, |_| (), &|id| format!("{comment} {id}"));
        let _ = site.build().run().fails(&["2.json"]);
    }
    next_root(&site, |root| root["version"] = 7.into(), &|id| format!("anode/1 root 7 {id}"));
    let _ = site.build().run().fails(&["2.json"]);
    assert_eq!(files(&site.current()), before);
}

#[test]
fn keys_with_a_password_are_those_of_the_stock_program() {
    let site = Site::new();
    let (repository, keys) = (site.scratch("locked"), site.scratch("locked-keys"));
    fs::write(site.scratch("password"), "correct horse\n").expect("writing");
    let init = anode_tests::anode(["init"]).arg(&repository).args(["--url", &site.web.url]).arg("--keys").arg(&keys);
    let _ = init.arg("--password-file").arg(site.scratch("password")).run().ok();
    for name in files(&keys).into_keys() {
        let mode = fs::metadata(keys.join(&name)).expect("a key").permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600, "{name}");
    }
    let message = site.scratch("message");
    fs::write(&message, "hello").expect("writing");
    let sign = |password: &str| {
        let sign = Program::new("minisign").arg("-SHm").arg(&message).arg("-s").arg(keys.join("root-1.key"));
        sign.input(&format!("{password}\n")).run()
    };
    let _ = sign("wrong").fails(&["assword"]);
    let _ = sign("correct horse").ok();
    let build = |password: &str| {
        let build = anode_tests::anode(["build", "-C"]).arg(&repository).arg("--keys").arg(&keys);
        build.env("ANODE_KEY_PASSWORD", password).run()
    };
    let _ = build("wrong").fails(&["release.key", "password"]);
    let _ = build("correct horse").ok();
}
