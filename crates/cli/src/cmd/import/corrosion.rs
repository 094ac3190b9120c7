//! `whither import corrosion`: the tables of a Corrosion node, with their rows.

use super::super::Session;
use crate::agent_api::{AgentApi, ApiError};
use crate::failure::{DONE, Usage};
use crate::load::{Loader, Present, RowWriter};
use crate::progress::ProgressLine;
use crate::table::{Column, Table};
use anyhow::Context;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;
use whither_model::sql::Value;
use whither_sql::import::{ImportError, LeftOut, Source, TableDefinition, fit};
use whither_tables::sql_text::quoted;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither import corrosion /var/lib/corrosion/state.db --dry-run
  whither import corrosion /var/lib/corrosion/state.db --table consul_services
  whither import corrosion state.db --schema /etc/corrosion/schemas/services.sql

The database is only read, and Corrosion may go on writing to it. Tables and indexes are created in the cluster, then rows are \
                written, in transactions of a thousand. What cannot be kept (UNIQUE, CHECK, generated columns and the \
                like) is left out and named. It can be run again: rows become what the database says, and what is so \
                already is not written. Rows that are only in the cluster stay.")]
pub(crate) struct Args {
    /// Corrosion's database (`db.path` of its configuration)
    #[arg(value_name = "DB")]
    database: PathBuf,
    /// What defines the tables, in place of what the database says; may be repeated
    #[arg(long, value_name = "FILE")]
    schema: Vec<PathBuf>,
    /// Import this table; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    table: Vec<String>,
    /// Change nothing; say what would be imported
    #[arg(long)]
    dry_run: bool,
}

/// What became of a table.
struct Imported {
    name: String,
    rows: u64,
    /// Rows without a whole key.
    keyless: u64,
}

pub(super) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let database = Source::open(&args.database)?;
    let known: Vec<TableDefinition> =
        database.tables()?.into_iter().filter(|table| !is_of_corrosion(&table.name)).collect();
    let wanted = wanted(args, &known)?;
    let fitted: Vec<_> = wanted.iter().map(fit).collect();
    let left_out: Vec<&LeftOut> = fitted.iter().flat_map(|fitted| &fitted.left_out).collect();
    let tables: Vec<&TableDefinition> = fitted.iter().filter_map(|fitted| fitted.table.as_ref()).collect();
    if !session.json {
        left_out.iter().for_each(|one| session.console.warn(&one.to_string()));
    }
    let steps = create(&session.api, &tables, args.dry_run)?;
    let mut all = Vec::new();
    let mut loader = Loader::new(&session.api);
    for table in &tables {
        let there = known.iter().find(|known| known.name.eq_ignore_ascii_case(&table.name));
        all.push(import(args, table, there, &database, &mut loader)?);
    }
    let place = loader.finish()?;
    report(args, &Report { all: &all, left_out: &left_out, steps: &steps, place: place.as_deref() }, session)
}

/// What Corrosion and cr-sqlite keep for themselves.
fn is_of_corrosion(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("__corro_")
        || name.starts_with("crsql_")
        || name.ends_with("__crsql_clock")
        || name.ends_with("__crsql_pks")
}

/// The tables to import, as they are defined.
fn wanted(args: &Args, known: &[TableDefinition]) -> anyhow::Result<Vec<TableDefinition>> {
    let mut defined = if args.schema.is_empty() { known.to_vec() } else { Vec::new() };
    for file in &args.schema {
        let sql = std::fs::read_to_string(file).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
        defined.extend(Source::of_schema(file, &sql)?.tables()?);
    }
    if args.table.is_empty() {
        return Ok(defined);
    }
    let find = |name: &String| {
        defined.iter().find(|table| table.name.eq_ignore_ascii_case(name)).cloned().ok_or_else(|| {
            let names: Vec<&str> = defined.iter().map(|table| table.name.as_str()).collect();
            Usage(format!("there is no table {name} in {}; there is {}", args.database.display(), names.join(", ")))
        })
    };
    Ok(args.table.iter().map(find).collect::<Result<_, _>>()?)
}

/// Creates the tables with their indexes. Returns what that changes.
fn create(api: &AgentApi, tables: &[&TableDefinition], only_plan: bool) -> anyhow::Result<Vec<String>> {
    let mut sql = Vec::new();
    for table in tables {
        sql.push(table.create_text());
        sql.extend(table.indexes.iter().map(|index| index.sql.clone()));
    }
    if sql.is_empty() {
        return Ok(Vec::new());
    }
    let changed = api.change_schema(&sql.join(";\n"), only_plan).map_err(|error| match error {
        // The line is one of a text that nobody has seen.
        ApiError::Refused { status, mut problem } => {
            problem.field = None;
            ApiError::Refused { status, problem }
        }
        other => other,
    });
    Ok(changed.context("the tables cannot be created, and nothing was imported")?.value.steps)
}

/// Writes the rows of one table.
fn import(
    args: &Args,
    table: &TableDefinition,
    there: Option<&TableDefinition>,
    database: &Source,
    loader: &mut Loader<'_>,
) -> anyhow::Result<Imported> {
    let mut imported = Imported { name: table.name.clone(), rows: 0, keyless: 0 };
    // Defined by a file, and not in the database yet.
    let Some(there) = there else { return Ok(imported) };
    let is_there = |name: &str| there.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    let columns: Vec<&str> =
        table.columns.iter().map(|column| column.name.as_str()).filter(|name| is_there(name)).collect();
    let key: Vec<&str> = table.key().iter().map(|column| column.name.as_str()).collect();
    let writer = RowWriter::new(&table.name, &columns, &key, Present::Overwritten);
    let keys: Vec<usize> = (0..columns.len()).filter(|at| key.contains(&columns[*at])).collect();
    let expressions: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    let all = database.count(&there.name)?;
    let mut progress = ProgressLine::of_process();
    let taken = database.rows::<RowsFailed>(&there.name, &expressions, |lot| {
        for row in lot {
            if keys.iter().any(|at| row[*at] == Value::Null) {
                imported.keyless += 1;
                continue;
            }
            imported.rows += 1;
            if !args.dry_run {
                loader.push(writer.statement(&row))?;
            }
        }
        progress.show(|| format!("{}: {} of {all} rows", table.name, imported.rows));
        Ok(())
    });
    taken.and_then(|()| Ok(loader.send()?)).with_context(|| {
        format!("{}: {} rows were on their way; run it again, it goes on from what is there", table.name, imported.rows)
    })?;
    Ok(imported)
}

/// Why rows stopped on their way.
#[derive(Debug, thiserror::Error)]
enum RowsFailed {
    #[error(transparent)]
    Database(#[from] ImportError),
    #[error(transparent)]
    Agent(#[from] ApiError),
}

struct Report<'a> {
    all: &'a [Imported],
    left_out: &'a [&'a LeftOut],
    steps: &'a [String],
    place: Option<&'a str>,
}

fn report(args: &Args, report: &Report<'_>, session: &mut Session) -> anyhow::Result<ExitCode> {
    let Report { all, left_out, steps, place } = report;
    if session.json {
        let table = |one: &Imported| json!({"name": one.name, "rows": one.rows, "rows_without_key": one.keyless});
        let left = |one: &&LeftOut| json!({"table": one.table, "what": one.what});
        let said = json!({
            "tables": all.iter().map(table).collect::<Vec<Json>>(),
            "left_out": left_out.iter().map(left).collect::<Vec<Json>>(),
            "schema": steps, "dry_run": args.dry_run, "place": place
        });
        session.console.line(&said.to_string())?;
        return Ok(DONE);
    }
    let mut table = Table::new(&["TABLE", "ROWS"].map(Column::fixed));
    all.iter().for_each(|one| table.push([one.name.as_str().into(), one.rows.to_string().into()]));
    session.console.table(&table)?;
    for one in all.iter().filter(|one| one.keyless > 0) {
        session.console.warn(&format!("{}: {} rows are left out: part of their key is NULL", one.name, one.keyless));
    }
    let would = if args.dry_run { "would be changed" } else { "was changed" };
    if !steps.is_empty() {
        session.console.note(&format!("of the schema {would}: {}", steps.join(", ")));
    }
    match place {
        _ if args.dry_run => session.console.note("nothing was changed: this is what would be"),
        Some(place) => session.console.note(&format!("imported at {place}")),
        None => session.console.note("there was nothing to change"),
    }
    Ok(DONE)
}
