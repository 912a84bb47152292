//! What `ci/bench-medium` prints: rows of a Markdown table about the boot medium, measured in emulated machines one after the other.
//!
//! Emulation is slow, and the same for both sides of a ratio; nothing here is a measure of real hardware.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anode_machines::{Hardware, Host, Machine, Medium};
use anode_tests::Program;

/// Each machine is started so often; the fastest start counts, for what disturbs can only slow down.
const STARTS: usize = 3;

fn main() {
    let host = Host::new();
    let code = host.code();
    host.site.release();
    let image = host.medium("medium.iso", &[]);
    let bytes = fs::metadata(&image).expect("the image").len();
    row("ISO without firmware", &format!("{:.1} MiB", bytes as f64 / 1_048_576.0), "budget: 40 MiB");

    let (kernel, initrd) = (host.site.scratch("vmlinuz"), host.site.scratch("initrd.img"));
    for (name, path) in [("/boot/vmlinuz", &kernel), ("/boot/initrd.img", &initrd)] {
        let extract = Program::new("xorriso").args(["-osirrox", "on", "-indev"]).arg(&image).args(["-extract", name]);
        let _ = extract.arg(path).run().ok();
    }
    let bare = bare(&host.site.scratch("bare"));
    let line = "quiet console=ttyS0,115200 anode.netboot anode.lang=en anode.keyboard=us";
    let mine = fastest(|| start(&kernel, &initrd, line, "Activation code"));
    let theirs = fastest(|| start(&kernel, &bare, "quiet console=ttyS0,115200", "a shell could be here"));
    let beside = format!(
        "a busybox-only initramfs: {:.1} s, **{:.1} ×**",
        theirs.as_secs_f64(),
        mine.as_secs_f64() / theirs.as_secs_f64()
    );
    row(
        "kernel's start to the question for the code, network included",
        &format!("{:.1} s", mine.as_secs_f64()),
        &beside,
    );

    let full = host.medium("full.iso", &["--mirror"]);
    let hardware = Hardware::new("measure_disc").medium(Medium::Disc(&full)).limit(Duration::from_secs(300));
    let mut machine = hardware.power_on();
    machine.to_the_code();
    row(
        "power-on to the question for the code, from disc (BIOS; 5 s of it are the menu's)",
        &seconds(machine.age()),
        "",
    );
    machine.type_line(&code.text);
    let typed = Instant::now();
    machine.expect("Number or name");
    row("code to the list of profiles, with Argon2id at 64 MiB", &seconds(typed.elapsed()), "");
    machine.choose_the_server();
    let said = Instant::now();
    machine.type_line("yes");
    machine.expect("Starting the installer.");
    row(
        "last yes to kexec, kernel and initrd (49 MB) on the medium",
        &seconds(said.elapsed()),
        "budget without emulation: 2 s",
    );
    drop(machine);

    let shell = format!("{line} anode.shell");
    let mut machine = Hardware::new("measure_memory").memory(512).kernel(&kernel, &initrd, &shell).power_on();
    machine.expect("Activation code");
    machine.send("\u{3}");
    machine.go("Shell");
    machine.type_line("grep MemAvailable /proc/meminfo");
    machine.expect("MemAvailable:");
    machine.expect(" kB");
    let text = machine.text();
    let free = text.rsplit("MemAvailable:").next().and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    let used = 512.0 - free.expect("kilobytes") / 1024.0;
    row(
        "memory in use at a page, of 512 MiB: kernel, unpacked initramfs, programs",
        &format!("{used:.0} MiB"),
        "budget: 128 MiB",
    );
}

fn row(what: &str, measured: &str, beside: &str) {
    println!("| {what} | {measured} | {beside} |");
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn start(kernel: &Path, initrd: &Path, line: &str, until: &str) -> Duration {
    let mut machine: Machine = Hardware::new("measure").memory(512).kernel(kernel, initrd, line).power_on();
    machine.expect(until);
    machine.age()
}

fn fastest(mut measure: impl FnMut() -> Duration) -> Duration {
    (0..STARTS).map(|_| measure()).min().expect("a start")
}

/// busybox and one line of script, packed as an initramfs.
fn bare(folder: &Path) -> std::path::PathBuf {
    fs::create_dir_all(folder.join("bin")).expect("a folder");
    let busybox = Program::new("sh").args(["-c", "command -v busybox"]).run().ok().stdout;
    fs::copy(busybox.trim(), folder.join("bin/busybox")).expect("busybox");
    fs::write(folder.join("init"), "#!/bin/busybox sh\necho a shell could be here\nexec /bin/busybox sleep 600\n")
        .expect("init");
    let pack = "chmod 755 init && mkdir dev && mknod dev/console c 5 1 && find . | cpio -o -H newc --quiet | gzip > ../bare.img";
    let _ = Program::new("sh").args(["-c", pack]).folder(folder).run().ok();
    folder.with_file_name("bare.img")
}
