//! What a distribution offers: its signed `InRelease`, and the lists of packages that this names (<https://wiki.debian.org/DebianRepository/Format>).
//!
//! Nothing of a list is read before its hash is what a signed text says; a text for another suite, or one that ended, is refused.

use std::collections::BTreeMap;
use std::io::Read as _;

use anode_bundle::Moment;
use anode_bundle::name::Sha256;
use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::Architecture;
use super::version;
use crate::initrd::Compression;
use crate::lock::{Cache, Client, Failed, Keyring, Progress, Refused};

/// A list of packages, unpacked.
const LIST: u64 = 512 << 20;

/// A part of a distribution's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The mirror, without `/` at its end.
    pub url: String,
    /// `bookworm`, `bookworm-security`
    pub suite: String,
}

/// What the lists are asked with.
pub struct Desk<'a> {
    /// The network.
    pub client: &'a Client,
    /// Where files stay.
    pub cache: &'a Cache,
    /// Whose signatures count.
    pub keyring: &'a Keyring,
    /// Who is told.
    pub progress: &'a dyn Progress,
    /// The reading of the clock.
    pub now: Moment,
}

/// One package of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Its version.
    pub version: String,
    /// The mirror that has it.
    pub url: String,
    /// Its path there.
    pub path: String,
    /// Its hash.
    pub sha256: Sha256,
    /// Its length.
    pub length: u64,
    /// Alternatives (`a | b`) of `Depends` and `Pre-Depends`, as names.
    pub depends: Vec<Vec<String>>,
    /// The same, as they are written: with versions.
    pub depends_text: String,
}

/// The newest version of each package.
#[derive(Debug, Default)]
pub struct Offer {
    packages: BTreeMap<String, Offered>,
    /// Which keys signed: one line an archive.
    pub signers: Vec<String>,
}

impl Offer {
    /// A package by its name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Offered> {
        self.packages.get(name)
    }

    /// Adds what an archive offers for an architecture.
    ///
    /// # Errors
    /// If a list can not be had, or its signature or hash is wrong.
    pub fn add(&mut self, desk: &Desk<'_>, archive: &Archive, architecture: Architecture) -> Result<()> {
        let Archive { url, suite } = archive;
        let address = format!("{url}/dists/{suite}/InRelease");
        let (key, text) = signed(desk, &address)?;
        let release = Release::read(&text, suite, desk.now).with_context(|| format!("reading `{address}`"))?;
        self.signers.push(format!("{address}, key {key}"));
        for component in ["main", "non-free-firmware"] {
            let list = format!("{component}/binary-{}/Packages.xz", architecture.name());
            let Some((sha256, _)) = release.files.get(&list) else {
                ensure!(
                    component != "main",
                    "`{address}` names no `{list}`: the suite is not made for that architecture"
                );
                continue;
            };
            let address = format!("{url}/dists/{suite}/{list}");
            self.read(url, &fetch(desk, &address, sha256)?).with_context(|| format!("reading `{address}`"))?;
        }
        Ok(())
    }

    fn read(&mut self, url: &str, text: &str) -> Result<()> {
        for stanza in text.split("\n\n") {
            let field =
                |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
            let Some(name) = field("Package") else { continue };
            let required =
                |field_name: &str| field(field_name).with_context(|| format!("`{name}` has no `{field_name}`"));
            let version = required("Version")?;
            let older = |known: &Offered| version::compare(version, &known.version).is_le();
            if self.packages.get(name).is_some_and(older) {
                continue;
            }
            let depends_text =
                [field("Pre-Depends"), field("Depends")].into_iter().flatten().collect::<Vec<_>>().join(", ");
            let offered = Offered {
                version: version.to_owned(),
                url: url.to_owned(),
                path: required("Filename")?.to_owned(),
                sha256: Sha256::parse(required("SHA256")?).map_err(|bad| anyhow!("`{name}`: {bad}"))?,
                length: required("Size")?.parse().with_context(|| format!("`{name}`: its size is no number"))?,
                depends: depends(&depends_text),
                depends_text,
            };
            ensure!(is_path(&offered.path), "`{name}` lies at `{}`, which is no path", offered.path);
            self.packages.insert(name.to_owned(), offered);
        }
        Ok(())
    }
}

/// A path below a mirror that leads nowhere else.
pub(super) fn is_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-~:%".contains(&byte);
    path.len() < 400
        && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain))
}

/// `a (>= 1), b | c:any` as names.
fn depends(text: &str) -> Vec<Vec<String>> {
    let name = |alternative: &str| {
        let end = alternative.find([' ', ':', '(']).unwrap_or(alternative.len());
        alternative.get(..end).unwrap_or_default().to_owned()
    };
    let groups = text.split(',').map(|group| group.split('|').map(|one| name(one.trim())).collect::<Vec<_>>());
    groups.filter(|group| group.iter().all(|name| !name.is_empty())).collect()
}

/// The text inside an `InRelease`, and the key that signed it.
fn signed(desk: &Desk<'_>, address: &str) -> Result<(String, String)> {
    let bytes = desk.client.text(address).map_err(|failed| unreachable(&failed))?;
    match desk.keyring.inline(&bytes)? {
        Ok((key, inside)) => Ok((key, String::from_utf8(inside).context("a signed list is not text")?)),
        Err(Refused::NoProgram) => {
            bail!("`gpgv` is missing, and `{address}` has a signature that counts: install `gpgv`")
        }
        Err(Refused::UnknownKey(keys)) => bail!(
            "`{address}` is by {keys}, which the keyring `{}` does not have: nothing was pinned; install a newer \
             `debian-archive-keyring`",
            desk.keyring.name()
        ),
        Err(Refused::Wrong(why)) => bail!(
            "the signature of `{address}` is wrong: {why}; nothing was pinned: the mirror is being changed right now, or \
             somebody tampers with it; try again later, or set another mirror"
        ),
    }
}

fn unreachable(failed: &Failed) -> anyhow::Error {
    anyhow!("{failed}; try again, or name another mirror with `--packages-from` and `--security-from`")
}

/// A list of packages whose hash is signed.
fn fetch(desk: &Desk<'_>, address: &str, sha256: &Sha256) -> Result<String> {
    let path = match desk.cache.find(sha256)? {
        Some((path, _)) => path,
        None => {
            let file = desk.cache.begin()?;
            let downloaded = desk.client.file(address, file, desk.progress).map_err(|failed| unreachable(&failed))?;
            ensure!(
                downloaded.sha256 == *sha256,
                "`{address}` has the hash {}, and {sha256} is signed; nothing was pinned: the mirror is being changed right \
                 now, or somebody tampers with it; try again later, or set another mirror",
                downloaded.sha256
            );
            desk.cache.keep(downloaded.file, sha256)?
        }
    };
    let packed = std::fs::read(&path).with_context(|| format!("reading `{}`", path.display()))?;
    let mut rest = packed.as_slice();
    let stream = Compression::of(rest).context("a list of packages is not compressed")?.open(&mut rest);
    let mut text = String::new();
    let read = stream.map_err(anyhow::Error::msg)?.take(LIST + 1).read_to_string(&mut text);
    read.with_context(|| format!("unpacking `{address}`"))?;
    ensure!(text.len() as u64 <= LIST, "`{address}` is larger than any list of packages");
    Ok(text)
}

/// A signed text about a suite.
struct Release {
    /// Hash and length by path.
    files: BTreeMap<String, (Sha256, u64)>,
}

impl Release {
    fn read(text: &str, suite: &str, now: Moment) -> Result<Release> {
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        // A mirror could answer with the signed text of another suite.
        let named = [field("Codename"), field("Suite")];
        ensure!(
            named.contains(&Some(suite)),
            "it is about `{}`, and `{suite}` was asked for",
            named[0].or(named[1]).unwrap_or_default()
        );
        if let Some(until) = field("Valid-Until") {
            let end = date(until).with_context(|| format!("`Valid-Until: {until}` is no time"))?;
            ensure!(end >= now, "it ended on {end}: the mirror is out of date; set another one");
        }
        let lines = text.lines().skip_while(|line| *line != "SHA256:").skip(1).take_while(|line| line.starts_with(' '));
        let entry = |line: &str| {
            let mut words = line.split_whitespace();
            let (sha256, length) = (Sha256::parse(words.next()?).ok()?, words.next()?.parse().ok()?);
            Some((words.next()?.to_owned(), (sha256, length)))
        };
        Ok(Release { files: lines.filter_map(entry).collect() })
    }
}

/// `Sat, 28 Nov 2026 10:17:02 UTC`
fn date(text: &str) -> Option<Moment> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<_> = text.split_whitespace().collect();
    let [_, day, month, year, time, "UTC" | "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    Moment::parse(&format!("{year:0>4}-{month:02}-{day:0>2}T{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGES: &str = "\
Package: shim-signed
Version: 1.40
Filename: pool/main/s/shim-signed_1.40_amd64.deb
Size: 7
SHA256: 0000000000000000000000000000000000000000000000000000000000000000
Depends: debconf (>= 0.5) | debconf-2.0, mokutil:any,
 continued

Package: shim-signed
Version: 1.39
Filename: pool/old
Size: 7
SHA256: 0000000000000000000000000000000000000000000000000000000000000000
";

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn the_newest_version_counts_wherever_it_is_listed() {
        let mut offer = Offer::default();
        offer.read("http://one", PACKAGES).unwrap();
        offer.read("http://two", &PACKAGES.replace("1.39", "1.41~1")).unwrap();
        let shim = offer.find("shim-signed").unwrap();
        assert_eq!(
            (shim.version.as_str(), shim.url.as_str(), shim.path.as_str()),
            ("1.41~1", "http://two", "pool/old")
        );
        offer.read("http://three", PACKAGES).unwrap();
        assert_eq!(offer.find("shim-signed").unwrap().url, "http://two");
        assert_eq!(
            depends("debconf (>= 0.5) | debconf-2.0, mokutil:any,"),
            [vec!["debconf".to_owned(), "debconf-2.0".to_owned()], vec!["mokutil".to_owned()]]
        );
    }

    #[test]
    fn a_path_that_leads_out_of_the_mirror_is_refused() {
        let mut offer = Offer::default();
        for path in ["../x", "/etc/passwd", "a//b", "pool/.hidden", "pool/a b", "http://elsewhere/x"] {
            let text = PACKAGES.replace("pool/main/s/shim-signed_1.40_amd64.deb", path);
            assert!(offer.read("http://one", &text).is_err(), "{path}");
        }
    }

    #[test]
    fn a_signed_text_about_another_suite_or_that_ended_is_refused() {
        let text = "Suite: oldstable\nCodename: bookworm\nValid-Until: Sat, 5 Dec 2026 10:17:02 UTC\nSHA256:\n \
            0000000000000000000000000000000000000000000000000000000000000000 12 main/binary-amd64/Packages.xz\nOther:\n";
        let now = moment("2026-11-21T12:00:00Z");
        let release = Release::read(text, "bookworm", now).unwrap();
        assert_eq!(release.files.keys().collect::<Vec<_>>(), ["main/binary-amd64/Packages.xz"]);
        let refusal = |suite: &str, now: &str| Release::read(text, suite, moment(now)).err().unwrap().to_string();
        assert!(
            refusal("trixie", "2026-11-21T12:00:00Z").contains("it is about `bookworm`, and `trixie` was asked for")
        );
        assert!(refusal("bookworm", "2026-12-05T10:17:03Z").contains("it ended on 2026-12-05T10:17:02Z"));
    }
}
