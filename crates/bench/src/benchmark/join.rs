//! A node with an empty directory joins a cluster that knows much.

use super::Benchmark;
use crate::cluster::{Cluster, await_health};
use crate::limit::{disk, quic};
use crate::proc_stat::{CpuMeter, process_cpu_seconds};
use crate::record::{Record, encoded_bytes, grid};
use crate::report::{Measure, Report};
use crate::setup::Setup;
use anyhow::{Context, Result};
use std::time::Duration;

/// What this file measures.
pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "join",
    about: "from starting a third node with an empty directory until it lists all 100 000 instances",
    run,
};

/// Instances.
const INSTANCES: usize = 100_000;
/// Instances of each service.
const PER_SERVICE: usize = 100;
/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks at the new node.
const LOOK: Duration = Duration::from_millis(5);
/// How long the two are left alone before the third starts.
const QUIET: Duration = Duration::from_secs(2);
/// Syncs that are measured, at most.
const SYNCS: usize = 100;

fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let count = setup.n_or(INSTANCES);
    let records: Vec<Record> = grid(count.div_ceil(PER_SERVICE), PER_SERVICE).take(count).collect();
    let mut cluster = Cluster::start(setup, 2)?;
    cluster.fill(&records, PATIENCE)?;
    std::thread::sleep(QUIET);

    let old = CpuMeter::start(cluster.pids())?;
    let new = cluster.add()?;
    let (started, serving, pid) = (new.started, new.started.elapsed(), new.pid());
    // Time zero: a process begins with none.
    let complete = await_health(new.http, LOOK, PATIENCE, |health| health.instances >= count)?;
    let new_cpu = process_cpu_seconds(pid)?;
    let old_cpu = old.seconds()?;
    let taken = (complete - started).as_secs_f64();

    let bytes = encoded_bytes(Record::new(1, 1))?.checked_mul(count).context("too many instances")?;
    let transfer = quic::transfer(bytes)?;
    let sync = 1.0 / disk::syncs_per_second(&setup.dir, SYNCS, setup.phase())?.0;
    // The same bytes over the same transport, and once to disk: a node's identity must be durable before it speaks.
    let limit = transfer.elapsed.as_secs_f64() + sync;
    let n = count as u64;
    report.add(Measure::lower("start to all instances", taken * 1e3, "ms", n).against(limit * 1e3));
    report.add(Measure::lower("start to serving", serving.as_secs_f64() * 1e3, "ms", 1).against(sync * 1e3));
    let cpu_limit = transfer.cpu_seconds * 1e3;
    report.add(Measure::lower("CPU of the new node", new_cpu * 1e3, "ms", n).against(cpu_limit));
    report.add(Measure::lower("CPU of the two others", old_cpu * 1e3, "ms", n).against(cpu_limit));
    report.add(Measure::lower("limit: the same bytes over QUIC", transfer.elapsed.as_secs_f64() * 1e3, "ms", n));
    report.add(Measure::lower("limit: CPU of that, both ends", cpu_limit, "ms", n));
    Ok(())
}
