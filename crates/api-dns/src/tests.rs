//! A small catalog, and questions to it, for all tests of this crate.

mod answers;
mod ask;
mod change;
mod dig;
mod limits;
mod names;
mod paths;
mod sockets;

use crate::answerer::{Answerer, Source, Transport};
use crate::config::Config;
use crate::counters::Counters;
use crate::unusual;
use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};
use std::net::IpAddr;
use std::sync::Arc;
use whither_directory::{Clock, Directory, Identity, Publisher};
use whither_model::{
    Delta, Epoch, Instance, Member, MemberState, NodeId, Port, Registration, ServiceName, Version, WallTime,
};

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const ANY: u16 = 255;

fn node(n: u64) -> NodeId {
    NodeId::new(n).unwrap()
}

struct World {
    directory: Arc<Directory>,
    publisher: Publisher,
    clock: Clock,
    source: Arc<Source>,
    counters: Arc<Counters>,
    udp: Answerer,
    tcp: Answerer,
}

impl World {
    fn new() -> Self {
        Self::with(&Config::default())
    }

    fn with(config: &Config) -> Self {
        let clock = Clock::manual();
        let identity = Identity {
            node: node(0xa),
            epoch: Epoch(3),
            name: "a".parse().unwrap(),
            advertise: "192.0.2.1:7600".parse().unwrap(),
            zone: Box::default(),
            region: Box::default(),
            software: "test".into(),
        };
        let (directory, _queue) = Directory::new(identity, clock.clone());
        let publisher = Publisher::new(Arc::clone(&directory));
        let source = Arc::new(Source::new(Arc::clone(&directory), config).unwrap());
        let counters = Arc::new(Counters::default());
        let answerer = |transport| Answerer::new(Arc::clone(&source), Arc::clone(&counters), transport);
        let (udp, tcp) = (answerer(Transport::Udp), answerer(Transport::Tcp));
        let mut world = Self { directory, publisher, clock, source, counters, udp, tcp };
        world.member(0xa, "a", "192.0.2.1", MemberState::Alive);
        world.member(0xb, "b.example", "2001:db8::b", MemberState::Alive);
        world
    }

    /// Three instances of `default/web` on two hosts and in both families, one of `prod/api`, and a namespace `node`.
    fn populated() -> Self {
        let mut world = Self::new();
        world.register("web", "w1", "10.0.0.1", |r| r.tags = ["V1".into(), "blue".into()].into());
        world.register("web", "w2", "10.0.0.2", |r| r.ports = [port("http", 8080), port("admin", 9000)].into());
        world.register("web", "host:w3:80", "2001:db8::3", |r| r.weight = 7);
        world.register("prod/api", "a1", "10.0.1.1", |r| r.meta = [("team".into(), "blue".into())].into());
        world.register("node/web", "n1", "10.0.2.1", |_| ());
        world.register("prod/no-port", "p1", "10.0.3.1", |r| r.ports = std::sync::Arc::default());
        world
    }

    fn member(&mut self, id: u64, name: &str, address: &str, state: MemberState) {
        self.publisher.apply(Delta::Member(Member {
            held: false,
            maintenance: false,
            id: node(id),
            name: Arc::new(name.parse().unwrap()),
            address: (address.parse::<IpAddr>().unwrap(), 7600).into(),
            epoch: Epoch(1),
            state,
            vouches: state.is_present(),
            zone: Box::default(),
            region: Box::default(),
            software: Box::default(),
        }));
        self.publisher.publish();
    }

    fn register(&mut self, service: &str, id: &str, address: &str, change: impl FnOnce(&mut Registration)) {
        self.stage(0xa, service, id, address, change);
        self.publisher.publish();
    }

    fn stage(&mut self, owner: u64, service: &str, id: &str, address: &str, change: impl FnOnce(&mut Registration)) {
        let mut registration =
            Registration::new(service.parse().unwrap(), id.parse().unwrap(), address.parse().unwrap());
        registration.ports = [port("http", 80)].into();
        change(&mut registration);
        registration.check().unwrap();
        self.publisher.apply(Delta::Instance(Arc::new(Instance {
            share: 100,
            leaving: false,
            came: whither_model::Came::Own,
            registration,
            owner: node(owner),
            version: Version::default(),
            claimed_at: WallTime(1),
            changed_at: WallTime(1),
        })));
    }

    /// A service of `count` instances at addresses from 10.1.0.0 on.
    fn register_many(&mut self, service: &str, count: u32) {
        for n in 0..count {
            let address = std::net::Ipv4Addr::from(0x0a01_0000 + n).to_string();
            self.stage(0xa, service, &format!("i{n}"), &address, |_| ());
        }
        self.publisher.publish();
    }

    fn remove(&mut self, service: &str, id: &str) {
        let (service, id) = (service.parse::<ServiceName>().unwrap(), id.parse().unwrap());
        self.publisher.apply(Delta::InstanceGone { service, id, owner: node(0xa) });
        self.publisher.publish();
    }

    /// The octets answered over UDP, by the way that the query takes.
    fn octets(&mut self, query: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![1, 2, 3];
        self.udp.answer(query, &mut out).then_some(out)
    }

    /// The octets answered by the general path, whatever the query.
    fn general_octets(&self, transport: Transport, turn: usize, query: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        unusual::answer(&self.source, &self.counters, transport, turn, query, &mut out);
        out
    }

    fn send(&mut self, query: &Query) -> Message {
        Message::from_vec(&self.octets(&query.octets()).unwrap()).unwrap()
    }

    fn send_tcp(&mut self, query: &Query) -> Message {
        let mut out = Vec::new();
        assert!(self.tcp.answer(&query.octets(), &mut out));
        Message::from_vec(&out).unwrap()
    }

    /// The answer over UDP with EDNS, as text: the code, then a line for each record.
    fn ask(&mut self, name: &str, qtype: u16) -> String {
        text(&self.send(&Query::new(name, qtype).edns(1232)))
    }
}

fn port(name: &str, number: u16) -> Port {
    Port { name: name.parse().unwrap(), number }
}

fn text(message: &Message) -> String {
    let line = |record: &Record| match &record.data {
        RData::TXT(strings) => {
            let strings: Vec<_> = strings.txt_data.iter().map(|string| String::from_utf8_lossy(string)).collect();
            format!("{} {} IN TXT {}", record.name, record.ttl, strings.join(" "))
        }
        _ => record.to_string(),
    };
    let mut lines = vec![message.metadata.response_code.to_string()];
    lines.extend(message.answers.iter().map(line));
    lines.extend(message.authorities.iter().map(|record| format!("authority: {record}")));
    lines.extend(message.additionals.iter().map(|record| format!("additional: {record}")));
    lines.join("\n")
}

/// The data of the answers, sorted.
fn data(message: &Message) -> Vec<String> {
    let mut data: Vec<String> = message.answers.iter().map(|record| record.data.to_string()).collect();
    data.sort();
    data
}

/// A query as a client writes it.
#[derive(Clone, Debug)]
struct Query {
    name: Vec<Vec<u8>>,
    qtype: u16,
    qclass: u16,
    flags: [u8; 2],
    edns: Option<Vec<u8>>,
}

impl Query {
    fn new(name: &str, qtype: u16) -> Self {
        let name = name.split('.').filter(|label| !label.is_empty()).map(|label| label.as_bytes().to_vec()).collect();
        Self { name, qtype, qclass: 1, flags: [1, 0], edns: None }
    }

    /// With an OPT record that allows answers of this many octets.
    fn edns(self, payload: u16) -> Self {
        self.opt(payload, 0, 0, &[])
    }

    fn opt(mut self, payload: u16, version: u8, flags: u8, options: &[u8]) -> Self {
        let [p0, p1] = payload.to_be_bytes();
        let [l0, l1] = u16::try_from(options.len()).unwrap().to_be_bytes();
        self.edns = Some([&[0, 0, 41, p0, p1, 0, version, flags, 0, l0, l1], options].concat());
        self
    }

    fn octets(&self) -> Vec<u8> {
        let mut octets = vec![0x12, 0x34, self.flags[0], self.flags[1], 0, 1, 0, 0, 0, 0, 0, 0];
        for label in &self.name {
            octets.push(u8::try_from(label.len()).unwrap());
            octets.extend_from_slice(label);
        }
        octets.push(0);
        octets.extend_from_slice(&self.qtype.to_be_bytes());
        octets.extend_from_slice(&self.qclass.to_be_bytes());
        if let Some(edns) = &self.edns {
            octets[11] = 1;
            octets.extend_from_slice(edns);
        }
        octets
    }
}

/// Random numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}
