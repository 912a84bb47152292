//! The transport against servers that misbehave.

mod certificates;
mod drips;
mod proxy;
pub(crate) mod server;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anode_bundle::Moment;
use anode_bundle::client::{FetchError, Request, Transport};

use super::*;
use server::Server;

const NOW: &str = "2026-11-01T00:00:00Z";

/// Longer than any of these servers needs, on any machine; where a server never ends, a run that takes as long has no limit.
const LONG: Duration = Duration::from_secs(60);

/// With limits that nothing reaches.
fn settings() -> Settings {
    let limits = Limits { idle: LONG, total: LONG, connect: LONG, patience: LONG, ..Limits::default() };
    let credentials = Credentials::new(&[], None).unwrap();
    Settings { credentials, plain_http: PlainHttp::OnLoopback, limits, proxy: None }
}

/// Whatever is slow has an end soon.
fn impatient() -> Settings {
    let (idle, total) = (Duration::from_millis(400), Duration::from_millis(1500));
    let settings = settings();
    Settings { limits: Limits { idle, total, ..settings.limits }, ..settings }
}

fn fetch(https: &mut Https, base: &str, path: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
    https.get(&Request { base, path, limit, now: Moment::parse(NOW).unwrap() })
}

/// One request to a server that always answers `answer`.
fn answer(answer: &'static [u8], path: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
    let server = Server::plain(move |_, out| out.write_all(answer));
    fetch(&mut Https::new(settings()), &server.base(), path, limit)
}

#[test]
fn brings_a_body_of_exactly_the_limit_and_none_that_is_longer() {
    assert_eq!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", "a.json", 4).unwrap(), b"abcd");
    assert_eq!(
        answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", "a.json", 4),
        Err(FetchError::TooLong { path: "a.json".into(), limit: 4 })
    );
    assert!(matches!(
        answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "a", 4),
        Err(FetchError::TooLong { .. })
    ));
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    assert_eq!(answer(chunked, "a", 6).unwrap(), b"abcdef");
    assert!(matches!(answer(chunked, "a", 5), Err(FetchError::TooLong { .. })));
}

/// The error of a body in chunks of this size that never ends.
fn endless(size: usize) -> FetchError {
    let server = Server::plain(move |_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = format!("{size:x}\r\n{}\r\n", "a".repeat(size));
        loop {
            out.write_all(chunk.as_bytes())?;
        }
    });
    let begun = Instant::now();
    let error = fetch(&mut Https::new(settings()), &server.base(), "a", 100_000).unwrap_err();
    assert!(begun.elapsed() < LONG / 2);
    error
}

#[test]
fn an_endless_body_ends_at_the_limit_and_one_of_crumbs_before() {
    assert!(matches!(endless(4096), FetchError::TooLong { .. }));
    let error = endless(4);
    assert!(matches!(&error, FetchError::NotASite(text) if text.contains("sends more than")), "{error}");
}

#[test]
fn a_body_that_is_shorter_than_its_length_ended_early() {
    let found = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabcd", "a", 100);
    assert!(
        matches!(&found, Err(FetchError::Unreachable(text)) if text.ends_with("/a: the answer ended early")),
        "{found:?}"
    );
    assert!(matches!(answer(b"", "a", 100), Err(FetchError::Unreachable(_))));
    assert!(matches!(answer(b"HTTP/1.1 200 OK\r\nContent-Le", "a", 100), Err(FetchError::Unreachable(_))));
}

#[test]
fn statuses_mean_absent_unreachable_or_not_a_site() {
    for code in [403, 404, 410] {
        assert!(matches!(status(code), FetchError::Absent(_)), "{code}");
    }
    for code in [408, 429, 500, 502, 503, 504] {
        let error = status(code);
        assert!(matches!(&error, FetchError::Unreachable(text) if text.contains(&code.to_string())), "{error}");
    }
    for code in [201, 206, 300, 304, 400, 401, 407, 451, 511] {
        assert!(matches!(status(code), FetchError::NotASite(_)), "{code}");
    }
}

fn status(code: u16) -> FetchError {
    let server = Server::plain(move |_, out| write!(out, "HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n"));
    fetch(&mut Https::new(settings()), &server.base(), "a", 100).unwrap_err()
}

#[test]
fn a_mirror_that_is_slow_with_each_file_is_given_up_after_a_while() {
    let pause = Duration::from_millis(50);
    let slow = Server::plain(move |_, out| {
        sleep(pause);
        out.write_all(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
    });
    let quick = Server::plain(|_, out| out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
    let mut https = Https::new(settings());
    for answers in 1..=2 {
        assert!(matches!(fetch(&mut https, &slow.base(), "a", 9), Err(FetchError::Absent(_))));
        assert!(https.waited[&slow.base()] >= answers * pause);
    }
    // As if it had gone on for so long.
    https.waited.insert(slow.base(), LONG);
    let found = fetch(&mut https, &slow.base(), "a", 9);
    assert!(matches!(&found, Err(FetchError::TooSlow(text)) if text.contains("all its answers together")), "{found:?}");
    assert_eq!(slow.requests().len(), 2);
    // Another mirror has its own time.
    assert_eq!(fetch(&mut https, &quick.base(), "a", 9).unwrap(), b"x");
}

#[test]
fn a_redirect_is_named_and_not_followed() {
    for code in ["301", "302", "303", "307", "308"] {
        let server = Server::plain(move |path, out| match path {
            "/a" => write!(out, "HTTP/1.1 {code} X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"),
            _ => out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
        });
        let found = fetch(&mut Https::new(settings()), &server.base(), "a", 100);
        assert!(matches!(&found, Err(FetchError::NotASite(text)) if text.contains("redirects to `/b`")), "{found:?}");
        assert_eq!(server.requests(), ["/a"]);
    }
}

#[test]
fn a_portal_page_is_recognised() {
    for page in [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}".as_slice(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n \n<html>",
    ] {
        for path in ["root/2.json", "timestamp.signed", "root/2.json.0000000000000000.minisig"] {
            let found = answer(page, path, 100);
            assert!(matches!(&found, Err(FetchError::NotASite(text)) if text.contains("log-in page")), "{found:?}");
        }
    }
    assert!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n<", "objects/aa/aa", 100).is_ok());
}

#[test]
fn an_encoded_body_is_not_the_tree() {
    let found = answer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", "a", 100);
    assert!(matches!(&found, Err(FetchError::NotASite(text)) if text.contains("`gzip`")), "{found:?}");
    assert!(answer(b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 1\r\n\r\nx", "a", 100).is_ok());
}

#[test]
fn silence_is_too_slow() {
    let after_headers = Server::plain(|_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na")?;
        sleep(LONG);
        Ok(())
    });
    let before_headers = Server::plain(|_, _| {
        sleep(LONG);
        Ok(())
    });
    for server in [after_headers, before_headers] {
        let begun = Instant::now();
        let found = fetch(&mut Https::new(impatient()), &server.base(), "a", 100);
        assert!(matches!(&found, Err(FetchError::TooSlow(_))), "{found:?}");
        assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
    }
}

#[test]
fn a_drip_is_too_slow_although_something_always_comes() {
    let server = Server::plain(|_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
        loop {
            out.write_all(b"a")?;
            sleep(Duration::from_millis(20));
        }
    });
    let mut settings = settings();
    settings.limits.idle = Duration::from_secs(2);
    let found = fetch(&mut Https::new(settings), &server.base(), "a", 100_000);
    assert!(matches!(&found, Err(FetchError::TooSlow(text)) if text.contains("1024 bytes a second")), "{found:?}");
}

#[test]
fn a_fast_body_that_does_not_end_in_time_is_too_slow() {
    let server = Server::plain(|_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            out.write_all(b"100\r\n")?;
            out.write_all(&[b'a'; 256])?;
            out.write_all(b"\r\n")?;
            sleep(Duration::from_millis(50));
        }
    });
    let mut settings = settings();
    settings.limits.total = Duration::from_millis(1500);
    let found = fetch(&mut Https::new(settings), &server.base(), "a", 1 << 30);
    assert!(
        matches!(&found, Err(FetchError::TooSlow(text)) if text.contains("not finished within 1500 ms")),
        "{found:?}"
    );
}

#[test]
fn endless_headers_and_floods_of_provisional_answers_end() {
    let headers = Server::plain(|_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            out.write_all(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")?;
        }
    });
    let provisional = Server::plain(|_, out| {
        loop {
            out.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n")?;
        }
    });
    for server in [headers, provisional] {
        let begun = Instant::now();
        assert!(fetch(&mut Https::new(settings()), &server.base(), "a", 100).is_err());
        assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
    }
}

#[test]
fn what_is_not_http_is_not_a_site() {
    let found = answer(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n", "a", 100);
    assert!(matches!(found, Err(FetchError::NotASite(_))), "{found:?}");
}

#[test]
fn a_closed_port_and_an_unknown_name_are_unreachable_and_named() {
    let mut https = Https::new(settings());
    // tcpmux, which nobody serves: a port that was free a moment ago may be another test's by now.
    let found = fetch(&mut https, "http://127.0.0.1:1", "a", 100);
    assert_eq!(found, Err(FetchError::Unreachable("127.0.0.1: connection refused".into())));
    // No label has 64 letters (RFC 1035, section 2.3.4): known without asking anybody, where name servers may be silent or answer everything.
    let host = format!("{}.invalid", "a".repeat(64));
    let found = fetch(&mut https, &format!("https://{host}"), "a", 100);
    assert!(
        matches!(&found, Err(FetchError::Unreachable(text)) if text.starts_with(&format!("{host}: "))),
        "{found:?}"
    );
}

#[test]
fn a_wrong_address_or_path_is_refused_before_the_network() {
    let mut https = Https::new(Settings { plain_http: PlainHttp::Refused, ..settings() });
    assert!(matches!(fetch(&mut https, "http://127.0.0.1:1", "a", 1), Err(FetchError::NotASite(_))));
    for path in ["/a", "a/../b", "a?b", "a#b", "a b", "a\r\nHost: b"] {
        assert!(matches!(fetch(&mut https, "https://127.0.0.1:1", path, 1), Err(FetchError::NotASite(_))), "{path:?}");
    }
}

#[test]
fn one_connection_serves_a_run_and_a_missing_file_does_not_end_it() {
    let server = Server::plain(|path, out| match path {
        "/missing" => out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nsorry"),
        _ => out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    });
    let mut https = Https::new(settings());
    for path in ["a", "missing", "b", "missing", "c"] {
        let _ = fetch(&mut https, &server.base(), path, 100);
    }
    assert_eq!(server.requests().len(), 5);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_kept_connection_that_the_server_gave_up_is_not_the_servers_failure() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::plain(move |_, out| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        1 => Err(std::io::ErrorKind::Other.into()),
        _ => out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    });
    let mut https = Https::new(settings());
    for _ in 0..3 {
        assert_eq!(fetch(&mut https, &server.base(), "a", 100).unwrap(), b"ok");
    }
    assert_eq!((server.connections(), server.requests().len()), (2, 4));
}

#[test]
fn a_new_connection_that_is_cut_off_is_not_tried_again() {
    let server = Server::plain(|_, _| Err(std::io::ErrorKind::Other.into()));
    assert!(matches!(fetch(&mut Https::new(settings()), &server.base(), "a", 100), Err(FetchError::Unreachable(_))));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_request_says_nothing_about_its_sender() {
    let server =
        Server::plain(|_, out| out.write_all(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"));
    let mut https = Https::new(settings());
    for _ in 0..2 {
        fetch(&mut https, &server.base(), "a", 100).unwrap();
    }
    for head in server.heads() {
        let mut names: Vec<_> = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect();
        names.sort();
        assert_eq!(names, ["accept", "host", "user-agent"]);
        assert!(head.to_ascii_lowercase().contains("user-agent: anode-fetch/1\r\n"), "{head}");
    }
}
