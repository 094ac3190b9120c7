//! `whither deregister`.

use super::Session;
use crate::agent_api::wire::Removed;
use crate::agent_api::{Method, Target};
use crate::duration;
use crate::failure::DONE;
use std::process::ExitCode;
use whither_model::{InstanceId, ServiceName};

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither deregister prod/recos recos-web-1-8080
  whither deregister recos recos-web-1-8080 --durable   wait for the disk
  whither deregister recos recos-web-1-8080 --force     at once, as the tenth in a minute
  whither deregister recos recos-web-9-8080 --overrule  of a host that will not come back

Any agent will do: an instance that was registered with another one is removed there. --overrule \
removes it also if that one is gone.

Of a service only two instances, or 10 %, are removed by name in a minute, unless they are replaced, \
so that a broken script does not empty it: the others take nothing new from now on and are removed \
in their turn. --force removes at once.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name
    service: ServiceName,
    /// The instance
    id: InstanceId,
    /// Remove it at once, however many went in the last minute
    #[arg(long)]
    force: bool,
    /// Whoever owns it, also if that node is gone; should it come back, it obeys
    #[arg(long, conflicts_with = "force")]
    overrule: bool,
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
    for (flag, given) in [("force", args.force), ("overrule", args.overrule)] {
        if given {
            target = target.query(flag, "true");
        }
    }
    let answer = session.api.ask::<Removed>(Method::Delete, &target, None)?;
    session.say(&answer, |removed| describe(removed, args))?;
    Ok(DONE)
}

fn describe(removed: &Removed, args: &Args) -> String {
    let Args { service, id, .. } = args;
    match removed.removed_in_ms {
        None => format!("deregistered {id} of {service} (change {})", removed.version),
        Some(wait) => format!(
            "{id} of {service} takes nothing new; several went in the last minute, so it is removed in its turn, in {} at the earliest (--force: at once)",
            duration::words(Some(wait))
        ),
    }
}
