//! What the medium knows of its site, and what the kernel's arguments preset. Both are data: neither is trusted with anything but a convenience.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::Machine;
use crate::transport::{Address, PlainHttp};
use crate::words::Language;

/// `/etc/anode/medium.json`. Members that nobody knows are for later versions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Site {
    pub site: String,
    pub title: String,
    pub urls: Vec<String>,
    pub built: String,
    pub language: String,
    pub consoles: Vec<String>,
}

impl Site {
    pub fn read(machine: &Machine) -> Site {
        machine.text("etc/anode/medium.json").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }
}

/// The kernel's arguments, as far as they are ours. Most of the network's are its script's affair.
#[derive(Default)]
pub(super) struct Presets {
    pub shell: bool,
    /// The firmware starts the installer, also where this kernel could.
    pub stage: bool,
    pub language: Option<Language>,
    pub keyboard: Option<String>,
    pub urls: Vec<String>,
    pub code: Option<Zeroizing<String>>,
    pub profile: Option<String>,
    pub proxy: Option<String>,
    /// The last one, as the script reads it.
    pub ip: Option<String>,
    /// How many seconds a machine without a person waits for its next try; 0: for a person.
    pub retry: Option<u64>,
    /// How many seconds it waits for a network before it takes the copy on the medium.
    pub offline: Option<u64>,
    pub consoles: Vec<String>,
    /// Words with an address that the fetcher would not take.
    pub refused: Vec<String>,
    /// Neither these nor the medium's code are used any more: a person types what did not work.
    pub forgotten: bool,
}

impl Presets {
    pub fn read(machine: &Machine) -> Presets {
        Presets::parse(&Zeroizing::new(machine.text("proc/cmdline").unwrap_or_default()))
    }

    fn parse(line: &str) -> Presets {
        let mut presets = Presets::default();
        for word in line.split_ascii_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
            match name {
                "anode.url" if !value.is_empty() && !is_mirror(value) => presets.refused.push(word.to_owned()),
                "anode.proxy" if !value.is_empty() && !is_proxy(value) => presets.refused.push(word.to_owned()),
                "anode.shell" => presets.shell = true,
                "anode.stage" => presets.stage = true,
                "anode.lang" => presets.language = Language::of(value),
                "anode.keyboard" => presets.keyboard = text(),
                "anode.url" => presets.urls.extend(text()),
                "anode.code" => presets.code = text().map(Zeroizing::new),
                "anode.profile" => presets.profile = text(),
                "anode.proxy" => presets.proxy = text(),
                "anode.ip" => presets.ip = text(),
                "anode.offline" => presets.offline = value.parse().ok(),
                "anode.retry" => presets.retry = value.parse().ok(),
                // `ttyS0,115200n8`: what follows the name was the kernel's affair.
                "console" => presets.consoles.extend(value.split(',').next().map(str::to_owned)),
                _ => {}
            }
        }
        presets
    }
}

/// Would the fetcher take it as `--site`? The medium never allows plain HTTP there.
fn is_mirror(text: &str) -> bool {
    Address::parse(text, PlainHttp::Refused).is_ok()
}

/// Would the fetcher take it as `--proxy`?
pub(super) fn is_proxy(text: &str) -> bool {
    Address::parse(text, PlainHttp::ForPinned).is_ok()
}

/// Names of devices below `/dev`, each once: the kernel's and the medium's.
pub(super) fn consoles(machine: &Machine) -> Vec<String> {
    let mut names = Presets::read(machine).consoles;
    names.extend(Site::read(machine).consoles);
    let mut once: Vec<String> = Vec::new();
    for name in names {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_name && !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_arguments_preset_what_is_asked_else() {
        let line = "BOOT_IMAGE=/boot/vmlinuz console=tty0 console=ttyS0,115200n8 anode.lang=de_DE anode.keyboard=ch \
                    anode.url=https://a.example anode.url=https://b.example anode.proxy=http://192.0.2.1:3128 anode.shell \
                    anode.ip=192.0.2.9/24 anode.ip=192.0.2.10/24,192.0.2.1 anode.offline=90 anode.retry=x\n";
        let presets = Presets::parse(line);
        assert_eq!(presets.consoles, ["tty0", "ttyS0"]);
        assert_eq!(presets.language, Some(Language::German));
        assert_eq!(presets.keyboard.as_deref(), Some("ch"));
        assert_eq!(presets.urls, ["https://a.example", "https://b.example"]);
        assert_eq!(presets.proxy.as_deref(), Some("http://192.0.2.1:3128"));
        // The script takes the last one.
        assert_eq!(presets.ip.as_deref(), Some("192.0.2.10/24,192.0.2.1"));
        assert_eq!((presets.offline, presets.retry), (Some(90), None));
        assert!(presets.shell && presets.code.is_none() && presets.profile.is_none());
        assert!(!Presets::parse("anode.shellx anode.code=").shell);
    }

    #[test]
    fn an_address_that_the_fetcher_would_not_take_is_left_out_and_named() {
        let wrong = [
            "anode.url=http://a.example",
            "anode.url=a.example",
            "anode.proxy=192.0.2.1:3128",
            "anode.proxy=http://user:secret@192.0.2.1",
        ];
        let presets = Presets::parse(&format!("{} anode.url=https://b.example anode.proxy=", wrong.join(" ")));
        assert_eq!(presets.refused, wrong);
        assert_eq!((presets.urls, presets.proxy), (vec!["https://b.example".to_owned()], None));
    }

    #[test]
    fn consoles_are_opened_once_and_only_below_dev() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc")).unwrap();
        std::fs::create_dir_all(folder.path().join("etc/anode")).unwrap();
        std::fs::write(folder.path().join("proc/cmdline"), "console=ttyS1,9600 console=../mem console=ttyS0").unwrap();
        let site = r#"{"format":1,"consoles":["tty0","ttyS0"],"later":[]}"#;
        std::fs::write(folder.path().join("etc/anode/medium.json"), site).unwrap();
        let machine = Machine { root: folder.path().to_owned() };
        assert_eq!(consoles(&machine), ["ttyS1", "ttyS0", "tty0"]);
    }
}
