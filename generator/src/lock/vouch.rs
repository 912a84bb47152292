//! Who vouches for a file: the lists of hashes that its distribution publishes, verified back to a signature where there is one.
//!
//! There are three answers. A list or the file itself is signed by a key of the keyring that the definition names: verified. There is no signature, or no
//! keyring on this machine: unsigned, with the reason, and what comes is trusted because it came first. A signature or a hash that is *wrong* is neither:
//! it is an error, and nothing is pinned.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use anode_bundle::name::Sha256;

use super::download::{Client, Failed};
use super::lists;
use super::openpgp::{Keyring, Refused};
use crate::diagnose::Problem;
use crate::render::Vouching;
use crate::repository::{FILE, INLINE};

/// What is known of a file before it is there.
#[derive(Debug, Clone)]
pub enum Claim {
    /// A list has its hash.
    Listed {
        /// The hash.
        sha256: Sha256,
        /// The list.
        list: String,
        /// Who signed it, or why nobody did.
        signer: Signer,
    },
    /// The file itself is signed.
    Signed(FileSignature),
    /// Nobody says anything about it.
    Nobody(String),
}

/// Whose word a list is.
#[derive(Debug, Clone)]
pub enum Signer {
    /// The signature and its key, for `anode.lock`.
    Known(String),
    /// Nobody's, and why.
    Nobody(String),
}

/// A signature of a file, not verified yet.
#[derive(Debug, Clone)]
pub struct FileSignature {
    address: String,
    bytes: Vec<u8>,
    vouching: Vouching,
}

/// The last list of a chain, and whose word it is.
#[derive(Debug, Clone)]
struct Chain {
    text: String,
    signer: Signer,
}

type Chains = BTreeMap<(Vec<String>, Option<String>, Option<String>), Result<Result<Chain, String>, Box<Problem>>>;

/// Asks distributions; each list once in a run.
pub struct Voucher<'a> {
    client: &'a Client,
    /// The repository, which may have keyrings of its own.
    repository: &'a Path,
    chains: RefCell<Chains>,
}

impl<'a> Voucher<'a> {
    /// Nothing was asked yet.
    #[must_use]
    pub fn new(client: &'a Client, repository: &'a Path) -> Voucher<'a> {
        Voucher { client, repository, chains: RefCell::default() }
    }

    /// What is known of the file at `url`.
    ///
    /// # Errors
    /// If a signature or a hash is wrong, a list can not be had, or `gpgv` is missing.
    pub fn claim(&self, url: &str, checksums: &[Vouching]) -> Result<Claim, Box<Problem>> {
        let mut reasons = Vec::new();
        let mut unsigned = None;
        for vouching in checksums.iter().filter(|vouching| covers(vouching, url)) {
            let Some(last) = vouching.lists.last() else {
                match self.file_signature(url, vouching)? {
                    Ok(signature) => return Ok(Claim::Signed(signature)),
                    Err(reason) => reasons.push(reason),
                }
                continue;
            };
            let chain = match self.chain(vouching)? {
                Ok(chain) => chain,
                Err(reason) => {
                    reasons.push(reason);
                    continue;
                }
            };
            let found = lists::find(&chain.text, relative(last, url), url);
            let found = found.map_err(|problem| wrong(vouching, format!("`{last}` {problem}")))?;
            match (found, chain.signer) {
                (None, _) => reasons.push(format!("`{last}` does not name it")),
                (Some(sha256), signer @ Signer::Known(_)) => {
                    return Ok(Claim::Listed { sha256, list: last.clone(), signer });
                }
                (Some(sha256), signer) => {
                    unsigned.get_or_insert(Claim::Listed { sha256, list: last.clone(), signer });
                }
            }
        }
        if reasons.is_empty() {
            reasons.push("the definition names no signed checksums for it".to_owned());
        }
        Ok(unsigned.unwrap_or_else(|| Claim::Nobody(reasons.join("; "))))
    }

    /// Verifies the signature of a file that came; what `anode.lock` says of it, or why nobody can tell.
    ///
    /// # Errors
    /// If it is wrong.
    pub fn verify(&self, signature: &FileSignature, file: &Path) -> Result<Signer, Box<Problem>> {
        let FileSignature { address, bytes, vouching } = signature;
        let keyring = match self.keyring(vouching)? {
            Ok(keyring) => keyring,
            Err(reason) => return Ok(Signer::Nobody(reason)),
        };
        let judged = keyring.detached(bytes, file).map_err(|error| failed(vouching, &error))?;
        judged.map(|key| known(address, &keyring, &key)).map_err(|refused| refuse(vouching, address, &keyring, refused))
    }

    fn file_signature(&self, url: &str, vouching: &Vouching) -> Result<Result<FileSignature, String>, Box<Problem>> {
        let Some(template) = &vouching.signature else { return Ok(Err("nobody signs it".to_owned())) };
        let address = template.replace(FILE, url);
        Ok(self.text(&address, vouching)?.map(|bytes| FileSignature { address, bytes, vouching: vouching.clone() }))
    }

    /// Follows the lists of one `[[checksums]]`; the inner error is why they say nothing.
    fn chain(&self, vouching: &Vouching) -> Result<Result<Chain, String>, Box<Problem>> {
        let key = (vouching.lists.clone(), vouching.signature.clone(), vouching.keyring.clone());
        if let Some(known) = self.chains.borrow().get(&key) {
            return known.clone();
        }
        let chain = self.follow(vouching);
        self.chains.borrow_mut().insert(key, chain.clone());
        chain
    }

    fn follow(&self, vouching: &Vouching) -> Result<Result<Chain, String>, Box<Problem>> {
        let mut lists = vouching.lists.iter();
        let Some(first) = lists.next() else { return Ok(Err("there is no list".to_owned())) };
        let bytes = match self.text(first, vouching)? {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(Err(reason)),
        };
        let (mut bytes, signer) = self.signer(first, bytes, vouching)?;
        let mut before = first;
        for list in lists {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let wanted = lists::find(&text, relative(before, list), list);
            let wanted = wanted.map_err(|problem| wrong(vouching, format!("`{before}` {problem}")))?;
            let Some(wanted) = wanted else { return Ok(Err(format!("`{before}` does not name `{list}`"))) };
            bytes = match self.text(list, vouching)? {
                Ok(bytes) => bytes,
                Err(reason) => return Ok(Err(reason)),
            };
            let found = Sha256::of(&bytes);
            if found != wanted {
                let message = format!("`{list}` has the hash {found}, and `{before}` says {wanted}");
                return Err(wrong(vouching, message));
            }
            before = list;
        }
        Ok(Ok(Chain { text: String::from_utf8_lossy(&bytes).into_owned(), signer }))
    }

    /// Who signed a list, and the text that was signed.
    fn signer(&self, list: &str, bytes: Vec<u8>, vouching: &Vouching) -> Result<(Vec<u8>, Signer), Box<Problem>> {
        let Some(signature) = &vouching.signature else {
            return Ok((bytes, Signer::Nobody(format!("nobody signs `{list}`"))));
        };
        let keyring = match self.keyring(vouching)? {
            Ok(keyring) => keyring,
            Err(reason) => return Ok((bytes, Signer::Nobody(reason))),
        };
        if signature == INLINE {
            let judged = keyring.inline(&bytes).map_err(|error| failed(vouching, &error))?;
            let (key, inside) = judged.map_err(|refused| refuse(vouching, list, &keyring, refused))?;
            return Ok((inside, known(list, &keyring, &key)));
        }
        let signed = match self.text(signature, vouching)? {
            Ok(signed) => signed,
            Err(reason) => return Ok((bytes, Signer::Nobody(reason))),
        };
        let here =
            |error: std::io::Error| failed(vouching, &anyhow::Error::new(error).context("writing a temporary file"));
        let mut file = tempfile::NamedTempFile::new().map_err(here)?;
        std::io::Write::write_all(&mut file, &bytes).map_err(here)?;
        let judged = keyring.detached(&signed, file.path()).map_err(|error| failed(vouching, &error))?;
        let key = judged.map_err(|refused| refuse(vouching, signature, &keyring, refused))?;
        Ok((bytes, known(signature, &keyring, &key)))
    }

    fn keyring(&self, vouching: &Vouching) -> Result<Result<Keyring, String>, Box<Problem>> {
        let name = vouching.keyring.as_deref().unwrap_or_default();
        let found = Keyring::find(self.repository, name).map_err(|error| failed(vouching, &error))?;
        Ok(found.ok_or_else(|| {
            let package =
                vouching.package.as_ref().map(|package| format!("install `{package}`, or ")).unwrap_or_default();
            format!("the keyring `{name}` is not on this machine: {package}put it at `{}/{name}.gpg`", super::VENDORS)
        }))
    }

    /// A list or a signature; the inner error: there is none.
    fn text(&self, url: &str, vouching: &Vouching) -> Result<Result<Vec<u8>, String>, Box<Problem>> {
        match self.client.text(url) {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(Failed::Absent(why)) => Ok(Err(why)),
            Err(other) => {
                let problem = Problem::at(&vouching.origin, other.to_string());
                Err(problem
                    .label("what its publisher says of the files can not be had")
                    .help("try again, or set another mirror")
                    .into())
            }
        }
    }
}

/// The folder of an address, with `/` at its end.
fn folder(url: &str) -> &str {
    url.rfind('/').and_then(|end| url.get(..=end)).unwrap_or(url)
}

/// The name of `url` in a list that lies beside it or above it.
fn relative<'u>(list: &str, url: &'u str) -> Option<&'u str> {
    url.strip_prefix(folder(list))
}

fn covers(vouching: &Vouching, url: &str) -> bool {
    match (&vouching.covers, vouching.lists.last()) {
        (Some(beginning), _) => url.starts_with(beginning.as_str()),
        (None, Some(list)) => relative(list, url).is_some(),
        (None, None) => false,
    }
}

fn known(signature: &str, keyring: &Keyring, key: &str) -> Signer {
    let name = signature.rsplit('/').next().unwrap_or(signature);
    Signer::Known(format!("{name} of {}, key {key}", keyring.name()))
}

/// What to do about a hash or signature that is wrong.
pub(super) const TAMPERED: &str = "nothing was pinned: the mirror is being changed right now, or somebody tampers with \
    it; try again later, or set another mirror";

fn wrong(vouching: &Vouching, message: String) -> Box<Problem> {
    Problem::at(&vouching.origin, message).help(TAMPERED).into()
}

fn refuse(vouching: &Vouching, signature: &str, keyring: &Keyring, refused: Refused) -> Box<Problem> {
    let name = keyring.name();
    match refused {
        Refused::NoProgram => {
            let problem = Problem::at(
                &vouching.origin,
                format!("`gpgv` is missing, and `{signature}` is a signature that counts"),
            );
            problem.help("install `gpgv`").into()
        }
        Refused::UnknownKey(keys) => {
            let message = format!("`{signature}` is by {keys}, which the keyring `{name}` does not have");
            let package =
                vouching.package.as_ref().map(|package| format!("a newer `{package}`, or ")).unwrap_or_default();
            let problem = Problem::at(&vouching.origin, message);
            let place = format!("put a keyring at `{}/{name}.gpg`", super::VENDORS);
            problem.help(format!("nothing was pinned: if the distribution has a new key, take {package}{place}")).into()
        }
        Refused::Wrong(why) => wrong(vouching, format!("the signature `{signature}` is wrong: {why}")),
    }
}

fn failed(vouching: &Vouching, error: &anyhow::Error) -> Box<Problem> {
    Problem::at(&vouching.origin, format!("{error:#}")).help("check the temporary folder and the keyring").into()
}
