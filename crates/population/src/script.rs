//! What goes wrong, and when.

use crate::network::{Bursts, Jitter};
use crate::nodes::Nodes;
use crate::processor::{Processor, Trouble};
use crate::protocol::Index;
use core::time::Duration;
use whither_model::Instant;

/// A change of the world, at once ([`Population::change`](crate::Population::change)) or at a time
/// ([`Population::at`](crate::Population::at)).
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// Latencies vary like this from now on.
    Jitter(Jitter),
    /// This share of all messages is lost, each independently.
    Loss(f64),
    /// This share of what comes to these nodes is lost, each message independently, beside what is lost anyway.
    LossIn {
        /// Whose.
        nodes: Nodes,
        /// 0 to 1.
        share: f64,
    },
    /// This share of what leaves these nodes is lost.
    LossOut {
        /// Whose.
        nodes: Nodes,
        /// 0 to 1.
        share: f64,
    },
    /// What comes to these nodes is lost in bursts, at each node independently.
    BurstsIn {
        /// Whose.
        nodes: Nodes,
        /// `None`: no more.
        bursts: Option<Bursts>,
    },
    /// What leaves these nodes is lost in bursts.
    BurstsOut {
        /// Whose.
        nodes: Nodes,
        /// `None`: no more.
        bursts: Option<Bursts>,
    },
    /// Nothing gets from these to those, in this direction, beside earlier cuts. What is on its way arrives.
    Cut {
        /// Senders.
        from: Nodes,
        /// Receivers.
        to: Nodes,
    },
    /// The same, for single pairs of sender and receiver.
    CutPairs(Vec<(Index, Index)>),
    /// All cuts are mended. Loss stays.
    Heal,
    /// Interfaces of these nodes send that much.
    Bandwidth {
        /// Whose.
        nodes: Nodes,
        /// Headers included. `None`: without limit.
        bytes_per_second: Option<u64>,
    },
    /// These nodes need that long from now on.
    Work {
        /// Who.
        nodes: Nodes,
        /// How long.
        processor: Processor,
    },
    /// Trouble begins for these nodes. It may begin more than once, and then has to end as often.
    Begin(Trouble, Nodes),
    /// Trouble ends for these nodes.
    End(Trouble, Nodes),
    /// These nodes die: what waits there is lost with them. What they have sent arrives.
    Crash(Nodes),
}

/// Times on and off in turn: `on` from `first`, then `off`, and again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cycle {
    /// When it is on for the first time, world time.
    pub first: Instant,
    /// How long it is on.
    pub on: Duration,
    /// How long it is off.
    pub off: Duration,
    /// It is not switched on any more at or after this time; what is on is on for its full time.
    pub until: Instant,
}

impl Cycle {
    /// On once.
    #[must_use]
    pub fn once(first: Instant, on: Duration) -> Self {
        Self { first, on, off: Duration::MAX, until: first + Duration::from_micros(1) }
    }

    /// When it is switched on and off.
    pub fn turns(self) -> impl Iterator<Item = (Instant, Instant)> {
        let next = move |begin: &Instant| Some(*begin + self.on + self.off).filter(|after| after > begin);
        core::iter::successors(Some(self.first), next)
            .take_while(move |begin| *begin < self.until)
            .map(move |begin| (begin, begin + self.on))
    }

    /// When it is switched off for the last time; `first` if it is never on.
    #[must_use]
    pub fn end(self) -> Instant {
        self.turns().last().map_or(self.first, |(_, end)| end)
    }
}
