//! Answers that end at every byte.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use anode_hostile::Answer;

use crate::medium::{Files, Medium, is_part_of, kept, release};

/// Every answer of a run and its length in bytes, headers included.
fn answers(medium: &Medium) -> BTreeMap<String, usize> {
    let state = medium.path("honest");
    assert_eq!(release(&medium.update(&state)), Some(2));
    let log = medium.log.lock().expect("the log");
    let length = |request: &anode_hostile::Request| request.sent.load(Ordering::Relaxed).try_into().expect("small");
    log.iter().map(|request| (request.path.clone(), length(request))).collect()
}

fn medium() -> Medium {
    let mut medium = Medium::new();
    medium.publish_more();
    medium
}

/// Runs the fetcher once for each cut of each answer, in a few threads with a mirror each.
/// `check` gets the state of an honest run too.
fn cut_everywhere(step: usize, check: impl Fn(&Medium, &Files, &str, usize) + Sync) -> usize {
    let whole = answers(&medium());
    let names: Vec<&str> = whole.keys().map(String::as_str).collect();
    let wanted = ["release/2.json", "release/2.json.minisig", "root/2.json", "root/3.json", "timestamp.signed"];
    assert!(wanted.iter().all(|name| names.contains(name)) && names.len() == wanted.len() + 1, "{names:?}");
    let cuts: Vec<(&str, usize)> = whole
        .iter()
        .flat_map(|(path, length)| (0..*length).step_by(step).map(move |cut| (path.as_str(), cut)))
        .collect();
    std::thread::scope(|scope| {
        for part in cuts.chunks(cuts.len().div_ceil(4)) {
            let check = &check;
            scope.spawn(move || {
                let medium = medium();
                answers(&medium);
                let good = kept(&medium.path("honest"));
                for (path, cut) in part {
                    medium.answer(path, Answer { cut: Some(*cut), ..Answer::default() });
                    check(&medium, &good, path, *cut);
                }
            });
        }
    });
    cuts.len()
}

#[test]
fn no_answer_that_is_cut_is_taken_and_nothing_of_it_is_kept() {
    let count = cut_everywhere(1, |medium, good, path, cut| {
        let state = medium.path("state");
        let output = medium.update(&state);
        let found = kept(&state);
        // "There is no root 3" is complete with its headers.
        let complete = path == "root/3.json" && release(&output) == Some(2) && found == *good;
        assert!(complete || release(&output).is_none(), "{path} cut to {cut} bytes: {output}");
        assert!(is_part_of(&found, &[good]), "{path} cut to {cut} bytes leaves {:?}", found.keys());
        if state.exists() {
            std::fs::remove_dir_all(&state).expect("a state");
        }
    });
    assert!(count > 2000, "{count}");
}

#[test]
fn after_a_cut_the_next_mirror_serves() {
    let count = cut_everywhere(17, |medium, _, path, cut| {
        let (state, other) = (medium.path("state"), anode_hostile::Host::start("b", &medium.log, None));
        other.serve(medium.publisher.tree.clone());
        let output = medium.update_from(&state, &[&medium.host.url, &other.url]);
        assert_eq!(release(&output), Some(2), "{path} cut to {cut} bytes: {output}");
        std::fs::remove_dir_all(&state).expect("a state");
    });
    assert!(count > 100, "{count}");
}
