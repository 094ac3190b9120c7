//! What the catalog looks like to clients of Consul: nodes, services and checks, field by field as they know them.

mod entry;
mod shapes;

use crate::extras::ForeignNode;
use crate::names;
pub(crate) use entry::{Entry, entries};
pub(crate) use shapes::{AgentService, CatalogService, Check, HealthEntry, Node, Service};
use shapes::{Nothing, Proxy};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use whither_directory::{NodeView, Status};
use whither_model::State;
use whither_model::check::Probe;

pub(crate) const PASSING: &str = "passing";
pub(crate) const WARNING: &str = "warning";
pub(crate) const CRITICAL: &str = "critical";

/// What is the same in every answer of this agent.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) datacenter: Box<str>,
    /// The index of whatever was there when this agent started, or may have been.
    pub(crate) created: u64,
}

fn tagged_of(address: &str) -> BTreeMap<&'static str, Cow<'static, str>> {
    let names = match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => ["lan", "lan_ipv6", "wan", "wan_ipv6"],
        _ => ["lan", "lan_ipv4", "wan", "wan_ipv4"],
    };
    names.into_iter().map(|name| (name, address.to_owned().into())).collect()
}

fn node_meta() -> BTreeMap<&'static str, &'static str> {
    [("consul-network-segment", "")].into()
}

impl Frame {
    /// An agent's node.
    pub(crate) fn node<'a>(&'a self, node: &'a NodeView, modified: u64) -> Node<'a> {
        let address = node.member.address.ip().to_string();
        Node {
            id: names::uuid(node.member.id).into(),
            name: node.member.name.as_str(),
            datacenter: &self.datacenter,
            tagged: Some(tagged_of(&address)),
            address: address.into(),
            meta: Some(node_meta()),
            created: self.created,
            modified,
        }
    }

    /// A node that was registered beside a service.
    pub(crate) fn foreign<'a>(&'a self, node: &'a ForeignNode) -> Node<'a> {
        Node {
            id: (&*node.id).into(),
            name: &node.name,
            address: (&*node.address).into(),
            datacenter: &self.datacenter,
            tagged: None,
            meta: None,
            created: self.created,
            modified: self.created,
        }
    }

    /// The node that an instance is on.
    pub(crate) fn node_of<'a>(&'a self, entry: &'a Entry<'_>) -> Node<'a> {
        if let Some(node) = entry.extras.as_ref().and_then(|extras| extras.node.as_ref()) {
            return self.foreign(node);
        }
        let address = entry.listed.owner_address.to_string();
        Node {
            id: names::uuid(entry.listed.owner()).into(),
            name: entry.listed.owner_name.as_str(),
            datacenter: &self.datacenter,
            tagged: Some(tagged_of(&address)),
            address: address.into(),
            meta: Some(node_meta()),
            created: self.created,
            modified: self.created,
        }
    }

    pub(crate) fn health<'a>(&'a self, entry: &'a Entry<'_>) -> HealthEntry<'a> {
        HealthEntry { node: self.node_of(entry), service: self.service(entry), checks: self.checks(entry) }
    }

    pub(crate) fn service<'a>(&'a self, entry: &'a Entry<'_>) -> Service<'a> {
        let meta = entry.meta();
        Service {
            id: entry.id(),
            name: entry.name(),
            tags: &entry.registration().tags,
            address: entry.address(),
            tagged: entry.tagged(),
            meta: (!meta.is_empty()).then_some(meta),
            port: entry.port(),
            weights: entry.weights(),
            override_tags: entry.extras.as_ref().is_some_and(|extras| extras.override_tags),
            proxy: Proxy::default(),
            connect: Nothing {},
            created: self.created,
            modified: entry.listed.changed.get(),
        }
    }

    pub(crate) fn agent_service<'a>(&'a self, entry: &'a Entry<'_>) -> AgentService<'a> {
        AgentService {
            kind: entry.kind(),
            id: entry.id(),
            name: entry.name(),
            tags: &entry.registration().tags,
            meta: entry.meta(),
            port: entry.port(),
            address: entry.address(),
            tagged: entry.tagged(),
            weights: entry.weights(),
            override_tags: entry.extras.as_ref().is_some_and(|extras| extras.override_tags),
        }
    }

    pub(crate) fn catalog<'a>(&'a self, entry: &'a Entry<'_>) -> CatalogService<'a> {
        let node = self.node_of(entry);
        CatalogService {
            node_id: node.id,
            node: node.name,
            node_address: node.address,
            datacenter: node.datacenter,
            node_tagged: node.tagged,
            node_meta: node.meta,
            kind: entry.kind(),
            id: entry.id(),
            name: entry.name(),
            tags: &entry.registration().tags,
            address: entry.address(),
            tagged: entry.tagged(),
            weights: entry.weights(),
            meta: entry.meta(),
            port: entry.port(),
            override_tags: entry.extras.as_ref().is_some_and(|extras| extras.override_tags),
            proxy: Proxy::default(),
            connect: Nothing {},
            created: self.created,
            modified: entry.listed.changed.get(),
        }
    }

    /// Whether an agent's node lives.
    pub(crate) fn serf<'a>(&'a self, node: &'a str, lives: bool, output: &'static str, modified: u64) -> Check<'a> {
        Check {
            node,
            id: "serfHealth".into(),
            name: "Serf Health Status".into(),
            status: if lives { PASSING } else { CRITICAL },
            notes: "".into(),
            output: output.into(),
            service_id: "".into(),
            service_name: "",
            service_tags: &[],
            kind: "".into(),
            definition: Nothing {},
            created: self.created,
            modified,
        }
    }

    /// All checks of an instance: its node's, and its own.
    pub(crate) fn checks<'a>(&'a self, entry: &'a Entry<'_>) -> Vec<Check<'a>> {
        let mut checks = Vec::new();
        if entry.extras.as_ref().is_none_or(|extras| extras.node.is_none()) {
            let (lives, output) = entry.owner_lives();
            checks.push(self.serf(entry.listed.owner_name.as_str(), lives, output, self.created));
            if entry.listed.status == Status::Maintenance && entry.registration().state != State::Maintenance {
                checks.push(self.node_maintenance(entry.listed.owner_name.as_str()));
            }
        }
        checks.extend(self.own_checks(entry));
        checks
    }

    /// The checks of an instance itself.
    pub(crate) fn own_checks<'a>(&'a self, entry: &'a Entry<'_>) -> Vec<Check<'a>> {
        let (status, output) = entry.own_status();
        let check = |id: Cow<'a, str>, name: Cow<'a, str>, notes: Cow<'a, str>, kind: Cow<'a, str>| Check {
            node: self.node_name(entry),
            id,
            name,
            status,
            notes,
            output: output.into(),
            service_id: entry.id().into(),
            service_name: entry.name(),
            service_tags: &entry.registration().tags,
            kind,
            definition: Nothing {},
            created: self.created,
            modified: entry.listed.changed.get(),
        };
        let name = || Cow::Owned(format!("Service '{}' check", entry.name()));
        let mut checks: Vec<Check<'a>> = match &entry.extras {
            Some(extras) => extras
                .checks
                .iter()
                .map(|one| check((&*one.id).into(), (&*one.name).into(), (&*one.notes).into(), (&*one.kind).into()))
                .collect(),
            None => {
                let registration = entry.registration();
                let own = registration.upkeep.iter().flat_map(|upkeep| upkeep.checks.iter());
                let mut checks: Vec<Check<'a>> = own
                    .map(|one| {
                        let id = format!("service:{}:{}", entry.id(), one.name);
                        check(id.into(), (&*one.name).into(), "".into(), kind_of(&one.probe).into())
                    })
                    .collect();
                if registration.lease.is_some() {
                    checks.push(check(format!("service:{}", entry.id()).into(), name(), "".into(), "ttl".into()));
                }
                checks
            }
        };
        if checks.is_empty() && status != PASSING {
            // Nothing checks it, and something speaks against it all the same.
            checks.push(check(format!("service:{}", entry.id()).into(), name(), "".into(), "".into()));
        }
        let state = entry.registration().state;
        if state != State::Up {
            let notes = if state == State::Maintenance { "" } else { state.as_str() };
            checks.push(self.maintenance(entry, notes));
        }
        checks
    }

    fn node_name<'a>(&self, entry: &'a Entry<'_>) -> &'a str {
        let foreign = entry.extras.as_ref().and_then(|extras| extras.node.as_ref());
        foreign.map_or(entry.listed.owner_name.as_str(), |node| &node.name)
    }

    /// What says that an agent is out of service, with all that it has.
    pub(crate) fn node_maintenance<'a>(&self, node: &'a str) -> Check<'a> {
        Check {
            node,
            id: "_node_maintenance".into(),
            name: "Node Maintenance Mode".into(),
            status: CRITICAL,
            notes: "".into(),
            output: "".into(),
            service_id: "".into(),
            service_name: "",
            service_tags: &[],
            kind: "maintenance".into(),
            definition: Nothing {},
            created: 0,
            modified: 0,
        }
    }

    /// What says that somebody took it out of service.
    fn maintenance<'a>(&'a self, entry: &'a Entry<'_>, notes: &'a str) -> Check<'a> {
        let id = entry.id();
        Check {
            node: self.node_name(entry),
            id: format!("_service_maintenance:{id}").into(),
            name: "Service Maintenance Mode".into(),
            status: CRITICAL,
            notes: notes.into(),
            output: "".into(),
            service_id: id.into(),
            service_name: entry.name(),
            service_tags: &entry.registration().tags,
            kind: "maintenance".into(),
            definition: Nothing {},
            created: self.created,
            modified: entry.listed.changed.get(),
        }
    }
}

fn kind_of(probe: &Probe) -> &'static str {
    match probe {
        Probe::Http(_) => "http",
        Probe::Tcp { .. } => "tcp",
        Probe::Grpc { .. } => "grpc",
        Probe::Ttl => "ttl",
    }
}
