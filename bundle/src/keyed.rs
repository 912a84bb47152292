//! The keyed building blocks of format 1: `LP`, `PRF` and HKDF-SHA256 (RFC 5869), each with a label of its own at every use.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

/// 32 secret bytes. Not printable, wiped when dropped.
pub type Key = Zeroizing<[u8; 32]>;

/// Appends `u32be(length of x) ‖ x`.
pub fn lp(to: &mut Vec<u8>, bytes: &[u8]) {
    // No part of the format comes near 4 GiB; a longer one would only collide with itself.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(bytes);
}

/// `LP(a) ‖ LP(b) ‖ …`
#[must_use]
pub fn lps(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        lp(&mut bytes, part);
    }
    bytes
}

/// `PRF(k, a, b…) = HMAC-SHA256(k, LP(a) ‖ LP(b) ‖ …)`
#[must_use]
pub fn prf(key: &Key, parts: &[&[u8]]) -> Key {
    // HMAC takes keys of every length, so this branch is never taken; it must still not panic.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_slice()) else { return Key::default() };
    for part in parts {
        mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// `HKDF-Extract(salt, ikm)`
#[must_use]
pub fn extract(salt: &[u8], ikm: &[u8]) -> Key {
    let (mut prk, _) = Hkdf::<Sha256>::extract(Some(salt), ikm);
    let mut key = Key::default();
    key.copy_from_slice(&prk);
    prk.as_mut_slice().zeroize();
    key
}

/// `HKDF-Expand(prk, info, N)`. More than HKDF can give (8160 bytes) does not compile.
#[must_use]
pub fn expand<const N: usize>(prk: &Key, info: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32) };
    let mut out = Zeroizing::new([0; N]);
    if let Ok(hkdf) = Hkdf::<Sha256>::from_prk(prk.as_slice()) {
        // Fails only for N > 8160.
        let _ = hkdf.expand(info, out.as_mut_slice());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    #[test]
    fn hkdf_gives_the_first_vector_of_rfc_5869() {
        let prk = extract(&HEXLOWER.decode(b"000102030405060708090a0b0c").unwrap(), &[0x0b; 22]);
        assert_eq!(HEXLOWER.encode(&prk[..]), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
        let okm = expand::<42>(&prk, &HEXLOWER.decode(b"f0f1f2f3f4f5f6f7f8f9").unwrap());
        let wanted = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(HEXLOWER.encode(&okm[..]), wanted);
    }

    #[test]
    fn the_prf_separates_its_parts() {
        let key = Key::default();
        assert_eq!(prf(&key, &[b"ab", b"c"]), prf(&key, &[b"ab", b"c"]));
        assert_ne!(prf(&key, &[b"ab", b"c"]), prf(&key, &[b"a", b"bc"]));
        assert_ne!(prf(&key, &[b"abc"]), prf(&key, &[b"abc", b""]));
    }
}
