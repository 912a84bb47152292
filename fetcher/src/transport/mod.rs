//! HTTP(S), for one purpose: the bytes of one file of one mirror, or the reason why not. Everything it brings is untrusted.
//!
//! Every option of the HTTP library is set here, because its defaults follow redirects, read proxies from the environment and wait for ever. There are
//! no redirects, no retries, no compression, no cookies and no switch that weakens a check; which mirror is asked next is the caller's decision.

mod address;
mod asked;
mod connector;
mod forward;
mod meter;
mod pace;
mod tls;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use anode_bundle::Moment;
use anode_bundle::client::{FetchError, Request};
use anode_bundle::display;
use ureq::config::{AutoHeaderValue, Config, IpFamily};
use ureq::http::Response;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};
use ureq::{Agent, Body, Proxy};

pub use address::{Address, BadAddress, PlainHttp};
use asked::{Asked, seconds};
pub use connector::TlsConnector;
pub use forward::ForwardConnector;
use meter::{Allowance, MeterConnector};
pub use pace::Pace;
pub use tls::{BadPem, Credentials, describe as describe_tls, public_authorities};

/// The only thing that a request says about its sender.
pub const USER_AGENT: &str = "anode-fetch/1";

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
    /// Who passes everything on, for networks that let nothing else through: `http://HOST:PORT`. It is asked for a tunnel to an address with TLS, and
    /// to pass on the request for one without. It sees host names, and bytes that are as untrusted as ever.
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
        let limits = &self.settings.limits;
        let connector = ForwardConnector { direct: config(limits, None), credentials: String::new() }
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(TlsConnector(tls))
            .chain(MeterConnector(self.allowance.clone()));
        let proxy = self.settings.proxy.as_ref().map(|proxy| Proxy::new(proxy.as_str())).transpose();
        let proxy = proxy.map_err(|error| FetchError::Unreachable(format!("the proxy: {error}")))?;
        let agent = Agent::with_parts(config(limits, proxy), connector, DefaultResolver::default());
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
        let proxy = self.settings.proxy.clone();
        let asked = Asked {
            address: &address,
            path: request.path,
            limit: request.limit,
            now: request.now,
            limits: self.settings.limits,
            proxy: proxy.as_ref(),
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
        let proxy = self.settings.proxy.clone();
        let limits = self.settings.limits;
        let asked = Asked { address, path: "", limit, now, limits, proxy: proxy.as_ref() };
        let mut answer = self.call(&asked)?;
        asked.check(&mut answer)?;
        asked.read_body(&mut answer, take)
    }
}

/// Did the other side end a connection that was in use?
#[must_use]
pub fn is_cut_off(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}
