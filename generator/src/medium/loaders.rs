//! What starts the kernel: shim and GRUB as the distribution signed them, the image that a BIOS starts, and their menu.
//!
//! Under Secure Boot the signed GRUB reads a menu that nobody signed: it can name another kernel and another command line, and nothing that is not signed
//! by a key the machine trusts. What the medium believes of its site lies in the initramfs, and everything that comes over the network is verified there.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::Architecture;
use super::console::Console;
use super::deb::Deb;
use super::host::Tool;

const BIOS_FOLDER: &str = "usr/lib/grub/i386-pc/";

/// What the image for a BIOS can do by itself: nothing is loaded later.
const BIOS_MODULES: [&str; 27] = [
    "biosdisk",
    "iso9660",
    "part_msdos",
    "part_gpt",
    "fat",
    "normal",
    "configfile",
    "linux",
    "search",
    "search_fs_file",
    "search_label",
    "echo",
    "test",
    "true",
    "ls",
    "cat",
    "sleep",
    "reboot",
    "halt",
    "serial",
    "terminal",
    "all_video",
    "vbe",
    "gfxterm",
    "gfxterm_background",
    "png",
    "loadenv",
];

/// The same for a BIOS that loads over its network card.
const NETWORK_MODULES: [&str; 16] = [
    "pxe",
    "tftp",
    "net",
    "normal",
    "configfile",
    "linux",
    "echo",
    "test",
    "true",
    "ls",
    "cat",
    "sleep",
    "reboot",
    "serial",
    "terminal",
    "all_video",
];

/// `boot/grub/loopback.cfg`: the medium's entries, for a menu of several systems that starts the image as a file. By the custom of such menus
/// `$iso_path` is the file's path on its partition; the running medium finds itself by it.
pub const AS_A_FILE: &str = "\
if [ -n \"$iso_path\" ]; then
    set anode_image=\"iso-scan/filename=$iso_path\"
    export anode_image
fi
source /boot/grub/entries.cfg
";

/// Files of one architecture that a UEFI starts, by their names in `EFI/BOOT`.
pub struct Efi {
    /// `BOOTX64.EFI`: shim.
    pub first: (&'static str, Vec<u8>),
    /// `grubx64.efi`: the flavour of GRUB that reads its menu from the medium.
    pub second: (&'static str, Vec<u8>),
    /// The folder in which that GRUB looks first.
    pub platform: &'static str,
}

/// What a BIOS starts.
pub struct Bios {
    /// For a disc, without emulation.
    pub disc: Vec<u8>,
    /// The first sector of a stick.
    pub sector: Vec<u8>,
}

impl Efi {
    /// From `shim-signed` and `grub-efi-…-signed`.
    ///
    /// # Errors
    /// If a package does not have its file.
    pub fn read(architecture: Architecture, shim: &mut Deb, grub: &mut Deb) -> Result<Efi> {
        let (first, second) = signed(architecture, shim, grub, "gcd")?;
        let (names, platform) = match architecture {
            Architecture::Amd64 => (("BOOTX64.EFI", "grubx64.efi"), "x86_64-efi"),
            Architecture::Arm64 => (("BOOTAA64.EFI", "grubaa64.efi"), "arm64-efi"),
        };
        Ok(Efi { first: (names.0, first), second: (names.1, second), platform })
    }
}

/// shim and one flavour of GRUB, as the distribution signed them.
fn signed(architecture: Architecture, shim: &mut Deb, grub: &mut Deb, flavour: &str) -> Result<(Vec<u8>, Vec<u8>)> {
    let (short, platform) = match architecture {
        Architecture::Amd64 => ("x64", "x86_64-efi"),
        Architecture::Arm64 => ("aa64", "arm64-efi"),
    };
    let first = shim.read(&format!("usr/lib/shim/shim{short}.efi.signed")).context("reading `shim-signed`")?;
    let second = grub.read(&format!("usr/lib/grub/{platform}-signed/{flavour}{short}.efi.signed"));
    Ok((first, second.context("reading the signed GRUB")?))
}

impl Bios {
    /// From `grub-pc-bin`. `marker` is a file that this medium has and no other.
    ///
    /// # Errors
    /// If the package has other files, or `grub-mkimage` fails.
    pub fn make(grub: &mut Deb, marker: &str) -> Result<Bios> {
        let early =
            format!("search --no-floppy --set=root --hint=$root --file {marker}\nset prefix=($root)/boot/grub\n");
        let disc = bios_image(grub, "i386-pc-eltorito", "/boot/grub", &early, &BIOS_MODULES)?;
        Ok(Bios { disc, sector: grub.read(&format!("{BIOS_FOLDER}boot_hybrid.img"))? })
    }
}

/// What a BIOS loads over its network card, from `grub-pc-bin`. It knows its server: a proxy DHCP server can not tell it.
///
/// # Errors
/// If the package has other files, or `grub-mkimage` fails.
pub fn network_bios(grub: &mut Deb, server: Ipv4Addr) -> Result<Vec<u8>> {
    let prefix = format!("(tftp,{server})/grub");
    let early = format!("set root=(tftp,{server})\nset prefix={prefix}\n");
    bios_image(grub, "i386-pc-pxe", &prefix, &early, &NETWORK_MODULES)
}

/// An image of GRUB with all that it will ever need.
fn bios_image(grub: &mut Deb, format: &str, prefix: &str, early: &str, modules: &[&str]) -> Result<Vec<u8>> {
    let scratch = tempfile::tempdir().context("making a temporary folder")?;
    let files: Vec<String> = grub.paths().filter(|path| path.starts_with(BIOS_FOLDER)).map(str::to_owned).collect();
    ensure!(!files.is_empty(), "the package `grub-pc-bin` has no `{BIOS_FOLDER}`");
    for file in &files {
        let name = file.strip_prefix(BIOS_FOLDER).unwrap_or(file);
        ensure!(!name.contains('/'), "the package `grub-pc-bin` has a folder in `{BIOS_FOLDER}`");
        fs::write(scratch.path().join(name), grub.read(file)?).context("writing a temporary file")?;
    }
    let (configuration, image) = (scratch.path().join("anode.cfg"), scratch.path().join("anode.img"));
    fs::write(&configuration, early).context("writing a temporary file")?;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut arguments = ["-O", format, "-p", prefix, "-d"].map(str::to_owned).to_vec();
    arguments.extend([path(scratch.path()), "-c".to_owned(), path(&configuration), "-o".to_owned(), path(&image)]);
    arguments.extend(modules.iter().map(|module| (*module).to_owned()));
    Tool::GrubMkimage.run(&arguments, None)?;
    fs::read(&image).context("reading what `grub-mkimage` wrote")
}

/// Files of one architecture that a UEFI loads over its network card.
pub struct NetworkEfi {
    /// `shimx64.efi`
    pub first: (&'static str, Vec<u8>),
    /// `grubx64.efi`: the flavour of GRUB that reads its menu over TFTP; shim asks for this name.
    pub second: (&'static str, Vec<u8>),
}

impl NetworkEfi {
    /// From `shim-signed` and `grub-efi-…-signed`.
    ///
    /// # Errors
    /// If a package does not have its file.
    pub fn read(architecture: Architecture, shim: &mut Deb, grub: &mut Deb) -> Result<NetworkEfi> {
        let (first, second) = signed(architecture, shim, grub, "grubnet")?;
        let names = match architecture {
            Architecture::Amd64 => ("shimx64.efi", "grubx64.efi"),
            Architecture::Arm64 => ("shimaa64.efi", "grubaa64.efi"),
        };
        Ok(NetworkEfi { first: (names.0, first), second: (names.1, second) })
    }
}

/// What a menu says.
pub struct Menu<'a> {
    /// `de`, `en`
    pub language: &'a str,
    /// The site.
    pub title: &'a str,
    /// Where kernel and menu speak.
    pub consoles: &'a [Console],
    /// A file that this medium has and no other.
    pub marker: &'a str,
    /// Is there a picture, `/boot/grub/splash.png`, with its font beside it?
    pub splash: Splash,
}

/// Is there a picture behind the menu?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splash {
    /// None: a menu of letters.
    Absent,
    /// One.
    Present,
}

impl Menu<'_> {
    /// The kernel's command line, the same in every entry.
    #[must_use]
    pub fn command_line(&self) -> String {
        // The kernel gives its own messages to all of them and takes the last for /dev/console: a screen, where there is one.
        let (screens, lines): (Vec<&Console>, Vec<&Console>) =
            self.consoles.iter().partition(|console| console.is_screen());
        let all = lines.into_iter().chain(screens);
        let consoles: Vec<_> = all.map(|console| format!("console={}", console.argument())).collect();
        format!("quiet {}", consoles.join(" "))
    }

    /// The entries, which a menu of several systems can read too.
    #[must_use]
    pub fn entries(&self) -> String {
        let [install, safe, leave] = match self.language {
            "de" => ["Installieren", "Installieren, einfache Grafik", "Neu starten"],
            _ => ["Install", "Install, safe graphics", "Restart"],
        };
        let title = plain(self.title);
        let line = self.command_line();
        let entry = |name: &str, more: &str| {
            format!(
                "menuentry '{name}: {title}' {{\n    linux /boot/vmlinuz {line}{more} $anode_image\n    initrd /boot/initrd.img\n}}\n"
            )
        };
        let restart = format!("menuentry '{leave}' {{\n    reboot\n}}\n");
        [entry(install, ""), entry(safe, " nomodeset"), restart].concat()
    }

    /// `boot/grub/grub.cfg`: finds the medium, speaks on a screen and a serial line at once, and starts after a moment.
    #[must_use]
    pub fn main(&self) -> String {
        let marker = self.marker;
        let screen = match self.splash {
            Splash::Absent => "set screen=console\n".to_owned(),
            Splash::Present => "\
set screen=console
if loadfont /boot/grub/font.pf2; then
    insmod all_video
    insmod gfxterm
    insmod png
    set gfxmode=auto
    set screen=gfxterm
fi
"
            .to_owned(),
        };
        let picture = match self.splash {
            Splash::Absent => "",
            Splash::Present => "background_image /boot/grub/splash.png\n",
        };
        let speak = self.speak();
        format!(
            "\
search --no-floppy --set=root --hint=$root --file {marker}
set prefix=($root)/boot/grub
{screen}{speak}{picture}set default=0
set timeout=5
source /boot/grub/entries.cfg
"
        )
    }

    /// Shows the menu on `$screen` and, where there is one, on the first serial line at once.
    #[must_use]
    pub fn speak(&self) -> String {
        let Some((unit, rate)) = self.consoles.iter().find_map(|console| console.unit()) else {
            return "terminal_output $screen\n".to_owned();
        };
        format!(
            "\
if serial --unit={unit} --speed={rate}; then
    terminal_input console serial
    terminal_output $screen serial
else
    terminal_output $screen
fi
"
        )
    }

    /// Where the signed GRUB looks first.
    #[must_use]
    pub fn platform(&self) -> String {
        format!(
            "search --no-floppy --set=root --hint=$root --file {}\nset prefix=($root)/boot/grub\nsource /boot/grub/grub.cfg\n",
            self.marker
        )
    }
}

/// What GRUB's own language takes between two quotes, and a serial line shows: ASCII, and none of its quotes.
pub(super) fn plain(title: &str) -> String {
    let letter = |letter: char| match letter {
        'ä' => "ae".to_owned(),
        'ö' => "oe".to_owned(),
        'ü' => "ue".to_owned(),
        'Ä' => "Ae".to_owned(),
        'Ö' => "Oe".to_owned(),
        'Ü' => "Ue".to_owned(),
        'ß' => "ss".to_owned(),
        '\'' | '\\' | '$' | '"' | '`' => String::new(),
        ' '..='~' => letter.to_string(),
        _ => "?".to_owned(),
    };
    title.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu<'a>(title: &'a str, consoles: &'a [Console]) -> Menu<'a> {
        Menu { language: "de", title, consoles, marker: "/.disk/x", splash: Splash::Absent }
    }

    #[test]
    fn a_hostile_title_stays_between_its_quotes_and_on_its_line() {
        let title = "Schule' { halt }\n$(x)\u{1b}[2J\\\"`Müller";
        let entries = menu(title, &[Console::Screen(0)]).entries();
        let first = entries.lines().next().unwrap();
        assert_eq!(first, "menuentry 'Installieren: Schule { halt }?(x)?[2JMueller' {");
        assert_eq!(entries.lines().filter(|line| line.starts_with("menuentry")).count(), 3);
        assert!(entries.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
    }

    #[test]
    fn the_screen_is_the_kernels_own_console_whatever_the_order() {
        let consoles = [Console::Screen(0), Console::Serial(0, 115_200), Console::Hypervisor(0)];
        let line = menu("x", &consoles).command_line();
        assert_eq!(line, "quiet console=ttyS0,115200 console=hvc0 console=tty0");
    }

    #[test]
    fn the_menu_speaks_on_the_line_and_at_the_rate_of_the_kernel() {
        let speak = |consoles: &[Console]| menu("x", consoles).speak();
        let text = speak(&[Console::Screen(0), Console::Serial(1, 57600), Console::Serial(0, 9600)]);
        assert!(text.starts_with("if serial --unit=1 --speed=57600; then\n"), "{text}");
        for none in [Console::Pl011(0, 115_200), Console::Hypervisor(0), Console::Serial(4, 9600)] {
            assert_eq!(speak(&[none]), "terminal_output $screen\n");
        }
    }

    #[test]
    fn no_entry_offers_a_shell() {
        let consoles = [Console::Screen(0)];
        let menu = menu("x", &consoles);
        for text in [menu.main(), menu.entries(), menu.platform()] {
            assert!(!text.contains("anode.shell"), "{text}");
        }
    }
}
