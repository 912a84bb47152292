//! What the program brings along: the installer definitions, and the example that `anode init` begins with.
//!
//! Both are the files of `profiles/`, embedded; a repository's own folder of the same name wins.

use anode_bundle::name::Id;
use include_dir::{Dir, include_dir};

use crate::repository::Snippets;

static PROFILES: Dir<'static> = include_dir!("$OUT_DIR/profiles");
static MEDIUM: Dir<'static> = include_dir!("$OUT_DIR/medium");

/// What `anode init` does not copy: the definitions are built in, and the site file is made anew.
const NOT_COPIED: [&str; 5] = ["installers/", "anode.toml", "codes/", "keys/", "README.md"];

/// The names of the built-in definitions, and of the folder that they share.
pub fn installers() -> impl Iterator<Item = Id> {
    PROFILES
        .get_dir("installers")
        .into_iter()
        .flat_map(Dir::dirs)
        .filter_map(|folder| Id::new(folder.path().file_name()?.to_str()?).ok())
}

/// The files of a built-in definition, by their name in its folder.
#[must_use]
pub fn installer(name: &str) -> Option<Snippets> {
    let folder = format!("installers/{name}");
    let mut files = Vec::new();
    walk(PROFILES.get_dir(&folder)?, &mut files);
    let texts = files.into_iter().filter_map(|(path, bytes)| {
        let name = path.strip_prefix(&folder)?.strip_prefix('/')?.to_owned();
        Some((name, String::from_utf8(bytes.to_vec()).ok()?))
    });
    Some(crate::repository::built_in_snippets(&format!("built-in/{folder}"), texts))
}

/// The profiles, organisation and snippets of the example, as path and bytes, in order.
#[must_use]
pub fn example_files() -> Vec<(String, &'static [u8])> {
    let mut files = Vec::new();
    walk(&PROFILES, &mut files);
    files.retain(|(path, _)| !NOT_COPIED.iter().any(|prefix| path.starts_with(prefix)) && !path.starts_with('.'));
    files.sort();
    files
}

/// What the boot medium's own system has of ours, by its path there, with its mode: `site/medium/init`, `lib/` and `keyboards/`.
#[must_use]
pub fn medium_files() -> Vec<(String, u32, &'static [u8])> {
    let mut files = Vec::new();
    walk(&MEDIUM, &mut files);
    let place = |(path, bytes): (String, &'static [u8])| {
        let (place, mode) = match path.split_once('/') {
            None if path == "init" => (path, 0o755),
            Some(("lib", name)) => (format!("lib/anode/{name}"), 0o755),
            Some(("keyboards", name)) => (format!("etc/anode/keyboards/{name}"), 0o644),
            _ => return None,
        };
        Some((place, mode, bytes))
    };
    files.into_iter().filter_map(place).collect()
}

fn walk(folder: &Dir<'static>, files: &mut Vec<(String, &'static [u8])>) {
    for file in folder.files() {
        files.extend(file.path().to_str().map(|path| (path.to_owned(), file.contents())));
    }
    for inner in folder.dirs() {
        walk(inner, files);
    }
}
