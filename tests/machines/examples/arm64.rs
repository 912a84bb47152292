//! The medium for arm64 in an emulated machine, from the firmware to the list of profiles: what `docs/medium.md` says was seen.
//!
//! No test, because it needs a cross compiler, a second QEMU and the packages of another architecture, and takes minutes:
//! `apt-get install gcc-aarch64-linux-gnu qemu-system-arm qemu-efi-aarch64`, both programs for `aarch64-unknown-linux-musl`, then
//! `cargo run -p anode-machines --example arm64`.

use std::time::Duration;

use anode_machines::{Firmware, Hardware, Host, Medium, stick};

fn main() {
    let host = Host::new();
    let code = host.code();
    host.site.release();
    let image = host.medium("medium.iso", &["--arch", "arm64"]);
    let stick = stick(&image);
    let hardware = Hardware::new("arm64").firmware(Firmware::Arm64).medium(Medium::Stick(&stick));
    let mut machine = hardware.limit(Duration::from_secs(600)).power_on();
    machine.to_the_code();
    println!("asks for the code after {} s", machine.age().as_secs());
    machine.type_line(&code.text);
    machine.expect("This code offers:");
    machine.expect("debian-server");
    println!("shows the profiles after {} s", machine.age().as_secs());
}
