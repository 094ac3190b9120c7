//! How long what other nodes say takes to get here, as the node last showed it.
//!
//! This is beside the view and not in it: it changes with every piece of news, and nobody waits for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use whither_model::{Instant, NodeId};

/// What was measured of the news of one node, or of all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lag {
    /// Half of the last pieces of news took at most this long.
    pub p50: Duration,
    /// 99 of 100 took at most this long.
    pub p99: Duration,
    /// How long the last one took.
    pub last: Duration,
    /// When the last one came.
    pub heard: Instant,
    /// Pieces of news measured since boot. While there are none, nothing above says anything.
    pub count: u64,
    /// Times since boot that comparing replicas brought what no broadcast had brought.
    pub by_repair: u64,
}

/// What was measured of everybody.
#[derive(Debug, Default)]
pub struct Propagation(Mutex<Measured>);

#[derive(Debug, Default)]
struct Measured {
    all: Lag,
    of: BTreeMap<NodeId, Lag>,
}

impl Propagation {
    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what `fresh` says of all nodes together and of some of them. If a reader is looking at this moment, nothing
    /// happens and `fresh` is not asked: the node does not wait for readers.
    pub fn renew(&self, fresh: impl FnOnce() -> (Lag, Vec<(NodeId, Lag)>)) {
        let mut measured = match self.0.try_lock() {
            Ok(measured) => measured,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return,
        };
        let (all, of) = fresh();
        measured.all = all;
        measured.of.extend(of);
    }

    /// Of all nodes together.
    #[must_use]
    pub fn of_all(&self) -> Lag {
        self.measured().all
    }

    /// Of each node, by id.
    #[must_use]
    pub fn of_each(&self) -> BTreeMap<NodeId, Lag> {
        self.measured().of.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_does_not_wait_for_a_reader() {
        let propagation = Propagation::default();
        let lag = Lag { count: 1, ..Lag::default() };
        let reader = propagation.measured();
        propagation.renew(|| unreachable!("somebody is looking"));
        drop(reader);
        propagation.renew(|| (lag, vec![(NodeId::LOWEST, lag)]));
        propagation.renew(|| (lag, Vec::new()));
        assert_eq!((propagation.of_all(), propagation.of_each()[&NodeId::LOWEST]), (lag, lag));
    }
}
