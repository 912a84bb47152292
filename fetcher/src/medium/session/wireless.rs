//! Wireless networks: which there are, and how one is joined. `/lib/anode/wifi` does it; a passphrase goes to it by a pipe and is never an argument.
//!
//! Networks at which a person logs in (WPA-Enterprise) and those with WEP are shown and not joined.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::{ExitStatus, Stdio};

use anode_bundle::display::line;
use zeroize::Zeroizing;

use super::{Session, Step};
use crate::console::Echo;
use crate::words::fill;

/// What is shown: the strongest ones.
const SHOWN: usize = 12;

/// What a network asks of whoever joins it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    Open,
    Passphrase,
    /// What the medium does not speak.
    Other,
}

/// One network, as its strongest access point sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Network {
    /// Bytes of the air's: whatever somebody called it.
    name: Vec<u8>,
    /// In dBm.
    signal: i32,
    protection: Protection,
}

impl Session<'_> {
    pub(super) fn join_wireless(&mut self) -> io::Result<Step> {
        self.say(self.words.wireless_looking);
        let networks = self.networks_in_the_air();
        for (number, network) in networks.iter().enumerate() {
            let note = match network.protection {
                Protection::Open => self.words.wireless_open,
                Protection::Passphrase => "",
                Protection::Other => self.words.wireless_other,
            };
            let (name, signal) = (shown(&network.name), percent(network.signal));
            self.say(&format!("{:3}  {signal:3} %  {name}  {note}", number + 1));
        }
        if networks.is_empty() {
            self.say(self.words.wireless_none);
        }
        let (name, protection) = loop {
            let typed = self.ask(self.words.ask_wireless, Echo::Shown)?;
            let typed = typed.trim();
            if typed.is_empty() {
                return Ok(Step::NetworkMenu);
            }
            match chosen(typed, &networks) {
                Some(network) if network.protection == Protection::Other => self.say(self.words.wireless_other),
                Some(network) => break (network.name.clone(), Some(network.protection)),
                // One that does not say its name.
                None if typed.len() <= 32 => break (typed.as_bytes().to_vec(), None),
                None => self.say(self.words.number_wrong),
            }
        };
        loop {
            let passphrase = match protection {
                Some(Protection::Open) => Zeroizing::default(),
                Some(_) => self.ask_passphrase(self.words.ask_passphrase)?,
                None => self.ask_passphrase(self.words.ask_passphrase_or_none)?,
            };
            if passphrase.is_empty() && protection == Some(Protection::Passphrase) {
                return Ok(Step::NetworkMenu);
            }
            self.say(&fill(self.words.wireless_joining, &[("name", &shown(&name))]));
            match self.join(&name, &passphrase).ok().and_then(|status| status.code()) {
                Some(0) => break,
                Some(3) if !passphrase.is_empty() => self.say(self.words.wireless_refused),
                Some(4) => {
                    self.say(self.words.wireless_absent);
                    return Ok(Step::NetworkMenu);
                }
                _ => {
                    self.say(self.words.wireless_failed);
                    return Ok(Step::NetworkMenu);
                }
            }
        }
        // One that was chosen before would leave this one out.
        self.set("interface", "");
        self.network_up();
        Ok(Step::WaitForNetwork)
    }

    fn networks_in_the_air(&mut self) -> Vec<Network> {
        let output = self.machine.command("lib/anode/wifi").arg("list").stdout(Stdio::piped()).output();
        output.map(|output| networks(&output.stdout)).unwrap_or_default()
    }

    fn ask_passphrase(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        loop {
            let typed = self.ask(question, Echo::Hidden)?;
            let fits = (8..=63).contains(&typed.len()) && typed.bytes().all(|byte| (b' '..0x7F).contains(&byte));
            if typed.is_empty() || fits {
                return Ok(typed);
            }
            self.say(self.words.wrong_passphrase);
        }
    }

    /// At most half a minute.
    fn join(&mut self, name: &[u8], passphrase: &str) -> io::Result<ExitStatus> {
        let mut child = self.machine.command("lib/anode/wifi").arg("join").stdin(Stdio::piped()).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
            for part in [name.as_bytes(), b"\n", passphrase.as_bytes(), b"\n"] {
                input.write_all(part)?;
            }
        }
        child.wait()
    }
}

/// By its number, else by its name. In this order: anybody may call a network `1`, and would be given the passphrase of the first one in the list.
fn chosen<'n>(typed: &str, networks: &'n [Network]) -> Option<&'n Network> {
    let number = typed.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let by_number = number.and_then(|index| networks.get(index));
    by_number.or_else(|| networks.iter().find(|network| network.name == typed.as_bytes()))
}

fn shown(name: &[u8]) -> String {
    line(&String::from_utf8_lossy(name), 32)
}

/// Of what is good (−50 dBm) and what is nothing (−100 dBm).
fn percent(signal: i32) -> i32 {
    ((signal + 100) * 2).clamp(0, 100)
}

/// The table of `wpa_cli scan_results`: address, frequency, signal, flags, name, with tabs in between. Each name once, the strongest first.
fn networks(table: &[u8]) -> Vec<Network> {
    let mut strongest: BTreeMap<Vec<u8>, Network> = BTreeMap::new();
    for row in String::from_utf8_lossy(table).lines() {
        let cells: Vec<&str> = row.splitn(5, '\t').collect();
        let [_, _, signal, flags, name] = cells.as_slice() else { continue };
        let (name, Ok(signal)) = (plain(name), signal.parse()) else { continue };
        // One that does not say its name sends none, or as many zeros.
        if name.iter().all(|byte| *byte == 0) {
            continue;
        }
        let network = Network { name: name.clone(), signal, protection: protection(flags) };
        let known = strongest.entry(name).or_insert_with(|| network.clone());
        if network.signal > known.signal {
            *known = network;
        }
    }
    let mut networks: Vec<Network> = strongest.into_values().collect();
    networks.sort_by_key(|network| -network.signal);
    networks.truncate(SHOWN);
    networks
}

/// `[WPA2-PSK-CCMP][ESS]`, `[WPA2-SAE-CCMP]`, `[WPA2-EAP-CCMP]`, `[WEP]`; one that speaks several things is joined by what the medium speaks.
fn protection(flags: &str) -> Protection {
    if flags.contains("PSK") || flags.contains("SAE") {
        Protection::Passphrase
    } else if ["EAP", "WEP", "OWE", "OSEN"].iter().any(|word| flags.contains(word)) {
        Protection::Other
    } else {
        Protection::Open
    }
}

/// `wpa_cli` writes what is not printable ASCII as `\xc3`, `\\`, `\"`, `\e`, `\n`, `\r`, `\t`.
fn plain(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let plain = match (byte, if byte == b'\\' { rest.next() } else { None }) {
            (b'\\', Some(b'x')) => {
                let digits =
                    [rest.next(), rest.next()].map(|digit| digit.and_then(|byte| char::from(byte).to_digit(16)));
                let [Some(high), Some(low)] = digits else { continue };
                u8::try_from(high * 16 + low).unwrap_or(b'?')
            }
            (b'\\', Some(b'e')) => 0x1B,
            (b'\\', Some(b'n')) => b'\n',
            (b'\\', Some(b'r')) => b'\r',
            (b'\\', Some(b't')) => b'\t',
            (b'\\', Some(other)) => other,
            (byte, _) => byte,
        };
        bytes.push(plain);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "bssid / frequency / signal level / flags / ssid\n\
        02:00:00:00:01:00\t2412\t-61\t[WPA2-PSK-CCMP][ESS]\tCaf\\xc3\\xa9 \\\"2\\\"\n\
        02:00:00:00:02:00\t5180\t-40\t[WPA2-PSK+SAE-CCMP][ESS]\tCaf\\xc3\\xa9 \\\"2\\\"\n\
        02:00:00:00:03:00\t2412\t-70\t[ESS]\tHotel\n\
        02:00:00:00:04:00\t2412\t-50\t[WPA2-EAP-CCMP][ESS]\teduroam\n\
        02:00:00:00:05:00\t2412\t-30\t[WPA2-PSK-CCMP][ESS]\t\n\
        02:00:00:00:06:00\t2412\t-30\t[WPA2-PSK-CCMP][ESS]\t\\x00\\x00\n\
        02:00:00:00:07:00\t2412\t-90\t[WPA2-SAE-CCMP][ESS]\t2\n\
        nonsense\n";

    #[test]
    fn each_network_is_listed_once_by_its_strongest_sender_and_nameless_ones_are_not() {
        let found = networks(TABLE.as_bytes());
        let seen: Vec<_> = found.iter().map(|one| (shown(&one.name), percent(one.signal), one.protection)).collect();
        let (open, passphrase, other) = (Protection::Open, Protection::Passphrase, Protection::Other);
        let named = |name: &str, signal, protection| (name.to_owned(), signal, protection);
        let wanted = [
            named("Café \"2\"", 100, passphrase),
            named("eduroam", 100, other),
            named("Hotel", 60, open),
            named("2", 20, passphrase),
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn a_network_whose_name_is_a_number_does_not_take_the_place_of_that_number() {
        let found = networks(TABLE.as_bytes());
        let of = |typed: &str| chosen(typed, &found).map(|network| shown(&network.name));
        assert_eq!((of("2").as_deref(), of("4").as_deref()), (Some("eduroam"), Some("2")));
        assert_eq!(of("3").as_deref(), Some("Hotel"));
        assert_eq!(of("Hotel").as_deref(), Some("Hotel"));
        assert_eq!((of("5"), of("0"), of("hidden")), (None, None, None));
    }

    #[test]
    fn what_wpa_cli_escapes_is_read_back() {
        assert_eq!(plain("a\\\\b\\e\\n\\r\\t\\xff\\\"c"), b"a\\b\x1b\n\r\t\xff\"c");
        assert_eq!(plain("cut\\x4"), b"cut");
        // A name that would move a cursor is shown without.
        assert!(!shown(&plain("\\e[2Jx")).contains('\x1b'));
    }
}
