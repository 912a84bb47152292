//! Times as format 1 writes them: `YYYY-MM-DDTHH:MM:SSZ`, UTC, whole seconds (format, section 1).
//!
//! There is no clock here; `now` is always an argument.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Seconds since 1970-01-01T00:00:00Z, between the years 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// The text is not a time of the form `YYYY-MM-DDTHH:MM:SSZ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form `YYYY-MM-DDTHH:MM:SSZ`")]
pub struct NotAMoment;

const LAST: u64 = 253_402_300_799; // 9999-12-31T23:59:59Z
const DAY: u64 = 86_400;

impl Moment {
    /// The beginning of time, 1970-01-01T00:00:00Z.
    pub const EPOCH: Moment = Moment(0);

    /// From seconds since 1970; later than the year 9999 is cut to its last second.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Moment {
        Moment(seconds.min(LAST))
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// This moment and `seconds` more.
    #[must_use]
    pub fn plus(self, seconds: u64) -> Moment {
        Moment::from_seconds(self.0.saturating_add(seconds))
    }

    /// Whole seconds from `earlier` to this moment, 0 if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The date alone, `YYYY-MM-DD`.
    #[must_use]
    pub fn date(self) -> String {
        let (year, month, day) = civil(self.0 / DAY);
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// Reads `YYYY-MM-DDTHH:MM:SSZ` and nothing else.
    ///
    /// # Errors
    /// [`NotAMoment`] for any other text, impossible dates and leap seconds.
    pub fn parse(text: &str) -> Result<Moment, NotAMoment> {
        let bytes: &[u8; 20] = text.as_bytes().try_into().map_err(|_| NotAMoment)?;
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1, b'Z'] = *bytes
        else {
            return Err(NotAMoment);
        };
        let year = number(&[y0, y1, y2, y3])?;
        let (month, day) = (number(&[m0, m1])?, number(&[d0, d1])?);
        let (hour, minute, second) = (number(&[h0, h1])?, number(&[i0, i1])?, number(&[s0, s1])?);
        if year < 1970 || hour > 23 || minute > 59 || second > 59 {
            return Err(NotAMoment);
        }
        let days = days_from_civil(year, month, day).ok_or(NotAMoment)?;
        Ok(Moment(days * DAY + hour * 3600 + minute * 60 + second))
    }
}

fn number(digits: &[u8]) -> Result<u64, NotAMoment> {
    digits.iter().try_fold(0, |value, digit| match digit {
        b'0'..=b'9' => Ok(value * 10 + u64::from(digit - b'0')),
        _ => Err(NotAMoment),
    })
}

// Howard Hinnant, "chrono-compatible low-level date algorithms": days_from_civil and civil_from_days, for years from 1970 on.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted / 400;
    let year_of_era = shifted - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    // A day that the month does not have comes out as another date.
    (civil(days) == (year, month, day)).then_some(days)
}

fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0 % DAY;
        write!(f, "{}T{:02}:{:02}:{:02}Z", self.date(), second / 3600, second / 60 % 60, second % 60)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        let text = String::deserialize(deserializer)?;
        Moment::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn known_moments_round_trip() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("2026-11-21T09:00:00Z", 1_795_251_600),
            ("2038-01-19T03:14:08Z", 2_147_483_648),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(Moment::parse(text).unwrap().seconds(), seconds, "{text}");
            assert_eq!(Moment::from_seconds(seconds).to_string(), text);
        }
    }

    #[test]
    fn every_day_of_four_centuries_round_trips() {
        for day in 0..146_097 {
            let moment = Moment::from_seconds(day * 86_400);
            assert_eq!(Moment::parse(&moment.to_string()), Ok(moment));
        }
    }

    #[test]
    fn the_time_since_a_later_moment_is_none() {
        let (early, late) = (Moment::from_seconds(3), Moment::from_seconds(10));
        assert_eq!((late.since(early), early.since(late), early.since(early)), (7, 0, 0));
    }

    #[test]
    fn refuses_what_is_not_exactly_the_form() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T09:00:00",
            "2026-11-21T09:00:00z",
            "2026-11-21 09:00:00Z",
            "2026-11-21T09:00:00+00:00",
            "2026-11-21T09:00:00.0Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-03-00T00:00:00Z",
            "1970-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T23:60:00Z",
            "2026-01-01T23:59:60Z",
            "1969-12-31T23:59:59Z",
            "+026-11-21T09:00:00Z",
        ] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }
}
