//! The catalog's tables: what the encoded rows mean.
//!
//! The one applier of this two tables. A row that cannot be read, because a newer node wrote it or a broken one, is
//! kept and passed on like any other, but not applied.

mod upkeep;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use prost::Message;
use whither_model::durable::{Row, TableId};
use whither_model::{
    Came, Health, Instance, InstanceId, NodeName, Port, Registration, ServiceName, SessionId, State, WallTime,
};

/// One row per node, with an empty key: what it says of itself.
pub const NODES: TableId = TableId(1);
/// One row per instance; the key is the service's name, a zero byte and the instance's id.
pub const INSTANCES: TableId = TableId(2);

/// One row per instance that somebody else than its owner said is gone; the key is the owner's id and the instance's key.
pub const OVERRULES: TableId = TableId(3);

#[derive(Clone, PartialEq, Message)]
struct NodeRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    zone: String,
    #[prost(string, tag = "3")]
    region: String,
    #[prost(string, tag = "4")]
    software: String,
    #[prost(bool, tag = "5")]
    maintenance: bool,
}

#[derive(Clone, PartialEq, Message)]
struct NamedPort {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    number: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct InstanceRecord {
    #[prost(bytes = "bytes", tag = "1")]
    ip: Bytes,
    #[prost(message, repeated, tag = "2")]
    ports: Vec<NamedPort>,
    #[prost(string, repeated, tag = "3")]
    tags: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    meta: Vec<Pair>,
    #[prost(uint32, tag = "5")]
    weight: u32,
    #[prost(string, tag = "6")]
    version: String,
    #[prost(string, tag = "7")]
    zone: String,
    /// 0 starting, 1 up, 2 draining, 3 maintenance.
    #[prost(uint32, tag = "8")]
    state: u32,
    /// 0 passing, 1 warning, 2 critical, 3 critical because silent, 4 silent but kept in service.
    #[prost(uint32, tag = "9")]
    health: u32,
    /// Milliseconds; zero means none.
    #[prost(uint64, tag = "10")]
    lease: u64,
    #[prost(uint64, tag = "11")]
    claimed_at: u64,
    #[prost(uint64, tag = "12")]
    changed_at: u64,
    /// Zero means none.
    #[prost(uint64, tag = "13")]
    session: u64,
    #[prost(message, optional, tag = "14")]
    upkeep: Option<upkeep::UpkeepRecord>,
    #[prost(bool, tag = "15")]
    shares_address: bool,
    /// How much of its weight is withheld, in percent.
    #[prost(uint32, tag = "16")]
    withheld: u32,
    #[prost(bool, tag = "17")]
    leaving: bool,
}

/// What a node says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeProfile {
    /// What people call it.
    pub name: NodeName,
    /// Its failure domain; may be empty.
    pub zone: Box<str>,
    /// Its region; may be empty.
    pub region: Box<str>,
    /// Its software version.
    pub software: Box<str>,
    /// An operator took it out of service.
    pub maintenance: bool,
}

impl NodeProfile {
    pub(crate) fn encode(&self) -> Vec<u8> {
        NodeRecord {
            name: self.name.as_str().into(),
            zone: (&*self.zone).into(),
            region: (&*self.region).into(),
            software: (&*self.software).into(),
            maintenance: self.maintenance,
        }
        .encode_to_vec()
    }

    /// What the row says, or `None` if it cannot be read.
    #[must_use]
    pub fn decode(row: &Row) -> Option<Self> {
        let record = NodeRecord::decode(&**row.value.as_ref()?).ok()?;
        Some(Self {
            name: record.name.parse().ok()?,
            zone: whither_model::name::check_place("zone", &record.zone).ok()?,
            region: whither_model::name::check_place("region", &record.region).ok()?,
            software: record.software.chars().take(64).collect::<String>().into(),
            maintenance: record.maintenance,
        })
    }
}

/// The key of an instance's row.
pub(crate) fn instance_key(service: &ServiceName, id: &InstanceId) -> Vec<u8> {
    let mut key = Vec::with_capacity(service.as_str().len() + 1 + id.as_str().len());
    key.extend_from_slice(service.as_str().as_bytes());
    key.push(0);
    key.extend_from_slice(id.as_str().as_bytes());
    key
}

/// What an instance's key names, or `None` if it is no such key.
#[must_use]
pub fn parse_instance_key(key: &[u8]) -> Option<(ServiceName, InstanceId)> {
    let (service, id) = core::str::from_utf8(key).ok()?.split_once('\0')?;
    let (namespace, service) = service.split_once('/')?;
    Some((ServiceName::new(namespace, service).ok()?, id.parse().ok()?))
}

/// The record of `instance`; its owner and version are not part of it.
pub(crate) fn encode_instance(instance: &Instance) -> Vec<u8> {
    let registration = &instance.registration;
    let ip = match registration.address {
        IpAddr::V4(ip) => Bytes::copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => Bytes::copy_from_slice(&ip.octets()),
    };
    let ports =
        registration.ports.iter().map(|port| NamedPort { name: port.name.as_str().into(), number: port.number.into() });
    let meta = registration.meta.iter().map(|(key, value)| Pair { key: (&**key).into(), value: (&**value).into() });
    InstanceRecord {
        ip,
        ports: ports.collect(),
        tags: registration.tags.iter().map(|tag| (&**tag).into()).collect(),
        meta: meta.collect(),
        weight: registration.weight.into(),
        version: (&*registration.version).into(),
        zone: (&*registration.zone).into(),
        state: match registration.state {
            State::Starting => 0,
            State::Up => 1,
            State::Draining => 2,
            State::Maintenance => 3,
        },
        health: match registration.health {
            Health::Passing => 0,
            Health::Warning => 1,
            Health::Critical => 2,
            Health::Silent => 3,
            Health::Overdue => 4,
        },
        lease: registration.lease.map_or(0, |lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)),
        claimed_at: instance.claimed_at.0,
        changed_at: instance.changed_at.0,
        session: registration.session.map_or(0, SessionId::get),
        upkeep: registration.upkeep.as_deref().map(upkeep::encode),
        shares_address: registration.shares_address,
        withheld: u32::from(100 - instance.share.clamp(1, 100)),
        leaving: instance.leaving,
    }
    .encode_to_vec()
}

/// The instance that a row describes, or `None` if it is a tombstone or cannot be read.
#[must_use]
pub fn decode_instance(row: &Row) -> Option<Instance> {
    let record = InstanceRecord::decode(&**row.value.as_ref()?).ok()?;
    let (service, id) = parse_instance_key(&row.key.key)?;
    let address = match *record.ip {
        [a, b, c, d] => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&*record.ip).ok()?)),
    };
    let port = |port: NamedPort| Some(Port { name: port.name.parse().ok()?, number: u16::try_from(port.number).ok()? });
    let registration = Registration {
        service,
        id,
        address,
        ports: record.ports.into_iter().map(port).collect::<Option<_>>()?,
        tags: record.tags.into_iter().map(String::into_boxed_str).collect(),
        meta: record.meta.into_iter().map(|pair| (pair.key.into_boxed_str(), pair.value.into_boxed_str())).collect(),
        weight: u16::try_from(record.weight).ok()?,
        version: record.version.into(),
        zone: record.zone.into(),
        state: match record.state {
            0 => State::Starting,
            1 => State::Up,
            2 => State::Draining,
            3 => State::Maintenance,
            _ => return None,
        },
        health: match record.health {
            0 => Health::Passing,
            1 => Health::Warning,
            2 => Health::Critical,
            3 => Health::Silent,
            4 => Health::Overdue,
            _ => return None,
        },
        lease: (record.lease != 0).then(|| Duration::from_millis(record.lease)),
        session: SessionId::new(record.session),
        upkeep: record.upkeep.map(upkeep::decode).transpose().ok()?.map(Arc::new),
        shares_address: record.shares_address,
    };
    // The bounds hold again here: a record of another node is bytes from outside.
    registration.check().ok()?;
    Some(Instance {
        registration,
        share: 100 - u8::try_from(record.withheld.min(99)).unwrap_or(0),
        leaving: record.leaving,
        came: Came::default(),
        owner: row.key.node,
        version: row.version,
        claimed_at: WallTime(record.claimed_at),
        changed_at: WallTime(record.changed_at),
    })
}
