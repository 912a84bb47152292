//! The script that finds the network on the machine, run over made-up interfaces: what it prints is the kickstart's only word on the network.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::fixture::Fixture;
use crate::golden::cases;

/// Name, bus, last byte of the MAC address, and what `carrier` says: nothing where the interface is down.
type Interface<'a> = (&'a str, &'a str, &'a str, Option<u8>);

const ONBOARD: Interface<'static> = ("enp1s0", "pci/0000:01", "A0", Some(1));
const SECOND: Interface<'static> = ("enp2s0", "pci/0000:02", "a1", Some(1));

fn interface(root: &Path, (name, bus, mac, carrier): Interface<'_>) {
    let (device, folder) = (root.join("devices").join(bus), root.join("sys/class/net").join(name));
    fs::create_dir_all(&device).unwrap();
    fs::create_dir_all(&folder).unwrap();
    symlink(device, folder.join("device")).unwrap();
    fs::write(folder.join("type"), "1\n").unwrap();
    fs::write(folder.join("address"), format!("02:00:5e:00:53:{mac}\n")).unwrap();
    if let Some(carrier) = carrier {
        fs::write(folder.join("carrier"), format!("{carrier}\n")).unwrap();
    }
}

/// A file of the definition's case, as it is rendered.
fn rendered(path: &str) -> String {
    let repository = Fixture::example().load();
    let cases = cases(&repository);
    let by_hardware = |case: &anode::repository::Case| {
        (case.installer.as_str(), case.name.as_str(), &*case.profile.version.value) == ("fedora", "by-hardware", "43")
    };
    let (_, rendered) = cases.iter().find(|(case, _)| by_hardware(case)).unwrap();
    let (_, bytes) = rendered.contents.files().find(|(file, _)| file.path.as_str() == path).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What `script` prints on a machine with these interfaces, and what it complains of.
fn printed(script: &str, interfaces: &[Interface<'_>]) -> Result<(String, String), String> {
    let root = tempfile::tempdir().unwrap();
    // Neither has a device behind it.
    for name in ["lo", "br0"] {
        fs::create_dir_all(root.path().join("sys/class/net").join(name)).unwrap();
    }
    for one in interfaces {
        interface(root.path(), *one);
    }
    // A radio says that it is Ethernet, too, and an InfiniBand adapter that it is not.
    interface(root.path(), ("wlp3s0", "pci/0000:03", "f0", Some(1)));
    fs::create_dir_all(root.path().join("sys/class/net/wlp3s0/phy80211")).unwrap();
    interface(root.path(), ("ibp4s0", "pci/0000:04", "f1", Some(1)));
    fs::write(root.path().join("sys/class/net/ibp4s0/type"), "32\n").unwrap();
    assert!(script.contains("/sys/class/net/*"));
    let script = script.replace("/sys/class/net", root.path().join("sys/class/net").to_str().unwrap());
    let output = Command::new("sh").arg("-c").arg(script).current_dir(root.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    match output.status.success() {
        true => Ok((String::from_utf8(output.stdout).unwrap(), said)),
        false => Err(said),
    }
}

const SERVERS: &str = "--nameserver=192.0.2.53,2001:db8::53 --activate\n";
const BOND: &str = "--device=bond0 --bondslaves=enp1s0,enp2s0 --bondopts=mode=active-backup,miimon=100";

/// The command that is printed, where nothing is complained of.
fn command(script: &str, interfaces: &[Interface<'_>]) -> String {
    let (command, said) = printed(script, interfaces).unwrap();
    assert_eq!(said, "");
    command
}

#[test]
fn one_link_is_used_as_it_is_and_several_become_a_bond() {
    let script = rendered("anode/network");
    let one = format!("network --bootproto=dhcp --device=enp1s0 {SERVERS}");
    assert_eq!(command(&script, &[ONBOARD]), one);
    let idle = [("enp5s0", "pci/0000:05", "a5", Some(0)), ("enp6s0", "pci/0000:06", "a6", None)];
    assert_eq!(command(&script, &[idle[0], ONBOARD, idle[1]]), one);
    assert_eq!(command(&script, &[SECOND, ONBOARD]), format!("network --bootproto=dhcp {BOND} {SERVERS}"));
}

#[test]
fn an_adapter_on_usb_counts_only_where_there_is_nothing_else() {
    let script = rendered("anode/network");
    let controller = ("enxusb", "pci/usb1/1-2", "b0", Some(1));
    assert_eq!(command(&script, &[controller, ONBOARD]), format!("network --bootproto=dhcp --device=enp1s0 {SERVERS}"));
    assert_eq!(command(&script, &[controller]), format!("network --bootproto=dhcp --device=enxusb {SERVERS}"));
}

#[test]
fn without_a_link_the_installer_is_stopped() {
    let script = rendered("anode/network");
    for interfaces in [&[][..], &[("enp1s0", "pci/0000:01", "A0", Some(0)), ("enp2s0", "pci/0000:02", "a1", None)]] {
        let said = printed(&script, interfaces).unwrap_err();
        assert!(said.starts_with("no network to install over: no wired interface has a link; "), "{said}");
    }
}

#[test]
fn a_machine_of_the_table_has_the_address_that_stands_there() {
    let script = rendered("anode/network");
    let with = |mac| ("enp1s0", "pci/0000:01", mac, Some(1));
    let fourth = "--bootproto=static --ip=192.0.2.10 --netmask=255.255.240.0 --gateway=192.0.2.1";
    assert_eq!(command(&script, &[with("01")]), format!("network {fourth} --device=enp1s0 {SERVERS}"));
    assert_eq!(command(&script, &[with("01"), SECOND]), format!("network {fourth} {BOND} {SERVERS}"));
    // The machine is known by any of its interfaces, also by one without a link.
    let idle = ("enp9s0", "pci/0000:09", "02", Some(0));
    let sixth = "--bootproto=static --noipv4 --ipv6=2001:db8::10/64 --ipv6gateway=2001:db8::1";
    assert_eq!(command(&script, &[ONBOARD, idle]), format!("network {sixth} --device=enp1s0 {SERVERS}"));
    // A prefix, a gateway, and a whole entry that can not be.
    for (mac, entry) in [("03", "192.0.2.30/33 192.0.2.1"), ("04", "192.0.2.30/24 $(reboot)"), ("05", " ")] {
        let said = printed(&script, &[with(mac)]).unwrap_err();
        assert!(said.contains(&format!("`{entry}` in `network-by-mac`; write ")), "{said}");
    }
}

#[test]
fn every_prefix_has_the_mask_that_the_kickstart_needs() {
    let script = rendered("anode/network");
    for prefix in 0..=32_u32 {
        let mask = std::net::Ipv4Addr::from(u32::MAX.checked_shl(32 - prefix).unwrap_or(0));
        let script = script.replace("192.0.2.10/20", &format!("192.0.2.10/{prefix}"));
        let command = command(&script, &[("enp1s0", "pci/0000:01", "01", Some(1))]);
        assert!(command.contains(&format!(" --netmask={mask} ")), "{prefix}: {command}");
    }
}

#[test]
fn an_interface_whose_name_is_no_word_of_a_kickstart_is_left_out() {
    let script = rendered("anode/network");
    let names =
        ["$(touch x)", "a,b", "-n", "`id`", "a b", "%end", "a\n%end", "\"", "'", "#", "*", "a=b", "ünterfläche"];
    for name in names {
        let hostile = (name, "pci/0000:07", "01", Some(1));
        let (command, said) = printed(&script, &[hostile, ONBOARD]).unwrap();
        assert_eq!(command, format!("network --bootproto=dhcp --device=enp1s0 {SERVERS}"), "{name}");
        assert!(said.starts_with("an interface is left out: "), "{name}: {said}");
        assert!(printed(&script, &[hostile]).is_err(), "{name}");
    }
}

#[test]
fn the_installers_own_parser_accepts_what_the_network_script_prints() {
    let validator = ["ksvalidator", "-v", "F43", "-i"];
    if Command::new(validator[0]).arg("-l").output().is_err() {
        assert!(std::env::var_os("CI_REQUIRE_VALIDATORS").is_none(), "install pykickstart");
        eprintln!("skipped: there is no ksvalidator");
        return;
    }
    let (script, kickstart) = (rendered("anode/network"), rendered("ks.cfg"));
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("storage.ks"), "autopart\n").unwrap();
    let mut kickstart = kickstart;
    for name in ["network.ks", "storage.ks"] {
        let include = format!("%include /tmp/anode-{name}");
        assert!(kickstart.contains(&include));
        kickstart = kickstart.replace(&include, &format!("%include {}", at(name).display()));
    }
    fs::write(at("ks.cfg"), kickstart).unwrap();
    let accepted = |network: &str| {
        fs::write(at("network.ks"), network).unwrap();
        Command::new(validator[0]).args(&validator[1..]).arg(at("ks.cfg")).output().unwrap().status.success()
    };
    for first in ["A0", "01", "02"] {
        let first = ("enp1s0", "pci/0000:01", first, Some(1));
        for interfaces in [&[first][..], &[first, SECOND]] {
            let network = command(&script, interfaces);
            assert!(accepted(&network), "{network}");
        }
    }
    // It does look into the included file.
    assert!(!accepted("network --nonsense\n"));
}
