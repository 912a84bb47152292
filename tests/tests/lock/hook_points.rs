//! What a definition relies on inside an initrd.

use std::fs;

use anode_tests::debian_installer;

use crate::desk::{Desk, INITRD, SIGNED, initrd, signed};

#[test]
fn a_hook_point_that_is_gone_is_an_error_at_every_turn_that_names_definition_initrd_and_path() {
    for (contents, words) in [
        (&[("sbin", "x")][..], "relies on `init`, which is not in it"),
        (&[("init", "something else")], "relies on `init`, which is there and does not hold `the hook`"),
        (&[("real", "something else"), ("init", "-> real")], "which is there (`real`) and does not hold `the hook`"),
    ] {
        let desk = signed();
        desk.mirror.put(INITRD, initrd(contents));
        desk.sign_sums();
        let output =
            desk.lock(&[]).run().fails(&[words, "`anvil`", "boot/initrd.gz", "installers/anvil/manifest.toml:"]);
        let _ = output.fails(&["help: the distribution changed its installer"]);
        assert_eq!(desk.text(), "");
    }
    // The definition changes after the initrd was pinned.
    let desk = signed();
    let _ = desk.lock(&[]).run().ok();
    desk.define(&format!("{SIGNED}\n[[hook_points]]\npath = \"conf/param.conf\"\n"));
    for arguments in [&["--check"][..], &[], &["--update"]] {
        let _ = desk.lock(arguments).run().fails(&["relies on `conf/param.conf`, which is not in it"]);
    }
    // Without the cache, too.
    fs::remove_dir_all(desk.cache()).unwrap();
    let _ = desk.lock(&["--check"]).run().fails(&["relies on `conf/param.conf`, which is not in it"]);
}

#[test]
fn what_is_no_initrd_is_not_pinned_where_something_relies_on_it() {
    let desk = Desk::new("");
    desk.mirror.put(INITRD, "<html>please log in</html>");
    let _ = desk.lock(&[]).run().fails(&["boot/initrd.gz` is not an initrd: at byte 0"]);
    assert_eq!(desk.text(), "");
}

#[test]
fn the_real_installer_of_debian_12_has_every_hook_point_of_the_built_in_definition() {
    let Some(images) = debian_installer() else { return };
    let desk = Desk::new("");
    let place = "dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64";
    for name in ["linux", "initrd.gz", "bootnetx64.efi", "grubx64.efi"] {
        desk.mirror.put(&format!("{place}/{name}"), fs::read(images.join(name)).unwrap());
    }
    let profile = "title = \"PC\"\ninstaller = \"debian\"\nversion = \"12\"\narchitecture = \"amd64\"\n";
    desk.write("pc/profile.toml", &format!("{profile}[variables]\nboot_mirror = \"{}\"\n", desk.mirror.url()));
    let output = desk.lock(&[]).run().ok();
    assert_eq!(desk.text().matches("[[files]]").count(), 4, "{}", desk.text());
    // Microsoft signed its shim, and Debian the GRUB and the kernel behind it.
    assert!(!output.stderr.contains("Secure Boot") && !output.stderr.contains("firmware"), "{output}");
    assert_eq!(desk.text().matches("kernel_signed_by").count(), 1, "{}", desk.text());
    // That GRUB looks for its menu where the definition says.
    let grub = fs::read(images.join("grubx64.efi")).unwrap();
    let prefix = b"/debian-installer/amd64/grub\0";
    assert!(grub.windows(prefix.len()).any(|bytes| bytes == prefix));
    // The key that Debian's shim trusts; known to every machine that boots with it, before anything is fetched.
    assert!(desk.text().contains("kernel_signed_by = \"Debian Secure Boot CA\""), "{}", desk.text());
    assert!(desk.text().contains("\"6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1\""), "{}", desk.text());
    let _ = desk.lock(&["--check"]).run().ok();
}
