//! `whither tables`: what there is of users' tables, and who writes.

use super::Session;
use super::services::counted;
use crate::agent_api::sql::Tables;
use crate::agent_api::{Method, Target};
use crate::failure::DONE;
use crate::table::{Column, Table};
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither tables
  whither sql stats                 the same
  whither tables --json | jq '.tables[] | [.name, .rows]'

DEAD are deleted rows that are remembered until every node has seen that they are gone. CELLS are rows and cells whose last word \
            is that node's.")]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    show(session)
}

/// Asks, and prints.
pub(super) fn show(session: &mut Session) -> anyhow::Result<ExitCode> {
    let answer = session.api.ask::<Tables>(Method::Get, &Target::new("/v1/tables"), None)?;
    if session.json {
        session.console.line(answer.body.trim_end())?;
        return Ok(DONE);
    }
    let tables = answer.value;
    let console = &mut session.console;
    let count = counted(tables.tables.len() as u64, "table", "tables");
    console.heading(&format!("{count} · {} on disk, {} of log", size(tables.file_bytes), size(tables.log_bytes)))?;
    let mut table = Table::new(&["TABLE", "ROWS", "DEAD", "BYTES"].map(Column::fixed));
    for line in &tables.tables {
        table.push([
            (&line.name).into(),
            line.rows.to_string().into(),
            line.dead.to_string().into(),
            line.bytes.to_string().into(),
        ]);
    }
    console.table(&table)?;
    if !tables.writers.is_empty() {
        let mut table = Table::new(&["WRITER", "NAME", "TRANSACTIONS", "CELLS"].map(Column::fixed));
        for writer in &tables.writers {
            let name = writer.name.clone().unwrap_or_default();
            table.push([
                (&writer.node).into(),
                name.into(),
                writer.transactions.to_string().into(),
                writer.cells.to_string().into(),
            ]);
        }
        console.line("")?;
        console.table(&table)?;
    }
    if tables.held > 0 {
        let held = counted(tables.held, "thing is", "things are");
        console.note(&format!(
            "{held} kept for tables and columns that this node does not have; does it lack a schema change?"
        ));
    }
    Ok(DONE)
}

/// Bytes, for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
