//! Compiling a repository into a tree: load → render → validate → plan → sign → write.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anode_bundle::client::{FetchError, Request, Transport};
use anode_bundle::document::{Document, RELEASE_LIMIT, Release, ReleaseRef, TIMESTAMP_LIMIT, Timestamp};
use anode_bundle::name::tree;
use anode_bundle::signature;
use anode_bundle::trust::Trust;
use anode_bundle::{Moment, Refusal};
use anyhow::{Context as _, Result, anyhow, ensure};
use walkdir::WalkDir;

use crate::documents::{self, Signed};
use crate::keys::{KeyRing, RootChain, SecretName};
use crate::pages;
use crate::plan::{Ingredients, Memo, Object, Packs, Plan, Progress, plan};
use crate::publish::lineage_line;
use crate::repository::Repository;
use crate::tree::{LINEAGE, Staging};
use crate::trusted::{self, TrustedSite};

/// Where the memory of a repository's builds lies.
const MEMO: &str = ".anode/memo";

/// What a build is made from.
pub struct Order<'a> {
    /// The repository's folder.
    pub folder: &'a Path,
    /// The repository.
    pub repository: &'a Repository,
    /// Its site.
    pub site: &'a mut TrustedSite,
    /// Its secrets.
    pub ring: &'a KeyRing,
    /// What was rendered.
    pub packs: &'a Packs,
    /// Where the tree goes.
    pub out: &'a Path,
    /// Trees that this one may have to be newer than, besides the one at `out`.
    pub previous: Vec<Previous>,
    /// When.
    pub at: Moment,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

/// What came out.
pub struct Built {
    /// The release's version.
    pub release: u64,
    /// The timestamp's version.
    pub timestamp: u64,
    /// Nothing changed, so the release is the old one.
    pub kept: bool,
    /// Activations in the tree.
    pub activations: usize,
    /// Packs in the tree.
    pub packs: usize,
    /// Objects that the previous tree did not have.
    pub new_objects: usize,
}

/// A tree that was built or published before.
pub struct Previous {
    timestamp: Vouched<Timestamp>,
    signed_timestamp: Signed,
    release: Vouched<Release>,
    signed_release: Signed,
    /// Where its files lie, if on disk.
    folder: Option<PathBuf>,
}

/// A document of an earlier tree, and under which root its signature verifies.
struct Vouched<D> {
    document: D,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Under the newest.
    Current,
    /// Only under an earlier one: its key was removed, perhaps because a thief had it. Nothing that it says is taken over.
    Superseded,
}

/// No honest site ever gets there; whoever had a key that was removed since may have run ahead to the end of all numbers.
const HONEST_VERSIONS: u64 = 1 << 32;

impl<D: Document> Vouched<D> {
    /// The document, if a key of the newest root signed it.
    fn current(&self) -> Option<&D> {
        (self.standing == Standing::Current).then_some(&self.document)
    }

    /// The version that the next document has to be above. A medium has no floor for a new key, so a superseded version only keeps
    /// file names apart, and one that ran ahead counts for nothing.
    fn version(&self) -> u64 {
        let version = self.document.version();
        if self.standing == Standing::Superseded && version >= HONEST_VERSIONS { 0 } else { version }
    }
}

impl Previous {
    /// Reads the newest release of a tree. Lifetimes do not matter: an expired tree still has a version.
    ///
    /// # Errors
    /// If it can not be read, or does not verify under any root of the site.
    pub fn read(
        transport: &mut dyn Transport,
        base: &str,
        folder: Option<&Path>,
        site: &mut TrustedSite,
    ) -> Result<Option<Previous>> {
        let now = site.chain.trust.now();
        let mut get = |path: &str, limit: u64| transport.get(&Request { base, path, limit, now });
        let signed_timestamp = match get(tree::TIMESTAMP, TIMESTAMP_LIMIT) {
            Ok(bytes) => bytes,
            Err(FetchError::Absent(_)) => return Ok(None),
            Err(error) => return Err(anyhow!(error.refusal())),
        };
        let timestamp = vouch(&mut site.chain, now, |trust| Ok(trust.timestamp(&signed_timestamp)?.document))
            .with_context(|| format!("verifying the timestamp of `{base}`"))?;
        let signed_timestamp = Signed::split(&signed_timestamp).context("splitting the timestamp")?;
        let reference = timestamp.document.release;
        let version = reference.version;
        let body = get(&tree::release(version), RELEASE_LIMIT).map_err(|error| anyhow!(error.refusal()))?;
        let signature =
            get(&tree::release_signature(version), signature::LIMIT).map_err(|error| anyhow!(error.refusal()))?;
        let signed_release = Signed { body, signature };
        ensure!(
            signed_release.reference(version) == reference,
            "`{base}`: release {version} is not the one that its timestamp names"
        );
        let Signed { body, signature } = &signed_release;
        let release = vouch(&mut site.chain, now, |trust| Ok(trust.release(signature, body)?.document))
            .with_context(|| format!("verifying release {version} of `{base}`"))?;
        let folder = folder.map(Path::to_owned);
        Ok(Some(Previous { timestamp, signed_timestamp, release, signed_release, folder }))
    }
}

/// Verifies under the newest root, else under the one before it and so on; the refusal is that of the newest.
fn vouch<D>(
    chain: &mut RootChain,
    now: Moment,
    verify: impl Fn(&mut Trust) -> Result<D, Refusal>,
) -> Result<Vouched<D>, Refusal> {
    let refusal = match verify(&mut chain.trust) {
        Ok(document) => return Ok(Vouched { document, standing: Standing::Current }),
        Err(refusal) => refusal,
    };
    let earlier = (1..chain.root().version).rev().filter_map(|version| chain.trust_at(version, now));
    let found = earlier.into_iter().find_map(|mut trust| verify(&mut trust).ok());
    found.map(|document| Vouched { document, standing: Standing::Superseded }).ok_or(refusal)
}

/// Builds the tree and puts it in its place.
///
/// # Errors
/// If a key is missing or wrong, or the disk is full. The tree at `out` is then as it was.
pub fn build(order: Order<'_>) -> Result<Built> {
    let seal = trusted::seal_root(order.folder, order.ring)?;
    let release_key = order.site.signer(order.ring, SecretName::Release)?;
    let timestamp_key = order.site.signer(order.ring, SecretName::Timestamp)?;
    let probe = trusted::probe_terms(order.folder)?;
    let staging = Staging::begin(order.out)?;

    let own = Previous::read(
        &mut crate::tree::TreeFolder::new(order.out),
        &order.out.display().to_string(),
        Some(order.out),
        order.site,
    )
    .with_context(|| {
        format!("reading the tree that is there; if it can be thrown away, remove `{}`", order.out.display())
    })?;
    let mut trees: Vec<Previous> = order.previous;
    trees.extend(own);
    let memo_file = order.folder.join(MEMO);
    let memo = Memo::read(&seal, &memo_file, order.out);
    let ingredients = Ingredients {
        repository: order.repository,
        seal: &seal,
        memo: &memo,
        at: order.at,
        probe: &probe,
        progress: order.progress,
    };
    let plan = plan(&ingredients, order.packs)?;

    let (root, days) = (order.site.root(), order.site.days());
    let newest = trees
        .iter()
        .filter(|tree| tree.release.current().is_some())
        .max_by_key(|tree| (tree.release.document.version, tree.timestamp.version()));
    let issued = |tree: &Previous| {
        [tree.release.current().map(|release| release.issued), tree.timestamp.current().map(|current| current.issued)]
    };
    let last_issued = trees.iter().flat_map(issued).flatten().max();
    if let Some(last) = last_issued.filter(|last| *last > order.at) {
        anyhow::bail!(
            "the build's time {} is earlier than that of the previous tree, {last}; set the clock or give a later `--at`",
            order.at
        );
    }
    let keepable = newest.filter(|old| {
        let release = &old.release.document;
        documents::says_the_same(release, &plan.content, root, days) && documents::is_young(release, order.at)
    });
    let (release, signed_release) = match keepable {
        Some(old) => (old.release.document.clone(), old.signed_release.clone()),
        None => {
            let version = trees.iter().map(|tree| tree.release.version()).max().unwrap_or(0) + 1;
            documents::release(plan.content.clone(), version, root, days, order.at, &release_key)?
        }
    };
    let reference = signed_release.reference(release.version);
    let last_timestamp = trees.iter().map(|tree| tree.timestamp.version()).max().unwrap_or(0);
    let current = trees.iter().find(|tree| {
        tree.timestamp.current().is_some_and(|timestamp| {
            timestamp.version == last_timestamp
                && timestamp.release == reference
                && documents::is_young(timestamp, order.at)
        })
    });
    let (timestamp_version, signed_timestamp) = match current {
        Some(old) if keepable.is_some() => (last_timestamp, old.signed_timestamp.clone()),
        _ => {
            let version = last_timestamp + 1;
            (version, documents::timestamp(reference, version, root, days, order.at, &timestamp_key)?)
        }
    };

    let new_objects = write_objects(&staging, &plan, &trees, order.progress)?;
    for (path, bytes) in &order.site.chain.files {
        staging.write(path, bytes)?;
    }
    staging.write(&tree::release(release.version), &signed_release.body)?;
    staging.write(&tree::release_signature(release.version), &signed_release.signature)?;
    for (path, bytes) in pages::pages(order.site, &release, &plan.public_profiles)? {
        staging.write(&path, &bytes)?;
    }
    for (path, bytes) in &plan.public_files {
        staging.write(path, bytes)?;
    }
    staging.write(LINEAGE, lineage(&trees, order.out, reference).as_bytes())?;
    for (path, bytes) in signed_timestamp.timestamp_files() {
        staging.write(path, &bytes)?;
    }
    staging.commit()?;
    memo.write(&memo_file)?;
    Ok(Built {
        release: release.version,
        timestamp: timestamp_version,
        kept: keepable.is_some(),
        activations: plan.activations,
        packs: plan.packs,
        new_objects,
    })
}

/// New objects are written; those of earlier trees stay, because a client may be between two of their files.
fn write_objects(staging: &Staging, plan: &Plan, trees: &[Previous], progress: &dyn Progress) -> Result<usize> {
    let mut there = BTreeSet::new();
    for folder in trees.iter().filter_map(|tree| tree.folder.as_deref()) {
        for kept in ["release", "objects"] {
            for entry in WalkDir::new(folder.join(kept)).min_depth(1) {
                let entry = entry.with_context(|| format!("reading the previous tree `{}`", folder.display()))?;
                let path = entry
                    .path()
                    .strip_prefix(folder)?
                    .to_str()
                    .context("a file name in the previous tree is not UTF-8")?;
                if entry.file_type().is_file() && there.insert(path.to_owned()) {
                    staging.keep(folder, path)?;
                }
            }
        }
    }
    let mut new = 0;
    progress.begin("writing objects", plan.objects.len());
    for (hash, object) in &plan.objects {
        let path = tree::object(hash);
        if let (Object::New(bytes), false) = (object, there.contains(&path)) {
            staging.write(&path, bytes)?;
            new += 1;
        }
        progress.step();
    }
    Ok(new)
}

/// The releases that this one was built on, and itself.
fn lineage(trees: &[Previous], out: &Path, newest: ReleaseRef) -> String {
    let older = fs::read_to_string(out.join(LINEAGE)).unwrap_or_default();
    let mut lines: Vec<String> = older.lines().map(str::to_owned).collect();
    let known = trees.iter().map(|tree| {
        let release = &tree.timestamp.document.release;
        lineage_line(release.version, &release.sha256)
    });
    for line in known.chain([lineage_line(newest.version, &newest.sha256)]) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
