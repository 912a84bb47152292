//! One pinned file: fetched, hashed while it comes, and put in its place only if it is the right one.
//!
//! Hooks in an installer's initramfs call this for a second stage that the installer itself would fetch and not check. The hash comes from a verified
//! pack, so it does not matter who delivers the bytes; length and hash are all that is believed.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anode_bundle::client::FetchError;
use anode_bundle::name::{Hashing, Sha256};
use anode_bundle::{Moment, Refusal};

use crate::error::Failure;
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
    /// Where it goes; nothing is overwritten.
    pub out: PathBuf,
}

/// Fetches it from the first address that has it. `progress` hears of every whole tenth.
///
/// # Errors
/// [`Failure::Io`] for local files; otherwise what was wrong with the first address, or, if any of them delivered other bytes, [`Refusal::Integrity`].
pub fn fetch(
    pinned: &Pinned,
    transport: &mut Https,
    now: Moment,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let place = NewFile::at(&pinned.out, "--out")?;
    let mut first: Option<Failure> = None;
    for address in &pinned.addresses {
        let failure = match deliver(pinned, address, transport, now, &place, progress) {
            Ok(file) => return place.settle(&file).map_err(|error| place.failed(&error)),
            Err(failure @ Failure::Io { .. }) => return Err(failure),
            Err(failure) => failure,
        };
        let is_wrong = matches!(failure, Failure::Refused(Refusal::Integrity { .. }));
        if first.is_none() || is_wrong {
            first = Some(failure);
        }
    }
    Err(first.unwrap_or_else(|| Failure::Internal("no address was given".to_owned())))
}

fn deliver(
    pinned: &Pinned,
    address: &Address,
    transport: &mut Https,
    now: Moment,
    place: &NewFile<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<File, Failure> {
    let mut file = place.begin().map_err(|error| place.failed(&error))?;
    let mut hashing = Hashing::default();
    let (mut length, mut tenth) = (0, 0);
    let mut unwritten = None;
    let streamed = transport.stream(address, pinned.length, now, &mut |piece| {
        hashing.update(piece);
        length += piece.len() as u64;
        if let Err(error) = file.write_all(piece) {
            unwritten = Some(error);
            return Err(FetchError::Unreachable(String::new()));
        }
        let reached = (length * 10).checked_div(pinned.length).unwrap_or(10);
        if reached > tenth {
            tenth = reached;
            progress(reached);
        }
        Ok(())
    });
    if let Some(error) = unwritten {
        return Err(place.failed(&error));
    }
    streamed.map_err(|error| error.refusal())?;
    let found = hashing.finish();
    if length != pinned.length || found != pinned.sha256 {
        return Err(Refusal::Integrity {
            what: address.as_str().to_owned(),
            wanted: format!("{} ({} bytes)", pinned.sha256, pinned.length),
            found: format!("{found} ({length} bytes)"),
        }
        .into());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io;

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
                out: self.folder.path().join("out"),
            };
            let limits = Limits { idle: Duration::from_secs(2), ..LIMITS };
            let credentials = Credentials::new(&[], None).unwrap();
            let mut https = Https::new(Settings { credentials, plain_http: PlainHttp::ForPinned, limits });
            let mut tenths = Vec::new();
            fetch(&pinned, &mut https, Moment::EPOCH, &mut |tenth| tenths.push(tenth)).map(|()| tenths)
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
        assert_eq!(place.fetch(&[bytes(BYTES)]).unwrap().last(), Some(&10));
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
