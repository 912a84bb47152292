//! Programs of the machine that makes a medium, where no crate does the job as well: what writes the disc image, the small FAT in it, and GRUB's image.

use std::path::Path;
use std::process::{Command, Stdio};

use anode_bundle::Moment;
use anyhow::{Context as _, Result, bail, ensure};

use super::Architecture;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Writes ISO 9660.
    Xorriso,
    /// Makes a FAT.
    Mformat,
    /// Makes folders in it.
    Mmd,
    /// Copies files into it.
    Mcopy,
    /// Makes the image that a BIOS starts.
    GrubMkimage,
}

impl Tool {
    const fn name(self) -> &'static str {
        match self {
            Tool::Xorriso => "xorriso",
            Tool::Mformat => "mformat",
            Tool::Mmd => "mmd",
            Tool::Mcopy => "mcopy",
            Tool::GrubMkimage => "grub-mkimage",
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Tool::Xorriso => "xorriso",
            Tool::Mformat | Tool::Mmd | Tool::Mcopy => "mtools",
            Tool::GrubMkimage => "grub-common",
        }
    }

    /// Runs it with nothing of the environment but the path. With a moment, everything that it dates has that date.
    ///
    /// # Errors
    /// If it is missing or fails; with what it said.
    pub fn run(self, arguments: &[String], date: Option<Moment>) -> Result<()> {
        let mut command = Command::new(self.name());
        command.args(arguments).env_clear().env("LC_ALL", "C.UTF-8").env("TZ", "UTC0").env("MTOOLSRC", "/dev/null");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if let Some(date) = date {
            command.env("SOURCE_DATE_EPOCH", date.seconds().to_string());
        }
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("running `{}`", self.name()))?;
        if output.status.success() {
            return Ok(());
        }
        bail!("`{}` failed: {}", self.name(), complaint(&String::from_utf8_lossy(&output.stderr)));
    }
}

/// The last lines of what a program said, without those in which `xorriso` tells what it does.
fn complaint(said: &str) -> String {
    let is_talk = |line: &str| [" : NOTE : ", " : UPDATE : "].iter().any(|kind| line.contains(kind));
    let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty() && !is_talk(line)).collect();
    let last = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default().join("; ");
    anode_bundle::display::line(&last, 600)
}

/// Are all there that make a medium for this architecture?
///
/// # Errors
/// Every one that is missing, with the package that has it.
pub fn check(architecture: Architecture) -> Result<()> {
    let mut needed = vec![Tool::Xorriso, Tool::Mformat, Tool::Mmd, Tool::Mcopy];
    needed.extend((architecture == Architecture::Amd64).then_some(Tool::GrubMkimage));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |tool: &Tool| std::env::split_paths(&path).any(|folder| is_program(&folder.join(tool.name())));
    needed.retain(|tool| !there(tool));
    let names: Vec<_> = needed.iter().map(|tool| format!("`{}`", tool.name())).collect();
    let mut packages: Vec<_> = needed.iter().map(|tool| tool.package()).collect();
    packages.dedup();
    ensure!(
        needed.is_empty(),
        "{} {} missing: install {} (Debian, Ubuntu: `apt-get install {}`)",
        names.join(", "),
        if needed.len() == 1 { "is" } else { "are" },
        packages.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        packages.join(" ")
    );
    Ok(())
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|status| status.is_file() && status.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_program_said_only_what_is_wrong_is_repeated() {
        let said = "\
xorriso : NOTE : Environment variable SOURCE_DATE_EPOCH encountered with value 1795000000
xorriso : UPDATE : 12.50% done

xorriso : FATAL : -outdev: Cannot obtain drive
";
        assert_eq!(complaint(said), "xorriso : FATAL : -outdev: Cannot obtain drive");
    }
}
