//! Prompts in templates: `{{ prompt.hostname }}` renders a marker, and afterwards each marker becomes an insert.
//!
//! A marker holds 128 random bits, so that nothing that a person wrote can pass for one. It must reach the output unchanged: the forms in which
//! templates may name a prompt are limited to `{{ prompt.name }}` and `prompt.name is defined`, and what remains of an altered one is an error.

use anode_bundle::name::Id;
use anode_bundle::pack::Insert;

const HEAD: &str = "AnodeInsertQx";
const TAIL: &str = "xQ";
// 64 bits of a nonce do not occur by chance.
const TRACE: usize = 16;

/// The random part of a run's markers. What is rendered does not depend on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// From random bytes.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Nonce {
        Nonce(random)
    }

    fn text(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// The marker of the prompt with that number.
    #[must_use]
    pub fn marker(self, number: usize) -> String {
        format!("{HEAD}{}x{number:04}{TAIL}", self.text())
    }
}

/// Does the text hold something that looks like a marker? It then gets quotes, for an answer may need them.
pub fn might_be(text: &str) -> bool {
    text.contains(HEAD)
}

/// Cuts the markers out of a rendered text.
///
/// # Errors
/// The line (from 1) that holds what is left of an altered marker.
pub fn cut(text: &str, nonce: Nonce, prompts: &[Id]) -> Result<(String, Vec<Insert>), usize> {
    let head = format!("{HEAD}{}x", nonce.text());
    let mut out = String::with_capacity(text.len());
    let mut inserts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&head) {
        out.push_str(before);
        let line = || out.matches('\n').count() + 1;
        let (number, after) = after.split_once(TAIL).ok_or_else(line)?;
        let prompt = number.parse::<usize>().ok().and_then(|number| prompts.get(number)).ok_or_else(line)?;
        inserts.push(Insert { at: out.len() as u64, prompt: prompt.clone() });
        rest = after;
    }
    out.push_str(rest);
    // `upper`, `reverse` and their like leave traces of the random part.
    let folded = out.to_lowercase();
    let forwards = nonce.text();
    let backwards: String = forwards.chars().rev().collect();
    let traces = [forwards.get(..TRACE), backwards.get(..TRACE)].map(Option::unwrap_or_default);
    match traces.iter().filter_map(|trace| folded.find(trace)).min() {
        Some(at) => Err(folded.get(..at).map_or(1, |before| before.matches('\n').count() + 1)),
        None => Ok((out, inserts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts() -> Vec<Id> {
        vec![Id::new("hostname").unwrap(), Id::new("disk").unwrap()]
    }

    #[test]
    fn markers_become_offsets_in_the_text_without_them() {
        let nonce = Nonce::new([7; 16]);
        let text = format!("ä={}\nb={}{}", nonce.marker(0), nonce.marker(1), nonce.marker(0));
        let (text, inserts) = cut(&text, nonce, &prompts()).unwrap();
        assert_eq!(text, "ä=\nb=");
        let places: Vec<_> = inserts.iter().map(|insert| (insert.at, insert.prompt.as_str())).collect();
        assert_eq!(places, [(3, "hostname"), (6, "disk"), (6, "hostname")]);
    }

    #[test]
    fn an_altered_marker_is_found_by_its_line() {
        let nonce = Nonce::new([0xAB; 16]);
        let marker = nonce.marker(0);
        let reversed: String = marker.chars().rev().collect();
        for altered in
            [marker.to_uppercase(), marker.to_lowercase(), reversed, marker[..30].to_owned(), nonce.marker(9)]
        {
            assert_eq!(cut(&format!("a\nb\n{altered}\n"), nonce, &prompts()), Err(3), "{altered}");
        }
    }

    #[test]
    fn a_marker_of_another_run_is_no_marker() {
        let foreign = Nonce::new([1; 16]).marker(0);
        assert_eq!(cut(&foreign, Nonce::new([2; 16]), &prompts()), Ok((foreign.clone(), Vec::new())));
    }
}
