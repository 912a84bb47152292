//! What machines find at 10.0.2.2, their name for the loopback of this one: the site behind its web server, and a distribution's mirror with the
//! real installer of Debian 12. And the medium that is made for that site.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anode_tests::{Code, Mirror, Program, Site, apt_mirrors};

use crate::{Machine, record};

/// Where machines reach the loopback of the host.
pub const OUTSIDE: &str = "10.0.2.2";

const IMAGES: &str = "debian/dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64";
/// The installer's kernel takes its timer on trust, as the medium's does where QEMU starts it: on a busy host it would count too few ticks and give up.
pub(crate) const TIMER: &str = "no_timer_check";
const FILES: [&str; 4] = ["bootnetx64.efi", "grubx64.efi", "initrd.gz", "linux"];
/// The installer's own log goes to the serial line, and with it what the installer calls the machine by then.
const LOG: &str = "(while sleep 2; do logger \"this machine is $(cat /proc/sys/kernel/hostname)\"; done) >/dev/null 2>&1 </dev/null 3>&1 &\n\
tail -n +1 -f /var/log/syslog >/dev/ttyS0 2>/dev/null </dev/null 3>/dev/null &\n";

/// A site whose server profile installs Debian 12 from a mirror beside it.
pub struct Host {
    /// The site.
    pub site: Site,
    /// The distribution's mirror: kernel, initrd, and the names of its one release. It lacks the installer's components, so that the installer stops there.
    pub mirror: Mirror,
}

impl Host {
    /// Built and published.
    ///
    /// # Panics
    /// If the installer of Debian 12 is not there: `ci/test` says how to get it.
    #[must_use]
    pub fn new() -> Host {
        Host::with("")
    }

    /// The same, where somebody signed the installer's kernel whom no medium trusts, so the site says; with the installer's own boot loaders.
    ///
    /// # Panics
    /// As [`Host::new`].
    #[must_use]
    pub fn signed_by_a_stranger() -> Host {
        let signer = format!("kernel_signed_by = \"A stranger\"\nkernel_keys = [\"{}\"]\n", "5a".repeat(20));
        Host::with(&signer)
    }

    /// `signature` is what the lock says of the kernel's.
    fn with(signature: &str) -> Host {
        let host = Host { site: Site::new(), mirror: Mirror::new() };
        let site = &host.site;
        let profile = format!("{}/profile.toml", Site::SERVER);
        site.edit(&profile, "version = \"13\"", "version = \"12\"");
        let mirror = format!("{}/debian", host.outside(&host.mirror.url()));
        let variables = format!(
            "[variables]\nlocale = \"de_DE.UTF-8\"\nmirror = \"{mirror}\"\nboot_mirror = \"{mirror}\"\nkernel_options = [\"{TIMER}\"]"
        );
        site.edit(&profile, "[variables]", &variables);
        site.write("snippets/debian-early", LOG);
        for name in FILES {
            host.serve(name);
        }
        // The kernel's pin is the last one.
        site.write("anode.lock", &(host.pins(&installer()) + signature));
        let suites = "Suite: stable\nCodename: bookworm\nArchitectures: amd64\n";
        host.mirror.put("debian/dists/bookworm/Release", suites);
        host.mirror.put("debian/dists/stable/Release", suites);
        site.release();
        host
    }

    /// An address of this machine's loopback, as the emulated ones call it.
    fn outside(&self, url: &str) -> String {
        url.replace("localhost", OUTSIDE).replace("127.0.0.1", OUTSIDE)
    }

    fn serve(&self, name: &str) {
        let place = self.mirror.root().join(IMAGES);
        fs::create_dir_all(&place).expect("a folder of the mirror");
        symlink(installer().join(name), place.join(name)).expect("a link of the mirror");
    }

    /// Pins what the mirror has now; who signed its kernel is not noted.
    pub fn pin_kernel_without_signer(&self) {
        self.site.write("anode.lock", &self.pins(&self.mirror.root().join(IMAGES)));
    }

    fn pins(&self, folder: &Path) -> String {
        let url = self.outside(&self.mirror.url());
        let pin = |name: &str| {
            let path = folder.join(name);
            let sum = Program::new("sha256sum").arg(&path).run().ok().stdout[..64].to_owned();
            let length = fs::metadata(&path).expect("a file of the installer").len();
            format!("\n[[files]]\nurl = \"{url}/{IMAGES}/{name}\"\nsha256 = \"{sum}\"\nlength = {length}\n")
        };
        FILES.map(pin).concat()
    }

    /// The kernel as the mirror serves it, for a test that damages it.
    #[must_use]
    pub fn kernel(&self) -> PathBuf {
        self.mirror.root().join(IMAGES).join("linux")
    }

    /// A code for the server and the workstation; it works after the next release.
    #[must_use]
    pub fn code(&self) -> Code {
        self.site.code(&[Site::SERVER, Site::WORKSTATION], &[])
    }

    /// Lays kernel, initrd and boot loaders where the operator's command keeps what it downloaded: the machines' name of the mirror means nothing to it.
    ///
    /// # Panics
    /// If they can not be copied.
    pub fn keep_for_mirroring(&self) {
        for name in FILES {
            let path = installer().join(name);
            let sum = Program::new("sha256sum").arg(&path).run().ok().stdout[..64].to_owned();
            let place = kept("downloads").join(&sum[..2]);
            fs::create_dir_all(&place).expect("a folder for downloads");
            fs::copy(&path, place.join(sum)).expect("keeping a file of the installer");
        }
    }

    /// Where the site's web server listens on the host's loopback.
    ///
    /// # Panics
    /// If its address has no port.
    #[must_use]
    pub fn port(&self) -> u16 {
        let url = &self.site.web.url;
        url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no port in `{url}`"))
    }

    /// Makes the medium of the site.
    ///
    /// # Panics
    /// If it can not be made.
    #[must_use]
    pub fn medium(&self, name: &str, options: &[&str]) -> PathBuf {
        self.make("iso", name, options)
    }

    /// Makes the folder from which machines start over their network.
    ///
    /// # Panics
    /// If it can not be made.
    #[must_use]
    pub fn netboot(&self, name: &str) -> PathBuf {
        self.make("netboot", name, &["--server", OUTSIDE])
    }

    /// Writes a medium to a stick of 256 MiB as a person does, with its third partition.
    ///
    /// # Panics
    /// If it can not be written: a disk that is a file needs root.
    #[must_use]
    pub fn stick(&self, image: &Path) -> PathBuf {
        let stick = image.with_extension("stick");
        File::create(&stick).and_then(|file| file.set_len(256 << 20)).expect("a stick");
        let made = Program::new("losetup").args(["--find", "--show"]).arg(&stick).run().ok();
        let device = made.stdout.trim();
        let writing = anode_tests::anode(["medium", "usb"]).arg(image);
        let written = writing.args(["--to", device, "--fixed-disk", "--yes-erase", device]).run();
        let _ = Program::new("losetup").args(["--detach", device]).run().ok();
        let _ = written.ok();
        stick
    }

    /// Waits until the installer, with our answers and a network, asks the mirror for its lists.
    ///
    /// # Panics
    /// If it never does.
    #[track_caller]
    pub fn lists_are_asked_for(&self, machine: &mut Machine) {
        machine.wait_for("the installer to ask our mirror for its lists", || {
            self.mirror.requests().iter().any(|path| path == "debian/dists/bookworm/main/binary-amd64/Release")
        });
    }

    fn make(&self, kind: &str, name: &str, options: &[&str]) -> PathBuf {
        let architecture = options.iter().skip_while(|option| **option != "--arch").nth(1).unwrap_or(&"amd64");
        let lock = pinned_packages(&self.site, architecture);
        fs::copy(&lock, self.site.repository().join("medium.lock")).expect("the packages of the medium");
        // Both names of the web server: this machine has the first one, the emulated ones the second. The publisher would try both from here.
        let here = format!("\"{}\"", self.site.web.url);
        let both = format!("{here}, \"{}\"", self.outside(&self.site.web.url));
        self.site.edit("anode.toml", &here, &both);
        let out = self.site.scratch(name);
        let making = self.site.anode(&["medium", kind]).arg("--out").arg(&out).args(options);
        let making = making.arg("--ca").arg(self.site.authority.certificate());
        let _ = making.arg("--downloads").arg(kept("downloads")).limit(Duration::from_secs(300)).run().ok();
        self.site.edit("anode.toml", &both, &here);
        out
    }
}

impl Default for Host {
    fn default() -> Host {
        Host::new()
    }
}

/// The folder with kernel and initrd of the installer of Debian 12, from its own package.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn installer() -> PathBuf {
    let folder = std::env::var_os("ANODE_DEBIAN_INSTALLER")
        .map_or_else(|| record::target().join("debian-installer"), PathBuf::from);
    let images = folder.join("usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64");
    assert!(
        images.is_dir(),
        "there is no installer in {}; `ci/test` unpacks it, or name it by ANODE_DEBIAN_INSTALLER",
        folder.display()
    );
    images
}

/// Packages stay from one run to the next, and so does the list of them.
pub(crate) fn kept(name: &str) -> PathBuf {
    let folder = record::target().join("medium");
    fs::create_dir_all(&folder).expect("a folder for packages");
    folder.join(name)
}

/// `medium.lock` for the mirrors that this machine has its own packages from, half a day old at most. Tests run as many processes: one asks.
fn pinned_packages(site: &Site, architecture: &str) -> PathBuf {
    let path = list_of_packages(architecture);
    let turn = File::create(kept("turn")).expect("a file to wait at");
    rustix::fs::flock(&turn, rustix::fs::FlockOperation::LockExclusive).expect("waiting for another test");
    let made = fs::metadata(&path).and_then(|kept| kept.modified());
    if made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age.as_secs() < 43_200)) {
        return path;
    }
    let [packages, security] = apt_mirrors("bookworm");
    let lock = site.anode(&["medium", "lock", "--arch", architecture]);
    let lock = lock.args(["--packages-from", &packages, "--security-from", &security]);
    let _ = lock.arg("--downloads").arg(kept("downloads")).limit(Duration::from_secs(300)).run().ok();
    fs::copy(site.repository().join("medium.lock"), &path).expect("keeping the list of packages");
    path
}

fn list_of_packages(architecture: &str) -> PathBuf {
    kept(&format!("medium-{architecture}.lock"))
}

/// The kernel's package that media were made with.
pub(crate) fn kernel_package() -> PathBuf {
    let list = list_of_packages("amd64");
    let text = fs::read_to_string(list).expect("the list of packages: a medium was made before");
    let pinned = text.split("[[packages]]").find(|pinned| pinned.contains("name = \"linux-image-"));
    let value = pinned.and_then(|pinned| pinned.split("sha256 = \"").nth(1)).and_then(|rest| rest.get(..64));
    let sum = value.expect("the kernel's hash");
    kept("downloads").join(&sum[..2]).join(sum)
}

/// A copy that may be written to: a stick.
///
/// # Panics
/// If there is no room.
#[must_use]
pub fn stick(image: &Path) -> PathBuf {
    let stick = image.with_extension("stick");
    fs::copy(image, &stick).expect("copying the image");
    stick
}

/// A file of an image, in a folder.
///
/// # Panics
/// If there is none of that name.
#[must_use]
pub fn extract(image: &Path, path: &str, folder: &Path) -> PathBuf {
    let out = folder.join(path.rsplit('/').next().unwrap_or(path));
    let extract = Program::new("xorriso").args(["-osirrox", "on", "-indev"]).arg(image);
    let _ = extract.args(["-extract", &format!("/{path}")]).arg(&out).run().ok();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o600)).expect("the file's mode");
    out
}
