//! A real nginx with TLS on loopback, run with the configuration that `ci/nginx.conf` gives to operators.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::port::Port;
use crate::program::Program;
use crate::source;

/// A certificate authority made for one test, and a server certificate for localhost, which emulated machines call 10.0.2.2 or `anode.test`.
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    /// Makes all of it with the `openssl` program. They outlive every `--now` of a test.
    #[must_use]
    pub fn new() -> Authority {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let extensions = "subjectAltName=DNS:localhost,DNS:anode.test,IP:10.0.2.2\nextendedKeyUsage=serverAuth\n";
        fs::write(folder.path().join("server.ext"), extensions).expect("writing the extensions");
        fs::write(folder.path().join("client.ext"), "extendedKeyUsage=clientAuth\n").expect("writing the extensions");
        let openssl = |arguments: &str| {
            let program = Program::new("openssl").args(arguments.split(' ')).folder(folder.path());
            let _ = program.run().ok();
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=Test -days 3650 -addext keyUsage=critical,keyCertSign"
        ));
        openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile server.ext -out server.pem",
        );
        openssl(&format!("req {key} -keyout client.key -out client.csr -subj /CN=medium"));
        openssl(
            "x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile client.ext -out client.pem",
        );
        Authority { folder }
    }

    /// The authority's certificate (PEM), for `--ca`.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for a client and its key (PEM), for `--client-cert` and `--client-key`.
    #[must_use]
    pub fn client(&self) -> [PathBuf; 2] {
        ["client.pem", "client.key"].map(|name| self.folder.path().join(name))
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

/// What nginx does.
pub enum Plan<'a> {
    /// Serves a folder as `ci/nginx.conf` says. The folder may appear later.
    Tree(&'a Path),
    /// A hotel's log-in page: 200 and HTML for every address.
    Portal,
    /// A redirect to a log-in page for every address.
    Redirect,
}

/// A running web server. It ends with this value.
pub struct Nginx {
    child: Child,
    folder: TempDir,
    port: Port,
    /// `https://localhost:<port>`
    pub url: String,
}

impl Nginx {
    /// Serves a tree; its root is what `anode publish` calls `current`.
    #[must_use]
    pub fn tree(root: &Path, authority: &Authority) -> Nginx {
        Nginx::start(&Plan::Tree(root), authority)
    }

    /// Starts it on a free port.
    ///
    /// # Panics
    /// If it does not answer, with its error log.
    #[must_use]
    pub fn start(plan: &Plan<'_>, authority: &Authority) -> Nginx {
        let (folder, port) = (tempfile::tempdir().expect("a temporary folder"), Port::new());
        let site = site(plan, authority, folder.path(), port.number());
        fs::write(folder.path().join("site.conf"), site).expect("writing site.conf");
        fs::write(folder.path().join("nginx.conf"), frame(folder.path())).expect("writing nginx.conf");
        let child = spawn(folder.path());
        let url = format!("https://localhost:{}", port.number());
        let mut nginx = Nginx { child, folder, port, url };
        nginx.wait();
        nginx
    }

    /// Until it answers.
    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.number())).is_err() {
            let ended = self.child.try_wait().expect("waiting for nginx").is_some();
            assert!(!ended && Instant::now() < end, "nginx does not answer:\n{}", self.talk());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it: from now on nobody listens on its port.
    pub fn stop(&mut self) {
        // One process, so that its id is all there is to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it anew on the same port.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn resume(&mut self) {
        self.stop();
        self.child = spawn(self.folder.path());
        self.wait();
    }

    /// From now on it serves nobody without a certificate of the authority.
    ///
    /// # Panics
    /// If it does not start with that.
    pub fn demand_certificates(&mut self, authority: &Authority) {
        let path = self.folder.path().join("site.conf");
        let text = fs::read_to_string(&path).expect("site.conf");
        let demand = format!(
            "ssl_client_certificate {};\n    ssl_verify_client on;\n    ssl_protocols",
            authority.file("ca.pem")
        );
        assert_eq!(text.matches("ssl_protocols").count(), 1, "ci/nginx.conf should have `ssl_protocols` once");
        fs::write(path, text.replace("ssl_protocols", &demand)).expect("writing site.conf");
        self.resume();
    }

    fn talk(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        format!("{}{}", read("stderr"), read("error.log"))
    }

    /// The request lines of the access log, such as `GET /timestamp.signed HTTP/1.1`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines().filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
    }

    /// The whole access log.
    #[must_use]
    pub fn access_log(&self) -> String {
        fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default()
    }

    /// Status line and headers of a `curl` request, in lower case; empty if nobody answers.
    #[must_use]
    pub fn head(&self, authority: &Authority, path: &str, more: &[&str]) -> String {
        let curl = Program::new("curl").args(["-s", "-D", "-", "-o", "/dev/null", "--path-as-is", "--cacert"]);
        let output = curl.arg(authority.certificate()).args(more).arg(format!("{}{path}", self.url)).run();
        output.stdout.to_lowercase()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(folder: &Path) -> Child {
    let log = fs::File::create(folder.join("stderr")).expect("a log");
    let mut command = Program::new("nginx").arg("-p").arg(folder).args(["-c", "nginx.conf"]).into_command();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    child.unwrap_or_else(|error| panic!("starting nginx: {error}; `ci/test` installs it"))
}

fn site(plan: &Plan<'_>, authority: &Authority, folder: &Path, port: u16) -> String {
    let listen = format!("listen 127.0.0.1:{port} ssl;");
    let (certificate, key) = (authority.file("server.pem"), authority.file("server.key"));
    let simple = |answer: &str| {
        let log = folder.join("access.log");
        format!(
            "server {{ {listen} ssl_certificate {certificate}; ssl_certificate_key {key}; access_log {}; \
             default_type text/html; location / {{ {answer} }} }}",
            log.display()
        )
    };
    let root = match plan {
        Plan::Portal => return simple("return 200 '<!DOCTYPE html><title>Welcome</title><p>Please log in.</p>';"),
        Plan::Redirect => return simple("return 302 https://portal.example.org/login;"),
        Plan::Tree(root) => root,
    };
    let mut text = fs::read_to_string(source().join("ci/nginx.conf")).expect("reading ci/nginx.conf");
    let places = [
        ("listen 443 ssl;", listen.clone()),
        ("    listen [::]:443 ssl;\n", String::new()),
        ("server_name install.example.org;", "server_name localhost;".to_owned()),
        ("/etc/ssl/anode/fullchain.pem", certificate),
        ("/etc/ssl/anode/privkey.pem", key),
        ("root /srv/anode/current;", format!("root {};", root.display())),
        ("/var/log/nginx/anode.access.log", folder.join("access.log").display().to_string()),
        ("/var/log/nginx/anode.error.log", folder.join("error.log").display().to_string()),
    ];
    for (place, ours) in places {
        assert_eq!(text.matches(place).count(), 1, "ci/nginx.conf should have `{place}` once");
        text = text.replace(place, &ours);
    }
    text
}

/// What Debian's own nginx.conf is around a site, without the paths of the system. One process: no worker is left when it is killed.
fn frame(folder: &Path) -> String {
    let here = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {here}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log {here}/error.log;\n\
         events {{ worker_connections 128; }}\nhttp {{\n{temporary}    access_log off;\n    include {here}/site.conf;\n}}\n"
    )
}
