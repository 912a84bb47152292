//! A machine that runs: what it says is waited for, what a person would type is typed, and in the end it is switched off.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::hardware::Hardware;
use crate::monitor::Monitor;
use crate::picture::png;
use crate::record::Record;
use crate::serial::Serial;

/// A kernel counts ticks of its timer at its start, and gives up where the emulator got no processor for a moment: a busy host is no finding.
const LOST_TIMER: &str = "---[ end Kernel panic - not syncing: IO-APIC + timer doesn't work!";
/// How often a machine is started anew for that.
const RESETS: usize = 3;

/// A network cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It is in.
    Plugged,
    /// It is out.
    Cut,
}

/// It ends with this value, by its process id, or with the thread that switched it on.
pub struct Machine {
    child: Child,
    serial: Serial,
    monitor: Monitor,
    record: Record,
    began: Instant,
    end: Instant,
    restarts: bool,
    is_touched: bool,
    lost_timers: usize,
    // Holds the socket of the monitor: its path has to be short.
    _folder: TempDir,
}

impl Machine {
    pub(crate) fn start(hardware: Hardware) -> Machine {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("monitor");
        let record = hardware.record.clone();
        let errors = record.folder().join("qemu.log");
        let mut command = hardware.program(&socket).into_command();
        let log = fs::File::create(&errors).expect("a log of QEMU");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("starting QEMU: {error}; `ci/test` installs it"));
        let keyboard = child.stdin.take().expect("a pipe");
        let output = child.stdout.take().expect("a pipe");
        let serial = Serial::new(keyboard, output, &record.serial());
        let Some(monitor) = Monitor::connect(&socket, &mut child) else {
            let _ = child.kill();
            let _ = child.wait();
            let said = fs::read_to_string(&errors).unwrap_or_default();
            panic!("QEMU does not start; `ci/test` installs what it needs:\n{said}");
        };
        let began = Instant::now();
        let end = began + hardware.limit;
        let mut machine = Machine {
            child,
            serial,
            monitor,
            record,
            began,
            end,
            restarts: hardware.restarts,
            is_touched: false,
            lost_timers: 0,
            _folder: folder,
        };
        for number in hardware.cut() {
            machine.link(number, Link::Cut);
        }
        machine
    }

    /// How long it has been running.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Everything that was said on the serial line.
    #[must_use]
    pub fn text(&self) -> String {
        self.serial.text()
    }

    /// Waits until the serial line says `words`, after what was waited for before.
    ///
    /// # Panics
    /// If they do not come within the machine's limit, or if it ends.
    #[track_caller]
    pub fn expect(&mut self, words: &str) {
        let _ = self.expect_one(&[words]);
    }

    /// Waits until the serial line says one of these; its place in the list.
    ///
    /// # Panics
    /// If none comes within the machine's limit, or if it ends.
    #[track_caller]
    pub fn expect_one(&mut self, words: &[&str]) -> usize {
        loop {
            let ended = self.ended();
            self.start_anew_without_timer();
            if let Some(found) = self.serial.find(words) {
                return found;
            }
            assert!(!ended, "the machine ended before it said {words:?}{}", self.remains());
            assert!(Instant::now() < self.end, "the machine does not say {words:?}{}", self.remains());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Nobody has done anything at it yet, so nothing is lost.
    fn start_anew_without_timer(&mut self) {
        if self.is_touched || self.lost_timers == RESETS || self.text().matches(LOST_TIMER).count() <= self.lost_timers
        {
            return;
        }
        self.lost_timers += 1;
        self.command("set-action", json!({ "reboot": "reset" }));
        self.command("system_reset", json!({}));
        if !self.restarts {
            self.command("set-action", json!({ "reboot": "shutdown" }));
        }
    }

    /// Nothing of what is expected next was said before now.
    pub fn from_now(&mut self) {
        self.serial.skip();
    }

    /// Waits until `done`, while the machine runs.
    ///
    /// # Panics
    /// If it never comes, naming `what`.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, mut done: impl FnMut() -> bool) {
        while !done() {
            let running = !self.ended() && Instant::now() < self.end;
            assert!(running || done(), "waited in vain for {what}{}", self.remains());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Types bytes into the serial line.
    ///
    /// # Panics
    /// If nobody is there.
    #[track_caller]
    pub fn send(&mut self, text: &str) {
        self.is_touched = true;
        if let Err(error) = self.serial.send(text.as_bytes()) {
            panic!("typing `{text}`: {error}{}", self.remains());
        }
    }

    /// Types a line into the serial line.
    #[track_caller]
    pub fn type_line(&mut self, line: &str) {
        self.send(&format!("{line}\r"));
    }

    /// Presses keys of the machine's own keyboard, one after the other, in QEMU's names for them: `a`, `ret`, `shift-a`.
    #[track_caller]
    pub fn press(&mut self, keys: &[&str]) {
        self.is_touched = true;
        for key in keys {
            let together: Vec<_> = key.split('-').map(|key| json!({ "type": "qcode", "data": key })).collect();
            self.command("send-key", json!({ "keys": together }));
            // QEMU holds a key down for a tenth of a second, and the keyboard's controller forgets what comes in between.
            std::thread::sleep(Duration::from_millis(150));
        }
    }

    /// Takes a picture of the screen; where it is kept.
    #[track_caller]
    pub fn picture(&mut self, name: &str) -> PathBuf {
        let raw = self.record.folder().join("screen.ppm");
        self.command("screendump", json!({ "filename": raw }));
        let dots = fs::read(&raw).unwrap_or_else(|error| panic!("reading {}: {error}", raw.display()));
        let _ = fs::remove_file(&raw);
        let path = self.record.picture(name);
        let png = png(&dots).unwrap_or_else(|| panic!("no picture{}", self.remains()));
        fs::write(&path, png).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
        path
    }

    /// Takes a picture of the screen as the documentation shows it; `ANODE_PICTURES=1` puts it there.
    #[track_caller]
    pub fn show(&mut self, name: &str) {
        // The serial line is ahead of the screen.
        self.rest(Duration::from_millis(300));
        let kept = self.picture(name);
        if std::env::var_os("ANODE_PICTURES").is_some() {
            let shown = anode_tests::source().join("docs/pictures").join(format!("{name}.png"));
            fs::copy(&kept, &shown).unwrap_or_else(|error| panic!("writing {}: {error}", shown.display()));
        }
    }

    /// Presses the button that starts it anew.
    #[track_caller]
    pub fn reset(&mut self) {
        self.from_now();
        self.command("system_reset", json!({}));
    }

    /// What the firmware keeps over a restart, as it lies in its flash.
    ///
    /// # Panics
    /// If the machine has no such firmware.
    #[must_use]
    pub fn variables(&self) -> Vec<u8> {
        let flash = self.record.folder().join("variables.fd");
        fs::read(&flash).unwrap_or_else(|error| panic!("reading {}: {error}", flash.display()))
    }

    /// Waits until it switches itself off or restarts, which ends it here.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn expect_end(&mut self) {
        while !self.ended() {
            assert!(Instant::now() < self.end, "the machine does not end{}", self.remains());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Puts the cable of a network interface in, or takes it out; they count from 0.
    #[track_caller]
    pub fn link(&mut self, number: usize, link: Link) {
        self.command("set_link", json!({ "name": format!("nic{number}"), "up": link == Link::Plugged }));
    }

    /// Lets it run for a while.
    ///
    /// # Panics
    /// If it ends meanwhile.
    #[track_caller]
    pub fn rest(&mut self, time: Duration) {
        let end = Instant::now() + time;
        self.wait_for("time to pass", || Instant::now() > end);
    }

    /// Runs a command of the monitor.
    #[track_caller]
    fn command(&mut self, name: &str, arguments: serde_json::Value) {
        if let Err(error) = self.monitor.command(name, arguments) {
            panic!("{error}{}", self.remains());
        }
    }

    /// True when it runs no more.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("waiting for QEMU").is_some()
    }

    /// The end of what was said, and where the rest is.
    fn remains(&self) -> String {
        let text = self.text();
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(40)..];
        let (age, kept) = (self.age().as_secs(), self.record.folder().display());
        format!(", {age} s after it was switched on\n{}\nserial line and pictures: {kept}", last.join("\n"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.ended() {
            let raw = self.record.folder().join("last.ppm");
            let _ = self.monitor.command("screendump", json!({ "filename": raw }));
            if let Some(dots) = fs::read(&raw).ok().and_then(|dots| png(&dots)) {
                let _ = fs::write(self.record.picture("last"), dots);
            }
            let _ = fs::remove_file(&raw);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
