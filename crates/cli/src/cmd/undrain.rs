//! `whither undrain`.

use super::Session;
use super::state::{self, Instance};
use std::process::ExitCode;
use whither_model::State;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither undrain prod/recos recos-web-1-8080
  whither state prod/recos recos-web-1-8080 up    the same")]
pub(crate) struct Args {
    #[command(flatten)]
    instance: Instance,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    state::set(&args.instance, State::Up, session)
}
