//! The demonstration, and what it leaves behind with `--out`.

use std::fs;

use anode_tests::{Fetch, anode, files, read_json};

#[test]
fn the_demonstration_ends_with_a_refusal_and_a_repair() {
    let output = anode(["demo"]).run().ok();
    for words in ["signed release 1", "typed ", "flipped one bit", "exit 23 `integrity`", "the same code works again"] {
        assert!(output.stdout.contains(words), "`{words}` is not told\n{output}");
    }
    assert!(!output.stderr.contains("error"), "{output}");
}

#[test]
fn what_it_leaves_behind_can_be_audited_and_activated() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("demo");
    let _ = anode(["demo", "--out"]).arg(&out).run().ok();
    let (site, root) = (out.join("site"), out.join("root.json"));
    let _ = anode(["verify"]).arg(&site).arg("--root").arg(&root).run().ok();
    assert!(fs::read_to_string(out.join("ca.pem")).expect("ca.pem").contains("BEGIN CERTIFICATE"));
    let codes = read_json(&out.join("codes.json"));
    let codes = codes.as_array().expect("a list of codes");
    assert!(!codes.is_empty());
    for code in codes {
        for profile in code["profiles"].as_array().expect("profiles") {
            let fetch = || {
                let fetch = Fetch::new(&root).option("--cache", &site);
                let fetch = fetch.option("--code", code["code"].as_str().expect("a code"));
                fetch.option("--profile", profile.as_str().expect("a profile"))
            };
            // What it asks for is what is missing.
            let missing = fetch().run().refused(15, "answer-invalid");
            let asked =
                |answer: &&&str| missing.contains(&format!("`{}`", answer.split('=').next().unwrap_or_default()));
            let answers: Vec<&str> = anode_tests::Site::SERVER_ANSWERS.iter().filter(asked).copied().collect();
            let fetched = fetch().answers(&answers).run();
            assert_eq!(fetched.selection()["organisation"], code["organisation"]);
        }
    }
    let before = files(&out);
    let _ = anode(["demo", "--out"]).arg(&out).run().fails(&["not empty"]);
    assert_eq!(files(&out), before);
}
