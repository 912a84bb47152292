//! `http` through a proxy: the request goes to the proxy itself, in absolute form (RFC 9112, section 3.2.2).
//!
//! ureq asks a proxy for a tunnel (CONNECT) whatever the address says, and proxies as they are installed open tunnels to the ports of `https` only. So
//! this comes before its connector in the chain, and takes addresses without TLS; those with it are left to the tunnel. A connection belongs to one
//! address all its life, as ureq's pool keeps it: what the proxy says on it is never taken for the answer of another server.

use std::fmt;
use std::io;

use ureq::config::Config;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Proxy, ProxyProtocol};

/// Opens connections to the proxy for addresses without TLS: the first of a chain.
#[derive(Debug)]
pub struct ForwardConnector {
    /// The agent's configuration without a proxy, for the way to the proxy.
    pub direct: Config,
    /// Header lines that only the proxy is to see; empty where it wants none.
    pub credentials: String,
}

impl Connector<()> for ForwardConnector {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        let passes_on = |proxy: &&Proxy| {
            matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) && !proxy.is_no_proxy(details.uri)
        };
        let Some(proxy) = details.config.proxy().filter(|_| !details.needs_tls()).filter(passes_on) else {
            return Ok(None);
        };
        let authority = details.uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let inner = (details.run_connector)(&ConnectionDetails {
            uri: proxy.uri(),
            addrs: details.resolver.resolve(proxy.uri(), &self.direct, details.timeout)?,
            config: &self.direct,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        })?;
        let (origin, credentials) = (format!("http://{host}"), self.credentials.clone());
        Ok(Some(Box::new(Forwarded { inner, origin, credentials, is_inside: false })))
    }
}

/// A connection to a proxy on which every request names its server.
struct Forwarded {
    inner: Box<dyn Transport>,
    /// `http://`, host and port.
    origin: String,
    credentials: String,
    /// The head of a request has begun to leave, and nothing was read since.
    is_inside: bool,
}

impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Forwarded").field(&self.origin).finish()
    }
}

impl Forwarded {
    /// The same bytes with the server in the first line: ureq writes that line in one piece, and only its path.
    fn in_absolute_form(&self, head: &[u8]) -> Option<Vec<u8>> {
        let path = head.iter().position(|byte| *byte == b' ')? + 1;
        let next = head.windows(2).position(|two| two == b"\r\n")? + 2;
        let (method, line, rest) = (head.get(..path)?, head.get(path..next)?, head.get(next..)?);
        let line = line.starts_with(b"/").then_some(line)?;
        Some([method, self.origin.as_bytes(), line, self.credentials.as_bytes(), rest].concat())
    }
}

impl Transport for Forwarded {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if std::mem::replace(&mut self.is_inside, true) {
            return self.inner.transmit_output(amount, timeout);
        }
        let head = self.inner.buffers().output().get(..amount).unwrap_or_default().to_vec();
        let head = self.in_absolute_form(&head).ok_or_else(|| io::Error::other("a request without a path"))?;
        // It may have become longer than what it lay in.
        let mut rest = head.as_slice();
        while !rest.is_empty() {
            let output = self.inner.buffers().output();
            let amount = rest.len().min(output.len());
            if amount == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            let (piece, left) = rest.split_at(amount);
            output.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            self.inner.transmit_output(amount, timeout)?;
            rest = left;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.is_inside = false;
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// Keeps what is sent, and always has one byte to say.
    #[derive(Debug)]
    struct Wire(LazyBuffers, Arc<Mutex<Vec<u8>>>);

    impl Transport for Wire {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.0
        }

        fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
            self.1.lock().unwrap().extend_from_slice(&self.0.output()[..amount]);
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
            self.0.input_append_buf()[0] = b'x';
            self.0.input_appended(1);
            Ok(true)
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    fn forwarded(room: usize, credentials: &str) -> (Forwarded, Arc<Mutex<Vec<u8>>>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let inner = Box::new(Wire(LazyBuffers::new(16, room), sent.clone()));
        let origin = "http://mirror.example".to_owned();
        (Forwarded { inner, origin, credentials: credentials.to_owned(), is_inside: false }, sent)
    }

    fn send(transport: &mut Forwarded, piece: &str) -> Result<(), ureq::Error> {
        transport.buffers().output()[..piece.len()].copy_from_slice(piece.as_bytes());
        transport.transmit_output(piece.len(), NextTimeout::default())
    }

    #[test]
    fn the_first_line_of_each_request_gets_the_server_and_no_other_line_does() {
        let (mut transport, sent) = forwarded(64, "");
        send(&mut transport, "GET /a HTTP/1.1\r\nhost: mirror.example\r\n").unwrap();
        send(&mut transport, "x: GET /b HTTP/1.1\r\n\r\n").unwrap();
        transport.await_input(NextTimeout::default()).unwrap();
        send(&mut transport, "GET / HTTP/1.1\r\n\r\n").unwrap();
        let wanted = "GET http://mirror.example/a HTTP/1.1\r\nhost: mirror.example\r\nx: GET /b HTTP/1.1\r\n\r\n\
                      GET http://mirror.example/ HTTP/1.1\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&sent.lock().unwrap()), wanted);
    }

    #[test]
    fn what_is_no_request_for_a_path_is_not_sent() {
        for head in ["GET http://other.example/ HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1", "GET  /a HTTP/1.1\r\n", "\r\n"] {
            let (mut transport, sent) = forwarded(64, "");
            assert!(send(&mut transport, head).is_err(), "{head:?}");
            assert!(sent.lock().unwrap().is_empty());
        }
    }

    #[test]
    fn what_only_the_proxy_is_to_see_stands_behind_the_first_line() {
        let header = "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
        let (mut transport, sent) = forwarded(32, header);
        send(&mut transport, "GET /a HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let wanted = format!("GET http://mirror.example/a HTTP/1.1\r\n{header}host: x\r\n\r\n");
        assert_eq!(String::from_utf8_lossy(&sent.lock().unwrap()), wanted);
    }
}
