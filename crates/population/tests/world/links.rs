//! Ways between nodes: how long they take, what they lose, where there are none.

use crate::talker::{BYTES, Talkers, assert_conserved, at, numbers, only, run_to, say, talkers};
use core::time::Duration;
use whither_model::Instant;
use whither_population::{Bursts, Change, Cycle, Index, Jitter, Map, Nic, Nodes, Processor, Route, Setup, Weather};

/// Without jitter or work: what is left is the map.
fn bare(nodes: usize) -> Setup {
    Setup { jitter: Jitter::None, processor: Processor::INSTANT, ..Setup::world(1, nodes) }
}

/// Sends `count` numbers, one each `every` microseconds.
fn say_often(talkers: &mut Talkers, from: Index, to: Index, count: u32, every: u64) {
    for number in 0..count {
        say(talkers, from, to, Route::Datagram, number);
        let next = talkers.now() + Duration::from_micros(every);
        talkers.run_until(next).expect("within budget");
    }
}

/// Which share of `of` numbers came to a node.
fn share(talkers: &Talkers, node: Index, of: u32) -> f64 {
    numbers(talkers, node).len() as f64 / f64::from(of)
}

#[test]
fn a_message_takes_as_long_as_the_map_says() {
    let mut talkers = talkers(&bare(200));
    for to in 1..200 {
        say(&mut talkers, 0, to, Route::Datagram, 7);
    }
    run_to(&mut talkers, 1_000_000);
    for to in 1..200 {
        let way = u64::try_from(talkers.latency(0, to).as_micros()).unwrap();
        assert_eq!(numbers(&talkers, to), [(way, 7)], "to {to}");
        assert_eq!(talkers.latency(0, to), talkers.map().between(talkers.region(0), talkers.region(to)));
        assert!(talkers.latency(0, to) <= talkers.light(0));
    }
    assert_eq!(talkers.light(0), talkers.map().light(talkers.region(0)), "200 nodes are enough for all regions");
}

#[test]
fn jitter_stays_in_its_range() {
    let setup = Setup { jitter: Jitter::Uniform(1.0..=1.15), map: Map::uniform(Duration::from_millis(100)), ..bare(2) };
    let mut talkers = talkers(&setup);
    for number in 0..10_000 {
        say(&mut talkers, 0, 1, Route::Datagram, number);
    }
    run_to(&mut talkers, 1_000_000);
    let came: Vec<u64> = numbers(&talkers, 1).iter().map(|(time, _)| *time).collect();
    let mean = came.iter().sum::<u64>() as f64 / came.len() as f64;
    assert!(came[0] >= 100_000 && came[came.len() - 1] <= 115_000);
    assert!((mean - 107_500.0).abs() < 200.0, "mean {mean}");
    let order: Vec<u32> = numbers(&talkers, 1).iter().map(|(_, number)| *number).collect();
    assert!(!order.is_sorted(), "datagrams overtake each other");
}

#[test]
fn each_message_is_lost_with_its_probability() {
    let setup = Setup { weather: Weather { loss: 0.1, ..Weather::default() }, ..bare(2) };
    let mut talkers = talkers(&setup);
    say_often(&mut talkers, 0, 1, 20_000, 10);
    run_to(&mut talkers, 10_000_000);
    // Three standard deviations: 0.0064.
    assert!((share(&talkers, 1, 20_000) - 0.9).abs() < 0.0064, "{}", share(&talkers, 1, 20_000));
    assert_eq!(talkers.counters().dropped.loss, 20_000 - talkers.counters().total.messages_received);
    assert_conserved(&talkers);
}

#[test]
fn loss_at_one_node_is_that_nodes_and_has_a_direction() {
    let mut talkers = talkers(&bare(3));
    talkers.change(&Change::LossIn { nodes: only(1), share: 0.8 });
    talkers.change(&Change::LossOut { nodes: only(2), share: 0.3 });
    for (from, to, share) in [(0, 1, 0.2), (1, 0, 1.0), (2, 0, 0.7), (0, 2, 1.0), (2, 1, 0.14)] {
        let before = numbers(&talkers, to).len();
        say_often(&mut talkers, from, to, 10_000, 10);
        talkers.run_for(Duration::from_secs(1)).expect("within budget");
        let got = (numbers(&talkers, to).len() - before) as f64 / 10_000.0;
        assert!((got - share).abs() < 0.015, "from {from} to {to}: {got}");
    }
    talkers.change(&Change::LossIn { nodes: only(1), share: 0.0 });
    talkers.change(&Change::LossOut { nodes: only(2), share: 0.0 });
    let lost = talkers.counters().dropped.loss;
    say_often(&mut talkers, 2, 1, 1_000, 10);
    talkers.run_for(Duration::from_secs(1)).expect("within budget");
    assert_eq!(talkers.counters().dropped.loss, lost);
}

#[test]
fn bursts_lose_their_share_in_runs_of_their_length() {
    let bursts = Some(Bursts::new(0.05, Duration::from_millis(100)));
    for weather in
        [Weather { bursts_in: bursts, ..Weather::default() }, Weather { bursts_out: bursts, ..Weather::default() }]
    {
        let mut talkers = talkers(&Setup { weather, ..bare(2) });
        say_often(&mut talkers, 0, 1, 400_000, 5_000);
        talkers.run_for(Duration::from_secs(1)).expect("within budget");
        let got = share(&talkers, 1, 400_000);
        assert!((got - 0.95).abs() < 0.005, "share {got}");
        let came: Vec<u32> = numbers(&talkers, 1).iter().map(|(_, number)| *number).collect();
        let runs = came.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        let length = (400_000 - came.len()) as f64 * 5.0 / runs as f64;
        // A run that is seen at all by asking each 5 ms has a mean of 5/(1 - exp(-5/100 - 5/1900)) ms.
        assert!((length - 97.4).abs() < 8.0, "mean length of a burst {length} ms");
    }
}

#[test]
fn a_cut_has_a_direction_and_heals() {
    let mut talkers = talkers(&bare(4));
    talkers.change(&Change::Cut { from: Nodes::first(2), to: Nodes::first(2).others(4) });
    talkers.change(&Change::CutPairs(vec![(3, 2)]));
    let pairs: Vec<(Index, Index)> =
        (0..4).flat_map(|from| (0..4).map(move |to| (from, to))).filter(|(from, to)| from != to).collect();
    let all = |talkers: &mut Talkers, number| {
        pairs.iter().for_each(|(from, to)| say(talkers, *from, *to, Route::Datagram, number * 100 + from * 10 + to));
        talkers.run_for(Duration::from_secs(1)).expect("within budget");
        let mut came: Vec<u32> = (0..4).flat_map(|node| numbers(talkers, node)).map(|(_, number)| number).collect();
        came.retain(|came| came / 100 == number);
        came.sort_unstable();
        came
    };
    assert_eq!(all(&mut talkers, 1), [101, 110, 120, 121, 123, 130, 131]);
    assert_eq!(talkers.counters().dropped.cut, 5);
    talkers.change(&Change::Heal);
    assert_eq!(all(&mut talkers, 2).len(), 12);
    assert_conserved(&talkers);
}

#[test]
fn what_is_on_its_way_passes_a_cut() {
    let mut talkers = talkers(&bare(2));
    say(&mut talkers, 0, 1, Route::Datagram, 1);
    talkers.change(&Change::Cut { from: Nodes::first(2), to: Nodes::first(2) });
    say(&mut talkers, 0, 1, Route::Datagram, 2);
    run_to(&mut talkers, 1_000_000);
    assert_eq!(numbers(&talkers, 1).iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1]);
}

#[test]
fn flip_flops_follow_their_script() {
    let seconds = |count: u64| Duration::from_secs(count);
    let mut talkers = talkers(&Setup { map: Map::uniform(Duration::from_millis(1)), ..bare(2) });
    let cycle = Cycle { first: at(10_000_000), on: seconds(20), off: seconds(20), until: at(100_000_000) };
    let (on, off) = (|share| Change::LossIn { nodes: only(1), share }, 0.0);
    let end = talkers.cycle(cycle, &on(1.0), &on(off));
    assert_eq!(end, Instant::START + seconds(110));
    say_often(&mut talkers, 0, 1, 130, 1_000_000);
    let lost: Vec<u32> =
        (0..130).filter(|number| !numbers(&talkers, 1).iter().any(|(_, came)| came == number)).collect();
    let expected: Vec<u32> = (10..30).chain(50..70).chain(90..110).collect();
    assert_eq!(lost, expected);
}

#[test]
fn an_interface_sends_one_byte_after_the_other() {
    // 128 bytes with headers at 128 000 bytes a second: a millisecond each.
    let nic = Nic { bytes_per_second: Some(u64::from(BYTES + 28) * 1_000), receive_queue: None };
    let mut talkers = talkers(&Setup { nic, map: Map::uniform(Duration::from_millis(10)), ..bare(3) });
    for number in 0..5 {
        say(&mut talkers, 0, 1 + number % 2, Route::Datagram, number);
    }
    run_to(&mut talkers, 1_000_000);
    assert_eq!(numbers(&talkers, 1), [(11_000, 0), (13_000, 2), (15_000, 4)]);
    assert_eq!(numbers(&talkers, 2), [(12_000, 1), (14_000, 3)]);
    talkers.change(&Change::Bandwidth { nodes: only(0), bytes_per_second: None });
    say(&mut talkers, 0, 1, Route::Datagram, 9);
    run_to(&mut talkers, 2_000_000);
    assert_eq!(numbers(&talkers, 1).last(), Some(&(1_010_000, 9)));
}

#[test]
fn bytes_are_counted_with_and_without_headers() {
    let mut talkers = talkers(&bare(2));
    say(&mut talkers, 0, 1, Route::Datagram, 1);
    run_to(&mut talkers, 1_000_000);
    let (sender, receiver) = (*talkers.tally(0), *talkers.tally(1));
    assert_eq!((sender.messages_sent, sender.bytes_sent, sender.wire_bytes_sent), (1, 100, 128));
    assert_eq!((receiver.messages_received, receiver.bytes_received, receiver.wire_bytes_received), (1, 100, 128));
    assert_eq!(talkers.counters().total.messages_sent, 1);
}
