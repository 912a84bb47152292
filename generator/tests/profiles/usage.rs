//! What is written and has no effect.

use anode::diagnose::Problems;
use anode::plan::{Progress, render_packs};
use anode::render::{Renderer, idle_files, unused_variables};
use anode::repository::Repository;
use anode_bundle::name::Id;

use crate::fixture::{Fixture, lines};

struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &'static str, _: usize) {}
    fn step(&self) {}
}

/// What rendering everything says about things without effect.
fn idle(fixture: &Fixture) -> Vec<String> {
    let repository = fixture.load();
    let found = match render_packs(&repository, &Silent) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    lines(&found).into_iter().filter(|line| line.contains("nothing ")).collect()
}

#[test]
fn the_example_holds_nothing_without_effect() {
    assert_eq!(idle(&Fixture::example()), Vec::<String>::new());
}

#[test]
fn a_value_under_a_condition_that_does_not_hold_is_a_warning_where_it_was_set() {
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", "[variables]", "[variables]\naddress = \"192.0.2.10/24\"");
    let found = idle(&fixture);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("debian-server/profile.toml:8:11: nothing uses `address` (`installers/"),
        "{found:#?}"
    );
    assert!(found[0].ends_with("` would, under a condition that does not hold)"), "{found:#?}");
    fixture.replace(
        "debian-server/profile.toml",
        "[variables]",
        "[variables]\nnetwork = \"static\"\ngateway = \"192.0.2.1\"\ndns = [\"192.0.2.1\"]",
    );
    assert_eq!(idle(&fixture), Vec::<String>::new());
}

#[test]
fn a_value_of_a_base_is_of_use_if_one_heir_uses_it() {
    let fixture = Fixture::example();
    let base = "title = \"B\"\nabstract = true\nextends = \"debian-server\"\n[variables]\naddress = \"192.0.2.10/24\"\ngateway = \"192.0.2.1\"\ndns = [\"192.0.2.1\"]\n";
    fixture.write("base/profile.toml", base);
    fixture.write("one/profile.toml", "title = \"O\"\nextends = \"base\"\n");
    let found = idle(&fixture);
    assert!(found.len() == 3 && found[0].starts_with("base/profile.toml:5:11: nothing uses `address`"), "{found:#?}");
    fixture.write("two/profile.toml", "title = \"T\"\nextends = \"base\"\n[variables]\nnetwork = \"static\"\n");
    assert_eq!(idle(&fixture), Vec::<String>::new());
}

#[test]
fn a_misspelt_override_is_found_in_every_folder_that_can_have_one() {
    let fixture = Fixture::example();
    fixture.write("debian-server/debian-partitoning", "x\n");
    fixture.write("orgs/example-school/snippets/mtod", "x\n");
    fixture.write("snippets/something-else", "x\n");
    fixture.write("base/profile.toml", "title = \"B\"\nabstract = true\nextends = \"debian-server\"\n");
    fixture.write("base/debian-lte", "x\n");
    fixture.write("heir/profile.toml", "title = \"H\"\nextends = \"base\"\n");
    assert_eq!(
        idle(&fixture),
        [
            "base/debian-lte: nothing includes `debian-lte` (did you mean `debian-late`?)",
            "debian-server/debian-partitoning: nothing includes `debian-partitoning` (did you mean `debian-partitioning`?)",
            "orgs/example-school/snippets/mtod: nothing includes `mtod` (did you mean `motd`?)",
            "snippets/something-else: nothing includes `something-else` (name it in a variable or a snippet that is included, or remove it)",
        ]
    );
    // The right name of another installer's snippet has no effect either.
    let fixture = Fixture::example();
    fixture.write("debian-server/fedora-post", "x\n");
    assert_eq!(idle(&fixture).len(), 1);
}

#[test]
fn a_snippet_that_a_variable_names_or_that_is_overridden_again_has_an_effect() {
    let fixture = Fixture::example();
    fixture.write("debian-server/motd", "of the server\n");
    fixture.write("heir/profile.toml", "title = \"H\"\nextends = \"debian-server\"\n");
    fixture.write("heir/motd", "of the heir\n");
    fixture.write("debian-server/after", "true\n");
    fixture.replace("debian-server/profile.toml", "[variables]", "[variables]\npost_scripts = [\"after\"]");
    assert_eq!(idle(&fixture), Vec::<String>::new());
}

#[test]
fn nothing_is_said_about_effects_while_something_can_not_be_rendered() {
    let fixture = Fixture::example();
    fixture.write("debian-server/debian-late", "{{ nonsense }}\n").write("snippets/idle", "x\n");
    assert_eq!(idle(&fixture), Vec::<String>::new());
}

#[test]
fn a_variable_that_its_definition_never_mentions_is_an_error_of_the_definition() {
    let fixture = Fixture::example();
    let path = fixture.path().join("installers/debian/manifest.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    fixture.write("installers/debian/manifest.toml", &(text + "\n[variables.colour]\ntype = \"line\"\n"));
    let repository = fixture.load();
    let found: Problems = render_packs(&repository, &Silent).err().unwrap();
    let found: Vec<_> = lines(&found).into_iter().filter(|line| line.contains("colour")).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].ends_with(
            "`debian` declares `colour`, and nothing in it uses that (write it in a template, or remove the variable)"
        ),
        "{found:#?}"
    );
}

#[test]
fn every_definition_that_comes_with_the_program_mentions_what_it_declares() {
    let repository: Repository = Fixture::example().load();
    for definition in repository.installers.values() {
        assert_eq!(lines(&unused_variables(definition)), Vec::<String>::new(), "{}", definition.id);
        assert_eq!(lines(&idle_files(definition)), Vec::<String>::new(), "{}", definition.id);
    }
}

#[test]
fn what_is_said_does_not_depend_on_the_order_of_rendering() {
    let fixture = Fixture::example();
    fixture.write("snippets/idle", "x\n");
    fixture.replace("debian-server/profile.toml", "[variables]", "[variables]\naddress = \"192.0.2.10/24\"");
    fixture.write("heir/profile.toml", "title = \"H\"\nextends = \"debian-server\"\n");
    let repository = fixture.load();
    let said = |profiles: Vec<&anode::repository::Profile>| {
        let renderer = Renderer::new(&repository).ok().unwrap();
        for profile in profiles {
            assert!(renderer.render(profile, None).is_ok());
        }
        lines(&renderer.unused())
    };
    let forwards = said(repository.profiles.iter().collect());
    assert_eq!(forwards.len(), 2, "{forwards:#?}");
    assert_eq!(forwards, said(repository.profiles.iter().rev().collect()));
}

#[test]
fn a_file_of_a_definition_that_nothing_names_is_most_often_a_misspelt_override() {
    let fixture = Fixture::example();
    fixture.write("installers/rocky/anaconda-repositores", "repo --name=x --baseurl=https://example.org/x\n");
    let repository = fixture.load();
    let rocky = &repository.installers[&Id::new("rocky").unwrap()];
    assert_eq!(
        lines(&idle_files(rocky)),
        [
            "installers/rocky/anaconda-repositores: nothing includes `anaconda-repositores` (did you mean `anaconda-repositories`?)"
        ]
    );
}
