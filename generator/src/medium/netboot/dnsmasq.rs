//! `dnsmasq.conf`: who is told to load what. Machines say what they are by their client architecture (option 93; RFC 4578, and IANA's list): 0 is a BIOS,
//! 7 and 9 a UEFI on a PC that loads over TFTP, 16 one that loads over HTTP; 11 and 19 are those of 64-bit ARM.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use super::DISC;
use crate::medium::Architecture;
use crate::medium::loaders::plain;

/// What a BIOS loads.
pub const BIOS: &str = "pxegrub.0";

/// Who serves the folder, and how.
#[derive(Debug, Clone)]
pub struct Service {
    /// The machine with the folder, as clients reach it.
    pub server: Ipv4Addr,
    /// Where the folder lies there.
    pub folder: PathBuf,
    /// The web address of the folder, if a web server serves it too.
    pub address: Option<String>,
    /// Whose addresses machines get while they boot.
    pub addresses: Addresses,
}

/// Whose addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// Those of the network's own DHCP server: this one only says what to load (proxy DHCP).
    OfTheNetwork,
    /// Some that the network's own DHCP server does not give to anybody, from the first to the last.
    Reserved(Ipv4Addr, Ipv4Addr),
}

impl Addresses {
    /// `192.0.2.240,192.0.2.250`
    ///
    /// # Errors
    /// If that are not two addresses in their order.
    pub fn parse(text: &str) -> Result<Addresses> {
        let wanted = || format!("`{text}` are no two addresses such as `192.0.2.240,192.0.2.250`");
        let (first, last) = text.split_once(',').with_context(wanted)?;
        let (first, last): (Ipv4Addr, Ipv4Addr) =
            (first.trim().parse().with_context(wanted)?, last.trim().parse().with_context(wanted)?);
        ensure!(first <= last, "{}", wanted());
        Ok(Addresses::Reserved(first, last))
    }
}

/// A web address that a firmware takes: 127 letters in the answer, and nothing that is two words to dnsmasq.
///
/// # Errors
/// If it is none.
pub fn check_address(text: &str) -> Result<String> {
    let base = text.trim_end_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_~[]%".contains(&byte);
    ensure!(
        ["http://", "https://"].iter().any(|scheme| base.len() > scheme.len() && base.starts_with(scheme))
            && base.bytes().all(is_plain)
            && base.len() + DISC.len() < 127,
        "`{text}` is no web address that a firmware takes: give one such as `http://192.0.2.5/anode`"
    );
    Ok(base.to_owned())
}

/// Client architectures of an architecture: by TFTP, and by HTTP.
const fn uefi(architecture: Architecture) -> (&'static [u16], u16, &'static str) {
    match architecture {
        Architecture::Amd64 => (&[7, 9], 16, "shimx64.efi"),
        Architecture::Arm64 => (&[11], 19, "shimaa64.efi"),
    }
}

/// The file.
#[must_use]
pub fn configuration(architecture: Architecture, title: &str, service: &Service) -> String {
    let Service { server, folder, addresses, .. } = service;
    let folder = folder.display();
    let mut text = format!(
        "\
# dnsmasq for machines that boot over the network: {}
# Made by `anode medium netboot`. Try it in the foreground: dnsmasq --keep-in-foreground --conf-file={folder}/dnsmasq.conf

# No DNS: this file has one task.
port=0
# Says in the log who asked for what.
log-dhcp
# The folder over TFTP. It has to lie at the top: the signed GRUB looks for /grub/grub.cfg there.
enable-tftp
tftp-root={folder}
# Who is iPXE says so; it loads a script.
dhcp-match=set:ipxe,175
",
        plain(title)
    );
    match addresses {
        Addresses::OfTheNetwork => proxy(&mut text, architecture, *server, service),
        Addresses::Reserved(first, last) => reserved(&mut text, architecture, (*first, *last), service),
    }
    text
}

fn proxy(text: &mut String, architecture: Architecture, server: Ipv4Addr, service: &Service) {
    let (tftp, http, shim) = uefi(architecture);
    let _ = write!(
        text,
        "
# Proxy DHCP: addresses come from the DHCP server that the network has, which stays as it is. This one adds what to load.
dhcp-range={server},proxy
"
    );
    let ipxe: Vec<u16> = if architecture == Architecture::Amd64 { [&[0], tftp].concat() } else { tftp.to_vec() };
    for number in ipxe {
        let _ = writeln!(text, "pxe-service=tag:ipxe,{},\"iPXE\",boot.ipxe", kind(number));
    }
    if architecture == Architecture::Amd64 {
        let _ = write!(text, "# BIOS.\npxe-service=tag:!ipxe,x86PC,\"BIOS\",{BIOS}\n");
    }
    let _ = write!(
        text,
        "\
# UEFI over TFTP is left out on purpose: the signed GRUB takes its server from the DHCP server that gave the address, and a proxy
# can not change what that one says. Three ways out: HTTP boot (below), addresses of our own (`--addresses`), or two settings
# of the network's own DHCP server: next-server {server}, and for client architectures {} the boot file {shim}.
",
        tftp.iter().map(u16::to_string).collect::<Vec<_>>().join(" and ")
    );
    match &service.address {
        Some(address) => {
            let _ = write!(
                text,
                "\
# UEFI over HTTP: the firmware loads the whole medium and takes it for a disc.
dhcp-pxe-vendor=PXEClient,HTTPClient
dhcp-match=set:http,option:client-arch,{http}
dhcp-boot=tag:http,{address}/{DISC},,{server}
"
            );
        }
        None => text.push_str("# UEFI over HTTP needs a web server: make the folder anew with `--http`.\n"),
    }
}

fn reserved(text: &mut String, architecture: Architecture, range: (Ipv4Addr, Ipv4Addr), service: &Service) {
    let (tftp, http, shim) = uefi(architecture);
    let (first, last) = range;
    let _ = write!(
        text,
        "
# Addresses of our own, for ten minutes, and only for machines that want to boot over the network: the network's own DHCP server must not give these
# to anybody, and serves everybody else as ever. A firmware prefers the answer that says what to load.
dhcp-range={first},{last},10m
# No router and no name server: a machine loads from its own network here, and asks again when its system runs.
dhcp-option=option:router
dhcp-option=option:dns-server
"
    );
    let mut kinds: Vec<(&str, u16)> = Vec::new();
    if architecture == Architecture::Amd64 {
        kinds.push(("bios", 0));
    }
    kinds.extend(tftp.iter().map(|number| ("uefi", *number)));
    if service.address.is_some() {
        kinds.push(("http", http));
    }
    for (tag, number) in &kinds {
        let _ = writeln!(text, "dhcp-match=set:{tag},option:client-arch,{number}");
    }
    kinds.dedup_by_key(|(tag, _)| *tag);
    for (tag, _) in &kinds {
        let _ = writeln!(text, "tag-if=set:boot,tag:{tag}");
    }
    text.push_str("dhcp-ignore=tag:!boot\ndhcp-boot=tag:ipxe,boot.ipxe\n");
    if architecture == Architecture::Amd64 {
        let _ = writeln!(text, "dhcp-boot=tag:bios,tag:!ipxe,{BIOS}");
    }
    let _ = writeln!(text, "dhcp-boot=tag:uefi,tag:!ipxe,{shim}");
    match &service.address {
        Some(address) => {
            let _ = write!(
                text,
                "\
# UEFI over HTTP: the firmware loads the whole medium and takes it for a disc.
dhcp-boot=tag:http,{address}/{DISC}
dhcp-option-force=tag:http,option:vendor-class,HTTPClient
"
            );
        }
        None => text.push_str("# UEFI over HTTP needs a web server: make the folder anew with `--http`.\n"),
    }
}

/// As `pxe-service` takes it: a BIOS by its name, the others by number.
fn kind(number: u16) -> String {
    if number == 0 { "x86PC".to_owned() } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(address: Option<&str>, addresses: Addresses) -> Service {
        Service {
            server: Ipv4Addr::new(192, 0, 2, 5),
            folder: PathBuf::from("/srv/anode"),
            address: address.map(str::to_owned),
            addresses,
        }
    }

    /// The lines that mean something.
    fn lines(architecture: Architecture, service: &Service) -> Vec<String> {
        let text = configuration(architecture, "School\nport=53", service);
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn a_proxy_gives_no_addresses_and_every_kind_of_machine_its_own_file() {
        let lines = lines(Architecture::Amd64, &service(Some("http://192.0.2.5"), Addresses::OfTheNetwork));
        assert_eq!(
            lines,
            [
                "port=0",
                "log-dhcp",
                "enable-tftp",
                "tftp-root=/srv/anode",
                "dhcp-match=set:ipxe,175",
                "dhcp-range=192.0.2.5,proxy",
                "pxe-service=tag:ipxe,x86PC,\"iPXE\",boot.ipxe",
                "pxe-service=tag:ipxe,7,\"iPXE\",boot.ipxe",
                "pxe-service=tag:ipxe,9,\"iPXE\",boot.ipxe",
                "pxe-service=tag:!ipxe,x86PC,\"BIOS\",pxegrub.0",
                "dhcp-pxe-vendor=PXEClient,HTTPClient",
                "dhcp-match=set:http,option:client-arch,16",
                "dhcp-boot=tag:http,http://192.0.2.5/anode.iso,,192.0.2.5",
            ]
        );
    }

    #[test]
    fn addresses_of_our_own_go_to_nobody_but_machines_that_boot() {
        let addresses = Addresses::parse("192.0.2.240,192.0.2.250").unwrap();
        let lines = lines(Architecture::Amd64, &service(None, addresses));
        assert_eq!(
            lines[5..],
            [
                "dhcp-range=192.0.2.240,192.0.2.250,10m",
                "dhcp-option=option:router",
                "dhcp-option=option:dns-server",
                "dhcp-match=set:bios,option:client-arch,0",
                "dhcp-match=set:uefi,option:client-arch,7",
                "dhcp-match=set:uefi,option:client-arch,9",
                "tag-if=set:boot,tag:bios",
                "tag-if=set:boot,tag:uefi",
                "dhcp-ignore=tag:!boot",
                "dhcp-boot=tag:ipxe,boot.ipxe",
                "dhcp-boot=tag:bios,tag:!ipxe,pxegrub.0",
                "dhcp-boot=tag:uefi,tag:!ipxe,shimx64.efi",
            ]
        );
    }

    #[test]
    fn arm_has_no_bios() {
        for addresses in [Addresses::OfTheNetwork, Addresses::parse("192.0.2.1,192.0.2.1").unwrap()] {
            let text = lines(Architecture::Arm64, &service(Some("http://192.0.2.5"), addresses)).join("\n");
            assert!(!text.contains("x86PC") && !text.contains(BIOS) && !text.contains("client-arch,0"), "{text}");
            assert!(text.contains("client-arch,19") && !text.contains("client-arch,16"), "{text}");
        }
    }

    #[test]
    fn what_are_no_addresses_is_refused() {
        for text in ["192.0.2.1", "192.0.2.9,192.0.2.1", "a,b", "192.0.2.1,192.0.2.2,192.0.2.3", "::1,::2"] {
            assert!(Addresses::parse(text).is_err(), "{text}");
        }
        assert_eq!(check_address("http://192.0.2.5/anode/").unwrap(), "http://192.0.2.5/anode");
        let long = format!("http://{}", "a".repeat(120));
        for text in ["192.0.2.5", "http://", "ftp://a", "http://a,b", "http://a b", "http://a\nport=53", &long] {
            assert!(check_address(text).is_err(), "{text}");
        }
    }
}
