//! Other people's parsers accept what we render: the installers' own.

use anode_tests::{Output, Program, Site, read_json};

/// Activates the profile and runs the installer's own parser over a file of it.
fn parsed(
    profile: &str,
    answers: &[&str],
    file: &str,
    parser: impl FnOnce(Program, &str) -> Program,
    name: &str,
) -> Output {
    let site = Site::new();
    let code = site.code(&[profile], &[]);
    site.release();
    let fetched = site.fetch(&code.text).answers(answers).run();
    assert!(fetched.files().contains_key(file), "{:?}", fetched.files().keys());
    let version = read_json(&fetched.files.join("provisioning-selection.json"))["version"]
        .as_str()
        .expect("a version")
        .to_owned();
    parser(Program::new(name), &version).arg(fetched.files.join(file)).run()
}

#[test]
fn debconf_accepts_the_preseed_file() {
    let parser = |program: Program, _: &str| program.args(["--checkonly"]);
    let output = parsed(Site::SERVER, Site::SERVER_ANSWERS, "preseed.cfg", parser, "debconf-set-selections").ok();
    // It exits 0 whatever it finds, and says it on standard error.
    assert_eq!(output.stderr, "", "{output}");
}

#[test]
fn the_kickstart_parser_accepts_the_kickstart_file() {
    let parser = |program: Program, version: &str| {
        let home = std::env::var_os("HOME").unwrap_or_default();
        program.env("HOME", home).args(["-v", &format!("F{version}")])
    };
    let _ = parsed(Site::WORKSTATION, Site::WORKSTATION_ANSWERS, "ks.cfg", parser, "ksvalidator").ok();
}

#[test]
fn the_parsers_used_above_do_reject_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (preseed, kickstart) = (folder.path().join("preseed.cfg"), folder.path().join("ks.cfg"));
    std::fs::write(&preseed, "d-i only-two-fields\n").expect("writing");
    std::fs::write(&kickstart, "lang en_US.UTF-8\nkeybord de\n").expect("writing");
    let debconf = Program::new("debconf-set-selections").arg("--checkonly").arg(&preseed).run();
    assert_ne!(debconf.stderr, "", "{debconf}");
    let home = std::env::var_os("HOME").unwrap_or_default();
    let pykickstart = Program::new("ksvalidator").env("HOME", home).args(["-v", "F40"]).arg(&kickstart).run();
    assert_ne!(pykickstart.exit, Some(0), "{pykickstart}");
}
