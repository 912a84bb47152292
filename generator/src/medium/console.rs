//! Where a medium speaks: a console as the kernel names it. The menu, the kernel and the medium's programs have to agree on it, and a machine whose medium
//! speaks to a console that does not exist shows nothing at all: so only what they all know is taken.

use anyhow::{Result, bail, ensure};

/// What GRUB's serial driver can be set to; the kernel takes more.
const RATES: [u32; 8] = [1200, 2400, 4800, 9600, 19200, 38400, 57600, 115_200];
/// Of a line that nobody gave one.
const USUAL_RATE: u32 = 115_200;
/// GRUB finds the first four lines of a PC by their numbers.
const UNITS: u32 = 4;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// `tty0`: a screen.
    Screen(u32),
    /// `ttyS0`: a serial line of a PC, with its rate.
    Serial(u32, u32),
    /// `ttyAMA0`: a serial line of an ARM machine, with its rate.
    Pl011(u32, u32),
    /// `hvc0`: of a hypervisor.
    Hypervisor(u32),
}

impl Console {
    /// As a person writes it: `tty0`, `ttyS1,57600`, `hvc0`.
    ///
    /// # Errors
    /// If it is none that can be spoken to, with those that can.
    pub fn parse(text: &str) -> Result<Console> {
        let (name, rate) = text.split_once(',').map_or((text, None), |(name, rate)| (name, Some(rate)));
        let number = |kind: &str| {
            let digits = name.strip_prefix(kind)?;
            let is_plain = digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            (is_plain && (digits == "0" || !digits.starts_with('0'))).then(|| digits.parse().ok())?
        };
        if let Some(line) = number("ttyS") {
            return Ok(Console::Serial(line, read_rate(text, rate)?));
        }
        if let Some(line) = number("ttyAMA") {
            return Ok(Console::Pl011(line, read_rate(text, rate)?));
        }
        // Of screens, the kernel has 63, and `tty0` is the one that is seen.
        let screen = number("tty").filter(|number| *number < 64);
        let found = screen.map(Console::Screen).or_else(|| number("hvc").map(Console::Hypervisor));
        let Some(found) = found else {
            bail!(
                "`--console {text}` is no console that a medium can speak to: give `tty0` (the screen), `ttyS0` to `ttyS99` \
                 or `ttyAMA0` with or without a rate (`ttyS1,57600`), or `hvc0`"
            )
        };
        ensure!(rate.is_none(), "`--console {text}` has a rate, and only serial lines have one: give `{name}`");
        Ok(found)
    }

    /// `ttyS0`
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Console::Screen(number) => format!("tty{number}"),
            Console::Serial(number, _) => format!("ttyS{number}"),
            Console::Pl011(number, _) => format!("ttyAMA{number}"),
            Console::Hypervisor(number) => format!("hvc{number}"),
        }
    }

    /// As the kernel takes it: `ttyS0,115200`.
    #[must_use]
    pub fn argument(self) -> String {
        match self {
            Console::Serial(_, rate) | Console::Pl011(_, rate) => format!("{},{rate}", self.name()),
            Console::Screen(_) | Console::Hypervisor(_) => self.name(),
        }
    }

    /// Is it a screen?
    #[must_use]
    pub const fn is_screen(self) -> bool {
        matches!(self, Console::Screen(_))
    }

    /// The line that GRUB's menu speaks on as well, and its rate. An ARM machine's firmware does that by itself.
    #[must_use]
    pub const fn unit(self) -> Option<(u32, u32)> {
        match self {
            Console::Serial(number, rate) if number < UNITS => Some((number, rate)),
            _ => None,
        }
    }
}

fn read_rate(text: &str, rate: Option<&str>) -> Result<u32> {
    let Some(rate) = rate else { return Ok(USUAL_RATE) };
    // Eight bits without parity are what everything here speaks: many write it.
    let number = rate.strip_suffix("n8").unwrap_or(rate);
    let known = RATES.into_iter().find(|known| known.to_string() == number);
    let Some(known) = known else {
        let rates: Vec<_> = RATES.iter().map(u32::to_string).collect();
        bail!("`--console {text}` has no rate that menu and kernel both know: give one of {}", rates.join(", "))
    };
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_one_that_menu_kernel_and_medium_know() {
        let read = |text| Console::parse(text).unwrap();
        for (text, argument, unit) in [
            ("tty0", "tty0", None),
            ("ttyS0", "ttyS0,115200", Some((0, 115_200))),
            ("ttyS1,57600", "ttyS1,57600", Some((1, 57600))),
            ("ttyS3,115200n8", "ttyS3,115200", Some((3, 115_200))),
            ("ttyS4", "ttyS4,115200", None),
            ("ttyAMA0", "ttyAMA0,115200", None),
            ("hvc0", "hvc0", None),
        ] {
            assert_eq!((read(text).argument().as_str(), read(text).unit()), (argument, unit), "{text}");
            assert_eq!(argument.split(',').next(), Some(read(text).name().as_str()));
        }
        assert!(read("tty0").is_screen() && !read("ttyS0").is_screen() && !read("hvc0").is_screen());
    }

    #[test]
    fn whatever_a_machine_would_stay_dark_with_is_refused_with_what_can_be_given() {
        for text in [
            "nonsense",
            "",
            "ttyS",
            "ttyS01",
            "ttyS100",
            "tty",
            "tty64",
            "tty-1",
            "ttyUSB0",
            "hvc",
            "tty0 init=/bin/sh",
        ] {
            let refusal = Console::parse(text).unwrap_err().to_string();
            assert!(refusal.contains("is no console that a medium can speak to: give `tty0`"), "{refusal}");
        }
        for text in ["ttyS9,abc", "ttyS0,", "ttyS0,0", "ttyS0,230400", "ttyS0,115200,1", "ttyS0,115200e7"] {
            let refusal = Console::parse(text).unwrap_err().to_string();
            assert!(refusal.contains("give one of 1200, 2400") && refusal.ends_with("115200"), "{refusal}");
        }
        let refusal = Console::parse("tty0,9600").unwrap_err().to_string();
        assert_eq!(refusal, "`--console tty0,9600` has a rate, and only serial lines have one: give `tty0`");
    }
}
