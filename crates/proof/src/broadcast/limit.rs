//! What is possible under a fault: the origin tells each node directly, again and again, until that node has said that it
//! heard. No design informs the last node sooner, but for one that goes around a lossy way; none can afford this one.

use super::spreader::{Design, Heard, Known, Places, Spreader, Traffic, UPDATE_BYTES, UPDATE_ID_BYTES, Update};
use core::time::Duration;
use std::collections::BTreeSet;
use whither_model::Instant;
use whither_population::{Index, Outbox, Protocol, Route};

/// Between two copies to the same node.
const AGAIN: Duration = Duration::from_millis(2);
/// After this, who has not answered is taken for dead.
const GIVE_UP: Duration = Duration::from_secs(5);

/// The limit as if it were a design.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit;

/// What goes over its network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// An update.
    Copy(Update),
    /// An update has come.
    Came(Update),
}

/// An update that its origin still tells.
#[derive(Clone, Debug)]
struct Telling {
    update: Update,
    until: Instant,
    next: Instant,
    unheard: BTreeSet<Index>,
}

/// A node of it.
#[derive(Clone, Debug)]
pub struct LimitNode {
    others: Vec<Index>,
    known: Known,
    telling: Option<Telling>,
    traffic: Traffic,
}

impl Design for Limit {
    type Node = LimitNode;

    fn name(&self) -> String {
        format!("what is possible: told by the origin every {} ms", AGAIN.as_millis())
    }

    fn nodes(&self, places: &Places, _: u64) -> Vec<LimitNode> {
        let members = 0..places.members();
        let others = |me| members.clone().filter(move |other| *other != me).collect();
        let node =
            |me| LimitNode { others: others(me), known: Known::default(), telling: None, traffic: Traffic::default() };
        members.clone().map(node).collect()
    }
}

impl LimitNode {
    fn tell(&mut self, now: Instant, out: &mut Outbox<Word, Heard>) {
        let Some(telling) = self.telling.as_mut().filter(|telling| telling.next <= now) else { return };
        if telling.unheard.is_empty() || now > telling.until {
            self.telling = None;
            return;
        }
        telling.next = now + AGAIN;
        for to in &telling.unheard {
            let bytes = UPDATE_ID_BYTES + UPDATE_BYTES;
            self.traffic.sent(bytes, 1);
            out.send(*to, Route::Datagram, bytes, Word::Copy(telling.update));
        }
    }
}

impl Spreader for LimitNode {
    fn publish(&mut self, now: Instant, update: Update, out: &mut Outbox<Word, Heard>) {
        self.known.insert(update);
        self.telling =
            Some(Telling { update, until: now + GIVE_UP, next: now, unheard: self.others.iter().copied().collect() });
        self.tell(now, out);
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn heard(event: Heard) -> Option<Heard> {
        Some(event)
    }
}

impl Protocol for LimitNode {
    type Message = Word;
    type Event = Heard;

    fn start(&mut self, _: Instant, _: &mut Outbox<Word, Heard>) {}

    fn receive(&mut self, _: Instant, from: Index, word: Word, out: &mut Outbox<Word, Heard>) {
        match word {
            Word::Copy(update) => {
                if self.known.insert(update) {
                    out.tell(Heard { update, hops: 1 });
                } else {
                    self.traffic.duplicates += 1;
                }
                self.traffic.sent(UPDATE_ID_BYTES, 0);
                out.send(from, Route::Datagram, UPDATE_ID_BYTES, Word::Came(update));
            }
            Word::Came(update) => {
                if let Some(telling) = self.telling.as_mut().filter(|telling| telling.update == update) {
                    telling.unheard.remove(&from);
                }
            }
        }
    }

    fn wake(&mut self, now: Instant, out: &mut Outbox<Word, Heard>) {
        self.tell(now, out);
    }

    fn next_wake(&self) -> Instant {
        self.telling.as_ref().map_or(Instant::DISTANT_FUTURE, |telling| telling.next)
    }
}
