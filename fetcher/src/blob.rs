//! Pinned files: fetched, hashed while they come, and used only if they are the right ones.
//!
//! Hooks in an installer's initramfs call `anode-fetch blob` for a second stage that the installer itself would fetch and not check; the hand-over by
//! kexec gets kernel and initrd in the same way. The hash comes from a verified pack, so it does not matter who delivers the bytes; length and hash are
//! all that is believed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use anode_bundle::client::FetchError;
use anode_bundle::name::{Hashing, Sha256, tree};
use anode_bundle::{Moment, Refusal};

use crate::error::{Failure, reason};
use crate::folder::Folder;
use crate::hand_over::NewFile;
use crate::transport::{Address, Https, Limits};

/// Images have gigabytes, and lines in schools are slow; a line that delivers less than this is broken.
pub const LIMITS: Limits = Limits {
    connect: Duration::from_secs(10),
    idle: Duration::from_secs(30),
    total: Duration::from_secs(6 * 3600),
    patience: Duration::from_secs(6 * 3600),
    bytes_per_second: 16 << 10,
    header: 16 << 10,
};

/// What is wanted.
pub struct Pinned {
    /// Where it can be had, in this order.
    pub addresses: Vec<Address>,
    /// Its hash.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub length: u64,
}

/// Who may have it: a copy of the tree, then whoever is named.
pub struct Origin<'a> {
    /// A tree that may hold it among its objects.
    pub cache: Option<&'a Folder>,
    /// Asks the addresses.
    pub https: &'a mut Https,
    /// The time at which certificates are judged.
    pub now: Moment,
}

/// Takes the bytes as they come, and forgets them when they were the wrong ones.
pub trait Sink {
    /// From the beginning, whatever was taken before.
    ///
    /// # Errors
    /// What the local file can say.
    fn begin(&mut self) -> io::Result<()>;

    /// The next piece, not verified yet.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    fn take(&mut self, piece: &[u8]) -> io::Result<()>;

    /// What such an error means.
    fn failed(&self, error: &io::Error) -> Failure;
}

/// Fetches one pinned file into `sink` from the first place that has it. `progress` hears how many bytes there are.
///
/// # Errors
/// What the sink says; otherwise what was wrong with the first place, or, if any of them delivered other bytes, [`Refusal::Integrity`].
pub fn bring(
    pinned: &Pinned,
    origin: &mut Origin<'_>,
    sink: &mut dyn Sink,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let mut first: Option<Failure> = None;
    let object = tree::object(&pinned.sha256);
    let kept = origin.cache.and_then(|cache| cache.open(&object, pinned.length));
    let local = kept.map(Place::Kept);
    for place in local.into_iter().chain(pinned.addresses.iter().map(Place::Address)) {
        let failure = match place.deliver(pinned, origin, sink, progress) {
            Ok(()) => return Ok(()),
            Err(Broken::Here(error)) => return Err(sink.failed(&error)),
            Err(Broken::There(refusal)) => Failure::from(refusal),
        };
        let is_wrong = matches!(failure, Failure::Refused(Refusal::Integrity { .. }));
        if first.is_none() || is_wrong {
            first = Some(failure);
        }
    }
    Err(first.unwrap_or_else(|| Failure::Internal("no address was given".to_owned())))
}

enum Place<'a> {
    Kept(File),
    Address(&'a Address),
}

/// Whose fault it is decides whether the next place is asked.
enum Broken {
    Here(io::Error),
    There(Refusal),
}

impl Place<'_> {
    fn deliver(
        self,
        pinned: &Pinned,
        origin: &mut Origin<'_>,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Broken> {
        sink.begin().map_err(Broken::Here)?;
        let mut hashing = Hashing::default();
        let mut length = 0;
        let mut unwritten = None;
        let mut take = |piece: &[u8]| {
            hashing.update(piece);
            length += piece.len() as u64;
            progress(length);
            sink.take(piece).map_err(|error| {
                unwritten = Some(error);
                FetchError::Unreachable(String::new())
            })
        };
        let (name, streamed) = match self {
            Place::Kept(file) => ("the copy of the tree".to_owned(), read(file, pinned.length, &mut take)),
            Place::Address(address) => {
                let streamed = origin.https.stream(address, pinned.length, origin.now, &mut take);
                (address.as_str().to_owned(), streamed)
            }
        };
        if let Some(error) = unwritten {
            return Err(Broken::Here(error));
        }
        streamed.map_err(|error| Broken::There(error.refusal()))?;
        let found = hashing.finish();
        if length != pinned.length || found != pinned.sha256 {
            return Err(Broken::There(Refusal::Integrity {
                what: name,
                wanted: format!("{} ({} bytes)", pinned.sha256, pinned.length),
                found: format!("{found} ({length} bytes)"),
            }));
        }
        Ok(())
    }
}

fn read(file: File, limit: u64, take: &mut dyn FnMut(&[u8]) -> Result<(), FetchError>) -> Result<(), FetchError> {
    let mut file = file.take(limit);
    let mut piece = [0; 64 << 10];
    loop {
        let failed = |error: io::Error| FetchError::Unreachable(format!("the copy of the tree: {}", reason(&error)));
        let amount = file.read(&mut piece).map_err(failed)?;
        match piece.get(..amount) {
            Some(piece) if !piece.is_empty() => take(piece)?,
            _ => return Ok(()),
        }
    }
}

/// Fetches one pinned file to `out`, which appears complete and verified or not at all.
///
/// # Errors
/// [`Failure::Io`] for local files, and as [`bring`].
pub fn fetch(
    pinned: &Pinned,
    out: &Path,
    origin: &mut Origin<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let mut draft = Draft { place: NewFile::at(out, "--out")?, file: None };
    bring(pinned, origin, &mut draft, progress)?;
    let settled = draft.file.as_ref().map_or(Ok(()), |file| draft.place.settle(file));
    settled.map_err(|error| draft.place.failed(&error))
}

/// A new file on its way to its place.
struct Draft<'p> {
    place: NewFile<'p>,
    file: Option<File>,
}

impl Sink for Draft<'_> {
    fn begin(&mut self) -> io::Result<()> {
        self.file = Some(self.place.begin()?);
        Ok(())
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(piece))
    }

    fn failed(&self, error: &io::Error) -> Failure {
        self.place.failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::tests::server::Server;
    use crate::transport::{Credentials, PlainHttp, Settings};

    const BYTES: &[u8] = b"the second stage";

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Place {
            Place { folder: tempfile::tempdir().unwrap() }
        }

        fn fetch(&self, addresses: &[String]) -> Result<Vec<u64>, Failure> {
            let address = |text: &String| Address::parse(text, PlainHttp::ForPinned).unwrap();
            let pinned = Pinned {
                addresses: addresses.iter().map(address).collect(),
                sha256: Sha256::of(BYTES),
                length: BYTES.len() as u64,
            };
            let limits = Limits { idle: Duration::from_secs(2), ..LIMITS };
            let credentials = Credentials::new(&[], None).unwrap();
            let mut https = Https::new(Settings { credentials, plain_http: PlainHttp::ForPinned, limits, proxy: None });
            let mut origin = Origin { cache: None, https: &mut https, now: Moment::EPOCH };
            let mut heard = Vec::new();
            let out = self.folder.path().join("out");
            fetch(&pinned, &out, &mut origin, &mut |length| heard.push(length)).map(|()| heard)
        }

        /// The files in the folder, with what is in them.
        fn files(&self) -> Vec<(String, Vec<u8>)> {
            let entries = std::fs::read_dir(self.folder.path()).unwrap().flatten();
            entries
                .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
                .collect()
        }
    }

    fn serve(answer: impl Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'static) -> String {
        // The server's thread lives as long as the tests do.
        Server::plain(move |_, out| answer(out)).base() + "/stage"
    }

    fn bytes(bytes: &'static [u8]) -> String {
        serve(move |out| {
            out.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len()).as_bytes())?;
            out.write_all(bytes)
        })
    }

    #[test]
    fn the_right_bytes_take_their_place_and_progress_is_told() {
        let place = Place::new();
        assert_eq!(place.fetch(&[bytes(BYTES)]).unwrap().last(), Some(&16));
        assert_eq!(place.files(), [("out".to_owned(), BYTES.to_vec())]);
        // Nothing is overwritten, not even by itself.
        assert_eq!(place.fetch(&[bytes(BYTES)]).unwrap_err().exit().number(), 50);
    }

    #[test]
    fn wrong_longer_shorter_and_redirected_answers_leave_nothing_behind() {
        for (answer, exit) in [
            (bytes(b"the second stagE"), 23),
            (bytes(b"the second stage."), 23),
            (bytes(b"the second stag"), 23),
            (serve(|out| out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nthe sec")), 32),
            (serve(|out| out.write_all(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")), 33),
            (serve(|out| out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")), 33),
            ("http://127.0.0.1:1/stage".to_owned(), 30),
        ] {
            let place = Place::new();
            let failure = place.fetch(&[answer]).unwrap_err();
            assert_eq!(failure.exit().number(), exit, "{failure}");
            assert_eq!(place.files(), []);
        }
    }

    #[test]
    fn the_next_address_is_asked_and_wrong_bytes_are_what_is_reported() {
        let place = Place::new();
        let gone = || "http://127.0.0.1:1/stage".to_owned();
        assert!(place.fetch(&[gone(), bytes(b"the wrong stage!"), bytes(BYTES)]).is_ok());
        assert_eq!(place.files(), [("out".to_owned(), BYTES.to_vec())]);
        let place = Place::new();
        let failure = place.fetch(&[gone(), bytes(b"the wrong stage!"), gone()]).unwrap_err();
        assert_eq!(failure.exit().number(), 23);
        assert_eq!(place.files(), []);
    }

    #[test]
    fn a_place_that_can_not_be_written_is_a_local_problem() {
        let place = Place::new();
        std::fs::remove_dir(place.folder.path()).unwrap();
        assert_eq!(place.fetch(&[bytes(BYTES)]).unwrap_err().exit().number(), 50);
    }
}
