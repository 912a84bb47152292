//! What manifests can say: standard variables, records, a file for each entry, whole texts as values, refusals.

use crate::fixture::{Fixture, lines};
use anode::render::{Rendered, organisation_matters, render, sample_answers};
use serde_json::json;

const MANIFEST: &str = "installers/language/manifest.toml";
const PROFILE: &str = "probe/profile.toml";

fn rendered(fixture: &Fixture) -> Result<Rendered, Vec<String>> {
    let repository = fixture.load();
    let profile = repository.profiles.iter().find(|profile| profile.id.as_str() == "probe").unwrap();
    render(&repository, profile, None).map_err(|problems| lines(&problems))
}

fn file(rendered: &Rendered, path: &str) -> Option<String> {
    let files = rendered.contents.fill(&sample_answers(&rendered.contents)).unwrap();
    let file = files.into_iter().find(|file| file.path.as_str() == path)?;
    Some(String::from_utf8(file.bytes.to_vec()).unwrap())
}

#[test]
fn a_record_has_all_its_fields_in_templates_and_whole_texts_are_values() {
    let rendered = rendered(&Fixture::with("language")).ok().unwrap();
    let read: serde_json::Value = serde_json::from_str(&file(&rendered, "all.json").unwrap()).unwrap();
    let text = "{{ \"nobody\" | reads }} this \"text\" as a template\n";
    assert_eq!(
        read,
        json!({
            "desktop": "kde",
            "users": [
                { "name": "anna", "sudo": "nopasswd", "groups": ["audio"] },
                { "name": "ben", "sudo": "none", "groups": [] },
            ],
            "verbatim": text,
            "source": format!("data:;base64,{}", data_encoding::BASE64.encode(text.as_bytes())),
            "url": "data:,sample-pc,a-host",
            "scripts": ["#!/bin/sh\necho {{ hostname }}\n", "#!/bin/sh\necho two\n"],
            "finish": "#!/bin/sh\nhostname 'sample-pc'\n",
        })
    );
    let xml = file(&rendered, "all.xml").unwrap();
    assert!(xml.contains("<script>#!/bin/sh&#10;hostname &#39;sample-pc&#39;&#10;</script>"), "{xml}");
}

#[test]
fn a_list_becomes_numbered_files_and_a_map_files_at_their_places() {
    let rendered = rendered(&Fixture::with("language")).ok().unwrap();
    assert_eq!(file(&rendered, "anode/post/10-one").as_deref(), Some("#!/bin/sh\necho a-host\n"));
    assert_eq!(file(&rendered, "anode/post/11-two").as_deref(), Some("#!/bin/sh\necho two\n"));
    let motd = file(&rendered, "anode/files/etc/motd").unwrap();
    assert!(motd.starts_with("{{ \"nobody\""), "{motd}");
}

#[test]
fn entries_are_for_the_versions_that_they_name() {
    let fixture = Fixture::with("language");
    fixture.replace(PROFILE, "version = \"2\"", "version = \"1\"");
    fixture.replace(PROFILE, "[variables]", "[variables]\ndebug_vnc = true");
    assert_eq!(file(&rendered(&fixture).ok().unwrap(), "all.xml"), None);
    fixture.replace(PROFILE, "version = \"1\"", "version = \"2\"");
    assert_eq!(
        rendered(&fixture).err().unwrap(),
        [
            "probe/profile.toml:7:13: `debug_vnc` needs `debug_vnc_password` (set `debug_vnc_password`, or remove `debug_vnc`)"
        ]
    );
    fixture.replace(MANIFEST, "versions = [\"2\"]", "versions = [\"3\"]");
    assert_eq!(
        fixture.problems(),
        ["installers/language/manifest.toml:46:13: this installer has no version `3` (it has 1, 2)"]
    );
}

#[test]
fn an_installer_without_unattended_mode_is_refused_with_its_reason() {
    let fixture = Fixture::with("language");
    fixture.write(PROFILE, "title = \"Probe\"\ninstaller = \"by-hand\"\nversion = \"1\"\narchitecture = \"any\"\n");
    assert_eq!(
        fixture.problems(),
        [
            "probe/profile.toml:2:13: the installer `by-hand` can not be answered by a profile: upstream has no answer file (use the installer `language`)"
        ]
    );
}

#[test]
fn what_is_wrong_with_standard_variables_is_said_at_its_place() {
    let fixture = Fixture::with("language");
    fixture.replace(MANIFEST, "\"hostname\", ", "\"hostnmae\", \"colour\", ");
    fixture.replace(MANIFEST, "[\"none\", \"kde\"]", "[\"none\", \"kde4\"]");
    fixture.replace(MANIFEST, "each = \"extra_files\"", "each = \"network\"");
    fixture.replace(MANIFEST, "variable = \"network\"", "variable = \"netwrok\"");
    fixture.replace(MANIFEST, "template = \"{each}\"", "template = \"finish\"");
    assert_eq!(
        fixture.problems(),
        [
            "installers/language/manifest.toml:7:13: there is no standard variable `hostnmae` (did you mean `hostname`?)",
            "installers/language/manifest.toml:7:25: there is no standard variable `colour` (declare it in `[variables.colour]`)",
            "installers/language/manifest.toml:14:11: the default of `desktop` must be one of `none`, `kde4`",
            "installers/language/manifest.toml:15:20: the standard variable `desktop` has no choice `kde4` (did you mean `kde`?)",
            "installers/language/manifest.toml:20:12: with `each`, every entry names its own template (write `{each}`)",
            "installers/language/manifest.toml:26:8: `network` is neither a list nor a map of names (declare it with `type = \"list\"`)",
            "installers/language/manifest.toml:50:12: there is no variable `netwrok` (did you mean `network`?)",
            "probe/profile.toml:7:12: the installer `language` has no variable `hostname` (known: address, debug_vnc, debug_vnc_password, desktop, extra_files, network, post_scripts, users)",
        ]
    );
}

#[test]
fn what_is_wrong_with_the_entries_of_a_list_or_map_is_said_where_it_was_set() {
    let fixture = Fixture::with("language");
    fixture.replace(PROFILE, "[\"one\", \"two\"]", "[\"one\", \"tow\"]");
    fixture.replace(
        PROFILE,
        "\"/etc/motd\" = \"as-it-is\"",
        "\"etc/motd\" = \"as-it-is\"\n\"/etc/../x\" = \"as-it-is\"\n\"/etc/issue\" = \"as-it-iss\"",
    );
    let place = "probe/profile.toml:11:1:";
    assert_eq!(
        rendered(&fixture).err().unwrap(),
        [
            "installers/language/all.json:9:48: there is no snippet `tow`: did you mean `two`?".to_owned(),
            "probe/profile.toml:9:16: there is no snippet `tow` (did you mean `two`?)".to_owned(),
            format!(
                "{place} `extra_files` has the path `/etc/../x`, which can not be a file of a system (write an absolute path such as `/etc/motd`)"
            ),
            format!(
                "{place} `extra_files` has the path `etc/motd`, which can not be a file of a system (write an absolute path such as `/etc/motd`)"
            ),
            format!("{place} there is no snippet `as-it-iss` (did you mean `as-it-is`?)"),
        ]
    );
}

#[test]
fn a_snippet_whose_name_is_near_no_other_is_refused_with_the_places_where_snippets_lie() {
    let fixture = Fixture::with("language");
    fixture.replace(PROFILE, "[\"one\", \"two\"]", "[\"one\", \"something-else\"]");
    let problems = rendered(&fixture).err().unwrap();
    let wanted =
        "there is no snippet `something-else` (a snippet lies beside the profile, in `orgs/<org>/snippets/`, in";
    assert!(problems.iter().any(|problem| problem.contains(wanted)), "{problems:?}");
}

#[test]
fn a_text_that_can_not_be_carried_is_refused_at_the_call() {
    let fixture = Fixture::with("language");
    let template = "installers/language/all.json";
    for (call, wanted) in [
        ("verbatim(name=\"as-its\")", ":1:19: there is no snippet `as-its` (did you mean `as-it-is`?)"),
        ("verbatim(name=hostname)", ":1:4: there is no snippet `a-host`"),
        (
            "rendered(path=\"anode/finsh\")",
            ":1:4: no file before this one is written to `anode/finsh`: did you mean `anode/finish`?",
        ),
        (
            "rendered(path=\"anode/finish\") | base64",
            ":1:36: an answer is not known yet, so a text with a prompt in it has no base64",
        ),
    ] {
        fixture.write(template, &format!("{{{{ {call} }}}}\n"));
        assert_eq!(rendered(&fixture).err().unwrap(), [format!("{template}{wanted}")]);
    }
}

#[test]
fn an_organisations_script_or_carried_text_makes_a_pack_of_its_own() {
    let fixture = Fixture::with("language");
    fixture.write("orgs/a/org.toml", "title = \"A\"\n").write("orgs/a/snippets/as-it-is", "theirs\n");
    fixture.write("orgs/b/org.toml", "title = \"B\"\n").write("orgs/b/snippets/one", "theirs\n");

    // The profile's own `one` is nearer than the organisation's.
    let repository = fixture.load();
    let profile = repository.profiles.iter().find(|profile| profile.id.as_str() == "probe").unwrap();
    let matters = |id: &str| {
        let id = anode_bundle::name::Id::new(id).unwrap();
        organisation_matters(&repository, profile, repository.organisation(&id).unwrap())
    };
    assert_eq!((matters("a"), matters("b")), (true, false));
}
