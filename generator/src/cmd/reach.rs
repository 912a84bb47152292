//! How a command reaches a tree: in a folder, or at an address with the transport of the medium.

use std::fs;
use std::path::{Path, PathBuf};

use anode_bundle::client::Transport;
use anode_bundle::name::tree;
use anode_fetch::transport::{Credentials, Https, Limits, PlainHttp, Settings};
use anyhow::{Context as _, Result, ensure};

use crate::tree::TreeFolder;

/// Where a built tree lies unless told otherwise, in the repository.
pub(super) const DEFAULT_TREE: &str = ".anode/tree";
/// Where a proposal lies.
pub(super) const DEFAULT_PROPOSAL: &str = ".anode/proposal";

/// Is this an address, and not a folder?
pub(super) fn is_address(tree: &str) -> bool {
    tree.starts_with("https://") || tree.starts_with("http://")
}

/// A folder or an address as a source of bytes.
pub(super) fn open(tree: &str, ca: Option<&Path>) -> Result<(Box<dyn Transport>, String)> {
    if is_address(tree) {
        let transport = https(tree, ca)?;
        return Ok((Box::new(transport), tree.trim_end_matches('/').to_owned()));
    }
    let folder = tree_folder(Path::new(tree));
    ensure!(folder.is_dir(), "`{tree}` is neither a folder nor an address that begins with `https://`");
    Ok((Box::new(TreeFolder::new(&folder)), tree.to_owned()))
}

/// What `publish --to` wrote is found by the name that was given to it.
pub(super) fn tree_folder(folder: &Path) -> PathBuf {
    let current = folder.join("current");
    if current.join(tree::TIMESTAMP).exists() { current } else { folder.to_owned() }
}

/// The transport of the medium, with its limits.
pub(super) fn https(url: &str, ca: Option<&Path>) -> Result<Https> {
    let authorities = match ca {
        Some(file) => vec![fs::read(file).with_context(|| format!("reading `{}`", file.display()))?],
        None => Vec::new(),
    };
    // Plain HTTP is for this machine only; the transport refuses it for every other.
    let plain_http = if url.starts_with("http://") { PlainHttp::OnLoopback } else { PlainHttp::Refused };
    transport(&authorities, None, plain_http)
}

/// The same for whoever has read the files: authorities, and a certificate with its key, all PEM.
pub(super) fn transport(
    authorities: &[Vec<u8>],
    client: Option<(&[u8], &[u8])>,
    plain_http: PlainHttp,
) -> Result<Https> {
    let credentials = Credentials::new(authorities, client)?;
    Ok(Https::new(Settings { credentials, plain_http, limits: Limits::default(), proxy: None }))
}
