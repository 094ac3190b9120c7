//! Moments in the names of files: `20261120T202807Z`, which sorts as time does.

use std::time::{SystemTime, UNIX_EPOCH};
use whither_model::WallTime;

/// Now, as part of a file's name.
pub(crate) fn now() -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_millis());
    of(WallTime(u64::try_from(millis).unwrap_or(u64::MAX)))
}

fn of(moment: WallTime) -> String {
    // RFC 3339 without what means something in paths, and without what nobody looks for (ISO 8601, basic format).
    let text = moment.to_string();
    let seconds = text.split('.').next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

/// Whether a text is such a moment.
pub(crate) fn is_one(text: &str) -> bool {
    text.len() == 16
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_short_and_known_again() {
        assert_eq!(of(WallTime(1_795_206_487_125)), "20261120T202807Z");
        assert!(is_one(&now()) && !is_one("20261120T202807") && !is_one("20261120-202807Z"));
    }
}
