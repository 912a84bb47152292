//! `anode medium netboot`: the folder that a TFTP server and a web server serve.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;

use super::iso::Making;
use crate::cmd::{print, say, size};
use crate::medium::host;
use crate::medium::initramfs::compose;
use crate::medium::netboot::dnsmasq::{Addresses, Service, check_address};
use crate::medium::netboot::{Folder, Netboot, check_folder, profiles, write};

#[derive(Args)]
pub(in crate::cmd) struct Options {
    /// The folder to write; nothing is ever overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The address of the machine that serves the folder, as booting machines reach it
    #[arg(long, value_name = "ADDRESS")]
    server: Ipv4Addr,
    /// Where the folder will lie there [default: where it is written]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The web address of the folder, for UEFI HTTP boot; the whole medium lies in the folder then
    #[arg(long, value_name = "URL")]
    http: Option<String>,
    /// Give these addresses to booting machines instead of being a DHCP proxy: from the first to the last
    #[arg(long, value_name = "FIRST,LAST", value_parser = parse_addresses)]
    addresses: Option<Addresses>,
    #[command(flatten)]
    making: Making,
}

fn parse_addresses(text: &str) -> Result<Addresses, String> {
    Addresses::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let making = &options.making;
    // Everything that can be wrong on this machine is said before anything is downloaded.
    let served = options.folder.clone().map_or_else(|| std::path::absolute(&options.out), Ok)?;
    check_folder(&served)?;
    let service = Service {
        server: options.server,
        folder: served,
        address: options.http.as_deref().map(check_address).transpose()?,
        addresses: options.addresses.unwrap_or(Addresses::OfTheNetwork),
    };
    host::check(making.arch)?;
    let folder = Folder::at(&options.out)?;
    let made = making.prepare()?;
    if made.personal.is_secret() {
        say("WARNING: everybody on the network that the folder is served in can load it");
    }
    let public = &made.site.release.public;
    let mut transport = making.transport(&made.personal)?;
    let listed = profiles(&mut transport, &made.site.urls, public, making.now())?;
    let recipe = made.recipe();
    let system = compose(&recipe).context("composing the initramfs")?;
    let netboot =
        Netboot { recipe: &recipe, system: &system, consoles: &made.consoles, profiles: &listed, service: &service };
    let length = write(&folder, &netboot)?;
    let shown = folder.path().to_str().ok_or_else(|| anyhow!("`{}` is not text", folder.path().display()))?;
    print(shown)?;
    say(&format!("netboot     {} for {}, {}", made.site.title, making.arch.name(), size(length)));
    say(&format!("menu        {} public profiles", listed.len()));
    say(&format!("site        {}, as of {}", made.site.id, made.site.issued));
    say(&format!("try         dnsmasq --keep-in-foreground --conf-file={shown}/dnsmasq.conf"));
    Ok(ExitCode::SUCCESS)
}
