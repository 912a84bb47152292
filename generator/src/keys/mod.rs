//! Secrets and what they make: signing keys, the seal secret, the root chain. No secret is ever written into the repository or the tree.

mod chain;
mod making;
mod proposal;
mod public;
mod ring;
mod root_files;
mod signer;
mod source;
mod ssh;

pub use chain::RootChain;
pub use making::{NewKey, check_free, import, made_for};
pub use proposal::{Missing, Proposal};
pub use public::{NamedKey, PublicKeys, key_line, parse_public, public_file};
pub use ring::{KeyRing, SecretName};
pub use signer::Signer;
pub use source::{GivenName, GivenSecret, SecretSource, read_file as read_secret_file, read_variable};
pub use ssh::SshKey;

use anyhow::Result;
use zeroize::Zeroizing;

/// `N` bytes from the operating system.
///
/// # Errors
/// If the operating system has no randomness to give.
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| anyhow::anyhow!("drawing random bytes: {error}"))?;
    Ok(bytes)
}
