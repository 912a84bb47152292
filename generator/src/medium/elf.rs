//! As much of ELF as a medium needs: the texts that a kernel module says of itself, and whether a program starts by itself. 64 bits, little-endian; every
//! offset is checked, because the bytes may be anything. Format: `elf(5)`.

use anode_fetch::hand_over::needs_linker;

use super::Architecture;

/// A parsed header.
#[derive(Debug, Clone, Copy)]
pub struct Elf<'a> {
    bytes: &'a [u8],
}

impl<'a> Elf<'a> {
    /// `None`: something else than a 64-bit little-endian ELF file.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Elf<'a>> {
        (bytes.starts_with(b"\x7fELF\x02\x01") && bytes.len() >= 64).then_some(Elf { bytes })
    }

    fn number(&self, at: usize, width: usize) -> Option<usize> {
        let bytes = self.bytes.get(at..at.checked_add(width)?)?;
        bytes.iter().rev().try_fold(0_usize, |number, byte| number.checked_mul(256)?.checked_add(usize::from(*byte)))
    }

    /// What it runs on; `None`: neither of our architectures.
    #[must_use]
    pub fn architecture(&self) -> Option<Architecture> {
        match self.number(18, 2)? {
            62 => Some(Architecture::Amd64),
            183 => Some(Architecture::Arm64),
            _ => None,
        }
    }

    /// Does it name a dynamic linker? `None`: its headers are broken.
    #[must_use]
    pub fn needs_linker(&self) -> Option<bool> {
        // As the fetcher judges itself before it is carried into another initrd.
        needs_linker(self.bytes)
    }

    /// The bytes of a section.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&'a [u8]> {
        let (table, size, count) = (self.number(40, 8)?, self.number(58, 2)?, self.number(60, 2)?);
        let header = |index: usize| index.checked_mul(size)?.checked_add(table);
        let content = |header: usize| {
            let (at, length) = (self.number(header.checked_add(24)?, 8)?, self.number(header.checked_add(32)?, 8)?);
            self.bytes.get(at..at.checked_add(length)?)
        };
        let names = content(header(self.number(62, 2)?)?)?;
        for index in 0..count {
            let header = header(index)?;
            let found = names.get(self.number(header, 4)?..)?;
            if found.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(&[0])) {
                return content(header);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_itself_is_a_program_with_sections_that_needs_a_linker() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let elf = Elf::read(&bytes).unwrap();
        assert_eq!(elf.architecture().map(Architecture::target), Some(concat!("x86_64", "-unknown-linux-musl")));
        assert_eq!(elf.needs_linker(), Some(true));
        assert!(elf.section(".interp").unwrap().starts_with(b"/lib"));
        assert_eq!(elf.section(".inter"), None);
    }

    #[test]
    fn a_file_that_is_cut_anywhere_or_damaged_is_no_panic() {
        let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let headers = usize::try_from(u64::from_le_bytes(bytes[40..48].try_into().unwrap())).unwrap();
        for length in (0..200).chain([headers, headers + 64]) {
            let found = Elf::read(&bytes[..length]).and_then(|elf| elf.section(".text"));
            assert!(found.is_none(), "{length}");
        }
        bytes[40..48].fill(0xff);
        bytes[32..40].fill(0xff);
        let elf = Elf::read(&bytes).unwrap();
        assert!(elf.section(".text").is_none() && elf.needs_linker().is_none());
    }
}
