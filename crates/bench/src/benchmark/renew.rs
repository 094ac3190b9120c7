//! Renewing leases: in the core, and over HTTP.

use super::Benchmark;
use crate::cluster::Cluster;
use crate::http_load::{lanes, redirected};
use crate::limit::{Kind, Server};
use crate::record::{Record, core, grid};
use crate::report::{Measure, Report};
use crate::setup::Setup;
use crate::speed;
use anyhow::{Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;
use whither_model::{Ack, Command, InstanceId, Instant, Now, Outcome, ServiceName, Ticket, WallTime};
use whither_replica::Replica;

/// What this file measures.
pub(super) const BENCHMARK: Benchmark =
    Benchmark { name: "renew", about: "renewals of 10 000 leases: in the core, and over HTTP, per CPU-second", run };

/// Leases.
const LEASES: usize = 10_000;
/// Instances of each service.
const PER_SERVICE: usize = 10;
/// How long each lease is.
const LEASE: Duration = Duration::from_secs(30);
/// Renewals that the node's loop takes in, at most, before what they cause goes out.
const PER_TURN: usize = 512;
/// How far the core's clock moves with each renewal: as it does at 100 000 renewals per second.
const STEP: Duration = Duration::from_micros(10);
/// How long the registrations may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Body of an answer to a renewal.
const REPLY_BYTES: usize = "{\"ttl_ms\":30000}\n".len();
/// Processor time is looked at after so many renewals.
const LOOK_EVERY: usize = 4096;

fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let records: Vec<Record> = grid(setup.n_or(LEASES).div_ceil(PER_SERVICE), PER_SERVICE)
        .take(setup.n_or(LEASES))
        .map(|record| Record { lease: Some(LEASE), ..record })
        .collect();
    in_core(setup, report, &records)?;
    over_http(setup, report, &records)
}

fn in_core(setup: &Setup, report: &mut Report, records: &[Record]) -> Result<()> {
    let mut names = Vec::with_capacity(records.len());
    let mut registrations = Vec::with_capacity(records.len());
    for record in records {
        let registration = record.registration()?;
        names.push((registration.service.clone(), registration.id.clone()));
        registrations.push(registration);
    }
    let now = Now { mono: Instant::START, wall: WallTime(1_700_000_000_000) };
    let mut leases = Leases { core: core(now)?, now, renewed: 0 };
    leases.core.handle_command(now, Ticket(0), Command::Register { registrations, ack: Ack::Memory });
    while leases.core.poll_ready().is_some() {}

    let mut table: HashMap<(ServiceName, InstanceId), Instant> =
        names.iter().cloned().map(|name| (name, now.mono)).collect();
    let limit = per_cpu_second(setup.phase(), |at| {
        let (service, id) = names[at % names.len()].clone();
        if let Some(ends) = black_box(&mut table).get_mut(&(service, id)) {
            *ends = *ends + STEP;
        }
        Ok(())
    })?;
    for turn in [1, PER_TURN] {
        leases.renewed = 0;
        let speed = per_cpu_second(setup.phase(), |at| {
            leases.renew(&names[at % names.len()]);
            if (at + 1).is_multiple_of(turn) { leases.carry_out() } else { Ok(()) }
        })?;
        leases.carry_out()?;
        ensure!(leases.renewed == speed.count, "{} renewals of {} were answered", leases.renewed, speed.count);
        let name = format!("core, {turn} a turn: per CPU-second");
        report.add(Measure::higher(name, speed.per_cpu, "1/s", speed.count).against(limit.per_cpu));
    }
    report.add(Measure::higher("limit: look up in a hash map", limit.per_cpu, "1/s", limit.count));
    Ok(())
}

/// A core with leases, driven as the node's loop drives it.
struct Leases {
    core: Replica,
    now: Now,
    renewed: u64,
}

impl Leases {
    fn renew(&mut self, (service, id): &(ServiceName, InstanceId)) {
        self.now.mono = self.now.mono + STEP;
        if self.core.poll_timeout() <= self.now.mono {
            self.core.handle_timeout(self.now);
        }
        let command = Command::Renew { service: service.clone(), id: id.clone(), health: None };
        self.core.handle_command(self.now, Ticket(self.renewed), command);
    }

    fn carry_out(&mut self) -> Result<()> {
        while let Some(ready) = self.core.poll_ready() {
            for (_, result) in ready.replies {
                ensure!(matches!(result, Ok(Outcome::Renewed { lease: Some(_) })), "a renewal was answered {result:?}");
                self.renewed += 1;
            }
        }
        Ok(())
    }
}

struct CoreSpeed {
    per_cpu: f64,
    count: u64,
}

/// How often this thread can do `one` in a second of processor time.
fn per_cpu_second(duration: Duration, mut one: impl FnMut(usize) -> Result<()>) -> Result<CoreSpeed> {
    let begun = thread_cpu_seconds();
    let mut done = 0;
    loop {
        for at in done..done + LOOK_EVERY {
            one(at)?;
        }
        done += LOOK_EVERY;
        let taken = thread_cpu_seconds() - begun;
        if taken >= duration.as_secs_f64() {
            return Ok(CoreSpeed { per_cpu: done as f64 / taken, count: done as u64 });
        }
    }
}

fn thread_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn over_http(setup: &Setup, report: &mut Report, records: &[Record]) -> Result<()> {
    let cluster = Cluster::start(setup, 1)?;
    cluster.fill(records, PATIENCE)?;
    let agent = &cluster.agents[0];
    let echo = Server::start(Kind::Http, REPLY_BYTES)?;
    for depth in [1, setup.pipeline()] {
        let own = lanes(agent.http, records.iter().map(Record::renewal), setup.connections(), depth);
        let redirected = redirected(&own, echo.address);
        let (own, limit) = speed::in_turns(
            setup.phase(),
            |turn| speed::of_http(&own, agent.pid(), turn),
            |turn| speed::of_http(&redirected, echo.pid(), turn),
        )?;
        let name = format!("HTTP, {depth} at once: per CPU-second");
        report.add(Measure::higher(name, own.per_cpu_second(), "1/s", own.done).against(limit.per_cpu_second()));
        let name = format!("HTTP, {depth} at once: by the clock");
        report.add(Measure::higher(name, own.per_second(), "1/s", own.done).against(limit.per_second()));
    }
    Ok(())
}
