//! What configures a machine after its first boot, run with the real git and the real ansible: the script and the units of the packs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anode_tests::{Output, Program, Site, files, read_json, source};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A machine after its first boot, and the git repository that it is configured from.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Machine {
        let machine = Machine { folder: tempfile::tempdir().expect("a temporary folder") };
        for name in ["etc", "home"] {
            fs::create_dir(machine.path(name)).expect("a folder");
        }
        machine
    }

    /// With a repository whose playbook says on the machine that it was there.
    fn with_playbook() -> Machine {
        let machine = Machine::new();
        let repository = machine.path("repository");
        let _ = Program::new("git").args(["init", "-q", "-b", "main"]).arg(&repository).run().ok();
        machine.commit(&[("site.yml", &machine.playbook("web", "one"))]);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A playbook for a group that leaves `word` in the file `played`.
    fn playbook(&self, group: &str, word: &str) -> String {
        let line = format!("line='{word}' path='{}' create=true", self.path("played").display());
        format!("- hosts: {group}\n  gather_facts: false\n  tasks:\n    - lineinfile: {line}\n")
    }

    fn git(&self, arguments: &[&str]) -> Output {
        let home = self.path("home");
        Program::new("git").arg("-C").arg(self.path("repository")).args(arguments).env("HOME", home).run().ok()
    }

    /// Commits files, and says under which id.
    fn commit(&self, files: &[(&str, &str)]) -> String {
        self.commit_with(files, &[])
    }

    fn commit_with(&self, files: &[(&str, &str)], options: &[&str]) -> String {
        for (name, text) in files {
            let path = self.path("repository").join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("writing");
        }
        let _ = self.git(&["add", "-A"]);
        let _ = self.git(&[options, &["commit", "-q", "-m", "next"]].concat());
        self.git(&["rev-parse", "HEAD"]).stdout.trim().to_owned()
    }

    /// Signs the next commit with a key of that name, which is made where it is not there yet; the line for the allowed signers.
    fn commit_signed(&self, name: &str, files: &[(&str, &str)]) -> (String, String) {
        let key = self.path(name);
        if !key.exists() {
            let keygen = Program::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&key);
            let _ = keygen.run().ok();
        }
        let key_option = format!("user.signingkey={}", key.display());
        let signing = ["-c", "gpg.format=ssh", "-c", &key_option, "-c", "commit.gpgsign=true"];
        let commit = self.commit_with(files, &signing);
        let public = fs::read_to_string(self.path(&format!("{name}.pub"))).expect("the public half");
        (commit, format!("{name}@example.org {}", public.trim()))
    }

    /// Writes `ansible.conf` as a pack would: `extra` are lines of it.
    fn configure(&self, extra: &str) {
        let text = format!("repository='file://{}'\ngroups=web\n{extra}\n", self.path("repository").display());
        fs::write(self.path("etc/ansible.conf"), text).expect("writing");
    }

    fn run(&self) -> Output {
        self.run_script(&source().join("profiles/installers/shared/firstboot"))
    }

    fn run_script(&self, script: &Path) -> Output {
        Program::new("sh")
            .arg(script)
            .env("ANODE_ETC", self.path("etc"))
            .env("ANODE_STATE", self.path("state"))
            .env("HOME", self.path("home"))
            .run()
    }

    fn status(&self) -> Value {
        read_json(&self.path("state/status.json"))
    }

    /// State, step and exit code, which are what a person looks for.
    fn said(&self) -> Value {
        let status = self.status();
        json!([status["state"], status["step"], status["exit_code"]])
    }

    fn is_done(&self) -> bool {
        self.path("state/done").exists()
    }

    fn played(&self) -> String {
        fs::read_to_string(self.path("played")).unwrap_or_default()
    }
}

#[test]
fn what_a_profile_says_of_ansible_is_what_the_installed_machine_does() {
    let machine = Machine::with_playbook();
    let (commit, signer) =
        machine.commit_signed("anna", &[("play/web.yml", &machine.playbook("web:&night_shift", "one"))]);
    let site = Site::new();
    let profile = site.repository().join("debian-server/profile.toml");
    let text = fs::read_to_string(&profile).expect("the profile");
    let (before, _) = text.split_once("[ansible]").expect("the example uses ansible");
    let ansible = format!(
        "[ansible]\nrepository = \"file://{}\"\ncommit = \"{commit}\"\nplaybook = \"play/web.yml\"\n\
         groups = [\"web\", \"night_shift\"]\nsigners = [\"{signer}\"]\nschedule = \"*-*-* 04:00\"\njitter = \"1h\"\n\
         only_if_changed = true\n",
        machine.path("repository").display()
    );
    fs::write(&profile, format!("{before}{ansible}")).expect("writing");
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let fetched = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    let selection = read_json(&fetched.files.join("provisioning-selection.json"));
    assert_eq!(selection["ansible"]["groups"], json!(["web", "night_shift"]));
    assert_eq!(selection["ansible"]["schedule"], "*-*-* 04:00");

    fs::copy(fetched.files.join("anode/ansible.conf"), machine.path("etc/ansible.conf")).expect("copying");
    let script = fetched.files.join("anode/firstboot");
    let first = machine.run_script(&script).ok();
    assert_eq!(machine.played(), "one\n", "{first}");
    let status = machine.status();
    assert_eq!(machine.said(), json!(["succeeded", "playbook", 0]));
    assert_eq!(status["commit"], commit.as_str());
    assert!(status["started"].as_str() <= status["finished"].as_str(), "{status}");
    let second = machine.run_script(&script).ok();
    assert!(second.stdout.contains("nothing has changed"), "{second}");

    let timer = fs::read_to_string(fetched.files.join("anode/anode-pull.timer")).expect("the timer");
    assert!(timer.contains("\nOnCalendar=*-*-* 04:00\nRandomizedDelaySec=1h\nPersistent=true\n"), "{timer}");
    // systemd refuses to look at units whose name it does not know from its folders, but for those given by path.
    let units = ["anode-firstboot.service", "anode-pull.service", "anode-pull.timer"];
    let units = units.map(|unit| fetched.files.join("anode").join(unit));
    let verified = Program::new("systemd-analyze").args(["verify", "--man=no"]).args(units).run().ok();
    assert_eq!(verified.stderr, "", "{verified}");
}

#[test]
fn a_schedule_plays_a_new_commit_and_nothing_before_the_first_success() {
    let machine = Machine::with_playbook();
    machine.configure("branch=main\nonly_if_changed=true");
    machine.commit(&[("site.yml", "- hosts: web\n  gather_facts: false\n  tasks:\n    - fail: msg=no\n")]);
    for _ in 0..2 {
        // The commit is the same one the second time, and it has not succeeded yet.
        let failed = machine.run();
        assert_eq!(failed.exit, Some(2), "{failed}");
        assert_eq!(machine.said(), json!(["failed", "playbook", 2]));
        assert!(!machine.is_done());
    }
    machine.commit(&[("site.yml", &machine.playbook("web", "two"))]);
    let _ = machine.run().ok();
    assert_eq!(machine.played(), "two\n");
    fs::remove_file(machine.path("played")).expect("removing");
    let _ = machine.run().ok();
    assert_eq!((machine.played().as_str(), machine.said()), ("", json!(["unchanged", "fetch", 0])));
    let commit = machine.commit(&[("site.yml", &machine.playbook("web", "three"))]);
    let _ = machine.run().ok();
    assert_eq!(machine.played(), "three\n");
    assert_eq!(machine.status()["commit"], commit.as_str());
    machine.configure("branch=main");
    fs::remove_file(machine.path("played")).expect("removing");
    let _ = machine.run().ok();
    assert_eq!(machine.played(), "three\n", "without the word, every run plays");
}

#[test]
fn a_commit_that_no_allowed_signer_signed_is_not_played() {
    let machine = Machine::with_playbook();
    let (_, anna) = machine.commit_signed("anna", &[("site.yml", &machine.playbook("web", "anna"))]);
    let signers = format!("signers='{anna}'");
    machine.configure(&signers);
    let _ = machine.run().ok();
    assert_eq!(machine.played(), "anna\n");
    machine.commit_signed("mallory", &[("site.yml", &machine.playbook("web", "mallory"))]);
    let refused = machine.run().fails(&["is not signed by one of the allowed signers"]);
    assert_eq!((refused.exit, machine.said()), (Some(77), json!(["failed", "verify", 77])));
    machine.commit(&[("site.yml", &machine.playbook("web", "nobody"))]);
    let _ = machine.run().fails(&["is not signed by one of the allowed signers"]);
    assert_eq!(machine.played(), "anna\n");
    // Her signature for something else, such as a file, does not count for a commit.
    machine.configure(&signers.replace("@example.org ", "@example.org namespaces=\"file\" "));
    machine.commit_signed("anna", &[("site.yml", &machine.playbook("web", "file"))]);
    let _ = machine.run().fails(&["is not signed by one of the allowed signers"]);
    assert_eq!(machine.played(), "anna\n");
}

#[test]
fn a_pinned_commit_is_checked_out_exactly_wherever_the_branch_is() {
    let machine = Machine::with_playbook();
    let pinned = machine.commit(&[("site.yml", &machine.playbook("web", "pinned"))]);
    machine.commit(&[("site.yml", &machine.playbook("web", "newer")), ("new", "")]);
    machine.configure(&format!("commit={pinned}"));
    // Some hosts hand out any commit by its id, others the tips of branches only.
    for any_commit in ["true", "false"] {
        let _ = machine.git(&["config", "uploadpack.allowAnySHA1InWant", any_commit]);
        let _ = fs::remove_dir_all(machine.path("state"));
        let _ = machine.run().ok();
        let head = Program::new("git").arg("-C").arg(machine.path("state/ansible")).args(["rev-parse", "HEAD"]).run();
        assert_eq!(head.ok().stdout.trim(), pinned);
        assert_eq!(machine.played(), "pinned\n");
        assert!(!machine.path("state/ansible/new").exists());
    }
    // What somebody left in the checkout is gone at the next run.
    fs::write(machine.path("state/ansible/site.yml"), machine.playbook("web", "tampered")).expect("writing");
    fs::rename(machine.path("repository"), machine.path("away")).expect("renaming");
    let _ = machine.run().ok();
    assert_eq!(machine.played(), "pinned\n", "what is pinned and here needs no network");
    machine.configure(&format!("commit={}", "0".repeat(40)));
    fs::rename(machine.path("away"), machine.path("repository")).expect("renaming");
    let _ = machine.run().fails(&["does not hold the commit 0000"]);
}

#[test]
fn without_a_network_it_fails_and_the_next_try_succeeds() {
    let machine = Machine::with_playbook();
    machine.configure("");
    fs::rename(machine.path("repository"), machine.path("away")).expect("renaming");
    let failed = machine.run().fails(&["can not be fetched"]);
    assert_eq!((failed.exit, machine.said()), (Some(1), json!(["failed", "fetch", 1])));
    assert_eq!(machine.status()["commit"], Value::Null);
    assert!(!machine.is_done(), "the unit runs until this file is there");
    fs::rename(machine.path("away"), machine.path("repository")).expect("renaming");
    let _ = machine.run().ok();
    assert!(machine.is_done());
    let unit =
        fs::read_to_string(source().join("profiles/installers/shared/anode-firstboot.service")).expect("the unit");
    for line in ["Restart=on-failure", "StartLimitIntervalSec=0", "ConditionPathExists=!/var/lib/anode/done"] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_requirements_of_the_verified_commit_are_installed_before_it_is_played() {
    let machine = Machine::with_playbook();
    let role = machine.path("greeter");
    let line = format!("- lineinfile: line='role' path='{}' create=true\n", machine.path("played").display());
    fs::create_dir_all(role.join("tasks")).expect("a folder");
    fs::write(role.join("tasks/main.yml"), line).expect("writing");
    fs::create_dir(role.join("meta")).expect("a folder");
    fs::write(role.join("meta/main.yml"), "galaxy_info: {}\n").expect("writing");
    for arguments in [&["init", "-q", "-b", "main"][..], &["add", "-A"], &["commit", "-q", "-m", "role"]] {
        let _ = Program::new("git").arg("-C").arg(&role).args(arguments).run().ok();
    }
    let requirements = format!("roles:\n  - src: file://{}\n    scm: git\n    name: greeter\n", role.display());
    let play = "- hosts: web\n  gather_facts: false\n  roles: [greeter]\n";
    machine.commit(&[("site.yml", play), ("needs/requirements.yml", &requirements)]);
    machine.configure("requirements=needs/requirements.yml");
    let _ = machine.run().ok();
    assert_eq!(machine.played(), "role\n");
    machine.configure("requirements=missing.yml");
    let _ = machine.run().fails(&["has no missing.yml"]);
    assert_eq!(machine.said(), json!(["failed", "requirements", 1]));
}

#[test]
fn two_runs_are_never_at_it_together_and_a_machine_without_a_repository_is_done() {
    let machine = Machine::with_playbook();
    machine.configure("repository=''");
    let _ = machine.run().ok();
    assert!(machine.is_done());
    let lock = machine.path("state/lock");
    let script = format!(
        "exec 8>'{}'; flock 8; sh '{}'",
        lock.display(),
        source().join("profiles/installers/shared/firstboot").display()
    );
    let program = Program::new("sh").args(["-c", &script]);
    let held = program.env("ANODE_ETC", machine.path("etc")).env("ANODE_STATE", machine.path("state")).run();
    assert_eq!(held.exit, Some(75), "{held}");
}

/// A program in the place of `ssh` that writes down how it was called and runs the command here.
fn stand_in_for_ssh(machine: &Machine) -> PathBuf {
    let folder = machine.path("bin");
    fs::create_dir(&folder).expect("a folder");
    let notes = machine.path("ssh-notes");
    let script = format!(
        "#!/bin/sh\nfor word; do case $last in -i) cat \"$word\" >>'{0}' ;; esac; last=$word; echo \"$word\" >>'{0}'; \
         case $word in UserKnownHostsFile=*) cat \"${{word#*=}}\" >>'{0}' ;; esac; done\nexec sh -c \"$last\"\n",
        notes.display()
    );
    let ssh = folder.join("ssh");
    fs::write(&ssh, script).expect("writing");
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).expect("chmod");
    folder
}

#[test]
fn deploy_key_and_vault_password_are_used_and_do_not_stay() {
    let machine = Machine::with_playbook();
    let site = Site::new();
    let _ = site.anode(&["ssh-key", "new", "deploy"]).run().ok();
    let key = fs::read_to_string(site.keys().join("deploy.ssh")).expect("the key");
    let vault = machine.path("vault-password");
    fs::write(&vault, "it's a vault password\n").expect("writing");
    let encrypt = Program::new("ansible-vault").args(["encrypt", "--output", "-", "--vault-password-file"]).arg(&vault);
    let encrypted = encrypt.env("HOME", machine.path("home")).input("line: from the vault\n").run().ok().stdout;
    let play = format!(
        "- hosts: web\n  gather_facts: false\n  vars_files: [secret.yml]\n  tasks:\n    - lineinfile: \
         line='{{{{ line }}}}' path='{}' create=true\n",
        machine.path("played").display()
    );
    machine.commit(&[("site.yml", &play), ("secret.yml", &encrypted)]);
    let ansible = format!(
        "\n[ansible]\nrepository = \"ssh://git@git.example.org{}\"\ngroups = [\"web\"]\n\
         known_hosts = [\"git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\"]\n\
         deploy_key = {{ secret = \"deploy-key\" }}\nvault = {{ secret = \"vault\" }}\n\
         [secrets.deploy-key]\nfile = \"{}\"\n[secrets.vault]\nfile = \"{}\"\n",
        machine.path("repository").display(),
        site.keys().join("deploy.ssh").display(),
        vault.display()
    );
    let path = site.repository().join("anode.toml");
    fs::write(&path, fs::read_to_string(&path).expect("anode.toml") + &ansible).expect("writing");
    let profile = site.repository().join("debian-server/profile.toml");
    let text = fs::read_to_string(&profile).expect("the profile");
    let (text, _) = text.split_once("[ansible]").expect("the example uses ansible");
    fs::write(&profile, text).expect("writing");
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    let fetched = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run();
    let conf = fetched.files.join("anode/ansible.conf");
    assert_eq!(fs::metadata(&conf).expect("the configuration").permissions().mode() & 0o777, 0o600);
    fs::copy(conf, machine.path("etc/ansible.conf")).expect("copying");
    let selection = fs::read_to_string(fetched.files.join("provisioning-selection.json")).expect("the record");
    assert!(!selection.contains("vault") && !selection.contains("OPENSSH"), "{selection}");

    let path = format!("{}:{}", stand_in_for_ssh(&machine).display(), std::env::var("PATH").unwrap_or_default());
    let run = Program::new("sh")
        .arg(source().join("profiles/installers/shared/firstboot"))
        .env("PATH", path)
        .env("ANODE_ETC", machine.path("etc"))
        .env("ANODE_STATE", machine.path("state"))
        .env("HOME", machine.path("home"))
        .env("TMPDIR", machine.path("home"))
        .run()
        .ok();
    assert_eq!(machine.played(), "from the vault\n", "{run}");
    let notes = fs::read_to_string(machine.path("ssh-notes")).expect("ssh was called");
    assert!(notes.contains(key.trim_end()), "ssh got the key as it was made");
    for word in
        ["StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"]
    {
        assert!(notes.contains(word), "{word}: {notes}");
    }
    for (name, bytes) in files(&machine.path("state")).into_iter().chain(files(&machine.path("home"))) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("OPENSSH PRIVATE") && !text.contains("it's a vault"), "`{name}` holds a secret");
    }
}
