//! Checks of the agent's own configuration: `[checks]`, and each `[[check]]`.
//!
//! Here, and nowhere else, a command or another host's address can be named.

use super::error::{ConfigError, Problem, Source};
use super::values::parse_port_choice;
use crate::duration;
use crate::nearest::nearest;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use whither_checks::{Exec, LocalCheck, LocalProbe, Network, is_forbidden};
use whither_model::check::{CHECKS_MAX, Http, Statuses, Tls, check_name};
use whither_model::{Health, InstanceId, Invalid, Pace, PortChoice, Probe, ServiceName};

/// A check of the agent's own configuration, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConfiguredCheck {
    /// Of which service.
    pub(crate) service: ServiceName,
    /// Of which instance; `None`: of each that this agent owns.
    pub(crate) id: Option<InstanceId>,
    /// What is done.
    pub(crate) check: LocalCheck,
}

/// What checks may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ChecksConfig {
    /// Whom they may speak to, whoever asks, beside registrants' own addresses.
    pub(crate) allow: Vec<Network>,
    /// How many may be underway at once.
    pub(crate) running_max: usize,
    /// The file with the certificates of authorities that encrypted checks believe; `None`: they believe none.
    pub(crate) roots: Option<PathBuf>,
    /// The agent's own.
    pub(crate) configured: Vec<ConfiguredCheck>,
}

/// One `[[check]]` as a file has it, with its line.
#[derive(Clone, Debug)]
pub(crate) struct RawCheck {
    /// What it says.
    pub(crate) check: ConfiguredCheck,
    /// Where it begins.
    pub(crate) source: Source,
}

/// The fields of a `[[check]]`, for messages and for the reference page.
pub(crate) const FIELDS: &[(&str, &str)] = &[
    ("service", "Whose it is: `name` or `namespace/name`. Required"),
    ("id", "Of which instance; each that this agent owns, if left out"),
    ("name", "What it is called; its kind, if left out"),
    (
        "exec",
        "A program and its arguments, run without a shell: `[\"/usr/lib/check-disk\", \"/data\"]`. 0 passes, 1 warns, all else is critical",
    ),
    ("http", "A path to `GET`, such as `\"/health\"`"),
    ("https", "The same with TLS"),
    ("tcp", "`true`: a connection is accepted"),
    ("grpc", "The health service of gRPC: `true` for the whole server, or the name of a service"),
    ("port", "Which of the instance's ports, by number or name; the first, if left out"),
    ("address", "`ip:port` of somebody else to ask, whom `checks.allow` must cover"),
    ("expect", "The statuses that pass; `\"200-299\"`, if left out"),
    ("host", "The `Host` header of HTTP"),
    ("server_name", "The name that the certificate must be for; the address, if left out"),
    ("skip_verify", "`true`: any certificate will do"),
    ("tls", "`true`: gRPC with TLS"),
    ("interval", "From one run to the next, 100ms to 24h; `\"10s\"`, if left out"),
    ("timeout", "How long a run may take; `\"2s\"`, if left out"),
    ("passes_after", "Successes in a row after which something critical passes; 1, if left out"),
    ("fails_after", "Failures in a row after which something usable is critical; 2, if left out"),
    ("initial", "What holds until then: `\"critical\"`, if left out, `\"warning\"` or `\"passing\"`"),
];

/// The ways to look. Each check has one.
const KINDS: [&str; 5] = ["exec", "http", "https", "tcp", "grpc"];

/// What is wrong: with which field, and how.
type Wrong = (String, String);

/// Reads one `[[check]]`.
///
/// # Errors
/// Its first fault.
pub(super) fn read(table: &DeTable<'_>) -> Result<ConfiguredCheck, Wrong> {
    for key in table.keys().map(Spanned::get_ref) {
        if !FIELDS.iter().any(|(field, _)| field == key) {
            let problem = match nearest(key, FIELDS.iter().map(|(field, _)| *field)) {
                Some(field) => format!("is not a field of a check; did you mean {field}?"),
                None => format!("is not a field of a check; expected {}", names()),
            };
            return Err((key.to_string(), problem));
        }
    }
    let entry = Entry(table);
    let service =
        entry.text("service")?.ok_or_else(|| wrong("service", "is missing; expected for example \"prod/recos\""))?;
    let service = service.parse().map_err(|bad: whither_model::name::BadName| wrong("service", bad))?;
    let id = entry.text("id")?.map(str::parse).transpose();
    let id = id.map_err(|bad: whither_model::name::BadName| wrong("id", bad))?;
    let given: Vec<&str> = KINDS.into_iter().filter(|kind| entry.get(kind).is_some()).collect();
    let [kind] = given.as_slice() else {
        let problem = match given.as_slice() {
            [] => format!("says nothing to look at; expected one of {}", KINDS.join(", ")),
            [first, second, ..] => format!("has both {first} and {second}; expected one of them, or two checks"),
            [_] => String::new(),
        };
        return Err((String::new(), problem));
    };
    let name: Arc<str> = entry.text("name")?.unwrap_or(kind).into();
    let named = |bad: Invalid| (bad.field, bad.problem);
    check_name(&name).map_err(named)?;
    let pace = pace(&entry)?;
    pace.check().map_err(named)?;
    let probe = probe(&entry, kind)?;
    Ok(ConfiguredCheck { service, id, check: LocalCheck { name, probe, pace } })
}

fn probe(entry: &Entry<'_>, kind: &str) -> Result<LocalProbe, Wrong> {
    entry.only_with(kind)?;
    if kind == "exec" {
        let argv = entry.texts("exec")?;
        return Exec::new(&argv).map(LocalProbe::Exec).map_err(|bad| wrong("exec", bad.problem));
    }
    let port = match entry.get("port") {
        None => PortChoice::First,
        Some(DeValue::Integer(number)) => parse_port_choice(number.as_str()).map_err(|bad| wrong("port", bad))?,
        Some(DeValue::String(name)) => parse_port_choice(name).map_err(|bad| wrong("port", bad))?,
        Some(_) => return Err(wrong("port", "is neither a number nor a name; expected for example 8080 or \"http\"")),
    };
    let tls = || -> Result<Tls, Wrong> {
        let server_name = entry.text("server_name")?.map(Into::into);
        Ok(Tls { server_name, skip_verify: entry.flag("skip_verify")? })
    };
    let probe = match kind {
        "tcp" if entry.flag("tcp")? => Probe::Tcp { port },
        "tcp" => return Err(wrong("tcp", "is false; expected true, or another way to look")),
        "grpc" => {
            let service = match entry.get("grpc") {
                Some(DeValue::Boolean(true)) => Box::default(),
                Some(DeValue::String(service)) => service.as_ref().into(),
                _ => return Err(wrong("grpc", "expected true, or the name of a service")),
            };
            Probe::Grpc { port, service, tls: entry.flag("tls")?.then(tls).transpose()? }
        }
        _ => {
            let path = entry.text(kind)?.unwrap_or("/").into();
            let expect = entry.text("expect")?.map_or(Ok(Statuses::SUCCESS), statuses)?;
            let tls = (kind == "https").then(tls).transpose()?;
            let host = entry.text("host")?.map(Into::into);
            Probe::Http(Http { tls, port, path, host, expect, ..Http::default() })
        }
    };
    let field = |bad: Invalid| match &*bad.field {
        "path" | "service" => wrong(kind, bad.problem),
        _ => (bad.field, bad.problem),
    };
    probe.check().map_err(field)?;
    match entry.text("address")? {
        None => Ok(LocalProbe::Own(probe)),
        Some(text) => {
            let address: SocketAddr = text.parse().map_err(|_| {
                wrong("address", format!("{text:?} is no address with a port; expected for example 10.0.0.9:8080"))
            })?;
            Ok(LocalProbe::Elsewhere(address, probe))
        }
    }
}

fn statuses(text: &str) -> Result<Statuses, Wrong> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => Ok(Statuses { first, last }),
        _ => Err(wrong("expect", format!("{text:?} is no range of statuses; expected for example \"200-299\""))),
    }
}

fn pace(entry: &Entry<'_>) -> Result<Pace, Wrong> {
    let mut pace = Pace::default();
    if let Some(interval) = entry.duration("interval")? {
        pace.interval = interval;
        pace.timeout = pace.timeout.min(interval);
    }
    pace.timeout = entry.duration("timeout")?.unwrap_or(pace.timeout);
    pace.passes_after = entry.count("passes_after")?.unwrap_or(pace.passes_after);
    pace.fails_after = entry.count("fails_after")?.unwrap_or(pace.fails_after);
    if let Some(text) = entry.text("initial")? {
        pace.initial = text.parse::<Health>().map_err(|bad| wrong("initial", bad.problem))?;
    }
    Ok(pace)
}

/// The fields of one `[[check]]`.
struct Entry<'a>(&'a DeTable<'a>);

impl<'a> Entry<'a> {
    fn get(&self, field: &str) -> Option<&'a DeValue<'a>> {
        self.0.get(field).map(Spanned::get_ref)
    }

    fn text(&self, field: &str) -> Result<Option<&'a str>, Wrong> {
        match self.get(field) {
            None => Ok(None),
            Some(DeValue::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(field, "expected a string")),
        }
    }

    fn texts(&self, field: &str) -> Result<Vec<&'a str>, Wrong> {
        let right = || wrong(field, "expected a list of strings, for example [\"/usr/lib/check-disk\", \"/data\"]");
        let Some(DeValue::Array(items)) = self.get(field) else { return Err(right()) };
        let text = |item: &'a Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::String(text) => Some(&**text),
            _ => None,
        };
        items.iter().map(text).collect::<Option<_>>().ok_or_else(right)
    }

    fn flag(&self, field: &str) -> Result<bool, Wrong> {
        match self.get(field) {
            None => Ok(false),
            Some(DeValue::Boolean(is)) => Ok(*is),
            Some(_) => Err(wrong(field, "expected true or false, without quotes")),
        }
    }

    fn duration(&self, field: &str) -> Result<Option<Duration>, Wrong> {
        self.text(field)?.map(duration::parse).transpose().map_err(|problem| wrong(field, problem))
    }

    fn count(&self, field: &str) -> Result<Option<u8>, Wrong> {
        let right = "expected a whole number from 1 to 100";
        match self.get(field) {
            None => Ok(None),
            Some(DeValue::Integer(number)) => {
                let number = u8::from_str_radix(number.as_str(), number.radix()).map_err(|_| wrong(field, right))?;
                Ok(Some(number))
            }
            Some(_) => Err(wrong(field, right)),
        }
    }

    /// Refuses what would be said in vain of this kind of check.
    fn only_with(&self, kind: &str) -> Result<(), Wrong> {
        let fits = |field: &str| match field {
            "expect" | "host" => matches!(kind, "http" | "https"),
            "tls" => kind == "grpc",
            "server_name" | "skip_verify" => kind == "https" || (kind == "grpc" && self.get("tls").is_some()),
            "port" => kind != "exec" && self.get("address").is_none(),
            "address" => kind != "exec",
            _ => true,
        };
        match FIELDS.iter().find(|(field, _)| self.get(field).is_some() && !fits(field)) {
            Some((field, _)) => {
                Err(wrong(field, format!("means nothing in a check by {kind} as it is here; leave it out")))
            }
            None => Ok(()),
        }
    }
}

/// Checks how they go together: with each other, and with whom checks may speak to.
///
/// # Errors
/// Everything that does not.
pub(super) fn settle(raw: &[RawCheck], allow: &[Network]) -> Result<Vec<ConfiguredCheck>, ConfigError> {
    let mut problems = Vec::new();
    for (at, RawCheck { check, source }) in raw.iter().enumerate() {
        let mut refuse = |problem: String| {
            problems.push(Problem { source: Some(source.clone()), option: "check".into(), problem });
        };
        if let LocalProbe::Elsewhere(address, _) = &check.check.probe {
            if is_forbidden(address.ip()) {
                refuse(format!(
                    "address: {} is never checked: it is link-local, or a metadata service's",
                    address.ip()
                ));
            } else if !allow.iter().any(|network| network.contains(address.ip())) {
                refuse(format!("address: {} is not in checks.allow; add it there if it is meant", address.ip()));
            }
        }
        let others = raw[..at].iter().filter(|other| other.check.service == check.service);
        let overlap = |a: &ConfiguredCheck, b: &ConfiguredCheck| a.id.is_none() || b.id.is_none() || a.id == b.id;
        let others: Vec<_> = others.filter(|other| overlap(&other.check, check)).collect();
        if let Some(other) = others.iter().find(|other| other.check.check.name == check.check.name) {
            let name = &check.check.name;
            refuse(format!(
                "name: {name} is taken by the check of the same instance at {}; give one of them another",
                other.source
            ));
        }
        if others.len() >= CHECKS_MAX {
            refuse(format!("service: {} has more than {CHECKS_MAX} checks here", check.service));
        }
    }
    match problems.is_empty() {
        true => Ok(raw.iter().map(|raw| raw.check.clone()).collect()),
        false => Err(ConfigError { problems }),
    }
}

/// What a configured check does, in a few words.
pub(crate) fn describe(check: &ConfiguredCheck) -> String {
    let whose = check.id.as_ref().map_or_else(|| "every own instance".to_owned(), ToString::to_string);
    let LocalCheck { name, pace, .. } = &check.check;
    format!("{name} of {whose} of {}, every {}", check.service, duration::exact(pace.interval))
}

fn wrong(field: &str, problem: impl ToString) -> Wrong {
    (field.to_owned(), problem.to_string())
}

fn names() -> String {
    FIELDS.iter().map(|(field, _)| *field).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
