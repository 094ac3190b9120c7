//! Asking over DNS where a service is.

use super::Benchmark;
use crate::cluster::{Agent, Cluster};
use crate::dns_query::{self, check, question};
use crate::limit::{Kind, Server};
use crate::proc_stat::{CpuMeter, threads_cpu};
use crate::process::Process;
use crate::record::{NAMESPACE, Record, grid, service_name};
use crate::report::{Measure, Report};
use crate::scratch::Scratch;
use crate::setup::Setup;
use crate::speed::{Speed, in_turns};
use crate::udp_load;
use anyhow::{Context, Result, ensure};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What this file measures.
pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "dns",
    about: "A questions about 10 000 services of 3 instances: per second, and CPU of the agent per question",
    run,
};

/// Services.
const SERVICES: usize = 10_000;
/// How long all of them may take to be registered.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the first answer may take.
const FIRST: Duration = Duration::from_secs(2);
/// How the agent's threads are called that answer DNS over UDP.
const THREADS: &str = "dns-udp";
fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let services = setup.n_or(SERVICES);
    let cluster = Cluster::start(setup, 1)?;
    let records: Vec<Record> = grid(services, usize::from(dns_query::ANSWERS)).collect();
    cluster.fill(&records, PATIENCE)?;
    let agent = &cluster.agents[0];
    let names: Vec<String> = shuffled(services).map(|at| dns_query::name(NAMESPACE, &service_name(at))).collect();
    let questions = names.iter().map(|name| question(name)).collect::<Result<Vec<_>>>()?;
    let answer = first_answer(agent.dns, &questions[0])?;

    let echo = Server::start(Kind::Udp, answer)?;
    let mut whole = Whole::default();
    let (own, limit) = in_turns(
        setup.phase(),
        |turn| ask_agent(agent, &questions, turn, &mut whole),
        |turn| {
            let meter = CpuMeter::start([echo.pid()])?;
            let load = udp_load::drive(echo.address, &questions, turn, |_| Ok(()))?;
            let cpu_seconds = meter.seconds()?;
            Ok(Speed { done: load.answered, seconds: load.elapsed.as_secs_f64(), cpu_seconds })
        },
    )?;

    let (n, cost) = (own.done, limit.cpu_micros());
    report.add(Measure::higher("by the clock", own.per_second(), "1/s", n).against(limit.per_second()));
    report.add(Measure::lower("agent CPU per question, DNS threads", own.cpu_micros(), "us", n).against(cost));
    let process = whole.cpu_seconds * 1e6 / whole.answered as f64;
    report.add(Measure::lower("agent CPU per question, whole process", process, "us", whole.answered).against(cost));
    let per_cpu = Measure::higher("per CPU-second of the DNS threads", own.per_cpu_second(), "1/s", n);
    report.add(per_cpu.against(limit.per_cpu_second()));
    report.add(Measure::lower("questions without an answer", whole.lost as f64, "", whole.answered));
    report.add(Measure::lower("size of the question", questions[0].len() as f64, "B", 1));
    report.add(Measure::lower("size of the answer", answer as f64, "B", 1));

    if installed("dnsperf") {
        let list = Scratch::new(&setup.dir)?;
        let lines: String = names.iter().map(|name| format!("{name} A\n")).collect();
        std::fs::write(list.path().join("names"), lines)?;
        let own = dnsperf(setup, &list, agent.dns)?;
        let limit = dnsperf(setup, &list, echo.address)?;
        report.add(Measure::higher("by dnsperf", own.per_second, "1/s", own.completed).against(limit.per_second));
        report.add(Measure::lower("by dnsperf: questions without an answer", own.lost as f64, "", own.completed));
    }
    Ok(())
}

/// Every number below `count` once, in an order that no cache likes.
fn shuffled(count: usize) -> impl Iterator<Item = usize> {
    /// Prime, and larger than any count.
    const STRIDE: usize = 15_485_863;
    (0..count).map(move |at| at * STRIDE % count)
}

/// How many bytes the answer has.
fn first_answer(server: SocketAddr, question: &[u8]) -> Result<usize> {
    let socket = UdpSocket::bind("127.0.0.1:0").context("cannot open a UDP socket")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(FIRST))?;
    socket.send(question)?;
    let mut buffer = [0; 4096];
    let size = socket.recv(&mut buffer).context("the agent does not answer over DNS")?;
    check(&buffer[..size])?;
    Ok(size)
}

/// What all turns together cost and lost, the warm-up included.
#[derive(Default)]
struct Whole {
    answered: u64,
    lost: u64,
    /// Of the whole process.
    cpu_seconds: f64,
}

/// Asks the agent for a while. The processor time is that of the threads that answer.
fn ask_agent(agent: &Agent, questions: &[Vec<u8>], turn: Duration, whole: &mut Whole) -> Result<Speed> {
    let (threads, meter) = (threads_cpu(agent.pid(), THREADS)?, CpuMeter::start([agent.pid()])?);
    let load = udp_load::drive(agent.dns, questions, turn, check)?;
    let threads = threads_cpu(agent.pid(), THREADS)?.saturating_sub(threads);
    ensure!(!threads.is_zero(), "the agent has no threads called {THREADS}*, or the kernel keeps no schedstat");
    whole.cpu_seconds += meter.seconds()?;
    whole.answered += load.answered;
    whole.lost += load.lost;
    Ok(Speed { done: load.answered, seconds: load.elapsed.as_secs_f64(), cpu_seconds: threads.as_secs_f64() })
}

fn installed(program: &str) -> bool {
    Command::new(program).arg("-h").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

struct Dnsperf {
    per_second: f64,
    completed: u64,
    lost: u64,
}

fn dnsperf(setup: &Setup, list: &Scratch, server: SocketAddr) -> Result<Dnsperf> {
    let seconds = setup.phase().as_secs().max(1);
    let mut command = Command::new("dnsperf");
    command.args(["-s", &server.ip().to_string(), "-p", &server.port().to_string(), "-l", &seconds.to_string()]);
    command.args(["-c", "16", "-T", "2", "-q", "128", "-d"]).arg(list.path().join("names"));
    let text = Process::start(&mut command, "dnsperf")?.output(setup.phase() + PATIENCE)?;
    read_dnsperf(&text).with_context(|| format!("dnsperf said: {text}"))
}

fn read_dnsperf(text: &str) -> Option<Dnsperf> {
    let field = |name: &str| {
        let rest = text.lines().find_map(|line| line.trim().strip_prefix(name))?;
        rest.split_ascii_whitespace().next()
    };
    Some(Dnsperf {
        per_second: field("Queries per second:")?.parse().ok()?,
        completed: field("Queries completed:")?.parse().ok()?,
        lost: field("Queries lost:")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{read_dnsperf, shuffled};
    use std::collections::BTreeSet;

    #[test]
    fn every_service_is_asked_for_once_a_round() {
        for count in [1, 10, 10_000, 15_485] {
            assert_eq!(shuffled(count).collect::<BTreeSet<_>>().len(), count);
        }
    }

    #[test]
    fn what_dnsperf_says_is_read() {
        let text = "Statistics:\n\n  Queries sent:         200\n  Queries completed:    198 (99.00%)\n  \
                    Queries lost:         2 (1.00%)\n  Queries per second:   12345.678900\n";
        let read = read_dnsperf(text).unwrap();
        assert_eq!((read.per_second, read.completed, read.lost), (12345.6789, 198, 2));
        assert!(read_dnsperf("").is_none());
    }
}
