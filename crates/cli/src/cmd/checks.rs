//! `whither checks`.

use super::Session;
use super::services::counted;
use crate::agent_api::wire::{CheckReport, Checks};
use crate::agent_api::{Method, Target};
use crate::failure::DONE;
use crate::table::{Cell, Column, Table, Tone};
use std::process::ExitCode;
use whither_model::{InstanceId, ServiceName};

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither checks prod/recos recos-web-1-8080
  whither checks prod/recos recos-web-1-8080 --json      with all of what was said
  whither checks prod/recos r-1 --from web-2             from the agent that runs them

HEALTH is the verdict, FOUND what the latest run alone found; they differ while results in a row
are counted. What was found stays with the agent that runs the checks: ask that one.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name
    service: ServiceName,
    /// The instance
    id: InstanceId,
    #[command(flatten)]
    from: super::From,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let target = Target::instance(&args.service, &args.id).segment("checks").from(args.from.name());
    let answer = session.api.ask::<Checks>(Method::Get, &target, None)?;
    if session.json {
        session.console.line(answer.body.trim_end())?;
        return Ok(DONE);
    }
    let Checks { node, checks } = answer.value;
    let heading = format!("{} of {}, run by {node}", counted(checks.len() as u64, "check", "checks"), args.id);
    session.console.heading(&heading)?;
    session.console.table(&table(&checks))?;
    Ok(DONE)
}

fn table(checks: &[CheckReport]) -> Table {
    let mut table = Table::new(&[
        Column::fixed("NAME"),
        Column::expendable("KIND", 2),
        Column::fixed("HEALTH"),
        Column::expendable("FOUND", 3),
        Column::expendable("AT", 4),
        Column::expendable("TOOK", 5),
        Column::sentence("OUTPUT", 20, 1),
    ]);
    for check in checks {
        let found = match (&check.at, &check.found) {
            (None, _) => "",
            (Some(_), Some(found)) => found,
            (Some(_), None) => "unable",
        };
        table.push([
            (&check.name).into(),
            (&check.kind).into(),
            Cell::new(&check.health, tone(&check.health)),
            Cell::new(found, tone(found)),
            check.at.as_deref().unwrap_or_default().into(),
            check.took_ms.map(|millis| format!("{millis}ms")).unwrap_or_default().into(),
            check.output.as_deref().and_then(|output| output.lines().next()).unwrap_or("not run yet").into(),
        ]);
    }
    table
}

fn tone(health: &str) -> Tone {
    match health {
        "passing" => Tone::Good,
        "warning" | "unable" => Tone::Warn,
        "critical" => Tone::Bad,
        _ => Tone::Plain,
    }
}
