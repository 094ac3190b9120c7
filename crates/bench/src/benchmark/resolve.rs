//! Asking over HTTP where a service is.

use super::Benchmark;
use crate::cluster::Cluster;
use crate::http_client::{Connection, request};
use crate::http_load::{redirected, same};
use crate::limit::{Kind, Server};
use crate::record::{NAMESPACE, Record, service_name};
use crate::report::{Measure, Report};
use crate::setup::Setup;
use crate::speed;
use anyhow::Result;
use std::time::Duration;

/// What this file measures.
pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "resolve",
    about: "HTTP GET of a service with 1 and with 100 instances, per CPU-second of the agent and by the clock",
    run,
};

/// Instances of the services that are asked for.
const SIZES: [usize; 2] = [1, 100];
/// How long the few registrations may take.
const PATIENCE: Duration = Duration::from_secs(10);
fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start(setup, 1)?;
    let records: Vec<Record> = SIZES
        .iter()
        .enumerate()
        .flat_map(|(service, size)| (0..*size).map(move |instance| Record::new(service, instance)))
        .collect();
    cluster.fill(&records, PATIENCE)?;
    let agent = &cluster.agents[0];
    for (service, size) in SIZES.into_iter().enumerate() {
        let asked = request("GET", &format!("/v1/services/{NAMESPACE}/{}", service_name(service)), "");
        let body = Connection::open(agent.http)?.exchange(&asked)?.len();
        let echo = Server::start(Kind::Http, body)?;
        let name = if size == 1 { "1 instance".to_owned() } else { format!("{size} instances") };
        report.add(Measure::lower(format!("{name}: size of the answer"), body as f64, "B", 1));
        for depth in [1, setup.pipeline()] {
            let lanes = same(agent.http, &asked, setup.connections(), depth);
            let limit_lanes = redirected(&lanes, echo.address);
            let (own, limit) = speed::in_turns(
                setup.phase(),
                |turn| speed::of_http(&lanes, agent.pid(), turn),
                |turn| speed::of_http(&limit_lanes, echo.pid(), turn),
            )?;
            let what = format!("{name}, {depth} at once");
            let measure = Measure::higher(format!("{what}: per CPU-second"), own.per_cpu_second(), "1/s", own.done);
            report.add(measure.against(limit.per_cpu_second()));
            let measure = Measure::higher(format!("{what}: by the clock"), own.per_second(), "1/s", own.done);
            report.add(measure.against(limit.per_second()));
        }
    }
    Ok(())
}
