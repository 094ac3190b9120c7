//! How many protocol events (messages received and wake-ups) a second of processor time is good for.
//!
//! Each node pings a random other one each second, which answers. `cargo run --release -p whither-population --example speed`

use core::time::Duration;
use std::time;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Index, Jitter, Outbox, Population, Protocol, Route, Setup, Weather};

/// A message: a ping that wants an answer, or the answer.
#[derive(Clone, Copy, Debug)]
enum Said {
    Ping(u32),
    Ack(u32),
}

struct Pinger {
    nodes: usize,
    random: Random,
    next: Instant,
    count: u32,
    answered: u64,
}

impl Protocol for Pinger {
    type Message = Said;
    type Event = ();

    fn start(&mut self, now: Instant, _out: &mut Outbox<Said, ()>) {
        self.next = now + Duration::from_micros(self.random.below(1_000_000) as u64);
    }

    fn receive(&mut self, _now: Instant, from: Index, message: Said, out: &mut Outbox<Said, ()>) {
        match message {
            Said::Ping(count) => out.send(from, Route::Datagram, 40, Said::Ack(count)),
            Said::Ack(count) => self.answered += u64::from(count == self.count),
        }
    }

    fn wake(&mut self, _now: Instant, out: &mut Outbox<Said, ()>) {
        self.count += 1;
        self.next = self.next + Duration::from_secs(1);
        let to = Index::try_from(self.random.below(self.nodes)).unwrap_or_default();
        out.send(to, Route::Datagram, 40, Said::Ping(self.count));
    }

    fn next_wake(&self) -> Instant {
        self.next
    }
}

/// Runs about `events` of them.
fn measure(name: &str, setup: &Setup, events: u64) {
    let nodes = setup.nodes;
    let make = |node| {
        let random = Random::new(mix(u64::from(node)));
        Pinger { nodes, random, next: Instant::DISTANT_FUTURE, count: 0, answered: 0 }
    };
    let mut population = Population::new(setup, (), make);
    population.run_for(Duration::from_secs(2)).expect("within budget");
    let (before, begun) = (population.counters().events(), processor_time());
    let seconds = Duration::from_secs((events / (3 * nodes as u64)).max(2));
    population.run_for(seconds).expect("within budget");
    let took = processor_time().saturating_sub(begun).as_secs_f64();
    let events = population.counters().events() - before;
    let answered: u64 = population.nodes().map(|node| node.answered).sum();
    println!(
        "{name:<28} {nodes:>7} nodes  {:>6.2} M events/CPU-s  {:>8.0} world-s/CPU-s  ({events} events, {answered} answers)",
        events as f64 / took / 1e6,
        seconds.as_secs_f64() / took,
    );
}

/// Processor time of this program: Linux tells it in nanoseconds. Elsewhere, the time that has passed must do.
fn processor_time() -> Duration {
    static BEGUN: std::sync::OnceLock<time::Instant> = std::sync::OnceLock::new();
    let begun = BEGUN.get_or_init(time::Instant::now);
    let told = std::fs::read_to_string("/proc/self/schedstat").ok();
    let nanos = told.and_then(|told| told.split_whitespace().next()?.parse().ok());
    nanos.map_or_else(|| begun.elapsed(), Duration::from_nanos)
}

fn main() {
    for nodes in [1_000, 10_000, 100_000] {
        measure("data centre", &Setup::new(1, nodes), 12_000_000);
    }
    for nodes in [1_000, 10_000, 100_000] {
        measure("world", &Setup::world(1, nodes), 12_000_000);
    }
    let jitter = Jitter::LogNormal { sigma: 0.1, tail_share: 0.01, tail_factor: 10.0 };
    let bursts = Some(whither_population::Bursts::new(0.05, Duration::from_millis(200)));
    let weather = Weather { loss: 0.01, bursts_in: bursts, bursts_out: bursts };
    measure("world, jitter, lossy bursts", &Setup { jitter, weather, ..Setup::world(1, 1_000) }, 12_000_000);
}
