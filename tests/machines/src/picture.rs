//! Pictures of a screen: from QEMU's PPM to a small PNG with a palette, as the documentation shows them.
//!
//! A text screen has at most sixteen colours, so that one line of a picture is half a byte a dot and compresses to a few kilobytes.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

type Colour = [u8; 3];

/// A PNG of the same dots. `None` if `ppm` is not what QEMU writes.
#[must_use]
pub fn png(ppm: &[u8]) -> Option<Vec<u8>> {
    let (width, height, dots) = read(ppm)?;
    let mut palette = BTreeMap::new();
    for dot in &dots {
        let next = palette.len();
        palette.entry(*dot).or_insert(next);
    }
    let mut lines = Vec::new();
    let indexed = palette.len() <= 16;
    for line in dots.chunks(width) {
        lines.push(0); // no filter: a screen of text is flat
        if indexed {
            for pair in line.chunks(2) {
                let [left, right] = [pair.first(), pair.get(1)].map(|dot| dot.map_or(0, |dot| palette[dot]));
                lines.push(u8::try_from(left << 4 | right).ok()?);
            }
        } else {
            lines.extend(line.concat());
        }
    }
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    for side in [width, height] {
        head.extend(u32::try_from(side).ok()?.to_be_bytes());
    }
    // depth, colour type (3: palette, 2: red green blue), compression, filter, interlace
    head.extend(if indexed { [4, 3, 0, 0, 0] } else { [8, 2, 0, 0, 0] });
    chunk(&mut out, b"IHDR", &head);
    if indexed {
        let mut colours = vec![[0; 3]; palette.len()];
        for (colour, place) in palette {
            colours[place] = colour;
        }
        chunk(&mut out, b"PLTE", &colours.concat());
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&lines).ok()?;
    chunk(&mut out, b"IDAT", &encoder.finish().ok()?);
    chunk(&mut out, b"IEND", &[]);
    Some(out)
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    out.extend(u32::try_from(data.len()).expect("a chunk of a picture").to_be_bytes());
    let begin = out.len();
    out.extend(name);
    out.extend(data);
    let mut crc = flate2::Crc::new();
    crc.update(&out[begin..]);
    out.extend(crc.sum().to_be_bytes());
}

/// Width, height and dots of a binary PPM with eight bits a colour.
fn read(ppm: &[u8]) -> Option<(usize, usize, Vec<Colour>)> {
    let mut rest = ppm.strip_prefix(b"P6")?;
    let mut numbers = [0; 3];
    for number in &mut numbers {
        let begin = rest.iter().position(u8::is_ascii_digit)?;
        let digits = rest[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        *number = std::str::from_utf8(&rest[begin..begin + digits]).ok()?.parse().ok()?;
        rest = &rest[begin + digits..];
    }
    let [width, height, 255] = numbers else { return None };
    let dots: Vec<Colour> = rest.get(1..)?.chunks_exact(3).map(|dot| [dot[0], dot[1], dot[2]]).collect();
    (width > 0 && dots.len() == width * height).then_some((width, height, dots))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_with_few_colours_gets_a_palette_and_one_with_many_does_not() {
        let few = png(b"P6\n3 1\n255\n\0\0\0\xff\xff\xff\0\0\0").unwrap();
        assert!(few.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x03\0\0\0\x01\x04\x03"), "{few:?}");
        assert!(few.ends_with(b"IEND\xae\x42\x60\x82"), "{few:?}");
        let mut many = b"P6\n17 1\n255\n".to_vec();
        many.extend((0..17).flat_map(|dot| [dot, 0, 0]));
        assert_eq!(png(&many).unwrap()[24..26], [8, 2]);
    }

    #[test]
    fn what_is_no_picture_makes_none() {
        for ppm in [&b""[..], b"P6\n2 2\n255\n\0\0\0", b"P5\n1 1\n255\n\0", b"P6\n1 1\n65535\n\0\0\0"] {
            assert_eq!(png(ppm), None);
        }
    }
}
