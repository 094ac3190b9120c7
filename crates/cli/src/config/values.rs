//! The values that only a configuration has, each parsed once.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use tracing_subscriber::EnvFilter;
use whither_checks::{Network, NoNetwork};
use whither_model::PortChoice;
use whither_model::limits::{LABEL_BYTES_MAX, NODE_NAME_BYTES_MAX};
use whither_model::name::BadName;

/// The port peers are looked for at when none is named.
pub(crate) const PEERS_PORT: u16 = 7600;

/// Where a peer may be found: an address, or a name to be looked up each time it is needed, never once for all.
///
/// Its `Display` text, `host:port`, is what `tokio::net::lookup_host` takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seed {
    /// The host.
    pub(crate) host: SeedHost,
    /// Its port; 7600 unless one was given.
    pub(crate) port: u16,
}

/// The host of a [`Seed`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SeedHost {
    /// An address.
    Ip(IpAddr),
    /// A DNS name.
    Name(Box<str>),
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err(format!("{text:?} has port 0; expected 1 to 65535")),
                port => Ok(Self { host: SeedHost::Ip(address.ip()), port }),
            };
        }
        if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(Self { host: SeedHost::Ip(ip), port: PEERS_PORT });
        }
        let wrong = |why: &str| format!("{text:?} {why}; expected host or host:port, for example seed.example:7600");
        let (host, port) = match text.rsplit_once(':') {
            None => (text, PEERS_PORT),
            Some((host, port)) => match port.parse() {
                Ok(port) if port != 0 => (host, port),
                _ => return Err(wrong("has no valid port")),
            },
        };
        if !is_domain(host) {
            return Err(wrong("is not a host name or an address"));
        }
        Ok(Self { host: SeedHost::Name(host.into()), port })
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            SeedHost::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            SeedHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Where peers are told to reach this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Advertise {
    /// The address, one that can be connected to.
    pub(crate) ip: IpAddr,
    /// The port; `None`: the one that is listened on.
    pub(crate) port: Option<u16>,
}

impl FromStr for Advertise {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let advertise = match text.parse::<SocketAddr>() {
            Ok(address) if address.port() == 0 => return Err(format!("{text:?} has port 0; expected 1 to 65535")),
            Ok(address) => Self { ip: address.ip(), port: Some(address.port()) },
            Err(_) => Self {
                ip: text.parse().map_err(|_| {
                    format!("{text:?} is not an address; expected ip or ip:port, for example 10.0.0.7 or 10.0.0.7:7600")
                })?,
                port: None,
            },
        };
        if advertise.ip.is_unspecified() || advertise.ip.is_multicast() {
            return Err(format!("{text:?} cannot be connected to; expected the address peers reach this host at"));
        }
        Ok(advertise)
    }
}

impl fmt::Display for Advertise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// A domain under which DNS answers: lower case, fully qualified, ending in a dot; never the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DnsZone(Box<str>);

impl DnsZone {
    /// The text, for example `whither.`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DnsZone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if !is_domain(name) {
            return Err(format!("{text:?} is not a domain; expected labels joined by dots, for example whither."));
        }
        Ok(Self(format!("{}.", name.to_ascii_lowercase()).into()))
    }
}

/// Which log lines are written, in the syntax of `EnvFilter`: `info`, or `warn,whither_node=debug`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LogFilter(Box<str>);

impl LogFilter {
    /// The filter.
    pub(crate) fn filter(&self) -> EnvFilter {
        EnvFilter::new(&*self.0)
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        // A single word that is not a level would be taken for a target, and everything else would fall silent.
        let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        if text.is_empty() || (is_word && !LEVELS.contains(&text.to_ascii_lowercase().as_str())) {
            return Err(format!("{text:?} is not a level; expected {}", LEVELS.join(", ")));
        }
        EnvFilter::try_new(text).map_err(|error| {
            format!("{text:?} is not a log filter ({error}); expected for example info or warn,whither_node=debug")
        })?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// The word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Text, Self::Json]
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a log format; expected text or json"))
    }
}

/// An address to listen on.
///
/// # Errors
/// What an address looks like.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let advice = "expected ip:port, for example 127.0.0.1:7601 or [::1]:7601";
        match text.parse::<IpAddr>() {
            Ok(_) => format!("{text:?} has no port; {advice}"),
            Err(_) => format!("{text:?} is not an address to listen on; {advice}"),
        }
    })
}

/// A network, or one address.
///
/// # Errors
/// What a network looks like.
pub(crate) fn parse_network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|bad: NoNetwork| bad.to_string())
}

/// One of an instance's ports, by number or by name.
///
/// # Errors
/// What a port looks like.
pub(crate) fn parse_port_choice(text: &str) -> Result<PortChoice, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = text.parse().map(PortChoice::Number);
        return number.map_err(|_| format!("{text:?} is not a port; expected 1 to 65535"));
    }
    text.parse().map(PortChoice::Named).map_err(|bad: BadName| bad.to_string())
}

/// A path that is not empty.
///
/// # Errors
/// That it is.
pub(crate) fn parse_path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("\"\" is not a path; expected for example /var/lib/whither".into());
    }
    Ok(PathBuf::from(text))
}

/// A zone or region: empty, or a label.
///
/// # Errors
/// What a label is.
pub(crate) fn parse_place(what: &'static str, text: &str) -> Result<Box<str>, String> {
    whither_model::name::check_place(what, text).map_err(|bad| format!("{:?} {}", bad.given, bad.problem))
}

/// Labels joined by dots (RFC 1035 section 2.3.1, with the digits of RFC 1123 and the underscore people use). The last
/// is not all digits (RFC 1123 section 2.1), so that an address with a slip in it is not taken for a name.
fn is_domain(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label = |label: &str| (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(letter);
    let digits = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= NODE_NAME_BYTES_MAX && text.split('.').all(label) && !text.rsplit('.').next().is_some_and(digits)
}
