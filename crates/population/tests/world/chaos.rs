//! Everything at once: the same seed is the same run, and no message is lost from the books.

use crate::talker::{Talker, Talkers, assert_conserved, at};
use core::time::Duration;
use std::cell::RefCell;
use std::rc::Rc;
use whither_model::random::{Random, mix};
use whither_population::{
    Bursts, Change, Clocks, Cycle, Index, Jitter, Nic, Nodes, Population, Processor, Route, Setup, Trouble, Weather,
};

const NODES: usize = 60;

/// A world in which everything varies.
fn setup(seed: u64) -> Setup {
    let bursts = Some(Bursts::new(0.05, Duration::from_millis(200)));
    Setup {
        jitter: Jitter::LogNormal { sigma: 0.3, tail_share: 0.01, tail_factor: 10.0 },
        weather: Weather { loss: 0.02, bursts_in: bursts, bursts_out: bursts },
        nic: Nic { bytes_per_second: Some(1_000_000), receive_queue: Some(2_000) },
        processor: Processor { per_message: Duration::from_micros(900), per_wake: Duration::from_micros(400) },
        clocks: Clocks { ppm: 200, apart: Duration::from_secs(100) },
        start_within: Duration::from_secs(1),
        ..Setup::world(seed, NODES)
    }
}

/// Ten seconds of trouble of all kinds, and of talk.
fn script(talkers: &mut Talkers, seed: u64) {
    let mut random = Random::new(mix(seed ^ 1));
    let mut some = |count| Nodes::random(count, NODES, &mut random);
    let millis = Duration::from_millis;
    let cycle = |on, off| Cycle { first: at(2_000_000), on: millis(on), off: millis(off), until: at(8_000_000) };
    talkers.trouble(Trouble::Blocked, &some(8), cycle(300, 100));
    talkers.trouble(Trouble::Stopped, &some(8), cycle(50, 700));
    talkers.at(at(3_000_000), Change::Cut { from: some(10), to: some(30) });
    talkers.at(at(4_000_000), Change::LossIn { nodes: some(5), share: 0.8 });
    talkers.at(at(5_000_000), Change::Heal);
    talkers.at(at(6_000_000), Change::Crash(some(4)));
}

/// Runs it, `slice` at a time, and looks at the books in between.
fn run(talkers: &mut Talkers, seed: u64, slice: u64) {
    let mut random = Random::new(mix(seed ^ 2));
    for end in (0..10_000_000).step_by(50_000) {
        for _ in 0..40 {
            let from = Index::try_from(random.below(NODES)).unwrap();
            let to = Index::try_from(random.below(NODES)).unwrap();
            let route = if random.below(4) == 0 { Route::Reliable } else { Route::Datagram };
            talkers.inject(from, |talker, now, out| {
                talker.wake = Some(now + Duration::from_millis(20));
                talker.answers_below = 3;
                out.send(to, route, 200, 0);
            });
        }
        for until in (end..=end + 50_000).step_by(usize::try_from(slice).unwrap()) {
            talkers.run_until(at(until)).expect("within budget");
        }
        assert_conserved(talkers);
        if end == 7_000_000 {
            talkers.restart(3, Talker::default());
        }
    }
}

fn whole(seed: u64, slice: u64) -> Talkers {
    let mut talkers = Population::new(&setup(seed), Vec::new(), |_| Talker::default());
    script(&mut talkers, seed);
    run(&mut talkers, seed, slice);
    talkers
}

#[test]
fn the_same_seed_is_the_same_run_however_it_is_sliced() {
    let (one, other) = (whole(1, 50_000), whole(1, 500));
    assert_eq!((one.hash(), one.counters()), (other.hash(), other.counters()));
    assert_eq!(one.watch(), other.watch());
}

#[test]
fn other_seeds_are_other_runs() {
    let mut hashes: Vec<u64> = (1..6).map(|seed| whole(seed, 50_000).hash()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 5);
}

#[test]
fn the_world_meets_every_fate_and_the_books_close() {
    for seed in 1..6 {
        let mut talkers = whole(seed, 50_000);
        let dropped = talkers.counters().dropped;
        assert!(dropped.loss > 0 && dropped.cut > 0 && dropped.overflow > 0 && dropped.dead > 0, "{dropped:?}");
        talkers.run_for(Duration::from_secs(60)).expect("within budget");
        assert_eq!(talkers.counters().in_flight, 0, "seed {seed}: a minute later nothing is on its way");
        assert_conserved(&talkers);
    }
}

#[test]
fn a_trace_tells_everything_and_changes_nothing() {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let mut talkers = Population::new(&setup(1), Vec::new(), |_| Talker::default());
    let into = Rc::clone(&lines);
    talkers.trace(move |line| into.borrow_mut().push(line.to_owned()));
    script(&mut talkers, 1);
    run(&mut talkers, 1, 50_000);
    let counters = talkers.counters();
    assert_eq!(talkers.hash(), whole(1, 50_000).hash());
    let lines = lines.borrow();
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count() as u64;
    assert_eq!(count(" sends, "), counters.total.messages_sent);
    assert_eq!(count(" is received, "), counters.total.messages_received);
    assert_eq!(count(" wakes"), counters.total.wakes);
    assert_eq!(count(" is lost, "), counters.dropped.loss);
    assert_eq!(count(" finds a full queue, "), counters.dropped.overflow);
    assert_eq!(count(" finds nobody alive, "), counters.dropped.dead);
    assert!(lines.iter().any(|line| line.contains("Begin(Blocked, {")));
}
