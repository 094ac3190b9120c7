//! What a simulation costs: processors, memory, time.

use super::figures::{bytes, grouped, time};
use rustix::time::{ClockId, clock_gettime};
use std::thread::available_parallelism;
use std::time::Duration;
use whither_sim::study::{Plan, Settings};

/// Memory of a simulated node, about.
const BYTES_PER_NODE: f64 = 10_000.0;
/// What a node remembers of another one of which it believes otherwise than in the beginning.
const BYTES_PER_CHANGE: f64 = 150.0;
/// Events in a second of processor time, about.
const EVENTS_PER_SECOND: f64 = 500_000.0;
/// Simulations that take longer than this are warned of.
const LONG: Duration = Duration::from_secs(60);
/// Crowds from this size run one at a time: memory, rather than processors, is what they are short of.
const LARGE: u32 = 20_000;
/// Simulations that need more memory than this, in bytes, are warned of.
const MUCH: f64 = 2e9;

/// How many runs are done at once.
pub(super) fn workers(settings: &Settings) -> usize {
    if settings.nodes >= LARGE { 1 } else { available_parallelism().map_or(1, usize::from) }
}

/// What to expect, if it is much.
pub(super) fn warning(settings: &Settings, plan: &Plan, runs: u32) -> Option<String> {
    let events = settings.expected_events(plan.length()) as f64 * f64::from(runs);
    let workers = workers(settings).min(runs as usize).max(1) as f64;
    let takes = Duration::from_secs_f64(events / EVENTS_PER_SECOND / workers);
    let memory = memory(settings) * workers;
    let nodes = grouped(u64::from(settings.nodes));
    (takes > LONG || memory > MUCH || settings.nodes >= LARGE).then(|| {
        let (takes, memory) = (time(Duration::from_secs(takes.as_secs().max(1))), bytes(memory));
        format!("{nodes} nodes need about {memory} of memory, and {takes} on this machine; --runs 1 is the least")
    })
}

/// Memory of one run, about, in bytes.
fn memory(settings: &Settings) -> f64 {
    let nodes = f64::from(settings.nodes);
    let divided = settings.partition.map_or(0.0, |partition| partition.share.max(1.0 - partition.share));
    let restarted = settings.deploy.map_or(0.0, |_| 1.0);
    let changes = (f64::from(settings.kill) + nodes * (divided + restarted)).min(nodes);
    nodes * (BYTES_PER_NODE + changes * BYTES_PER_CHANGE)
}

/// Processor time of this program so far (POSIX `CLOCK_PROCESS_CPUTIME_ID`).
pub(super) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(settings: &Settings, runs: u32) -> Option<String> {
        warning(settings, &Plan::new(settings).unwrap(), runs)
    }

    #[test]
    fn what_takes_seconds_is_not_warned_of_and_what_takes_minutes_is() {
        assert_eq!(told(&Settings::default(), 3), None);
        let large = told(&Settings { nodes: 100_000, kill: 1, ..Settings::default() }, 1).unwrap();
        assert!(large.contains("nodes need about") && large.contains("GB of memory"), "{large}");
        assert!(told(&Settings::default(), 1_000).is_some());
    }
}
