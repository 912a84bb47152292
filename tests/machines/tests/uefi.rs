//! The same image under UEFI: on a stick with Secure Boot, where the kernel is locked down, and as a disc without.

use std::time::Duration;

use anode_machines::{Firmware, Hardware, Host, Medium, empty_disk, stick};

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

    let hardware = Hardware::new("disc_uefi").firmware(Firmware::Uefi).medium(Medium::Disc(&image));
    let mut machine = hardware.memory(1280).limit(Duration::from_secs(300)).power_on();
    machine.to_the_code();
    machine.type_line(&code.text);
    machine.to_the_confirmation();
    machine.type_line("yes");
    machine.expect("Starting the installer.");
    machine.expect("Secure boot disabled");
    machine.expect("Preseeded debian-installer/locale = 'de_DE.UTF-8'");
    host.lists_are_asked_for(&mut machine);
}
