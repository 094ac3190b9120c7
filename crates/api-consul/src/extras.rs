//! What clients of Consul say of a service beyond what an instance is here. It travels with the instance, as JSON in its meta.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use whither_model::{Invalid, Registration, appendix};

/// The key in the meta.
const KEY: &str = "consul";

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
    appendix::is_part_of(key, KEY)
}

impl Extras {
    /// Those of a registration; nothing if no client of Consul made it.
    pub(crate) fn of(registration: &Registration) -> Option<Self> {
        serde_json::from_str(&appendix::read(&registration.meta, KEY)?).ok()
    }

    /// Puts it in place of what `registration` has of it.
    ///
    /// # Errors
    /// It is too long.
    pub(crate) fn put(&self, registration: &mut Registration) -> Result<(), Invalid> {
        let text = serde_json::to_string(self).unwrap_or_default();
        registration.meta = appendix::write(&registration.meta, KEY, &text)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use whither_model::limits::META_VALUE_BYTES_MAX;

    #[test]
    fn they_travel_in_as_many_values_as_it_takes() {
        let check = |n: usize| CheckExtras {
            id: format!("chéck-{n}").into(),
            name: "n".repeat(60).into(),
            ..CheckExtras::default()
        };
        let extras = Extras { id: Some("web".into()), checks: (0..20).map(check).collect(), ..Extras::default() };
        let (service, id) = ("web".parse().unwrap(), "web@a".parse().unwrap());
        let mut registration = Registration::new(service, id, Ipv4Addr::LOCALHOST.into());
        registration.meta = [("consul.dc".into(), "x".into()), ("consul.9".into(), "old".into())].into();
        assert_eq!(Extras::of(&registration), None);
        extras.put(&mut registration).unwrap();
        let (ours, users): (Vec<_>, Vec<_>) = registration.meta.iter().partition(|(key, _)| is_ours(key));
        assert!(ours.len() > 2 && ours.iter().all(|(_, value)| value.len() <= META_VALUE_BYTES_MAX));
        assert_eq!(users.len(), 1);
        assert_eq!(Extras::of(&registration), Some(extras.clone()));
        let too_much = Extras { checks: (0..100).map(check).collect(), ..extras };
        assert!(too_much.put(&mut registration).is_err());
    }
}
