//! `whither config`.

use crate::config::{self, Overrides, describe, document};
use crate::console::Console;
use crate::failure::DONE;
use crate::table::{Cell, Column, Table, Tone};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither config > whither.toml
  whither config check whither.toml
  whither config reference | less")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what an agent started with this file would make of it, here, with this environment
    #[command(after_help = "Examples:
  whither config check /etc/whither/whither.toml
  WHITHER_LOG_LEVEL=debug whither config check whither.toml
  whither config check whither.toml --json

Exits with 2, and says what is wrong, if the configuration cannot be used. A secret file that\nis not here is only mentioned: the configuration may be meant for another host.")]
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print the reference page: every option, with its type, default, flag and environment variable
    #[command(after_help = "Examples:
  whither config reference | less")]
    Reference,
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &mut Console, json: bool) -> anyhow::Result<ExitCode> {
    match &args.command {
        None => console.write(&document::example())?,
        Some(Command::Reference) => console.write(&document::reference())?,
        Some(Command::Check { file }) => check(file, console, json)?,
    }
    Ok(DONE)
}

fn check(file: &Path, console: &mut Console, json: bool) -> anyhow::Result<()> {
    let (config, sources) = config::load_explained(&Overrides::file(file.to_owned()))?;
    if let Some(path) = &config.cluster.secret_file
        && let Err(problem) = whither_transport::ClusterSecret::read(path)
    {
        // The file may be checked on another host than the one it is for, so this is said and not refused.
        console.note(&format!("an agent would not start here: {problem}"));
    }
    let options = describe(&config).into_iter().zip(sources);
    let checks: Vec<String> = config.checks.configured.iter().map(config::checks::describe).collect();
    if json {
        let entry = |(opt, texts, source)| serde_json::json!({ "option": opt, "value": texts, "from": source });
        let entries = options.map(|((opt, texts), source)| entry((opt.key, texts, source)));
        let checks = checks.into_iter().map(|check| entry(("check", vec![check], file.display().to_string())));
        let entries: Vec<_> = entries.chain(checks).collect();
        return Ok(console.line(&serde_json::Value::from(entries).to_string())?);
    }
    let mut table = Table::new(&[Column::fixed("OPTION"), Column::fixed("VALUE"), Column::flexible("FROM", 10, 1)]);
    for ((opt, texts), source) in options {
        let tone = if source == "default" { Tone::Faint } else { Tone::Plain };
        table.push([opt.key.into(), texts.join(",").into(), Cell::new(source, tone)]);
    }
    for check in checks {
        table.push(["check".into(), check.into(), file.display().to_string().into()]);
    }
    Ok(console.table(&table)?)
}
