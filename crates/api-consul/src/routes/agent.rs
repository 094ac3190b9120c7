//! `/v1/agent`: this agent, and what is registered with it.

use super::{Answering, Asked, Outcome, What};
use crate::fields::{Fields, truth};
use crate::register::{self, Whose};
use crate::reply::{self, Refused};
use crate::request;
use crate::show::{self, AgentService, CRITICAL, Check, Entry, PASSING, WARNING};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use whither_directory::{Status, View};
use whither_model::{Ack, Command, MemberState, State};

/// The release whose API this is.
const VERSION: &str = "1.8.7";

pub(crate) fn answer<'a>(asked: &'a Asked<'a>, what: What) -> Answering<'a> {
    Box::pin(async move {
        match what {
            What::Self_ => Ok(about(asked)),
            What::Members => Ok(members(asked)),
            What::Services => Ok(services(asked)),
            What::Service => service(asked),
            What::Register => register_service(asked).await,
            What::Deregister => deregister(asked).await,
            What::Maintenance if asked.rest.is_empty() => node_maintenance(asked).await,
            What::Maintenance => maintenance(asked).await,
            What::ById => by_id(asked),
            _ => by_name(asked),
        }
    })
}

fn about(asked: &Asked<'_>) -> reply::Reply {
    let (app, identity) = (asked.app, asked.app.directory.identity());
    let id = crate::names::uuid(identity.node);
    let view = app.directory.view();
    let member = view.nodes().iter().find(|node| node.member.id == identity.node);
    reply::json(&json!({
        "Config": {
            "Datacenter": app.config.datacenter,
            "NodeName": identity.name.as_str(),
            "NodeID": id,
            "Revision": format!("whither-{}", identity.software),
            "Server": true,
            "Version": VERSION,
        },
        "DebugConfig": {},
        "Coord": { "Vec": [0, 0, 0, 0, 0, 0, 0, 0], "Error": 1.5, "Adjustment": 0, "Height": 0.00001 },
        "Member": member.map(|node| member_json(asked, node)),
        "Stats": {
            "agent": { "check_monitors": "0", "check_ttls": "0", "checks": "0", "services": "0" },
            "consul": { "server": "true", "leader": "true", "bootstrap": "false" },
        },
        "Meta": { "consul-network-segment": "" },
    }))
}

fn member_json(asked: &Asked<'_>, node: &whither_directory::NodeView) -> serde_json::Value {
    let member = &node.member;
    let status = match member.state {
        MemberState::Alive | MemberState::Suspect => 1,
        MemberState::Left => 3,
        MemberState::Down => 4,
    };
    json!({
        "Name": member.name.as_str(),
        "Addr": member.address.ip().to_string(),
        "Port": member.address.port(),
        "Tags": {
            "build": format!("{VERSION}:"),
            "dc": asked.app.config.datacenter,
            "id": crate::names::uuid(member.id),
            "role": "consul",
            "segment": "",
            "vsn": "2",
        },
        "Status": status,
        "ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2,
        "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4,
    })
}

fn members(asked: &Asked<'_>) -> reply::Reply {
    let view = asked.app.directory.view();
    reply::json(&view.nodes().iter().map(|node| member_json(asked, node)).collect::<Vec<_>>())
}

/// What clients of Consul, and others, have registered here; not what was registered for other nodes.
pub(crate) fn own_entries<'a>(asked: &'a Asked<'_>, view: &'a View) -> impl Iterator<Item = Entry<'a>> {
    let own = asked.app.directory.identity().node;
    let all = view.services().flat_map(|service| show::entries(service));
    all.filter(move |entry| {
        entry.listed.owner() == own && entry.extras.as_ref().is_none_or(|extras| extras.node.is_none())
    })
}

fn services(asked: &Asked<'_>) -> reply::Reply {
    let view = asked.app.directory.view();
    let entries: Vec<Entry<'_>> = own_entries(asked, &view).collect();
    let shown: BTreeMap<&str, AgentService<'_>> =
        entries.iter().map(|entry| (entry.id(), asked.app.frame.agent_service(entry))).collect();
    reply::json(&shown)
}

#[derive(Serialize)]
struct Hashed<'a> {
    #[serde(flatten)]
    service: AgentService<'a>,
    #[serde(rename = "ContentHash")]
    hash: String,
}

fn service(asked: &Asked<'_>) -> Outcome {
    let view = asked.app.directory.view();
    let entry = own_entries(asked, &view).find(|entry| entry.id() == asked.rest);
    let Some(entry) = entry else { return Err(Refused::not_found(format!("unknown service ID: {}", asked.rest))) };
    let service = asked.app.frame.agent_service(&entry);
    let mut hasher = std::hash::DefaultHasher::new();
    serde_json::to_vec(&service).unwrap_or_default().hash(&mut hasher);
    let hash = format!("{:016x}", hasher.finish());
    let mut reply = reply::json(&Hashed { service, hash: hash.clone() });
    if let Ok(hash) = HeaderValue::from_str(&hash) {
        reply.headers_mut().insert(HeaderName::from_static("x-consul-contenthash"), hash);
    }
    Ok(reply)
}

async fn register_service(asked: &Asked<'_>) -> Outcome {
    let body = request::json(&asked.body)?;
    let fields = Fields::of(&body, "the body")?;
    register::service(asked.app, Whose { client: asked.client, node: None }, fields, &[]).await?;
    Ok(reply::done())
}

async fn deregister(asked: &Asked<'_>) -> Outcome {
    if let Some(found) = asked.app.own.service(asked.app, &asked.rest) {
        register::remove(asked.app, &found).await?;
    }
    Ok(reply::done())
}

/// What `?enable=` says, which must be there.
fn enable(asked: &Asked<'_>) -> Result<bool, Refused> {
    let text = asked.query.get("enable").ok_or_else(|| Refused::bad("Missing value for enable"))?;
    truth(text).ok_or_else(|| Refused::bad(format!("Invalid value for enable: {text:?}")))
}

async fn node_maintenance(asked: &Asked<'_>) -> Outcome {
    let on = enable(asked)?;
    asked.app.directory.submit(Command::SetMaintenance { on, ack: Ack::Memory }).await?;
    Ok(reply::done())
}

async fn maintenance(asked: &Asked<'_>) -> Outcome {
    let state = if enable(asked)? { State::Maintenance } else { State::Up };
    let Some(found) = asked.app.own.service(asked.app, &asked.rest) else {
        return Err(Refused::not_found(format!("Unknown service {:?}", asked.rest)));
    };
    let registration = &found.listed.instance.registration;
    let (service, id) = (registration.service.clone(), registration.id.clone());
    asked.app.directory.submit(Command::SetState { service, id, state, ack: Ack::Memory }).await?;
    Ok(reply::done())
}

#[derive(Serialize)]
struct Health<'a> {
    #[serde(rename = "AggregatedStatus")]
    status: &'static str,
    #[serde(rename = "Service")]
    service: AgentService<'a>,
    #[serde(rename = "Checks")]
    checks: Vec<Check<'a>>,
}

fn health<'a>(asked: &'a Asked<'_>, entry: &'a Entry<'_>) -> Health<'a> {
    let mut checks = asked.app.frame.own_checks(entry);
    let state = entry.listed.instance.registration.state;
    if entry.listed.status == Status::Maintenance && state != State::Maintenance {
        checks.push(asked.app.frame.node_maintenance(entry.listed.owner_name.as_str()));
    }
    Health { status: worst(&checks), service: asked.app.frame.agent_service(entry), checks }
}

/// What checks come to, in the words of this endpoint.
fn worst(checks: &[Check<'_>]) -> &'static str {
    let has = |status| checks.iter().any(|check| check.status == status);
    if checks.iter().any(|check| check.id.starts_with("_service_maintenance") || check.id == "_node_maintenance") {
        "maintenance"
    } else if has(CRITICAL) {
        CRITICAL
    } else if has(WARNING) {
        WARNING
    } else {
        PASSING
    }
}

/// The status code that says how it is, to load balancers that read nothing else.
fn code(status: &str) -> StatusCode {
    match status {
        PASSING => StatusCode::OK,
        WARNING => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn told(asked: &Asked<'_>, status: &'static str, shown: &impl Serialize) -> reply::Reply {
    let mut reply = if asked.query.get("format") == Some("text") {
        let mut reply = reply::ready_json(status.into());
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        reply
    } else {
        reply::json(shown)
    };
    *reply.status_mut() = code(status);
    reply.headers_mut().insert(HeaderName::from_static("x-consul-reason"), HeaderValue::from_static(status));
    reply
}

fn unknown(asked: &Asked<'_>, what: &str) -> Outcome {
    let text = format!("{what} {} not found", asked.rest);
    let mut reply = Refused::not_found(text).reply();
    reply.headers_mut().insert(HeaderName::from_static("x-consul-reason"), HeaderValue::from_static(CRITICAL));
    Ok(reply)
}

fn by_id(asked: &Asked<'_>) -> Outcome {
    let view = asked.app.directory.view();
    let Some(entry) = own_entries(asked, &view).find(|entry| entry.id() == asked.rest) else {
        return unknown(asked, "ServiceId");
    };
    let health = health(asked, &entry);
    Ok(told(asked, health.status, &health))
}

fn by_name(asked: &Asked<'_>) -> Outcome {
    let view = asked.app.directory.view();
    let wanted = asked.service();
    let entries: Vec<Entry<'_>> = own_entries(asked, &view)
        .filter(|entry| Some(&entry.listed.instance.registration.service) == wanted.as_ref())
        .collect();
    if entries.is_empty() {
        return unknown(asked, "ServiceName");
    }
    let all: Vec<Health<'_>> = entries.iter().map(|entry| health(asked, entry)).collect();
    let order = [PASSING, WARNING, CRITICAL, "maintenance"];
    let rank = |status: &str| order.iter().position(|known| *known == status).unwrap_or(0);
    let status = all.iter().map(|one| one.status).max_by_key(|status| rank(status)).unwrap_or(PASSING);
    Ok(told(asked, status, &all))
}
