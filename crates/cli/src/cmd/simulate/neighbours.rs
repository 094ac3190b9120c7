//! Settings beside those that were asked for, tried briefly: what would it cost, what would it gain?

use super::crew::Job;
use super::values::{PROBE_INTERVAL, SUSPICION};
use whither_sim::study::{Plan, Run, Settings, Summary};

/// Settings that were tried beside those that were asked for.
#[derive(Clone, Debug)]
pub(super) struct Neighbour {
    /// What they are.
    pub(super) settings: Settings,
    /// Whether they are those that were asked for, tried as briefly.
    pub(super) is_same: bool,
    /// What came of it.
    pub(super) summary: Summary,
}

/// More events than this are too many for advice; fewer nodes have to do then, which changes little: detection grows with
/// the logarithm of their number at most.
const EVENTS_MAX: u64 = 3_000_000;
/// How many there have to be.
const NODES_MIN: u32 = 100;

/// Settings to try: those that were asked for first, then others. Only what they decide is tried: deaths and false alarms.
pub(super) fn variations(asked: &Settings) -> Vec<Settings> {
    let mut same = Settings {
        updates: 0,
        partition: None,
        deploy: None,
        length: None,
        budget: None,
        kill: asked.kill.clamp(1, (asked.nodes / 100).max(1)),
        ..asked.clone()
    };
    while events(&same) > EVENTS_MAX && same.nodes / 2 >= NODES_MIN {
        same.nodes /= 2;
        same.kill = (same.kill / 2).max(1);
    }
    let (probe, suspicion) = (same.probe_interval, same.suspicion);
    let with = |probe_interval, suspicion| Settings { probe_interval, suspicion, ..same.clone() };
    let half = (probe / 2 >= PROBE_INTERVAL.0).then(|| with(probe / 2, suspicion));
    let double = (probe * 2 <= PROBE_INTERVAL.1).then(|| with(probe * 2, suspicion));
    let patient = (suspicion * 2 <= SUSPICION.1).then(|| with(probe, suspicion * 2));
    let hasty = (suspicion / 2 >= SUSPICION.0).then(|| with(probe, suspicion / 2));
    [Some(same.clone()), half, double, patient, hasty].into_iter().flatten().map(brief).collect()
}

fn events(settings: &Settings) -> u64 {
    settings.expected_events(Plan::least(settings))
}

/// No longer than it has to be.
fn brief(settings: Settings) -> Settings {
    Settings { length: Some(Plan::least(&settings)), ..settings }
}

/// A job for each of them. All have the same seed, so that they meet the same luck as far as they can.
pub(super) fn jobs(variations: &[Settings], seed: u64) -> Vec<Job> {
    let job = |settings: &Settings| {
        let plan = Plan::new(settings).ok()?;
        Some(Job { settings: settings.clone(), plan, seed })
    };
    variations.iter().filter_map(job).collect()
}

/// What came of them.
pub(super) fn sum_up(variations: Vec<Settings>, runs: Vec<Run>) -> Vec<Neighbour> {
    let sum = |(number, (settings, run)): (usize, (Settings, Run))| Neighbour {
        settings,
        is_same: number == 0,
        summary: Summary::of(&[run]),
    };
    variations.into_iter().zip(runs).enumerate().map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn tried(asked: &Settings) -> Vec<(u128, u32)> {
        variations(asked).iter().map(|one| (one.probe_interval.as_millis(), one.suspicion)).collect()
    }

    #[test]
    fn neighbours_are_half_and_double_within_what_agents_accept() {
        assert_eq!(tried(&Settings::default()), [(800, 1), (400, 1), (1_600, 1), (800, 2)]);
        let fast = Settings { probe_interval: Duration::from_millis(60), suspicion: 20, ..Settings::default() };
        assert_eq!(tried(&fast), [(60, 20), (120, 20), (60, 10)]);
    }

    #[test]
    fn every_variation_can_be_run_and_none_is_large() {
        for nodes in [3, 1_000, 100_000] {
            let asked = Settings { nodes, kill: 1, ..Settings::default() };
            let variations = variations(&asked);
            assert_eq!(jobs(&variations, 1).len(), variations.len());
            for one in &variations {
                assert!(one.kill >= 1 && one.nodes >= nodes.min(NODES_MIN) && events(one) < 2 * EVENTS_MAX, "{one:?}");
            }
        }
    }
}
