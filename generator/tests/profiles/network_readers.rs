//! `[boot.network]`, read by those who read it in an installer's initramfs: NetworkManager's and dracut's own programs, initramfs-tools' functions with klibc's
//! `ipconfig`, as Debian has them. linuxrc is nowhere to be had as a program that only reads.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anode::render::Rendered;
use anode_bundle::pack::Boot;
use anode_bundle::pack::network::{Left, Mac, NetworkSettings, StaticAddress, Vlan, hand_over};

use crate::fixture::{Fixture, pinned};

const MAC: &str = "52:54:00:ab:cd:0e";
const FOUR: &str = "192.0.2.10/24,192.0.2.1,192.0.2.53;192.0.2.54";
const SIX: &str = "2001:db8::10/64,2001:db8::1,2001:db8::53";

/// Where the readers are; `None`, and a note, where `ci/test` did not unpack them.
fn readers() -> Option<PathBuf> {
    let folder = std::env::var_os("ANODE_INITRAMFS_NETWORK").map(PathBuf::from);
    if folder.is_none() {
        assert!(
            std::env::var_os("CI_REQUIRE_VALIDATORS").is_none(),
            "ANODE_INITRAMFS_NETWORK names the unpacked packages"
        );
        eprintln!(
            "skipped: ANODE_INITRAMFS_NETWORK does not name unpacked network-manager, dracut-network, klibc-utils, …"
        );
    }
    folder
}

fn settings(address: &str, vlan: &str) -> NetworkSettings {
    NetworkSettings {
        address: StaticAddress::parse(address),
        vlan: Vlan::parse(vlan),
        interface: Mac::parse(MAC),
        ..NetworkSettings::default()
    }
}

/// What is booted by an unattended profile of every definition of these families, in each of its versions.
fn booted(families: &[&str], variables: &str) -> Vec<(String, Boot)> {
    let fixture = Fixture::example();
    let mut names = Vec::new();
    for definition in fixture.load().installers.values().filter(|one| families.contains(&one.family.as_str())) {
        for version in &definition.versions {
            let (installer, architecture) = (definition.id.as_str(), &definition.architectures[0]);
            let needed = match installer {
                "rhel" => "mirror = \"https://mirror.example.org/rhel\"",
                "agama" => "installer_image = \"https://mirror.example.org/agama.iso\"",
                "arch" => "release = \"2026.07.01\"",
                "coreos" | "flatcar" => "build = \"4230.2.2\"",
                _ => "",
            };
            let head = format!("title = \"Own\"\ninstaller = \"{installer}\"\nversion = \"{version}\"");
            let head =
                format!("{head}\narchitecture = \"{architecture}\"\nunattended = true\n[ansible]\nenabled = false");
            let given = "boot_mirror = \"https://mirror.example.org/boot\"\ndisk = \"/dev/vda\"";
            let name = format!("{installer}-{}", version.replace('.', "-"));
            fixture.write(
                &format!("{name}/profile.toml"),
                &format!("{head}\n[variables]\n{given}\n{needed}\n{variables}"),
            );
            names.push(name);
        }
    }
    let profiles: Vec<&str> = names.iter().map(String::as_str).collect();
    let rendered = pinned(&fixture, &profiles).unwrap_or_else(|problems| panic!("{}", problems.join("\n")));
    let boot = |rendered: Rendered| rendered.contents.manifest().boot.clone().expect("what to boot");
    names.into_iter().zip(rendered.into_iter().map(boot)).collect()
}

/// The whole command line, of which nothing is left behind.
fn line(name: &str, boot: &Boot, settings: &NetworkSettings) -> String {
    let handed = hand_over(boot.network.as_ref(), settings);
    assert_eq!(handed.left, [], "{name}");
    handed.put_before(&boot.command_line)
}

/// The connections that NetworkManager makes of a command line, by name: `section.key` and its value.
fn connections(readers: &Path, line: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let sysfs = tempfile::tempdir().unwrap();
    let generator = readers.join("usr/lib/NetworkManager/nm-initrd-generator");
    let mut command = Command::new(generator);
    command.arg("--stdout").arg("--sysfs-dir").arg(sysfs.path()).arg("--").args(line.split(' '));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("cmdline-reader"), "{line}\n{said}");
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let (mut name, mut section) = (None, String::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if line.starts_with("*** ") {
            name = line.strip_prefix("*** Connection '").and_then(|rest| rest.split('\'').next()).map(str::to_owned);
        } else if let Some(title) = line.strip_prefix('[') {
            section = title.trim_end_matches(']').to_owned();
        } else if let (Some(name), Some((key, value))) = (&name, line.split_once('=')) {
            all.entry(name.clone()).or_default().insert(format!("{section}.{key}"), value.to_owned());
        }
    }
    all
}

/// What dracut calls a card, from `ifname=`.
fn card(readers: &Path, line: &str) -> Option<String> {
    let word = line.split(' ').find_map(|word| word.strip_prefix("ifname="))?;
    let library = readers.join("usr/lib/dracut/modules.d/40network/net-lib.sh");
    let script = ". \"$1\"; parse_ifname_opts \"$2\"; echo \"$ifname_if is $ifname_mac\"";
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(library).arg(word).output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

fn assert_has(name: &str, connection: Option<&BTreeMap<String, String>>, wanted: &[(&str, &str)]) {
    let connection = connection.unwrap_or_else(|| panic!("{name}: no such connection"));
    for (key, value) in wanted {
        assert_eq!(connection.get(*key).map(String::as_str), Some(*value), "{name}: {key} of {connection:?}");
    }
}

const STATIC_FOUR: [(&str, &str); 4] = [
    ("ipv4.method", "manual"),
    ("ipv4.address1", "192.0.2.10/24,192.0.2.1"),
    ("ipv4.dns", "192.0.2.53;192.0.2.54;"),
    ("ipv6.method", "disabled"),
];
const STATIC_SIX: [(&str, &str); 4] = [
    ("ipv6.method", "manual"),
    ("ipv6.address1", "2001:db8::10/64,2001:db8::1"),
    ("ipv6.dns", "2001:db8::53;"),
    ("ipv4.method", "disabled"),
];

#[test]
fn networkmanager_makes_of_every_dracut_installers_words_what_was_set_at_the_medium() {
    let Some(readers) = readers() else { return };
    for (name, boot) in booted(&["anaconda", "agama", "coreos-installer"], "") {
        let made = |address: &str, vlan: &str| {
            let line = line(&name, &boot, &settings(address, vlan));
            (connections(&readers, &line), card(&readers, &line))
        };
        // As it was: any card, DHCP. What Agama's dracut reads beside the line says nothing of a network.
        let untouched = connections(&readers, &boot.command_line);
        assert_eq!(untouched.keys().collect::<Vec<_>>(), ["default_connection"], "{name}");
        assert_has(&name, untouched.get("default_connection"), &[("ipv4.method", "auto")]);
        for (address, wanted) in [(FOUR, STATIC_FOUR), (SIX, STATIC_SIX)] {
            let (plain, renamed) = made(address, "");
            assert_eq!((plain.len(), renamed), (1, None), "{name}");
            assert_has(&name, plain.get("52:54:00:AB:CD:0E"), &[("ethernet.mac-address", "52:54:00:AB:CD:0E")]);
            assert_has(&name, plain.get("52:54:00:AB:CD:0E"), &wanted);
            let (tagged, renamed) = made(address, "12");
            assert_eq!((tagged.len(), renamed), (2, Some(format!("anode is {MAC}"))), "{name}");
            assert_has(&name, tagged.get("anode.12"), &wanted);
            assert_has(&name, tagged.get("anode.12"), &[("vlan.id", "12"), ("vlan.parent", "anode")]);
            assert_has(&name, tagged.get("anode"), &[("ipv4.method", "disabled"), ("ipv6.method", "disabled")]);
        }
        let (tagged, renamed) = made("", "4094");
        assert_eq!((tagged.len(), renamed), (2, Some(format!("anode is {MAC}"))), "{name}");
        let wanted =
            [("connection.type", "vlan"), ("vlan.id", "4094"), ("vlan.parent", "anode"), ("ipv4.method", "auto")];
        assert_has(&name, tagged.get("anode.4094"), &wanted);
        assert_has(&name, tagged.get("anode"), &[("ipv4.method", "disabled"), ("ipv6.method", "disabled")]);
        // Without a hardware address, the card that there is, and no VLAN.
        let unknown = |address, vlan| NetworkSettings { interface: None, ..settings(address, vlan) };
        let plain = connections(&readers, &line(&name, &boot, &unknown(FOUR, "")));
        assert_has(&name, plain.get("default_connection"), &STATIC_FOUR);
        assert_eq!(hand_over(boot.network.as_ref(), &unknown(FOUR, "12")).left, [Left::Vlan], "{name}");
    }
}

#[test]
fn networkmanager_reads_the_network_of_a_profile_and_the_medium_s_gives_way() {
    let Some(readers) = readers() else { return };
    let own =
        "network = \"static\"\naddress = \"198.51.100.7/25\"\ngateway = \"198.51.100.1\"\ndns = [\"198.51.100.2\"]\n";
    for (name, boot) in booted(&["anaconda", "agama"], own) {
        let handed = hand_over(boot.network.as_ref(), &settings(FOUR, ""));
        assert_eq!((handed.words, handed.left), (vec![], vec![Left::OwnNetwork]), "{name}");
        let made = connections(&readers, &boot.command_line);
        let wanted = [("ipv4.address1", "198.51.100.7/25,198.51.100.1"), ("ipv4.dns", "198.51.100.2;")];
        assert_has(&name, made.get("default_connection"), &wanted);
    }
}

/// A root with the functions of initramfs-tools, klibc's `ipconfig` and a busybox, whose `/sys` is that of a network with two cards.
const NETWORK: &str = r#"set -eu
mount -t sysfs sysfs sys
mount --bind /dev/null dev/null
ip link add card0 type veth peer name card1
ip link set card1 address "$3"
chroot . /bin/busybox sh -c 'PATH=/bin
. /functions
log_begin_msg() { :; }
log_end_msg() { :; }
wait_for_udev() { :; }
time_elapsed() { echo 0; }
IP=$1 BOOTIF=$2 DEVICE=
configure_networking' sh "$1" "$2" >&2
cat run/net-card1.conf
ip -o -4 addr show
ip route
"#;

/// By which options of `unshare` there is a network of one's own, with its `/sys` and two cards.
fn isolated() -> Option<Vec<&'static str>> {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t sysfs sysfs . && ip link add card0 type veth peer name card1";
    let mut ways = [vec!["--net", "--mount"], vec!["--map-root-user", "--net", "--mount"]].into_iter();
    ways.find(|options| {
        let mut command = Command::new("unshare");
        let output = command.args(options).args(["sh", "-c", script]).current_dir(folder.path()).output();
        output.is_ok_and(|output| output.status.success())
    })
}

#[test]
fn initramfs_tools_configures_the_card_of_bootif_with_the_words_of_every_casper_installer() {
    let Some(readers) = readers() else { return };
    let Some(isolated) = isolated() else {
        eprintln!("skipped: this user may not make a network of its own");
        return;
    };
    let installers = booted(&["subiquity", "ubiquity"], "");
    assert!(installers.iter().any(|(name, _)| name == "mint-22"));
    for (name, boot) in installers {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["bin", "dev", "lib", "run", "sys"] {
            fs::create_dir(at(folder)).unwrap();
        }
        fs::write(at("dev/null"), "").unwrap();
        fs::copy(readers.join("usr/share/initramfs-tools/scripts/functions"), at("functions")).unwrap();
        fs::copy(readers.join("usr/lib/klibc/bin/ipconfig"), at("bin/ipconfig")).unwrap();
        for library in fs::read_dir(readers.join("lib")).unwrap().map(|entry| entry.unwrap().path()) {
            if library.extension().is_some_and(|end| end == "so") {
                fs::copy(&library, at("lib").join(library.file_name().unwrap())).unwrap();
            }
        }
        let busybox = Command::new("sh").args(["-c", "command -v busybox"]).output().unwrap();
        fs::copy(String::from_utf8(busybox.stdout).unwrap().trim(), at("bin/busybox")).unwrap();
        ["cat", "sleep"].into_iter().for_each(|applet| symlink("busybox", at("bin").join(applet)).unwrap());
        let line = line(&name, &boot, &settings(FOUR, ""));
        let word = |key: &str| {
            let words: Vec<&str> = line.split(' ').filter_map(|word| word.strip_prefix(key)).collect();
            assert_eq!(words.len(), 1, "{name}: {key} in {line}");
            words[0].to_owned()
        };
        let mut command = Command::new("unshare");
        command.args(&isolated).args(["sh", "-c", NETWORK, "sh"]).args([word("ip="), word("BOOTIF="), MAC.to_owned()]);
        let output = command.current_dir(root.path()).output().unwrap();
        let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}\n{wrong}");
        for wanted in [
            "PROTO='none'",
            "IPV4ADDR='192.0.2.10'",
            "IPV4NETMASK='255.255.255.0'",
            "IPV4GATEWAY='192.0.2.1'",
            "IPV4DNS0='192.0.2.53'",
            "IPV4DNS1='192.0.2.54'",
            "card1    inet 192.0.2.10/24 ",
            "default via 192.0.2.1 dev card1 ",
        ] {
            assert!(said.contains(wanted), "{name}: {wanted}\n{said}\n{wrong}");
        }
        // What `ipconfig` has no words for.
        assert_eq!(hand_over(boot.network.as_ref(), &settings(SIX, "")).left, [Left::Address], "{name}");
        assert_eq!(hand_over(boot.network.as_ref(), &settings(FOUR, "12")).left, [Left::Vlan], "{name}");
    }
}

#[test]
fn linuxrc_gets_one_word_with_card_tag_address_gateway_and_name_server() {
    for (name, boot) in booted(&["autoyast"], "") {
        for (address, vlan, wanted) in [
            (FOUR, "", "ifcfg=52:54:00:ab:cd:0e=192.0.2.10/24,192.0.2.1,192.0.2.53"),
            (FOUR, "12", "ifcfg=52:54:00:ab:cd:0e.12=192.0.2.10/24,192.0.2.1,192.0.2.53"),
            (SIX, "", "ifcfg=52:54:00:ab:cd:0e=2001:db8::10/64,2001:db8::1,2001:db8::53"),
            ("", "12", "ifcfg=52:54:00:ab:cd:0e.12=dhcp"),
            ("", "", "ifcfg=*=dhcp"),
        ] {
            let line = line(&name, &boot, &settings(address, vlan));
            let words: Vec<&str> = line.split(' ').filter(|word| word.starts_with("ifcfg=")).collect();
            assert_eq!(words, [wanted], "{name}");
        }
    }
}

#[test]
fn installers_whose_live_system_forgets_the_initramfs_network_have_no_words() {
    for (name, boot) in booted(&["archinstall", "flatcar-install"], "") {
        assert_eq!(boot.network, None, "{name}");
    }
}
