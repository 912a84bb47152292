//! What `ci/bench-medium` prints: rows of a Markdown table about the boot medium, measured in emulated machines one after the other.
//!
//! Emulation is slow, and the same for both sides of a ratio; nothing here is a measure of real hardware. The fetcher's part of the hand-over is measured
//! once more on this machine as it is, by the fetcher's example `hand-over` (`ANODE_HAND_OVER`), which leaves out the system call.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anode_machines::{Hardware, Host, Machine, Medium, installer};
use anode_tests::{Code, Program, Site};

/// Each machine is started so often; the fastest start counts, for what disturbs can only slow down.
const STARTS: usize = 3;
/// The same without emulation.
const NATIVE_RUNS: usize = 5;

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
    row("last yes to kexec, kernel and initrd (49 MB) on the medium", &seconds(said.elapsed()), "emulated");
    drop(machine);
    without_emulation(&host, &code, &full);

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

/// The same hand-over by the fetcher alone, from the same copy of the site, on the processor that runs this.
fn without_emulation(host: &Host, code: &Code, image: &Path) {
    let program = std::env::var_os("ANODE_HAND_OVER")
        .expect("ANODE_HAND_OVER: the fetcher's example, as `ci/bench-medium` builds it");
    let tree = host.site.scratch("tree");
    let extract = Program::new("xorriso").args(["-osirrox", "on", "-indev"]).arg(image);
    let _ = extract.args(["-extract", "/anode/tree"]).arg(&tree).run().ok();
    let answers = Site::SERVER_ANSWERS.iter().flat_map(|answer| ["--answer", answer]);
    let arguments = ["activate", "--kexec", "--json", "--site", "https://127.0.0.1:9/", "--profile", Site::SERVER];
    let mut runs = Vec::new();
    for _ in 0..NATIVE_RUNS {
        let run = Program::new(&program).args(arguments).args(answers.clone()).args(["--code", &code.text]);
        let run = run.arg("--root").arg(tree.join("root/1.json")).arg("--cache").arg(&tree).run().ok();
        let said = run.stderr.lines().find_map(|line| line.strip_prefix("kexec: ")).expect("what was measured");
        let numbers: Vec<f64> = said.split(' ').map(|number| number.parse().expect("a number")).collect();
        runs.push(<[f64; 3]>::try_from(numbers).expect("bytes, seconds, seconds"));
    }
    let least = |which: usize| runs.iter().map(|run| run[which]).fold(f64::INFINITY, f64::min);
    let [kernel, initrd] = ["linux", "initrd.gz"].map(|name| installer().join(name));
    let plain = "sha256sum \"$1\" \"$2\" >/dev/null && cat \"$1\" \"$2\" >\"$3\" && rm \"$3\"";
    let peer = (0..NATIVE_RUNS).map(|_| {
        let began = Instant::now();
        let peer = Program::new("sh").args(["-c", plain, "sh"]).arg(&kernel).arg(&initrd);
        let _ = peer.arg(format!("/dev/shm/anode-measure-{}", std::process::id())).run().ok();
        began.elapsed().as_secs_f64()
    });
    let peer = peer.fold(f64::INFINITY, f64::min);
    let (megabytes, last) = (least(0) / 1e6, least(2));
    assert!(megabytes > 40.0, "{megabytes} MB are no installer");
    row(
        &format!(
            "last yes to kexec without emulation, {megabytes:.0} MB from the copy of the site: read, hashed, joined, hashed once more, read as the \
             kernel reads it. Without what the kernel then does: its signature and its own copy"
        ),
        &format!("{last:.2} s"),
        &format!("`sha256sum` and `cat` into memory of the same files: {peer:.2} s, **{:.2} ×**", last / peer),
    );
    row(
        "code to kexec without emulation, the same with all that comes before and Argon2id at 64 MiB",
        &format!("{:.2} s", least(1)),
        "budget: 2 s plus Argon2id",
    );
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
