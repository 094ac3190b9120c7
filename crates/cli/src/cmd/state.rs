//! `whither state`, which `drain` and `undrain` are short for.

use super::Session;
use crate::agent_api::wire::Written;
use crate::agent_api::{Method, Target};
use crate::failure::DONE;
use std::process::ExitCode;
use whither_model::{InstanceId, ServiceName, State};

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither state prod/recos recos-web-1-8080 maintenance
  whither state prod/recos recos-web-1-8080 up

States: starting (not to be used yet), up, draining (nothing new), maintenance (taken out by an operator).")]
pub(crate) struct Args {
    #[command(flatten)]
    instance: Instance,
    /// The state: starting, up, draining or maintenance
    state: State,
}

/// Which instance, and when to answer.
#[derive(Debug, clap::Args)]
pub(super) struct Instance {
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
    set(&args.instance, args.state, session)
}

/// Sets the state of `instance`.
pub(super) fn set(instance: &Instance, state: State, session: &mut Session) -> anyhow::Result<ExitCode> {
    let Instance { service, id, durable } = instance;
    let mut target = Target::instance(service, id).segment("state").query("state", state.as_str());
    if *durable {
        target = target.query("ack", "durable");
    }
    let answer = session.api.ask::<Written>(Method::Put, &target, None)?;
    session.say(&answer, |written| format!("{id} of {service} is {state} (change {})", written.version))?;
    Ok(DONE)
}
