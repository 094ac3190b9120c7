//! `whither register`.

use super::Session;
use super::check::Check;
use super::description::Description;
use super::services::counted;
use crate::agent_api::wire::{self, Registration, Written, WrittenMany};
use crate::agent_api::{Answer, Method, Target};
use crate::config::hostname;
use crate::duration;
use crate::failure::{DONE, Usage};
use crate::keeper::{Beat, Keeper};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;
use whither_model::{Health, InstanceId, ServiceName, State};

/// Largest file of registrations: as many as one request may hold, each as large as it may be.
const FILE_BYTES_MAX: u64 = 160 * 1024 * 1024;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither register prod/recos --port 8080
  whither register prod/recos --port http=8080 --port metrics=9090 --tag canary
  whither register prod/recos --port 8080 --ttl 10s          until nobody renews
  whither register prod/recos --port 8080 --ttl 10s --keep   until this ends
  whither register prod/recos --port 8080 --check http:/health --check-interval 2s
  whither register db --id primary --address 10.0.0.9 --port 5432 --durable
  whither register -f instances.json                         all of them or none
  echo '[{\"service\":\"web\",\"id\":\"1\",\"port\":80}]' | whither register -f -

Registering an id again sets it anew.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name
    #[arg(required_unless_present = "file")]
    service: Option<ServiceName>,
    #[command(flatten)]
    description: Description,
    /// Where it is in its life: starting, up, draining or maintenance [default: up]
    #[arg(long, help_heading = "How it is")]
    state: Option<State>,
    /// How it is: passing, warning or critical [default: passing]
    #[arg(long, help_heading = "How it is")]
    health: Option<Health>,
    /// A lease: without a renewal for so long it counts as silent, 200ms to 1d [default: none]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_lease, help_heading = "How it is")]
    ttl: Option<Duration>,
    /// Stay, renew the lease, and deregister when told to end (SIGINT, SIGTERM)
    #[arg(long, requires = "ttl", help_heading = "How it is")]
    keep: bool,
    /// How the agent is to find out whether it works, at its first port: http:/PATH, https:/PATH, tcp, grpc or
    /// grpc:SERVICE; may be repeated. Until all have passed once it is critical
    #[arg(long, help_heading = "How it is")]
    check: Vec<Check>,
    /// From one look of the agent to the next, 100ms to 1d [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, requires = "check", help_heading = "How it is")]
    check_interval: Option<Duration>,
    /// Remove it once it has been critical for so long, 1s to 7d [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, help_heading = "How it is")]
    remove_after_critical: Option<Duration>,
    /// Its weight rises over this time when it comes into service, 1s to 1h [default: whole at once]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, help_heading = "How it is")]
    ramp: Option<Duration>,
    /// Others may claim the same address and port, if they say so too; else the newest claim evicts the older
    #[arg(long, help_heading = "How it is")]
    shares_address: bool,
    /// Wait until the agent has it on disk
    #[arg(long)]
    durable: bool,
    /// A JSON array of registrations as in the API, each with service and id; - reads standard input
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with_all = [
        "service", "port", "id", "address", "tag", "meta", "weight", "version", "zone", "state", "health", "ttl", "keep",
        "check", "check_interval", "remove_after_critical", "ramp", "shares_address",
    ])]
    file: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    if let Some(file) = &args.file {
        return many(file, args.durable, session);
    }
    let service = args.service.as_ref().ok_or_else(|| Usage("no service is named".into()))?;
    let id = args.description.id(service, &hostname())?;
    let body = serde_json::to_vec(&registration(args)?)?;
    let instance = Target::instance(service, &id);
    if let (Some(ttl), true) = (args.ttl, args.keep) {
        return keep(&Keeper { instance, durable: args.durable, body, ttl }, &id, service, session);
    }
    let target = if args.durable { instance.query("ack", "durable") } else { instance };
    let answer = session.api.ask::<Written>(Method::Put, &target, Some(&body))?;
    announce(&answer, &id, service, session)?;
    Ok(DONE)
}

/// Registers, and stays until a signal comes.
fn keep(keeper: &Keeper, id: &InstanceId, service: &ServiceName, session: &mut Session) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before the registration: a signal in between must not leave an instance behind.
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let answer = keeper.register(&session.api)?;
        announce(&answer, id, service, session)?;
        let mut beats = tokio::time::interval(keeper.ttl / 3);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.tick().await;
        let mut is_well = true;
        loop {
            tokio::select! {
                _ = beats.tick() => {}
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
            // Blocks this thread, on which nothing else runs; a signal is seen right after.
            match keeper.beat(&session.api) {
                Ok(Beat::Renewed) if is_well => {}
                Ok(Beat::Renewed) => session.console.note("the agent answers again; the lease is renewed"),
                Ok(Beat::RegisteredAgain) => session.console.note(
                    "the agent no longer had the instance (deregistered, or a new data directory?); registered again",
                ),
                Err(error) if error.may_pass() => {
                    if is_well {
                        session.console.warn(&format!("not renewed: {error}; trying on"));
                    }
                    is_well = false;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            is_well = true;
        }
        keeper.deregister(&session.api)?;
        session.console.note(&format!("deregistered {id} of {service}"));
        Ok(DONE)
    })
}

/// Says what became of a registration.
fn announce(
    answer: &Answer<Written>,
    id: &InstanceId,
    service: &ServiceName,
    session: &mut Session,
) -> std::io::Result<()> {
    session.say(answer, |written| {
        let what = if written.created { "registered" } else { "set anew" };
        format!("{what} {id} of {service} (change {})", written.version)
    })
}

fn many(file: &Path, durable: bool, session: &mut Session) -> anyhow::Result<ExitCode> {
    let shown = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let wrong = |why: String| Usage(format!("{shown}: {why}"));
    let mut body = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(FILE_BYTES_MAX + 1).read_to_end(&mut body)
    } else {
        File::open(file).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut body))
    };
    read.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if body.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong("is larger than any list of registrations that an agent takes".into()).into());
    }
    // Only the shape is looked at here: what a registration is, the agent knows best.
    let entries: Vec<serde::de::IgnoredAny> = serde_json::from_slice(&body).map_err(|error| {
        wrong(format!(
            "{error}; expected a JSON array, for example [{{\"service\":\"web\",\"id\":\"web-1\",\"port\":8080}}]"
        ))
    })?;
    if entries.is_empty() {
        return Err(wrong("is an empty array; there is nothing to register".into()).into());
    }
    let mut target = Target::new("/v1/instances");
    if durable {
        target = target.query("ack", "durable");
    }
    let answer = session.api.ask::<WrittenMany>(Method::Post, &target, Some(&body))?;
    session.say(&answer, |many| {
        format!("registered {}, {} new", counted(many.written, "instance", "instances"), many.created)
    })?;
    Ok(DONE)
}

fn registration(args: &Args) -> Result<Registration, Usage> {
    let interval = args.check_interval.map(duration::exact);
    Ok(Registration {
        state: args.state.map(State::as_str),
        health: args.health.map(Health::as_str),
        ttl: args.ttl.map(duration::exact),
        checks: args.check.iter().map(|check| wire::Check { interval: interval.clone(), ..check.asked() }).collect(),
        remove_after_critical: args.remove_after_critical.map(duration::exact),
        ramp: args.ramp.map(duration::exact),
        shares_address: args.shares_address,
        ..args.description.registration()?
    })
}
