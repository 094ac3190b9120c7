//! Durations as people write and read them: `500ms`, `10s`, `2m`, `1h`.

use std::time::Duration;

/// Units, longest first, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a whole number with a unit.
///
/// # Errors
/// What is wrong with `text`, and what would be right.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = |why: &str| format!("{text:?} {why}; expected a whole number and a unit, for example 500ms, 10s or 2m");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(wrong("is not a duration"));
    }
    let number: u64 = number.parse().map_err(|_| wrong("is too long"))?;
    let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(wrong(if unit.is_empty() { "has no unit" } else { "has an unknown unit" }));
    };
    number.checked_mul(*millis).map(Duration::from_millis).ok_or_else(|| wrong("is too long"))
}

/// Reads a lease: a duration that the agent accepts as `ttl`.
///
/// # Errors
/// As [`parse`], and for a duration out of the agent's range.
pub(crate) fn parse_lease(text: &str) -> Result<Duration, String> {
    use whither_model::limits::{LEASE_MILLIS_MAX, LEASE_MILLIS_MIN};
    let lease = parse(text)?;
    let (min, max) = (Duration::from_millis(LEASE_MILLIS_MIN), Duration::from_millis(LEASE_MILLIS_MAX));
    if lease < min || lease > max {
        return Err(format!("{text:?} is out of range; expected {} to {}", exact(min), exact(max)));
    }
    Ok(lease)
}

/// Writes `duration` so that [`parse`] reads the same again: in the longest unit that divides it. What is below a
/// millisecond is dropped.
pub(crate) fn exact(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return String::from("0s");
    }
    let (unit, length) = UNITS.iter().find(|(_, length)| millis.is_multiple_of(*length)).unwrap_or(&("ms", 1));
    format!("{}{unit}", millis / length)
}

/// A length of time for a table's cell, rounded up in a unit that keeps it short: `12ms`, `3s`, `5m`, `2h`, `9d`.
pub(crate) fn compact(millis: Option<u64>) -> String {
    let Some(millis) = millis else { return "unknown".into() };
    let (number, unit) = rounded_up(millis);
    format!("{number}{unit}")
}

/// A length of time for a sentence, rounded up: `12 ms`, `3 s`, `5 min`, `2 h`, `9 days`.
pub(crate) fn words(millis: Option<u64>) -> String {
    let Some(millis) = millis else { return "a time that cannot be told yet".into() };
    let (number, unit) = rounded_up(millis);
    let unit = match unit {
        "m" => "min",
        "d" if number == 1 => "day",
        "d" => "days",
        other => other,
    };
    format!("{number} {unit}")
}

/// Rounds up, never down: an age is an upper bound, and must stay one when it is shown.
fn rounded_up(millis: u64) -> (u64, &'static str) {
    let (unit, length) = match millis {
        0..=9_999 => ("ms", 1),
        10_000..=119_999 => ("s", 1_000),
        120_000..=7_199_999 => ("m", 60_000),
        7_200_000..=172_799_999 => ("h", 3_600_000),
        _ => ("d", 86_400_000),
    };
    (millis.div_ceil(length), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["0s", "1ms", "500ms", "10s", "2m", "1h", "3d"] {
            assert_eq!(exact(parse(text).unwrap()), text);
        }
        assert_eq!(exact(parse("120s").unwrap()), "2m");
    }

    #[test]
    fn what_is_not_a_duration_is_told_what_would_be() {
        let problem = |text: &str| parse(text).unwrap_err();
        let advice = "; expected a whole number and a unit, for example 500ms, 10s or 2m";
        assert_eq!(problem("10"), format!("\"10\" has no unit{advice}"));
        assert_eq!(problem("ten"), format!("\"ten\" is not a duration{advice}"));
        assert_eq!(problem("1.5s"), format!("\"1.5s\" has an unknown unit{advice}"));
        assert_eq!(problem("-1s"), format!("\"-1s\" is not a duration{advice}"));
        assert_eq!(problem("99999999999999999999s"), format!("\"99999999999999999999s\" is too long{advice}"));
        assert_eq!(problem("99999999999999999d"), format!("\"99999999999999999d\" is too long{advice}"));
        assert_eq!(parse_lease("1ms").unwrap_err(), "\"1ms\" is out of range; expected 200ms to 1d");
    }

    #[test]
    fn ages_are_short_and_never_rounded_down() {
        let shown: Vec<_> = [0, 12, 9_999, 10_001, 125_000, 7_200_001, 172_800_001].map(Some).map(compact).into();
        assert_eq!(shown, ["0ms", "12ms", "9999ms", "11s", "3m", "3h", "3d"]);
        assert_eq!([12, 30_000, 600_000, 864_000_000].map(Some).map(words), ["12 ms", "30 s", "10 min", "10 days"]);
    }
}
