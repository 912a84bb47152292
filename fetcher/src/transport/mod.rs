//! HTTP(S), for one purpose: the bytes of one file of one mirror, or the reason why not. Everything it brings is untrusted.
//!
//! Every option of the HTTP library is set here, because its defaults follow redirects, read proxies from the environment and wait for ever. There are
//! no redirects, no retries, no compression, no cookies and no switch that weakens a check; which mirror is asked next is the caller's decision.

mod address;
mod connector;
mod meter;
mod tls;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use anode_bundle::Moment;
use anode_bundle::client::{FetchError, Request};
use anode_bundle::display;
use ureq::config::{AutoHeaderValue, Config, IpFamily};
use ureq::http::Response;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};
use ureq::{Agent, Body, Proxy, Timeout};

pub use address::{Address, BadAddress, PlainHttp};
pub use connector::TlsConnector;
use meter::{Allowance, MeterConnector};
pub use tls::{BadPem, Credentials, describe as describe_tls, public_authorities};

/// The only thing that a request says about its sender.
pub const USER_AGENT: &str = "anode-fetch/1";

/// The answers of a 404 are read to their end up to this length, so that the connection can be used again.
const DRAIN: u64 = 64 << 10;

/// How long a mirror may take. The defaults are those of format 1, section 1; tests shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Without a single byte.
    pub idle: Duration,
    /// For one file.
    pub total: Duration,
    /// For everything that one mirror is asked for: a mirror that is slow with each of many files must not hold up a run for hours.
    pub patience: Duration,
    /// Fewer bytes than this in each second, over a window of `idle`, is too slow.
    pub bytes_per_second: u64,
    /// The status line and headers of an answer, in bytes.
    pub header: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(120),
            patience: Duration::from_secs(300),
            bytes_per_second: 1024,
            header: 16 << 10,
        }
    }
}

/// What [`Https`] needs to know.
#[derive(Debug)]
pub struct Settings {
    /// Whom to believe, and who we are.
    pub credentials: Credentials,
    /// Whether a mirror on this machine may do without TLS.
    pub plain_http: PlainHttp,
    /// Time and rate.
    pub limits: Limits,
    /// Who passes everything on, for networks that let nothing else through: `http://HOST:PORT`. It sees host names, and bytes that are as untrusted
    /// as ever.
    pub proxy: Option<Address>,
}

impl Settings {
    /// Public authorities only, `https` only, the limits of format 1.
    ///
    /// # Errors
    /// Never in practice: a machine without authorities believes nobody.
    pub fn public() -> Result<Settings, BadPem> {
        Ok(Settings {
            credentials: Credentials::new(&[], None)?,
            plain_http: PlainHttp::Refused,
            limits: Limits::default(),
            proxy: None,
        })
    }
}

/// The transport of the medium. Connections are kept between requests.
#[derive(Debug)]
pub struct Https {
    settings: Settings,
    agent: Option<(Moment, Agent)>,
    /// The agent may hold a connection that a server is about to close.
    warm: bool,
    /// What the server may still say.
    allowance: Allowance,
    /// How long each mirror was waited for.
    waited: BTreeMap<String, Duration>,
}

impl Https {
    /// A transport without connections yet.
    #[must_use]
    pub fn new(settings: Settings) -> Https {
        Https { settings, agent: None, warm: false, allowance: Allowance::default(), waited: BTreeMap::new() }
    }

    /// A connection and a resumable session stand for a certificate that was judged at one moment; another moment begins with none of them.
    fn agent_at(&mut self, now: Moment) -> Result<Agent, FetchError> {
        if let Some((moment, agent)) = &self.agent
            && *moment == now
        {
            return Ok(agent.clone());
        }
        let tls = self.settings.credentials.at(now).map_err(|error| FetchError::Tls(error.to_string()))?;
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(TlsConnector(tls))
                .chain(MeterConnector(self.allowance.clone()));
        let proxy = self.settings.proxy.as_ref().map(|proxy| Proxy::new(proxy.as_str())).transpose();
        let proxy = proxy.map_err(|error| FetchError::Unreachable(format!("the proxy: {error}")))?;
        let agent = Agent::with_parts(config(&self.settings.limits, proxy), connector, DefaultResolver::default());
        self.agent = Some((now, agent.clone()));
        self.warm = false;
        Ok(agent)
    }

    /// A server may close a kept connection at the very moment in which it is used again (RFC 9112, section 9.3.1). That says nothing about the
    /// server, so the request is made once more on a new one.
    fn call(&mut self, asked: &Asked<'_>) -> Result<Response<Body>, FetchError> {
        self.allowance.begin(asked.limit, asked.limits.header);
        let answer = match self.agent_at(asked.now)?.get(asked.url()).call() {
            Err(ureq::Error::Io(error)) if self.warm && is_cut_off(error.kind()) => {
                self.agent = None;
                self.agent_at(asked.now)?.get(asked.url()).call()
            }
            answer => answer,
        };
        self.warm |= answer.is_ok();
        answer.map_err(|error| asked.failed(&error))
    }
}

fn config(limits: &Limits, proxy: Option<Proxy>) -> Config {
    Config::builder()
        .http_status_as_error(false)
        // `Address` decides: `http` is for this machine only, and only where it was allowed.
        .https_only(false)
        .ip_family(IpFamily::Any)
        .proxy(proxy)
        .no_delay(true)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .redirect_auth_headers(ureq::config::RedirectAuthHeaders::Never)
        .save_redirect_history(false)
        .user_agent(USER_AGENT)
        .accept("*/*")
        .accept_encoding(AutoHeaderValue::None)
        .allow_non_standard_methods(false)
        .max_response_header_size(limits.header)
        .input_buffer_size(limits.header.max(32 << 10))
        .output_buffer_size(8 << 10)
        .max_idle_connections(4)
        .max_idle_connections_per_host(1)
        // Common servers close a silent connection after five seconds.
        .max_idle_age(Duration::from_secs(4))
        .timeout_global(Some(limits.total))
        .timeout_per_call(Some(limits.total))
        .timeout_per_read(Some(limits.idle))
        .timeout_per_write(Some(limits.idle))
        .timeout_resolve(Some(limits.connect))
        .timeout_connect(Some(limits.connect))
        .timeout_send_request(Some(limits.idle))
        .timeout_await_100(Some(Duration::from_millis(1)))
        .timeout_send_body(Some(limits.idle))
        .timeout_recv_response(Some(limits.idle))
        .timeout_recv_body(Some(limits.total))
        .build()
}

impl anode_bundle::client::Transport for Https {
    fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
        let address = Address::parse(request.base, self.settings.plain_http)
            .map_err(|error| FetchError::NotASite(error.to_string()))?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
        if request.path.starts_with('/') || request.path.contains("..") || !request.path.bytes().all(plain) {
            return Err(FetchError::NotASite(format!("`{}` is not a path in a tree", display::line(request.path, 80))));
        }
        let asked = Asked {
            address: &address,
            path: request.path,
            limit: request.limit,
            now: request.now,
            limits: self.settings.limits,
        };
        let waited = self.waited.get(request.base).copied().unwrap_or_default();
        if waited >= asked.limits.patience {
            let (host, patience) = (asked.host(), seconds(asked.limits.patience));
            return Err(FetchError::TooSlow(format!("{host}: all its answers together took longer than {patience}")));
        }
        let begun = Instant::now();
        let body = self.call(&asked).and_then(|answer| asked.read(answer));
        self.waited.insert(request.base.to_owned(), waited + begun.elapsed());
        body
    }
}

impl Https {
    /// The body at one address, piece by piece, for whoever knows its hash: everything else about it is as untrusted as ever. At most `limit` bytes.
    ///
    /// # Errors
    /// [`FetchError`], also what `take` says.
    pub fn stream(
        &mut self,
        address: &Address,
        limit: u64,
        now: Moment,
        take: &mut dyn FnMut(&[u8]) -> Result<(), FetchError>,
    ) -> Result<(), FetchError> {
        let asked = Asked { address, path: "", limit, now, limits: self.settings.limits };
        let mut answer = self.call(&asked)?;
        asked.check(&mut answer)?;
        asked.read_body(&mut answer, take)
    }
}

/// One request, for its messages.
struct Asked<'a> {
    address: &'a Address,
    path: &'a str,
    limit: u64,
    now: Moment,
    limits: Limits,
}

impl Asked<'_> {
    fn url(&self) -> String {
        match self.path {
            "" => self.address.as_str().to_owned(),
            path => format!("{}/{path}", self.address.as_str()),
        }
    }

    fn host(&self) -> &str {
        self.address.host()
    }

    fn read(&self, mut answer: Response<Body>) -> Result<Vec<u8>, FetchError> {
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
    fn check(&self, answer: &mut Response<Body>) -> Result<Option<u64>, FetchError> {
        let url = self.url();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match answer.status().as_u16() {
            200 => {}
            code @ (403 | 404 | 410) => {
                drain(answer);
                return Err(FetchError::Absent(format!("{url}: the server answers {code}")));
            }
            code @ (408 | 425 | 429 | 500..=510 | 512..=599) => {
                return Err(FetchError::Unreachable(format!("{url}: the server answers {code}")));
            }
            code @ 300..=399 => {
                let to = header("location").map_or(String::new(), |to| format!(" to `{}`", display::line(&to, 120)));
                return Err(FetchError::NotASite(format!(
                    "{url}: the server answers {code} and redirects{to}, which is never followed"
                )));
            }
            code => {
                // nginx says 400 to clients without a certificate where it wants one; some say its own number, which it keeps to itself.
                let wants = if matches!(code, 400 | 495 | 496) { "; it may want a client certificate" } else { "" };
                return Err(FetchError::NotASite(format!("{url}: the server answers {code}{wants}")));
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

    /// The body, piece by piece as it comes.
    fn read_body(
        &self,
        answer: &mut Response<Body>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), FetchError>,
    ) -> Result<(), FetchError> {
        let mut length = 0;
        let mut reader = answer.body_mut().as_reader();
        let mut piece = [0; 16 << 10];
        let mut pace = Pace::begin(self.limits);
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

    fn failed(&self, error: &ureq::Error) -> FetchError {
        let (url, host) = (self.url(), self.host());
        match error {
            ureq::Error::HostNotFound => {
                FetchError::Unreachable(format!("{host}: no such host, or no name server answers"))
            }
            ureq::Error::Timeout(Timeout::Resolve) => FetchError::Unreachable(format!(
                "{host}: no name server answered within {}",
                seconds(self.limits.connect)
            )),
            ureq::Error::Timeout(Timeout::Connect) => {
                FetchError::Unreachable(format!("{host}: no connection within {}", seconds(self.limits.connect)))
            }
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
                let hint = if self.address.is_encrypted() { "" } else { "; many proxies connect to `https` only" };
                let reason = display::line(reason, 120);
                FetchError::Unreachable(format!("{host}: the proxy does not connect to it: {reason}{hint}"))
            }
            ureq::Error::Tls(text) => FetchError::Tls(format!("{host}: {text}")),
            ureq::Error::Io(error) => self.failed_io(error),
            other => FetchError::Unreachable(format!("{url}: {}", display::line(&other.to_string(), 160))),
        }
    }

    fn failed_io(&self, error: &io::Error) -> FetchError {
        let (url, host) = (self.url(), self.host());
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return FetchError::Tls(format!("{host}: {}", tls::describe(error, self.now)));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => FetchError::Unreachable(format!("{host}: connection refused")),
            io::ErrorKind::NetworkUnreachable => FetchError::Unreachable(format!("{host}: no network leads there")),
            io::ErrorKind::HostUnreachable => FetchError::Unreachable(format!("{host}: the host does not answer")),
            kind if is_cut_off(kind) => FetchError::Unreachable(format!("{url}: the answer ended early")),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                FetchError::Unreachable(format!("{host}: no connection within {}", seconds(self.limits.connect)))
            }
            _ => FetchError::Unreachable(format!("{host}: {}", display::line(&error.to_string(), 160))),
        }
    }
}

fn is_cut_off(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn drain(answer: &mut Response<Body>) {
    let mut rest = answer.body_mut().as_reader().take(DRAIN);
    // A body that does not end here costs the connection, nothing else.
    let _ = io::copy(&mut rest, &mut io::sink());
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}

/// Counts bytes over windows of time.
struct Pace {
    limits: Limits,
    begun: Instant,
    bytes: u64,
}

impl Pace {
    fn begin(limits: Limits) -> Pace {
        Pace { limits, begun: Instant::now(), bytes: 0 }
    }

    fn is_too_slow(&mut self, more: u64) -> bool {
        self.bytes = self.bytes.saturating_add(more);
        let elapsed = self.begun.elapsed();
        if elapsed < self.limits.idle {
            return false;
        }
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let wanted = self.limits.bytes_per_second.saturating_mul(millis) / 1000;
        let slow = self.bytes < wanted;
        *self = Pace::begin(self.limits);
        slow
    }
}
