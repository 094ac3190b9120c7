//! Every path, and what it leads to.

mod agent;
mod agent_checks;
mod catalog;
mod health;
mod status;

use crate::blocking;
use crate::filter::Filter;
use crate::names::decoded;
use crate::reply::{Current, Refused, Reply};
use crate::request::{self, Query};
use crate::serve::App;
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode, Uri};
use serde_json::Value;
use std::borrow::Cow;
use whither_directory::{Client, Index, ServiceView, View};
use whither_model::ServiceName;

/// A request, read.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) app: &'a App,
    pub(crate) client: Client,
    pub(crate) query: Query,
    /// What follows the path that is known, decoded.
    pub(crate) rest: Cow<'a, str>,
    pub(crate) body: Bytes,
}

type Outcome = Result<Reply, Refused>;

/// The answer to what is asked most, one service's health without conditions, which waits for nothing and is encoded already.
pub(crate) fn straight(app: &App, uri: &Uri) -> Option<Reply> {
    let name = uri.path().strip_prefix("/v1/health/service/").filter(|name| !name.contains(['%', '/']))?;
    let passing = match uri.query() {
        None | Some("stale" | "stale=") => false,
        Some("passing" | "passing=1" | "passing=true") => true,
        Some(_) => return None,
    };
    Some(health::plain(app, name, passing))
}

pub(crate) async fn answer(app: &App, client: Client, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let Some((known, rest)) = known(&path) else { return Refused::not_found("").reply() };
    if head.method == Method::OPTIONS {
        return crate::reply::done();
    }
    if !known.methods.contains(&head.method.as_str()) {
        let text = format!("method {} not allowed", head.method);
        let refused = Refused { allow: Some(known.allow), ..Refused::new(StatusCode::METHOD_NOT_ALLOWED, text) };
        return refused.reply();
    }
    let read = whither_doors::read_body(body, request::BODY_BYTES_MAX, app.config.body_read).await;
    let outcome = match read {
        Err(fault) => Err(Refused::new(fault.status(), fault.to_string())),
        Ok(body) => {
            let query = Query::parse(head.uri.query());
            let asked = Asked { app, client, query, rest: decoded(rest), body };
            let answered = if asked.query.has("stale") && asked.query.has("consistent") {
                Err(Refused::bad("Cannot specify ?stale with ?consistent, conflicting semantics."))
            } else {
                answered(&asked, known).await
            };
            answered.map(|reply| if asked.query.has("pretty") { pretty(reply) } else { reply })
        }
    };
    outcome.unwrap_or_else(Refused::reply)
}

async fn answered(asked: &Asked<'_>, known: &Known) -> Outcome {
    let filter = match asked.query.get("filter") {
        None | Some("") => None,
        Some(text) => Some(Filter::parse(text).map_err(|error| {
            let text = format!("Failed to create boolean expression evaluator: {error}");
            Refused::new(StatusCode::INTERNAL_SERVER_ERROR, text)
        })?),
    };
    let reply = (known.answer)(asked, known.what).await?;
    match filter {
        Some(filter) if known.methods == GET.0 => Ok(again(reply, |value| filter.keep(value))),
        _ => Ok(reply),
    }
}

/// The same answer with another body, if that is JSON.
fn again(reply: Reply, change: impl FnOnce(&mut Value)) -> Reply {
    let (head, bytes) = taken(reply);
    let changed = serde_json::from_slice::<Value>(&bytes).and_then(|mut value| {
        change(&mut value);
        serde_json::to_vec(&value)
    });
    Reply::from_parts(head, Full::new(changed.map_or(bytes, Bytes::from)))
}

fn taken(reply: Reply) -> (hyper::http::response::Parts, Bytes) {
    let (head, body) = reply.into_parts();
    // It is there as a whole.
    let bytes = body.collect().now_or_never().and_then(Result::ok);
    (head, bytes.map(Collected::to_bytes).unwrap_or_default())
}

/// JSON for people.
fn pretty(reply: Reply) -> Reply {
    let (head, bytes) = taken(reply);
    let again = serde_json::from_slice::<Value>(&bytes).and_then(|value| {
        let mut out = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        serde::Serialize::serialize(&value, &mut serde_json::Serializer::with_formatter(&mut out, format)).map(|()| out)
    });
    // What is no JSON is left as it is.
    Reply::from_parts(head, Full::new(again.map_or(bytes, Bytes::from)))
}

type Answering<'a> = std::pin::Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A path: what it begins with, and whether something follows.
struct Known {
    path: &'static str,
    more: bool,
    methods: &'static [&'static str],
    allow: &'static str,
    what: What,
    answer: for<'a> fn(&'a Asked<'a>, What) -> Answering<'a>,
}

/// Which of the questions that one function answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Self_,
    Members,
    Services,
    Service,
    Nodes,
    Node,
    NodeServices,
    Datacenters,
    Register,
    Deregister,
    Checks,
    State,
    ById,
    ByName,
    Maintenance,
    Pass,
    Warn,
    Fail,
    Update,
    Leader,
    Peers,
}

const GET: (&[&str], &str) = (&["GET"], "OPTIONS,GET");
const PUT: (&[&str], &str) = (&["PUT"], "OPTIONS,PUT");

const fn exact(
    path: &'static str,
    (methods, allow): (&'static [&'static str], &'static str),
    what: What,
    answer: for<'a> fn(&'a Asked<'a>, What) -> Answering<'a>,
) -> Known {
    Known { path, more: false, methods, allow, what, answer }
}

const fn below(
    path: &'static str,
    methods: (&'static [&'static str], &'static str),
    what: What,
    answer: for<'a> fn(&'a Asked<'a>, What) -> Answering<'a>,
) -> Known {
    Known { more: true, ..exact(path, methods, what, answer) }
}

static PATHS: &[Known] = &[
    below("/v1/health/service/", GET, What::Service, health::answer),
    below("/v1/health/checks/", GET, What::Checks, health::answer),
    below("/v1/health/node/", GET, What::Node, health::answer),
    below("/v1/health/state/", GET, What::State, health::answer),
    exact("/v1/catalog/services", GET, What::Services, catalog::answer),
    below("/v1/catalog/service/", GET, What::Service, catalog::answer),
    exact("/v1/catalog/nodes", GET, What::Nodes, catalog::answer),
    below("/v1/catalog/node/", GET, What::Node, catalog::answer),
    below("/v1/catalog/node-services/", GET, What::NodeServices, catalog::answer),
    exact("/v1/catalog/datacenters", GET, What::Datacenters, catalog::answer),
    exact("/v1/catalog/register", PUT, What::Register, catalog::answer),
    exact("/v1/catalog/deregister", PUT, What::Deregister, catalog::answer),
    exact("/v1/agent/self", GET, What::Self_, agent::answer),
    exact("/v1/agent/members", GET, What::Members, agent::answer),
    exact("/v1/agent/services", GET, What::Services, agent::answer),
    exact("/v1/agent/service/register", PUT, What::Register, agent::answer),
    below("/v1/agent/service/deregister/", PUT, What::Deregister, agent::answer),
    below("/v1/agent/service/maintenance/", PUT, What::Maintenance, agent::answer),
    below("/v1/agent/service/", GET, What::Service, agent::answer),
    exact("/v1/agent/maintenance", PUT, What::Maintenance, agent::answer),
    below("/v1/agent/health/service/id/", GET, What::ById, agent::answer),
    below("/v1/agent/health/service/name/", GET, What::ByName, agent::answer),
    exact("/v1/agent/checks", GET, What::Checks, agent_checks::answer),
    exact("/v1/agent/check/register", PUT, What::Register, agent_checks::answer),
    below("/v1/agent/check/deregister/", PUT, What::Deregister, agent_checks::answer),
    below("/v1/agent/check/pass/", PUT, What::Pass, agent_checks::answer),
    below("/v1/agent/check/warn/", PUT, What::Warn, agent_checks::answer),
    below("/v1/agent/check/fail/", PUT, What::Fail, agent_checks::answer),
    below("/v1/agent/check/update/", PUT, What::Update, agent_checks::answer),
    exact("/v1/status/leader", GET, What::Leader, status::answer),
    exact("/v1/status/peers", GET, What::Peers, status::answer),
];

fn known(path: &str) -> Option<(&'static Known, &str)> {
    PATHS.iter().find_map(|known| {
        let rest = path.strip_prefix(known.path)?;
        // What may be followed by a name and is not is asked about nothing: some of them say so.
        let nothing = rest.is_empty() && known.path.ends_with('/') && known.what != What::Service;
        ((known.more || rest.is_empty()) && !nothing).then_some((known, rest))
    })
}

impl Asked<'_> {
    /// The service that the path names; nothing: no service can be called so.
    pub(crate) fn service(&self) -> Option<ServiceName> {
        crate::names::service(&self.rest).ok()
    }

    /// # Errors
    /// The path names nothing.
    pub(crate) fn named(&self) -> Result<(), Refused> {
        if self.rest.is_empty() { Err(Refused::bad("Missing service name")) } else { Ok(()) }
    }

    /// How current an answer about `service` is.
    pub(crate) fn of_service(&self, view: &View, service: Option<&ServiceView>, index: Index) -> Current {
        let now = self.app.directory.clock().now();
        let age = match service {
            Some(service) => service.age(view.freshness(), now),
            None => view.age(now),
        };
        Current { index: blocking::shown(index), age }
    }

    /// The same of the catalog as a whole.
    pub(crate) fn of_all(&self, view: &View, index: Index) -> Current {
        self.of_service(view, None, index)
    }

    /// The index of what is not there: of a time before anything was.
    pub(crate) fn unknown(&self) -> Index {
        Index::first_of(self.app.directory.identity().epoch)
    }

    /// Whether the query asks for another datacentre than this one.
    ///
    /// # Errors
    /// It does.
    pub(crate) fn here(&self) -> Result<(), Refused> {
        match self.query.get("dc") {
            Some(dc) if !dc.is_empty() && dc != &*self.app.config.datacenter => {
                Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "No path to datacenter"))
            }
            _ => Ok(()),
        }
    }
}
