//! A web server for the demonstration: files of one folder, over TLS, on loopback, with a certificate authority that lives as long as it does.
//! It is not meant for anything else; a site is served by nginx or any other host of files.

use std::io::{self, BufRead as _, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anode_bundle::name::SafePath;
use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A running server. It ends with the process.
pub struct Loopback {
    /// `https://localhost:<port>`
    pub url: String,
    /// The certificate authority, PEM.
    pub authority: String,
}

impl Loopback {
    /// Serves `folder`.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn serve(folder: &Path) -> Result<Loopback> {
        let (authority, config) = certificates()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening on loopback")?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let (folder, config) = (folder.to_owned(), Arc::new(config));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, config) = (folder.clone(), Arc::clone(&config));
                // A client that goes away in the middle is its own business.
                std::thread::spawn(move || drop(converse(stream, &folder, config)));
            }
        });
        Ok(Loopback { url, authority })
    }
}

fn certificates() -> Result<(String, ServerConfig)> {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Anode demonstration");
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name = name;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["localhost".to_owned()])?;
    let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(|problem| anyhow::anyhow!("{problem}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    Ok((authority_certificate.pem(), config))
}

fn converse(stream: TcpStream, folder: &Path, config: Arc<ServerConfig>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_nodelay(true)?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while reader.read_line(&mut header)? > 2 {
            header.clear();
        }
        let path = request
            .strip_prefix("GET /")
            .and_then(|rest| rest.split(' ').next())
            .and_then(|path| SafePath::new(path).ok());
        let body = path.and_then(|path| std::fs::read(PathBuf::from(folder).join(path.as_str())).ok());
        let (status, body) = match body {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", b"not found\n".to_vec()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let writer = reader.get_mut();
        writer.write_all(&[head.as_bytes(), &body].concat())?;
        writer.flush()?;
    }
}
