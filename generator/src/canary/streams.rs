//! The views of a file in which secrets are looked for: its bytes, its text without line breaks, and what its compressed streams hold.

use miniz_oxide::inflate::{DecompressError, TINFLStatus, decompress_to_vec_with_limit};

use super::forms::Form;
use super::{Place, Search};

/// What one stream may become. The rest of a larger one is not looked at: a bomb costs memory once and no more.
const STREAM_LIMIT: usize = 64 << 20;
/// What all streams of a file may become together.
const TOTAL_LIMIT: usize = 512 << 20;
/// A stream in a stream in a stream.
const DEPTH: usize = 3;
/// Enough to tell a stream from two bytes that look like the beginning of one.
const ATTEMPT: usize = 1 << 10;

type Found<'s> = Vec<(&'s str, Form)>;

/// Looks through all views.
pub(super) fn find_everywhere<'s>(bytes: &[u8], search: &'s Search) -> Vec<(Place, Found<'s>)> {
    let mut left = TOTAL_LIMIT;
    let mut found = vec![(Place::Bytes, find(bytes, search))];
    let mut inside = Vec::new();
    look_into(bytes, search, DEPTH, &mut left, &mut inside);
    found.push((Place::Compressed, inside));
    found
}

fn find<'s>(bytes: &[u8], search: &'s Search) -> Found<'s> {
    let mut found = search.find(bytes);
    // Tools wrap base64 into lines and put colons between hexadecimal digits; only text is worth the second look.
    if std::str::from_utf8(bytes).is_ok() {
        let is_filler = |byte: &u8| byte.is_ascii_whitespace() || *byte == b':';
        if bytes.iter().any(is_filler) {
            let joined: Vec<u8> = bytes.iter().filter(|byte| !is_filler(byte)).copied().collect();
            found.extend(search.find(&joined));
        }
    }
    found
}

fn look_into<'s>(bytes: &[u8], search: &'s Search, depth: usize, left: &mut usize, found: &mut Found<'s>) {
    if depth == 0 {
        return;
    }
    for at in 0..bytes.len().saturating_sub(1) {
        let Some(deflated) = stream_at(&bytes[at..]) else { continue };
        if *left == 0 {
            return;
        }
        let inflated = inflate(deflated, STREAM_LIMIT.min(*left));
        *left -= inflated.len();
        found.extend(find(&inflated, search));
        look_into(&inflated, search, depth - 1, left, found);
    }
}

/// The compressed bytes behind a header of gzip (RFC 1952) or zlib (RFC 1950).
fn stream_at(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [0x1F, 0x8B, 8, flags, _, _, _, _, _, _, rest @ ..] => {
            let mut rest = rest;
            if flags & 4 != 0 {
                let (length, behind) = rest.split_first_chunk::<2>()?;
                rest = behind.get(usize::from(u16::from_le_bytes(*length))..)?;
            }
            for flag in [8, 16] {
                if flags & flag != 0 {
                    let end = rest.iter().position(|byte| *byte == 0)?;
                    rest = &rest[end + 1..];
                }
            }
            if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
        }
        [0x78, 0x01 | 0x5E | 0x9C | 0xDA, rest @ ..] => Some(rest),
        _ => None,
    }
}

/// What can be had of a stream, whole or not.
fn inflate(deflated: &[u8], limit: usize) -> Vec<u8> {
    let attempt = partly(&deflated[..deflated.len().min(ATTEMPT)], limit.min(4 * ATTEMPT));
    match attempt {
        Err(DecompressError { status: TINFLStatus::Failed, output }) => output,
        Ok(whole) => whole,
        Err(_) => partly(deflated, limit).unwrap_or_else(|error| error.output),
    }
}

fn partly(deflated: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    decompress_to_vec_with_limit(deflated, limit)
}
