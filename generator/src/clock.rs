//! The time of a build: `--at`, else SOURCE_DATE_EPOCH, else now (format, section 8).

use std::time::{SystemTime, UNIX_EPOCH};

use anode_bundle::Moment;
use anyhow::{Result, bail, ensure};

/// The clock's reading; a clock before 1970 reads 1970.
#[must_use]
pub fn now() -> Moment {
    Moment::from_seconds(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// The time of a build.
///
/// # Errors
/// If SOURCE_DATE_EPOCH is set and no number of seconds.
pub fn build_time(at: Option<Moment>) -> Result<Moment> {
    if let Some(at) = at {
        return Ok(at);
    }
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => match text.trim().parse() {
            Ok(seconds) => Ok(Moment::from_seconds(seconds)),
            Err(_) => bail!("SOURCE_DATE_EPOCH is `{text}` and must be seconds since 1970"),
        },
        Err(_) => Ok(now()),
    }
}

/// A moment on the command line: `2026-11-21T09:00:00Z`.
///
/// # Errors
/// If it has another form.
pub fn parse_moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).map_err(|error| error.to_string())
}

/// An end on the command line: a moment, a date (its last second), or a number of days such as `90d` from `now`.
///
/// # Errors
/// If it has none of these forms.
pub fn parse_end(text: &str, now: Moment) -> Result<Moment> {
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()) {
        ensure!(days <= 36_500, "`{text}` is more than a hundred years");
        return Ok(now.plus(days * 86_400));
    }
    match Moment::parse(text).or_else(|_| Moment::parse(&format!("{text}T23:59:59Z"))) {
        Ok(moment) => Ok(moment),
        Err(_) => bail!("`{text}` is no end; write `90d`, `2027-06-30` or `2027-06-30T12:00:00Z`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_days_dates_or_moments() {
        let now = Moment::parse("2026-11-21T09:00:00Z").unwrap();
        for (text, wanted) in [
            ("2d", "2026-11-23T09:00:00Z"),
            ("2027-06-30", "2027-06-30T23:59:59Z"),
            ("2027-06-30T12:00:00Z", "2027-06-30T12:00:00Z"),
        ] {
            assert_eq!(parse_end(text, now).unwrap().to_string(), wanted);
        }
        for bad in ["", "d", "-1d", "36501d", "tomorrow", "2027-02-30"] {
            assert!(parse_end(bad, now).is_err(), "{bad}");
        }
    }
}
