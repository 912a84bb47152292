//! Networks that let nothing out but a proxy, played by a real one: tinyproxy, which opens tunnels to the ports that it was given, as squid does to 443
//! alone, and passes requests without TLS on by itself.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Stdio};

use anode_tests::{Fault, Mirror, Output, Program, Site, anode, binary, wait_for};
use tempfile::TempDir;

struct Proxy {
    child: Child,
    folder: TempDir,
    url: String,
}

impl Proxy {
    /// On a free port; it opens tunnels to `tunnels` only.
    fn start(tunnels: &str, more: &str) -> Proxy {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let (log, configuration) = (folder.path().join("log"), folder.path().join("tinyproxy.conf"));
        let text = format!(
            "Listen 127.0.0.1\nPort {port}\nTimeout 60\nMaxClients 20\nLogLevel Connect\nLogFile \"{}\"\n\
             Allow 127.0.0.1\nConnectPort {tunnels}\n{more}\n",
            log.display()
        );
        fs::write(&configuration, text).unwrap();
        let mut command = Program::new("tinyproxy").args(["-d", "-c"]).arg(configuration).into_command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child =
            command.spawn().unwrap_or_else(|error| panic!("starting tinyproxy: {error}; `ci/test` installs it"));
        wait_for("tinyproxy", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        Proxy { child, folder, url: format!("http://127.0.0.1:{port}") }
    }

    /// The first lines of what it was asked.
    fn asked(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines = log.lines().filter_map(|line| line.split_once("): ").filter(|(head, _)| head.contains("Request")));
        lines.map(|(_, request)| request.to_owned()).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `anode-fetch blob` through a proxy, as the hooks in an installer's initramfs call it, for these bytes.
fn blob(proxy: &Proxy, url: &str, bytes: &[u8], more: &[&str]) -> (Output, Option<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let (wanted, out) = (folder.path().join("wanted"), folder.path().join("out"));
    fs::write(&wanted, bytes).unwrap();
    let sum = Program::new("sha256sum").arg(&wanted).run().ok().stdout[..64].to_owned();
    let output = Program::new(binary("anode-fetch"))
        .args(["blob", "--proxy", &proxy.url, "--url", url, "--sha256", &sum, "--length", &bytes.len().to_string()])
        .args(more)
        .arg("--out")
        .arg(&out)
        .run();
    (output, fs::read(out).ok())
}

#[test]
fn a_mirror_without_tls_is_reached_through_a_proxy_that_opens_tunnels_to_443_only() {
    let mirror = Mirror::new();
    let kernel: Vec<u8> = (0..700_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    mirror.put("linux", &kernel);
    let proxy = Proxy::start("443", "");
    let url = format!("{}/linux", mirror.url());
    let (output, got) = blob(&proxy, &url, &kernel, &[]);
    assert_eq!(got.as_deref(), Some(kernel.as_slice()), "{output}");
    assert_eq!(proxy.asked(), [format!("GET {url} HTTP/1.1")]);
    // What it brings is worth as much as its hash, and no tunnel was opened behind anybody's back.
    let (output, got) = blob(&proxy, &url, &kernel[1..], &[]);
    let _ = output.fails(&["at most"]);
    assert_eq!(got, None);
    mirror.fault("linux", Fault::Cut(1000));
    let (output, got) = blob(&proxy, &url, &kernel, &[]);
    let _ = output.fails(&[&url]);
    assert_eq!(got, None);
    assert!(proxy.asked().iter().all(|line| line.starts_with("GET http://")), "{:?}", proxy.asked());
}

#[test]
fn a_proxy_that_wants_a_password_is_named_with_the_remedy() {
    let mirror = Mirror::new();
    let proxy = Proxy::start("443", "BasicAuth pupil secret");
    for url in [format!("{}/linux", mirror.url()), "https://localhost/linux".to_owned()] {
        let (output, _) = blob(&proxy, &url, b"a kernel", &[]);
        let _ = output.fails(&["the proxy does not", "407", "have it let this machine through without"]);
    }
    assert_eq!(mirror.requests(), [""; 0]);
}

#[test]
fn tls_goes_through_a_tunnel_in_which_the_proxy_sees_no_address() {
    let site = Site::published();
    let port = site.web.url.rsplit(':').next().unwrap();
    let proxy = Proxy::start(port, "");
    let bytes = fs::read(site.current().join("timestamp.signed")).unwrap();
    let authority = site.authority.certificate().display().to_string();
    let url = format!("{}/timestamp.signed", site.web.url);
    let (output, got) = blob(&proxy, &url, &bytes, &["--ca", &authority]);
    assert_eq!(got.as_deref(), Some(bytes.as_slice()), "{output}");
    assert_eq!(proxy.asked(), [format!("CONNECT localhost:{port} HTTP/1.1")]);
    // To another port it opens none.
    let (output, _) = blob(&Proxy::start("443", ""), &url, &bytes, &["--ca", &authority]);
    let _ = output.fails(&["the proxy does not connect to it"]);
}

#[test]
fn the_operators_downloads_go_through_it_too_with_a_name_and_a_password() {
    let mirror = Mirror::new();
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join("repository").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    mirror.put("linux", "the kernel");
    mirror.put("initrd", "the initrd");
    write("anode.toml", &fs::read_to_string(anode_tests::source().join("profiles/anode.toml")).unwrap());
    let manifest = r#"[installer]
title = "Anvil"
family = "anvil"
versions = ["1"]
architectures = ["amd64"]
hand_over = "kexec"

[boot]
kernel = "MIRROR/linux"
initrd = ["MIRROR/initrd"]
command_line = "quiet"

[[second_stage]]
pinned = false
how = "nobody signs what this installer loads"

[[files]]
template = "answers"
path = "answers"
format = "text"
"#;
    write("installers/anvil/manifest.toml", &manifest.replace("MIRROR", &mirror.url()));
    write("installers/anvil/answers", "{{ profile.id }}\n");
    write("pc/profile.toml", "title = \"PC\"\ninstaller = \"anvil\"\nversion = \"1\"\narchitecture = \"amd64\"\n");
    let proxy = Proxy::start("443", "BasicAuth teacher secret");
    let lock = |user: &str| {
        let url = proxy.url.replace("//", &format!("//{user}"));
        let downloads = folder.path().join("downloads");
        let program = anode(["lock"]).arg("-C").arg(folder.path().join("repository")).arg("--downloads").arg(downloads);
        program.env("http_proxy", url).run()
    };
    let _ = lock("").fails(&["407"]);
    let _ = lock("teacher:%73ecret@").ok();
    let text = fs::read_to_string(folder.path().join("repository/anode.lock")).unwrap();
    assert!(text.contains(&format!("{}/linux", mirror.url())), "{text}");
    assert!(proxy.asked().contains(&format!("GET {}/initrd HTTP/1.1", mirror.url())), "{:?}", proxy.asked());
}
