//! A node does one thing at a time; what waits may be too much.

use crate::talker::{BYTES, Talker, assert_conserved, at, numbers, only, run_to, say, talkers, wakes};
use core::time::Duration;
use whither_population::{Change, Clocks, Jitter, Map, Nic, Processor, Route, Setup, Trouble};

fn slow(per_message: u64, per_wake: u64) -> Setup {
    let processor =
        Processor { per_message: Duration::from_micros(per_message), per_wake: Duration::from_micros(per_wake) };
    let map = Map::uniform(Duration::from_micros(1_000));
    Setup { jitter: Jitter::None, processor, map, ..Setup::new(1, 3) }
}

#[test]
fn messages_wait_for_the_processor_in_order() {
    let mut talkers = talkers(&slow(300, 0));
    (0..4).for_each(|number| say(&mut talkers, number % 2, 2, Route::Datagram, number));
    run_to(&mut talkers, 100_000);
    assert_eq!(numbers(&talkers, 2), [(1_000, 0), (1_300, 1), (1_600, 2), (1_900, 3)]);
}

#[test]
fn an_answer_leaves_when_the_work_is_done() {
    let mut talkers = talkers(&slow(300, 0));
    talkers.node_mut(1).answers_below = 10;
    say(&mut talkers, 0, 1, Route::Datagram, 4);
    run_to(&mut talkers, 100_000);
    assert_eq!(numbers(&talkers, 0), [(1_000 + 300 + 1_000, 5)]);
}

#[test]
fn wakes_and_messages_wait_for_each_other_by_their_time() {
    let mut talkers = talkers(&slow(300, 500));
    talkers.inject(2, |talker, _, _| talker.wake = Some(at(1_100)));
    say(&mut talkers, 0, 2, Route::Datagram, 1);
    run_to(&mut talkers, 150);
    say(&mut talkers, 0, 2, Route::Datagram, 2);
    run_to(&mut talkers, 100_000);
    // At 1 000 a message, for 300; due at 1 100 the wake, for 500; at 1 150 the other message.
    assert_eq!(wakes(&talkers, 2), [(1_300, at(1_300))]);
    assert_eq!(numbers(&talkers, 2), [(1_000, 1), (1_800, 2)]);
}

#[test]
fn work_can_be_changed_for_some() {
    let mut talkers = talkers(&slow(0, 0));
    talkers.change(&Change::Work {
        nodes: only(2),
        processor: Processor { per_message: Duration::from_micros(70), per_wake: Duration::ZERO },
    });
    for to in [1, 1, 2, 2] {
        say(&mut talkers, 0, to, Route::Datagram, to);
    }
    run_to(&mut talkers, 100_000);
    assert_eq!(numbers(&talkers, 1), [(1_000, 1), (1_000, 1)]);
    assert_eq!(numbers(&talkers, 2), [(1_000, 2), (1_070, 2)]);
}

#[test]
fn a_full_queue_drops_datagrams_and_only_those() {
    let nic = Nic { bytes_per_second: None, receive_queue: Some(3 * BYTES) };
    let mut talkers = talkers(&Setup { nic, ..slow(0, 0) });
    talkers.change(&Change::Begin(Trouble::Stopped, only(2)));
    (0..5).for_each(|number| say(&mut talkers, 0, 2, Route::Datagram, number));
    say(&mut talkers, 0, 2, Route::Reliable, 7);
    run_to(&mut talkers, 100_000);
    assert_eq!((talkers.counters().dropped.overflow, talkers.counters().in_flight), (2, 4));
    talkers.change(&Change::End(Trouble::Stopped, only(2)));
    say(&mut talkers, 0, 2, Route::Datagram, 8);
    run_to(&mut talkers, 200_000);
    let came: Vec<u32> = numbers(&talkers, 2).iter().map(|(_, number)| *number).collect();
    assert_eq!(came, [0, 1, 2, 7, 8], "the first three, then there is room again");
    assert_conserved(&talkers);
}

#[test]
fn overload_is_served_at_the_processors_rate() {
    let nic = Nic { bytes_per_second: None, receive_queue: Some(50 * BYTES) };
    let mut talkers = talkers(&Setup { nic, ..slow(100, 0) });
    for number in 0..20_000 {
        say(&mut talkers, 0, 2, Route::Datagram, number);
        talkers.run_for(Duration::from_micros(50)).expect("within budget");
    }
    let came = numbers(&talkers, 2);
    // One each 100 µs from the first millisecond to the thousandth, both included.
    assert_eq!(came.len(), 9_991);
    assert!(came.windows(2).all(|pair| pair[1].0 - pair[0].0 == 100));
    assert_conserved(&talkers);
}

#[test]
fn a_later_wake_replaces_an_earlier_one_and_the_reverse() {
    let mut talkers = talkers(&slow(0, 0));
    for wake in [9_000, 5_000, 7_000, 8_000] {
        talkers.inject(0, |talker, _, _| talker.wake = Some(at(wake)));
    }
    talkers.inject(1, |talker, _, _| talker.wake = Some(at(5_000)));
    talkers.inject(1, |talker, _, _| talker.wake = None);
    run_to(&mut talkers, 20_000);
    assert_eq!(wakes(&talkers, 0), [(8_000, at(8_000))]);
    assert_eq!(wakes(&talkers, 1), []);
    talkers.inject(1, |talker, _, _| talker.wake = Some(at(3)));
    run_to(&mut talkers, 30_000);
    assert_eq!(wakes(&talkers, 1), [(20_000, at(20_000))], "what is overdue is now");
}

#[test]
fn clocks_err_by_their_rate_and_wake_by_their_own_time() {
    let clocks = Clocks { ppm: 200, apart: Duration::from_secs(1_000) };
    let setup = Setup { clocks, nodes: 500, ..slow(0, 0) };
    let mut talkers = whither_population::Population::new(&setup, Vec::new(), |_| Talker::default());
    run_to(&mut talkers, 0);
    let begun: Vec<_> = (0..500).map(|node| talkers.clock(node)).collect();
    let hour = Duration::from_secs(3_600);
    for (node, begun) in (0..500).zip(&begun) {
        talkers.inject(node, |talker, now, _| {
            assert_eq!(now, *begun);
            talker.wake = Some(now + hour);
        });
    }
    run_to(&mut talkers, 4_000_000_000);
    let mut errors: Vec<i64> = Vec::new();
    for (node, begun) in (0..500).zip(&begun) {
        let woken = wakes(&talkers, node);
        assert!(woken[0].1 >= *begun + hour && woken[0].1.since(*begun + hour) <= Duration::from_micros(1));
        errors.push(woken[0].0.cast_signed() - 3_600_000_000);
    }
    errors.sort_unstable();
    // 200 ppm of an hour are 720 ms, early or late, evenly in between.
    assert!((-721_000..-690_000).contains(&errors[0]) && (690_000..=721_000).contains(&errors[499]), "{errors:?}");
    assert!(errors[125].abs_diff(-360_000) < 80_000 && errors[375].abs_diff(360_000) < 80_000);
    let latest = begun.iter().max().unwrap().since(at(0));
    assert!(latest > Duration::from_secs(900) && latest <= Duration::from_secs(1_000), "{latest:?}");
}
