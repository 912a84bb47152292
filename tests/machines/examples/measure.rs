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
    ratio("kernel's start to the question for the code, network included", mine, theirs);

    // From switching it on: firmware, loader and the menu's five seconds are the same for both.
    let other = host.site.scratch("bare.iso");
    let update = Program::new("xorriso").arg("-indev").arg(&image).arg("-outdev").arg(&other).arg("-update").arg(&bare);
    let _ = update.args(["/boot/initrd.img", "-boot_image", "any", "replay"]).run().ok();
    let mine = fastest(|| {
        let mut machine = Hardware::new("measure").medium(Medium::Disc(&image)).power_on();
        machine.to_the_code();
        machine.age()
    });
    let theirs = fastest(|| {
        let mut machine = Hardware::new("measure").medium(Medium::Disc(&other)).power_on();
        machine.expect("a shell could be here");
        machine.age()
    });
    ratio("power-on to the question for the code, from disc (BIOS), network included", mine, theirs);

    host.keep_for_mirroring();
    let full = host.medium("full.iso", &["--mirror"]);
    let hardware = Hardware::new("measure_disc").medium(Medium::Disc(&full)).limit(Duration::from_secs(300));
    let mut machine = hardware.power_on();
    machine.to_the_code();
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
    machine.type_line("grep -E '^Mem(Total|Available):' /proc/meminfo");
    let [total, available] = ["MemTotal:", "MemAvailable:"].map(|name| {
        machine.expect(name);
        machine.expect(" kB");
        let text = machine.text();
        let number = text.rsplit(name).next().and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        number.expect("kilobytes") / 1024.0
    });
    let used = format!("{:.0} MiB", total - available);
    row("memory in use at a page, the unpacked initramfs included", &used, "budget: 128 MiB");
    let kernel = format!("{:.0} MiB", 512.0 - total);
    row("memory that the kernel keeps for itself, of 512 MiB", &kernel, "");
}

fn row(what: &str, measured: &str, beside: &str) {
    println!("| {what} | {measured} | {beside} |");
}

fn ratio(what: &str, mine: Duration, theirs: Duration) {
    let ratio = mine.as_secs_f64() / theirs.as_secs_f64();
    row(what, &seconds(mine), &format!("the same kernel with busybox alone: {}, **{ratio:.2} ×**", seconds(theirs)));
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
    fs::write(
        folder.join("init"),
        "#!/bin/busybox sh\necho a shell could be here >/dev/ttyS0\nexec /bin/busybox sleep 600\n",
    )
    .expect("init");
    let pack = "chmod 755 init && mkdir dev && mknod dev/console c 5 1 && mknod dev/ttyS0 c 4 64 && find . | cpio -o -H newc --quiet | gzip > ../bare.img";
    let _ = Program::new("sh").args(["-c", pack]).folder(folder).run().ok();
    folder.with_file_name("bare.img")
}
