//! From a name and a view to records, before anything is encoded.

use crate::names::{self, Lookup, Part};
use crate::namespaces::Namespaces;
use crate::part::{by_label, is_part, is_whole, port_of, select, selection_word};
use crate::zone::Zone;
use foldhash::fast::RandomState;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use whither_directory::{Directory, Index, Listed, NodeView, ServiceView, View};
use whither_model::{NodeId, ServiceName};

/// Record types that are answered with records (RFC 1035 section 3.2.2, RFC 3596, RFC 2782, RFC 8482).
pub(crate) mod qtype {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const HINFO: u16 = 13;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const ANY: u16 = 255;
}

/// The data of a record that answers the question; its owner is the name asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    /// Its priority is always [`SRV_PRIORITY`]. The target is a whole name as on the wire, as is every name here.
    Srv {
        weight: u16,
        port: u16,
        target: Box<[u8]>,
    },
    Txt(Vec<Box<[u8]>>),
    Ns(Box<[u8]>),
    Soa,
    /// The minimal answer to ANY (RFC 8482 section 4.2).
    Hinfo,
}

/// All instances are equally preferred; shares are what weights are for.
pub(crate) const SRV_PRIORITY: u16 = 1;

/// How long what was found stays true.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Holds {
    /// While the service's index is this.
    Service(ServiceName, Index),
    /// While the view's index is this.
    View(Index),
    /// Not even until the next question.
    Never,
}

/// What there is under a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    /// `false`: nothing has this name, NXDOMAIN.
    pub(crate) exists: bool,
    /// The records of the type asked for. Empty for a name that exists: NODATA.
    pub(crate) records: Vec<Data>,
    /// The addresses of the names in `records`, in the same order, one each; empty if there are no names in them.
    pub(crate) additionals: Vec<(Box<[u8]>, IpAddr)>,
    /// How long it stays true.
    pub(crate) holds: Holds,
}

impl Found {
    fn nothing() -> Self {
        Self { exists: false, ..Self::bare(Holds::Never) }
    }

    /// The name exists without records of the type asked for.
    fn bare(holds: Holds) -> Self {
        Self { exists: true, records: Vec::new(), additionals: Vec::new(), holds }
    }
}

/// Everything an answer is made from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) view: &'a View,
    pub(crate) namespaces: &'a Namespaces,
    pub(crate) zone: &'a Zone,
}

impl Sources<'_> {
    /// Finds the records of type `wanted` under the name that `lookup` stands for.
    pub(crate) fn find(&self, lookup: &Lookup<'_>, wanted: u16) -> Found {
        let found = match lookup {
            Lookup::Apex => self.apex(wanted),
            Lookup::Fixed => Found::bare(Holds::Never),
            Lookup::Namespace(name) => self.namespace(name),
            Lookup::Below(name) => match self.view.service(name) {
                Some(_) => Found::bare(Holds::Never),
                None => Found::nothing(),
            },
            Lookup::ServiceOrNamespace(name) => match self.view.service(name) {
                Some(service) => self.service(service, Part::Whole, wanted),
                None => self.namespace(name.service()),
            },
            Lookup::Service(name, part) => match self.view.service(name) {
                Some(service) => self.service(service, *part, wanted),
                None => Found::nothing(),
            },
            Lookup::Node(labels) => self.node(labels, wanted),
            Lookup::Nothing => Found::nothing(),
        };
        if found.exists && wanted == qtype::ANY {
            return Found { records: vec![Data::Hinfo], ..Found::bare(Holds::Never) };
        }
        found
    }

    fn namespace(&self, name: &str) -> Found {
        if self.namespaces.contains(self.view, name) { Found::bare(Holds::Never) } else { Found::nothing() }
    }

    fn apex(&self, wanted: u16) -> Found {
        let identity = self.directory.identity();
        let mut found = Found::bare(Holds::Never);
        match wanted {
            qtype::SOA => found.records.push(Data::Soa),
            qtype::NS => {
                let name = server_name(self.zone, identity.node);
                found.additionals.push((name.clone(), identity.advertise.ip().to_canonical()));
                found.records.push(Data::Ns(name));
            }
            qtype::TXT => {
                let age = self.view.age(self.directory.clock().now());
                found.records.push(text([
                    age_text(age),
                    format!("index={}", self.directory.cursor(self.view.index())),
                    format!("node={}", identity.node),
                ]));
            }
            _ => {}
        }
        found
    }

    fn service(&self, service: &Arc<ServiceView>, part: Part<'_>, wanted: u16) -> Found {
        if let Part::Instance(label) = part {
            let instance = by_label(service, label);
            return instance.map_or_else(Found::nothing, |listed| self.instance(service, listed, wanted));
        }
        if !service.instances().iter().any(|listed| is_part(listed, part)) && !is_whole(part) {
            return Found::nothing();
        }
        let mut found = Found::bare(holds(service));
        let (selected, selection) = select(service, part);
        match wanted {
            qtype::A | qtype::AAAA if !matches!(part, Part::Rfc2782 | Part::Rfc2782Port(_)) => {
                let mut seen = HashSet::with_capacity_and_hasher(selected.len(), RandomState::default());
                let addresses = selected.iter().map(|listed| listed.instance.registration.address);
                // Two instances may share a host, but two equal records are one (RFC 2181 section 5).
                found.records.extend(addresses.filter_map(|ip| address(ip, wanted)).filter(|a| seen.insert(a.clone())));
            }
            qtype::SRV => {
                for listed in selected {
                    self.add_srv(&mut found, service, listed, part);
                }
            }
            qtype::TXT => {
                let (now, all) = (self.directory.clock().now(), service.instances().len());
                found.holds = Holds::Never;
                found.records.push(text([
                    age_text(service.age(self.view.freshness(), now)),
                    format!("index={}", self.directory.cursor(self.view.index())),
                    format!("selection={}", selection_word(selection)),
                    format!("selected={}", selected.len()),
                    format!("instances={all}"),
                ]));
            }
            _ => {}
        }
        found
    }

    /// One instance, whatever its status: who names it wants it.
    fn instance(&self, service: &ServiceView, listed: &Listed, wanted: u16) -> Found {
        let registration = &listed.instance.registration;
        let mut found = Found::bare(holds(service));
        match wanted {
            qtype::A | qtype::AAAA => found.records.extend(address(registration.address, wanted)),
            qtype::SRV => self.add_srv(&mut found, service, listed, Part::Whole),
            qtype::TXT => {
                found.holds = Holds::Never;
                let mut strings = vec![
                    age_text(listed.age(self.directory.clock().now())),
                    format!("id={}", registration.id),
                    format!("status={}", listed.status),
                    format!("version={}", registration.version),
                    format!("zone={}", listed.zone),
                ];
                strings.extend(registration.meta.iter().map(|(key, value)| format!("meta.{key}={value}")));
                found.records.push(text(strings));
            }
            _ => {}
        }
        found
    }

    fn add_srv(&self, found: &mut Found, service: &ServiceView, listed: &Listed, part: Part<'_>) {
        let registration = &listed.instance.registration;
        let Some(port) = port_of(listed, part) else { return };
        let label = names::instance_label(registration.id.as_str());
        let mut labels = vec![label.as_bytes(), names::marker::INSTANCE];
        labels.extend(names::service_labels(service.name()));
        let target = self.zone.name(&labels);
        found.additionals.push((target.clone(), registration.address.to_canonical()));
        found.records.push(Data::Srv { weight: listed.instance.weight(), port: port.number, target });
    }

    fn node(&self, labels: &[&[u8]], wanted: u16) -> Found {
        let Ok(name) = std::str::from_utf8(&labels.join(&b'.')).map(str::to_owned) else { return Found::nothing() };
        let mut found = Found::bare(Holds::View(self.view.index()));
        let identity = self.directory.identity();
        let id = name.parse::<NodeId>().ok();
        let mut nodes: Vec<&NodeView> = id.and_then(|id| self.view.node(id)).map(|node| &**node).into_iter().collect();
        if nodes.is_empty() {
            // The server's own name, which NS and SOA give out, resolves also before membership has met it.
            if id == Some(identity.node) {
                found.records.extend(address(identity.advertise.ip(), wanted));
                return found;
            }
            nodes = self.view.nodes().iter().map(|node| &**node).filter(|n| n.member.name.as_str() == name).collect();
        }
        if nodes.is_empty() {
            let is_above = |node: &Arc<NodeView>| {
                let above = node.member.name.as_str().strip_suffix(&name);
                above.is_some_and(|above| above.ends_with('.'))
            };
            return if self.view.nodes().iter().any(is_above) { found } else { Found::nothing() };
        }
        // Two nodes may bear one name, such as a host and what replaced it: those that are present go first.
        if nodes.iter().any(|node| node.member.state.is_present()) {
            nodes.retain(|node| node.member.state.is_present());
        }
        for node in nodes {
            let ip = node.member.address.ip();
            found.records.extend(address(ip, wanted).filter(|_| !ip.is_unspecified()));
            if wanted == qtype::TXT {
                found.holds = Holds::Never;
                found.records.push(text([
                    age_text(node.age(self.directory.clock().now())),
                    format!("id={}", node.member.id),
                    format!("state={}", node.member.state),
                ]));
            }
        }
        found
    }
}

/// The length of a server's label, octets.
pub(crate) const SERVER_LABEL: usize = 16;

/// The label of the server itself in NS and SOA records: its id in hexadecimal digits, which is a label on every node.
pub(crate) fn server_label(node: NodeId) -> [u8; SERVER_LABEL] {
    let digit = |at: usize| b"0123456789abcdef"[(node.get() >> (60 - 4 * at) & 15) as usize];
    std::array::from_fn(digit)
}

/// The name of the server itself in NS and SOA records.
pub(crate) fn server_name(zone: &Zone, node: NodeId) -> Box<[u8]> {
    zone.name(&[&server_label(node), names::marker::NODE])
}

fn holds(service: &ServiceView) -> Holds {
    Holds::Service(service.name().clone(), service.index())
}

fn address(ip: IpAddr, wanted: u16) -> Option<Data> {
    // `::ffff:10.0.0.1` is how a socket speaks of an IPv4 host; for a resolver it is one.
    match (ip.to_canonical(), wanted) {
        (IpAddr::V4(ip), qtype::A) => Some(Data::A(ip)),
        (IpAddr::V6(ip), qtype::AAAA) => Some(Data::Aaaa(ip)),
        _ => None,
    }
}

/// One TXT record; strings too long for it (RFC 1035 section 3.3) are left out.
fn text(strings: impl IntoIterator<Item = String>) -> Data {
    let strings = strings.into_iter().filter(|string| string.len() <= 255);
    Data::Txt(strings.map(|string| string.into_bytes().into()).collect())
}

/// An age for a TXT record: never below the truth, so rounded up; `unknown` if it cannot be said.
fn age_text(age: Option<Duration>) -> String {
    age.map_or_else(|| "age_ms=unknown".to_owned(), |age| format!("age_ms={}", age.as_micros().div_ceil(1_000)))
}
