//! How names of Consul become names here, and back.

use crate::extras::Extras;
use std::borrow::Cow;
use std::fmt::Write;
use whither_directory::Listed;
use whither_model::limits::INSTANCE_ID_BYTES_MAX;
use whither_model::name::BadName;
use whither_model::{InstanceId, NodeId, ServiceName};

/// The service that clients of Consul call so. Consul's names know both cases and find themselves in either; here they have one.
///
/// # Errors
/// It cannot be a name here: a dot, for example, which would be another label in DNS.
pub(crate) fn service(name: &str) -> Result<ServiceName, BadName> {
    name.to_ascii_lowercase().parse()
}

/// What clients of Consul call a service, if nobody registered it with a spelling of its own.
pub(crate) fn shown(name: &ServiceName) -> &str {
    if name.namespace() == ServiceName::DEFAULT_NAMESPACE { name.service() } else { name.as_str() }
}

/// The id here of what a client of Consul registered at `node`. There, ids are unique on a node; here, in a service.
///
/// # Errors
/// It is too long.
pub(crate) fn instance(id: &str, node: &str) -> Result<InstanceId, BadName> {
    let mut text = String::with_capacity(id.len() + node.len() + 1);
    for c in id.chars() {
        if c.is_ascii_graphic() && !matches!(c, '/' | '?' | '#' | '%' | '@' | '~') {
            text.push(c);
            continue;
        }
        let mut bytes = [0; 4];
        for byte in c.encode_utf8(&mut bytes).bytes() {
            let _ = write!(text, "~{byte:02x}");
        }
    }
    text.push('@');
    text.push_str(node);
    debug_assert!(text.len() <= INSTANCE_ID_BYTES_MAX || text.parse::<InstanceId>().is_err());
    text.parse()
}

/// What clients of Consul call an instance.
pub(crate) fn id<'a>(listed: &'a Listed, extras: Option<&'a Extras>) -> &'a str {
    extras.and_then(|extras| extras.id.as_deref()).unwrap_or(listed.id().as_str())
}

/// A node's id as a UUID.
pub(crate) fn uuid(node: NodeId) -> String {
    let digits = node.to_string();
    let (high, low) = digits.split_at(digits.len().min(4));
    format!("00000000-0000-4000-{high:0>4}-{low:0>12}")
}

/// What stands behind a prefix of a path, decoded.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        assert_eq!(service("Web").unwrap().as_str(), "default/web");
        assert_eq!(shown(&service("web").unwrap()), "web");
        assert_eq!(shown(&service("prod/web").unwrap()), "prod/web");
        assert!(service("a.b").is_err());
    }

    #[test]
    fn ids_are_told_apart_by_node_and_spelled_so_that_they_may_be_ids() {
        assert_eq!(instance("web1", "n1").unwrap().as_str(), "web1@n1");
        assert_eq!(instance("host:web:8080", "n1").unwrap().as_str(), "host:web:8080@n1");
        assert_eq!(instance("a/b c~d@ü", "n").unwrap().as_str(), "a~2fb~20c~7ed~40~c3~bc@n");
        assert!(instance(&"x".repeat(300), "n").is_err());
    }

    #[test]
    fn a_node_has_a_uuid() {
        assert_eq!(uuid(NodeId::new(0xc0ff_ee00_c0ff_ee00).unwrap()), "00000000-0000-4000-c0ff-ee00c0ffee00");
    }
}
