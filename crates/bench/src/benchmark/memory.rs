//! What an instance takes in memory and on disk.

use super::Benchmark;
use crate::cluster::{Agent, Cluster};
use crate::proc_stat::Memory;
use crate::record::{Record, encoded_bytes, grid};
use crate::report::{Measure, Report};
use crate::scratch::disk_bytes;
use crate::setup::Setup;
use anyhow::Result;
use std::time::Duration;

/// What this file measures.
pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "memory",
    about: "100 000 instances (1 000 services of 100) on each of three nodes: memory and disk, all and per instance",
    run,
};

/// Instances.
const INSTANCES: usize = 100_000;
/// Instances of each service.
const PER_SERVICE: usize = 100;
/// How long it may take until all have them.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long nothing is asked of the agents before they are looked at.
const QUIET: Duration = Duration::from_secs(3);
const MEBIBYTE: f64 = 1024.0 * 1024.0;

fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let count = setup.n_or(INSTANCES);
    let records: Vec<Record> = grid(count.div_ceil(PER_SERVICE), PER_SERVICE).take(count).collect();
    let cluster = Cluster::start(setup, 3)?;
    let memory = |agent: &Agent| Memory::of(agent.pid());
    let before = cluster.agents.iter().map(memory).collect::<Result<Vec<_>>>()?;
    cluster.fill(&records, PATIENCE)?;
    std::thread::sleep(QUIET);
    let after = cluster.agents.iter().map(memory).collect::<Result<Vec<_>>>()?;

    // What a node cannot help to keep: the encoded rows themselves, once.
    let row = encoded_bytes(Record::new(1, 1))? as f64;
    let (n, rows) = (count as u64, row * count as f64);
    for (at, agent) in cluster.agents.iter().enumerate() {
        let (before, after) = (before[at], after[at]);
        let node = at + 1;
        let (empty, full) = (before.resident as f64, after.resident as f64);
        let limit = (empty + rows) / MEBIBYTE;
        report.add(Measure::lower(format!("node {node}: VmRSS"), full / MEBIBYTE, "MiB", n).against(limit));
        let (empty, full) = (before.anonymous as f64, after.anonymous as f64);
        let limit = (empty + rows) / MEBIBYTE;
        report.add(Measure::lower(format!("node {node}: RssAnon"), full / MEBIBYTE, "MiB", n).against(limit));
        let each = (full - empty) / count as f64;
        report.add(Measure::lower(format!("node {node}: RssAnon per instance"), each, "B", n).against(row));
        let disk = disk_bytes(&agent.data_dir)? as f64 / count as f64;
        report.add(Measure::lower(format!("node {node}: disk per instance"), disk, "B", n).against(row));
        report.add(Measure::lower(format!("node {node}: RssAnon empty"), empty / MEBIBYTE, "MiB", 1));
    }
    Ok(())
}
