//! Field by field, in the order in which Consul has them.

use super::PASSING;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A node, an agent's or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Node<'a> {
    #[serde(rename = "ID")]
    pub(super) id: Cow<'a, str>,
    #[serde(rename = "Node")]
    pub(crate) name: &'a str,
    #[serde(rename = "Address")]
    pub(crate) address: Cow<'a, str>,
    #[serde(rename = "Datacenter")]
    pub(super) datacenter: &'a str,
    #[serde(rename = "TaggedAddresses")]
    pub(super) tagged: Option<BTreeMap<&'static str, Cow<'a, str>>>,
    #[serde(rename = "Meta")]
    pub(super) meta: Option<BTreeMap<&'static str, &'static str>>,
    #[serde(rename = "CreateIndex")]
    pub(super) created: u64,
    #[serde(rename = "ModifyIndex")]
    pub(super) modified: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Weights {
    #[serde(rename = "Passing")]
    pub(super) passing: u32,
    #[serde(rename = "Warning")]
    pub(super) warning: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Tagged<'a> {
    #[serde(rename = "Address")]
    pub(super) address: Cow<'a, str>,
    #[serde(rename = "Port")]
    pub(super) port: u16,
}

pub(super) type TaggedAddresses<'a> = BTreeMap<Cow<'a, str>, Tagged<'a>>;

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Service<'a> {
    #[serde(rename = "ID")]
    pub(super) id: &'a str,
    #[serde(rename = "Service")]
    pub(super) name: &'a str,
    #[serde(rename = "Tags")]
    pub(super) tags: &'a [Box<str>],
    #[serde(rename = "Address")]
    pub(super) address: Cow<'a, str>,
    #[serde(rename = "TaggedAddresses", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tagged: TaggedAddresses<'a>,
    #[serde(rename = "Meta")]
    pub(super) meta: Option<BTreeMap<&'a str, &'a str>>,
    #[serde(rename = "Port")]
    pub(super) port: u16,
    #[serde(rename = "Weights")]
    pub(super) weights: Weights,
    #[serde(rename = "EnableTagOverride")]
    pub(super) override_tags: bool,
    #[serde(rename = "Proxy")]
    pub(super) proxy: Proxy,
    #[serde(rename = "Connect")]
    pub(super) connect: Nothing,
    #[serde(rename = "CreateIndex")]
    pub(super) created: u64,
    #[serde(rename = "ModifyIndex")]
    pub(super) modified: u64,
}

/// A service as its own agent shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct AgentService<'a> {
    #[serde(rename = "Kind", skip_serializing_if = "str::is_empty")]
    pub(super) kind: &'a str,
    #[serde(rename = "ID")]
    pub(crate) id: &'a str,
    #[serde(rename = "Service")]
    pub(super) name: &'a str,
    #[serde(rename = "Tags")]
    pub(super) tags: &'a [Box<str>],
    #[serde(rename = "Meta")]
    pub(super) meta: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "Port")]
    pub(super) port: u16,
    #[serde(rename = "Address")]
    pub(super) address: Cow<'a, str>,
    #[serde(rename = "TaggedAddresses", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tagged: TaggedAddresses<'a>,
    #[serde(rename = "Weights")]
    pub(super) weights: Weights,
    #[serde(rename = "EnableTagOverride")]
    pub(super) override_tags: bool,
}

/// A service with its node, as the catalog shows both in one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct CatalogService<'a> {
    #[serde(rename = "ID")]
    pub(super) node_id: Cow<'a, str>,
    #[serde(rename = "Node")]
    pub(super) node: &'a str,
    #[serde(rename = "Address")]
    pub(super) node_address: Cow<'a, str>,
    #[serde(rename = "Datacenter")]
    pub(super) datacenter: &'a str,
    #[serde(rename = "TaggedAddresses")]
    pub(super) node_tagged: Option<BTreeMap<&'static str, Cow<'a, str>>>,
    #[serde(rename = "NodeMeta")]
    pub(super) node_meta: Option<BTreeMap<&'static str, &'static str>>,
    #[serde(rename = "ServiceKind")]
    pub(super) kind: &'a str,
    #[serde(rename = "ServiceID")]
    pub(super) id: &'a str,
    #[serde(rename = "ServiceName")]
    pub(super) name: &'a str,
    #[serde(rename = "ServiceTags")]
    pub(super) tags: &'a [Box<str>],
    #[serde(rename = "ServiceAddress")]
    pub(super) address: Cow<'a, str>,
    #[serde(rename = "ServiceTaggedAddresses", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tagged: TaggedAddresses<'a>,
    #[serde(rename = "ServiceWeights")]
    pub(super) weights: Weights,
    #[serde(rename = "ServiceMeta")]
    pub(super) meta: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "ServicePort")]
    pub(super) port: u16,
    #[serde(rename = "ServiceEnableTagOverride")]
    pub(super) override_tags: bool,
    #[serde(rename = "ServiceProxy")]
    pub(super) proxy: Proxy,
    #[serde(rename = "ServiceConnect")]
    pub(super) connect: Nothing,
    #[serde(rename = "CreateIndex")]
    pub(super) created: u64,
    #[serde(rename = "ModifyIndex")]
    pub(super) modified: u64,
}

/// There is no mesh here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Proxy {
    #[serde(rename = "MeshGateway")]
    pub(super) mesh_gateway: Nothing,
    #[serde(rename = "Expose")]
    pub(super) expose: Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Nothing {}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Check<'a> {
    #[serde(rename = "Node")]
    pub(crate) node: &'a str,
    #[serde(rename = "CheckID")]
    pub(crate) id: Cow<'a, str>,
    #[serde(rename = "Name")]
    pub(super) name: Cow<'a, str>,
    #[serde(rename = "Status")]
    pub(crate) status: &'static str,
    #[serde(rename = "Notes")]
    pub(super) notes: Cow<'a, str>,
    #[serde(rename = "Output")]
    pub(crate) output: Cow<'a, str>,
    #[serde(rename = "ServiceID")]
    pub(super) service_id: Cow<'a, str>,
    #[serde(rename = "ServiceName")]
    pub(super) service_name: &'a str,
    #[serde(rename = "ServiceTags")]
    pub(super) service_tags: &'a [Box<str>],
    #[serde(rename = "Type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(rename = "Definition")]
    pub(super) definition: Nothing,
    #[serde(rename = "CreateIndex")]
    pub(crate) created: u64,
    #[serde(rename = "ModifyIndex")]
    pub(crate) modified: u64,
}

/// An instance with its node and its checks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct HealthEntry<'a> {
    #[serde(rename = "Node")]
    pub(crate) node: Node<'a>,
    #[serde(rename = "Service")]
    pub(crate) service: Service<'a>,
    #[serde(rename = "Checks")]
    pub(crate) checks: Vec<Check<'a>>,
}

impl HealthEntry<'_> {
    pub(crate) fn passes(&self) -> bool {
        self.checks.iter().all(|check| check.status == PASSING)
    }
}
