//! Asking where services are.

use super::App;
use super::paths::{InService, OfInstance};
use super::register::submit;
use crate::answer::{self, Instances, millis};
use crate::convert::{self, InstanceOut, ServiceOut, Testimonies, Text};
use crate::elsewhere::{Elsewhere, FromNode};
use crate::json;
use crate::problem::{self, Problem};
use crate::query::Query;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use whither_directory::{Cursor, Listed, Selection, ServiceView, View};
use whither_model::{Command, InstanceId, Instant, Outcome, ServiceName};

type Answered = Result<Response<Body>, Problem>;

#[derive(Serialize, ToSchema)]
#[schema(as = Services)]
pub(super) struct ServicesOut<'a> {
    /// How old this answer can be.
    age_ms: Option<u64>,
    /// Where in this node's history it stands.
    #[schema(value_type = String)]
    index: Text<Cursor>,
    /// Sorted by name.
    services: Vec<ServiceOut<'a>>,
}

/// List all services.
#[utoipa::path(
    get, path = "/v1/services", tag = "resolve",
    params(
        ("namespace" = Option<String>, Query, description = "Only services of this namespace"),
        FromNode,
    ),
    responses(
        (status = 200, body = ServicesOut),
        (status = 400, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        Elsewhere
    )
)]
pub(super) async fn services(State(app): State<Arc<App>>, uri: Uri) -> Answered {
    let query = Query::parse(uri.query(), &["namespace"], &[])?;
    let namespace = query.one("namespace");
    let view = app.directory.view();
    let wanted = |service: &&Arc<ServiceView>| namespace.is_none_or(|wanted| service.name().namespace() == wanted);
    let mut services: Vec<&Arc<ServiceView>> = view.services().filter(wanted).collect();
    services.sort_unstable_by(|a, b| a.name().cmp(b.name()));
    let age = view.age(app.directory.clock().now());
    let body = json::line(&ServicesOut {
        age_ms: millis(age),
        index: Text(app.directory.cursor(view.index())),
        services: services.iter().map(|service| ServiceOut::new(service)).collect(),
    });
    Ok(answer::read(&app, age, view.index(), body).map(Body::new))
}

/// What to show of a service.
#[derive(Debug, Default)]
struct Wanted {
    all: bool,
    explain: bool,
    tags: Vec<String>,
    zone: Option<String>,
    version: Option<String>,
}

impl Wanted {
    fn parse(uri: &Uri) -> Result<Self, Problem> {
        let query = Query::parse(uri.query(), &["all", "tag", "zone", "version", "explain"], &["tag"])?;
        Ok(Self {
            all: query.flag("all")?,
            explain: query.flag("explain")?,
            tags: query.all("tag").map(str::to_owned).collect(),
            zone: query.one("zone").map(str::to_owned),
            version: query.one("version").map(str::to_owned),
        })
    }

    fn filters(&self) -> bool {
        !self.tags.is_empty() || self.zone.is_some() || self.version.is_some()
    }

    fn matches(&self, listed: &Listed) -> bool {
        let registration = &listed.instance.registration;
        self.tags.iter().all(|tag| registration.tags.iter().any(|present| **present == **tag))
            && self.zone.as_deref().is_none_or(|zone| *listed.zone == *zone)
            && self.version.as_deref().is_none_or(|version| *registration.version == *version)
    }

    /// What to answer. Filters come before the selection, so that a time-out cannot empty a filtered answer either.
    fn instances(&self, service: &ServiceView, testimonies: &Testimonies, now: Instant) -> Instances {
        if !self.filters() && !self.explain {
            return if self.all { Instances::All } else { Instances::Selected };
        }
        let matching: Vec<&Arc<Listed>> = service.instances().iter().filter(|listed| self.matches(listed)).collect();
        let selection = Selection::among(matching.iter().map(|listed| listed.status));
        let protected = selection.is_protected(matching.iter().map(|listed| listed.status));
        let shown = matching.into_iter().filter(|listed| self.all || selection.takes(listed.status));
        let array = convert::array(shown.map(|listed| match self.explain {
            true => InstanceOut::explained(listed, selection, testimonies, now),
            false => InstanceOut::new(listed),
        }));
        // Reasons hold ages, which move although nothing changed.
        Instances::Made { array, selection, protected, cacheable: !self.explain }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Service)]
// The picture of what `answer::service` writes by hand.
pub(super) struct ServiceDocument<'a> {
    /// `namespace/service`.
    service: &'a str,
    /// How old this answer can be.
    age_ms: Option<u64>,
    /// When the service last changed, in this node's history.
    index: &'a str,
    /// `usable`; `last_known`: none is usable but some only fell silent, and these are they; `empty`.
    selection: &'a str,
    /// Whether a guard keeps something in this answer that would otherwise be gone from it.
    protected: bool,
    /// Members that are down, of whose instances nothing new can be known; absent when none is.
    unheard: Option<Vec<UnheardDocument<'a>>>,
    /// Sorted by id.
    instances: Vec<InstanceOut<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Unheard)]
// The picture of what `unheard` writes by hand.
pub(super) struct UnheardDocument<'a> {
    /// Its id.
    node: &'a str,
    /// Its name.
    name: &'a str,
    /// How long ago, at most, all that it had said was known here.
    age_ms: Option<u64>,
}

/// Ask where a service is.
///
/// Without parameters, the instances that a caller should use. The headers `X-Whither-Age-Ms`, `X-Whither-Index` and
/// `ETag` come with the answer; with `If-None-Match` an unchanged answer is 304 with its age in the header.
#[utoipa::path(
    get, path = "/v1/services/{namespace}/{service}", tag = "resolve",
    params(
        ("namespace" = String, Path), ("service" = String, Path),
        ("all" = Option<bool>, Query, description = "Also those that callers should not use"),
        ("tag" = Option<Vec<String>>, Query, description = "Only with this tag; may be repeated, then with all of them"),
        ("zone" = Option<String>, Query, description = "Only in this zone"),
        ("version" = Option<String>, Query, description = "Only of this version"),
        ("explain" = Option<bool>, Query, description = "Say for each instance why it is shown as it is"),
        FromNode,
        ("If-None-Match" = Option<String>, Header, description = "The ETag of an answer that the client has"),
    ),
    responses(
        (status = 200, body = ServiceDocument),
        (status = 304, description = "Nothing changed"),
        (status = 400, body = problem::Document),
        (status = 404, body = problem::Document, description = "Nothing was ever known of it"),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        Elsewhere
    )
)]
pub(super) async fn service(
    State(app): State<Arc<App>>,
    InService(name): InService,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    let wanted = Wanted::parse(&uri)?;
    let testimonies = match wanted.explain {
        true => testimonies(&app, &name, None).await?,
        false => Testimonies::new(),
    };
    let now = app.directory.clock().now();
    let choose = |_: &View, service: &ServiceView| wanted.instances(service, &testimonies, now);
    Ok(answer::service(&app, &name, &headers, choose).map(Body::new))
}

#[derive(Serialize, ToSchema)]
#[schema(as = OneInstance)]
pub(super) struct OneInstanceOut<'a> {
    #[serde(flatten)]
    instance: InstanceOut<'a>,
    /// How old this answer can be.
    age_ms: Option<u64>,
    /// When the instance last changed, in this node's history.
    #[schema(value_type = String)]
    index: Text<Cursor>,
}

/// Ask about one instance.
#[utoipa::path(
    get, path = "/v1/services/{namespace}/{service}/instances/{id}", tag = "resolve",
    params(
        ("namespace" = String, Path), ("service" = String, Path), ("id" = String, Path),
        ("explain" = Option<bool>, Query, description = "Say why it is shown as it is"),
        FromNode,
    ),
    responses(
        (status = 200, body = OneInstanceOut),
        (status = 400, body = problem::Document),
        (status = 404, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        Elsewhere
    )
)]
pub(super) async fn instance(State(app): State<Arc<App>>, OfInstance(name, id): OfInstance, uri: Uri) -> Answered {
    let explain = Query::parse(uri.query(), &["explain"], &[])?.flag("explain")?;
    let testimonies = if explain { testimonies(&app, &name, Some(&id)).await? } else { Testimonies::new() };
    let view = app.directory.view();
    let service = view.service(&name).ok_or_else(|| Problem::unknown_service(&name))?;
    let listed = service.instance(&id).ok_or_else(|| Problem::unknown_instance(&name, &id))?;
    let now = app.directory.clock().now();
    // The service's age and not the instance's own: another node may have claimed the id since.
    let age = service.age(view.freshness(), now);
    let instance = match explain {
        true => InstanceOut::explained(listed, service.selection(), &testimonies, now),
        false => InstanceOut::new(listed),
    };
    let index = Text(app.directory.cursor(listed.changed));
    let body = json::line(&OneInstanceOut { instance, age_ms: millis(age), index });
    Ok(answer::read(&app, age, listed.changed, body).map(Body::new))
}

/// What the witnesses of this node's own instances of a service say: of all of them, or of one.
async fn testimonies(app: &App, service: &ServiceName, only: Option<&InstanceId>) -> Result<Testimonies, Problem> {
    let own = app.directory.identity().node;
    let ids: Vec<InstanceId> = match app.directory.peek().service(service) {
        Some(view) => view
            .instances()
            .iter()
            .filter(|listed| listed.owner() == own && only.is_none_or(|only| only == listed.id()))
            .map(|listed| listed.id().clone())
            .collect(),
        None => Vec::new(),
    };
    if ids.is_empty() {
        return Ok(Testimonies::new());
    }
    let instances = ids.iter().map(|id| (service.clone(), id.clone())).collect();
    match submit(app, Command::Witnesses { instances }).await? {
        Outcome::Witnessed(all) => Ok(ids.into_iter().zip(all).collect()),
        _ => Err(Problem::odd_outcome()),
    }
}
