//! Parts: what several definitions have in common is written once, and a definition's own words win.

use anode::render::render;
use anode_bundle::name::Id;

use crate::fixture::{Fixture, lines};

const PART: &str = r#"
standard = ["locale"]

[boot]
kernel = "https://example.org/part/linux"
initrd = ["https://example.org/part/initrd"]
command_line = "quiet"

[[second_stage]]
pinned = true
how = "the part says so"

[variables.colour]
type = "choice"
choices = ["red", "blue"]
default = "red"

[[refusals]]
when = 'colour == "blue" and locale == "C.UTF-8"'
variable = "colour"
message = "is not for this locale"
remedy = "choose another colour"

[[files]]
template = "first"
path = "anode/first"
format = "shell"

[[files]]
template = "first"
path = "anode/second"
format = "shell"
versions = ["2"]
"#;

const MANIFEST: &str = r#"
[installer]
title = "Own"
family = "own"
versions = ["1"]
architectures = ["any"]
hand_over = "kexec"
parts = ["common.toml"]

[variables.colour]
default = "blue"

[[files]]
template = "own"
path = "anode/first"
format = "shell"
"#;

fn own() -> Fixture {
    let fixture = Fixture::example();
    fixture.write("installers/shared/common.toml", PART).write("installers/own/manifest.toml", MANIFEST);
    fixture.write("installers/own/first", "echo part {{ colour }} {{ locale }}\n");
    fixture.write("installers/own/own", "echo own {{ colour }} {{ locale }}\n");
    fixture
        .write("own/profile.toml", "title = \"Own\"\ninstaller = \"own\"\nversion = \"1\"\narchitecture = \"any\"\n");
    fixture
}

/// Paths and texts of what the profile renders to, or its problems.
fn rendered(fixture: &Fixture) -> Result<Vec<(String, String)>, Vec<String>> {
    let repository = fixture.load();
    let profile = repository.profile(&Id::new("own").unwrap(), None).unwrap();
    let rendered = render(&repository, profile, None).map_err(|problems| lines(&problems))?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok(rendered.contents.files().map(|(file, bytes)| (file.path.as_str().to_owned(), text(bytes))).collect())
}

#[test]
fn a_definition_has_what_its_parts_have_and_its_own_words_win() {
    let fixture = own();
    let files = rendered(&fixture).unwrap();
    // The own file takes the place of the part's; what the part says of another version is left out.
    assert_eq!(files, [("anode/first".to_owned(), "echo own blue en_US.UTF-8\n".to_owned())]);
    fixture.replace("installers/own/manifest.toml", "path = \"anode/first\"", "path = \"anode/own\"");
    let paths: Vec<_> = rendered(&fixture).unwrap().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["anode/first", "anode/own"]);
    fixture.write(
        "own/profile.toml",
        "title = \"Own\"\ninstaller = \"own\"\nversion = \"1\"\narchitecture = \"any\"\n[variables]\nlocale = \"C.UTF-8\"\n",
    );
    let refused = rendered(&fixture).unwrap_err();
    assert!(refused[0].contains("is not for this locale"), "{refused:?}");
}

#[test]
fn a_part_that_is_not_there_and_what_is_wrong_inside_one_are_found_at_their_places() {
    let fixture = own();
    fixture.replace("installers/own/manifest.toml", "common.toml", "comon.toml");
    let problems = fixture.problems();
    let missing = "installers/own/manifest.toml:8:10: there is no part `comon.toml` (did you mean `common.toml`?)";
    assert!(problems.iter().any(|problem| problem == missing), "{problems:#?}");
    fixture.replace("installers/own/manifest.toml", "comon.toml", "common.toml");
    fixture.replace("installers/shared/common.toml", "template = \"first\"", "template = \"frist\"");
    fixture.replace("installers/shared/common.toml", "variable = \"colour\"", "variable = \"color\"");
    let problems = fixture.problems();
    for wanted in ["installers/shared/common.toml:25:", "there is no `frist` in this folder", "did you mean `colour`?"]
    {
        assert!(problems.iter().any(|problem| problem.contains(wanted)), "{wanted}: {problems:#?}");
    }
}
