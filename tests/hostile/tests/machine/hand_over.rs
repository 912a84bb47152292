//! Killed while an activation fills a cache and writes its files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anode_hostile::CODE;
use anode_tests::{Output, Program, files};

use crate::medium::{Files, Medium, kept};
use crate::tracer::{for_each, traced, with_fault};

/// The words of an activation that writes into `folder/out/files` and keeps a cache in `folder/cache`.
fn words(medium: &Medium, folder: &Path, mirror: &str) -> Vec<OsString> {
    let mut words = medium.words(&folder.join("state"), &[mirror]);
    words[1] = "activate".into();
    words.extend(["--code", CODE, "--files"].map(OsString::from));
    words.extend([folder.join("out/files").into(), "--cache".into(), folder.join("cache").into()]);
    words
}

fn run(words: &[OsString]) -> Output {
    Program::new(&words[0]).args(&words[1..]).run()
}

/// A folder in which an activation can write.
fn room(medium: &Medium, name: &str) -> PathBuf {
    let folder = medium.path(name);
    std::fs::create_dir_all(folder.join("out")).expect("a folder");
    folder
}

/// What was written, without the record of the choice: it tells the time and the source.
fn written(folder: &Path) -> Option<Files> {
    let folder = folder.join("out/files");
    let all = folder.is_dir().then(|| files(&folder))?;
    Some(all.into_iter().filter(|(name, _)| name != "provisioning-selection.json").collect())
}

#[test]
fn an_activation_that_is_killed_at_any_call_leaves_all_files_or_none_and_a_cache_without_torn_files() {
    let medium = Medium::new();
    let honest = room(&medium, "honest");
    let (output, points) = traced(&words(&medium, &honest, &medium.host.url), &honest);
    assert_eq!(output.exit, Some(0), "{output}");
    assert!(points.len() > 40, "{points:?}");
    let (good, cache) = (written(&honest).expect("files"), kept(&honest.join("cache")));
    assert_eq!(good.keys().collect::<Vec<_>>(), ["preseed.cfg"]);

    for_each(&points, |point| {
        let folder = room(&medium, &format!("killed-{}-{}", point.name, point.number));
        let output = with_fault(&words(&medium, &folder, &medium.host.url), point, "signal=KILL");
        assert_eq!(output.exit, None, "{point:?} did not kill it: {output}");
        let found = written(&folder);
        assert!(found.as_ref().is_none_or(|found| *found == good), "{point:?} leaves {found:?}");
        let torn = kept(&folder.join("cache"));
        assert!(torn.iter().all(|(name, bytes)| cache.get(name) == Some(bytes)), "{point:?}: {:?}", torn.keys());
    });
}

#[test]
fn an_activation_whose_disk_refuses_any_call_writes_all_files_or_none_and_says_why() {
    let medium = Medium::new();
    let honest = room(&medium, "honest");
    let (_, points) = traced(&words(&medium, &honest, &medium.host.url), &honest.join("out"));
    assert!(points.len() > 5 && points.iter().any(|point| point.name == "write"), "{points:?}");
    let good = written(&honest).expect("files");

    for_each(&points, |point| {
        let folder = room(&medium, &format!("refused-{}-{}", point.name, point.number));
        let output = with_fault(&words(&medium, &folder, &medium.host.url), point, "error=ENOSPC");
        let found = written(&folder);
        match output.exit {
            Some(0) => assert_eq!(found, Some(good.clone()), "{point:?}: {output}"),
            // The last step makes durable what is there: if it fails, all files may be there, and never some.
            Some(50) => assert!(found.as_ref().is_none_or(|found| *found == good), "{point:?}: {output}"),
            _ => panic!("{point:?}: {output}"),
        }
        if found.is_none() {
            let again = run(&words(&medium, &folder, &medium.host.url));
            assert_eq!(again.exit, Some(0), "{point:?}: {again}");
        }
    });
}
