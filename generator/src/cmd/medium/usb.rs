//! `anode medium usb`: an image is written to a stick, after a person said which.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::cmd::lock::Transfer;
use crate::cmd::{print, say, size};
use crate::stick::disks::{Disk, Kind, Machine};
use crate::stick::image::{Image, Target, write};
use crate::stick::partition::LABEL;

#[derive(Args)]
pub(in crate::cmd) struct Options {
    /// What `anode medium iso` made; without it, the removable disks are listed
    #[arg(value_name = "IMAGE")]
    image: Option<PathBuf>,
    /// The whole disk, such as /dev/sdb: everything on it is lost
    #[arg(long, value_name = "DEVICE")]
    to: Option<PathBuf>,
    /// Take a disk that does not say of itself that it is removable
    #[arg(long)]
    fixed_disk: bool,
    /// For scripts, instead of the question: the device once more
    #[arg(long, value_name = "DEVICE")]
    yes_erase: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let machine = Machine::this();
    let (Some(image), Some(to)) = (&options.image, &options.to) else {
        list(&machine)?;
        ensure!(options.image.is_none(), "no disk was named: give one of these with `--to`");
        ensure!(options.to.is_none(), "no image was named: make one with `anode medium iso`");
        return Ok(ExitCode::SUCCESS);
    };
    let disk = machine.find(to)?;
    disk.check()?;
    ensure!(
        disk.kind == Kind::Removable || options.fixed_disk,
        "`{}` ({}) does not say of itself that it is removable: if it is the one, repeat with `--fixed-disk`",
        to.display(),
        describe(&disk)
    );
    let mut source = Image::open(image)?;
    // Opened before the question: nobody can mount it meanwhile, and its number stays its own. A reader's card can be another by then, which its kernel counts.
    let mut target = Target::open(&disk.path())?;
    let is_same = || Ok::<_, anyhow::Error>(machine.find(to)? == disk && target.number()? == disk.number);
    let another = || format!("`{}` is another disk than it was, and nothing was written", to.display());
    ensure!(is_same()?, another());
    confirm(&disk, to, options.yes_erase.as_deref())?;
    ensure!(is_same()?, another());
    let progress = Transfer::new();
    let written = write(&mut source, &mut target, &progress)?;
    drop(progress);
    print(&format!("{}", disk.path().display()))?;
    say(&format!("written     {} to {}, read back and compared", size(source.length()), describe(&disk)));
    say(&format!("sha256      {}", written.sha256));
    match written.data {
        Some(data) => say(&format!(
            "{LABEL}  {}; `anode medium refresh {}` puts the site on it, for machines without a network",
            size(data.bytes()),
            disk.path().display()
        )),
        None => say("note: behind the image there is no room for a copy of the site"),
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(disk: &Disk) -> String {
    let model = if disk.model.is_empty() { "no name" } else { &disk.model };
    format!("{model}, {}", size(disk.bytes))
}

fn list(machine: &Machine) -> Result<()> {
    let disks = machine.disks()?;
    let removable: Vec<_> = disks.iter().filter(|disk| disk.kind == Kind::Removable && disk.bytes > 0).collect();
    for disk in &removable {
        let used = match disk.check() {
            Ok(()) => String::new(),
            Err(why) => format!("  ({why})"),
        };
        print(&format!("{}  {}{used}", disk.path().display(), describe(disk)))?;
    }
    if removable.is_empty() {
        say("note: there is no removable disk on this machine");
    }
    Ok(())
}

fn confirm(disk: &Disk, to: &Path, repeated: Option<&Path>) -> Result<()> {
    if let Some(repeated) = repeated {
        ensure!(
            repeated == to,
            "`--yes-erase {}` is not `--to {}`: nothing was written; give the same device twice",
            repeated.display(),
            to.display()
        );
        return Ok(());
    }
    ensure!(
        io::stdin().is_terminal() && io::stderr().is_terminal(),
        "there is nobody to ask: in a script, repeat the device with `--yes-erase {}`",
        to.display()
    );
    say(&format!("Everything on {} ({}) will be lost.", disk.path().display(), describe(disk)));
    let mut talk = io::stderr();
    let _ = write!(talk, "Type the name of the disk, {}, to erase it: ", disk.name).and_then(|()| talk.flush());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("reading the answer")?;
    if answer.trim() != disk.name {
        bail!("nothing was written");
    }
    Ok(())
}
