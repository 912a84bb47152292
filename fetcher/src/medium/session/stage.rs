//! Where the installer may be staged for the firmware, and how the firmware is told.
//!
//! Only where the running kernel is locked down, so that it may refuse the installer's, or where a kernel argument wants it; and only on the medium's own
//! stick, which is opened for writing for that time.

use std::io;
use std::path::PathBuf;

use anode_bundle::display::line;

use super::Session;
use crate::medium::firmware::{Firmware, Partition};
use crate::words::fill;

const SCRIPT: &str = "lib/anode/stick";
/// The name of the partition and the folder where it is mounted, in one line: the script says it.
const PLACE: &str = "run/anode/stage";
/// There, if something was removed that had been staged: `removed`, or `failed`.
const REMOVED: &str = "run/anode/unstaged";

/// There, the names of two disks, if both hold this medium.
const TWIN: &str = "run/anode/twin";

/// A file system for it, open for writing.
pub(super) struct Place {
    partition: String,
    pub folder: PathBuf,
}

impl Session<'_> {
    /// `None` where there is none, or where none is wanted.
    pub(super) fn open_stage(&self) -> Option<Place> {
        let lockdown = self.machine.text("sys/kernel/security/lockdown").unwrap_or_default();
        let is_wanted = self.presets.stage || !(lockdown.is_empty() || lockdown.starts_with("[none]"));
        if !is_wanted || Firmware::of(&self.machine).is_none() || !self.machine.run(SCRIPT, &["stage"]) {
            return None;
        }
        let said = self.machine.text(PLACE)?;
        let (partition, folder) = said.trim().split_once(' ')?;
        Some(Place { partition: partition.to_owned(), folder: PathBuf::from(folder) })
    }

    pub(super) fn close_stage(&self, place: Option<Place>) {
        if place.is_some() {
            self.machine.run(SCRIPT, &["unstage"]);
        }
    }

    /// What lies ready is not started.
    pub(super) fn unstage(&mut self) {
        let place = self.place.take();
        self.close_stage(place);
    }

    /// Has the firmware start what lies staged, once.
    pub(super) fn start_next(&self, loader: &str) -> io::Result<()> {
        let nothing = || io::Error::from(io::ErrorKind::NotFound);
        let place = self.place.as_ref().ok_or_else(nothing)?;
        let firmware = Firmware::of(&self.machine).ok_or_else(nothing)?;
        firmware.start_next(&Partition::read(&self.machine, &place.partition)?, loader)
    }

    /// What an earlier start told the firmware is over.
    pub(super) fn forget_next(&self) {
        if let Some(Err(error)) = Firmware::of(&self.machine).map(|firmware| firmware.forget()) {
            self.machine.note(&format!("removing our entry from the firmware's: {}", crate::error::reason(&error)));
        }
    }

    /// What the medium found on its stick and removed; or that there are two, of which it touches none.
    pub(super) fn tell_of_the_stick(&mut self) {
        if let Some(names) = self.machine.text(TWIN) {
            self.say("");
            let names = names.split_whitespace().collect::<Vec<_>>().join(", ");
            self.say(&fill(self.words.twins, &[("disks", &line(&names, 60))]));
        }
        let Some(said) = self.machine.text(REMOVED) else { return };
        let _ = std::fs::remove_file(self.machine.path(REMOVED));
        self.say("");
        self.say(if said.trim() == "removed" { self.words.unstaged } else { self.words.not_unstaged });
    }
}
