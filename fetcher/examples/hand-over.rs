//! `anode-fetch` with everything but its last system call, for `ci/bench-medium`: what it would give to the running kernel is read once, as the kernel
//! reads it, and thrown away. Says on standard error how long it took.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Instant;

use anode_bundle::Moment;
use anode_fetch::cli::{self, Host};
use anode_fetch::console::Terminal;
use anode_fetch::error::Failure;
use anode_fetch::facts::Facts;
use anode_fetch::host::ThisMachine;
use anode_fetch::kexec::Kernel;

static BEGAN: OnceLock<Instant> = OnceLock::new();
static AGREED: OnceLock<Instant> = OnceLock::new();

fn main() -> ExitCode {
    let _ = BEGAN.set(Instant::now());
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    ExitCode::from(cli::run(&mut Measured(ThisMachine::default()), arguments).number())
}

/// This machine, but for its kernel.
struct Measured(ThisMachine);

impl Host for Measured {
    fn terminal(&mut self) -> &mut dyn Terminal {
        self.0.terminal()
    }

    fn print(&mut self, text: &str) -> io::Result<()> {
        self.0.print(text)
    }

    fn clock(&self) -> Moment {
        self.0.clock()
    }

    fn facts(&self) -> Facts {
        self.0.facts()
    }

    fn locale(&self) -> Option<String> {
        self.0.locale()
    }

    fn kernel(&self) -> Box<dyn Kernel> {
        Box::new(Paper)
    }
}

/// Bytes that go nowhere, but through a buffer.
struct Memory;

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(std::hint::black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes everything and starts nothing.
struct Paper;

impl Kernel for Paper {
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn is_locked_down(&self) -> bool {
        false
    }

    fn trusts(&self, _: &str) -> Option<bool> {
        None
    }

    /// The first thing that is asked for behind the last question.
    fn free_memory(&self) -> Option<u64> {
        let _ = AGREED.set(Instant::now());
        None
    }

    fn load(&mut self, mut kernel: &File, mut initrd: &File, _: &str) -> io::Result<()> {
        // They were read back before; the kernel reads from the beginning.
        kernel.rewind()?;
        initrd.rewind()?;
        let bytes = io::copy(&mut kernel, &mut Memory)? + io::copy(&mut initrd, &mut Memory)?;
        let since = |moment: &OnceLock<Instant>| moment.get().map_or(0.0, |moment| moment.elapsed().as_secs_f64());
        eprintln!("kexec: {bytes} {:.3} {:.3}", since(&BEGAN), since(&AGREED));
        Ok(())
    }
}
