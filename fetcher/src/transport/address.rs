//! Addresses of mirrors: checked before anything is resolved, so that a base from the command line and one from a signed root's list of mirrors meet
//! the same rules. There is nothing here that turns a wrong address into a right one: what is not plainly a mirror is refused with the reason.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a mirror may be reached without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// `https` only.
    #[default]
    Refused,
    /// `http` too, where the host is this machine: tests and rehearsals.
    OnLoopback,
    /// `http` too, for a file whose hash is known.
    ForPinned,
}

/// The base URL of a mirror: scheme, host, port and path, nothing else, without a trailing `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
    host: String,
    encrypted: bool,
}

/// Why a text is not the address of a mirror.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the address `{url}` {problem}")]
pub struct BadAddress {
    /// The text, at most 120 characters of it, safe to print.
    pub url: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Address {
    /// Reads the base URL of a mirror.
    ///
    /// # Errors
    /// [`BadAddress`] for another scheme than `https` (or `http` to this machine, where that is allowed), a user or password, a query, a fragment, and
    /// for characters that a host or path does not have.
    pub fn parse(text: &str, plain: PlainHttp) -> Result<Address, BadAddress> {
        let bad = |problem| BadAddress { url: anode_bundle::display::line(text, 120), problem };
        let (encrypted, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(bad("does not begin with `https://`")),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(bad("has a user name or password in it"));
        }
        if rest.contains('?') || rest.contains('#') {
            return Err(bad("has a query or fragment"));
        }
        let host = read_host(authority).map_err(bad)?;
        let path = path.trim_end_matches('/');
        let plain_path = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%+@:,=".contains(&b));
        let plain_parts = path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
        if !plain_path || !plain_parts {
            return Err(bad("has a path that is not plain"));
        }
        if !encrypted && plain == PlainHttp::Refused {
            return Err(bad("is not `https`"));
        }
        if !encrypted && plain == PlainHttp::OnLoopback && !is_loopback(&host) {
            return Err(bad("is `http`, which is allowed to this machine only"));
        }
        let scheme = if encrypted { "https" } else { "http" };
        Ok(Address { url: format!("{scheme}://{}{path}", authority.to_ascii_lowercase()), host, encrypted })
    }

    /// Does it name the very machine that asks?
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The URL, without a trailing `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The host, for messages; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Is TLS spoken there?
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

fn read_host(authority: &str) -> Result<String, &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("has a host that is not plain")?;
            host.parse::<Ipv6Addr>().map_err(|_| "has a host that is not plain")?;
            (host, port)
        }
        None => authority.find(':').map_or((authority, ""), |at| authority.split_at(at)),
    };
    // The standard library would also take a sign.
    let digits = port.strip_prefix(':').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    if !port.is_empty() && digits.and_then(|digits| digits.parse::<u16>().ok()).is_none_or(|port| port == 0) {
        return Err("has a port that is not a number from 1 to 65535");
    }
    let is_name =
        host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b)) && !host.starts_with(['.', '-']);
    if host.is_empty() || host.len() > 253 || !(is_name || authority.starts_with('[')) {
        return Err("has a host that is not plain (write an international name in its `xn--` form)");
    }
    Ok(host.to_ascii_lowercase())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_goes_and_case_of_the_host_does_not_matter() {
        let address = Address::parse("HTTPS://Example.ORG:8443/Tree//", PlainHttp::Refused).unwrap();
        assert_eq!(address.as_str(), "https://example.org:8443/Tree");
        assert_eq!(address.host(), "example.org");
        assert_eq!(Address::parse("https://[2001:db8::1]/", PlainHttp::Refused).unwrap().host(), "2001:db8::1");
    }

    #[test]
    fn only_plain_https_addresses_are_mirrors() {
        for bad in [
            "",
            "example.org",
            "ftp://example.org",
            "file:///etc",
            "http://example.org",
            "http://127.0.0.1:80",
            "https://",
            "https:///a",
            "https://user@example.org",
            "https://user:secret@example.org/a",
            "https://example.org/?a",
            "https://example.org?a",
            "https://example.org/#a",
            "https://example.org/a/../b",
            "https://example.org/a//b",
            "https://example.org/a b",
            "https://exa\nmple.org",
            "https://exämple.org",
            "https://example.org:0",
            "https://example.org:",
            "https://example.org:99999",
            "https://example.org:+443",
            "https://[::1",
            "https://[example.org]",
        ] {
            assert!(Address::parse(bad, PlainHttp::Refused).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_whose_hash_is_known_may_come_over_http_from_anywhere_and_by_no_other_scheme() {
        assert!(Address::parse("http://deb.example.org/linux", PlainHttp::ForPinned).is_ok());
        for bad in ["ftp://example.org/linux", "file:///linux", "http://user@example.org/linux"] {
            assert!(Address::parse(bad, PlainHttp::ForPinned).is_err(), "{bad}");
        }
    }

    #[test]
    fn http_is_for_this_machine_only_and_only_when_allowed() {
        for good in ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:80/tree", "http://127.9.9.9"] {
            assert!(Address::parse(good, PlainHttp::OnLoopback).is_ok(), "{good}");
            assert!(Address::parse(good, PlainHttp::Refused).is_err(), "{good}");
        }
        for bad in
            ["http://example.org", "http://10.0.0.1", "http://localhost.example.org", "http://127.0.0.1.example.org"]
        {
            assert!(Address::parse(bad, PlainHttp::OnLoopback).is_err(), "{bad}");
        }
    }
}
