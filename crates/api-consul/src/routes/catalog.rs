//! `/v1/catalog`: who is registered where, whatever their health.

use super::health::Conditions;
use super::{Answering, Asked, Outcome, What};
use crate::blocking::{self, Wait};
use crate::extras::ForeignNode;
use crate::fields::Fields;
use crate::names;
use crate::own;
use crate::register::{self, Whose};
use crate::reply::{self, Refused, Reply};
use crate::request;
use crate::serve::App;
use crate::show::{self, CatalogService, Entry, Node, Service};
use hyper::StatusCode;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use whither_directory::{NodeView, Ready, Scope, View};
use whither_model::MemberState;

pub(crate) fn answer<'a>(asked: &'a Asked<'a>, what: What) -> Answering<'a> {
    Box::pin(async move {
        asked.here()?;
        match what {
            What::Services => services(asked).await,
            What::Service => service(asked).await,
            What::Nodes => nodes(asked).await,
            What::Node => node(asked, false).await,
            What::NodeServices => node(asked, true).await,
            What::Datacenters => Ok(reply::json(&[&asked.app.config.datacenter])),
            What::Register => register(asked).await,
            _ => deregister(asked).await,
        }
    })
}

/// Agents that clients are told of: those that have not said goodbye.
pub(crate) fn members(view: &View) -> impl Iterator<Item = &Arc<NodeView>> {
    view.nodes().iter().filter(|node| node.member.state != MemberState::Left)
}

/// Services with all their tags, each once, in the order in which they are first met.
async fn services(asked: &Asked<'_>) -> Outcome {
    let wait = Wait::of(&asked.query)?;
    let view = blocking::view(asked.app, wait, Scope::Anything, View::listed).await;
    let conditions = Conditions::of(asked);
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for service in view.services() {
        for entry in show::entries(service).filter(|_| conditions.meets_node()) {
            let tags = found.entry(entry.name().to_owned()).or_default();
            for tag in &*entry.listed.instance.registration.tags {
                if !tags.contains(&&**tag) {
                    tags.push(tag);
                }
            }
        }
    }
    Ok(reply::stamped(reply::json(&found), asked.of_all(&view, view.listed())))
}

async fn service(asked: &Asked<'_>) -> Outcome {
    asked.named()?;
    let wait = Wait::of(&asked.query)?;
    let Some(name) = asked.service() else {
        let view = asked.app.directory.view();
        return Ok(reply::stamped(reply::json(&[0; 0]), asked.of_all(&view, asked.unknown())));
    };
    let index = |view: &View| view.service(&name).map_or(asked.unknown(), |service| service.listed());
    let view = blocking::view(asked.app, wait, Scope::Service(&name), index).await;
    let found = view.service(&name);
    let current = asked.of_service(&view, found.map(|service| &**service), index(&view));
    let Some(found) = found else { return Ok(reply::stamped(reply::json(&[0; 0]), current)) };
    let conditions = Conditions::of(asked);
    let encode = |entries: &[Entry<'_>]| {
        let shown: Vec<CatalogService<'_>> = entries.iter().map(|entry| asked.app.frame.catalog(entry)).collect();
        serde_json::to_vec(&shown).unwrap_or_default()
    };
    let body = if conditions.is_none() {
        found.ready(Ready::ConsulCatalog, || encode(&show::entries(found).collect::<Vec<_>>()).into()).clone()
    } else {
        let mut entries: Vec<Entry<'_>> = show::entries(found).filter(|entry| conditions.meets(entry)).collect();
        conditions.sort(asked.app, &mut entries);
        encode(&entries).into()
    };
    Ok(reply::stamped(reply::ready_json(body), current))
}

/// Nodes that are no agents, each once.
fn foreign<'a>(entries: &'a [Entry<'a>]) -> BTreeMap<&'a str, &'a ForeignNode> {
    let nodes = entries.iter().filter_map(|entry| entry.extras.as_ref()?.node.as_ref());
    nodes.map(|node| (&*node.name, node)).collect()
}

async fn nodes(asked: &Asked<'_>) -> Outcome {
    let wait = Wait::of(&asked.query)?;
    let index = |view: &View| view.nodes_index().max(view.listed());
    let view = blocking::view(asked.app, wait, Scope::Anything, index).await;
    let frame = &asked.app.frame;
    let entries: Vec<Entry<'_>> = view.services().flat_map(|service| show::entries(service)).collect();
    let agents = members(&view).map(|node| frame.node(node, view.nodes_index().get()));
    let mut nodes: Vec<Node<'_>> =
        agents.chain(foreign(&entries).into_values().map(|node| frame.foreign(node))).collect();
    nodes.retain(|_| Conditions::of(asked).meets_node());
    nodes.sort_by(|one, other| one.name.cmp(other.name));
    Ok(reply::stamped(reply::json(&nodes), asked.of_all(&view, index(&view))))
}

#[derive(Serialize)]
struct NodeAnswer<'a, S> {
    #[serde(rename = "Node")]
    node: Node<'a>,
    #[serde(rename = "Services")]
    services: S,
}

async fn node(asked: &Asked<'_>, listed: bool) -> Outcome {
    let wait = Wait::of(&asked.query)?;
    let index = |view: &View| view.nodes_index().max(view.listed());
    let view = blocking::view(asked.app, wait, Scope::Anything, index).await;
    let frame = &asked.app.frame;
    let entries: Vec<Entry<'_>> = view.services().flat_map(|service| show::entries(service)).collect();
    let agent = members(&view)
        .find(|node| *asked.rest == *node.member.name.as_str() || *asked.rest == *names::uuid(node.member.id));
    let node = match agent {
        Some(agent) => Some(frame.node(agent, view.nodes_index().get())),
        None => foreign(&entries).get(&*asked.rest).map(|node| frame.foreign(node)),
    };
    let current = asked.of_all(&view, index(&view));
    let Some(node) = node else { return Ok(reply::stamped(reply::json(&()), current)) };
    let mut services: Vec<(&str, Service<'_>)> = entries
        .iter()
        .filter(|entry| frame.node_of(entry).name == node.name)
        .map(|entry| (entry.id(), frame.service(entry)))
        .collect();
    services.sort_by(|one, other| one.0.cmp(other.0));
    let reply = if listed {
        let services: Vec<Service<'_>> = services.into_iter().map(|(_, service)| service).collect();
        reply::json(&NodeAnswer { node, services })
    } else {
        let services: BTreeMap<&str, Service<'_>> = services.into_iter().collect();
        reply::json(&NodeAnswer { node, services })
    };
    Ok(reply::stamped(reply, current))
}

fn done() -> Reply {
    reply::json(&true)
}

/// Registers something for a node that need not be an agent.
async fn register(asked: &Asked<'_>) -> Outcome {
    let body = request::json(&asked.body)?;
    let fields = Fields::of(&body, "the body")?;
    let (name, address) = (fields.text(&["Node"])?, fields.text(&["Address"])?);
    if name.is_empty() || address.is_empty() {
        let what = if name.is_empty() { "Must provide node" } else { "Must provide address" };
        return Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, what));
    }
    let mut checks = fields.objects(&["Checks"])?;
    checks.extend(fields.object(&["Check"])?);
    let own = asked.app.directory.identity().name.as_str();
    let node = (name != own).then(|| ForeignNode {
        name: name.into(),
        address: address.into(),
        id: fields.text(&["ID"]).unwrap_or_default().into(),
    });
    match fields.object(&["Service"])? {
        Some(service) => {
            let whose = Whose { client: asked.client, node };
            register::service(asked.app, whose, service, &checks).await?;
        }
        // A node by itself is nothing that anybody could be sent to.
        None if checks.is_empty() => {}
        None => {
            return Err(Refused::bad(
                "Invalid check: checks of nodes are not kept; give the service in the same request",
            ));
        }
    }
    Ok(done())
}

async fn deregister(asked: &Asked<'_>) -> Outcome {
    let body = request::json(&asked.body)?;
    let fields = Fields::of(&body, "the body")?;
    let node = fields.text(&["Node"])?;
    if node.is_empty() {
        return Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "Must provide node"));
    }
    let id = fields.text(&["ServiceID"])?;
    if id.is_empty() && !fields.text(&["CheckID"])?.is_empty() {
        return Ok(done());
    }
    for found in on_node(asked.app, node).into_iter().filter(|found| id.is_empty() || shown_id(found) == id) {
        register::remove(asked.app, &found).await?;
    }
    Ok(done())
}

fn shown_id(found: &own::Found) -> &str {
    names::id(&found.listed, found.extras.as_ref())
}

/// What this agent has registered for a node.
fn on_node(app: &App, node: &str) -> Vec<own::Found> {
    let view = app.directory.view();
    let own = app.directory.identity().name.as_str();
    let found = own::all(app, &view).map(|listed| own::Found {
        extras: crate::extras::Extras::of(&listed.instance.registration),
        listed: Arc::clone(listed),
    });
    let is_there = |found: &own::Found| {
        let foreign = found.extras.as_ref().and_then(|extras| extras.node.as_ref());
        foreign.map_or(own, |node| &node.name) == node
    };
    found.filter(is_there).collect()
}
