//! What clients report of a `ttl` is kept until they report again.

use crate::extras::{CheckExtras, Extras};
use crate::own::Found;
use crate::reply::Refused;
use crate::serve::App;
use crate::show::{CRITICAL, PASSING, WARNING};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use whither_model::{Command, Health};

/// Reports that are kept. They belong to checks of own instances, and go with them.
const REPORTS_MAX: usize = 100_000;
/// Longest output that is kept of a report, bytes: Consul's own bound.
const OUTPUT_BYTES_MAX: usize = 4_096;

/// What was reported last of each `ttl`.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<HashMap<Box<str>, Report>>);

/// One report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Report {
    pub(crate) health: Health,
    pub(crate) output: Box<str>,
    at: Instant,
}

impl Reports {
    fn all(&self) -> MutexGuard<'_, HashMap<Box<str>, Report>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Report> {
        self.all().get(id).cloned()
    }

    pub(crate) fn forget<'a>(&self, ids: impl Iterator<Item = &'a CheckExtras>) {
        let mut all = self.all();
        ids.for_each(|check| drop(all.remove(&check.id)));
    }
}

/// The word for a health, and back.
pub(crate) fn health(word: &str) -> Option<Health> {
    match word {
        PASSING => Some(Health::Passing),
        WARNING => Some(Health::Warning),
        CRITICAL => Some(Health::Critical),
        _ => None,
    }
}

/// Takes in what was reported of a check, and says so to the node.
///
/// # Errors
/// No such check is reported on, or the node cannot take it now.
pub(crate) async fn report(app: &App, id: &str, health: Health, output: &str) -> Result<(), Refused> {
    let unknown = || {
        Refused::new(hyper::StatusCode::INTERNAL_SERVER_ERROR, format!("CheckID {id:?} does not have associated TTL"))
    };
    let found = app.own.of_check(app, id).ok_or_else(unknown)?;
    let checks = || found.extras.iter().flat_map(|extras| &extras.checks).filter(|check| check.ttl.is_some());
    if !checks().any(|check| &*check.id == id) {
        return Err(unknown());
    }
    let now = Instant::now();
    let (mut worst, mut overdue) = (Health::Passing, false);
    {
        let mut all = app.reports.all();
        let end = (0..=OUTPUT_BYTES_MAX.min(output.len())).rev().find(|at| output.is_char_boundary(*at)).unwrap_or(0);
        if all.len() < REPORTS_MAX || all.contains_key(id) {
            all.insert(id.into(), Report { health, output: output[..end].into(), at: now });
        }
        for check in checks() {
            match all.get(&check.id) {
                Some(report) => {
                    worst = worst.max(report.health);
                    let counts = Duration::from_millis(check.ttl.unwrap_or(0));
                    overdue |= now.duration_since(report.at) > counts;
                }
                // Of before this agent started: it was as the instance is, and has to be reported on from now on.
                None if &*check.id != id => {
                    let report = Report { health: assumed(&found), output: Box::default(), at: now };
                    worst = worst.max(report.health);
                    if all.len() < REPORTS_MAX {
                        all.insert(check.id.clone(), report);
                    }
                }
                None => worst = worst.max(health),
            }
        }
    }
    if overdue && worst != Health::Critical {
        // Another one of its checks is not reported on: the lease, which stands for all of them, runs out.
        return Ok(());
    }
    let registration = &found.listed.instance.registration;
    let (service, id) = (registration.service.clone(), registration.id.clone());
    app.directory.submit(Command::Renew { service, id, health: Some(worst) }).await?;
    Ok(())
}

/// What was reported of an own instance's checks, all together; those that an agent runs are not among them.
pub(crate) fn reported(app: &App, found: &Found, extras: &Extras) -> Health {
    let known = |id: &str| found.extras.iter().flat_map(|extras| &extras.checks).any(|check| &*check.id == id);
    let runs = found.listed.instance.registration.upkeep.as_ref().is_some_and(|upkeep| !upkeep.checks.is_empty());
    let all = app.reports.all();
    let each = extras.checks.iter().filter(|check| check.ttl.is_some() && known(&check.id));
    let health = |check: &CheckExtras| match all.get(&check.id) {
        Some(report) => report.health,
        // What is wrong may be what the agent found.
        None if runs => Health::Passing,
        None => assumed(found),
    };
    each.map(health).max().unwrap_or_default()
}

fn assumed(found: &Found) -> Health {
    match found.listed.instance.registration.health {
        Health::Warning => Health::Warning,
        Health::Critical => Health::Critical,
        Health::Passing | Health::Silent | Health::Overdue => Health::Passing,
    }
}
