//! What the example repository and a few more profiles render to, file by file, beside `tests/golden/`.
//!
//! An expected file that nothing produced is a failure too. `ANODE_BLESS=1` rewrites the expectations.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::fixture::{Fixture, files, lines};
use anode::diagnose::Colour;
use anode::render::{Rendered, Renderer, organisation_matters};
use anode::validate::validate;
use anode_bundle::pack::Contents;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn render_all(fixture: &Fixture) -> Vec<(String, Rendered)> {
    let repository = fixture.load();
    let renderer = Renderer::new(&repository).unwrap();
    let mut all = Vec::new();
    for profile in &repository.profiles {
        let organisations =
            repository.organisations.iter().filter(|org| organisation_matters(&repository, profile, org));
        for organisation in [None].into_iter().chain(organisations.map(Some)) {
            let name = organisation.map(|org| format!("{}@{}", profile.id, org.id)).unwrap_or(profile.id.to_string());
            match renderer.render(profile, organisation) {
                Ok(rendered) => all.push((name, rendered)),
                Err(problems) => panic!("{name}\n{}", problems.render(Colour::Never)),
            }
        }
    }
    all
}

/// The file with `«name»` where an answer belongs.
fn readable(contents: &Contents, index: usize) -> String {
    let (file, bytes) = contents.files().nth(index).unwrap();
    let mut text = String::new();
    let mut done = 0;
    for insert in &file.inserts {
        let at = usize::try_from(insert.at).unwrap();
        text.push_str(std::str::from_utf8(&bytes[done..at]).unwrap());
        text.push_str(&format!("«{}»", insert.prompt));
        done = at;
    }
    text + std::str::from_utf8(&bytes[done..]).unwrap()
}

fn produced() -> BTreeMap<PathBuf, String> {
    let mut produced = BTreeMap::new();
    for (name, rendered) in render_all(&Fixture::with("more")) {
        let contents = &rendered.contents;
        for (index, (file, _)) in contents.files().enumerate() {
            produced.insert(golden().join(&name).join(file.path.as_str()), readable(contents, index));
        }
        for (path, bytes) in &rendered.public {
            let path = golden().join(&name).join("public").join(path.as_str());
            produced.insert(path, String::from_utf8(bytes.clone()).unwrap());
        }
        let manifest = serde_json::to_string_pretty(contents.manifest()).unwrap();
        produced.insert(golden().join(&name).join("manifest.json"), manifest + "\n");
    }
    produced
}

#[test]
fn every_profile_renders_to_its_golden_files() {
    let produced = produced();
    if std::env::var_os("ANODE_BLESS").is_some() {
        let _ = fs::remove_dir_all(golden());
        for (path, text) in &produced {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let expected = files(&golden());
    for path in &expected {
        assert!(produced.contains_key(path), "nothing produced {}", path.display());
    }
    for (path, text) in &produced {
        let wanted = fs::read_to_string(path).unwrap_or_default();
        assert!(wanted == *text, "{} differs; if that is right, run with ANODE_BLESS=1:\n{text}", path.display());
    }
}

#[test]
fn rendering_does_not_depend_on_the_nonce() {
    let fixture = Fixture::with("more");
    let repository = fixture.load();
    let render = |random| {
        let renderer = Renderer::with_nonce(&repository, anode::render::Nonce::new([random; 16]));
        let packs = repository.profiles.iter().map(|profile| renderer.render(profile, None).ok().unwrap());
        packs.map(|pack| pack.contents.encode().unwrap().to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(render(1), render(2));
}

#[test]
fn an_organisation_that_changes_nothing_gets_everybodys_pack() {
    let fixture = Fixture::example();
    fixture.write("orgs/quiet/org.toml", "title = \"Quiet\"\n[variables]\nkeyboard = \"us\"\n");
    fixture.write("orgs/quiet/snippets/unused", "nobody includes this\n");
    fixture.write("orgs/loud/org.toml", "title = \"Loud\"\n");
    fixture.write("orgs/loud/snippets/motd", "Hear, hear\n");
    let repository = fixture.load();
    let profile = &repository.profiles[0];
    let matters = |id: &str| {
        let id = anode_bundle::name::Id::new(id).unwrap();
        organisation_matters(&repository, profile, repository.organisation(&id).unwrap())
    };
    assert_eq!((matters("quiet"), matters("loud"), matters("example-school")), (false, true, true));
    let quiet = repository.organisations.iter().find(|org| org.id.as_str() == "quiet");
    let renderer = Renderer::new(&repository).unwrap();
    let pack = |organisation| renderer.render(profile, organisation).ok().unwrap().contents.encode().unwrap().to_vec();
    assert_eq!(pack(quiet), pack(None));
}

#[test]
fn the_installers_own_parsers_accept_every_golden_file() {
    let fixture = Fixture::with("more");
    let repository = fixture.load();
    let rendered = render_all(&fixture);
    let problems = validate(&repository, rendered.iter().map(|(_, rendered)| rendered));
    assert!(!problems.has_errors(), "{}", problems.render(Colour::Never));
    if std::env::var("CI_REQUIRE_VALIDATORS").is_ok_and(|value| value == "1") {
        assert!(problems.is_empty(), "{}", problems.render(Colour::Never));
    } else if !problems.is_empty() {
        eprintln!("skipped in part:\n{}", problems.render(Colour::Never));
    }
}

#[test]
fn a_file_that_the_installer_would_refuse_is_found_with_its_line() {
    let fixture = Fixture::example();
    fixture.write("debian-server/debian-late", "if then\n");
    fixture.write("fedora-workstation/fedora-post", "nonsense --really\n");
    fixture.write("debian-server/debian-partitioning", "d-i partman/confirm boolean maybe\n# {{ prompt.disk }}\n");
    let repository = fixture.load();
    let rendered = render_all(&fixture);
    let found = lines(&validate(&repository, rendered.iter().map(|(_, rendered)| rendered))).join("\n");
    assert!(
        found.contains("debian-server: preseed.cfg (rendered):36:1: `partman/confirm` must be true or false"),
        "{found}"
    );
    assert!(found.contains("debian-server: anode/late (rendered):6:1: `sh` does not accept it"), "{found}");
    if std::env::var("CI_REQUIRE_VALIDATORS").is_ok_and(|value| value == "1") {
        assert!(found.contains("fedora-workstation: ks.cfg (rendered):"), "{found}");
    }
}
