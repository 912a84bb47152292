//! A small archive and a repository that boots from it, laid out as a test wants them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anode_tests::{Gpg, Mirror, Program, anode};
use tempfile::TempDir;

/// A repository with one definition and the profiles that a test wants; a mirror; a cache.
pub struct Desk {
    pub folder: TempDir,
    pub mirror: Mirror,
    pub gpg: Gpg,
}

pub const KERNEL: &str = "boot/linux";
pub const INITRD: &str = "boot/initrd.gz";
pub const SHIM: &str = "boot/shim.efi";
pub const GRUB: &str = "boot/grubx64.efi";

impl Desk {
    /// `checksums` goes into the definition; `MIRROR` stands for the mirror.
    pub fn new(checksums: &str) -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap(), mirror: Mirror::new(), gpg: Gpg::new() };
        desk.write("anode.toml", &fs::read_to_string(anode_tests::source().join("profiles/anode.toml")).unwrap());
        desk.define(checksums);
        desk.write("installers/anvil/answers", "{{ profile.id }}\n");
        desk.profile("pc", "");
        desk.mirror.put(KERNEL, "the kernel");
        desk.mirror.put(INITRD, initrd(&[("init", "#!/bin/sh\n# the hook of the installer\n")]));
        desk
    }

    pub fn define(&self, checksums: &str) {
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

    pub fn profile(&self, id: &str, variables: &str) {
        let head = "title = \"PC\"\ninstaller = \"anvil\"\nversion = \"1\"\narchitecture = \"amd64\"\n";
        self.write(&format!("{id}/profile.toml"), &format!("{head}\n[variables]\n{variables}\n"));
    }

    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.repository().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn lock(&self, arguments: &[&str]) -> Program {
        self.lock_into(&self.cache(), arguments)
    }

    pub fn lock_into(&self, cache: &Path, arguments: &[&str]) -> Program {
        anode(["lock"]).args(arguments).arg("-C").arg(self.repository()).arg("--downloads").arg(cache)
    }

    /// `anode.lock`, empty if there is none.
    pub fn text(&self) -> String {
        fs::read_to_string(self.repository().join("anode.lock")).unwrap_or_default()
    }

    pub fn keyring(&self) {
        self.gpg.export(&self.repository().join("keys/vendors/anvil.gpg"));
    }

    /// `sha256sum`'s own lines for files of the mirror, named from `folder`.
    pub fn sums(&self, folder: &str, names: &[&str]) -> String {
        Program::new("sha256sum").args(names).folder(self.mirror.root().join(folder)).run().ok().stdout
    }

    pub fn sum(&self, path: &str) -> String {
        self.sums("", &[path])[..64].to_owned()
    }

    /// A list of both files beside them, signed by a detached signature.
    pub fn sign_sums(&self) {
        self.mirror.put("boot/SHA256SUMS", self.sums("boot", &["linux", "initrd.gz"]));
        let list = self.mirror.root().join("boot/SHA256SUMS");
        self.gpg.sign(&list, &list.with_extension("gpg"));
    }
}

pub const SIGNED: &str = r#"[[checksums]]
lists = ["{{ mirror }}/boot/SHA256SUMS"]
signature = "{{ mirror }}/boot/SHA256SUMS.gpg"
keyring = "anvil"
package = "anvil-keyring"
"#;

pub const LOADERS: &str = r#"
[boot.loaders]
shim = "{{ mirror }}/boot/shim.efi"
grub = "{{ mirror }}/boot/grubx64.efi"
menu = "EFI/BOOT/grub.cfg"
"#;

/// An archive with boot loaders of its own, which nobody signed.
pub fn with_loaders(checksums: &str) -> Desk {
    let desk = Desk::new(&format!("{checksums}{LOADERS}"));
    desk.mirror.put(SHIM, "the shim");
    desk.mirror.put(GRUB, "the grub");
    desk
}

/// A signed archive.
pub fn signed() -> Desk {
    let desk = Desk::new(SIGNED);
    desk.keyring();
    desk.sign_sums();
    desk
}

/// What `cpio | gzip` makes of these files.
pub fn initrd(files: &[(&str, &str)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        match text.strip_prefix("-> ") {
            Some(target) => symlink(target, folder.path().join(name)).unwrap(),
            None => fs::write(folder.path().join(name), text).unwrap(),
        }
    }
    let pipe = "find . ! -name out | cpio -o -H newc --quiet | gzip -n >out";
    let _ = Program::new("sh").args(["-c", pipe]).folder(folder.path()).run().ok();
    fs::read(folder.path().join("out")).unwrap()
}
