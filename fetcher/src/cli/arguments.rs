//! From words to a command. What is wrong here is exit 2, and nothing has happened yet.

use std::ffi::OsString;
use std::path::PathBuf;

use anode_bundle::name::Sha256;
use anode_bundle::pack::NetworkSettings;
use anode_bundle::pack::network::{Mac, ProxyAddress, StaticAddress, Vlan};
use anode_bundle::{Moment, display};
use lexopt::prelude::*;
use zeroize::Zeroizing;

use crate::answers::Given;
use crate::blob::Pinned;
use crate::error::Failure;
use crate::hand_over::Target;
use crate::transport::{Address, PlainHttp};
use crate::words::Language;

/// What is to be done.
pub(super) enum Command {
    Activate(Box<Activate>),
    Update { reach: Box<Reach>, talk: Talk },
    Blob(Box<Blob>),
    Facts,
    Help(Topic),
    Version,
}

/// What help is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Program,
    Activate,
    Update,
    Blob,
    Facts,
}

/// How the tree is reached and what is known of it.
pub(super) struct Reach {
    pub sites: Vec<String>,
    pub root: PathBuf,
    pub state: Option<PathBuf>,
    pub cache: Option<PathBuf>,
    pub authorities: Vec<PathBuf>,
    pub client: Option<(PathBuf, PathBuf)>,
    pub now: Option<Moment>,
    pub allow_http: bool,
    pub proxy: Option<Address>,
}

/// How the program speaks.
pub(super) struct Talk {
    pub language: Option<Language>,
}

pub(super) struct Activate {
    pub reach: Reach,
    pub talk: Talk,
    pub code: Option<Zeroizing<String>>,
    pub code_file: Option<PathBuf>,
    /// Where a code that is typed lies for the next run.
    pub typed_code: Option<PathBuf>,
    pub profile: Option<String>,
    pub answers: Given,
    pub destination: Destination,
    /// What the installer is to be given, too.
    pub network: NetworkSettings,
}

/// Where the verified files go.
pub(super) enum Destination {
    /// To a folder or file.
    Written(Target),
    /// Into the initrd of the installer's kernel, which is loaded; or staged in this folder, where it can not be.
    Kexec(Option<PathBuf>),
    /// The same, staged in this folder.
    Stage(PathBuf),
}

/// A pinned file.
pub(super) struct Blob {
    pub pinned: Pinned,
    pub out: PathBuf,
    pub authorities: Vec<PathBuf>,
    pub proxy: Option<Address>,
    pub now: Option<Moment>,
}

/// The options as they come, before it is known whether they make sense together.
#[derive(Default)]
struct Options {
    sites: Vec<String>,
    root: Option<PathBuf>,
    state: Option<PathBuf>,
    cache: Option<PathBuf>,
    authorities: Vec<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    now: Option<Moment>,
    allow_http: bool,
    proxy: Option<Address>,
    language: Option<Language>,
    code: Option<Zeroizing<String>>,
    code_file: Option<PathBuf>,
    typed_code: Option<PathBuf>,
    profile: Option<String>,
    answers: Given,
    files: Option<PathBuf>,
    initrd: Option<PathBuf>,
    kexec: bool,
    stage: Option<PathBuf>,
    address: Option<StaticAddress>,
    vlan: Option<Vlan>,
    interface: Option<Mac>,
    wireless: bool,
    urls: Vec<String>,
    sha256: Option<Sha256>,
    length: Option<u64>,
    out: Option<PathBuf>,
}

/// # Errors
/// [`Failure::Usage`] for everything that is not a command of this program.
pub(super) fn parse(arguments: Vec<OsString>) -> Result<Command, Failure> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let topic = loop {
        match parser.next().map_err(|error| usage(&error, Topic::Program))? {
            None => return Err(Failure::usage("there is no command", "try `anode-fetch --help`")),
            Some(Short('h') | Long("help")) => return Ok(Command::Help(Topic::Program)),
            Some(Short('V') | Long("version")) => return Ok(Command::Version),
            Some(Long("json")) => {}
            Some(Value(word)) => match word.to_str() {
                Some("activate") => break Topic::Activate,
                Some("update") => break Topic::Update,
                Some("blob") => break Topic::Blob,
                Some("facts") => break Topic::Facts,
                _ => {
                    let word = display::line(&word.to_string_lossy(), 40);
                    return Err(Failure::usage(
                        format!("`{word}` is not a command"),
                        "the commands are `activate`, `update`, `blob` and `facts`",
                    ));
                }
            },
            Some(other) => return Err(usage(&other.unexpected(), Topic::Program)),
        }
    };
    let mut options = Options::default();
    while let Some(argument) = parser.next().map_err(|error| usage(&error, topic))? {
        let name = match argument {
            Short('h') | Long("help") => return Ok(Command::Help(topic)),
            Short('V') | Long("version") => return Ok(Command::Version),
            Long("json") => continue,
            Long(name) if belongs(topic, name) => name.to_owned(),
            other => return Err(usage(&other.unexpected(), topic)),
        };
        options.take(&name, &mut parser, topic)?;
    }
    options.command(topic)
}

fn belongs(topic: Topic, name: &str) -> bool {
    match name {
        "ca" | "now" | "proxy" => matches!(topic, Topic::Activate | Topic::Update | Topic::Blob),
        "site" | "root" | "state" | "cache" | "client-cert" | "client-key" | "allow-http" | "lang" => {
            matches!(topic, Topic::Activate | Topic::Update)
        }
        "url" | "sha256" | "length" | "out" => topic == Topic::Blob,
        "code" | "code-file" | "typed-code" | "profile" | "answer" | "files" | "initrd" | "kexec" | "stage" | "ip"
        | "vlan" | "interface" | "wireless" => topic == Topic::Activate,
        _ => false,
    }
}

impl Options {
    fn take(&mut self, name: &str, parser: &mut lexopt::Parser, topic: Topic) -> Result<(), Failure> {
        match name {
            "allow-http" => self.allow_http = true,
            "kexec" => self.kexec = true,
            "wireless" => self.wireless = true,
            _ => return self.take_value(name, parser, topic),
        }
        Ok(())
    }

    fn take_value(&mut self, name: &str, parser: &mut lexopt::Parser, topic: Topic) -> Result<(), Failure> {
        let value = parser.value().map_err(|error| usage(&error, topic))?;
        if let Some(place) = self.path(name) {
            return once(place, value.into(), name);
        }
        if name == "ca" {
            self.authorities.push(value.into());
            return Ok(());
        }
        let text = value
            .into_string()
            .map_err(|_| Failure::usage(format!("the value of `--{name}` is not UTF-8"), hint(topic)))?;
        let wrong = |problem: &str, remedy: &str| Failure::usage(format!("`--{name}` {problem}"), remedy);
        match name {
            "site" => self.sites.push(text),
            "url" => self.urls.push(text),
            "profile" => return once(&mut self.profile, text, name),
            "code" => return once(&mut self.code, Zeroizing::new(text), name),
            "sha256" => {
                let sum =
                    Sha256::parse(&text).map_err(|_| wrong("is not a hash", "write it as 64 lower-case hex digits"))?;
                return once(&mut self.sha256, sum, name);
            }
            "length" => {
                let length =
                    text.parse().map_err(|_| wrong("is not a number of bytes", "write it as a whole number"))?;
                return once(&mut self.length, length, name);
            }
            "proxy" => {
                let remedy = "write it as `http://HOST:PORT`, without a user or password";
                let proxy =
                    Address::parse(&text, PlainHttp::ForPinned).map_err(|bad| wrong(&bad.to_string(), remedy))?;
                return once(&mut self.proxy, proxy, name);
            }
            "ip" => {
                let remedy =
                    "write it as `192.0.2.10/24,192.0.2.1,192.0.2.53;192.0.2.54`: address, gateway, name servers";
                let address =
                    StaticAddress::parse(&text).ok_or_else(|| wrong("is not an address with its prefix", remedy))?;
                return once(&mut self.address, address, name);
            }
            "vlan" => {
                let vlan = Vlan::parse(&text).ok_or_else(|| wrong("is not a VLAN", "write a number from 1 to 4094"))?;
                return once(&mut self.vlan, vlan, name);
            }
            "interface" => {
                let remedy = "write it as `52:54:00:12:34:56`";
                let mac = Mac::parse(&text).ok_or_else(|| wrong("is not a hardware address", remedy))?;
                return once(&mut self.interface, mac, name);
            }
            "now" => {
                let remedy = "write it as `2026-11-30T12:00:00Z`";
                let now = Moment::parse(&text).map_err(|problem| wrong(&format!("is {problem}"), remedy))?;
                return once(&mut self.now, now, name);
            }
            "lang" => {
                let language = match text.as_str() {
                    "de" => Language::German,
                    "en" => Language::English,
                    _ => return Err(wrong("knows `de` and `en`", "choose one of them")),
                };
                return once(&mut self.language, language, name);
            }
            "answer" => {
                let text = Zeroizing::new(text);
                let pair = text.split_once('=').filter(|(prompt, _)| !prompt.is_empty());
                let (prompt, answer) =
                    pair.ok_or_else(|| wrong("without a name and a value", "write it as `--answer NAME=VALUE`"))?;
                if self.answers.insert(prompt.to_owned(), Zeroizing::new(answer.to_owned())).is_some() {
                    let prompt = display::line(prompt, 64);
                    return Err(Failure::usage(
                        format!("`--answer {prompt}=…` is given twice"),
                        "give each answer once",
                    ));
                }
            }
            _ => return Err(Failure::Internal(format!("the option `--{name}` has no meaning"))),
        }
        Ok(())
    }

    /// The place of an option that names one file or folder.
    fn path(&mut self, name: &str) -> Option<&mut Option<PathBuf>> {
        Some(match name {
            "out" => &mut self.out,
            "root" => &mut self.root,
            "state" => &mut self.state,
            "cache" => &mut self.cache,
            "client-cert" => &mut self.client_certificate,
            "client-key" => &mut self.client_key,
            "code-file" => &mut self.code_file,
            "typed-code" => &mut self.typed_code,
            "files" => &mut self.files,
            "initrd" => &mut self.initrd,
            "stage" => &mut self.stage,
            _ => return None,
        })
    }

    fn command(self, topic: Topic) -> Result<Command, Failure> {
        let talk = Talk { language: self.language };
        match topic {
            Topic::Program => Ok(Command::Help(Topic::Program)),
            Topic::Facts => Ok(Command::Facts),
            Topic::Blob => self.blob(),
            Topic::Update if self.state.is_none() => Err(missing("state DIR", topic)),
            Topic::Update => Ok(Command::Update { reach: Box::new(self.reach(topic)?.0), talk }),
            Topic::Activate => {
                let (reach, rest) = self.reach(topic)?;
                if rest.code.is_some() && rest.code_file.is_some() {
                    return Err(Failure::usage("`--code` and `--code-file` are given together", "give one of them"));
                }
                if rest.typed_code.is_some() && (rest.code.is_some() || rest.code_file.is_some()) {
                    let problem = "`--typed-code` and another code are given together";
                    return Err(Failure::usage(problem, "give one of them: a code that is given is not typed"));
                }
                let destination = match (rest.files, rest.initrd, rest.kexec, rest.stage) {
                    (Some(dir), None, false, None) => Destination::Written(Target::Files(dir)),
                    (None, Some(file), false, None) => Destination::Written(Target::Initrd(file)),
                    (None, None, true, dir) => Destination::Kexec(dir),
                    (None, None, false, Some(dir)) => Destination::Stage(dir),
                    (None, None, false, None) => {
                        return Err(missing("files DIR`, `--initrd FILE`, `--kexec` or `--stage DIR", topic));
                    }
                    _ => {
                        let problem = "two of `--files`, `--initrd` and `--kexec` or `--stage` are given together";
                        return Err(Failure::usage(problem, "give one of them; `--kexec` and `--stage` go together"));
                    }
                };
                let network = NetworkSettings {
                    address: rest.address,
                    vlan: rest.vlan,
                    interface: rest.interface,
                    proxy: reach.proxy.as_ref().and_then(|proxy| ProxyAddress::new(proxy.as_str())),
                    wireless: rest.wireless,
                };
                let is_set = network != NetworkSettings { proxy: network.proxy.clone(), ..NetworkSettings::default() };
                if is_set && matches!(destination, Destination::Written(_)) {
                    let problem =
                        "`--ip`, `--vlan`, `--interface` and `--wireless` are for an installer that is started";
                    return Err(Failure::usage(problem, "leave them out, or give `--kexec` or `--stage DIR`"));
                }
                Ok(Command::Activate(Box::new(Activate {
                    network,
                    reach,
                    talk,
                    code: rest.code,
                    code_file: rest.code_file,
                    typed_code: rest.typed_code,
                    profile: rest.profile,
                    answers: rest.answers,
                    destination,
                })))
            }
        }
    }

    fn blob(self) -> Result<Command, Failure> {
        let topic = Topic::Blob;
        if self.urls.is_empty() {
            return Err(missing("url URL", topic));
        }
        let address = |url: &String| {
            Address::parse(url, PlainHttp::ForPinned)
                .map_err(|bad| Failure::usage(bad.to_string(), "write `https://HOST/PATH` or `http://HOST/PATH`"))
        };
        let pinned = Pinned {
            addresses: self.urls.iter().map(address).collect::<Result<_, _>>()?,
            sha256: self.sha256.ok_or_else(|| missing("sha256 HEX", topic))?,
            length: self.length.ok_or_else(|| missing("length BYTES", topic))?,
        };
        let out = self.out.ok_or_else(|| missing("out FILE", topic))?;
        Ok(Command::Blob(Box::new(Blob {
            pinned,
            out,
            authorities: self.authorities,
            proxy: self.proxy,
            now: self.now,
        })))
    }

    fn reach(mut self, topic: Topic) -> Result<(Reach, Options), Failure> {
        let root = self.root.take().ok_or_else(|| missing("root FILE", topic))?;
        if self.sites.is_empty() && self.cache.is_none() {
            return Err(missing("site URL", topic));
        }
        let plain = if self.allow_http { PlainHttp::OnLoopback } else { PlainHttp::Refused };
        let mut sites = Vec::new();
        for site in std::mem::take(&mut self.sites) {
            let address = Address::parse(&site, plain).map_err(|bad| {
                let remedy = "write `https://HOST/PATH`; `http://` works for this machine only, with `--allow-http`";
                Failure::usage(bad.to_string(), remedy)
            })?;
            sites.push(address.as_str().to_owned());
        }
        let client = match (self.client_certificate.take(), self.client_key.take()) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(Failure::usage("`--client-cert` and `--client-key` belong together", "give both of them")),
        };
        let reach = Reach {
            sites,
            root,
            state: self.state.take(),
            cache: self.cache.take(),
            authorities: std::mem::take(&mut self.authorities),
            client,
            now: self.now,
            allow_http: self.allow_http,
            proxy: self.proxy.take(),
        };
        Ok((reach, self))
    }
}

fn once<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), Failure> {
    if place.replace(value).is_some() {
        return Err(Failure::usage(format!("`--{name}` is given twice"), "give it once"));
    }
    Ok(())
}

fn missing(option: &str, topic: Topic) -> Failure {
    Failure::usage(format!("`--{option}` is missing"), hint(topic))
}

/// The parser's words, without the value of an option: it may be a code.
fn usage(error: &lexopt::Error, topic: Topic) -> Failure {
    let problem = match error {
        lexopt::Error::UnexpectedOption(name) => {
            format!("`{}` is not an option of this command", display::line(name, 40))
        }
        lexopt::Error::MissingValue { option: Some(option) } => {
            format!("`{}` needs a value", display::line(option, 40))
        }
        lexopt::Error::UnexpectedValue { option, .. } => format!("`{}` takes no value", display::line(option, 40)),
        lexopt::Error::UnexpectedArgument(_) => "there is a word that belongs to no option".to_owned(),
        other => display::line(&other.to_string(), 120),
    };
    Failure::usage(problem, hint(topic))
}

fn hint(topic: Topic) -> &'static str {
    match topic {
        Topic::Program => "try `anode-fetch --help`",
        Topic::Activate => "try `anode-fetch activate --help`",
        Topic::Update => "try `anode-fetch update --help`",
        Topic::Blob => "try `anode-fetch blob --help`",
        Topic::Facts => "try `anode-fetch facts --help`",
    }
}
