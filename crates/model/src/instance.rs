//! An instance: one process that serves under a name.

use crate::limits;
use crate::upkeep::Upkeep;
use crate::{InstanceId, NodeId, PortName, ServiceName, SessionId, Version, WallTime};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use core::time::Duration;

/// Where an instance is in its life. Set by its registrant or an operator, never by a time-out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum State {
    /// Registered, not to be used yet.
    Starting,
    /// In service.
    #[default]
    Up,
    /// Finishing what it has; send nothing new.
    Draining,
    /// Taken out by an operator.
    Maintenance,
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Up, Self::Draining, Self::Maintenance];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = Invalid;
    fn from_str(s: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|state| state.as_str() == s).ok_or_else(|| {
            Invalid::new("state", format!("{s:?} is not a state; expected starting, up, draining or maintenance"))
        })
    }
}

/// What the instance's witnesses say of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Health {
    /// Well.
    #[default]
    Passing,
    /// Usable, but something is wrong.
    Warning,
    /// A witness said that it does not work.
    Critical,
    /// Critical because its lease ran out: silence, not evidence. A service is never emptied by silence alone.
    Silent,
    /// Its lease ran out, but so did many at once: more likely somebody cannot renew than that all are dead. It counts as
    /// usable until it is its turn to be silent.
    Overdue,
}

impl Health {
    /// The word on every surface: `passing`, `warning` or `critical`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning | Self::Overdue => "warning",
            Self::Critical | Self::Silent => "critical",
        }
    }

    /// Whether callers may be sent there.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Passing | Self::Warning | Self::Overdue)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Health {
    type Err = Invalid;
    fn from_str(s: &str) -> Result<Self, Invalid> {
        match s {
            "passing" => Ok(Self::Passing),
            "warning" => Ok(Self::Warning),
            "critical" => Ok(Self::Critical),
            _ => Err(Invalid::new("health", format!("{s:?} is not a health; expected passing, warning or critical"))),
        }
    }
}

/// A named port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Port {
    /// Its name, `main` if it was given as a bare number.
    pub name: PortName,
    /// The number, never zero.
    pub number: u16,
}

/// What a client asks to have registered. What instances of one service usually have in common is behind shared pointers.
///
/// [`Registration::check`] has passed for every one that leaves a surface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// The service it serves.
    pub service: ServiceName,
    /// Which instance.
    pub id: InstanceId,
    /// Where it listens.
    pub address: IpAddr,
    /// Its ports; the first is the one a caller gets who names none.
    pub ports: Arc<[Port]>,
    /// Labels for selection, in the order given.
    pub tags: Arc<[Box<str>]>,
    /// Free key–value pairs, sorted by key.
    pub meta: Arc<[(Box<str>, Box<str>)]>,
    /// Relative share of traffic, 1 to 65 535; 100 unless told otherwise.
    pub weight: u16,
    /// The version of the software it runs; may be empty.
    pub version: Arc<str>,
    /// Failure domain; empty means its node's.
    pub zone: Arc<str>,
    /// Where it is in its life.
    pub state: State,
    /// How it is.
    pub health: Health,
    /// How long it counts as well after each renewal; `None`: until told otherwise.
    pub lease: Option<Duration>,
    /// The session that it was registered on, and dies with; `None`: on none.
    pub session: Option<SessionId>,
    /// How its owner looks after it; `None`: as after any instance.
    pub upkeep: Option<Arc<Upkeep>>,
    /// Others may claim the same address and port, as behind a gateway. Otherwise the newest claim evicts the older ones.
    pub shares_address: bool,
}

/// A field of a registration that cannot be accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invalid {
    /// The field, as clients spell it.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl Invalid {
    /// `field` is refused because of `problem`.
    #[must_use]
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl core::error::Error for Invalid {}

impl Registration {
    /// The weight of an instance that names none.
    pub const DEFAULT_WEIGHT: u16 = 100;

    /// A registration of `id` in `service` at `address`, everything else as it is when nothing is said.
    #[must_use]
    pub fn new(service: ServiceName, id: InstanceId, address: IpAddr) -> Self {
        Self {
            service,
            id,
            address,
            ports: Arc::default(),
            tags: Arc::default(),
            meta: Arc::default(),
            weight: Self::DEFAULT_WEIGHT,
            version: Arc::default(),
            zone: Arc::default(),
            state: State::Up,
            health: Health::Passing,
            lease: None,
            session: None,
            upkeep: None,
            shares_address: false,
        }
    }

    /// Checks every bound that the field types do not already keep.
    ///
    /// # Errors
    /// The first field out of bounds, with what would be right.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.address.is_unspecified() || self.address.is_multicast() {
            return Err(Invalid::new(
                "address",
                format!("{} cannot be connected to; expected a unicast address", self.address),
            ));
        }
        count("ports", self.ports.len(), limits::PORTS_MAX)?;
        for (at, port) in self.ports.iter().enumerate() {
            if port.number == 0 {
                return Err(Invalid::new(format!("ports.{}", port.name), "is 0; expected 1 to 65535"));
            }
            if self.ports[..at].iter().any(|other| other.name == port.name) {
                return Err(Invalid::new(format!("ports.{}", port.name), "is given twice; port names are unique"));
            }
        }
        count("tags", self.tags.len(), limits::TAGS_MAX)?;
        for (at, tag) in self.tags.iter().enumerate() {
            text(&format!("tags[{at}]"), tag, 1, limits::TAG_BYTES_MAX)?;
        }
        count("meta", self.meta.len(), limits::META_MAX)?;
        for (key, value) in &*self.meta {
            text("meta key", key, 1, limits::META_KEY_BYTES_MAX)?;
            text(&format!("meta.{key}"), value, 0, limits::META_VALUE_BYTES_MAX)?;
        }
        if self.weight == 0 {
            return Err(Invalid::new("weight", "is 0; expected 1 to 65535 (use state=draining to send nothing new)"));
        }
        text("version", &self.version, 0, limits::VERSION_BYTES_MAX)?;
        crate::name::check_place("zone", &self.zone).map_err(|bad| Invalid::new("zone", bad.problem))?;
        if let Some(lease) = self.lease {
            let (min, max) = (limits::LEASE_MILLIS_MIN, limits::LEASE_MILLIS_MAX);
            crate::check::within("ttl", lease, min, max, "200ms to 24h")?;
        }
        self.upkeep.as_ref().map_or(Ok(()), |upkeep| upkeep.check(&self.ports))
    }
}

fn count(field: &str, given: usize, max: usize) -> Result<(), Invalid> {
    if given > max {
        return Err(Invalid::new(field, format!("has {given} entries; at most {max}")));
    }
    Ok(())
}

fn text(field: &str, given: &str, min: usize, max: usize) -> Result<(), Invalid> {
    if given.len() < min || given.len() > max {
        return Err(Invalid::new(field, format!("is {} bytes long; expected {min} to {max}", given.len())));
    }
    if given.chars().any(char::is_control) {
        return Err(Invalid::new(field, "contains a control character"));
    }
    Ok(())
}

/// How a row came to the node that shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Came {
    /// It was said here.
    #[default]
    Own,
    /// By broadcast.
    Broadcast,
    /// By comparing replicas: the broadcast had not brought it.
    Repair,
    /// From this node's disk, and nothing newer has been heard since.
    Disk,
}

impl Came {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Broadcast => "broadcast",
            Self::Repair => "repair",
            Self::Disk => "disk",
        }
    }
}

/// An instance as the catalog holds it: a registration, who owns it, and which change set it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// What was registered, with the state and health of now.
    pub registration: Registration,
    /// How much of its weight is in effect, in percent: less than 100 while it warms up.
    pub share: u8,
    /// It was deregistered, as were many at once: it takes nothing new, and is removed when it is its turn.
    pub leaving: bool,
    /// How it came here.
    pub came: Came,
    /// The node that speaks for it.
    pub owner: NodeId,
    /// Where in the owner's speech this was last set.
    pub version: Version,
    /// When the owner first heard of it, by the owner's wall clock; the newer claim to an id or address wins.
    pub claimed_at: WallTime,
    /// When the owner last changed it, by the owner's wall clock.
    pub changed_at: WallTime,
}

impl Instance {
    /// Its share of traffic now: its weight, or less while it warms up; at least 1.
    #[must_use]
    pub fn weight(&self) -> u16 {
        let scaled = u32::from(self.registration.weight) * u32::from(self.share.min(100)) / 100;
        u16::try_from(scaled).unwrap_or(u16::MAX).max(1)
    }
}
