//! `whither renew`.

use super::Session;
use crate::agent_api::wire::Renewed;
use crate::agent_api::{Method, Target};
use crate::duration;
use crate::failure::DONE;
use std::process::ExitCode;
use whither_model::{Health, InstanceId, ServiceName};

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither renew prod/recos recos-web-1-8080
  whither renew prod/recos recos-web-1-8080 --health warning   not well

Exits with 3 if the agent does not know the instance: register it again.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name
    service: ServiceName,
    /// The instance
    id: InstanceId,
    /// How it is: passing, warning or critical
    #[arg(long)]
    health: Option<Health>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let mut target = Target::instance(&args.service, &args.id).segment("renew");
    if let Some(health) = args.health {
        target = target.query("health", health.as_str());
    }
    let answer = session.api.ask::<Renewed>(Method::Put, &target, None)?;
    session.say(&answer, |renewed| match renewed.ttl_ms {
        Some(ttl) => {
            format!("renewed {}; its lease runs out in {} unless renewed", args.id, duration::words(Some(ttl)))
        }
        None => format!("{} has no lease; it counts as it is until told otherwise", args.id),
    })?;
    Ok(DONE)
}
