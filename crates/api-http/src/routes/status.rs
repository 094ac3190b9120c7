//! Which guards are at work on this node, and what they protect.

use super::App;
use crate::answer::{self, millis};
use crate::convert::Text;
use crate::elsewhere::{Elsewhere, FromNode};
use crate::json;
use crate::problem::{self, Problem};
use crate::query::Query;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use whither_directory::{Cursor, Selection, Status, View};
use whither_model::{MemberState, NodeId};

/// Names of protected services in one answer.
const SERVICES_MAX: usize = 100;

#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
pub(super) struct StatusOut<'a> {
    /// The node's id.
    #[schema(value_type = String)]
    node: Text<NodeId>,
    /// Its name.
    name: &'a str,
    /// How old answers about everything can be.
    age_ms: Option<u64>,
    /// Where its history stands.
    #[schema(value_type = String)]
    index: Text<Cursor>,
    /// What keeps the node apart from its cluster; null when nothing does.
    cluster: Option<&'a str>,
    /// What the disk's problem is; null when it has none.
    disk: Option<&'a str>,
    /// What is wrong with schema files or scheduled backups of users' tables; null when nothing is.
    tables: Option<String>,
    /// This node is out of service, with all its instances.
    maintenance: bool,
    /// How many instances have each status.
    instances: BTreeMap<&'static str, usize>,
    /// How many services are protected: a guard keeps something in their answers.
    protected: usize,
    /// Their names, as far as 100 go.
    services: Vec<&'a str>,
    /// The guards.
    guards: Vec<GuardOut>,
}

/// One guard.
#[derive(Serialize, ToSchema)]
#[schema(as = Guard)]
pub(super) struct GuardOut {
    /// Its name.
    guard: &'static str,
    /// What it does, one sentence.
    does: &'static str,
    /// Whether it protects something at this moment.
    active: bool,
    /// What of: services, instances or nodes.
    of: &'static str,
    /// How many it protects at this moment, as this node sees it.
    now: usize,
    /// How often it acted on this node since boot.
    acted: u64,
}

/// Which guards are at work, and what they protect.
#[utoipa::path(
    get, path = "/v1/status", tag = "about",
    params(FromNode),
    responses(
        (status = 200, body = StatusOut),
        (status = 400, body = problem::Document),
        (status = 422, body = problem::Document),
        (status = 503, body = problem::Document),
        Elsewhere
    )
)]
pub(super) async fn status(State(app): State<Arc<App>>, uri: Uri) -> Result<Response<Body>, Problem> {
    Query::parse(uri.query(), &[], &[])?;
    let directory = &app.directory;
    let identity = directory.identity();
    let view = directory.view();
    let age = view.age(directory.clock().now());
    let (disk, cluster) = (directory.vitals().disk_problem(), directory.vitals().cluster_problem());
    let counts = Counts::of(&view);
    let acted: BTreeMap<&'static str, f64> =
        directory.vitals().collect().into_iter().map(|sample| (sample.name, sample.value)).collect();
    let mut services: Vec<&str> =
        view.services().filter(|service| service.is_protected()).map(|service| service.name().as_str()).collect();
    services.sort_unstable();
    let protected = services.len();
    services.truncate(SERVICES_MAX);
    let body = json::line(&StatusOut {
        node: Text(identity.node),
        name: identity.name.as_str(),
        age_ms: millis(age),
        index: Text(directory.cursor(view.index())),
        cluster: cluster.as_deref().map(String::as_str),
        disk: disk.as_deref().map(String::as_str),
        tables: directory.vitals().tables_problem(),
        maintenance: view.node(identity.node).is_some_and(|node| node.member.maintenance),
        instances: Status::ALL.into_iter().map(|status| (status.as_str(), counts.of_status(status))).collect(),
        protected,
        services,
        guards: guards(&counts, |name| acted.get(name).copied().unwrap_or_default()),
    });
    Ok(answer::read(&app, age, view.index(), body).map(Body::new))
}

/// What there is to protect.
struct Counts {
    by_status: [usize; Status::ALL.len()],
    last_known: usize,
    /// Down, and kept in service.
    lost: usize,
    /// Suspected for long, and nobody dares to say more.
    doubted: usize,
}

impl Counts {
    fn of(view: &View) -> Self {
        let mut by_status = [0; Status::ALL.len()];
        let mut last_known = 0;
        for service in view.services() {
            by_status.iter_mut().zip(service.by_status()).for_each(|(sum, more)| *sum += more);
            last_known += usize::from(service.selection() == Selection::LastKnown);
        }
        let held = |state: MemberState| {
            view.nodes().iter().filter(|node| node.member.held && node.member.state == state).count()
        };
        Self { by_status, last_known, lost: held(MemberState::Down), doubted: held(MemberState::Suspect) }
    }

    fn of_status(&self, status: Status) -> usize {
        self.by_status[status as usize]
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters, shown as whole numbers")]
fn guards(counts: &Counts, acted: impl Fn(&str) -> f64) -> Vec<GuardOut> {
    let guard = |guard, does, of, now, counter: &str| GuardOut {
        guard,
        does,
        active: now > 0,
        of,
        now,
        acted: acted(counter) as u64,
    };
    vec![
        guard(
            "never-empty",
            "A service is not emptied by silence: its last known instances are served, marked.",
            "services",
            counts.last_known,
            "leases_expired_total",
        ),
        guard(
            "mass-expiry",
            "Of a service's leases only two, or 15 %, run out in a minute; the rest stays in service, marked.",
            "instances",
            counts.of_status(Status::Held),
            "leases_held_total",
        ),
        guard(
            "mass-loss",
            "When half of all nodes are lost at once, their instances stay in service, marked.",
            "nodes",
            counts.lost,
            "losses_held_total",
        ),
        guard(
            "mass-removal",
            "Of a service's instances only two, or 10 %, are removed by name in a minute; the rest waits its turn.",
            "instances",
            counts.of_status(Status::Leaving),
            "removals_held_total",
        ),
        guard(
            "address-reuse",
            "An address belongs to its newest claim; older ones are not handed out.",
            "instances",
            counts.of_status(Status::Evicted),
            "",
        ),
        guard("quorum", "Nobody is called down before others have tried to reach it.", "nodes", 0, "acquittals_total"),
        guard(
            "self-doubt",
            "A node that stood still, or hears hardly anybody, calls nobody dead: those it would stay in service, marked.",
            "nodes",
            counts.doubted,
            "accusations_withheld_total",
        ),
        guard(
            "agreement",
            "Nodes that have seen the same compare what lives; if it differs, the owners of the rows settle it.",
            "nodes",
            usize::from(acted("replica_differs_seconds") > 0.0),
            "audits_total",
        ),
    ]
}
