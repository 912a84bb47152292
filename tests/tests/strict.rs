//! Strict mode: CI proposes and can not sign, a maintainer rebuilds and signs, CI adds the timestamp and publishes.

use std::fs;
use std::path::{Path, PathBuf};

use anode_tests::{Output, Program, Site, anode, copy_folder, differing, files, read_json, source};

/// Two machines with a clone each: CI has no release key, the maintainer nothing but that and the seal secret.
struct Team {
    site: Site,
    ci: PathBuf,
    maintainer: PathBuf,
}

impl Team {
    fn new() -> Team {
        let site = Site::new();
        let git = |arguments: &[&str]| Program::new("git").arg("-C").arg(site.repository()).args(arguments).run().ok();
        let _ = git(&["-c", "init.defaultBranch=main", "init", "--quiet"]);
        let (ci, maintainer) = (site.scratch("ci"), site.scratch("maintainer"));
        for (keys, names) in [
            ("ci-keys", &["timestamp.key", "seal.secret", "probe.code"][..]),
            ("own-keys", &["release.key", "seal.secret"]),
        ] {
            fs::create_dir(site.scratch(keys)).expect("a folder");
            for name in names {
                fs::copy(site.keys().join(name), site.scratch(keys).join(name)).expect("copying a key");
            }
        }
        let team = Team { site, ci, maintainer };
        let _ = team.commit();
        for clone in [&team.ci, &team.maintainer] {
            let _ = Program::new("git").args(["clone", "--quiet"]).arg(team.site.repository()).arg(clone).run().ok();
        }
        team
    }

    fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        Program::new("git").arg("-C").arg(folder).args(arguments).run().ok().stdout.trim().to_owned()
    }

    /// Commits what was changed in the site's repository.
    fn commit(&self) -> String {
        let _ = self.git(&self.site.repository(), &["add", "--all"]);
        let _ = self.git(&self.site.repository(), &["commit", "--quiet", "--message", "Change"]);
        self.git(&self.site.repository(), &["rev-parse", "HEAD"])
    }

    /// Both machines get the newest commit.
    fn pull(&self) {
        for clone in [&self.ci, &self.maintainer] {
            let _ = self.git(clone, &["pull", "--quiet", "--ff-only"]);
        }
    }

    fn on_ci(&self, command: &[&str]) -> Program {
        anode(command).arg("-C").arg(&self.ci).env("ANODE_KEYS", self.site.scratch("ci-keys"))
    }

    fn by_maintainer(&self, command: &[&str]) -> Program {
        anode(command).arg("-C").arg(&self.maintainer).env("ANODE_KEYS", self.site.scratch("own-keys"))
    }

    fn proposal(&self) -> PathBuf {
        self.ci.join(".anode/proposal")
    }

    fn propose(&self) -> Program {
        let propose = self.on_ci(&["build", "--propose"]);
        if self.site.current().exists() { propose.arg("--previous").arg(self.site.target()) } else { propose }
    }

    fn review(&self, command: &str) -> Program {
        let review = self.by_maintainer(&["release", command]).arg("--proposal").arg(self.proposal());
        review.arg("--previous").arg(self.site.target())
    }

    fn finish(&self) -> Program {
        self.on_ci(&["release", "finish"]).arg("--previous").arg(self.site.target())
    }

    fn publish(&self) -> Output {
        self.on_ci(&["publish"])
            .arg("--to")
            .arg(self.site.target())
            .arg("--ca")
            .arg(self.site.authority.certificate())
            .run()
    }

    /// From a proposal to the published tree.
    fn release(&self) {
        let _ = self.propose().run().ok();
        let _ = self.review("sign").run().ok();
        let _ = self.finish().run().ok();
        let _ = self.publish().ok();
    }
}

#[test]
fn a_release_is_signed_off_ci_and_published_by_ci() {
    let team = Team::new();
    let code = team.site.code(&[Site::SERVER], &["--label", "front-desk"]);
    let _ = team.commit();
    team.pull();
    let _ = team.on_ci(&["build"]).run().fails(&["release"]);
    let proposed = team.propose().run().ok();
    assert!(proposed.stderr.contains("anode release sign --proposal"), "{proposed}");

    // It is no tree, for nobody.
    let publish = team.on_ci(&["publish"]).arg("--tree").arg(team.proposal()).arg("--to").arg(team.site.target());
    let _ = publish.run().fails(&["holds no tree"]);
    assert_ne!(team.site.verify(team.proposal()).exit, Some(0));
    let _ = team.finish().run().fails(&["not signed yet", "anode release sign"]);

    let checked = team.review("check").run().ok();
    for words in ["the first", "every byte is equal", "front-desk", Site::SERVER, "minisign -SHm release.json"] {
        assert!(checked.stderr.contains(words), "`{words}`\n{checked}");
    }
    assert!(!team.proposal().join("release.json.minisig").exists());
    let _ = team.review("sign").run().ok();
    let _ = team.finish().run().ok();
    let _ = team.publish().ok();
    let fetched = team.site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(fetched.selection()["release"], 1);

    // The nightly job needs the timestamp key alone.
    let before = files(&team.site.current());
    let _ = team.on_ci(&["refresh"]).arg("--to").arg(team.site.target()).run().ok();
    assert_eq!(differing(&before, &files(&team.site.current())).len(), 3);

    // The next one is signed with the stock program, by the line that `check` prints, and read at an address.
    team.site.change_title("Changed");
    let _ = team.commit();
    team.pull();
    let _ = team.propose().run().ok();
    let checked = team.review("check").run().ok();
    assert!(checked.stderr.contains("packs       1 changed: `example-school/debian-server`"), "{checked}");
    let line = checked.stderr.lines().find_map(|line| line.strip_prefix("to sign     ")).expect("the line").to_owned();
    fs::copy(team.site.scratch("own-keys/release.key"), team.proposal().join("release.key")).expect("copying");
    let _ = Program::new("sh").args(["-c", &line]).folder(team.proposal()).run().ok();
    fs::remove_file(team.proposal().join("release.key")).expect("removing");
    let signature = team.site.scratch("signature");
    fs::rename(team.proposal().join("release.json.minisig"), &signature).expect("renaming");
    let _ = team.finish().arg("--signature").arg(&signature).run().ok();
    let _ = team.publish().ok();
    let fetched = team.site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    assert_eq!((&fetched.selection()["release"], &fetched.selection()["title"]), (&2.into(), &"Changed".into()));

    // Nothing changed: nobody has to sign.
    let proposed = team.propose().run().ok();
    assert!(proposed.stderr.contains("nothing to sign"), "{proposed}");
    let _ = team.finish().run().ok();
    let _ = team.publish().ok();
    assert_eq!(team.site.release_version(), 2);
}

#[test]
fn a_proposal_with_one_changed_byte_is_not_signed() {
    let team = Team::new();
    let _ = team.site.code(&[Site::SERVER], &["--label", "front-desk"]);
    let _ = team.commit();
    team.pull();
    let _ = team.propose().run().ok();
    let good = team.site.scratch("good");
    copy_folder(&team.proposal(), &good);
    let refused = |words: &[&str]| {
        let refused = team.review("sign").run().fails(words);
        assert!(refused.stderr.contains("do not sign it"), "{refused}");
        assert!(!team.proposal().join("release.json.minisig").exists());
    };
    let (mut packs, mut activations) = (0, 0);
    for name in files(&good.join("objects")).into_keys() {
        let path = team.proposal().join("objects").join(&name);
        let mut bytes = fs::read(&path).expect("an object");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).expect("writing");
        let seen = team.review("check").run().fails(&[&name, "has other bytes"]);
        packs += usize::from(seen.stderr.contains("the pack of `example-school/debian-server`"));
        activations += usize::from(seen.stderr.contains("the activation of `example-school/front-desk`"));
        fs::remove_file(&path).expect("removing");
        refused(&[&name, "missing"]);
        fs::copy(good.join("objects").join(&name), &path).expect("copying");
    }
    assert_eq!((packs, activations), (1, 1));

    // Another body that its own hash names.
    let body = fs::read_to_string(good.join("release.json")).expect("the body");
    let change = |from: &str, to: &str| {
        assert!(body.contains(from), "{body}");
        let text = body.replacen(from, to, 1);
        fs::write(team.proposal().join("release.json"), &text).expect("writing");
        let sum = Program::new("sha256sum").arg(team.proposal().join("release.json")).run().ok().stdout;
        let mut proposal = read_json(&good.join("proposal.json"));
        proposal["release"]["sha256"] = sum.split(' ').next().expect("a hash").into();
        proposal["release"]["length"] = text.len().into();
        fs::write(team.proposal().join("proposal.json"), proposal.to_string()).expect("writing");
    };
    change("\"version\": 1", "\"version\": 7");
    refused(&["version is 7 and should be 1"]);
    change("\"critical\"", "\"unheard\": 1,\n  \"critical\"");
    refused(&["other bytes, or has members that nobody here knows"]);
    fs::write(team.proposal().join("release.json"), body.replacen("20", "21", 1)).expect("writing");
    let _ = team.review("sign").run().fails(&["is not the release that `proposal.json` names"]);
}

#[test]
fn a_ci_that_builds_something_else_than_the_commit_is_caught_and_the_pack_is_named() {
    let team = Team::new();
    let _ = team.site.code(&[Site::SERVER], &["--label", "front-desk"]);
    let _ = team.commit();
    team.pull();
    team.release();
    team.site.change_title("Honest");
    let honest = team.commit();
    team.pull();
    // CI compiles a changed profile and claims that it is the commit.
    let profile = team.ci.join(Site::SERVER).join("profile.toml");
    let text = fs::read_to_string(&profile).expect("the profile").replace("Honest", "Backdoor");
    fs::write(&profile, text).expect("writing");
    let dirty = team.propose().run();
    let _ = dirty.fails(&["differs from its commit", "debian-server/profile.toml"]);
    let _ = team.git(&team.ci, &["commit", "--quiet", "--all", "--message", "Backdoor"]);
    let _ = team.propose().run().ok();
    let mut proposal = read_json(&team.proposal().join("proposal.json"));
    let _ = team.review("sign").run().fails(&["the proposal is of commit", &honest]);
    proposal["commit"] = honest.into();
    fs::write(team.proposal().join("proposal.json"), proposal.to_string()).expect("writing");
    let refused = team.review("sign").run().fails(&["do not sign it"]);
    assert!(refused.stderr.contains("the pack of `example-school/debian-server` has other contents"), "{refused}");
    let differences = refused.stderr.lines().filter(|line| line.starts_with("error: the "));
    assert_eq!(differences.filter(|line| !line.contains("the proposal is")).count(), 2, "only what differs\n{refused}");
    assert!(!team.proposal().join("release.json.minisig").exists());
    assert_eq!(team.site.release_version(), 1);
}

#[test]
fn a_maintainer_signs_only_from_a_clean_checkout_of_the_commit() {
    let team = Team::new();
    let _ = team.propose().run().ok();
    fs::write(team.maintainer.join("stray"), "x").expect("writing");
    let _ = team.review("sign").run().fails(&["differs from its commit", "stray"]);
    fs::remove_file(team.maintainer.join("stray")).expect("removing");
    // Ignored by git, read by a build.
    fs::write(team.maintainer.join("debian-server/local.key"), "x").expect("writing");
    let _ = team.review("sign").run().fails(&["differs from its commit", "local.key"]);
    fs::remove_file(team.maintainer.join("debian-server/local.key")).expect("removing");
    let title = team.maintainer.join("anode.toml");
    let text = fs::read_to_string(&title).expect("the site");
    fs::write(&title, format!("{text}\n# mine\n")).expect("writing");
    let _ = team.review("sign").run().fails(&["differs from its commit", "anode.toml"]);
    let _ = team.git(&team.maintainer, &["commit", "--quiet", "--all", "--message", "Mine"]);
    let _ = team.review("sign").run().fails(&["the proposal is of commit", "git checkout"]);
    let _ = team.git(&team.maintainer, &["reset", "--quiet", "--hard", "HEAD~1"]);
    let _ = team.review("sign").run().ok();
}

#[test]
fn a_proposal_that_is_stale_or_follows_another_release_is_not_signed() {
    let team = Team::new();
    let _ = team.site.code(&[Site::SERVER], &[]);
    let _ = team.commit();
    team.pull();
    let old = Program::new("date").args(["-u", "-d", "-8 days", "+%Y-%m-%dT%H:%M:%SZ"]).run().ok();
    let _ = team.propose().args(["--at", old.stdout.trim()]).run().ok();
    let _ = team.review("sign").run().fails(&["stale", "have CI propose again"]);
    let _ = team.propose().args(["--at", &anode_tests::in_days(3)]).run().ok();
    let _ = team.review("sign").run().fails(&["clocks is wrong"]);
    team.release();
    team.site.change_title("Second");
    let _ = team.commit();
    team.pull();
    // CI forgets what is published.
    let _ = team.on_ci(&["build", "--propose"]).run().ok();
    let _ = team.review("sign").run().fails(&["built on no release", "release 1", "propose again"]);
    // Signed, but somebody else published in between.
    let _ = team.propose().run().ok();
    let _ = team.review("sign").run().ok();
    let signed = team.site.scratch("signed");
    copy_folder(&team.proposal(), &signed);
    team.site.change_title("Third");
    let _ = team.commit();
    team.pull();
    team.release();
    let late = team.finish().arg("--proposal").arg(&signed).run();
    let _ = late.fails(&["built on release 1", "release 2", "propose again"]);
}

#[test]
fn only_a_key_that_the_root_lists_for_releases_can_sign_a_proposal() {
    let team = Team::new();
    let _ = team.propose().run().ok();
    let stranger = team.site.scratch("stranger");
    let _ = anode(["init", "--keys"]).arg(&stranger).arg(team.site.scratch("other")).run().ok();
    for key in
        [stranger.join("release.key"), team.site.keys().join("timestamp.key"), team.site.keys().join("root-1.key")]
    {
        let source = format!("release=file:{}", key.display());
        let _ = team.review("sign").args(["--secret", &source]).run().fails(&["is not in root 1"]);
        // With the stock program the key is used without being asked; the signature counts for nothing.
        fs::copy(&key, team.proposal().join("release.key")).expect("copying");
        let line = team.review("check").run().ok().stderr;
        let line = line.lines().find_map(|line| line.strip_prefix("to sign     ")).expect("the line").to_owned();
        let _ = Program::new("sh").args(["-c", &line]).folder(team.proposal()).run().ok();
        fs::remove_file(team.proposal().join("release.key")).expect("removing");
        let refused = team.finish().run().fails(&["verifying the signature of the release"]);
        assert_eq!(refused.exit, Some(20), "{refused}");
        fs::remove_file(team.proposal().join("release.json.minisig")).expect("removing");
    }
    // A seal secret of another site seals other bytes.
    let source = format!("seal=file:{}", stranger.join("seal.secret").display());
    let _ = team.review("sign").args(["--secret", &source]).run().fails(&["do not sign it", "another seal secret"]);
    let _ = team.review("sign").run().ok();
    let path = team.proposal().join("release.json.minisig");
    let good = fs::read(&path).expect("the signature");
    let mut bad = good.clone();
    bad[100] ^= 1;
    fs::write(&path, bad).expect("writing");
    assert_ne!(team.finish().run().exit, Some(0));
    fs::write(&path, good).expect("writing");
    let _ = team.finish().run().ok();
    let _ = team.publish().ok();
}

/// The script of a step of the pipeline, by the step's name.
fn step(name: &str) -> String {
    let text = fs::read_to_string(source().join("ci/publish-strict.yml")).expect("the pipeline");
    let after = text.split_once(&format!("- name: {name}\n")).expect("the step").1;
    let block = after.split_once("run: |\n").expect("a script").1;
    let indented = |line: &&str| line.starts_with("          ") || line.is_empty();
    block.lines().take_while(indented).map(|line| line.trim_start_matches("          ").to_owned() + "\n").collect()
}

#[test]
fn each_job_of_the_strict_pipeline_works_with_its_own_secrets_alone() {
    let team = Team::new();
    let code = team.site.code(&[Site::SERVER], &[]);
    // The public address is not one for a private authority: the pipeline's site has none.
    team.site.edit("anode.toml", &format!("urls = [\"{}\"]", team.site.web.url), "urls = []");
    let _ = team.commit();
    team.pull();
    let proposal = team.site.scratch("proposal");
    let secret = |name: &str| fs::read_to_string(team.site.keys().join(name)).expect("a secret").trim().to_owned();
    let run = |name: &str, secrets: &[(&str, &str)]| {
        let script = Program::new("bash").args(["-e", "-c", &step(name)]).folder(&team.ci);
        let script = script.env("HOME", team.site.scratch("home")).env("ANODE_TO", team.site.target());
        let script = script.env("ANODE_PROPOSAL", &proposal);
        secrets.iter().fold(script, |script, (name, file)| script.env(name, secret(file))).run()
    };
    let timestamp = ("ANODE_TIMESTAMP_KEY", "timestamp.key");
    let publish = [timestamp, ("ANODE_PROBE_CODE", "probe.code")];
    let proposed = run("Propose", &[("ANODE_SEAL_SECRET", "seal.secret")]).ok();
    assert!(proposed.stdout.contains("proposed    release 1"), "{proposed}");
    let _ = run("Finish and publish", &publish).fails(&["not signed yet"]);
    let sign = team
        .by_maintainer(&["release", "sign"])
        .arg("--previous")
        .arg(team.site.target())
        .arg("--proposal")
        .arg(&proposal);
    let _ = sign.run().ok();
    let _ = run("Finish and publish", &publish).ok();
    let _ = team.site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().files();
    let before = files(&team.site.current());
    let _ = run("Refresh", &[timestamp]).ok();
    assert_eq!(differing(&before, &files(&team.site.current())).len(), 3);
    // And what the file gives to each job is no more.
    let text = fs::read_to_string(source().join("ci/publish-strict.yml")).expect("the pipeline");
    assert!(!text.contains("ANODE_RELEASE_KEY"), "the release key is on CI");
    let refresh = text.split_once("\n  refresh:\n").expect("the nightly job").1;
    assert_eq!(refresh.matches("secrets.").count(), 1, "{refresh}");
}
