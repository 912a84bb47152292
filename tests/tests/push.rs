//! From `git push` to the machine: a bare repository with `ci/post-receive`, real nginx, the real fetcher. And the workflow
//! that a forge would run, step by step.

use std::fs;
use std::path::{Path, PathBuf};

use anode_tests::{Output, Program, Site, differing, files, program_file, source};

fn git(folder: &Path, arguments: &[&str]) -> Output {
    Program::new("git").arg("-C").arg(folder).args(["-c", "init.defaultBranch=main"]).args(arguments).run()
}

/// A bare repository with the hook, and the site's repository as its clone.
fn bare(site: &Site) -> PathBuf {
    let bare = site.scratch("profiles.git");
    fs::create_dir(&bare).expect("a folder");
    let _ = git(&bare, &["init", "--quiet", "--bare"]).ok();
    let hook = bare.join("hooks/post-receive");
    program_file(&hook, &fs::read_to_string(source().join("ci/post-receive")).expect("the hook"));
    let configure = |name: &str, path: &Path| git(&bare, &["config", name, path.to_str().expect("text")]).ok();
    let _ = configure("anode.to", &site.target());
    let _ = configure("anode.keys", &site.keys());
    let _ = configure("anode.ca", &site.authority.certificate());
    let clone = site.repository();
    let _ = git(&clone, &["init", "--quiet"]).ok();
    let _ = git(&clone, &["remote", "add", "origin", bare.to_str().expect("text")]).ok();
    bare
}

/// Commits everything and pushes it to a branch; what the pusher sees is in `stderr`.
fn push(site: &Site, branch: &str) -> Output {
    let clone = site.repository();
    let _ = git(&clone, &["add", "--all"]).ok();
    let _ = git(&clone, &["commit", "--quiet", "--message", "Change"]).ok();
    git(&clone, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")])
}

#[test]
fn a_pushed_change_is_what_the_next_machine_gets() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    let _bare = bare(&site);
    let pushed = push(&site, "main").ok();
    assert!(pushed.stderr.contains("remote: anode: published"), "{pushed}");
    let first = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(first.selection()["release"], 1);

    site.change_title("Pushed with git");
    let _ = push(&site, "main").ok();
    let second = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(second.selection()["release"], 2);
    assert_eq!(second.selection()["title"], "Pushed with git");
    // Nothing secret travelled: what is pushed is what may be pushed.
    let tracked = git(&site.repository(), &["ls-files"]).ok().stdout;
    assert!(!tracked.contains(".anode/") && !tracked.contains(".key"), "{tracked}");
}

#[test]
fn a_push_with_a_mistake_is_reported_to_the_pusher_and_changes_nothing() {
    let site = Site::new();
    let _bare = bare(&site);
    let _ = push(&site, "main").ok();
    let before = files(&site.current());
    let profile = format!("{}/profile.toml", Site::SERVER);
    let good = fs::read_to_string(site.repository().join(&profile)).expect("the profile");
    site.write(&profile, &good.replacen("title", "titel", 1));
    let pushed = push(&site, "main");
    for word in ["titel", "debian-server/profile.toml:", "did you mean `title`?", "not published"] {
        assert!(pushed.stderr.contains(word), "`{word}` is not said\n{pushed}");
    }
    assert_eq!(differing(&before, &files(&site.current())), Vec::<String>::new());
    site.write(&profile, &(good + "\n"));
    let _ = push(&site, "main").ok();
    assert_eq!(site.release_version(), 1, "a blank line changes no pack");
}

#[test]
fn other_branches_are_nobodys_business() {
    let site = Site::new();
    let _bare = bare(&site);
    let pushed = push(&site, "draft").ok();
    assert!(!pushed.stderr.contains("anode"), "{pushed}");
    assert!(!site.current().exists());
}

#[test]
fn a_hook_without_settings_says_what_is_missing() {
    let site = Site::new();
    let bare = bare(&site);
    let _ = git(&bare, &["config", "--unset", "anode.keys"]).ok();
    let pushed = push(&site, "main");
    assert!(pushed.stderr.contains("git config anode.keys DIR"), "{pushed}");
    assert!(!site.current().exists());
}

#[test]
fn the_hook_signs_the_timestamp_every_night() {
    let site = Site::new();
    let bare = bare(&site);
    let _ = push(&site, "main").ok();
    let before = files(&site.current());
    let _ = Program::new(bare.join("hooks/post-receive")).arg("refresh").folder(&bare).run().ok();
    let changed = differing(&before, &files(&site.current()));
    assert_eq!(changed, ["timestamp.json", "timestamp.json.minisig", "timestamp.signed"]);
}

/// The script of a step of the workflow that `anode init` wrote, by the step's name; the last one where jobs share it.
fn step(site: &Site, name: &str) -> String {
    let folders = [".github/workflows", ".gitea/workflows", ".forgejo/workflows"];
    let file =
        folders.iter().map(|folder| site.repository().join(folder).join("publish.yml")).find(|file| file.is_file());
    let text = fs::read_to_string(file.expect("the workflow that `anode init` wrote")).expect("text");
    let after = text.rsplit_once(&format!("- name: {name}\n")).expect("the step").1;
    let block = after.split_once("run: |\n").expect("a script").1;
    let indented = |line: &&str| line.starts_with("          ") || line.is_empty();
    block.lines().take_while(indented).map(|line| line.trim_start_matches("          ").to_owned() + "\n").collect()
}

#[test]
fn the_workflow_publishes_and_refreshes_with_secrets_from_the_environment_only() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    let secret = |name: &str| fs::read_to_string(site.keys().join(name)).expect("a secret").trim().to_owned();
    let run = |name: &str, event: &str| {
        let script = Program::new("bash").args(["-e", "-c", &step(&site, name)]).folder(site.repository());
        let script = script.env("HOME", site.scratch("home")).env("EVENT", event).env("ANODE_TO", site.target());
        let script =
            script.env("ANODE_RELEASE_KEY", secret("release.key")).env("ANODE_SEAL_SECRET", secret("seal.secret"));
        let script =
            script.env("ANODE_TIMESTAMP_KEY", secret("timestamp.key")).env("ANODE_PROBE_CODE", secret("probe.code"));
        // What the runner's system would trust.
        script.env("SSL_CERT_FILE", site.authority.certificate()).run()
    };
    // The public address is not one for a private authority: the workflow's site has none.
    let url = format!("urls = [\"{}\"]", site.web.url);
    site.edit("anode.toml", &url, "urls = []");
    let _ = run("Check", "push").ok();
    let _ = run("Build, sign and publish", "push").ok();
    let _ = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().files();
    let before = files(&site.current());
    let _ = run("Build, sign and publish", "schedule").ok();
    assert_eq!(
        differing(&before, &files(&site.current())),
        ["timestamp.json", "timestamp.json.minisig", "timestamp.signed"]
    );
    site.change_title("Changed");
    let _ = run("Build, sign and publish", "push").ok();
    assert_eq!(site.release_version(), 2);
}

#[test]
fn the_workflow_gives_no_secret_to_a_pull_request() {
    let text = fs::read_to_string(source().join("ci/publish.yml")).expect("the workflow");
    let (check, publish) = text.split_once("\n  publish:\n").expect("two jobs");
    let check = check.split_once("\n  check:\n").expect("a job").1;
    assert!(check.contains("if: github.event_name == 'pull_request'") && !check.contains("secrets."), "{check}");
    assert!(publish.contains("if: github.event_name != 'pull_request'"), "{publish}");
    assert!(text.contains("permissions:\n  contents: read\n") && !text.contains("pull_request_target"));
    for line in text.lines().filter(|line| line.contains("uses: ")) {
        let commit = line.rsplit('@').next().unwrap_or_default();
        assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "not pinned: {line}");
    }
    // What a forge puts into a script by itself can hold anything that a branch name can hold.
    for line in text.lines().filter(|line| line.contains("${{")) {
        let is_setting = line.trim_start().starts_with("ANODE_") || line.contains("EVENT:") || line.contains("group:");
        assert!(is_setting, "an expression inside a script: {line}");
    }
}
