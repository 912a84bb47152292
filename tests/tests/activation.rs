//! From a typed code to installer files: real nginx with TLS, the real fetcher, a repository that `anode init` made.

use std::fs;

use anode_tests::{Program, Site, SmallDisk, Terminal, binary};

#[test]
fn activation_over_tls_writes_the_files_and_the_record() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let fetched = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    let files = fetched.files();
    let preseed = String::from_utf8(files["preseed.cfg"].clone()).expect("text");
    assert!(preseed.contains("d-i "), "{preseed}");
    for answer in ["host-7", "erika"] {
        assert!(preseed.contains(answer), "`{answer}` is not in\n{preseed}");
    }
    assert!(preseed.contains("$6$") && !preseed.contains("correct horse"), "the password is a crypt hash:\n{preseed}");

    let selection = fetched.selection();
    assert_eq!(selection["format"], 1);
    assert_eq!(selection["site"], site.id());
    assert_eq!(selection["organisation"], Site::ORGANISATION);
    assert_eq!(selection["profile"], Site::SERVER);
    assert_eq!(selection["release"], site.release_version());
    assert_eq!(selection["installer"], "debian");
    assert_eq!(selection["source"], site.web.url);
    let record = selection.to_string();
    for secret in [code.text.as_str(), "erika", "$6$"] {
        assert!(!record.contains(secret), "the record holds `{secret}`: {record}");
    }
}

#[test]
fn every_profile_of_a_fresh_repository_can_be_activated() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER, Site::WORKSTATION], &[]);
    site.release();
    let kickstart =
        site.fetch(&code.text).option("--profile", Site::WORKSTATION).answers(Site::WORKSTATION_ANSWERS).run();
    assert!(kickstart.files().contains_key("ks.cfg"), "{:?}", kickstart.files().keys());
    let preseed = site.fetch(&code.text).option("--profile", Site::SERVER).answers(Site::SERVER_ANSWERS).run();
    assert!(preseed.files().contains_key("preseed.cfg"));
}

#[test]
fn the_json_on_success_says_what_was_written_and_from_where() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let fetched = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    let written: Vec<String> = fetched.files().into_keys().collect();
    let json = &fetched.json;
    assert_eq!((&json["ok"], &json["exit"]), (&true.into(), &0.into()));
    assert_eq!(json["site"], site.id());
    assert_eq!(json["profile"], Site::SERVER);
    assert_eq!(json["source"], site.web.url);
    let mut listed: Vec<String> = serde_json::from_value(json["files"].clone()).expect("a list of files");
    listed.sort();
    assert_eq!(listed, written);
    assert_eq!(json["warnings"], serde_json::json!([]));
}

#[test]
fn what_the_web_server_sees_tells_neither_code_nor_profile() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &["--label", "secret-label"]);
    site.release();
    let _ = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().files();
    let log = site.web.access_log();
    assert!(log.contains("GET /objects/"), "{log}");
    let plain = code.text.replace('-', "");
    for word in [code.text.as_str(), &plain, Site::SERVER, "debian", Site::ORGANISATION, "secret-label", "erika"] {
        assert!(!log.contains(word), "the access log holds `{word}`:\n{log}");
    }
    let objects = site.web.requests().iter().filter(|line| line.contains("/objects/")).count();
    assert!(objects <= 4, "an activation of a small site asks for {objects} objects:\n{log}");
}

#[test]
fn a_code_is_accepted_however_it_is_written() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let file = site.scratch("code.txt");
    fs::write(&file, format!(" {} \r\n", code.text.to_lowercase().replace('-', " "))).expect("writing");
    let fetch = site.fetch_without_code().option("--code-file", &file);
    let _ = fetch.answers(Site::SERVER_ANSWERS).run().files();
}

#[test]
fn several_profiles_without_a_choice_are_listed() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER, Site::WORKSTATION], &[]);
    site.release();
    let message = site.fetch(&code.text).run().refused(2, "usage");
    assert!(message.contains(Site::SERVER) && message.contains(Site::WORKSTATION), "{message}");
}

#[test]
fn a_profile_that_is_not_on_offer_is_refused_with_the_offer() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let message = site.fetch(&code.text).option("--profile", Site::WORKSTATION).run().refused(14, "profile-unknown");
    assert!(message.contains(Site::WORKSTATION) && message.contains(Site::SERVER), "{message}");
}

#[test]
fn answers_that_do_not_fit_are_all_reported_at_once_and_not_repeated() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let fetch = site.fetch(&code.text).answers(&["hostname=Bad Name;reboot", "no_such_prompt=1"]);
    let message = fetch.run().refused(15, "answer-invalid");
    for prompt in ["`hostname`", "`no_such_prompt`"] {
        assert!(message.contains(prompt), "{prompt} is not in {message}");
    }
    assert!(!message.contains("reboot"), "{message}");
    let missing = site.fetch(&code.text).run().refused(15, "answer-invalid");
    assert!(missing.contains("hostname"), "{missing}");
}

#[test]
fn an_answer_of_the_code_needs_no_question() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &["--answer", "hostname=preset-3"]);
    site.release();
    let answers: Vec<&str> =
        Site::SERVER_ANSWERS.iter().copied().filter(|answer| !answer.starts_with("hostname=")).collect();
    let files = site.fetch(&code.text).answers(&answers).run().files();
    assert!(String::from_utf8_lossy(&files["preseed.cfg"]).contains("preset-3"));
}

#[test]
fn the_target_must_be_a_folder_that_can_be_made() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let full = site.scratch("full");
    fs::create_dir(&full).expect("a folder");
    fs::write(full.join("precious"), "mine").expect("writing");
    for target in [full.clone(), site.scratch("no/such/parent"), "/proc/anode".into(), full.join("precious/below")] {
        let fetched = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).into(&target).run();
        assert_eq!(fetched.output.exit, Some(50), "{}: {}", target.display(), fetched.output);
        assert_eq!(fetched.json["code"], "io");
        let message = fetched.json["message"].as_str().expect("a message");
        assert!(message.contains(target.to_str().expect("text")), "{message}");
    }
    assert_eq!(anode_tests::files(&full).into_keys().collect::<Vec<_>>(), ["precious"]);
}

#[test]
fn a_full_or_read_only_disk_is_exit_50_and_leaves_nothing_behind() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let Some(disk) = SmallDisk::new(4) else { return };
    let target = disk.path().join("files");
    let run = || site.fetch(&code.text).answers(Site::SERVER_ANSWERS).into(&target).run();
    disk.fill(8);
    let message = run().refused(50, "io");
    assert!(message.contains("no space left") && message.contains("files"), "{message}");
    disk.empty();
    disk.read_only(true);
    let message = run().refused(50, "io");
    assert!(message.contains("read-only"), "{message}");
    disk.read_only(false);
    assert_eq!(anode_tests::files(disk.path()).into_keys().collect::<Vec<_>>(), Vec::<String>::new());
    let _ = run().files();
}

#[test]
fn german_is_spoken_where_it_is_asked_for() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let by_option = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).option("--lang", "de").run();
    let _ = by_option.files();
    assert!(by_option.output.stderr.contains("Dateien liegen in"), "{}", by_option.output);
    let by_locale = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).environment("LC_ALL", "de_AT.UTF-8").run();
    assert!(by_locale.output.stderr.contains("Organisation"), "{}", by_locale.output);
    let english = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    assert!(english.output.stderr.contains("files are in"), "{}", english.output);
}

#[test]
fn a_person_at_a_terminal_is_asked_code_profile_answers_and_confirms() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER, Site::WORKSTATION], &[]);
    site.release();
    let target = site.scratch("files");
    let mut terminal = Terminal::run(&interactive(&site, &target, &[]));
    terminal.expect("Activation code:");
    let mut wrong = code.text.clone();
    let last = wrong.pop().expect("a symbol");
    wrong.push(if last == '0' { '1' } else { '0' });
    terminal.type_line(&wrong);
    terminal.expect("wrong or swapped symbol");
    terminal.expect("Activation code:");
    terminal.type_line(&code.text);
    terminal.expect("This code offers:");
    terminal.expect(Site::SERVER);
    terminal.expect("Number or name:");
    terminal.type_line(Site::SERVER);
    for (question, answer) in Site::SERVER_DIALOGUE {
        terminal.expect(question);
        // This machine may have disks, and none of that name: a name is taken that only the installer's system gives.
        terminal.type_line(if *answer == "/dev/vda" { "/dev/disk/by-id/virtio-1" } else { answer });
    }
    terminal.expect("Ready:");
    terminal.expect("Test site");
    terminal.expect("host-7");
    terminal.expect("Go ahead? (yes/no)");
    terminal.type_line("yes");
    terminal.expect("files are in");
    assert_eq!(terminal.exit(), Some(0), "{}", terminal.screen());
    assert!(target.join("preseed.cfg").is_file() && target.join("provisioning-selection.json").is_file());

    let screen = terminal.screen();
    assert!(screen.contains("****-****-****-****"), "{screen}");
    for secret in [code.text.as_str(), wrong.as_str(), &code.text[..9], "correct horse"] {
        assert!(!screen.contains(secret), "the screen shows `{secret}`:\n{screen}");
    }
}

#[test]
fn a_person_who_says_no_gets_nothing_and_exit_3() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let target = site.scratch("files");
    let answers: Vec<&str> = Site::SERVER_ANSWERS.iter().flat_map(|answer| ["--answer", answer]).collect();
    let mut terminal = Terminal::run(&interactive(&site, &target, &[&answers[..], &["--lang", "de"]].concat()));
    terminal.expect("Aktivierungscode:");
    terminal.type_line(&code.text);
    terminal.expect("Fortfahren? (ja/nein)");
    terminal.type_line("vielleicht");
    terminal.expect("Bitte `ja` oder `nein` eingeben.");
    terminal.type_line("nein");
    assert_eq!(terminal.exit(), Some(3), "{}", terminal.screen());
    assert!(!target.exists());
}

fn interactive(site: &Site, target: &std::path::Path, more: &[&str]) -> Vec<String> {
    let binary = binary("anode-fetch").display().to_string();
    let (root, ca) = (site.root().display().to_string(), site.authority.certificate().display().to_string());
    let target = target.display().to_string();
    let words = [&binary, "activate", "--site", &site.web.url, "--root", &root, "--ca", &ca, "--files", &target];
    words.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

#[test]
fn update_keeps_what_is_trusted_and_facts_are_json() {
    let site = Site::published();
    let state = site.scratch("state");
    let update = Program::new(binary("anode-fetch")).args(["update", "--json", "--site", &site.web.url, "--root"]);
    let update = update.arg(site.root()).arg("--ca").arg(site.authority.certificate()).arg("--state").arg(&state);
    let updated = update.run().ok().json();
    assert_eq!((&updated["ok"], &updated["release"]), (&true.into(), &site.release_version().into()));
    assert_eq!(anode_tests::files(&state.join("current")).len(), 1, "one file with timestamp and release");
    let facts = Program::new(binary("anode-fetch")).arg("facts").run().ok().json();
    assert!(facts["memory"].is_object() || facts["memory"].is_number(), "{facts}");
}
