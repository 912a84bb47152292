//! From a code to its locator and keys: Argon2id (RFC 9106), then HKDF (format, section 5).

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::code::Secret;
use crate::error::Refusal;
use crate::keyed::{Key, expand, lps};
use crate::name::{Id, Locator, Sha256, SiteId};
use crate::seal::SealKeyPair;

/// One entry of the root's `policy.kdf`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KdfPolicy {
    /// The entry's name, which the terms of a code refer to.
    pub id: Id,
    /// `argon2id`.
    pub alg: String,
    /// Memory in KiB: 65,536 to 262,144.
    pub m: u64,
    /// Passes: 3 to 8.
    pub t: u64,
    /// Lanes: 1.
    pub p: u64,
    /// Part of the salt; a new epoch makes every guess of an attacker's table worthless.
    pub epoch: u64,
}

/// A floor against a publisher who weakens codes, and a ceiling against one who stops machines.
const MEMORY: std::ops::RangeInclusive<u64> = 65_536..=262_144;
const PASSES: std::ops::RangeInclusive<u64> = 3..=8;
const WORK_LIMIT: u64 = 1 << 20; // m · t ≤ 1 GiB, in KiB

impl KdfPolicy {
    /// The entry that `anode init` writes: 64 MiB, three passes.
    #[must_use]
    pub fn standard(id: Id) -> KdfPolicy {
        KdfPolicy { id, alg: "argon2id".to_owned(), m: 65_536, t: 3, p: 1, epoch: 0 }
    }

    /// Is it one that a reader of format 1 takes (format, section 5)? Memory `m` in KiB.
    ///
    /// # Errors
    /// [`Refusal::TooNew`] for an algorithm or cost outside what format 1 accepts.
    pub fn check(&self) -> Result<(), Refusal> {
        let fits = self.alg == "argon2id"
            && MEMORY.contains(&self.m)
            && PASSES.contains(&self.t)
            && self.p == 1
            && self.m * self.t <= WORK_LIMIT
            && u32::try_from(self.epoch).is_ok();
        if fits { Ok(()) } else { Err(Refusal::too_new("the root", format!("the key derivation `{}`", self.id))) }
    }
}

/// What a code derives.
pub struct Derived {
    /// What it looks up.
    pub locator: Locator,
    /// What unseals its activation.
    pub seal: SealKeyPair,
    /// Proves to the operator that a report comes from somebody who had the code.
    pub claim_key: Key,
}

/// Derives locator and keys. Takes about a tenth of a second and 64 MiB at standard cost.
///
/// # Errors
/// [`Refusal::TooNew`] if `kdf` is outside what format 1 accepts.
pub fn derive(secret: &Secret, site: &SiteId, kdf: &KdfPolicy) -> Result<Derived, Refusal> {
    let prk = stretch(secret, site, kdf)?;
    let seal = SealKeyPair::derive(&expand(&prk, b"anode/1 seal"));
    Ok(Derived { locator: Locator(*expand(&prk, b"anode/1 locator")), seal, claim_key: expand(&prk, b"anode/1 claim") })
}

fn stretch(secret: &Secret, site: &SiteId, kdf: &KdfPolicy) -> Result<Key, Refusal> {
    kdf.check()?;
    let refused = || Refusal::too_new("the root", format!("the key derivation `{}`", kdf.id));
    let epoch = u32::try_from(kdf.epoch).map_err(|_| refused())?;
    let cost = |value: u64| u32::try_from(value).map_err(|_| refused());
    let params = Params::new(cost(kdf.m)?, cost(kdf.t)?, cost(kdf.p)?, Some(32)).map_err(|_| refused())?;
    let mut salt = lps(&[b"anode/1 salt", site.as_str().as_bytes()]);
    salt.extend_from_slice(&epoch.to_be_bytes());
    let salt = Sha256::of(&salt);
    let mut prk = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(&secret.password(), salt.as_bytes(), prk.as_mut_slice())
        .map_err(|_| refused())?;
    Ok(prk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(change: impl FnOnce(&mut KdfPolicy)) -> KdfPolicy {
        let mut policy = KdfPolicy::standard(Id::new("a").unwrap());
        change(&mut policy);
        policy
    }

    #[test]
    fn costs_outside_floor_and_ceiling_are_too_new() {
        assert_eq!(policy(|_| ()).check(), Ok(()));
        assert_eq!(policy(|p| (p.m, p.t) = (262_144, 4)).check(), Ok(()));
        assert_eq!(policy(|p| (p.m, p.t) = (131_072, 8)).check(), Ok(()));
        for bad in [
            policy(|p| p.m = 65_535),
            policy(|p| p.m = 262_145),
            policy(|p| p.t = 2),
            policy(|p| p.t = 9),
            policy(|p| p.p = 2),
            policy(|p| p.p = 0),
            policy(|p| (p.m, p.t) = (262_144, 5)),
            policy(|p| p.alg = "argon2i".to_owned()),
            policy(|p| p.epoch = 1 << 32),
        ] {
            assert!(matches!(bad.check(), Err(Refusal::TooNew { .. })), "{bad:?}");
        }
    }
}
