//! What is to be checked, as asked for and as done.

use crate::Exec;
use crate::guard::{Guard, Refused};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use whither_model::check::{self, CHECKS_MAX, Http, Tls};
use whither_model::random::mix;
use whither_model::{Check, InstanceId, Invalid, Pace, Port, Probe, ServiceName};

/// Checks of one instance that its agent runs: as many as may be asked for over the API, and as many of its configuration.
pub const LOCAL_CHECKS_MAX: usize = 2 * CHECKS_MAX;

/// Whose checks they are: an instance of a service.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// Of which service.
    pub service: ServiceName,
    /// Which instance.
    pub instance: InstanceId,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.instance)
    }
}

impl Key {
    /// The same number for the same check in every process, well mixed (FNV-1a, then SplitMix64's finaliser).
    pub(crate) fn hash_with(&self, check: &str) -> u64 {
        let parts = [self.service.as_str(), "\0", self.instance.as_str(), "\0", check];
        let bytes = parts.iter().flat_map(|part| part.bytes());
        mix(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }
}

/// The registrant's own address and ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: IpAddr,
    /// Its ports; the first is the one of a check that names none.
    pub ports: Arc<[Port]>,
}

/// A check from the agent's own configuration, which may do more than one from the API.
///
/// Never made of anything that came over a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalCheck {
    /// Its name, unique among those of its instance.
    pub name: Arc<str>,
    /// What is done.
    pub probe: LocalProbe,
    /// How often, how patiently, and what it takes to change one's mind.
    pub pace: Pace,
}

/// What a check from the agent's own configuration does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LocalProbe {
    /// What anybody may ask for.
    Own(Probe),
    /// The same at another address, if the runner allows it. The probe's choice of port is not looked at.
    Elsewhere(SocketAddr, Probe),
    /// A command.
    Exec(Exec),
}

impl From<Check> for LocalCheck {
    fn from(Check { name, probe, pace }: Check) -> Self {
        Self { name, probe: LocalProbe::Own(probe), pace }
    }
}

/// What a run does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Job {
    Tcp(SocketAddr),
    Http(SocketAddr, Http),
    Grpc { at: SocketAddr, service: Box<str>, tls: Option<Tls> },
    Exec(Exec),
}

impl Job {
    /// The word for what it does.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Http(_, Http { tls: None, .. }) => "http",
            Self::Http(_, Http { tls: Some(_), .. }) => "https",
            Self::Grpc { .. } => "grpc",
            Self::Exec(_) => "exec",
        }
    }
}

/// What is to be done for one check.
pub(crate) struct Order {
    pub(crate) name: Arc<str>,
    pub(crate) pace: Pace,
    pub(crate) job: Job,
}

/// The orders for what anybody may ask for. Checks that somebody reports are none.
pub(crate) fn orders(guard: &Guard, target: &Target, checks: &[Check]) -> Result<Vec<Order>, crate::NotSet> {
    check::check_all(checks, &target.ports)?;
    let order = |Check { name, probe, pace }: &Check| own(guard, target, name, *pace, probe);
    checks.iter().filter_map(|check| order(check).transpose()).collect()
}

/// The orders for what the agent's configuration asks for.
pub(crate) fn local_orders(guard: &Guard, target: &Target, checks: &[LocalCheck]) -> Result<Vec<Order>, crate::NotSet> {
    if checks.len() > LOCAL_CHECKS_MAX {
        return Err(Invalid::new("checks", format!("has {} entries; at most {LOCAL_CHECKS_MAX}", checks.len())).into());
    }
    let mut orders = Vec::new();
    for (at, LocalCheck { name, probe, pace }) in checks.iter().enumerate() {
        check::check_name(name)?;
        pace.check()?;
        if checks[..at].iter().any(|other| other.name == *name) {
            return Err(Invalid::new("name", format!("{name} is given twice in an instance")).into());
        }
        let ordered = match probe {
            LocalProbe::Own(probe) => {
                let check = Check { name: name.clone(), probe: probe.clone(), pace: *pace };
                check::check_all(&[check], &target.ports)?;
                own(guard, target, name, *pace, probe)?
            }
            LocalProbe::Elsewhere(at, probe) => {
                probe.check()?;
                guard.admit(target.address, at.ip())?;
                job(*at, probe).map(|job| Order { name: name.clone(), pace: *pace, job })
            }
            LocalProbe::Exec(exec) => Some(Order { name: name.clone(), pace: *pace, job: Job::Exec(exec.clone()) }),
        };
        orders.extend(ordered);
    }
    Ok(orders)
}

fn own(
    guard: &Guard,
    target: &Target,
    name: &Arc<str>,
    pace: Pace,
    probe: &Probe,
) -> Result<Option<Order>, crate::NotSet> {
    let Some(port) = probe.port().and_then(|choice| choice.among(&target.ports)) else { return Ok(None) };
    guard.admit(target.address, target.address)?;
    Ok(job(SocketAddr::new(target.address, port), probe).map(|job| Order { name: name.clone(), pace, job }))
}

pub(crate) fn job(at: SocketAddr, probe: &Probe) -> Option<Job> {
    match probe {
        Probe::Tcp { .. } => Some(Job::Tcp(at)),
        Probe::Http(http) => Some(Job::Http(at, http.clone())),
        Probe::Grpc { service, tls, .. } => Some(Job::Grpc { at, service: service.clone(), tls: tls.clone() }),
        Probe::Ttl => None,
    }
}

impl From<Refused> for crate::NotSet {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}
