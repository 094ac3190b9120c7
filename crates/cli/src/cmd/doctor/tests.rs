//! Made-up hosts, an agent that says what it is told to, and a nameserver that lies.

mod files;
mod inside;
mod layers;

use super::examine::{Case, Examined, examine};
use super::finding::{Finding, Layer, Verdict};
use super::host::Host;
use crate::agent_api::AgentApi;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// Long enough for whoever answers at all.
const LIMIT: Duration = Duration::from_secs(10);
/// Soon over, for whoever does not.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// A host that is a folder.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn with_link(self, path: &str, to: impl AsRef<Path>) -> Self {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, path).unwrap();
        self
    }

    fn host(&self) -> Host {
        Host::at(self.0.path(), LIMIT)
    }
}

/// An agent that answers by path, until it is dropped.
struct Agent {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// One that knows the service as these instances, or does not know it.
    fn knowing(instances: Option<&[String]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let service = instances.map(|all| {
            format!(r#"{{"service":"prod/recos","age_ms":12,"selection":"usable","instances":[{}]}}"#, all.join(","))
        });
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let Some(first) = lines.next() else { return };
                lines.find(String::is_empty);
                let (status, body) = match &service {
                    _ if first.contains("/v1/health") => (200, HEALTH.to_owned()),
                    Some(service) if first.contains("/v1/services/prod/recos?") => (200, service.clone()),
                    _ => {
                        (404, r#"{"type":"urn:whither:problem:unknown-service","detail":"no such service"}"#.to_owned())
                    }
                };
                let length = body.len();
                // Who hung up does not want to know.
                let _ = write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
            }
        });
        Self { address, thread: Some(thread) }
    }

    fn api(&self) -> AgentApi {
        AgentApi::new(self.address.to_string().parse().unwrap())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // A connection without a request is the sign to stop.
        drop(TcpStream::connect(self.address));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

const HEALTH: &str = r#"{"status":"ok","node":"00000000000000aa","age_ms":12,"services":1,"instances":1,
    "nodes":{"alive":3,"suspect":0,"down":0,"left":0}}"#;

fn instance(id: &str, address: &str, port: u16, status: &str) -> String {
    let given = status == "passing";
    format!(
        r#"{{"id":"{id}","address":"{address}","port":{port},"ports":{{"main":{port}}},"status":"{status}",
        "changed_at":"2026-11-20T20:28:07.125Z","explain":{{"age_ms":12,"chosen":{given}}}}}"#
    )
}

/// What a nameserver answers to a name: addresses with their TTL, or a code and the zone that says so.
#[derive(Clone)]
enum Says {
    Addresses(Vec<Ipv4Addr>, u32),
    No(u8, Option<&'static str>, u32),
}

/// A nameserver that says what it is told to (RFC 1035 section 4). Stopped when dropped.
struct Nameserver {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Nameserver {
    /// It answers names that are not among `says` with "no such name" of the root's.
    fn saying(says: &[(&str, Says)]) -> Self {
        Self::at("127.0.0.1", says)
    }

    /// As [`Nameserver::saying`], at another address of loopback.
    fn at(ip: &str, says: &[(&str, Says)]) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let says: Vec<(String, Says)> = says.iter().map(|(name, says)| ((*name).to_owned(), says.clone())).collect();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if length == 0 {
                    return;
                }
                socket.send_to(&reply(&buffer[..length], &says), from).unwrap();
            }
        });
        Self { address, thread: Some(thread) }
    }
}

impl Drop for Nameserver {
    fn drop(&mut self) {
        // An empty datagram is the sign to stop.
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[], self.address).unwrap();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn reply(question: &[u8], says: &[(String, Says)]) -> Vec<u8> {
    let (mut at, mut name) = (12, String::new());
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        name += std::str::from_utf8(&question[at + 1..end]).unwrap();
        name.push('.');
        at = end;
    }
    let is_a = question[at + 1..at + 3] == [0, 1];
    let known = says.iter().find(|(one, _)| *one == name).map(|(_, says)| says.clone());
    let (code, answers, authority) = match known.unwrap_or(Says::No(3, Some("."), 60)) {
        Says::Addresses(addresses, ttl) if is_a => {
            let record = |address: &Ipv4Addr| {
                [&[0xc0, 12, 0, 1, 0, 1][..], &ttl.to_be_bytes(), &[0, 4], &address.octets()].concat()
            };
            (0, addresses.iter().map(record).collect(), Vec::new())
        }
        Says::Addresses(..) => (0, Vec::new(), Vec::new()),
        Says::No(code, zone, ttl) => (code, Vec::new(), zone.map(|zone| soa(zone, ttl)).into_iter().collect()),
    };
    let counts = [1, answers.len(), authority.len(), 0].map(|count| u8::try_from(count).unwrap());
    let mut reply = [&question[..2], &[0x81, 0x80 | code]].concat();
    reply.extend(counts.iter().flat_map(|count| [0, *count]));
    reply.extend(&question[12..at + 5]);
    reply.extend(answers.into_iter().chain(authority).flatten());
    reply
}

fn soa(zone: &str, ttl: u32) -> Vec<u8> {
    let mut record = Vec::new();
    for label in zone.split('.').filter(|label| !label.is_empty()) {
        record.push(u8::try_from(label.len()).unwrap());
        record.extend(label.as_bytes());
    }
    record.extend([0, 0, 6, 0, 1]);
    record.extend(ttl.to_be_bytes());
    record.extend([0, 22, 0, 0]);
    record.extend([ttl, ttl, ttl, ttl, ttl].iter().flat_map(|number| number.to_be_bytes()));
    record
}

fn case() -> Case {
    Case {
        service: "prod/recos".parse().unwrap(),
        was: Vec::new(),
        // Nobody listens there: these tests are about the other layers.
        dns: closed_port(),
        zone: "whither".into(),
        spelled: Vec::new(),
        nameservers: Vec::new(),
        also: Vec::new(),
    }
}

/// A port at which nobody listens.
fn closed_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 1))
}

fn of(examined: &Examined, layer: Layer) -> Vec<&Finding> {
    examined.findings.iter().filter(|one| one.layer == layer).collect()
}

/// The one finding about a layer.
#[track_caller]
fn only(examined: &Examined, layer: Layer) -> &Finding {
    let found = of(examined, layer);
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0]
}
