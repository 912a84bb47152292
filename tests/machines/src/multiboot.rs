//! A stick with a menu of several systems, as people make it: GRUB, and images as files, of which ours is one.

use std::fs;
use std::path::{Path, PathBuf};

use anode_tests::Program;

const SECTOR: u64 = 512;
/// Where the partition begins, as every tool puts it.
const BEGIN: u64 = 1 << 20;
/// What the menu calls ours.
pub const OURS: &str = "The medium of a site";
const PATH: &str = "/isos/anode.iso";

/// The menu. What it does with a file is the custom of `loopback.cfg`.
const MENU: &str = "\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
menuentry 'Another system' { halt }
";

/// A stick of 160 MiB with a FAT, on which `image` is one of the files. Its GRUB is the signed one that lies on the image.
///
/// # Panics
/// If it can not be made.
#[must_use]
pub fn with_several_systems(image: &Path) -> PathBuf {
    let folder = image.with_extension("multiboot.parts");
    fs::create_dir_all(&folder).expect("a folder");
    let loaders = ["BOOTX64.EFI", "grubx64.efi"];
    for name in loaders {
        let extract = Program::new("xorriso").args(["-osirrox", "on", "-indev"]).arg(image);
        let extract = extract.args(["-extract", &format!("/EFI/BOOT/{name}")]).arg(folder.join(name));
        let _ = extract.run().ok();
    }
    let entry = format!(
        "menuentry '{OURS}' {{\n    iso_path={PATH}\n    export iso_path\n    search --no-floppy --set=root --file $iso_path\n    \
         loopback loop $iso_path\n    root=(loop)\n    configfile /boot/grub/loopback.cfg\n    loopback --delete loop\n}}\n"
    );
    fs::write(folder.join("grub.cfg"), format!("{MENU}{entry}")).expect("a menu");
    fs::write(folder.join("info"), "A stick with several systems\n").expect("a file");

    let fat = folder.join("fat.img");
    let length = 159 << 20;
    fs::File::create(&fat).and_then(|file| file.set_len(length)).expect("a file system");
    let tool = |name: &str, words: &[&str]| {
        let _ = Program::new(name).arg("-i").arg(&fat).args(words).run().ok();
    };
    tool("mformat", &["-F", "-v", "SYSTEMS", "::"]);
    tool(
        "mmd",
        &["::/EFI", "::/EFI/BOOT", "::/boot", "::/boot/grub", "::/boot/grub/x86_64-efi", "::/.disk", "::/isos"],
    );
    let put = |from: &Path, to: &str| tool("mcopy", &[&from.display().to_string(), &format!("::{to}")]);
    for name in loaders {
        put(&folder.join(name), &format!("/EFI/BOOT/{name}"));
    }
    put(&folder.join("grub.cfg"), "/boot/grub/x86_64-efi/grub.cfg");
    put(&folder.join("info"), "/.disk/info");
    put(image, PATH);

    let stick = image.with_extension("multiboot");
    let mut bytes = table(length / SECTOR);
    bytes.resize(usize::try_from(BEGIN).expect("a length"), 0);
    bytes.extend(fs::read(&fat).expect("the file system"));
    fs::write(&stick, bytes).expect("the stick");
    fs::remove_dir_all(&folder).expect("removing the parts");
    stick
}

/// A master boot record with one partition for a FAT32.
fn table(sectors: u64) -> Vec<u8> {
    let mut sector = vec![0; 512];
    let begin = u32::try_from(BEGIN / SECTOR).expect("a sector").to_le_bytes();
    let sectors = u32::try_from(sectors).expect("sectors").to_le_bytes();
    sector[446] = 0x80;
    sector[450] = 0x0c;
    sector[454..458].copy_from_slice(&begin);
    sector[458..462].copy_from_slice(&sectors);
    sector[510..512].copy_from_slice(&[0x55, 0xaa]);
    sector
}
