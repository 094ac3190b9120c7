//! `whither maintenance`.

use super::Session;
use crate::agent_api::wire::Maintenance;
use crate::agent_api::{Method, Target};
use crate::failure::DONE;
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither maintenance on                       before working on this host
  whither maintenance off                      after it
  whither maintenance on --agent web-2:7601    another host

Nothing new is sent to any instance of that host, on all nodes. It holds across restarts until it is taken off.")]
pub(crate) struct Args {
    /// on: out of service; off: back into it
    state: Switch,
    /// Wait until the agent has it on disk
    #[arg(long)]
    durable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let on = args.state == Switch::On;
    let mut target = Target::new("/v1/maintenance").query("on", if on { "true" } else { "false" });
    if args.durable {
        target = target.query("ack", "durable");
    }
    let answer = session.api.ask::<Maintenance>(Method::Put, &target, None)?;
    session.say(&answer, |done| match on {
        true => format!("{} is in maintenance: nothing new is sent to its instances", done.node),
        false => format!("{} is back in service", done.node),
    })?;
    Ok(DONE)
}
