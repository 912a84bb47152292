//! What a code or profile may ask of the machine: rules that hide or preselect profiles, patterns of host names, and one pinned file.

use std::fs;

use anode_tests::{Program, Site, binary};

/// Appends rules to the terms of a code; the real machine has a firmware and at least one core.
fn with_rules(site: &Site, name: &str, rules: &[(&str, &str, &str)]) {
    let path = format!("codes/{name}.toml");
    let mut terms = fs::read_to_string(site.repository().join(&path)).expect("terms");
    for (profile, effect, when) in rules {
        terms.push_str(&format!("\n[[rules]]\nprofile = \"{profile}\"\neffect = \"{effect}\"\n[rules.when]\n{when}\n"));
    }
    site.write(&path, &terms);
}

#[test]
fn a_profile_that_a_rule_preselects_is_taken_where_nobody_says_which() {
    let site = Site::new();
    let code = site.code(&[Site::WORKSTATION, Site::SERVER], &[]);
    with_rules(&site, &code.name, &[(Site::SERVER, "preselect", "firmware = [\"uefi\", \"bios\"]\ncores = \">= 1\"")]);
    site.release();
    let fetched = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(fetched.selection()["profile"], Site::SERVER);
    // A rule decides nothing for somebody who knows what they want.
    let other = site.fetch(&code.text).option("--profile", Site::WORKSTATION).answers(Site::WORKSTATION_ANSWERS).run();
    assert_eq!(other.selection()["profile"], Site::WORKSTATION);
}

#[test]
fn a_profile_that_a_rule_hides_is_not_chosen_and_one_whose_rule_does_not_apply_is() {
    let site = Site::new();
    let code = site.code(&[Site::WORKSTATION, Site::SERVER], &[]);
    let hide = |profile, when| (profile, "hide", when);
    with_rules(&site, &code.name, &[hide(Site::WORKSTATION, "cores = \">= 1\""), hide(Site::SERVER, "cores = 0")]);
    site.release();
    let fetched = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(fetched.selection()["profile"], Site::SERVER);

    let code = site.code(&[Site::SERVER], &["--label", "nowhere"]);
    with_rules(&site, &code.name, &[hide(Site::SERVER, "cores = \">= 1\"")]);
    site.release();
    let _ = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().refused(13, "hardware-mismatch");
}

#[test]
fn rules_that_mean_nothing_are_refused_with_their_place() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    let server = Site::SERVER;
    with_rules(
        &site,
        &code.name,
        &[
            ("debian-sever", "hide", "cores = 1"),
            (server, "hdie", "cores = 1"),
            (server, "hide", "core = 1"),
            (server, "hide", "memory = \"much\""),
            (server, "hide", ""),
        ],
    );
    let _ = site.anode(&["check"]).run().fails(&[
        "the code does not offer `debian-sever`",
        "did you mean `debian-server`?",
        "did you mean `hide`?",
        "no machine has a fact `core`",
        "did you mean `cores`?",
        "the rule for `debian-server` has the condition `much`",
        "the rule for `debian-server` has no condition",
    ]);
}

#[test]
fn a_pattern_of_a_host_name_is_filled_in_by_the_machine() {
    let site = Site::new();
    let hostname = "name = \"hostname\"\ntype = \"hostname\"";
    let profile = format!("{}/profile.toml", Site::SERVER);
    site.edit(&profile, hostname, &format!("{hostname}\ndefault = \"lab-{{firmware}}\""));
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let rest: Vec<_> = Site::SERVER_ANSWERS.iter().copied().filter(|answer| !answer.starts_with("hostname=")).collect();
    let fetched = site.fetch(&code.text).answers(&rest).run();
    let preseed = String::from_utf8(fetched.files()["preseed.cfg"].clone()).expect("text");
    assert!(preseed.contains("lab-bios") || preseed.contains("lab-uefi"), "{preseed}");
    // A fact that does not exist is found before it reaches a machine.
    site.edit(&profile, "lab-{firmware}", "lab-{room}");
    let _ = site.anode(&["check"]).run().fails(&["names `room`", "{serial}"]);
}

#[test]
fn one_pinned_file_is_fetched_from_a_real_web_server_or_not_at_all() {
    let site = Site::published();
    let tree = site.current();
    let (path, bytes) =
        anode_tests::files(&tree).into_iter().find(|(path, _)| path.starts_with("objects/")).expect("an object");
    let hash = path.rsplit('/').next().expect("a name").to_owned();
    let out = site.scratch("stage");
    let blob = |hash: &str, length: usize| {
        let (url, length) = (format!("{}/{path}", site.web.url), length.to_string());
        Program::new(binary("anode-fetch"))
            .args(["blob", "--url", &url, "--sha256", hash, "--length", &length, "--out"])
            .arg(&out)
            .arg("--ca")
            .arg(site.authority.certificate())
            .run()
    };
    let _ = blob(&"0".repeat(64), bytes.len()).fails(&["expected 0000", &hash]);
    let _ = blob(&hash, bytes.len() + 1).fails(&["expected"]);
    let _ = blob(&hash, bytes.len() - 1).fails(&["at most"]);
    assert!(!out.exists());
    let _ = blob(&hash, bytes.len()).ok();
    assert_eq!(fs::read(&out).expect("the file"), bytes);
}
