//! Shim and GRUB, which an archive may not have.

use std::fs;

use anode_tests::{Fault, anode};

use crate::desk::{GRUB, KERNEL, SHIM, SIGNED, with_loaders};

#[test]
fn boot_loaders_are_pinned_and_verified_as_the_kernel_is_and_compared_with_what_is_there_later() {
    let desk = with_loaders(SIGNED);
    desk.keyring();
    desk.mirror.put("boot/SHA256SUMS", desk.sums("boot", &["linux", "initrd.gz", "shim.efi", "grubx64.efi"]));
    let list = desk.mirror.root().join("boot/SHA256SUMS");
    desk.gpg.sign(&list, &list.with_extension("gpg"));
    let output = desk.lock(&[]).run().ok();
    let text = desk.text();
    for path in [SHIM, GRUB] {
        let entry =
            format!("url = \"{}/{path}\"\nsha256 = \"{}\"\nlength = 8\nverified", desk.mirror.url(), desk.sum(path));
        assert!(text.contains(&entry), "{text}");
    }
    assert_eq!(text.matches("verified = ").count(), 4, "{text}");
    // None of the three is what a firmware could start: each is said, at its line of the definition.
    for (path, problem) in [
        (SHIM, "has no signature by Microsoft's UEFI authority: no firmware with the usual keys starts it"),
        (GRUB, "is not signed: shim does not start it under Secure Boot"),
        (KERNEL, "is not signed: the boot loaders of its definition do not start it under Secure Boot"),
    ] {
        let warning = format!("warning: `{}/{path}` {problem}", desk.mirror.url());
        assert_eq!(output.stderr.matches(&warning).count(), 1, "{output}");
    }
    let shown = anode(["show", "pc", "-C"]).arg(desk.repository()).run().ok().stdout;
    assert!([SHIM, GRUB].iter().all(|path| shown.contains(&format!("{}/{path}", desk.mirror.url()))), "{shown}");
    let _ = desk.lock(&["--check"]).run().ok();
    desk.mirror.put(SHIM, "evil one");
    // What the cache has is what the signed list names, and is not asked for.
    let fresh = desk.folder.path().join("fresh");
    let evil = format!("`{}/{SHIM}` has the hash", desk.mirror.url());
    let _ = desk.lock_into(&fresh, &["--update"]).run().fails(&[&evil]);
    assert_eq!(desk.text(), text);
}

#[test]
fn boot_loaders_that_a_mirror_does_not_have_are_left_out_and_keep_nothing_else_from_being_pinned() {
    let desk = with_loaders("");
    let _ = desk.lock(&[]).run().ok();
    assert_eq!(desk.text().matches("[[files]]").count(), 4);
    fs::remove_file(desk.mirror.root().join(SHIM)).unwrap();
    let gone = format!("{}/{SHIM}", desk.mirror.url());
    // It was there, and is not any more.
    let _ = desk.lock(&["--check"]).run().fails(&[&gone, "1 error"]);
    let output = desk.lock(&["--update"]).run().ok();
    let warning = output.stderr.lines().find(|line| line.contains("answers 404")).expect("a warning");
    assert!(warning.starts_with("warning: ") && warning.contains(&gone), "{output}");
    assert!(output.stderr.contains("has no other way to start it: set a mirror that has the file"), "{output}");
    assert!(output.stdout.contains(&format!("- {gone}")), "{output}");
    assert_eq!(desk.text().matches("[[files]]").count(), 3);
    // There is nothing to pin, and so nothing is missing; every other failure is one.
    let _ = desk.lock(&["--check"]).run().ok();
    let before = desk.text();
    desk.mirror.fault(SHIM, Fault::Status(503));
    let _ = desk.lock(&[]).run().fails(&[&gone, "503", "1 error"]);
    let _ = desk.lock(&["--check"]).run().fails(&[&format!("`{gone}` is not pinned")]);
    assert_eq!(desk.text(), before);
}
