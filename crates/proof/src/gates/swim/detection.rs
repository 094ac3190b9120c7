//! C0: how soon a failed member is detected.

use super::periods::Periods;
use crate::report::{Cell, Effort, Report, Table, Within};
use crate::statistics::Mean;
use crate::swim::theory::{first_detection, pinged_in_a_period};
use crate::swim::{Config, Pacing, Spread, Targets, Told};
use std::collections::BTreeMap;
use whither_model::Instant;
use whither_model::random::{Random, mix};
use whither_population::{Index, Watch};

/// What was found of failed members: when each was first, and how often.
#[derive(Default)]
struct Detections {
    first: BTreeMap<Index, Instant>,
}

impl Watch<Told> for Detections {
    fn event(&mut self, at: Instant, _: Index, event: Told) {
        if let Told::Detected(member) = event {
            self.first.entry(member).or_insert(at);
        }
    }
}

/// Runs it.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let samples = if effort == Effort::Full { 100_000.0 } else { 15_000.0 };
    let text = vec![
        format!(
            "SWIM's failure detector by itself, as section 3.1 of its paper counts: all periods begin at the same moment, a \
             target is picked out of all members, the pinger among them, and nobody acts on what was found. Members crash \
             in the middle of a period and start anew once they are detected, {samples} times for each row; at most one in \
             a hundred is down at a time, and the formula takes those into account."
        ),
        "Where periods begin at random moments, as they do in reality, nobody waits for the next common beginning, and the \
         expected time until the first ping is not 1.58 periods but one; then the pinger waits for the end of its own \
         period. These rows are compared with our own derivation, which the paper does not have."
            .to_owned(),
    ];
    let tables = vec![in_step(samples, seed), own_phase(samples, seed), last_of_all(seed), load(seed)];
    Report { text, tables }
}

/// F1 and F2.
fn in_step(samples: f64, seed: u64) -> Table {
    let columns = ["detected in the first period", "first detection, periods"];
    let mut table = Table::new("Periods in step (F1, F2)", &columns);
    for members in [8, 16, 32, 64, 128, 1_000, 10_000] {
        let config = Config::detector(members, 1);
        let down = (members / 100).max(1);
        // Each period in which it is down begins half a period after it crashed, and ends with the verdict.
        let (mean, at_once) = first_detections(config, down, samples, mix(seed ^ u64::from(members)), 0.5);
        let (all, healthy) = (f64::from(members), f64::from(members - down) / f64::from(members - 1));
        table.push(
            format!("n = {members}"),
            vec![
                Cell::judged(at_once.value(), pinged_in_a_period(all, healthy), Within::Share(0.02)),
                Cell::judged(mean.value(), first_detection(all, healthy), Within::Share(0.02)),
            ],
        );
    }
    table
}

/// What really happens.
fn own_phase(samples: f64, seed: u64) -> Table {
    let mut table =
        Table::new("Periods at random moments: first detection, in periods", &["any member", "round robin"]);
    for members in [8, 32, 128, 1_000] {
        let down = (members / 100).max(1);
        let (n, pingers) = (f64::from(members), f64::from(members - down));
        // Nobody has pinged it after m + f periods with probability ((1−1/n)^m (1−f/n))^pingers; integrated over time.
        let once = (1.0 - 1.0 / n).powf(pingers);
        let any = (1.0 - (1.0 - 1.0 / n).powf(pingers + 1.0)) * n / (pingers + 1.0) / (1.0 - once);
        // The earliest of so many moments at random within n−1 periods.
        let round_robin = (n - 1.0) / (pingers + 1.0);
        let cells = [(Targets::Any, any), (Targets::RoundRobin, round_robin)].map(|(targets, expected)| {
            let config = Config { targets, pacing: Pacing::OwnPhase, ..Config::detector(members, 1) };
            let (mean, _) = first_detections(config, down, samples, mix(seed ^ u64::from(members)), 0.0);
            Cell::judged(mean.value(), expected + 1.0, Within::Share(0.02))
        });
        table.push(format!("n = {members}"), cells.to_vec());
    }
    table
}

/// Lets members crash and begin anew, `down` at a time, and measures how many periods after a crash, and `wait` more, the first
/// detection comes; and in which share of all cases that is after one period.
fn first_detections(config: Config, down: u32, samples: f64, seed: u64, wait: f64) -> (Mean, Mean) {
    let mut random = Random::new(seed);
    let mut periods = Periods::new(config, 0.0, Detections::default(), seed);
    let mut crashed: BTreeMap<Index, Instant> = BTreeMap::new();
    let mut detected: Vec<Index> = Vec::new();
    let (mut mean, mut at_once) = (Mean::default(), Mean::default());
    while mean.count() < samples {
        while crashed.len() < down as usize {
            let member = Index::try_from(random.below(config.members as usize)).unwrap_or_default();
            if periods.members.is_alive(member) {
                periods.members.crash(member);
                crashed.insert(member, periods.members.now());
                // What was found of it before was found of its earlier life.
                periods.members.watch_mut().first.remove(&member);
            }
        }
        // Only now: a probe from before would count against whoever began anew and crashed again at once.
        detected.drain(..).for_each(|member| periods.restart(member));
        periods.run(1);
        let found = std::mem::take(&mut periods.members.watch_mut().first);
        for (member, at) in found {
            // Who began anew may still be found by a probe from before.
            let Some(crash) = crashed.remove(&member) else { continue };
            let took = periods.between(crash, at) - wait;
            mean.add(took);
            at_once.add(f64::from(u8::from(took < 1.5)));
            detected.push(member);
        }
    }
    (mean, at_once)
}

/// When the last member has found it by itself.
#[derive(Default)]
struct Last(BTreeMap<Index, Instant>);

impl Watch<Told> for Last {
    fn event(&mut self, at: Instant, node: Index, event: Told) {
        if matches!(event, Told::Detected(_)) {
            self.0.entry(node).or_insert(at);
        }
    }
}

/// F8: round robin bounds the time until each member has found the failure by itself.
fn last_of_all(seed: u64) -> Table {
    let columns = ["last member to find it, periods", "of them, on average"];
    let mut table = Table::new("Round robin, the slowest member of 100 runs (F8: 2n−1)", &columns);
    for members in [8, 32, 128] {
        let config = Config { targets: Targets::RoundRobin, ..Config::detector(members, 1) };
        let (mut slowest, mut mean) = (0.0_f64, Mean::default());
        for run in 0..100 {
            let mut periods = Periods::new(config, 0.0, Last::default(), mix(seed ^ mix(run)));
            periods.run(u64::from(members));
            let crash = periods.members.now();
            periods.members.crash(0);
            periods.run(2 * u64::from(members));
            let found = &periods.members.watch().0;
            for member in 1..members {
                let took = found.get(&member).map_or(f64::INFINITY, |at| periods.between(crash, *at) - 0.5);
                slowest = slowest.max(took);
                mean.add(took);
            }
        }
        let bound = f64::from(2 * members - 1);
        table.push(
            format!("n = {members}"),
            vec![Cell::judged(slowest, bound, Within::AtMost), Cell::measured(mean.value())],
        );
    }
    table
}

/// Figure 2: each member sends two messages in a period, whatever the size of the group.
fn load(seed: u64) -> Table {
    let columns = ["messages sent", "bytes sent"];
    let mut table = Table::new("Load of a member in a period, all parts of SWIM, nothing happening (Fig. 2)", &columns);
    for members in [6, 28, 55, 1_000] {
        let config = Config { spread: Spread::Infection { lambda: 3.0 }, ..Config::paper(members) };
        let mut periods = Periods::new(config, 0.0, (), mix(seed));
        periods.run(2);
        let before = periods.members.counters().total;
        periods.run(50);
        let after = periods.members.counters().total;
        let each = |sent: u64| sent as f64 / f64::from(members) / 50.0;
        table.push(
            format!("n = {members}"),
            vec![
                Cell::judged(each(after.messages_sent - before.messages_sent), 2.0, Within::Share(0.02)),
                Cell::measured(each(after.bytes_sent - before.bytes_sent)),
            ],
        );
    }
    table
}
