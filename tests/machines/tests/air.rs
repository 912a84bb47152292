//! A medium made with `--firmware`: a card that loads its firmware, and wireless networks.

use std::time::Duration;

use anode_machines::{Hardware, Host, Link, Machine, Neighbour, Network};

const PASSPHRASE: &str = "correct horse battery";

#[test]
fn a_card_gets_its_firmware_and_wireless_networks_with_wpa2_and_wpa3_are_joined_by_menu() {
    let mut host = Host::new();
    let code = host.code();
    host.site.release();
    let image = host.medium("medium.iso", &["--firmware"]);
    let settings = [("first", "Café 2"), ("second", "Anode WPA3"), ("passphrase", PASSPHRASE)];
    let [kernel, initrd] = Neighbour::Air.beside(&image, &settings, &host.site.scratch(""));

    let cards = [Network::outside_at(Neighbour::OUTSIDE), Network::user().card("i82551")];
    let url = format!("https://anode.test:{}", host.port());
    let line = format!(
        "quiet anode.netboot anode.lang=en anode.keyboard=us console=ttyS0 anode.url={url} {}",
        Neighbour::ARGUMENT
    );
    let hardware = Hardware::new("air").networks(&cards).kernel(&kernel, &initrd, &line);
    let mut machine = hardware.limit(Duration::from_secs(420)).power_on();
    // QEMU's card does not come up without it.
    machine.expect("eth0  ready, address 10.0.2.15/24");
    machine.expect("Activation code");
    machine.link(1, Link::Cut);
    machine.type_line(&code.text);
    machine.expect("Error 30  unreachable");
    machine.go("Network settings");

    join(&mut machine, "Café 2", "wrong horse battery");
    machine.expect("The wireless network refuses this passphrase.");
    machine.expect("Passphrase (not shown; Enter: back)");
    machine.type_line(PASSPHRASE);
    machine.gets_an_address("wlan0", "192.0.2.1");
    // The code is still known.
    machine.expect("Number or name");

    machine.send("\u{3}");
    machine.refuses(3, "declined");
    host.site.web.stop();
    machine.type_line(&code.text);
    machine.expect("Error 30  unreachable");
    machine.go("Network settings");
    join(&mut machine, "Anode WPA3", PASSPHRASE);
    machine.gets_an_address("wlan0", "198.51.100.1");
    assert!(!machine.text().contains(PASSPHRASE), "the passphrase is on the screen");
}

/// By its number in the list.
#[track_caller]
fn join(machine: &mut Machine, name: &str, passphrase: &str) {
    machine.go("Network: join a wireless network");
    machine.expect("Looking for wireless networks.");
    machine.expect("Number or name of the wireless network (Enter: back)");
    let text = machine.text();
    let number = text.lines().rev().find_map(|row| row.split_once(" %  ").filter(|(_, rest)| rest.trim() == name));
    let number = number.and_then(|(number, _)| number.split_whitespace().next());
    machine.type_line(number.unwrap_or_else(|| panic!("`{name}` is not in the list:\n{text}")));
    machine.expect("Passphrase (not shown; Enter: back)");
    machine.type_line(passphrase);
    machine.expect(&format!("Joining `{name}`."));
}
