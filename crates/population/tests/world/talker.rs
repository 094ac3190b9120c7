//! A protocol that says what it is told to, and tells everything that it hears.

use core::time::Duration;
use whither_model::Instant;
use whither_population::{Index, Nodes, Outbox, Population, Protocol, Route, Setup};

/// What a talker tells: with the time on its own clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// It came to life.
    Started(Instant),
    /// A number came from somebody.
    Number(Instant, Index, u32),
    /// It was woken.
    Woken(Instant),
}

/// Wakes when told to, once.
#[derive(Debug, Default)]
pub(crate) struct Talker {
    /// When to be woken next, on its own clock. `None`: not.
    pub(crate) wake: Option<Instant>,
    /// Answers each number below this with the next one.
    pub(crate) answers_below: u32,
}

impl Protocol for Talker {
    type Message = u32;
    type Event = Heard;

    fn start(&mut self, now: Instant, out: &mut Outbox<u32, Heard>) {
        out.tell(Heard::Started(now));
    }

    fn receive(&mut self, now: Instant, from: Index, number: u32, out: &mut Outbox<u32, Heard>) {
        out.tell(Heard::Number(now, from, number));
        if number < self.answers_below {
            out.send(from, Route::Datagram, BYTES, number + 1);
        }
    }

    fn wake(&mut self, now: Instant, out: &mut Outbox<u32, Heard>) {
        self.wake = None;
        out.tell(Heard::Woken(now));
    }

    fn next_wake(&self) -> Instant {
        self.wake.unwrap_or(Instant::DISTANT_FUTURE)
    }
}

/// What a number takes on the wire.
pub(crate) const BYTES: u32 = 100;

/// Talkers, and everything they told.
pub(crate) type Talkers = Population<Talker, Vec<(Instant, Index, Heard)>>;

/// Talkers that have started.
pub(crate) fn talkers(setup: &Setup) -> Talkers {
    let mut talkers = Population::new(setup, Vec::new(), |_| Talker::default());
    run_to(&mut talkers, 0);
    talkers
}

/// The point that many microseconds after the beginning.
pub(crate) fn at(micros: u64) -> Instant {
    Instant::START + Duration::from_micros(micros)
}

/// Microseconds since the beginning.
pub(crate) fn micros(time: Instant) -> u64 {
    u64::try_from(time.since(Instant::START).as_micros()).unwrap()
}

pub(crate) fn run_to(talkers: &mut Talkers, to: u64) {
    talkers.run_until(at(to)).expect("within budget");
}

/// Sends a number now.
pub(crate) fn say(talkers: &mut Talkers, from: Index, to: Index, route: Route, number: u32) {
    talkers.inject(from, |_, _, out| out.send(to, route, BYTES, number)).expect("the sender is alive");
}

/// Numbers that came to a node, with the microsecond of world time.
pub(crate) fn numbers(talkers: &Talkers, node: Index) -> Vec<(u64, u32)> {
    let heard = talkers.watch().iter().filter(|(_, who, _)| *who == node);
    heard.filter_map(|(time, _, heard)| Some((micros(*time), number(heard)?))).collect()
}

fn number(heard: &Heard) -> Option<u32> {
    match heard {
        Heard::Number(_, _, number) => Some(*number),
        _ => None,
    }
}

/// When a node was woken, in microseconds of world time, and what its clock showed.
pub(crate) fn wakes(talkers: &Talkers, node: Index) -> Vec<(u64, Instant)> {
    let heard = talkers.watch().iter().filter(|(_, who, _)| *who == node);
    heard
        .filter_map(|(time, _, heard)| match heard {
            Heard::Woken(shown) => Some((micros(*time), *shown)),
            _ => None,
        })
        .collect()
}

/// One node as a set.
pub(crate) fn only(node: Index) -> Nodes {
    Nodes::one(node)
}

/// What was sent was received, was dropped, or is in flight.
pub(crate) fn assert_conserved(talkers: &Talkers) {
    let counters = talkers.counters();
    let accounted = counters.total.messages_received + counters.dropped.total() + counters.in_flight;
    assert_eq!(counters.total.messages_sent, accounted, "{counters:?}");
}
