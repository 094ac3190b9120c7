//! How old an answer can be, kept apart from the view: ages move all the time, catalogs do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use whither_model::Instant;

/// Up to when everything that one node had said is known here. Shared by all views, moved forward by the node loop.
#[derive(Clone, Debug)]
pub struct KnownUntil(Arc<AtomicU64>);

impl KnownUntil {
    /// Known up to `at`.
    #[must_use]
    pub fn new(at: Instant) -> Self {
        Self(Arc::new(AtomicU64::new(at.as_micros())))
    }

    /// The point.
    #[must_use]
    pub fn get(&self) -> Instant {
        Instant::from_micros(self.0.load(Ordering::Acquire))
    }

    pub(crate) fn set(&self, at: Instant) {
        self.0.store(at.as_micros(), Ordering::Release);
    }
}

/// How long ago `known` was, or `None` if it stands for "never".
pub(crate) fn age_of(known: Instant, now: Instant) -> Option<Duration> {
    (known > Instant::DISTANT_PAST).then(|| now.since(known))
}

/// Up to when everything that every present member had said is known here.
///
/// Invariant: never later than the truth. Members that are down are left out, because nothing can be known of them; the
/// owners among them count again in [`Freshness::age`] for the services they own instances of.
#[derive(Clone, Debug)]
pub struct Freshness {
    floor: KnownUntil,
}

impl Freshness {
    pub(crate) fn new(at: Instant) -> Self {
        Self { floor: KnownUntil::new(at) }
    }

    pub(crate) fn raise(&self, at: Instant) {
        self.floor.set(at);
    }

    /// How long ago, at most, an answer given at `now` was last known to be the truth. `absent` are the points up to
    /// which absent owners are known; [`Instant::DISTANT_FUTURE`] stands for the asking node itself. `None`: of somebody
    /// whose word counts nothing has been heard yet, so nothing can be said.
    #[must_use]
    pub fn age(&self, now: Instant, absent: impl IntoIterator<Item = Instant>) -> Option<Duration> {
        age_of(absent.into_iter().fold(self.floor.get(), Instant::min), now)
    }
}
