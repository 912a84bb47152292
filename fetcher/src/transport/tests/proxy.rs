//! Networks that let nothing through but a proxy: tunnels to the ports of `https` alone, and requests that it passes on itself.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::server::read_head;
use super::*;
use crate::transport::Address;

/// Opens tunnels to one port, as proxies do to 443, and passes on what is asked for in absolute form.
struct Proxy {
    address: Address,
    /// The heads of all requests, each with the number of its connection.
    heads: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Proxy {
    /// `answer` gets the address of each request in absolute form; the connection ends when it fails.
    fn start(port: u16, answer: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::parse(&format!("http://{}", listener.local_addr().unwrap()), PlainHttp::ForPinned);
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (heads.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for (number, mut client) in listener.incoming().flatten().enumerate() {
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || {
                    while let Ok(head) = read_head(&mut client) {
                        seen.lock().unwrap().push((number, head.clone()));
                        let mut words = head.split(' ');
                        let served = match (words.next(), words.next()) {
                            (Some("CONNECT"), Some(target)) => return tunnel(client, target, port),
                            (Some("GET"), Some(url)) if url.starts_with("http://") => answer(url, &mut client),
                            _ => client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
                        };
                        if served.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Proxy { address: address.unwrap(), heads }
    }

    fn transport(&self) -> Https {
        Https::new(through(&self.address))
    }

    /// The first lines of what it was asked, with the connections.
    fn asked(&self) -> Vec<(usize, String)> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|(number, head)| (*number, head.lines().next().unwrap().to_owned())).collect()
    }
}

fn through(proxy: &Address) -> Settings {
    Settings { proxy: Some(proxy.clone()), plain_http: PlainHttp::ForPinned, ..settings() }
}

fn tunnel(mut client: TcpStream, target: &str, port: u16) {
    if !target.ends_with(&format!(":{port}")) {
        let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || io::copy(&mut from, &mut to));
    std::thread::spawn(move || io::copy(&mut server, &mut client));
}

/// Asks the server of an address as a proxy does, and passes its answer on.
fn relay(url: &str, client: &mut TcpStream) -> io::Result<()> {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut server = TcpStream::connect(host)?;
    write!(server, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    let mut piece = [0; 4096];
    let amount = server.read(&mut piece)?;
    client.write_all(&piece[..amount])
}

fn say(answer: &'static [u8]) -> impl Fn(&str, &mut TcpStream) -> io::Result<()> {
    move |_, client| client.write_all(answer)
}

/// The error of one request through a proxy that always answers `answer`.
fn refusal(answer: &'static [u8]) -> FetchError {
    fetch(&mut Proxy::start(0, say(answer)).transport(), "http://mirror.example", "a.json", 100).unwrap_err()
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";

#[test]
fn a_request_without_tls_is_passed_on_by_a_proxy_that_opens_no_tunnel_for_it() {
    let server = Server::plain(|_, out| out.write_all(OK));
    let proxy = Proxy::start(443, relay);
    let mut https = proxy.transport();
    assert_eq!(fetch(&mut https, &server.base(), "a.json", 4).unwrap(), b"abcd");
    assert_eq!(fetch(&mut https, &server.base(), "b/c", 4).unwrap(), b"abcd");
    let host = server.base().strip_prefix("http://").unwrap().to_owned();
    let line = |path: &str| (0, format!("GET http://{host}/{path} HTTP/1.1"));
    assert_eq!(proxy.asked(), [line("a.json"), line("b/c")]);
    assert_eq!(server.requests(), ["/a.json", "/b/c"]);
    for (_, head) in proxy.heads.lock().unwrap().iter() {
        let mut lines: Vec<_> = head.lines().skip(1).map(str::to_ascii_lowercase).collect();
        lines.sort();
        assert_eq!(lines, ["", "accept: */*", &format!("host: {host}"), "user-agent: anode-fetch/1"]);
    }
}

#[test]
fn the_line_and_the_host_name_the_server_in_every_form_of_an_address() {
    let proxy = Proxy::start(443, say(OK));
    for (base, origin, host) in [
        ("http://mirror.example", "http://mirror.example", "mirror.example"),
        ("http://mirror.example:8080/debian", "http://mirror.example:8080", "mirror.example:8080"),
        ("http://[2001:db8::1]:81", "http://[2001:db8::1]:81", "[2001:db8::1]:81"),
    ] {
        assert_eq!(fetch(&mut proxy.transport(), base, "a", 4).unwrap(), b"abcd");
        let (_, head) = proxy.heads.lock().unwrap().pop().unwrap();
        assert!(head.starts_with(&format!("GET {origin}/")), "{head}");
        assert!(head.contains(&format!("\r\nhost: {host}\r\n")), "{head}");
    }
}

#[test]
fn an_address_longer_than_a_buffer_arrives_whole() {
    let proxy = Proxy::start(443, say(OK));
    let path = "a".repeat(8150);
    assert_eq!(fetch(&mut proxy.transport(), "http://mirror.example", &path, 4).unwrap(), b"abcd");
    let head = proxy.heads.lock().unwrap().pop().unwrap().1;
    assert!(head.starts_with(&format!("GET http://mirror.example/{path} HTTP/1.1\r\n")), "{head}");
    assert_eq!(head.matches("host: mirror.example\r\n").count(), 1);
}

#[test]
fn tls_goes_through_a_tunnel_as_ever() {
    let authority = certificates::Authority::new();
    let server =
        Server::tls(certificates::config(authority.issue("localhost", 2020, 2040)), |_, out| out.write_all(OK));
    let proxy = Proxy::start(server.port(), |_, _| Err(io::ErrorKind::Other.into()));
    let mut https = certificates::believing(&authority);
    (https.settings.proxy, https.settings.limits) = (Some(proxy.address.clone()), through(&proxy.address).limits);
    let base = format!("https://localhost:{}", server.port());
    for path in ["a", "b"] {
        assert_eq!(fetch(&mut https, &base, path, 4).unwrap(), b"abcd");
    }
    assert_eq!(proxy.asked(), [(0, format!("CONNECT localhost:{} HTTP/1.1", server.port()))]);
    // Whoever vouches for nobody vouches for nobody behind a proxy either.
    let error = fetch(&mut proxy.transport(), &base, "a", 4).unwrap_err();
    assert!(matches!(error, FetchError::Tls(_)), "{error}");
}

#[test]
fn each_server_has_a_connection_of_its_own_and_keeps_it() {
    let proxy = Proxy::start(443, |url, client| {
        write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{url}", url.len())
    });
    let mut https = proxy.transport();
    for (base, number) in [("http://a.example", 0), ("http://b.example", 1), ("http://a.example", 0)] {
        let url = format!("{base}/x");
        assert_eq!(fetch(&mut https, base, "x", 100).unwrap(), url.as_bytes());
        assert_eq!(proxy.asked().pop().unwrap(), (number, format!("GET {url} HTTP/1.1")));
    }
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_the_next_ones() {
    let proxy = Proxy::start(443, |url, client| {
        let both = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{url}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            url.len()
        );
        client.write_all(both.as_bytes())
    });
    let mut https = proxy.transport();
    for (number, path) in ["a", "b"].into_iter().enumerate() {
        let url = format!("http://mirror.example/{path}");
        assert_eq!(fetch(&mut https, "http://mirror.example", path, 100).unwrap(), url.as_bytes());
        assert_eq!(proxy.asked().pop().unwrap().0, number);
    }
}

#[test]
fn what_is_the_proxys_own_answer_is_named_as_its_own() {
    for (answer, words) in [
        (b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n".as_slice(), "does not pass it on: 407; it wants a name"),
        (b"HTTP/1.1 403 X\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\nContent-Length: 0\r\n\r\n", "pass it on: 403"),
        (b"HTTP/1.1 503 X\r\nX-Squid-Error: ERR_DNS_FAIL 0\r\nContent-Length: 0\r\n\r\n", "pass it on: 503"),
        (b"HTTP/1.1 504 X\r\nProxy-Status: p; error=connection_timeout\r\nContent-Length: 0\r\n\r\n", "on: 504"),
        (b"HTTP/1.1 302 X\r\nX-Squid-Error: X 0\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", "on: 302"),
    ] {
        let error = refusal(answer);
        assert!(matches!(&error, FetchError::Unreachable(text) if text.contains(words)), "{error}");
        assert!(error.to_string().contains("http://mirror.example/a.json: the proxy does not"), "{error}");
    }
    // It may as well be the server's.
    let error = refusal(b"HTTP/1.1 404 X\r\nProxy-Status: p\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(&error, FetchError::Absent(text) if text.ends_with("the server, or the proxy, answers 404")));
    let error = refusal(b"HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(&error, FetchError::Unreachable(text) if text.ends_with("the server, or the proxy, answers 502")));
    // A server that plays the proxy is still the server.
    let server =
        Server::plain(|_, out| out.write_all(b"HTTP/1.1 403 X\r\nX-Squid-Error: X\r\nContent-Length: 0\r\n\r\n"));
    let error = fetch(&mut Https::new(settings()), &server.base(), "a", 4).unwrap_err();
    assert!(matches!(&error, FetchError::Absent(text) if text.ends_with("the server answers 403")), "{error}");
}

#[test]
fn a_proxy_that_opens_no_tunnel_or_is_not_there_is_named() {
    let proxy = Proxy::start(443, say(OK));
    let error = fetch(&mut proxy.transport(), "https://127.0.0.1:9", "a.json", 4).unwrap_err();
    assert!(error.to_string().contains("the proxy does not connect to it: proxy server responded 403"), "{error}");
    let gone = Address::parse("http://127.0.0.1:1", PlainHttp::ForPinned).unwrap();
    for base in ["http://mirror.example", "https://mirror.example"] {
        let found = fetch(&mut Https::new(through(&gone)), base, "a", 4);
        assert_eq!(found, Err(FetchError::Unreachable("the proxy 127.0.0.1: connection refused".into())));
    }
}

#[test]
fn a_proxy_that_wants_a_password_for_a_tunnel_is_told_apart() {
    let proxy = Server::plain(|_, out| out.write_all(b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n"));
    let address = Address::parse(&proxy.base(), PlainHttp::ForPinned).unwrap();
    let error = fetch(&mut Https::new(through(&address)), "https://mirror.example", "a", 4).unwrap_err();
    assert!(error.to_string().contains("it wants a name and a password"), "{error}");
}

#[test]
fn a_proxy_gets_away_with_no_more_than_a_server() {
    for (answer, words) in [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n".as_slice(), "100 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "valid HTTP"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n", "valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}", "log-in page"),
    ] {
        let error = refusal(answer);
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    let cut = Proxy::start(443, |_, client| {
        client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcd")?;
        Err(io::ErrorKind::Other.into())
    });
    let found = fetch(&mut cut.transport(), "http://mirror.example", "a", 100);
    assert!(matches!(&found, Err(FetchError::Unreachable(text)) if text.contains("ended early")), "{found:?}");
    for (begin, more) in [
        ("HTTP/1.1 200 OK\r\n", "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
        ("", "HTTP/1.1 103 Early Hints\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\naaaa\r\n"),
    ] {
        let proxy = Proxy::start(443, move |_, client| {
            client.write_all(begin.as_bytes())?;
            loop {
                client.write_all(more.as_bytes())?;
            }
        });
        let error = fetch(&mut proxy.transport(), "http://mirror.example", "a", 100_000).unwrap_err();
        assert!(matches!(error, FetchError::NotASite(_)), "{more}: {error}");
    }
}

#[test]
fn an_endless_answer_through_a_tunnel_ends_as_early_as_without() {
    let authority = certificates::Authority::new();
    let server = Server::tls(certificates::config(authority.issue("localhost", 2020, 2040)), |_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            out.write_all(b"4\r\naaaa\r\n")?;
        }
    });
    let proxy = Proxy::start(server.port(), |_, _| Ok(()));
    let mut https = certificates::believing(&authority);
    (https.settings.proxy, https.settings.limits) = (Some(proxy.address.clone()), through(&proxy.address).limits);
    let error = fetch(&mut https, &format!("https://localhost:{}", server.port()), "a", 100_000).unwrap_err();
    assert!(matches!(&error, FetchError::NotASite(text) if text.contains("sends more than")), "{error}");
}
