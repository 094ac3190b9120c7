//! What the world knows of a node, beside its protocol.

use crate::clock::Clock;
use crate::counters::Tally;
use crate::flights::Line;
use crate::processor::Processor;

/// Never, or not at all.
pub(crate) const NEVER: u64 = u64::MAX;

/// A node from outside. Times are microseconds of world time.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Body {
    pub(crate) alive: bool,
    /// It has never been alive, and has not been crashed before it was.
    pub(crate) is_new: bool,
    /// How many reasons it has to stand still.
    pub(crate) stopped: u8,
    /// How many reasons it has to block.
    pub(crate) blocked: u8,
    /// A `Resume` is on the wheel.
    pub(crate) resumes: bool,
    /// Wakes on the wheel of another generation mean nothing.
    pub(crate) generation: u32,
    /// When the protocol wants to be woken.
    pub(crate) wake_at: u64,
    /// When the wake of this generation comes off the wheel: never after `wake_at`, unless that is overdue.
    pub(crate) armed_at: u64,
    /// Until when the processor works.
    pub(crate) busy_until: u64,
    /// Since when it has been alive.
    pub(crate) born: u64,
    pub(crate) micros_per_message: u32,
    pub(crate) micros_per_wake: u32,
    /// What has come and waits for the processor.
    pub(crate) received: Line,
    /// What was said and waits for the end of an anomaly.
    pub(crate) held: Line,
    /// Bytes of datagrams in `received`.
    pub(crate) received_bytes: u32,
    pub(crate) clock: Clock,
    pub(crate) tally: Tally,
}

impl Body {
    pub(crate) fn new(clock: Clock, processor: Processor) -> Self {
        let mut body = Self {
            alive: false,
            is_new: true,
            stopped: 0,
            blocked: 0,
            resumes: false,
            generation: 0,
            wake_at: NEVER,
            armed_at: NEVER,
            busy_until: 0,
            born: 0,
            micros_per_message: 0,
            micros_per_wake: 0,
            received: Line::EMPTY,
            held: Line::EMPTY,
            received_bytes: 0,
            clock,
            tally: Tally::default(),
        };
        body.work_with(processor);
        body
    }

    pub(crate) fn work_with(&mut self, processor: Processor) {
        self.micros_per_message = u32::try_from(processor.per_message.as_micros()).unwrap_or(u32::MAX);
        self.micros_per_wake = u32::try_from(processor.per_wake.as_micros()).unwrap_or(u32::MAX);
    }

    /// Whether a message that comes now can be handled now: nothing is before it, nothing is in the way.
    pub(crate) const fn is_free(&self, now: u64) -> bool {
        self.busy_until <= now && self.received.is_empty() && self.stopped == 0 && self.blocked == 0
    }
}
