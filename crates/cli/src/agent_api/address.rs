//! Where an agent is asked.

use crate::config::{SOCKET_PATH_BYTES_MAX, fits_socket};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where an agent's HTTP API is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum AgentAddress {
    /// `host:port`.
    Port(String),
    /// A Unix socket.
    Socket(PathBuf),
}

impl AgentAddress {
    /// The port of the API unless another is given.
    const PORT: u16 = 7601;
    /// Before the path of a socket.
    const UNIX: &str = "unix:";

    /// What URLs of its API begin with. Over a socket the host means nothing, and is what `curl --unix-socket` would be told.
    pub(super) fn origin(&self) -> String {
        match self {
            Self::Port(host) => format!("http://{host}"),
            Self::Socket(_) => String::from("http://localhost"),
        }
    }

    fn socket(text: &str, path: &str) -> Result<Self, String> {
        let wrong =
            |why: String| format!("{text:?} {why}; expected unix:PATH, for example unix:/var/lib/whither/whither.sock");
        // As in a URL: `unix:///run/whither.sock`.
        let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
        match Path::new(path) {
            _ if path.is_empty() => Err(wrong("names no socket".into())),
            path if fits_socket(path) => Ok(Self::Socket(path.to_owned())),
            _ => Err(wrong(format!("is longer than a socket's path may be, {SOCKET_PATH_BYTES_MAX} bytes"))),
        }
    }
}

impl FromStr for AgentAddress {
    type Err = String;

    /// `host`, `host:port`, or either with `http://` before it; or `unix:` and the path of a socket.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix(Self::UNIX) {
            return Self::socket(text, path);
        }
        let wrong = |why: &str| {
            format!(
                "{text:?} {why}; expected host:port, for example 127.0.0.1:7601 or http://web-1:7601, or unix:PATH of an \
                 agent's socket"
            )
        };
        if text.starts_with("https://") {
            return Err(wrong("asks for TLS, which agents do not speak on their API"));
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('/') {
            return Err(wrong("has a path"));
        }
        if let Ok(ip) = rest.parse::<Ipv6Addr>() {
            return Ok(Self::Port(format!("[{ip}]:{}", Self::PORT)));
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
        if is_host { Ok(Self::Port(format!("{host}:{port}"))) } else { Err(wrong("is not a host")) }
    }
}

impl fmt::Display for AgentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(host) => f.write_str(host),
            Self::Socket(path) => write!(f, "{}{}", Self::UNIX, path.display()),
        }
    }
}
