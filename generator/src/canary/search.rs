//! Finding any of a few hundred thousand texts in one pass.
//!
//! The first eight bytes of each are kept, and a filter of bits in front of them: a byte that begins nothing costs one multiplication and one look into
//! memory. Whole texts are not kept; the few that a beginning promises are made again and compared.

use rayon::prelude::*;

use super::forms::{Form, forms};
use super::{Canary, SHORTEST};

/// The secrets, ready to be looked for.
pub struct Search {
    canaries: Vec<Canary>,
    /// Beginnings with the canary and the place of the form among its forms; sorted.
    beginnings: Vec<(u64, u32, u8)>,
    filter: Vec<u64>,
    shift: u32,
}

impl Search {
    /// Prepares for these secrets.
    #[must_use]
    pub fn new(canaries: Vec<Canary>) -> Search {
        let numbered = canaries.par_iter().enumerate().flat_map_iter(|(number, canary)| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            forms(&canary.value).into_iter().zip(0_u8..).filter_map(move |((_, text), place)| {
                let beginning = text.first_chunk::<SHORTEST>()?;
                Some((u64::from_le_bytes(*beginning), number, place))
            })
        });
        let mut beginnings: Vec<_> = numbered.collect();
        beginnings.par_sort_unstable();
        // Sixteen bits a beginning: a stranger passes the filter one time in sixteen, or seldom.
        let bits = (beginnings.len() * 16).next_power_of_two().max(1 << 12).ilog2();
        let mut search =
            Search { canaries, beginnings: Vec::new(), filter: vec![0; 1 << (bits - 6)], shift: 64 - bits };
        for (beginning, _, _) in &beginnings {
            let (word, bit) = search.place(*beginning);
            search.filter[word] |= bit;
        }
        search.beginnings = beginnings;
        search
    }

    /// How many secrets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.canaries.len()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.canaries.is_empty()
    }

    /// The names of the secrets in `bytes` and how they are written, each once.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Vec<(&str, Form)> {
        let mut found: Vec<(&str, Form)> = Vec::new();
        let mut window = 0_u64;
        for (end, byte) in bytes.iter().enumerate() {
            window = window >> 8 | u64::from(*byte) << 56;
            let (word, bit) = self.place(window);
            if self.filter[word] & bit == 0 || end + 1 < SHORTEST {
                continue;
            }
            let first = self.beginnings.partition_point(|(beginning, _, _)| *beginning < window);
            let same = self.beginnings[first..].iter().take_while(|(beginning, _, _)| *beginning == window);
            for (_, number, place) in same {
                let canary = &self.canaries[*number as usize];
                let Some((form, text)) = forms(&canary.value).into_iter().nth(usize::from(*place)) else { continue };
                let hit = (canary.name.as_str(), form);
                if bytes[end + 1 - SHORTEST..].starts_with(&text) && !found.contains(&hit) {
                    found.push(hit);
                }
            }
        }
        found
    }

    fn place(&self, beginning: u64) -> (usize, u64) {
        let hash = beginning.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift;
        (hash as usize >> 6, 1 << (hash & 63))
    }
}
