//! Hook points: the files of a pinned initrd that a definition relies on. One that is gone is an error at the desk, and not in front of a machine.
//!
//! The same goes for a file of the definition below a link of the initrd: the medium writes a folder in the place of the link, and whatever was reached
//! through it is lost. That is what happened to everybody's hooks when dracut moved its own from `usr/lib` to `var/lib`.

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

/// A link of the initrd that a file of the definition would take the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostLink<'p> {
    /// The file of the definition.
    pub path: &'p str,
    /// The link above it.
    pub link: String,
    /// Where it leads.
    pub target: String,
}

/// Initrds as the kernel unpacks them, one behind the other.
pub struct Unpacked<'b> {
    initrds: &'b [Vec<u8>],
    listing: Listing,
    // The number of the first archive of each.
    first: Vec<usize>,
}

impl<'b> Unpacked<'b> {
    /// # Errors
    /// If one of the initrds, by its place in the list, can not be read at all.
    pub fn read(initrds: &'b [Vec<u8>]) -> Result<Unpacked<'b>, (usize, Unreadable)> {
        let mut listing = Listing::default();
        let mut first = Vec::new();
        for (place, bytes) in initrds.iter().enumerate() {
            first.push(listing.archives);
            listing.add(bytes).map_err(|unreadable| (place, unreadable))?;
        }
        Ok(Unpacked { initrds, listing, first })
    }

    /// The links that are above one of `paths`.
    pub fn lost_links<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> Vec<LostLink<'p>> {
        let above = |path: &'p str| {
            path.match_indices('/').find_map(|(end, _)| {
                let folder = path.get(..end)?;
                match self.listing.members.get(folder) {
                    Some(Found::Link(target)) => {
                        Some(LostLink { path, link: folder.to_owned(), target: target.clone() })
                    }
                    _ => None,
                }
            })
        };
        paths.into_iter().filter_map(above).collect()
    }

    /// The hook points that do not hold.
    pub fn missing_hooks<'h>(&self, hooks: impl IntoIterator<Item = &'h HookPoint>) -> Vec<MissingHook<'h>> {
        let listing = &self.listing;
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
            for (bytes, first) in self.initrds.iter().zip(&self.first) {
                texts.extend(contents(bytes, *first, &wanted));
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
        missing
    }
}
