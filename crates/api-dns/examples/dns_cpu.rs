//! Prints what a DNS question costs the thread that answers it: CPU time from the scheduler's own account.
//!
//! `cargo run --release -p whither-api-dns --example dns_cpu -- [queries] [kind]`, where kind is `a` (10 000 names),
//! `hot` (one name), `srv`, `nxdomain`, `churn` (`a` while the view changes a thousand times a second), or `echo`: the two
//! system calls alone, sending back as many bytes as an answer has, to compare with.

use std::error::Error;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use whither_api_dns::{Config, bind, serve};
use whither_directory::{Clock, Directory, Identity, Publisher};
use whither_model::{Delta, Epoch, Instance, NodeId, Port, Registration, Version, WallTime};

const SERVICES: u32 = 10_000;
const WINDOW: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let kind = arguments.next().unwrap_or_else(|| "a".to_owned());
    let node = NodeId::new(1).ok_or("zero")?;
    let identity = Identity {
        node,
        epoch: Epoch(1),
        name: "bench".parse()?,
        advertise: "127.0.0.1:7600".parse()?,
        zone: Box::default(),
        region: Box::default(),
        software: Box::default(),
    };
    let (directory, _queue) = Directory::new(identity, Clock::system());
    let mut publisher = Publisher::new(Arc::clone(&directory));
    for n in 0..SERVICES * 3 {
        publisher.apply(instance(node, n, 1)?);
    }
    publisher.publish();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _inside = runtime.enter();
    let config = Config { workers: 1, ..Config::default() };
    let bound = bind(&["127.0.0.1:0".parse()?], &config)?;
    let running = serve(bound, Arc::clone(&directory), config, std::future::pending())?;
    let address = if kind == "echo" { echo()? } else { running.local_addr().ok_or("no address")? };

    let churning = Arc::new(AtomicBool::new(kind == "churn"));
    let stop = Arc::clone(&churning);
    let churn = std::thread::spawn(move || {
        let mut weight = 1;
        while stop.load(Ordering::Relaxed) {
            weight = weight % 1_000 + 1;
            if let Ok(delta) = instance(node, 0, weight) {
                publisher.apply(delta);
            }
            publisher.publish();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let queries: Vec<Vec<u8>> = (0..SERVICES).map(|n| query(&kind, n.wrapping_mul(7_919) % SERVICES)).collect();
    ask(address, &queries, queries.len() * 2)?;
    let (before, began) = (worker_cpu()?, Instant::now());
    let lost = ask(address, &queries, count)?;
    let (cpu, wall) = (worker_cpu()? - before, began.elapsed());
    churning.store(false, Ordering::Relaxed);
    churn.join().map_err(|_| "the publisher panicked")?;
    let answered = (count - lost) as f64;
    println!(
        "{kind}: {:.3} us CPU per query, {:.0} queries/s, {lost} lost",
        cpu.as_secs_f64() * 1e6 / answered,
        answered / wall.as_secs_f64()
    );
    runtime.block_on(running.stop());
    Ok(())
}

/// A thread that counts as a worker and does nothing but read and send.
fn echo() -> Result<std::net::SocketAddr, Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    std::thread::Builder::new().name("dns-udp-echo".to_owned()).spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            if let Ok((length, from)) = socket.recv_from(&mut buffer)
                && socket.send_to(&buffer[..length + 48], from).is_err()
            {
                return;
            }
        }
    })?;
    Ok(address)
}

fn instance(node: NodeId, n: u32, weight: u16) -> Result<Delta, Box<dyn Error>> {
    let (service, id) = (format!("prod/service-{}", n / 3), format!("instance-{n}"));
    let address = Ipv4Addr::from(0x0a00_0000 + n);
    let mut registration = Registration::new(service.parse()?, id.parse()?, address.into());
    registration.ports = [Port { name: "http".parse()?, number: 8080 }].into();
    registration.weight = weight;
    let (version, at) = (Version::default(), WallTime(1));
    Ok(Delta::Instance(Arc::new(Instance {
        share: 100,
        leaving: false,
        came: whither_model::Came::Own,
        registration,
        owner: node,
        version,
        claimed_at: at,
        changed_at: at,
    })))
}

fn query(kind: &str, n: u32) -> Vec<u8> {
    let (service, qtype) = match kind {
        "hot" => ("service-0".to_owned(), 1),
        "srv" => (format!("service-{n}"), 33),
        "nxdomain" => (format!("nobody-{n}"), 1),
        _ => (format!("service-{n}"), 1),
    };
    let mut message = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in [service.as_str(), "prod", "whither", ""] {
        message.push(u8::try_from(label.len()).unwrap_or(0));
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, qtype, 0, 1]);
    message.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    message
}

/// Keeps [`WINDOW`] queries under way. Returns how many got no answer.
fn ask(server: std::net::SocketAddr, queries: &[Vec<u8>], count: usize) -> Result<usize, Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let (mut sent, mut answered, mut lost) = (0, 0, 0);
    let mut buffer = [0; 2048];
    while answered + lost < count {
        while sent < count && sent - answered - lost < WINDOW {
            socket.send(&queries[sent % queries.len()])?;
            sent += 1;
        }
        match socket.recv(&mut buffer) {
            Ok(_) => answered += 1,
            Err(_) => lost += sent - answered - lost,
        }
    }
    Ok(lost)
}

/// Time on the CPU of the threads that answer UDP: the first number of each one's `schedstat`, nanoseconds.
fn worker_cpu() -> Result<Duration, Box<dyn Error>> {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.starts_with("dns-udp") {
            let account = std::fs::read_to_string(task.join("schedstat"))?;
            total += account.split(' ').next().ok_or("schedstat is empty")?.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(total))
}
