//! Passwords become crypt hashes before they touch a file.
//!
//! SHA-512 crypt, because every installer and every `libcrypt` that we hand over to reads it (`$y$` is newer than some of them). The crate's own default
//! salt is longer than the 16 characters that `libcrypt` looks at, so its hashes never fit a log-in; ours is 12 bytes, which are 16 characters.

use sha_crypt::Params;
use zeroize::Zeroizing;

/// The digits of crypt's own base 64.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The order in which the format writes the digest's bytes, three to a group of four digits.
const ORDER: [usize; 64] = [
    42, 21, 0, 1, 43, 22, 23, 2, 44, 45, 24, 3, 4, 46, 25, 26, 5, 47, 48, 27, 6, 7, 49, 28, 29, 8, 50, 51, 30, 9, 10,
    52, 31, 32, 11, 53, 54, 33, 12, 13, 55, 34, 35, 14, 56, 57, 36, 15, 16, 58, 37, 38, 17, 59, 60, 39, 18, 19, 61, 40,
    41, 20, 62, 63,
];

/// `$6$<salt>$<digest>` with the default of 5,000 rounds.
#[must_use]
pub fn sha512(password: &str, salt: &[u8; 12]) -> Zeroizing<String> {
    let salt = encode(salt);
    let digest = Zeroizing::new(sha_crypt::sha512_crypt(password.as_bytes(), salt.as_bytes(), Params::RECOMMENDED));
    let ordered: Zeroizing<Vec<u8>> =
        Zeroizing::new(ORDER.iter().filter_map(|place| digest.get(*place).copied()).collect());
    Zeroizing::new(format!("$6${}${}", *salt, *encode(&ordered)))
}

/// Six bits a digit, the lowest first, in groups of three bytes.
fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 4 / 3 + 4));
    for group in bytes.chunks(3) {
        let mut bits = group.iter().rev().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for _ in 0..=group.len() {
            let digit = DIGITS.get(bits as usize & 63).copied().unwrap_or(b'.');
            text.push(char::from(digit));
            bits >>= 6;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_salt_is_sixteen_characters_that_libcrypt_takes() {
        for byte in 0..=255 {
            let hash = sha512("secret", &[byte; 12]);
            let salt = hash.split('$').nth(2).unwrap();
            assert_eq!(salt.len(), 16);
            assert!(salt.bytes().all(|b| DIGITS.contains(&b)), "{salt}");
            assert_eq!(hash.split('$').nth(3).unwrap().len(), 86);
        }
    }

    #[test]
    fn hashes_are_those_of_openssl() {
        let long = "p".repeat(200);
        for (number, password) in ["secret", "Grüße, Jürgen!", "a", "x y'\"$\\", &long].into_iter().enumerate() {
            let ours = sha512(password, &[number as u8 * 37; 12]);
            let salt = ours.split('$').nth(2).unwrap();
            let Ok(theirs) = Command::new("openssl").args(["passwd", "-6", "-salt", salt, password]).output() else {
                return;
            };
            assert_eq!(String::from_utf8(theirs.stdout).unwrap().trim_end(), ours.as_str(), "{password}");
        }
    }

    #[test]
    fn a_vector_from_libcrypt_holds() {
        assert_eq!(sha512("secret", b"twelve bytes").as_str(), KNOWN);
    }

    const KNOWN: &str =
        "$6$oRLNgNLNU6KSoJqQ$PPfbayuP7krzGlqCAtWr8GKdoFtRQk1hlmUAjgqtGx6dY5MjE0ySuNA0pWN.MB8h3wOWsPJ9X2i4/tX92VBNs1";
}
