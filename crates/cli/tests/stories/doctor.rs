//! `whither doctor`: one cache of a host still gives an address that a service has lost, and that cache is named.

use crate::agents::{Agent, Cluster, Port, command};
use serde_json::Value;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread::JoinHandle;

const SERVICE: &str = "prod/recos";
/// What a resolver has left of the twelve minutes for which it once took an answer, seconds.
const LEFT: u32 = 712;

/// A resolver that once took an answer and gives it ever since, for whatever it is asked. Stopped when dropped.
struct Resolver {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Resolver {
    fn remembering(address: [u8; 4]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let at = socket.local_addr().expect("it is bound");
        let thread = std::thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                if length == 0 {
                    return;
                }
                // Who asks may have ended.
                drop(socket.send_to(&answer(&question[..length], address), from));
            }
        });
        Self { address: at, thread: Some(thread) }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let stop = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.address));
        drop(stop.map(|_| self.thread.take().map(JoinHandle::join)));
    }
}

/// An answer with one A record, or none if something else was asked for (RFC 1035 section 4).
fn answer(question: &[u8], address: [u8; 4]) -> Vec<u8> {
    let mut end = 12;
    while question[end] != 0 {
        end += 1 + usize::from(question[end]);
    }
    let is_a = question[end + 1..end + 3] == [0, 1];
    let mut reply =
        [&question[..2], &[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0], &question[12..end + 5]].concat();
    if is_a {
        reply.extend([0xc0, 12, 0, 1, 0, 1]);
        reply.extend(LEFT.to_be_bytes());
        reply.extend([0, 4]);
        reply.extend(address);
    }
    reply
}

/// A host with files of its own and the processes and connections of this one.
fn host(cluster: &Cluster) -> PathBuf {
    let root = cluster.scratch().join("host");
    fs::create_dir_all(root.join("etc")).expect("a folder");
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").expect("a file");
    std::os::unix::fs::symlink("/proc", root.join("proc")).expect("a link");
    root
}

fn doctor(agent: &Agent, root: &Path, nameserver: SocketAddr, more: &[&str]) -> Output {
    let mut doctor = command(&["doctor", "--timeout", "10s", "--agent", &agent.http().to_string()]);
    doctor.args(["--dns", &agent.dns().to_string(), "--nameserver", &nameserver.to_string()]).arg("--root").arg(root);
    doctor.args(more).output().expect("the program runs")
}

#[track_caller]
fn examined(agent: &Agent, root: &Path, nameserver: SocketAddr, more: &[&str]) -> (Option<i32>, Value) {
    let done = doctor(agent, root, nameserver, &[more, &[SERVICE, "--json"]].concat());
    let said = String::from_utf8_lossy(&done.stdout);
    let json = serde_json::from_str(&said).unwrap_or_else(|error| panic!("no JSON ({error}): {done:?}"));
    (done.status.code(), json)
}

/// The findings of a layer with this verdict.
fn found<'v>(examined: &'v Value, layer: &str, verdict: &str) -> Vec<&'v Value> {
    let findings = examined["findings"].as_array().expect("findings");
    findings.iter().filter(|one| one["layer"] == layer && one["verdict"] == verdict).collect()
}

#[test]
fn where_all_layers_are_right_none_is_blamed() {
    let cluster = Cluster::of(&["a", "b"]);
    cluster[0].register(SERVICE, "r-1", r#"{"address":"10.0.0.7","port":8080}"#);
    cluster[1].await_service(SERVICE, "registered elsewhere", |seen| seen["selection"] == "usable");
    let also = ["--also", &cluster[0].http().to_string()];
    let (code, examined) = examined(&cluster[1], &host(&cluster), cluster[0].dns(), &also);
    assert_eq!((code, &examined["verdict"]), (Some(0), &Value::from("agrees")), "{examined:#}");
    for (layer, count) in [("agent", 1), ("other-agent", 1), ("agent-dns", 2), ("nameserver", 1), ("connections", 1)] {
        assert_eq!(found(&examined, layer, "agrees").len(), count, "{layer}: {examined:#}");
    }
}

#[test]
fn the_cache_that_kept_an_old_address_is_named_and_who_is_still_connected_to_it() {
    let cluster = Cluster::of(&["a"]);
    let before = TcpListener::bind("127.0.0.9:0").expect("an address of loopback");
    let before = (before.local_addr().expect("it is bound"), before);
    let pooled = TcpStream::connect(before.0).expect("somebody listens");
    let port = before.0.port();
    cluster[0].register(SERVICE, "r-1", &format!(r#"{{"address":"127.0.0.7","port":{port}}}"#));
    let resolver = Resolver::remembering([127, 0, 0, 9]);
    let root = host(&cluster);

    let (code, examined) = examined(&cluster[0], &root, resolver.address, &[]);
    assert_eq!((code, &examined["verdict"]), (Some(4), &Value::from("differs")), "{examined:#}");
    assert_eq!(found(&examined, "agent-dns", "agrees").len(), 2, "{examined:#}");
    let lies = found(&examined, "nameserver", "differs");
    assert_eq!(lies.len(), 1, "{examined:#}");
    assert_eq!(
        (&lies[0]["extra"], &lies[0]["missing"]),
        (&["127.0.0.9"].into(), &["127.0.0.7"].into()),
        "{examined:#}"
    );
    assert_eq!(lies[0]["ttl_s"], LEFT);
    let held = found(&examined, "connections", "differs");
    let me = format!("(pid {})", std::process::id());
    assert!(held.iter().any(|one| one["who"].as_str().is_some_and(|who| who.ends_with(&me))), "{examined:#}");

    let words = doctor(&cluster[0], &root, resolver.address, &[SERVICE]);
    let words = String::from_utf8_lossy(&words.stdout);
    let first = format!("LIES  nameserver {} (--nameserver) gives 127.0.0.9 ", resolver.address);
    assert!(words.starts_with("prod/recos · 2 layers lie") && words.contains(&first), "{words}");
    drop(pooled);
}

#[test]
fn an_address_that_is_named_is_looked_for_though_no_layer_gives_it() {
    let cluster = Cluster::of(&["a"]);
    cluster[0].register(SERVICE, "r-1", r#"{"address":"127.0.0.7","port":1}"#);
    let before = TcpListener::bind("127.0.0.1:0").expect("a port");
    let was = before.local_addr().expect("it is bound").to_string();
    let _pooled = TcpStream::connect(&was).expect("somebody listens");
    let (code, examined) = examined(&cluster[0], &host(&cluster), cluster[0].dns(), &["--was", &was]);
    assert_eq!(code, Some(4), "{examined:#}");
    assert_eq!(found(&examined, "nameserver", "agrees").len(), 1, "{examined:#}");
    assert_eq!(found(&examined, "connections", "differs").len(), 1, "{examined:#}");
}

#[test]
fn a_service_that_nobody_knows_and_an_agent_that_is_not_there_are_told_apart() {
    let mut cluster = Cluster::of(&["a"]);
    let (root, nowhere) = (host(&cluster), Port::reserve());
    let unknown = doctor(&cluster[0], &root, cluster[0].dns(), &["prod/recso"]);
    assert_eq!(unknown.status.code(), Some(3), "{unknown:?}");
    let (http, dns) = (cluster[0].http().to_string(), cluster[0].dns().to_string());
    cluster[0].kill();
    let mut alone = command(&["doctor", SERVICE, "--agent", &http, "--dns", &dns]);
    let nameserver = nowhere.address().to_string();
    let alone = alone.args(["--nameserver", &nameserver, "--root"]).arg(&root).output().expect("the program runs");
    assert_eq!(alone.status.code(), Some(1), "{alone:?}");
    let words = String::from_utf8_lossy(&alone.stdout);
    assert!(words.contains("no agent answers at ") && words.contains("whither agent"), "{words}");
}
