//! Second stages: pinned like the kernel, seen by templates where they are pinned, and never called pinned where they are not.

use anode::render::{Rendered, render};
use anode_bundle::name::Id;

use crate::fixture::{Fixture, lines};

const MANIFEST: &str = r#"
[installer]
title = "Own"
family = "own"
versions = ["1"]
architectures = ["any"]
hand_over = "kexec"

[boot]
kernel = "https://example.org/{{ version }}/linux"
initrd = ["https://example.org/{{ version }}/initrd"]
images = { live = '{% if source == "live" %}https://example.org/{{ version }}/live.iso{% endif %}' }
carry_fetcher = true
command_line = "quiet"

[[second_stage]]
when = 'source == "none"'
pinned = false
how = "the installer fetches it by itself"

[[second_stage]]
pinned = true
how = "its hash is in the pack"
images = ["live"]

[variables.source]
type = "choice"
choices = ["live", "none"]
default = "live"

[[files]]
template = "hook"
path = "anode/hook"
format = "shell"
"#;

const HOOK: &str = "{% if image.live is defined %}fetch {{ image.live.urls | words }} {{ image.live.sha256 }} \
                    {{ image.live.length }}{% else %}none{% endif %}\n";

fn own() -> Fixture {
    let fixture = Fixture::example();
    fixture.write("installers/own/manifest.toml", MANIFEST).write("installers/own/hook", HOOK);
    fixture.write(
        "own/profile.toml",
        "title = \"Own\"\ninstaller = \"own\"\nversion = \"1\"\narchitecture = \"any\"\n[variables]\nsource = \"live\"\n",
    );
    fixture
}

fn lock(fixture: &Fixture, names: &[&str]) {
    let entry = |name: &&str| {
        format!("[[files]]\nurl = \"https://example.org/1/{name}\"\nsha256 = \"{}\"\nlength = 7\n", "ab".repeat(32))
    };
    fixture.write("anode.lock", &names.iter().map(entry).collect::<String>());
}

fn rendered(fixture: &Fixture) -> Rendered {
    let repository = fixture.load();
    let own = Id::new("own").unwrap();
    match render(&repository, repository.profile(&own, None).unwrap(), None) {
        Ok(rendered) => rendered,
        Err(problems) => panic!("{}", lines(&problems).join("\n")),
    }
}

fn hook(rendered: &Rendered) -> String {
    String::from_utf8(rendered.contents.files().next().unwrap().1.to_vec()).unwrap()
}

#[test]
fn a_second_stage_that_is_pinned_is_in_the_pack_and_in_the_templates() {
    let fixture = own();
    lock(&fixture, &["linux", "initrd", "live.iso"]);
    let rendered = rendered(&fixture);
    let manifest = rendered.contents.manifest();
    assert!(manifest.second_stage.pinned && manifest.second_stage.how == "its hash is in the pack");
    let boot = manifest.boot.as_ref().unwrap();
    assert!(boot.carry_fetcher);
    let images: Vec<_> =
        boot.images.iter().map(|blob| (blob.name.as_ref().unwrap().as_str(), blob.urls[0].as_str())).collect();
    assert_eq!(images, [("live", "https://example.org/1/live.iso")]);
    assert_eq!(hook(&rendered), format!("fetch https://example.org/1/live.iso {} 7\n", "ab".repeat(32)));
    assert!(rendered.warnings.is_empty());
}

#[test]
fn a_second_stage_that_is_not_in_the_lock_file_is_not_called_pinned() {
    let fixture = own();
    lock(&fixture, &["linux", "initrd"]);
    let rendered = rendered(&fixture);
    let second_stage = &rendered.contents.manifest().second_stage;
    assert!(!second_stage.pinned && second_stage.how == "`live` is not in `anode.lock`", "{second_stage:?}");
    assert!(rendered.contents.manifest().boot.as_ref().unwrap().images.is_empty());
    assert_eq!(hook(&rendered), "none\n");
    assert_eq!(
        lines(&rendered.warnings),
        [
            "anode.lock: `https://example.org/1/live.iso` is not pinned: a second stage that nobody compares with a hash (run `anode lock`, or `anode lock PROFILE` for what one profile boots)"
        ]
    );
}

#[test]
fn the_first_case_that_applies_says_what_is_known_about_the_second_stage() {
    let fixture = own();
    lock(&fixture, &["linux", "initrd", "live.iso"]);
    fixture.replace("own/profile.toml", "\"live\"", "\"none\"");
    let rendered = rendered(&fixture);
    let second_stage = &rendered.contents.manifest().second_stage;
    assert!(!second_stage.pinned && second_stage.how == "the installer fetches it by itself", "{second_stage:?}");
    // Its address renders to nothing: nobody misses it.
    assert!(rendered.warnings.is_empty() && hook(&rendered) == "none\n");
}

#[test]
fn cases_without_an_end_and_images_that_nobody_declared_are_errors_of_the_definition() {
    let fixture = own();
    fixture.replace("installers/own/manifest.toml", "images = [\"live\"]", "images = [\"life\"]\nwhen = \"true\"");
    let problems = fixture.problems();
    assert_eq!(
        problems,
        [
            "installers/own/manifest.toml:24:11: `[boot]` has no image `life` (did you mean `live`?)",
            "installers/own/manifest.toml:25:8: the last case of `[[second_stage]]` has a `when` (add a case without `when`: it applies where no other does)",
        ]
    );
}
