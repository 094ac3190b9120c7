//! Instances such as people register: two tags, two ports, two pairs of meta.

use crate::http_client::request;
use anyhow::{Context, Result};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use whither_model::durable::Snapshot;
use whither_model::{Ack, Command, Epoch, Health, Instant, NodeId, Now, Port, Registration, State, Ticket, WallTime};
use whither_replica::{Config, Replica, Timing};

/// The namespace of everything that is registered here.
pub(crate) const NAMESPACE: &str = "bench";

/// An instance of a service, by numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    /// Which service.
    pub(crate) service: usize,
    /// Which instance of it.
    pub(crate) instance: usize,
    /// How long its lease is; `None` for none.
    pub(crate) lease: Option<Duration>,
}

/// The name of a service without its namespace.
pub(crate) fn service_name(service: usize) -> String {
    format!("service-{service:05}")
}

/// `instances` of each of `services`, service by service.
pub(crate) fn grid(services: usize, instances: usize) -> impl Iterator<Item = Record> {
    (0..services).flat_map(move |service| (0..instances).map(move |instance| Record::new(service, instance)))
}

impl Record {
    /// Without a lease.
    pub(crate) fn new(service: usize, instance: usize) -> Self {
        Self { service, instance, lease: None }
    }

    /// Its id: the service, and something like what a scheduler appends.
    pub(crate) fn id(&self) -> String {
        let tail = (self.service as u64 * 1_000_003 + self.instance as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{}-{:08x}-{}", service_name(self.service), tail >> 32, self.instance)
    }

    fn address(&self) -> Ipv4Addr {
        let host = (self.service * 251 + self.instance + 1) as u32 & 0x00ff_ffff;
        Ipv4Addr::from(0x0a00_0000 | host)
    }

    fn fields(&self) -> [(&'static str, String); 4] {
        let commit = (self.service as u32).wrapping_mul(0x9e37_79b1);
        [
            ("version", format!("1.{}.{}", self.service % 50, self.service % 7)),
            ("zone", format!("zone-{}", self.instance % 3)),
            ("commit", format!("{commit:08x}")),
            ("team", format!("team-{}", self.service % 40)),
        ]
    }

    /// The path of its registration.
    pub(crate) fn path(&self) -> String {
        format!("/v1/services/{NAMESPACE}/{}/instances/{}", service_name(self.service), self.id())
    }

    /// The members of its registration's JSON, without the braces.
    fn members(&self) -> String {
        let [(_, version), (_, zone), (_, commit), (_, team)] = self.fields();
        let ttl = self.lease.map_or_else(String::new, |lease| format!(r#","ttl":{}"#, lease.as_millis()));
        format!(
            r#""address":"{}","ports":{{"http":8080,"metrics":9090}},"tags":["http","{team}"],"meta":{{"commit":"{commit}","team":"{team}"}},"version":"{version}","zone":"{zone}"{ttl}"#,
            self.address()
        )
    }

    /// The request that registers it alone.
    pub(crate) fn put(&self, query: &str) -> Vec<u8> {
        request("PUT", &format!("{}{query}", self.path()), &format!("{{{}}}", self.members()))
    }

    /// The request that renews it.
    pub(crate) fn renewal(&self) -> Vec<u8> {
        request("PUT", &format!("{}/renew", self.path()), "")
    }

    /// What the agent makes of [`Record::put`].
    pub(crate) fn registration(&self) -> Result<Registration> {
        let [(_, version), (_, zone), (_, commit), (_, team)] = self.fields();
        let service = format!("{NAMESPACE}/{}", service_name(self.service)).parse().context("service")?;
        let mut registration = Registration::new(service, self.id().parse()?, IpAddr::V4(self.address()));
        registration.ports =
            [Port { name: "http".parse()?, number: 8080 }, Port { name: "metrics".parse()?, number: 9090 }].into();
        registration.tags = ["http".into(), team.as_str().into()].into();
        registration.meta = [("commit".into(), commit.into()), ("team".into(), team.into())].into();
        registration.version = version.into();
        registration.zone = zone.into();
        registration.lease = self.lease;
        (registration.state, registration.health) = (State::Up, Health::Passing);
        registration.check()?;
        Ok(registration)
    }
}

/// The request that registers many at once.
pub(crate) fn post(records: &[Record], query: &str) -> Vec<u8> {
    request("POST", &format!("/v1/instances{query}"), &array(records))
}

/// The list of their registrations, in JSON.
pub(crate) fn array(records: &[Record]) -> String {
    let one = |record: &Record| {
        let service = service_name(record.service);
        format!(r#"{{"service":"{NAMESPACE}/{service}","id":"{}",{}}}"#, record.id(), record.members())
    };
    let all: Vec<String> = records.iter().map(one).collect();
    format!("[{}]", all.join(","))
}

/// A node of its own, in this process, that has just begun.
pub(crate) fn core(now: Now) -> Result<Replica> {
    let node = NodeId::new(1).context("a node id")?;
    let snapshot = Snapshot { node, epoch: Epoch(1), rows: Vec::new(), seen: Vec::new(), members: Vec::new() };
    let config = Config {
        name: "bench".parse()?,
        advertise: (Ipv4Addr::LOCALHOST, 7600).into(),
        zone: Box::default(),
        region: Box::default(),
        software: Box::default(),
        seeds: Vec::new(),
        seed: 1,
        timing: Timing::default(),
        guards: whither_replica::Guards::default(),
    };
    let mut replica = Replica::new(config, snapshot, now);
    while replica.poll_ready().is_some() {}
    Ok(replica)
}

/// Bytes of the encoded row of an instance, key and record: what a node cannot help to keep and to send.
pub(crate) fn encoded_bytes(record: Record) -> Result<usize> {
    let now = Now { mono: Instant::START, wall: WallTime(1_700_000_000_000) };
    let mut replica = core(now)?;
    let registrations = vec![record.registration()?];
    replica.handle_command(now, Ticket(1), Command::Register { registrations, ack: Ack::Memory });
    let ready = replica.poll_ready().context("a registration has effects")?;
    let size =
        |row: &whither_model::durable::Row| row.key.key.len() + row.value.as_ref().map_or(0, |value| value.len());
    Ok(ready.journal.rows.iter().map(size).sum())
}

#[cfg(test)]
mod tests {
    use super::{Record, encoded_bytes, grid, post};
    use std::collections::HashSet;
    use std::time::Duration;

    #[test]
    fn records_are_valid_and_all_different() {
        let record = Record { lease: Some(Duration::from_secs(30)), ..Record::new(3, 4) };
        let registration = record.registration().unwrap();
        assert_eq!((registration.ports.len(), registration.tags.len(), registration.meta.len()), (2, 2, 2));
        let ids: HashSet<String> = grid(30, 40).map(|record| record.path()).collect();
        assert_eq!(ids.len(), 30 * 40);
        let addresses: HashSet<_> = grid(30, 40).map(|record| record.address()).collect();
        assert_eq!(addresses.len(), 30 * 40);
    }

    #[test]
    fn requests_hold_the_json_of_the_registration() {
        let record = Record { lease: Some(Duration::from_secs(30)), ..Record::new(3, 4) };
        let body = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            serde_json::from_str::<serde_json::Value>(body).unwrap()
        };
        let (one, many) = (body(record.put("")), body(post(&[record, Record::new(3, 5)], "?ack=durable")));
        let registration = record.registration().unwrap();
        assert_eq!(one["address"], registration.address.to_string());
        assert_eq!((&one["ttl"], &one["ports"]["metrics"]), (&30_000.into(), &9090.into()));
        assert_eq!((&many[0]["service"], &many[0]["id"]), (&"bench/service-00003".into(), &record.id().into()));
        assert_eq!(many[1].get("ttl"), None);
        assert_eq!(many[0]["meta"], one["meta"]);
    }

    #[test]
    fn the_core_says_how_large_a_record_is() {
        let bytes = encoded_bytes(Record::new(3, 4)).unwrap();
        assert!((80..400).contains(&bytes), "{bytes}");
    }
}
