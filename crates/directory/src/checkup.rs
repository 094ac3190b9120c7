//! Where surfaces meet whoever runs this node's checks: who may have what checked, what was found, and which own instances
//! changed.
//!
//! The node knows nothing of this. Whoever composes an agent installs a [`Checkup`]; without one, nothing is checked and
//! registrations that ask for it are refused.

use crate::directory::Directory;
use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use whither_model::{Health, InstanceId, Invalid, Registration, ServiceName, WallTime};

/// Who asks, as far as a surface can prove it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Client {
    /// A process on this host: it came over a Unix socket.
    Local,
    /// Whoever has this address: the other end of its connection.
    At(IpAddr),
    /// Nobody knows. It may have nothing checked that is not open to all.
    #[default]
    Unknown,
}

impl Client {
    /// Whether it is a process on this very host.
    #[must_use]
    pub fn is_on_this_host(self) -> bool {
        match self {
            Self::Local => true,
            Self::At(address) => address.to_canonical().is_loopback(),
            Self::Unknown => false,
        }
    }
}

/// Runs checks of this node's own instances.
pub trait Checkup: Send + Sync {
    /// Whether `client` may have something at the address `claimed` checked.
    ///
    /// # Errors
    /// Why not, and the way out, for the client to read.
    fn admit(&self, claimed: IpAddr, client: Client) -> Result<(), String>;

    /// Where each check of an own instance stands; empty if none is run.
    fn reports(&self, service: &ServiceName, id: &InstanceId) -> Vec<CheckReport>;
}

/// Where one check stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckReport {
    /// Its name, unique in its instance.
    pub name: Arc<str>,
    /// http, https, tcp, grpc or exec.
    pub kind: &'static str,
    /// Its verdict.
    pub health: Health,
    /// Its latest run; `None`: there was none yet.
    pub latest: Option<CheckRun>,
}

/// One run of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckRun {
    /// When it ended, by this host's wall clock.
    pub at: WallTime,
    /// How long it took.
    pub took: Duration,
    /// What this run alone found; `None`: this host could not check.
    pub found: Option<Health>,
    /// What a person should know.
    pub output: Box<str>,
}

/// An instance by name.
pub type Named = (ServiceName, InstanceId);

/// The directory's part in it.
#[derive(Default)]
pub(crate) struct Checkups {
    runs: OnceLock<Arc<dyn Checkup>>,
    followed: AtomicBool,
    /// Bounded by how many instances there are: each is in it once, however often it changes before somebody looks.
    changed: Mutex<HashSet<Named>>,
    more: Notify,
}

impl fmt::Debug for Checkups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkups").field("installed", &self.runs.get().is_some()).finish_non_exhaustive()
    }
}

impl Checkups {
    fn changed(&self) -> MutexGuard<'_, HashSet<Named>> {
        // Nothing that holds it can panic half-way through a change.
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the follower, if there is one, of instances that the newest view shows changed.
    pub(crate) fn tell(&self, names: impl Iterator<Item = Named>) {
        // After the view was shown: who begins to follow now, and is not told, finds it there.
        if self.followed.load(Ordering::SeqCst) {
            self.changed().extend(names);
            self.more.notify_one();
        }
    }
}

impl Directory {
    /// Installs whoever runs checks, once; a second one is ignored.
    pub fn install_checkup(&self, checkup: Arc<dyn Checkup>) {
        drop(self.checkups.runs.set(checkup));
    }

    /// Whether `client` may register these, as far as their checks go. Surfaces ask before they submit.
    ///
    /// # Errors
    /// Which one not, by its place, and why.
    pub fn admit_checks(&self, registrations: &[Registration], client: Client) -> Result<(), (usize, Invalid)> {
        // Many registrations of one request nearly always have one address.
        let mut admitted = None;
        for (at, registration) in registrations.iter().enumerate() {
            let asks = registration.upkeep.as_ref().is_some_and(|upkeep| !upkeep.checks.is_empty());
            if !asks || admitted == Some(registration.address) {
                continue;
            }
            let refuse = |why: String| (at, Invalid::new("checks", why));
            let Some(checkup) = self.checkups.runs.get() else {
                return Err(refuse("this agent runs no checks; register without, or with a ttl".into()));
            };
            checkup.admit(registration.address, client).map_err(refuse)?;
            admitted = Some(registration.address);
        }
        Ok(())
    }

    /// Where each check of an own instance stands; empty if this node runs none for it.
    #[must_use]
    pub fn check_reports(&self, service: &ServiceName, id: &InstanceId) -> Vec<CheckReport> {
        self.checkups.runs.get().map_or_else(Vec::new, |checkup| checkup.reports(service, id))
    }
}

/// Follows which instances, of services in which this node has any of its own, are not as they were. There is one follower.
#[derive(Debug)]
pub struct OwnChanges(Arc<Directory>);

impl OwnChanges {
    /// Begins with all that this node owns.
    #[must_use]
    pub fn new(directory: Arc<Directory>) -> Self {
        directory.checkups.followed.store(true, Ordering::SeqCst);
        let (view, own) = (directory.view(), directory.identity().node);
        let all = view.services().flat_map(|service| {
            let of_own = service.instances().iter().filter(move |listed| listed.owner() == own);
            of_own.map(|listed| (service.name().clone(), listed.id().clone()))
        });
        directory.checkups.tell(all);
        Self(directory)
    }

    /// Those that changed since the last call; waits until there is one. Which way they changed, the newest view says. Loses
    /// nothing when it is dropped.
    pub async fn next(&mut self) -> HashSet<Named> {
        loop {
            let changed = std::mem::take(&mut *self.0.checkups.changed());
            if !changed.is_empty() {
                return changed;
            }
            self.0.checkups.more.notified().await;
        }
    }
}
