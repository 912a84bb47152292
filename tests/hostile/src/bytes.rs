//! What steps do to the bytes of a file, wherever it lies.

use crate::case::{Cut, Edit, Flip, Place, Step, Write};
use crate::world::World;

impl World {
    /// # Panics
    /// If the step is none of these, or the file does not have what it should change.
    pub(crate) fn change_bytes(&mut self, step: &Step) {
        match step {
            Step::Remove(Place { file }) => self.remove(file),
            Step::Flip(Flip { file, at, bit }) => self.change(file, |bytes| {
                let at = from_either_end(*at, bytes.len());
                bytes[at] ^= 1 << bit;
            }),
            Step::Cut(Cut { file, to }) => self.change(file, |bytes| bytes.truncate(from_either_end(*to, bytes.len()))),
            Step::Write(Write { file, text, append, zeros }) => {
                let begin = match text {
                    Some(text) => text.clone().into_bytes(),
                    None if append.is_some() || zeros.is_some() => self.read(file),
                    None => panic!("nothing is written to `{file}`"),
                };
                let more = append.clone().unwrap_or_default().into_bytes();
                self.write(file, [begin, more, vec![0; zeros.unwrap_or(0)]].concat());
            }
            Step::Edit(Edit { file, replace, with }) => {
                let (replace, with) = (self.fill_text(replace), self.fill_text(with));
                self.change(file, |bytes| {
                    let text = String::from_utf8(std::mem::take(bytes)).expect("text");
                    assert_eq!(text.matches(&replace).count(), 1, "`{file}` has `{replace}` not once:\n{text}");
                    *bytes = text.replacen(&replace, &with, 1).into_bytes();
                });
            }
            Step::Gzip(Place { file }) => self.change(file, |bytes| *bytes = gzip(bytes)),
            other => panic!("{other:?} changes no bytes"),
        }
    }

    fn change(&mut self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(file);
        change(&mut bytes);
        self.write(file, bytes);
    }

    /// JSON is full of braces, so that a placeholder in a text that is edited is written as `<…>`.
    fn fill_text(&mut self, text: &str) -> String {
        match (text.find('<'), text.rfind('>')) {
            (Some(_), Some(_)) => self.fill(&text.replace('<', "{").replace('>', "}")),
            _ => text.to_owned(),
        }
    }
}

fn from_either_end(at: i64, length: usize) -> usize {
    let distance = usize::try_from(at.unsigned_abs()).expect("a place in a file");
    if at < 0 { length - distance } else { distance }
}

/// RFC 1952 with stored blocks (RFC 1951, section 3.2.4): valid for every reader, and no library is needed to make it.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff".to_vec();
    let blocks = bytes.chunks(0xffff).count();
    for (number, block) in bytes.chunks(0xffff).enumerate() {
        let length = u16::try_from(block.len()).expect("a block of 64 KiB");
        out.push(u8::from(number + 1 == blocks));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    out.extend(crc32(bytes).to_le_bytes());
    out.extend(u32::try_from(bytes.len()).expect("a small file").to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_gzip() {
        // The check value of CRC-32 in every catalogue of checksums.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
