//! Founding a site: its keys, its first root, its probe code, and a repository that builds at once.

use std::fs;
use std::path::Path;

use anode_bundle::Moment;
use anode_bundle::activation::Status;
use anode_bundle::code::{Code, Secret};
use anode_bundle::derive::derive;
use anode_bundle::document::{Document as _, Root};
use anode_bundle::name::{Id, Sha256, SiteId, tree};
use anode_bundle::seal::SealKeyPair;
use anyhow::{Context as _, Result, anyhow, bail};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::builtin;
use crate::documents::{CodePolicy, FirstKeys, first_root};
use crate::keys::{KeyRing, SecretName, Signer, made_for, public_file, random};
use crate::repository::{CodeKind, CodeTerms};
use crate::trusted::{PROBE_TERMS, SEAL_SALT};

const WORKFLOW: &str = include_str!("../../ci/publish.yml");
/// The folder that Gitea, Forgejo and, through its own lookup, GitHub read.
const WORKFLOW_PATH: &str = ".github/workflows/publish.yml";

const GITIGNORE: &str = "# What a build leaves behind\n/.anode/\n\n# Secrets belong outside of the repository. Should one stray in here, it stays out of git.\n*.key\n*.secret\nprobe.code\n*.pem\n.env\n";

/// What the founder wants.
pub struct Wishes<'a> {
    /// The site's title.
    pub title: &'a str,
    /// Where the tree will be served.
    pub urls: &'a [String],
    /// Encrypts the signing keys.
    pub password: Option<&'a str>,
    /// Which codes there are.
    pub codes: CodePolicy,
}

/// What was founded.
pub struct Founding {
    /// What a medium trusts first.
    pub root_hash: Sha256,
    /// A profile of the example.
    pub first_profile: String,
    /// An organisation of the example.
    pub organisation: String,
}

/// Writes the repository into a folder that is empty or not there yet, and the secrets into `ring`.
///
/// # Errors
/// If a secret or file is there already, or can not be written. A repository that is incomplete is removed again.
pub fn found(dir: &Path, site: &SiteId, ring: &KeyRing, wishes: &Wishes<'_>, at: Moment) -> Result<Founding> {
    let existed = dir.exists();
    let result = write_repository(dir, site, ring, wishes, at);
    if result.is_err() && !existed {
        // The error is what matters; what is left over can be seen.
        let _ = fs::remove_dir_all(dir);
    }
    result
}

fn write_repository(dir: &Path, site: &SiteId, ring: &KeyRing, wishes: &Wishes<'_>, at: Moment) -> Result<Founding> {
    let mut signers = Vec::new();
    let names = [SecretName::Root(1), SecretName::Root(2), SecretName::Release, SecretName::Timestamp];
    for name in names {
        let label = name.file_name();
        let text = Signer::generate(&format!("anode {label} of {site}"), wishes.password)?;
        ring.create(name, &text)?;
        let password = wishes.password.unwrap_or_default();
        let signer = Signer::read(&text, &mut || Ok(Zeroizing::new(password.to_owned())))?;
        let key = Id::new(label.trim_end_matches(".key"))?;
        let role = label.split(['-', '.']).next().unwrap_or_default();
        let public = public_file(signer.listed(), &made_for(role, &key));
        write(dir, &format!("keys/{key}.pub"), public.as_bytes())?;
        signers.push(signer);
    }
    let [root_1, root_2, release, timestamp] = signers.as_slice() else { bail!("making the keys") };
    let inbox = random::<32>()?;
    ring.create(SecretName::Inbox, &hex(&inbox))?;
    ring.create(SecretName::Seal, &hex(&*random()?))?;
    write(dir, SEAL_SALT, hex(&*random()?).as_bytes())?;

    let roots = [root_1.listed().clone(), root_2.listed().clone()];
    let keys = FirstKeys {
        root: &roots,
        release: release.listed(),
        timestamp: timestamp.listed(),
        inbox: SealKeyPair::derive(&inbox).public,
    };
    let body = first_root(site, wishes.title, &keys, wishes.codes, at)?;
    for signer in [root_1, root_2] {
        let signature = signer.sign(Root::KIND, 1, site, &body)?;
        write(dir, &format!("keys/{}", tree::root_signature(1, signer.listed().id)), &signature)?;
    }
    write(dir, &format!("keys/{}", tree::root(1)), &body)?;
    let root = Root::parse(&body)?;
    write_probe(dir, ring, &root, at)?;

    write(dir, "anode.toml", site_file(site, wishes).as_bytes())?;
    write(dir, ".gitignore", GITIGNORE.as_bytes())?;
    write(dir, WORKFLOW_PATH, WORKFLOW.as_bytes())?;
    let example = builtin::example_files();
    for (path, bytes) in &example {
        write(dir, path, bytes)?;
    }
    let first = |suffix: &str, prefix: &str| {
        let name = example.iter().find_map(|(path, _)| path.strip_suffix(suffix)?.strip_prefix(prefix));
        name.map(str::to_owned).with_context(|| format!("the example has no `{prefix}…{suffix}`"))
    };
    Ok(Founding {
        root_hash: Sha256::of(&body),
        first_profile: first("/profile.toml", "")?,
        organisation: first("/org.toml", "orgs/")?,
    })
}

/// The probe lives for ten years: it opens nothing that anybody could want.
fn write_probe(dir: &Path, ring: &KeyRing, root: &Root, at: Moment) -> Result<()> {
    let code = new_code(root)?;
    ring.create(SecretName::Probe, &code.reveal())?;
    let probe = Id::new("probe")?;
    let kdf = root.policy.kdf.first().context("the root has no key derivation")?;
    let derived = derive(&Secret::Code(code), &root.site, kdf)?;
    let terms = CodeTerms {
        organisation: probe.clone(),
        label: probe.clone(),
        kind: CodeKind::Generated,
        locator: derived.locator,
        public_key: derived.seal.public,
        claim_key: derived.claim_key,
        kdf: kdf.id.clone(),
        profiles: vec![probe],
        not_before: Moment::EPOCH,
        not_after: at.plus(10 * 365 * 86_400),
        uses: None,
        online: false,
        status: Status::Active,
        machines: Vec::new(),
        answers: std::collections::BTreeMap::new(),
        rules: Vec::new(),
    };
    write(dir, PROBE_TERMS, terms.to_toml().as_bytes())
}

/// A new random code, as long as the root's policy says first.
///
/// # Errors
/// If the operating system has no randomness, or the root allows no codes.
pub fn new_code(root: &Root) -> Result<Code> {
    let length = root.policy.code_length.first().and_then(|length| usize::try_from(*length).ok());
    let length = length.context("the root allows no codes")?;
    let mut pool = Zeroizing::new([0; 64]);
    let mut left = 0;
    let mut failure = None;
    let code = Code::generate(length, &mut || {
        if left == 0 {
            match random::<64>() {
                Ok(bytes) => pool.copy_from_slice(bytes.as_slice()),
                // Any byte but one that is drawn again for ever; the code is thrown away below.
                Err(error) => {
                    failure = Some(error);
                    pool.fill(0);
                }
            }
            left = pool.len();
        }
        left -= 1;
        pool[left]
    });
    match failure {
        Some(error) => Err(error),
        None => code.ok_or_else(|| anyhow!("a code has 16 or 20 symbols, not {length}")),
    }
}

fn site_file(site: &SiteId, wishes: &Wishes<'_>) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let urls: Vec<String> = wishes.urls.iter().map(|url| quoted(url)).collect();
    format!(
        "# The site: what is compiled from this repository.\n\n[site]\nid = \"{site}\"\nname = {}\ntitle = {}\n\
         # Where the tree is served. Several are mirrors, asked in this order.\nurls = [{}]\nlanguage = \"en\"\n\n\
         [lifetimes]\nrelease_days = 120\ntimestamp_days = 7\noffline_days = 30\nactivation_days = 365\n\n\
         # The signed root decides; this says what it says.\n[codes]\nlength = [{}]\nphrases = {}\nhardware = {}\n\n\
         # Variables of every profile; profiles and organisations can set their own.\n[variables]\n",
        quoted(wishes.title),
        quoted(wishes.title),
        urls.join(", "),
        wishes.codes.length,
        wishes.codes.phrases,
        wishes.codes.hardware,
    )
}

fn hex(bytes: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(format!("{}\n", Zeroizing::new(HEXLOWER.encode(bytes)).as_str()))
}

fn write(dir: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let path = dir.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("creating `{}`", parent.display()))?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .with_context(|| format!("creating `{}`", path.display()))?;
    std::io::Write::write_all(&mut file, bytes).with_context(|| format!("writing `{}`", path.display()))
}
