//! How many registrations per second reach all three nodes, and what they cost.

use super::Benchmark;
use crate::cluster::{BULK, BULK_CONNECTIONS, Cluster};
use crate::http_load::{Extent, Lane, drive, lanes, redirected};
use crate::limit::{Kind, Server, disk};
use crate::proc_stat::CpuMeter;
use crate::record::{self, Record, grid};
use crate::report::{Measure, Report};
use crate::setup::Setup;
use crate::speed;
use anyhow::Result;
use std::time::Duration;

/// What this file measures.
pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "spread",
    about: "registrations per second until all three nodes have them, one by one and in bulk, memory and durable",
    run,
};

/// Instances of each service.
const PER_SERVICE: usize = 100;
/// How long it may take until all have them.
const PATIENCE: Duration = Duration::from_secs(120);
/// Body of an answer to a registration, for the HTTP limit.
const REPLY_BYTES: usize = 160;
/// Syncs that are measured, at most.
const SYNCS: usize = 200;

/// One way to register.
struct Way {
    name: &'static str,
    bulk: bool,
    query: &'static str,
    /// How many registrations.
    count: usize,
}

const WAYS: [Way; 4] = [
    Way { name: "single, memory", bulk: false, query: "", count: 30_000 },
    Way { name: "bulk of 500, memory", bulk: true, query: "", count: 100_000 },
    Way { name: "single, durable", bulk: false, query: "?ack=durable", count: 10_000 },
    Way { name: "bulk of 500, durable", bulk: true, query: "?ack=durable", count: 50_000 },
];

fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let (syncs_per_second, n) = disk::syncs_per_second(&setup.dir, SYNCS, setup.phase())?;
    report.add(Measure::higher("limit: fdatasync of 4 KiB", syncs_per_second, "1/s", n));
    WAYS.iter().try_for_each(|way| measure(setup, report, way, syncs_per_second))
}

impl Way {
    /// The requests, as lanes to `server`, and how many registrations are on their way at once.
    fn lanes(&self, setup: &Setup, server: std::net::SocketAddr, records: &[Record]) -> (Vec<Lane>, usize) {
        if self.bulk {
            let requests = records.chunks(BULK).map(|part| record::post(part, self.query));
            (lanes(server, requests, BULK_CONNECTIONS, 1), BULK * BULK_CONNECTIONS)
        } else {
            let requests = records.iter().map(|record| record.put(self.query));
            // HTTP/1.1 answers in order, and hyper begins a request when the one before is answered: what is
            // pipelined waits in the server.
            (lanes(server, requests, setup.connections(), setup.pipeline()), setup.connections())
        }
    }
}

fn measure(setup: &Setup, report: &mut Report, way: &Way, syncs_per_second: f64) -> Result<()> {
    let count = setup.n_or(way.count);
    let records: Vec<Record> = grid(count.div_ceil(PER_SERVICE), PER_SERVICE).take(count).collect();
    let cluster = Cluster::start(setup, 3)?;
    let (own, at_once) = way.lanes(setup, cluster.agents[0].http, &records);
    let meter = CpuMeter::start(cluster.pids())?;
    let load = drive(&own, Extent::Once)?;
    let all_have = cluster.await_instances(count, PATIENCE)?;
    let cpu = meter.seconds()?;
    drop(cluster);

    let echo = Server::start(Kind::Http, REPLY_BYTES)?;
    let echoed = speed::of_http(&redirected(&own, echo.address), echo.pid(), setup.phase() / 2)?;

    let rate = |seconds: f64| count as f64 / seconds;
    let (name, n) = (way.name, count as u64);
    let per_request = count as f64 / load.requests as f64;
    let http_limit = echoed.per_second() * per_request;
    let limit = if way.query.is_empty() { http_limit } else { http_limit.min(syncs_per_second * at_once as f64) };
    let spread = rate((all_have - load.began).as_secs_f64());
    report.add(Measure::higher(format!("{name}: until on all three"), spread, "1/s", n).against(limit));
    let accepted = rate(load.elapsed.as_secs_f64());
    report.add(Measure::higher(format!("{name}: acknowledged"), accepted, "1/s", n).against(limit));
    // Milliseconds per thousand are microseconds per one.
    let cost = Measure::lower(format!("{name}: CPU of all agents per 1000"), cpu * 1e6 / count as f64, "ms", n);
    report.add(cost.against(echoed.cpu_micros() / per_request));
    report.add(Measure::higher(format!("{name}: limit: the same over HTTP echo"), http_limit, "1/s", n));
    Ok(())
}
