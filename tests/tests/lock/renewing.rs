//! What is added, changed, removed and left alone in `anode.lock`, and what a check says of it.

use std::fs;

use anode_tests::{Fault, Mirror};

use crate::desk::{INITRD, KERNEL, initrd, signed};

#[test]
fn what_is_missing_is_added_what_nobody_uses_is_removed_and_nothing_is_fetched_twice() {
    let desk = signed();
    let other = Mirror::new();
    other.put(KERNEL, "other kernel");
    other.put(INITRD, initrd(&[("init", "the hook")]));
    let output = desk.lock(&[]).run().ok();
    assert!(output.stdout.contains(&format!("+ {}/{KERNEL}", desk.mirror.url())), "{output}");
    let first = desk.text();
    assert!(!desk.mirror.requests().is_empty());

    let output = desk.lock(&[]).run().ok();
    assert_eq!((output.stdout.as_str(), desk.text()), ("", first.clone()));
    assert_eq!(desk.mirror.requests(), [""; 0], "what is pinned is not asked for");

    desk.profile("server", &format!("mirror = \"{}\"", other.url()));
    let _ = desk.lock(&[]).run().ok();
    assert_eq!(desk.text().matches("[[files]]").count(), 4);
    assert_eq!(desk.mirror.requests(), [""; 0]);

    fs::remove_dir_all(desk.repository().join("server")).unwrap();
    let output = desk.lock(&[]).run().ok();
    assert!(output.stdout.contains(&format!("- {}/{KERNEL}", other.url())), "{output}");
    assert_eq!(desk.text(), first);

    // A signed list and the cache know everything: the files are not fetched again.
    fs::remove_file(desk.repository().join("anode.lock")).unwrap();
    let _ = desk.lock(&[]).run().ok();
    assert_eq!(desk.text(), first);
    assert_eq!(desk.mirror.requests(), ["boot/SHA256SUMS", "boot/SHA256SUMS.gpg"]);
}

#[test]
fn a_check_finds_everything_that_is_missing_unused_unreachable_or_changed_in_one_run_and_changes_nothing() {
    let desk = signed();
    let (changed, broken) = (Mirror::new(), Mirror::new());
    for mirror in [&changed, &broken] {
        mirror.put(KERNEL, "unsigned kernel");
        mirror.put(INITRD, initrd(&[("init", "the hook")]));
    }
    desk.profile("changed", &format!("mirror = \"{}\"", changed.url()));
    desk.profile("broken", &format!("mirror = \"{}\"", broken.url()));
    let _ = desk.lock(&[]).run().ok();
    let _ = desk.lock(&["--check"]).run().ok();

    let before = format!(
        "{}\n[[files]]\nurl = \"https://example.org/unused\"\nsha256 = \"{}\"\nlength = 1\n",
        desk.text(),
        "0".repeat(64)
    );
    desk.write("anode.lock", &before);
    desk.profile("missing", "mirror = \"http://127.0.0.1:9/missing\"");
    changed.put(KERNEL, "changed kernel!");
    broken.fault(KERNEL, Fault::Status(503));
    // A newer list of the signed archive, while the file is still the old one.
    desk.mirror.put(INITRD, initrd(&[("init", "the hook, improved")]));
    desk.sign_sums();
    let output = desk.lock(&["--check"]).run().fails(&[
        "nobody uses `https://example.org/unused`",
        "`http://127.0.0.1:9/missing/boot/linux` is not pinned",
        &format!("`{}/{KERNEL}` changed upstream", changed.url()),
        &format!("{}/{KERNEL}: the server answers 503", broken.url()),
        &format!("`{}/{INITRD}` changed upstream", desk.mirror.url()),
        "take it with `anode lock --update`",
    ]);
    assert!(output.stderr.ends_with("6 errors\n"), "{output}");
    assert_eq!(desk.text(), before);
}

#[test]
fn an_update_shows_old_and_new_hashes_and_takes_the_named_profiles_alone() {
    let desk = signed();
    let other = Mirror::new();
    other.put(KERNEL, "other kernel");
    other.put(INITRD, initrd(&[("init", "the hook")]));
    desk.profile("server", &format!("mirror = \"{}\"", other.url()));
    let _ = desk.lock(&[]).run().ok();
    let (old, old_text) = (desk.sum(KERNEL), desk.text());
    for mirror in [&desk.mirror, &other] {
        mirror.put(KERNEL, "a newer kernel");
    }
    desk.sign_sums();
    let _ = other.requests();

    let output = desk.lock(&["--update", "pc"]).run().ok();
    let new = desk.sum(KERNEL);
    assert!(output.stdout.contains(&format!("old {old}")) && output.stdout.contains(&format!("new {new}")), "{output}");
    assert_eq!(output.stdout.matches('~').count(), 1, "{output}");
    assert_eq!(other.requests(), [""; 0]);
    assert_eq!(desk.text(), old_text.replace(&old, &new).replace("length = 10\n", "length = 14\n"));

    let output = desk.lock(&["--update"]).run().ok();
    assert!(output.stdout.contains(&format!("~ {}/{KERNEL}", other.url())), "{output}");
    let _ = desk.lock(&["--update", "srever"]).run().fails(&["there is no profile `srever`", "did you mean `server`?"]);
}

#[test]
fn named_profiles_are_pinned_although_another_one_has_no_mirror_yet() {
    let desk = signed();
    desk.profile("server", "mirror = \"https://127.0.0.1:1/gone\"");
    let _ = desk.lock(&[]).run().fails(&["https://127.0.0.1:1/gone"]);
    assert_eq!(desk.text(), "");
    let _ = desk.lock(&["pc"]).run().ok();
    let text = desk.text();
    assert!(text.contains(&desk.sum(KERNEL)) && !text.contains("127.0.0.1:1/"), "{text}");
    // What is pinned is asked for again only on request.
    let _ = desk.mirror.requests();
    let _ = desk.lock(&["pc"]).run().ok();
    assert_eq!(desk.mirror.requests(), [""; 0]);
    let _ = desk.lock(&["pc", "--check"]).run().fails(&["cannot be used with"]);
}
