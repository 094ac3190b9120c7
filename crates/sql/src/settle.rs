//! What has been seen of everybody's transactions, for those who wait for something in particular.

use crate::limits::SEEN_PATIENCE;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use whither_directory::sql::{Place, SqlRefusal};
use whither_model::durable::Seen;
use whither_model::sql::Stretches;
use whither_model::{Origin, Ranges};

/// What has been committed here, by author.
#[derive(Debug)]
pub(crate) struct Settled {
    seen: Mutex<BTreeMap<Origin, Ranges>>,
    changed: watch::Sender<()>,
}

impl Settled {
    pub(crate) fn new(seen: &[Seen]) -> Self {
        let ranges = |seen: &Seen| (seen.origin, Ranges::from_untrusted(seen.ranges.iter().copied()));
        Self { seen: Mutex::new(seen.iter().map(ranges).collect()), changed: watch::Sender::new(()) }
    }

    /// These can be seen from now on.
    pub(crate) fn add(&self, stretches: &Stretches) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (origin, ranges) in stretches {
            let known = seen.entry(*origin).or_default();
            for (first, last) in ranges {
                known.insert(*first, *last);
            }
        }
        drop(seen);
        self.changed.send_replace(());
    }

    /// Whether a transaction can be seen.
    pub(crate) fn has(&self, place: &Place) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&place.origin).is_some_and(|ranges| ranges.contains(place.seq.0))
    }

    /// Waits until all of them can be seen.
    pub(crate) async fn wait_for(&self, places: &[Place], patience: Duration) -> Result<(), SqlRefusal> {
        if places.iter().all(|place| self.has(place)) {
            return Ok(());
        }
        let waited = patience.min(SEEN_PATIENCE);
        let mut changed = self.changed.subscribe();
        let all = async {
            while !places.iter().all(|place| self.has(place)) {
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(waited, all).await {
            Ok(()) => Ok(()),
            Err(_) => {
                let missing = places.iter().find(|place| !self.has(place)).copied();
                missing.map_or(Ok(()), |missing| Err(SqlRefusal::NotSeen { missing, waited }))
            }
        }
    }
}
