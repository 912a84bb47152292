//! The client, started over whatever lies in its state folder.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use anode_bundle::Moment;
use anode_bundle::client::{Client, FetchError, Request, Setup, Store, Transport};
use anode_bundle::name::KeyId;
use anode_bundle::signature::split_signed;
use anode_bundle::trust::Clock;
use serde::Deserialize;

use crate::Verdict::{self, Accepted, Refused};
use crate::text;

type Tree = BTreeMap<String, String>;

/// One real site at two moments; made by `examples/seeds.rs`.
#[derive(Deserialize)]
pub struct Site {
    /// The root that came with the medium, and its signatures.
    pub medium: Tree,
    /// What the mirror serves: timestamp 2, release 2.
    pub mirror: Tree,
    /// What was published later: root 2 with another timestamp key, timestamp 3, release 3.
    pub later: Tree,
}

/// Where [`SITE`] comes from.
pub const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/site.json");

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let text = std::fs::read(FIXTURE).unwrap_or_else(|error| panic!("{FIXTURE}: {error}"));
    serde_json::from_slice(&text).unwrap()
});

struct Mirror;

impl Transport for Mirror {
    fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
        match SITE.mirror.get(request.path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Err(FetchError::Absent(request.path.to_owned())),
        }
    }
}

#[derive(Clone, Default)]
struct Folder(BTreeMap<String, Vec<u8>>);

impl Store for Folder {
    fn read(&mut self, path: &str, limit: u64) -> Option<Vec<u8>> {
        self.0.get(path).filter(|bytes| bytes.len() as u64 <= limit).cloned()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), String> {
        self.0.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn list(&mut self, folder: &str) -> Vec<String> {
        let inside = |path: &String| path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned);
        self.0.keys().filter_map(inside).collect()
    }

    fn remove(&mut self, path: &str) {
        self.0.remove(path);
    }
}

/// Files as `length of the path u8 ‖ length of the bytes u16 ‖ path ‖ bytes`. Whatever is there: what is trusted afterwards was published, is not older
/// than what the mirror has, and only what was published is kept. Nothing but later documents of the site can make the client refuse the mirror.
pub fn state(data: &[u8]) -> Verdict {
    let mut before = Folder::default();
    let mut rest = data;
    while let Some(([path, l0, l1], tail)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let Some((path, tail)) = tail.split_at_checked(usize::from(*path)) else { break };
        let (bytes, tail) = tail.split_at(length.min(tail.len()));
        rest = tail;
        if let Some(path) = text(path) {
            before.0.insert(path.to_owned(), bytes.to_vec());
        }
    }
    let mut after = before.clone();
    let refreshed = refresh(&mut after);
    match &refreshed {
        Ok((timestamp, release)) => assert!((2..=3).contains(timestamp) && (2..=3).contains(release)),
        Err(exit) => {
            let bodies = SITE.later.iter().filter(|(path, _)| path.ends_with(".json") || path.ends_with(".signed"));
            let mut bodies =
                bodies.map(|(_, text)| split_signed(text.as_bytes()).map_or(text.as_bytes(), |(_, body)| body));
            let later = bodies
                .any(|body| before.0.values().any(|kept| contains(kept, body.strip_suffix(b"\n").unwrap_or(body))));
            assert!(later, "the mirror's tree is good, and the exit is {exit}");
        }
    }
    for (path, bytes) in &after.0 {
        if before.0.get(path) != Some(bytes) {
            assert!(is_published(path, bytes), "`{path}` was written");
        }
    }
    let again = refresh(&mut after);
    assert!(again == refreshed || refreshed.is_err(), "{refreshed:?}, then {again:?}");
    if refreshed.is_ok() && !before.0.is_empty() && before.0.iter().all(|(path, bytes)| is_published(path, bytes)) {
        Accepted
    } else {
        Refused
    }
}

/// The versions of timestamp and release that are trusted, or the exit code.
fn refresh(state: &mut Folder) -> Result<(u64, u64), u8> {
    let root = SITE.medium.get("1.json").expect("the medium's root");
    let signatures = SITE.medium.iter().filter_map(|(name, text)| {
        let key = name.strip_prefix("1.json.")?.strip_suffix(".minisig")?;
        Some((KeyId::parse(key).ok()?, text.clone().into_bytes()))
    });
    let setup = Setup {
        shipped_root: root.as_bytes(),
        shipped_signatures: signatures.collect(),
        mirrors: vec!["https://mirror.example".to_owned()],
        clock: Clock { rtc: Moment::parse("2026-11-23T09:00:00Z").unwrap(), build: None },
        floor: None,
    };
    let mut observer = |_| ();
    let mut mirror = Mirror;
    let mut client = Client::new(setup, &mut mirror, Some(state), None, &mut observer).unwrap();
    let snapshot = client.refresh().map_err(|refusal| refusal.exit().number())?;
    Ok((snapshot.timestamp.version, snapshot.release.version))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Roots and signatures as they were published; pairs of a published timestamp and a published release.
fn is_published(path: &str, bytes: &[u8]) -> bool {
    let published = || SITE.mirror.iter().chain(&SITE.later);
    if path.starts_with("root/") {
        return published().any(|(own, text)| own == path && text.as_bytes() == bytes);
    }
    let timestamps = published().filter(|(path, _)| path.ends_with(".signed"));
    let releases = published().filter_map(|(path, body)| {
        let signature = published().find(|(other, _)| **other == format!("{path}.minisig"))?.1;
        path.starts_with("release/").then(|| format!("{signature}{body}"))
    });
    let releases: Vec<_> = releases.collect();
    let pair = |timestamp: &str, release: &str| {
        let length = u32::try_from(timestamp.len()).unwrap().to_be_bytes();
        [&length[..], timestamp.as_bytes(), release.as_bytes()].concat() == bytes
    };
    path.starts_with("current/") && timestamps.into_iter().any(|(_, own)| releases.iter().any(|other| pair(own, other)))
}
