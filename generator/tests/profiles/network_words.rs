//! `[boot.network]`: the words for the network of the medium reach a pack as templates, and mistakes in them are said at their place.

use anode::render::{Rendered, render};
use anode_bundle::name::Id;
use anode_bundle::pack::network::{Mac, NetworkSettings, ProxyAddress, StaticAddress, Vlan, hand_over};

use crate::fixture::{Fixture, lines};

const PROFILE: &str = "debian-server";

/// The example's server with this in its variables, its kernel and initrd pinned.
fn debian(variables: &str) -> Fixture {
    let fixture = Fixture::example();
    fixture.replace("debian-server/profile.toml", "[variables]", &format!("[variables]\n{variables}"));
    fixture
}

fn rendered(fixture: &Fixture) -> Result<Rendered, Vec<String>> {
    let pins = |urls: Vec<String>| {
        let pin = |url: String| format!("[[files]]\nurl = \"{url}\"\nsha256 = \"{}\"\nlength = 7\n", "ab".repeat(32));
        urls.into_iter().map(pin).collect::<String>()
    };
    let profile = Id::new(PROFILE).unwrap();
    let repository = fixture.load();
    let first = render(&repository, repository.profile(&profile, None).unwrap(), None);
    let first = first
        .map_err(|problems| lines(&problems).into_iter().filter(|line| !line.contains("pinned")).collect::<Vec<_>>())?;
    // What is not pinned is named by its address.
    let urls = lines(&first.warnings).iter().filter_map(|line| line.split('`').nth(1).map(str::to_owned)).collect();
    fixture.write("anode.lock", &pins(urls));
    let repository = fixture.load();
    render(&repository, repository.profile(&profile, None).unwrap(), None).map_err(|problems| lines(&problems))
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
    let rendered = rendered(&debian(variables)).unwrap_or_else(|problems| panic!("{}", problems.join("\n")));
    let boot = rendered.contents.manifest().boot.as_ref().expect("what to boot");
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
            Ok(_) => rendered(&fixture).err().unwrap_or_default(),
        };
        let wanted = format!("installers/debian/manifest.toml:{at}:{column}: {message}");
        assert!(problems.iter().any(|line| line.starts_with(&wanted)), "{wanted}\n{problems:?}");
    }
}
