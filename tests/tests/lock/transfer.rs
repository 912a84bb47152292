//! The way of a file: cut off, redirected, over TLS, onto a full disk, out of a damaged cache.

use std::fs;

use anode_tests::{Authority, Fault, Nginx, SmallDisk, files};

use crate::desk::{Desk, INITRD, KERNEL, signed};

#[test]
fn a_transfer_that_is_cut_off_goes_on_where_it_was_and_one_that_never_ends_is_an_error() {
    let desk = Desk::new("");
    desk.mirror.put(KERNEL, vec![7; 300_000]);
    desk.mirror.fault(KERNEL, Fault::CutOnce(100_000));
    let _ = desk.lock(&[]).run().ok();
    assert!(desk.mirror.requests().contains(&"boot/linux from 100000".to_owned()));
    assert!(desk.text().contains(&desk.sum(KERNEL)), "{}", desk.text());

    let desk = Desk::new("");
    desk.mirror.put(KERNEL, vec![7; 300_000]);
    desk.mirror.fault(KERNEL, Fault::Cut(1_000));
    desk.mirror.fault(INITRD, Fault::Status(404));
    let output = desk.lock(&[]).run();
    let _ = output.fails(&[
        "the answer ends after 4000 of 300000 bytes",
        "initrd.gz: the server answers 404",
        "version, architecture and mirror of `pc`",
        "2 errors",
    ]);
    assert_eq!(desk.text(), "");
    assert_eq!(files(&desk.cache()).len(), 0, "nothing of it stays");
}

#[test]
fn a_full_disk_is_an_error_with_the_place_and_leaves_nothing() {
    let Some(disk) = SmallDisk::new(2) else { return };
    let desk = signed();
    desk.mirror.put(KERNEL, vec![7; 4_000_000]);
    desk.sign_sums();
    let cache = disk.path().join("cache");
    let output = desk.lock_into(&cache, &[]).run();
    let _ =
        output.fails(&["No space left on device", "name another folder with `--downloads`", cache.to_str().unwrap()]);
    assert_eq!(desk.text(), "");
    assert!(!files(&cache).values().any(|bytes| bytes.len() > 100_000));
}

#[test]
fn a_redirect_is_followed_and_said_and_one_from_https_to_http_is_not() {
    let desk = Desk::new("");
    let to = format!("{}/elsewhere", desk.mirror.url());
    desk.mirror.put("elsewhere", "a kernel");
    desk.mirror.fault(KERNEL, Fault::Redirect(to.clone()));
    let output = desk.lock(&[]).run().ok();
    assert!(output.stderr.contains(&format!("redirects to `{to}`, which a medium never follows")), "{output}");

    let authority = Authority::new();
    let nginx = Nginx::start(&anode_tests::Plan::Redirect, &authority);
    desk.profile("pc", &format!("mirror = \"{}\"", nginx.url));
    let ca = authority.certificate().display().to_string();
    let _ =
        desk.lock(&["--mirror-ca", &ca]).run().fails(&[&nginx.url, "help: try again, or set another mirror for `pc`"]);
    let _ = desk.lock(&[]).run().fails(&["its certificate comes from an unknown issuer"]);
}

#[test]
fn a_mirror_behind_a_real_web_server_with_tls_is_pinned_over_https() {
    let desk = signed();
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files(desk.mirror.root()) {
        // What the configuration for trees serves.
        let path = folder.path().join("objects").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let nginx = Nginx::tree(folder.path(), &authority);
    desk.profile("pc", &format!("mirror = \"{}/objects\"", nginx.url));
    let ca = authority.certificate().display().to_string();
    let _ = desk.lock(&["--mirror-ca", &ca]).run().ok();
    assert_eq!(desk.text().matches("verified = \"SHA256SUMS.gpg of anvil").count(), 2, "{}", desk.text());
}

#[test]
fn a_damaged_cache_is_noticed_and_fetched_anew() {
    let desk = signed();
    let _ = desk.lock(&[]).run().ok();
    let text = desk.text();
    for path in files(&desk.cache()).keys() {
        fs::write(desk.cache().join(path), "damaged").unwrap();
    }
    fs::remove_file(desk.repository().join("anode.lock")).unwrap();
    let _ = desk.lock(&[]).run().ok();
    assert_eq!(desk.text(), text);
}
