//! An instance as clients of Consul would have registered it, whoever did.

use super::shapes::{Tagged, TaggedAddresses, Weights};
use super::{CRITICAL, PASSING, WARNING};
use crate::extras::{self, Extras};
use crate::names;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use whither_directory::{Listed, Selection, ServiceView, Status};
use whither_model::{Health, Registration};

/// An instance, with all that is needed to show it.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) listed: &'a Arc<Listed>,
    pub(crate) extras: Option<Extras>,
    /// The service's name, as clients of Consul spell it.
    pub(crate) name: &'a str,
    selection: Selection,
}

/// The instances of a service.
pub(crate) fn entries(service: &ServiceView) -> impl Iterator<Item = Entry<'_>> {
    let (name, selection) = (names::shown(service.name()), service.selection());
    service.instances().iter().map(move |listed| {
        let extras = Extras::of(&listed.instance.registration);
        Entry { listed, extras, name, selection }
    })
}

impl Entry<'_> {
    pub(super) fn registration(&self) -> &Registration {
        &self.listed.instance.registration
    }

    pub(crate) fn id(&self) -> &str {
        names::id(self.listed, self.extras.as_ref())
    }

    pub(crate) fn name(&self) -> &str {
        self.extras.as_ref().and_then(|extras| extras.name.as_deref()).unwrap_or(self.name)
    }

    pub(super) fn kind(&self) -> &str {
        self.extras.as_ref().and_then(|extras| extras.kind.as_deref()).unwrap_or_default()
    }

    pub(super) fn address(&self) -> Cow<'_, str> {
        match self.extras.as_ref().and_then(|extras| extras.address.as_deref()) {
            Some(address) => address.into(),
            None => self.registration().address.to_string().into(),
        }
    }

    pub(super) fn port(&self) -> u16 {
        let said = self.extras.as_ref().and_then(|extras| extras.port);
        said.or_else(|| self.registration().ports.first().map(|port| port.number)).unwrap_or(0)
    }

    pub(super) fn weights(&self) -> Weights {
        let (passing, warning) = match self.extras.as_ref() {
            Some(extras) => extras.weights.unwrap_or((1, 1)),
            None => (u32::from(self.registration().weight).div_ceil(100), 1),
        };
        Weights { passing, warning }
    }

    /// What users said, and not what clients of Consul said beyond it.
    pub(super) fn meta(&self) -> BTreeMap<&str, &str> {
        let users = self.registration().meta.iter().filter(|(key, _)| !extras::is_ours(key));
        users.map(|(key, value)| (&**key, &**value)).collect()
    }

    pub(super) fn tagged(&self) -> TaggedAddresses<'_> {
        let mut tagged: TaggedAddresses<'_> = BTreeMap::new();
        let (address, port) = (self.address(), self.port());
        let names = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => Some(["lan_ipv4", "wan_ipv4"]),
            Ok(IpAddr::V6(_)) => Some(["lan_ipv6", "wan_ipv6"]),
            Err(_) => None,
        };
        for name in names.into_iter().flatten() {
            tagged.insert(name.into(), Tagged { address: address.clone(), port });
        }
        for (name, (address, port)) in self.extras.iter().flat_map(|extras| &extras.tagged) {
            tagged.insert((&**name).into(), Tagged { address: (&**address).into(), port: *port });
        }
        tagged
    }

    /// Whether it is given out only because nothing better is left: then nothing that merely fell silent speaks against it, or the
    /// service would be empty to everybody who asks for what passes.
    pub(super) fn is_last_known(&self) -> bool {
        self.selection == Selection::LastKnown && self.listed.status.is_last_known()
    }

    pub(super) fn owner_lives(&self) -> (bool, &'static str) {
        match self.listed.status {
            Status::Lost if self.is_last_known() => {
                (true, "Agent not live or unreachable; last known, and nothing better is left")
            }
            Status::Lost => (false, "Agent not live or unreachable"),
            _ => (true, "Agent alive and reachable"),
        }
    }

    /// What all of its own checks together come to.
    pub(crate) fn own_status(&self) -> (&'static str, &'static str) {
        match self.listed.status {
            _ if self.is_last_known() && self.listed.status != Status::Lost => {
                (PASSING, "silent; last known, and nothing better is left")
            }
            Status::Silent => (CRITICAL, "TTL expired"),
            Status::Evicted => (CRITICAL, "a newer instance has its address"),
            Status::Leaving => (CRITICAL, "deregistered, as were many at once"),
            Status::Warning => (WARNING, ""),
            Status::Critical => (CRITICAL, ""),
            Status::Passing
            | Status::Held
            | Status::Lost
            | Status::Starting
            | Status::Draining
            | Status::Maintenance => match self.registration().health.as_str() {
                _ if self.is_last_known() && self.registration().health == Health::Overdue => (PASSING, ""),
                WARNING if self.listed.status != Status::Held => (WARNING, ""),
                CRITICAL => (CRITICAL, ""),
                _ => (PASSING, ""),
            },
        }
    }
}
