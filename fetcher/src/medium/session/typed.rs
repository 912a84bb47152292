//! The code that a person typed, for the tries after a first one: nobody types sixteen symbols again because a cable was loose.
//!
//! The fetcher asks for it, checks it, and leaves it in a file of root's in memory, which is read, wiped and removed as soon as the fetcher ends. Here it can
//! not be printed and is wiped. It is forgotten when the site does not take it, when a run came to its end or was declined, and when nobody types anything
//! for five minutes: whoever comes by later has to have the slip. That is time enough for a cable or an address, and for the way to a switch.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anode_bundle::ExitCode;
use zeroize::Zeroizing;

use super::Session;
use super::activate::Loaded;

/// Below the machine's root: in memory.
const FILE: &str = "run/anode/typed-code";
/// Codes are short, phrases are not much longer.
const LIMIT: u64 = 1 << 10;
/// How long it is known while nobody types anything.
pub(super) const KNOWN: Duration = Duration::from_secs(300);

/// A code that was typed, as long as it is known.
#[derive(Default)]
pub(super) struct TypedCode(Option<Zeroizing<Vec<u8>>>);

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "TypedCode(known)" } else { "TypedCode(none)" })
    }
}

impl TypedCode {
    #[cfg(test)]
    pub fn of(code: &str) -> TypedCode {
        TypedCode(Some(Zeroizing::new(code.as_bytes().to_vec())))
    }

    pub fn is_known(&self) -> bool {
        self.0.is_some()
    }

    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// Lays it where the fetcher looks for it.
    fn lay(&self, path: &Path) -> io::Result<()> {
        let Some(code) = &self.0 else { return Ok(()) };
        File::options().write(true).create_new(true).mode(0o600).open(path)?.write_all(code)
    }

    /// What the fetcher was told, or was given before.
    fn take(path: &Path) -> TypedCode {
        let mut code = Zeroizing::new(Vec::with_capacity(1 << 10));
        let read = File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut code));
        remove(path);
        TypedCode(matches!(read, Ok(1..)).then_some(code))
    }
}

/// Nothing of it stays in the memory that was a file.
fn remove(path: &Path) {
    if let Ok(mut file) = File::options().write(true).open(path) {
        let length = file.metadata().map_or(0, |status| status.len().min(LIMIT));
        let _ = io::copy(&mut io::repeat(0).take(length), &mut file);
    }
    let _ = fs::remove_file(path);
}

/// Has a run that ended in this way nothing against the code?
fn is_another_try(exit: ExitCode) -> bool {
    !matches!(
        exit,
        ExitCode::Done
            | ExitCode::Declined
            | ExitCode::CodeMalformed
            | ExitCode::CodeUnknown
            | ExitCode::CodeNotValid
            | ExitCode::HardwareMismatch
    )
}

impl Session<'_> {
    /// The option's value for the fetcher: there lies what is known, and there it leaves what it is told.
    pub(super) fn lay_typed_code(&self) -> Option<PathBuf> {
        let path = self.machine.path(FILE);
        remove(&path);
        // A medium's own code is not typed. Where nothing can be written, the code is typed again.
        (!self.code_is_preset() && self.typed.lay(&path).is_ok()).then_some(path)
    }

    /// After every run of the fetcher: is the code still of use?
    pub(super) fn take_typed_code(&mut self, ended: &Loaded) {
        let told = TypedCode::take(&self.machine.path(FILE));
        let keeps = matches!(ended, Loaded::Not(exit) if is_another_try(*exit));
        self.typed = if keeps { told } else { TypedCode::default() };
    }

    /// Nobody typed anything for a while.
    pub(super) fn forget_typed_code(&mut self) {
        self.typed.forget();
        self.say("");
        self.say(self.words.code_forgotten);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_code_is_kept_for_another_try_and_never_after_one_that_the_site_refused() {
        let forgotten = ExitCode::ALL.into_iter().filter(|exit| !is_another_try(*exit)).map(ExitCode::number);
        assert_eq!(forgotten.collect::<Vec<_>>(), [0, 3, 10, 11, 12, 13]);
    }

    #[test]
    fn a_code_lies_in_a_file_of_its_owner_alone_and_is_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("typed-code");
        let code = TypedCode::of("0123-4567-89AB-CDER");
        assert_eq!(format!("{code:?}"), "TypedCode(known)");
        code.lay(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Not into a file that somebody else laid there.
        assert!(code.lay(&path).is_err());
        assert_eq!(TypedCode::take(&path).0.unwrap().as_slice(), b"0123-4567-89AB-CDER");
        assert!(!path.exists() && !TypedCode::take(&path).is_known());
    }
}
