//! What options of `whither simulate` hold, and how each is written.

use crate::duration;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use whither_sim::study::{Deploy, Partition, Regions};

/// A share of a whole: `5%`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Share(pub(crate) f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').ok_or_else(|| format!("{text:?} has no %; expected a share such as 5%"))?;
        let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match number.parse::<f64>().ok().filter(|_| plain) {
            Some(percent) if percent <= 100.0 => Ok(Self(percent / 100.0)),
            Some(_) => Err(format!("{text:?} is more than all; expected a share from 0% to 100%")),
            None => Err(format!("{text:?} is not a share; expected a number and %, for example 5% or 0.1%")),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A hundredfold of what was a hundredth: rounding makes 5 of 5.000000000000001.
        write!(f, "{}%", (self.0 * 1e8).round() / 1e6)
    }
}

/// How many nodes: a number, or a share of all.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Part {
    /// So many.
    Count(u32),
    /// That share, and at least one if it is not zero.
    Share(Share),
}

impl Part {
    /// How many that is of `all`.
    pub(crate) fn of(self, all: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Share(Share(share)) if share <= 0.0 => 0,
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most `all`")]
            Self::Share(Share(share)) => ((f64::from(all) * share).round() as u32).max(1),
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.ends_with('%') {
            return text.parse().map(Self::Share);
        }
        let count = text.parse().map(Self::Count);
        count.map_err(|_| {
            format!("{text:?} is not a number of nodes; expected a number or a share, for example 10 or 10%")
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{share}"),
        }
    }
}

/// How many nodes can be simulated.
pub(crate) const NODES: (u32, u32) = (3, 100_000);

/// Reads how many nodes there are.
///
/// # Errors
/// The range.
pub(super) fn nodes(text: &str) -> Result<u32, String> {
    number(text, NODES.0, NODES.1)
}

/// Reads a whole number in a range.
///
/// # Errors
/// The range.
pub(super) fn number(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let plain = text.replace('_', "");
    let number = plain.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("{text:?} is not a whole number from {min} to {max}"))
}

/// Reads where nodes are.
///
/// # Errors
/// What there is to choose from.
pub(super) fn regions(text: &str) -> Result<Regions, String> {
    let most = Regions::WORLD.count();
    let count = if text == "world" { Some(most) } else { text.parse().ok() };
    count.and_then(Regions::new).ok_or_else(|| {
        format!("{text:?} is no number of regions; expected 1 (one data centre) to {most}, or world (all {most})")
    })
}

/// Writes it as [`regions`] reads it.
pub(super) fn regions_text(regions: Regions) -> String {
    if regions == Regions::WORLD { "world".into() } else { regions.count().to_string() }
}

/// Reads a duration in a range.
///
/// # Errors
/// What a duration looks like, or the range.
pub(super) fn duration_in(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let length = duration::parse(text)?;
    if (min..=max).contains(&length) {
        return Ok(length);
    }
    Err(format!("{text:?} is out of range; expected {} to {}", duration::exact(min), duration::exact(max)))
}

/// The longest that anything is simulated.
const LENGTH_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Reads how long something lasts in a run.
///
/// # Errors
/// As [`duration_in`].
pub(super) fn length(text: &str) -> Result<Duration, String> {
    duration_in(text, Duration::from_millis(1), LENGTH_MAX)
}

/// How often a node may probe: the agent's own limits for `membership.probe_interval`.
pub(super) const PROBE_INTERVAL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(60));
/// How patient a node may be: the agent's own limits for `membership.suspicion`.
pub(super) const SUSPICION: (u32, u32) = (1, 20);

/// Reads how often a node probes.
///
/// # Errors
/// As [`duration_in`].
pub(super) fn probe_interval(text: &str) -> Result<Duration, String> {
    duration_in(text, PROBE_INTERVAL.0, PROBE_INTERVAL.1)
}

/// Reads how patient nodes are.
///
/// # Errors
/// The range.
pub(super) fn suspicion(text: &str) -> Result<u32, String> {
    number(text, SUSPICION.0, SUSPICION.1)
}

/// Reads how the network is divided: `20s`, or `20s:30%`.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(super) fn partition(text: &str) -> Result<Partition, String> {
    let (length_text, share) = text.split_once(':').unwrap_or((text, "50%"));
    Ok(Partition { length: length(length_text)?, share: side(share)? })
}

/// Writes it as [`partition`] reads it.
pub(super) fn partition_text(partition: &Partition) -> String {
    format!("{}:{}", duration::exact(partition.length), Share(partition.share))
}

/// Reads how nodes are restarted: `10%`, or `10%:2s`.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(super) fn deploy(text: &str) -> Result<Deploy, String> {
    let (share, away) = text.split_once(':').unwrap_or((text, "2s"));
    let share: Share = share.parse()?;
    if share.0 < 0.01 {
        return Err(format!("{share} at a time is too few; expected 1% to 100%"));
    }
    Ok(Deploy { share: share.0, away: length(away)? })
}

/// Writes it as [`deploy`] reads it.
pub(super) fn deploy_text(deploy: &Deploy) -> String {
    format!("{}:{}", Share(deploy.share), duration::exact(deploy.away))
}

/// A share that leaves somebody on either side.
fn side(text: &str) -> Result<f64, String> {
    let Share(share) = text.parse()?;
    if share > 0.0 && share < 1.0 {
        return Ok(share);
    }
    Err(format!("{text:?} leaves nobody on one side; expected more than 0% and less than 100%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_parts_are_read_as_they_are_written() {
        for text in ["0%", "5%", "0.1%", "33.3%", "100%", "7%", "29%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
            assert_eq!(text.parse::<Part>().unwrap().to_string(), text);
        }
        let of = |text: &str, all| text.parse::<Part>().unwrap().of(all);
        assert_eq!([of("10", 50), of("10%", 50), of("1%", 50), of("0%", 50), of("0", 50)], [10, 5, 1, 0, 0]);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        let share = |text: &str| text.parse::<Share>().unwrap_err();
        assert_eq!(share("5"), "\"5\" has no %; expected a share such as 5%");
        assert_eq!(share("120%"), "\"120%\" is more than all; expected a share from 0% to 100%");
        for wrong in ["-1%", "x%", "%", "1e1%", "inf%", "NaN%"] {
            assert!(share(wrong).contains("is not a share; expected a number and %"), "{wrong}");
        }
        assert!("ten".parse::<Part>().unwrap_err().contains("expected a number or a share, for example 10 or 10%"));
        assert_eq!(nodes("2").unwrap_err(), "\"2\" is not a whole number from 3 to 100000");
        assert_eq!(nodes("10_000").unwrap(), 10_000);
        for wrong in ["mars", "0", "20", "-1", "300", "1.5", ""] {
            let told = regions(wrong).unwrap_err();
            assert_eq!(
                told,
                format!("{wrong:?} is no number of regions; expected 1 (one data centre) to 19, or world (all 19)")
            );
        }
        assert_eq!(probe_interval("1ms").unwrap_err(), "\"1ms\" is out of range; expected 50ms to 1m");
        assert!(partition("20").unwrap_err().contains("has no unit"));
        assert!(partition("20s:100%").unwrap_err().contains("leaves nobody on one side"));
        assert!(deploy("0.1%").unwrap_err().contains("too few; expected 1% to 100%"));
        assert!(deploy("10%:soon").unwrap_err().contains("is not a duration"));
    }

    #[test]
    fn troubles_are_read_as_they_are_written() {
        assert_eq!(partition_text(&partition("20s").unwrap()), "20s:50%");
        assert_eq!(partition_text(&partition("90s:10%").unwrap()), "90s:10%");
        assert_eq!(deploy_text(&deploy("5%").unwrap()), "5%:2s");
        assert_eq!(deploy_text(&deploy("25%:500ms").unwrap()), "25%:500ms");
        for text in ["1", "2", "5", "18", "world"] {
            assert_eq!(regions_text(regions(text).unwrap()), text);
        }
        assert_eq!(regions("19"), Ok(Regions::WORLD));
    }
}
