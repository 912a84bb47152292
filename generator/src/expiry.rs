//! What expires when, and from when on somebody is told. The one place that knows how much time people need.
//!
//! Root and release are announced 60 days ahead, because people have to meet; a timestamp one day ahead, because only a nightly job has to run.
//! A document that lives less than twice as long is announced in the second half of its life: a short life is not an alarm for ever.

use anode_bundle::Moment;
use anode_bundle::document::{Document, Release, Root, Timestamp};
use serde::Serialize;

const DAY: u64 = 86_400;

/// A document whose end is announced.
pub trait Announced: Document {
    /// How many days before the end.
    const AHEAD: u64;
    /// What has to be done by then.
    const REMEDY: &'static str;
}

impl Announced for Root {
    const AHEAD: u64 = 60;
    const REMEDY: &'static str =
        "begin the next root with `anode root new`, have it signed with `anode root sign`, then build and publish";
}

impl Announced for Release {
    const AHEAD: u64 = 60;
    const REMEDY: &'static str = "build and publish again";
}

impl Announced for Timestamp {
    const AHEAD: u64 = 1;
    const REMEDY: &'static str = "run `anode refresh` every night";
}

/// How pressing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Nobody has to do anything yet.
    Fine,
    /// Somebody has to do something before it ends.
    Soon,
    /// No machine accepts it any more.
    Over,
}

/// The end of one document, seen from a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expiry {
    /// `root`, `release` or `timestamp`.
    pub document: &'static str,
    /// Its version.
    pub version: u64,
    /// When it was made.
    pub issued: Moment,
    /// When it ends.
    pub expires: Moment,
    /// Seconds until then; 0 once it is over.
    pub seconds_left: u64,
    /// How pressing it is.
    pub urgency: Urgency,
    /// What has to be done before it ends.
    pub remedy: &'static str,
}

impl Expiry {
    /// The end of `document` as it looks at `now`.
    #[must_use]
    pub fn of<D: Announced>(document: &D, now: Moment) -> Expiry {
        let (issued, expires) = (document.issued(), document.expires());
        let ahead = (D::AHEAD * DAY).min(expires.since(issued) / 2);
        let left = expires.since(now);
        let urgency = match left {
            // A document still holds in its last second.
            _ if expires < now => Urgency::Over,
            left if left <= ahead => Urgency::Soon,
            _ => Urgency::Fine,
        };
        Expiry {
            document: D::KIND,
            version: document.version(),
            issued,
            expires,
            seconds_left: left,
            urgency,
            remedy: D::REMEDY,
        }
    }

    /// One line for whoever has to act; `None` while nobody has to.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let Expiry { document, version, expires, remedy, .. } = self;
        match self.urgency {
            Urgency::Fine => None,
            Urgency::Soon => {
                Some(format!("{document} {version} expires on {expires}, in {}: {remedy}", span(self.seconds_left)))
            }
            Urgency::Over => Some(format!("{document} {version} expired on {expires}: {remedy}")),
        }
    }
}

/// Seconds as people say them: days, or hours in the last two.
#[must_use]
pub fn span(seconds: u64) -> String {
    let (number, unit) = if seconds >= 2 * DAY { (seconds / DAY, "day") } else { (seconds / 3600, "hour") };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(days: u64) -> Timestamp {
        let issued = Moment::parse("2026-11-01T00:00:00Z").unwrap();
        let reference =
            anode_bundle::document::ReleaseRef { version: 1, length: 2, sha256: anode_bundle::name::Sha256::of(b"{}") };
        Timestamp {
            format: 1,
            kind: Timestamp::KIND.to_owned(),
            site: anode_bundle::name::SiteId::from_bytes([1; 16]),
            version: 4,
            root: 1,
            issued,
            expires: issued.plus(days * DAY),
            release: reference,
            critical: Vec::new(),
        }
    }

    fn urgency(days: u64, after: u64) -> Urgency {
        let timestamp = timestamp(days);
        Expiry::of(&timestamp, timestamp.issued.plus(after)).urgency
    }

    #[test]
    fn the_announcement_begins_exactly_at_its_time_and_the_last_second_still_holds() {
        assert_eq!(urgency(7, 6 * DAY - 1), Urgency::Fine);
        assert_eq!(urgency(7, 6 * DAY), Urgency::Soon);
        assert_eq!(urgency(7, 7 * DAY), Urgency::Soon);
        assert_eq!(urgency(7, 7 * DAY + 1), Urgency::Over);
    }

    #[test]
    fn a_short_life_is_announced_in_its_second_half_only() {
        assert_eq!(urgency(1, DAY / 2 - 1), Urgency::Fine);
        assert_eq!(urgency(1, DAY / 2), Urgency::Soon);
    }

    #[test]
    fn the_warning_says_what_when_and_what_to_do() {
        let timestamp = timestamp(7);
        let at = |after: u64| Expiry::of(&timestamp, timestamp.issued.plus(after)).warning();
        assert_eq!(at(0), None);
        let soon = "timestamp 4 expires on 2026-11-08T00:00:00Z, in 23 hours: run `anode refresh` every night";
        assert_eq!(at(6 * DAY + 3599).as_deref(), Some(soon));
        let over = "timestamp 4 expired on 2026-11-08T00:00:00Z: run `anode refresh` every night";
        assert_eq!(at(8 * DAY).as_deref(), Some(over));
    }

    #[test]
    fn spans_are_days_and_in_the_last_two_days_hours() {
        for (seconds, text) in
            [(60 * DAY, "60 days"), (2 * DAY, "2 days"), (2 * DAY - 1, "47 hours"), (3600, "1 hour"), (3599, "0 hours")]
        {
            assert_eq!(span(seconds), text);
        }
    }
}
