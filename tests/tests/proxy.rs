//! Networks that let nothing out but a proxy: what a machine fetches through it.

use std::fs;

use anode_tests::{Fault, Mirror, Output, Program, Proxy, Site, binary};

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
