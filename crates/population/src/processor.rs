//! How long a node takes, and what keeps it from anything at all.

use core::time::Duration;

/// A single server with a queue: while it works, what arrives waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Processor {
    /// Time for a received message. What the node sends because of it leaves at the end of that time.
    pub per_message: Duration,
    /// Time for a wake-up.
    pub per_wake: Duration,
}

/// A small state machine on a present processor: a few microseconds for each event.
impl Default for Processor {
    fn default() -> Self {
        Self { per_message: Duration::from_micros(5), per_wake: Duration::from_micros(5) }
    }
}

impl Processor {
    /// Work takes no time: what mathematics assumes.
    pub const INSTANT: Self = Self { per_message: Duration::ZERO, per_wake: Duration::ZERO };
}

/// What keeps a node from working, for a time. Its host goes on: kernels keep receiving, connections stay open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Nothing runs, as after SIGSTOP or on a starved processor: messages wait in the receive queue, timers fire late.
    Stopped,
    /// Lifeguard's anomaly (Dadgar, Phillips, Currey 2018): the node blocks before it sends and after it receives
    /// any message. Both wait until the end, and leave or are handled then; timers fire on time.
    Blocked,
}
