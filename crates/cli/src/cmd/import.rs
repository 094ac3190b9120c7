//! `whither import`: what other programs have becomes tables.

mod corrosion;

use super::Session;
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither import corrosion /var/lib/corrosion/state.db --dry-run
  whither import corrosion /var/lib/corrosion/state.db")]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    /// Read the tables of a Corrosion node, with their rows
    Corrosion(corrosion::Args),
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    match &args.from {
        From::Corrosion(args) => corrosion::run(args, session),
    }
}
