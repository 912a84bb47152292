//! The kernel that runs this program, and the one call that the standard library and `rustix` do not have.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::Kernel;
use crate::error::Failure;

/// `/proc/meminfo` has some 60 lines.
const LIMIT: u64 = 64 << 10;
/// Every hash that the firmware revoked is a line of 128 bytes in `/proc/keys`.
const KEYS_LIMIT: u64 = 16 << 20;

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

    fn is_locked_down(&self) -> bool {
        // `[none] integrity confidentiality`; a kernel without the file has no lockdown.
        let state = crate::activate::read_limited("/sys/kernel/security/lockdown".as_ref(), LIMIT);
        state.is_ok_and(|state| !state.starts_with(b"[none]"))
    }

    fn trusts(&self, key: &str) -> Option<bool> {
        let keys = crate::activate::read_limited("/proc/keys".as_ref(), KEYS_LIMIT).ok()?;
        Some(is_listed(&String::from_utf8_lossy(&keys), key))
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

/// `… asymmetri NAME: IDENTIFIER: X509.rsa …` in `/proc/keys` (keyrings(7)).
fn is_listed(keys: &str, key: &str) -> bool {
    let wanted = format!(": {key}: X509.");
    !key.is_empty() && keys.lines().any(|line| line.contains(" asymmetri ") && line.contains(&wanted))
}

/// The crate has no number of it for 64-bit ARM with musl (`arch/arm64`, `include/uapi/asm-generic/unistd.h` of Linux).
#[cfg(target_arch = "aarch64")]
const KEXEC_FILE_LOAD: libc::c_long = 294;
#[cfg(not(target_arch = "aarch64"))]
const KEXEC_FILE_LOAD: libc::c_long = libc::SYS_kexec_file_load;

/// kexec_file_load(2), without flags.
#[expect(unsafe_code, reason = "no crate wraps this call")]
fn kexec_file_load(kernel: &File, initrd: &File, line: &CString) -> io::Result<()> {
    // SAFETY: both descriptors are open for the whole call; the kernel reads `length` bytes of the line, its final zero among them.
    let length = line.as_bytes_with_nul().len();
    let answer =
        unsafe { libc::syscall(KEXEC_FILE_LOAD, kernel.as_raw_fd(), initrd.as_raw_fd(), length, line.as_ptr(), 0_u64) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::is_listed;

    #[test]
    fn a_key_is_trusted_where_the_kernel_lists_its_whole_identifier() {
        let keys = "\
014fb1f1 I------     1 perm 1f030000     0     0 asymmetri Debian Secure Boot CA: 6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1: X509.rsa bb419ea1 []
1a0b9f51 I------     1 perm 1f0b0000     0     0 blacklist bin:80b4d96931bf0d02fd91a61e19d14f1da452e66db2408ca8604d411f92659f0a
2b9e5c1d I--Q---     1 perm 1f3f0000     0 65534 keyring   : 14011249c2675ea8e5148542202005810584b25f: X509.: empty
";
        assert!(is_listed(keys, "6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1"));
        for other in ["", "bb419ea1", "6ccece7e", "14011249c2675ea8e5148542202005810584b25f"] {
            assert!(!is_listed(keys, other), "{other}");
        }
    }
}
