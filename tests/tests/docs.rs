//! What the documentation says of the code is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anode_tests::source;

/// Every file of the repository's own folders with one of these endings.
fn files(folder: &Path, endings: &[&str], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("reading a folder") {
        let path = entry.expect("reading a folder").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                files(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(fs::read_to_string(&path).expect("reading a text"));
        }
    }
}

/// What lies in a folder.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(source().join(folder)).unwrap_or_else(|error| panic!("reading {folder}: {error}"));
    entries.map(|entry| entry.expect("reading a folder").file_name().to_string_lossy().into_owned()).collect()
}

/// The words in backticks that look like the name of a test: a sentence of at least four words.
fn named_tests(text: &str) -> BTreeSet<&str> {
    let is_name = |word: &&str| {
        word.matches('_').count() >= 3
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    text.split('`').skip(1).step_by(2).filter(is_name).collect()
}

#[test]
fn every_test_that_a_page_names_exists() {
    let mut sources = Vec::new();
    files(&source(), &[".rs"], &mut sources);
    let sources = sources.concat();
    let mut missing = Vec::new();
    let pages = [("ARCHITECTURE.md", 20), ("docs/threat-model.md", 25)];
    for (page, at_least) in pages {
        let text = fs::read_to_string(source().join(page)).expect("reading a page");
        let names = named_tests(&text);
        assert!(names.len() >= at_least, "`{page}` names {} tests", names.len());
        missing.extend(
            names
                .into_iter()
                .filter(|name| !sources.contains(&format!("fn {name}(")))
                .map(|name| (page, name.to_owned())),
        );
    }
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut dead = Vec::new();
    for page in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "keys/README.md"]
        .map(str::to_owned)
        .into_iter()
        .chain(names("docs").into_iter().filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")))
    {
        let text = fs::read_to_string(source().join(&page)).expect("reading a page");
        let folder = Path::new(&page).parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let file = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !file.is_empty() && !source().join(folder).join(file).exists() {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn every_picture_is_a_small_png_that_the_page_for_a_person_at_the_stick_shows() {
    let page = fs::read_to_string(source().join("docs/from-stick-to-installer.md")).expect("reading the page");
    let pictures = names("docs/pictures");
    assert!(pictures.len() >= 10, "{pictures:?}");
    for name in pictures {
        assert!(page.contains(&format!("](pictures/{name})")), "no page shows {name}");
        let bytes = fs::read(source().join("docs/pictures").join(&name)).expect("reading a picture");
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() < 20_000, "{name}: {} bytes", bytes.len());
    }
}
