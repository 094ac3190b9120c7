//! Stopped and blocked nodes.

use crate::talker::{Talkers, assert_conserved, at, numbers, only, run_to, say, talkers, wakes};
use core::time::Duration;
use whither_model::Instant;
use whither_population::{Cycle, Jitter, Map, Nodes, Processor, Route, Setup, Trouble};

/// 1 ms one way, no work, node 1 in trouble from 10 ms to 50 ms.
fn troubled(trouble: Trouble) -> Talkers {
    let map = Map::uniform(Duration::from_millis(1));
    let setup = Setup { jitter: Jitter::None, processor: Processor::INSTANT, map, ..Setup::new(1, 3) };
    let mut talkers = talkers(&setup);
    let end = talkers.trouble(trouble, &only(1), Cycle::once(at(10_000), Duration::from_millis(40)));
    assert_eq!(end, at(50_000));
    talkers.node_mut(1).answers_below = 100;
    talkers.inject(1, |talker, _, _| talker.wake = Some(at(30_000)));
    run_to(&mut talkers, 20_000);
    assert!(talkers.is_in(trouble, 1) && !talkers.is_in(trouble, 0));
    say(&mut talkers, 0, 1, Route::Datagram, 7);
    say(&mut talkers, 2, 1, Route::Datagram, 8);
    talkers
}

#[test]
fn a_stopped_node_does_everything_later() {
    let mut talkers = troubled(Trouble::Stopped);
    run_to(&mut talkers, 49_999);
    assert_eq!((numbers(&talkers, 1), wakes(&talkers, 1), talkers.counters().in_flight), (vec![], vec![], 2));
    run_to(&mut talkers, 100_000);
    assert_eq!(numbers(&talkers, 1), [(50_000, 7), (50_000, 8)]);
    assert_eq!(wakes(&talkers, 1), [(50_000, at(50_000))], "timers fire late");
    assert_eq!((numbers(&talkers, 0), numbers(&talkers, 2)), (vec![(51_000, 8)], vec![(51_000, 9)]));
    assert_conserved(&talkers);
}

#[test]
fn a_blocked_node_hears_and_is_heard_later_but_wakes_on_time() {
    let mut talkers = troubled(Trouble::Blocked);
    say(&mut talkers, 1, 0, Route::Datagram, 50);
    say(&mut talkers, 1, 2, Route::Datagram, 51);
    run_to(&mut talkers, 49_999);
    assert_eq!(wakes(&talkers, 1), [(30_000, at(30_000))]);
    assert_eq!((numbers(&talkers, 1), numbers(&talkers, 0), talkers.counters().in_flight), (vec![], vec![], 4));
    run_to(&mut talkers, 100_000);
    assert_eq!(numbers(&talkers, 1), [(50_000, 7), (50_000, 8)]);
    assert_eq!(numbers(&talkers, 0), [(51_000, 50), (51_000, 8)], "what was held back leaves first");
    assert_eq!(numbers(&talkers, 2), [(51_000, 51), (51_000, 9)]);
    assert_conserved(&talkers);
}

#[test]
fn trouble_twice_has_to_end_twice() {
    let mut talkers = troubled(Trouble::Blocked);
    talkers.trouble(Trouble::Blocked, &only(1), Cycle::once(at(45_000), Duration::from_millis(40)));
    talkers.trouble(Trouble::Stopped, &only(1), Cycle::once(at(84_000), Duration::from_millis(10)));
    say(&mut talkers, 1, 0, Route::Datagram, 50);
    run_to(&mut talkers, 200_000);
    assert_eq!(numbers(&talkers, 1), [(94_000, 7), (94_000, 8)]);
    assert_eq!(numbers(&talkers, 0), [(95_000, 50), (95_000, 8)]);
}

#[test]
fn cycles_keep_their_nodes_in_lock_step() {
    let millis = Duration::from_millis;
    let cycle = Cycle { first: at(15_000_000), on: millis(512), off: millis(64), until: at(135_000_000) };
    let turns: Vec<(Instant, Instant)> = cycle.turns().collect();
    // Lifeguard's interval experiment: on and off in turn until at least 120 s are over.
    assert_eq!(turns.len(), 120_000_usize.div_ceil(576));
    assert!(turns.windows(2).all(|two| two[1].0.since(two[0].1) == millis(64)));
    assert!(turns.iter().all(|(begin, end)| end.since(*begin) == millis(512)));
    assert_eq!(cycle.end(), turns[turns.len() - 1].1);

    let map = Map::uniform(Duration::from_micros(10));
    let setup = Setup { jitter: Jitter::None, processor: Processor::INSTANT, map, ..Setup::new(1, 40) };
    let mut talkers = talkers(&setup);
    talkers.trouble(Trouble::Blocked, &(0..32).collect::<Nodes>(), cycle);
    for (begin, end) in turns.into_iter().take(20) {
        talkers.run_until(begin).expect("within budget");
        assert_eq!((0..40).filter(|node| talkers.is_in(Trouble::Blocked, *node)).count(), 32);
        talkers.run_until(end).expect("within budget");
        assert!(!(0..40).any(|node| talkers.is_in(Trouble::Blocked, node)));
    }
}

#[test]
fn trouble_that_comes_back_before_all_is_done_holds_the_rest() {
    let map = Map::uniform(Duration::from_millis(1));
    let processor = Processor { per_message: Duration::from_micros(100), per_wake: Duration::ZERO };
    let mut talkers = talkers(&Setup { jitter: Jitter::None, processor, map, ..Setup::new(1, 2) });
    let millis = Duration::from_millis;
    let cycle = Cycle { first: at(0), on: millis(100), off: millis(1), until: at(300_000) };
    talkers.trouble(Trouble::Blocked, &only(1), cycle);
    run_to(&mut talkers, 10);
    (0..25).for_each(|number| say(&mut talkers, 0, 1, Route::Datagram, number));
    run_to(&mut talkers, 1_000_000);
    let came: Vec<u64> = numbers(&talkers, 1).iter().map(|(time, _)| *time).collect();
    let expected: Vec<u64> = (0..10)
        .map(|nth| 100_000 + nth * 100)
        .chain((0..10).map(|nth| 201_000 + nth * 100))
        .chain((0..5).map(|nth| 302_000 + nth * 100))
        .collect();
    assert_eq!(came, expected);
}
