//! From the kill of a process that holds a session to the event on another node's watch.

use super::Benchmark;
use crate::cluster::Cluster;
use crate::http_client::{Connection, request};
use crate::limit::udp::Pinger;
use crate::limit::{Kind, Server};
use crate::process::Process;
use crate::record::NAMESPACE;
use crate::report::{Measure, Report};
use crate::sample::Sample;
use crate::setup::Setup;
use crate::watch_stream::{self, WatchStream};
use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// What this file measures.
pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "session",
    about: "kill -9 of a process that holds a session until the event is on another node's watch stream; idle wire",
    run,
};

/// Before the path of a socket.
const UNIX: &str = "unix:";
/// Kills.
const KILLS: usize = 100;
/// Instances of the watched service, registered anew in turn.
const INSTANCES: usize = 16;
/// Between two steps: each finds the wire idle.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a process may take to start, and an event to come.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Changed {
    version: String,
    status: String,
}

/// What was measured of each kill and of each registration beside it.
#[derive(Default)]
struct Measured {
    /// Kill until the event elsewhere, at each of the other nodes.
    death: Vec<Duration>,
    /// The same of a client that held its session over the Unix socket.
    death_at_socket: Vec<Duration>,
    /// Registration at the same node until the event elsewhere, at each of the other nodes.
    birth: Vec<Duration>,
    /// Kill until another connection of the same process has ended, as this process reads it.
    end: Vec<Duration>,
    /// UDP round trips.
    udp: Vec<Duration>,
}

fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start(setup, 3)?;
    let measured = kill(&cluster, setup.n_or(KILLS))?;
    let (end, udp) = (Sample::micros(measured.end), Sample::micros(measured.udp));
    let (death, birth) = (Sample::micros(measured.death), Sample::micros(measured.birth));
    let one_way = udp.p50() / 2.0;
    let limit = end.p50() + one_way;
    let count = death.len() as u64;
    for (which, percent) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("max", 100.0)] {
        let value = death.percentile(percent);
        report.add(Measure::lower(format!("kill to event elsewhere {which}"), value, "us", count).against(limit));
    }
    for (which, percent) in [("p50", 50.0), ("p99", 99.0)] {
        let value = birth.percentile(percent);
        let name = format!("broadcast: register to event elsewhere {which}");
        report.add(Measure::lower(name, value, "us", birth.len() as u64));
    }
    if !measured.death_at_socket.is_empty() {
        let death = Sample::micros(measured.death_at_socket);
        for (which, percent) in [("p50", 50.0), ("p99", 99.0)] {
            let name = format!("kill to event elsewhere {which}, session over the Unix socket");
            report.add(Measure::lower(name, death.percentile(percent), "us", count).against(limit));
        }
    }
    let beyond = death.p50() - birth.p50();
    report.add(Measure::lower("kill to event elsewhere p50, beyond a broadcast", beyond, "us", count));
    report.add(Measure::lower("limit: kill to end of a connection p50", end.p50(), "us", end.len() as u64));
    report.add(Measure::lower("limit: kill to end of a connection p99", end.percentile(99.0), "us", end.len() as u64));
    report.add(Measure::lower("limit: UDP one way p50, as idle", one_way, "us", udp.len() as u64));
    Ok(())
}

/// Starts and kills one process after the other, and registers an instance without a session after each.
fn kill(cluster: &Cluster, n: usize) -> Result<Measured> {
    let udp = Server::start(Kind::Udp, 0)?;
    let pinger = Pinger::new(udp.address)?;
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
    let mut node = Connection::open(cluster.agents[0].http)?;
    let open = |node: usize| WatchStream::open(cluster.agents[node].http, &format!("/v1/watch/{NAMESPACE}/session"));
    let others = [open(1)?, open(2)?];
    let mut measured = Measured::default();
    let agent = &cluster.agents[0];
    let socket = agent.socket.as_ref().map(|socket| format!("{UNIX}{}", socket.display()));
    // In turn, so that both meet the same machine.
    let doors = [Some(agent.http.to_string()), socket];
    let doors: Vec<&str> = doors.iter().flatten().map(String::as_str).collect();
    let kills = n * doors.len();
    for number in 0..kills {
        let door = number % doors.len();
        let client = start(doors[door], &listener, number)?;
        let mut connection = listener.accept().context("cannot accept")?.0;
        for watch in &others {
            arrival(watch, number, "passing")?;
        }
        std::thread::sleep(PAUSE);
        let ended = std::thread::spawn(move || {
            // A reset is an end as well.
            drop(connection.read(&mut [0]));
            Instant::now()
        });
        std::thread::sleep(PAUSE);
        let begun = Instant::now();
        drop(client);
        let death = if door == 0 { &mut measured.death } else { &mut measured.death_at_socket };
        for watch in &others {
            death.push(arrival(watch, number, "critical")? - begun);
        }
        measured.end.push(ended.join().map_err(|_| anyhow!("the reader panicked"))? - begun);

        std::thread::sleep(PAUSE);
        let born = kills + number;
        let path = format!("/v1/services/{NAMESPACE}/session/instances/born-{}", number % INSTANCES);
        let asked = request(
            "PUT",
            &path,
            &format!(r#"{{"address":"10.0.0.1","port":8080,"shares_address":true,"version":"{born}"}}"#),
        );
        let begun = Instant::now();
        node.exchange(&asked)?;
        for watch in &others {
            measured.birth.push(arrival(watch, born, "passing")? - begun);
        }
        std::thread::sleep(PAUSE);
        measured.udp.push(pinger.round_trip()?);
    }
    Ok(measured)
}

/// Starts a process that holds a session, and waits until it does.
fn start(agent: &str, listener: &TcpListener, number: usize) -> Result<Process> {
    let own = std::env::current_exe().context("cannot find out where this program is")?;
    let seen_by = listener.local_addr()?;
    let mut command = Command::new(own);
    command.args(["--hold", agent, &seen_by.to_string(), &number.to_string()]);
    let client = Process::start(&mut command, "the holder of a session")?;
    client.ready(PATIENCE)?;
    Ok(client)
}

/// Is the process that holds a session, with one instance on it: at `agent`, an address or `unix:` and a path, with a second
/// connection to `seen_by`. Until it is killed, or standard input ends.
pub(crate) fn hold(agent: &str, seen_by: &str, number: &str) -> Result<()> {
    let _seen = TcpStream::connect(seen_by).context("nobody looks on")?;
    let refused = || format!("cannot connect to {agent}");
    match agent.strip_prefix(UNIX) {
        Some(path) => hold_over(UnixStream::connect(path).with_context(refused)?, number),
        None => hold_over(TcpStream::connect(agent).with_context(refused)?, number),
    }
}

fn hold_over(mut stream: impl Read + Write, number: &str) -> Result<()> {
    let id = number.parse::<usize>().context("no number")? % INSTANCES;
    let instance = format!(
        r#"[{{"service":"{NAMESPACE}/session","id":"held-{id}","address":"10.0.0.1","port":8080,"shares_address":true,"version":"{number}"}}]"#
    );
    open_session(&mut stream, &instance)?;
    println!("ready {number}");
    std::io::stdin().read_to_end(&mut Vec::new()).context("standard input cannot be read")?;
    Ok(())
}

/// Opens a session with `instances`, a list in JSON, on it, and returns when the agent says that it is open. Its grace is longer than a
/// benchmark takes, so that the end of one instance's grace does not disturb another's death.
pub(super) fn open_session(stream: &mut (impl Read + Write), instances: &str) -> Result<()> {
    stream.write_all(&request("POST", "/v1/sessions?grace=10m", instances))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains(r#""event":"open""#) {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "the agent opened no session");
    }
    Ok(())
}

/// When the watch said that the instance with this number is of this status.
fn arrival(watch: &WatchStream, number: usize, status: &str) -> Result<Instant> {
    let arrived = watch.await_line(PATIENCE, |line| says(line, number, status))?;
    arrived.ok_or_else(|| anyhow!("no event says that {number} is {status}"))
}

fn says(line: &[u8], number: usize, status: &str) -> Result<bool> {
    let changed: Vec<Changed> = watch_stream::changed(line)?;
    let number = number.to_string();
    Ok(changed.iter().any(|one| one.version == number && one.status == status))
}

#[cfg(test)]
mod tests {
    use super::says;

    #[test]
    fn a_death_is_told_from_a_birth() {
        let change = br#"{"event":"change","changed":[{"id":"held-1","version":"17","status":"critical"}]}"#;
        assert!(says(change, 17, "critical").unwrap());
        assert!(!says(change, 17, "passing").unwrap());
        assert!(!says(change, 1, "critical").unwrap());
        assert!(!says(br#"{"event":"heartbeat","age_ms":3}"#, 17, "critical").unwrap());
        assert!(says(b"no JSON", 17, "critical").is_err());
    }
}
