//! Where bytes come from: mirrors in order, then state and cache; and what a network that is not the site looks like.

use anode_tests::{Authority, Code, Nginx, Plan, Port, Program, Site, binary, copy_folder, files, wait_for};

fn ready() -> (Site, Code) {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    (site, code)
}

/// An address at which nobody listens for as long as its port is held.
fn dead_address() -> (Port, String) {
    let port = Port::new();
    let url = format!("https://localhost:{}", port.number());
    (port, url)
}

#[test]
fn the_second_mirror_is_used_where_the_first_is_down() {
    let (site, code) = ready();
    let (_port, dead) = dead_address();
    let fetched = site.fetch_from(&[&dead, &site.web.url], &code.text).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(fetched.selection()["source"], site.web.url);
}

#[test]
fn the_second_mirror_is_used_where_the_first_serves_wrong_bytes() {
    let (site, code) = ready();
    let broken = site.scratch("broken");
    copy_folder(&site.current(), &broken);
    for name in files(&broken.join("objects")).keys() {
        let path = broken.join("objects").join(name);
        let mut bytes = std::fs::read(&path).expect("an object");
        *bytes.last_mut().expect("a byte") ^= 1;
        std::fs::write(&path, bytes).expect("writing");
    }
    let bad = Nginx::tree(&broken, &site.authority);
    let fetched = site.fetch_from(&[&bad.url, &site.web.url], &code.text).answers(Site::SERVER_ANSWERS).run();
    let _ = fetched.files();
    let warnings = fetched.json["warnings"].to_string();
    assert!(warnings.contains(&bad.url), "nobody is told which mirror is wrong: {warnings}");
}

#[test]
fn a_mirror_that_is_behind_does_not_hold_back_the_newer_tree() {
    let (site, code) = ready();
    let old = site.scratch("old");
    copy_folder(&site.current(), &old);
    let behind = Nginx::tree(&old, &site.authority);
    let state = site.scratch("state");
    site.change_title("A newer server");
    site.release();
    let newer = site.fetch(&code.text).option("--state", &state).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(newer.selection()["title"], "A newer server");
    let both = site.fetch_from(&[&behind.url, &site.web.url], &code.text).option("--state", &state);
    assert_eq!(both.answers(Site::SERVER_ANSWERS).run().selection()["title"], "A newer server");
}

#[test]
fn without_any_mirror_a_cache_that_was_filled_before_is_enough() {
    let (site, code) = ready();
    let cache = site.scratch("cache");
    let _ = site.fetch(&code.text).option("--cache", &cache).answers(Site::SERVER_ANSWERS).run().files();
    let (_port, dead) = dead_address();
    let offline = site.fetch_from(&[&dead], &code.text).option("--cache", &cache).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(offline.selection()["source"], "cache");
    assert!(offline.output.stderr.contains("No mirror answers"), "{}", offline.output);
    let only = site.fetch_from(&[], &code.text).option("--cache", &cache).answers(Site::SERVER_ANSWERS).run();
    assert_eq!(only.selection()["source"], "cache");
}

#[test]
fn a_copy_of_the_published_tree_is_a_cache() {
    let (site, code) = ready();
    let stick = site.scratch("stick");
    copy_folder(&site.current(), &stick);
    let fetched = site.fetch_from(&[], &code.text).option("--cache", &stick).answers(Site::SERVER_ANSWERS).run();
    let _ = fetched.files();
}

#[test]
fn a_cache_can_not_say_that_a_code_is_unknown() {
    let site = Site::published();
    let cache = site.scratch("cache");
    copy_folder(&site.current(), &cache);
    let late = site.code(&[Site::SERVER], &[]);
    let message = site.fetch_from(&[], &late.text).option("--cache", &cache).run().refused(30, "unreachable");
    assert!(message.contains("does not know this code"), "{message}");
}

#[test]
fn a_cache_with_changed_bytes_opens_nothing() {
    let (site, code) = ready();
    let cache = site.scratch("cache");
    copy_folder(&site.current(), &cache);
    for name in files(&cache.join("objects")).keys() {
        let path = cache.join("objects").join(name);
        let length = std::fs::metadata(&path).expect("an object").len();
        std::fs::write(&path, vec![b'x'; usize::try_from(length).expect("small")]).expect("writing");
    }
    let fetched = site.fetch_from(&[], &code.text).option("--cache", &cache).run();
    assert!(matches!(fetched.output.exit, Some(23 | 30)), "{}", fetched.output);
    assert!(!fetched.files.exists());
    // With a mirror the same cache does no harm, and is mended.
    let healed = site.fetch(&code.text).option("--cache", &cache).answers(Site::SERVER_ANSWERS).run();
    let _ = healed.files();
}

#[test]
fn nothing_at_all_is_exit_30_and_names_the_address() {
    let site = Site::new();
    let (_port, dead) = dead_address();
    let fetched = site.fetch_from(&[&dead], "0123-4567-89AB-CDER").run();
    let message = fetched.refused(30, "unreachable");
    assert!(message.contains("localhost") && message.contains("refused"), "{message}");
    assert!(fetched.json["warnings"].to_string().contains(&dead), "{}", fetched.output);
    // No label has 64 letters (RFC 1035, section 2.3.4): known without asking a name server.
    let host = format!("{}.invalid", "a".repeat(64));
    let nowhere = site.fetch_from(&[&format!("https://{host}")], "0123-4567-89AB-CDER").run();
    let message = nowhere.refused(30, "unreachable");
    assert!(message.contains(&host), "{message}");
}

#[test]
fn a_portal_that_answers_everything_with_its_page_is_exit_33() {
    let (site, code) = ready();
    for plan in [Plan::Portal, Plan::Redirect] {
        let portal = Nginx::start(&plan, &site.authority);
        let fetched = site.fetch_from(&[&portal.url], &code.text).run();
        let message = fetched.refused(33, "not-a-site");
        assert!(message.contains(&portal.url), "{message}");
        assert!(fetched.json["remedy"].as_str().expect("a remedy").contains("log in"), "{}", fetched.output);
    }
}

#[test]
fn a_web_server_without_a_tree_is_exit_33() {
    let site = Site::new();
    let message = site.fetch("0123-4567-89AB-CDER").run().refused(33, "not-a-site");
    assert!(message.contains(&site.web.url), "{message}");
}

#[test]
fn a_certificate_of_a_foreign_authority_is_exit_31() {
    let (site, code) = ready();
    let foreign = Authority::new();
    let fetch = anode_tests::Fetch::new(&site.root()).option("--ca", foreign.certificate());
    let message = fetch.option("--site", &site.web.url).option("--code", &code.text).run().refused(31, "tls");
    assert!(message.contains("localhost"), "{message}");
    let public =
        anode_tests::Fetch::new(&site.root()).option("--site", &site.web.url).option("--code", &code.text).run();
    let _ = public.refused(31, "tls");
}

#[test]
fn a_certificate_for_another_name_is_exit_31() {
    let (site, code) = ready();
    // The same server by its number, which its certificate does not name.
    let by_number = site.web.url.replace("localhost", "127.0.0.1");
    let message = site.fetch_from(&[&by_number], &code.text).run().refused(31, "tls");
    assert!(message.contains("127.0.0.1"), "{message}");
}

#[test]
fn plain_http_is_refused_for_every_other_machine() {
    let site = Site::new();
    for (url, more) in [
        ("http://install.example.org", "--allow-http"),
        ("http://127.0.0.1:1", "--json"),
        ("ftp://localhost", "--json"),
    ] {
        let fetch = site.fetch_from(&[url], "0123-4567-89AB-CDER").switch(more).run();
        let message = fetch.refused(2, "usage");
        assert!(message.contains(url.split(':').next().expect("a scheme")), "{message}");
    }
}

#[test]
fn there_is_no_switch_that_skips_a_check() {
    let help = Program::new(binary("anode-fetch")).args(["activate", "--help"]).run().ok().stdout;
    for word in ["insecure", "no-verify", "skip", "force", "ignore"] {
        assert!(!help.contains(&format!("--{word}")), "{help}");
    }
    let site = Site::new();
    for option in ["--insecure", "--no-verify", "-k"] {
        let _ = site.fetch("0123-4567-89AB-CDER").switch(option).run().refused(2, "usage");
    }
}

#[test]
fn the_web_server_caches_as_its_configuration_promises() {
    let (site, _) = ready();
    let head = |path: &str, more: &[&str]| site.web.head(&site.authority, path, more);
    let object = files(&site.current().join("objects")).into_keys().next().expect("an object");
    let object = head(&format!("/objects/{object}"), &[]);
    assert!(object.contains("cache-control: public, max-age=31536000, immutable"), "{object}");
    for path in ["/timestamp.signed", "/timestamp.json", "/timestamp.json.minisig", "/root/2.json"] {
        let answer = head(path, &[]);
        assert!(answer.contains("cache-control: no-store"), "{path}: {answer}");
    }
    let absent = head("/objects/aa/aaaa", &[]);
    assert!(absent.contains(" 404 ") && absent.contains("cache-control: no-store"), "{absent}");
    let release = head("/release/1.json", &[]);
    assert!(release.contains("max-age=300") && release.contains("content-type: application/json"), "{release}");
    let signature = head("/release/1.json.minisig", &[]);
    assert!(signature.contains("content-type: text/plain"), "{signature}");
    let page = head("/", &[]);
    assert!(page.contains(" 200 ") && page.contains("content-type: text/html; charset=utf-8"), "{page}");
    assert!(page.contains("cache-control: no-cache") && page.contains("x-content-type-options: nosniff"), "{page}");
    for folder in ["/objects/", "/root/", "/release/", "/api/"] {
        let listing = head(folder, &[]);
        assert!(listing.contains(" 403 ") || listing.contains(" 404 "), "{folder} is listed: {listing}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let refused = head("/timestamp.signed", &["-X", method]);
        assert!(refused.contains(" 405 "), "{method}: {refused}");
    }
    for path in ["/.git/config", "/../keys/release.key", "/objects/../../keys/release.key"] {
        let refused = head(path, &[]);
        assert!(refused.contains(" 404 ") || refused.contains(" 400 "), "{path}: {refused}");
    }
    assert!(!page.contains("nginx/"), "the version is nobody's business: {page}");
    wait_for("the log lines", || site.web.requests().iter().any(|line| line.starts_with("DELETE ")));
}
