//! `/v1/health`: services with how they are.

use super::{Answering, Asked, Outcome, What};
use crate::blocking::{self, Wait};
use crate::names;
use crate::reply::{self, Current, Reply};
use crate::serve::App;
use crate::show::{self, Check, Entry, HealthEntry};
use bytes::Bytes;
use whither_directory::{Index, Ready, Scope, ServiceView, View};

pub(crate) fn answer<'a>(asked: &'a Asked<'a>, what: What) -> Answering<'a> {
    Box::pin(async move {
        asked.here()?;
        match what {
            What::Service => service(asked).await,
            What::Checks => checks(asked).await,
            What::Node => node(asked).await,
            _ => state(asked).await,
        }
    })
}

/// One service's health, for a question without conditions.
pub(crate) fn plain(app: &App, name: &str, passing: bool) -> Reply {
    let view = app.directory.peek();
    let service = names::service(name).ok().and_then(|name| view.service(&name));
    let now = app.directory.clock().now();
    let (body, index, age) = match service {
        Some(service) => (ready(app, service, passing), service.index(), service.age(view.freshness(), now)),
        None => (Bytes::from_static(b"[]"), Index::first_of(app.directory.identity().epoch), view.age(now)),
    };
    reply::stamped(reply::ready_json(body), Current { index: blocking::shown(index), age })
}

/// The answer as the view keeps it.
fn ready(app: &App, service: &ServiceView, passing: bool) -> Bytes {
    let slot = if passing { Ready::ConsulPassing } else { Ready::ConsulHealth };
    let encode = || {
        let entries: Vec<Entry<'_>> = show::entries(service).collect();
        let shown = entries.iter().map(|entry| app.frame.health(entry));
        let shown: Vec<HealthEntry<'_>> = shown.filter(|entry| !passing || entry.passes()).collect();
        serde_json::to_vec(&shown).unwrap_or_default().into()
    };
    service.ready(slot, encode).clone()
}

async fn service(asked: &Asked<'_>) -> Outcome {
    asked.named()?;
    let passing = asked.query.flag("passing")?;
    let wait = Wait::of(&asked.query)?;
    let Some(name) = asked.service() else {
        let view = asked.app.directory.view();
        return Ok(reply::stamped(reply::json(&[0; 0]), asked.of_all(&view, asked.unknown())));
    };
    let index = |view: &View| view.service(&name).map_or(asked.unknown(), |service| service.index());
    let view = blocking::view(asked.app, wait, Scope::Service(&name), index).await;
    let found = view.service(&name);
    let current = asked.of_service(&view, found.map(|service| &**service), index(&view));
    let Some(found) = found else { return Ok(reply::stamped(reply::json(&[0; 0]), current)) };
    let conditions = Conditions::of(asked);
    if conditions.is_none() {
        return Ok(reply::stamped(reply::ready_json(ready(asked.app, found, passing)), current));
    }
    let mut entries: Vec<Entry<'_>> = show::entries(found).filter(|entry| conditions.meets(entry)).collect();
    conditions.sort(asked.app, &mut entries);
    let shown = entries.iter().map(|entry| asked.app.frame.health(entry));
    let shown: Vec<HealthEntry<'_>> = shown.filter(|entry| !passing || entry.passes()).collect();
    Ok(reply::stamped(reply::json(&shown), current))
}

/// What a query asks of the instances beyond their service.
pub(crate) struct Conditions<'a> {
    tags: Vec<&'a str>,
    /// Sorted from there.
    near: Option<&'a str>,
    /// Meta of nodes, of which there is none but what all have.
    node_meta: Vec<&'a str>,
}

impl<'a> Conditions<'a> {
    pub(crate) fn of(asked: &'a Asked<'_>) -> Self {
        Self {
            tags: asked.query.all("tag").filter(|tag| !tag.is_empty()).collect(),
            near: asked.query.get("near").filter(|near| !near.is_empty()),
            node_meta: asked.query.all("node-meta").filter(|meta| !meta.is_empty()).collect(),
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.tags.is_empty() && self.near.is_none() && self.node_meta.is_empty()
    }

    pub(crate) fn meets(&self, entry: &Entry<'_>) -> bool {
        let tags = &entry.listed.instance.registration.tags;
        // As Consul does: whatever the case.
        self.tags.iter().all(|wanted| tags.iter().any(|tag| tag.eq_ignore_ascii_case(wanted))) && self.meets_node()
    }

    pub(crate) fn meets_node(&self) -> bool {
        self.node_meta.iter().all(|meta| *meta == "consul-network-segment:")
    }

    /// Nearest first: of the node that is named, or of this one, then the others as they were.
    pub(crate) fn sort(&self, app: &App, entries: &mut [Entry<'_>]) {
        let Some(near) = self.near else { return };
        let own = app.directory.identity().name.as_str();
        let near = if near == "_agent" { own } else { near };
        entries.sort_by_key(|entry| entry.listed.owner_name.as_str() != near);
    }
}

async fn checks(asked: &Asked<'_>) -> Outcome {
    let wait = Wait::of(&asked.query)?;
    let Some(name) = asked.service() else {
        let view = asked.app.directory.view();
        return Ok(reply::stamped(reply::json(&[0; 0]), asked.of_all(&view, asked.unknown())));
    };
    let index = |view: &View| view.service(&name).map_or(asked.unknown(), |service| service.index());
    let view = blocking::view(asked.app, wait, Scope::Service(&name), index).await;
    let found = view.service(&name);
    let current = asked.of_service(&view, found.map(|service| &**service), index(&view));
    let entries: Vec<Entry<'_>> = found.into_iter().flat_map(|service| show::entries(service)).collect();
    let mut checks: Vec<Check<'_>> = entries.iter().flat_map(|entry| asked.app.frame.own_checks(entry)).collect();
    in_order(&mut checks);
    Ok(reply::stamped(reply::json(&checks), current))
}

/// Every check there is.
fn all<'a>(asked: &'a Asked<'_>, view: &'a View, entries: &'a [Entry<'a>]) -> Vec<Check<'a>> {
    let frame = &asked.app.frame;
    let nodes = super::catalog::members(view).map(|node| {
        let lives = node.member.state.is_present();
        let output = if lives { "Agent alive and reachable" } else { "Agent not live or unreachable" };
        frame.serf(node.member.name.as_str(), lives, output, view.nodes_index().get())
    });
    let mut checks = nodes.chain(entries.iter().flat_map(|entry| frame.own_checks(entry))).collect();
    in_order(&mut checks);
    checks
}

/// By node, and then by their ids.
fn in_order(checks: &mut Vec<Check<'_>>) {
    checks.sort_by(|one, other| (one.node, &one.id).cmp(&(other.node, &other.id)));
}

async fn state(asked: &Asked<'_>) -> Outcome {
    let wait = Wait::of(&asked.query)?;
    let view = blocking::view(asked.app, wait, Scope::Anything, View::index).await;
    let entries: Vec<Entry<'_>> = view.services().flat_map(|service| show::entries(service)).collect();
    let mut checks = all(asked, &view, &entries);
    checks.retain(|check| asked.rest == "any" || check.status == asked.rest);
    Ok(reply::stamped(reply::json(&checks), asked.of_all(&view, view.index())))
}

async fn node(asked: &Asked<'_>) -> Outcome {
    let wait = Wait::of(&asked.query)?;
    let view = blocking::view(asked.app, wait, Scope::Anything, View::index).await;
    let entries: Vec<Entry<'_>> = view.services().flat_map(|service| show::entries(service)).collect();
    let mut checks = all(asked, &view, &entries);
    checks.retain(|check| check.node == asked.rest);
    Ok(reply::stamped(reply::json(&checks), asked.of_all(&view, view.index())))
}
