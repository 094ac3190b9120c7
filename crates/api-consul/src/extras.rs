//! What clients of Consul say of a service beyond what an instance is here. It travels with the instance, as JSON in its meta.

use crate::reply::Refused;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use whither_model::Registration;
use whither_model::limits::META_VALUE_BYTES_MAX;

/// The key in the meta; what does not fit in one value goes on under `consul.1`, `consul.2` and so on.
const KEY: &str = "consul";
/// Values that it may take.
const VALUES_MAX: usize = 8;

/// A key, and what stands under it.
type MetaEntry = (Box<str>, Box<str>);

/// What is left out is as it is when nothing was said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Extras {
    /// Its id there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Box<str>>,
    /// Its service's name, if it is not spelled as here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Box<str>>,
    /// Its address, if that is not the instance's: nothing, or a host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Box<str>>,
    /// Its port, if that is not the instance's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tagged: BTreeMap<Box<str>, (Box<str>, u16)>,
    /// Its weights while it passes and while it warns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weights: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) override_tags: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) checks: Vec<CheckExtras>,
    /// The node that it was registered for, if not the agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<ForeignNode>,
}

/// A check as clients of Consul see it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CheckExtras {
    pub(crate) id: Box<str>,
    pub(crate) name: Box<str>,
    /// `ttl`, `http`, `tcp`, `grpc`, or nothing.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) kind: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) notes: Box<str>,
    /// Of a `ttl`, how many milliseconds a report counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<u64>,
}

/// A node that is no agent.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ForeignNode {
    pub(crate) name: Box<str>,
    pub(crate) address: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) id: Box<str>,
}

/// Whether a key of the meta is ours.
pub(crate) fn is_ours(key: &str) -> bool {
    key == KEY || key.strip_prefix(KEY).and_then(|rest| rest.strip_prefix('.')).is_some_and(|n| n.parse::<u8>().is_ok())
}

impl Extras {
    /// Those of a registration; nothing if no client of Consul made it.
    pub(crate) fn of(registration: &Registration) -> Option<Self> {
        let value =
            |wanted: &str| registration.meta.iter().find(|(key, _)| &**key == wanted).map(|(_, value)| &**value);
        let mut text = value(KEY)?.to_owned();
        for number in 1..VALUES_MAX {
            match value(&format!("{KEY}.{number}")) {
                Some(more) => text.push_str(more),
                None => break,
            }
        }
        serde_json::from_str(&text).ok()
    }

    /// As entries of a meta.
    ///
    /// # Errors
    /// It is too much.
    pub(crate) fn to_meta(&self) -> Result<Vec<MetaEntry>, Refused> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let mut entries = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            if entries.len() == VALUES_MAX {
                let most = VALUES_MAX * META_VALUE_BYTES_MAX;
                return Err(Refused::bad(format!(
                    "checks and tagged addresses take {} bytes; at most {most}",
                    text.len()
                )));
            }
            let end =
                (0..=META_VALUE_BYTES_MAX.min(rest.len())).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(0);
            let key = if entries.is_empty() { KEY.to_owned() } else { format!("{KEY}.{}", entries.len()) };
            entries.push((key.into(), rest[..end].into()));
            rest = &rest[end..];
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn they_travel_in_as_many_values_as_it_takes() {
        let check = |n: usize| CheckExtras {
            id: format!("chéck-{n}").into(),
            name: "n".repeat(60).into(),
            ..CheckExtras::default()
        };
        let extras = Extras { id: Some("web".into()), checks: (0..20).map(check).collect(), ..Extras::default() };
        let meta = extras.to_meta().unwrap();
        assert!(meta.len() > 2 && meta.iter().all(|(key, value)| is_ours(key) && value.len() <= META_VALUE_BYTES_MAX));
        let (service, id) = ("web".parse().unwrap(), "web@a".parse().unwrap());
        let mut registration = Registration::new(service, id, Ipv4Addr::LOCALHOST.into());
        assert_eq!(Extras::of(&registration), None);
        registration.meta = meta.into();
        assert_eq!(Extras::of(&registration), Some(extras.clone()));
        let too_much = Extras { checks: (0..100).map(check).collect(), ..extras };
        assert!(too_much.to_meta().is_err());
        assert!(!is_ours("consul.dc") && !is_ours("consulate"));
    }
}
