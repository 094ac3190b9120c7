//! How much processor time checks take: `cargo run --release -p whither-checks --example load -- http 100000 20`.
//!
//! Checks of many loopback addresses, every ten seconds, by a runner in one thread. Who answers is another process, and is
//! counted apart: it is the instances' expense.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use whither_checks::{Config, Key, Runner, Stats, Target};
use whither_model::check::Http;
use whither_model::{Check, Health, Pace, Port, PortChoice, Probe};

type Failed = Box<dyn std::error::Error>;

const USAGE: &str = "usage: load [tcp|http] [checks] [seconds]";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 8\r\nconnection: close\r\n\r\nall well";
/// Checks share an address, as those of one host do.
const CHECKS_PER_ADDRESS: u32 = 100;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "http".into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if kind == "answer" {
        return runtime.block_on(answer());
    }
    let probe = match kind.as_str() {
        "tcp" => Probe::Tcp { port: PortChoice::First },
        "http" => Probe::Http(Http { path: "/health".into(), ..Http::default() }),
        _ => return Err(USAGE.into()),
    };
    let checks = arguments.next().map_or(Ok(100_000), |count| count.parse())?;
    let seconds = arguments.next().map_or(Ok(20), |seconds| seconds.parse())?;
    let (mut answering, port) = start_answering()?;
    let measured = runtime.block_on(measure(&probe, checks, seconds, port, answering.id()));
    answering.kill()?;
    answering.wait()?;
    measured
}

/// Starts this program again as the one who answers.
fn start_answering() -> Result<(Child, u16), Failed> {
    let mut child = Command::new(std::env::current_exe()?).arg("answer").stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    Ok((child, line.trim().parse()?))
}

async fn answer() -> Result<(), Failed> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([0, 0, 0, 0], 0)))?;
    let listener = socket.listen(4_096)?;
    println!("{}", listener.local_addr()?.port());
    loop {
        // Fails for a connection that was reset before it was accepted.
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(answer_one(stream));
    }
}

async fn answer_one(mut stream: TcpStream) {
    let mut request = [0; 1024];
    if stream.read(&mut request).await.is_ok_and(|count| count > 0) {
        drop(stream.write_all(ANSWER).await);
    }
}

async fn measure(probe: &Probe, checks: u32, seconds: u64, port: u16, answering: u32) -> Result<(), Failed> {
    let config = Config { allow: vec!["127.0.0.0/8".parse()?], ..Config::default() };
    let (runner, mut verdicts) = Runner::start(config);
    let pace = Pace { initial: Health::Critical, ..Pace::default() };
    let began = Instant::now();
    for one in 0..checks {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + one / CHECKS_PER_ADDRESS);
        let target =
            Target { address: IpAddr::V4(address), ports: [Port { name: "main".parse()?, number: port }].into() };
        let key = Key { service: "load".parse()?, instance: one.to_string().parse()? };
        runner.set(&key, &target, &[Check { name: "it".into(), probe: probe.clone(), pace }])?;
    }
    println!("{checks} checks set in {:?}", began.elapsed());
    let mut told = 0_u64;
    take_for(pace.interval, &mut verdicts, &mut told).await;
    let (before, stats) = (Spent::now(answering)?, runner.stats());
    let began = Instant::now();
    take_for(Duration::from_secs(seconds), &mut verdicts, &mut told).await;
    report(&before, &Spent::now(answering)?, began.elapsed(), &stats, &runner.stats());
    println!("{told} verdicts, {} KiB resident", resident()?);
    Ok(())
}

async fn take_for<T>(time: Duration, verdicts: &mut tokio::sync::mpsc::Receiver<T>, told: &mut u64) {
    let until = tokio::time::Instant::now() + time;
    let mut taken = Vec::new();
    while let Ok(1..) = tokio::time::timeout_at(until, verdicts.recv_many(&mut taken, 1_024)).await {
        *told += u64::try_from(taken.len()).unwrap_or(0);
        taken.clear();
    }
}

/// Processor seconds: of this process in the program and in the kernel, and of the one who answers.
struct Spent {
    user: f64,
    system: f64,
    answering: f64,
}

impl Spent {
    fn now(answering: u32) -> Result<Self, Failed> {
        let (user, system) = times("self")?;
        let (answering_user, answering_system) = times(&answering.to_string())?;
        Ok(Self { user, system, answering: answering_user + answering_system })
    }
}

/// Fields 14 and 15 of `/proc/PID/stat` (proc(5)), in hundredths of a second.
fn times(process: &str) -> Result<(f64, f64), Failed> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(')').ok_or("no name")?.1;
    let mut fields = after_name.split_whitespace().skip(11).map(str::parse::<f64>);
    let mut next = || fields.next().ok_or("too short")?.map_err(Failed::from);
    Ok((next()? / 100.0, next()? / 100.0))
}

fn resident() -> Result<String, Failed> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").to_owned())
}

fn report(before: &Spent, after: &Spent, time: Duration, stats: &Stats, now: &Stats) {
    let seconds = time.as_secs_f64();
    let (user, system) = ((after.user - before.user) / seconds, (after.system - before.system) / seconds);
    let runs = (now.passed + now.failed + now.unable) - (stats.passed + stats.failed + stats.unable);
    let count = f64::from(u32::try_from(runs).unwrap_or(u32::MAX).max(1));
    println!(
        "{:.0} runs/s: {} passed, {} failed, {} unable, {} late, {} turns left out",
        count / seconds,
        now.passed - stats.passed,
        now.failed - stats.failed,
        now.unable - stats.unable,
        now.late - stats.late,
        now.skipped - stats.skipped
    );
    println!(
        "checking: {:.2} processors ({user:.2} in the program, {system:.2} in the kernel), {:.1} us per run",
        user + system,
        (user + system) * seconds * 1e6 / count
    );
    println!("answering: {:.2} processors", (after.answering - before.answering) / seconds);
}
