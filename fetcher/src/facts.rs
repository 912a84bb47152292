//! What this machine is: hardware facts from sysfs and procfs, as JSON for `anode-fetch facts`, for choosing a disk and for binding a code to a machine.
//!
//! Nothing here needs a program or a library of the system. What can not be read is absent, never an error: half of these files need root, and
//! virtual machines leave most of them empty. Texts of the firmware are cleaned, because vendors write anything.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anode_bundle::hardware::{self, Fact, Known};
use anode_bundle::{Moment, display};
use serde::Serialize;

/// `/proc/cpuinfo` of a machine with a thousand threads stays below this.
const LIMIT: u64 = 4 << 20;
/// `/sys/block/*/size` counts these, whatever the disk's own sectors.
const SECTOR: u64 = 512;
/// Not disks: memory, images, optical drives, floppies, and the layers above disks.
const NOT_DISKS: [&str; 8] = ["loop", "ram", "zram", "sr", "dm-", "md", "fd", "nbd"];
/// Where the medium mounts what it was started from.
const MEDIUM: &str = "/run/anode/";
const SECURE_BOOT: &str = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// The facts. Serialised as one JSON object; a member that is unknown is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The machine as its firmware names it.
    pub system: System,
    /// The processor.
    pub cpu: Cpu,
    /// Usable memory in bytes.
    pub memory: Option<u64>,
    /// Disks that something can be installed on, by name.
    pub disks: Vec<Disk>,
    /// Network interfaces except loopback, by name.
    pub network: Vec<Interface>,
    /// How it was booted.
    pub firmware: Firmware,
    /// Whether Secure Boot is enforced; `null` without UEFI.
    pub secure_boot: Option<bool>,
    /// The clock chip's reading.
    pub rtc: Option<Moment>,
}

/// SMBIOS type 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct System {
    /// The system UUID in lower case, as Linux prints it.
    pub uuid: Option<String>,
    /// The serial number, trimmed.
    pub serial: Option<String>,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// What they call it.
    pub product: Option<String>,
}

/// The processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cpu {
    /// Its name.
    pub model: Option<String>,
    /// Physical cores.
    pub cores: usize,
    /// What the scheduler sees.
    pub threads: usize,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// The kernel's name.
    pub name: String,
    /// `/dev/…`
    pub path: String,
    /// Its model.
    pub model: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// A stick or card.
    pub removable: bool,
    /// Has platters.
    pub rotational: bool,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// The kernel's name.
    pub name: String,
    /// Its hardware address in lower case.
    pub mac: Option<String>,
    /// The kernel's driver.
    pub driver: Option<String>,
}

/// How the machine was booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// With UEFI services.
    Uefi,
    /// Without.
    Bios,
}

impl Facts {
    /// Reads the facts below `root`: `/` on a machine, a folder with a copy of sysfs in tests.
    #[must_use]
    pub fn read(root: &Path) -> Facts {
        let source = Source(root);
        let dmi = |name: &str| source.text(&format!("sys/class/dmi/id/{name}"));
        Facts {
            system: System {
                uuid: dmi("product_uuid").map(|uuid| uuid.to_ascii_lowercase()),
                serial: dmi("product_serial"),
                manufacturer: dmi("sys_vendor"),
                product: dmi("product_name"),
            },
            cpu: source.cpu(),
            memory: source.memory(),
            disks: source.disks(),
            network: source.names("sys/class/net").iter().filter_map(|name| source.interface(name)).collect(),
            firmware: if source.0.join("sys/firmware/efi").is_dir() { Firmware::Uefi } else { Firmware::Bios },
            secure_boot: source.secure_boot(),
            rtc: source.number("sys/class/rtc/rtc0/since_epoch").map(Moment::from_seconds),
        }
    }

    /// What profiles and codes may ask for. Fixed disks only: a stick is nothing to choose a profile by.
    #[must_use]
    pub fn hardware(&self) -> hardware::Facts {
        const GIB: u64 = 1 << 30;
        const GB: u64 = 1_000_000_000;
        let text = |text: &Option<String>| text.clone().map(Known::Text);
        let fixed = || self.disks.iter().filter(|disk| !disk.removable);
        let mac = self.network.iter().find_map(|interface| interface.mac.clone());
        let firmware = match self.firmware {
            Firmware::Uefi => "uefi",
            Firmware::Bios => "bios",
        };
        let known = [
            (Fact::Manufacturer, text(&self.system.manufacturer)),
            (Fact::Product, text(&self.system.product)),
            (Fact::Serial, text(&self.system.serial)),
            (Fact::Mac, mac.map(|mac| Known::Text(mac.replace(':', "")))),
            (Fact::Firmware, Some(Known::Text(firmware.to_owned()))),
            (Fact::Memory, self.memory.map(|bytes| Known::Number(bytes.div_ceil(GIB)))),
            (Fact::Cores, Some(Known::Number(self.cpu.cores as u64))),
            (Fact::Disks, Some(Known::Number(fixed().count() as u64))),
            (Fact::DiskSize, fixed().map(|disk| disk.size / GB).max().map(Known::Number)),
        ];
        hardware::Facts(known.into_iter().filter_map(|(fact, known)| Some((fact, known?))).collect())
    }

    /// One JSON object, indented.
    ///
    /// # Errors
    /// Never in practice: no member can fail to serialise.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

struct Source<'a>(&'a Path);

impl Source<'_> {
    fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.0.join(path)).ok()?.take(LIMIT).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// One cleaned line; an empty file says nothing.
    fn text(&self, path: &str) -> Option<String> {
        let text = display::line(&String::from_utf8_lossy(&self.bytes(path)?), 128);
        (!text.is_empty()).then_some(text)
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// The names in a folder, sorted so that `sda` comes before `sdb` and `sdb` before `sdaa`.
    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.0.join(folder)) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let sorted: BTreeSet<(usize, String)> = names.map(|name| (name.len(), name)).collect();
        sorted.into_iter().map(|(_, name)| name).collect()
    }

    fn cpu(&self) -> Cpu {
        let text = String::from_utf8_lossy(&self.bytes("proc/cpuinfo").unwrap_or_default()).into_owned();
        let values = |key: &'static str| {
            text.lines()
                .filter_map(move |line| line.split_once(':').filter(|(name, _)| name.trim() == key))
                .map(|(_, value)| value.trim())
        };
        let threads = values("processor").count();
        let distinct: BTreeSet<_> = values("physical id").zip(values("core id")).collect();
        let cores = if distinct.is_empty() { threads } else { distinct.len() };
        Cpu { model: values("model name").next().map(|model| display::line(model, 128)), cores, threads }
    }

    fn memory(&self) -> Option<u64> {
        let bytes = self.bytes("proc/meminfo")?;
        let text = String::from_utf8_lossy(&bytes);
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    /// Without the one that the medium was started from: nobody installs to it, and no code means it.
    fn disks(&self) -> Vec<Disk> {
        let mounts = self.bytes("proc/mounts").unwrap_or_default();
        let mounts = String::from_utf8_lossy(&mounts).into_owned();
        let medium: Vec<&str> = mounts
            .lines()
            .filter_map(|mount| mount.strip_prefix("/dev/")?.split_once(' '))
            .filter_map(|(device, place)| place.starts_with(MEDIUM).then_some(device))
            .collect();
        let is_medium = |name: &str| {
            medium.iter().any(|device| *device == name || self.0.join(format!("sys/block/{name}/{device}")).is_dir())
        };
        let names = self.names("sys/block");
        names.iter().filter(|name| !is_medium(name)).filter_map(|name| self.disk(name)).collect()
    }

    fn disk(&self, name: &str) -> Option<Disk> {
        let is_boot_partition = name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
        if is_boot_partition || NOT_DISKS.iter().any(|prefix| name.starts_with(prefix)) {
            return None;
        }
        let of = |file: &str| format!("sys/block/{name}/{file}");
        let size = self.number(&of("size"))?.checked_mul(SECTOR).filter(|size| *size > 0)?;
        Some(Disk {
            name: name.to_owned(),
            // sysfs writes `!` where the device's name has a `/`.
            path: format!("/dev/{}", name.replace('!', "/")),
            model: self.text(&of("device/model")).or_else(|| self.text(&of("device/name"))),
            size,
            removable: self.number(&of("removable")) == Some(1),
            rotational: self.number(&of("queue/rotational")) == Some(1),
        })
    }

    fn interface(&self, name: &str) -> Option<Interface> {
        let of = |file: &str| format!("sys/class/net/{name}/{file}");
        // 1 is Ethernet, wireless included (ARPHRD_ETHER); tunnels and loopback have other numbers.
        if name == "lo" || self.number(&of("type")).is_some_and(|kind| kind != 1) {
            return None;
        }
        let driver: Option<PathBuf> = std::fs::read_link(self.0.join(of("device/driver"))).ok();
        Some(Interface {
            name: name.to_owned(),
            mac: self.text(&of("address")).map(|mac| mac.to_ascii_lowercase()),
            driver: driver.and_then(|path| Some(path.file_name()?.to_str()?.to_owned())),
        })
    }

    /// An EFI variable: four bytes of attributes, then the value.
    fn secure_boot(&self) -> Option<bool> {
        self.bytes(SECURE_BOOT)?.get(4).map(|value| *value == 1)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Machine {
            Machine(tempfile::tempdir().unwrap())
        }

        fn with(self, path: &str, text: impl AsRef<[u8]>) -> Machine {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        fn facts(&self) -> Facts {
            Facts::read(self.0.path())
        }
    }

    #[test]
    fn a_machine_is_described() {
        let cpu = "processor\t: 0\nmodel name\t: Example CPU @ 3.00GHz\nphysical id\t: 0\ncore id\t: 0\n\n\
                   processor\t: 1\nmodel name\t: Example CPU @ 3.00GHz\nphysical id\t: 0\ncore id\t: 0\n";
        let machine = Machine::new()
            .with("sys/class/dmi/id/product_uuid", "4C4C4544-0042-3510-8052-B4C04F4A5931\n")
            .with("sys/class/dmi/id/product_serial", "  5B5RJY1 \n")
            .with("sys/class/dmi/id/sys_vendor", "Example Inc.\n")
            .with("sys/class/dmi/id/product_name", "Office\u{1b}[2J 7000\n")
            .with("proc/cpuinfo", cpu)
            .with("proc/meminfo", "MemTotal:       16314612 kB\nMemFree: 1 kB\n")
            .with("sys/block/nvme0n1/size", "1000215216\n")
            .with("sys/block/nvme0n1/device/model", "Fast Disk 512GB   \n")
            .with("sys/block/nvme0n1/removable", "0\n")
            .with("sys/block/nvme0n1/queue/rotational", "0\n")
            .with("sys/block/sda/size", "2048\n")
            .with("sys/block/sda/removable", "1\n")
            .with("sys/block/sda/queue/rotational", "1\n")
            .with("sys/class/net/lo/address", "00:00:00:00:00:00\n")
            .with("sys/class/net/eno1/address", "B4:45:06:00:00:01\n")
            .with("sys/class/net/eno1/type", "1\n")
            .with("sys/class/net/wg0/type", "65534\n")
            .with(SECURE_BOOT, [6, 0, 0, 0, 1])
            .with("sys/class/rtc/rtc0/since_epoch", "1800000000\n");
        fs::create_dir_all(machine.0.path().join("sys/class/net/eno1/device")).unwrap();
        symlink("../../bus/pci/drivers/e1000e", machine.0.path().join("sys/class/net/eno1/device/driver")).unwrap();

        let facts = machine.facts();
        assert_eq!(facts.system.uuid.as_deref(), Some("4c4c4544-0042-3510-8052-b4c04f4a5931"));
        assert_eq!(facts.system.serial.as_deref(), Some("5B5RJY1"));
        assert_eq!(facts.system.product.as_deref(), Some("Office[2J 7000"));
        assert_eq!(facts.cpu, Cpu { model: Some("Example CPU @ 3.00GHz".into()), cores: 1, threads: 2 });
        assert_eq!(facts.memory, Some(16_314_612 * 1024));
        let [sda, nvme] = facts.disks.as_slice() else { panic!("{:?}", facts.disks) };
        assert_eq!((sda.path.as_str(), sda.size, sda.removable, sda.rotational), ("/dev/sda", 1 << 20, true, true));
        assert_eq!((nvme.model.as_deref(), nvme.size), (Some("Fast Disk 512GB"), 1_000_215_216 * 512));
        let hardware = facts.hardware();
        for (fact, known) in [
            (Fact::Mac, Known::Text("b44506000001".into())),
            (Fact::Memory, Known::Number(16)),
            (Fact::Disks, Known::Number(1)),
            (Fact::DiskSize, Known::Number(512)),
            (Fact::Firmware, Known::Text("uefi".into())),
        ] {
            assert_eq!(hardware.get(fact), Some(&known), "{fact:?}");
        }
        let wanted =
            Interface { name: "eno1".into(), mac: Some("b4:45:06:00:00:01".into()), driver: Some("e1000e".into()) };
        assert_eq!(facts.network, [wanted]);
        assert_eq!((facts.firmware, facts.secure_boot), (Firmware::Uefi, Some(true)));
        assert_eq!(facts.rtc, Some(Moment::from_seconds(1_800_000_000)));
    }

    #[test]
    fn what_is_not_a_disk_is_not_offered() {
        let mut machine = Machine::new();
        for name in ["loop0", "ram0", "zram0", "sr0", "dm-0", "fd0", "mmcblk0boot0", "sdz"] {
            machine = machine.with(&format!("sys/block/{name}/size"), if name == "sdz" { "0\n" } else { "2048\n" });
        }
        machine = machine.with("sys/block/mmcblk0/size", "2048\n").with("sys/block/mmcblk0/device/name", "SD32G\n");
        let disks = machine.facts().disks;
        assert_eq!(disks.len(), 1);
        assert_eq!(disks[0].model.as_deref(), Some("SD32G"));
    }

    #[test]
    fn the_stick_that_the_machine_was_started_from_is_no_disk_to_install_to() {
        let started = |mounts: &str| {
            let machine = Machine::new()
                .with("sys/block/sda/size", "2048\n")
                .with("sys/block/sda/sda1/partition", "1\n")
                .with("sys/block/sdaa/size", "2048\n")
                .with("sys/block/sdb/size", "2048\n")
                .with("sys/block/sdb/sdb3/partition", "3\n")
                .with("proc/mounts", mounts);
            machine.facts().disks.iter().map(|disk| disk.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(started("proc /proc proc rw 0 0\n/dev/sda1 /mnt ext4 rw 0 0\n"), ["sda", "sdb", "sdaa"]);
        assert_eq!(started("/dev/sdb1 /run/anode/medium iso9660 ro 0 0\n"), ["sda", "sdb", "sdaa"]);
        assert_eq!(started("/dev/sdb3 /run/anode/data vfat ro 0 0\n"), ["sda", "sdaa"]);
        assert_eq!(started("/dev/sda /run/anode/medium iso9660 ro 0 0\n"), ["sdb", "sdaa"]);
    }

    #[test]
    fn an_empty_machine_is_described_without_an_error() {
        let facts = Machine::new().facts();
        assert_eq!((facts.firmware, facts.secure_boot, facts.memory), (Firmware::Bios, None, None));
        let json: serde_json::Value = serde_json::from_str(&facts.to_json().unwrap()).unwrap();
        assert_eq!(json["system"]["uuid"], serde_json::Value::Null);
        assert_eq!(json["firmware"], "bios");
        assert_eq!(json["disks"], serde_json::json!([]));
    }

    #[test]
    fn nonsense_in_sysfs_is_absent() {
        let machine = Machine::new()
            .with("sys/block/sda/size", "18446744073709551615\n")
            .with("sys/block/sdb/size", "many\n")
            .with("proc/meminfo", "MemTotal: lots kB\n")
            .with("sys/class/dmi/id/product_uuid", [0xFF, 0xFE, b'\n']);
        let facts = machine.facts();
        assert!(facts.disks.is_empty());
        assert_eq!(facts.memory, None);
    }
}
