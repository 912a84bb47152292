//! A tree on disk, served to the medium's own code as if it were a mirror.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anode_bundle::client::{FetchError, Request, Transport};

/// The files of a tree. Whatever `base` a request names, the answer comes from the folder.
pub struct TreeFolder(PathBuf);

impl TreeFolder {
    /// A tree in `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> TreeFolder {
        TreeFolder(folder.to_owned())
    }
}

impl Transport for TreeFolder {
    fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
        let path = self.0.join(request.path);
        answer(File::open(&path), &path, request)
    }
}

/// What a mirror would answer that has this file, or does not have it.
///
/// # Errors
/// If it is missing, can not be read, or is longer than the request allows.
pub fn answer(opened: io::Result<File>, path: &Path, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FetchError::Absent(format!("`{}` is missing", path.display())),
        _ => FetchError::Unreachable(format!("reading `{}`: {error}", path.display())),
    };
    let mut bytes = Vec::new();
    opened.and_then(|file| file.take(request.limit + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > request.limit {
        return Err(FetchError::TooLong { path: request.path.to_owned(), limit: request.limit });
    }
    Ok(bytes)
}
