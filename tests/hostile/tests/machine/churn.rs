//! A publisher that never rests.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::medium::{Medium, release};

#[test]
fn clients_under_a_hundred_new_releases_see_whole_ones_that_only_rise() {
    let mut medium = Medium::new();
    let trees: Vec<_> = (0..100)
        .map(|_| {
            medium.publisher.publish();
            medium.publisher.tree.clone()
        })
        .collect();
    let over = AtomicBool::new(false);
    let runs: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|number| {
                let (medium, over) = (&medium, &over);
                scope.spawn(move || {
                    let state = medium.path(&format!("state-{number}"));
                    let mut seen = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        let output = medium.update(&state);
                        seen.push(release(&output).unwrap_or_else(|| panic!("a spurious failure: {output}")));
                    }
                    let last = release(&medium.update(&state));
                    assert_eq!(last, Some(101));
                    assert!(seen.is_sorted(), "{seen:?}");
                    seen.len()
                })
            })
            .collect();
        for tree in trees {
            medium.host.serve(tree);
            std::thread::sleep(std::time::Duration::from_millis(15));
        }
        over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("a client")).sum()
    });
    assert!(runs > 10, "{runs}");
}
