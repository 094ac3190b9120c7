//! What an option may hold: how it is written in a file, and how it is checked.

use super::socket::{parse_mode, parse_socket};
use super::values::{
    Advertise, DnsZone, LogFilter, LogFormat, Seed, parse_address, parse_network, parse_path, parse_place,
};
use crate::duration;
use std::time::Duration;
use whither_model::NodeName;

/// The type of an option.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A host name.
    NodeName,
    /// A path.
    Path,
    /// Any number of paths.
    Paths,
    /// A zone or region: empty or a label.
    Place(&'static str),
    /// `ip:port` to listen on.
    Address,
    /// A path for a Unix socket, or `off`.
    Socket,
    /// Permissions of a file, octal.
    Mode,
    /// `ip` or `ip:port` that others are told.
    Advertise,
    /// Any number of `host[:port]`.
    Seeds,
    /// At least one DNS zone.
    Zones,
    /// Any number of networks, or addresses.
    Networks,
    /// `true` or `false`.
    Bool,
    /// A whole number in a range, both ends included.
    Number(u32, u32),
    /// A duration in a range of milliseconds, both ends included.
    Millis(u64, u64),
    /// As `Millis`, in whole seconds.
    Seconds(u64, u64),
    /// An `EnvFilter` directive list.
    Filter,
    /// A log format.
    Format,
}

impl Kind {
    /// For the reference page: what one writes.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::NodeName => "string: a host name".into(),
            Self::Path => "string: a path".into(),
            Self::Paths => "list of strings: paths".into(),
            Self::Place(_) => "string: empty, or 1 to 63 of `a-z`, `0-9`, `-` and `_`".into(),
            Self::Address => "string: `ip:port`".into(),
            Self::Socket => "string: a path of at most 107 bytes, or `off`".into(),
            Self::Mode => "string: permissions in octal, `0600` to `0777`".into(),
            Self::Advertise => "string: `ip` or `ip:port`".into(),
            Self::Seeds => "list of strings: `host`, `host:port`, `ip` or `ip:port`".into(),
            Self::Zones => "list of strings: domain names".into(),
            Self::Networks => "list of strings: `ip` or `ip/bits`".into(),
            Self::Bool => "`true` or `false`".into(),
            Self::Number(min, max) => format!("integer, {min} to {max}"),
            Self::Millis(min, max) => format!("string: a duration, {} to {}", millis(min), millis(max)),
            Self::Seconds(min, max) => format!("string: a duration in whole seconds, {min}s to {max}s"),
            Self::Filter => "string: a level, or `target=level` pairs".into(),
            Self::Format => "string: `text` or `json`".into(),
        }
    }

    /// What stands for the value in `--flag <VALUE>`.
    pub(crate) const fn value_name(self) -> &'static str {
        match self {
            Self::NodeName | Self::Place(_) => "NAME",
            Self::Path | Self::Paths => "PATH",
            Self::Address => "IP:PORT",
            Self::Socket => "PATH|off",
            Self::Mode => "MODE",
            Self::Advertise => "IP[:PORT]",
            Self::Seeds => "HOST[:PORT]",
            Self::Zones => "DOMAIN",
            Self::Networks => "IP[/BITS]",
            Self::Bool => "true|false",
            Self::Number(..) => "N",
            Self::Millis(..) | Self::Seconds(..) => "DURATION",
            Self::Filter => "LEVEL",
            Self::Format => "text|json",
        }
    }

    /// Whether the option takes a list.
    pub(crate) const fn is_list(self) -> bool {
        matches!(self, Self::Paths | Self::Seeds | Self::Zones | Self::Networks)
    }

    /// `texts` as a TOML value.
    pub(crate) fn toml(self, texts: &[String]) -> String {
        let quoted = |text: &String| toml::Value::from(text.as_str()).to_string();
        match (self, texts) {
            (Self::Bool | Self::Number(..), [text]) => text.clone(),
            (kind, [text]) if !kind.is_list() => quoted(text),
            (_, texts) => format!("[{}]", texts.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        }
    }

    /// Whether `text`, or one entry of the list, is what this kind holds.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::NodeName => parse_node_name(text).map(drop),
            Self::Path => parse_path(text).map(drop),
            Self::Paths if text == "-" => Err("\"-\" is standard input, which an agent does not read".into()),
            Self::Paths => parse_path(text).map(drop),
            Self::Place(what) => parse_place(what, text).map(drop),
            Self::Address => parse_address(text).map(drop),
            Self::Socket => parse_socket(text).map(drop),
            Self::Mode => parse_mode(text).map(drop),
            Self::Advertise => text.parse::<Advertise>().map(drop),
            Self::Seeds => text.parse::<Seed>().map(drop),
            Self::Zones => text.parse::<DnsZone>().map(drop),
            Self::Networks => parse_network(text).map(drop),
            Self::Bool => parse_bool(text).map(drop),
            Self::Number(min, max) => parse_number(text, min, max).map(drop),
            Self::Millis(min, max) => parse_millis(text, min, max).map(drop),
            Self::Seconds(min, max) => parse_seconds(text, min, max).map(drop),
            Self::Filter => text.parse::<LogFilter>().map(drop),
            Self::Format => text.parse::<LogFormat>().map(drop),
        }
    }
}

/// A node's name.
///
/// # Errors
/// What would be a name.
pub(crate) fn parse_node_name(text: &str) -> Result<NodeName, String> {
    text.parse().map_err(|bad: whither_model::name::BadName| format!("{:?}: {}", bad.given, bad.problem))
}

/// `true` or `false`.
///
/// # Errors
/// That it is neither.
pub(crate) fn parse_bool(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is not a truth value; expected true or false"))
}

/// A whole number from `min` to `max`.
///
/// # Errors
/// The range.
pub(crate) fn parse_number(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("{text:?} is not a whole number from {min} to {max}"))
}

/// A duration from `min` to `max` milliseconds.
///
/// # Errors
/// What a duration looks like, or the range.
pub(crate) fn parse_millis(text: &str, min: u64, max: u64) -> Result<Duration, String> {
    let duration = duration::parse(text)?;
    if (Duration::from_millis(min)..=Duration::from_millis(max)).contains(&duration) {
        return Ok(duration);
    }
    Err(format!("{text:?} is out of range; expected {} to {}", millis(min), millis(max)))
}

/// A duration from `min` to `max` whole seconds: DNS counts in no smaller unit (RFC 1035 section 3.2.1).
///
/// # Errors
/// What a duration looks like, the range, or that it is not whole.
pub(crate) fn parse_seconds(text: &str, min: u64, max: u64) -> Result<Duration, String> {
    let duration = duration::parse(text)?;
    if duration.subsec_nanos() != 0 {
        return Err(format!("{text:?} is not a whole number of seconds; expected {min}s to {max}s"));
    }
    if (min..=max).contains(&duration.as_secs()) {
        return Ok(duration);
    }
    Err(format!("{text:?} is out of range; expected {min}s to {max}s"))
}

fn millis(count: u64) -> String {
    duration::exact(Duration::from_millis(count))
}
