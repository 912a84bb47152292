//! Three people on three machines make a root together: each has a clone of the repository and one key, one of them has nothing but the stock
//! `minisign`, and git carries the signatures in whatever order they come.

use std::fs;
use std::path::{Path, PathBuf};

use anode_tests::{Program, Site, files, key_id, read_json, stock_key, stock_sign};
use serde_json::Value;

const PEOPLE: [&str; 3] = ["anna", "bert", "carl"];

/// A site whose repository is shared through a bare one, and three people with a clone and a key folder each.
struct Office {
    site: Site,
    origin: PathBuf,
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    Program::new("git").arg("-C").arg(folder).args(arguments).run().ok().stdout
}

impl Office {
    /// Anna and Bert founded the site; carl joins, and from then on two of three have to sign.
    fn new() -> Office {
        let site = Site::new();
        let office = Office { origin: site.scratch("origin.git"), site };
        let repository = office.site.repository();
        for arguments in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-qm", "Begin"]] {
            let _ = git(&repository, arguments);
        }
        let _ = Program::new("git").args(["clone", "-q", "--bare"]).arg(&repository).arg(&office.origin).run().ok();
        let origin = office.origin.display().to_string();
        let _ = git(&repository, &["remote", "add", "origin", &origin]);
        let _ = git(&repository, &["push", "-qu", "origin", "main"]);
        for (person, key) in [("anna", "root-1"), ("bert", "root-2")] {
            office.clone(person);
            let folder = office.keys(person);
            fs::create_dir_all(&folder).expect("a folder");
            // The keys go home with their owners: nothing of them stays where the site is built.
            fs::rename(office.site.keys().join(format!("{key}.key")), folder.join(format!("{key}.key")))
                .expect("moving");
        }
        office.clone("carl");
        // Carl has no `anode`, only minisign; his public half comes by mail.
        let _ = stock_key(&office.keys("carl"), "carl");
        let mail = office.keys("carl").join("carl.pub");
        let _ = office.anode("anna", &["root", "add-key", "--role", "root", "--threshold", "2"]).arg(&mail).run().ok();
        office.share("anna", "Carl may sign too");
        for person in ["anna", "carl"] {
            office.sign(person, 2);
        }
        assert!(office.status("bert")["proposal"].is_null());
        office
    }

    fn folder(&self, person: &str) -> PathBuf {
        self.site.scratch(&format!("{person}/repository"))
    }

    fn keys(&self, person: &str) -> PathBuf {
        self.site.scratch(&format!("{person}/keys"))
    }

    fn clone(&self, person: &str) {
        let _ = fs::remove_dir_all(self.folder(person));
        let _ = Program::new("git").args(["clone", "-q"]).arg(&self.origin).arg(self.folder(person)).run().ok();
    }

    /// A command on a person's machine.
    fn anode(&self, person: &str, command: &[&str]) -> Program {
        anode_tests::anode(&command[..2])
            .arg("-C")
            .arg(self.folder(person))
            .args(&command[2..])
            .env("ANODE_KEYS", self.keys(person))
    }

    fn share(&self, person: &str, message: &str) {
        let folder = self.folder(person);
        let _ = git(&folder, &["add", "keys"]);
        let _ = git(&folder, &["commit", "-qm", message]);
        let _ = git(&folder, &["pull", "-q", "--rebase"]);
        let _ = git(&folder, &["push", "-q"]);
    }

    /// One person fetches, signs, and shares the signature; Carl with what the ceremony line says.
    fn sign(&self, person: &str, version: u64) {
        let _ = git(&self.folder(person), &["pull", "-q", "--rebase"]);
        if person == "carl" {
            let (keys, folder) = (self.keys("carl"), self.folder("carl").join("keys/root"));
            let id = key_id(&keys.join("carl.pub"));
            let (body, signature) =
                (folder.join(format!("{version}.json")), folder.join(format!("{version}.json.{id}.minisig")));
            let comment = format!("anode/1 root {version} {}", self.site.id());
            let _ = stock_sign(&body, &keys.join("carl.key"), &comment, &signature).ok();
        } else {
            let _ = self.anode(person, &["root", "sign"]).run().ok();
        }
        self.share(person, &format!("{person} signs"));
    }

    fn status(&self, person: &str) -> Value {
        let _ = git(&self.folder(person), &["pull", "-q", "--rebase"]);
        self.anode(person, &["root", "status", "--json"]).run().ok().json()
    }

    /// CI builds and publishes what is shared; the root that the published timestamp stands under.
    fn publish(&self) -> Value {
        let _ = git(&self.site.repository(), &["pull", "-q", "--rebase"]);
        self.site.release();
        read_json(&self.site.current().join("timestamp.json"))["root"].clone()
    }
}

#[test]
fn two_of_three_people_on_three_machines_complete_a_root_in_any_order_of_arrival() {
    let office = Office::new();
    let code = office.site.code(&[Site::SERVER], &[]);
    let _ = git(&office.site.repository(), &["add", "."]);
    let _ = git(&office.site.repository(), &["commit", "-qm", "A code"]);
    let _ = git(&office.site.repository(), &["pull", "-q", "--rebase"]);
    let _ = git(&office.site.repository(), &["push", "-q"]);
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (version, order) in (3..).zip(orders) {
        let proposer = PEOPLE[order[2]];
        let _ = office.status(proposer);
        let days = (200 + version).to_string();
        let _ = office.anode(proposer, &["root", "new", "--days", &days]).run().ok();
        office.share(proposer, "The next root");
        let of = |status: &Value, member: &str| status["proposal"][member].clone();
        assert_eq!(of(&office.status(proposer), "signatures_left"), 2);

        office.sign(PEOPLE[order[0]], version);
        let status = office.status(PEOPLE[order[1]]);
        assert_eq!(of(&status, "signatures_left"), 1, "{status}");
        let waits = status["proposal"]["waits_for"][0]["of"].to_string();
        assert!(!waits.contains(&status["proposal"]["signed"][0]["id"].to_string()), "{status}");
        if version < 5 {
            assert_eq!(office.publish(), version - 1, "published before the threshold was met");
        }

        office.sign(PEOPLE[order[1]], version);
        assert!(office.status(proposer)["proposal"].is_null());
        if version < 5 {
            assert_eq!(office.publish(), version);
        }
    }
    // Who comes too late signs with the stock program, and nothing changes.
    let published = office.publish();
    let before = files(&office.site.current().join("root"));
    office.sign("carl", 3);
    assert_eq!((office.publish(), files(&office.site.current().join("root"))), (published, before));
    assert_eq!(office.status("anna")["chain"].as_array().map(Vec::len), Some(8));
    let _ = office.site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().files();
}

#[test]
fn what_one_person_changes_after_another_signed_is_noticed_by_everybody() {
    let office = Office::new();
    let _ = office.status("anna");
    let _ = office.anode("anna", &["root", "new"]).run().ok();
    office.share("anna", "The next root");
    office.sign("bert", 3);
    // Anna's command would take Bert's signature away.
    let _ = office.status("anna");
    let id = key_id(&office.folder("anna").join("keys/root-2.pub"));
    let refused = office.anode("anna", &["root", "change", "--phrases", "yes"]).run();
    let _ = refused.fails(&[&id, "--drop-signatures"]);
    // An editor does not ask.
    let body = office.folder("anna").join("keys/root/3.json");
    let text = fs::read_to_string(&body).expect("the proposal");
    fs::write(&body, text.replacen("\"phrases\": false", "\"phrases\": true", 1)).expect("writing");
    office.share("anna", "A small change");
    let _ = git(&office.folder("carl"), &["pull", "-q", "--rebase"]);
    let file = format!("3.json.{id}.minisig");
    let _ = office.anode("carl", &["root", "status"]).run().fails(&[&file, "was changed after it was signed"]);
    let _ = git(&office.site.repository(), &["pull", "-q", "--rebase"]);
    let _ = office.site.build().run().fails(&[&file]);
}
