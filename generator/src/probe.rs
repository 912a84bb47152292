//! Activating as the medium would, with the medium's code: the last word on whether a tree may be published.

use anode_bundle::Moment;
use anode_bundle::activation::Menu;
use anode_bundle::client::{Event, Transport};
use anode_bundle::code::Secret;
use anode_bundle::hardware::Facts;
use anode_bundle::pack::{Answers, Manifest};
use anode_bundle::trust::Clock;
use anode_fetch::Failure;
use anode_fetch::activate::{Activated, Choice, Order, Person, Shipped, Sources, Unasked, activate};
use anode_fetch::answers::{Given, Sheet};
use anode_fetch::hand_over::Way;

/// What an activation saw on its way.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    /// Bytes that were fetched.
    pub bytes: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// The path of the last of them: the pack.
    pub last: String,
}

/// How to activate.
pub struct Attempt<'a> {
    /// The root that a medium would bring.
    pub shipped: &'a Shipped,
    /// The address.
    pub base: &'a str,
    /// The reading of the clock.
    pub now: Moment,
    /// The profile; `None`: the only one.
    pub profile: Option<&'a str>,
    /// Answers to its prompts.
    pub given: Given,
}

/// Activates `secret`, with nobody to ask.
///
/// # Errors
/// What the person at the console would be told.
pub fn probe(
    transport: &mut dyn Transport,
    secret: Secret,
    attempt: Attempt<'_>,
) -> Result<(Activated, Traffic), Failure> {
    let mut person = Counting { unasked: Unasked::new(secret), traffic: Traffic::default() };
    let order = Order {
        shipped: attempt.shipped,
        mirrors: vec![attempt.base.trim_end_matches('/').to_owned()],
        clock: Clock { rtc: attempt.now, build: None },
        machine: None,
        facts: Facts::default(),
        profile: attempt.profile.map(str::to_owned),
        given: attempt.given,
        way: &|_| Ok(Way::AtOnce),
    };
    let activated = activate(&order, Sources { transport, state: None, cache: None }, &mut person)?;
    activated.files()?;
    Ok((activated, person.traffic))
}

/// Nobody is asked, and what arrives is counted.
struct Counting {
    unasked: Unasked,
    traffic: Traffic,
}

impl Person for Counting {
    fn code(&mut self) -> Result<Secret, Failure> {
        self.unasked.code()
    }

    fn today(&mut self, newest: Moment) -> Result<Option<Moment>, Failure> {
        self.unasked.today(newest)
    }

    fn profile(&mut self, menu: &Menu<'_>) -> Result<String, Failure> {
        self.unasked.profile(menu)
    }

    fn answers(&mut self, manifest: &Manifest, sheet: Sheet) -> Result<Answers, Failure> {
        self.unasked.answers(manifest, sheet)
    }

    fn confirm(&mut self, choice: &Choice<'_>) -> Result<(), Failure> {
        self.unasked.confirm(choice)
    }

    fn tell(&mut self, event: &Event) {
        if let Event::Fetched { bytes, path, .. } = event {
            self.traffic.bytes += bytes;
            self.traffic.requests += 1;
            self.traffic.last.clone_from(path);
        }
        self.unasked.tell(event);
    }
}
