//! What a medium would be found out to lack in front of a customer, said while it is made.

use std::path::Path;

use anode_bundle::Moment;
use anode_bundle::document::Release;
use anyhow::{Result, ensure};

use crate::cmd::say;
use crate::lock::bootable;
use crate::repository;

/// More lines would be read by nobody.
const LINES: usize = 5;

/// Warns of profiles that no medium can install, as the repository has them now. The site may publish others later, so none of it is an error.
pub(super) fn of_profiles(folder: &Path) {
    let loaded = repository::load(folder).ok();
    let Some(found) = loaded.as_ref().and_then(|(repository, _)| bootable(repository).ok()) else {
        return say(
            "warning: the repository has errors, so nobody looked which profiles can be installed: run `anode check`",
        );
    };
    for (profile, url) in found.missing.iter().take(LINES) {
        say(&format!(
            "warning: `{profile}` can not be installed by a medium yet: `{url}` is not pinned; run `anode lock {profile}`, commit, and publish"
        ));
    }
    if let Some(more) = found.missing.len().checked_sub(LINES).filter(|more| *more > 0) {
        say(&format!("warning: {more} more profiles are not pinned; `anode lock` without a name pins all of them"));
    }
    if found.ready == 0 && !found.missing.is_empty() {
        say("warning: until then, a medium of this site installs nothing");
    }
}

/// What is taken along for places without a network.
///
/// # Errors
/// If there is nothing.
pub(super) fn of_nothing_pinned(count: usize) -> Result<()> {
    ensure!(
        count > 0,
        "nothing that profiles boot is pinned, so that with `--mirror` nothing could be installed without a network: run `anode lock PROFILE`, \
         commit, publish, and make the medium then"
    );
    Ok(())
}

/// How long a copy of the tree serves where no mirror answers.
pub(super) fn how_long(release: &Release, now: Moment) -> String {
    if release.offline_until <= now {
        return "of no use without a network: `offline_days` in `anode.toml` says how long it may be".to_owned();
    }
    format!("good without a network until {}", release.offline_until)
}
