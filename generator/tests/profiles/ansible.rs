//! `[ansible]`: what may stand there, and what of it a machine gets.

use crate::fixture::Fixture;
use anode::render::render;

/// The text of a rendered file of the example's server.
fn rendered(fixture: &Fixture, path: &str) -> String {
    let repository = fixture.load();
    let profile = repository.profiles.iter().find(|known| known.id.as_str() == "debian-server").unwrap();
    let contents = render(&repository, profile, None).unwrap_or_else(|_| panic!("does not render")).contents;
    let files = contents.fill(&anode::render::sample_answers(&contents)).unwrap();
    let file = files.into_iter().find(|file| file.path.as_str() == path);
    file.map_or_else(String::new, |file| String::from_utf8(file.bytes.to_vec()).unwrap())
}

#[test]
fn every_word_has_one_form_and_a_wrong_one_is_found_at_its_place() {
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", "playbook = \"playbooks/server.yml\"\n", "");
    fixture.replace(
        "debian-server/profile.toml",
        "branch = \"main\"\n",
        "branch = \"main;reboot\"\nplaybook = \"../x.yml\"\ngroups = [\"web\", \"a b\"]\nrequirements = \"/etc/x\"\n\
         known_hosts = [\"# nobody\"]\nsigners = [\"anna\"]\nschedule = \"daily\\nExecStart=x\"\njitter = \"soon\"\n\
         only_if_changed = \"yes\"\ngruops = []\n",
    );
    let problems = fixture.problems();
    let words = ["branch", "playbook", "groups", "requirements", "known_hosts", "signers", "schedule", "jitter"];
    for word in words {
        let message = format!("`{word}` is not right");
        assert!(problems.iter().any(|line| line.ends_with(&message)), "{word}: {problems:#?}");
    }
    assert!(problems.iter().any(|line| line.contains("`only_if_changed` must be true or false")), "{problems:#?}");
    assert!(problems.iter().any(|line| line.contains("unknown key `gruops`")), "{problems:#?}");
    assert_eq!(problems.len(), 10, "{problems:#?}");
}

#[test]
fn a_repository_over_ssh_needs_the_keys_of_its_host_and_none_holds_a_password() {
    let fixture = Fixture::example();
    let https = "https://git.example.org/profiles.git";
    fixture.replace("debian-server/profile.toml", https, "ssh://git@git.example.org/profiles.git");
    let problems = fixture.problems();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains(": `known_hosts` is missing for a repository over SSH (add "), "{problems:#?}");
    let known = "branch = \"main\"\nknown_hosts = [\"git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\"]\n";
    fixture.replace("debian-server/profile.toml", "branch = \"main\"\n", known);
    assert_eq!(fixture.problems(), Vec::<String>::new());
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", https, "https://anna:secret@git.example.org/profiles.git");
    let problems = fixture.problems();
    assert!(problems[0].ends_with("`repository` is not right") && !problems[0].contains("secret"), "{problems:#?}");
}

#[test]
fn a_profile_wins_word_by_word_and_a_machine_without_a_schedule_gets_no_timer() {
    let fixture = Fixture::example();
    assert_eq!(rendered(&fixture, "anode/anode-pull.timer"), "");
    let site = "[ansible]\nrepository = \"https://git.example.org/all.git\"\ncommit = \"0123456789012345678901234567890123456789\"\n\
                groups = [\"all_machines\"]\nschedule = \"hourly\"\n\n[lifetimes]";
    fixture.replace("anode.toml", "[lifetimes]", site);
    let conf = rendered(&fixture, "anode/ansible.conf");
    let words: Vec<&str> = conf.lines().filter(|line| !line.starts_with('#')).collect();
    let wanted = [
        "repository=https://git.example.org/profiles.git",
        "branch=main",
        "playbook=playbooks/server.yml",
        "groups=all_machines",
    ];
    assert_eq!(words, wanted, "the profile's branch takes the place of the site's commit");
    let timer = rendered(&fixture, "anode/anode-pull.timer");
    assert!(timer.contains("OnCalendar=hourly\nRandomizedDelaySec=10min\n"), "{timer}");
    fixture.replace("debian-server/profile.toml", "[ansible]\n", "[ansible]\nenabled = false\n");
    assert_eq!(rendered(&fixture, "anode/ansible.conf"), "");
}
