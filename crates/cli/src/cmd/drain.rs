//! `whither drain`.

use super::Session;
use super::state::{self, Instance};
use std::process::ExitCode;
use whither_model::State;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither drain prod/recos recos-web-1-8080     before a deploy
  whither undrain prod/recos recos-web-1-8080   after it

Callers that watch or ask hear of it at once; connections they hold are theirs to close.")]
pub(crate) struct Args {
    #[command(flatten)]
    instance: Instance,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    state::set(&args.instance, State::Draining, session)
}
