//! The network by hand: static address, VLAN, proxy, by the kernel's arguments and by menu, where the site is only in the VLAN.

use std::time::Duration;

use anode_machines::{Hardware, Host, Machine, Neighbour, Network, Tunnel};

#[test]
fn address_vlan_name_server_and_proxy_come_from_the_kernels_arguments_and_from_the_menu() {
    let mut host = Host::new();
    let code = host.code();
    host.site.release();
    let image = host.medium("medium.iso", &[]);
    let port = host.port();
    let tunnel = Tunnel::to(port);
    let site = port.to_string();
    let [kernel, initrd] = Neighbour::Cable.beside(&image, &[("site", &site)], &host.site.scratch(""));

    // The medium's card, the neighbour's two, and one of the medium's whose firmware only a medium made with `--firmware` has.
    let cards =
        [Network::switch(), Network::switch(), Network::outside_at(Neighbour::OUTSIDE), Network::user().card("i82551")];
    let proxy = format!("http://{}:{}", Neighbour::OUTSIDE, tunnel.port);
    let line = format!(
        "quiet anode.netboot anode.lang=en anode.keyboard=us console=ttyS0 {} anode.url=https://anode.test:{port} \
         anode.ip=192.0.2.10/24,192.0.2.1,192.0.2.1 anode.vlan=12 anode.proxy={proxy}",
        Neighbour::ARGUMENT
    );
    let hardware = Hardware::new("cable").networks(&cards).kernel(&kernel, &initrd, &line);
    let mut machine = hardware.limit(Duration::from_secs(420)).power_on();
    machine.expect("eth1  needs firmware e100/d102e_ucode.bin: use a medium made with --firmware");
    machine.expect("eth0.12  ready, address 192.0.2.10/24");
    machine.expect("Activation code");
    machine.type_line(&code.text);
    machine.expect("Number or name");
    let asked = tunnel.asked();
    assert!(asked.contains(&format!("anode.test:{port}")), "{asked:?}");

    // Without the proxy: the name of the site is the name server's, and the way to it the gateway's.
    to_the_network_settings(&mut machine, &mut host, &code.text);
    let _ = tunnel.asked();
    machine.go("Network: set a proxy");
    machine.expect("Proxy, as http://192.0.2.1:3128 (Enter: none)");
    machine.type_line("");
    host.site.web.resume();
    // The code that was typed is still known, here and from now on.
    machine.go("Go on");
    machine.expect("Number or name");
    assert_eq!(tunnel.asked(), [""; 0]);

    // By DHCP, first in a VLAN where nobody answers, then in the right one.
    to_the_network_settings(&mut machine, &mut host, &code.text);
    set_address(&mut machine, &[""]);
    machine.gets_an_address("eth0.12", "192.0.2.1");
    machine.expect("Error 30  unreachable");
    machine.go("Network settings");
    set_vlan(&mut machine, "13");
    machine.expect("eth0.13  link, but no DHCP server answers");
    // Without the tag there is no way to the site but the proxy.
    host.site.web.resume();
    set_vlan(&mut machine, "");
    machine.gets_an_address("eth0", "198.51.100.1");
    machine.expect("Error 30  unreachable");
    machine.go("Network settings");
    set_address(&mut machine, &["198.51.100.77/24", "198.51.100.1", ""]);
    machine.expect("eth0  ready, address 198.51.100.77/24");
    machine.expect("Error 30  unreachable");
    machine.go("Network settings");
    machine.go("Network: set a proxy");
    machine.expect("Proxy, as http://192.0.2.1:3128 (Enter: none)");
    machine.type_line(&proxy);
    machine.go("Go on");
    machine.expect("Number or name");
    assert!(!tunnel.asked().is_empty());
}

/// From the list of profiles to where the network is set: nobody serves the site any more.
#[track_caller]
fn to_the_network_settings(machine: &mut Machine, host: &mut Host, code: &str) {
    machine.send("\u{3}");
    machine.refuses(3, "declined");
    host.site.web.stop();
    machine.type_line(code);
    machine.expect("Error 30  unreachable");
    machine.go("Network settings");
}

#[track_caller]
fn set_vlan(machine: &mut Machine, number: &str) {
    machine.go("Network: set a VLAN");
    machine.expect("VLAN, 1 to 4094 (Enter: none)");
    machine.type_line(number);
}

/// On every interface that has a link: address, gateway, name servers.
#[track_caller]
fn set_address(machine: &mut Machine, answers: &[&str]) {
    machine.go("Network: set an address");
    machine.expect("Interface (Enter: every one that has a link)");
    machine.type_line("");
    let questions = ["Address with prefix", "Gateway (Enter: none)", "Name servers"];
    for (question, answer) in questions.iter().zip(answers) {
        machine.expect(question);
        machine.type_line(answer);
    }
}
