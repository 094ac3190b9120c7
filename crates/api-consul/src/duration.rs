//! Durations as Go writes and reads them (`time.ParseDuration`): `1h15m`, `0.5s`, `1000ms`.

use std::time::Duration;

/// Nanoseconds of each unit.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];
/// Longest duration that Go can hold: 2^63 nanoseconds.
const NANOS_MAX: f64 = 9.2e18;

/// The duration that `text` says, or nothing if Go would not take it. Less than nothing is nothing.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..end])?;
        nanos += number * unit;
        rest = &rest[end..];
    }
    if nanos > NANOS_MAX {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 2^63")]
    Some(if negative { Duration::ZERO } else { Duration::from_nanos(nanos as u64) })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn what_go_takes_is_taken_and_nothing_else() {
        let millis = |text: &str| parse(text).map(|duration| duration.as_millis());
        assert_eq!(millis("1s"), Some(1_000));
        assert_eq!(millis("1000ms"), Some(1_000));
        assert_eq!(millis("0.5s"), Some(500));
        assert_eq!(millis("1h15m"), Some(4_500_000));
        assert_eq!(millis("0"), Some(0));
        assert_eq!(millis("-1s"), Some(0));
        assert_eq!(parse("1us"), Some(Duration::from_micros(1)));
        for bad in ["", "1", "1m1", "s", "-", "1x", "1 s", "99999999999h", ".s"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
