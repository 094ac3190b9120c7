//! What the others are compared with: the service as the agent knows it.

use crate::agent_api::wire::{Instance, Service};
use crate::table::visible;
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// An instance that the agent lists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Known {
    /// Its id.
    pub(super) id: String,
    /// Where it is.
    pub(super) address: IpAddr,
    /// All of its ports.
    pub(super) ports: Vec<u16>,
    /// Its status, in the agent's word.
    pub(super) status: String,
    /// When that last changed, as the agent says it.
    pub(super) changed_at: String,
    /// Whether callers are given it.
    pub(super) given: bool,
}

impl Known {
    fn of(instance: &Instance) -> Option<Self> {
        let usable = || matches!(instance.status.as_str(), "passing" | "warning");
        let mut ports: Vec<u16> = instance.ports.0.iter().map(|(_, port)| *port).chain(instance.port).collect();
        ports.sort_unstable();
        ports.dedup();
        Some(Self {
            id: visible(&instance.id),
            address: instance.address.parse().ok()?,
            ports,
            status: visible(&instance.status),
            changed_at: visible(&instance.changed_at),
            given: instance.explain.as_ref().map_or_else(usable, |explain| explain.chosen),
        })
    }

    /// `recos-9, critical since 2026-11-20T20:28:07.125Z`
    fn words(&self) -> String {
        match self.changed_at.as_str() {
            "" => format!("{}, {}", self.id, self.status),
            at => format!("{}, {}, changed at {at}", self.id, self.status),
        }
    }
}

/// A service as an agent knows it, and as it knew it a moment before: what changes meanwhile makes nobody a liar.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Truth {
    /// How old that can be, milliseconds; `None` if the agent cannot say.
    pub(super) age_ms: Option<u64>,
    /// Which instances are given: `usable`, `last_known`, `empty`; nothing if there is no such service.
    pub(super) selection: String,
    /// All instances.
    pub(super) instances: Vec<Known>,
    /// Nodes of which nothing is heard.
    pub(super) unheard: Vec<String>,
    /// Addresses that an answer may have.
    #[serde(skip)]
    may: BTreeSet<IpAddr>,
    /// Addresses that an answer must have.
    #[serde(skip)]
    must: BTreeSet<IpAddr>,
    /// Where a connection may lead.
    #[serde(skip)]
    sockets: BTreeSet<SocketAddr>,
    /// What the service no longer has, as the user says.
    #[serde(skip)]
    was: Vec<SocketAddr>,
}

impl Truth {
    /// What an agent said.
    pub(super) fn of(service: &Service) -> Self {
        let instances: Vec<Known> = service.instances.iter().filter_map(Known::of).collect();
        let given = || instances.iter().filter(|instance| instance.given);
        let may: BTreeSet<IpAddr> = given().map(|instance| instance.address).collect();
        let sockets =
            given().flat_map(|one| one.ports.iter().map(|port| SocketAddr::new(one.address, *port))).collect();
        Self {
            age_ms: service.age_ms,
            selection: visible(&service.selection),
            must: may.clone(),
            may,
            sockets,
            unheard: service.unheard.iter().map(|node| visible(pick(&node.name, &node.node))).collect(),
            instances,
            was: Vec::new(),
        }
    }

    /// What it said `before`, too.
    pub(super) fn and_before(mut self, before: &Self) -> Self {
        self.must.retain(|address| before.must.contains(address));
        self.may.extend(&before.may);
        self.sockets.extend(&before.sockets);
        self
    }

    /// With addresses that the service had.
    pub(super) fn with_was(mut self, was: &[SocketAddr]) -> Self {
        self.was = was.to_vec();
        self
    }

    /// Whether it is the truth that there is nothing.
    pub(super) fn gives_nothing(&self) -> bool {
        self.must.is_empty()
    }

    /// The addresses that callers are given, in order.
    pub(super) fn given(&self) -> Vec<IpAddr> {
        self.may.iter().copied().collect()
    }

    /// Those of `addresses` that callers are not given, in order, each once.
    pub(super) fn extra(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        addresses
            .iter()
            .filter(|address| !self.may.contains(address))
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Addresses that callers are given and that are not among `addresses`.
    pub(super) fn missing(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        self.must.iter().filter(|address| !addresses.contains(address)).copied().collect()
    }

    /// What is known of an address that callers are not given: `10.0.0.9 (recos-9, critical, …)`.
    pub(super) fn describe(&self, address: IpAddr) -> String {
        let listed = self.instances.iter().find(|instance| instance.address == address);
        match listed {
            Some(known) => format!("{address} ({})", known.words()),
            None if self.was.iter().any(|was| was.ip() == address) => format!("{address} (gone, as --was says)"),
            None => format!("{address} (no instance of it that the agent lists)"),
        }
    }

    /// Why a connection to `remote` leads to what the service no longer has; `None` if it does not. `lied` are addresses
    /// that only lying layers give, at whichever port the service has.
    pub(super) fn gone(&self, remote: SocketAddr, lied: &BTreeSet<IpAddr>) -> Option<String> {
        if self.sockets.contains(&remote) {
            return None;
        }
        let listed = self.instances.iter().find(|one| one.address == remote.ip() && one.ports.contains(&remote.port()));
        if let Some(known) = listed {
            return Some(known.words());
        }
        if self.was.contains(&remote) {
            return Some("gone, as --was says".to_owned());
        }
        // Without an instance that says which ports there are, an address that is a lie is one at every port.
        let ports: BTreeSet<u16> = self.instances.iter().flat_map(|one| one.ports.iter().copied()).collect();
        let by_lie = lied.contains(&remote.ip()) && (ports.is_empty() || ports.contains(&remote.port()));
        by_lie.then(|| "given by a layer that lies".to_owned())
    }

    /// Whether the instance at `remote` is finishing what it has: connections to it are as they should be.
    pub(super) fn is_draining(&self, remote: SocketAddr) -> bool {
        let is = |one: &&Known| one.address == remote.ip() && one.ports.contains(&remote.port());
        self.instances.iter().find(is).is_some_and(|one| one.status.starts_with("draining"))
    }
}

fn pick<'a>(first: &'a str, second: &'a str) -> &'a str {
    if first.is_empty() { second } else { first }
}
