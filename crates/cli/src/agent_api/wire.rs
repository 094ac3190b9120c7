//! The agent's JSON as this client reads and writes it. Fields it does not know are skipped: the agent may be newer.

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A problem document (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    /// What kind, a URN.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The kind, for people.
    pub(crate) title: String,
    /// What is wrong here.
    pub(crate) detail: String,
    /// The field it is about.
    pub(crate) field: Option<String>,
    /// The node to ask instead.
    pub(crate) owner: Option<String>,
    /// Its name.
    pub(crate) owner_name: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = if self.detail.is_empty() { &self.title } else { &self.detail };
        match &self.field {
            // Details often begin with the field already.
            Some(field) if !detail.starts_with(field.as_str()) => write!(f, "{field}: {detail}")?,
            _ => f.write_str(detail)?,
        }
        match (&self.owner_name, &self.owner) {
            (Some(name), Some(id)) if !name.is_empty() && !detail.contains(name.as_str()) => {
                write!(f, " (its owner is {name}, {id})")
            }
            (_, Some(id)) if !detail.contains(id.as_str()) => write!(f, " (its owner is {id})"),
            _ => Ok(()),
        }
    }
}

/// Named ports in the order they were given; JSON objects keep it on the wire, so must we.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ports(pub(crate) Vec<(String, u16)>);

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, port)| map.serialize_entry(name, port))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> serde::de::Visitor<'de> for InOrder {
            type Value = Ports;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("ports by name")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Ports, A::Error> {
                let mut ports = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    ports.push(entry);
                }
                Ok(Ports(ports))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The body of a registration: only what was said; the rest is the agent's to fill in.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Registration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    #[serde(skip_serializing_if = "ports_are_empty")]
    pub(crate) ports: Ports,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) meta: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remove_after_critical: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ramp: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) shares_address: bool,
}

/// A check that an agent is asked for: one of the first four, and only what was said.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Check {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) https: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tcp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grpc: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) initial: Option<&'static str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A registration that says itself what it is called.
#[derive(Debug, Serialize)]
pub(crate) struct NamedRegistration<'a> {
    pub(crate) service: &'a str,
    pub(crate) id: &'a str,
    #[serde(flatten)]
    pub(crate) registration: &'a Registration,
}

fn ports_are_empty(ports: &Ports) -> bool {
    ports.0.is_empty()
}

/// The body of a request to join.
#[derive(Debug, Serialize)]
pub(crate) struct Join {
    pub(crate) addresses: Vec<String>,
}

/// What became of a write.
#[derive(Debug, Deserialize)]
pub(crate) struct Written {
    #[serde(default)]
    pub(crate) created: bool,
    pub(crate) version: String,
}

/// What became of a deregistration.
#[derive(Debug, Deserialize)]
pub(crate) struct Removed {
    pub(crate) version: String,
    /// It waits for its turn.
    #[serde(default)]
    pub(crate) removed_in_ms: Option<u64>,
}

/// What became of maintenance.
#[derive(Debug, Deserialize)]
pub(crate) struct Maintenance {
    pub(crate) node: String,
}

/// Which guards are at work.
#[derive(Debug, Deserialize)]
pub(crate) struct AgentStatus {
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) age_ms: Option<u64>,
    #[serde(default)]
    pub(crate) cluster: Option<String>,
    #[serde(default)]
    pub(crate) disk: Option<String>,
    /// What is wrong with schema files or scheduled backups.
    #[serde(default)]
    pub(crate) tables: Option<String>,
    #[serde(default)]
    pub(crate) maintenance: bool,
    pub(crate) instances: std::collections::BTreeMap<String, u64>,
    pub(crate) protected: u64,
    #[serde(default)]
    pub(crate) services: Vec<String>,
    pub(crate) guards: Vec<Guard>,
}

/// One guard.
#[derive(Debug, Deserialize)]
pub(crate) struct Guard {
    pub(crate) guard: String,
    pub(crate) does: String,
    pub(crate) active: bool,
    pub(crate) of: String,
    pub(crate) now: u64,
    pub(crate) acted: u64,
}

/// What became of many writes.
#[derive(Debug, Deserialize)]
pub(crate) struct WrittenMany {
    pub(crate) written: u64,
    pub(crate) created: u64,
}

/// What became of a renewal.
#[derive(Debug, Deserialize)]
pub(crate) struct Renewed {
    pub(crate) ttl_ms: Option<u64>,
}

/// The list of services.
#[derive(Debug, Deserialize)]
pub(crate) struct Services {
    pub(crate) age_ms: Option<u64>,
    pub(crate) services: Vec<ServiceLine>,
}

/// One service in the list.
#[derive(Debug, Deserialize)]
pub(crate) struct ServiceLine {
    pub(crate) service: String,
    pub(crate) instances: u64,
    pub(crate) usable: u64,
    #[serde(default)]
    pub(crate) protected: bool,
    #[serde(default)]
    pub(crate) selection: String,
}

/// One service with its instances.
#[derive(Debug, Deserialize)]
pub(crate) struct Service {
    pub(crate) service: String,
    pub(crate) age_ms: Option<u64>,
    #[serde(default)]
    pub(crate) selection: String,
    #[serde(default)]
    pub(crate) unheard: Vec<Unheard>,
    pub(crate) instances: Vec<Instance>,
}

/// A node of which nothing has been heard.
#[derive(Debug, Deserialize)]
pub(crate) struct Unheard {
    pub(crate) node: String,
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) age_ms: Option<u64>,
}

/// An instance.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) address: String,
    #[serde(default)]
    pub(crate) port: Option<u16>,
    #[serde(default)]
    pub(crate) ports: Ports,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) zone: String,
    #[serde(default)]
    pub(crate) health: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) owner: String,
    #[serde(default)]
    pub(crate) node: String,
    #[serde(default)]
    pub(crate) owner_state: String,
    #[serde(default)]
    pub(crate) ttl_ms: Option<u64>,
    #[serde(default)]
    pub(crate) changed_at: String,
    #[serde(default)]
    pub(crate) explain: Option<Explain>,
}

/// The answer about one instance.
#[derive(Debug, Deserialize)]
pub(crate) struct OneInstance {
    #[serde(flatten)]
    pub(crate) instance: Instance,
    pub(crate) age_ms: Option<u64>,
}

/// How an instance's line came about.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Explain {
    pub(crate) age_ms: Option<u64>,
    #[serde(default)]
    pub(crate) set_by: String,
    #[serde(default)]
    pub(crate) claimed_at: String,
    #[serde(default)]
    pub(crate) witness: String,
    /// Known to its owner alone.
    #[serde(default)]
    pub(crate) witnesses: Option<Vec<Testimony>>,
    #[serde(default)]
    pub(crate) came: String,
    pub(crate) chosen: bool,
    #[serde(default)]
    pub(crate) why: String,
}

/// When a witness last testified.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Testimony {
    pub(crate) witness: String,
    #[serde(default)]
    pub(crate) renewed_ms: Option<u64>,
    #[serde(default)]
    pub(crate) left_ms: Option<u64>,
    #[serde(default)]
    pub(crate) held: Option<bool>,
    #[serde(default)]
    pub(crate) health: Option<String>,
}

/// What the checks of an instance found.
#[derive(Debug, Deserialize)]
pub(crate) struct Checks {
    pub(crate) node: String,
    pub(crate) checks: Vec<CheckReport>,
}

/// Where one check stands.
#[derive(Debug, Deserialize)]
pub(crate) struct CheckReport {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) kind: String,
    pub(crate) health: String,
    #[serde(default)]
    pub(crate) found: Option<String>,
    #[serde(default)]
    pub(crate) at: Option<String>,
    #[serde(default)]
    pub(crate) took_ms: Option<u64>,
    #[serde(default)]
    pub(crate) output: Option<String>,
}

/// The list of nodes.
#[derive(Debug, Deserialize)]
pub(crate) struct Nodes {
    pub(crate) nodes: Vec<Node>,
}

/// A node.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) address: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) zone: String,
    #[serde(default)]
    pub(crate) region: String,
    #[serde(default)]
    pub(crate) software: String,
    #[serde(default)]
    pub(crate) instances: u64,
    #[serde(default)]
    pub(crate) maintenance: bool,
    #[serde(default)]
    pub(crate) held: bool,
    #[serde(default)]
    pub(crate) age_ms: Option<u64>,
    #[serde(default, rename = "self")]
    pub(crate) is_self: bool,
}

/// How long what others say takes to get to a node.
#[derive(Debug, Deserialize)]
pub(crate) struct Lags {
    pub(crate) node: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) of: Vec<Lag>,
}

/// The same for one who speaks.
#[derive(Debug, Deserialize)]
pub(crate) struct Lag {
    pub(crate) node: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) p50_us: Option<u64>,
    #[serde(default)]
    pub(crate) p99_us: Option<u64>,
    #[serde(default)]
    pub(crate) last_us: Option<u64>,
    #[serde(default)]
    pub(crate) count: u64,
    #[serde(default)]
    pub(crate) by_repair: u64,
}

/// How an agent is.
#[derive(Debug, Deserialize)]
pub(crate) struct AgentHealth {
    pub(crate) status: String,
    pub(crate) node: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) epoch: u64,
    #[serde(default)]
    pub(crate) software: String,
    pub(crate) age_ms: Option<u64>,
    pub(crate) services: u64,
    pub(crate) instances: u64,
    pub(crate) nodes: NodeCounts,
    #[serde(default)]
    pub(crate) disk: Option<String>,
    /// What is wrong with schema files or scheduled backups.
    #[serde(default)]
    pub(crate) tables: Option<String>,
    /// What keeps it apart from its cluster.
    #[serde(default)]
    pub(crate) cluster: Option<String>,
}

/// How many nodes are how.
#[derive(Debug, Deserialize)]
pub(crate) struct NodeCounts {
    pub(crate) alive: u64,
    pub(crate) suspect: u64,
    pub(crate) down: u64,
    pub(crate) left: u64,
}

/// A line of a watch, or of a session.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    /// `reset`, `change`, `service`, `nodes`, `current`, `heartbeat`, or one that is newer than this client.
    pub(crate) event: String,
    #[serde(default)]
    pub(crate) index: Option<String>,
    #[serde(default)]
    pub(crate) service: Option<String>,
    #[serde(default)]
    pub(crate) known: Option<bool>,
    #[serde(default)]
    pub(crate) selection: Option<String>,
    #[serde(default)]
    pub(crate) changed: Vec<Instance>,
    #[serde(default)]
    pub(crate) removed: Vec<String>,
    #[serde(default)]
    pub(crate) nodes: Vec<Node>,
    /// Of `open`, the first line of a session.
    #[serde(default)]
    pub(crate) session: Option<String>,
}
