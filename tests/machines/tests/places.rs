//! Where a medium starts that was only built before: without any network, with everything on it; and as a file on a stick with several systems.

use std::time::Duration;

use anode_machines::{Firmware, Hardware, Host, Machine, Medium, extract, multiboot};
use anode_tests::Site;

#[test]
fn a_medium_with_kernels_installs_without_any_network_from_a_disc_and_as_a_file_on_a_stick_with_several_systems() {
    let mut host = Host::new();
    // The installer's only console is a serial line, on which it speaks English alone; the profile's locale is German.
    let profile = format!("{}/profile.toml", Site::SERVER);
    host.site.edit(&profile, "kernel_options = [", "kernel_options = [\"console=ttyS0,115200\", ");
    let code = host.code();
    host.site.release();
    host.keep_for_mirroring();
    let image = host.medium("medium.iso", &["--mirror"]);
    // Whatever is installed from now on comes from the medium.
    host.site.web.stop();

    // A disc with a code and a profile, in front of which nobody sits: it goes on by itself, up to what this profile asks a person.
    let [kernel, initrd] =
        ["vmlinuz", "initrd.img"].map(|name| extract(&image, &format!("boot/{name}"), &host.site.scratch("")));
    let line = format!(
        "quiet console=ttyS0 anode.lang=en anode.code={} anode.profile={} anode.offline=1",
        code.text,
        Site::SERVER
    );
    let hardware = Hardware::new("disc_unattended").kernel(&kernel, &initrd, &line).medium(Medium::Disc(&image));
    let mut machine = hardware.networks(&[]).limit(Duration::from_secs(300)).power_on();
    machine.expect("Without a network within 0:01, the copy of the site on the medium is used.");
    machine.expect("No network: going on with the copy of the site on the medium.");
    machine.expect("No mirror answers: using the copy of 20");
    machine.expect(Site::SERVER_DIALOGUE[0].0);
    drop(machine);

    let hardware = Hardware::new("disc_alone").medium(Medium::Disc(&image)).networks(&[]);
    let mut machine = hardware.limit(Duration::from_secs(300)).power_on();
    machine.to_the_network();
    machine.expect("no network interface that this medium has a driver for");
    machine.go("Go on with the copy on the medium");
    copy_to_the_profiles(&mut machine, &code.text);
    machine.show("copy");
    machine.choose_the_server();
    machine.type_line("yes");
    machine.expect("Starting the installer.");
    // The kernel that was on the disc, with our answers. Nobody is asked for a language, and the installed system gets its own.
    machine.expect("Preseeded debian-installer/locale = 'de_DE.UTF-8'");
    machine.expect("System locale (debian-installer/locale) = 'de_DE.UTF-8'");
    let next = machine.expect_one(&["Select a language", "Menu item 'console-setup-udeb' selected"]);
    assert_eq!(next, 1, "the installer asks for the language");
    drop(machine);

    // The host is down, and the network is up.
    let stick = multiboot::with_several_systems(&image);
    let hardware = Hardware::new("stick_several").firmware(Firmware::Uefi).medium(Medium::Stick(&stick));
    let mut machine = hardware.limit(Duration::from_secs(300)).power_on();
    machine.expect(multiboot::OURS);
    machine.send("\u{1b}[B");
    machine.type_line("");
    machine.expect("Install, safe graphics");
    machine.type_line("");
    machine.to_the_network();
    machine.expect("ready, address 10.0.2.15/24");
    copy_to_the_profiles(&mut machine, &code.text);
    assert_eq!(host.mirror.requests(), [""; 0], "the distribution's mirror was asked");
}

/// The code is judged by the copy, which says how old it is.
fn copy_to_the_profiles(machine: &mut Machine, code: &str) {
    machine.expect("Activation code");
    machine.type_line(code);
    machine.expect("No mirror answers: using the copy of 20");
    machine.expect(", good until 20");
    machine.expect("This code offers:");
    machine.expect(Site::SERVER);
    machine.expect("Number or name");
}
