//! Fetching what distributions publish: files of any size into the cache, lists and signatures into memory.
//!
//! Unlike the medium's transport it follows redirects, resumes, and takes `http`: what a file is worth is decided by hashes and signatures, and how it
//! came is said beside it. It never goes from `https` to `http`. Every length is bounded, and so is the time in which nothing comes.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use anode_bundle::name::Sha256;
use anode_bundle::{Moment, display};
use anode_fetch::transport::{Credentials, ForwardConnector, Pace, TlsConnector, describe_tls, is_cut_off};
use anyhow::{Result, bail};
use sha2::Digest as _;
use tempfile::NamedTempFile;
use ureq::config::Config;
use ureq::http::Response;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};
use ureq::{Agent, Body, Proxy, ProxyProtocol, ResponseExt as _, Timeout};

use super::Progress;

/// Until a connection stands, and without a single byte.
const CONNECT: Duration = Duration::from_secs(15);
const IDLE: Duration = Duration::from_secs(30);
/// Fewer bytes in each second, over a window of [`IDLE`], is too slow.
const SLOWEST: u64 = 1024;
/// How often a transfer that was cut off goes on.
const RESUMES: usize = 3;
const REDIRECTS: u32 = 5;
/// A list of hashes, a signature.
const TEXT: u64 = 16 << 20;
/// An image.
pub const FILE: u64 = 32 << 30;

/// Why nothing came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// The server is there and has no such file.
    #[error("{0}")]
    Absent(String),
    /// Everything else.
    #[error("{0}")]
    Unreachable(String),
    /// This machine can not take it.
    #[error("{0}")]
    Here(String),
}

/// A file that came.
pub struct Downloaded {
    /// Where it lies until somebody keeps it.
    pub file: NamedTempFile,
    /// Its hash.
    pub sha256: Sha256,
    /// Its length.
    pub length: u64,
    /// Where it came from in the end, if that was another address.
    pub redirected: Option<String>,
}

/// An HTTP client for the operator's machine.
pub struct Client {
    agent: Agent,
    now: Moment,
    proxy: Option<Proxy>,
}

impl Client {
    /// `authorities` are PEM texts; with one or more of them, only these are believed. Certificates are judged at `now`.
    ///
    /// # Errors
    /// If an authority can not be read.
    pub fn new(authorities: &[Vec<u8>], now: Moment) -> Result<Client> {
        let tls = Credentials::new(authorities, None).and_then(|credentials| credentials.at(now))?;
        let proxy = proxy()?;
        let credentials = proxy.as_ref().map_or(String::new(), credentials);
        let connector = ForwardConnector { direct: Client::config(None), credentials }
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(TlsConnector(tls));
        let config = Client::config(proxy.clone());
        Ok(Client { agent: Agent::with_parts(config, connector, DefaultResolver::default()), now, proxy })
    }

    fn config(proxy: Option<Proxy>) -> Config {
        Agent::config_builder()
            .http_status_as_error(false)
            .proxy(proxy)
            .max_redirects(REDIRECTS)
            .save_redirect_history(true)
            .user_agent(concat!("anode/", env!("CARGO_PKG_VERSION")))
            .accept("*/*")
            .accept_encoding("identity")
            // A server or a proxy may close a kept connection at the very moment in which it is used again (RFC 9112, section 9.3.1).
            .max_idle_connections(0)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_send_request(Some(IDLE))
            .timeout_recv_response(Some(IDLE))
            .timeout_per_read(Some(IDLE))
            .build()
    }

    /// A list or a signature.
    ///
    /// # Errors
    /// Why it did not come.
    pub fn text(&self, url: &str) -> Result<Vec<u8>, Failed> {
        let mut answer = self.ask(url, None)?;
        let mut bytes = Vec::new();
        let received = receive(&mut answer, &mut |piece| {
            bytes.extend_from_slice(piece);
            if bytes.len() as u64 > TEXT { Err(Stop::TooLarge) } else { Ok(()) }
        });
        received.map_err(|stop| match stop {
            Stop::Here(failed) => failed,
            Stop::TooLarge => Failed::Unreachable(format!("{url} is larger than any list of hashes")),
            Stop::TooSlow => too_slow(url),
            Stop::There(error) => self.failed(url, &ureq::Error::from(error)),
        })?;
        match length(&answer) {
            Some(length) if length != bytes.len() as u64 => Err(cut_off(url, bytes.len() as u64, Some(length))),
            _ => Ok(bytes),
        }
    }

    /// Is the file there, and how long does its server say that it is?
    ///
    /// # Errors
    /// Why it is not.
    pub fn look(&self, url: &str) -> Result<Option<u64>, Failed> {
        self.ask(url, None).map(|answer| length(&answer))
    }

    /// Downloads a file into `file`, hashing it on the way.
    ///
    /// # Errors
    /// Why it did not come.
    pub fn file(&self, url: &str, file: NamedTempFile, progress: &dyn Progress) -> Result<Downloaded, Failed> {
        let mut transfer = Transfer { file, digest: sha2::Sha256::new(), done: 0 };
        let mut validator = None;
        for attempt in 0..=RESUMES {
            let from = validator.as_deref().filter(|_| transfer.done > 0).map(|validator| (transfer.done, validator));
            let mut answer = match self.ask(url, from) {
                Err(Failed::Unreachable(_)) if attempt > 0 && attempt < RESUMES => continue,
                other => other?,
            };
            if answer.status() == 206 && continues(&answer, transfer.done) {
                // It goes on where it was cut off.
            } else if answer.status() == 206 {
                return Err(Failed::Unreachable(format!(
                    "{url}: the server answers with another part than was asked for"
                )));
            } else {
                transfer.restart()?;
            }
            let redirected = answer
                .get_redirect_history()
                .is_some_and(|history| history.len() > 1)
                .then(|| answer.get_uri().to_string());
            validator = strong_validator(&answer);
            let whole = length(&answer).map(|length| length + transfer.done);
            progress.begin(url, whole, transfer.done);
            if whole.is_some_and(|whole| whole > FILE) {
                return Err(Failed::Unreachable(format!("{url} is larger than any image")));
            }
            let ended = transfer.receive(&mut answer, progress);
            let cut = match ended {
                Ok(()) if whole.is_none_or(|whole| whole == transfer.done) => {
                    let Transfer { file, digest, done } = transfer;
                    progress.end();
                    return Ok(Downloaded { file, sha256: Sha256(digest.finalize().into()), length: done, redirected });
                }
                Ok(()) => cut_off(url, transfer.done, whole),
                Err(Stop::Here(failed)) => return Err(failed),
                Err(Stop::TooLarge) => return Err(Failed::Unreachable(format!("{url} is larger than any image"))),
                Err(Stop::TooSlow) => return Err(too_slow(url)),
                Err(Stop::There(error)) if is_cut_off(error.kind()) => cut_off(url, transfer.done, whole),
                Err(Stop::There(error)) => self.failed(url, &ureq::Error::from(error)),
            };
            if attempt == RESUMES || validator.is_none() && attempt > 0 {
                return Err(cut);
            }
        }
        Err(cut_off(url, transfer.done, None))
    }

    fn ask(&self, url: &str, from: Option<(u64, &str)>) -> Result<Response<Body>, Failed> {
        let https_only = url.starts_with("https://");
        let mut request = self.agent.get(url).config().https_only(https_only).build();
        if let Some((from, validator)) = from {
            request = request.header("range", format!("bytes={from}-")).header("if-range", validator);
        }
        let answer = request.call().map_err(|error| self.failed(url, &error))?;
        match answer.status().as_u16() {
            200 | 206 => Ok(answer),
            code @ (401 | 403 | 404 | 410) => Err(Failed::Absent(format!("{url}: the server answers {code}"))),
            code => Err(Failed::Unreachable(format!("{url}: the server answers {code}"))),
        }
    }

    fn failed(&self, url: &str, error: &ureq::Error) -> Failed {
        let text = match error {
            ureq::Error::HostNotFound => "no such host, or no name server answers".to_owned(),
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                format!("no connection within {} s", CONNECT.as_secs())
            }
            ureq::Error::Timeout(_) => format!("nothing came within {} s", IDLE.as_secs()),
            ureq::Error::TooManyRedirects => format!("more than {REDIRECTS} redirects"),
            ureq::Error::RequireHttpsOnly(to) => {
                format!("redirects from https to `{}`, which is never followed", display::line(to, 120))
            }
            ureq::Error::Io(error) => self.failed_io(error),
            other => display::line(&other.to_string(), 160),
        };
        Failed::Unreachable(format!("{url}: {}{text}", self.through(url)))
    }

    /// Whom a failure may be about, where it is not the server.
    fn through(&self, url: &str) -> String {
        let proxy = self.proxy.as_ref().filter(|proxy| url.parse().is_ok_and(|url| !proxy.is_no_proxy(&url)));
        let named = proxy.map(|proxy| format!("through the proxy {}:{}: ", proxy.host(), proxy.port()));
        named.unwrap_or_default()
    }

    fn failed_io(&self, error: &io::Error) -> String {
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return describe_tls(error, self.now);
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::NetworkUnreachable => "no network leads there".to_owned(),
            io::ErrorKind::HostUnreachable => "the host does not answer".to_owned(),
            _ => display::line(&error.to_string(), 160),
        }
    }
}

/// Why a body was not read to its end.
enum Stop {
    There(io::Error),
    Here(Failed),
    TooSlow,
    TooLarge,
}

/// What has come so far.
struct Transfer {
    file: NamedTempFile,
    digest: sha2::Sha256,
    done: u64,
}

impl Transfer {
    fn here(&self, error: &io::Error) -> Failed {
        Failed::Here(format!("writing `{}`: {error}", self.file.path().display()))
    }

    fn restart(&mut self) -> Result<(), Failed> {
        let begun = self.file.as_file_mut().set_len(0).and_then(|()| self.file.as_file_mut().seek(SeekFrom::Start(0)));
        begun.map_err(|error| self.here(&error))?;
        (self.digest, self.done) = (sha2::Sha256::new(), 0);
        Ok(())
    }

    fn receive(&mut self, answer: &mut Response<Body>, progress: &dyn Progress) -> Result<(), Stop> {
        receive(answer, &mut |piece| {
            self.file.write_all(piece).map_err(|error| Stop::Here(self.here(&error)))?;
            self.digest.update(piece);
            self.done += piece.len() as u64;
            progress.bytes(piece.len() as u64);
            if self.done > FILE { Err(Stop::TooLarge) } else { Ok(()) }
        })
    }
}

/// A body, piece by piece as it comes, for as long as enough comes.
fn receive(answer: &mut Response<Body>, take: &mut dyn FnMut(&[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut reader = answer.body_mut().as_reader();
    let (mut pace, mut piece) = (Pace::begin(IDLE, SLOWEST), vec![0; 128 << 10]);
    loop {
        let amount = match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(amount) => amount,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::There(error)),
        };
        take(&piece[..amount])?;
        if pace.is_too_slow(amount as u64) {
            return Err(Stop::TooSlow);
        }
    }
}

/// The proxy of the usual variables, as [`Proxy::try_from_env`] reads them. One that it can not use is an error: whoever set it wants no direct way.
fn proxy() -> Result<Option<Proxy>> {
    const VARIABLES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
    // SOCKS is read, and then nothing here speaks it.
    let is_spoken = |proxy: &Proxy| matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
    let proxy = Proxy::try_from_env().filter(is_spoken);
    let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match VARIABLES.iter().find(is_set) {
        // Its value may hold a password.
        Some(name) if proxy.is_none() => {
            bail!("the variable `{name}` names no proxy that can be used: set it to `http://HOST:PORT`, or unset it")
        }
        _ => Ok(proxy),
    }
}

/// The header for a proxy that is named with a user, as the library writes it for tunnels (RFC 7617).
fn credentials(proxy: &Proxy) -> String {
    let (Some(user), password) = (proxy.username(), proxy.password().unwrap_or_default()) else { return String::new() };
    let both = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
    format!("Proxy-Authorization: Basic {both}\r\n")
}

fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

fn length(answer: &Response<Body>) -> Option<u64> {
    header(answer, "content-length")?.trim().parse().ok()
}

/// RFC 9110, section 13.1.5: only a strong one says that the rest is the rest of the same bytes.
fn strong_validator(answer: &Response<Body>) -> Option<String> {
    header(answer, "etag").filter(|tag| tag.starts_with('"')).map(str::to_owned)
}

/// `Content-Range: bytes 100-199/200`
fn continues(answer: &Response<Body>, done: u64) -> bool {
    let range = header(answer, "content-range").and_then(|range| range.trim().strip_prefix("bytes "));
    range.and_then(|range| range.split('-').next()?.parse().ok()) == Some(done)
}

fn too_slow(url: &str) -> Failed {
    Failed::Unreachable(format!("{url}: fewer than {SLOWEST} bytes a second come"))
}

fn cut_off(url: &str, done: u64, whole: Option<u64>) -> Failed {
    let of = whole.map_or(String::new(), |whole| format!(" of {whole}"));
    Failed::Unreachable(format!("{url}: the answer ends after {done}{of} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_that_its_server_may_close_is_not_used_twice() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/list", listener.local_addr().unwrap());
        // It answers one request on each connection, says nothing of closing it, and closes it when the next one comes.
        let answer = |mut stream: TcpStream| {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            assert!(lines.any(|line| line.is_empty()));
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx").unwrap();
            let _ = lines.next();
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || answer(stream));
            }
        });
        let client = Client::new(&[], crate::clock::now()).unwrap();
        assert_eq!(client.text(&url), Ok(b"x".to_vec()));
        assert_eq!(client.text(&url), Ok(b"x".to_vec()));
    }
}
