//! From what clients of Eureka register to registrations that keep every bound.

use crate::names;
use crate::reply::Refused;
use crate::said::Said;
use crate::show::LEASE_SECS;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;
use whither_model::limits::{LEASE_MILLIS_MAX, LEASE_MILLIS_MIN};
use whither_model::{Health, Port, Registration, State};

/// Reads the body of a registration of an instance of `app`.
///
/// # Errors
/// What Eureka itself asks for is missing, or a bound is not kept.
pub(crate) fn read(body: &[u8], app: &str) -> Result<Registration, Refused> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| Refused::bad(format!("the body is no JSON: {error}")))?;
    let instance = body.get("instance").unwrap_or(&body);
    let text = |name: &str| instance.get(name).and_then(Value::as_str).unwrap_or_default();
    let needed = |name: &str| match text(name) {
        "" => Err(Refused::bad(format!("Missing {name}"))),
        text => Ok(text),
    };
    let (host, ip, own) = (needed("hostName")?, needed("ipAddr")?, needed("app")?);
    // Clients of old have none, and are known by their host.
    let id = if text("instanceId").is_empty() { host } else { text("instanceId") };
    if !own.eq_ignore_ascii_case(app) {
        return Err(Refused::bad(format!("Mismatched appName, expecting {app} but was {own}")));
    }
    if instance.get("dataCenterInfo").is_none_or(Value::is_null) {
        return Err(Refused::bad("Missing dataCenterInfo"));
    }
    let address: IpAddr = ip.parse().map_err(|_| Refused::bad(format!("ipAddr is {ip:?}, which is no address")))?;
    let mut registration = Registration::new(names::service(app)?, names::instance(id)?, address);
    let (port, secure) = (port(instance, "port")?, port(instance, "securePort")?);
    let named = |name: &str, number: u16| Port { name: name.parse().unwrap_or_default(), number };
    let main = port.filter(|(number, on)| *on && *number > 0).map(|(number, _)| named("main", number));
    let tls = secure.filter(|(number, on)| *on && *number > 0).map(|(number, _)| named("secure", number));
    registration.ports = main.into_iter().chain(tls).collect();
    let meta = instance.get("metadata").and_then(Value::as_object).into_iter().flatten();
    // `@class` is what Jackson needs for an empty map.
    let mut meta: Vec<(Box<str>, Box<str>)> = meta
        .filter(|(key, _)| *key != "@class")
        .map(|(key, value)| (key.as_str().into(), plain(value).into()))
        .collect();
    meta.sort_unstable();
    registration.meta = meta.into();
    let lease = instance.get("leaseInfo");
    let secs = |name: &str| lease.and_then(|lease| number(lease.get(name)?));
    let length = Duration::from_secs(secs("durationInSecs").filter(|secs| *secs > 0).unwrap_or(LEASE_SECS));
    let (least, most) = (Duration::from_millis(LEASE_MILLIS_MIN), Duration::from_millis(LEASE_MILLIS_MAX));
    registration.lease = Some(length.clamp(least, most));
    registration.shares_address = true;
    let said = Said {
        id: (registration.id.as_str() != id).then(|| id.into()),
        host: host.into(),
        vip: text("vipAddress").into(),
        secure_vip: text("secureVipAddress").into(),
        group: text("appGroupName").into(),
        home: text("homePageUrl").into(),
        status_page: text("statusPageUrl").into(),
        health_check: text("healthCheckUrl").into(),
        secure_health_check: text("secureHealthCheckUrl").into(),
        secure_port: secure,
        unused_port: port.filter(|(_, on)| !on).map(|(number, _)| number),
        renewal: secs("renewalIntervalInSecs").and_then(|secs| u32::try_from(secs).ok()),
        dirty: instance.get("lastDirtyTimestamp").and_then(number),
        status: text("status").into(),
        overridden: None,
    };
    said.put(&mut registration)?;
    let status = text("status");
    set(&mut registration, if status.is_empty() { "UP" } else { status })?;
    registration.check()?;
    Ok(registration)
}

/// Makes an instance what a status of Eureka says.
///
/// # Errors
/// There is no such status.
pub(crate) fn set(registration: &mut Registration, status: &str) -> Result<(), Refused> {
    (registration.state, registration.health) = match status.to_ascii_uppercase().as_str() {
        "UP" => (State::Up, Health::Passing),
        "DOWN" => (State::Up, Health::Critical),
        "STARTING" | "UNKNOWN" => (State::Starting, Health::Passing),
        "OUT_OF_SERVICE" => (State::Maintenance, Health::Passing),
        other => {
            let right = "expected UP, DOWN, STARTING, OUT_OF_SERVICE or UNKNOWN";
            return Err(Refused::bad(format!("{other:?} is not a status; {right}")));
        }
    };
    Ok(())
}

/// Whether the state of an instance is the one that its client last said: otherwise somebody else has set it, and that stays.
pub(crate) fn is_as_said(registration: &Registration, said: &Said) -> bool {
    let mut as_said = registration.clone();
    let status = said.overridden.as_deref().unwrap_or(if said.status.is_empty() { "UP" } else { &said.status });
    set(&mut as_said, status).is_ok() && as_said.state == registration.state
}

/// A number, also as a text.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// What stands in metadata, as a text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A port, and whether it is meant: `{"$": 8080, "@enabled": "true"}`, or a number.
fn port(instance: &Value, name: &str) -> Result<Option<(u16, bool)>, Refused> {
    let Some(value) = instance.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let wrong =
        || Refused::bad(format!("{name} is {value}; expected for example {{\"$\": 8080, \"@enabled\": \"true\"}}"));
    let (given, on) = match value {
        Value::Object(fields) => {
            let on = match fields.get("@enabled") {
                Some(Value::Bool(on)) => *on,
                Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
                _ => false,
            };
            (fields.get("$").and_then(number).ok_or_else(wrong)?, on)
        }
        value => (number(value).ok_or_else(wrong)?, true),
    };
    Ok(Some((u16::try_from(given).map_err(|_| wrong())?, on)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body() -> Value {
        json!({"instance": {
            "instanceId": "127.0.0.1:pyapp:9090", "hostName": "h", "app": "PYAPP", "ipAddr": "127.0.0.1",
            "port": {"$": 9090, "@enabled": "true"}, "securePort": {"$": "9443", "@enabled": false},
            "dataCenterInfo": {"@class": "x", "name": "MyOwn"},
            "leaseInfo": {"renewalIntervalInSecs": 30, "durationInSecs": "15"},
            "metadata": {"management.port": "9090", "n": 1}, "vipAddress": "pyapp", "status": "UP",
            "lastDirtyTimestamp": "1795197547384",
        }})
    }

    #[test]
    fn what_py_eureka_client_sends_is_an_instance() {
        let read = read(body().to_string().as_bytes(), "pyapp").unwrap();
        assert_eq!((read.service.as_str(), read.id.as_str()), ("default/pyapp", "127.0.0.1:pyapp:9090"));
        assert_eq!((read.ports.len(), read.ports[0].number, read.lease.unwrap().as_secs()), (1, 9090, 15));
        let said = Said::of(&read).unwrap();
        assert_eq!((&*said.vip, said.secure_port, said.dirty), ("pyapp", Some((9443, false)), Some(1_795_197_547_384)));
        assert!(read.meta.iter().any(|(key, value)| (&**key, &**value) == ("n", "1")));
    }

    #[test]
    fn what_eureka_asks_for_has_to_be_there() {
        for field in ["hostName", "ipAddr", "app", "dataCenterInfo"] {
            let mut body = body();
            body["instance"].as_object_mut().unwrap().remove(field);
            assert!(read(body.to_string().as_bytes(), "PYAPP").is_err(), "{field}");
        }
        assert!(read(body().to_string().as_bytes(), "OTHER").is_err());
        assert!(read(b"<instance/>", "PYAPP").is_err());
        let mut bad = body();
        bad["instance"]["port"]["$"] = 70_000.into();
        assert!(read(bad.to_string().as_bytes(), "PYAPP").is_err());
    }
}
