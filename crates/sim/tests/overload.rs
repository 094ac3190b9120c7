//! More updates than lines can bear: nobody is left behind, queues stay short, and calm returns when the storm ends.

use std::time::Duration;
use whither_model::{Ack, Command};
use whither_sim::{Line, Setup, World, checkers, workload};

const INSTANCES: usize = 5;
/// What 50 instances of 65 bytes would take is a fifth of a second of this line.
const LINE: Line = Line { bytes_per_second: 16_000, datagram_bytes_max: 8_192, stream_bytes_max: 16 << 20 };

fn tell(world: &mut World, node: usize, instance: usize, weight: usize) {
    let weight = u16::try_from(weight).expect("a short storm");
    let registrations = vec![workload::registration(node, instance, weight).expect("a valid registration")];
    world.tell(node, Command::Register { registrations, ack: Ack::Memory });
}

/// The lowest weight under which any node shows any instance: how far behind the last is.
fn oldest(world: &World) -> usize {
    let weight = |at: usize, node: usize, instance: usize| {
        let service = format!("svc-{node}").parse().expect("a name");
        let view = world.view(at)?;
        let listed = view.service(&service)?.instance(&format!("i{instance}").parse().expect("an id"))?;
        Some(usize::from(listed.instance.registration.weight))
    };
    let nodes = world.size();
    let all = (0..nodes).flat_map(|at| (0..nodes).flat_map(move |node| (0..INSTANCES).map(move |one| (at, node, one))));
    all.map(|(at, node, instance)| weight(at, node, instance).unwrap_or(0)).min().unwrap_or(0)
}

/// It was asked for again while it was on its way, and sent again while it waited: lines carried nothing else, some nodes heard
/// nothing for as long as the storm lasted, and answers to old questions piled up.
#[test]
fn a_storm_leaves_nobody_behind_and_nothing_behind() {
    const NODES: usize = 30;
    const STEP: Duration = Duration::from_millis(25);
    let mut world = World::new(Setup::new(1, NODES));
    world.run_for(Duration::from_secs(5));
    world.network.narrow(LINE);
    let mut unread = 0;
    for step in 1..=1_200 {
        (0..NODES * INSTANCES).for_each(|at| tell(&mut world, at % NODES, at / NODES, step));
        world.run_for(STEP);
        unread = (0..NODES).map(|node| world.network.unread(node)).fold(unread, usize::max);
        if step % 40 == 0 {
            // What writers hold back is not known elsewhere, and nobody claims that it is.
            checkers::freshness(&world);
        }
    }
    let behind = STEP * u32::try_from(1_200 - oldest(&world)).expect("a short storm");
    assert!(behind < Duration::from_secs(12), "the last is {behind:?} behind");
    assert!(unread < 100_000, "{unread} bytes of streams waited at a node");
    world.run_for(Duration::from_secs(15));
    assert_eq!(oldest(&world), 1_200, "all have the last word");
    checkers::convergence(&world);
}

/// Up to 64 nodes that had met since boot were all newcomers, of whom no parts were made: a change reached two of them at once
/// and the others by anti-entropy, seconds later.
#[test]
fn those_who_have_just_met_are_told_at_once() {
    for nodes in [17, 20, 40, 64, 80] {
        let mut world = World::new(Setup::new(1, nodes));
        world.run_for(Duration::from_secs(6));
        for weight in 1..=3u16 {
            let (before, told) = (world.time(), workload::registration(1, 1, weight).expect("a valid registration"));
            world.tell(0, Command::Register { registrations: vec![told], ack: Ack::Memory });
            world.run_for(Duration::from_millis(10));
            let knows = |node: &usize| {
                let view = world.view(*node);
                let listed = view.as_ref().and_then(|view| {
                    view.service(&"svc-1".parse().expect("a name"))?.instance(&"i1".parse().expect("an id"))
                });
                listed.is_some_and(|listed| listed.instance.registration.weight == weight)
            };
            let knowing = (0..nodes).filter(knows).count();
            assert_eq!(knowing, nodes, "of {nodes}, 10 ms after {before} µs");
        }
    }
}
