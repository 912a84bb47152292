//! What `anode show` says: places, layers, and no secret anywhere.

use anode::repository::Repository;
use anode::show::{Shown, Viewer, hide_secrets, show};
use anode_bundle::name::Id;

use crate::fixture::Fixture;

fn shown(fixture: &Fixture, id: &str, organisation: Option<&str>) -> Shown {
    let mut repository: Repository = fixture.load();
    hide_secrets(&mut repository);
    let organisation = organisation.and_then(|id| repository.organisation(&Id::new(id).unwrap()));
    let profile = repository.profile(&Id::new(id).unwrap(), organisation.map(|org| &org.id)).unwrap();
    let (shown, problems) = show(&repository, profile, Viewer { organisation, code: None });
    assert!(!problems.has_errors(), "{:?}", crate::fixture::lines(&problems));
    shown
}

fn layer_of<'s>(shown: &'s Shown, name: &str) -> (&'s str, String) {
    let variable = shown.variables.iter().find(|variable| variable.name == name).unwrap();
    (&variable.layer, format!("{}:{}", variable.said.file, variable.said.line))
}

#[test]
fn each_variable_says_which_line_of_which_layer_set_it() {
    let fixture = Fixture::example();
    fixture.write(
        "orgs/example-school/org.toml",
        "title = \"S\"\n[variables]\ndomain = \"example.org\"\nkeyboard = \"de\"\n",
    );
    fixture
        .write("heir/profile.toml", "title = \"Heir\"\nextends = \"debian-server\"\n[variables]\ntimezone = \"UTC\"\n");
    let shown = shown(&fixture, "heir", Some("example-school"));
    let place = |name| layer_of(&shown, name);
    assert_eq!(place("timezone"), ("profile", "heir/profile.toml:4".to_owned()));
    assert_eq!(place("partitioning"), ("debian-server", "debian-server/profile.toml:8".to_owned()));
    assert_eq!(place("keyboard"), ("organisation", "orgs/example-school/org.toml:4".to_owned()));
    assert_eq!(place("locale").0, "site");
    assert_eq!(place("finish").0, "definition");
    assert!(shown.not_set.contains(&"disk".to_owned()));
}

#[test]
fn each_include_says_which_file_it_means() {
    let fixture = Fixture::example();
    let motd = |organisation| {
        let shown = shown(&fixture, "debian-server", organisation);
        shown.files.iter().find(|file| file.path == "anode/motd").map(|file| file.source.clone()).unwrap()
    };
    assert_eq!(motd(None), "snippets/motd");
    assert_eq!(motd(Some("example-school")), "orgs/example-school/snippets/motd");
    fixture.write("debian-server/debian-partitioning", "# {{ prompt.disk }}\n");
    let shown = shown(&fixture, "debian-server", None);
    let preseed = shown.files.iter().find(|file| file.path == "preseed.cfg").unwrap();
    let part = preseed.includes.iter().find(|include| include.name == "debian-partitioning").unwrap();
    assert_eq!(part.source, "debian-server/debian-partitioning");
    assert!(preseed.text.contains("# «disk»"), "{}", preseed.text);
}

#[test]
fn no_hash_and_no_secret_is_shown_in_any_form() {
    let fixture = Fixture::with("more");
    let hash = |salt: &str| format!("$6${salt}${}", "a".repeat(86));
    let set = |name: &str, salt: &str| format!("[variables]\n{name} = \"{}\"\n", hash(salt));
    fixture.replace("debian-server/profile.toml", "[variables]", &set("password", "saltprofile"));
    fixture.replace(
        "debian-server/profile.toml",
        "[[prompts]]\nname = \"password\"\ntype = \"password\"\ntitle = \"Password of the administrator\"\n",
        "",
    );
    let shown = shown(&fixture, "debian-server", None);
    let password = shown.variables.iter().find(|variable| variable.name == "password").unwrap();
    assert!(password.hidden && password.said.value == "(crypt hash)");
    let everything = serde_json::to_string(&shown).unwrap();
    assert!(!everything.contains("saltprofile"), "{everything}");
    assert!(everything.contains("$6$hidden$"), "the files hold something in its place");
}

#[test]
fn what_can_not_be_rendered_is_shown_as_far_as_it_is_known() {
    let fixture = Fixture::example();
    fixture.write("debian-server/debian-late", "{{ nonsense }}\n");
    let repository = fixture.load();
    let profile = repository.profile(&Id::new("debian-server").unwrap(), None).unwrap();
    let (shown, problems) = show(&repository, profile, Viewer::default());
    assert!(problems.has_errors() && shown.files.is_empty() && !shown.variables.is_empty());
}
