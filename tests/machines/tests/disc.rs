//! The whole way from a disc: firmware, code, verified kernel, the real installer with our answers. The pictures of the documentation are taken here.

use std::time::Duration;

use anode_machines::{Firmware, Hardware, Host, Medium, Network, empty_disk};
use anode_tests::{Mirror, Site};

#[test]
fn a_disc_under_bios_asks_for_a_code_and_starts_the_real_installer_with_our_answers() {
    let host = Host::new();
    let code = host.code();
    host.site.release();
    let image = host.medium("medium.iso", &[]);
    let disk = empty_disk(&host.site.scratch(""), 4096);
    // A hostile DHCP server names a preseed, which Debian's installer would load after ours.
    let evil = Mirror::new();
    evil.put("evil.cfg", "d-i preseed/early_command string poweroff -f\nd-i netcfg/get_hostname string evil\n");
    let network = Network::naming(&format!("{}/evil.cfg", evil.url().replace("127.0.0.1", anode_machines::OUTSIDE)));
    let hardware = Hardware::new("disc_bios").firmware(Firmware::Bios).medium(Medium::Disc(&image)).disk(&disk);
    let mut machine = hardware.networks(&[network]).limit(Duration::from_secs(420)).power_on();

    machine.expect("Language / Sprache");
    machine.show("language");
    machine.type_line("");
    machine.expect("Keyboard layout");
    machine.show("keyboard");
    machine.type_line("");
    machine.expect("ready, address 10.0.2.15/24");
    machine.expect("Activation code");
    machine.show("code");
    machine.type_line(&code.text);
    machine.expect("Number or name");
    machine.show("profiles");
    machine.type_line(Site::SERVER);
    for (question, answer) in Site::SERVER_DIALOGUE {
        machine.expect(question);
        match *question {
            "Name of the server:" => machine.show("prompts"),
            "Disk to erase and install to:" => machine.show("disk"),
            _ => {}
        }
        machine.type_line(answer);
    }
    machine.expect("Erase and install? (yes/no)");
    machine.show("confirmation");
    assert_eq!(host.mirror.requests(), [""; 0], "nothing is downloaded before somebody said yes");
    machine.type_line("yes");
    machine.expect("initrd.gz");
    machine.show("progress");
    machine.expect("Starting the installer.");
    assert!(!machine.text().contains(&code.text), "the code is on the screen");

    // From here on it is Debian's own program that speaks.
    machine.expect("Preseeded debian-installer/locale = 'de_DE.UTF-8'");
    machine.expect("Started DHCP client");
    machine.show("installer");
    machine.expect("Menu item 'choose-mirror' selected");
    machine.expect("this machine is host-7");
    host.lists_are_asked_for(&mut machine);
    assert_eq!(evil.requests(), [""; 0], "the preseed that DHCP names was asked for");
}
