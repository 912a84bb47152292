//! `anode medium iso`: everything that a medium is made of is brought together, and the image is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anode_bundle::code::Secret;
use anode_bundle::{Moment, Refusal};
use anode_fetch::transport::{Https, PlainHttp};
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use zeroize::Zeroizing;

use super::forewarn;
use crate::clock;
use crate::cmd::lock::{Files, Transfer};
use crate::cmd::mirror::pinned_files;
use crate::cmd::{print, reach, say, size};
use crate::diagnose::Faulty;
use crate::medium::console::Console;
use crate::medium::initramfs::{Personal, Recipe, compose};
use crate::medium::iso::{Disc, Place, write};
use crate::medium::lock::MediumLock;
use crate::medium::modules::Equipment;
use crate::medium::obtain::Store;
use crate::medium::packages::Purpose;
use crate::medium::programs::Programs;
use crate::medium::site::Site;
use crate::medium::splash::Picture;
use crate::medium::tree::{TreeCopy, object};
use crate::medium::{Architecture, code, host};
use crate::repository;

/// A certificate, a key, a code.
const SMALL: u64 = 1 << 20;
/// A picture.
const PICTURE: u64 = 4 << 20;

#[derive(Args)]
pub(in crate::cmd) struct Options {
    /// The image to write; nothing is ever overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    making: Making,
    /// With the site's signed tree, for places without a network
    #[arg(long)]
    cache: bool,
    /// With the tree, and with everything that its profiles boot
    #[arg(long)]
    mirror: bool,
    /// A picture behind the boot menu (PNG)
    #[arg(long, value_name = "FILE")]
    splash: Option<PathBuf>,
}

/// What every kind of medium is made from.
#[derive(Args)]
pub(in crate::cmd) struct Making {
    /// The profiles repository
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,
    /// What the medium is made for
    #[arg(long, value_enum, default_value = "amd64")]
    pub arch: Architecture,
    /// With wireless networks, and firmware of network cards
    #[arg(long)]
    firmware: bool,
    /// Where the medium speaks, such as `tty0` or `ttyS0,115200`; repeats [default: a screen and the first serial line]
    #[arg(long = "console", value_name = "NAME")]
    consoles: Vec<String>,
    /// Trust these certificate authorities only, here and on the medium (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A certificate of the medium's own, for hosts that ask for one (PEM)
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its key: whoever has the medium has it (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// An activation code that the medium uses by itself: whoever has the medium has it
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,
    /// A folder with the pinned packages; nothing is downloaded then
    #[arg(long, value_name = "DIR")]
    packages: Option<PathBuf>,
    /// A folder with `anode-fetch` and `anode-console`, static, for the medium's architecture
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Where downloaded packages stay [default: $XDG_CACHE_HOME/anode/files or ~/.cache/anode/files]
    #[arg(long, value_name = "DIR")]
    downloads: Option<PathBuf>,
    /// Trust these certificate authorities only, for the distribution's mirror (PEM)
    #[arg(long, value_name = "FILE")]
    mirror_ca: Option<PathBuf>,
    /// Judge lifetimes at this moment, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = clock::parse_moment)]
    now: Option<Moment>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let making = &options.making;
    // Everything that can be wrong on this machine is said before anything is downloaded.
    let place = Place::at(&options.out)?;
    host::check(making.arch)?;
    let splash = options.splash.as_deref().map(read_picture).transpose()?;
    let made = making.prepare()?;
    let recipe = made.recipe();
    let copy = if options.cache || options.mirror { Some(making.copy_tree(&made)?) } else { None };
    let mut more: Vec<(PathBuf, String)> = copy.iter().map(TreeCopy::graft).collect();
    if options.mirror {
        more.extend(making.mirrored()?);
    }
    let system = compose(&recipe).context("composing the initramfs")?;
    let disc = Disc {
        recipe: &recipe,
        system: &system,
        consoles: &made.consoles,
        splash: splash.as_ref().map(Picture::bytes),
        more: &more,
    };
    let length = write(&place, &disc)?;
    print(&format!("{}", options.out.display()))?;
    say(&format!("medium      {} for {}, {}", made.site.title, making.arch.name(), size(length)));
    say(&format!(
        "kernel      {}, {} modules; {} when it is unpacked",
        system.release,
        system.modules,
        size(system.unpacked)
    ));
    say(&format!("site        {}, as of {}", made.site.id, made.site.issued));
    if let Some(copy) = &copy {
        let mirrored =
            if options.mirror { format!(", and {} that profiles boot", more.len() - 1) } else { String::new() };
        let until = forewarn::how_long(&made.site.release, making.now());
        say(&format!("tree        {} files, {}{mirrored}; {until}", copy.count, size(copy.bytes)));
    }
    say(&format!("id          {}", system.id));
    Ok(ExitCode::SUCCESS)
}

/// What was read, fetched and verified.
pub(in crate::cmd) struct Made {
    architecture: Architecture,
    equipment: Equipment,
    lock: MediumLock,
    packages: std::collections::BTreeMap<String, PathBuf>,
    programs: Programs,
    /// What a person adds.
    pub personal: Personal,
    /// Where it speaks.
    pub consoles: Vec<Console>,
    /// Their names.
    names: Vec<String>,
    /// The site.
    pub site: Site,
}

impl Making {
    /// Reads what was named, asks the site, and brings the packages together.
    pub fn prepare(&self) -> Result<Made> {
        let lock = MediumLock::read(&self.repository)?;
        let lock = lock.with_context(|| {
            format!("there is no `{}` in `{}`: run `anode medium lock`", MediumLock::PATH, self.repository.display())
        })?;
        let consoles = self.consoles()?;
        let programs = Programs::find(self.programs.as_deref(), self.arch)?;
        let personal = self.personal()?;
        let site = Site::fetch(&self.repository, &mut self.transport(&personal)?, self.now())?;
        site.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
        forewarn::of_profiles(&self.repository);
        if let Some(code) = &personal.code {
            let (secret, mut transport) = (read_secret(code)?, self.transport(&personal)?);
            let notes = code::look_up(&site, &secret, &mut transport, self.now())?;
            notes.iter().for_each(|note| say(&format!("note: {note}")));
        }
        let equipment = if self.firmware { Equipment::Firmware } else { Equipment::Plain };
        let files = self.files();
        let (client, cache, progress) = (files.client()?, files.cache()?, Transfer::new());
        let store = Store { folder: self.packages.as_deref(), client: &client, cache: &cache, progress: &progress };
        let wanted = lock
            .packages(self.arch)
            .filter(|package| package.purpose == Purpose::Base || equipment == Equipment::Firmware);
        let packages = store.all(wanted)?;
        self.warn(&personal);
        let names = consoles.iter().map(|console| console.name()).collect();
        Ok(Made { architecture: self.arch, equipment, lock, packages, programs, personal, consoles, names, site })
    }

    fn consoles(&self) -> Result<Vec<Console>> {
        let usual = match self.arch {
            Architecture::Amd64 => ["tty0", "ttyS0"],
            Architecture::Arm64 => ["tty0", "ttyAMA0"],
        };
        let named = self.consoles.iter().map(String::as_str).collect::<Vec<_>>();
        let mut consoles: Vec<Console> = Vec::new();
        for text in if named.is_empty() { &usual[..] } else { &named } {
            let console = Console::parse(text)?;
            let is_new = consoles.iter().all(|known| known.name() != console.name());
            ensure!(is_new, "`--console {}` is given twice: give it once", console.name());
            consoles.push(console);
        }
        Ok(consoles)
    }

    fn personal(&self) -> Result<Personal> {
        let client = match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => Some((read(certificate, SMALL)?.to_vec(), read(key, SMALL)?)),
            _ => None,
        };
        Ok(Personal {
            authorities: self.ca.as_deref().map(|file| read(file, SMALL)).transpose()?.map(|bytes| bytes.to_vec()),
            client,
            code: self.code_file.as_deref().map(read_code).transpose()?,
        })
    }

    /// What is in a medium for everybody who has it.
    fn warn(&self, personal: &Personal) {
        if personal.client.is_some() {
            say(
                "WARNING: the client key is on this medium; whoever has the medium, or a copy of its image, has the key",
            );
        }
        if personal.code.is_some() {
            say(
                "WARNING: the activation code is on this medium; whoever has the medium, or a copy of its image, has the code",
            );
        }
    }

    /// The site's tree, audited.
    fn copy_tree(&self, made: &Made) -> Result<TreeCopy> {
        TreeCopy::take(&made.site, &mut self.transport(&made.personal)?, self.now())
    }

    /// Everything that is pinned for the profiles, and where it belongs on the medium.
    fn mirrored(&self) -> Result<Vec<(PathBuf, String)>> {
        let (repository, _) = repository::load(&self.repository).map_err(Faulty)?;
        let files = pinned_files(&repository, &self.files(), |_| false)?;
        forewarn::of_nothing_pinned(files.len())?;
        Ok(files.iter().map(|(sha256, path)| object(path, sha256)).collect())
    }

    /// The moment at which lifetimes are judged.
    pub fn now(&self) -> Moment {
        self.now.unwrap_or_else(clock::now)
    }

    fn files(&self) -> Files {
        Files::at(self.downloads.clone(), self.mirror_ca.clone())
    }

    /// The medium's own, with what the medium will have.
    pub fn transport(&self, personal: &Personal) -> Result<Https> {
        let authorities: Vec<Vec<u8>> = personal.authorities.iter().cloned().collect();
        let client = personal.client.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
        reach::transport(&authorities, client, PlainHttp::OnLoopback)
    }
}

impl Made {
    /// What an initramfs is made of.
    pub fn recipe(&self) -> Recipe<'_> {
        Recipe {
            architecture: self.architecture,
            equipment: self.equipment,
            lock: &self.lock,
            packages: &self.packages,
            programs: &self.programs,
            site: &self.site,
            consoles: &self.names,
            personal: &self.personal,
        }
    }
}

pub(super) fn read(file: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    let reading = || format!("reading `{}`", file.display());
    let length = fs::metadata(file).with_context(reading)?.len();
    ensure!(length <= limit, "`{}` is larger than {limit} bytes", file.display());
    fs::read(file).map(Zeroizing::new).with_context(reading)
}

/// Checked here, because a medium with a mistyped code would be found out in front of a customer.
fn read_code(file: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = read(file, 4096)?;
    read_secret(&bytes).with_context(|| format!("reading `{}`", file.display()))?;
    Ok(bytes)
}

fn read_secret(bytes: &[u8]) -> Result<Secret> {
    let text = std::str::from_utf8(bytes).context("it is not text")?;
    Ok(Secret::parse(text).map_err(Refusal::CodeMalformed)?)
}

fn read_picture(file: &Path) -> Result<Picture> {
    let bytes = read(file, PICTURE)?;
    Picture::read(bytes.to_vec()).with_context(|| format!("`{}` can not be the picture of the menu", file.display()))
}
