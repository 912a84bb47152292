//! `anode lock` against small archives that are laid out, signed and broken as those of real distributions are, by the real `gpg`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anode_tests::{
    Authority, Fault, Gpg, Mirror, Nginx, Program, Site, SmallDisk, anode, debian_installer, files, read_json,
};
use tempfile::TempDir;

/// A repository with one definition and the profiles that a test wants; a mirror; a cache.
struct Desk {
    folder: TempDir,
    mirror: Mirror,
    gpg: Gpg,
}

const KERNEL: &str = "boot/linux";
const INITRD: &str = "boot/initrd.gz";
const SHIM: &str = "boot/shim.efi";
const GRUB: &str = "boot/grubx64.efi";

impl Desk {
    /// `checksums` goes into the definition; `MIRROR` stands for the mirror.
    fn new(checksums: &str) -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap(), mirror: Mirror::new(), gpg: Gpg::new() };
        desk.write("anode.toml", &fs::read_to_string(anode_tests::source().join("profiles/anode.toml")).unwrap());
        desk.define(checksums);
        desk.write("installers/anvil/answers", "{{ profile.id }}\n");
        desk.profile("pc", "");
        desk.mirror.put(KERNEL, "the kernel");
        desk.mirror.put(INITRD, initrd(&[("init", "#!/bin/sh\n# the hook of the installer\n")]));
        desk
    }

    fn define(&self, checksums: &str) {
        let manifest = r#"[installer]
title = "Anvil"
family = "anvil"
versions = ["1"]
architectures = ["amd64"]
hand_over = "kexec"

[boot]
kernel = "{{ mirror }}/boot/linux"
initrd = ["{{ mirror }}/boot/initrd.gz"]
command_line = "quiet"

[[second_stage]]
pinned = false
how = "nobody signs what this installer loads"

[[hook_points]]
path = "init"
contains = "the hook"

[variables.mirror]
type = "url"
default = "MIRROR"

[[files]]
template = "answers"
path = "answers"
format = "text"

"#;
        let manifest = format!("{manifest}{checksums}").replace("MIRROR", &self.mirror.url());
        self.write("installers/anvil/manifest.toml", &manifest);
    }

    fn profile(&self, id: &str, variables: &str) {
        let head = "title = \"PC\"\ninstaller = \"anvil\"\nversion = \"1\"\narchitecture = \"amd64\"\n";
        self.write(&format!("{id}/profile.toml"), &format!("{head}\n[variables]\n{variables}\n"));
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.repository().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn lock(&self, arguments: &[&str]) -> Program {
        self.lock_into(&self.cache(), arguments)
    }

    fn lock_into(&self, cache: &Path, arguments: &[&str]) -> Program {
        anode(["lock"]).args(arguments).arg("-C").arg(self.repository()).arg("--downloads").arg(cache)
    }

    /// `anode.lock`, empty if there is none.
    fn text(&self) -> String {
        fs::read_to_string(self.repository().join("anode.lock")).unwrap_or_default()
    }

    fn keyring(&self) {
        self.gpg.export(&self.repository().join("keys/vendors/anvil.gpg"));
    }

    /// `sha256sum`'s own lines for files of the mirror, named from `folder`.
    fn sums(&self, folder: &str, names: &[&str]) -> String {
        Program::new("sha256sum").args(names).folder(self.mirror.root().join(folder)).run().ok().stdout
    }

    fn sum(&self, path: &str) -> String {
        self.sums("", &[path])[..64].to_owned()
    }

    /// A list of both files beside them, signed by a detached signature.
    fn sign_sums(&self) {
        self.mirror.put("boot/SHA256SUMS", self.sums("boot", &["linux", "initrd.gz"]));
        let list = self.mirror.root().join("boot/SHA256SUMS");
        self.gpg.sign(&list, &list.with_extension("gpg"));
    }
}

const SIGNED: &str = r#"[[checksums]]
lists = ["{{ mirror }}/boot/SHA256SUMS"]
signature = "{{ mirror }}/boot/SHA256SUMS.gpg"
keyring = "anvil"
package = "anvil-keyring"
"#;

const LOADERS: &str = r#"
[boot.loaders]
shim = "{{ mirror }}/boot/shim.efi"
grub = "{{ mirror }}/boot/grubx64.efi"
menu = "EFI/BOOT/grub.cfg"
"#;

/// An archive with boot loaders of its own, which nobody signed.
fn with_loaders(checksums: &str) -> Desk {
    let desk = Desk::new(&format!("{checksums}{LOADERS}"));
    desk.mirror.put(SHIM, "the shim");
    desk.mirror.put(GRUB, "the grub");
    desk
}

/// A signed archive.
fn signed() -> Desk {
    let desk = Desk::new(SIGNED);
    desk.keyring();
    desk.sign_sums();
    desk
}

/// What `cpio | gzip` makes of these files.
fn initrd(files: &[(&str, &str)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        match text.strip_prefix("-> ") {
            Some(target) => symlink(target, folder.path().join(name)).unwrap(),
            None => fs::write(folder.path().join(name), text).unwrap(),
        }
    }
    let pipe = "find . | cpio -o -H newc --quiet | gzip -n > ../initrd.$$; mv ../initrd.$$ out";
    let _ = Program::new("sh").args(["-c", pipe]).folder(folder.path()).run().ok();
    fs::read(folder.path().join("out")).unwrap()
}

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
