//! What wakes the core, and when.

use crate::rows::RowIx;
use alloc::collections::{BTreeMap, BTreeSet};
use whither_model::{Instant, NodeId, SessionId};

/// Why the core wants to be woken. At most one of each is set at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// The node that said goodbye has had its grace.
    VouchEnd(NodeId),
    /// Look for the cluster, or for members that were lost.
    Dial,
    /// Compare state.
    Sync,
    /// A gap in this node's changes is no longer mere reordering.
    Gap(NodeId),
    /// The same for its transactions.
    TablesGap(NodeId),
    /// A lease may have run out.
    Lease(RowIx),
    /// A session that was lost has had its grace.
    Session(SessionId),
    /// An own instance that is ill or leaving may have to be removed.
    Removal(RowIx),
    /// An own instance that warms up takes more.
    Ramp(RowIx),
    /// Write down up to when members are known.
    Remember,
    /// Own changes that were held back may be told.
    Speak,
}

/// All timers that are set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
    set: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Sets `timer`, in place of when it was set before.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.cancel(timer);
        self.set.insert(timer, at);
        self.due.insert((at, timer));
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.set.remove(&timer) {
            self.due.remove(&(at, timer));
        }
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.set.contains_key(&timer)
    }

    pub(crate) fn next(&self) -> Instant {
        self.due.first().map_or(Instant::DISTANT_FUTURE, |(at, _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        self.set.remove(&timer);
        Some(timer)
    }

    /// Puts off every timer that `concerns` selects.
    pub(crate) fn put_off(&mut self, by: core::time::Duration, concerns: impl Fn(Timer) -> bool) {
        let moved: alloc::vec::Vec<(Timer, Instant)> =
            self.set.iter().filter(|(timer, _)| concerns(**timer)).map(|(timer, at)| (*timer, *at)).collect();
        moved.into_iter().for_each(|(timer, at)| self.set(timer, at + by));
    }
}
