//! `--initrd FILE`: the filled files and the record of the choice as one archive, in a file that appears complete or not at all.

use std::io::Write;
use std::path::Path;

use super::NewFile;
use crate::error::Failure;

const OPTION: &str = "--initrd";

pub(super) fn check(file: &Path) -> Result<(), Failure> {
    NewFile::at(file, OPTION).map(|_| ())
}

pub(super) fn write(file: &Path, archive: &[u8]) -> Result<(), Failure> {
    let place = NewFile::at(file, OPTION)?;
    let written = place.begin().and_then(|mut file| {
        file.write_all(archive)?;
        place.settle(&file)
    });
    written.map_err(|error| place.failed(&error))
}
