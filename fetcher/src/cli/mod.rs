//! The command line (design, section 8): parse → run → exit code. Everything printed is printed here.

mod arguments;
mod help;
mod outcome;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use anode_bundle::code::{Machine, Secret};
use anode_bundle::pack::{COMMAND_LINE_LIMIT, NetworkSettings, network};
use anode_bundle::trust::Clock;
use anode_bundle::{ExitCode, Moment, Refusal};
use zeroize::Zeroizing;

use crate::activate::{Activated, Order, Person, Shipped, Sources, activate, read_limited};
use crate::blob::{self, Origin};
use crate::console::{Console, Terminal};
use crate::error::Failure;
use crate::facts::Facts;
use crate::folder::Folder;
use crate::hand_over::{Carry, Network, PROXY, Way, initrd_archive};
use crate::kexec::{self, Kernel};
use crate::transport::{Address, Credentials, Https, Limits, PlainHttp, Settings, public_authorities};
use crate::words::Language;
use arguments::{Activate, Blob, Command, Destination, Reach, Talk};
use outcome::{Outcome, Staged, Updated};

const CODE_FILE_LIMIT: u64 = 1 << 10;
const PEM_LIMIT: u64 = 1 << 20;
const PROXY_LIMIT: u64 = 1 << 10;

/// The machine and the person in front of it, as far as a run needs them.
pub trait Host {
    /// Where questions and talk go.
    fn terminal(&mut self) -> &mut dyn Terminal;

    /// Data, on standard output.
    ///
    /// # Errors
    /// What writing can say.
    fn print(&mut self, text: &str) -> io::Result<()>;

    /// The reading of the machine's clock.
    fn clock(&self) -> Moment;

    /// What the machine is.
    fn facts(&self) -> Facts;

    /// The locale of the environment.
    fn locale(&self) -> Option<String>;

    /// The kernel that runs, for `--kexec`.
    fn kernel(&self) -> Box<dyn Kernel>;
}

/// Runs one command. `arguments` come without the program's name.
pub fn run(host: &mut dyn Host, arguments: Vec<OsString>) -> ExitCode {
    // Known even if the rest of the command line is not understood: whoever reads JSON gets JSON.
    let json = arguments.iter().any(|argument| argument == "--json");
    let spoken = spoken(&arguments).or_else(|| Language::of(&host.locale()?)).unwrap_or_default();
    let mut warnings = Vec::new();
    let done = arguments::parse(arguments).and_then(|command| perform(host, command, &mut warnings));
    match done {
        Ok(outcome) => match print(host, &outcome, json, warnings) {
            Ok(()) => ExitCode::Done,
            // Whoever was listening heard enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::Done,
            Err(error) => {
                host.terminal().say(&format!("error: writing the result: {}", crate::error::reason(&error)));
                ExitCode::Io
            }
        },
        Err(failure) => {
            let terminal = host.terminal();
            let lines = match terminal.is_typed() {
                true => outcome::error_rows(&failure, spoken),
                false => outcome::error_lines(&failure),
            };
            lines.iter().for_each(|line| terminal.say(line));
            if json {
                let _ = host.print(&outcome::failure_json(&failure, warnings));
            }
            failure.exit()
        }
    }
}

/// The language that the command line names, whatever else is wrong with it.
fn spoken(arguments: &[OsString]) -> Option<Language> {
    let named = arguments.iter().position(|argument| argument == "--lang")?;
    Language::of(arguments.get(named + 1)?.to_str()?)
}

fn print(host: &mut dyn Host, outcome: &Outcome, json: bool, warnings: Vec<String>) -> io::Result<()> {
    match outcome {
        Outcome::Text(text) => host.print(text),
        outcome if json => host.print(&outcome.to_json(warnings)),
        Outcome::Updated(_) | Outcome::Activated { .. } => Ok(()),
    }
}

fn perform(host: &mut dyn Host, command: Command, warnings: &mut Vec<String>) -> Result<Outcome, Failure> {
    match command {
        Command::Help(topic) => Ok(Outcome::Text(help::text(topic))),
        Command::Version => Ok(Outcome::Text(format!("anode-fetch {}\n", env!("CARGO_PKG_VERSION")))),
        Command::Facts => {
            let json = host.facts().to_json().map_err(|error| Failure::Internal(error.to_string()))?;
            Ok(Outcome::Text(json + "\n"))
        }
        Command::Update { reach, talk } => perform_update(host, &reach, &talk, warnings),
        Command::Activate(activate) => perform_activate(host, *activate, warnings),
        Command::Blob(wanted) => perform_blob(host, *wanted),
    }
}

/// Root chain, timestamp and release into the state folder, nothing else.
fn perform_update(
    host: &mut dyn Host,
    reach: &Reach,
    talk: &Talk,
    warnings: &mut Vec<String>,
) -> Result<Outcome, Failure> {
    let shipped = Shipped::read(&reach.root)?;
    let clock = clock(host, reach);
    let language = language(host, talk);
    let mut opened = Opened::new(reach)?;
    let mut console = Console::new(host.terminal(), language, None, Vec::new(), None);
    let updated = {
        let mut observer = |event| console.tell(&event);
        let mut sources = opened.sources();
        let mut client = sources.client(&shipped, &reach.sites, clock, &mut observer)?;
        client.refresh().map(|snapshot| Updated {
            site: client.root().site.clone(),
            root: client.root().version,
            release: snapshot.release.version,
            timestamp: snapshot.timestamp.version,
            issued: snapshot.timestamp.issued,
            source: snapshot.source,
        })
    };
    warnings.append(&mut console.warnings);
    Ok(Outcome::Updated(updated?))
}

fn perform_activate(host: &mut dyn Host, wanted: Activate, warnings: &mut Vec<String>) -> Result<Outcome, Failure> {
    // Everything that can be wrong on this machine is found out before the network is used.
    let mut kernel = host.kernel();
    match &wanted.destination {
        Destination::Written(target) => target.check()?,
        Destination::Kexec(_) => kernel.check()?,
        Destination::Stage(_) => {}
    }
    let code = given_code(&wanted)?;
    let typed = typed_code(&wanted)?;
    let shipped = Shipped::read(&wanted.reach.root)?;
    let mut opened = Opened::new(&wanted.reach)?;
    let facts = host.facts();
    let machine = match (&facts.system.uuid, &facts.system.serial) {
        (Some(uuid), Some(serial)) => Machine::new(uuid, serial).ok(),
        _ => None,
    };
    let order = Order {
        shipped: &shipped,
        mirrors: wanted.reach.sites.clone(),
        clock: clock(host, &wanted.reach),
        machine,
        facts: facts.hardware(),
        profile: wanted.profile,
        given: wanted.answers,
        way: &|manifest| match &wanted.destination {
            Destination::Written(_) => Ok(Way::AtOnce),
            Destination::Kexec(dir) => kexec::way(manifest, Some(&*kernel), dir.as_deref()),
            Destination::Stage(dir) => kexec::way(manifest, None, Some(dir)),
        },
    };
    let language = language(host, &wanted.talk);
    let target = match &wanted.destination {
        Destination::Written(target) => Some(target.path().display().to_string()),
        Destination::Kexec(_) | Destination::Stage(_) => None,
    };
    let terminal = host.terminal();
    // Where a disk will be erased and a person is there, a code that was given answers the question for the code and no other.
    let is_watched = target.is_none() && terminal.is_typed();
    let (code, preset) = if is_watched { (None, code) } else { (code, None) };
    let mut console = Console::new(terminal, language, code, facts.disks, target).preset(preset);
    if let Some(file) = wanted.typed_code {
        console = console.typed(typed, file);
    }
    // Files are handed over by somebody else.
    if !matches!(wanted.destination, Destination::Written(_)) {
        console = console.network(wanted.network.clone());
    }
    let activated = activate(&order, opened.sources(), &mut console);
    warnings.append(&mut console.warnings);
    let activated = activated?;
    let network = || {
        let given = wanted.reach.authorities.iter().filter_map(|file| read_limited(file, PEM_LIMIT).ok());
        let authorities = given.chain(public_authorities()).flatten().collect();
        Network { authorities, proxy: wanted.reach.proxy.clone() }
    };
    let carry = Carry::of(activated.contents.manifest(), network);
    let (files, way) = match &wanted.destination {
        Destination::Written(target) => (target.write(&activated.files()?, &activated.selection, carry)?, Way::AtOnce),
        Destination::Kexec(_) | Destination::Stage(_) => {
            prepare(&activated, carry, &wanted.reach, &wanted.network, &mut *kernel, &mut console)?
        }
    };
    console.done(files.len());
    let staged = matches!(way, Way::Staged(_)).then_some(Staged { loader: kexec::LOADER });
    let (selection, unattended) = (Box::new(activated.selection), activated.unattended);
    Ok(Outcome::Activated { selection, unattended, files, staged })
}

/// The installer's kernel, its initrd and the verified files, into the memory of the running kernel, or to where the firmware finds them. Also which.
fn prepare(
    activated: &Activated,
    carry: Carry,
    reach: &Reach,
    network: &NetworkSettings,
    kernel: &mut dyn Kernel,
    console: &mut Console<'_>,
) -> Result<(Vec<String>, Way), Failure> {
    let contents = &activated.contents;
    let (Some(boot), Some(line)) = (&contents.manifest().boot, contents.command_line(&activated.answers)?) else {
        return Err(Failure::Internal("a profile without a kernel".to_owned()));
    };
    let line = network::hand_over(boot.network.as_ref(), network).put_before(&line);
    if line.len() > COMMAND_LINE_LIMIT {
        let problem = "the kernel command line would be longer than 2,000 characters with the network's settings";
        return Err(Failure::hand_over(
            problem,
            "set fewer name servers, or tell the operator to shorten the profile's line",
        ));
    }
    let (archive, paths) = initrd_archive(&activated.files()?, &activated.selection, carry)?;
    // The site's own authorities, and those of whoever else has what was pinned: hashes decide.
    let credentials = credentials(&reach.authorities, reach.client.as_ref())?;
    let credentials = if reach.authorities.is_empty() { credentials } else { credentials.and_public() };
    let settings =
        Settings { credentials, plain_http: PlainHttp::ForPinned, limits: blob::LIMITS, proxy: reach.proxy.clone() };
    let cache = reach.cache.clone().map(Folder::new);
    let mut origin =
        Origin { cache: cache.as_ref(), https: &mut Https::new(settings), now: activated.selection.activated_at };
    let installer = kexec::Installer { boot, command_line: &line, archive: &archive };
    let mut progress = |name: &str, length, total| console.progress(name, length, total);
    let way = match &activated.way {
        Way::AtOnce => kexec::load(&installer, kernel, None, &mut origin, &mut progress)?,
        Way::Tried(dir) => kexec::load(&installer, kernel, Some(dir), &mut origin, &mut progress)?,
        Way::Staged(dir) => {
            kexec::stage(&installer, dir, &mut origin, &mut progress)?;
            Way::Staged(dir.clone())
        }
    };
    Ok((paths, way))
}

fn perform_blob(host: &mut dyn Host, wanted: Blob) -> Result<Outcome, Failure> {
    let credentials = credentials(&wanted.authorities, None)?;
    let proxy = match wanted.proxy {
        Some(proxy) => Some(proxy),
        None => carried_proxy(Path::new("/"))?,
    };
    let mut https = Https::new(Settings { credentials, plain_http: PlainHttp::ForPinned, limits: blob::LIMITS, proxy });
    let now = wanted.now.unwrap_or_else(|| host.clock());
    let mut origin = Origin { cache: None, https: &mut https, now };
    let (name, total) = (wanted.out.display().to_string(), wanted.pinned.length);
    let mut console = Console::new(host.terminal(), Language::default(), None, Vec::new(), None);
    blob::fetch(&wanted.pinned, &wanted.out, &mut origin, &mut |length| console.progress(&name, length, total))?;
    Ok(Outcome::Text(String::new()))
}

/// The proxy that the hand-over put beside this program in an installer's initramfs.
fn carried_proxy(root: &Path) -> Result<Option<Address>, Failure> {
    let file = root.join(PROXY);
    let Ok(text) = read_limited(&file, PROXY_LIMIT) else { return Ok(None) };
    let address = Address::parse(String::from_utf8_lossy(&text).trim(), PlainHttp::ForPinned);
    address.map(Some).map_err(|bad| Failure::io(format!("`{}`: {bad}", file.display())))
}

fn given_code(wanted: &Activate) -> Result<Option<Secret>, Failure> {
    match (&wanted.code, &wanted.code_file) {
        (Some(code), _) => Ok(Some(Secret::parse(code).map_err(Refusal::CodeMalformed)?)),
        (None, Some(file)) => read_code(file).map(Some),
        (None, None) => Ok(None),
    }
}

/// What was typed in an earlier run, if it is still there.
fn typed_code(wanted: &Activate) -> Result<Option<Secret>, Failure> {
    let Some(file) = wanted.typed_code.as_ref().filter(|file| file.exists()) else { return Ok(None) };
    read_code(file).map(Some)
}

fn read_code(file: &Path) -> Result<Secret, Failure> {
    let bytes = Zeroizing::new(read_limited(file, CODE_FILE_LIMIT)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::io(format!("`{}` is not text", file.display())))?;
    Ok(Secret::parse(text).map_err(Refusal::CodeMalformed)?)
}

fn clock(host: &dyn Host, reach: &Reach) -> Clock {
    Clock { rtc: reach.now.unwrap_or_else(|| host.clock()), build: None }
}

fn language(host: &dyn Host, talk: &Talk) -> Language {
    talk.language.or_else(|| Language::of(&host.locale()?)).unwrap_or_default()
}

fn credentials(authorities: &[PathBuf], client: Option<&(PathBuf, PathBuf)>) -> Result<Credentials, Failure> {
    let authorities = authorities.iter().map(|file| read_limited(file, PEM_LIMIT)).collect::<Result<Vec<_>, _>>()?;
    let client = match client {
        Some((certificate, key)) => {
            Some((read_limited(certificate, PEM_LIMIT)?, Zeroizing::new(read_limited(key, PEM_LIMIT)?)))
        }
        None => None,
    };
    let client = client.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
    Credentials::new(&authorities, client)
        .map_err(|error| Failure::usage(error.to_string(), "give PEM files: `-----BEGIN CERTIFICATE-----` and so on"))
}

/// What the options of the command line open.
struct Opened {
    transport: Https,
    state: Option<Folder>,
    cache: Option<Folder>,
}

impl Opened {
    fn new(reach: &Reach) -> Result<Opened, Failure> {
        let credentials = credentials(&reach.authorities, reach.client.as_ref())?;
        let plain_http = if reach.allow_http { PlainHttp::OnLoopback } else { PlainHttp::Refused };
        let transport =
            Https::new(Settings { credentials, plain_http, limits: Limits::default(), proxy: reach.proxy.clone() });
        Ok(Opened {
            transport,
            state: reach.state.clone().map(Folder::new),
            cache: reach.cache.clone().map(Folder::new),
        })
    }

    fn sources(&mut self) -> Sources<'_> {
        Sources {
            transport: &mut self.transport,
            state: self.state.as_mut().map(|folder| folder as _),
            cache: self.cache.as_mut().map(|folder| folder as _),
        }
    }
}
