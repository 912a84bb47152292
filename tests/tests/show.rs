//! `anode show` and `anode graph`, as an operator asks them.

use anode_tests::Site;

const BASE: &str = "title = \"Base\"\nabstract = true\ninstaller = \"debian\"\nversion = \"13\"\narchitecture = \"amd64\"\n[variables]\ntimezone = \"Europe/Berlin\"\n";

#[test]
fn the_screen_names_the_line_of_every_value_and_the_file_of_every_include() {
    let site = Site::new();
    site.write("base/profile.toml", BASE);
    site.write("heir/profile.toml", "title = \"Heir\"\nextends = \"base\"\n[variables]\npackages = [\"vim\"]\n");
    let screen = site.anode(&["show", "heir"]).run().ok().stdout;
    let row = |name: &str| screen.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
    for (name, words) in [
        ("extends", vec!["base"]),
        ("timezone", vec!["timezone", "\"Europe/Berlin\"", "base", "base/profile.toml:7"]),
        ("packages", vec!["list of", "[\"vim\"]", "profile", "heir/profile.toml:4"]),
        ("finish", vec!["choice", "definition", "built-in/installers/"]),
        ("anode/motd", vec!["0644", "motd", "snippets/motd"]),
        ("second stage", vec!["pinned"]),
        ("boots", vec!["not in `anode.lock`"]),
    ] {
        for word in words {
            assert!(row(name).contains(word), "{name}: no {word}\n{screen}");
        }
    }
    // The organisation's layer, and the same from JSON.
    let path = format!("orgs/{}/org.toml", Site::ORGANISATION);
    site.write(&path, "title = \"S\"\n[variables]\nkeyboard = \"fr\"\n");
    let json = site.anode(&["show", "heir", "--org", Site::ORGANISATION, "--json"]).run().ok().json();
    let keyboard =
        json["variables"].as_array().unwrap().iter().find(|variable| variable["name"] == "keyboard").unwrap();
    assert_eq!((&keyboard["value"], &keyboard["layer"]), (&"fr".into(), &"organisation".into()));
    assert_eq!((&keyboard["file"], &keyboard["line"]), (&path.into(), &3.into()));
}

#[test]
fn the_rendered_files_show_where_answers_belong_and_no_hash() {
    let site = Site::new();
    let hash = format!("$6$saltysalt${}", "x".repeat(86));
    site.write("base/profile.toml", &format!("{BASE}password = \"{hash}\"\n"));
    site.write("heir/profile.toml", "title = \"Heir\"\nextends = \"base\"\n");
    let all = site.anode(&["show", Site::SERVER, "--files"]).run().ok().stdout;
    assert!(
        all.contains("── preseed.cfg (0644, from ") && all.contains("«hostname»") && all.contains("«password»"),
        "{all}"
    );
    let one = site.anode(&["show", Site::SERVER, "--files", "preseed.cfg"]).run().ok().stdout;
    assert!(!one.contains("──") && all.contains(&one), "{one}");
    for arguments in [&["show", "heir"][..], &["show", "heir", "--files"], &["show", "heir", "--json"]] {
        let said = site.anode(arguments).run().ok();
        assert!(!said.stdout.contains("saltysalt") && !said.stderr.contains("saltysalt"), "{said}");
    }
    assert!(site.anode(&["show", "heir"]).run().ok().stdout.contains("(crypt hash)"));
}

#[test]
fn a_codes_presets_are_shown_and_its_organisation_is_known() {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &["--label", "room-7", "--answer", "hostname=pc-7"]);
    assert!(code.name.ends_with("room-7"), "{}", code.name);
    let screen = site.anode(&["show", Site::SERVER, "--code", "room-7"]).run().ok().stdout;
    assert!(screen.contains("preset to \"pc-7\"") && screen.contains("codes/example-school/room-7.toml"), "{screen}");
    let _ = site
        .anode(&["show", Site::WORKSTATION, "--code", "room-7"])
        .run()
        .fails(&["the code `room-7` does not offer `fedora-workstation`", Site::SERVER]);
    let _ = site.anode(&["show", Site::SERVER, "--code", "room-8"]).run().fails(&["did you mean `room-7`?"]);
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    let site = Site::new();
    let own = "title = \"Own\"\ninstaller = \"debian\"\nversion = \"13\"\narchitecture = \"amd64\"\n";
    site.write(&format!("orgs/{}/own/profile.toml", Site::ORGANISATION), own);
    for (arguments, wanted) in [
        (&["show", "debian-servr"][..], "there is no profile `debian-servr`; did you mean `debian-server`?"),
        (&["show", Site::SERVER, "--org", "exmple-school"], "did you mean `example-school`?"),
        (
            &["show", Site::SERVER, "--files", "preseed.cgf"],
            "there is no file `preseed.cgf`; did you mean `preseed.cfg`?",
        ),
        (&["show", "own"], "the profile `own` belongs to `example-school`; say so with `--org`"),
    ] {
        let _ = site.anode(arguments).run().fails(&[wanted]);
    }
    let _ = site.anode(&["show", "own", "--org", Site::ORGANISATION]).run().ok();
}

#[test]
fn an_abstract_profile_is_shown_but_never_offered() {
    let site = Site::new();
    site.write("base/profile.toml", BASE);
    site.write("open/profile.toml", "title = \"Open\"\nabstract = true\nextends = \"base\"\n");
    site.write("half/profile.toml", "title = \"Half\"\nabstract = true\n");
    site.write("heir/profile.toml", &format!("extends = \"half\"\n{}", BASE.replace("abstract = true\n", "")));
    assert!(site.anode(&["show", "open"]).run().ok().stdout.contains("abstract"));
    let _ = site.anode(&["show", "half"]).run().fails(&["leaves installer, version or architecture open", "`heir`"]);
    let code = ["code", "new", "--org", Site::ORGANISATION, "--profile", "base"];
    let _ = site.anode(&code).run().fails(&["the profile `base` is abstract", "offer one that extends it"]);
    let _ = site.build().run().ok();
    let listed = std::fs::read_to_string(site.tree().join("api/v1/profiles.json")).unwrap();
    assert!(!listed.contains("\"base\""), "{listed}");
}

#[test]
fn the_picture_is_a_file_for_a_browser_or_for_graphviz() {
    let site = Site::new();
    site.write("base/profile.toml", BASE);
    site.write("heir/profile.toml", "title = \"Heir\"\nextends = \"base\"\n");
    let svg = site.anode(&["graph"]).run().ok().stdout;
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>") && svg.contains(">heir</text>"), "{svg}");
    assert_eq!(svg, site.anode(&["graph", "--format", "svg"]).run().ok().stdout);
    let dot = site.anode(&["graph", "--format", "dot"]).run().ok().stdout;
    assert!(dot.starts_with("digraph anode {") && dot.contains("\"base\" -> \"heir\";"), "{dot}");
    site.write("heir/profile.toml", "title = \"Heir\"\nextends = \"heir\"\n");
    let _ = site.anode(&["graph"]).run().fails(&["heir/profile.toml:2:", "heir → heir"]);
}
