//! One request and what came of it: which answers are a file, and what is said about every other one, about whom.
//!
//! Where a proxy is between, it may have spoken instead of the server. That is said where it shows, and left open where it does not.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use anode_bundle::Moment;
use anode_bundle::client::FetchError;
use anode_bundle::display;
use ureq::http::Response;
use ureq::{Body, Timeout};

use super::{Address, Limits, Pace, is_cut_off, tls};

/// The answers of a 404 are read to their end up to this length, so that the connection can be used again.
const DRAIN: u64 = 64 << 10;
/// What a proxy that wants them is told by nobody.
const CREDENTIALS: &str =
    "; it wants a name and a password, which nobody can give it here: have it let this machine through without";

/// One request, for its messages.
pub(super) struct Asked<'a> {
    pub address: &'a Address,
    pub path: &'a str,
    pub limit: u64,
    pub now: Moment,
    pub limits: Limits,
    /// Who is between.
    pub proxy: Option<&'a Address>,
}

impl Asked<'_> {
    pub fn url(&self) -> String {
        match self.path {
            "" => self.address.as_str().to_owned(),
            path => format!("{}/{path}", self.address.as_str()),
        }
    }

    pub fn host(&self) -> &str {
        self.address.host()
    }

    pub fn read(&self, mut answer: Response<Body>) -> Result<Vec<u8>, FetchError> {
        let length = self.check(&mut answer)?;
        // The length that a server names is believed for an allocation of at most 64 KiB; what comes beyond that grows as it comes.
        let expected = length.unwrap_or(0).min(64 << 10);
        let mut body = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        self.read_body(&mut answer, &mut |piece| {
            body.extend_from_slice(piece);
            Ok(())
        })?;
        let begins_as_page =
            body.iter().find(|b| !b.is_ascii_whitespace() && !b"\xEF\xBB\xBF".contains(b)) == Some(&b'<');
        if begins_as_page && self.is_document() {
            return Err(self.page());
        }
        Ok(body)
    }

    /// Status and headers; the length of the body where the server names it.
    pub fn check(&self, answer: &mut Response<Body>) -> Result<Option<u64>, FetchError> {
        let url = self.url();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let speaker = self.speaker(answer);
        match answer.status().as_u16() {
            200 => {}
            code if speaker == Speaker::Proxy => {
                let wants = if code == 407 { CREDENTIALS } else { "" };
                return Err(FetchError::Unreachable(format!("{url}: {speaker} does not pass it on: {code}{wants}")));
            }
            code @ (403 | 404 | 410) => {
                drain(answer);
                return Err(FetchError::Absent(format!("{url}: {speaker} answers {code}")));
            }
            code @ (408 | 425 | 429 | 500..=510 | 512..=599) => {
                return Err(FetchError::Unreachable(format!("{url}: {speaker} answers {code}")));
            }
            code @ 300..=399 => {
                let to = header("location").map_or(String::new(), |to| format!(" to `{}`", display::line(&to, 120)));
                return Err(FetchError::NotASite(format!(
                    "{url}: {speaker} answers {code} and redirects{to}, which is never followed"
                )));
            }
            code => {
                // nginx says 400 to clients without a certificate where it wants one; some say its own number, which it keeps to itself.
                let wants = if matches!(code, 400 | 495 | 496) { "; it may want a client certificate" } else { "" };
                return Err(FetchError::NotASite(format!("{url}: {speaker} answers {code}{wants}")));
            }
        }
        if let Some(encoding) =
            header("content-encoding").filter(|encoding| !encoding.trim().eq_ignore_ascii_case("identity"))
        {
            let encoding = display::line(&encoding, 40);
            return Err(FetchError::NotASite(format!(
                "{url}: the answer is encoded as `{encoding}`, which was not asked for"
            )));
        }
        let is_page =
            header("content-type").is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
        if is_page && self.is_document() {
            return Err(self.page());
        }
        let length = header("content-length").and_then(|length| length.trim().parse::<u64>().ok());
        if length.is_some_and(|length| length > self.limit) {
            return Err(self.too_long());
        }
        Ok(length)
    }

    fn speaker(&self, answer: &Response<Body>) -> Speaker {
        if self.proxy.is_none() || self.address.is_encrypted() {
            return Speaker::Server;
        }
        // 407 is a proxy's alone (RFC 9110, 15.5.8); squid says so in a header of its own, others in that of RFC 9209.
        let headers = answer.headers();
        let status = headers.get("proxy-status").and_then(|status| status.to_str().ok()).unwrap_or_default();
        let is_own = answer.status() == 407 || headers.contains_key("x-squid-error") || status.contains("error=");
        if is_own { Speaker::Proxy } else { Speaker::Either }
    }

    /// The body, piece by piece as it comes.
    pub fn read_body(
        &self,
        answer: &mut Response<Body>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), FetchError>,
    ) -> Result<(), FetchError> {
        let mut length = 0;
        let mut reader = answer.body_mut().as_reader();
        let mut piece = [0; 16 << 10];
        let mut pace = Pace::begin(self.limits.idle, self.limits.bytes_per_second);
        loop {
            let amount = reader.read(&mut piece).map_err(|error| self.failed(&ureq::Error::from(error)))?;
            let Some(piece) = piece.get(..amount).filter(|piece| !piece.is_empty()) else { return Ok(()) };
            length += amount as u64;
            if length > self.limit {
                return Err(self.too_long());
            }
            take(piece)?;
            if pace.is_too_slow(amount as u64) {
                let (rate, host) = (self.limits.bytes_per_second, self.host());
                return Err(FetchError::TooSlow(format!(
                    "{}: {host} sends fewer than {rate} bytes a second",
                    self.url()
                )));
            }
        }
    }

    fn is_document(&self) -> bool {
        [".json", ".signed", ".minisig"].iter().any(|ending| self.path.ends_with(ending))
    }

    fn page(&self) -> FetchError {
        FetchError::NotASite(format!(
            "{}: a page instead of the tree: is this a network with a log-in page?",
            self.url()
        ))
    }

    fn too_long(&self) -> FetchError {
        FetchError::TooLong { path: self.path.to_owned(), limit: self.limit }
    }

    /// Whom this machine itself connects to.
    fn peer(&self) -> String {
        self.proxy.map_or_else(|| self.host().to_owned(), |proxy| format!("the proxy {}", proxy.host()))
    }

    fn no_connection(&self) -> FetchError {
        let through = self.proxy.map_or(String::new(), |proxy| format!(" through the proxy {}", proxy.host()));
        let (host, time) = (self.host(), seconds(self.limits.connect));
        FetchError::Unreachable(format!("{host}: no connection{through} within {time}"))
    }

    pub fn failed(&self, error: &ureq::Error) -> FetchError {
        let (url, host, peer) = (self.url(), self.host(), self.peer());
        match error {
            ureq::Error::HostNotFound => {
                FetchError::Unreachable(format!("{peer}: no such host, or no name server answers"))
            }
            ureq::Error::Timeout(Timeout::Resolve) => FetchError::Unreachable(format!(
                "{peer}: no name server answered within {}",
                seconds(self.limits.connect)
            )),
            ureq::Error::Timeout(Timeout::Connect) => self.no_connection(),
            ureq::Error::Timeout(Timeout::Global | Timeout::PerCall | Timeout::RecvBody) => {
                FetchError::TooSlow(format!("{url}: not finished within {}", seconds(self.limits.total)))
            }
            ureq::Error::Timeout(_) => {
                FetchError::TooSlow(format!("{url}: nothing came within {}", seconds(self.limits.idle)))
            }
            ureq::Error::BodyExceedsLimit(_) => FetchError::NotASite(format!(
                "{url}: {host} sends more than an answer of {} bytes can need",
                self.limit
            )),
            ureq::Error::LargeResponseHeader(..) => FetchError::NotASite(format!(
                "{url}: the headers of the answer are longer than {} bytes",
                self.limits.header
            )),
            ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::BodyStalled => {
                FetchError::NotASite(format!("{url}: {host} does not answer with valid HTTP"))
            }
            ureq::Error::ConnectProxyFailed(reason) => {
                let wants = if reason.contains("407") { CREDENTIALS } else { "" };
                let reason = display::line(reason, 120);
                FetchError::Unreachable(format!("{host}: the proxy does not connect to it: {reason}{wants}"))
            }
            ureq::Error::Tls(text) => FetchError::Tls(format!("{host}: {text}")),
            ureq::Error::Io(error) => self.failed_io(error),
            other => FetchError::Unreachable(format!("{url}: {}", display::line(&other.to_string(), 160))),
        }
    }

    fn failed_io(&self, error: &io::Error) -> FetchError {
        let (url, host, peer) = (self.url(), self.host(), self.peer());
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return FetchError::Tls(format!("{host}: {}", tls::describe(error, self.now)));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => FetchError::Unreachable(format!("{peer}: connection refused")),
            io::ErrorKind::NetworkUnreachable => FetchError::Unreachable(format!("{peer}: no network leads there")),
            io::ErrorKind::HostUnreachable => FetchError::Unreachable(format!("{peer}: the host does not answer")),
            kind if is_cut_off(kind) => FetchError::Unreachable(format!("{url}: the answer ended early")),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => self.no_connection(),
            _ => FetchError::Unreachable(format!("{host}: {}", display::line(&error.to_string(), 160))),
        }
    }
}

/// Whose answer it is, as far as it shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Server,
    Proxy,
    Either,
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "the server",
            Self::Proxy => "the proxy",
            Self::Either => "the server, or the proxy,",
        })
    }
}

fn drain(answer: &mut Response<Body>) {
    let mut rest = answer.body_mut().as_reader().take(DRAIN);
    // A body that does not end here costs the connection, nothing else.
    let _ = io::copy(&mut rest, &mut io::sink());
}

pub(super) fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}
