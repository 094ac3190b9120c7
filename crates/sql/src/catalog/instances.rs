//! `instances`: one row for each instance that is listed, whatever it is worth.

use super::Snapshot;
use super::cell::{Cell, flag, integer, json, millis, natural, null, shown, text};
use super::table::{CatalogTable, Column, Effort, KEYS_MAX, Size, Wanted, hashed};
use serde_json::Value;
use std::hash::RandomState;
use std::sync::Arc;
use whither_directory::{Listed, ServiceView};
use whither_model::{InstanceId, NodeId, Registration, ServiceName};

/// The table.
pub(super) enum Instances {}

/// An instance and the service that lists it.
pub(super) struct Listing {
    pub(super) service: Arc<ServiceView>,
    pub(super) listed: Arc<Listed>,
}

impl Listing {
    pub(super) fn registration(&self) -> &Registration {
        &self.listed.instance.registration
    }
}

impl CatalogTable for Instances {
    type Row = Listing;

    const NAME: &'static str = "instances";
    const COLUMNS: &'static [Column<Self::Row>] = &[
        Column::text("namespace", |row, _| text(row.service.name().namespace())),
        Column::text("service", |row, _| text(row.service.name().as_str())),
        Column::text("id", |row, _| text(row.listed.id().as_str())),
        Column::text("address", |row, _| shown(row.registration().address)),
        Column::integer("port", |row, _| {
            row.registration().ports.first().map_or_else(null, |port| integer(port.number))
        }),
        Column::text("ports", |row, _| ports(row.registration())),
        Column::text("tags", |row, _| json(&row.registration().tags.iter().map(|tag| Value::from(&**tag)).collect())),
        Column::text("meta", |row, _| meta(row.registration())),
        Column::integer("weight", |row, _| integer(row.listed.instance.weight())),
        Column::text("version", |row, _| text(&row.registration().version)),
        Column::text("zone", |row, _| text(&row.listed.zone)),
        Column::text("state", |row, _| text(row.registration().state.as_str())),
        Column::text("health", |row, _| text(row.registration().health.as_str())),
        Column::text("status", |row, _| text(row.listed.status.as_str())),
        Column::integer("usable", |row, _| flag(row.listed.status.is_usable())),
        Column::integer("chosen", |row, _| flag(row.service.selection().takes(row.listed.status))),
        Column::integer("ttl_ms", |row, _| millis(row.registration().lease)),
        Column::text("owner", |row, _| shown(row.listed.owner())),
        Column::text("node", |row, _| text(row.listed.owner_name.as_str())),
        Column::text("owner_state", |row, _| text(row.listed.owner_state.as_str())),
        Column::text("changed_at", |row, _| shown(row.listed.instance.changed_at)),
        Column::integer("age_ms", |row, snapshot| millis(snapshot.age_of(row.listed.owner()))),
        Column::integer("changed", |row, _| natural(row.listed.changed.get())),
    ];
    const KEYS: &'static [&'static str] = LISTING_KEYS;

    fn effort(size: Size, given: [bool; KEYS_MAX]) -> Effort {
        listing_effort(size, given)
    }

    fn rows(snapshot: &Snapshot, wanted: Wanted) -> Box<dyn Iterator<Item = Self::Row>> {
        Box::new(Listings::new(snapshot, wanted))
    }

    fn rowid(row: &Self::Row, keys: &RandomState) -> i64 {
        hashed(keys, (row.service.name(), row.listed.id()))
    }
}

/// Ports by name, in the order in which they were registered.
fn ports(registration: &Registration) -> Cell<'static> {
    object(registration.ports.iter().map(|port| (port.name.as_str(), port.number.into())))
}

fn meta(registration: &Registration) -> Cell<'static> {
    object(registration.meta.iter().map(|(key, value)| (&**key, Value::from(&**value))))
}

/// An object whose members keep their order.
fn object<'a>(members: impl Iterator<Item = (&'a str, Value)>) -> Cell<'static> {
    let members: Vec<String> = members.map(|(name, value)| format!("{}:{value}", Value::from(name))).collect();
    shown(format_args!("{{{}}}", members.join(",")))
}

/// The keys of tables that go through instances, as [`Listings`] takes them.
pub(super) const LISTING_KEYS: &[&str] = &["service", "id", "owner"];

/// What it costs to go through instances.
pub(super) fn listing_effort(size: Size, [service, id, owner]: [bool; KEYS_MAX]) -> Effort {
    let of_one = |is: bool, count: f64, among: f64| if is { (count / among).max(1.0) } else { count };
    let in_services = if service { 1.0 } else { size.services };
    let there = of_one(service, size.instances, size.services);
    let looked_at = if id { in_services } else { there };
    let rows = if id { 1.0 } else { of_one(owner, there, size.nodes) };
    Effort { looked_at, rows }
}

/// The instances that are wanted, service by service.
pub(super) struct Listings {
    services: std::vec::IntoIter<Arc<ServiceView>>,
    /// The service it is at, and the place in it.
    current: Option<(Arc<ServiceView>, usize)>,
    ids: Option<Vec<InstanceId>>,
    /// Nothing leads from an owner to its instances: all are looked at.
    owners: Option<Vec<NodeId>>,
}

impl Listings {
    pub(super) fn new(snapshot: &Snapshot, mut wanted: Wanted) -> Self {
        let services = services_named(snapshot, wanted.key(0)).into_iter();
        let ids = wanted.key(1).map(|texts| texts.iter().filter_map(|text| text.parse().ok()).collect());
        Self { services, current: None, ids, owners: wanted.key(2).map(|texts| node_ids(&texts)) }
    }
}

impl Iterator for Listings {
    type Item = Listing;

    fn next(&mut self) -> Option<Listing> {
        loop {
            let Some((service, at)) = &mut self.current else {
                self.current = Some((self.services.next()?, 0));
                continue;
            };
            let there = match &self.ids {
                None => service.instances().get(*at).map(Some),
                Some(ids) => ids.get(*at).map(|id| service.instance(id)),
            };
            *at += 1;
            match there {
                None => self.current = None,
                Some(Some(listed)) if self.owners.as_ref().is_none_or(|owners| owners.contains(&listed.owner())) => {
                    return Some(Listing { service: Arc::clone(service), listed: Arc::clone(listed) });
                }
                Some(_) => {}
            }
        }
    }
}

/// The services with these full names; without, all of them.
pub(super) fn services_named(snapshot: &Snapshot, texts: Option<Vec<Box<str>>>) -> Vec<Arc<ServiceView>> {
    let Some(texts) = texts else { return snapshot.view.services().cloned().collect() };
    // A name without a namespace is read as one in `default`, but here it is not the text that the column has.
    let name = |text: &str| text.parse::<ServiceName>().ok().filter(|name| name.as_str() == text);
    texts.iter().filter_map(|text| snapshot.view.service(&name(text)?)).cloned().collect()
}

/// The ids that these texts are, spelled as we spell them.
pub(super) fn node_ids(texts: &[Box<str>]) -> Vec<NodeId> {
    let id = |text: &str| text.parse::<NodeId>().ok().filter(|id| id.to_string() == text);
    texts.iter().filter_map(|text| id(text)).collect()
}
