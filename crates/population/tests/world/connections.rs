//! Messages over connections: late rather than lost.

use crate::talker::{Talkers, assert_conserved, at, numbers, only, run_to, say, talkers};
use core::time::Duration;
use whither_population::{Change, Cycle, Jitter, Map, Processor, Route, Setup, Trouble};

const WAY: u64 = 30_000;

fn bare(nodes: usize) -> Setup {
    let map = Map::uniform(Duration::from_micros(WAY));
    Setup { jitter: Jitter::None, processor: Processor::INSTANT, map, ..Setup::new(1, nodes) }
}

fn say_surely(talkers: &mut Talkers, from: u32, to: u32, number: u32) {
    say(talkers, from, to, Route::Reliable, number);
}

#[test]
fn a_connection_costs_a_round_trip_and_is_kept_for_a_minute() {
    let mut talkers = talkers(&bare(3));
    say_surely(&mut talkers, 0, 1, 1);
    run_to(&mut talkers, 50_000_000);
    assert_eq!(numbers(&talkers, 1), [(3 * WAY, 1)]);
    // The other direction uses the same connection; another node has none.
    say_surely(&mut talkers, 1, 0, 2);
    say_surely(&mut talkers, 2, 0, 3);
    run_to(&mut talkers, 100_000_000);
    assert_eq!(numbers(&talkers, 0), [(50_000_000 + WAY, 2), (50_000_000 + 3 * WAY, 3)]);
    run_to(&mut talkers, 111_000_000);
    say_surely(&mut talkers, 0, 1, 4);
    run_to(&mut talkers, 200_000_000);
    assert_eq!(numbers(&talkers, 1)[1], (111_000_000 + 3 * WAY, 4));
    // Set up three times, four messages of 100 bytes.
    assert_eq!(talkers.counters().total.wire_bytes_sent, 3 * 120 + 4 * 140);
}

#[test]
fn an_attempt_that_is_lost_is_made_again_later_and_later() {
    let mut talkers = talkers(&bare(2));
    say_surely(&mut talkers, 0, 1, 1);
    run_to(&mut talkers, 1_000_000);
    talkers.change(&Change::Loss(1.0));
    say_surely(&mut talkers, 0, 1, 2);
    // Attempts at 1, 1.2, 1.6 and 2.4 s; the last of these finds the network mended.
    talkers.at(at(2_000_000), Change::Loss(0.0));
    run_to(&mut talkers, 20_000_000);
    assert_eq!(numbers(&talkers, 1)[1], (2_400_000 + WAY, 2));
    assert_eq!(talkers.counters().retransmitted, 3);
}

#[test]
fn on_a_long_way_it_is_made_again_after_two_round_trips() {
    let mut talkers = talkers(&Setup { map: Map::uniform(Duration::from_millis(100)), ..bare(2) });
    talkers.change(&Change::Loss(1.0));
    say_surely(&mut talkers, 0, 1, 1);
    talkers.at(at(100_000), Change::Loss(0.0));
    run_to(&mut talkers, 20_000_000);
    assert_eq!(numbers(&talkers, 1), [(400_000 + 300_000, 1)]);
}

#[test]
fn after_ten_seconds_it_is_given_up() {
    let mut talkers = talkers(&bare(2));
    talkers.change(&Change::Cut { from: only(0), to: only(1) });
    say_surely(&mut talkers, 0, 1, 1);
    run_to(&mut talkers, 9_000_000);
    talkers.change(&Change::Heal);
    run_to(&mut talkers, 60_000_000);
    assert_eq!(numbers(&talkers, 1), []);
    let counters = talkers.counters();
    assert_eq!((counters.dropped.given_up, counters.dropped.total(), counters.in_flight), (1, 1, 0));
}

#[test]
fn to_set_up_a_connection_the_way_back_is_needed_too() {
    let mut talkers = talkers(&bare(2));
    talkers.change(&Change::Cut { from: only(1), to: only(0) });
    say_surely(&mut talkers, 0, 1, 1);
    run_to(&mut talkers, 60_000_000);
    assert_eq!((numbers(&talkers, 1), talkers.counters().dropped.given_up), (vec![], 1));
}

#[test]
fn loss_delays_and_nothing_comes_twice() {
    let mut talkers = talkers(&bare(2));
    talkers.change(&Change::Loss(0.2));
    for number in 0..5_000 {
        say_surely(&mut talkers, 0, 1, number);
        talkers.run_for(Duration::from_millis(10)).expect("within budget");
    }
    talkers.run_for(Duration::from_secs(20)).expect("within budget");
    let mut came: Vec<u32> = numbers(&talkers, 1).iter().map(|(_, number)| *number).collect();
    assert!(!came.is_sorted(), "messages do not wait for each other");
    came.sort_unstable();
    came.dedup();
    let counters = talkers.counters();
    assert_eq!(came.len() as u64, counters.total.messages_received, "each came once");
    assert!(came.len() >= 4_998, "six attempts in ten seconds lose 64 of a million; {} came", came.len());
    // One attempt in five fails: a quarter as many again as there are messages. Three standard deviations: 119.
    assert!(counters.retransmitted.abs_diff(1_250) < 120, "{} made again", counters.retransmitted);
    assert_conserved(&talkers);
}

#[test]
fn a_dead_node_answers_no_connection_and_a_restarted_one_does() {
    let mut talkers = talkers(&bare(3));
    say_surely(&mut talkers, 0, 1, 1);
    run_to(&mut talkers, 1_000_000);
    talkers.crash(1);
    say_surely(&mut talkers, 0, 1, 2);
    run_to(&mut talkers, 20_000_000);
    assert_eq!((talkers.counters().dropped.dead, numbers(&talkers, 1).len()), (1, 1));
    say_surely(&mut talkers, 0, 1, 3);
    run_to(&mut talkers, 20_100_000);
    talkers.restart(1, crate::talker::Talker::default());
    run_to(&mut talkers, 40_000_000);
    // Tried at 20.0 and 20.2 s; the old connection is no more.
    assert_eq!(numbers(&talkers, 1)[1], (20_200_000 + 3 * WAY, 3));
    say_surely(&mut talkers, 0, 1, 4);
    say_surely(&mut talkers, 0, 2, 5);
    talkers.crash(0);
    run_to(&mut talkers, 60_000_000);
    assert_eq!(numbers(&talkers, 1)[2], (40_000_000 + WAY, 4), "it had left");
    assert_eq!(numbers(&talkers, 2), [], "its sender died while the connection was being set up");
    assert_conserved(&talkers);
}

#[test]
fn a_stopped_node_gets_it_when_it_goes_on() {
    let mut talkers = talkers(&bare(2));
    talkers.trouble(Trouble::Stopped, &only(1), Cycle::once(at(10), Duration::from_secs(30)));
    run_to(&mut talkers, 20);
    say_surely(&mut talkers, 0, 1, 1);
    run_to(&mut talkers, 60_000_000);
    assert_eq!(numbers(&talkers, 1), [(30_000_010, 1)]);
}
