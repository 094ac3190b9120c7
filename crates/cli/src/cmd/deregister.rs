//! `whither deregister`.

use super::Session;
use crate::agent_api::wire::Written;
use crate::agent_api::{Method, Target};
use crate::failure::DONE;
use std::process::ExitCode;
use whither_model::{InstanceId, ServiceName};

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither deregister prod/recos recos-web-1-8080
  whither deregister recos recos-web-1-8080 --durable   wait for the disk

Any agent will do: an instance that was registered with another one is removed there, unless that one is down.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name
    service: ServiceName,
    /// The instance
    id: InstanceId,
    /// Wait until the agent has it on disk
    #[arg(long)]
    durable: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let mut target = Target::instance(&args.service, &args.id);
    if args.durable {
        target = target.query("ack", "durable");
    }
    let answer = session.api.ask::<Written>(Method::Delete, &target, None)?;
    session
        .say(&answer, |written| format!("deregistered {} of {} (change {})", args.id, args.service, written.version))?;
    Ok(DONE)
}
