//! Connections that retransmit.
//!
//! A message takes one round trip to set a connection up, unless the two spoke over one in the last minute, and then one way.
//! Each attempt is lost like a datagram, and made again after max(200 ms, two round trips), then twice that, and so on (RFC
//! 6298 in spirit). After ten seconds it is given up. Messages of one connection do not wait for each other.

use crate::body::Body;
use crate::counters::Cause;
use crate::flights::Flight;
use crate::protocol::Index;
use crate::world::{Pending, World};
use whither_model::random::mix;

/// How long a connection is kept open without use, microseconds.
const KEPT: u64 = 60_000_000;
/// After how long a message is given up, microseconds.
const GIVEN_UP: u64 = 10_000_000;
/// The least time before an attempt is made again, microseconds.
const AGAIN: u64 = 200_000;
/// IP and TCP.
const SEGMENT_HEADERS: u64 = 40;
/// What fits into a segment beside them.
const SEGMENT_BYTES: u64 = 1_440;
/// Three segments without content. All of them are counted for who sets the connection up.
const SET_UP_BYTES: u64 = 3 * SEGMENT_HEADERS;
/// The most connections that are remembered. More need only be set up again.
const CONNECTIONS_MAX: usize = 1 << 16;

/// Who spoke to whom lately: a table in which each pair has one place, and shares it. The later one has it.
#[derive(Debug)]
pub(crate) struct Connections {
    /// Pair, and when it was used last. Empty before the first use.
    places: Vec<(u64, u64)>,
    count: usize,
}

impl Connections {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { places: Vec::new(), count: (nodes * 64).next_power_of_two().min(CONNECTIONS_MAX) }
    }

    /// Bytes of headers of a message of that size.
    pub(crate) fn headers(bytes: u64) -> u64 {
        bytes.div_ceil(SEGMENT_BYTES).max(1) * SEGMENT_HEADERS
    }

    /// Whether the two have a connection at `at`. Crashes of either end have broken it.
    fn are_open(&self, one: Index, other: Index, at: u64, bodies: &[Body]) -> bool {
        let pair = pair(one, other);
        let born = bodies[one as usize].born.max(bodies[other as usize].born);
        self.places
            .get(self.place(pair))
            .is_some_and(|(known, used)| *known == pair && *used >= born && at <= used + KEPT)
    }

    /// They use it.
    fn open(&mut self, one: Index, other: Index, at: u64) {
        if self.places.is_empty() {
            self.places = vec![(u64::MAX, 0); self.count];
        }
        let pair = pair(one, other);
        let place = self.place(pair);
        self.places[place] = (pair, at);
    }

    const fn place(&self, pair: u64) -> usize {
        mix(pair) as usize & (self.count - 1)
    }
}

/// A connection serves both directions.
fn pair(one: Index, other: Index) -> u64 {
    u64::from(one.min(other)) << 32 | u64::from(one.max(other))
}

impl<M> World<M> {
    /// Tries to get a message through, at `at`.
    pub(crate) fn attempt(&mut self, flight: Flight, at: u64) {
        let parcel = self.flights.at(flight);
        let (from, to, bytes) = (parcel.from, parcel.to, u64::from(parcel.bytes));
        if !self.bodies[from as usize].alive {
            return self.drop(flight, Cause::Dead);
        }
        let is_open = self.connections.are_open(from, to, at, &self.bodies);
        let wire = if is_open { bytes + Connections::headers(bytes) } else { SET_UP_BYTES };
        self.bodies[from as usize].tally.wire_bytes_sent += wire;
        if let Err(cause) = self.gets_through(from, to, is_open, at) {
            return self.try_again(flight, at, cause);
        }
        let there = self.network.latency(from, to, &mut self.random);
        if is_open {
            self.connections.open(from, to, at);
            self.wheel.insert(at + there, Pending::Arrive(flight));
        } else {
            let back = self.network.latency(to, from, &mut self.random);
            self.connections.open(from, to, at + there + back);
            self.wheel.insert(at + there + back, Pending::Attempt(flight));
        }
    }

    /// Whether an attempt succeeds. To set a connection up, an answer has to come back.
    fn gets_through(&mut self, from: Index, to: Index, is_open: bool, at: u64) -> Result<(), Cause> {
        if !self.bodies[to as usize].alive {
            return Err(Cause::Dead);
        }
        self.network.passes(from, to, at, &mut self.random)?;
        if is_open { Ok(()) } else { self.network.passes(to, from, at, &mut self.random) }
    }

    fn try_again(&mut self, flight: Flight, at: u64, cause: Cause) {
        let parcel = self.flights.at_mut(flight);
        let round_trip = 2 * self.network.distances().micros(parcel.from, parcel.to);
        let again = at + (AGAIN.max(2 * round_trip) << parcel.attempts.min(16));
        if again > parcel.at + GIVEN_UP {
            let cause = if cause == Cause::Dead { Cause::Dead } else { Cause::GivenUp };
            return self.drop(flight, cause);
        }
        parcel.attempts = parcel.attempts.saturating_add(1);
        self.retransmitted += 1;
        self.wheel.insert(again, Pending::Attempt(flight));
    }
}
