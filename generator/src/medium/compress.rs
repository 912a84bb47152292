//! How a medium's initramfs and what lies in it are compressed: always to the same bytes, with nothing in them of a time, a name or the making machine.
//!
//! The archive with gzip, which every kernel opens early; modules with xz, one by one, because a running machine keeps in its memory what it does not use.

use std::io::Write as _;

use anyhow::Result;
use flate2::{Compression, GzBuilder};
use lzma_rust2::{CheckType, XzOptions, XzWriter};

/// Of xz. Higher ones take four times as long, and save a twentieth.
const PRESET: u32 = 3;

/// A stream of gzip.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// A stream of xz with the check that the small decoders of busybox and of the kernel know.
pub fn xz(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut options = XzOptions::with_preset(PRESET);
    options.set_check_sum_type(CheckType::Crc32);
    let mut encoder = XzWriter::new(Vec::new(), options)?;
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn text() -> Vec<u8> {
        (0..20_000_u32).flat_map(|number| (number / 3).to_string().into_bytes()).collect()
    }

    #[test]
    fn equal_bytes_stay_equal_and_say_nothing_of_when_they_were_made() {
        let text = text();
        assert_eq!(gzip(&text).unwrap(), gzip(&text).unwrap());
        assert_eq!(xz(&text).unwrap(), xz(&text).unwrap());
        // RFC 1952: no flags, no time, no system.
        assert_eq!(gzip(&text).unwrap()[3..10], [0, 0, 0, 0, 0, 2, 255]);
    }

    #[test]
    fn the_busybox_of_the_medium_unpacks_modules() {
        for text in [text(), vec![7], vec![0; 5 << 20]] {
            let packed = xz(&text).unwrap();
            assert!(packed.len() < text.len().max(100));
            let busybox = Command::new("busybox").arg("unxz").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            let mut busybox = busybox.expect("the package busybox-static");
            let mut input = busybox.stdin.take().unwrap();
            let writer = std::thread::spawn(move || input.write_all(&packed).unwrap());
            let mut unpacked = Vec::new();
            busybox.stdout.take().unwrap().read_to_end(&mut unpacked).unwrap();
            writer.join().unwrap();
            assert!(busybox.wait().unwrap().success() && unpacked == text, "{} bytes", text.len());
        }
    }
}
