//! What becomes of pinned files in a tree, and what is said of those that are not pinned.

use std::collections::BTreeSet;
use std::fs;

use anode_tests::{Fault, Program, Site, anode, read_json};

use crate::desk::{Desk, GRUB, INITRD, KERNEL, SHIM, with_loaders};

/// A site with a profile that boots from a mirror; both files are pinned.
fn pinned_site() -> (Site, Desk) {
    pinned_site_of(Desk::new(""))
}

fn pinned_site_of(desk: Desk) -> (Site, Desk) {
    let site = Site::new();
    for (path, text) in [
        ("installers/anvil/manifest.toml", ""),
        ("installers/anvil/answers", ""),
        ("pc/profile.toml", "public = true\n"),
    ] {
        let file = fs::read_to_string(desk.repository().join(path)).unwrap();
        let file = file.replace("format = \"text\"", "format = \"text\"\npublic = true");
        site.write(path, &format!("{text}{file}"));
    }
    // The example's own profiles boot from addresses that no test may ask.
    let entry = |url: &str| format!("\n[[files]]\nurl = \"{url}\"\nsha256 = \"{}\"\nlength = 1\n", "0".repeat(64));
    let mut foreign = BTreeSet::new();
    // What boots, and then the boot loaders that it is worth pinning for that.
    for _ in 0..2 {
        let check = site.anode(&["check"]).run().ok().stderr;
        let warnings = check.lines().filter(|line| line.contains(" not pinned: "));
        let urls = warnings.flat_map(|line| line.split('`').filter(|word| word.starts_with("https://")));
        foreign.extend(urls.map(str::to_owned));
        site.write("anode.lock", &foreign.iter().map(|url| entry(url)).collect::<String>());
    }
    let _ = site.anode(&["lock"]).arg("--downloads").arg(desk.cache()).run().ok();
    let lock = fs::read_to_string(site.repository().join("anode.lock")).unwrap();
    let own = lock.split("\n[[files]]").filter(|entry| entry.contains("http://127"));
    site.write("anode.lock", &own.map(|entry| format!("\n[[files]]{entry}")).collect::<String>());
    (site, desk)
}

fn object(sha256: &str) -> String {
    format!("objects/{}/{sha256}", &sha256[..2])
}

#[test]
fn a_mirrored_tree_holds_what_is_pinned_is_published_and_a_rebuild_keeps_it_without_network() {
    let (site, desk) = pinned_site_of(with_loaders(""));
    let mirror = |site: &Site| site.build().args(["--mirror", "--downloads"]).arg(desk.cache());
    let code = site.code(&["pc"], &[]);
    let _ = site.build().run().ok();
    let objects: Vec<_> = [KERNEL, INITRD, SHIM, GRUB].map(|path| (object(&desk.sum(path)), path)).into();
    assert!(!site.tree().join(&objects[0].0).exists(), "without `--mirror`, the lock file is all there is");

    let _ = mirror(&site).run().ok();
    let _ = site.publish().run().ok();
    for (object, path) in &objects {
        let bytes = fs::read(desk.mirror.root().join(path)).unwrap();
        assert_eq!(fs::read(site.tree().join(object)).unwrap(), bytes, "{path}");
        let out = site.scratch("served");
        let curl = Program::new("curl").args(["-sf", "-o"]).arg(&out).arg("--cacert").arg(site.authority.certificate());
        let _ = curl.arg(format!("{}/{object}", site.web.url)).run().ok();
        assert_eq!(fs::read(out).unwrap(), bytes, "{path} at the web server");
    }
    assert_eq!(site.verify(site.current()).ok().json()["findings"].as_array().unwrap().len(), 0);
    assert!(!site.fetch(&code.text).into(site.scratch("files")).run().files().is_empty());

    // Neither the network nor the cache is there any more.
    fs::remove_dir_all(desk.cache()).unwrap();
    for path in [KERNEL, INITRD, SHIM, GRUB] {
        desk.mirror.fault(path, Fault::Status(503));
    }
    let again = mirror(&site).run().ok();
    assert!(again.stderr.contains("unchanged, kept"), "{again}");
    assert!(objects.iter().all(|(object, _)| site.tree().join(object).exists()));
    let _ = site.publish().run().ok();
    let fresh = site.scratch("fresh");
    let elsewhere = mirror(&site).arg("--out").arg(&fresh).run();
    let _ = elsewhere.fails(&[
        "boot/linux: the server answers 503",
        "boot/shim.efi: the server answers 503",
        "help: try again, or set another mirror for `pc`",
        "4 errors",
    ]);
    assert!(!fresh.exists());
    let _ = site.build().arg("--out").arg(&fresh).run().ok();
}

#[test]
fn a_damaged_object_of_a_mirrored_tree_is_not_published() {
    let (site, desk) = pinned_site();
    let _ = site.build().args(["--mirror", "--downloads"]).arg(desk.cache()).run().ok();
    let object = object(&desk.sum(KERNEL));
    // Not in place: the cache has the same bytes by another name.
    fs::remove_file(site.tree().join(&object)).unwrap();
    fs::write(site.tree().join(&object), "an evil kernel").unwrap();
    let _ = site.publish().run().fails(&[&object, "does not hold the bytes that its name stands for"]);
    assert!(!site.current().exists());
    // It has another length than what is pinned: the next build puts the pinned bytes in its place.
    let _ = site.build().args(["--mirror", "--downloads"]).arg(desk.cache()).run().ok();
    let _ = site.publish().run().ok();
}

#[test]
fn a_site_that_always_mirrors_says_so_in_its_file_and_a_proposal_only_there() {
    let (site, desk) = pinned_site();
    let refused = site.build().args(["--propose", "--mirror"]).run();
    let _ = refused.fails(&["set `mirror = true` in `[site]` of `anode.toml`"]);
    site.edit("anode.toml", "[site]\n", "[site]\nmirror = true\n");
    let _ = site.build().arg("--downloads").arg(desk.cache()).run().ok();
    assert!(site.tree().join(object(&desk.sum(KERNEL))).exists());
}

#[test]
fn what_is_not_pinned_is_one_warning_an_address_and_one_line_a_second_stage() {
    let desk = Desk::new("");
    desk.profile("two", "");
    let output = anode(["check"]).arg("-C").arg(desk.repository()).run();
    for path in [KERNEL, INITRD] {
        let warning = format!("warning: `{}/{path}` is not pinned", desk.mirror.url());
        assert_eq!(output.stderr.matches(&warning).count(), 1, "{output}");
    }
    assert_eq!(output.stderr.matches("help: run `anode lock`").count(), 2, "{output}");
    for profile in ["pc", "two"] {
        let line = format!("not pinned: the second stage of {profile}: nobody signs what this installer loads\n");
        assert!(output.stdout.contains(&line), "{output}");
    }
    let _ = desk.lock(&[]).run().ok();
    let output = anode(["check"]).arg("-C").arg(desk.repository()).run();
    assert!(!output.stderr.contains("is not pinned") && output.stdout.contains("second stage of pc"), "{output}");
}

#[test]
fn the_page_and_the_list_of_public_profiles_say_why_a_second_stage_is_not_pinned() {
    let (site, _desk) = pinned_site();
    let _ = site.build().run().ok();
    let page = fs::read_to_string(site.tree().join("index.html")).unwrap();
    assert!(page.contains("second stage is not pinned: nobody signs what this installer loads"), "{page}");
    let list = read_json(&site.tree().join("api/v1/profiles.json"));
    let pc = list.as_array().unwrap().iter().find(|profile| profile["id"] == "pc").unwrap();
    assert_eq!(pc["second_stage_pinned"], false);
    assert_eq!(pc["second_stage"], "nobody signs what this installer loads");
}
