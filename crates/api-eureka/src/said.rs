//! What clients of Eureka say of an instance beyond what an instance is here. It travels with it, as JSON in its meta.

use serde::{Deserialize, Serialize};
use whither_model::appendix;
use whither_model::{Invalid, Registration};

/// The key in the meta.
pub(crate) const KEY: &str = "eureka";

/// What is left out is as it is when nothing was said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Its id there, if it is not spelled as here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) host: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) vip: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) secure_vip: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) group: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) home: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) status_page: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) health_check: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) secure_health_check: Box<str>,
    /// The secure port, and whether it is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secure_port: Option<(u16, bool)>,
    /// The port, if it is not meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unused_port: Option<u16>,
    /// How often it says that it renews, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) renewal: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dirty: Option<u64>,
    /// The status that it last said itself.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) status: Box<str>,
    /// What an operator has set its status to, whatever it says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) overridden: Option<Box<str>>,
}

impl Said {
    /// Nothing: no client of Eureka registered it.
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
