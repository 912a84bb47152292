//! Codes that open nothing: each refusal has its own exit code, and none leaves a trace.

use anode_tests::{Program, Site, anode, binary, differing, files, in_days};

#[test]
fn one_wrong_symbol_is_caught_before_anything_is_sent() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let before = site.web.access_log();
    for position in [0, 6, 18] {
        let mut symbols: Vec<char> = code.text.chars().collect();
        symbols[position] = if symbols[position] == '7' { '8' } else { '7' };
        let wrong: String = symbols.into_iter().collect();
        let message = site.fetch(&wrong).run().refused(10, "code-malformed");
        assert!(message.contains("wrong symbol") && !message.contains(&wrong), "{message}");
    }
    let mut swapped: Vec<char> = code.text.chars().collect();
    let other = (0..3).find(|place| swapped[*place] != swapped[place + 1]);
    if let Some(place) = other {
        swapped.swap(place, place + 1);
        let _ = site.fetch(&swapped.into_iter().collect::<String>()).run().refused(10, "code-malformed");
    }
    let foreign = site.fetch("01234567-89AB-CD€R").run().refused(10, "code-malformed");
    assert!(foreign.contains('€'), "{foreign}");
    assert_eq!(site.web.access_log(), before, "the web server was asked");
}

#[test]
fn a_code_that_the_site_does_not_know_is_exit_11() {
    let site = Site::published();
    // Valid by its checksum (format, section 5).
    let _ = site.fetch("0123-4567-89AB-CDER").run().refused(11, "code-unknown");
}

#[test]
fn a_code_of_another_site_is_unknown_here() {
    let (site, other) = (Site::published(), Site::new());
    let code = other.code(&[Site::SERVER], &[]);
    let _ = site.fetch(&code.text).run().refused(11, "code-unknown");
}

#[test]
fn an_expired_code_says_so() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &["--expires", "2d"]);
    site.release();
    let message = site.fetch(&code.text).option("--now", in_days(3)).run().refused(12, "code-not-valid");
    assert!(message.contains("expired") || message.contains("until"), "{message}");
    let _ = site.fetch(&code.text).option("--now", in_days(1)).answers(Site::SERVER_ANSWERS).run().files();
}

#[test]
fn a_code_that_was_never_published_is_unknown_until_it_is() {
    let site = Site::published();
    let code = site.code(&[Site::SERVER], &[]);
    let _ = site.fetch(&code.text).run().refused(11, "code-unknown");
    site.release();
    let _ = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().files();
}

#[test]
fn a_revoked_code_is_unknown_and_the_key_of_its_pack_has_moved_on() {
    let site = Site::new();
    let (gone, stays) =
        (site.code(&[Site::SERVER], &["--label", "gone"]), site.code(&[Site::SERVER], &["--label", "stays"]));
    site.release();
    let before = files(&site.current().join("objects"));
    let _ = site.anode(&["code", "revoke"]).arg(&gone.name).run().ok();
    let generations =
        std::fs::read_to_string(site.repository().join("codes/generations.toml")).expect("the generations");
    assert!(generations.contains(Site::SERVER), "{generations}");
    site.release();
    let _ = site.fetch(&gone.text).run().refused(11, "code-unknown");
    let _ = site.fetch(&stays.text).answers(Site::SERVER_ANSWERS).run().files();
    // The pack and the other activation are sealed anew: the key that the revoked activation holds opens nothing that came later.
    let new = differing(&before, &files(&site.current().join("objects")));
    assert!(new.len() >= 2, "{new:?}");
}

#[test]
fn a_code_bound_to_another_machine_is_exit_13() {
    let site = Site::new();
    let machine = "4c4c4544-0042-3510-8054-b7c04f4d3132:ABC1234";
    let code = site.code(&[Site::SERVER], &["--bind", machine]);
    site.release();
    let _ = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().refused(13, "hardware-mismatch");
}

#[test]
fn the_code_is_printed_once_and_lies_nowhere() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let plain = code.text.replace('-', "");
    for folder in [site.repository(), site.target(), site.keys()] {
        for (name, bytes) in files(&folder) {
            let text = String::from_utf8_lossy(&bytes).to_uppercase();
            assert!(!text.contains(&code.text) && !text.contains(&plain), "the code lies in {name}");
        }
    }
    let shown = site.anode(&["code", "show", &code.name]).run().ok();
    assert!(shown.stdout.contains(Site::SERVER) && !shown.stdout.contains(&code.text), "{shown}");
}

#[test]
fn codes_are_listed_shown_and_checked_without_a_network() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &["--label", "front-desk", "--uses", "3"]);
    let listed = site.anode(&["code", "list"]).run().ok();
    assert!(listed.stdout.contains("front-desk"), "{listed}");
    let good = site.anode(&["code", "check", "env:CODE"]).env("CODE", &code.text).run().ok();
    assert!(good.stdout.contains("front-desk"), "{good}");
    let _ = site.anode(&["code", "check"]).input("0000-0000-0000-0000\n").run().fails(&["wrong symbol"]);
    // A code is a secret: everybody on this machine would see an argument.
    let refused = site.anode(&["code", "check", &code.text]).run().fails(&["never an argument"]);
    assert!(!refused.stderr.contains(&code.text), "{refused}");
}

#[test]
fn a_slip_is_printed_on_request_and_holds_the_code() {
    let site = Site::new();
    for name in ["slip.svg", "slip.html"] {
        let slip = site.scratch(name);
        let code = site.code(&[Site::SERVER], &["--slip", slip.to_str().expect("text")]);
        let text = std::fs::read_to_string(&slip).expect("the slip");
        assert!(text.contains("<svg") && text.contains(&code.text), "{text}");
    }
}

#[test]
fn terms_that_make_no_sense_are_refused_before_a_code_is_made() {
    let site = Site::new();
    let new = |arguments: &[&str]| site.anode(&["code", "new"]).args(arguments).run();
    let _ = new(&["--org", "example-scool", "--profile", Site::SERVER]).fails(&["example-scool", Site::ORGANISATION]);
    let _ = new(&["--org", Site::ORGANISATION, "--profile", "debian-sever"]).fails(&["debian-sever", Site::SERVER]);
    let _ = new(&["--org", Site::ORGANISATION, "--profile", Site::SERVER, "--expires", "yesterday"])
        .fails(&["yesterday", "90d"]);
    let choose = |phrase: &str| {
        let new = site.anode(&["code", "new", "--org", Site::ORGANISATION, "--profile", Site::SERVER]);
        new.args(["--code", "-"]).input(phrase).run()
    };
    let _ = new(&["--org", Site::ORGANISATION, "--profile", Site::SERVER, "--code", "password"])
        .fails(&["never an argument"]);
    let chosen = choose("password");
    let _ = chosen.fails(&["8 symbols", "24"]);
    let long = "correct horse battery staple and so on";
    let chosen = choose(long);
    let _ = chosen.fails(&["phrases"]);
    assert!(!site.repository().join("codes").join(Site::ORGANISATION).exists(), "terms of a code that was not made");
}

#[test]
fn a_slip_that_can_not_be_written_loses_no_code() {
    let site = Site::new();
    let new = |slip: &str| {
        let arguments = ["code", "new", "--org", Site::ORGANISATION, "--profile", Site::SERVER, "--slip", slip];
        site.anode(&arguments).run()
    };
    let _ = new("slip.txt").fails(&["slip.txt", ".svg", ".html"]);
    let taken = site.scratch("taken.svg");
    std::fs::write(&taken, "mine").expect("writing");
    let _ = new(taken.to_str().expect("text")).fails(&["taken.svg"]);
    assert_eq!(std::fs::read_to_string(&taken).expect("reading"), "mine");
    assert!(!site.repository().join("codes").join(Site::ORGANISATION).exists(), "terms of a code that nobody saw");
}

#[test]
fn a_chosen_code_opens_no_secrets_not_even_later_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repository = folder.path().join("site");
    let keys = folder.path().join("keys");
    let _ =
        anode(["init", "--phrases", "--url", "https://localhost:1", "--keys"]).arg(&keys).arg(&repository).run().ok();
    let run = |command: &[&str]| anode(command).arg("-C").arg(&repository).run();
    let phrase = "trombone velvet glacier pumpkin saxony qwark xylem boat";
    let new =
        ["code", "new", "--org", Site::ORGANISATION, "--profile", Site::SERVER, "--label", "chosen", "--code", "-"];
    let _ = anode(new).arg("-C").arg(&repository).input(phrase).run().ok();
    let _ = run(&["check"]).ok();
    let profile = repository.join(Site::SERVER).join("profile.toml");
    let text = std::fs::read_to_string(&profile).expect("the profile");
    let hash = "[variables]\npassword = \"$6$saltsaltsalt$abcdefghijklmnopqrstuvwxyz\"\n";
    std::fs::write(&profile, text.replacen("[variables]\n", hash, 1)).expect("writing");
    let _ = run(&["check"]).fails(&["codes/example-school/chosen.toml", "secrets", "use a generated one"]);
    let _ = anode(["build", "--keys"]).arg(&keys).arg("-C").arg(&repository).run().fails(&["chosen.toml", "secrets"]);
}

#[test]
fn a_code_comes_from_a_file_and_never_from_two_places() {
    let site = Site::published();
    let file = site.scratch("code");
    std::fs::write(&file, "0123-4567-89AB-CDER\n").expect("writing");
    let _ = site.fetch_without_code().option("--code-file", &file).run().refused(11, "code-unknown");
    let both =
        Program::new(binary("anode-fetch")).args(["activate", "--site", &site.web.url, "--root"]).arg(site.root());
    let both = both.args(["--code", "0123-4567-89AB-CDER", "--files", "x", "--code-file"]).arg(&file).run();
    assert_eq!(both.exit, Some(2), "{both}");
    assert!(!both.stderr.contains("CDER"), "{both}");
}
