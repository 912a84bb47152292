//! The picture behind the menu: what GRUB's own reader of PNG takes, looked at here, because on a machine it would be missing without a word.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail, ensure};
use flate2::Crc;
use flate2::read::ZlibDecoder;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// GRUB holds the whole picture in its memory, and no screen of a menu has more.
const LARGEST: (u32, u32) = (3840, 2160);

/// Bytes that GRUB can show.
#[derive(Debug)]
pub struct Picture(Vec<u8>);

impl Picture {
    /// Reads a picture to its end.
    ///
    /// # Errors
    /// If it is damaged, or of a kind that GRUB does not show: with the way to one that it does.
    pub fn read(bytes: Vec<u8>) -> Result<Picture> {
        let mut chunks = Chunks::begin(&bytes)?;
        let (kind, header) = chunks.next()?;
        let header = Header::read(kind, header)?;
        let mut packed = Vec::new();
        loop {
            match chunks.next()? {
                (b"IDAT", data) => packed.extend_from_slice(data),
                (b"IEND", _) => break,
                _ => {}
            }
        }
        let wanted = header.unpacked();
        let mut unpacked = ZlibDecoder::new(packed.as_slice()).take(wanted + 1);
        let found = std::io::copy(&mut unpacked, &mut std::io::sink()).context("its picture can not be unpacked")?;
        ensure!(found == wanted, "it is damaged: its picture has not as many bytes as its size says");
        Ok(Picture(bytes))
    }

    /// As they were.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What is said first (PNG, 11.2.2).
struct Header {
    width: u32,
    height: u32,
    /// Bytes of a pixel.
    channels: u64,
}

impl Header {
    fn read(kind: &[u8], data: &[u8]) -> Result<Header> {
        let [w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, compression, filter, interlace] = *data else {
            bail!("it is no PNG: it has no header")
        };
        ensure!(kind == b"IHDR", "it is no PNG: it has no header");
        let (width, height) = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
        ensure!(
            (1..=LARGEST.0).contains(&width) && (1..=LARGEST.1).contains(&height),
            "it has {width}×{height} pixels: the menu takes up to {}×{}",
            LARGEST.0,
            LARGEST.1
        );
        let channels = match colour {
            0 | 3 => 1,
            2 => 3,
            4 => 2,
            6 => 4,
            _ => bail!("it is no PNG: nothing has the colour type {colour}"),
        };
        ensure!(depth == 8, "it has {depth} bits for a colour, and the menu shows 8: save it with 8 bits for each");
        ensure!(compression == 0 && filter == 0, "it is no PNG: it is packed in a way that nobody knows");
        ensure!(interlace == 0, "it is interlaced, which the menu does not show: save it without");
        Ok(Header { width, height, channels })
    }

    /// Each line has one byte in front that says how it was filtered.
    fn unpacked(&self) -> u64 {
        u64::from(self.height) * (u64::from(self.width) * self.channels + 1)
    }
}

/// The parts of a file, each with a checksum.
struct Chunks<'b>(&'b [u8]);

impl<'b> Chunks<'b> {
    fn begin(bytes: &'b [u8]) -> Result<Chunks<'b>> {
        bytes.strip_prefix(SIGNATURE).map(Chunks).context("it is no PNG")
    }

    fn next(&mut self) -> Result<(&'b [u8; 4], &'b [u8])> {
        const CUT: &str = "it is damaged: it ends in the middle";
        let (length, rest) = self.0.split_first_chunk::<4>().context(CUT)?;
        let (kind, _) = rest.split_first_chunk::<4>().context(CUT)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (counted, rest) = rest.split_at_checked(length + 4).context(CUT)?;
        let (sum, rest) = rest.split_first_chunk::<4>().context(CUT)?;
        let mut crc = Crc::new();
        crc.update(counted);
        ensure!(crc.sum() == u32::from_be_bytes(*sum), "it is damaged: a checksum in it is wrong");
        self.0 = rest;
        Ok((kind, counted.get(4..).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(data);
        [&(data.len() as u32).to_be_bytes(), kind, data, &crc.sum().to_be_bytes()].concat()
    }

    /// Width, height, and the five bytes that follow in the header.
    fn png(width: u32, height: u32, rest: [u8; 5], bytes: usize) -> Vec<u8> {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&vec![0; bytes]).unwrap();
        let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &rest].concat();
        let packed = packer.finish().unwrap();
        let (first, second) = packed.split_at(packed.len() / 2);
        let parts = [chunk(b"IHDR", &header), chunk(b"tEXt", b"x"), chunk(b"IDAT", first), chunk(b"IDAT", second)];
        [SIGNATURE, &parts.concat(), &chunk(b"IEND", b"")].concat()
    }

    #[test]
    fn what_grub_shows_is_taken_as_it_is() {
        for (colour, channels) in [(0, 1), (2, 3), (3, 1), (4, 2), (6, 4)] {
            let picture = png(640, 480, [8, colour, 0, 0, 0], 480 * (640 * channels + 1));
            assert_eq!(Picture::read(picture.clone()).unwrap().bytes(), picture);
        }
    }

    #[test]
    fn what_grub_would_not_show_is_refused_with_the_reason() {
        let rgb = |size: (u32, u32), rest| png(size.0, size.1, rest, 3);
        let whole = png(2, 2, [8, 2, 0, 0, 0], 14);
        let mut wrong = whole.clone();
        wrong[45] ^= 1;
        for (bytes, words) in [
            (b"GIF89a".to_vec(), "it is no PNG"),
            ([SIGNATURE, b"rubbish that is long enough to be read as parts"].concat(), "it ends in the middle"),
            ([SIGNATURE, &chunk(b"IDAT", b"x")].concat(), "it has no header"),
            (rgb((0, 2), [8, 2, 0, 0, 0]), "it has 0×2 pixels: the menu takes up to 3840×2160"),
            (rgb((8000, 2), [8, 2, 0, 0, 0]), "it has 8000×2 pixels"),
            (rgb((2, 2), [16, 2, 0, 0, 0]), "it has 16 bits for a colour, and the menu shows 8"),
            (rgb((2, 2), [8, 5, 0, 0, 0]), "nothing has the colour type 5"),
            (rgb((2, 2), [8, 2, 0, 0, 1]), "it is interlaced, which the menu does not show: save it without"),
            (rgb((2, 2), [8, 2, 1, 0, 0]), "packed in a way that nobody knows"),
            (rgb((2, 2), [8, 2, 0, 0, 0]), "not as many bytes as its size says"),
            (whole[..whole.len() - 12].to_vec(), "it ends in the middle"),
            (wrong, "a checksum in it is wrong"),
        ] {
            let refusal = format!("{:#}", Picture::read(bytes).unwrap_err());
            assert!(refusal.contains(words), "{refusal}");
        }
    }
}
