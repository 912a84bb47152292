//! A small site, built with the contract's own functions and served from memory over HTTP or HTTPS.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anode_bundle::code::Secret;
use anode_bundle::derive::{KdfPolicy, derive};
use anode_bundle::index::{self, Entry};
use anode_bundle::name::{Id, KeyId, Sha256, SiteId, tree};
use anode_bundle::pack::{Contents, Manifest};
use anode_bundle::seal::SealRoot;
use anode_bundle::signature;
use minisign::KeyPair;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// The code that the site knows.
pub const CODE: &str = "0123-4567-89AB-CDER";
/// A valid code that it does not know.
pub const OTHER_CODE: &str = "YXWV-TSRQ-PNMK-JHG6";
/// Inside all lifetimes.
pub const NOW: &str = "2026-11-02T00:00:00Z";

pub type Tree = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

pub struct Site {
    pub tree: Tree,
    pub folder: tempfile::TempDir,
}

fn key_id(pair: &KeyPair) -> String {
    KeyId::from_le_bytes(pair.pk.to_bytes()[2..10].try_into().unwrap()).to_string()
}

fn listed(pair: &KeyPair) -> Value {
    let key: String = pair.pk.to_bytes()[10..42].iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "threshold": 1, "keys": [{ "id": key_id(pair), "key": key }] })
}

fn sign(pair: &KeyPair, kind: &str, version: u64, site: &SiteId, body: &[u8]) -> Vec<u8> {
    let comment = signature::comment(kind, version, site);
    let file = minisign::sign(
        Some(&pair.pk),
        &pair.sk,
        Cursor::new(body),
        Some(&comment),
        Some("signature from minisign secret key"),
    );
    file.unwrap().into_string().into_bytes()
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn pack(site: &SiteId, profile: &str) -> Vec<u8> {
    let text = b"host=\npassword=\n";
    let manifest: Manifest = serde_json::from_value(json!({
        "format": 1, "site": site.as_str(), "profile": profile, "title": format!("The {profile}"),
        "installer": { "id": "debian", "title": "Debian", "version": "12", "architecture": "amd64" },
        "hand_over": "files", "unattended": false,
        "second_stage": { "pinned": false, "how": "an updates image without a hash" },
        "files": [{ "path": "preseed.cfg", "mode": 0o640, "length": text.len(),
                    "inserts": [{ "at": 5, "prompt": "hostname" }, { "at": 15, "prompt": "password" }] }],
        "prompts": [{ "name": "hostname", "type": "hostname" }, { "name": "password", "type": "password", "title": "Password of root" }],
        "ansible": { "repository": "https://git.example.org/site.git", "playbook": "site.yml", "branch": "main" }
    }))
    .unwrap();
    Contents::new(manifest, vec![text.to_vec()]).unwrap().encode().unwrap().to_vec()
}

impl Site {
    pub fn build() -> Site {
        let site = SiteId::from_bytes([7; 16]);
        let [root_key, release_key, timestamp_key] =
            std::array::from_fn(|_| KeyPair::generate_unencrypted_keypair().unwrap());
        let kdf = KdfPolicy::standard(id("k1"));
        let keys = derive(&Secret::parse(CODE).ok().unwrap(), &site, &kdf).unwrap();
        let seal = SealRoot::new(&[1; 32], &Zeroizing::new([2; 32]));
        let mut tree = BTreeMap::new();
        let mut add = |bytes: Vec<u8>| {
            let hash = Sha256::of(&bytes);
            let length = u32::try_from(bytes.len()).unwrap();
            tree.insert(tree::object(&hash), bytes);
            (hash, length)
        };

        let mut offers = Vec::new();
        let mut packs = Vec::new();
        for profile in ["server", "desktop"] {
            let profile = id(profile);
            let (sha256, length) =
                add(seal.seal_pack(&site, &profile, None, 1, &pack(&site, profile.as_str())).unwrap());
            let pack_id = seal.pack_id(&profile, None);
            packs.push(Entry { key: pack_id.0, sha256, length });
            let key: String = seal.pack_key(&profile, None, 1).iter().map(|byte| format!("{byte:02x}")).collect();
            let title = format!("The {profile}");
            offers.push(
                json!({ "profile": profile, "title": title, "pack_id": pack_id, "generation": 1, "pack_key": key }),
            );
        }
        let activation = json!({
            "format": 1, "site": site, "locator": keys.locator, "status": "active", "org": "acme", "org_title": "Acme Inc.", "label": "first",
            "not_before": "2026-11-01T00:00:00Z", "not_after": "2027-11-01T00:00:00Z", "offers": offers
        });
        let sealed = seal
            .seal_activation(&site, &keys.locator, &keys.seal.public, &serde_json::to_vec(&activation).unwrap())
            .unwrap();
        let (sha256, length) = add(sealed);
        let activations = vec![Entry { key: keys.locator.0, sha256, length }];
        let (public, public_length) = add(b"{}".to_vec());

        let inline = |entries: Vec<Entry>| {
            let count = entries.len();
            let node = data_encoding::BASE64.encode(&index::build(entries).root);
            json!({ "count": count, "node": node })
        };
        let root = json!({
            "format": 1, "type": "root", "site": site, "name": "Example site", "version": 1,
            "issued": "2026-11-01T00:00:00Z", "expires": "2027-10-01T00:00:00Z",
            "roles": { "root": listed(&root_key), "release": listed(&release_key), "timestamp": listed(&timestamp_key) },
            "policy": { "kdf": [kdf], "code_length": [16], "offline_max": 30,
                        "lifetimes": { "root": 365, "release": 120, "timestamp": 7, "activation": 365 } }
        });
        let release = json!({
            "format": 1, "type": "release", "site": site, "version": 3, "root": 1,
            "issued": "2026-11-01T00:00:00Z", "expires": "2027-02-01T00:00:00Z", "offline_until": "2026-11-30T00:00:00Z",
            "index": { "activations": inline(activations), "packs": inline(packs) },
            "public": { "sha256": public, "length": public_length }
        });
        let release = serde_json::to_vec(&release).unwrap();
        let timestamp = json!({
            "format": 1, "type": "timestamp", "site": site, "version": 5, "root": 1,
            "issued": "2026-11-01T12:00:00Z", "expires": "2026-11-08T00:00:00Z",
            "release": { "version": 3, "length": release.len(), "sha256": Sha256::of(&release) }
        });
        let timestamp = serde_json::to_vec(&timestamp).unwrap();
        let signed = [sign(&timestamp_key, "timestamp", 5, &site, &timestamp), timestamp].concat();
        tree.insert(tree::TIMESTAMP.to_owned(), signed);
        tree.insert(tree::release_signature(3), sign(&release_key, "release", 3, &site, &release));
        tree.insert(tree::release(3), release);

        let folder = tempfile::tempdir().unwrap();
        let root = serde_json::to_vec(&root).unwrap();
        let signature = sign(&root_key, "root", 1, &site, &root);
        std::fs::write(folder.path().join("root.json"), &root).unwrap();
        std::fs::write(folder.path().join(format!("root.json.{}.minisig", key_id(&root_key))), signature).unwrap();
        Site { tree: Arc::new(Mutex::new(tree)), folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn root(&self) -> PathBuf {
        self.path("root.json")
    }

    /// Serves the tree on this machine; the base URL.
    pub fn serve(&self) -> String {
        let (listener, address) = listen();
        serve(listener, self.tree.clone(), |stream| Box::new(stream));
        format!("http://{address}")
    }

    /// The same with TLS and a certificate for `localhost` that is valid in 2026; the base URL and the authority's PEM file.
    pub fn serve_tls(&self) -> (String, PathBuf) {
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = rcgen::CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate().unwrap()).unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2027, 1, 1));
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
            .unwrap();
        let config = Arc::new(config);
        let (listener, address) = listen();
        serve(listener, self.tree.clone(), move |stream| {
            Box::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream))
        });
        let file = self.path("ca.pem");
        std::fs::write(&file, authority.pem()).unwrap();
        (format!("https://localhost:{}", address.rsplit(':').next().unwrap()), file)
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn serve(listener: TcpListener, tree: Tree, wrap: impl Fn(TcpStream) -> Box<dyn Stream> + Send + Sync + 'static) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = wrap(stream);
            while let Some(path) = read_path(&mut *stream) {
                let found = tree.lock().unwrap().get(path.trim_start_matches('/')).cloned();
                let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
                if stream.write_all(&[head.as_bytes(), &body].concat()).and_then(|()| stream.flush()).is_err() {
                    break;
                }
            }
        }
    });
}

fn read_path(stream: &mut dyn Stream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()?.split(' ').nth(1).map(str::to_owned)
}

pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
