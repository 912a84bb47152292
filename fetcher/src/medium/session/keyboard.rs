//! Keyboard layouts: a text file each, laid over the layout that the kernel has, by busybox' `dumpkmap` and `loadkmap`.
//!
//! A line of a file is a key: its number and what it gives plain, with shift, with AltGr, with both. Everything else (Return, cursor keys, Ctrl and
//! what comes with it) stays as the kernel has it. On a serial line the layout is that of the terminal at its other end, and this does no harm.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::Session;
use crate::console::Echo;
use crate::words::{Language, fill};
use anode_bundle::display::line;

const MAGIC: &[u8] = b"bkeymap";
/// Which of the kernel's tables a column of a layout fills: none, shift, AltGr, shift and AltGr.
const TABLES: [usize; 4] = [0, 1, 2, 3];
const FLAGS: usize = 256;
const KEYS: usize = 128;
/// `K_HOLE` of linux/keyboard.h.
const NOTHING: u16 = 0x0200;
/// `KT_LETTER`: Caps Lock works on it.
const LETTER: u16 = 0x0B00;

impl Session<'_> {
    pub(super) fn choose_keyboard(&mut self) -> io::Result<()> {
        let names = self.layouts();
        if let Some(name) = self.presets.keyboard.take() {
            if !names.contains(&name) {
                let text = fill(self.words.keyboard_unknown, &[("name", &line(&name, 20))]);
                self.say(&text);
            } else {
                self.load_layout(&name);
                return Ok(());
            }
        }
        if names.is_empty() {
            return Ok(());
        }
        let usual = match self.language {
            Language::English => "us",
            Language::German => "de",
        };
        // Where a code came with the medium, nobody may be there to choose.
        if self.code_is_preset() && names.iter().any(|name| name == usual) {
            self.load_layout(usual);
            return Ok(());
        }
        loop {
            let question = format!("{} ({}) [{usual}]", self.words.keyboard, names.join(" "));
            let typed = self.ask(&question, Echo::Shown)?;
            let typed = typed.trim().to_ascii_lowercase();
            let wanted = if typed.is_empty() { usual.to_owned() } else { typed };
            if names.contains(&wanted) {
                self.load_layout(&wanted);
                return Ok(());
            }
            let text = fill(self.words.keyboard_unknown, &[("name", &line(&wanted, 20))]);
            self.say(&text);
        }
    }

    fn layouts(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.machine.path("etc/anode/keyboards")) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter(|name| name.len() <= 8 && name.bytes().all(|byte| byte.is_ascii_alphanumeric())).collect();
        names.sort();
        names
    }

    /// What goes wrong is for the log: without a screen of its own, a machine has no keyboard to load a layout for.
    fn load_layout(&mut self, name: &str) {
        let layout = self.machine.text(&format!("etc/anode/keyboards/{name}")).unwrap_or_default();
        let busybox = self.machine.path("bin/busybox");
        let dumped = Command::new(&busybox).arg("dumpkmap").stdin(Stdio::null()).stderr(Stdio::null()).output();
        let Some(map) = dumped.ok().and_then(|output| laid_over(&output.stdout, &layout)) else { return };
        let started = self.machine.command("bin/busybox").arg("loadkmap").stdin(Stdio::piped()).spawn();
        let Ok(mut child) = started else { return };
        if let Some(mut input) = child.stdin.take() {
            let _ = input.write_all(&map);
        }
        let _ = child.wait();
    }
}

/// The kernel's tables with the keys of a layout in them. `None`: there are no tables, or the layout is none.
pub(super) fn laid_over(dump: &[u8], layout: &str) -> Option<Vec<u8>> {
    let flags = dump.strip_prefix(MAGIC)?.get(..FLAGS)?;
    let mut rest = dump.get(MAGIC.len() + FLAGS..)?;
    let mut tables = BTreeMap::new();
    for (number, _) in flags.iter().enumerate().filter(|(_, flag)| **flag == 1) {
        let (table, after) = rest.split_at_checked(KEYS * 2)?;
        tables.insert(
            number,
            table
                .chunks_exact(2)
                .filter_map(|pair| Some(u16::from_ne_bytes(pair.try_into().ok()?)))
                .collect::<Vec<_>>(),
        );
        rest = after;
    }
    // Shift's table has the keys that hold it, which every table needs: else a key that is let go is never seen.
    let shifted = tables.get(&1)?.clone();
    for number in TABLES {
        tables.entry(number).or_insert_with(|| shifted.clone());
    }
    for (key, values) in parsed(layout)? {
        for (table, value) in TABLES.iter().zip(values) {
            *tables.get_mut(table)?.get_mut(key)? = value;
        }
    }
    let mut map = MAGIC.to_vec();
    map.extend((0..FLAGS).map(|number| u8::from(tables.contains_key(&number))));
    for table in tables.values() {
        map.extend(table.iter().flat_map(|value| value.to_ne_bytes()));
    }
    Some(map)
}

/// Key by key, as the kernel encodes it. `None`: a line is wrong.
fn parsed(layout: &str) -> Option<Vec<(usize, [u16; 4])>> {
    let mut keys = Vec::new();
    for text in layout.lines().filter(|text| !text.starts_with('#') && !text.trim().is_empty()) {
        let [key, plain, shift, altgr, both] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let key: usize = key.parse().ok().filter(|key| (1..KEYS).contains(key))?;
        let [plain, shift] = [signs(plain)?, signs(shift)?];
        let is_letter = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_alphabetic());
        let mark = if is_letter(plain) && is_letter(shift) { LETTER } else { 0 };
        let [altgr, both] = [encoded(signs(altgr)?, 0)?, encoded(signs(both)?, 0)?];
        keys.push((key, [encoded(plain, mark)?, encoded(shift, mark)?, altgr, both]));
    }
    Some(keys)
}

/// One sign, or `none`.
fn signs(word: &str) -> Option<Option<char>> {
    let mut characters = word.chars();
    match (word, characters.next(), characters.next()) {
        ("none", _, _) => Some(None),
        (_, Some(sign), None) => Some(Some(sign)),
        _ => None,
    }
}

fn encoded(sign: Option<char>, mark: u16) -> Option<u16> {
    Some(match sign {
        None => NOTHING,
        Some(sign) if sign.is_ascii() => mark | u16::try_from(u32::from(sign)).ok()?,
        // Beyond ASCII a console is in Unicode mode, and the kernel keeps the character's number with these bits turned.
        Some(sign) => u16::try_from(u32::from(sign)).ok()? ^ 0xF000,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(tables: &[usize]) -> Vec<u8> {
        let mut dump = MAGIC.to_vec();
        dump.extend((0..FLAGS).map(|number| u8::from(tables.contains(&number))));
        for table in tables {
            dump.extend((0..KEYS as u16).flat_map(|key| (0x0700 + key + 128 * *table as u16).to_ne_bytes()));
        }
        dump
    }

    fn value(map: &[u8], position: usize, key: usize) -> u16 {
        let at = MAGIC.len() + FLAGS + (position * KEYS + key) * 2;
        u16::from_ne_bytes([map[at], map[at + 1]])
    }

    #[test]
    fn a_layout_is_laid_over_what_the_kernel_has() {
        let map =
            laid_over(&dump(&[0, 1, 2, 4]), "# a comment\n16 q Q @ none\n18 e E € none\n12 ß ? \\ none\n").unwrap();
        let flags: Vec<usize> = (0..FLAGS).filter(|number| map[MAGIC.len() + number] == 1).collect();
        assert_eq!(flags, [0, 1, 2, 3, 4]);
        assert_eq!([0, 1, 2, 3].map(|table| value(&map, table, 16)), [0x0B71, 0x0B51, 0x40, NOTHING]);
        assert_eq!([0, 1, 2].map(|table| value(&map, table, 12)), [0xF0DF, 0x3F, 0x5C]);
        assert_eq!(value(&map, 2, 18), 0x20AC ^ 0xF000);
        // Return stays; the new table has what shift's has.
        assert_eq!(value(&map, 0, 28), 0x0700 + 28);
        assert_eq!(value(&map, 3, 28), 0x0700 + 28 + 128);
        assert_eq!(value(&map, 4, 16), 0x0700 + 16 + 512);
        assert_eq!(map.len(), MAGIC.len() + FLAGS + 5 * KEYS * 2);
    }

    #[test]
    fn what_is_no_layout_or_no_table_changes_nothing() {
        for wrong in ["16 q Q @\n", "0 q Q @ none\n", "128 q Q @ none\n", "16 qq Q @ none\n", "q q Q @ none\n"] {
            assert_eq!(laid_over(&dump(&[0, 1]), wrong), None, "{wrong}");
        }
        assert_eq!(laid_over(b"", "16 q Q @ none\n"), None);
        assert_eq!(laid_over(&dump(&[0, 1])[..400], "16 q Q @ none\n"), None);
    }

    #[test]
    fn every_layout_of_the_medium_says_what_the_same_keys_give() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../site/medium/keyboards");
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let keys = parsed(&text).unwrap_or_else(|| panic!("{} is no layout", path.display()));
            // Every sign of a code and of an address can be typed.
            for sign in "0123456789abcdefghjkmnpqrstvwxy-./:".chars() {
                let has = |value: &u16| *value == sign as u16 || *value == LETTER | sign as u16;
                assert!(keys.iter().any(|(_, values)| values.iter().any(has)), "{}: `{sign}`", path.display());
            }
            all.push((path.file_name().unwrap().to_owned(), keys.iter().map(|(key, _)| *key).collect::<Vec<_>>()));
        }
        // A layout that left out a key would keep it from the one before.
        assert!(all.len() >= 4 && all.iter().all(|(_, keys)| *keys == all[0].1), "{all:?}");
    }
}
