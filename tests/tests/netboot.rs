//! `anode medium netboot`: what is in the folder, and machines under emulation that boot from it in a network of its own, beside a DHCP server that knows
//! nothing of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anode_tests::{Program, Site, apt_mirrors, files};

/// The machine with the folder.
const SERVER: &str = "192.0.2.5";
/// What the medium says first.
const FIRST: &str = "Anode boot medium";
/// A profile that has nothing to hide.
const PUBLIC: &str = "\
title = \"Server in the rack\"
installer = \"fedora\"
version = \"42\"
architecture = \"x86_64\"
public = true
unattended = true

[variables]
hostname = \"rack-08\"
disk = \"/dev/disk/by-id/nvme-Example_1\"
username = \"ops\"
ssh_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExamp ops@example.org\"]
";
/// Longer than any machine takes under emulation to say it.
const LIMIT: Duration = Duration::from_secs(1200);

/// Downloads stay from one run to the next.
fn downloads() -> PathBuf {
    let target = std::env::current_exe().unwrap();
    target.ancestors().find(|folder| folder.ends_with("debug")).unwrap().parent().unwrap().join("medium/downloads")
}

/// A site with a public profile, and with the distribution's real packages pinned.
fn site() -> Site {
    let site = Site::new();
    site.write("rack/profile.toml", PUBLIC);
    let _ = site.code(&["rack"], &[]);
    site.release();
    let [debian, security] = apt_mirrors("bookworm");
    let lock = site.anode(&["medium", "lock", "--packages-from", &debian, "--security-from", &security]);
    let _ = lock.arg("--downloads").arg(downloads()).limit(Duration::from_secs(300)).run().ok();
    site
}

fn netboot(site: &Site, out: &Path, more: &[&str]) -> Program {
    let netboot = site.anode(&["medium", "netboot", "--server", SERVER]).arg("--out").arg(out).args(more);
    let netboot = netboot.arg("--ca").arg(site.authority.certificate()).arg("--downloads").arg(downloads());
    netboot.limit(Duration::from_secs(300))
}

#[test]
fn the_folder_is_the_same_bytes_twice_names_public_profiles_and_appears_whole_or_not_at_all() {
    let site = site();
    let http = ["--http", "http://192.0.2.5", "--folder", "/srv/anode"];
    let (first, second) = (site.scratch("first"), site.scratch("second"));
    let made = netboot(&site, &first, &http).run().ok();
    assert!(made.stderr.contains("1 public profiles"), "{made}");
    let _ = netboot(&site, &second, &http).run().ok();
    let (one, two) = (files(&first), files(&second));
    assert!(one == two, "{:?}", anode_tests::differing(&one, &two));
    let names: Vec<_> = one.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "SHA256SUMS",
            "anode.iso",
            "boot.ipxe",
            "dnsmasq.conf",
            "grub/grub.cfg",
            "grubx64.efi",
            "initrd.img",
            "pxegrub.0",
            "shimx64.efi",
            "vmlinuz"
        ]
    );
    let _ = Program::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).folder(&first).run().ok();
    for menu in ["grub/grub.cfg", "boot.ipxe"] {
        let text = String::from_utf8(one[menu].clone()).unwrap();
        assert!(text.contains("anode.profile=rack"), "{text}");
    }
    let _ = site.anode(&["scan"]).arg(&first).limit(Duration::from_secs(300)).run().ok();
    for line in ["tftp-root=/srv/anode\n", "dhcp-boot=tag:http,http://192.0.2.5/anode.iso"] {
        assert!(String::from_utf8_lossy(&one["dnsmasq.conf"]).contains(line));
    }

    // What is there stays, and what fails leaves nothing.
    let _ = netboot(&site, &first, &[]).run().fails(&["exists: remove it, or name another folder with `--out`"]);
    assert!(files(&first) == one);
    let third = site.scratch("third");
    for (wrong, words) in [
        (["--folder", "srv,anode"], "can not be named in `dnsmasq.conf`"),
        (["--http", "192.0.2.5"], "is no web address that a firmware takes"),
        (["--addresses", "192.0.2.9"], "are no two addresses"),
    ] {
        let _ = netboot(&site, &third, &wrong).run().fails(&[words]);
    }
    fs::remove_file(site.current().join("timestamp.signed")).unwrap();
    assert_ne!(netboot(&site, &third, &[]).run().exit, Some(0));
    let drafts = fs::read_dir(site.scratch("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!third.exists() && !drafts.into_iter().any(|name| name.to_string_lossy().starts_with(".anode-medium-")));
}

#[test]
fn machines_boot_the_medium_over_a_network_whose_dhcp_server_stays_as_it_is() {
    let Some(network) = Network::new() else { return };
    let site = site();
    let (proxy, reserved) = (site.scratch("proxy"), site.scratch("reserved"));
    let _ = netboot(&site, &proxy, &["--http", "http://192.0.2.5"]).run().ok();
    let _ = netboot(&site, &reserved, &["--addresses", "192.0.2.240,192.0.2.250"]).run().ok();
    let scratch = tempfile::tempdir().unwrap();
    let log = |name: &str| scratch.path().join(name);

    // A BIOS with iPXE in its network card: what QEMU's cards have.
    let dns = network.dnsmasq(&proxy.join("dnsmasq.conf"), &log("ipxe.dns"));
    network.boots(&log("ipxe"), &["-device", "e1000,netdev=n0"]);
    assert!(fs::read_to_string(log("ipxe.dns")).unwrap().contains("boot.ipxe"));
    drop(dns);

    // The same card, as if it were another maker's: its software loads GRUB.
    let text = fs::read_to_string(proxy.join("dnsmasq.conf")).unwrap();
    let plain: String = text
        .lines()
        .filter(|line| !line.contains("=tag:ipxe") && !line.contains("set:ipxe"))
        .fold(String::new(), |text, line| text + &line.replace("tag:!ipxe,", "") + "\n");
    fs::write(log("plain.conf"), plain).unwrap();
    let dns = network.dnsmasq(&log("plain.conf"), &log("grub.dns"));
    network.boots(&log("grub"), &["-device", "e1000,netdev=n0"]);
    let said = fs::read_to_string(log("grub.dns")).unwrap();
    assert!(said.contains("pxegrub.0") && said.contains("grub/grub.cfg to"), "{said}");
    drop(dns);

    // UEFI under Secure Boot, over HTTP: the whole medium as a disc.
    let dns = network.dnsmasq(&proxy.join("dnsmasq.conf"), &log("http.dns"));
    let web = network.web(&proxy, &log("http.web"));
    let only_http = ["IPv4", "IPv6"].map(|kind| format!("name=opt/org.tianocore/{kind}PXESupport,string=n"));
    let words = ["-fw_cfg", &only_http[0], "-fw_cfg", &only_http[1]];
    network.boots(&log("http"), &[&secure_boot(scratch.path())[..], &words.map(str::to_owned)].concat());
    assert!(fs::read_to_string(log("http.web")).unwrap().contains("GET /anode.iso"));
    drop((dns, web));

    // UEFI under Secure Boot, over TFTP: shim, the signed GRUB, the signed kernel.
    let dns = network.dnsmasq(&reserved.join("dnsmasq.conf"), &log("tftp.dns"));
    network.boots(&log("tftp"), &secure_boot(scratch.path()));
    let said = fs::read_to_string(log("tftp.dns")).unwrap();
    assert!(said.contains("grubx64.efi to 192.0.2.24") || said.contains("grubx64.efi to 192.0.2.250"), "{said}");
    drop(dns);
}

/// A firmware with Microsoft's keys that starts nothing unsigned, and a card without software of its own.
fn secure_boot(folder: &Path) -> Vec<String> {
    let variables = folder.join("variables.fd");
    fs::copy("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", &variables).expect("the firmware; `ci/test` installs `ovmf`");
    let flash = |unit: u32, more: &str, file: &Path| {
        ["-drive".to_owned(), format!("if=pflash,format=raw,unit={unit}{more},file={}", file.display())]
    };
    let machine = ["-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"];
    let card = ["-device", "virtio-net-pci,netdev=n0,romfile=,bootindex=1"];
    let code = flash(0, ",readonly=on", Path::new("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"));
    [&machine.map(str::to_owned)[..], &code, &flash(1, "", &variables), &card.map(str::to_owned)].concat()
}

/// Two namespaces: in one the server with the folder and the machine's cable, in the other the DHCP server that a network has.
struct Network {
    here: String,
    lan: String,
    dhcp: Option<Running>,
}

/// A program that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Network {
    /// `None` where this user may not make one: the test then says so and checks nothing, but not in CI.
    fn new() -> Option<Network> {
        let number = std::process::id();
        let mut network = Network { here: format!("anode-s{number}"), lan: format!("anode-l{number}"), dhcp: None };
        let (here, lan) = (network.here.clone(), network.lan.clone());
        if Program::new("ip").args(["netns", "add", &here]).run().exit != Some(0) {
            anode_tests::skip("a network of its own needs root");
            return None;
        }
        for line in [
            format!("netns add {lan}"),
            format!("-n {here} link add br0 type bridge"),
            format!("-n {here} link set br0 up"),
            format!("-n {here} addr add {SERVER}/24 dev br0"),
            format!("-n {here} link add cable type veth peer name eth0 netns {lan}"),
            format!("-n {here} link set cable master br0 up"),
            format!("-n {lan} addr add 192.0.2.1/24 dev eth0"),
            format!("-n {lan} link set eth0 up"),
            format!("-n {here} tuntap add tap0 mode tap"),
            format!("-n {here} link set tap0 master br0 up"),
        ] {
            let _ = Program::new("ip").args(line.split(' ')).run().ok();
        }
        let words = "dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --leasefile-ro --pid-file= \
                     --dhcp-range=192.0.2.100,192.0.2.120,10m --log-facility=-";
        network.dhcp = Some(network.start(&lan, words, Path::new("/dev/null")));
        Some(network)
    }

    fn start(&self, namespace: &str, words: &str, log: &Path) -> Running {
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).args(words.split_whitespace());
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        let child = command.stdout(log.try_clone().expect("a log")).stderr(log).spawn();
        Running(child.unwrap_or_else(|error| panic!("starting `{words}`: {error}; `ci/test` installs it")))
    }

    fn dnsmasq(&self, configuration: &Path, log: &Path) -> Running {
        let words = format!(
            "dnsmasq --keep-in-foreground --conf-file={} --leasefile-ro --pid-file= --log-facility=-",
            configuration.display()
        );
        let running = self.start(&self.here, &words, log);
        anode_tests::wait_for("dnsmasq", || fs::read_to_string(log).unwrap_or_default().contains("started"));
        running
    }

    fn web(&self, folder: &Path, log: &Path) -> Running {
        let words = format!("python3 -u -m http.server 80 --bind {SERVER} --directory {}", folder.display());
        let running = self.start(&self.here, &words, log);
        anode_tests::wait_for("a web server", || fs::read_to_string(log).unwrap_or_default().contains("Serving"));
        running
    }

    /// Waits until a machine asks the medium's first question.
    #[track_caller]
    fn boots(&self, serial: &Path, words: &[impl AsRef<str>]) {
        let mut line = format!(
            "qemu-system-x86_64 -accel tcg -m 1024 -display none -monitor none -no-reboot -boot n -serial file:{} \
             -netdev tap,id=n0,ifname=tap0,script=no,downscript=no",
            serial.display()
        );
        words.iter().for_each(|word| line.extend([" ", word.as_ref()]));
        let errors = serial.with_extension("qemu");
        let mut machine = self.start(&self.here, &line, &errors);
        let end = Instant::now() + LIMIT;
        let text = || String::from_utf8_lossy(&fs::read(serial).unwrap_or_default()).into_owned();
        while !text().contains(FIRST) {
            let ended = machine.0.try_wait().expect("waiting for QEMU").is_some();
            let said = fs::read_to_string(&errors).unwrap_or_default();
            assert!(!ended && Instant::now() < end, "the medium does not start: {said}\n{}", text());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.dhcp = None;
        for namespace in [&self.here, &self.lan] {
            let _ = Program::new("ip").args(["netns", "delete", namespace]).run();
        }
    }
}
