//! Hook points: the files of a pinned initrd that a definition relies on. One that is gone is an error at the desk, and not in front of a machine.

use std::collections::BTreeSet;

use super::{Found, Listing, Unreadable, contents};
use crate::repository::HookPoint;

/// A hook point that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingHook<'h> {
    /// What the definition relies on.
    pub hook: &'h HookPoint,
    /// What was found instead, as a predicate of its path.
    pub found: String,
}

/// The hook points that do not hold in `initrds`, which the kernel unpacks in this order.
///
/// # Errors
/// If one of the initrds, by its place in the list, can not be read at all.
pub fn missing_hooks<'h>(
    initrds: &[Vec<u8>],
    hooks: impl IntoIterator<Item = &'h HookPoint>,
) -> Result<Vec<MissingHook<'h>>, (usize, Unreadable)> {
    let mut listing = Listing::default();
    let mut first = Vec::new();
    for (place, bytes) in initrds.iter().enumerate() {
        first.push(listing.archives);
        listing.add(bytes).map_err(|unreadable| (place, unreadable))?;
    }
    let unread = match listing.unread.as_slice() {
        [] => String::new(),
        unread => format!(" (the initrd could be read only in part, {})", unread.join("; ")),
    };
    let mut missing = Vec::new();
    let mut asked = Vec::new();
    for hook in hooks {
        match listing.resolve(&hook.path) {
            None => missing.push(MissingHook { hook, found: format!("is not in it{unread}") }),
            Some((path, found)) => match (&hook.contains, found) {
                (None, _) => {}
                (Some(text), Found::File(identity)) => asked.push((hook, path, *identity, text)),
                (Some(_), _) => missing.push(MissingHook { hook, found: "is not a file there".to_owned() }),
            },
        }
    }
    let wanted: BTreeSet<_> = asked.iter().map(|(_, _, identity, _)| *identity).collect();
    let mut texts = std::collections::BTreeMap::new();
    if !wanted.is_empty() {
        for (bytes, first) in initrds.iter().zip(first) {
            texts.extend(contents(bytes, first, &wanted));
        }
    }
    for (hook, path, identity, text) in asked {
        let content = texts.get(&identity).map(Vec::as_slice).unwrap_or_default();
        let holds = content.windows(text.len().max(1)).any(|window| window == text.as_bytes());
        if !holds {
            let place = if path == hook.path { String::new() } else { format!(" (`{path}`)") };
            missing.push(MissingHook { hook, found: format!("is there{place} and does not hold `{text}`") });
        }
    }
    Ok(missing)
}
