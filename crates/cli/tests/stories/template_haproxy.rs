//! The sample for HAProxy, with a real one.

use crate::agents::{Cluster, Port, Process, SOON, Site, Templating, eventually, exchange, instance};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/templates/haproxy.cfg.tmpl");
/// How often a balancer is asked to see where it sends requests.
const ROUNDS: usize = 40;

/// Whether there is a HAProxy here; in CI there has to be.
fn haproxy_is_here() -> bool {
    let found = Command::new("haproxy").arg("-v").stdout(Stdio::null()).status().is_ok();
    let in_ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    assert!(found || !in_ci, "CI must have haproxy: install haproxy (Debian)");
    if !found {
        println!("nothing is balanced: there is no haproxy on PATH");
    }
    found
}

/// The status codes that come through the balancer: each site has its own.
fn served(at: &Port) -> Result<BTreeSet<u16>, String> {
    let ask = |_| exchange(at.address(), "GET /", &[("connection", "close")], "").map(|answer| answer.status);
    (0..ROUNDS).map(ask).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

#[track_caller]
fn await_served(at: &Port, expected: &[u16], templating: &Templating) {
    let expected: BTreeSet<u16> = expected.iter().copied().collect();
    eventually(&format!("requests go to {expected:?}"), SOON, || match served(at) {
        Ok(seen) if seen == expected => Ok(()),
        other => Err(format!("{other:?}\n{}", templating.log())),
    });
}

/// HAProxy, its processes replaced when its master is told so.
fn start_haproxy(dir: &Path) -> Process {
    let log = fs::File::create(dir.join("haproxy.log")).expect("a log file");
    let mut run = Command::new("haproxy");
    run.args(["-W", "-f", "haproxy.cfg"]).current_dir(dir).stdin(Stdio::null());
    let haproxy = Process::spawn(run.stdout(Stdio::null()).stderr(log));
    fs::write(dir.join("haproxy.pid"), haproxy.0.id().to_string()).expect("a file");
    haproxy
}

#[test]
fn haproxy_sends_a_drained_instance_nothing_new() {
    if !haproxy_is_here() {
        return;
    }
    let cluster = Cluster::of(&["a"]);
    let dir = cluster.scratch().to_owned();
    let (one, other, front) = (Site::start(200), Site::start(203), Port::reserve());
    for (id, site) in [("r-1", &one), ("r-2", &other)] {
        cluster[0].register("prod/recos", id, &format!(r#"{{"address":"127.0.0.1","port":{}}}"#, site.port()));
    }
    fs::copy(SAMPLE, dir.join("haproxy.cfg.tmpl")).expect("the sample");
    let reload = "test ! -e haproxy.pid || kill -USR2 $(cat haproxy.pid)";
    let arguments = ["haproxy.cfg.tmpl:haproxy.cfg", "--check", "haproxy -c -f {}", "--exec", reload];
    let bind = front.address().to_string();
    let mut templating = Templating::start(&cluster[0].door(), &dir, "t", &arguments, &[("RECOS_BIND", &bind)]);
    let ran = |event: &serde_json::Value| event["event"] == "command" && event["ok"] == true;
    templating.hear("the file is made, and HAProxy takes it", ran);
    let _haproxy = start_haproxy(&dir);
    await_served(&front, &[200, 203], &templating);

    cluster[0].ask(&format!("PUT {}/state?state=draining", instance("prod/recos", "r-1")), "").expect(&[200]);
    templating.hear("HAProxy is told", ran);
    await_served(&front, &[203], &templating);
    let config = fs::read_to_string(dir.join("haproxy.cfg")).expect("it is there");
    assert!(config.contains("server r-1 127.0.0.1") && config.contains("weight 0\n"), "{config}");
    assert_eq!(served(&front), Ok(BTreeSet::from([203])), "and it stays so");

    // A template that makes nonsense is refused by HAProxy itself; what it has stays.
    let sample = fs::read_to_string(SAMPLE).expect("the sample");
    fs::write(dir.join("haproxy.cfg.tmpl"), format!("{sample}    nonsense\n")).expect("a file");
    templating.signal(Signal::HUP);
    let kept = templating.hear("the check refuses it", |event| event["kind"] == "check");
    assert!(kept["why"].as_str().expect("words").contains("haproxy -c -f"), "{kept}");
    assert!(templating.log().contains("unknown keyword 'nonsense'"), "HAProxy says why: {}", templating.log());
    assert_eq!(fs::read_to_string(dir.join("haproxy.cfg")).expect("it is there"), config);
    assert!(templating.terminate().success());
}
