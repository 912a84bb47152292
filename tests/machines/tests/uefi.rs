//! The same image under UEFI: on a stick with Secure Boot, where the kernel is locked down, and as a disc without, in a network with a VLAN and without DHCP.

use std::time::Duration;

use anode_machines::{Firmware, Hardware, Host, Medium, Trunk, empty_disk, stick};

#[test]
fn a_stick_under_secure_boot_and_a_disc_under_uefi_start_the_real_installer() {
    let host = Host::new();
    let code = host.code();
    host.site.release();
    let image = host.medium("medium.iso", &[]);

    // Beside the stick, the disk that the profile is told.
    let disk = empty_disk(&host.site.scratch(""), 4096);
    let stick = stick(&image);
    let hardware = Hardware::new("stick_secure_boot").firmware(Firmware::SecureBoot).medium(Medium::Stick(&stick));
    let mut machine = hardware.disk(&disk).memory(1280).limit(Duration::from_secs(420)).power_on();
    machine.to_the_code();
    machine.type_line(&code.text);
    machine.to_the_confirmation();
    machine.type_line("yes");
    machine.expect("Starting the installer.");
    // The log of the kernel that was loaded, shown by Debian's own program.
    machine.expect("Secure boot enabled");
    machine.expect("Preseeded debian-installer/locale = 'de_DE.UTF-8'");
    machine.expect("this machine is host-7");
    host.lists_are_asked_for(&mut machine);
    let _ = machine.picture("installer");
    drop(machine);
    let _ = host.mirror.requests();

    // The disc, at a cable that carries VLAN 12 and nothing else, where nobody answers DHCP: what is typed at the medium is the installer's network, too.
    let trunk = Trunk::of(12);
    let hardware = Hardware::new("disc_uefi").firmware(Firmware::Uefi).medium(Medium::Disc(&image));
    let behind = trunk.behind();
    let hardware = hardware.networks(&[trunk.network()]).with(&behind.each_ref().map(String::as_str));
    let mut machine = hardware.memory(1280).limit(Duration::from_secs(420)).power_on();
    machine.to_the_network();
    machine.expect("link, but no DHCP server answers");
    machine.go("Network: set a VLAN");
    machine.expect("VLAN, 1 to 4094");
    machine.type_line("12");
    machine.go("Network: set an address");
    for (question, answer) in
        [("Address with prefix", "10.0.2.77/24"), ("Gateway", "10.0.2.2"), ("Name servers", "10.0.2.3 10.0.2.4")]
    {
        machine.expect(question);
        machine.type_line(answer);
    }
    machine.expect("eth0.12  ready, address 10.0.2.77/24");
    machine.expect("Activation code");
    machine.type_line(&code.text);
    machine.to_the_confirmation();
    machine.type_line("yes");
    machine.expect("Starting the installer.");
    machine.expect("Secure boot disabled");
    machine.expect("Preseeded debian-installer/locale = 'de_DE.UTF-8'");
    host.lists_are_asked_for(&mut machine);
    assert!(!machine.text().contains("handed over"), "nothing of it was left behind: {}", machine.text());
    assert!(!machine.text().contains("Started DHCP client"), "{}", machine.text());
}
