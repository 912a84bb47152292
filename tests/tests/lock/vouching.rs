//! Who signed what is pinned, and what happens where nobody did, or the wrong one.

use std::fs;

use anode_tests::{Gpg, anode};

use crate::desk::{Desk, INITRD, KERNEL, SIGNED, signed};

#[test]
fn the_signed_checksums_of_every_distributions_layout_are_verified_and_recorded() {
    type Sign = fn(&Desk);
    let cases: [(&str, &str, &str, Sign); 8] = [
        (
            "Debian: InRelease → SHA256SUMS → file",
            "lists = [\"{{ mirror }}/InRelease\", \"{{ mirror }}/boot/SHA256SUMS\"]\nsignature = \"inline\"\n",
            "InRelease of anvil",
            |desk| {
                desk.mirror.put("boot/SHA256SUMS", desk.sums("boot", &["./linux", "./initrd.gz"]));
                let sum = desk.sum("boot/SHA256SUMS");
                let md5 = "d41d8cd98f00b204e9800998ecf8427e";
                desk.mirror.put(
                    "Release",
                    format!(
                        "Origin: Anvil\nMD5Sum:\n {md5} 7 boot/SHA256SUMS\nSHA256:\n {sum}      200 boot/SHA256SUMS\n"
                    ),
                );
                desk.gpg.clearsign(&desk.mirror.root().join("Release"), &desk.mirror.root().join("InRelease"));
            },
        ),
        ("Ubuntu: SHA256SUMS and SHA256SUMS.gpg", "", "SHA256SUMS.gpg of anvil", |desk| {
            let sums = desk.sums("boot", &["--binary", "linux", "initrd.gz"]);
            desk.mirror.put("boot/SHA256SUMS", sums);
            let list = desk.mirror.root().join("boot/SHA256SUMS");
            desk.gpg.sign_armoured(&list, &list.with_extension("gpg"));
        }),
        (
            "Fedora: CHECKSUM, signed inside",
            "lists = [\"{{ mirror }}/boot/CHECKSUM\"]\nsignature = \"inline\"\n",
            "CHECKSUM of anvil",
            |desk| {
                desk.mirror.put("sums", desk.sums("boot", &["--tag", "linux", "initrd.gz"]));
                desk.gpg.clearsign(&desk.mirror.root().join("sums"), &desk.mirror.root().join("boot/CHECKSUM"));
            },
        ),
        (
            "openSUSE: CHECKSUMS and CHECKSUMS.asc",
            "lists = [\"{{ mirror }}/CHECKSUMS\"]\nsignature = \"{{ mirror }}/CHECKSUMS.asc\"\n",
            "CHECKSUMS.asc of anvil",
            |desk| {
                desk.mirror.put("CHECKSUMS", desk.sums("", &[KERNEL, INITRD]));
                let list = desk.mirror.root().join("CHECKSUMS");
                desk.gpg.sign_armoured(&list, &list.with_extension("asc"));
            },
        ),
        (
            "CoreOS: a stream as JSON",
            "lists = [\"{{ mirror }}/stable.json\"]\ncovers = \"{{ mirror }}/boot/\"\nsignature = \"{{ mirror }}/stable.json.sig\"\n",
            "stable.json.sig of anvil",
            |desk| {
                let entry = |path: &str| {
                    let name = path.rsplit('/').next().unwrap();
                    format!(
                        r#""{name}": {{"location": "https://cdn.example.org/x/{name}", "sha256": "{}"}}"#,
                        desk.sum(path)
                    )
                };
                let json = format!(r#"{{"architectures": {{"amd64": {{ {}, {} }}}}}}"#, entry(KERNEL), entry(INITRD));
                desk.mirror.put("stable.json", json);
                let list = desk.mirror.root().join("stable.json");
                desk.gpg.sign(&list, &desk.mirror.root().join("stable.json.sig"));
            },
        ),
        (
            "Flatcar and CoreOS: a signature beside each file",
            "covers = \"{{ mirror }}/boot/\"\nsignature = \"{file}.sig\"\n",
            "initrd.gz.sig of anvil",
            |desk| {
                for path in [KERNEL, INITRD] {
                    let file = desk.mirror.root().join(path);
                    desk.gpg.sign(&file, &desk.mirror.root().join(format!("{path}.sig")));
                }
            },
        ),
        (
            "Arch: sha256sums.txt and its .sig",
            "lists = [\"{{ mirror }}/sha256sums.txt\"]\nsignature = \"{{ mirror }}/sha256sums.txt.sig\"\n",
            "sha256sums.txt.sig of anvil",
            |desk| {
                desk.mirror.put("sha256sums.txt", desk.sums("", &[KERNEL, INITRD]));
                let list = desk.mirror.root().join("sha256sums.txt");
                desk.gpg.sign(&list, &desk.mirror.root().join("sha256sums.txt.sig"));
            },
        ),
        (
            "Anaconda: .treeinfo in a signed envelope of its own",
            "lists = [\"{{ mirror }}/.treeinfo\"]\nsignature = \"{{ mirror }}/.treeinfo.asc\"\n",
            ".treeinfo.asc of anvil",
            |desk| {
                let (kernel, initrd) = (desk.sum(KERNEL), desk.sum(INITRD));
                let info = format!(
                    "[checksums]\n{KERNEL} = sha256:{kernel}\n{INITRD} = sha256:{initrd}\n\n[general]\nfamily = Anvil\n"
                );
                desk.mirror.put(".treeinfo", info);
                desk.gpg.sign(&desk.mirror.root().join(".treeinfo"), &desk.mirror.root().join(".treeinfo.asc"));
            },
        ),
    ];
    for (name, words, recorded, sign) in cases {
        let entry = match words {
            "" => SIGNED.to_owned(),
            words => format!("[[checksums]]\n{words}keyring = \"anvil\"\n"),
        };
        let desk = Desk::new(&entry);
        desk.gpg.export_armoured(&desk.repository().join("keys/vendors/anvil.asc"));
        sign(&desk);
        let output = desk.lock(&[]).run().ok();
        let wanted = format!("verified = \"{recorded}, key 0x{}\"", desk.gpg.fingerprint());
        assert!(desk.text().contains(&wanted), "{name}: {wanted}\n{}\n{output}", desk.text());
        assert!(!desk.text().contains("unsigned ="), "{name}: {}", desk.text());
        assert!(desk.text().contains(&format!("sha256 = \"{}\"", desk.sum(INITRD))), "{name}");
        assert!(output.stderr.contains("2 files, 0 of them unsigned"), "{name}: {output}");
        let _ = desk.lock(&["--check"]).run().ok();
    }
}

#[test]
fn what_nobody_signs_is_pinned_as_unsigned_and_that_is_said_on_the_screen_and_in_the_file() {
    let treeinfo = "[[checksums]]\nlists = [\"{{ mirror }}/.treeinfo\"]\n";
    for (checksums, why) in [
        ("", "the definition names no signed checksums for it"),
        (treeinfo, ".treeinfo` agrees, but nobody signs"),
        (SIGNED, "the keyring `anvil` is not on this machine: install `anvil-keyring`"),
    ] {
        let desk = Desk::new(checksums);
        let info =
            format!("[checksums]\n{KERNEL} = sha256:{}\n{INITRD} = sha256:{}\n", desk.sum(KERNEL), desk.sum(INITRD));
        desk.mirror.put(".treeinfo", info);
        desk.sign_sums();
        let output = desk.lock(&[]).run().ok();
        assert!(output.stderr.contains("is pinned unsigned: trust on first use, over http"), "{output}");
        assert!(output.stderr.contains(why) && output.stderr.contains("2 of them unsigned"), "{why}: {output}");
        assert_eq!(
            desk.text().matches("unsigned = 'trust on first use").count()
                + desk.text().matches("unsigned = \"trust on first use").count(),
            2,
            "{}",
            desk.text()
        );
        assert!(desk.text().contains(why), "{}", desk.text());
    }
    // A signature that is not there, where the definition speaks of one.
    let desk = signed();
    fs::remove_file(desk.mirror.root().join("boot/SHA256SUMS.gpg")).unwrap();
    let output = desk.lock(&[]).run().ok();
    assert!(output.stderr.contains("SHA256SUMS.gpg: the server answers 404"), "{output}");
}

#[test]
fn a_wrong_signature_or_hash_pins_nothing_and_names_place_and_remedy() {
    type Break = fn(&Desk);
    let cases: [(&str, Break, &[&str]); 5] = [
        (
            "a list that was changed",
            |desk| desk.mirror.put("boot/SHA256SUMS", format!("{}\n", desk.sums("boot", &["linux", "initrd.gz"]))),
            &["the signature `", "boot/SHA256SUMS.gpg` is wrong: it is not the signature of these bytes"],
        ),
        (
            "somebody else's signature",
            |desk| {
                let list = desk.mirror.root().join("boot/SHA256SUMS");
                Gpg::new().sign(&list, &list.with_extension("gpg"));
            },
            &["is by 0x", "which the keyring `anvil` does not have", "`anvil-keyring`"],
        ),
        (
            "a signed text in the place of the signature",
            |desk| {
                let text = desk.mirror.root().join("text");
                fs::write(&text, "anything that was ever signed\n").unwrap();
                desk.gpg.clearsign(&text, &desk.mirror.root().join("boot/SHA256SUMS.gpg"));
                desk.mirror.put("boot/SHA256SUMS", desk.sums("boot", &["linux", "initrd.gz"]));
            },
            &["SHA256SUMS.gpg` is wrong"],
        ),
        (
            "no signature at all",
            |desk| desk.mirror.put("boot/SHA256SUMS.gpg", "<html>hello</html>"),
            &["there is no OpenPGP signature in it that counts"],
        ),
        (
            "a file that is not what the list says",
            |desk| desk.mirror.put(KERNEL, "another kernel"),
            &["boot/linux` has the hash", "boot/SHA256SUMS` says"],
        ),
    ];
    for (name, sabotage, words) in cases {
        let desk = signed();
        sabotage(&desk);
        let output = desk.lock(&[]).run().fails(words);
        let output = output.fails(&["nothing was pinned", "installers/anvil/manifest.toml:", "help: "]);
        assert_eq!(desk.text(), "", "{name}: {output}");
    }
    // A list in the middle.
    let desk = Desk::new(
        "[[checksums]]\nlists = [\"{{ mirror }}/InRelease\", \"{{ mirror }}/boot/SHA256SUMS\"]\nsignature = \"inline\"\nkeyring = \"anvil\"\n",
    );
    desk.keyring();
    desk.sign_sums();
    desk.mirror.put("Release", format!("SHA256:\n {} 100 boot/SHA256SUMS\n", "0".repeat(64)));
    desk.gpg.clearsign(&desk.mirror.root().join("Release"), &desk.mirror.root().join("InRelease"));
    let _ =
        desk.lock(&[]).run().fails(&["boot/SHA256SUMS` has the hash", "InRelease` says 000000", "set another mirror"]);
    assert_eq!(desk.text(), "");
}

#[test]
fn without_gpgv_nothing_that_is_signed_is_pinned_and_the_package_is_named() {
    let desk = signed();
    let empty = tempfile::tempdir().unwrap();
    let output = desk.lock(&[]).env("PATH", empty.path()).run();
    let _ = output.fails(&["`gpgv` is missing", "boot/SHA256SUMS.gpg", "install `gpgv`"]);
    assert_eq!(desk.text(), "");
}

#[test]
fn a_file_that_was_verified_is_not_taken_unsigned_later() {
    let desk = signed();
    let _ = desk.lock(&[]).run().ok();
    let before = desk.text();
    fs::remove_file(desk.mirror.root().join("boot/SHA256SUMS.gpg")).unwrap();
    desk.mirror.put(KERNEL, "an evil kernel");
    desk.mirror.put("boot/SHA256SUMS", desk.sums("boot", &["linux", "initrd.gz"]));
    let _ = desk.lock(&["--update"]).run().fails(&[
        "was verified by SHA256SUMS.gpg of anvil",
        "is unsigned now",
        "remove its entry",
    ]);
    assert_eq!(desk.text(), before);
}

#[test]
fn wrong_checksums_of_a_definition_are_all_found_by_the_check() {
    let desk = Desk::new(
        r#"[[checksums]]
[[checksums]]
lists = ["{{ mirror }}/a"]
signature = "{file}.sig"
[[checksums]]
lists = ["{{ mirror }}/a"]
signature = "inline"
[[checksums]]
signature = "{file}.sig"
keyring = "x"
[[checksums]]
lists = ["{{ mirror }}/a"]
versions = ["2"]
"#,
    );
    let output = anode(["check"]).arg("-C").arg(desk.repository()).run();
    let _ = output.fails(&[
        "`[[checksums]]` names neither `lists` nor a `signature`",
        "this signature and `lists` do not fit together",
        "a signature counts only with a `keyring`",
        "`covers` is missing",
        "this installer has no version `2`",
        "5 errors",
    ]);
}
