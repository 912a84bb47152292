//! The picture of who inherits from whom.

use std::fs;
use std::path::Path;

use anode::graph::Graph;
use anode::repository::load;

use crate::fixture::Fixture;

fn family() -> Fixture {
    let fixture = Fixture::example();
    fixture.write(
        "base/profile.toml",
        "title = \"A <base> & \\\"more\\\"\"\nabstract = true\ninstaller = \"debian\"\nversion = \"13\"\narchitecture = \"amd64\"\n",
    );
    fixture.write("heir/profile.toml", "title = \"Heir\"\nextends = \"base\"\nversion = \"12\"\n");
    fixture.write("orgs/example-school/own/profile.toml", "title = \"Own\"\nextends = \"heir\"\n");
    fixture
}

#[test]
fn the_picture_in_the_documentation_is_that_of_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (repository, _) = load(&root.join("profiles")).ok().unwrap();
    let (path, wanted) = (root.join("docs/graph.svg"), Graph::of(&repository).to_svg());
    if std::env::var_os("ANODE_BLESS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/graph.svg is not what `anode graph -C profiles` draws: run with ANODE_BLESS=1");
}

#[test]
fn every_profile_is_drawn_below_what_it_extends_and_once() {
    let dot = Graph::of(&family().load()).to_dot();
    for edge in [
        "\"installers/debian\" -> \"base\";",
        "\"base\" -> \"heir\";",
        "\"heir\" -> \"orgs/example-school/own\";",
        "\"installers/debian\" -> \"debian-server\";",
    ] {
        assert_eq!(dot.matches(edge).count(), 1, "{edge}\n{dot}");
    }
    assert!(!dot.contains("\"installers/debian\" -> \"heir\""), "{dot}");
    assert!(
        dot.contains("label=\"base\\nA <base> & \\\"more\\\"\\nabstract, debian 13\", style=\"rounded,dashed\""),
        "{dot}"
    );
    assert!(dot.contains("label=\"heir\\nHeir\\nversion 12\""), "{dot}");
}

#[test]
fn a_title_can_not_leave_its_place_in_the_picture() {
    let svg = Graph::of(&family().load()).to_svg();
    assert!(svg.contains(">A &lt;base&gt; &amp; &quot;more&quot;<") && !svg.contains("<base>"), "{svg}");
    assert!(!svg.contains("<script") && !svg.contains("href"), "it fetches nothing and runs nothing");
    assert!(svg.contains("prefers-color-scheme: dark"));
    // Everybody's profile stands in the frame of the organisation too, marked as such.
    assert_eq!(svg.matches(">heir</text>").count(), 2, "{svg}");
    assert_eq!(svg.matches(">everybody&#39;s</text>").count() + svg.matches(">everybody's</text>").count(), 1, "{svg}");
}

#[test]
fn the_same_repository_gives_the_same_picture() {
    let (one, other) = (family(), family());
    assert_eq!(Graph::of(&one.load()).to_svg(), Graph::of(&other.load()).to_svg());
}
