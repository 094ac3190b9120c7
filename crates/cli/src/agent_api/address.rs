//! Where an agent is asked.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The host and port of an agent's HTTP API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AgentAddress(String);

impl AgentAddress {
    /// The port of the API unless another is given.
    const PORT: u16 = 7601;
}

impl FromStr for AgentAddress {
    type Err = String;

    /// `host`, `host:port`, or either with `http://` before it.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| format!("{text:?} {why}; expected host:port, for example 127.0.0.1:7601 or http://web-1:7601");
        if text.starts_with("https://") {
            return Err(wrong("asks for TLS, which agents do not speak on their API"));
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('/') {
            return Err(wrong("has a path"));
        }
        if let Ok(ip) = rest.parse::<Ipv6Addr>() {
            return Ok(Self(format!("[{ip}]:{}", Self::PORT)));
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong("has no valid port"))?),
            _ => (rest, Self::PORT),
        };
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bracketed {
            Some(ip) => matches!(ip.parse(), Ok(IpAddr::V6(_))),
            None => !host.is_empty() && host.chars().all(letter),
        };
        if is_host { Ok(Self(format!("{host}:{port}"))) } else { Err(wrong("is not a host")) }
    }
}

impl fmt::Display for AgentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
