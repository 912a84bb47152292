//! A network that lets nothing out but a proxy, which wants a name and a password.

use anode_tests::Proxy;

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
