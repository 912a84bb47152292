//! Who signed a kernel or a boot loader: a running kernel in lockdown loads another one only if it trusts one of the keys that are named in its signature.
//!
//! Read from the PE image (Authenticode: a PKCS #7 `SignedData` in the certificate table). The signature itself is not judged here: the running kernel
//! does that, and what `anode lock` believes of the file comes from the distribution's checksums. What is gained is that a person hears of it before
//! anything is downloaded.

use std::collections::BTreeSet;

use anode_bundle::pack::KernelSignature;
use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::{Decode, Encode, SliceReader};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};

/// `IMAGE_DIRECTORY_ENTRY_SECURITY` (PE/COFF specification, section "Optional Header Data Directories").
const CERTIFICATE_TABLE: usize = 4;
const PE32_PLUS: u16 = 0x20b;
/// `WIN_CERT_TYPE_PKCS_SIGNED_DATA`
const SIGNED_DATA: u16 = 2;

/// What a PE image says of its signature; `None` for every other file. An image without one, or with one that can not be read, names no key: no
/// kernel in lockdown would take it. Of several, it is the first: that kernel looks at no other.
pub(super) fn of(image: &[u8]) -> Option<KernelSignature> {
    let first = certificates(image)?.next().and_then(signed_data);
    Some(first.unwrap_or(KernelSignature { by: String::new(), keys: Vec::new() }))
}

/// The keys of all signatures of a PE image: a firmware tries one after the other. `None` for every other file.
pub(super) fn keys(image: &[u8]) -> Option<BTreeSet<String>> {
    Some(certificates(image)?.filter_map(signed_data).flat_map(|signed| signed.keys).collect())
}

/// Offset and size of the certificate table; `Some(None)`: a PE image without one.
fn security_directory(image: &[u8]) -> Option<Option<(usize, usize)>> {
    if !image.starts_with(b"MZ") {
        return None;
    }
    let header = number(image, 0x3c, 4)?;
    if image.get(header..header.checked_add(4)?)? != b"PE\0\0" {
        return None;
    }
    let optional = header + 24;
    let directories = if number(image, optional, 2)? == usize::from(PE32_PLUS) { 112 } else { 96 };
    let count = number(image, optional + directories - 4, 4)?;
    let entry = optional + directories + CERTIFICATE_TABLE * 8;
    let (at, size) = (number(image, entry, 4)?, number(image, entry + 4, 4)?);
    Some((count > CERTIFICATE_TABLE && size > 0).then_some((at, size)))
}

/// What the entries of the certificate table hold, until one that is none.
fn certificates(image: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let table = security_directory(image)?.and_then(|(at, size)| image.get(at..at.checked_add(size)?));
    let mut rest = table.unwrap_or_default();
    Some(std::iter::from_fn(move || {
        let length = number(rest, 0, 4)?;
        let is_signed_data = number(rest, 6, 2)? == usize::from(SIGNED_DATA);
        let entry = rest.get(8..length)?;
        // Each begins at a multiple of eight.
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or_default();
        Some(if is_signed_data { entry } else { &[] })
    }))
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

fn signed_data(bytes: &[u8]) -> Option<KernelSignature> {
    // What is behind it is padding.
    let content = ContentInfo::decode(&mut SliceReader::new(bytes).ok()?).ok()?;
    let signed = SignedData::from_der(&content.content.to_der().ok()?).ok()?;
    let certificates = signed.certificates.iter().flat_map(|set| set.0.iter()).filter_map(|choice| match choice {
        CertificateChoices::Certificate(certificate) => Some(certificate),
        CertificateChoices::Other(_) => None,
    });
    let (mut by, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for certificate in certificates {
        by.insert(common_name(certificate));
        keys.extend(key_ids(certificate));
    }
    let by: Vec<String> = by.into_iter().collect();
    Some(KernelSignature { by: by.join(", "), keys: keys.into_iter().collect() })
}

/// The issuer's common name, or all of its name.
fn common_name(certificate: &Certificate) -> String {
    let name = certificate.tbs_certificate.issuer.to_string();
    let part = name.split(',').find_map(|part| part.trim().strip_prefix("CN="));
    anode_bundle::display::line(part.unwrap_or(&name), 120)
}

/// The certificate's own key and its issuer's, as running kernels name them: in hex.
fn key_ids(certificate: &Certificate) -> Vec<String> {
    let tbs = &certificate.tbs_certificate;
    let own = tbs.get::<SubjectKeyIdentifier>().ok().flatten().map(|(_, id)| id.0);
    let issuer = tbs.get::<AuthorityKeyIdentifier>().ok().flatten().and_then(|(_, id)| id.key_identifier);
    let hex = |id: &[u8]| data_encoding::HEXLOWER.encode(id);
    own.into_iter().chain(issuer).map(|id| hex(id.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PE header whose certificate table holds `table`.
    fn image(table: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 512];
        image[..2].copy_from_slice(b"MZ");
        image[0x3c] = 64;
        image[64..68].copy_from_slice(b"PE\0\0");
        image[88..90].copy_from_slice(&PE32_PLUS.to_le_bytes());
        image[196] = 16;
        let entry = 88 + 112 + 32;
        image[entry..entry + 4].copy_from_slice(&512_u32.to_le_bytes());
        image[entry + 4..entry + 8].copy_from_slice(&u32::try_from(table.len()).unwrap().to_le_bytes());
        image.extend_from_slice(table);
        image
    }

    #[test]
    fn every_entry_of_the_table_is_seen_and_a_broken_length_ends_it() {
        let entry = |length: u32, kind: u16, content: &[u8]| {
            let mut entry = [length.to_le_bytes().as_slice(), &0x200_u16.to_le_bytes(), &kind.to_le_bytes()].concat();
            entry.extend_from_slice(content);
            entry.resize(entry.len().next_multiple_of(8), 0);
            entry
        };
        let table = [entry(11, 2, b"one"), entry(11, 1, b"two"), entry(13, 2, b"three")].concat();
        let seen = |table: &[u8]| certificates(&image(table)).unwrap().map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(seen(&table), [b"one".as_slice(), b"", b"three"]);
        assert_eq!(seen(&[entry(11, 2, b"one"), entry(400, 2, b"two")].concat()), [b"one"]);
        assert_eq!(seen(&[entry(7, 2, b"one"), entry(11, 2, b"two")].concat()), [b""; 0]);
        assert_eq!(seen(&entry(u32::MAX, 2, b"one")), [b""; 0]);
        assert_eq!(keys(&image(&table)), Some(BTreeSet::new()));
        assert_eq!(keys(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn only_an_image_has_signers_and_one_without_a_readable_signature_has_none() {
        assert_eq!(of(b"#!/bin/sh\n"), None);
        assert_eq!(of(b"MZ"), None);
        let none = Some(KernelSignature { by: String::new(), keys: Vec::new() });
        assert_eq!(of(&image(b"")), none);
        assert_eq!(of(&image(&[0x10, 0, 0, 0, 0, 2, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8])), none);
        assert_eq!(of(&image(&[0xFF; 16])), none);
    }
}
