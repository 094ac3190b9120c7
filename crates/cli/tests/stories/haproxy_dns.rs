//! HAProxy that follows DNS, configured as its page says word for word.

use crate::agents::{Cluster, Port, Process, SOON, Site, clients, eventually, exchange, instance};
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../../../docs/clients/haproxy.md");
/// How often the balancer is asked to see where it sends requests.
const ROUNDS: usize = 20;

#[track_caller]
fn await_served(at: &Port, expected: &[u16]) {
    let expected: BTreeSet<u16> = expected.iter().copied().collect();
    let ask = |_| exchange(at.address(), "GET /", &[("connection", "close")], "").map(|answer| answer.status);
    eventually(&format!("requests go to {expected:?}"), SOON, || {
        let seen: BTreeSet<u16> =
            (0..ROUNDS).map(ask).collect::<Result<_, _>>().map_err(|error: std::io::Error| error.to_string())?;
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

#[test]
fn haproxy_follows_over_dns_what_comes_drains_and_dies() {
    if !clients::has_program_that("haproxy", "-v") {
        return;
    }
    let cluster = Cluster::of(&["a"]);
    let (one, other, front) = (Site::start(200), Site::start(203), Port::reserve());
    let config = PAGE.split("```haproxy\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a configuration");
    let config = config
        .replace("127.0.0.1:7653", &cluster[0].dns().to_string())
        .replace("127.0.0.1:8080", &front.address().to_string());
    let file = cluster.scratch().join("haproxy.cfg");
    fs::write(&file, config).expect("a file");
    let register = |id: &str, site: &Site| {
        cluster[0].register("prod/recos", id, &format!(r#"{{"address":"127.0.0.1","port":{}}}"#, site.port()));
    };
    register("r-1", &one);
    let log = fs::File::create(cluster.scratch().join("haproxy.log")).expect("a log file");
    let mut run = Command::new("haproxy");
    run.arg("-f").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let _haproxy = Process::spawn(&mut run);
    await_served(&front, &[200]);
    register("r-2", &other);
    await_served(&front, &[200, 203]);
    cluster[0].ask(&format!("PUT {}/state?state=draining", instance("prod/recos", "r-1")), "").expect(&[200]);
    await_served(&front, &[203]);
    register("r-1", &one);
    await_served(&front, &[200, 203]);
    cluster[0].ask(&format!("DELETE {}", instance("prod/recos", "r-2")), "").expect(&[200]);
    await_served(&front, &[200]);
}
