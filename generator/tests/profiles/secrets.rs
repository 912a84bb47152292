//! `[secrets]` of `anode.toml` and the variables that name them: what `anode check` says, which has no values.

use crate::fixture::Fixture;
use anode::render::{render, sample_answers};

/// The example with these lines in `anode.toml` and these variables of the server.
fn with(secrets: &str, variables: &str) -> Fixture {
    let fixture = Fixture::example();
    fixture.replace("anode.toml", "[lifetimes]", &format!("{secrets}\n[lifetimes]"));
    fixture.replace("debian-server/profile.toml", "[variables]\n", &format!("[variables]\n{variables}\n"));
    fixture
}

/// What is wrong, without places.
fn problems(secrets: &str, variables: &str) -> Vec<String> {
    let problems = with(secrets, variables).problems();
    problems.iter().map(|line| line.split_once(": ").map_or("", |(_, said)| said).to_owned()).collect()
}

#[test]
fn a_secret_comes_from_exactly_one_place_and_has_a_name_of_its_own() {
    let wifi = "full_name = { secret = \"wifi\" }";
    for (place, wanted) in [
        ("", "a secret comes from one place"),
        ("env = \"A\"\nfile = \"/b\"", "a secret comes from one place"),
        ("env = \"lower case\"", "this is not the name of a variable for a secret"),
        ("env = \"ANODE_SEAL_SECRET\"", "this is not the name of a variable for a secret"),
        ("file = \"secrets/wifi\"", "the path of a secret must be absolute"),
        ("command = []", "a command needs a program"),
        ("command = \"pass show wifi\"", "`command` must be a list of strings"),
        ("env = \"A\"\nenvironment = [\"B\"]", "only a command has an environment"),
        ("command = [\"pass\"]\nenvironment = [\"B=1\"]", "this is not the name of an environment variable"),
        ("value = \"hunter2\"", "a secret comes from one place"),
    ] {
        let said = problems(&format!("[secrets.wifi]\n{place}\n"), wifi);
        assert!(said.iter().any(|line| line.starts_with(wanted)), "{place}: {said:#?}");
    }
    for (name, wanted) in
        [("seal", "`seal` is a secret of the site itself"), ("\"A b\"", "`A b` can not be the name of a secret")]
    {
        let said = problems(&format!("[secrets.{name}]\nenv = \"A\"\n"), "");
        assert!(said.iter().any(|line| line.starts_with(wanted)), "{said:#?}");
    }
    for place in ["env = \"WIFI\"", "file = \"~/wifi\"", "command = [\"pass\", \"x\"]\nenvironment = [\"VAULT_ADDR\"]"]
    {
        assert_eq!(problems(&format!("[secrets.wifi]\n{place}\n"), wifi), Vec::<String>::new());
    }
}

#[test]
fn a_name_that_nobody_defined_and_a_secret_that_nobody_uses_are_found() {
    let said =
        problems("[secrets.wifi]\nenv = \"WIFI\"\n", "full_name = { secret = \"wfi\" }\ndisk = { secret = \"luks\" }");
    let wanted = [
        "nothing uses the secret `wifi` (remove it, or write `{ secret = \"wifi\" }` where it belongs)",
        "there is no secret `luks` (say in `anode.toml` where it comes from: `[secrets.luks]` with `env`, `file` or `command`)",
        "there is no secret `wfi` (did you mean `wifi`?)",
    ];
    let mut said: Vec<&str> = said.iter().map(String::as_str).collect();
    said.sort_unstable();
    assert_eq!(said, wanted);
    let said = problems("", "kernel_options = [\"a\", { secret = \"x\" }]");
    assert!(said[0].starts_with("there is no secret `x`"), "{said:#?}");
}

#[test]
fn a_secret_is_a_text_and_stands_where_texts_stand() {
    let defined = "[secrets.x]\nenv = \"X\"\n";
    for (variable, wanted) in [
        ("kernel_options = { secret = \"x\" }", "`kernel_options` must be a list, not a secret"),
        ("full_name = { secret = 7 }", "`full_name` must name a secret: `{ secret = \"wifi\" }`"),
    ] {
        let said = problems(defined, variable);
        assert!(said.iter().any(|line| line.starts_with(wanted)), "{said:#?}");
    }
    let fixture =
        with(defined, "ssh_keys = [\"ssh-ed25519 AAAA a\", { secret = \"x\" }]\npassword = { secret = \"x\" }");
    fixture.write("debian-server/debian-late", "echo {{ ssh_keys | words }} {{ password }}\n");
    let repository = fixture.load();
    let profile = repository.profiles.iter().find(|known| known.id.as_str() == "debian-server").unwrap();
    let contents = render(&repository, profile, None).unwrap_or_else(|_| panic!("does not render")).contents;
    let files = contents.fill(&sample_answers(&contents)).unwrap();
    let late = files.iter().find(|file| file.path.as_str() == "anode/late").unwrap();
    let late = String::from_utf8(late.bytes.to_vec()).unwrap();
    // Nobody asked for the value: samples of the right types.
    assert!(late.contains("'ssh-ed25519 AAAA a' sample '$6$samplesample$"), "{late}");
    assert!(repository.holds_secrets(profile, None));
}

#[test]
fn vault_and_deploy_key_are_named_and_never_written() {
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", "branch = \"main\"\n", "branch = \"main\"\nvault = \"hunter2\"\n");
    let said = fixture.problems();
    assert!(said[0].contains("`vault` must name a secret (write `vault = { secret = \"vault\" }`"), "{said:#?}");
    let fixture = with("[secrets.key]\nenv = \"KEY\"\n[secrets.vault]\nenv = \"VAULT\"\n", "");
    let words = "branch = \"main\"\nvault = { secret = \"vault\" }\ndeploy_key = { secret = \"key\" }\n";
    fixture.replace("debian-server/profile.toml", "branch = \"main\"\n", words);
    let said = fixture.problems();
    assert!(said.len() == 1 && said[0].contains("a `deploy_key` is for a repository over SSH"), "{said:#?}");
    let repository =
        "ssh://git@git.example.org/profiles.git\"\nknown_hosts = [\"git.example.org ssh-ed25519 AAAAC3Nz\"]";
    fixture.replace("debian-server/profile.toml", "https://git.example.org/profiles.git\"", repository);
    let repository = fixture.load();
    let profile = repository.profiles.iter().find(|known| known.id.as_str() == "debian-server").unwrap();
    let contents = render(&repository, profile, None).unwrap_or_else(|_| panic!("does not render")).contents;
    let files = contents.fill(&sample_answers(&contents)).unwrap();
    let conf = files.iter().find(|file| file.path.as_str() == "anode/ansible.conf").unwrap();
    let conf = String::from_utf8(conf.bytes.to_vec()).unwrap();
    assert!(conf.contains("\nvault=sample\ndeploy_key=sample\nknown_hosts='git.example.org "), "{conf}");
    let manifest = serde_json::to_string(contents.manifest()).unwrap();
    assert!(!manifest.contains("vault") && !manifest.contains("deploy_key"), "{manifest}");
}
