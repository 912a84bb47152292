//! Secrets that a profile names: from where the site says into sealed packs, and nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anode_tests::{Program, Site, files};

const WIFI: &str = "correct-horse-'battery'-staple";
const HASH: &str = "$6$saltsaltsalt$0123456789abcdefghijklmnopqrstuvwxyz";

/// A site whose server has a crypt hash from a variable, and a file with a passphrase from a command.
fn site() -> Site {
    let site = Site::new();
    let path = site.repository().join("anode.toml");
    let text = fs::read_to_string(&path).expect("anode.toml");
    let secrets = format!(
        "\n[secrets.wifi]\ncommand = [\"cat\", \"{}\"]\n\n[secrets.admin-password]\nenv = \"ADMIN_PASSWORD\"\n",
        site.scratch("wifi").display()
    );
    fs::write(&path, text + &secrets).expect("writing");
    fs::write(site.scratch("wifi"), format!("{WIFI}\n")).expect("writing");
    let profile = site.repository().join("debian-server/profile.toml");
    let text = fs::read_to_string(&profile).expect("the profile");
    let text = text.replace(
        "[variables]\n",
        "[variables]\npassword = { secret = \"admin-password\" }\nfull_name = { secret = \"wifi\" }\n",
    );
    // The answers to these prompts would take the place of the variables.
    let without = |text: &str, name: &str| {
        let parts: Vec<&str> =
            text.split("[[prompts]]").filter(|part| !part.contains(&format!("\"{name}\""))).collect();
        parts.join("[[prompts]]")
    };
    let (prompts, ansible) = text.split_once("\n# What configures").expect("the example ends with ansible");
    let prompts = without(&without(prompts, "password"), "full_name");
    fs::write(&profile, format!("{prompts}\n# What configures{ansible}")).expect("writing");
    site
}

const ANSWERS: &[&str] = &["hostname=host-7", "username=erika", "disk=/dev/vda"];

#[test]
fn a_secret_reaches_the_sealed_pack_and_nothing_else() {
    let site = site();
    let _ = site.anode(&["check"]).run().ok();
    let built = site.build().env("ADMIN_PASSWORD", HASH).run().ok();
    let code = site.code(&[Site::SERVER], &[]);
    let built_again = site.build().env("ADMIN_PASSWORD", HASH).run().ok();
    for said in [&built, &built_again] {
        assert!(!said.stderr.contains("battery") && !said.stderr.contains(HASH), "a secret was printed");
    }
    for (path, bytes) in files(&site.repository()) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("battery") && !text.contains(HASH), "`{path}` holds a secret");
    }
    let _ = site.publish().env("ADMIN_PASSWORD", HASH).run().ok();
    let fetched = site.fetch(&code.text).answers(ANSWERS).run();
    let preseed = fs::read_to_string(fetched.files.join("preseed.cfg")).expect("the preseed");
    assert!(preseed.contains(&format!("user-password-crypted password {HASH}\n")), "{preseed}");
    assert!(preseed.contains(&format!("user-fullname string {WIFI}\n")), "{preseed}");

    // Another value is another pack, also where the build remembers what it sealed before.
    fs::write(site.scratch("wifi"), "another-passphrase").expect("writing");
    let _ = site.build().env("ADMIN_PASSWORD", HASH).run().ok();
    let _ = site.publish().env("ADMIN_PASSWORD", HASH).run().ok();
    let fetched = site.fetch(&code.text).answers(ANSWERS).run();
    let preseed = fs::read_to_string(fetched.files.join("preseed.cfg")).expect("the preseed");
    assert!(preseed.contains("user-fullname string another-passphrase\n"), "{preseed}");
}

#[test]
fn a_secret_that_everybody_at_the_machine_would_read_is_warned_of() {
    let site = site();
    let warning = "the secret `wifi`, as `kernel_options`, is on the kernel command line";
    let before = site.anode(&["check"]).run().ok();
    assert!(!before.stderr.contains("is on the kernel command line"), "{before}");
    site.edit(
        &format!("{}/profile.toml", Site::SERVER),
        "[variables]\n",
        "[variables]\nkernel_options = [{ secret = \"wifi\" }]\n",
    );
    let said = site.anode(&["check"]).run().ok();
    assert!(said.stderr.contains(warning) && said.stderr.contains("`/proc/cmdline`"), "{said}");
}

#[test]
fn what_can_not_be_had_or_does_not_fit_is_said_in_one_run_and_never_shown() {
    let site = site();
    fs::remove_file(site.scratch("wifi")).expect("removing");
    let refused = site.build().run();
    let refused = refused.fails(&[
        "the secret `admin-password` can not be had: the variable ADMIN_PASSWORD is not set",
        "`password` in debian-server/profile.toml:8 needs it; give it with `--secret admin-password=fd:N`",
        "the secret `wifi` can not be had: `cat` failed (exit status: 1) and says: cat: ",
        "2 errors",
    ]);
    assert!(refused.stderr.contains(" --> anode.toml:"), "{refused}");
    assert!(!site.tree().exists());

    fs::write(site.scratch("wifi"), "two\nlines").expect("writing");
    let refused = site.build().env("ADMIN_PASSWORD", "hunter2hunter2").run();
    let refused = refused.fails(&[
        "the secret `admin-password` does not fit `password`: its value must be a crypt hash",
        "the secret `wifi` does not fit `full_name`: its value must be one line",
    ]);
    assert!(!refused.stderr.contains("hunter2") && !refused.stderr.contains("two"), "a secret was printed");
    // Fits its type, and not the format of the one file that writes it.
    fs::write(site.scratch("wifi"), "back\\slash-slash").expect("writing");
    let refused = site.build().env("ADMIN_PASSWORD", HASH).run();
    let refused = refused.fails(&["`full_name` holds a backslash, which a preseed can not quote"]);
    assert!(!refused.stderr.contains("slash-slash"), "a secret was printed");
}

#[test]
fn the_command_line_wins_and_knows_the_names_of_the_site() {
    let site = site();
    let given = site.scratch("given");
    fs::write(&given, "from-the-command-line").expect("writing");
    fs::set_permissions(&given, fs::Permissions::from_mode(0o600)).expect("chmod");
    let code = site.code(&[Site::SERVER], &[]);
    let build = format!(
        "exec anode build -C '{}' --secret wifi=file:'{}' --secret admin-password=fd:0",
        site.repository().display(),
        given.display()
    );
    let build = Program::new("sh").args(["-c", &build]).env("ANODE_KEYS", site.keys()).input(HASH);
    let _ = build.run().ok();
    let published = site.publish().run().ok();
    let note = "note: a secret is not looked for: `admin-password`: the variable ADMIN_PASSWORD is not set";
    assert!(published.stderr.contains(note), "{published}");
    let fetched = site.fetch(&code.text).answers(ANSWERS).run();
    let preseed = fs::read_to_string(fetched.files.join("preseed.cfg")).expect("the preseed");
    assert!(preseed.contains("user-fullname string from-the-command-line\n"), "{preseed}");
    let refused = site.build().args(["--secret", "wlan=env:X"]).run();
    let refused = refused.fails(&["must begin with the name of a secret: release,", "admin-password, wifi"]);
    assert!(!refused.stderr.contains("wlan"), "{refused}");
}

#[test]
fn a_tree_with_a_named_secret_in_it_is_not_published() {
    let site = site();
    let _ = site.build().env("ADMIN_PASSWORD", HASH).run().ok();
    let page = site.tree().join("index.html");
    let text = fs::read_to_string(&page).expect("the page");
    fs::write(&page, format!("{text}<!-- {WIFI} -->")).expect("writing");
    let refused = site.publish().env("ADMIN_PASSWORD", HASH).run();
    let refused = refused.fails(&["holds the secret `wifi`", "nothing was published"]);
    assert!(!refused.stderr.contains("battery"), "a secret was printed");
    let scanned = site.anode(&["scan", "--in-repository"]).arg(site.repository()).env("ADMIN_PASSWORD", HASH).run();
    let _ = scanned.fails(&["`.anode/tree/index.html` holds the secret `wifi`"]);
}

#[test]
fn a_profile_with_a_secret_is_neither_public_nor_for_codes_that_can_be_guessed() {
    let site = site();
    let profile = site.repository().join("debian-server/profile.toml");
    let text = fs::read_to_string(&profile).expect("the profile");
    fs::write(&profile, format!("public = true\n{text}")).expect("writing");
    let refused = site.anode(&["check"]).run();
    let _ = refused
        .fails(&["the public profile `debian-server` has the secret `wifi` as its `full_name`", "remove `public`"]);
    // As the site's own word, so that no layer of the profile holds it.
    let ansible = format!(
        "{}\n[ansible]\nvault = {{ secret = \"wifi\" }}\n",
        fs::read_to_string(site.repository().join("anode.toml")).expect("anode.toml")
    );
    fs::write(site.repository().join("anode.toml"), ansible).expect("writing");
    let text = text
        .replace("password = { secret = \"admin-password\" }\n", "")
        .replace("full_name = { secret = \"wifi\" }\n", "");
    fs::write(&profile, format!("public = true\n{text}")).expect("writing");
    let refused = site.anode(&["check"]).run();
    let _ = refused.fails(&["the public profile `debian-server` has the secret `wifi` as its `vault`"]);
    let text = text.replace("[ansible]\n", "[ansible]\nenabled = false\n");
    fs::write(&profile, format!("public = true\n{text}")).expect("writing");
    let _ = site.anode(&["check"]).run().ok();
}

#[test]
fn a_maintainer_who_reviews_a_commit_runs_no_command_of_it_and_needs_the_same_values() {
    let site = site();
    let git = |arguments: &[&str]| {
        Program::new("git").arg("-C").arg(site.repository()).args(arguments).run().ok().stdout.trim().to_owned()
    };
    let _ = site.code(&[Site::SERVER], &[]);
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "all"]);
    let proposal = site.scratch("proposal");
    let propose = site.build().args(["--propose", "--out"]).arg(&proposal).env("ADMIN_PASSWORD", HASH);
    let _ = propose.run().ok();
    let review = |wifi: &str| {
        fs::write(site.scratch("mine"), wifi).expect("writing");
        fs::set_permissions(site.scratch("mine"), fs::Permissions::from_mode(0o600)).expect("chmod");
        let check =
            site.anode(&["release", "check"]).arg("--proposal").arg(&proposal).arg("--previous").arg(site.target());
        let given = format!("wifi=file:{}", site.scratch("mine").display());
        (check.env("ADMIN_PASSWORD", HASH), given)
    };
    let (check, _) = review(WIFI);
    let _ = check.run().fails(&["it comes from the command `cat ", "no program of a commit under review is run"]);
    let (check, given) = review("another-value-than-that-of-ci");
    let refused = check.args(["--secret", &given]).run();
    let _ = refused.fails(&["debian-server", "another value of a secret of `anode.toml`"]);
    let (check, given) = review(WIFI);
    let _ = check.args(["--secret", &given]).run().ok();
}
