//! What becomes of a code that is put on a medium: it is looked up while the medium is made, with the medium's own code. A code that the site does not know
//! fails here, and not in front of a customer; and whoever makes the medium hears what it will still ask.

use anode_bundle::client::{Event, Transport};
use anode_bundle::code::Secret;
use anode_bundle::trust::Clock;
use anode_bundle::{Moment, Refusal};
use anode_fetch::activate::Sources;
use anyhow::{Context as _, Result};

use super::site::Site;

/// Looks a code up; what somebody should know of it.
///
/// # Errors
/// If the site does not know it, or it can not be used at this moment.
pub fn look_up(site: &Site, secret: &Secret, transport: &mut dyn Transport, now: Moment) -> Result<Vec<String>> {
    let clock = Clock { rtc: now, build: None };
    let mut ignore = |_: Event| {};
    let mut sources = Sources { transport, state: None, cache: None };
    let mut client = sources.client(&site.shipped, &site.urls, clock, &mut ignore)?;
    let activation = match client.activate(secret, None) {
        // Which machines, nobody knows here.
        Err(Refusal::HardwareMismatch) => {
            return Ok(vec!["the code is bound to machines: on any other, this medium installs nothing".to_owned()]);
        }
        found => found.context("looking up the code for the medium")?,
    };
    let mut notes = Vec::new();
    match activation.offers.as_slice() {
        [] => notes.push("the code offers no profile: this medium installs nothing with it".to_owned()),
        [offer] => {
            let contents = client.pack(offer).with_context(|| format!("opening the profile `{}`", offer.profile))?;
            let prompts = &contents.manifest().prompts;
            let open: Vec<_> = prompts.iter().filter(|prompt| !activation.answers.contains_key(&prompt.name)).collect();
            if !open.is_empty() {
                let names: Vec<_> = open.iter().map(|prompt| format!("`{}`", prompt.name)).collect();
                notes.push(format!(
                    "`{}` has questions that this code does not answer: {}",
                    offer.profile,
                    names.join(", ")
                ));
            }
            if !offer.unattended {
                notes.push(format!("`{}` is not unattended: somebody has to confirm", offer.profile));
            }
        }
        several => {
            let names: Vec<_> = several.iter().map(|offer| format!("`{}`", offer.profile)).collect();
            notes.push(format!("the code offers {}: somebody has to choose", names.join(", ")));
        }
    }
    Ok(notes)
}
