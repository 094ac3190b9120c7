//! Messages between being sent and being received: on the wheel, in a queue, or held back.

use crate::protocol::{Index, Route, Sent};

/// No flight.
const NONE: u32 = u32::MAX;

/// Where a message is in [`Flights`].
pub(crate) type Flight = u32;

/// A message and what is to be known of it on its way.
#[derive(Debug)]
pub(crate) struct Parcel<M> {
    pub(crate) from: Index,
    pub(crate) to: Index,
    /// Its size, as the protocol says.
    pub(crate) bytes: u32,
    pub(crate) route: Route,
    /// How often a connection has tried in vain.
    pub(crate) attempts: u8,
    /// The one behind it in a line, or in the list of unused places.
    next: u32,
    /// When it left, and once it has come: when it came. World time, microseconds.
    pub(crate) at: u64,
    /// `None`: the place is unused.
    message: Option<M>,
}

/// All messages in flight. A place is used again, so that a run that has been as busy as it gets allocates no more.
#[derive(Debug)]
pub(crate) struct Flights<M> {
    places: Vec<Parcel<M>>,
    free: u32,
    len: u64,
}

/// Messages that wait, first come first served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    first: u32,
    last: u32,
}

impl Line {
    pub(crate) const EMPTY: Self = Self { first: NONE, last: NONE };

    pub(crate) const fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// The first one, which stays.
    pub(crate) const fn first(&self) -> Option<Flight> {
        if self.is_empty() { None } else { Some(self.first) }
    }
}

impl<M> Flights<M> {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), free: NONE, len: 0 }
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn put(&mut self, from: Index, sent: Sent<M>, at: u64) -> Flight {
        let Sent { to, route, bytes, message } = sent;
        let parcel = Parcel { from, to, bytes, route, attempts: 0, next: NONE, at, message: Some(message) };
        self.len += 1;
        if self.free == NONE {
            self.places.push(parcel);
            return u32::try_from(self.places.len() - 1).expect("fewer than 2^32 messages are in flight");
        }
        let flight = self.free;
        let place = &mut self.places[flight as usize];
        self.free = place.next;
        *place = parcel;
        flight
    }

    /// Takes the message out; its place is free.
    pub(crate) fn take(&mut self, flight: Flight) -> Option<M> {
        let place = &mut self.places[flight as usize];
        let message = place.message.take()?;
        place.next = self.free;
        self.free = flight;
        self.len -= 1;
        Some(message)
    }

    pub(crate) fn at(&self, flight: Flight) -> &Parcel<M> {
        &self.places[flight as usize]
    }

    pub(crate) fn at_mut(&mut self, flight: Flight) -> &mut Parcel<M> {
        &mut self.places[flight as usize]
    }

    pub(crate) fn push(&mut self, line: &mut Line, flight: Flight) {
        self.places[flight as usize].next = NONE;
        if line.is_empty() {
            line.first = flight;
        } else {
            self.places[line.last as usize].next = flight;
        }
        line.last = flight;
    }

    pub(crate) fn pop(&self, line: &mut Line) -> Option<Flight> {
        let flight = line.first()?;
        line.first = self.places[flight as usize].next;
        Some(flight)
    }
}

impl<M> Parcel<M> {
    pub(crate) const fn message(&self) -> Option<&M> {
        self.message.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(message: u32) -> Sent<u32> {
        Sent { to: 1, route: Route::Datagram, bytes: 10, message }
    }

    #[test]
    fn places_are_used_again_and_lines_keep_their_order() {
        let (mut flights, mut line) = (Flights::new(), Line::EMPTY);
        for round in 0..100 {
            for message in 0..10 {
                let flight = flights.put(0, sent(round * 10 + message), 0);
                flights.push(&mut line, flight);
            }
            for message in 0..10 {
                let flight = flights.pop(&mut line).expect("ten are in the line");
                assert_eq!(flights.take(flight), Some(round * 10 + message));
                assert_eq!(flights.take(flight), None, "it is gone");
            }
            assert!(line.is_empty() && flights.pop(&mut line).is_none() && flights.len() == 0);
        }
        assert_eq!(flights.places.len(), 10);
    }
}
