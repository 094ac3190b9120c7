//! Designs for one update to all do what is known of them.

use std::time::Duration;
use whither_population::{Route, Setup};
use whither_proof::broadcast::{Design, FanOut, Fault, Gossip, Measured, Plumtree, Rumours, Workload, measure};

const UPDATES: Workload = Workload::OneByOne { updates: 20 };

fn small<D: Design>(design: &D, fault: Fault) -> Measured {
    measure(design, &Setup::world(3, 100), fault, UPDATES)
}

#[test]
fn a_fan_out_leaves_out_whom_theory_says() {
    let measured = measure(&FanOut(3), &Setup::new(7, 2_000), Fault::Nothing, Workload::OneByOne { updates: 50 });
    // Who is left out was missed by three copies from each who was not: s = exp(-3 (1 - s)).
    let left_out = (0..100).fold(0.05_f64, |s, _| (-3.0 * (1.0 - s)).exp());
    let reached = 100.0 * (1.0 - left_out);
    assert!((measured.reached - reached).abs() < 0.5, "{} and not {reached}", measured.reached);
    assert!((measured.duplicates - 2.0).abs() < 0.05, "{}", measured.duplicates);
    assert!(measured.control.abs() < f64::EPSILON);
}

#[test]
fn a_tree_reaches_everybody_and_learns_to_send_less() {
    let calm = small(&Plumtree::new(Route::Datagram), Fault::Nothing);
    assert!((calm.reached - 100.0).abs() < f64::EPSILON, "{}", calm.reached);
    let gossip = small(&Gossip { route: Route::Datagram }, Fault::Nothing);
    assert!(calm.duplicates < 5.0 && gossip.duplicates > 3.0 * calm.duplicates);
    assert!(calm.control > 0.0);
}

#[test]
fn a_tree_asks_for_what_was_lost() {
    let lossy = small(&Plumtree::new(Route::Datagram), Fault::Loss(0.2));
    let calm = small(&Plumtree::new(Route::Datagram), Fault::Nothing);
    let lost = small(&FanOut(4), Fault::Loss(0.2));
    assert!(lossy.reached > 99.9 && lost.reached < 99.0, "{} {}", lossy.reached, lost.reached);
    // Asking takes at least the 200 ms of patience.
    assert!(lossy.each.max() > calm.each.max());
}

#[test]
fn rumours_take_turns_of_their_ticker() {
    let measured = small(&Rumours::LAN, Fault::Nothing);
    assert!(measured.last.at(0.5) > Some(400.0), "{:?}", measured.last);
    // Four times ceil(log10(101)) copies from each node, of which one is the first.
    assert!((measured.duplicates - 11.0).abs() < 0.5, "{}", measured.duplicates);
}

#[test]
fn nothing_beats_light_and_the_dead_are_not_waited_for() {
    let crashed = small(&Plumtree::new(Route::Reliable), Fault::Crash(0.05));
    assert!(crashed.to_light.at(0.0) >= Some(1.0), "{:?}", crashed.to_light);
    assert!(crashed.reached > 99.9, "{}", crashed.reached);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let plumtree = Plumtree::new(Route::Datagram);
    let run = |seed| {
        measure(&plumtree, &Setup::world(seed, 60), Fault::Bursts(0.05, Duration::from_millis(500)), UPDATES).each
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
