//! A publisher that never rests.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anode_tests::wait_for;

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
    let (over, runs) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|number| {
                let (medium, over, runs) = (&medium, &over, &runs);
                scope.spawn(move || {
                    let state = medium.path(&format!("state-{number}"));
                    let mut seen = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        let output = medium.update(&state);
                        runs.fetch_add(1, Ordering::Relaxed);
                        seen.push(release(&output).unwrap_or_else(|| panic!("a spurious failure: {output}")));
                    }
                    let last = release(&medium.update(&state));
                    assert_eq!(last, Some(101));
                    assert!(seen.is_sorted(), "{seen:?}");
                })
            })
            .collect();
        for (number, tree) in trees.into_iter().enumerate() {
            medium.host.serve(tree);
            std::thread::sleep(std::time::Duration::from_millis(15));
            // However slow the clients are, they see a new tree all along.
            let seen =
                || runs.load(Ordering::Relaxed) * 8 >= number || clients.iter().any(|client| client.is_finished());
            wait_for("the clients", seen);
        }
        over.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().expect("a client"));
    });
}
