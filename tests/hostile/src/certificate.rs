//! Server certificates that are good, too old, too young, for somebody else, or from nobody.

use std::sync::Arc;
use std::time::Duration;

use anode_bundle::Moment;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use crate::case::{CertifiedBy, Tls};

/// Two authorities, of which the fetcher is told one.
pub struct Authorities {
    known: CertifiedIssuer<'static, KeyPair>,
    unknown: CertifiedIssuer<'static, KeyPair>,
}

impl Authorities {
    /// Valid from 1975 to 2200: what is wrong is never their time.
    #[must_use]
    pub fn new() -> Authorities {
        Authorities { known: authority("known"), unknown: authority("unknown") }
    }

    /// The certificate (PEM) for `--ca`.
    #[must_use]
    pub fn pem(&self) -> String {
        self.known.pem()
    }

    /// A server's side of TLS.
    #[must_use]
    pub fn server(&self, wanted: &Tls, from: Moment, until: Moment) -> ServerConfig {
        let mut params = CertificateParams::new(vec![wanted.host.clone()]).unwrap();
        let date = |moment: Moment| date_time_ymd(1970, 1, 1) + Duration::from_secs(moment.seconds());
        (params.not_before, params.not_after) = (date(from), date(until));
        let key = KeyPair::generate().unwrap();
        let certificate: Certificate = match wanted.by {
            CertifiedBy::Known => params.signed_by(&key, &self.known),
            CertifiedBy::Unknown => params.signed_by(&key, &self.unknown),
            CertifiedBy::Itself => params.self_signed(&key),
        }
        .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap()
    }
}

impl Default for Authorities {
    fn default() -> Authorities {
        Authorities::new()
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.not_before, params.not_after) = (date_time_ymd(1975, 1, 1), date_time_ymd(2200, 1, 1));
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
