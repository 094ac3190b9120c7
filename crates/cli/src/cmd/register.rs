//! `whither register`.

use super::Session;
use super::services::counted;
use crate::agent_api::wire::{Ports, Registration, Written, WrittenMany};
use crate::agent_api::{Answer, Method, Target};
use crate::config::hostname;
use crate::duration;
use crate::failure::{DONE, Usage};
use crate::keeper::{Beat, Keeper};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;
use whither_model::{Health, InstanceId, PortName, ServiceName, State};

/// Largest file of registrations: as many as one request may hold, each as large as it may be.
const FILE_BYTES_MAX: u64 = 160 * 1024 * 1024;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither register prod/recos --port 8080
  whither register prod/recos --port http=8080 --port metrics=9090 --tag canary
  whither register prod/recos --port 8080 --ttl 10s          until nobody renews
  whither register prod/recos --port 8080 --ttl 10s --keep   until this ends
  whither register db --id primary --address 10.0.0.9 --port 5432 --durable
  whither register -f instances.json                         all of them or none
  echo '[{\"service\":\"web\",\"id\":\"1\",\"port\":80}]' | whither register -f -

Registering an id again sets it anew.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name
    #[arg(required_unless_present = "file")]
    service: Option<ServiceName>,
    /// A port, or name=port; the first is the one callers get who name none
    #[arg(long, short = 'p', value_name = "[NAME=]PORT", value_parser = parse_port)]
    port: Vec<(PortName, u16)>,
    /// Which instance [default: <service>-<host>-<first port>]
    #[arg(long)]
    id: Option<InstanceId>,
    /// Where it listens, an IP address [default: that of the agent]
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// A label for selection; may be repeated
    #[arg(long, help_heading = "What it is")]
    tag: Vec<String>,
    /// Anything else worth knowing; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_meta, help_heading = "What it is")]
    meta: Vec<(String, String)>,
    /// Its share of traffic, relative to the others [default: 100]
    #[arg(long, value_name = "1..65535", value_parser = clap::value_parser!(u16).range(1..), help_heading = "What it is")]
    weight: Option<u16>,
    /// The version of its software
    #[arg(long, help_heading = "What it is")]
    version: Option<String>,
    /// Its failure domain [default: that of the agent]
    #[arg(long, help_heading = "What it is")]
    zone: Option<String>,
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
    /// Wait until the agent has it on disk
    #[arg(long)]
    durable: bool,
    /// A JSON array of registrations as in the API, each with service and id; - reads standard input
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with_all = [
        "service", "port", "id", "address", "tag", "meta", "weight", "version", "zone", "state", "health", "ttl", "keep",
    ])]
    file: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    if let Some(file) = &args.file {
        return many(file, args.durable, session);
    }
    let service = args.service.as_ref().ok_or_else(|| Usage("no service is named".into()))?;
    let id = match &args.id {
        Some(id) => id.clone(),
        None => default_id(service, args.port.first().map(|(_, port)| *port), &hostname())?,
    };
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
    let mut ports = Ports::default();
    for (name, port) in &args.port {
        if ports.0.iter().any(|(other, _)| other == name.as_str()) {
            let why =
                format!("--port {port}: there is another port called {name}; name it, for example metrics={port}");
            return Err(Usage(why));
        }
        ports.0.push((name.to_string(), *port));
    }
    let mut meta = BTreeMap::new();
    for (key, value) in &args.meta {
        if meta.insert(key.clone(), value.clone()).is_some() {
            return Err(Usage(format!("--meta {key}={value}: {key} is given twice")));
        }
    }
    Ok(Registration {
        address: args.address.map(|address| address.to_string()),
        ports,
        tags: args.tag.clone(),
        meta,
        weight: args.weight,
        version: args.version.clone(),
        zone: args.zone.clone(),
        state: args.state.map(State::as_str),
        health: args.health.map(Health::as_str),
        ttl: args.ttl.map(duration::exact),
    })
}

/// `<service>-<host>-<first port>`: the same at every start, so that a restart sets the instance anew.
fn default_id(service: &ServiceName, port: Option<u16>, host: &str) -> Result<InstanceId, Usage> {
    let port = port.map(|port| format!("-{port}")).unwrap_or_default();
    format!("{}-{host}{port}", service.service())
        .parse()
        .map_err(|bad| Usage(format!("this host's name cannot be part of an id ({bad}); give one with --id")))
}

fn parse_port(text: &str) -> Result<(PortName, u16), String> {
    let (name, number) = match text.split_once('=') {
        Some((name, number)) => (name.parse().map_err(|bad: whither_model::name::BadName| bad.to_string())?, number),
        None => (PortName::default(), text),
    };
    match number.parse() {
        Ok(port) if port != 0 => Ok((name, port)),
        _ => Err(format!("{number:?} is not a port; expected 1 to 65535, for example 8080 or http=8080")),
    }
}

fn parse_meta(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not a pair; expected key=value, for example commit=1a2b3c")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_with_or_without_a_name() {
        assert_eq!(parse_port("8080").unwrap(), (PortName::default(), 8080));
        assert_eq!(parse_port("http=80").unwrap(), ("http".parse().unwrap(), 80));
        assert_eq!(
            parse_port("http=0").unwrap_err(),
            "\"0\" is not a port; expected 1 to 65535, for example 8080 or http=8080"
        );
        assert!(parse_port("HTTP=80").unwrap_err().contains("try \"http\""));
        assert!(parse_port("70000").is_err());
    }

    #[test]
    fn the_default_id_is_the_same_at_every_start() {
        let service = "prod/recos".parse().unwrap();
        assert_eq!(default_id(&service, Some(8080), "web-1").unwrap().as_str(), "recos-web-1-8080");
        assert_eq!(default_id(&service, None, "web-1").unwrap().as_str(), "recos-web-1");
        assert!(default_id(&service, None, "a b").unwrap_err().to_string().contains("give one with --id"));
    }

    #[test]
    fn meta_is_pairs() {
        assert_eq!(parse_meta("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(parse_meta("=b").is_err() && parse_meta("a").is_err());
    }
}
