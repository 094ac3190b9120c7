//! One service as readers see it.

use crate::freshness::{Freshness, KnownUntil, age_of};
use crate::view::Index;
use bytes::Bytes;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use whither_model::{Health, Instance, InstanceId, Instant, MemberState, NodeId, NodeName, ServiceName, State};

/// What an instance is worth to a caller: its own state and health, and whether its owner still vouches for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Status {
    /// In service and well.
    Passing,
    /// In service, something is wrong, still usable.
    Warning,
    /// Only silence speaks against it, and too many fell silent at once: a guard keeps it in service.
    Held,
    /// Its lease ran out: nobody said that it is dead, it only fell silent.
    Silent,
    /// Its owner is gone, so nobody can say how it is; this is its last known good state.
    Lost,
    /// It was deregistered, as were many at once; a guard keeps it until it is its turn to go.
    Leaving,
    /// A witness said that it does not work.
    Critical,
    /// A newer instance claims its address.
    Evicted,
    /// Not in service yet.
    Starting,
    /// Finishing what it has.
    Draining,
    /// Taken out by an operator.
    Maintenance,
}

impl Status {
    /// Every status, from the best to those that are not in service.
    pub const ALL: [Self; 11] = [
        Self::Passing,
        Self::Warning,
        Self::Held,
        Self::Silent,
        Self::Lost,
        Self::Leaving,
        Self::Critical,
        Self::Evicted,
        Self::Starting,
        Self::Draining,
        Self::Maintenance,
    ];

    /// What `instance` is worth, whoever else claims its address.
    pub(crate) fn of(instance: &Instance, owner: &Owner) -> Self {
        let registration = &instance.registration;
        match (registration.state, registration.health) {
            _ if owner.maintenance => Self::Maintenance,
            (State::Maintenance, _) => Self::Maintenance,
            _ if instance.leaving => Self::Leaving,
            (State::Starting, _) => Self::Starting,
            (State::Draining, _) => Self::Draining,
            (State::Up, Health::Critical) => Self::Critical,
            (State::Up, Health::Silent) => Self::Silent,
            (State::Up, _) if !owner.vouches => Self::Lost,
            (State::Up, _) if owner.held => Self::Held,
            (State::Up, Health::Overdue) => Self::Held,
            (State::Up, Health::Warning) => Self::Warning,
            (State::Up, Health::Passing) => Self::Passing,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Held => "held",
            Self::Silent => "silent",
            Self::Lost => "lost",
            Self::Leaving => "leaving",
            Self::Critical => "critical",
            Self::Evicted => "evicted",
            Self::Starting => "starting",
            Self::Draining => "draining",
            Self::Maintenance => "maintenance",
        }
    }

    /// Whether callers are sent there.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Passing | Self::Warning | Self::Held)
    }

    /// Whether only silence, or a flood of removals, speaks against it: such instances are served when nothing usable is left.
    #[must_use]
    pub const fn is_last_known(self) -> bool {
        matches!(self, Self::Silent | Self::Lost | Self::Leaving)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An instance in a view.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The row.
    pub instance: Arc<Instance>,
    /// What it is worth now.
    pub status: Status,
    /// Its owner's name; empty if the owner's own row has not arrived.
    pub owner_name: Arc<NodeName>,
    /// What membership believes of the owner.
    pub owner_state: MemberState,
    /// The owner's address; unspecified if the owner's own row has not arrived.
    pub owner_address: IpAddr,
    /// The zone it is in: its own, or else its owner's.
    pub zone: Arc<str>,
    /// When it last changed in this node's views.
    pub changed: Index,
    /// Up to when its owner is known; `None` for instances of this very node.
    pub(crate) known: Option<KnownUntil>,
}

/// The owner's side of a [`Listed`], as the publisher knows it.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) name: Arc<NodeName>,
    pub(crate) address: IpAddr,
    pub(crate) state: MemberState,
    pub(crate) vouches: bool,
    pub(crate) held: bool,
    pub(crate) maintenance: bool,
    pub(crate) zone: Arc<str>,
    pub(crate) known: Option<KnownUntil>,
}

impl Listed {
    /// `status`: what it is worth, all things considered.
    pub(crate) fn new(instance: Arc<Instance>, owner: &Owner, status: Status, changed: Index) -> Self {
        let zone = match &*instance.registration.zone {
            "" => Arc::clone(&owner.zone),
            _ => Arc::clone(&instance.registration.zone),
        };
        Self {
            status,
            owner_name: Arc::clone(&owner.name),
            owner_state: owner.state,
            owner_address: owner.address,
            zone,
            changed,
            known: owner.known.clone(),
            instance,
        }
    }

    /// Whether a reader would see a difference.
    pub(crate) fn shows_same(&self, other: &Self) -> bool {
        self.status == other.status
            && self.owner_state == other.owner_state
            && self.owner_name == other.owner_name
            && self.owner_address == other.owner_address
            && self.zone == other.zone
            && (Arc::ptr_eq(&self.instance, &other.instance) || self.instance == other.instance)
    }

    /// Whether it is the same apart from how well it does: registered by the same owner with the same words.
    pub(crate) fn lists_same(&self, other: &Self) -> bool {
        let (mine, others) = (&self.instance.registration, &other.instance.registration);
        self.owner() == other.owner()
            && self.owner_name == other.owner_name
            && self.owner_address == other.owner_address
            && self.zone == other.zone
            && (mine.address, mine.weight) == (others.address, others.weight)
            && (&mine.ports, &mine.tags, &mine.meta) == (&others.ports, &others.tags, &others.meta)
            && mine.version == others.version
            && mine.upkeep == others.upkeep
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.instance.registration.id
    }

    /// The node that speaks for it.
    #[must_use]
    pub fn owner(&self) -> NodeId {
        self.instance.owner
    }

    /// How long ago, at most, this was the truth about this one instance; `None` if that cannot be said yet.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.known.as_ref().map_or(Some(Duration::ZERO), |known| age_of(known.get(), now))
    }
}

/// Which instances a caller is given who just wants to be served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Selection {
    /// Those that are usable.
    Usable,
    /// None is usable, but some merely fell silent: those, as last known. A time-out never empties a service.
    LastKnown,
    /// None, and somebody said so.
    Empty,
}

impl Selection {
    /// How instances of these statuses are to be selected from.
    pub fn among(statuses: impl Iterator<Item = Status> + Clone) -> Self {
        if statuses.clone().any(Status::is_usable) {
            return Self::Usable;
        }
        if statuses.clone().any(Status::is_last_known) { Self::LastKnown } else { Self::Empty }
    }

    /// Whether an instance of this status is among those that are selected.
    #[must_use]
    pub const fn takes(self, status: Status) -> bool {
        match self {
            Self::Usable => status.is_usable(),
            Self::LastKnown => status.is_last_known(),
            Self::Empty => false,
        }
    }

    /// Whether a guard keeps something among the selected that would otherwise not be there.
    pub fn is_protected(self, mut selected: impl Iterator<Item = Status>) -> bool {
        self == Self::LastKnown || selected.any(|status| status == Status::Held)
    }
}

/// Answers that are encoded once per change and then handed out as they are. Each belongs to the surface that fills it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// JSON of the selected instances, for the native HTTP API.
    JsonSelected,
    /// JSON of all instances.
    JsonAll,
    /// What Consul's `/v1/health/service` says.
    ConsulHealth,
    /// The same of those that pass.
    ConsulPassing,
    /// What Consul's `/v1/catalog/service` says.
    ConsulCatalog,
}

const READY_SLOTS: usize = 5;

/// A service in a view: immutable, sorted by instance id.
///
/// A service stays known when its last instance is gone, so that DNS can say NODATA instead of NXDOMAIN.
#[derive(Debug)]
pub struct ServiceView {
    name: ServiceName,
    index: Index,
    listed: Index,
    instances: Vec<Arc<Listed>>,
    selected: Box<[u32]>,
    selection: Selection,
    protected: bool,
    absent: Box<[KnownUntil]>,
    pub(crate) removals: Removals,
    pub(crate) changed: Arc<Notify>,
    ready: [OnceLock<Bytes>; READY_SLOTS],
}

/// The last few instances that went, so that a watcher can resume without a reset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Removals {
    /// Everything removed after this index is in `gone`.
    floor: Index,
    gone: Vec<(Index, InstanceId)>,
}

impl Removals {
    const MAX: usize = 64;

    pub(crate) fn starting_at(floor: Index) -> Self {
        Self { floor, gone: Vec::new() }
    }

    pub(crate) fn push(&mut self, index: Index, id: InstanceId) {
        if self.gone.len() == Self::MAX {
            let (oldest, _) = self.gone.remove(0);
            self.floor = self.floor.max(oldest);
        }
        self.gone.push((index, id));
    }

    /// What went after `from`, or `None` if that is no longer known.
    pub(crate) fn since(&self, from: Index) -> Option<impl Iterator<Item = &InstanceId>> {
        (from >= self.floor).then(|| self.gone.iter().filter(move |(at, _)| *at > from).map(|(_, id)| id))
    }
}

impl ServiceView {
    pub(crate) fn new(
        name: ServiceName,
        (index, listed): (Index, Index),
        instances: Vec<Arc<Listed>>,
        removals: Removals,
        changed: Arc<Notify>,
    ) -> Self {
        let statuses = instances.iter().map(|listed| listed.status);
        let selection = Selection::among(statuses.clone());
        let selected: Box<[u32]> =
            (0u32..).zip(statuses.clone()).filter(|(_, status)| selection.takes(*status)).map(|(at, _)| at).collect();
        let protected = selection.is_protected(statuses.filter(|status| selection.takes(*status)));
        let absent = instances
            .iter()
            .filter(|listed| !listed.owner_state.is_present())
            .filter_map(|listed| listed.known.clone())
            .collect();
        let ready = std::array::from_fn(|_| OnceLock::new());
        Self { name, index, listed, instances, selected, selection, protected, absent, removals, changed, ready }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ServiceName {
        &self.name
    }

    /// When it last changed in this node's views.
    #[must_use]
    pub fn index(&self) -> Index {
        self.index
    }

    /// When it last changed who is registered in it, and with what words; not, how well they do.
    #[must_use]
    pub fn listed(&self) -> Index {
        self.listed
    }

    /// All instances, whatever their status, sorted by id.
    #[must_use]
    pub fn instances(&self) -> &[Arc<Listed>] {
        &self.instances
    }

    /// The instance with this id.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> Option<&Arc<Listed>> {
        self.position(id).ok().map(|at| &self.instances[at])
    }

    pub(crate) fn position(&self, id: &InstanceId) -> Result<usize, usize> {
        self.instances.binary_search_by(|listed| listed.id().cmp(id))
    }

    /// Whether a guard keeps something in this answer that would otherwise be gone from it.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.protected
    }

    /// The instances to give to a caller who wants to be served, sorted by id. See [`Selection`].
    pub fn selected(&self) -> impl ExactSizeIterator<Item = &Arc<Listed>> {
        self.selected.iter().map(|&at| &self.instances[at as usize])
    }

    /// How many of its instances have each status, in the order of [`Status::ALL`].
    #[must_use]
    pub fn by_status(&self) -> [usize; Status::ALL.len()] {
        let mut counts = [0; Status::ALL.len()];
        self.instances.iter().for_each(|listed| counts[listed.status as usize] += 1);
        counts
    }

    /// How [`ServiceView::selected`] was chosen.
    #[must_use]
    pub fn selection(&self) -> Selection {
        self.selection
    }

    /// How long ago, at most, this answer was last known to be the truth: over every present member, because each might
    /// have registered something, and over the absent owners of what is listed. `None`: that cannot be said yet.
    #[must_use]
    pub fn age(&self, freshness: &Freshness, now: Instant) -> Option<Duration> {
        freshness.age(now, self.absent.iter().map(KnownUntil::get))
    }

    /// The ready answer in this slot, made by `build` the first time anybody asks after a change.
    pub fn ready(&self, slot: Ready, build: impl FnOnce() -> Bytes) -> &Bytes {
        self.ready[slot as usize].get_or_init(build)
    }
}
