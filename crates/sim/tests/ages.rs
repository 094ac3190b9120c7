//! How tight ages are. That they are never below the truth is judged wherever changes are made (`checkers::freshness`); an age
//! of an hour would pass that, too.

use std::time::Duration;
use whither_model::{Ack, Command};
use whither_sim::{Setup, World, checkers, workload};

/// By how much what node `node` claims of each other one is older than the truth, in milliseconds: the truth is now if it
/// knows everything, or else when the other said what it lacks.
fn excess(world: &World, node: usize, into: &mut Vec<u64>) {
    let replica = world.replica(node).expect("it runs");
    let now = world.clock(node);
    for other in (0..world.size()).filter(|other| *other != node) {
        let claimed = now.since(replica.known_until(world.id(other)));
        let head = world.head_at(other, world.time()).expect("it has spoken");
        let origin = whither_model::Origin { node: world.id(other), epoch: head.0 };
        let known = replica.rows().seen(origin).map_or(0, whither_replica::Ranges::watermark);
        // While a change is on its way the truth is a few milliseconds old; those moments are left out.
        if known >= head.1.0 {
            into.push(u64::try_from(claimed.as_millis()).unwrap_or(u64::MAX));
        }
    }
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted[(sorted.len() - 1) * percent / 100]
}

fn ages_of(nodes: usize) -> [u64; 3] {
    let mut world = World::new(Setup::new(41, nodes));
    // Until everybody has met everybody.
    world.run_for(Duration::from_secs(10) + Duration::from_secs(2) * u32::try_from(nodes).expect("few"));
    let mut all = Vec::new();
    for round in 0..600 {
        if round % 7 == 0 {
            let registration = workload::registration(round % 5, round % 90, 1).expect("a valid registration");
            let registrations = vec![registration];
            world.command(round % nodes, Command::Register { registrations, ack: Ack::Memory });
        }
        world.run_for(Duration::from_millis(97));
        checkers::freshness(&world);
        (0..nodes).for_each(|node| excess(&world, node, &mut all));
    }
    all.sort_unstable();
    [percentile(&all, 50), percentile(&all, 99), percentile(&all, 100)]
}

#[test]
fn ages_exceed_the_truth_by_about_the_time_in_which_everybody_is_probed() {
    for nodes in [3, 10, 30] {
        let [median, high, most] = ages_of(nodes);
        println!(
            "{nodes} nodes: ages exceed the truth by {median} ms at the median, {high} ms at p99, {most} ms at most"
        );
        // While something changes all the time, proof of a member comes from itself: when it probes or is probed, which each
        // pair does by chance. So the typical age grows with the cluster, and chance makes some pairs wait for several rounds.
        let round = 400 * nodes as u64;
        assert!(median <= round && high <= 6 * round && most <= 12 * round, "{nodes}: {median} {high} {most}");
    }
}
