//! What a publisher finds out about its own hosts: `anode publish` activates through the public address, with the medium's own code.

use std::path::PathBuf;

use anode_bundle::Moment;
use anode_hostile::case::Tls;
use anode_hostile::{Answer, Authorities, Host, Log, Tree};
use anode_tests::{Output, Program, anode, differing, files};
use tempfile::TempDir;

/// A site whose public address is a host that serves what it wants.
struct Site {
    folder: TempDir,
    host: Host,
}

impl Site {
    /// One release is built and published, and the host serves it.
    fn published() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let authorities = Authorities::new();
        std::fs::write(folder.path().join("ca.pem"), authorities.pem()).unwrap();
        let time = |text| Moment::parse(text).unwrap();
        let tls = authorities.server(&Tls::default(), time("2020-01-01T00:00:00Z"), time("2100-01-01T00:00:00Z"));
        let host = Host::start("public", &Log::default(), Some(tls));
        let site = Site { folder, host };
        let init = anode(["init"]).arg(site.path("site")).args(["--title", "Probed", "--url", &site.host.url]);
        let _ = init.arg("--keys").arg(site.path("keys")).run().ok();
        site.host.serve(site.build());
        let _ = site.publish().ok();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn anode(&self, command: &str) -> Program {
        anode([command]).folder(self.path("site")).env("ANODE_KEYS", self.path("keys"))
    }

    /// The next release, as it is built: it knows one code more.
    fn build(&self) -> Tree {
        let code = self.anode("code").args(["new", "--org", "example-school", "--profile", "debian-server"]);
        let _ = code.run().ok();
        let _ = self.anode("build").run().ok();
        files(&self.path("site/.anode/tree"))
    }

    fn publish(&self) -> Output {
        self.anode("publish").arg("--to").arg(self.path("www")).arg("--ca").arg(self.path("ca.pem")).run()
    }

    /// What a reader is led by. Objects are named by their hashes: more of them lead nowhere.
    fn current(&self) -> Tree {
        let mut tree = files(&self.path("www/current"));
        tree.retain(|path, _| !path.starts_with("objects/"));
        tree
    }
}

#[test]
fn a_host_that_serves_other_bytes_than_were_published_takes_the_publication_back() {
    let site = Site::published();
    let before = site.current();
    let mut tree = site.build();
    for (_, bytes) in tree.iter_mut().filter(|(path, _)| path.starts_with("objects/")) {
        *bytes.last_mut().unwrap() ^= 1;
    }
    site.host.serve(tree);
    let refused = site.publish().fails(&["what was published before is back"]);
    assert_eq!(refused.exit, Some(23), "{refused}");
    assert_eq!(differing(&site.current(), &before), [""; 0]);
}

#[test]
fn a_host_that_serves_the_tree_of_another_site_takes_the_publication_back() {
    let site = Site::published();
    let before = site.current();
    let _ = site.build();
    site.host.serve(Site::published().current());
    let refused = site.publish().fails(&["what was published before is back"]);
    assert_eq!(refused.exit, Some(20), "{refused}");
    assert_eq!(differing(&site.current(), &before), [""; 0]);
}

#[test]
fn a_host_that_serves_an_older_release_is_told_to_the_publisher() {
    let site = Site::published();
    let before = site.current();
    let _ = site.build();
    let published = site.publish().ok();
    assert!(published.stderr.contains("still serves release 1, and 2 is published"), "{published}");
    assert!(!differing(&site.current(), &before).is_empty());
}

#[test]
fn a_host_that_shows_a_page_is_told_and_the_tree_stays_published() {
    let site = Site::published();
    let tree = site.build();
    let page = "<!DOCTYPE html><title>Parked</title>".to_owned();
    site.host.answer(Answer { body: Some(page), headers: vec!["Content-Type: text/html".into()], ..Answer::default() });
    let refused = site.publish().fails(&["the tree is published", "can not be used"]);
    assert_eq!(refused.exit, Some(33), "{refused}");
    let same = |path: &str| site.current()[path] == tree[path];
    assert!(same("release/2.json") && same("timestamp.signed"));
}
