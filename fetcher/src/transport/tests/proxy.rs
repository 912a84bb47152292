//! Networks that let nothing through but a proxy.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;
use crate::transport::Address;

/// Connects to whatever it is asked for and passes bytes on, or answers `403`.
struct Proxy {
    address: Address,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(is_open: fn(&str) -> bool) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::parse(&format!("http://{}", listener.local_addr().unwrap()), PlainHttp::ForPinned);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let head: Vec<String> = BufReader::new(client.try_clone().unwrap())
                    .lines()
                    .map_while(|line| line.ok().filter(|line| !line.is_empty()))
                    .collect();
                let target = head[0].strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
                seen.lock().unwrap().push(target.clone());
                let server = Some(target).filter(|target| is_open(target)).and_then(|t| TcpStream::connect(t).ok());
                let Some(mut server) = server else {
                    let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
                    continue;
                };
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || io::copy(&mut from, &mut to));
                std::thread::spawn(move || io::copy(&mut server, &mut client));
            }
        });
        Proxy { address: address.unwrap(), asked }
    }

    fn transport(&self) -> Https {
        Https::new(Settings { proxy: Some(self.address.clone()), ..settings() })
    }
}

#[test]
fn everything_goes_through_the_proxy_that_was_named() {
    let server = Server::plain(|_, out| out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd"));
    let proxy = Proxy::start(|_| true);
    let mut https = proxy.transport();
    assert_eq!(fetch(&mut https, &server.base(), "a.json", 4).unwrap(), b"abcd");
    assert_eq!(fetch(&mut https, &server.base(), "b.json", 4).unwrap(), b"abcd");
    let host = server.base().strip_prefix("http://").unwrap().to_owned();
    assert_eq!(proxy.asked.lock().unwrap()[0], host);
}

#[test]
fn a_proxy_that_refuses_or_is_not_there_is_named() {
    let proxy = Proxy::start(|_| false);
    let error = fetch(&mut proxy.transport(), "http://127.0.0.1:9", "a.json", 4).unwrap_err();
    assert!(error.to_string().contains("the proxy does not connect to it: proxy server responded 403"), "{error}");
    let gone = Address::parse("http://127.0.0.1:1", PlainHttp::ForPinned).unwrap();
    let mut https = Https::new(Settings { proxy: Some(gone), ..settings() });
    assert!(matches!(fetch(&mut https, "http://127.0.0.1:9", "a", 4), Err(FetchError::Unreachable(_))));
}

#[test]
fn an_endless_answer_through_a_proxy_ends_as_early_as_without() {
    let server = Server::plain(|_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            out.write_all(b"4\r\naaaa\r\n")?;
        }
    });
    let error = fetch(&mut Proxy::start(|_| true).transport(), &server.base(), "a", 100_000).unwrap_err();
    assert!(matches!(&error, FetchError::NotASite(text) if text.contains("sends more than")), "{error}");
}
