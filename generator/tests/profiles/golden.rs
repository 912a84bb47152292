//! What the example repository and a few more profiles render to, file by file, beside `tests/golden/`.
//!
//! An expected file that nothing produced is a failure too. `ANODE_BLESS=1` rewrites the expectations.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::fixture::{Fixture, files, lines};
use anode::diagnose::Colour;
use anode::render::{Rendered, Renderer, organisation_matters, render_cases};
use anode::repository::{Case, InstallerDefinition, Repository};
use anode::validate::{Judgement, Kind, Subject, validate};
use anode_bundle::name::SafePath;

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

/// Everything that the definitions are tried with.
pub fn cases(repository: &Repository) -> Vec<(&Case, Rendered)> {
    render_cases(repository).unwrap_or_else(|problems| panic!("{}", problems.render(Colour::Never)))
}

/// The files of a rendering, without those that are copied as they are: `manifest.json` lists them.
fn put(produced: &mut BTreeMap<PathBuf, String>, folder: &Path, definition: &InstallerDefinition, rendered: &Rendered) {
    let copied = |path: &SafePath| {
        definition.files.iter().filter(|template| template.verbatim).any(|template| {
            let below = |folder: &str| path.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
            template.path.value == *path || template.each.is_some() && below(template.path.value.as_str())
        })
    };
    for (path, text) in rendered.readable().into_iter().filter(|(path, _)| !copied(path)) {
        produced.insert(folder.join(path.as_str()), text);
    }
    for (path, bytes) in &rendered.public {
        produced.insert(folder.join("public").join(path.as_str()), String::from_utf8(bytes.clone()).unwrap());
    }
    let manifest = serde_json::to_string_pretty(rendered.contents.manifest()).unwrap();
    produced.insert(folder.join("manifest.json"), manifest + "\n");
}

fn produced() -> BTreeMap<PathBuf, String> {
    let mut produced = BTreeMap::new();
    let repository = Fixture::example().load();
    for (case, rendered) in cases(&repository) {
        let folder = golden().join("installers").join(case.installer.as_str());
        let folder = folder.join(&case.profile.version.value).join(case.name.as_str());
        put(&mut produced, &folder, &repository.installers[&case.installer], &rendered);
    }
    let fixture = Fixture::with("more");
    let repository = fixture.load();
    for (name, rendered) in render_all(&fixture) {
        let definition = &repository.installers[&rendered.contents.manifest().installer.id];
        put(&mut produced, &golden().join(&name), definition, &rendered);
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

fn judge(fixture: &Fixture) -> Judgement {
    let repository = fixture.load();
    let packs = render_all(fixture);
    let cases = cases(&repository);
    let packs = packs.iter().map(|(_, rendered)| Subject::pack(rendered));
    validate(&repository, packs.chain(cases.iter().map(|(case, rendered)| Subject::case(case, rendered))))
}

fn must_have_programs() -> bool {
    std::env::var("CI_REQUIRE_VALIDATORS").is_ok_and(|value| value == "1")
}

#[test]
fn the_installers_own_parsers_accept_every_golden_file() {
    let Judgement { problems, validators } = judge(&Fixture::with("more"));
    assert!(!problems.has_errors(), "{}", problems.render(Colour::Never));
    // Schemas belong to other projects, and CI does not have them.
    for asked in validators.iter().filter(|asked| asked.not_run.is_some()) {
        assert!(asked.kind == Kind::Schema || !must_have_programs(), "{asked:?}");
        eprintln!("skipped: {asked:?}");
    }
    assert!(validators.iter().any(|asked| asked.name == "sh" && asked.not_run.is_none()), "{validators:?}");
}

#[test]
fn a_file_that_the_installer_would_refuse_is_found_with_its_line() {
    let fixture = Fixture::example();
    // The same definitions are built in, without all that they are tried with.
    fs::remove_dir_all(fixture.path().join("installers")).unwrap();
    fixture.write("debian-server/debian-late", "if then\n");
    fixture.write("fedora-workstation/anaconda-post", "nonsense --really\n");
    fixture.write("debian-server/debian-partitioning", "d-i partman/confirm boolean maybe\n# {{ prompt.disk }}\n");
    let found = lines(&judge(&fixture).problems).join("\n");
    let at = |place: &str, what: &str| found.lines().any(|line| line.starts_with(place) && line.contains(what));
    assert!(at("debian-server: preseed.cfg (rendered):", ":1: `partman/confirm` must be true or false"), "{found}");
    assert!(at("debian-server: anode/late (rendered):", ":1: `sh` does not accept it"), "{found}");
    if must_have_programs() {
        assert!(at("fedora-workstation: ks.cfg (rendered):", ""), "{found}");
    }
}
