//! Checks as clients write them, and as they are shown: the same shape, in which what is usual is left out.
//!
//! There is no word for a command here, and none for a host: see [`whither_model::check`].

use super::registration::duration;
use crate::json::{Fields, Json};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use whither_model::check::{Http, Method, Statuses, Tls, check_all};
use whither_model::name::BadName;
use whither_model::{Check, Health, Invalid, Pace, Port, PortChoice, PortName, Probe};

const KINDS: [&str; 4] = ["http", "https", "tcp", "grpc"];
const FIELDS: [&str; 10] =
    ["name", "http", "https", "tcp", "grpc", "interval", "timeout", "passes_after", "fails_after", "initial"];
const EXPECTED_PORT: &str = "the number or the name of one of the instance's own ports, such as 8080 or \"http\"";

/// One check: exactly one of `http`, `https`, `tcp` and `grpc`. Everything else may be left out.
#[derive(ToSchema)]
#[schema(as = Check, example = json!({"http": "/health", "interval": "5s"}))]
#[expect(dead_code, reason = "the document's picture of what is read and shown by hand")]
pub(crate) struct CheckDocument {
    /// Unique in the instance; the kind if left out.
    name: Option<String>,
    /// A request over HTTP/1.1, redirects not followed: a path, `true` for `/`, or an object with `path`, `port`, `method`
    /// (GET or HEAD), `host`, `expect` (`"200-299"`) and `tls`.
    #[schema(value_type = Option<serde_json::Value>)]
    http: Option<String>,
    /// The same with TLS: `tls` may have `server_name` and `skip_verify`.
    #[schema(value_type = Option<serde_json::Value>)]
    https: Option<String>,
    /// Whether a connection is accepted: `true` for the first port, or a port by number or name.
    #[schema(value_type = Option<serde_json::Value>)]
    tcp: Option<String>,
    /// The standard health service of gRPC: `true`, or an object with `port`, `service` and `tls`.
    #[schema(value_type = Option<serde_json::Value>)]
    grpc: Option<String>,
    /// From one run to the next, 100ms to 24h; 10s if left out.
    interval: Option<String>,
    /// How long a run may take, at most the interval; 2s if left out.
    timeout: Option<String>,
    /// Successes in a row after which something critical passes; 1 if left out.
    passes_after: Option<u8>,
    /// Failures in a row after which something usable is critical; 2 if left out.
    fails_after: Option<u8>,
    /// What holds until enough results have come: passing, warning or critical, which it is if left out.
    initial: Option<String>,
}

/// Reads `checks`, for an instance with `ports`.
///
/// # Errors
/// The first field that cannot be accepted, as `checks[0].http.path` or the like.
pub(crate) fn read(value: Json, path: &str, ports: &[Port]) -> Result<Arc<[Check]>, Invalid> {
    let items = value.array(path, r#"an array of checks such as [{"http":"/health"},{"tcp":true}]"#)?;
    let mut checks: Vec<Check> = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let path = format!("{path}[{at}]");
        let mut fields = Fields::of(item, &path, &FIELDS)?;
        let (kind, probe) = probe(&mut fields)?;
        let name = match fields.take("name") {
            Some((path, value)) => value.text(&path, "a text such as \"ready\"")?.into(),
            None if checks.iter().any(|other| &*other.name == kind) => format!("{kind}-{}", at + 1).into(),
            None => Arc::from(kind),
        };
        let check = Check { name, probe, pace: pace(&mut fields)? };
        check_all(std::slice::from_ref(&check), ports).map_err(|bad| relocated(&bad, &path, kind))?;
        checks.push(check);
    }
    Ok(checks.into())
}

/// A fault that the model found in its only check, named as clients write it.
fn relocated(bad: &Invalid, path: &str, kind: &str) -> Invalid {
    let field = bad.field.strip_prefix("checks[0].").unwrap_or(&bad.field);
    let field = match field {
        "port" if kind == "tcp" => kind.to_owned(),
        "path" | "host" | "expect" | "service" | "port" => format!("{kind}.{field}"),
        "server_name" => format!("{kind}.tls.{field}"),
        _ => field.to_owned(),
    };
    Invalid::new(format!("{path}.{field}"), &*bad.problem)
}

fn probe(fields: &mut Fields) -> Result<(&'static str, Probe), Invalid> {
    let mut given = KINDS.into_iter().filter_map(|kind| fields.take(kind).map(|(path, value)| (kind, path, value)));
    let (first, second) = (given.next(), given.next());
    let Some((kind, path, value)) = first else {
        let right = "says nothing that could be looked at; expected one of http, https, tcp and grpc, for example \
                     {\"http\":\"/health\"}";
        return Err(Invalid::new(fields.path(), right));
    };
    if let Some((_, path, _)) = second {
        return Err(Invalid::new(path, format!("is given beside {kind}; expected one of the two, or two checks")));
    }
    let probe = match kind {
        "http" => http(value, &path, None)?,
        "https" => http(value, &path, Some(Tls::default()))?,
        "tcp" => Probe::Tcp { port: tcp(value, &path)? },
        _ => grpc(value, &path)?,
    };
    Ok((kind, probe))
}

fn http(value: Json, path: &str, tls: Option<Tls>) -> Result<Probe, Invalid> {
    const EXPECTED: &str =
        "a path such as \"/health\", true, or an object such as {\"path\":\"/health\",\"port\":8080}";
    let mut http = Http { tls, ..Http::default() };
    match value {
        Json::Bool(true) => {}
        Json::Text(text) => http.path = text.into(),
        object @ Json::Object(_) => {
            let known = ["path", "port", "method", "host", "expect", "tls"];
            let mut fields = Fields::of(object, path, &known)?;
            if let Some((path, value)) = fields.take("path") {
                http.path = value.text(&path, "a text such as \"/health\"")?.into();
            }
            if let Some((path, value)) = fields.take("port") {
                http.port = port(value, &path)?;
            }
            if let Some((path, value)) = fields.take("method") {
                http.method = method(value, &path)?;
            }
            if let Some((path, value)) = fields.take("host") {
                http.host = Some(value.text(&path, "a text such as \"recos.example\"")?.into());
            }
            if let Some((path, value)) = fields.take("expect") {
                http.expect = statuses(&value, &path)?;
            }
            if let Some((path, value)) = fields.take("tls") {
                http.tls = read_tls(value, &path)?.or(http.tls);
            }
        }
        other => return Err(other.unexpected(path, EXPECTED)),
    }
    Ok(Probe::Http(http))
}

fn tcp(value: Json, path: &str) -> Result<PortChoice, Invalid> {
    match value {
        Json::Bool(true) => Ok(PortChoice::First),
        Json::Natural(_) | Json::Text(_) => port(value, path),
        other => Err(other.unexpected(path, "true for the first port, or a port such as 8080 or \"http\"")),
    }
}

fn grpc(value: Json, path: &str) -> Result<Probe, Invalid> {
    const EXPECTED: &str = "true, or an object such as {\"port\":\"grpc\",\"service\":\"recos.v1.Recos\"}";
    let (mut choice, mut service, mut tls) = (PortChoice::First, String::new(), None);
    match value {
        Json::Bool(true) => {}
        object @ Json::Object(_) => {
            let mut fields = Fields::of(object, path, &["port", "service", "tls"])?;
            if let Some((path, value)) = fields.take("port") {
                choice = port(value, &path)?;
            }
            if let Some((path, value)) = fields.take("service") {
                service = value.text(&path, "a text such as \"recos.v1.Recos\"")?;
            }
            if let Some((path, value)) = fields.take("tls") {
                tls = read_tls(value, &path)?;
            }
        }
        other => return Err(other.unexpected(path, EXPECTED)),
    }
    Ok(Probe::Grpc { port: choice, service: service.into(), tls })
}

fn port(value: Json, path: &str) -> Result<PortChoice, Invalid> {
    match value {
        Json::Natural(number) => {
            let number = u16::try_from(number).ok().and_then(NonZeroU16::new);
            number.map(PortChoice::Number).ok_or_else(|| value.unexpected(path, EXPECTED_PORT))
        }
        Json::Text(name) => {
            let named = |bad: BadName| Invalid::new(path, format!("{bad}; expected {EXPECTED_PORT}"));
            name.parse::<PortName>().map(PortChoice::Named).map_err(named)
        }
        other => Err(other.unexpected(path, EXPECTED_PORT)),
    }
}

fn method(value: Json, path: &str) -> Result<Method, Invalid> {
    const EXPECTED: &str = "GET or HEAD";
    let text = value.text(path, EXPECTED)?;
    let known = [Method::Get, Method::Head].into_iter().find(|method| method.as_str() == text);
    known.ok_or_else(|| Json::Text(text).unexpected(path, EXPECTED))
}

/// `"200-299"`, `204`, `"204"` or `[200,299]`. The bounds are the model's to check.
fn statuses(value: &Json, path: &str) -> Result<Statuses, Invalid> {
    let status = |value: &Json| match value {
        Json::Natural(status) => u16::try_from(*status).ok(),
        _ => None,
    };
    let read = match value {
        Json::Natural(_) => status(value).map(|one| (one, one)),
        Json::Array(both) => match both.as_slice() {
            [first, last] => status(first).zip(status(last)),
            _ => None,
        },
        Json::Text(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            first.parse().ok().zip(last.parse().ok())
        }
        _ => None,
    };
    let (first, last) =
        read.ok_or_else(|| value.unexpected(path, "a range of statuses such as \"200-299\", or one such as 204"))?;
    Ok(Statuses { first, last })
}

fn read_tls(value: Json, path: &str) -> Result<Option<Tls>, Invalid> {
    let mut tls = Tls::default();
    match value {
        Json::Bool(false) => return Ok(None),
        Json::Bool(true) => {}
        object @ Json::Object(_) => {
            let mut fields = Fields::of(object, path, &["server_name", "skip_verify"])?;
            if let Some((path, value)) = fields.take("server_name") {
                tls.server_name = Some(value.text(&path, "a text such as \"recos.example\"")?.into());
            }
            match fields.take("skip_verify") {
                None | Some((_, Json::Bool(false))) => {}
                Some((_, Json::Bool(true))) => tls.skip_verify = true,
                Some((path, other)) => return Err(other.unexpected(&path, "true or false")),
            }
        }
        other => return Err(other.unexpected(path, "true, or an object such as {\"server_name\":\"recos.example\"}")),
    }
    Ok(Some(tls))
}

fn pace(fields: &mut Fields) -> Result<Pace, Invalid> {
    let mut pace = Pace::default();
    if let Some((path, value)) = fields.take("interval") {
        pace.interval = duration(&value, &path)?;
        // Who asks for a short interval need not say that a run must be over before the next.
        pace.timeout = pace.timeout.min(pace.interval);
    }
    if let Some((path, value)) = fields.take("timeout") {
        pace.timeout = duration(&value, &path)?;
    }
    let mut threshold = |name: &str, threshold: &mut u8| match fields.take(name) {
        None => Ok(()),
        Some((path, value)) => {
            let expected = "a whole number from 1 to 100";
            let Json::Natural(number) = value else { return Err(value.unexpected(&path, expected)) };
            *threshold = u8::try_from(number).map_err(|_| value.unexpected(&path, expected))?;
            Ok(())
        }
    };
    threshold("passes_after", &mut pace.passes_after)?;
    threshold("fails_after", &mut pace.fails_after)?;
    if let Some((path, value)) = fields.take("initial") {
        let text = value.text(&path, "passing, warning or critical")?;
        pace.initial = text.parse::<Health>().map_err(|bad| Invalid::new(path, bad.problem))?;
    }
    Ok(pace)
}

/// The checks of an instance, as they could be sent again.
pub(crate) struct Checks<'a>(pub(crate) &'a [Check]);

impl Serialize for Checks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(One))
    }
}

struct One<'a>(&'a Check);

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Check { name, probe, pace } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &**name)?;
        match probe {
            Probe::Http(http) if http.tls.is_some() => map.serialize_entry("https", &HttpOut(http))?,
            Probe::Http(http) => map.serialize_entry("http", &HttpOut(http))?,
            Probe::Tcp { port: PortChoice::First } => map.serialize_entry("tcp", &true)?,
            // Never from here: an agent of another version may have been asked.
            Probe::Ttl => map.serialize_entry("ttl", &true)?,
            Probe::Tcp { port } => map.serialize_entry("tcp", &PortOut(port))?,
            Probe::Grpc { port, service, tls } => map.serialize_entry("grpc", &GrpcOut { port, service, tls })?,
        }
        let usual = Pace::default();
        if pace.interval != usual.interval {
            map.serialize_entry("interval", &written(pace.interval))?;
        }
        if pace.timeout != usual.timeout.min(pace.interval) {
            map.serialize_entry("timeout", &written(pace.timeout))?;
        }
        if pace.passes_after != usual.passes_after {
            map.serialize_entry("passes_after", &pace.passes_after)?;
        }
        if pace.fails_after != usual.fails_after {
            map.serialize_entry("fails_after", &pace.fails_after)?;
        }
        if pace.initial != usual.initial {
            map.serialize_entry("initial", pace.initial.as_str())?;
        }
        map.end()
    }
}

struct HttpOut<'a>(&'a Http);

impl Serialize for HttpOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (http, usual) = (self.0, Http::default());
        if (Http { path: http.path.clone(), tls: Some(Tls::default()), ..usual.clone() }) == *http
            || (Http { path: http.path.clone(), ..usual.clone() }) == *http
        {
            return serializer.serialize_str(&http.path);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &http.path)?;
        if http.port != usual.port {
            map.serialize_entry("port", &PortOut(&http.port))?;
        }
        if http.method != usual.method {
            map.serialize_entry("method", http.method.as_str())?;
        }
        if let Some(host) = &http.host {
            map.serialize_entry("host", host)?;
        }
        if http.expect != usual.expect {
            map.serialize_entry("expect", &format!("{}-{}", http.expect.first, http.expect.last))?;
        }
        if let Some(tls) = http.tls.as_ref().filter(|tls| **tls != Tls::default()) {
            map.serialize_entry("tls", &TlsOut(tls))?;
        }
        map.end()
    }
}

struct GrpcOut<'a> {
    port: &'a PortChoice,
    service: &'a str,
    tls: &'a Option<Tls>,
}

impl Serialize for GrpcOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self.port == PortChoice::First && self.service.is_empty() && self.tls.is_none() {
            return serializer.serialize_bool(true);
        }
        let mut map = serializer.serialize_map(None)?;
        if *self.port != PortChoice::First {
            map.serialize_entry("port", &PortOut(self.port))?;
        }
        if !self.service.is_empty() {
            map.serialize_entry("service", self.service)?;
        }
        if let Some(tls) = self.tls {
            map.serialize_entry("tls", &TlsOut(tls))?;
        }
        map.end()
    }
}

struct TlsOut<'a>(&'a Tls);

impl Serialize for TlsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self.0 == Tls::default() {
            return serializer.serialize_bool(true);
        }
        let mut map = serializer.serialize_map(None)?;
        if let Some(name) = &self.0.server_name {
            map.serialize_entry("server_name", name)?;
        }
        if self.0.skip_verify {
            map.serialize_entry("skip_verify", &true)?;
        }
        map.end()
    }
}

struct PortOut<'a>(&'a PortChoice);

impl Serialize for PortOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            PortChoice::First => serializer.serialize_none(),
            PortChoice::Named(name) => serializer.serialize_str(name.as_str()),
            PortChoice::Number(number) => serializer.serialize_u16(number.get()),
        }
    }
}

/// A duration in the longest unit that divides it, as clients write it.
fn written(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let unit = units.into_iter().find(|(_, length)| millis.is_multiple_of(*length));
    let (unit, length) = unit.unwrap_or(("ms", 1));
    format!("{}{unit}", millis / length)
}

#[cfg(test)]
mod tests;
