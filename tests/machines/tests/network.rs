//! Machines without disc or stick: the same medium comes over the network, by PXE.

use std::time::Duration;

use anode_machines::{Firmware, Hardware, Host, Network};

#[test]
fn machines_start_the_medium_over_their_network_under_bios_and_under_secure_boot() {
    let host = Host::new();
    let code = host.code();
    host.site.release();
    let folder = host.netboot("netboot");
    let ways = [("pxe_secure_boot", Firmware::SecureBoot, "shimx64.efi"), ("pxe_bios", Firmware::Bios, "pxegrub.0")];
    for (name, firmware, file) in ways {
        let hardware = Hardware::new(name).firmware(firmware).networks(&[Network::starting(&folder, file)]);
        let mut machine = hardware.limit(Duration::from_secs(300)).power_on();
        machine.to_the_code();
        machine.type_line(&code.text);
        machine.expect("This code offers:");
        machine.expect("debian-server");
    }
}
