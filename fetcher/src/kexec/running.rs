//! The kernel that runs this program, and the one call that the standard library and `rustix` do not have.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::Kernel;
use crate::error::Failure;

/// `/proc/meminfo` has some 60 lines.
const LIMIT: u64 = 64 << 10;

/// The running kernel.
#[derive(Debug, Clone, Copy, Default)]
pub struct Running;

impl Kernel for Running {
    fn check(&self) -> Result<(), Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure::hand_over("only root may load another kernel", "run this as root"));
        }
        let setting = |path: &str| crate::activate::read_limited(path.as_ref(), LIMIT).ok();
        if setting("/sys/kernel/kexec_loaded").is_none() {
            let remedy = "start this program from a medium, or use `--initrd` with a boot loader";
            return Err(Failure::hand_over("this kernel was built without kexec", remedy));
        }
        if setting("/proc/sys/kernel/kexec_load_disabled").is_some_and(|value| value.starts_with(b"1")) {
            let remedy =
                "`kernel.kexec_load_disabled` is 1 until the next boot: boot the medium, or set it to 0 before";
            return Err(Failure::hand_over("this kernel was told not to take another one", remedy));
        }
        Ok(())
    }

    fn free_memory(&self) -> Option<u64> {
        let text = crate::activate::read_limited("/proc/meminfo".as_ref(), LIMIT).ok()?;
        let text = String::from_utf8(text).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    }

    fn load(&mut self, kernel: &File, initrd: &File, command_line: &str) -> io::Result<()> {
        let line = CString::new(command_line)?;
        kexec_file_load(kernel, initrd, &line)
    }
}

/// kexec_file_load(2), without flags.
#[expect(unsafe_code, reason = "no crate wraps this call")]
fn kexec_file_load(kernel: &File, initrd: &File, line: &CString) -> io::Result<()> {
    // SAFETY: both descriptors are open for the whole call; the kernel reads `length` bytes of the line, its final zero among them.
    let length = line.as_bytes_with_nul().len();
    let answer = unsafe {
        libc::syscall(libc::SYS_kexec_file_load, kernel.as_raw_fd(), initrd.as_raw_fd(), length, line.as_ptr(), 0_u64)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
