//! The path and query of a request, escaped where they must be.

use std::fmt;
use std::fmt::Write;
use whither_model::{InstanceId, ServiceName};

/// A path with its query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    text: String,
    has_query: bool,
}

impl Target {
    /// `path`, which needs no escaping.
    pub(crate) fn new(path: &str) -> Self {
        Self { text: path.to_owned(), has_query: false }
    }

    /// A service: `/v1/services/prod/recos`.
    pub(crate) fn service(name: &ServiceName) -> Self {
        Self::new("/v1/services").segment(name.namespace()).segment(name.service())
    }

    /// An instance: `/v1/services/prod/recos/instances/recos-1`.
    pub(crate) fn instance(name: &ServiceName, id: &InstanceId) -> Self {
        let mut target = Self::service(name);
        target.text.push_str("/instances");
        target.segment(id.as_str())
    }

    /// With one more segment.
    pub(crate) fn segment(mut self, segment: &str) -> Self {
        self.text.push('/');
        // Invariant: "." and ".." do not survive as segments; servers and proxies walk them.
        match segment {
            "." | ".." => self.text.push_str(&segment.replace('.', "%2E")),
            _ => escape(&mut self.text, segment),
        }
        self
    }

    /// Asked of another node, if one is named.
    pub(crate) fn from(self, node: Option<&str>) -> Self {
        match node {
            Some(node) => self.query("from", node),
            None => self,
        }
    }

    /// With one more pair in the query.
    pub(crate) fn query(mut self, key: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(key);
        self.text.push('=');
        escape(&mut self.text, value);
        self
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Percent-encodes all but the unreserved characters and the colon (RFC 3986 sections 2.1, 2.3 and 3.3).
fn escape(into: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => into.push(char::from(byte)),
            _ => {
                let _ = write!(into, "%{byte:02X}");
            }
        }
    }
}
