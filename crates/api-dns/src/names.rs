//! What a name below a zone means. Decided by the labels alone, never by what happens to be registered.
//!
//! See the table in the crate's documentation.

use whither_model::ServiceName;

/// The labels that are read as markers, each only in its one position.
pub(crate) mod marker {
    pub(crate) const SERVICE: &[u8] = b"service";
    pub(crate) const NODE: &[u8] = b"node";
    pub(crate) const TAG: &[u8] = b"tag";
    pub(crate) const PORT: &[u8] = b"port";
    pub(crate) const INSTANCE: &[u8] = b"instance";
    pub(crate) const TCP: &[u8] = b"_tcp";
}

/// What is asked about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Lookup<'n> {
    /// The zone itself.
    Apex,
    /// A name that is always there, only because others are below it.
    Fixed,
    /// A name that is there if the namespace is.
    Namespace(&'n str),
    /// A name that is there if the service is, because others are below it.
    Below(ServiceName),
    /// A service in the default namespace, or else the namespace of the same name.
    ServiceOrNamespace(ServiceName),
    /// A service, or a part of it.
    Service(ServiceName, Part<'n>),
    /// A node, by the labels of its name or by its id.
    Node(&'n [&'n [u8]]),
    /// Nothing can have this name.
    Nothing,
}

/// Which instances of a service are meant, and which records they have under this name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part<'n> {
    /// All, by their first port.
    Whole,
    /// Those with this tag; the label is in lower case, the tag may not be.
    Tag(&'n [u8]),
    /// Those with this port, by that port.
    Port(&'n str),
    /// The one whose [`instance_label`] this is.
    Instance(&'n str),
    /// RFC 2782, `_service._tcp`: like [`Part::Whole`], without addresses.
    Rfc2782,
    /// RFC 2782, `_port._tcp`: like [`Part::Port`], without addresses.
    Rfc2782Port(&'n str),
}

/// Reads the labels before the zone, leftmost first and in lower case.
pub(crate) fn read<'n>(labels: &'n [&'n [u8]]) -> Lookup<'n> {
    match labels {
        [] => Lookup::Apex,
        [marker::NODE] | [marker::SERVICE] => Lookup::Fixed,
        [name @ .., marker::NODE] => Lookup::Node(name),
        [below @ .., marker::SERVICE] => read_service(below),
        _ => read_service(labels),
    }
}

fn read_service<'n>(labels: &[&'n [u8]]) -> Lookup<'n> {
    let default = ServiceName::DEFAULT_NAMESPACE.as_bytes();
    let lookup = match *labels {
        [marker::TCP] => Some(Lookup::Fixed),
        [service] => name_of(default, service).map(Lookup::ServiceOrNamespace),
        [marker::TCP, namespace] => label(namespace).map(Lookup::Namespace),
        [[b'_', service @ ..], marker::TCP] => whole(default, service, Part::Rfc2782),
        [service, namespace] => whole(namespace, service, Part::Whole),
        [[b'_', service @ ..], marker::TCP, namespace] => whole(namespace, service, Part::Rfc2782),
        [marker::TCP | marker::TAG | marker::PORT | marker::INSTANCE, service, namespace] => {
            name_of(namespace, service).map(Lookup::Below)
        }
        [[b'_', port @ ..], marker::TCP, service, namespace] => {
            label(port).and_then(|port| whole(namespace, service, Part::Rfc2782Port(port)))
        }
        [tag, marker::TAG, service, namespace] => whole(namespace, service, Part::Tag(tag)),
        [port, marker::PORT, service, namespace] => {
            label(port).and_then(|port| whole(namespace, service, Part::Port(port)))
        }
        [id, marker::INSTANCE, service, namespace] => {
            label(id).and_then(|id| whole(namespace, service, Part::Instance(id)))
        }
        _ => None,
    };
    lookup.unwrap_or(Lookup::Nothing)
}

fn whole<'n>(namespace: &[u8], service: &[u8], part: Part<'n>) -> Option<Lookup<'n>> {
    name_of(namespace, service).map(|name| Lookup::Service(name, part))
}

fn name_of(namespace: &[u8], service: &[u8]) -> Option<ServiceName> {
    ServiceName::new(label(namespace)?, label(service)?).ok()
}

/// `bytes` as text if they are a label of the catalog: a-z, 0-9, '-' and '_', a letter or digit at both ends.
/// Checked here first because a refusal of the model is a sentence, which strangers should not make us write.
fn label(bytes: &[u8]) -> Option<&str> {
    let inner = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let (first, last) = (bytes.first()?, bytes.last()?);
    if bytes.len() > 63 || !first.is_ascii_alphanumeric() || !last.is_ascii_alphanumeric() || !bytes.iter().all(inner) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// What the label of an id begins with that cannot be a label itself.
const HASHED_PREFIX: &str = "x-";

/// The label of an instance: its id if that is a label of at most 63 characters that does not begin with `x-`,
/// otherwise `x-` and the sixteen hexadecimal digits of the id's 64-bit FNV-1a hash, the same on every node for ever.
pub(crate) fn instance_label(id: &str) -> std::borrow::Cow<'_, str> {
    if is_own_label(id) { id.into() } else { format!("{HASHED_PREFIX}{:016x}", fnv1a(id.as_bytes())).into() }
}

/// Whether an instance with this id has its id as label.
pub(crate) fn is_own_label(id: &str) -> bool {
    label(id.as_bytes()).is_some() && !id.starts_with(HASHED_PREFIX)
}

/// Whether `id` is an id whose label is `wanted`, a label that is not its own id's.
pub(crate) fn has_hashed_label(id: &str, wanted: u64) -> bool {
    !is_own_label(id) && fnv1a(id.as_bytes()) == wanted
}

/// The hash in a label made from an id that is no label.
pub(crate) fn hash_of_label(label: &str) -> Option<u64> {
    let digits = label.strip_prefix(HASHED_PREFIX).filter(|digits| digits.len() == 16)?;
    let lower = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    lower.then(|| u64::from_str_radix(digits, 16).ok())?
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Labels of the long name of a service, from the left: what comes between an instance's marker and the zone.
/// A namespace that is spelled like a marker has only the form that ends in `service`.
pub(crate) fn service_labels(name: &ServiceName) -> Vec<&[u8]> {
    let namespace = name.namespace().as_bytes();
    let mut labels = vec![name.service().as_bytes(), namespace];
    if matches!(namespace, marker::NODE | marker::SERVICE) {
        labels.push(marker::SERVICE);
    }
    labels
}
