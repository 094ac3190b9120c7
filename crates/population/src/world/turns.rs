//! Whose turn it is: a node's processor does one thing at a time, what has waited longest first.

use super::{Job, Pending, World};
use crate::body::NEVER;
use crate::protocol::{Index, Route};
use crate::trace::Step;
use whither_model::Instant;

impl<M> World<M> {
    /// Whether a node is to be woken now, as its wake has come off the wheel.
    #[inline]
    pub(crate) fn is_wake_due(&mut self, node: Index, generation: u32) -> bool {
        let now = self.now;
        let body = &mut self.bodies[node as usize];
        if body.generation != generation {
            return false;
        }
        body.armed_at = NEVER;
        if body.wake_at > now {
            let at = body.wake_at;
            self.arm(node, at);
            return false;
        }
        if body.stopped > 0 {
            return false;
        }
        let waits = body.busy_until > now || (body.blocked == 0 && !body.received.is_empty());
        if waits {
            self.resume_later(node);
        }
        !waits
    }

    /// Counts a wake-up.
    #[inline]
    pub(crate) fn wakes(&mut self, node: Index) {
        let body = &mut self.bodies[node as usize];
        body.tally.wakes += 1;
        body.wake_at = NEVER;
        self.events += 1;
        self.hash.fold(self.now ^ u64::from(node) << 40);
        if self.trace.is_some() {
            self.write(&Step::Node("wakes", node));
        }
    }

    /// The processor works from now on; when it is done.
    #[inline]
    pub(crate) fn work(&mut self, node: Index, micros: u32) -> u64 {
        let body = &mut self.bodies[node as usize];
        body.busy_until = self.now + u64::from(micros);
        if !body.received.is_empty() {
            self.resume_later(node);
        }
        self.now + u64::from(micros)
    }

    /// The protocol wants to be woken at `shown` of its own clock; not before `earliest` of world time.
    #[inline]
    pub(crate) fn wake_at(&mut self, node: Index, shown: Instant, earliest: u64) {
        let body = &mut self.bodies[node as usize];
        let wanted = body.clock.when_shows(shown.as_micros());
        body.wake_at = wanted;
        let at = wanted.max(earliest);
        if at < body.armed_at {
            self.arm(node, at);
        }
    }

    /// Puts a wake on the wheel. An earlier one means nothing any more.
    fn arm(&mut self, node: Index, at: u64) {
        let body = &mut self.bodies[node as usize];
        if at == NEVER {
            return;
        }
        body.generation = body.generation.wrapping_add(1);
        body.armed_at = at;
        let generation = body.generation;
        self.wheel.insert(at, Pending::Wake(node, generation));
    }

    /// Looks at what waits at a node once its processor is free. Whoever is in trouble is looked at when that ends.
    pub(super) fn resume_later(&mut self, node: Index) {
        let body = &mut self.bodies[node as usize];
        if !core::mem::replace(&mut body.resumes, true) {
            let at = body.busy_until.max(self.now);
            self.wheel.insert(at, Pending::Resume(node));
        }
    }

    /// What a node that may be free does next: what has waited longest.
    pub(crate) fn next_job(&mut self, node: Index) -> Option<Job> {
        let body = &mut self.bodies[node as usize];
        body.resumes = false;
        if !body.alive || body.stopped > 0 {
            return None;
        }
        let first = if body.blocked > 0 { None } else { body.received.first() };
        let wakes = body.wake_at <= self.now;
        if body.busy_until > self.now {
            if first.is_some() || wakes {
                self.resume_later(node);
            }
            return None;
        }
        match first {
            Some(flight) if !wakes || self.flights.at(flight).at < body.wake_at => {
                let mut line = body.received;
                self.flights.pop(&mut line);
                let parcel = self.flights.at(flight);
                body.received = line;
                body.received_bytes -= if parcel.route == Route::Datagram { parcel.bytes } else { 0 };
                Some(Job::Receive(flight))
            }
            _ => wakes.then_some(Job::Wake),
        }
    }
}
