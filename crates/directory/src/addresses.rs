//! Who claims an address. It belongs to one instance, and the newest claim evicts the older ones at once: a recycled address
//! must not be dialled as somebody who had it before (design, promise P7).

use crate::service::Status;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use whither_model::{Instance, NodeId, WallTime};

/// The listed instances by address and port. An entry is a pointer and a port: there is one for each port of each instance, and
/// what they are found by is in the instance.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    claims: HashTable<Claim>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Claim {
    instance: Arc<Instance>,
    port: u16,
}

/// Where something listens. A loopback address is another one on each host, so there its owner is part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Place {
    address: IpAddr,
    port: u16,
    host: Option<NodeId>,
}

impl Place {
    fn of(instance: &Instance, port: u16) -> Self {
        let address = instance.registration.address.to_canonical();
        Self { address, port, host: address.is_loopback().then_some(instance.owner) }
    }
}

/// The ports of an instance, each once.
fn ports(instance: &Instance) -> impl Iterator<Item = u16> {
    let ports = &instance.registration.ports;
    let first = |at: usize| ports[..at].iter().all(|before| before.number != ports[at].number);
    (0..ports.len()).filter(move |at| first(*at)).map(|at| ports[at].number)
}

fn is_same(one: &Instance, other: &Instance) -> bool {
    one.owner == other.owner
        && one.registration.id == other.registration.id
        && one.registration.service == other.registration.service
}

/// Which of two claims to an id or an address holds: the newer, and between equals the higher owner, the same everywhere.
pub(crate) fn claim_rank(instance: &Instance) -> (WallTime, NodeId) {
    (instance.claimed_at, instance.owner)
}

/// Whether two instances may have one address: both said so, or one process registered both.
fn may_share(one: &Instance, other: &Instance) -> bool {
    let (a, b) = (&one.registration, &other.registration);
    let one_process = one.owner == other.owner && (a.id == b.id || (a.session.is_some() && a.session == b.session));
    one_process || (a.shares_address && b.shares_address)
}

/// Whether `newer` takes the address of `older`, if it works.
pub(crate) fn outranks(newer: &Instance, older: &Instance) -> bool {
    claim_rank(newer) > claim_rank(older) && !may_share(newer, older)
}

/// Whether an instance of this status can take anybody's address: what does not work itself evicts nobody.
pub(crate) fn may_evict(status: Status) -> bool {
    matches!(status, Status::Passing | Status::Warning | Status::Held | Status::Starting)
}

impl Addresses {
    /// Takes in the claims of an instance that has none here.
    pub(crate) fn insert(&mut self, instance: &Arc<Instance>) {
        let Self { claims, hasher } = self;
        for port in ports(instance) {
            let claim = Claim { instance: Arc::clone(instance), port };
            claims.insert_unique(hasher.hash_one(Place::of(instance, port)), claim, |claim| {
                hasher.hash_one(Place::of(&claim.instance, claim.port))
            });
        }
    }

    pub(crate) fn remove(&mut self, instance: &Instance) {
        for port in ports(instance) {
            let hash = self.hasher.hash_one(Place::of(instance, port));
            let own = |claim: &Claim| claim.port == port && is_same(&claim.instance, instance);
            if let Ok(entry) = self.claims.find_entry(hash, own) {
                entry.remove();
            }
        }
    }

    /// The others that claim an address of this instance.
    pub(crate) fn rivals(&self, instance: &Instance) -> Vec<Arc<Instance>> {
        let mut rivals: Vec<Arc<Instance>> = Vec::new();
        for port in ports(instance) {
            let place = Place::of(instance, port);
            let found = self.claims.iter_hash(self.hasher.hash_one(place));
            let others = found
                .filter(|claim| Place::of(&claim.instance, claim.port) == place && !is_same(&claim.instance, instance));
            rivals.extend(others.map(|claim| Arc::clone(&claim.instance)));
        }
        if rivals.len() > 1 {
            // Two ports, one rival: its claim is the same allocation in both places.
            rivals.sort_unstable_by_key(Arc::as_ptr);
            rivals.dedup_by(|a, b| Arc::ptr_eq(a, b));
        }
        rivals
    }
}
