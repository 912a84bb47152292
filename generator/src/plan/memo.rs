//! What earlier builds sealed, so that an unchanged input is not sealed again. Sealing is deterministic, so this saves time and changes nothing.
//!
//! The file is authenticated with a key that only the site has: a wrong entry would publish an activation that does not open.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use anode_bundle::keyed::{Key, prf};
use anode_bundle::name::{Sha256, tree};
use anode_bundle::seal::SealRoot;
use anyhow::{Context as _, Result};
use rayon::prelude::*;

const MAGIC: &[u8; 8] = b"anodemm1";
const ENTRY: usize = 32 + 32 + 4;

/// An object's hash and length.
pub type Sealed = (Sha256, u32);

/// Inputs, as 32 bytes, to the objects that they were sealed to.
pub struct Memo {
    key: Key,
    known: HashMap<[u8; 32], Sealed>,
    used: Mutex<Vec<([u8; 32], Sealed)>>,
}

impl Memo {
    /// A memory that knows nothing yet.
    #[must_use]
    pub fn empty(seal: &SealRoot) -> Memo {
        Memo { key: seal.bookkeeping("memo"), known: HashMap::new(), used: Mutex::new(Vec::new()) }
    }

    /// Reads what the last build wrote. Entries whose object is not in `tree` are forgotten, and so is a file that is not authentic.
    #[must_use]
    pub fn read(seal: &SealRoot, file: &Path, tree: &Path) -> Memo {
        let mut memo = Memo::empty(seal);
        let Ok(bytes) = fs::read(file) else { return memo };
        let Some(entries) = memo.authentic(&bytes) else { return memo };
        let known = entries.par_chunks_exact(ENTRY).filter_map(|entry| {
            let (input, rest) = entry.split_first_chunk::<32>()?;
            let (hash, rest) = rest.split_first_chunk::<32>()?;
            let length = u32::from_be_bytes(*rest.first_chunk::<4>()?);
            let hash = Sha256(*hash);
            let there =
                fs::metadata(tree.join(tree::object(&hash))).is_ok_and(|found| found.len() == u64::from(length));
            there.then_some((*input, (hash, length)))
        });
        memo.known = known.collect();
        memo
    }

    fn authentic<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (tag, entries) = rest.split_first_chunk::<32>()?;
        (prf(&self.key, &[entries]).as_slice() == tag).then_some(entries)
    }

    /// The object of these inputs: known, or sealed now. `None` in the second place means that the previous tree has the bytes.
    ///
    /// # Errors
    /// What `seal` says.
    pub fn sealed(
        &self,
        inputs: &[&[u8]],
        seal: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<(Sealed, Option<Vec<u8>>)> {
        let input = *prf(&self.key, inputs);
        let result = match self.known.get(&input) {
            Some(sealed) => (*sealed, None),
            None => {
                let object = seal()?;
                let length = u32::try_from(object.len()).context("an object is larger than 4 GiB")?;
                ((Sha256::of(&object), length), Some(object))
            }
        };
        self.used.lock().map_err(|_| anyhow::anyhow!("another thread failed"))?.push((input, result.0));
        Ok(result)
    }

    /// Writes what this build used.
    ///
    /// # Errors
    /// If the folder can not be written. The next build is then slower, and not wrong.
    pub fn write(&self, file: &Path) -> Result<()> {
        let mut used = self.used.lock().map_err(|_| anyhow::anyhow!("another thread failed"))?.clone();
        used.sort_unstable_by_key(|(input, _)| *input);
        let mut entries = Vec::with_capacity(used.len() * ENTRY);
        for (input, (hash, length)) in used {
            entries.extend_from_slice(&input);
            entries.extend_from_slice(hash.as_bytes());
            entries.extend_from_slice(&length.to_be_bytes());
        }
        let tag = prf(&self.key, &[&entries]);
        let bytes = [&MAGIC[..], tag.as_slice(), &entries].concat();
        let folder = file.parent().context("the memo needs a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("creating `{}`", folder.display()))?;
        let temporary = tempfile::NamedTempFile::new_in(folder)?;
        fs::write(temporary.path(), bytes).with_context(|| format!("writing `{}`", file.display()))?;
        temporary.persist(file).with_context(|| format!("writing `{}`", file.display()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal_root(secret: u8) -> SealRoot {
        SealRoot::new(&[1; 32], &anode_bundle::keyed::Key::new([secret; 32]))
    }

    #[test]
    fn what_was_sealed_is_not_sealed_again_as_long_as_its_object_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("memo");
        let memo = Memo::empty(&seal_root(2));
        let ((hash, _), object) = memo.sealed(&[b"a"], || Ok(b"sealed".to_vec())).unwrap();
        memo.write(&file).unwrap();
        let place = dir.path().join(tree::object(&hash));
        let sealed_again = || {
            let memo = Memo::read(&seal_root(2), &file, dir.path());
            memo.sealed(&[b"a"], || Ok(b"sealed".to_vec())).unwrap().1.is_some()
        };
        assert!(sealed_again());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, object.unwrap()).unwrap();
        assert!(!sealed_again());
    }

    #[test]
    fn a_changed_or_foreign_file_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("memo");
        let memo = Memo::empty(&seal_root(2));
        memo.sealed(&[b"a"], || Ok(b"sealed".to_vec())).unwrap();
        memo.write(&file).unwrap();
        let bytes = fs::read(&file).unwrap();
        assert!(Memo::empty(&seal_root(2)).authentic(&bytes).is_some());
        assert!(Memo::empty(&seal_root(3)).authentic(&bytes).is_none());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Memo::empty(&seal_root(2)).authentic(&changed).is_none(), "byte {at}");
        }
    }
}
