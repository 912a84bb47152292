//! Names that reach a path, a URL or a key table, and text that reaches a screen.

use std::path::{Component, Path};

use anode_bundle::Moment;
use anode_bundle::display::{self, is_printable};
use anode_bundle::name::{Id, KeyId, Locator, SafePath, Sha256, SiteId};

use crate::Verdict::{self, Accepted, Refused};
use crate::text;

/// A name has one spelling, and a path stays below the folder that it is joined to.
pub fn name(data: &[u8]) -> Verdict {
    let Some(text) = text(data) else { return Refused };
    let mut spellings = Vec::new();
    if let Ok(id) = Id::new(text) {
        assert!(text.len() <= 64 && SafePath::new(text).is_ok() && !text.contains('/'));
        spellings.push(id.as_str().to_owned());
    }
    if let Ok(path) = SafePath::new(text) {
        let joined = Path::new("/base").join(path.as_str());
        let below: Vec<_> = joined.strip_prefix("/base").expect("below the folder").components().collect();
        assert!((1..=8).contains(&below.len()) && below.iter().all(|part| matches!(part, Component::Normal(_))));
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'`$\\%?#&;<>|*!~".contains(&byte)));
        spellings.push(path.as_str().to_owned());
    }
    spellings.extend(SiteId::new(text).ok().map(|site| site.as_str().to_owned()));
    spellings.extend(KeyId::parse(text).ok().map(|key| KeyId::from_le_bytes(key.to_le_bytes()).to_string()));
    spellings.extend(Sha256::parse(text).ok().map(|hash| hash.to_string()));
    spellings.extend(Locator::parse(text).ok().map(|locator| locator.to_string()));
    spellings.extend(Moment::parse(text).ok().map(|moment| Moment::from_seconds(moment.seconds()).to_string()));
    assert!(spellings.iter().all(|spelling| spelling == text), "{spellings:?}");
    if spellings.is_empty() { Refused } else { Accepted }
}

/// The width in the first byte, the text behind it: one printable line of at most that width, which stays what it is. Accepted is what is shown as it came.
pub fn line(data: &[u8]) -> Verdict {
    let Some((columns, rest)) = data.split_first() else { return Refused };
    let Some(text) = text(rest) else { return Refused };
    let columns = usize::from(*columns);
    let shown = display::line(text, columns);
    assert!(shown.chars().count() <= columns.max(1) && shown.chars().all(is_printable), "{shown:?}");
    assert!(shown.trim() == shown && !shown.contains("  "));
    assert_eq!(display::line(&shown, columns.max(1)), shown);
    if shown == text { Accepted } else { Refused }
}
