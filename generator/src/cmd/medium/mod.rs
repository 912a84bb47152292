//! `anode medium`: the boot medium, made from pinned packages.

mod forewarn;
mod iso;
mod lock;
mod netboot;
mod refresh;
mod usb;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Pin the distribution's packages that a medium is made of
    Lock(lock::Options),
    /// Write an image that boots as a disc and as a stick
    Iso(Box<iso::Options>),
    /// Write a folder from which machines boot over the network
    Netboot(Box<netboot::Options>),
    /// Write an image to a stick; everything on it is lost
    Usb(usb::Options),
    /// Bring the copy of the site on a stick up to date
    Refresh(refresh::Options),
}

pub(super) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Lock(options) => lock::run(options),
        Command::Iso(options) => iso::run(options),
        Command::Netboot(options) => netboot::run(options),
        Command::Usb(options) => usb::run(options),
        Command::Refresh(options) => refresh::run(options),
    }
}
