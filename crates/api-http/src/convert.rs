//! From the model to the JSON that clients see.

pub(crate) mod checks;
pub(crate) mod registration;
pub(crate) mod sql;

use crate::answer::millis;
use crate::json;
use bytes::Bytes;
use checks::{CheckDocument, Checks};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use utoipa::ToSchema;
use whither_directory::{Listed, NodeView, Selection, ServiceView, Status};
use whither_model::{Check, InstanceId, Instant, NodeId, Port, Registration, Testimony, WallTime};

/// Shows a value as the text it prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<T>(pub(crate) T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Named ports as an object, in the order in which they were registered.
pub(crate) struct Ports<'a>(&'a [Port]);

impl Serialize for Ports<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|port| (port.name.as_str(), port.number)))
    }
}

pub(crate) struct Meta<'a>(&'a [(Box<str>, Box<str>)]);

impl Serialize for Meta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// One instance.
#[derive(Serialize, ToSchema)]
#[schema(as = Instance, example = json!({
    "id": "recos-7f9c", "address": "10.0.0.7", "port": 8080, "ports": {"main": 8080, "metrics": 9090}, "tags": ["v2"],
    "meta": {"team": "ml"}, "weight": 100, "version": "1.4.2", "zone": "eu-1a", "state": "up", "health": "passing",
    "status": "passing", "ttl_ms": 10_000, "owner": "00c0ffee00c0ffee", "node": "host-7", "owner_state": "alive",
    "changed_at": "2026-11-20T20:28:07.125Z"
}))]
pub(crate) struct InstanceOut<'a> {
    /// Unique in the service.
    id: &'a str,
    /// Where it listens.
    #[schema(value_type = String)]
    address: IpAddr,
    /// The first port, for callers that want one.
    port: Option<u16>,
    /// All ports by name, in the order in which they were registered.
    #[schema(value_type = std::collections::BTreeMap<String, u16>)]
    ports: Ports<'a>,
    /// Labels for selection.
    #[schema(value_type = Vec<String>)]
    tags: &'a [Box<str>],
    /// Free pairs, sorted by key.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    meta: Meta<'a>,
    /// Relative share of traffic now: less than was registered while it warms up.
    weight: u16,
    /// Of the software it runs.
    version: &'a str,
    /// Failure domain: its own, or else its node's.
    zone: &'a str,
    /// starting, up, draining or maintenance.
    state: &'static str,
    /// passing, warning or critical.
    health: &'static str,
    /// What it is worth to a caller: passing, warning, held, silent, lost, leaving, critical, evicted, starting, draining or
    /// maintenance.
    status: &'static str,
    /// Its lease, milliseconds; null if it has none.
    ttl_ms: Option<u64>,
    /// How its owner finds out whether it works; absent when it has no checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<CheckDocument>>)]
    checks: Option<Checks<'a>>,
    /// The id of the node that speaks for it.
    #[schema(value_type = String)]
    owner: Text<NodeId>,
    /// That node's name.
    node: &'a str,
    /// alive, suspect, down or left.
    owner_state: &'static str,
    /// When its owner last changed it, by the owner's wall clock (RFC 3339).
    #[schema(value_type = String)]
    changed_at: Text<WallTime>,
    /// Why the answer is what it is, if asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explain>,
}

/// Why an instance is shown as it is, and why it was chosen or not.
#[derive(Serialize, ToSchema)]
pub(crate) struct Explain {
    /// How long ago, at most, this was the truth about this one instance.
    age_ms: Option<u64>,
    /// The change that set it: owner, boot number, position in what that boot said.
    set_by: String,
    /// When its owner first heard of it (RFC 3339).
    #[schema(value_type = String)]
    claimed_at: Text<WallTime>,
    /// Who testifies that it lives: `session` (its process holds a connection), `lease` (it renews), `check` (its agent looks), several
    /// as `session and lease`, or `registrant` (it counts until it is told otherwise).
    witness: &'static str,
    /// When each of them last testified; known to its owner alone, null elsewhere: ask it with `?from=`.
    witnesses: Option<Vec<TestimonyOut>>,
    /// How the change came to the node that answers: `own`, `broadcast`, `repair` (by comparing replicas) or `disk`.
    came: &'static str,
    /// When it last changed in this node's views.
    index: u64,
    /// Whether a caller who just wants to be served is given it.
    chosen: bool,
    /// The reason, one sentence.
    why: &'static str,
}

/// When a witness last testified.
#[derive(Serialize, ToSchema)]
#[schema(as = Testimony)]
pub(crate) struct TestimonyOut {
    /// lease, session or checks.
    witness: &'static str,
    /// Of a lease: how long ago it was renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed_ms: Option<u64>,
    /// Of a lease: how long it runs on; 0: it has run out.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_ms: Option<u64>,
    /// Of a session: whether its client holds the connection now.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<bool>,
    /// Of checks: the worst that any of them says.
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<&'static str>,
}

impl From<&Testimony> for TestimonyOut {
    fn from(testimony: &Testimony) -> Self {
        let blank = Self { witness: "lease", renewed_ms: None, left_ms: None, held: None, health: None };
        match *testimony {
            Testimony::Lease { renewed, left } => {
                Self { renewed_ms: millis(Some(renewed)), left_ms: millis(Some(left)), ..blank }
            }
            Testimony::Session { held } => Self { witness: "session", held: Some(held), ..blank },
            Testimony::Checks { health } => Self { witness: "checks", health: Some(health.as_str()), ..blank },
        }
    }
}

/// What the owner's witnesses said of its instances.
pub(crate) type Testimonies = BTreeMap<InstanceId, Vec<Testimony>>;

impl<'a> InstanceOut<'a> {
    pub(crate) fn new(listed: &'a Listed) -> Self {
        let registration = &listed.instance.registration;
        Self {
            id: registration.id.as_str(),
            address: registration.address,
            port: registration.ports.first().map(|port| port.number),
            ports: Ports(&registration.ports),
            tags: &registration.tags,
            meta: Meta(&registration.meta),
            weight: listed.instance.weight(),
            version: &registration.version,
            zone: &listed.zone,
            state: registration.state.as_str(),
            health: registration.health.as_str(),
            status: listed.status.as_str(),
            ttl_ms: millis(registration.lease),
            checks: checks_of(registration).map(Checks),
            owner: Text(listed.owner()),
            node: listed.owner_name.as_str(),
            owner_state: listed.owner_state.as_str(),
            changed_at: Text(listed.instance.changed_at),
            explain: None,
        }
    }

    /// The same with the reasons, given how the service's instances were selected.
    pub(crate) fn explained(listed: &'a Listed, selection: Selection, testimonies: &Testimonies, now: Instant) -> Self {
        let instance = &listed.instance;
        let chosen = selection.takes(listed.status);
        let explain = Explain {
            age_ms: millis(listed.age(now)),
            set_by: format!("{}.{}", instance.owner, instance.version),
            claimed_at: Text(instance.claimed_at),
            witness: witness(&instance.registration),
            witnesses: testimonies.get(listed.id()).map(|all| all.iter().map(TestimonyOut::from).collect()),
            came: instance.came.as_str(),
            index: listed.changed.get(),
            chosen,
            why: why(listed.status, chosen),
        };
        Self { explain: Some(explain), ..Self::new(listed) }
    }
}

fn checks_of(registration: &Registration) -> Option<&[Check]> {
    registration.upkeep.as_ref().map(|upkeep| &*upkeep.checks).filter(|checks| !checks.is_empty())
}

fn witness(registration: &Registration) -> &'static str {
    let (session, lease) = (registration.session.is_some(), registration.lease.is_some());
    match (session, lease, checks_of(registration).is_some()) {
        (true, true, true) => "session, lease and check",
        (true, true, false) => "session and lease",
        (true, false, true) => "session and check",
        (true, false, false) => "session",
        (false, true, true) => "lease and check",
        (false, true, false) => "lease",
        (false, false, true) => "check",
        (false, false, false) => "registrant",
    }
}

fn why(status: Status, chosen: bool) -> &'static str {
    match (status, chosen) {
        (Status::Passing, true) => "It is in service and well.",
        (Status::Warning, true) => "It is in service and usable, although its health is warning.",
        (Status::Silent, true) => {
            "Its lease or session ran out, but nothing usable is left and nobody said that it is dead."
        }
        (Status::Silent, false) => "Its lease or session ran out and other instances are usable.",
        (Status::Lost, true) => "Its owner is gone, but nothing usable is left and this is its last known good state.",
        (Status::Lost, false) => "Its owner is gone and other instances are usable.",
        (Status::Held, _) => {
            "Only silence speaks against it, and too many fell silent at once: a guard keeps it in service."
        }
        (Status::Leaving, true) => {
            "It was deregistered as one of many, and nothing else is left: a guard keeps it a while."
        }
        (Status::Leaving, false) => {
            "It was deregistered as one of many: it takes nothing new, and is removed in its turn."
        }
        (Status::Evicted, _) => "A newer instance claims its address and port.",
        (Status::Critical, _) => "A witness said that it does not work.",
        (Status::Starting, _) => "It is registered but not in service yet.",
        (Status::Draining, _) => "It is finishing what it has and takes nothing new.",
        (Status::Maintenance, _) => "An operator took it out of service.",
        (Status::Passing | Status::Warning, false) => "It does not match what was asked for.",
    }
}

/// The word for how instances were selected.
pub(crate) const fn selection(selection: Selection) -> &'static str {
    match selection {
        Selection::Usable => "usable",
        Selection::LastKnown => "last_known",
        Selection::Empty => "empty",
    }
}

/// The array of these instances and the brace that closes the answer they end: `[…]}`.
pub(crate) fn instances<'a>(listed: impl Iterator<Item = &'a Arc<Listed>>) -> Bytes {
    array(listed.map(|listed| InstanceOut::new(listed)))
}

/// As [`instances`], for instances that are encoded for one request.
pub(crate) fn array<'a>(instances: impl Iterator<Item = InstanceOut<'a>>) -> Bytes {
    let mut bytes = vec![b'['];
    for instance in instances {
        if bytes.len() > 1 {
            bytes.push(b',');
        }
        json::put(&mut bytes, &instance);
    }
    bytes.extend_from_slice(b"]}\n");
    bytes.into()
}

/// A service in the list of all.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceSummary)]
pub(crate) struct ServiceOut<'a> {
    /// `namespace/service`.
    service: &'a str,
    /// How many instances are registered.
    instances: usize,
    /// How many of them are usable.
    usable: usize,
    /// Whether a guard keeps something in the answer that would otherwise be gone from it.
    protected: bool,
    /// usable, last_known or empty.
    selection: &'static str,
}

impl<'a> ServiceOut<'a> {
    pub(crate) fn new(service: &'a ServiceView) -> Self {
        Self {
            service: service.name().as_str(),
            instances: service.instances().len(),
            usable: service.instances().iter().filter(|listed| listed.status.is_usable()).count(),
            protected: service.is_protected(),
            selection: selection(service.selection()),
        }
    }
}

/// A node.
#[derive(Serialize, ToSchema)]
#[schema(as = Node)]
pub(crate) struct NodeOut<'a> {
    /// Its identity.
    #[schema(value_type = String)]
    id: Text<NodeId>,
    /// Its name; empty until its own row has arrived.
    name: &'a str,
    /// Where peers reach it.
    #[schema(value_type = String)]
    address: Text<SocketAddr>,
    /// alive, suspect, down or left.
    state: &'static str,
    /// Failure domain.
    zone: &'a str,
    /// Set of nodes near each other.
    region: &'a str,
    /// Its boot number.
    epoch: u64,
    /// The software it runs.
    software: &'a str,
    /// How many instances it owns.
    instances: usize,
    /// An operator took it, with all its instances, out of service.
    maintenance: bool,
    /// It is down, as are half of all nodes at once, or suspected for long: a guard keeps its instances in service.
    held: bool,
    /// How long ago, at most, all that it had said was known here.
    age_ms: Option<u64>,
    /// Whether it is the node that answers.
    #[serde(rename = "self")]
    is_self: bool,
}

impl<'a> NodeOut<'a> {
    pub(crate) fn new(node: &'a NodeView, own: NodeId, now: Instant) -> Self {
        let member = &node.member;
        Self {
            id: Text(member.id),
            name: member.name.as_str(),
            address: Text(member.address),
            state: member.state.as_str(),
            zone: &member.zone,
            region: &member.region,
            epoch: member.epoch.0,
            software: &member.software,
            instances: node.instances(),
            maintenance: member.maintenance,
            held: member.held,
            age_ms: millis(node.age(now)),
            is_self: member.id == own,
        }
    }
}
