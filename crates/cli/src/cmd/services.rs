//! `whither services`.

use super::Session;
use crate::agent_api::wire::Services;
use crate::agent_api::{Method, Target};
use crate::duration;
use crate::failure::DONE;
use crate::table::{Cell, Column, Table, Tone};
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither services
  whither services --namespace prod
  whither services --from web-2       those that another node knows
  whither services | awk '$3 == 0'    services with nothing usable")]
pub(crate) struct Args {
    /// Only the services of this namespace
    #[arg(long, short = 'n', value_name = "NAME")]
    namespace: Option<String>,
    #[command(flatten)]
    from: super::From,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let mut target = Target::new("/v1/services");
    if let Some(namespace) = &args.namespace {
        target = target.query("namespace", namespace);
    }
    let target = target.from(args.from.name());
    let answer = session.api.ask::<Services>(Method::Get, &target, None)?;
    if session.json {
        session.console.line(answer.body.trim_end())?;
        return Ok(DONE);
    }
    let services = answer.value;
    session.console.heading(&format!(
        "{} · known to within {}",
        counted(services.services.len() as u64, "service", "services"),
        duration::words(services.age_ms)
    ))?;
    session.console.table(&table(&services))?;
    Ok(DONE)
}

fn table(services: &Services) -> Table {
    let mut table = Table::new(&[
        Column::fixed("SERVICE"),
        Column::fixed("INSTANCES"),
        Column::fixed("USABLE"),
        Column::fixed("CALLERS-GET"),
    ]);
    for line in &services.services {
        let (tone, given) = match line.selection.as_str() {
            "usable" if line.protected => (Tone::Warn, "protected"),
            "usable" => (Tone::Good, "usable"),
            "last_known" => (Tone::Warn, "last-known"),
            "empty" => (Tone::Bad, "nothing"),
            other => (Tone::Plain, other),
        };
        let (instances, usable) = (line.instances.to_string(), line.usable.to_string());
        table.push([(&line.service).into(), instances.into(), usable.into(), Cell::new(given, tone)]);
    }
    table
}

/// `1 service`, `2 services`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
