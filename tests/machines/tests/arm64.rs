//! A medium for another processor is made here, and everything on it is for that one. `examples/arm64.rs` starts it, which needs a second QEMU.

use std::fs;
use std::path::PathBuf;

use anode_machines::{Host, extract};
use anode_tests::{Program, skip};

/// EM_AARCH64 of `elf(5)`.
const ELF: u16 = 183;
/// IMAGE_FILE_MACHINE_ARM64 of the PE format.
const PE: u16 = 0xaa64;

#[test]
fn a_medium_for_arm64_has_a_kernel_loaders_modules_and_programs_for_that_processor_and_for_no_other() {
    let Some(programs) = std::env::var_os("ANODE_ARM64_PROGRAMS").map(PathBuf::from) else {
        return skip("ANODE_ARM64_PROGRAMS does not name the folder of both programs for arm64");
    };
    let host = Host::new();
    let image = host.medium("medium.iso", &["--arch", "arm64", "--programs", &programs.display().to_string()]);
    let folder = host.site.scratch("unpacked");
    let system = folder.join("system");
    fs::create_dir_all(&system).unwrap();

    // Documentation/arm64/booting: the mark of a kernel that is not compressed. It is a PE file too, for the firmware.
    let kernel = fs::read(extract(&image, "boot/vmlinuz", &folder)).unwrap();
    assert_eq!((&kernel[56..60], pe(&kernel)), (b"ARM\x64".as_slice(), Some(PE)));
    for loader in ["BOOTAA64.EFI", "grubaa64.efi"] {
        assert_eq!(
            pe(&fs::read(extract(&image, &format!("EFI/BOOT/{loader}"), &folder)).unwrap()),
            Some(PE),
            "{loader}"
        );
    }

    let initrd = extract(&image, "boot/initrd.img", &folder);
    let unpack = Program::new("sh").args(["-c", "gzip -dc \"$0\" | cpio -id --quiet"]).arg(&initrd);
    let _ = unpack.folder(&system).run().ok();
    for program in ["busybox", "anode-fetch", "anode-console"] {
        assert_eq!(elf(&fs::read(system.join("bin").join(program)).unwrap()), Some(ELF), "{program}");
    }
    let modules = Program::new("find").arg(system.join("lib/modules")).args(["-name", "*.ko.xz"]).run().ok().stdout;
    assert!(modules.lines().count() > 200, "{modules}");
    for packed in modules.lines() {
        let module = folder.join("module.ko");
        let unpack = Program::new("sh").args(["-c", "xz -dc \"$0\" >\"$1\""]).arg(packed).arg(&module);
        let _ = unpack.run().ok();
        assert_eq!(elf(&fs::read(&module).unwrap()), Some(ELF), "{packed}");
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_le_bytes([two[0], two[1]]))
}

/// What an ELF file runs on.
fn elf(bytes: &[u8]) -> Option<u16> {
    bytes.starts_with(b"\x7fELF").then(|| number(bytes, 18))?
}

/// What a PE file runs on.
fn pe(bytes: &[u8]) -> Option<u16> {
    let header = usize::from(number(bytes, 60)?);
    bytes.get(header..)?.starts_with(b"PE\0\0").then(|| number(bytes, header + 4))?
}
