use std::io::Write as _;

use data_encoding::{BASE64, BASE64_MIME, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

use super::*;

const SECRET: [u8; 32] = [
    0xF0, 0x3E, 0xFB, 0x00, 0x7F, 0x25, 0xFF, 0xBE, 0xEF, 0x11, 0x2B, 0x2F, 0x80, 0x0A, 0x0D, 0x20, 0x41, 0x42, 0x43,
    0x3A, 0xFA, 0xFC, 0xDE, 0xAD, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
];

fn search() -> Search {
    let other = Canary::new("the other", Home::Owner, b"0123-4567-89AB-CDER").unwrap();
    Search::new(vec![Canary::new("the secret", Home::Owner, &SECRET).unwrap(), other])
}

fn found(bytes: &[u8]) -> Vec<(String, &'static str, Place)> {
    let scan = Scan::of_reader("file", bytes, &search()).unwrap();
    assert_eq!((scan.files, scan.bytes), (1, bytes.len() as u64));
    scan.findings.into_iter().map(|finding| (finding.secret, finding.form, finding.place)).collect()
}

fn gzip(bytes: &[u8], flags: u8) -> Vec<u8> {
    let mut file = vec![0x1F, 0x8B, 8, flags, 0, 0, 0, 0, 0, 3];
    if flags & 4 != 0 {
        file.extend(b"\x03\0abc");
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            file.extend(b"name\0");
        }
    }
    if flags & 2 != 0 {
        file.extend(b"xx");
    }
    file.extend(compress_to_vec(bytes, 6));
    file.extend([0; 8]);
    file
}

fn percent(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect()
}

/// Ways to write a secret with something before and behind it.
fn writings(before: &[u8], after: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let whole = [before, &SECRET, after].concat();
    let beside = |text: &[u8]| [before, text, after].concat();
    let backwards: Vec<u8> = SECRET.iter().rev().copied().collect();
    let colons: Vec<String> = SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        ("as it is", whole.clone()),
        ("backwards", beside(&backwards)),
        ("in hexadecimal", HEXLOWER.encode(&whole).into_bytes()),
        ("in hexadecimal", HEXUPPER.encode(&whole).into_bytes()),
        ("in hexadecimal", beside(colons.join(":").as_bytes())),
        ("in base64", BASE64.encode(&whole).into_bytes()),
        ("in base64", BASE64URL_NOPAD.encode(&whole).into_bytes()),
        ("in base64", BASE64_MIME.encode(&[&[7; 40][..], &whole].concat()).into_bytes()),
        ("URL-encoded", percent(&whole)),
        ("in URL-encoded base64", BASE64.encode(&whole).replace('+', "%2B").replace('/', "%2F").into_bytes()),
    ]
}

#[test]
fn a_secret_is_found_in_every_form_at_every_alignment() {
    for before in 0..9 {
        for after in [0, 1, 2, 5] {
            for (form, text) in writings(&vec![b'a'; before], &vec![b'z'; after]) {
                let found = found(&text);
                assert!(
                    found.contains(&("the secret".into(), form, Place::Bytes)),
                    "{form} {before} {after}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn a_secret_is_found_in_compressed_streams_anywhere_in_a_file() {
    for (form, text) in writings(b"before ", b" behind") {
        let wanted = [("the secret".to_owned(), form, Place::Compressed)];
        let zlib = compress_to_vec_zlib(&text, 9);
        let twice = gzip(&gzip(&text, 0), 8);
        let cut = {
            let whole = gzip(&text, 0);
            whole[..whole.len() - 9].to_vec()
        };
        for stream in [gzip(&text, 0), gzip(&text, 4 | 8 | 16 | 2), zlib, twice, cut] {
            for file in [stream.clone(), [b"header", &stream[..], b"trailer"].concat()] {
                let found = found(&file);
                assert!(wanted.iter().all(|wanted| found.contains(wanted)), "{form}: {found:?}");
            }
        }
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    assert_eq!(found(b""), []);
    assert_eq!(found(&SECRET[..31]), []);
    assert_eq!(found(b"0123-4567-89AB-CDEQ and much more"), []);
    let noise: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(found(&noise), []);
    assert_eq!(found(b"the code is 0123-4567-89AB-CDER"), [("the other".into(), "as it is", Place::Bytes)]);
}

#[test]
fn a_bomb_is_looked_at_up_to_its_limit() {
    let bomb = gzip(&vec![0; 80 << 20], 0);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(found(&[&bomb[..], &SECRET].concat()), [("the secret".into(), "as it is", Place::Bytes)]);
}

#[test]
fn names_of_files_and_targets_of_links_are_looked_at_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let name = HEXLOWER.encode(&SECRET);
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub").join(&name), "x").unwrap();
    fs::create_dir(folder.path().join(format!("dir-{name}"))).unwrap();
    std::os::unix::fs::symlink(format!("/nowhere/{name}"), folder.path().join("link")).unwrap();
    let scan = Scan::of(folder.path(), &search()).unwrap();
    assert_eq!(scan.findings.len(), 3, "{:?}", scan.findings);
    for finding in &scan.findings {
        assert!(!finding.to_string().contains(&name) && finding.place == Place::Name, "{finding}");
    }
    assert!(scan.findings.iter().any(|finding| finding.file == "sub/…"));
}

#[test]
fn a_file_that_can_not_be_read_is_not_clean() {
    assert!(Scan::of(Path::new("/nowhere/at/all"), &search()).is_err());
}

#[test]
fn a_secret_across_two_pieces_of_a_large_file_is_found() {
    let mut file = tempfile::tempfile().unwrap();
    file.set_len((PIECE - 16) as u64).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    file.write_all(&SECRET).unwrap();
    file.write_all(&[1; 100]).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let scan = Scan::of_reader("large", file, &search()).unwrap();
    assert_eq!(scan.findings.len(), 1);
    assert_eq!(scan.bytes, (PIECE + 16 + 100) as u64);
}
