//! What a machine is made of before it is switched on, and what QEMU calls each part of it.
//!
//! Everything is emulated (`-accel tcg`): the tests run where no processor lends itself to guests, and are as slow everywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anode_tests::Program;

use crate::host::TIMER;
use crate::machine::Machine;
use crate::record::Record;

/// What starts the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF that checks no signature.
    Uefi,
    /// OVMF with Microsoft's keys enrolled and enforced, its variables guarded by system management mode.
    SecureBoot,
    /// AAVMF, which is OVMF on another machine: arm64, whose serial line has another name. It has no screen here.
    Arm64,
}

/// How the machine sees the image that it starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium<'a> {
    /// In a drive for discs.
    Disc(&'a Path),
    /// On a USB stick. The machine writes to it, so the test gives a copy.
    Stick(&'a Path),
}

/// One network interface.
#[derive(Debug, Clone, Default)]
pub struct Network {
    backend: String,
    card: Option<String>,
    starts: bool,
    cut: bool,
}

impl Network {
    /// A network of its own behind an address translation: 10.0.2.2 inside is loopback outside.
    #[must_use]
    pub fn user() -> Network {
        Network { backend: "user".to_owned(), ..Network::default() }
    }

    /// The same, that has loopback at this address of 10.0.2.0/24: media know no site there.
    #[must_use]
    pub fn outside_at(address: &str) -> Network {
        Network { backend: format!("user,host={address}"), ..Network::default() }
    }

    /// The same, whose DHCP names a boot file.
    #[must_use]
    pub fn naming(boot_file: &str) -> Network {
        Network { backend: format!("user,bootfile={boot_file}"), ..Network::default() }
    }

    /// The same, that starts machines: its DHCP names a file of a folder, and its TFTP server has that folder.
    #[must_use]
    pub fn starting(folder: &Path, boot_file: &str) -> Network {
        Network {
            backend: format!("user,tftp={},bootfile={boot_file}", folder.display()),
            starts: true,
            ..Network::default()
        }
    }

    /// A switch inside the machine: everything that is plugged into it hears each other, tagged or not.
    #[must_use]
    pub fn switch() -> Network {
        Network { backend: "hubport,hubid=1".to_owned(), ..Network::default() }
    }

    /// At a backend of QEMU.
    pub(crate) fn at(backend: String) -> Network {
        Network { backend, ..Network::default() }
    }

    /// With this card instead of virtio's, in QEMU's name for it.
    #[must_use]
    pub fn card(mut self, name: &str) -> Network {
        self.card = Some(name.to_owned());
        self
    }

    /// Nothing is plugged in.
    #[must_use]
    pub fn without_link() -> Network {
        Network { cut: true, ..Network::user() }
    }
}

/// A machine that is being put together.
pub struct Hardware {
    pub(crate) record: Record,
    pub(crate) limit: Duration,
    firmware: Firmware,
    memory: u32,
    networks: Vec<Network>,
    pub(crate) restarts: bool,
    arguments: Vec<String>,
}

impl Hardware {
    /// A machine with BIOS, 1 GiB, one network and nothing to start from. `test` names the folder where its record is kept.
    #[must_use]
    pub fn new(test: &str) -> Hardware {
        Hardware {
            record: Record::new(test),
            limit: Duration::from_secs(600),
            firmware: Firmware::Bios,
            memory: 1024,
            networks: vec![Network::user()],
            restarts: false,
            arguments: Vec::new(),
        }
    }

    /// What starts it.
    #[must_use]
    pub fn firmware(mut self, firmware: Firmware) -> Hardware {
        self.firmware = firmware;
        self
    }

    /// Its memory in MiB.
    #[must_use]
    pub fn memory(mut self, megabytes: u32) -> Hardware {
        self.memory = megabytes;
        self
    }

    /// All of its network interfaces.
    #[must_use]
    pub fn networks(mut self, networks: &[Network]) -> Hardware {
        self.networks = networks.to_vec();
        self
    }

    /// What it starts from.
    #[must_use]
    pub fn medium(self, medium: Medium<'_>) -> Hardware {
        match medium {
            Medium::Disc(image) => {
                let drive = format!("if=none,id=medium,media=cdrom,readonly=on,format=raw,file={}", image.display());
                self.with(&["-drive", &drive, "-device", "ide-cd,drive=medium,bootindex=1"])
            }
            Medium::Stick(image) => {
                let drive = format!("if=none,id=medium,format=raw,cache=unsafe,file={}", image.display());
                let stick = "usb-storage,drive=medium,removable=on,bootindex=1";
                self.with(&["-drive", &drive, "-device", "qemu-xhci", "-device", stick])
            }
        }
    }

    /// A disk behind virtio, as a raw image.
    #[must_use]
    pub fn disk(self, image: &Path) -> Hardware {
        let drive = format!("if=none,id=disk,format=raw,cache=unsafe,file={}", image.display());
        self.with(&["-drive", &drive, "-device", "virtio-blk-pci,drive=disk,serial=ANODE-DISK-1,bootindex=2"])
    }

    /// What its clock shows when it is switched on, such as `1970-01-01T00:00:00`.
    #[must_use]
    pub fn clock(self, time: &str) -> Hardware {
        self.with(&["-rtc", &format!("base={time}")])
    }

    /// A kernel and an initrd that come from nowhere: QEMU puts them into memory.
    #[must_use]
    pub fn kernel(self, kernel: &Path, initrd: &Path, command_line: &str) -> Hardware {
        let (kernel, initrd) = (kernel.display().to_string(), initrd.display().to_string());
        self.with(&["-kernel", &kernel, "-initrd", &initrd, "-append", &format!("{TIMER} {command_line}")])
    }

    /// It starts anew when it is told to, which otherwise ends it.
    #[must_use]
    pub fn restarts(mut self) -> Hardware {
        self.restarts = true;
        self
    }

    /// How long it may run in all, on a machine of two processors that does nothing else. A limit is there to end what hangs: other machines have twice as long.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Hardware {
        self.limit = 2 * limit;
        self
    }

    /// Further arguments of QEMU.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Hardware {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Switches it on.
    ///
    /// # Panics
    /// If QEMU can not be started.
    #[must_use]
    pub fn power_on(self) -> Machine {
        Machine::start(self)
    }

    /// QEMU with everything; `monitor` is where its monitor listens. The program dies with the thread that starts it.
    pub(crate) fn program(&self, monitor: &Path) -> Program {
        let mut program = Program::new("setpriv").args(["--pdeathsig", "KILL", "--"]);
        program = program.args(match self.firmware {
            Firmware::Arm64 => ["qemu-system-aarch64", "-cpu", "cortex-a72", "-vga", "none"],
            _ => ["qemu-system-x86_64", "-cpu", "max", "-vga", "std"],
        });
        program = program.args(["-accel", "tcg", "-smp", "1", "-nodefaults", "-display", "none"]);
        program = program.args(if self.restarts { &[][..] } else { &["-no-reboot"] });
        program = program.args(["-m", &self.memory.to_string()]);
        program = program.args(["-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"]);
        program = program.args(["-qmp", &format!("unix:{},server=on,wait=off", monitor.display())]);
        program = program.args(self.firmware_arguments());
        for (number, network) in self.networks.iter().enumerate() {
            let order = match (network.starts, self.firmware) {
                (false, _) => "",
                (true, Firmware::Bios) => ",bootindex=0",
                // Without the card's own program: UEFI has a driver, and that iPXE tells shim the size of its buffer for that of a file.
                (true, _) => ",bootindex=0,romfile=",
            };
            let card = network.card.as_deref().unwrap_or("virtio-net-pci");
            let device = format!("{card},id=nic{number},netdev=net{number}{order}");
            program = program.args(["-netdev", &format!("{},id=net{number}", network.backend), "-device", &device]);
        }
        program.args(&self.arguments)
    }

    /// The interfaces that have no link.
    pub(crate) fn cut(&self) -> Vec<usize> {
        let cut = self.networks.iter().enumerate().filter(|(_, network)| network.cut);
        cut.map(|(number, _)| number).collect()
    }

    fn firmware_arguments(&self) -> Vec<String> {
        let (code, variables, machine, more) = match self.firmware {
            Firmware::Bios => return words("-machine pc"),
            Firmware::Uefi => ("OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd", "q35", ""),
            Firmware::Arm64 => ("AAVMF/AAVMF_CODE.fd", "AAVMF/AAVMF_VARS.fd", "virt", ""),
            Firmware::SecureBoot => (
                "OVMF/OVMF_CODE_4M.secboot.fd",
                "OVMF/OVMF_VARS_4M.ms.fd",
                "q35,smm=on",
                " -global driver=cfi.pflash01,property=secure,value=on",
            ),
        };
        let kept = self.record.folder().join("variables.fd");
        let fresh = Path::new("/usr/share").join(variables);
        let copied = fs::copy(&fresh, &kept);
        let _ = copied.unwrap_or_else(|error| panic!("copying {}: {error}; install its package", fresh.display()));
        let flash = "-drive if=pflash,unit=";
        words(&format!(
            "-machine {machine}{more} {flash}0,format=raw,readonly=on,file=/usr/share/{code} \
             {flash}1,format=raw,file={}",
            kept.display()
        ))
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// An empty disk of so many MiB; it takes no room until it is written to.
///
/// # Panics
/// If it can not be made.
#[must_use]
pub fn empty_disk(folder: &Path, megabytes: u64) -> PathBuf {
    let path = folder.join("disk.img");
    let file = fs::File::create(&path).unwrap_or_else(|error| panic!("making {}: {error}", path.display()));
    file.set_len(megabytes * 1024 * 1024).expect("the length of a disk");
    path
}
