//! A message's way from one protocol to another.

use super::{Pending, World};
use crate::counters::Cause;
use crate::flights::Flight;
use crate::protocol::{Index, Route, Sent};
use crate::reliable::Connections;

/// IP and UDP.
const DATAGRAM_HEADERS: u64 = 28;

impl<M> World<M> {
    /// A protocol said something, and says it at `at`.
    #[inline]
    pub(crate) fn post(&mut self, from: Index, sent: Sent<M>, at: u64) {
        let body = &mut self.bodies[from as usize];
        body.tally.messages_sent += 1;
        body.tally.bytes_sent += u64::from(sent.bytes);
        self.hash.fold(u64::from(sent.to) << 32 | u64::from(sent.bytes));
        let flight = self.flights.put(from, sent, at);
        self.tell("sends", flight);
        let body = &mut self.bodies[from as usize];
        if body.blocked > 0 {
            self.flights.push(&mut body.held, flight);
        } else {
            self.depart(flight, at);
        }
    }

    /// A message leaves its node at `at`, now or at the end of the work that is being done.
    #[inline]
    pub(super) fn depart(&mut self, flight: Flight, at: u64) {
        let parcel = self.flights.at(flight);
        let (from, to, route, bytes) = (parcel.from, parcel.to, parcel.route, parcel.bytes);
        if route == Route::Reliable {
            let at = self.nics.leaves(from, at, u64::from(bytes));
            self.flights.at_mut(flight).at = at;
            return self.attempt(flight, at);
        }
        let wire = u64::from(bytes) + DATAGRAM_HEADERS;
        self.bodies[from as usize].tally.wire_bytes_sent += wire;
        let at = self.nics.leaves(from, at, wire);
        match self.network.departing(from, to, at, &mut self.random) {
            Err(cause) => self.drop(flight, cause),
            Ok(()) => {
                let at = at + self.network.latency(from, to, &mut self.random);
                self.wheel.insert(at, Pending::Arrive(flight));
            }
        }
    }

    /// A message has come. If its receiver can handle it now, that is who.
    #[inline]
    pub(crate) fn arrive(&mut self, flight: Flight) -> Option<Index> {
        let parcel = self.flights.at(flight);
        let (from, to, route, bytes) = (parcel.from, parcel.to, parcel.route, parcel.bytes);
        if route == Route::Datagram
            && let Err(cause) = self.network.arriving(from, to, self.now, &mut self.random)
        {
            self.drop(flight, cause);
            return None;
        }
        let body = &mut self.bodies[to as usize];
        if !body.alive {
            self.drop(flight, Cause::Dead);
            return None;
        }
        if body.is_free(self.now) {
            return Some(to);
        }
        let in_trouble = body.stopped > 0 || body.blocked > 0;
        let room = self.receive_queue.saturating_sub(body.received_bytes);
        if route == Route::Datagram && bytes > room {
            self.drop(flight, Cause::Overflow);
            return None;
        }
        self.flights.at_mut(flight).at = self.now;
        body.received_bytes += if route == Route::Datagram { bytes } else { 0 };
        self.flights.push(&mut body.received, flight);
        if !in_trouble {
            self.resume_later(to);
        }
        None
    }

    /// Takes a message off its way, for the protocol that receives it now.
    #[inline]
    pub(crate) fn receive(&mut self, flight: Flight) -> Option<(Index, M)> {
        self.tell("is received", flight);
        let parcel = self.flights.at(flight);
        let (from, to, bytes) = (parcel.from, parcel.to, u64::from(parcel.bytes));
        let headers = if parcel.route == Route::Datagram { DATAGRAM_HEADERS } else { Connections::headers(bytes) };
        let tally = &mut self.bodies[to as usize].tally;
        tally.messages_received += 1;
        tally.bytes_received += bytes;
        tally.wire_bytes_received += bytes + headers;
        self.events += 1;
        self.hash.fold(self.now ^ u64::from(from) << 32 ^ u64::from(to));
        Some((from, self.flights.take(flight)?))
    }

    /// A message is gone.
    #[cold]
    pub(crate) fn drop(&mut self, flight: Flight, cause: Cause) {
        let what = match cause {
            Cause::Loss => "is lost",
            Cause::Cut => "finds no way",
            Cause::Overflow => "finds a full queue",
            Cause::Dead => "finds nobody alive",
            Cause::GivenUp => "is given up",
        };
        self.tell(what, flight);
        self.hash.fold(self.now ^ u64::from(flight));
        self.dropped.count(cause);
        self.flights.take(flight);
    }
}
