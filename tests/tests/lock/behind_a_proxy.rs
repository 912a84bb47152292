//! A network that lets nothing out but a proxy, which wants a name and a password.

use anode_tests::{Port, Proxy};

use super::desk::{Desk, INITRD, KERNEL};

#[test]
fn the_operators_downloads_go_through_it_too_with_a_name_and_a_password() {
    let desk = Desk::new("");
    let proxy = Proxy::start("443", "BasicAuth teacher secret");
    let lock = |user: &str| desk.lock(&[]).env("http_proxy", proxy.url.replace("//", &format!("//{user}"))).run();
    let _ = lock("").fails(&["407"]);
    let _ = lock("teacher:%73ecret@").ok();
    let mirror = desk.mirror.url();
    assert!(desk.text().contains(&format!("{mirror}/{KERNEL}")), "{}", desk.text());
    assert!(proxy.asked().contains(&format!("GET {mirror}/{INITRD} HTTP/1.1")), "{:?}", proxy.asked());
}

#[test]
fn a_proxy_that_can_not_be_used_is_named_and_nothing_goes_around_it() {
    let desk = Desk::new("");
    for value in ["socks5://teacher:secret@127.0.0.1:1080", "ht!tp://127.0.0.1", "http://teacher:secret@no such"] {
        let refused = desk.lock(&[]).env("https_proxy", value).run();
        let refused = refused.fails(&["`https_proxy` names no proxy that can be used", "http://HOST:PORT"]);
        assert!(!refused.stderr.contains("secret"), "{refused}");
    }
    let port = Port::new();
    let named = format!("through the proxy 127.0.0.1:{}: connection refused", port.number());
    let dead = format!("http://127.0.0.1:{}", port.number());
    let _ = desk.lock(&[]).env("http_proxy", &dead).run().fails(&[&named]);
    assert_eq!(desk.mirror.requests(), [""; 0]);
    // What is not to go through it does not.
    let _ = desk.lock(&[]).env("http_proxy", &dead).env("no_proxy", "127.0.0.1").run().ok();
}
