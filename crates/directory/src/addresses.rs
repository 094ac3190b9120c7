//! Who claims an address. It belongs to one instance, and the newest claim evicts the older ones at once: a recycled address
//! must not be dialled as somebody who had it before (design, promise P7).

use crate::service::Status;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use whither_model::{Instance, NodeId, WallTime};

/// The listed instances by address and port.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    claims: HashMap<Place, Claims>,
}

/// Where something listens. A loopback address is another one on each host, so there its owner is part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Place {
    address: IpAddr,
    port: u16,
    host: Option<NodeId>,
}

/// Nearly always one, and then nothing is allocated for it.
#[derive(Debug)]
struct Claims {
    first: Arc<Instance>,
    others: Vec<Arc<Instance>>,
}

impl Claims {
    fn iter(&self) -> impl Iterator<Item = &Arc<Instance>> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

fn places(instance: &Instance) -> impl Iterator<Item = Place> {
    let address = instance.registration.address.to_canonical();
    let host = address.is_loopback().then_some(instance.owner);
    instance.registration.ports.iter().map(move |port| Place { address, port: port.number, host })
}

fn is_same(one: &Instance, other: &Instance) -> bool {
    one.owner == other.owner
        && one.registration.id == other.registration.id
        && one.registration.service == other.registration.service
}

/// Which of two claims to an address is newer, the same everywhere.
fn rank(instance: &Instance) -> (WallTime, NodeId) {
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
    rank(newer) > rank(older) && !may_share(newer, older)
}

/// Whether an instance of this status can take anybody's address: what does not work itself evicts nobody.
pub(crate) fn may_evict(status: Status) -> bool {
    matches!(status, Status::Passing | Status::Warning | Status::Held | Status::Starting)
}

impl Addresses {
    pub(crate) fn insert(&mut self, instance: &Arc<Instance>) {
        for place in places(instance) {
            match self.claims.entry(place) {
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert(Claims { first: Arc::clone(instance), others: Vec::new() });
                }
                std::collections::hash_map::Entry::Occupied(mut entry) => {
                    // An instance may have two names for one port.
                    if !entry.get().iter().any(|claim| is_same(claim, instance)) {
                        entry.get_mut().others.push(Arc::clone(instance));
                    }
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, instance: &Instance) {
        for place in places(instance) {
            let std::collections::hash_map::Entry::Occupied(mut entry) = self.claims.entry(place) else { continue };
            let claims = entry.get_mut();
            claims.others.retain(|claim| !is_same(claim, instance));
            if is_same(&claims.first, instance) {
                match claims.others.pop() {
                    Some(other) => claims.first = other,
                    None => {
                        entry.remove();
                    }
                }
            }
        }
    }

    /// The others that claim an address of this instance.
    pub(crate) fn rivals(&self, instance: &Instance) -> Vec<Arc<Instance>> {
        let mut rivals: Vec<Arc<Instance>> = Vec::new();
        for claims in places(instance).filter_map(|place| self.claims.get(&place)) {
            rivals.extend(claims.iter().filter(|claim| !is_same(claim, instance)).cloned());
        }
        if instance.registration.ports.len() > 1 {
            // Two ports, one rival: its claim is the same allocation in both places.
            rivals.sort_unstable_by_key(Arc::as_ptr);
            rivals.dedup_by(|a, b| Arc::ptr_eq(a, b));
        }
        rivals
    }
}
