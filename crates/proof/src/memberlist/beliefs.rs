//! Who is believed to be how: memberlist's `aliveNode`, `suspectNode`, `deadNode`, `refute`.

use super::members::{Belief, Member};
use super::message::{Rumour, Saying};
use super::node::{Event, Node, Out};
use whither_model::Instant;
use whither_population::Index;

impl Node {
    /// `about` is said to be alive.
    pub(super) fn alive(&mut self, now: Instant, about: Index, incarnation: u32, out: &mut Out) {
        if about == self.me {
            // Nobody else knows of a later incarnation, unless this node forgot one.
            if incarnation > self.members.get(about).incarnation {
                self.refute(now, incarnation, out);
            }
            return;
        }
        if self.members.get(about).belief == Belief::Unknown {
            self.members.insert(about, &mut self.random);
        }
        let known = self.members.get_mut(about);
        if incarnation <= known.incarnation {
            return;
        }
        let was = known.belief;
        known.incarnation = incarnation;
        if was != Belief::Alive {
            known.belief = Belief::Alive;
            known.changed = now;
        }
        self.suspicions.end(about);
        self.broadcast(now, Rumour { saying: Saying::Alive, about, incarnation, from: about });
        if was == Belief::Dead {
            self.exchanger.failed.retain(|failed| *failed != about);
            out.tell(Event::Joined(about));
        }
    }

    /// `from` suspects `about`.
    pub(super) fn suspect(&mut self, now: Instant, about: Index, incarnation: u32, from: Index, out: &mut Out) {
        let known = self.members.get(about);
        if known.belief == Belief::Unknown || incarnation < known.incarnation {
            return;
        }
        let rumour = Rumour { saying: Saying::Suspect, about, incarnation, from };
        if let Some(news) = self.suspicions.confirm(about, from, now) {
            if news {
                self.broadcast(now, rumour);
            }
            return;
        }
        if known.belief != Belief::Alive {
            return;
        }
        if about == self.me {
            self.refute(now, incarnation, out);
            return;
        }
        self.broadcast(now, rumour);
        let member = self.members.get_mut(about);
        *member = Member { belief: Belief::Suspect, incarnation, changed: now };
        let nodes = self.members.len();
        // Itself and the accused cannot confirm.
        let possible = u32::try_from(nodes.saturating_sub(2)).unwrap_or(u32::MAX);
        let wanted = if possible < self.config.confirmations { 0 } else { self.config.confirmations };
        self.suspicions.begin(about, from, now, wanted, self.config.suspicion_bounds(nodes));
        out.tell(Event::Suspected(about));
    }

    /// Nobody refuted the suspicion of `about`.
    pub(super) fn suspected_for_too_long(&mut self, now: Instant, about: Index, out: &mut Out) {
        let known = self.members.get(about);
        if known.belief == Belief::Suspect {
            self.dead(now, about, known.incarnation, self.me, out);
        }
    }

    /// `from` says that `about` is dead.
    pub(super) fn dead(&mut self, now: Instant, about: Index, incarnation: u32, from: Index, out: &mut Out) {
        let known = self.members.get(about);
        if known.belief == Belief::Unknown || incarnation < known.incarnation {
            return;
        }
        self.suspicions.end(about);
        if known.belief == Belief::Dead {
            return;
        }
        if about == self.me {
            self.refute(now, incarnation, out);
            return;
        }
        self.broadcast(now, Rumour { saying: Saying::Dead, about, incarnation, from });
        let member = self.members.get_mut(about);
        *member = Member { belief: Belief::Dead, incarnation, changed: now };
        self.exchanger.failed.push(about);
        out.tell(Event::Failed(about));
    }

    /// It is itself accused, in `incarnation`: it is alive in a later one.
    fn refute(&mut self, now: Instant, incarnation: u32, out: &mut Out) {
        let me = self.members.get_mut(self.me);
        me.incarnation = (me.incarnation + 1).max(incarnation + 1);
        let incarnation = me.incarnation;
        self.feel(1);
        self.broadcast(now, Rumour { saying: Saying::Alive, about: self.me, incarnation, from: self.me });
        out.tell(Event::Refuted(incarnation));
    }
}
