//! What the catalog looks like to clients of Eureka.

use crate::names;
use crate::said::{KEY, Said};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use whither_directory::{Listed, Selection, ServiceView, Status, View};
use whither_model::{State, appendix};

/// What is done with an instance, to whoever has an older list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Added,
    Modified,
    Deleted,
}

impl Action {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// A service with instances.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) instances: Vec<Instance>,
}

/// An instance as Eureka has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) said: Said,
    pub(crate) ip: String,
    pub(crate) status: &'static str,
    pub(crate) port: (u16, bool),
    pub(crate) secure_port: (u16, bool),
    pub(crate) metadata: Vec<(Box<str>, Box<str>)>,
    pub(crate) lease_secs: u64,
    pub(crate) registered: u64,
    pub(crate) updated: u64,
    pub(crate) action: Action,
}

/// What is shown where nothing was said.
const SECURE_PORT: u16 = 443;
/// Eureka's lease where nothing was said.
pub(crate) const LEASE_SECS: u64 = 90;
pub(crate) const RENEWAL_SECS: u32 = 30;

/// The status of an instance in Eureka's words; nothing: it is not to be shown at all.
///
/// Eureka evicts what fell silent. So does this, but not while nothing else is left: a time-out never empties a service.
pub(crate) fn status(listed: &Listed, selection: Selection) -> Option<&'static str> {
    Some(match listed.status {
        Status::Passing | Status::Warning | Status::Held => "UP",
        Status::Starting => "STARTING",
        Status::Draining | Status::Maintenance => "OUT_OF_SERVICE",
        Status::Critical | Status::Evicted => "DOWN",
        Status::Silent | Status::Lost | Status::Leaving if selection == Selection::LastKnown => "UP",
        Status::Silent | Status::Lost | Status::Leaving => return None,
    })
}

/// A service with those of its instances that are to be shown; nothing: there are none.
pub(crate) fn application(service: &ServiceView) -> Option<Application> {
    let instances: Vec<Instance> =
        service.instances().iter().filter_map(|listed| instance(listed, service.selection())).collect();
    (!instances.is_empty()).then(|| Application { name: names::app(service.name()), instances })
}

pub(crate) fn instance(listed: &Arc<Listed>, selection: Selection) -> Option<Instance> {
    let registration = &listed.instance.registration;
    let status = status(listed, selection)?;
    let said = Said::of(registration);
    let foreign = said.is_none();
    let mut said = said.unwrap_or_default();
    let ip = registration.address.to_string();
    if said.host.is_empty() {
        said.host = ip.clone().into();
    }
    if said.vip.is_empty() && foreign {
        said.vip = names::app(&registration.service).to_ascii_lowercase().into();
    }
    let port = match said.unused_port {
        Some(port) => (port, false),
        None => registration.ports.first().map_or((0, false), |port| (port.number, true)),
    };
    let users = registration.meta.iter().filter(|(key, _)| !appendix::is_part_of(key, KEY)).cloned();
    let zone = (foreign && !listed.zone.is_empty()).then(|| ("zone".into(), (&*listed.zone).into()));
    let overridden = matches!(registration.state, State::Maintenance | State::Draining) && said.overridden.is_none();
    if overridden {
        said.overridden = Some("OUT_OF_SERVICE".into());
    }
    Some(Instance {
        id: said.id.as_deref().unwrap_or(registration.id.as_str()).to_owned(),
        app: names::app(&registration.service),
        ip,
        status,
        port,
        secure_port: said.secure_port.unwrap_or((SECURE_PORT, false)),
        metadata: users.chain(zone).collect(),
        lease_secs: registration.lease.map_or(LEASE_SECS, |lease| lease.as_secs().max(1)),
        registered: listed.instance.claimed_at.0,
        updated: listed.instance.changed_at.0,
        action: Action::Added,
        said,
    })
}

/// Every service that has something to show, by name.
pub(crate) fn applications(view: &View) -> Vec<Application> {
    let mut all: Vec<Application> = view.services().filter_map(|service| application(service)).collect();
    all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    all
}

/// How many instances have each status, in Eureka's spelling: whoever has the same has, most likely, the same instances.
pub(crate) fn hash_code(applications: &[Application]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in applications.iter().flat_map(|application| &application.instances) {
        *counts.entry(instance.status).or_default() += 1;
    }
    counts.into_iter().fold(String::new(), |mut text, (status, count)| {
        let _ = write!(text, "{status}_{count}_");
        text
    })
}
