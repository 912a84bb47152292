//! The network as a person sees it: what each interface does, and how to help it. The work is done by `/lib/anode/network`, which reads the settings
//! that are written here and reports in `/run/anode/network`.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anode_bundle::display::line;
use anode_bundle::pack::network::{Mac, StaticAddress, Vlan};

use super::patience::minutes;
use super::{Session, Step, Way};
use crate::console::Echo;
use crate::medium::site::is_proxy;
use crate::words::fill;

/// The script says after 25 seconds that there is nothing yet; a page must come after 30 whatever happens.
const PATIENCE: Duration = Duration::from_secs(28);
/// Between two looks at what the script says.
const LOOK: Duration = Duration::from_millis(200);

impl Session<'_> {
    /// Shows what happens until there is a network, or until it is clear that there is none.
    pub(super) fn wait_for_network(&mut self) -> io::Result<Step> {
        self.leave_copy();
        self.say("");
        self.say(self.words.network_wait);
        let is_attended = !self.is_alone();
        let (begun, mut told) = (Instant::now(), false);
        let keys = if is_attended { None } else { self.terminal.each_key()? };
        if !is_attended && !self.network_is_up() {
            self.say(self.words.any_key);
        }
        let mut shown = Vec::new();
        loop {
            let report = self.machine.text("run/anode/network").unwrap_or_default();
            let mut lines = report.lines();
            let overall = lines.next().unwrap_or("busy").to_owned();
            // The medium is found while the network is waited for.
            if let Some(after) = self.takes_copy_after().filter(|_| overall != "up" && !told) {
                self.say(&fill(self.words.copy_waits, &[("time", &minutes(after.as_secs().into()))]));
                told = true;
            }
            // Where nobody is there to read a page, it comes later: the script goes on, and some switches take a minute.
            let patience = if is_attended { PATIENCE } else { self.network_patience() };
            // A link takes a few seconds; until then there is nothing to say.
            for interface in lines.filter(|interface| !interface.ends_with(" waiting ")) {
                if !shown.iter().any(|known| known == interface) {
                    let text = self.describe(interface);
                    self.say(&text);
                    shown.push(interface.to_owned());
                }
            }
            match overall.as_str() {
                "up" => return Ok(Step::Activate),
                "none" if is_attended => break,
                _ if begun.elapsed() > patience => break,
                _ if is_attended => std::thread::sleep(LOOK),
                _ if self.terminal.typed_within(LOOK)? => {
                    self.terminal.forget_typed();
                    self.is_seen();
                    break;
                }
                _ => {}
            }
        }
        drop(keys);
        if shown.is_empty() {
            self.say(self.words.no_interface);
        }
        // A machine without a card is here at once, and the copy on the medium is one of its ways on.
        self.wait_for_medium();
        Ok(if self.takes_copy_after().is_some() { self.take_copy() } else { Step::NetworkMenu })
    }

    /// `eth0 ready 192.0.2.10/24`
    fn describe(&self, interface: &str) -> String {
        let mut words = interface.split(' ');
        let (name, state) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let detail = line(&words.collect::<Vec<_>>().join(" "), 40);
        let text = match state {
            "no-link" => self.words.no_link,
            "asking" => self.words.asking,
            "no-answer" => self.words.no_answer,
            "ready" => self.words.ready,
            "bad-address" => self.words.bad_address,
            "bad-gateway" => self.words.bad_gateway,
            "bad-vlan" => self.words.bad_vlan,
            "no-firmware" if self.machine.path("lib/firmware").exists() => self.words.no_firmware_here,
            "no-firmware" => self.words.no_firmware,
            "no-start" => self.words.no_start,
            "wireless-card" => self.words.wireless_card,
            other => &line(other, 60),
        };
        format!("  {}  {}", line(name, 16), fill(text, &[("detail", &detail)]))
    }

    pub(super) fn network_menu(&mut self) -> io::Result<Step> {
        self.leave_copy();
        let is_up = self.network_is_up();
        self.say("");
        if !is_up {
            self.say(self.words.network_none);
        }
        let mut own = vec![Way::NetworkAgain, Way::Address, Way::Vlan, Way::Proxy];
        if self.machine.run("lib/anode/wifi", &["possible"]) {
            own.push(Way::Wireless);
        }
        if !self.copies().is_empty() {
            own.push(Way::Copy);
        }
        if is_up {
            own.push(Way::GoOn);
        }
        let ways = self.with_common_ways(&own);
        let Some(way) = self.choose_or_go_on(&ways)? else {
            if !self.network_is_up() {
                self.network_up();
            }
            return Ok(Step::WaitForNetwork);
        };
        if way == Way::GoOn {
            return Ok(Step::Activate);
        }
        Ok(self.go(way)?.unwrap_or(Step::NetworkMenu))
    }

    /// Begins anew with the settings of now; [`Session::wait_for_network`] shows what comes of it.
    pub(super) fn network_up(&mut self) {
        self.offline = false;
        let _ = fs::write(self.machine.path("run/anode/network"), "busy\n");
        if let Ok(mut child) = self.machine.command("lib/anode/network").arg("up").spawn() {
            // It ends by itself; somebody has to take note.
            std::thread::spawn(move || child.wait());
        }
    }

    pub(super) fn set_address(&mut self) -> io::Result<Step> {
        self.set_interface()?;
        let address = loop {
            let typed = self.ask(self.words.ask_address, Echo::Shown)?;
            let typed = typed.trim();
            if typed.is_empty() || is_network(typed) {
                break typed.to_owned();
            }
            self.say(self.words.wrong_address);
        };
        if address.is_empty() {
            self.set("ip", "");
        } else {
            let gateway = self.ask_addresses(self.words.ask_gateway)?;
            let gateway = gateway.first().cloned().unwrap_or_default();
            let servers = self.ask_addresses(self.words.ask_servers)?.join(";");
            self.set("ip", &format!("{address},{gateway},{servers}"));
        }
        self.network_up();
        Ok(Step::WaitForNetwork)
    }

    /// Which interface, where there are several.
    fn set_interface(&mut self) -> io::Result<()> {
        let report = self.machine.text("run/anode/network").unwrap_or_default();
        // A VLAN's name is its interface's with a number. A card without an interface is named by its place, `0000:00:03.0`.
        let names = report.lines().skip(1).filter_map(|text| text.split([' ', '.']).next());
        let names = names.filter(|name| !name.contains(':'));
        let names: Vec<String> = names.map(str::to_owned).collect();
        if names.len() < 2 {
            return Ok(());
        }
        for (number, name) in names.iter().enumerate() {
            self.say(&format!("{:3}  {}", number + 1, line(name, 16)));
        }
        loop {
            let typed = self.ask(self.words.which_interface, Echo::Shown)?;
            let typed = typed.trim();
            let by_number = typed.parse::<usize>().ok().and_then(|number| names.get(number.checked_sub(1)?));
            match by_number.or_else(|| names.iter().find(|name| *name == typed)) {
                Some(name) => break self.set("interface", name),
                None if typed.is_empty() => break self.set("interface", ""),
                None => self.say(self.words.number_wrong),
            }
        }
        Ok(())
    }

    fn ask_addresses(&mut self, question: &str) -> io::Result<Vec<String>> {
        loop {
            let typed = self.ask(question, Echo::Shown)?;
            let words: Vec<String> =
                typed.split([' ', ',', ';']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
            if words.iter().all(|word| word.parse::<IpAddr>().is_ok()) {
                return Ok(words);
            }
            self.say(self.words.wrong_gateway);
        }
    }

    pub(super) fn set_vlan(&mut self) -> io::Result<Step> {
        loop {
            let typed = self.ask(self.words.ask_vlan, Echo::Shown)?;
            let typed = typed.trim();
            if typed.is_empty() || typed.parse().is_ok_and(|number: u16| (1..=4094).contains(&number)) {
                self.set("vlan", typed);
                break;
            }
            self.say(self.words.wrong_vlan);
        }
        self.network_up();
        Ok(Step::WaitForNetwork)
    }

    pub(super) fn set_proxy(&mut self) -> io::Result<Step> {
        loop {
            let typed = self.ask(self.words.ask_proxy, Echo::Shown)?;
            let typed = typed.trim();
            if typed.is_empty() || is_proxy(typed) {
                self.presets.proxy = Some(typed.to_owned()).filter(|proxy| !proxy.is_empty());
                return Ok(Step::NetworkMenu);
            }
            self.say(self.words.wrong_proxy);
        }
    }

    /// The network that is in use here, as the fetcher's options, for the installer. Nothing where no interface is ready: then nothing of it is known to work.
    pub(super) fn network_options(&self) -> Vec<String> {
        let report = self.machine.text("run/anode/network").unwrap_or_default();
        let ready = report.lines().filter_map(|line| line.split_once(" ready ")).map(|(name, _)| name);
        let (wireless, cables): (Vec<&str>, Vec<&str>) =
            ready.partition(|name| self.machine.path("sys/class/net").join(name).join("phy80211").exists());
        let mut options = Vec::new();
        let Some(used) = cables.first() else {
            options.extend((!wireless.is_empty()).then(|| "--wireless".to_owned()));
            return options;
        };
        // What was chosen in the menu, nothing included, else the kernel's argument.
        let chosen = self.machine.text("run/anode/settings/ip").or_else(|| self.presets.ip.clone());
        if let Some(address) = plain_address(&chosen.unwrap_or_default()) {
            options.extend(["--ip".to_owned(), address]);
        }
        // The interface of a VLAN is named after its card.
        let (card, vlan) = used.split_once('.').unwrap_or((used, ""));
        if Vlan::parse(vlan).is_some() {
            options.extend(["--vlan".to_owned(), vlan.to_owned()]);
        }
        let mac = self.machine.text(&format!("sys/class/net/{card}/address")).unwrap_or_default();
        if !options.is_empty() && Mac::parse(mac.trim()).is_some() {
            options.extend(["--interface".to_owned(), mac.trim().to_owned()]);
        }
        options
    }

    /// What the script reads before the kernel's arguments; nothing is a setting too.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let folder = self.machine.path("run/anode/settings");
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(name), value));
        if let Err(error) = written {
            self.say(&format!("error: {}", crate::error::reason(&error)));
        }
    }
}

/// An address as the fetcher takes it: the script leaves out what is no name server, too.
fn plain_address(text: &str) -> Option<String> {
    let mut parts = text.trim().split(',');
    let (address, gateway) = (parts.next()?, parts.next().unwrap_or_default());
    let servers = parts.next().unwrap_or_default().split(';').filter(|server| server.parse::<IpAddr>().is_ok());
    let plain = format!("{address},{gateway},{}", servers.collect::<Vec<_>>().join(";"));
    StaticAddress::parse(&plain).map(|_| plain)
}

fn is_network(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.parse().is_ok_and(|prefix: u8| (1..=longest).contains(&prefix))
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_address_goes_to_the_fetcher_without_what_the_script_leaves_out() {
        for (typed, plain) in [
            (
                "192.0.2.10/24,192.0.2.1,192.0.2.53;x;2001:db8::53\n",
                Some("192.0.2.10/24,192.0.2.1,192.0.2.53;2001:db8::53"),
            ),
            ("192.0.2.10/24", Some("192.0.2.10/24,,")),
            ("192.0.2.10", None),
            ("", None),
        ] {
            assert_eq!(super::plain_address(typed).as_deref(), plain, "{typed}");
        }
    }

    #[test]
    fn an_address_comes_with_its_prefix() {
        for good in ["192.0.2.10/24", "2001:db8::7/64", "10.0.0.1/8"] {
            assert!(super::is_network(good), "{good}");
        }
        for bad in ["192.0.2.10", "192.0.2/24", "192.0.2.10/33", "192.0.2.10/0", "a/24", "192.0.2.10/24,1.1.1.1", ""] {
            assert!(!super::is_network(bad), "{bad}");
        }
    }
}
