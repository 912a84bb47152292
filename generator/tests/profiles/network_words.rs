//! `[boot.network]`: the words for the network of the medium reach a pack as templates, and mistakes in them are said at their place.

use std::process::Command;

use anode::repository::Case;
use anode_bundle::pack::network::{Mac, NetworkSettings, ProxyAddress, StaticAddress, Vlan, hand_over};

use crate::fixture::{Fixture, lines, pinned};
use crate::golden::cases;

const PROFILE: &str = "debian-server";

/// The example's server with this in its variables, its kernel and initrd pinned.
fn debian(variables: &str) -> Fixture {
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", "[variables]", &format!("[variables]\n{variables}"));
    fixture
}

fn settings() -> NetworkSettings {
    NetworkSettings {
        address: StaticAddress::parse("192.0.2.10/24,192.0.2.1,192.0.2.53;192.0.2.54"),
        vlan: Vlan::parse("12"),
        interface: Mac::parse("52:54:00:12:34:56"),
        proxy: ProxyAddress::new("http://192.0.2.1:3128"),
        wireless: false,
    }
}

/// The command line of a pack with these settings, and how many of them are left behind.
fn line(variables: &str, settings: &NetworkSettings) -> (String, usize) {
    let rendered = pinned(&debian(variables), &[PROFILE]).unwrap_or_else(|problems| panic!("{}", problems.join("\n")));
    let boot = rendered[0].contents.manifest().boot.as_ref().expect("what to boot");
    let handed = hand_over(boot.network.as_ref(), settings);
    (handed.put_before(&boot.command_line), handed.left.len())
}

#[test]
fn debians_installer_gets_address_vlan_name_servers_card_and_proxy_in_front_of_its_line() {
    let wanted = "anode_vlan=12 netcfg/disable_autoconfig=true netcfg/get_ipaddress=192.0.2.10/24 netcfg/get_gateway=192.0.2.1 \
                  netcfg/confirm_static=true netcfg/get_nameservers=192.0.2.53,192.0.2.54 netcfg/choose_interface=52:54:00:12:34:56 \
                  mirror/https/proxy=http://192.0.2.1:3128 priority=critical ---";
    let (found, left) = line("mirror = \"https://deb.example.org/debian\"", &settings());
    assert!(found.starts_with(wanted) && left == 0, "{found}");
    assert_eq!(line("", &NetworkSettings::default()).0, "priority=critical ---");
}

#[test]
fn a_profile_with_a_network_or_a_proxy_of_its_own_keeps_it_and_the_person_is_told() {
    let own =
        "network = \"static\"\naddress = \"198.51.100.7/24\"\ngateway = \"198.51.100.1\"\ndns = [\"198.51.100.1\"]";
    let (found, left) = line(own, &settings());
    assert!(found.starts_with("mirror/http/proxy=") && !found.contains("netcfg") && left == 1, "{found}");
    let (found, left) = line("proxy = \"http://192.0.2.99:3128\"", &settings());
    assert!(found.starts_with("anode_vlan=12") && !found.contains("proxy") && left == 1, "{found}");
}

#[test]
fn a_placeholder_that_is_none_a_prompt_and_an_unknown_key_are_errors_at_their_place() {
    let manifest = std::fs::read_to_string(Fixture::example().path().join("installers/debian/manifest.toml")).unwrap();
    let at = 1 + manifest.lines().position(|line| line == "vlan = 'anode_vlan={vlan}'").unwrap();
    for (wrong, column, message) in [
        ("vlan = 'anode_vlan={vlam}'", 8, "`vlam` is not a placeholder of `[boot.network]` (did you mean `vlan`?)"),
        ("vlan = 'anode_vlan={'", 8, "`anode_vlan={` is not a placeholder of `[boot.network]` (there are `{address}`"),
        ("vlan = 'anode_vlan={{ prompt.hostname }}'", 8, "the prompt `hostname` has no place in `[boot.network]`"),
        ("vlan = 'anode_vlan=ü{vlan}'", 8, "the kernel command line can not hold `ü`"),
        ("vlan = 7", 8, "`vlan` must be a string"),
        ("vlans = ''", 1, "unknown key `vlans` in [network] (did you mean `vlan`?)"),
    ] {
        let fixture = debian("");
        fixture.replace("installers/debian/manifest.toml", "vlan = 'anode_vlan={vlan}'", wrong);
        let problems = match anode::repository::load(fixture.path()) {
            Err(problems) => lines(&problems),
            Ok(_) => pinned(&fixture, &[PROFILE]).err().unwrap_or_default(),
        };
        let wanted = format!("installers/debian/manifest.toml:{at}:{column}: {message}");
        assert!(problems.iter().any(|line| line.starts_with(&wanted)), "{wanted}\n{problems:?}");
    }
}

/// What scripts of packs do on machines that were booted with these command lines: the part of `path` from `first` to `last`, in the case `minimal`.
fn printed(installer: &str, path: &str, [first, last]: [&str; 2], command_lines: &[&str]) -> Vec<String> {
    let repository = Fixture::example().load();
    let cases = cases(&repository);
    let minimal = |case: &Case| case.installer.as_str() == installer && case.name.as_str() == "minimal";
    let (_, rendered) = cases.iter().find(|(case, _)| minimal(case)).unwrap();
    let (_, bytes) = rendered.contents.files().find(|(file, _)| file.path.as_str() == path).unwrap();
    let text = std::str::from_utf8(bytes).unwrap();
    let begins = text.find(first).unwrap();
    let ends = begins + text[begins..].find(last).unwrap() + last.len();
    let proc = tempfile::NamedTempFile::new().unwrap();
    let script = text[begins..ends].replace("/proc/cmdline", proc.path().to_str().unwrap());
    let script = format!("target=target disk=disk\n{}", script.replace("coreos-installer", "printf '%s\\n'"));
    let run = |line: &&str| {
        std::fs::write(proc.path(), format!("{line}\n")).unwrap();
        let output = Command::new("sh").args(["-euc", &script]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    command_lines.iter().map(run).collect()
}

#[test]
fn a_kickstart_says_dhcp_only_where_no_network_was_set_at_the_medium() {
    let found = printed(
        "fedora",
        "ks.cfg",
        ["case \" $(cat", "esac"],
        &[
            "inst.ks=file:/ks.cfg ip=dhcp rd.neednet=1",
            "ip=192.0.2.10::192.0.2.1:24::52-54-00-12-34-56:none inst.ks=file:/ks.cfg rd.neednet=1",
            "ifname=anode:52:54:00:12:34:56 vlan=anode.12:anode ip=anode.12:dhcp inst.ks=file:/ks.cfg",
        ],
    );
    assert_eq!(found, ["network --bootproto=dhcp --device=link --activate\n", "", ""]);
}

#[test]
fn coreos_hands_the_network_of_the_medium_to_the_first_boot_of_the_new_system() {
    let fixed = "ifname=anode:52:54:00:12:34:56 vlan=anode.12:anode ip=192.0.2.10::192.0.2.1:24::anode.12:none nameserver=192.0.2.53";
    let lines = ["ignition.firstboot ip=dhcp rd.neednet=1", &format!("{fixed} ignition.firstboot rd.neednet=1 quiet")];
    let found = printed("coreos", "anode/install", ["network=\n", "\"$disk\"\n"], &lines);
    let wanted = |more: &str| format!("install\n--offline\n--ignition-file\ntarget\n{more}disk\n");
    assert_eq!(found, [wanted(""), wanted(&format!("--firstboot-args\nrd.neednet=1 {fixed}\n"))]);
}
