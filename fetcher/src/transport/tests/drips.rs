//! Bytes that come one by one, in every layer in which a server can send them, and answers that are cut at every byte.

use std::io::{Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anode_bundle::client::FetchError;
use rustls::{ServerConfig, ServerConnection};

use super::super::*;
use super::server::Server;
use super::{LONG, answer, certificates, fetch, impatient, settings};

const PAUSE: Duration = Duration::from_millis(20);

/// Sends byte by byte until the client leaves.
fn drip(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes {
        out.write_all(std::slice::from_ref(byte))?;
        out.flush()?;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// The error and how long it took.
fn timed(https: &mut Https, base: &str) -> (FetchError, Duration) {
    let begun = Instant::now();
    (fetch(https, base, "a", 100_000).unwrap_err(), begun.elapsed())
}

#[test]
fn headers_that_drip_are_too_slow() {
    let server = Server::plain(|_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\n")?;
        drip(out, &b"X-Filler: a\r\n".repeat(1000))
    });
    let (error, time) = timed(&mut Https::new(impatient()), &server.base());
    assert!(matches!(error, FetchError::TooSlow(_)), "{error}");
    assert!(time < LONG / 2, "{time:?}");
}

#[test]
fn the_size_of_a_chunk_that_drips_is_too_slow() {
    let server = Server::plain(|_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")?;
        drip(out, &[b'x'; 10_000])
    });
    let (error, time) = timed(&mut Https::new(impatient()), &server.base());
    assert!(matches!(error, FetchError::TooSlow(_) | FetchError::NotASite(_)), "{error}");
    assert!(time < LONG / 2, "{time:?}");
}

#[test]
fn a_chunk_whose_size_never_ends_is_no_answer() {
    let server = Server::plain(|_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")?;
        loop {
            out.write_all(&[b'x'; 1000])?;
        }
    });
    let (error, time) = timed(&mut Https::new(settings()), &server.base());
    assert!(matches!(error, FetchError::NotASite(_)), "{error}");
    assert!(time < LONG / 2, "{time:?}");
}

#[test]
fn the_page_behind_a_404_that_drips_does_not_outlast_the_limit() {
    let server = Server::plain(|_, out| {
        out.write_all(b"HTTP/1.1 404 No\r\nContent-Length: 60000\r\n\r\n")?;
        drip(out, &[b'x'; 60_000])
    });
    let mut settings = settings();
    settings.limits.total = Duration::from_secs(3);
    let (error, time) = timed(&mut Https::new(settings), &server.base());
    assert!(matches!(error, FetchError::Absent(_)), "{error}");
    assert!(time < LONG / 2, "{time:?}");
}

/// One connection that `converse` serves.
fn listen(converse: impl FnOnce(TcpStream) -> io::Result<()> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || converse(listener.accept().unwrap().0));
    port
}

#[test]
fn a_handshake_that_drips_ends_with_the_limit_of_connecting() {
    let port = listen(|mut stream| {
        // A record of 16 KiB that holds the server's first message.
        stream.write_all(&[0x16, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc, 3, 3])?;
        drip(&mut stream, &[0; 16_000])
    });
    let mut settings = settings();
    settings.limits.connect = Duration::from_millis(500);
    let (error, time) = timed(&mut Https::new(settings), &format!("https://localhost:{port}"));
    assert!(matches!(error, FetchError::Unreachable(_) | FetchError::TooSlow(_)), "{error}");
    assert!(time < LONG / 2, "{time:?}");
}

#[test]
fn silence_in_the_handshake_ends_with_the_limit_of_connecting() {
    let port = listen(|mut stream| stream.read_to_end(&mut Vec::new()).map(drop));
    let mut settings = settings();
    settings.limits.connect = Duration::from_millis(500);
    let (error, time) = timed(&mut Https::new(settings), &format!("https://localhost:{port}"));
    assert!(matches!(error, FetchError::Unreachable(_) | FetchError::TooSlow(_)), "{error}");
    assert!(time < LONG / 2, "{time:?}");
}

/// A server that closes before it has read the whole request resets the connection: what it sent may or may not arrive.
#[test]
fn an_answer_that_is_reset_at_any_byte_is_an_error() {
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\": \"b\"}";
    for cut in 0..whole.len() {
        let port = listen(move |mut stream| {
            stream.read_exact(&mut [0; 10])?;
            stream.write_all(&whole[..cut])
        });
        let found = fetch(&mut Https::new(settings()), &format!("http://127.0.0.1:{port}"), "a.json", 100);
        assert!(matches!(found, Err(FetchError::Unreachable(_))), "reset after {cut}: {found:?}");
    }
}

fn greet(stream: &mut TcpStream, config: Arc<ServerConfig>) -> io::Result<ServerConnection> {
    let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(stream)?;
    }
    Ok(tls)
}

/// The records that carry these bytes.
fn encrypt(tls: &mut ServerConnection, plain: &[u8]) -> io::Result<Vec<u8>> {
    tls.writer().write_all(plain)?;
    let mut records = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut records)?;
    }
    Ok(records)
}

/// Nothing of a TLS record can be read before all of it is there.
#[test]
fn a_tls_record_that_drips_is_too_slow() {
    let authority = certificates::Authority::new();
    let (chain, key) = authority.issue("localhost", 2021, 2030);
    let config: Arc<ServerConfig> = Arc::new(certificates::config((chain, key)));
    let port = listen(move |mut stream| {
        let mut tls = greet(&mut stream, config)?;
        let body = [&b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"[..], &[b'x'; 10_000]].concat();
        drip(&mut stream, &encrypt(&mut tls, &body)?)
    });
    let mut https = certificates::believing(&authority);
    https.settings.limits.total = Duration::from_secs(3);
    let (error, time) = timed(&mut https, &format!("https://localhost:{port}"));
    assert!(matches!(error, FetchError::TooSlow(_)), "{error}");
    assert!(time < LONG / 2, "{time:?}");
}

#[test]
fn a_port_that_speaks_no_tls_is_named() {
    let port = listen(|mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    let (error, _) = timed(&mut Https::new(settings()), &format!("https://localhost:{port}"));
    assert_eq!(error, FetchError::Tls("localhost: it does not speak TLS on this port".to_owned()));
}

/// Only an answer that ends with the connection can be cut unnoticed, which is what lengths and hashes in signed parents are for.
#[test]
fn an_answer_that_is_cut_at_any_byte_is_an_error() {
    let length = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"a\": \"b\"}";
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n6\r\n: \"b\"}\r\n0\r\n\r\n";
    for whole in [&length[..], chunks] {
        assert_eq!(answer(whole, "a.json", 100).unwrap(), b"{\"a\": \"b\"}");
        for cut in 0..whole.len() {
            let server = Server::plain(move |_, out| {
                out.write_all(&whole[..cut])?;
                out.flush()?;
                Err(io::ErrorKind::Other.into())
            });
            let found = fetch(&mut Https::new(settings()), &server.base(), "a.json", 100);
            // The blank line behind the last chunk ends nothing that is not there already.
            let complete = whole == chunks && cut + 2 >= whole.len();
            assert!(found.is_err() || complete, "cut to {cut}: {found:?}");
        }
    }
}

/// Also between two records, where TLS itself would not notice.
#[test]
fn a_tls_connection_that_is_cut_at_any_byte_is_an_error() {
    let authority = certificates::Authority::new();
    let config: Arc<ServerConfig> = Arc::new(certificates::config(authority.issue("localhost", 2021, 2030)));
    let mut https = certificates::believing(&authority);
    let mut cut_to = |cut: usize| {
        let config = config.clone();
        let port = listen(move |mut stream| {
            let mut tls = greet(&mut stream, config)?;
            let head = encrypt(&mut tls, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")?;
            let records = [head, encrypt(&mut tls, b"ok")?].concat();
            stream.write_all(&records[..cut.min(records.len())])?;
            stream.shutdown(std::net::Shutdown::Write)?;
            // All of the request, so that closing is no reset.
            stream.read_to_end(&mut Vec::new()).map(drop)
        });
        fetch(&mut https, &format!("https://localhost:{port}"), "a", 100)
    };
    // A record is 22 bytes longer than what it carries.
    let length = 22 + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok".len() + 22 + 2;
    assert_eq!(cut_to(length).unwrap(), b"okok");
    for cut in 0..length {
        let found = cut_to(cut);
        assert!(found.is_err(), "cut to {cut}: {found:?}");
    }
}
