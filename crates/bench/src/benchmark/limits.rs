//! What the machine can do without us.

use super::Benchmark;
use crate::http_client::request;
use crate::http_load::same;
use crate::limit::disk::Processors;
use crate::limit::{Kind, Server, disk, http, quic, tcp, udp};
use crate::proc_stat::CpuMeter;
use crate::report::{Measure, Report};
use crate::setup::Setup;
use crate::speed;
use crate::udp_load;
use anyhow::Result;

/// What this file measures.
pub(super) const BENCHMARK: Benchmark =
    Benchmark { name: "limits", about: "what this machine does without Whither: UDP, TCP, QUIC, HTTP, disk", run };

/// Round trips at most.
const ROUND_TRIPS: usize = 50_000;
/// Syncs at most.
const SYNCS: usize = 500;
/// Body of an HTTP answer: about a short one of ours.
const REPLY_BYTES: usize = 128;

fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let (phase, n) = (setup.phase(), setup.n_or(ROUND_TRIPS));
    let udp_server = Server::start(Kind::Udp, 0)?;
    let udp_trip = udp::round_trips(udp_server.address, n, phase)?;
    report.add(Measure::lower("UDP echo round trip p50", udp_trip.p50(), "us", udp_trip.len() as u64));
    let meter = CpuMeter::start([udp_server.pid()])?;
    let load = udp_load::drive(udp_server.address, &[vec![7; 64]], phase, |_| Ok(()))?;
    let cost = meter.seconds()? * 1e6 / load.answered as f64;
    report.add(Measure::lower("UDP echo, server CPU per packet", cost, "us", load.answered));
    drop(udp_server);

    let tcp_server = Server::start(Kind::Tcp, 0)?;
    let tcp_trip = tcp::round_trips(tcp_server.address, n, phase)?;
    report.add(Measure::lower("TCP echo round trip p50", tcp_trip.p50(), "us", tcp_trip.len() as u64));
    drop(tcp_server);

    let quic_trip = quic::round_trips(n, phase)?;
    let measure = Measure::lower("QUIC message round trip p50", quic_trip.p50(), "us", quic_trip.len() as u64);
    report.add(measure.against(udp_trip.p50()));

    let http_server = Server::start(Kind::Http, REPLY_BYTES)?;
    let http_trip = http::round_trips(http_server.address, n, phase)?;
    let measure = Measure::lower("HTTP echo round trip p50", http_trip.p50(), "us", http_trip.len() as u64);
    report.add(measure.against(tcp_trip.p50()));
    for depth in [1, setup.pipeline()] {
        let asked = request("GET", "/v1/services/bench/service-00000", "");
        let lanes = same(http_server.address, &asked, setup.connections(), depth);
        let speed = speed::of_http(&lanes, http_server.pid(), phase)?;
        let how = format!("HTTP echo, {} connections, {depth} at once", setup.connections());
        report.add(Measure::higher(format!("{how}: per CPU-second"), speed.per_cpu_second(), "1/s", speed.done));
        report.add(Measure::higher(format!("{how}: by the clock"), speed.per_second(), "1/s", speed.done));
    }
    drop(http_server);

    for (processors, how) in [(Processors::Idle, "idle"), (Processors::Busy, "busy")] {
        let syncs = disk::syncs(&setup.dir, SYNCS, phase, processors)?;
        let name = format!("fdatasync of 4 KiB p50, processors {how}");
        report.add(Measure::lower(name, syncs.p50(), "us", syncs.len() as u64));
    }
    Ok(())
}
