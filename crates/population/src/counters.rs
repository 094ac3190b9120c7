//! What was counted.

/// What one node did, or all of them together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Messages its protocol sent.
    pub messages_sent: u64,
    /// Messages its protocol received.
    pub messages_received: u64,
    /// Their bytes, as the protocol says.
    pub bytes_sent: u64,
    /// Their bytes, as the protocol says.
    pub bytes_received: u64,
    /// Bytes on the wire, which are more by headers: 28 for a datagram (IP and UDP), 40 for each 1 440 bytes of a connection
    /// (IP and TCP), and 120 to set one up. Each attempt of a connection counts.
    pub wire_bytes_sent: u64,
    /// Bytes on the wire of what was received, without those of connections being set up.
    pub wire_bytes_received: u64,
    /// How often it was woken.
    pub wakes: u64,
}

impl Tally {
    /// Messages received and wake-ups: what costs time.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.messages_received + self.wakes
    }

    pub(crate) const fn add(&mut self, other: &Self) {
        self.messages_sent += other.messages_sent;
        self.messages_received += other.messages_received;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.wire_bytes_sent += other.wire_bytes_sent;
        self.wire_bytes_received += other.wire_bytes_received;
        self.wakes += other.wakes;
    }
}

/// Messages that no protocol received, by cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Dropped {
    /// Lost on the way.
    pub loss: u64,
    /// Sent where no way led.
    pub cut: u64,
    /// The receiver's queue was full.
    pub overflow: u64,
    /// The receiver was dead, or died with it in its queue; or the sender died before it left.
    pub dead: u64,
    /// A connection did not get it through in time.
    pub given_up: u64,
}

impl Dropped {
    /// All causes together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.loss + self.cut + self.overflow + self.dead + self.given_up
    }

    pub(crate) const fn count(&mut self, cause: Cause) {
        match cause {
            Cause::Loss => self.loss += 1,
            Cause::Cut => self.cut += 1,
            Cause::Overflow => self.overflow += 1,
            Cause::Dead => self.dead += 1,
            Cause::GivenUp => self.given_up += 1,
        }
    }
}

/// Why a message was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    Loss,
    Cut,
    Overflow,
    Dead,
    GivenUp,
}

/// The whole run in numbers.
///
/// Invariant: what was sent was received, was dropped, or is in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// All nodes together.
    pub total: Tally,
    /// Messages that were not received, and will not be.
    pub dropped: Dropped,
    /// Messages that are on their way, or wait at their sender or receiver.
    pub in_flight: u64,
    /// Attempts of connections beyond the first.
    pub retransmitted: u64,
}

impl Counters {
    /// Messages received and wake-ups.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.total.events()
    }
}
