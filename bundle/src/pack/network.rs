//! The network that a person set at the medium, in the words of an installer's kernel command line.
//!
//! A definition says by templates how its installer is given an address, a VLAN, name servers, an interface and a proxy; whoever hands over has typed values and
//! nothing else to put in. A word without any of the values that it asks for is left out, so that a missing gateway is no word with nothing in it. What an
//! installer has no words for is not handed over, and said: nothing is left out in silence.
//!
//! Inside a tagged network an address may need other words than outside: the interface is another one. A placeholder with an exclamation mark must have a
//! value, or the words can not be said: an installer that makes an interface by the card's hardware address is worth nothing without one.

use core::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// Templates of words, separated by blanks, with placeholders in braces ([`PLACEHOLDERS`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkWords {
    /// For an address of its own instead of DHCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// For the name servers that come with the address; absent where `address` says them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_servers: Option<String>,
    /// For a tagged network; absent where the two that follow say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<String>,
    /// For an address inside a tagged network, where that is not what `address` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_address: Option<String>,
    /// For an address by DHCP inside a tagged network, where `vlan` does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_dhcp: Option<String>,
    /// For the network card, by its hardware address; absent where the other words say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// For a proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Words of the command line that begin like this make room for those of an address or a VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The profile sets the installer's network, which counts: nothing but a proxy is handed over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_network: bool,
    /// The profile sets a proxy, which counts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_proxy: bool,
}

/// What stands in braces in a template.
pub const PLACEHOLDERS: [&str; 14] = [
    "address",
    "address_in_brackets",
    "prefix",
    "netmask",
    "gateway",
    "gateway_in_brackets",
    "name_servers",
    "name_server",
    "name_server_1",
    "name_server_2",
    "vlan",
    "mac",
    "mac_with_dashes",
    "proxy",
];

/// What was set at the medium and is in use there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Instead of DHCP.
    pub address: Option<StaticAddress>,
    /// The tag.
    pub vlan: Option<Vlan>,
    /// The card.
    pub interface: Option<Mac>,
    /// For everything that is fetched.
    pub proxy: Option<ProxyAddress>,
    /// It is in the air, where none of these installers looks.
    pub wireless: bool,
}

/// An address with its network, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticAddress {
    address: IpAddr,
    prefix: u8,
    gateway: Option<IpAddr>,
    name_servers: Vec<IpAddr>,
}

impl StaticAddress {
    /// Reads `192.0.2.10/24,192.0.2.1,192.0.2.53;192.0.2.54`: address with prefix, gateway, name servers. What is behind a comma may be missing or empty.
    #[must_use]
    pub fn parse(text: &str) -> Option<StaticAddress> {
        let mut parts = text.split(',');
        let (address, prefix) = parts.next()?.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.parse().ok().filter(|prefix| (1..=longest).contains(prefix))?;
        let gateway = match parts.next().unwrap_or_default() {
            "" => None,
            gateway => Some(gateway.parse().ok().filter(|gateway: &IpAddr| gateway.is_ipv4() == address.is_ipv4())?),
        };
        let servers = parts.next().unwrap_or_default().split(';').filter(|server| !server.is_empty());
        let name_servers = servers.map(|server| server.parse().ok()).collect::<Option<_>>()?;
        parts.next().is_none().then_some(StaticAddress { address, prefix, gateway, name_servers })
    }

    /// Does a template for the address say a name server, too?
    fn is_served_by(&self, template: &str) -> bool {
        template.contains("{name_server")
            && (!template.contains("{name_server_") || self.name_servers().next().is_some())
    }

    /// Those of the address' own family: what is numbered stands in one word with the address, where installers know one family only.
    fn name_servers(&self) -> impl Iterator<Item = &IpAddr> {
        self.name_servers.iter().filter(|server| server.is_ipv4() == self.address.is_ipv4())
    }

    /// `255.255.255.0`; there is none for IPv6.
    fn netmask(&self) -> Option<Ipv4Addr> {
        let zeros = 32_u32.checked_sub(self.prefix.into())?;
        self.address.is_ipv4().then(|| Ipv4Addr::from(u32::MAX.checked_shl(zeros).unwrap_or(0)))
    }
}

/// The number of a tagged network, 1 to 4094.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vlan(u16);

impl Vlan {
    /// Reads the number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Vlan> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && (1..=4094).contains(number)).map(Vlan)
    }
}

/// The hardware address of a network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Reads `52:54:00:12:34:56`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Mac> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(Mac(bytes))
    }

    fn with(self, separator: &str) -> String {
        self.0.map(|byte| format!("{byte:02x}")).join(separator)
    }
}

/// `http://192.0.2.1:3128`, of characters that mean nothing on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyAddress(String);

impl ProxyAddress {
    /// Takes what is an address already, if it has plain characters only.
    #[must_use]
    pub fn new(url: &str) -> Option<ProxyAddress> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%+@,=".contains(&byte);
        (url.starts_with("http") && url.bytes().all(is_plain)).then(|| ProxyAddress(url.to_owned()))
    }
}

/// What a person has to be told of a setting that does not reach the installer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The address: the installer asks by DHCP.
    Address,
    /// The name servers of an address that is handed over.
    NameServers,
    /// The tag, and with it an address that is good only there.
    Vlan,
    /// The card: the installer takes the one that it finds.
    Interface,
    /// The proxy.
    Proxy,
    /// The profile sets the installer's network.
    OwnNetwork,
    /// The profile sets the installer's proxy.
    OwnProxy,
    /// The medium's network is in the air.
    Wireless,
}

/// What reaches the installer, and what does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handed {
    /// Words for the command line, each of printable ASCII without blanks.
    pub words: Vec<String>,
    /// Words of the command line that begin like this make room.
    pub replaces: Option<String>,
    /// What is left behind.
    pub left: Vec<Left>,
}

impl Handed {
    /// The command line with the words in front of it: installers hand what is at its end to the installed system.
    #[must_use]
    pub fn put_before(&self, line: &str) -> String {
        let stays = |word: &&str| !self.replaces.as_ref().is_some_and(|beginning| word.starts_with(beginning.as_str()));
        let words = self.words.iter().map(String::as_str);
        words.chain(line.split(' ').filter(stays)).collect::<Vec<_>>().join(" ")
    }
}

/// What becomes of the settings, in the words of a pack; `None`: it has none.
#[must_use]
pub fn hand_over(words: Option<&NetworkWords>, settings: &NetworkSettings) -> Handed {
    let none = NetworkWords::default();
    let words = words.unwrap_or(&none);
    let mut handed = Handed::default();
    handed.network(words, settings);
    if settings.proxy.is_some() {
        if words.own_proxy {
            handed.left.push(Left::OwnProxy);
        } else {
            handed.take(words.proxy.as_ref(), settings, Left::Proxy);
        }
    }
    handed
}

impl Handed {
    fn network(&mut self, words: &NetworkWords, settings: &NetworkSettings) {
        if settings.wireless {
            return self.left.push(Left::Wireless);
        }
        if settings.address.is_none() && settings.vlan.is_none() {
            return;
        }
        if words.own_network {
            return self.left.push(Left::OwnNetwork);
        }
        let tagged = settings.vlan.is_some();
        let inside = match &settings.address {
            Some(_) => words.vlan_address.as_ref(),
            None => words.vlan_dhcp.as_ref(),
        };
        let inside = inside.filter(|_| tagged);
        // An address of a tagged network is worth nothing without the tag. One word may say both.
        let apart = words.vlan.is_some() || inside.is_none();
        if tagged && apart && !self.take(words.vlan.as_ref(), settings, Left::Vlan) {
            return;
        }
        let otherwise = if apart { Left::Address } else { Left::Vlan };
        if let Some(address) = &settings.address {
            let template = inside.or(words.address.as_ref());
            let said = self.take(template, settings, otherwise);
            if said && !address.name_servers.is_empty() && !template.is_some_and(|said| address.is_served_by(said)) {
                self.take(words.name_servers.as_ref(), settings, Left::NameServers);
            }
        } else if inside.is_some() {
            self.take(inside, settings, Left::Vlan);
        }
        if self.words.is_empty() {
            return;
        }
        if let Some(mac) = settings.interface {
            let is_said = |word: &String| word.contains(&mac.with(":")) || word.contains(&mac.with("-"));
            if words.interface.is_some() || !self.words.iter().any(is_said) {
                self.take(words.interface.as_ref(), settings, Left::Interface);
            }
        }
        self.replaces.clone_from(&words.replaces);
    }

    /// Were there words for it?
    fn take(&mut self, template: Option<&String>, settings: &NetworkSettings, otherwise: Left) -> bool {
        match template.and_then(|template| fill(template, settings)) {
            Some(words) => self.words.extend(words),
            None => self.left.push(otherwise),
        }
        self.left.last() != Some(&otherwise)
    }
}

/// Is it a template? Says the placeholder that is none.
///
/// # Errors
/// What stands in the braces, or the text where a brace is alone.
pub fn check_template(template: &str) -> Result<(), String> {
    for word in template.split(' ') {
        let pieces = pieces(word).ok_or_else(|| word.to_owned())?;
        for (_, written) in pieces.into_iter().filter(|(_, written)| !written.is_empty()) {
            let name = must_be_set(written).0;
            if !PLACEHOLDERS.contains(&name) {
                return Err(if name.is_empty() { written } else { name }.to_owned());
            }
        }
    }
    Ok(())
}

/// Literal text, each with the placeholder behind it; the last one has none. `None`: a brace is alone.
fn pieces(word: &str) -> Option<Vec<(&str, &str)>> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some((literal, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}')?;
        if literal.contains('}') || name.is_empty() || name.contains('{') {
            return None;
        }
        pieces.push((literal, name));
        rest = after;
    }
    pieces.push((rest, ""));
    (!rest.contains('}')).then_some(pieces)
}

/// The name of a placeholder, and whether there have to be words for it.
fn must_be_set(name: &str) -> (&str, bool) {
    name.strip_suffix('!').map_or((name, false), |name| (name, true))
}

/// The words of a template; `None` if it can not say these values.
fn fill(template: &str, settings: &NetworkSettings) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for word in template.split(' ').filter(|word| !word.is_empty()) {
        let pieces = pieces(word)?;
        let servers = settings.address.as_ref().map_or(&[][..], |address| &address.name_servers);
        // A word for one name server is said for each of them.
        if pieces.iter().any(|(_, name)| must_be_set(name).0 == "name_server") {
            for server in servers {
                words.extend(said(&pieces, settings, Some(*server))?);
            }
        } else {
            words.extend(said(&pieces, settings, None)?);
        }
    }
    // What an installer would take for the end of its options, or could not read at all.
    (!words.is_empty() && words.iter().flat_map(|word| word.bytes()).all(|byte| byte.is_ascii_graphic()))
        .then_some(words)
}

/// One word; `Some(None)` where nothing of what it asks for was set.
fn said(pieces: &[(&str, &str)], settings: &NetworkSettings, server: Option<IpAddr>) -> Option<Option<String>> {
    let (mut text, mut asked, mut had) = (String::new(), false, false);
    for (literal, name) in pieces {
        text.push_str(literal);
        if !name.is_empty() {
            let (name, needed) = must_be_set(name);
            let value = value(name, settings, server)?;
            if needed && value.is_none() {
                return None;
            }
            asked = true;
            had |= value.is_some();
            text.push_str(&value.unwrap_or_default());
        }
    }
    Some((had || !asked).then_some(text))
}

/// `None`: it can not be said. `Some(None)`: it was not set.
fn value(name: &str, settings: &NetworkSettings, server: Option<IpAddr>) -> Option<Option<String>> {
    let address = settings.address.as_ref();
    let gateway = address.and_then(|address| address.gateway);
    let numbered = |at: usize| address.and_then(|address| address.name_servers().nth(at)).map(IpAddr::to_string);
    let in_brackets = |address: IpAddr| if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    Some(match name {
        "address" => address.map(|address| address.address.to_string()),
        "address_in_brackets" => address.map(|address| in_brackets(address.address)),
        "prefix" => address.map(|address| address.prefix.to_string()),
        "netmask" => match address {
            Some(address) => Some(address.netmask()?.to_string()),
            None => None,
        },
        "gateway" => gateway.map(|gateway| gateway.to_string()),
        "gateway_in_brackets" => gateway.map(in_brackets),
        "name_server" => server.map(|server| server.to_string()),
        "name_server_1" => numbered(0),
        "name_server_2" => numbered(1),
        "name_servers" => {
            let servers = address.map_or(&[][..], |address| &address.name_servers);
            let texts: Vec<String> = servers.iter().map(IpAddr::to_string).collect();
            Some(texts.join(",")).filter(|texts| !texts.is_empty())
        }
        "vlan" => settings.vlan.map(|vlan| vlan.0.to_string()),
        "mac" => settings.interface.map(|mac| mac.with(":")),
        "mac_with_dashes" => settings.interface.map(|mac| mac.with("-")),
        "proxy" => settings.proxy.as_ref().map(|proxy| proxy.0.clone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(address: &str, vlan: &str, mac: &str, proxy: &str) -> NetworkSettings {
        NetworkSettings {
            address: StaticAddress::parse(address),
            vlan: Vlan::parse(vlan),
            interface: Mac::parse(mac),
            proxy: ProxyAddress::new(proxy),
            wireless: false,
        }
    }

    const ADDRESS: &str = "192.0.2.10/24,192.0.2.1,192.0.2.53;2001:db8::53";
    const MAC: &str = "52:54:00:AB:cd:0e";

    fn words(address: &str, rest: [&str; 4]) -> NetworkWords {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let [name_servers, vlan, interface, proxy] = rest.map(text);
        NetworkWords { address: text(address), name_servers, vlan, interface, proxy, ..NetworkWords::default() }
    }

    fn line(words: &NetworkWords, settings: &NetworkSettings) -> (String, Vec<Left>) {
        let handed = hand_over(Some(words), settings);
        (handed.put_before("quiet"), handed.left)
    }

    #[test]
    fn every_setting_is_said_in_the_words_of_the_definition() {
        let preseed = words(
            "static=true ip={address} mask={netmask} gateway={gateway}",
            ["servers={name_servers}", "vlan={vlan}", "card={mac} BOOTIF=01-{mac_with_dashes}", "proxy={proxy}"],
        );
        let all = settings(ADDRESS, "12", MAC, "http://192.0.2.1:3128");
        let wanted = "vlan=12 static=true ip=192.0.2.10 mask=255.255.255.0 gateway=192.0.2.1 servers=192.0.2.53,2001:db8::53 \
                      card=52:54:00:ab:cd:0e BOOTIF=01-52-54-00-ab-cd-0e proxy=http://192.0.2.1:3128 quiet";
        assert_eq!(line(&preseed, &all), (wanted.to_owned(), vec![]));
        let dracut = words(
            "ip={address_in_brackets}::{gateway_in_brackets}:{prefix}:::none nameserver={name_server} first={name_server_1} second={name_server_2}",
            ["", "", "", ""],
        );
        let six = settings("2001:db8::7/64,2001:db8::1,2001:db8::53;192.0.2.53;2001:db8::54", "", "", "");
        let wanted = "ip=[2001:db8::7]::[2001:db8::1]:64:::none nameserver=2001:db8::53 nameserver=192.0.2.53 \
                      nameserver=2001:db8::54 first=2001:db8::53 second=2001:db8::54 quiet";
        assert_eq!(line(&dracut, &six), (wanted.to_owned(), vec![]));
    }

    #[test]
    fn what_was_not_set_is_no_word() {
        let own = words("ip={address}::{gateway}:{netmask} gateway={gateway}", ["dns={name_servers}", "", "", ""]);
        let bare = settings("192.0.2.10/25", "", "", "");
        assert_eq!(line(&own, &bare), ("ip=192.0.2.10:::255.255.255.128 quiet".to_owned(), vec![]));
        // Nothing was set: the line is as it was, and nobody is told anything.
        assert_eq!(line(&own, &NetworkSettings::default()), ("quiet".to_owned(), vec![]));
        assert_eq!(line(&own, &settings("", "", MAC, "")), ("quiet".to_owned(), vec![]));
    }

    #[test]
    fn what_has_no_words_is_said() {
        let all = settings(ADDRESS, "12", MAC, "http://192.0.2.1:3128");
        assert_eq!(hand_over(None, &all).left, [Left::Vlan, Left::Proxy]);
        let untagged = NetworkSettings { vlan: None, ..all.clone() };
        assert_eq!(hand_over(None, &untagged).left, [Left::Address, Left::Proxy]);
        let own = words("ip={address}", ["", "", "", ""]);
        let told = vec![Left::NameServers, Left::Interface, Left::Proxy];
        assert_eq!(line(&own, &untagged), ("ip=192.0.2.10 quiet".to_owned(), told));
        // The address of a tagged network is not handed over without the tag.
        assert_eq!(line(&own, &all), ("quiet".to_owned(), vec![Left::Vlan, Left::Proxy]));
        // There is no netmask of IPv6.
        let four = words("ip={address} mask={netmask}", ["", "", "", ""]);
        assert_eq!(line(&four, &settings("2001:db8::7/64", "", "", "")), ("quiet".to_owned(), vec![Left::Address]));
        let wireless = NetworkSettings { wireless: true, ..all.clone() };
        assert_eq!(hand_over(Some(&own), &wireless).left, [Left::Wireless, Left::Proxy]);
        let profile = NetworkWords { own_network: true, own_proxy: true, ..own };
        assert_eq!(line(&profile, &all), ("quiet".to_owned(), vec![Left::OwnNetwork, Left::OwnProxy]));
        // A later generator's placeholder is none of ours: it is as if there were no words.
        let later = words("ip={address}/{scope}", ["", "", "", ""]);
        assert_eq!(line(&later, &untagged).1, [Left::Address, Left::Proxy]);
    }

    #[test]
    fn an_address_or_dhcp_inside_a_tagged_network_may_have_words_of_its_own() {
        let dracut = NetworkWords {
            vlan_address: Some("ip={address}:{prefix}:card.{vlan}".to_owned()),
            vlan_dhcp: Some("ip=card.{vlan}:dhcp".to_owned()),
            ..words("ip={address}:{prefix}:{mac}", ["dns={name_server}", "card={mac!} vlan=card.{vlan}", "", ""])
        };
        let tagged = "card=52:54:00:ab:cd:0e vlan=card.12";
        for (address, vlan, wanted) in [
            ("192.0.2.10/24,,192.0.2.53", "12", format!("{tagged} ip=192.0.2.10:24:card.12 dns=192.0.2.53 quiet")),
            ("192.0.2.10/24", "", "ip=192.0.2.10:24:52:54:00:ab:cd:0e quiet".to_owned()),
            ("", "12", format!("{tagged} ip=card.12:dhcp quiet")),
            ("", "", "quiet".to_owned()),
        ] {
            assert_eq!(line(&dracut, &settings(address, vlan, MAC, "")), (wanted, vec![]));
        }
    }

    #[test]
    fn one_word_may_say_the_tag_and_what_is_inside() {
        let linuxrc = NetworkWords {
            vlan_address: Some("ifcfg={mac!}.{vlan}={address}/{prefix},{gateway},{name_server_1}".to_owned()),
            vlan_dhcp: Some("ifcfg={mac!}.{vlan}=dhcp".to_owned()),
            ..words("ifcfg={mac!}={address}/{prefix},{gateway},{name_server_1}", ["", "", "", ""])
        };
        for (address, mac, wanted) in [
            (ADDRESS, MAC, Ok("ifcfg=52:54:00:ab:cd:0e.12=192.0.2.10/24,192.0.2.1,192.0.2.53 quiet")),
            ("", MAC, Ok("ifcfg=52:54:00:ab:cd:0e.12=dhcp quiet")),
            (ADDRESS, "", Err(Left::Vlan)),
            ("", "", Err(Left::Vlan)),
        ] {
            let wanted = wanted.map_or_else(|left| ("quiet", vec![left]), |line| (line, vec![]));
            let (found, left) = line(&linuxrc, &settings(address, "12", mac, ""));
            assert_eq!((found.as_str(), left), wanted, "{address} {mac}");
        }
        let without_a_tag = NetworkWords { vlan_address: None, vlan_dhcp: None, ..linuxrc };
        assert_eq!(line(&without_a_tag, &settings(ADDRESS, "12", MAC, "")).1, [Left::Vlan]);
    }

    #[test]
    fn words_that_need_a_value_are_not_said_without_it() {
        let needs = words("ip={address} of={mac!}", ["", "card={mac!} vlan={vlan}", "", ""]);
        let given = |address, vlan, mac| line(&needs, &settings(address, vlan, mac, ""));
        assert_eq!(given("192.0.2.10/24", "", MAC).0, "ip=192.0.2.10 of=52:54:00:ab:cd:0e quiet");
        assert_eq!(given("192.0.2.10/24", "", ""), ("quiet".to_owned(), vec![Left::Address]));
        assert_eq!(given("192.0.2.10/24", "12", ""), ("quiet".to_owned(), vec![Left::Vlan]));
    }

    #[test]
    fn numbered_name_servers_are_of_the_address_own_family_and_others_are_said() {
        let casper = words("ip={address}:{name_server_1}:{name_server_2}", ["", "", "", ""]);
        let served = |servers: &str| line(&casper, &settings(&format!("192.0.2.10/24,,{servers}"), "", "", ""));
        assert_eq!(served("2001:db8::53;192.0.2.53"), ("ip=192.0.2.10:192.0.2.53: quiet".to_owned(), vec![]));
        assert_eq!(served("2001:db8::53"), ("ip=192.0.2.10:: quiet".to_owned(), vec![Left::NameServers]));
    }

    #[test]
    fn words_of_the_line_make_room_for_an_address_or_a_vlan_and_for_nothing_else() {
        let casper =
            NetworkWords { replaces: Some("ip=".to_owned()), ..words("ip={address}", ["", "", "", "p={proxy}"]) };
        let place = |settings| hand_over(Some(&casper), &settings).put_before("boot=casper ip=dhcp x --- ip6=a");
        assert_eq!(place(settings("192.0.2.10/24", "", "", "")), "ip=192.0.2.10 boot=casper x --- ip6=a");
        let proxied = "p=http://a.example:1 boot=casper ip=dhcp x --- ip6=a";
        assert_eq!(place(settings("", "", "", "http://a.example:1")), proxied);
        assert_eq!(place(settings("", "7", "", "")), "boot=casper ip=dhcp x --- ip6=a");
    }

    #[test]
    fn only_typed_values_are_taken() {
        for good in ["10.0.0.1/8", "10.0.0.1/32,,", "10.0.0.1/8,10.0.0.2", "2001:db8::7/64,,192.0.2.1;", ADDRESS] {
            assert!(StaticAddress::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "10.0.0.1",
            "10.0.0/8",
            "10.0.0.1/0",
            "10.0.0.1/33",
            "2001:db8::7/129",
            "10.0.0.1/8,x",
            "10.0.0.1/8,2001:db8::1",
            "10.0.0.1/8,,x",
            "10.0.0.1/8,,10.0.0.2,10.0.0.3",
            "10.0.0.1/8 init=/bin/sh",
            "fe80::1%eth0/64",
        ] {
            assert!(StaticAddress::parse(bad).is_none(), "{bad}");
        }
        assert!(["1", "4094"].iter().all(|good| Vlan::parse(good).is_some()));
        assert!(["", "0", "4095", "+7", "x", "7 ", "70000"].iter().all(|bad| Vlan::parse(bad).is_none()));
        assert!(
            [
                "",
                "52:54:00:12:34",
                "52:54:00:12:34:56:78",
                "52:54:00:12:34:5g",
                "+1:54:00:12:34:56",
                "52-54-00-12-34-56"
            ]
            .iter()
            .all(|bad| Mac::parse(bad).is_none())
        );
        assert!(
            ["", "a.example", "http://a b", "http://a\"", "http://a'b", "http://a{b}", "http://a\n"]
                .iter()
                .all(|bad| ProxyAddress::new(bad).is_none())
        );
    }

    #[test]
    fn a_placeholder_that_is_none_is_named() {
        assert_eq!(check_template("ip={address}::{gateway} vlan={vlan!}"), Ok(()));
        assert!(PLACEHOLDERS.iter().all(|name| check_template(&format!("x={{{name}}}")).is_ok()));
        for (wrong, named) in [
            ("a={adress}", "adress"),
            ("a={adress!}", "adress"),
            ("b={", "b={"),
            ("c=}", "c=}"),
            ("d={}", "d={}"),
            ("d={!}", "!"),
            ("e={{vlan}}", "e={{vlan}}"),
        ] {
            assert_eq!(check_template(wrong), Err(named.to_owned()), "{wrong}");
        }
    }
}
