//! An installer whose signer the running kernel does not trust. From a disc that is said before anything is downloaded. From a stick the firmware starts
//! it, through the distribution's own shim and GRUB; what lay staged is gone after the next start of the medium.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anode_machines::{Firmware, Hardware, Host, Medium};
use anode_tests::{Program, Site};

#[test]
fn an_installer_of_a_signer_that_is_not_trusted_is_refused_from_a_disc_and_staged_from_a_stick() {
    let host = Host::signed_by_a_stranger();
    let code = host.code();
    host.site.release();
    let image = host.medium("medium.iso", &[]);

    let hardware = Hardware::new("stranger_disc").firmware(Firmware::SecureBoot).medium(Medium::Disc(&image));
    let mut machine = hardware.limit(Duration::from_secs(240)).power_on();
    machine.to_the_code();
    machine.type_line(&code.text);
    machine.expect("Number or name");
    machine.type_line(Site::SERVER);
    machine.expect("signed under `A stranger`");
    machine.expect("Error 40  hand-over");
    let text = machine.text().split_whitespace().collect::<Vec<_>>().join(" ");
    for remedy in ["turn off Secure Boot", "enrol that key", "a stick that `anode medium usb` wrote"] {
        assert!(text.contains(remedy), "{remedy}: {text}");
    }
    machine.show("not-trusted");
    assert_eq!(host.mirror.requests(), [""; 0], "something was downloaded for a kernel that can not be started");
    drop(machine);

    let stick = host.stick(&image);
    let hardware = Hardware::new("staged").firmware(Firmware::SecureBoot).medium(Medium::Stick(&stick)).restarts();
    let mut machine = hardware.memory(1280).limit(Duration::from_secs(720)).power_on();
    machine.to_the_code();
    // GRUB found its menu where it looks first.
    assert!(!machine.text().contains("error: "), "{}", machine.text());
    machine.type_line(&code.text);
    machine.to_the_confirmation();
    assert!(machine.text().replace('\n', " ").contains("the answers lie in the target in readable form"));
    machine.show("staged");
    machine.type_line("yes");
    machine.expect("The machine starts anew, into the installer.");
    // The firmware, shim and GRUB say nothing here; this is the installer's own kernel, and then its log.
    machine.expect("EFI stub: UEFI Secure Boot is enabled.");
    machine.expect("Preseeded debian-installer/locale = 'de_DE.UTF-8'");
    assert_eq!(entries(&machine.variables()), 1);
    assert!(holds(&stick, "Erika Muster") && listed(&stick).contains("anode-stage"), "{}", listed(&stick));

    // Whoever starts the stick again finds the medium, and nothing that installs unasked.
    machine.reset();
    machine.to_the_code();
    assert!(machine.text().contains("An installer that was staged on this stick is removed"));
    assert_eq!(entries(&machine.variables()), 0);
    assert!(!holds(&stick, "Erika Muster"), "answers are still on the stick");
    let rest = listed(&stick);
    assert!(rest.contains("::/anode/") && !rest.contains("stage") && !rest.contains("EFI"), "{rest}");

    // A kernel that nobody signed, and of which nobody noted that: the running one is asked, and what was fetched for it is staged.
    let unsigned = without_signature(&fs::read(host.kernel()).expect("the kernel"));
    fs::remove_file(host.kernel()).expect("the link to the kernel");
    fs::write(host.kernel(), &unsigned).expect("the kernel");
    host.pin_kernel_without_signer();
    host.site.release();
    let _ = host.mirror.requests();
    machine.type_line(&code.text);
    machine.to_the_confirmation();
    assert!(machine.text().replace('\n', " ").contains("If this machine does not take the installer's kernel"));
    machine.type_line("yes");
    machine.expect("The machine starts anew, into the installer.");
    let kernels = host.mirror.requests().iter().filter(|path| path.ends_with("/linux")).count();
    assert_eq!(kernels, 1);
    drop(machine);
    assert!(listed(&stick).contains("anode-stage/linux") && holds(&stick, "Erika Muster"), "{}", listed(&stick));
}

/// The same program without the signature at its end (PE/COFF: the fifth of the optional header's directories).
fn without_signature(kernel: &[u8]) -> Vec<u8> {
    let word = |at: usize| u32::from_le_bytes([kernel[at], kernel[at + 1], kernel[at + 2], kernel[at + 3]]) as usize;
    let directory = word(0x3c) + 24 + 112 + 4 * 8;
    let mut bare = kernel[..word(directory)].to_vec();
    assert!(bare.len() > directory && kernel.len() - bare.len() == word(directory + 4), "the kernel has no signature");
    bare[directory..directory + 8].fill(0);
    bare
}

/// Where the third partition begins, in bytes.
fn data(stick: &[u8]) -> usize {
    let entry = &stick[446 + 2 * 16..][..16];
    u32::from_le_bytes([entry[8], entry[9], entry[10], entry[11]]) as usize * 512
}

fn holds(stick: &Path, words: &str) -> bool {
    let bytes = fs::read(stick).expect("the stick");
    bytes[data(&bytes)..].windows(words.len()).any(|window| window == words.as_bytes())
}

/// Everything on the third partition.
fn listed(stick: &Path) -> String {
    let place = format!("{}@@{}", stick.display(), data(&fs::read(stick).expect("the stick")));
    Program::new("mdir").args(["-/", "-b", "-i", &place, "::"]).run().ok().stdout
}

/// How many variables of the firmware name our loader: those that are valid (EDK II, `VariableFormat.h`).
fn entries(flash: &[u8]) -> usize {
    let path: Vec<u8> = "\\EFI\\anode\\shim.efi".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let places = (0..flash.len() - path.len()).filter(|place| flash[*place..].starts_with(&path));
    // Its header begins before, within a name, an entry's own beginning and a device path.
    let is_valid = |place: &usize| {
        let before = &flash[place.saturating_sub(300)..*place];
        before.windows(3).rev().find(|bytes| bytes[..2] == [0xaa, 0x55]).is_some_and(|header| header[2] == 0x3f)
    };
    places.filter(is_valid).count()
}
