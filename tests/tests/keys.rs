//! `anode key` and `anode root`: what they make, and every misuse that they refuse.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anode_tests::{Program, Site, Terminal, anode, binary, differing, files, stock_key, stock_sign};

/// The public halves and the root chain: what an edit may change.
fn public(site: &Site) -> std::collections::BTreeMap<String, Vec<u8>> {
    files(&site.repository().join("keys"))
}

#[test]
fn a_new_key_is_secret_outside_public_inside_and_never_overwritten() {
    let site = Site::new();
    let made = site.anode(&["key", "new", "anna", "--role", "root"]).run().ok();
    assert!(made.stderr.contains("anode root add-key --role root anna"), "{made}");
    let secret = site.keys().join("anna.key");
    assert_eq!(fs::metadata(&secret).expect("the secret").permissions().mode() & 0o777, 0o600);
    let shared = site.repository().join("keys/anna.pub");
    // The stock program takes both halves.
    let message = site.scratch("message");
    fs::write(&message, "hello").expect("writing");
    let _ = stock_sign(&message, &secret, "x", &site.scratch("message.minisig")).ok();
    let verify = Program::new("minisign").arg("-VHm").arg(&message).arg("-p").arg(&shared);
    let _ = verify.run().ok();
    let before = (fs::read(&secret).expect("the secret"), public(&site));
    for role in ["root", "release", "timestamp"] {
        let again = site.anode(&["key", "new", "anna", "--role", role]).run();
        let _ = again.fails(&["anna.pub", "never overwritten"]);
    }
    assert_eq!((fs::read(&secret).expect("the secret"), public(&site)), before);
    for file in files(&site.repository()) {
        assert_ne!(file.1, before.0, "{} is the secret", file.0);
    }
}

#[test]
fn a_key_is_not_made_where_it_has_no_place() {
    let site = Site::new();
    let before = public(&site);
    let new = |name: &str| site.anode(&["key", "new", name, "--role", "release"]);
    let _ = new("inbox").run().fails(&["opens reports"]);
    let _ = new("A b").run().fails(&["a name of 1 to 64 characters"]);
    let _ = new("../x").run().fails(&["a name of 1 to 64 characters"]);
    let inside = site.repository().join("secrets");
    let _ = new("x").arg("--keys").arg(&inside).run().fails(&["lies in the repository", "--keys"]);
    assert!(!inside.exists());
    assert_eq!(public(&site), before);
    let _ = site.anode(&["key", "new", "x", "--role", "seal"]).run().fails(&["root, release, timestamp"]);
}

#[test]
fn a_key_with_a_password_signs_a_root_only_with_it() {
    let site = Site::new();
    fs::write(site.scratch("password"), "correct horse\n").expect("writing");
    let password = site.scratch("password");
    let _ = site.anode(&["key", "new", "anna", "--role", "root"]).arg("--password-file").arg(&password).run().ok();
    let _ = site.anode(&["root", "add-key", "--role", "root", "anna"]).run().ok();
    let sign = |word: &str| site.anode(&["root", "sign", "--key", "anna"]).env("ANODE_KEY_PASSWORD", word).run();
    let _ = sign("wrong").fails(&["anna.key", "the password is wrong"]);
    assert_eq!(site.root_status()["proposal"]["signed"].as_array().map(Vec::len), Some(0));
    let _ = sign("correct horse").ok();
    assert_eq!(site.root_status()["proposal"]["signed"][0]["name"], "anna");
}

#[test]
fn only_a_public_key_that_nobody_has_yet_is_imported() {
    let site = Site::new();
    let folder = site.scratch("others");
    let secret = stock_key(&folder, "bert");
    let import = |file: &std::path::Path, name: &str| {
        let import = site.anode(&["key", "import"]).arg(file);
        if name.is_empty() { import.run() } else { import.args(["--name", name]).run() }
    };
    let before = public(&site);
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).expect("writing");
        folder.join(name)
    };
    let refusals = [
        (secret, "x", "this is a secret key"),
        (write("garbage.pub", "garbage\n"), "x", "no minisign public key"),
        (write("ssh.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJh me\n"), "x", "no minisign public key"),
        (write("empty.pub", ""), "x", "no minisign public key"),
        (
            write("weak.pub", "untrusted comment: x\nRWQBAQEBAQEBAQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"),
            "x",
            "no canonical Ed25519 key",
        ),
        (site.repository().join("keys/root-1.pub"), "x", "root-1.pub"),
        (folder.join("absent.pub"), "x", "absent.pub"),
        (folder.join("bert.pub"), "root-1", "never overwritten"),
    ];
    for (file, name, words) in refusals {
        let _ = import(&file, name).fails(&[words]);
        assert_eq!(public(&site), before, "{words}");
    }
    fs::copy(folder.join("bert.pub"), folder.join("Bert's key.pub")).expect("copying");
    let _ = import(&folder.join("Bert's key.pub"), "").fails(&["--name"]);
    let done = import(&folder.join("bert.pub"), "").ok();
    assert!(done.stderr.contains("compare the line above"), "{done}");
    assert_eq!(differing(&before, &public(&site)), ["bert.pub"]);
    let _ = import(&folder.join("bert.pub"), "bert-2").fails(&["keys/bert.pub"]);
}

#[test]
fn the_list_says_what_each_key_may_do_and_where_its_secret_is() {
    let site = Site::new();
    let release = fs::read_to_string(site.keys().join("release.key")).expect("the key");
    for moved in ["release.key", "root-2.key"] {
        fs::rename(site.keys().join(moved), site.scratch(moved)).expect("moving");
    }
    let _ = site.anode(&["key", "new", "anna", "--role", "root"]).run().ok();
    let _ = site.anode(&["root", "add-key", "--role", "root", "anna"]).run().ok();
    let _ = site.anode(&["root", "remove-key", "root-2"]).run().ok();
    let list = |json: &[&str]| site.anode(&["key", "list"]).args(json).env("ANODE_RELEASE_KEY", &release).run().ok();
    let rows = list(&["--json"]).json();
    let row = |name: &str| {
        let found = rows.as_array().and_then(|rows| rows.iter().find(|row| row["name"] == name));
        found.unwrap_or_else(|| panic!("{name} is not in {rows}")).clone()
    };
    for (name, role, proposed, secret) in [
        ("root-1", "root", "root", "here"),
        ("root-2", "root", "", "elsewhere"),
        ("anna", "", "root", "here"),
        ("release", "release", "release", "environment"),
        ("timestamp", "timestamp", "timestamp", "here"),
    ] {
        let row = row(name);
        let text = |member: &str| row[member].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (text("role").as_str(), text("proposed_role").as_str(), text("secret").as_str()),
            (role, proposed, secret),
            "{name}"
        );
        assert_eq!(text("id"), site.key_id(name), "{name}");
    }
    let screen = list(&[]).stdout;
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    // A key whose public half was lost is still listed, by id.
    let id = site.key_id("root-1");
    fs::remove_file(site.repository().join("keys/root-1.pub")).expect("removing");
    assert!(list(&[]).stdout.lines().any(|line| line.starts_with('-') && line.contains(&id)));
}

#[test]
fn every_misuse_of_a_root_is_refused_and_changes_nothing() {
    let site = Site::new();
    let folder = site.scratch("others");
    let secret = stock_key(&folder, "bert");
    fs::write(folder.join("garbage.pub"), "garbage\n").expect("writing");
    let (secret, garbage) = (secret.display().to_string(), folder.join("garbage.pub").display().to_string());
    let before = (public(&site), files(&site.keys()));
    let cases: &[(&[&str], &str)] = &[
        (&["add-key", "--role", "release", "root-1"], "is listed already, as a root key"),
        (&["add-key", "--role", "root", "nobody"], "there is no key `nobody`"),
        (&["add-key", "--role", "root", "root-3"], "did you mean `root-"),
        (&["add-key", "--role", "root", &garbage], "no minisign public key"),
        (&["add-key", "--role", "root", &secret], "this is a secret key"),
        (&["add-key", "--role", "seal", "root-1"], "root, release, timestamp"),
        (&["change", "--threshold", "3"], "3 of 2 root keys would have to sign, which nobody can do"),
        (&["change", "--threshold", "0"], "the threshold would be 0"),
        (&["remove-key", "release"], "the role `release` would have no key left"),
        (&["remove-key", "0123456789ABCDEF"], "there is no key"),
        (&["rotate", "root"], "say with `--replace` which"),
        (&["rotate", "release", "--with", "root-1"], "is listed already, as a root key"),
        (&["rotate", "release", "--replace", "root-1"], "is no release key"),
        (&["rotate", "timestamp", "--name", "release"], "never overwritten"),
        (&["new", "--days", "401"], "can not live for 401 days"),
        (&["new", "--days", "0"], "can not live for 0 days"),
        (&["new", "--mirror", "http://example.org"], "can not be the address of a mirror"),
        (&["new", "--offline-max", "401"], "lifetime above the ceiling"),
        (&["sign"], "nothing to sign"),
        (&["discard"], "nothing to throw away"),
    ];
    for (arguments, words) in cases {
        let refused = site.anode(&["root", arguments[0]]).args(&arguments[1..]).run();
        let _ = refused.fails(&[words]);
        assert_eq!((public(&site), files(&site.keys())), before, "{arguments:?}");
    }
    let all = site.anode(&["root", "remove-key", "release", "--threshold", "3", "--days", "500"]).run();
    let _ = all.fails(&["no key left", "3 of 2", "500 days", "3 errors"]);
    assert_eq!((public(&site), files(&site.keys())), before);
}

#[test]
fn a_proposal_can_be_changed_and_a_complete_root_never() {
    let site = Site::new();
    let _ = site.anode(&["root", "new", "--threshold", "2"]).run().ok();
    let _ = site.anode(&["root", "new"]).run().fails(&["root 2 is proposed already", "anode root discard"]);
    let _ = site.anode(&["root", "sign", "--key", "root-1"]).run().ok();
    // One's own signature goes with a note; there is nobody else whose work would be lost.
    let changed = site.anode(&["root", "change", "--mirror", "https://mirror.example.org/"]).run().ok();
    assert!(changed.stderr.contains("1 signatures of it are gone"), "{changed}");
    assert!(changed.stderr.contains("policy.mirrors: `https://mirror.example.org/`; it was none"), "{changed}");
    assert!(changed.stderr.contains("2 of 2 root keys must sign; it was 1 of 2"), "{changed}");
    site.sign_root();
    let complete = fs::read(site.root_file("2.json")).expect("root 2");
    let _ = site.anode(&["root", "change", "--no-mirrors"]).run().ok();
    assert_eq!(fs::read(site.root_file("2.json")).expect("root 2"), complete);
    assert_eq!(site.root_status()["proposal"]["version"], 3);
    let _ = site.anode(&["root", "discard"]).run().ok();
    let status = site.root_status();
    assert!(status["proposal"].is_null(), "{status}");
    assert_eq!(status["chain"].as_array().map(Vec::len), Some(2), "{status}");
}

#[test]
fn signatures_of_other_people_are_lost_only_on_an_explicit_word() {
    let site = Site::new();
    let _ = site.anode(&["root", "new", "--threshold", "2"]).run().ok();
    let _ = site.anode(&["root", "sign", "--key", "root-2"]).run().ok();
    // Bert takes his key home.
    fs::rename(site.keys().join("root-2.key"), site.scratch("root-2.key")).expect("moving");
    let before = public(&site);
    for command in [&["change", "--days", "100"][..], &["discard"], &["rotate", "release"]] {
        let refused = site.anode(&["root", command[0]]).args(&command[1..]).run();
        let _ = refused.fails(&["is signed by `root-2`", "--drop-signatures"]);
        assert_eq!(public(&site), before, "{command:?}");
    }
    let _ = site.anode(&["root", "change", "--days", "100", "--drop-signatures"]).run().ok();
    assert_eq!(site.root_status()["proposal"]["signed"].as_array().map(Vec::len), Some(0));
}

#[test]
fn only_a_root_key_of_either_side_signs_and_only_once() {
    let site = Site::new();
    let _ = site.anode(&["root", "new", "--threshold", "2"]).run().ok();
    let before = public(&site);
    let sign = |key: &str| site.anode(&["root", "sign", "--key", key]).run();
    let stranger = stock_key(&site.scratch("others"), "mallory").display().to_string();
    for (key, words) in [
        ("release", "its signature would count for nothing"),
        (stranger.as_str(), "its signature would count for nothing"),
        ("nobody", "there is no key `nobody`"),
        ("inbox", "minisign secret key"),
    ] {
        let _ = sign(key).fails(&[words]);
        assert_eq!(public(&site), before, "{key}");
    }
    let _ = sign("root-1").ok();
    let _ = sign("root-1").fails(&["has signed root 2 already"]);
    // No variable holds a root key.
    fs::rename(site.keys().join("root-2.key"), site.scratch("root-2.key")).expect("moving");
    let secret = fs::read_to_string(site.scratch("root-2.key")).expect("the key");
    let sign = site.anode(&["root", "sign"]).env("ANODE_ROOT_KEY", &secret).env("ANODE_RELEASE_KEY", &secret);
    let _ = sign.run().fails(&["no key in", "`root-2`", "--key FILE"]);
    let file = site.anode(&["root", "sign"]).arg("--key").arg(site.scratch("root-2.key"));
    let _ = file.run().ok();
    assert!(site.root_status()["proposal"].is_null());
}

#[test]
fn on_a_terminal_the_changes_are_shown_and_a_person_is_asked() {
    let site = Site::new();
    let _ = site.anode(&["root", "rotate", "release"]).run().ok();
    let before = public(&site);
    let words: Vec<String> = [
        binary("anode").display().to_string(),
        "root".to_owned(),
        "sign".to_owned(),
        "-C".to_owned(),
        site.repository().display().to_string(),
        "--keys".to_owned(),
        site.keys().display().to_string(),
    ]
    .into();
    for (answer, exit) in [("n", 3), ("", 3), ("y", 0)] {
        let mut terminal = Terminal::run(&words);
        terminal.expect("+ release key `release-2`");
        terminal.expect("- release key `release`");
        terminal.expect("Sign root 2 with `root-1.key`, `root-2.key`? [y/N]");
        terminal.type_line(answer);
        assert_eq!(terminal.exit(), Some(exit), "{}", terminal.screen());
        if exit == 3 {
            assert_eq!(public(&site), before);
        }
    }
    assert_eq!(site.root_status()["chain"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_root_whose_dates_are_wrong_is_not_signed() {
    let site = Site::new();
    let _ = site.anode(&["root", "new"]).run().ok();
    let write = |issued: &str, expires: &str| {
        let mut root = anode_tests::read_json(&site.root_file("2.json"));
        root["issued"] = issued.into();
        root["expires"] = expires.into();
        fs::write(site.root_file("2.json"), format!("{root}\n")).expect("writing");
        site.anode(&["root", "sign"]).run()
    };
    let _ =
        write(&anode_tests::in_days(3), &anode_tests::in_days(100)).fails(&["the clock of every medium would follow"]);
    let _ = write("2020-01-01T00:00:00Z", "2020-12-01T00:00:00Z").fails(&["would have expired on 2020-12-01"]);
    let _ = anode(["root", "sign", "-C"]).arg(site.scratch("absent")).run().fails(&["anode.toml"]);
}

#[test]
fn init_recommends_that_two_of_three_sign_and_names_the_commands() {
    let site = Site::new();
    let init = anode(["init"]).arg(site.scratch("other")).arg("--keys").arg(site.scratch("other-keys"));
    let said = init.run().ok().stderr;
    for words in [
        "2 of 3",
        "anode key new NAME --role root",
        "anode root add-key --role root NAME --threshold 2",
        "anode root sign",
    ] {
        assert!(said.contains(words), "`{words}`:\n{said}");
    }
}
