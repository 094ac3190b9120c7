//! Nodes live, stand still, and die.

use super::World;
use crate::body::NEVER;
use crate::counters::Cause;
use crate::flights::Line;
use crate::processor::Trouble;
use crate::protocol::Index;
use crate::trace::Step;

impl<M> World<M> {
    /// Trouble begins.
    pub(crate) fn begin(&mut self, trouble: Trouble, node: Index) {
        let body = &mut self.bodies[node as usize];
        let depth = match trouble {
            Trouble::Stopped => &mut body.stopped,
            Trouble::Blocked => &mut body.blocked,
        };
        *depth = depth.saturating_add(1);
    }

    /// Trouble ends: what was held back leaves, what waited is handled.
    pub(crate) fn end(&mut self, trouble: Trouble, node: Index) {
        let body = &mut self.bodies[node as usize];
        let depth = match trouble {
            Trouble::Stopped => &mut body.stopped,
            Trouble::Blocked => &mut body.blocked,
        };
        *depth = depth.saturating_sub(1);
        if body.blocked == 0 && body.stopped == 0 {
            let mut held = core::mem::replace(&mut body.held, Line::EMPTY);
            while let Some(flight) = self.flights.pop(&mut held) {
                self.depart(flight, self.now);
            }
        }
        if self.bodies[node as usize].alive {
            self.resume_later(node);
        }
    }

    /// A node comes to life.
    pub(crate) fn bear(&mut self, node: Index) {
        let now = self.now;
        let body = &mut self.bodies[node as usize];
        (body.alive, body.is_new, body.born, body.busy_until) = (true, false, now, now);
        self.hash.fold(now ^ u64::from(node) << 20);
        if self.trace.is_some() {
            self.write(&Step::Node("starts", node));
        }
    }

    /// A node dies, with what waits there.
    pub(crate) fn kill(&mut self, node: Index) {
        let body = &mut self.bodies[node as usize];
        (body.alive, body.is_new, body.resumes) = (false, false, false);
        body.generation = body.generation.wrapping_add(1);
        (body.wake_at, body.armed_at, body.received_bytes) = (NEVER, NEVER, 0);
        let empty = Line::EMPTY;
        let lines = [core::mem::replace(&mut body.received, empty), core::mem::replace(&mut body.held, empty)];
        self.hash.fold(self.now ^ u64::from(node) << 10);
        for mut line in lines {
            while let Some(flight) = self.flights.pop(&mut line) {
                self.drop(flight, Cause::Dead);
            }
        }
        if self.trace.is_some() {
            self.write(&Step::Node("dies", node));
        }
    }
}
