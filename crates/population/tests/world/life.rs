//! Nodes start, die and start again; and runs that do not end are ended.

use crate::talker::{Heard, Talker, Talkers, assert_conserved, at, micros, numbers, only, run_to, say, talkers, wakes};
use core::time::Duration;
use whither_model::Instant;
use whither_population::{Change, Index, Outbox, Population, Protocol, Route, Setup, Trouble};

fn starts(talkers: &Talkers) -> Vec<(u64, Index)> {
    let started = talkers.watch().iter().filter(|(_, _, heard)| matches!(heard, Heard::Started(_)));
    started.map(|(time, node, _)| (micros(*time), *node)).collect()
}

#[test]
fn nodes_start_at_once_in_order_or_within_a_time() {
    assert_eq!(starts(&talkers(&Setup::new(1, 4))), [(0, 0), (0, 1), (0, 2), (0, 3)]);
    let setup = Setup { start_within: Duration::from_secs(1), ..Setup::new(1, 1_000) };
    let mut talkers = talkers(&setup);
    run_to(&mut talkers, 1_000_000);
    let times: Vec<u64> = starts(&talkers).iter().map(|(time, _)| *time).collect();
    assert_eq!(times.len(), 1_000);
    assert!(times[0] < 10_000 && times[999] > 990_000 && times[500].abs_diff(500_000) < 60_000);
}

#[test]
fn who_is_dead_hears_nothing_and_does_nothing() {
    let mut talkers = talkers(&Setup::new(1, 3));
    talkers.inject(1, |talker, _, _| talker.wake = Some(at(5_000)));
    talkers.at(at(1_000), Change::Crash(only(1)));
    run_to(&mut talkers, 2_000);
    assert!(!talkers.is_alive(1));
    assert_eq!(talkers.inject(1, |_, _, _| ()), None);
    say(&mut talkers, 0, 1, Route::Datagram, 1);
    run_to(&mut talkers, 1_000_000);
    assert_eq!((numbers(&talkers, 1), wakes(&talkers, 1)), (vec![], vec![]));
    assert_eq!(talkers.counters().dropped.dead, 1);
    talkers.restart(1, Talker::default());
    say(&mut talkers, 0, 1, Route::Datagram, 2);
    run_to(&mut talkers, 2_000_000);
    assert_eq!(numbers(&talkers, 1).len(), 1);
    assert_eq!(starts(&talkers).last(), Some(&(1_000_000, 1)));
    assert_conserved(&talkers);
}

#[test]
fn what_waits_at_a_node_dies_with_it_and_what_it_sent_arrives() {
    let mut talkers = talkers(&Setup::new(1, 3));
    say(&mut talkers, 1, 2, Route::Datagram, 1);
    talkers.change(&Change::Begin(Trouble::Blocked, only(1)));
    say(&mut talkers, 1, 2, Route::Datagram, 2);
    say(&mut talkers, 0, 1, Route::Datagram, 3);
    run_to(&mut talkers, 100_000);
    talkers.crash(1);
    talkers.change(&Change::End(Trouble::Blocked, only(1)));
    talkers.restart(1, Talker::default());
    run_to(&mut talkers, 200_000);
    assert_eq!(numbers(&talkers, 2).iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1]);
    assert_eq!((numbers(&talkers, 1), talkers.counters().dropped.dead), (vec![], 2));
    assert_conserved(&talkers);
}

#[test]
fn a_restart_is_a_death_and_a_start_and_may_come_before_the_first_start() {
    let setup = Setup { start_within: Duration::from_secs(10), ..Setup::new(1, 3) };
    let mut talkers = Population::new(&setup, Vec::new(), |_| Talker::default());
    talkers.crash(0);
    talkers.restart(1, Talker::default());
    talkers.inject(1, |talker, _, _| talker.wake = Some(at(50)));
    talkers.restart(1, Talker::default());
    run_to(&mut talkers, 20_000_000);
    let started: Vec<Index> = starts(&talkers).iter().map(|(_, node)| *node).collect();
    assert_eq!(started, [1, 1, 2]);
    assert_eq!(wakes(&talkers, 1), [], "the timer of an earlier life means nothing");
}

/// Wants to be woken at once, always.
struct Restless;

impl Protocol for Restless {
    type Message = ();
    type Event = ();
    fn start(&mut self, _now: Instant, _out: &mut Outbox<(), ()>) {}
    fn receive(&mut self, _now: Instant, _from: Index, _message: (), _out: &mut Outbox<(), ()>) {}
    fn wake(&mut self, _now: Instant, _out: &mut Outbox<(), ()>) {}
    fn next_wake(&self) -> Instant {
        Instant::START
    }
}

#[test]
fn a_run_that_does_not_end_is_ended_and_says_why() {
    let setup = Setup { budget: 10_000, ..Setup::new(99, 4) };
    let mut restless = Population::new(&setup, (), |_| Restless);
    restless.crash(3);
    let error = restless.run_until(at(60_000_000)).expect_err("it cannot come to a minute");
    assert_eq!((error.seed, error.nodes, error.alive, error.events), (99, 4, 3, 10_000));
    assert_eq!(error.busiest.iter().map(|(_, events)| events).sum::<u64>(), 10_000);
    assert!(error.at > at(1_000), "time passes all the same");
    assert!(error.to_string().starts_with("seed 99: 10000 events used up the budget after "), "{error}");
    assert_eq!(restless.step(), Err(restless.run_until(at(1)).expect_err("it stays so")));
}

#[test]
fn steps_end_when_nothing_is_left() {
    let mut talkers = Population::new(&Setup::new(1, 2), Vec::new(), |_| Talker::default());
    let mut steps = 0;
    while talkers.step().expect("within budget") {
        steps += 1;
    }
    assert_eq!(steps, 2, "two starts");
    assert_eq!(talkers.now(), Instant::START);
}
