//! Names: parsed once, true ever after.

use crate::limits::{INSTANCE_ID_BYTES_MAX, LABEL_BYTES_MAX, NODE_NAME_BYTES_MAX};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

/// Why a text is not the name it should be. The `Display` text says what would be right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadName {
    /// What was being named, for example "service".
    pub what: &'static str,
    /// The offending text, cut to 80 characters.
    pub given: String,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl BadName {
    fn new(what: &'static str, given: &str, problem: impl Into<String>) -> Self {
        Self { what, given: given.chars().take(80).collect(), problem: problem.into() }
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: {}", self.what, self.given, self.problem)
    }
}

impl core::error::Error for BadName {}

/// Checks one label: 1–63 of `a-z 0-9 - _`, beginning and ending with a letter or digit, so that it is a DNS label and
/// can never be mistaken for an RFC 2782 `_service` label.
fn check_label(what: &'static str, text: &str) -> Result<(), BadName> {
    if text.is_empty() {
        return Err(BadName::new(what, text, "is empty; expected 1 to 63 of a-z, 0-9, '-' and '_'"));
    }
    if text.len() > LABEL_BYTES_MAX {
        return Err(BadName::new(what, text, format!("is {} bytes long; a DNS label has at most 63", text.len())));
    }
    if let Some(bad) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')) {
        let advice = if bad.is_ascii_uppercase() {
            format!("; names are lower case, try {:?}", text.to_ascii_lowercase())
        } else {
            String::from("; expected a-z, 0-9, '-' and '_'")
        };
        return Err(BadName::new(what, text, format!("contains {bad:?}{advice}")));
    }
    let edge = |c: char| c.is_ascii_alphanumeric();
    if !text.starts_with(edge) || !text.ends_with(edge) {
        return Err(BadName::new(what, text, "must begin and end with a letter or digit"));
    }
    Ok(())
}

/// `namespace/service`, for example `prod/recos`. Clones share one allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName {
    text: Arc<str>,
    slash: u8,
}

impl ServiceName {
    /// The namespace of a name given without one.
    pub const DEFAULT_NAMESPACE: &'static str = "default";

    /// The service `service` in `namespace`.
    ///
    /// # Errors
    /// [`BadName`] for the first part that is not a label.
    pub fn new(namespace: &str, service: &str) -> Result<Self, BadName> {
        check_label("namespace", namespace)?;
        check_label("service", service)?;
        let slash = u8::try_from(namespace.len()).map_err(|_| BadName::new("namespace", namespace, "is too long"))?;
        Ok(Self { text: format!("{namespace}/{service}").into(), slash })
    }

    /// `namespace/service`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the slash.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.text[..usize::from(self.slash)]
    }

    /// The part after the slash.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.text[usize::from(self.slash) + 1..]
    }
}

impl FromStr for ServiceName {
    type Err = BadName;
    /// `service` or `namespace/service`; without a namespace it is `default`.
    fn from_str(s: &str) -> Result<Self, BadName> {
        match s.split_once('/') {
            Some((namespace, service)) => Self::new(namespace, service),
            None => Self::new(Self::DEFAULT_NAMESPACE, s),
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Names one instance of a service, for example `recos-7f9c`: 1–255 visible ASCII characters, none of `/ ? # %`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstanceId {
    type Err = BadName;
    fn from_str(s: &str) -> Result<Self, BadName> {
        const WHAT: &str = "instance id";
        if s.is_empty() || s.len() > INSTANCE_ID_BYTES_MAX {
            return Err(BadName::new(WHAT, s, format!("is {} bytes long; expected 1 to 255", s.len())));
        }
        match s.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '/' | '?' | '#' | '%')) {
            Some(bad) => Err(BadName::new(
                WHAT,
                s,
                format!("contains {bad:?}; expected visible ASCII characters other than / ? # %"),
            )),
            None => Ok(Self(s.into())),
        }
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Names a port of an instance, for example `http` or `metrics`: a label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortName(Box<str>);

impl PortName {
    /// What a port is called that was given as a bare number.
    pub const DEFAULT: &'static str = "main";

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for PortName {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl FromStr for PortName {
    type Err = BadName;
    fn from_str(s: &str) -> Result<Self, BadName> {
        check_label("port name", s)?;
        Ok(Self(s.into()))
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What people call a node, normally its host name. Empty until the node's own row has arrived.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NodeName(Box<str>);

impl NodeName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = BadName;
    /// Labels joined by dots, 253 bytes at most. Upper case is folded: host names compare without case (RFC 4343).
    fn from_str(s: &str) -> Result<Self, BadName> {
        let folded = s.to_ascii_lowercase();
        if folded.len() > NODE_NAME_BYTES_MAX {
            return Err(BadName::new("node name", s, format!("is {} bytes long; at most 253", s.len())));
        }
        folded.split('.').try_for_each(|label| {
            check_label("node name", label).map_err(|bad| BadName::new("node name", s, bad.problem))
        })?;
        Ok(Self(folded.into()))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Checks a zone or region: empty, or a label.
///
/// # Errors
/// [`BadName`] otherwise.
pub fn check_place(what: &'static str, text: &str) -> Result<Box<str>, BadName> {
    if !text.is_empty() {
        check_label(what, text)?;
    }
    Ok(text.to_string().into())
}
