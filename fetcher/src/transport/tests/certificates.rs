//! Certificates that are too old, too young, for somebody else, or from nobody.

use std::sync::Arc;

use anode_bundle::Moment;
use anode_bundle::client::{FetchError, Request, Transport};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

use super::super::*;
use super::server::Server;
use super::settings;

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Valid from 2020 to 2040.
    pub fn new() -> Authority {
        Authority::named("ours")
    }

    fn named(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn issue(&self, name: &str, from: i32, to: i32) -> (Vec<CertificateDer<'static>>, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (vec![certificate.der().clone()], key)
    }
}

pub fn config((chain, key): (Vec<CertificateDer<'static>>, KeyPair)) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    config.with_no_client_auth().with_single_cert(chain, key).unwrap()
}

fn serve(identity: (Vec<CertificateDer<'static>>, KeyPair)) -> Server {
    Server::tls(config(identity), |_, out| out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
}

pub fn believing(authority: &Authority) -> Https {
    let credentials = Credentials::new(&[authority.0.pem().into_bytes()], None).unwrap();
    Https::new(Settings { credentials, ..settings() })
}

fn at(https: &mut Https, base: &str, now: &str) -> Result<Vec<u8>, FetchError> {
    https.get(&Request { base, path: "a", limit: 100, now: Moment::parse(now).unwrap() })
}

fn localhost(server: &Server) -> String {
    format!("https://localhost:{}", server.port())
}

#[test]
fn certificates_are_judged_at_the_given_moment_and_not_by_the_clock() {
    let authority = Authority::new();
    // Long over by any real clock.
    let server = serve(authority.issue("localhost", 2021, 2022));
    let mut https = believing(&authority);
    assert_eq!(at(&mut https, &localhost(&server), "2021-06-01T00:00:00Z").unwrap(), b"ok");
    let found = at(&mut https, &localhost(&server), "2022-06-01T00:00:00Z");
    let wanted = "localhost: its certificate expired on 2022-01-01, and it is at least 2022-06-01 now";
    assert_eq!(found, Err(FetchError::Tls(wanted.into())));
}

#[test]
fn a_certificate_younger_than_the_clock_is_judged_at_its_first_day() {
    let authority = Authority::new();
    let server = serve(authority.issue("localhost", 2030, 2031));
    // Both the server's certificate and the authority's begin after this clock.
    assert_eq!(at(&mut believing(&authority), &localhost(&server), "1970-01-01T00:00:00Z").unwrap(), b"ok");
    // Begins when its authority is over: no moment suits both.
    let server = serve(authority.issue("localhost", 2041, 2042));
    let mut authority_ends = believing(&authority);
    assert!(at(&mut authority_ends, &localhost(&server), "2043-01-01T00:00:00Z").is_err());
}

#[test]
fn a_later_moment_does_not_inherit_a_connection_or_session() {
    let authority = Authority::new();
    let server = serve(authority.issue("localhost", 2021, 2022));
    let mut https = believing(&authority);
    for _ in 0..3 {
        at(&mut https, &localhost(&server), "2021-06-01T00:00:00Z").unwrap();
    }
    assert_eq!(server.connections(), 1);
    assert!(matches!(at(&mut https, &localhost(&server), "2023-01-01T00:00:00Z"), Err(FetchError::Tls(_))));
}

#[test]
fn a_certificate_for_another_name_is_named() {
    let authority = Authority::new();
    let server = serve(authority.issue("other.example.org", 2021, 2030));
    let found = at(&mut believing(&authority), &localhost(&server), "2026-01-01T00:00:00Z");
    assert!(
        matches!(&found, Err(FetchError::Tls(text)) if text.starts_with("localhost: its certificate is not valid for this name; it is for ")
            && text.contains("other.example.org")),
        "{found:?}"
    );
}

#[test]
fn a_certificate_for_an_address_is_good_for_that_address() {
    let authority = Authority::new();
    let server = serve(authority.issue("127.0.0.1", 2021, 2030));
    assert_eq!(at(&mut believing(&authority), &server.base(), "2026-01-01T00:00:00Z").unwrap(), b"ok");
}

#[test]
fn an_unknown_issuer_and_a_self_signed_certificate_are_told_apart() {
    let server = serve(Authority::named("theirs").issue("localhost", 2021, 2030));
    let found = at(&mut believing(&Authority::new()), &localhost(&server), "2026-01-01T00:00:00Z");
    assert_eq!(found, Err(FetchError::Tls("localhost: its certificate comes from an unknown issuer".into())));

    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let server = serve((vec![own.cert.der().clone()], own.signing_key));
    let found = at(&mut believing(&Authority::new()), &localhost(&server), "2026-01-01T00:00:00Z");
    assert_eq!(found, Err(FetchError::Tls("localhost: its certificate is self-signed".into())));
    let found = at(&mut Https::new(settings()), &localhost(&server), "2026-01-01T00:00:00Z");
    assert_eq!(found, Err(FetchError::Tls("localhost: its certificate is self-signed".into())));
}

#[test]
fn a_given_authority_replaces_the_public_ones() {
    let authority = Authority::new();
    let only = Credentials::new(&[authority.0.pem().into_bytes()], None).unwrap();
    assert!(format!("{only:?}").contains("(1 roots)"), "{only:?}");
}

#[test]
fn a_server_that_asks_for_a_client_certificate_gets_it() {
    let authority = Authority::new();
    let (chain, key) = authority.issue("localhost", 2021, 2030);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let server = Server::tls(config, |_, out| out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));

    let refused = at(&mut believing(&authority), &localhost(&server), "2026-01-01T00:00:00Z");
    assert!(matches!(&refused, Err(FetchError::Tls(text)) if text.contains("client certificate")), "{refused:?}");

    let mut params = CertificateParams::new(vec!["machine".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2021, 1, 1), date_time_ymd(2035, 1, 1));
    let own_key = KeyPair::generate().unwrap();
    let own = params.signed_by(&own_key, &authority.0).unwrap();
    let (own, own_key) = (own.pem(), own_key.serialize_pem());
    let credentials =
        Credentials::new(&[authority.0.pem().into_bytes()], Some((own.as_bytes(), own_key.as_bytes()))).unwrap();
    let mut https = Https::new(Settings { credentials, ..settings() });
    assert_eq!(at(&mut https, &localhost(&server), "2026-01-01T00:00:00Z").unwrap(), b"ok");
}

#[test]
fn pem_files_without_certificates_or_keys_are_refused() {
    assert!(Credentials::new(&[b"hello".to_vec()], None).is_err());
    assert!(Credentials::new(&[Vec::new()], None).is_err());
    assert!(Credentials::new(&[], Some((b"", b""))).is_err());
    let own = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
    assert!(Credentials::new(&[], Some((own.cert.pem().as_bytes(), b"no key"))).is_err());
}
