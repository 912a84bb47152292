//! Compiling a repository into a tree: load → render → validate → plan → sign → write.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anode_bundle::client::{FetchError, Request, Transport};
use anode_bundle::document::{Document, RELEASE_LIMIT, Release, ReleaseRef, TIMESTAMP_LIMIT, Timestamp};
use anode_bundle::name::{Sha256, tree};
use anode_bundle::seal::SealRoot;
use anode_bundle::signature;
use anode_bundle::trust::Trust;
use anode_bundle::{Moment, Refusal};
use anyhow::{Context as _, Result, anyhow, ensure};

use crate::documents::{self, Signed};
use crate::keys::{KeyRing, RootChain, SecretName};
use crate::pages;
use crate::plan::{Ingredients, Memo, Object, Packs, Plan, Progress, plan};
use crate::publish::lineage_line;
use crate::repository::Repository;
use crate::tree::{BootFile, BootFiles, LINEAGE, Staging};
use crate::trusted::{self, TrustedSite};

const MEMO: &str = ".anode/memo";

/// Where the memory of a repository's builds lies.
#[must_use]
pub fn memo_file(folder: &Path) -> PathBuf {
    folder.join(MEMO)
}

/// What a release is made from: the repository at a moment.
pub struct Source<'a> {
    /// The repository's folder.
    pub folder: &'a Path,
    /// The repository.
    pub repository: &'a Repository,
    /// Its site.
    pub site: &'a mut TrustedSite,
    /// What was rendered.
    pub packs: &'a Packs,
    /// When.
    pub at: Moment,
    /// Files that the tree holds among its objects though no release names them: kernels, initrds, images and boot loaders that packs name.
    pub mirrored: &'a BTreeMap<Sha256, PathBuf>,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

/// What a tree is built from, and where to.
pub struct Order<'a> {
    /// The repository.
    pub source: Source<'a>,
    /// Its secrets.
    pub ring: &'a KeyRing,
    /// Where the tree goes.
    pub out: &'a Path,
    /// Trees that this one may have to be newer than, besides the one at `out`.
    pub previous: Vec<Previous>,
    /// The medium and its netboot files, published beside the site. Without any, those of the tree at `out` stay.
    pub boot: Option<BootFiles>,
}

/// A release that nobody has signed yet, and everything that it refers to.
pub struct Draft {
    /// The objects and public files.
    pub plan: Plan,
    /// The release.
    pub release: Release,
    /// Its bytes.
    pub body: Vec<u8>,
    /// The signature of the published release, where that one says the same and is kept byte for byte.
    pub kept: Option<Vec<u8>>,
}

impl Draft {
    /// How a timestamp names it.
    #[must_use]
    pub fn reference(&self) -> ReleaseRef {
        documents::reference(&self.body, self.release.version)
    }
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
    /// `None` if a superseded timestamp names one that is not there or does not verify: a thief's, and nothing is lost.
    release: Option<(Vouched<Release>, Signed)>,
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
        let release = match read_release(&mut get, timestamp.document.release, site, now) {
            Ok(found) => Some(found),
            Err(_) if timestamp.standing == Standing::Superseded => None,
            Err(error) => return Err(error.context(format!("reading the release of `{base}`"))),
        };
        let folder = folder.map(Path::to_owned);
        Ok(Some(Previous { timestamp, signed_timestamp, release, folder }))
    }

    /// The release, if a key of the newest root signed it.
    #[must_use]
    pub fn release(&self) -> Option<&Release> {
        self.release.as_ref()?.0.current()
    }

    /// The version that the next release has to be above.
    fn release_version(&self) -> u64 {
        self.release.as_ref().map_or(0, |(release, _)| release.version())
    }

    /// The timestamp, if a key of the newest root signed it.
    #[must_use]
    pub fn timestamp(&self) -> Option<&Timestamp> {
        self.timestamp.current()
    }

    /// How its timestamp names the release.
    #[must_use]
    pub fn reference(&self) -> ReleaseRef {
        self.timestamp.document.release
    }
}

/// The release that a timestamp names, with its signature.
fn read_release(
    mut get: impl FnMut(&str, u64) -> Result<Vec<u8>, FetchError>,
    reference: ReleaseRef,
    site: &mut TrustedSite,
    now: Moment,
) -> Result<(Vouched<Release>, Signed)> {
    let version = reference.version;
    let mut bytes = |path: &str, limit: u64| get(path, limit).map_err(|error| anyhow!(error.refusal()));
    let body = bytes(&tree::release(version), RELEASE_LIMIT)?;
    let signature = bytes(&tree::release_signature(version), signature::LIMIT)?;
    let signed = Signed { body, signature };
    ensure!(signed.reference(version) == reference, "release {version} is not the one that the timestamp names");
    let Signed { body, signature } = &signed;
    let release = vouch(&mut site.chain, now, |trust| Ok(trust.release(signature, body)?.document))
        .with_context(|| format!("verifying release {version}"))?;
    Ok((release, signed))
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

/// Compiles the release that follows `trees`. Needs the seal keys, and no key that signs: whoever has the same repository, seal keys, published tree
/// and moment gets the same bytes.
///
/// # Errors
/// If something can not be sealed, or the moment is earlier than that of an earlier tree.
pub fn draft(source: &Source<'_>, seal: &SealRoot, memo: &Memo, trees: &[Previous]) -> Result<Draft> {
    let ingredients = Ingredients {
        repository: source.repository,
        seal,
        memo,
        at: source.at,
        probe: &trusted::probe_terms(source.folder)?,
        progress: source.progress,
    };
    let plan = plan(&ingredients, source.packs)?;
    let (root, days) = (source.site.root(), source.site.days());
    let current =
        trees.iter().filter_map(|tree| Some((tree.release()?, &tree.release.as_ref()?.1, tree.timestamp.version())));
    let newest = current.max_by_key(|(release, _, timestamp)| (release.version, *timestamp));
    let issued = |tree: &Previous| {
        [tree.release().map(|release| release.issued), tree.timestamp.current().map(|current| current.issued)]
    };
    let last_issued = trees.iter().flat_map(issued).flatten().max();
    if let Some(last) = last_issued.filter(|last| *last > source.at) {
        anyhow::bail!(
            "the build's time {} is earlier than that of the previous tree, {last}; set the clock or give a later `--at`",
            source.at
        );
    }
    let keepable = newest.filter(|(release, _, _)| {
        documents::says_the_same(release, &plan.content, root, days) && documents::is_young(*release, source.at)
    });
    if let Some((release, signed, _)) = keepable {
        let (release, Signed { body, signature }) = (release.clone(), signed.clone());
        return Ok(Draft { plan, release, body, kept: Some(signature) });
    }
    let version = trees.iter().map(Previous::release_version).max().unwrap_or(0) + 1;
    let (release, body) = documents::release(plan.content.clone(), version, root, days, source.at)?;
    Ok(Draft { plan, release, body, kept: None })
}

/// Builds the tree and puts it in its place.
///
/// # Errors
/// If a key is missing or wrong, or the disk is full. The tree at `out` is then as it was.
pub fn build(order: Order<'_>) -> Result<Built> {
    let Order { source, ring, out, previous, boot } = order;
    let seal = trusted::seal_root(source.folder, ring)?;
    let release_key = source.site.signer(ring, SecretName::Release)?;
    let timestamp_key = source.site.signer(ring, SecretName::Timestamp)?;
    let staging = Staging::begin(out)?;

    let own =
        Previous::read(&mut crate::tree::TreeFolder::new(out), &out.display().to_string(), Some(out), source.site)
            .with_context(|| {
                format!("reading the tree that is there; if it can be thrown away, remove `{}`", out.display())
            })?;
    let mut trees = previous;
    trees.extend(own);
    let memo_file = memo_file(source.folder);
    let memo = Memo::read(&seal, &memo_file, out);
    let draft = draft(&source, &seal, &memo, &trees)?;
    let (reference, version) = (draft.reference(), draft.release.version);
    let (root, days) = (source.site.root(), source.site.days());
    let signed_release = match &draft.kept {
        Some(signature) => Signed { body: draft.body.clone(), signature: signature.clone() },
        None => documents::sign_release(draft.body.clone(), version, root, &release_key)?,
    };
    let (timestamp_version, signed_timestamp) = match current_timestamp(&trees, reference, source.at) {
        Some(old) if draft.kept.is_some() => (old.timestamp.version(), old.signed_timestamp.clone()),
        _ => {
            let version = last_timestamp(&trees) + 1;
            (version, documents::timestamp(reference, version, root, days, source.at, &timestamp_key)?)
        }
    };

    let boot = match boot {
        Some(boot) => boot,
        None => {
            let (mut tree, base) = (crate::tree::TreeFolder::new(out), out.display().to_string());
            BootFiles::published(&mut tree, &base, Some(out), &root.roles.release.keys, source.at)?
        }
    };
    let new_objects = write_content(&staging, &source, &draft, &trees, &boot.listed)?;
    boot.write(&staging, &release_key, source.site.id(), version)?;
    staging.write(&tree::release(version), &signed_release.body)?;
    staging.write(&tree::release_signature(version), &signed_release.signature)?;
    staging.write(LINEAGE, lineage(&trees, out, reference).as_bytes())?;
    for (path, bytes) in signed_timestamp.timestamp_files() {
        staging.write(path, &bytes)?;
    }
    staging.commit_with_spare()?;
    memo.write(&memo_file)?;
    Ok(Built {
        release: version,
        timestamp: timestamp_version,
        kept: draft.kept.is_some(),
        activations: draft.plan.activations,
        packs: draft.plan.packs,
        new_objects,
    })
}

/// The version that the next timestamp has to be above.
pub(crate) fn last_timestamp(trees: &[Previous]) -> u64 {
    trees.iter().map(|tree| tree.timestamp.version()).max().unwrap_or(0)
}

fn current_timestamp(trees: &[Previous], reference: ReleaseRef, at: Moment) -> Option<&Previous> {
    let last = last_timestamp(trees);
    trees.iter().find(|tree| {
        tree.timestamp.current().is_some_and(|timestamp| {
            timestamp.version == last && timestamp.release == reference && documents::is_young(timestamp, at)
        })
    })
}

/// Writes everything but the signed documents of this release: objects, the root chain, pages, public files.
pub(crate) fn write_content(
    staging: &Staging,
    source: &Source<'_>,
    draft: &Draft,
    trees: &[Previous],
    boot: &[BootFile],
) -> Result<usize> {
    let new_objects = write_objects(staging, &draft.plan, trees, source.progress)?;
    for (hash, file) in source.mirrored {
        staging.adopt(file, hash)?;
    }
    for (path, bytes) in &source.site.chain.files {
        staging.write(path, bytes)?;
    }
    for (path, bytes) in pages::pages(source.site, &draft.release, &draft.plan.public_profiles, boot)? {
        staging.write(&path, &bytes)?;
    }
    for (path, bytes) in &draft.plan.public_files {
        staging.write(path, bytes)?;
    }
    Ok(new_objects)
}

/// New objects are written; those of earlier trees stay, because a client may be between two of their files.
fn write_objects(staging: &Staging, plan: &Plan, trees: &[Previous], progress: &dyn Progress) -> Result<usize> {
    let folders: Vec<&Path> = trees.iter().filter_map(|tree| tree.folder.as_deref()).collect();
    let there = staging.keep_trees(&folders)?;
    let mut new = 0;
    progress.begin("writing objects", plan.objects.len());
    for (hash, object) in &plan.objects {
        if let Object::New(bytes) = object {
            let path = tree::object(hash);
            if !(there.contains(&path) && staging.has(&path, bytes.len() as u64)) {
                staging.write(&path, bytes)?;
                new += 1;
            }
        }
        progress.step();
    }
    Ok(new)
}

/// The releases that this one was built on, and itself.
pub(crate) fn lineage(trees: &[Previous], out: &Path, newest: ReleaseRef) -> String {
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
