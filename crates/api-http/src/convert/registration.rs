//! From the JSON that clients send to registrations that keep every bound.

use super::checks;
use crate::json::{Fields, Json, Tree};
use crate::limits::{JOIN_ADDRESSES_MAX, JSON_VALUES_MAX};
use crate::problem::Problem;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use whither_model::limits::{REGISTRATIONS_PER_REQUEST_MAX, RENEWALS_PER_REQUEST_MAX};
use whither_model::name::BadName;
use whither_model::session::NotASessionId;
use whither_model::{InstanceId, Invalid, Port, PortName, Registration, ServiceName, Upkeep};

const FIELDS: [&str; 18] = [
    "service",
    "id",
    "address",
    "port",
    "ports",
    "tags",
    "meta",
    "weight",
    "version",
    "zone",
    "state",
    "health",
    "ttl",
    "session",
    "checks",
    "remove_after_critical",
    "ramp",
    "shares_address",
];

/// Reads the body of a request that registers one instance, whose name is in the path.
///
/// # Errors
/// The body is not JSON, or a field cannot be accepted.
pub(crate) fn one(
    body: &[u8],
    service: ServiceName,
    id: InstanceId,
    default_address: IpAddr,
) -> Result<Registration, Problem> {
    let fields = Fields::of(document(body, r#"{"port":8080}"#)?, "", &FIELDS[2..])?;
    Ok(registration(fields, service, id, default_address)?)
}

/// Reads the body of a request that registers many.
///
/// # Errors
/// The body is not JSON, or a field of any of them cannot be accepted.
pub(crate) fn many(body: &[u8], default_address: IpAddr) -> Result<Vec<Registration>, Problem> {
    let refused = Cell::new(None);
    let seed = Registrations { default_address, refused: &refused };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = seed.deserialize(&mut deserializer).and_then(|read| deserializer.end().map(|()| read));
    match (refused.take(), read) {
        (Some(invalid), _) => Err(Problem::from(invalid)),
        (None, Ok(registrations)) => Ok(registrations),
        (None, Err(fault)) => Err(not_json(body, &fault, r#"[{"service":"prod/recos","id":"recos-1","port":8080}]"#)),
    }
}

/// Reads the body of a request to renew many: an array of pairs of service and id.
///
/// # Errors
/// The body is not such an array, or has too many, or a name cannot be one.
pub(crate) fn names(body: &[u8]) -> Result<Vec<(ServiceName, InstanceId)>, Problem> {
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        serde_json::from_slice(body).map_err(|fault| not_json(body, &fault, r#"[["prod/recos","recos-1"]]"#))?;
    if pairs.len() > RENEWALS_PER_REQUEST_MAX {
        let problem = format!("has {} entries; at most {RENEWALS_PER_REQUEST_MAX}", pairs.len());
        return Err(Invalid::new("body", problem).into());
    }
    let mut names = Vec::with_capacity(pairs.len());
    for (at, (service, id)) in pairs.iter().enumerate() {
        let bad = |which: usize, bad: &BadName| Invalid::new(format!("[{at}][{which}]"), bad.to_string());
        // Of one service there are usually many in a row.
        let service = match names.last() {
            Some((before, _)) if ServiceName::as_str(before) == &**service => ServiceName::clone(before),
            _ => service.parse().map_err(|problem| bad(0, &problem))?,
        };
        names.push((service, id.parse().map_err(|problem| bad(1, &problem))?));
    }
    Ok(names)
}

/// Reads the body of a request to join: `{"addresses":["10.0.0.1:7600","seed.example"]}`.
///
/// # Errors
/// The body is not JSON, or an address cannot be one.
pub(crate) fn addresses(body: &[u8]) -> Result<Vec<String>, Problem> {
    const EXPECTED: &str = r#"an array of addresses, for example ["10.0.0.1:7600","seed.example"]"#;
    let mut fields = Fields::of(document(body, r#"{"addresses":["10.0.0.1:7600"]}"#)?, "", &["addresses"])?;
    let Some((path, value)) = fields.take("addresses") else {
        return Err(Invalid::new("addresses", format!("is missing; expected {EXPECTED}")).into());
    };
    let items = value.array(&path, EXPECTED)?;
    if items.is_empty() || items.len() > JOIN_ADDRESSES_MAX {
        let problem = format!("has {} entries; expected 1 to {JOIN_ADDRESSES_MAX}", items.len());
        return Err(Invalid::new(path, problem).into());
    }
    let mut addresses = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        addresses.push(item.text(&format!("{path}[{at}]"), "a text such as \"10.0.0.1:7600\"")?);
    }
    Ok(addresses)
}

fn document(body: &[u8], example: &str) -> Result<Json, Problem> {
    let budget = Cell::new(JSON_VALUES_MAX);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Tree(&budget)
        .deserialize(&mut deserializer)
        .and_then(|json| deserializer.end().map(|()| json))
        .map_err(|fault| not_json(body, &fault, example))
}

fn not_json(body: &[u8], fault: &serde_json::Error, example: &str) -> Problem {
    if body.trim_ascii().is_empty() {
        return Problem::malformed(format!("the body is empty; expected JSON such as {example}"));
    }
    // serde_json's own text ends in "at line 1 column 2".
    Problem::malformed(format!("the body is not as expected: {fault}; expected JSON such as {example}"))
}

/// Reads an array of registrations one by one, so that memory holds one tree and not all of them.
struct Registrations<'a> {
    default_address: IpAddr,
    refused: &'a Cell<Option<Invalid>>,
}

impl<'de> DeserializeSeed<'de> for Registrations<'_> {
    type Value = Vec<Registration>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Registrations<'_> {
    type Value = Vec<Registration>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of registrations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // The text of this error is never shown: what was refused is told in its place.
        let refuse = |invalid| {
            self.refused.set(Some(invalid));
            A::Error::custom("refused")
        };
        let mut registrations = Vec::new();
        let mut names = HashSet::new();
        loop {
            if registrations.len() == REGISTRATIONS_PER_REQUEST_MAX {
                if seq.next_element::<IgnoredAny>()?.is_some() {
                    let problem =
                        format!("has more than {REGISTRATIONS_PER_REQUEST_MAX} entries; send several requests");
                    return Err(refuse(Invalid::new("body", problem)));
                }
                return Ok(registrations);
            }
            let budget = Cell::new(JSON_VALUES_MAX);
            let Some(json) = seq.next_element_seed(Tree(&budget))? else { return Ok(registrations) };
            let path = format!("[{}]", registrations.len());
            let registration = named(json, &path, self.default_address).map_err(refuse)?;
            if !names.insert((registration.service.clone(), registration.id.clone())) {
                let problem = format!("{} of {} is in this request already", registration.id, registration.service);
                return Err(refuse(Invalid::new(format!("{path}.id"), problem)));
            }
            registrations.push(registration);
        }
    }
}

/// A registration that says itself what it is called.
fn named(json: Json, path: &str, default_address: IpAddr) -> Result<Registration, Invalid> {
    let mut fields = Fields::of(json, path, &FIELDS)?;
    let mut name = |field: &str, expected: &str| match fields.take(field) {
        Some((path, value)) => value.text(&path, expected).map(|text| (path, text)),
        None => Err(Invalid::new(fields.path_of(field), format!("is missing; expected {expected}"))),
    };
    let (path, service) = name("service", "a text such as \"prod/recos\"")?;
    let service = service.parse().map_err(|bad: BadName| Invalid::new(path, bad.to_string()))?;
    let (path, id) = name("id", "a text such as \"recos-7f9c\"")?;
    let id = id.parse().map_err(|bad: BadName| Invalid::new(path, bad.to_string()))?;
    registration(fields, service, id, default_address)
}

fn registration(
    mut fields: Fields,
    service: ServiceName,
    id: InstanceId,
    default_address: IpAddr,
) -> Result<Registration, Invalid> {
    let mut registration = Registration::new(service, id, default_address);
    if let Some((path, value)) = fields.take("address") {
        const EXPECTED: &str = "an IP address such as \"10.0.0.7\" or \"fd00::7\"";
        let text = value.text(&path, EXPECTED)?;
        registration.address = text.parse().map_err(|_| Json::Text(text).unexpected(&path, EXPECTED))?;
    }
    registration.ports = ports(&mut fields)?;
    if let Some((path, value)) = fields.take("tags") {
        registration.tags = texts(value, &path)?;
    }
    if let Some((path, value)) = fields.take("meta") {
        registration.meta = meta(value, &path)?;
    }
    if let Some((path, value)) = fields.take("weight") {
        registration.weight = number(&value, &path, "a whole number from 1 to 65535")?;
    }
    if let Some((path, value)) = fields.take("version") {
        registration.version = value.text(&path, "a text such as \"1.4.2\"")?.into();
    }
    if let Some((path, value)) = fields.take("zone") {
        registration.zone = value.text(&path, "a text such as \"eu-1a\"")?.into();
    }
    if let Some((path, value)) = fields.take("state") {
        let text = value.text(&path, "starting, up, draining or maintenance")?;
        registration.state = text.parse().map_err(|bad: Invalid| Invalid::new(path, bad.problem))?;
    }
    if let Some((path, value)) = fields.take("health") {
        let text = value.text(&path, "passing, warning or critical")?;
        registration.health = text.parse().map_err(|bad: Invalid| Invalid::new(path, bad.problem))?;
    }
    if let Some((path, value)) = fields.take("ttl") {
        registration.lease = Some(duration(&value, &path)?);
    }
    if let Some((path, value)) = fields.take("session") {
        let text = value.text(&path, "the 16 hexadecimal digits of an open session")?;
        let session = text.parse().map_err(|bad: NotASessionId| Invalid::new(path, format!("is {text:?}, {bad}")))?;
        registration.session = Some(session);
    }
    registration.upkeep = upkeep(&mut fields, &registration.ports)?;
    if let Some((path, value)) = fields.take("shares_address") {
        registration.shares_address = match value {
            Json::Bool(shares) => shares,
            other => return Err(other.unexpected(&path, "true or false")),
        };
    }
    registration.check().map_err(|bad| Invalid::new(fields.path_of(&bad.field), bad.problem))?;
    Ok(registration)
}

/// What its owner is to do for it.
fn upkeep(fields: &mut Fields, ports: &[Port]) -> Result<Option<Arc<Upkeep>>, Invalid> {
    let checks = match fields.take("checks") {
        Some((path, value)) => checks::read(value, &path, ports)?,
        None => Arc::default(),
    };
    let mut time = |name: &str| fields.take(name).map(|(path, value)| duration(&value, &path)).transpose();
    let upkeep = Upkeep { checks, remove_after_critical: time("remove_after_critical")?, ramp: time("ramp")? };
    Ok((!upkeep.is_empty()).then(|| Arc::new(upkeep)))
}

/// `port`, a bare number, or `ports`, an object; their order is kept because the first is the one most callers get.
fn ports(fields: &mut Fields) -> Result<Arc<[Port]>, Invalid> {
    const NUMBER: &str = "a whole number from 1 to 65535";
    let bare = fields.take("port");
    let Some((path, value)) = fields.take("ports") else {
        let Some((path, value)) = bare else { return Ok(Arc::default()) };
        return Ok([Port { name: PortName::default(), number: number(&value, &path, NUMBER)? }].into());
    };
    if bare.is_some() {
        return Err(Invalid::new(path, "is given beside port; expected one of the two"));
    }
    let members = value.object(&path, r#"an object such as {"main":8080,"metrics":9090}"#)?;
    let mut ports = Vec::with_capacity(members.len());
    for (name, value) in members {
        let name: PortName =
            name.parse().map_err(|bad: BadName| Invalid::new(&*path, format!("has a bad name: {bad}")))?;
        let number = number(&value, &format!("{path}.{name}"), NUMBER)?;
        ports.push(Port { name, number });
    }
    Ok(ports.into())
}

/// A number from 1 to 65 535.
fn number(value: &Json, path: &str, expected: &str) -> Result<u16, Invalid> {
    match value {
        Json::Natural(number @ 1..) => u16::try_from(*number).map_err(|_| value.unexpected(path, expected)),
        _ => Err(value.unexpected(path, expected)),
    }
}

fn texts(value: Json, path: &str) -> Result<Arc<[Box<str>]>, Invalid> {
    let items = value.array(path, r#"an array of texts such as ["v2","canary"]"#)?;
    items.into_iter().enumerate().map(|(at, item)| Ok(item.text(&format!("{path}[{at}]"), "a text")?.into())).collect()
}

/// A key and its value.
type Pair = (Box<str>, Box<str>);

fn meta(value: Json, path: &str) -> Result<Arc<[Pair]>, Invalid> {
    let members = value.object(path, r#"an object of texts such as {"team":"ml"}"#)?;
    let mut pairs = Vec::with_capacity(members.len());
    for (key, value) in members {
        let shown: String = key.chars().take(80).collect();
        let value = value.text(&format!("{path}.{shown}"), "a text")?;
        pairs.push((key.into(), value.into()));
    }
    pairs.sort_unstable();
    Ok(pairs.into())
}

/// Milliseconds as a number, or a text such as `500ms`, `10s`, `2m` or `1h`.
pub(super) fn duration(value: &Json, path: &str) -> Result<Duration, Invalid> {
    let read = match value {
        Json::Natural(millis) => Some(Duration::from_millis(*millis)),
        Json::Text(text) => duration_of(text),
        _ => None,
    };
    read.ok_or_else(|| {
        value.unexpected(path, "a text such as \"10s\", \"500ms\" or \"2m\", or a whole number of milliseconds")
    })
}

/// `500ms`, `10s`, `2m` or `1h`; zero needs no unit.
pub(crate) fn duration_of(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" if number == "0" => 1,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).map(Duration::from_millis)
}
