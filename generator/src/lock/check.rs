//! `anode lock --check`: is everything still as it was pinned? Nothing is changed.
//!
//! Where a *signed* list names a file, the list is compared, and of the file only that it is there and how long it is: an image of gigabytes is not
//! fetched every night to learn what its publisher has already said. All others are fetched and hashed.

use super::vouch::{Claim, Signer, Voucher};
use super::{Desk, Failed, Wanted, changed, look_into, pinned_file, unreachable, wishes};
use crate::diagnose::{Problem, Problems};
use crate::repository::{Lock, Pinned};

/// Everything that is missing, unused, unreachable or changed, and every hook point that is gone.
///
/// # Errors
/// If the profiles themselves are wrong.
pub fn check(desk: &Desk<'_>) -> Result<Problems, Problems> {
    let wishes = wishes(desk.repository)?;
    let lock = &desk.repository.lock;
    let mut problems = Problems::new();
    for url in lock.urls().filter(|url| !wishes.files.contains_key(*url)) {
        problems.push(Problem::error(Lock::PATH, format!("nobody uses `{url}`")).help("run `anode lock`"));
    }
    let voucher = Voucher::new(desk.client, &desk.repository.root);
    for (url, wanted) in &wishes.files {
        let found = match lock.pinned(url) {
            // `anode lock` leaves it out too, and says so.
            None if wanted.can_be_missed() && matches!(desk.client.look(url), Err(Failed::Absent(_))) => Ok(()),
            None => Err(Problem::at(&wanted.origin, format!("`{url}` is not pinned")).help("run `anode lock`").into()),
            Some(pinned) => compare(desk, &voucher, url, wanted, pinned),
        };
        problems.extend(found.err().map(|problem| *problem));
    }
    for chain in &wishes.chains {
        let mut files = Vec::new();
        for url in &chain.initrd {
            let (Some(pinned), Some(wanted)) = (lock.pinned(url), wishes.files.get(url)) else { continue };
            // Why it can not be had was said above.
            files.extend(pinned_file(desk, url, wanted, pinned).ok().map(|path| (url.clone(), path)));
        }
        if files.len() == chain.initrd.len() {
            look_into(chain, &files, &mut problems);
        }
    }
    Ok(problems)
}

fn compare(
    desk: &Desk<'_>,
    voucher: &Voucher<'_>,
    url: &str,
    wanted: &Wanted<'_>,
    pinned: &Pinned,
) -> Result<(), Box<Problem>> {
    let failed = |failed: Failed| unreachable(wanted, &failed, desk.cache);
    if let Claim::Listed { sha256, signer: Signer::Known(_), .. } = voucher.claim(url, &wanted.checksums)? {
        if sha256 != pinned.sha256 {
            return Err(changed(url, wanted, pinned, &sha256));
        }
        let length = desk.client.look(url).map_err(failed)?;
        return match length.filter(|length| *length != pinned.length) {
            None => Ok(()),
            Some(length) => {
                let message = format!("`{url}` has {length} bytes, and {} are pinned", pinned.length);
                let problem = Problem::at(&wanted.origin, message);
                Err(problem
                    .help("the signed list still names what is pinned: the mirror is wrong; set another one")
                    .into())
            }
        };
    }
    let file = desk.cache.begin().map_err(|error| super::here(wanted, &error))?;
    let downloaded = desk.client.file(url, file, desk.progress).map_err(failed)?;
    if downloaded.sha256 == pinned.sha256 {
        return desk
            .cache
            .keep(downloaded.file, &downloaded.sha256)
            .map(|_| ())
            .map_err(|error| super::here(wanted, &error));
    }
    Err(changed(url, wanted, pinned, &downloaded.sha256))
}
