//! What it costs when nothing happens: E1.

use crate::report::{Cell, Effort, Report, Table, Within};
use std::time::{Duration, Instant as Wall};
use whither_population::{Population, Setup};
use whither_replica::CANARY_INTERVAL;
use whither_sim::crowd::{Manner, acquainted};

/// Idle traffic per node, from 128 to 100 000 nodes.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let sizes: &[(u32, u64)] = if effort == Effort::Full {
        &[(128, 3_600), (1_000, 3_600), (10_000, 300), (100_000, 20)]
    } else {
        &[(128, 120), (1_000, 60), (10_000, 10)]
    };
    let mut table = Table::new(
        "Nothing happens",
        &["bytes per node and second", "messages per node and second", "suspicions", "million events per CPU second"],
    );
    for &(nodes, seconds) in sizes {
        let setup = Setup::new(seed, nodes as usize);
        let manner = Manner { canary: Some(CANARY_INTERVAL), ..Manner::default() };
        let mut all = acquainted(nodes, seed, &manner, |_| 0).into_iter();
        let mut world = Population::new(&setup, super::Beliefs::default(), |_| all.next().expect("one for each"));
        world.run_for(Duration::from_secs(2)).expect("a budget");
        let before = world.counters();
        let begun = Wall::now();
        world.run_for(Duration::from_secs(seconds)).expect("a budget");
        let took = begun.elapsed().as_secs_f64();
        let after = world.counters();
        let per_node = (f64::from(nodes) * seconds as f64).recip();
        let events = (after.events() - before.events()) as f64;
        table.push(
            format!("{nodes} nodes, {seconds} s"),
            vec![
                Cell::judged(
                    (after.total.bytes_sent - before.total.bytes_sent) as f64 * per_node,
                    300.0,
                    Within::AtMost,
                ),
                Cell::measured((after.total.messages_sent - before.total.messages_sent) as f64 * per_node),
                Cell::judged(world.into_watch().0.len() as f64, 0.0, Within::AtMost),
                Cell::measured(events / took / 1e6),
            ],
        );
    }
    let text = "Probes, their answers, the digests that travel on them, and canaries, as an agent would send them: encoded and \
                sealed, without IP and UDP headers (28 bytes for each message). The whole cluster sends about one canary in 40 \
                seconds, which costs 5 bytes a second; in a run of 20 seconds each one that happens to come counts 9.";
    Report { text: vec![text.to_owned()], tables: vec![table] }
}
