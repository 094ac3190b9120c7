//! `whither resolve`, and the name alone.

use super::Session;
use super::nodes::state_tone;
use crate::agent_api::wire::{Instance, Service, Unheard};
use crate::agent_api::{ApiError, Method, Target};
use crate::console::Console;
use crate::duration;
use crate::failure::{DONE, Usage};
use crate::feed::{Backoff, Feed, Step};
use crate::table::{Cell, Column, Table, Tone, visible};
use std::process::ExitCode;
use whither_model::ServiceName;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither resolve prod/recos
  whither prod/recos                        the same
  whither recos --all --explain             every one, and why it is used or not
  whither recos --from web-2                what another node knows
  whither recos --watch                     show it anew whenever it changes
  whither recos --tag canary --zone eu-1a
  whither recos | awk 'NR > 1 {print $3}'   addresses only
  whither recos --json | jq -r '.instances[] | \"\\(.address):\\(.port)\"'

Shown are the instances a caller is given. When nothing is usable and only silence speaks against the rest, callers \
            are given the last known ones, and the first lines say so. Exits with 3 if there is no such service.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name
    name: ServiceName,
    /// Also the instances that callers are not given
    #[arg(long, short = 'a')]
    all: bool,
    /// Say why each instance is given to callers or not, and where that is known from
    #[arg(long, short = 'e')]
    explain: bool,
    /// Stay, and show it anew whenever it changes
    #[arg(long, short = 'w')]
    watch: bool,
    #[command(flatten)]
    from: super::From,
    /// Only instances with this tag; may be repeated
    #[arg(long, value_name = "TAG", help_heading = "Filters")]
    tag: Vec<String>,
    /// Only instances in this zone
    #[arg(long, value_name = "ZONE", help_heading = "Filters")]
    zone: Option<String>,
    /// Only instances that run this version
    #[arg(long, value_name = "VERSION", help_heading = "Filters")]
    version: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    if args.watch && args.from.name().is_some() {
        let both = "--watch follows the agent and --from asks another node; watch that one with --agent";
        return Err(Usage(both.into()).into());
    }
    if !args.watch {
        show(args, session)?;
        return Ok(DONE);
    }
    let Session { api, .. } = session;
    let api = &*api;
    let mut feed = Feed::open(api, Some(&args.name), None, Backoff::default())?;
    loop {
        match feed.next()? {
            Step::Event(event, _) if event.event == "heartbeat" => {}
            Step::Event(..) => {
                session.console.clear()?;
                match show_with(args, api, &mut session.console, session.json) {
                    Ok(()) => {}
                    Err(Shown::Api(error)) if error.is_not_found() || error.may_pass() => {
                        session.console.warn(&error.to_string());
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            step => super::watch::tell(&step, api, &mut session.console),
        }
    }
}

/// Why a service could not be shown.
#[derive(Debug)]
enum Shown {
    Api(ApiError),
    Output(std::io::Error),
}

impl From<Shown> for anyhow::Error {
    fn from(error: Shown) -> Self {
        match error {
            Shown::Api(error) => error.into(),
            Shown::Output(error) => error.into(),
        }
    }
}

fn show(args: &Args, session: &mut Session) -> anyhow::Result<()> {
    Ok(show_with(args, &session.api, &mut session.console, session.json)?)
}

fn show_with(args: &Args, api: &crate::agent_api::AgentApi, console: &mut Console, json: bool) -> Result<(), Shown> {
    let answer = api.ask::<Service>(Method::Get, &target(args, json), None).map_err(Shown::Api)?;
    let shown = if json { console.line(answer.body.trim_end()) } else { print(args, &answer.value, console) };
    shown.map_err(Shown::Output)
}

/// For people, everything is asked for, because the first line counts it; as JSON, exactly what was asked for.
fn target(args: &Args, json: bool) -> Target {
    let mut target = Target::service(&args.name);
    for (key, wanted) in [("all", args.all || !json), ("explain", args.explain || !json)] {
        if wanted {
            target = target.query(key, "true");
        }
    }
    target = args.tag.iter().fold(target, |target, tag| target.query("tag", tag));
    for (key, value) in [("zone", &args.zone), ("version", &args.version)] {
        if let Some(value) = value {
            target = target.query(key, value);
        }
    }
    target.from(args.from.name())
}

fn print(args: &Args, service: &Service, console: &mut Console) -> std::io::Result<()> {
    let whose = args.from.name().map(|node| format!(" · as {} knows it", visible(node)));
    console.heading(&format!("{}{}", heading(service), whose.unwrap_or_default()))?;
    for warning in warnings(service) {
        console.warn(&warning);
    }
    let shown: Vec<&Instance> = service.instances.iter().filter(|instance| args.all || is_given(instance)).collect();
    if !shown.is_empty() || console.style.width.is_none() {
        console.table(&table(&shown))?;
    }
    if args.explain {
        for instance in &shown {
            console.line(&explained(instance))?;
        }
    }
    let hidden = service.instances.len() - shown.len();
    if hidden > 0 {
        let (are, them) = if hidden == 1 { ("is", "it") } else { ("are", "them") };
        console.note(&format!("{hidden} more {are} not given to callers; --all shows {them}"));
    }
    Ok(())
}

fn is_usable(instance: &Instance) -> bool {
    matches!(instance.status.as_str(), "passing" | "warning" | "held")
}

/// Whether a caller is given this instance.
fn is_given(instance: &Instance) -> bool {
    instance.explain.as_ref().map_or_else(|| is_usable(instance), |explain| explain.chosen)
}

/// `prod/recos · 3 of 4 usable · known to within 12 ms`
fn heading(service: &Service) -> String {
    let usable = service.instances.iter().filter(|instance| is_usable(instance)).count();
    let count = match service.instances.len() {
        0 => String::from("no instances"),
        all => format!("{usable} of {all} usable"),
    };
    format!("{} · {count} · known to within {}", visible(&service.service), duration::words(service.age_ms))
}

fn warnings(service: &Service) -> Vec<String> {
    let given = service.instances.iter().filter(|instance| is_given(instance)).count();
    let mut warnings = Vec::new();
    match service.selection.as_str() {
        "last_known" if service.instances.iter().any(|one| is_given(one) && one.status == "leaving") => {
            warnings.push(format!(
                "nothing is usable; callers are given {given} of {}: they were deregistered, many at once, and are kept until it is \
                 their turn to go",
                service.instances.len()
            ));
        }
        "last_known" => warnings.push(format!(
            "nothing is usable; callers are given what was last known to be ({given} of {}): only silence speaks \
             against it, nobody said that it is dead",
            service.instances.len()
        )),
        "empty" if !service.instances.is_empty() => {
            warnings.push("callers are given nothing: no instance is in service and well".into());
        }
        _ => {}
    }
    let held = service.instances.iter().filter(|instance| instance.status == "held").count();
    if held > 0 {
        warnings.push(format!(
            "protected: {held} of {} are kept although only silence speaks of them; too many fell silent at once \
             (`whither status`)",
            service.instances.len()
        ));
    }
    warnings.extend(unheard(service));
    warnings
}

/// One line about nodes that are down, however many they are.
fn unheard(service: &Service) -> Option<String> {
    let name = |node: &Unheard| visible(if node.name.is_empty() { &node.node } else { &node.name });
    match service.unheard.as_slice() {
        [] => None,
        [node] => {
            let since = duration::words(node.age_ms);
            Some(format!("node {} is down; what is known of its instances is {since} old", name(node)))
        }
        nodes => {
            let mut names: Vec<String> = nodes.iter().take(3).map(name).collect();
            if nodes.len() > names.len() {
                names.push("…".into());
            }
            Some(format!("{} nodes are down ({}); `whither nodes` says since when", nodes.len(), names.join(", ")))
        }
    }
}

fn table(instances: &[&Instance]) -> Table {
    let mut table = Table::new(&[
        Column::fixed("ID"),
        Column::fixed("STATUS"),
        Column::fixed("ADDRESS"),
        Column::flexible("PORTS", 12, 3),
        Column::flexible("ZONE", 6, 4),
        Column::flexible("NODE", 8, 2),
        Column::expendable("AGE", 1),
        Column::flexible("TAGS", 8, 5),
    ]);
    for instance in instances {
        let age = instance.explain.as_ref().map(|explain| duration::compact(explain.age_ms));
        table.push([
            (&instance.id).into(),
            Cell::new(status(instance), status_tone(&instance.status)),
            socket(instance).into(),
            ports(instance).into(),
            (&instance.zone).into(),
            owner(instance),
            age.unwrap_or_default().into(),
            instance.tags.join(",").into(),
        ]);
    }
    table
}

/// The status, and the health where the status does not imply it: `draining/critical`.
fn status(instance: &Instance) -> String {
    match (instance.status.as_str(), instance.health.as_str()) {
        (status @ ("starting" | "draining" | "maintenance"), health @ ("warning" | "critical")) => {
            format!("{status}/{health}")
        }
        (status, _) => status.to_owned(),
    }
}

/// How a status is coloured.
pub(super) fn status_tone(status: &str) -> Tone {
    match status {
        "passing" => Tone::Good,
        "warning" | "held" | "silent" | "lost" | "leaving" | "evicted" => Tone::Warn,
        "critical" => Tone::Bad,
        _ => Tone::Faint,
    }
}

/// `10.0.0.7:8080`, `[2001:db8::1]:8080`, or the address alone.
pub(super) fn socket(instance: &Instance) -> String {
    match (instance.port, instance.address.contains(':')) {
        (Some(port), true) => format!("[{}]:{port}", instance.address),
        (Some(port), false) => format!("{}:{port}", instance.address),
        (None, _) => instance.address.clone(),
    }
}

/// The ports by name, unless there is only the one that ADDRESS shows.
fn ports(instance: &Instance) -> String {
    match instance.ports.0.as_slice() {
        [(name, _)] if name == whither_model::PortName::DEFAULT => String::new(),
        ports => ports.iter().map(|(name, port)| format!("{name}={port}")).collect::<Vec<_>>().join(","),
    }
}

fn owner(instance: &Instance) -> Cell {
    let name = if instance.node.is_empty() { &instance.owner } else { &instance.node };
    match instance.owner_state.as_str() {
        "alive" | "" => name.into(),
        state => Cell::new(format!("{name}({state})"), state_tone(state)),
    }
}

fn explained(instance: &Instance) -> String {
    let Some(explain) = &instance.explain else { return visible(&format!("{}: the agent does not say", instance.id)) };
    let first = visible(&format!("{}: {}", instance.id, explain.why));
    let second =
        visible(&format!("set by {}, claimed at {}, witness: {}", explain.set_by, explain.claimed_at, explain.witness));
    format!("{first}\n    {second}")
}
