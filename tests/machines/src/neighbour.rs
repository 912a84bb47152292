//! A network inside the machine: the other machines' parts are played in a network namespace of the medium's own kernel, with cards or radios of their own.
//!
//! Kernel and initramfs are those of the medium; behind its archive there is another one with scripts (`neighbours/`), programs of this machine with
//! their libraries, and modules of the same kernel package. Nothing of it is on a medium, and nobody needs root rights for it.

use std::fs;
use std::path::{Path, PathBuf};

use anode_tests::Program;

use crate::host::{extract, kept, kernel_package};
use crate::record::target;

/// Who is there beside the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// At the other end of a cable, with a network without a tag and a VLAN.
    Cable,
    /// Two access points.
    Air,
}

impl Neighbour {
    /// What the kernel is told so that the neighbour is there.
    pub const ARGUMENT: &str = "rdinit=/neighbour/start";
    /// Where the loopback of the host is for whoever is in its networks; its name servers call it `anode.test`.
    pub const OUTSIDE: &str = "10.0.2.9";

    fn part(self) -> &'static str {
        match self {
            Self::Cable => "cable",
            Self::Air => "air",
        }
    }

    /// Programs of this machine that play it.
    fn programs(self) -> Vec<PathBuf> {
        let mut programs = vec![found("ip"), found("dnsmasq")];
        if self == Self::Air {
            programs.extend(["hostapd", "iw"].map(unpacked));
        }
        programs
    }

    /// Kernel and initramfs of a medium with the neighbour behind it, in a folder. `settings` are variables of its script.
    ///
    /// # Panics
    /// If something that it needs is not there.
    #[must_use]
    pub fn beside(self, image: &Path, settings: &[(&str, &str)], folder: &Path) -> [PathBuf; 2] {
        let root = folder.join("added");
        let place = root.join("neighbour");
        for below in ["bin", "etc"] {
            fs::create_dir_all(place.join(below)).expect("a folder of the neighbour");
        }
        let scripts = anode_tests::source().join("tests/machines/neighbours");
        for (from, to) in [("start", "start"), ("servers", "servers"), (self.part(), "part")] {
            fs::copy(scripts.join(from), place.join(to)).expect("a script of the neighbour");
        }
        let settings: String = settings.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
        fs::write(place.join("settings"), settings).expect("its settings");
        fs::write(place.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("its users");
        fs::write(place.join("etc/group"), "root:x:0:\n").expect("its groups");
        self.programs().iter().for_each(|program| put(program, &place));
        // Small programs and a shell, as on the medium.
        let _ = Program::new("cp").args(["/bin/busybox"]).arg(place.join("bin")).run().ok();
        for name in ["sh", "usleep"] {
            std::os::unix::fs::symlink("busybox", place.join("bin").join(name)).expect("a link");
        }
        if self == Self::Air {
            fs::write(place.join("mac80211_hwsim.ko"), module("mac80211_hwsim.ko")).expect("a module");
        }
        let kernel = extract(image, "boot/vmlinuz", folder);
        let initrd = extract(image, "boot/initrd.img", folder);
        append(&initrd, &root);
        [kernel, initrd]
    }
}

/// A program in the system's folders.
fn found(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(|folder| Path::new(folder).join(name));
    folders.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no `{name}`; `ci/test` installs it"))
}

/// A program of a package that is unpacked and not installed: its service would start.
fn unpacked(name: &str) -> PathBuf {
    let folder = std::env::var_os("ANODE_ACCESS_POINT").map_or_else(|| target().join("access-point"), PathBuf::from);
    let folders = ["usr/sbin", "sbin", "usr/bin"].map(|below| folder.join(below).join(name));
    let found = folders.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("there is no `{name}` in {}; `ci/test` unpacks it", folder.display()))
}

/// A program with the libraries that it is linked with, at their places.
fn put(program: &Path, root: &Path) {
    let name = program.file_name().expect("a program's name");
    fs::copy(program, root.join("bin").join(name)).expect("a program of the neighbour");
    let linked = Program::new("ldd").arg(program).run().ok().stdout;
    for path in linked.split_whitespace().filter(|word| word.starts_with('/')) {
        let to = root.join(&path[1..]);
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder of libraries");
        fs::copy(path, to).unwrap_or_else(|error| panic!("copying {path}: {error}"));
    }
}

/// A module of the kernel that media are made with.
fn module(name: &str) -> Vec<u8> {
    let script = "dpkg-deb --fsys-tarfile \"$0\" | tar -xO --wildcards \"*/$1\" >\"$2\"";
    let out = kept(name);
    let made = Program::new("sh").args(["-c", script]).arg(kernel_package()).arg(name).arg(&out).run();
    let _ = made.ok();
    let bytes = fs::read(&out).expect("a module");
    assert!(bytes.starts_with(b"\x7fELF"), "`{name}` is no module");
    bytes
}

/// One more archive behind an initrd, whatever the first one is compressed with: a multiple of 512, and 512 zeros more.
fn append(initrd: &Path, root: &Path) {
    let script = "size=$(stat -c %s \"$0\"); truncate -s $(((size + 511) / 512 * 512 + 512)) \"$0\" && \
                  find . | cpio -o -H newc -R 0:0 --quiet >>\"$0\"";
    let _ = Program::new("sh").args(["-c", script]).arg(initrd).folder(root).run().ok();
}
