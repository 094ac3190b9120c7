//! What Prometheus is to scrape: `http_sd`.

use super::App;
use crate::answer;
use crate::elsewhere::{Elsewhere, FromNode};
use crate::json;
use crate::problem::{self, Problem};
use crate::query::Query;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use utoipa::ToSchema;
use whither_directory::{Listed, ServiceView};
use whither_model::{Port, ServiceName};

type Answered = Result<Response<Body>, Problem>;

/// One instance, as Prometheus reads it.
#[derive(Serialize, ToSchema)]
#[schema(as = Target)]
pub(super) struct TargetOut<'a> {
    /// Its address and port; one.
    targets: [String; 1],
    /// `__meta_whither_…`.
    #[schema(value_type = BTreeMap<String, String>)]
    labels: BTreeMap<String, Cow<'a, str>>,
}

/// List what Prometheus is to scrape.
///
/// For `http_sd_configs`: all instances that have the port, whatever their health, as targets with labels `__meta_whither_…`.
#[utoipa::path(
    get, path = "/v1/prometheus", tag = "resolve",
    params(
        ("service" = Option<String>, Query, description = "Only this service: `namespace/service`, or `service` in `default`"),
        ("namespace" = Option<String>, Query, description = "Only services of this namespace"),
        ("port" = Option<String>, Query, description = "The port of this name; the first one if it is not given"),
        FromNode,
    ),
    responses(
        (status = 200, body = Vec<TargetOut>),
        (status = 400, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        Elsewhere
    )
)]
pub(super) async fn targets(State(app): State<Arc<App>>, uri: Uri) -> Answered {
    let query = Query::parse(uri.query(), &["service", "namespace", "port"], &[])?;
    let service: Option<ServiceName> = query.one("service").map(str::parse).transpose()?;
    let (namespace, port) = (query.one("namespace"), query.one("port"));
    let view = app.directory.view();
    let wanted = |found: &&Arc<ServiceView>| {
        service.as_ref().is_none_or(|wanted| found.name() == wanted)
            && namespace.is_none_or(|wanted| found.name().namespace() == wanted)
    };
    let mut services: Vec<&Arc<ServiceView>> = view.services().filter(wanted).collect();
    services.sort_unstable_by(|a, b| a.name().cmp(b.name()));
    let instances =
        services.iter().flat_map(|service| service.instances().iter().map(|listed| (service.name(), listed)));
    let targets: Vec<TargetOut<'_>> = instances
        .filter_map(|(name, listed)| {
            let ports = &listed.instance.registration.ports;
            let port = match port {
                None => ports.first(),
                Some(wanted) => ports.iter().find(|port| port.name.as_str() == wanted),
            };
            Some(target(name, listed, port?))
        })
        .collect();
    let age = view.age(app.directory.clock().now());
    Ok(answer::read(&app, age, view.index(), json::line(&targets)).map(Body::new))
}

fn target<'a>(name: &'a ServiceName, listed: &'a Listed, port: &'a Port) -> TargetOut<'a> {
    let registration = &listed.instance.registration;
    let tags: String = registration.tags.iter().map(|tag| format!("{tag},")).collect();
    let mut labels: BTreeMap<String, Cow<'_, str>> = [
        ("namespace", name.namespace()),
        ("service", name.service()),
        ("instance", registration.id.as_str()),
        ("node", listed.owner_name.as_str()),
        ("zone", &listed.zone),
        ("version", &registration.version),
        ("status", listed.status.as_str()),
        ("port_name", port.name.as_str()),
    ]
    .into_iter()
    .map(|(label, value)| (format!("__meta_whither_{label}"), Cow::Borrowed(value)))
    .collect();
    // Between commas, so that a pattern finds one of them.
    let tags = if tags.is_empty() { tags } else { format!(",{tags}") };
    labels.insert("__meta_whither_tags".into(), tags.into());
    for (key, value) in &*registration.meta {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let key: String = key.chars().map(plain).collect();
        labels.insert(format!("__meta_whither_meta_{key}"), (&**value).into());
    }
    TargetOut { targets: [SocketAddr::new(registration.address, port.number).to_string()], labels }
}
