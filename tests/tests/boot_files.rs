//! The medium published with the site: signed hashes that stock tools check, and a page that says how.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anode_tests::{Program, Site, differing, files};

/// What an operator made: an image and a folder for booting over the network, with a list of hashes of its own.
fn boot(site: &Site) -> PathBuf {
    let folder = site.scratch("boot");
    fs::create_dir_all(folder.join("netboot/grub")).expect("folders");
    for (name, text) in [
        ("anode.iso", "the medium"),
        ("netboot/grub/grub.cfg", "a menu"),
        ("netboot/SHA256SUMS", "its own list"),
        ("SHA256SUMS", "an older list"),
    ] {
        fs::write(folder.join(name), text).expect("a file");
    }
    folder
}

fn build(site: &Site) -> Program {
    site.build().arg("--boot").arg(boot(site))
}

#[test]
fn whoever_downloads_the_medium_checks_it_with_stock_tools_as_the_page_says() {
    let site = Site::published();
    let _ = build(&site).run().ok();
    let _ = site.publish().run().ok();
    let page = fs::read_to_string(site.current().join("index.html")).expect("the page");
    for words in [
        "href=\"boot/anode.iso\"",
        "minisign -VHm SHA256SUMS -p keys/release.pub",
        "sha256sum --check --ignore-missing SHA256SUMS",
        "minisign -VHm timestamp.json -p keys/timestamp.pub",
    ] {
        assert!(page.contains(words), "{page}");
    }
    let here = site.scratch("downloads");
    fs::create_dir(&here).expect("a folder");
    for name in ["anode.iso", "SHA256SUMS", "SHA256SUMS.minisig"] {
        let curl = Program::new("curl").args(["-sSf", "-o", name, "--cacert"]).arg(site.authority.certificate());
        let _ = curl.arg(format!("{}/boot/{name}", site.web.url)).folder(&here).run().ok();
    }
    let key = site.repository().join("keys/release.pub");
    let seen = Program::new("minisign").args(["-VHm", "SHA256SUMS", "-p"]).arg(&key).folder(&here).run().ok();
    assert!(seen.stdout.contains(&format!("anode/1 boot {} {}", site.release_version(), site.id())), "{seen}");
    let check = || Program::new("sha256sum").args(["--check", "--ignore-missing", "SHA256SUMS"]).folder(&here).run();
    assert_eq!(check().ok().stdout, "anode.iso: OK\n");
    fs::write(here.join("anode.iso"), "another medium").expect("a file");
    let _ = check().fails(&["anode.iso: FAILED"]);
}

#[test]
fn boot_files_stay_until_others_are_named_and_equal_ones_give_equal_trees() {
    let site = Site::published();
    assert!(!site.tree().join("boot").exists());
    let _ = build(&site).run().ok();
    let first = files(&site.tree());
    let listed = String::from_utf8(first["boot/SHA256SUMS"].clone()).expect("text");
    let names: Vec<_> = listed.lines().filter_map(|line| line.split("  ").nth(1)).collect();
    assert_eq!(names, ["anode.iso", "netboot/SHA256SUMS", "netboot/grub/grub.cfg"]);
    for again in [site.build(), build(&site)] {
        let _ = again.run().ok();
        assert_eq!(differing(&first, &files(&site.tree())), [""; 0]);
    }
    fs::remove_file(boot(&site).join("anode.iso")).expect("a file");
    let _ = site.build().arg("--boot").arg(site.scratch("boot")).run().ok();
    assert!(!site.tree().join("boot/anode.iso").exists() && site.tree().join("boot/netboot/grub/grub.cfg").exists());
}

#[test]
fn a_build_elsewhere_takes_the_boot_files_of_the_published_tree_from_a_folder_and_over_the_network() {
    let site = Site::published();
    let _ = build(&site).run().ok();
    let _ = site.publish().run().ok();
    let boot = |tree: &Path| {
        let mut files = files(tree);
        files.retain(|path, _| path.starts_with("boot/"));
        files
    };
    let published = boot(&site.current());
    assert_eq!(published.len(), 5, "{:?}", published.keys());
    let ca = site.authority.certificate();
    let elsewhere = |name: &str, previous: &Path| {
        let out = site.scratch(name);
        let build = site.build().arg("--out").arg(&out).arg("--previous").arg(previous).arg("--ca").arg(&ca);
        (build.run(), out)
    };
    let url = PathBuf::from(&site.web.url);
    for (name, previous) in [("folder", site.target()), ("network", url.clone())] {
        let (built, out) = elsewhere(name, &previous);
        let _ = built.ok();
        assert_eq!(differing(&published, &boot(&out)), [""; 0]);
        assert!(fs::read_to_string(out.join("index.html")).expect("the page").contains("boot/anode.iso"));
    }
    // Whoever can write the web server's folder gets no signature for it.
    let iso = site.current().join("boot/anode.iso");
    fs::write(&iso, "another medium").expect("a file");
    for (name, previous) in [("folder again", site.target()), ("network again", url)] {
        let (built, out) = elsewhere(name, &previous);
        let _ = built.fails(&["anode.iso` of `", "has other bytes than its signed hash says", "by `--boot`"]);
        assert!(!out.exists());
    }
    fs::remove_file(&iso).expect("a file");
    assert_ne!(elsewhere("a file that is gone", &site.target()).0.exit, Some(0));
    // The same for the tree that is built upon.
    fs::write(site.tree().join("boot/anode.iso"), "another medium").expect("a file");
    let _ = site.build().run().fails(&["has other bytes than its signed hash says", "by `--boot`"]);
    let _ = build(&site).run().ok();
}

#[test]
fn a_medium_with_a_code_or_a_key_is_not_published() {
    let site = Site::published();
    let before = files(&site.tree());
    let folder = boot(&site);
    let refused = |words: &[&str]| {
        let _ = site.build().arg("--boot").arg(&folder).run().fails(words);
        assert_eq!(differing(&before, &files(&site.tree())), [""; 0]);
    };
    let secret = ["has an activation code or a client key on it", "made without `--code-file` and `--client-key`"];
    // An image says so itself, wherever it was copied to.
    let mut image = vec![0; 64 << 10];
    image[32_769..32_774].copy_from_slice(b"CD001");
    let mark = b"ANODE MEDIUM WITH A SECRET";
    image[32_768 + 574..][..mark.len()].copy_from_slice(mark);
    fs::write(folder.join("anode.iso"), &image).expect("an image");
    refused(&[secret[0], secret[1], "anode.iso`"]);
    // As `anode medium iso` leaves one, and no mark in it.
    fs::write(folder.join("anode.iso"), "the medium").expect("an image");
    fs::set_permissions(folder.join("anode.iso"), fs::Permissions::from_mode(0o600)).expect("a mode");
    refused(&["anode.iso` may not be read by others", "run `chmod a+r "]);
    fs::set_permissions(folder.join("anode.iso"), fs::Permissions::from_mode(0o644)).expect("a mode");
    // An initramfs has it among its files.
    for (name, packer) in [("etc/anode/code", "gzip"), ("etc/anode/client.key", "cat")] {
        let script = format!("mkdir -p etc/anode && echo x >{name} && find etc | cpio -o -H newc --quiet | {packer}");
        let scratch = tempfile::tempdir().expect("a folder");
        let initrd = folder.join("netboot/initrd.img");
        let script = format!("{script} >'{}'", initrd.display());
        let _ = Program::new("sh").args(["-c", &script]).folder(scratch.path()).run().ok();
        refused(&[secret[0], "initrd.img`"]);
        fs::remove_file(initrd).expect("a file");
    }
    let _ = site.build().arg("--boot").arg(&folder).run().ok();
}

#[test]
fn a_boot_file_with_other_bytes_or_a_list_with_another_signature_is_found_and_never_published() {
    let site = Site::published();
    let _ = build(&site).run().ok();
    let _ = site.verify(site.tree()).ok();
    let version = fs::read(site.current().join("timestamp.signed")).expect("the timestamp");
    for (name, text, words) in [
        ("anode.iso", "THE medium", "has other bytes than its signed hash says"),
        ("SHA256SUMS", "", "is no signature of a release key"),
        ("SHA256SUMS.minisig", "unsigned", "is no signature of a release key"),
    ] {
        let path = site.tree().join("boot").join(name);
        let right = fs::read(&path).expect("a boot file");
        fs::write(&path, text).expect("writing");
        let found = site.verify(site.tree());
        assert_eq!(found.exit, Some(23), "{found}");
        let _ = found.fails(&[words]);
        let _ = site.publish().run().fails(&[words, "nothing was published"]);
        fs::write(&path, right).expect("writing");
    }
    assert_eq!(fs::read(site.current().join("timestamp.signed")).expect("the timestamp"), version);
    assert!(!site.current().join("boot").exists());
}

#[test]
fn what_can_not_lie_in_a_tree_is_refused() {
    let site = Site::published();
    let before = files(&site.tree());
    let folder = boot(&site);
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).expect("a link");
    let with = |folder: &PathBuf| site.build().arg("--boot").arg(folder).run();
    let _ = with(&folder).fails(&["link` is neither a file nor a folder"]);
    fs::remove_file(folder.join("link")).expect("a link");
    fs::write(folder.join("a b\n.iso"), "x").expect("a file");
    let _ = with(&folder).fails(&["can not lie in a tree"]);
    let _ = with(&site.scratch("gone")).fails(&["reading `"]);
    let _ = site.build().arg("--boot").arg(&folder).arg("--propose").run().fails(&["--propose"]);
    assert_eq!(differing(&before, &files(&site.tree())), [""; 0]);
}
