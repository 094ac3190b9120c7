//! `/v1/agent/check`: checks of what is registered with this agent.

use super::agent::own_entries;
use super::{Answering, Asked, Outcome, What};
use crate::checks;
use crate::definition;
use crate::fields::Fields;
use crate::register;
use crate::reply::{self, Refused};
use crate::request;
use crate::show::{Check, Entry};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use whither_model::{Health, Upkeep};

pub(crate) fn answer<'a>(asked: &'a Asked<'a>, what: What) -> Answering<'a> {
    Box::pin(async move {
        match what {
            What::Checks => Ok(all(asked)),
            What::Register => register_check(asked).await,
            What::Deregister => deregister(asked).await,
            What::Pass => report(asked, Health::Passing).await,
            What::Warn => report(asked, Health::Warning).await,
            What::Fail => report(asked, Health::Critical).await,
            _ => update(asked).await,
        }
    })
}

/// Every check of this agent, each as it was last reported or found by itself.
fn all(asked: &Asked<'_>) -> reply::Reply {
    let app = asked.app;
    let view = app.directory.view();
    let entries: Vec<Entry<'_>> = own_entries(asked, &view).collect();
    let mut shown: BTreeMap<String, Check<'_>> = BTreeMap::new();
    for entry in &entries {
        let registration = &entry.listed.instance.registration;
        let runs = app.directory.check_reports(&registration.service, &registration.id);
        for mut check in app.frame.own_checks(entry) {
            let report = app.reports.get(&check.id);
            let run = runs.iter().find(|run| *run.name == *definition::run_name(&check.id));
            if let Some(report) = report {
                check.output = Cow::Owned(report.output.into());
            } else if let Some(run) = run {
                check.status = run.health.as_str();
                check.output = run.latest.as_ref().map_or("".into(), |latest| latest.output.to_string().into());
            }
            (check.modified, check.created) = (0, 0);
            shown.insert(check.id.clone().into_owned(), check);
        }
    }
    let own = view.node(app.directory.identity().node);
    if own.is_some_and(|own| own.member.maintenance) {
        let check = app.frame.node_maintenance(app.directory.identity().name.as_str());
        shown.insert(check.id.clone().into_owned(), check);
    }
    reply::json(&shown)
}

async fn register_check(asked: &Asked<'_>) -> Outcome {
    let body = request::json(&asked.body)?;
    let fields = Fields::of(&body, "the body")?;
    let name = fields.text(&["Name"])?;
    if name.is_empty() {
        return Err(Refused::bad("Missing check name"));
    }
    let service = fields.text(&["ServiceID"])?;
    if service.is_empty() {
        return Err(Refused::bad(
            "Invalid check: it belongs to no service; checks of nodes are not kept, since agents watch each other (give it a ServiceID)",
        ));
    }
    let Some(found) = asked.app.own.service(asked.app, service) else {
        return Err(Refused::new(
            hyper::StatusCode::INTERNAL_SERVER_ERROR,
            format!("ServiceID {service:?} does not exist"),
        ));
    };
    let registration = &found.listed.instance.registration;
    let said = found.extras.as_ref().and_then(|extras| extras.address.as_deref()).unwrap_or_default();
    let own = [registration.address.to_string(), said.to_owned()];
    let defined = definition::define(fields, name.to_owned(), name.to_owned(), &own)?;
    register::again(asked.app, &found, asked.client, |registration, extras| {
        let known = extras.checks.iter().any(|check| check.id == defined.extras.id);
        extras.checks.retain(|check| check.id != defined.extras.id);
        extras.checks.push(defined.extras.clone());
        let mut upkeep = registration.upkeep.as_deref().cloned().unwrap_or_default();
        let name = definition::run_name(&defined.extras.id);
        let others = upkeep.checks.iter().filter(|check| *check.name != *name).cloned();
        upkeep.checks = others.chain(defined.run.clone()).collect();
        upkeep.remove_after_critical = upkeep.remove_after_critical.into_iter().chain(defined.remove_after).min();
        if let Some(port) = defined.port
            && !registration.ports.iter().any(|known| known.number == port.get())
        {
            if registration.ports.is_empty() {
                extras.port = Some(0);
            }
            let more = register::main_port(port, &format!("check-{port}"));
            registration.ports = registration.ports.iter().cloned().chain([more]).collect();
        }
        registration.upkeep = (!upkeep.is_empty()).then(|| Arc::new(upkeep));
        if defined.run.is_none() && !known {
            registration.health = registration.health.max(defined.status.unwrap_or(Health::Critical));
        }
        Ok(())
    })
    .await?;
    Ok(reply::done())
}

async fn deregister(asked: &Asked<'_>) -> Outcome {
    let Some(found) = asked.app.own.of_check(asked.app, &asked.rest) else { return Ok(reply::done()) };
    let id = &*asked.rest;
    register::again(asked.app, &found, asked.client, |registration, extras| {
        extras.checks.retain(|check| &*check.id != id);
        let upkeep = registration.upkeep.as_deref().cloned().unwrap_or_default();
        let checks = upkeep.checks.iter().filter(|check| *check.name != *definition::run_name(id)).cloned().collect();
        let upkeep = Upkeep { checks, ..upkeep };
        registration.upkeep = (!upkeep.is_empty()).then(|| Arc::new(upkeep));
        Ok(())
    })
    .await?;
    asked.app.reports.forget(found.extras.iter().flat_map(|extras| &extras.checks).filter(|check| &*check.id == id));
    Ok(reply::done())
}

async fn report(asked: &Asked<'_>, health: Health) -> Outcome {
    checks::report(asked.app, &asked.rest, health, asked.query.get("note").unwrap_or_default()).await?;
    Ok(reply::done())
}

async fn update(asked: &Asked<'_>) -> Outcome {
    let body = request::json(&asked.body)?;
    let fields = Fields::of(&body, "the body")?;
    let word = fields.text(&["Status"])?;
    let Some(health) = checks::health(word) else {
        return Err(Refused::bad(format!("Invalid check status: '{word}'")));
    };
    checks::report(asked.app, &asked.rest, health, fields.text(&["Output"])?).await?;
    Ok(reply::done())
}
