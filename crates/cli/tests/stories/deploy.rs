//! A deploy: servers are restarted one after the other, and none of their callers notices.

use crate::agents::{Agent, Cluster, Plan, Port, SOON, Server, Watch, eventually, exchange, srv_ports};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SERVICE: &str = "prod/recos";
const DNS_NAME: &str = "recos.prod.whither";
const SERVERS: usize = 10;
/// Between two requests of a caller. Each takes a local port for a minute, and there are 28,000 of them.
const PACE: Duration = Duration::from_millis(4);
/// Between two questions of a caller that asks now and then.
const POLLED_EVERY: Duration = Duration::from_millis(200);

/// How a caller comes to know where to go.
enum Source {
    /// It asks DNS each time.
    Dns(SocketAddr),
    /// It follows a watch, and keeps what the watch said: ports and statuses by id.
    Watch(Watch, BTreeMap<String, (u16, String)>),
    /// It asks now and then, and keeps the answer.
    Poll { agent: SocketAddr, asked: Option<Instant>, answer: Vec<u16> },
}

impl Source {
    fn watch(agent: SocketAddr) -> Self {
        Self::Watch(Watch::lines(agent, &format!("/v1/watch/{SERVICE}")), BTreeMap::new())
    }

    fn poll(agent: SocketAddr) -> Self {
        Self::Poll { agent, asked: None, answer: Vec::new() }
    }

    /// Where it would go at this moment.
    fn ports(&mut self) -> Vec<u16> {
        match self {
            Self::Dns(server) => {
                let mut ports = srv_ports(*server, DNS_NAME).expect("DNS answers");
                // Agents turn their answers: of an even number, who takes turns himself would meet every second one only.
                ports.sort_unstable();
                ports
            }
            Self::Watch(watch, known) => {
                if known.is_empty() {
                    follow(known, &watch.next().json);
                }
                while let Some(event) = watch.next_until(Instant::now()) {
                    follow(known, &event.json);
                }
                known.values().filter(|(_, status)| status == "passing").map(|(port, _)| *port).collect()
            }
            Self::Poll { agent, asked, answer } => {
                if asked.is_none_or(|asked| asked.elapsed() >= POLLED_EVERY) {
                    *asked = Some(Instant::now());
                    let said = exchange(*agent, &format!("GET /v1/services/{SERVICE}"), &[], "").expect("it answers");
                    let said = said.expect(&[200]).json();
                    *answer = said["instances"].as_array().expect("instances").iter().map(port_of).collect();
                }
                answer.clone()
            }
        }
    }
}

fn port_of(instance: &Value) -> u16 {
    instance["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port")
}

fn follow(known: &mut BTreeMap<String, (u16, String)>, event: &Value) {
    if event["event"] == "reset" {
        known.clear();
    }
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    for one in event["changed"].as_array().expect("instances") {
        known.insert(text(&one["id"]), (port_of(one), text(&one["status"])));
    }
    for id in event["removed"].as_array().expect("ids") {
        known.remove(id.as_str().expect("an id"));
    }
}

/// What a caller met with.
#[derive(Default)]
struct Met {
    served: BTreeMap<u16, usize>,
    trouble: Vec<String>,
}

/// Goes to the servers in turn, until it is over.
fn call(mut source: Source, over: &AtomicBool) -> Met {
    let mut met = Met::default();
    for turn in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let ports = source.ports();
        let Some(port) = ports.get(turn % ports.len().max(1)).copied() else {
            met.trouble.push(format!("request {turn}: nowhere to go"));
            continue;
        };
        match exchange(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), "GET /v1/health", &[], "") {
            Ok(answer) if answer.status == 200 => *met.served.entry(port).or_default() += 1,
            other => met.trouble.push(format!("request {turn} to {port}, one of {ports:?}: {other:?}")),
        }
        // waits because a caller that never pauses uses up this host's ports
        std::thread::sleep(PACE);
    }
    met
}

/// Starts a server, and waits until every agent sends callers to it.
fn start(agents: &[Agent], at: usize, id: &str, port: &Port) -> Server {
    let plan = Plan { service: SERVICE, id, port, options: &["--settle", "1s"] };
    let server = Server::start(&agents[at % agents.len()], &plan);
    for agent in agents {
        agent.await_service(SERVICE, &format!("with {id} up"), |seen| {
            let all = seen["instances"].as_array().expect("instances");
            all.iter().any(|one| one["id"] == *id && one["status"] == "passing")
        });
    }
    server
}

#[test]
fn nobody_notices_a_deploy() {
    let cluster = Cluster::of(&["a", "b", "c"]);
    let agents = cluster.agents();
    let ports: Vec<Port> = (0..SERVERS).map(|_| Port::reserve()).collect();
    let ids: Vec<String> = (0..SERVERS).map(|at| format!("r-{at}")).collect();
    let mut servers: Vec<Server> = (0..SERVERS).map(|at| start(agents, at, &ids[at], &ports[at])).collect();
    eventually("DNS knows all of them", SOON, || {
        let known = srv_ports(agents[0].dns(), DNS_NAME).map_err(|error| error.to_string())?;
        (known.len() == SERVERS).then_some(()).ok_or_else(|| format!("{known:?}"))
    });

    let over = AtomicBool::new(false);
    let sources = [Source::Dns(agents[0].dns()), Source::watch(agents[1].http()), Source::poll(agents[2].http())];
    let met: Vec<Met> = std::thread::scope(|scope| {
        let callers = sources.map(|source| scope.spawn(|| call(source, &over)));
        // Also if a step below fails: nobody may wait for the callers for ever.
        let end = End(&over);
        for at in 0..SERVERS {
            servers[at].signal_run(Signal::TERM);
            let ended = servers[at].await_end();
            assert!(ended.success(), "{ended}: {}", servers[at].log());
            servers[at] = start(agents, at, &ids[at], &ports[at]);
        }
        drop(end);
        callers.into_iter().map(|caller| caller.join().expect("a caller")).collect()
    });
    for (who, met) in ["by DNS", "by a watch", "by polling"].into_iter().zip(met) {
        assert_eq!(met.trouble, Vec::<String>::new(), "{who}, of {:?}", met.served);
        assert_eq!(met.served.len(), SERVERS, "{who}: all of them were called: {:?}", met.served);
    }
}

/// Says that it is over when dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
