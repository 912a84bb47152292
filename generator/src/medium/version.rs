//! Which of two versions of a package is newer, as Debian orders them (Policy Manual, 5.6.12; `deb-version(7)`).

use std::cmp::Ordering;

/// Compares two versions: `[epoch:]upstream[-revision]`.
#[must_use]
pub fn compare(one: &str, other: &str) -> Ordering {
    let (first, second) = (parts(one), parts(other));
    first.0.cmp(&second.0).then_with(|| part(first.1, second.1)).then_with(|| part(first.2, second.2))
}

fn parts(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) =
        version.split_once(':').map_or((0, version), |(epoch, rest)| (epoch.parse().unwrap_or(0), rest));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Alternates between what is no digit, compared by weight, and numbers.
fn part(mut one: &str, mut other: &str) -> Ordering {
    while !one.is_empty() || !other.is_empty() {
        let (first, second) = (take(&mut one, false), take(&mut other, false));
        let length = first.len().max(second.len());
        for place in 0..=length {
            let order = weight(first.as_bytes().get(place)).cmp(&weight(second.as_bytes().get(place)));
            if order != Ordering::Equal {
                return order;
            }
        }
        let (first, second) = (take(&mut one, true), take(&mut other, true));
        let (first, second) = (first.trim_start_matches('0'), second.trim_start_matches('0'));
        let order = first.len().cmp(&second.len()).then_with(|| first.cmp(second));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn take<'a>(text: &mut &'a str, digits: bool) -> &'a str {
    let end = text.find(|letter: char| letter.is_ascii_digit() != digits).unwrap_or(text.len());
    let (taken, rest) = text.split_at(end);
    *text = rest;
    taken
}

/// `~` before the end, the end before letters, letters before everything else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each with what `dpkg --compare-versions` says.
    #[test]
    fn versions_are_ordered_as_the_distribution_orders_them() {
        for (less, more) in [
            ("6.1.176-1", "6.1.192-2"),
            ("1.51~1+deb12u1+16.1-2~deb12u1", "1.51+16.1-2"),
            ("1:1.35.0-4+deb12u1+b1", "2:0"),
            ("9.9", "1:0"),
            ("2.06-13+deb12u1", "2.06-13+deb12u2"),
            ("1.0~rc1", "1.0"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0+"),
            ("1.9", "1.10"),
            ("1.0-1", "1.0-1.1"),
            ("20230311", "20250419~deb12u2"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more, less), Ordering::Greater, "{more} {less}");
        }
        assert_eq!(compare("1.00-0", "1.0"), Ordering::Equal);
    }
}
