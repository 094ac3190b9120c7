//! `whither restore`: a backup becomes a node's tables, or a running cluster's.

mod compare;
mod place;
mod table;

use super::Session;
use crate::failure::Usage;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither restore tables.db --data-dir /var/lib/whither     a node whose agent is stopped
  whither restore tables.db --table backends --dry-run      a running cluster: what would change?
  whither restore tables.db --table backends
  whither restore tables.db --all --keep-newer              only bring back what is missing

With --data-dir, the file becomes the tables of that node; started, it gets from the others what they have written since. If \
                all nodes are lost, restore into a new directory on one, start it, and let the others join it.
With --table or --all, rows of the running cluster become what the backup says, in ordinary transactions that every node sees: \
                other rows are deleted, a table that is missing is created.")]
pub(crate) struct Args {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Of a node whose agent is stopped: make the file its tables
    #[arg(long, value_name = "DIR", conflicts_with_all = ["table", "all", "keep_newer", "dry_run"])]
    data_dir: Option<PathBuf>,
    /// Of a running cluster: make this table what the file says; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    table: Vec<String>,
    /// Of a running cluster: make all tables of the file what it says
    #[arg(long)]
    all: bool,
    /// Leave rows alone that are there: they were written since
    #[arg(long)]
    keep_newer: bool,
    /// Change nothing; say how many rows would be written and deleted
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    match &args.data_dir {
        Some(dir) => place::run(&args.file, dir, session),
        None if args.all || !args.table.is_empty() => table::run(args, session),
        None => Err(Usage(
            "expected where to: --data-dir DIR for a node whose agent is stopped, or --table NAME or --all for a running \
             cluster"
                .into(),
        )
        .into()),
    }
}
