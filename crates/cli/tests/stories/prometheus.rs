//! Prometheus itself, configured as its page says word for word.

use crate::agents::{Agent, Cluster, Process, SOON, clients, eventually, exchange};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../../../docs/clients/prometheus.md");

/// The first configuration of the page's section with this title, for `agent`.
fn configuration(title: &str, agent: &Agent) -> String {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(title)).expect("the page has the section");
    let text =
        section.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it has a configuration");
    text.replace("127.0.0.1:7601", &agent.http().to_string())
        .replace("127.0.0.1:8761", &agent.eureka().to_string())
        .replace("15s", "1s")
}

struct Prometheus {
    _process: Process,
    address: SocketAddr,
}

impl Prometheus {
    fn start(cluster: &Cluster, configuration: &str) -> Self {
        let home = cluster.scratch().join("prometheus");
        fs::create_dir_all(&home).expect("a directory");
        let file = home.join("prometheus.yml");
        fs::write(&file, configuration).expect("a configuration");
        // Held until the last moment: the system gives it to nobody else meanwhile.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port");
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { _process: Process::spawn(&mut command), address }
    }

    /// Targets with their labels after relabelling.
    fn targets(&self) -> Result<Vec<Value>, String> {
        let asked = "GET /api/v1/targets?state=active";
        let answer = exchange(self.address, asked, &[], "").map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&answer.body).map_err(|error| format!("{error}: {}", answer.body))?;
        Ok(value["data"]["activeTargets"].as_array().cloned().unwrap_or_default())
    }

    #[track_caller]
    fn await_targets(&self, what: &str, label: impl Fn(&Value) -> String, wanted: &[&str]) {
        let wanted: BTreeSet<String> = wanted.iter().map(|one| (*one).to_owned()).collect();
        eventually(what, SOON, || {
            let found: BTreeSet<String> = self.targets()?.iter().map(&label).collect();
            if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
        });
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn prometheus_finds_over_http_sd_what_comes_drains_and_goes() {
    if !clients::has_program("prometheus") {
        return;
    }
    let cluster = Cluster::of(&["a", "b"]);
    let prometheus = Prometheus::start(&cluster, &configuration("http_sd", &cluster[1]));
    cluster[0].register("prod/recos", "r1", r#"{"address":"127.0.0.1","port":9,"tags":["x"]}"#);
    cluster[1].register("default/web", "w1", r#"{"address":"127.0.0.1","port":10}"#);
    let label = |target: &Value| {
        let labels = &target["labels"];
        format!(
            "{} {} {}",
            text(&labels["job"]),
            text(&labels["instance"]),
            text(&target["discoveredLabels"]["__meta_whither_status"])
        )
    };
    prometheus.await_targets("both are found", label, &["prod/recos r1 passing", "default/web w1 passing"]);
    cluster[0].ask("PUT /v1/services/prod/recos/instances/r1/state?state=draining", "").expect(&[200]);
    prometheus.await_targets("one drains", label, &["prod/recos r1 draining", "default/web w1 passing"]);
    cluster[0].ask("DELETE /v1/services/prod/recos/instances/r1", "").expect(&[200]);
    prometheus.await_targets("one is gone", label, &["default/web w1 passing"]);
}

#[test]
fn prometheus_finds_over_eureka_sd_what_anybody_registered() {
    if !clients::has_program("prometheus") {
        return;
    }
    let cluster = Cluster::of(&["a"]);
    let prometheus = Prometheus::start(&cluster, &configuration("eureka_sd", &cluster[0]));
    cluster[0].register("prod/recos", "r1", r#"{"address":"127.0.0.1","port":9}"#);
    let label = |target: &Value| format!("{} {}", text(&target["labels"]["job"]), text(&target["labels"]["instance"]));
    prometheus.await_targets("it is found", label, &["RECOS.PROD r1"]);
    cluster[0].ask("DELETE /v1/services/prod/recos/instances/r1", "").expect(&[200]);
    prometheus.await_targets("it is gone", label, &[]);
}
