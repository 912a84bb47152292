//! The real machine.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use anode_bundle::Moment;

use crate::cli::Host;
use crate::console::{Standard, Terminal};
use crate::facts::Facts;
use crate::kexec::{Kernel, Running};

/// Standard streams, the system's clock, sysfs.
#[derive(Debug, Default)]
pub struct ThisMachine {
    terminal: Standard,
}

impl Host for ThisMachine {
    fn terminal(&mut self) -> &mut dyn Terminal {
        &mut self.terminal
    }

    fn print(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn clock(&self) -> Moment {
        // Before 1970 a clock is as dead as in 1970.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Moment::from_seconds(since.as_secs())
    }

    fn facts(&self) -> Facts {
        Facts::read(Path::new("/"))
    }

    fn kernel(&self) -> Box<dyn Kernel> {
        Box::new(Running)
    }

    fn locale(&self) -> Option<String> {
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(std::env::var_os);
        set.filter(|value| value != OsStr::new("")).find_map(|value| value.into_string().ok())
    }
}
