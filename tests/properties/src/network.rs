//! Addresses of mirrors, and what a server may answer.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anode_bundle::Moment;
use anode_bundle::client::{FetchError, Request, Transport};
use anode_fetch::transport::{Address, Credentials, Https, Limits, PlainHttp, Settings};
use ureq::http::Uri;

use crate::Verdict::{self, Accepted, Refused};
use crate::text;

/// The HTTP library understands an accepted address as the same host, with no user, no query, no way up; `http` never leaves this machine.
pub fn address(data: &[u8]) -> Verdict {
    let Some(text) = text(data) else { return Refused };
    let address = match Address::parse(text, PlainHttp::OnLoopback) {
        Ok(address) => address,
        Err(bad) => {
            assert!(bad.to_string().chars().all(anode_bundle::display::is_printable));
            assert!(Address::parse(text, PlainHttp::Refused).is_err());
            return Refused;
        }
    };
    assert_eq!(Address::parse(address.as_str(), PlainHttp::OnLoopback).as_ref(), Ok(&address));
    assert_eq!(Address::parse(text, PlainHttp::Refused).is_ok(), address.is_encrypted());
    let url = format!("{}/timestamp.signed", address.as_str());
    let uri: Uri = url.parse().unwrap_or_else(|error| panic!("{url}: {error}"));
    let host = uri.host().unwrap().trim_start_matches('[').trim_end_matches(']');
    assert_eq!(host, address.host());
    assert!(!uri.authority().unwrap().as_str().contains('@') && uri.query().is_none());
    assert!(uri.path().split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != ".."));
    let port = uri.authority().unwrap().as_str().rsplit_once(':').filter(|_| !url.contains("]/"));
    if let Some((_, port)) = port {
        assert!(port.bytes().all(|byte| byte.is_ascii_digit()) && uri.port_u16().is_some_and(|port| port > 0));
    }
    if uri.scheme_str() == Some("https") {
        assert!(address.is_encrypted());
    } else {
        assert!(host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()));
    }
    Accepted
}

const DOCUMENT: &str = "timestamp.signed";

/// The limit in the first two bytes, a server's whole answer behind them. What is taken is no longer than the limit, came with 200 and without an
/// encoding, and is neither more nor less than the server announced.
pub fn http(data: &[u8]) -> Verdict {
    let Some((limit, answer)) = data.split_first_chunk::<2>() else { return Refused };
    let limit = u64::from(u16::from_be_bytes(*limit));
    let base = serve(answer);
    let credentials = Credentials::new(&[], None).unwrap();
    let idle = Duration::from_millis(500);
    let limits =
        Limits { connect: idle, idle, total: idle * 2, patience: idle * 2, bytes_per_second: 0, header: 4 << 10 };
    let mut transport = Https::new(Settings { credentials, plain_http: PlainHttp::OnLoopback, limits, proxy: None });
    let request = Request { base: &base, path: DOCUMENT, limit, now: Moment::EPOCH };
    let body = match transport.get(&request) {
        Ok(body) => body,
        Err(error) => {
            assert!(!matches!(error, FetchError::Tls(_)), "{error}");
            assert!(error.to_string().chars().all(anode_bundle::display::is_printable), "{error:?}");
            return Refused;
        }
    };
    assert!(body.len() as u64 <= limit);
    assert_ne!(body.iter().find(|byte| !byte.is_ascii_whitespace()), Some(&b'<'), "a page");
    if let Some(announced) = announced(answer) {
        assert_eq!(body, announced);
    }
    Accepted
}

/// The body of an answer that leaves no room for interpretation: one 200, one length, no encoding.
fn announced(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?;
    let mut length = None;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" if length.is_none() => length = Some(value.trim().parse::<usize>().ok()?),
            "content-length" | "transfer-encoding" => return None,
            "content-encoding" => assert_eq!(value.trim().to_ascii_lowercase(), "identity"),
            _ => {}
        }
    }
    let mut words = status.splitn(3, ' ');
    let (version, code) = (words.next()?, words.next()?);
    if !version.starts_with("HTTP/1.") || code.starts_with('1') {
        return None;
    }
    assert_eq!(code, "200");
    Some(answer.get(end + 4..end + 4 + length?).expect("a body that ended early was taken"))
}

thread_local! {
    static SERVER: RefCell<Option<(String, Sender<Vec<u8>>)>> = const { RefCell::new(None) };
}

/// Answers the next request with these bytes and closes the connection. Returns the address.
fn serve(answer: &[u8]) -> String {
    SERVER.with_borrow_mut(|server| {
        let (base, answers) = server.get_or_insert_with(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            let (send, receive) = channel::<Vec<u8>>();
            std::thread::spawn(move || {
                while let (Ok(answer), Ok((connection, _))) = (receive.recv(), listener.accept()) {
                    let _ = answer_once(connection, &answer);
                }
            });
            (base, send)
        });
        answers.send(answer.to_vec()).unwrap();
        base.clone()
    })
}

fn answer_once(mut connection: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(1)))?;
    connection.set_write_timeout(Some(Duration::from_secs(1)))?;
    let (mut request, mut piece) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"\r\n\r\n") {
        let amount = connection.read(&mut piece)?;
        if amount == 0 {
            return Ok(());
        }
        request.extend_from_slice(&piece[..amount]);
    }
    connection.write_all(answer)?;
    connection.shutdown(Shutdown::Write)?;
    // Whoever asked closes first, or the rest of the answer would be lost.
    while connection.read(&mut piece)? > 0 {}
    Ok(())
}
