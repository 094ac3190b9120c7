//! What an operator may set, and the check that it makes sense.

use crate::zone::Zone;
use std::time::Duration;

/// How the listener behaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The zones answered for, for example `whither.`; the trailing dot may be left out. 1 to 8, none twice.
    pub zones: Vec<String>,
    /// How long others may keep a positive answer: 0 to 1 s, sent in whole seconds, rounded down.
    pub ttl: Duration,
    /// How long others may keep "no such name" and "no such records" (RFC 2308): 0 to 5 s, whole seconds, rounded down.
    pub negative_ttl: Duration,
    /// Largest UDP answer, bytes, when the client says that it takes as much: 512 to 4096.
    pub udp_payload_max: u16,
    /// Threads that answer UDP, for each address: 1 to 64. With more than one the kernel spreads clients over them.
    pub workers: usize,
    /// TCP connections open at once, for each address. One more is closed as soon as it is accepted, and counted.
    pub tcp_connections_max: usize,
    /// How long a TCP connection may take to send its next query whole, or to take an answer.
    pub tcp_idle: Duration,
    /// Ready answers that each UDP worker keeps.
    pub cache_entries_max: usize,
    /// Memory that each UDP worker's ready answers may take, bytes.
    pub cache_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            zones: vec!["whither.".to_owned()],
            ttl: Duration::from_secs(1),
            negative_ttl: Duration::from_secs(1),
            udp_payload_max: 1232,
            workers: std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 2),
            tcp_connections_max: 256,
            tcp_idle: Duration::from_secs(10),
            cache_entries_max: 64 * 1024,
            cache_bytes_max: 32 * 1024 * 1024,
        }
    }
}

/// A setting that cannot be used. Nothing was started.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("dns.{field}: {problem}")]
pub struct ConfigError {
    /// The setting.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl ConfigError {
    pub(crate) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

const ZONES_MAX: usize = 8;
const TTL_MAX: Duration = Duration::from_secs(1);
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(5);
const WORKERS_MAX: usize = 64;
const PAYLOAD_MIN: u16 = 512;
const PAYLOAD_MAX: u16 = 4096;

impl Config {
    /// Checks every bound.
    ///
    /// # Errors
    /// The first setting out of bounds, with what would be right.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |field, problem: String| Err(ConfigError::new(field, problem));
        if self.zones.is_empty() || self.zones.len() > ZONES_MAX {
            return refuse("zones", format!("has {} entries; expected 1 to {ZONES_MAX}", self.zones.len()));
        }
        let zones = self.zones.iter().map(|zone| Zone::parse(zone)).collect::<Result<Vec<_>, _>>()?;
        if let Some(at) = (1..zones.len()).find(|&at| zones[..at].contains(&zones[at])) {
            return refuse("zones", format!("{:?} is given twice", self.zones[at]));
        }
        if self.ttl > TTL_MAX {
            return refuse("ttl", format!("{:?} is too long for instances that move; at most 1s", self.ttl));
        }
        if self.negative_ttl > NEGATIVE_TTL_MAX {
            return refuse("negative_ttl", format!("{:?} would hide what is new; at most 5s", self.negative_ttl));
        }
        if !(PAYLOAD_MIN..=PAYLOAD_MAX).contains(&self.udp_payload_max) {
            let problem = format!("{} bytes is out of range; expected 512 to 4096", self.udp_payload_max);
            return refuse("udp_payload_max", problem);
        }
        if !(1..=WORKERS_MAX).contains(&self.workers) {
            return refuse("workers", format!("{} is out of range; expected 1 to {WORKERS_MAX}", self.workers));
        }
        if self.tcp_connections_max == 0 {
            return refuse("tcp_connections_max", "is 0, so that no truncated answer could be completed".to_owned());
        }
        if self.tcp_idle.is_zero() {
            return refuse("tcp_idle", "is 0, so that no query could arrive in time".to_owned());
        }
        Ok(())
    }
}
