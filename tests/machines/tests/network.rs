//! Machines without disc or stick: the same medium comes over the network, by PXE.

use std::time::Duration;

use anode_machines::{Firmware, Hardware, Host, Network};

#[test]
fn a_machine_with_a_bios_starts_the_medium_over_its_network() {
    let host = Host::new();
    let code = host.code();
    host.site.release();
    let folder = host.netboot("netboot");
    let hardware = Hardware::new("pxe_bios").firmware(Firmware::Bios);
    let hardware = hardware.networks(&[Network::starting(&folder, "pxegrub.0")]);
    let mut machine = hardware.limit(Duration::from_secs(300)).power_on();
    machine.to_the_code();
    machine.type_line(&code.text);
    machine.expect("This code offers:");
    machine.expect("debian-server");
}
