//! A temporary site: a repository made by `anode init`, its keys, the place it is published to, and the web server in front of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::fetch::Fetch;
use crate::program::{Output, Program, anode};
use crate::web::{Authority, Nginx};

/// A site with its own web server.
pub struct Site {
    folder: TempDir,
    /// Who signed the web server's certificate.
    pub authority: Authority,
    /// Serves what is published.
    pub web: Nginx,
}

/// An activation code.
#[derive(Debug, Clone)]
pub struct Code {
    /// What a person types.
    pub text: String,
    /// What its terms are called: organisation and label.
    pub name: String,
}

impl Site {
    /// The server profile that `anode init` makes.
    pub const SERVER: &str = "debian-server";
    /// The workstation profile that `anode init` makes.
    pub const WORKSTATION: &str = "fedora-workstation";
    /// The organisation that `anode init` makes.
    pub const ORGANISATION: &str = "example-school";

    /// Answers to the prompts of the server profile.
    pub const SERVER_ANSWERS: &[&str] = &[
        "hostname=host-7",
        "username=erika",
        "full_name=Erika Muster",
        "password=correct horse battery",
        "disk=/dev/vda",
    ];
    /// The same as questions at the console and what a person types.
    pub const SERVER_DIALOGUE: &[(&str, &str)] = &[
        ("Name of the server:", "host-7"),
        ("Disk to erase and install to:", "/dev/vda"),
        ("Full name of the administrator:", "Erika Muster"),
        ("Login of the administrator [admin]:", "erika"),
        ("Password of the administrator:", "correct horse battery"),
        ("Once more:", "correct horse battery"),
    ];
    /// Answers to the prompts of the workstation profile.
    pub const WORKSTATION_ANSWERS: &[&str] = Site::SERVER_ANSWERS;

    /// A fresh repository. Nothing is built; the web server answers 404.
    #[must_use]
    pub fn new() -> Site {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Authority::new();
        let web = Nginx::tree(&folder.path().join("published/current"), &authority);
        let site = Site { folder, authority, web };
        let init = anode(["init"]).arg(site.repository()).args(["--title", "Test site", "--url", &site.web.url]);
        let _ = init.arg("--keys").arg(site.keys()).run().ok();
        site
    }

    /// A fresh repository that is built and published.
    #[must_use]
    pub fn published() -> Site {
        let site = Site::new();
        site.release();
        site
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// The folder with the secrets.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// Where it is published.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        self.folder.path().join("published")
    }

    /// What the web server serves.
    #[must_use]
    pub fn current(&self) -> PathBuf {
        self.target().join("current")
    }

    /// The tree that `anode build` makes.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.repository().join(".anode/tree")
    }

    /// A path for whatever a test needs.
    #[must_use]
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The first root document, as a medium carries it.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.repository().join("keys/root/1.json")
    }

    /// The site's id.
    #[must_use]
    pub fn id(&self) -> String {
        read_json(&self.root())["site"].as_str().expect("the site's id").to_owned()
    }

    /// A command of `anode` on this repository.
    #[must_use]
    pub fn anode(&self, command: &[&str]) -> Program {
        anode(command).arg("-C").arg(self.repository()).env("ANODE_KEYS", self.keys())
    }

    /// `anode build`.
    #[must_use]
    pub fn build(&self) -> Program {
        self.anode(&["build"])
    }

    /// `anode publish` to the web server's folder.
    #[must_use]
    pub fn publish(&self) -> Program {
        self.anode(&["publish"]).arg("--to").arg(self.target()).arg("--ca").arg(self.authority.certificate())
    }

    /// Builds and publishes.
    #[track_caller]
    pub fn release(&self) {
        let _ = self.build().run().ok();
        let _ = self.publish().run().ok();
    }

    /// Makes a code of the example organisation for `profiles`.
    #[must_use]
    #[track_caller]
    pub fn code(&self, profiles: &[&str], more: &[&str]) -> Code {
        let offers = profiles.iter().flat_map(|profile| ["--profile", profile]);
        let made =
            self.anode(&["code", "new"]).args(["--org", Site::ORGANISATION]).args(offers).args(more).arg("--json");
        let made = made.run().ok().json();
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("not what was expected: {made}")).to_owned();
        Code { text: text(&made["secret"]), name: text(&made["terms"]["code"]) }
    }

    /// `anode verify` on a folder or an address.
    #[must_use]
    pub fn verify(&self, tree: impl AsRef<Path>) -> Output {
        anode(["verify", "--json"]).arg(tree.as_ref()).arg("--root").arg(self.root()).run()
    }

    /// The fetcher with this site's address, root and authority.
    #[must_use]
    pub fn fetch(&self, code: &str) -> Fetch {
        self.fetch_from(&[&self.web.url], code)
    }

    /// The fetcher without a code: a test gives it in another way.
    #[must_use]
    pub fn fetch_without_code(&self) -> Fetch {
        Fetch::new(&self.root()).option("--ca", self.authority.certificate()).option("--site", &self.web.url)
    }

    /// The fetcher with other addresses.
    #[must_use]
    pub fn fetch_from(&self, urls: &[&str], code: &str) -> Fetch {
        let fetch = Fetch::new(&self.root()).option("--ca", self.authority.certificate()).option("--code", code);
        urls.iter().fold(fetch, |fetch, url| fetch.option("--site", url))
    }

    /// The version of the published release.
    #[must_use]
    #[track_caller]
    pub fn release_version(&self) -> u64 {
        let timestamp = read_json(&self.current().join("timestamp.json"));
        timestamp["release"]["version"].as_u64().expect("a version")
    }

    /// Replaces text in a file of the repository.
    ///
    /// # Panics
    /// If it is not there exactly once.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.repository().join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {file}: {error}"));
        assert_eq!(text.matches(from).count(), 1, "`{from}` should be in {file} once:\n{text}");
        fs::write(path, text.replace(from, to)).expect("writing");
    }

    /// Writes a file of the repository.
    ///
    /// # Panics
    /// If it can not be written.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.repository().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("writing");
    }

    /// Changes the title of the server profile, so that the next build has something to say.
    #[track_caller]
    pub fn change_title(&self, title: &str) {
        let path = self.repository().join(Site::SERVER).join("profile.toml");
        let text = fs::read_to_string(&path).expect("the profile");
        let lines = text.lines().map(|line| match line.strip_prefix("title") {
            Some(rest) if rest.trim_start().starts_with('=') => format!("title = \"{title}\""),
            _ => line.to_owned(),
        });
        fs::write(path, lines.map(|line| line + "\n").collect::<String>()).expect("writing");
    }
}

impl Default for Site {
    fn default() -> Site {
        Site::new()
    }
}

/// Reads a JSON file.
///
/// # Panics
/// If it is missing or no JSON.
#[must_use]
#[track_caller]
pub fn read_json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
