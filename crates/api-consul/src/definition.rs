//! Checks as clients define them become the agent's own.

use crate::checks::health;
use crate::extras::CheckExtras;
use crate::fields::Fields;
use crate::reply::Refused;
use std::borrow::Cow;
use std::num::NonZeroU16;
use std::time::Duration;
use whither_model::Health;
use whither_model::check::{self, Check, Http, Method, Pace, PortChoice, Probe, Tls};
use whither_model::limits::{LEASE_MILLIS_MAX, LEASE_MILLIS_MIN};

/// A check as it was defined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Defined {
    pub(crate) extras: CheckExtras,
    /// What the agent is to do; nothing: it is reported on.
    pub(crate) run: Option<Check>,
    /// The port that is asked.
    pub(crate) port: Option<NonZeroU16>,
    /// How it begins; nothing: not said.
    pub(crate) status: Option<Health>,
    pub(crate) remove_after: Option<Duration>,
}

/// What the agent calls a check with this id.
pub(crate) fn run_name(id: &str) -> Cow<'_, str> {
    if id.len() <= check::NAME_BYTES_MAX {
        return id.into();
    }
    // FNV-1a: what is cut off still tells two apart.
    let hash =
        id.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let kept = &id[..id.floor_char_boundary(check::NAME_BYTES_MAX - 17)];
    format!("{kept}~{hash:016x}").into()
}

/// How long reports count together: as long as those of the check whose count shortest.
pub(crate) fn lease(checks: &[CheckExtras]) -> Option<Duration> {
    let shortest = checks.iter().filter_map(|check| check.ttl).min()?;
    Some(Duration::from_millis(shortest.clamp(LEASE_MILLIS_MIN, LEASE_MILLIS_MAX)))
}

/// Reads a definition. `id` and `name`: what it is called if it does not say; `own`: hosts that are the service's own.
///
/// # Errors
/// It makes no sense, or asks for what an agent here does not do.
pub(crate) fn define(fields: Fields<'_>, id: String, name: String, own: &[String]) -> Result<Defined, Refused> {
    let given = |names: &[&str], default: String| -> Result<String, Refused> {
        let text = fields.text(names)?;
        Ok(if text.is_empty() { default } else { text.to_owned() })
    };
    let (id, name) = (given(&["CheckID", "ID"], id)?, given(&["Name"], name)?);
    let status = match fields.text(&["Status"])? {
        "" => None,
        word => Some(
            health(word)
                .ok_or_else(|| invalid(format!("{word:?} is not a status; expected passing, warning or critical")))?,
        ),
    };
    refuse_unsupported(fields)?;
    let ttl = fields.duration(&["TTL"])?;
    let (http, tcp, grpc) = (fields.text(&["HTTP"])?, fields.text(&["TCP"])?, fields.text(&["GRPC"])?);
    let interval = fields.duration(&["Interval"])?;
    let asks = [http, tcp, grpc].iter().filter(|text| !text.is_empty()).count();
    if asks + usize::from(ttl.is_some()) > 1 {
        return Err(invalid("more than one of TTL, HTTP, TCP and GRPC; give each a check of its own"));
    }
    let remove_after = fields.duration(&["DeregisterCriticalServiceAfter"])?;
    let mut extras = CheckExtras {
        id: id.into(),
        name: name.clone().into(),
        notes: fields.text(&["Notes"])?.into(),
        ..CheckExtras::default()
    };
    if let Some(ttl) = ttl {
        (extras.kind, extras.ttl) = ("ttl".into(), Some(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)));
        return Ok(Defined { extras, run: None, port: None, status, remove_after });
    }
    if asks == 0 {
        return match status {
            // Somebody else says how it is, in the catalog.
            Some(_) => Ok(Defined { extras, run: None, port: None, status, remove_after }),
            None => Err(invalid("TTL must be > 0 for TTL checks")),
        };
    }
    let Some(interval) = interval else {
        return Err(invalid("Interval must be > 0 for Script, HTTP, or TCP checks"));
    };
    let (probe, port) = probe(&fields, (http, tcp, grpc), own).map_err(invalid)?;
    extras.kind = match &probe {
        Probe::Http(_) => "http".into(),
        Probe::Tcp { .. } => "tcp".into(),
        _ => "grpc".into(),
    };
    let pace = pace(fields, interval, status.unwrap_or(Health::Critical))?;
    let run = Some(Check { name: (*run_name(&extras.id)).into(), probe, pace });
    Ok(Defined { extras, run, port: Some(port), status, remove_after })
}

/// # Errors
/// It asks for what an agent here does not do.
fn refuse_unsupported(fields: Fields<'_>) -> Result<(), Refused> {
    let unsupported = [
        (
            ["Args", "ScriptArgs", "Script"],
            "an agent runs no commands for its clients; name it in the agent's own configuration ([[checks]], exec)",
        ),
        (
            ["DockerContainerID", "DockerContainerID", "Shell"],
            "commands in containers are not run; use HTTP, TCP, GRPC or TTL",
        ),
        (
            ["AliasService", "AliasNode", "AliasNode"],
            "one service's health cannot stand for another's; give it a check of its own",
        ),
    ];
    for (names, why) in unsupported {
        if fields.get(&names).is_some_and(|value| value.as_str() != Some("")) {
            return Err(invalid(why));
        }
    }
    Ok(())
}

fn invalid(what: impl std::fmt::Display) -> Refused {
    Refused::bad(format!("Invalid check: {what}"))
}

/// How often it is asked, and what it takes to change one's mind.
fn pace(fields: Fields<'_>, interval: Duration, initial: Health) -> Result<Pace, Refused> {
    let timeout = fields.duration(&["Timeout"])?.unwrap_or(Duration::from_secs(10));
    let most = Duration::from_millis(check::TIMEOUT_MILLIS_MAX);
    let threshold = |names: &[&str]| -> Result<u8, Refused> {
        let number = fields.number(names)?.unwrap_or(0).clamp(0, i64::from(check::THRESHOLD_MAX) - 1);
        Ok(u8::try_from(number).unwrap_or(0) + 1)
    };
    Ok(Pace {
        interval,
        timeout: timeout.min(interval).min(most),
        passes_after: threshold(&["SuccessBeforePassing"])?,
        fails_after: threshold(&["FailuresBeforeCritical"])?,
        initial,
    })
}

/// What is to be asked, and at which port. An agent asks a service at its own address and nowhere else.
fn probe(
    fields: &Fields<'_>,
    (http, tcp, grpc): (&str, &str, &str),
    own: &[String],
) -> Result<(Probe, NonZeroU16), String> {
    let skip = fields.truth(&["TLSSkipVerify"]).map_err(|refused| refused.text)?;
    let tls = |on: bool| on.then_some(Tls { server_name: None, skip_verify: skip });
    if !http.is_empty() {
        let (scheme, rest) = http.split_once("://").ok_or_else(|| format!("HTTP is {http:?}, which is no URL"))?;
        let encrypted = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(format!("HTTP has the scheme {scheme:?}; expected http or https")),
        };
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let port = at_own(authority, Some(if encrypted { 443 } else { 80 }), own)?;
        let method = match fields.text(&["Method"]).map_err(|refused| refused.text)? {
            "" | "GET" => Method::Get,
            "HEAD" => Method::Head,
            other => return Err(format!("Method is {other:?}; a check may GET and HEAD, which change nothing")),
        };
        if fields.get(&["Header"]).is_some_and(|value| value.as_object().is_some_and(|header| !header.is_empty())) {
            return Err("Header cannot be set; a check sends none of its own".into());
        }
        let path = if path.starts_with('/') { path.into() } else { format!("/{path}").into() };
        return Ok((
            Probe::Http(Http { tls: tls(encrypted), method, port: PortChoice::Number(port), path, ..Http::default() }),
            port,
        ));
    }
    if !tcp.is_empty() {
        let port = at_own(tcp, None, own)?;
        return Ok((Probe::Tcp { port: PortChoice::Number(port) }, port));
    }
    let (authority, service) = grpc.split_once('/').unwrap_or((grpc, ""));
    let port = at_own(authority, None, own)?;
    let encrypted = fields.truth(&["GRPCUseTLS"]).map_err(|refused| refused.text)?;
    let probe = Probe::Grpc { port: PortChoice::Number(port), service: service.into(), tls: tls(encrypted) };
    Ok((probe, port))
}

/// The port of what must be one of the service's own addresses.
fn at_own(authority: &str, default: Option<u16>, own: &[String]) -> Result<NonZeroU16, String> {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let local = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback() || address.is_unspecified());
    if !local && !own.iter().any(|own| own.eq_ignore_ascii_case(host)) {
        return Err(format!(
            "{host:?} is not the service's own address ({}); an agent asks nobody else for its clients",
            own.join(", ")
        ));
    }
    let number = match port {
        Some(text) => text.parse().map_err(|_| format!("{text:?} is no port"))?,
        None => default.ok_or_else(|| format!("{authority:?} names no port"))?,
    };
    NonZeroU16::new(number).ok_or_else(|| "the port is 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn defined(body: serde_json::Value) -> Result<Defined, String> {
        let own = ["10.0.0.1".to_owned()];
        define(Fields::of(&body, "Check").unwrap(), "service:web".into(), "Service 'web' check".into(), &own)
            .map_err(|refused| refused.text)
    }

    #[test]
    fn what_is_asked_at_its_own_address_is_asked() {
        let http =
            defined(json!({"HTTP": "http://localhost:8081/health?x=1", "Interval": "10s", "Timeout": "1s"})).unwrap();
        assert_eq!((&*http.extras.id, &*http.extras.kind), ("service:web", "http"));
        let Some(Check { probe: Probe::Http(probe), pace, .. }) = &http.run else { panic!("{http:?}") };
        assert_eq!((&*probe.path, probe.port.clone()), ("/health?x=1", PortChoice::Number(8081.try_into().unwrap())));
        assert_eq!((pace.interval.as_secs(), pace.timeout.as_secs(), pace.initial), (10, 1, Health::Critical));
        let tcp = defined(json!({"TCP": "10.0.0.1:8080", "Interval": "1s", "FailuresBeforeCritical": 2})).unwrap();
        assert_eq!((tcp.port.unwrap().get(), tcp.run.unwrap().pace.fails_after), (8080, 3));
        let grpc = defined(json!({"grpc": "127.0.0.1:9000/a.b", "Interval": "1s", "GRPCUseTLS": true})).unwrap();
        assert!(matches!(grpc.run.unwrap().probe, Probe::Grpc { tls: Some(_), .. }));
    }

    #[test]
    fn what_is_reported_is_a_lease() {
        let ttl = defined(json!({"CheckID": "c", "TTL": "15s", "Status": "passing"})).unwrap();
        assert_eq!(lease(std::slice::from_ref(&ttl.extras)), Some(Duration::from_secs(15)));
        assert_eq!(ttl.status, Some(Health::Passing));
        assert_eq!(&*ttl.extras.id, "c");
    }

    #[test]
    fn long_ids_are_told_apart() {
        let (one, other) = (format!("service:{}:1", "x".repeat(60)), format!("service:{}:2", "x".repeat(60)));
        assert_ne!(run_name(&one), run_name(&other));
        assert!(run_name(&one).len() <= check::NAME_BYTES_MAX && run_name("c") == "c");
    }

    #[test]
    fn what_an_agent_does_not_do_is_refused_with_the_reason() {
        let said = |body| defined(body).unwrap_err();
        assert_eq!(
            said(json!({"HTTP": "http://localhost"})),
            "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks"
        );
        assert!(
            said(json!({"HTTP": "http://10.9.9.9/", "Interval": "1s"}))
                .contains("is not the service's own address (10.0.0.1)")
        );
        assert!(said(json!({"Args": ["true"], "Interval": "1s"})).contains("runs no commands"));
        assert!(said(json!({"HTTP": "http://localhost", "TTL": "1s"})).contains("more than one"));
        assert!(said(json!({})).contains("TTL must be"));
        assert!(said(json!({"TTL": "1s", "Status": "bad"})).contains("is not a status"));
    }
}
