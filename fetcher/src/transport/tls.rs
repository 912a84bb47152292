//! TLS, all of it: which certificates are believed, at which time they are judged (format, section 4), and what their errors are called.
//!
//! The system's clock plays no part. A verifier belongs to one moment T; a connection that was made at another T is not used again. Nothing that
//! comes through TLS is trusted because of TLS: it keeps observers out, and it names a wrong address early.

use std::sync::Arc;

use anode_bundle::Moment;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// How often a chain may answer "not yet valid" before it is believed to be nonsense. A chain has a handful of certificates.
const NOT_YET_ROUNDS: usize = 8;

/// A PEM file that can not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPem(pub String);

/// Which authorities are believed, and as whom we show ourselves.
#[derive(Debug)]
pub struct Credentials {
    roots: Arc<RootCertStore>,
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Credentials {
    /// `authorities` are PEM texts; with one or more of them, *only* these are believed, else the machine's own ([`public_authorities`]). `client` is
    /// a certificate chain and its key, both PEM.
    ///
    /// # Errors
    /// [`BadPem`] if a text holds no certificate or key, or one that can not be read.
    pub fn new(authorities: &[Vec<u8>], client: Option<(&[u8], &[u8])>) -> Result<Credentials, BadPem> {
        let mut roots = RootCertStore::empty();
        for pem in authorities {
            for certificate in certificates(pem, "the file of `--ca`")? {
                roots.add(certificate).map_err(|error| BadPem(format!("the file of `--ca`: {error}")))?;
            }
        }
        let client = match client {
            Some((chain, key)) => {
                let chain = certificates(chain, "the file of `--client-cert`")?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| BadPem("the file of `--client-key` holds no private key in PEM form".to_owned()))?;
                Some((chain, key))
            }
            None => None,
        };
        let credentials = Credentials { roots: Arc::new(roots), client };
        Ok(if authorities.is_empty() { credentials.and_public() } else { credentials })
    }

    /// The machine's own authorities too: for files whose hash is known, which come from anywhere.
    #[must_use]
    pub fn and_public(mut self) -> Credentials {
        let bundle = public_authorities().unwrap_or_default();
        // Distributions keep certificates in their bundles that no library likes; they vouch for nobody then.
        Arc::make_mut(&mut self.roots).add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).flatten());
        self
    }

    /// The configuration that judges certificates at `now`.
    ///
    /// # Errors
    /// [`BadPem`] if the client's key does not fit its certificate.
    pub fn at(&self, now: Moment) -> Result<Arc<ClientConfig>, BadPem> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let time = At(UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.seconds())));
        let inner = match self.roots.is_empty() {
            true => None,
            false => Some(
                WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider.clone())
                    .build()
                    .map_err(|error| BadPem(format!("the certificate authorities can not be used: {error}")))?,
            ),
        };
        let verifier = VerifierAt { inner, provider: provider.clone() };
        let builder = ClientConfig::builder_with_details(provider, Arc::new(time))
            .with_safe_default_protocol_versions()
            .map_err(|error| BadPem(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| BadPem(format!("`--client-cert` and `--client-key`: {error}")))?,
        };
        Ok(Arc::new(config))
    }
}

/// Where distributions keep the public authorities as one PEM file: first the one that the hand-over carries into an installer's initramfs.
const BUNDLES: [&str; 4] = [
    "/anode/ca.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];
/// The bundle of 2026 has 220 KiB.
const BUNDLE_LIMIT: u64 = 2 << 20;

/// The certificate authorities that this machine believes, PEM; `None` where it has none.
#[must_use]
pub fn public_authorities() -> Option<Vec<u8>> {
    BUNDLES.iter().find_map(|path| crate::activate::read_limited(path.as_ref(), BUNDLE_LIMIT).ok())
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, BadPem> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(BadPem(format!("{what} holds no certificate in PEM form"))),
    }
}

/// A clock that stands still at T.
#[derive(Debug)]
struct At(UnixTime);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

/// The ordinary verifier, except that "not yet valid" is answered by looking again from the certificate's first day: T is only a lower bound of the
/// present, so a certificate that is younger than T proves nothing against itself. One that ended before T is refused.
#[derive(Debug)]
struct VerifierAt {
    /// Nobody is believed where there are no authorities.
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for VerifierAt {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let inner = self.inner()?;
        let mut time = now;
        for _ in 0..NOT_YET_ROUNDS {
            match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, time) {
                Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }))
                    if not_before > time =>
                {
                    time = not_before;
                }
                Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
                    if self.is_self_signed(end_entity, server_name, time) =>
                {
                    return Err(rustls::Error::General(SELF_SIGNED.to_owned()));
                }
                verdict => return verdict,
            }
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYet))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner()?.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner()?.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

const SELF_SIGNED: &str = "self-signed";
const NO_AUTHORITIES: &str = "no authorities";

impl VerifierAt {
    fn inner(&self) -> Result<&WebPkiServerVerifier, rustls::Error> {
        self.inner.as_deref().ok_or_else(|| rustls::Error::General(NO_AUTHORITIES.to_owned()))
    }

    /// For the message only: does the certificate verify when it alone is believed?
    fn is_self_signed(&self, end_entity: &CertificateDer<'_>, name: &ServerName<'_>, time: UnixTime) -> bool {
        let mut itself = RootCertStore::empty();
        if itself.add(end_entity.clone().into_owned()).is_err() {
            return false;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(itself), self.provider.clone()).build();
        verifier.is_ok_and(|verifier| {
            let verdict = verifier.verify_server_cert(end_entity, &[], name, &[], time);
            // A wrong signature is that of an issuer who merely has the same name.
            let other = [CertificateError::UnknownIssuer, CertificateError::BadSignature];
            !matches!(verdict, Err(rustls::Error::InvalidCertificate(problem)) if other.contains(&problem))
        })
    }
}

/// What is wrong with the server's certificate or its TLS, as a predicate of the host.
#[must_use]
pub fn describe(error: &rustls::Error, now: Moment) -> String {
    let date = |time: &UnixTime| Moment::from_seconds(time.as_secs()).date();
    match error {
        rustls::Error::InvalidCertificate(problem) => match problem {
            CertificateError::ExpiredContext { not_after, .. } => {
                format!("its certificate expired on {}, and it is at least {} now", date(not_after), now.date())
            }
            CertificateError::Expired => format!("its certificate is expired, and it is at least {} now", now.date()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                // The names come from a certificate that nobody vouched for.
                let names: Vec<String> =
                    presented.iter().take(4).map(|name| anode_bundle::display::line(name, 80)).collect();
                format!("its certificate is not valid for this name; it is for {}", names.join(", "))
            }
            CertificateError::NotValidForName => "its certificate is not valid for this name".to_owned(),
            CertificateError::UnknownIssuer => "its certificate comes from an unknown issuer".to_owned(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet, whatever the time".to_owned()
            }
            CertificateError::Revoked => "its certificate is revoked".to_owned(),
            CertificateError::BadSignature => "its certificate is not signed by the authority that it names".to_owned(),
            // webpki's own error is not part of rustls' types; its name is.
            other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                "its certificate is self-signed as a certificate authority, which can not stand for a server".to_owned()
            }
            other => {
                format!("its certificate is not acceptable: {}", anode_bundle::display::line(&other.to_string(), 160))
            }
        },
        rustls::Error::General(text) if text == SELF_SIGNED => "its certificate is self-signed".to_owned(),
        rustls::Error::General(text) if text == NO_AUTHORITIES => {
            "its certificate can not be judged, because this machine has no certificate authorities: install \
             `ca-certificates`, or name a file with `--ca`"
                .to_owned()
        }
        rustls::Error::AlertReceived(alert) => {
            format!("it ended TLS with the alert {alert:?}; it may want a client certificate")
        }
        rustls::Error::InvalidMessage(_) => "it does not speak TLS on this port".to_owned(),
        other => format!("TLS failed: {}", anode_bundle::display::line(&other.to_string(), 160)),
    }
}
