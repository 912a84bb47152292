//! An installer that lost our answers on the way asks a person; it never takes the disk that it finds.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use anode_machines::{Hardware, empty_disk, installer};

#[test]
fn the_real_installer_without_its_answers_asks_and_leaves_the_disk_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = empty_disk(folder.path(), 2048);
    let images = installer();
    // What the definition says, with the serial line in place of a screen; the archive with the answers is not there.
    let line = "priority=critical console=ttyS0 ---";
    let hardware = Hardware::new("without_answers").disk(&disk).limit(Duration::from_secs(240));
    let mut machine = hardware.kernel(&images.join("linux"), &images.join("initrd.gz"), line).power_on();
    // Its first question, which it would not ask if it had answers; on a serial line it offers English alone.
    machine.expect("Select a language");
    machine.expect("Choose the language to be used for the installation process");
    machine.picture("question");
    // Whoever leaves it alone finds it where it was, and nothing was ever written: not one block of the disk exists.
    machine.from_now();
    machine.rest(Duration::from_secs(10));
    for wrong in ["partman", "Partition", "mke2fs", "Erasing"] {
        assert!(!machine.text().contains(wrong), "the installer says `{wrong}`");
    }
    assert_eq!(std::fs::metadata(&disk).expect("the disk").blocks(), 0, "the installer wrote to the disk");
}
