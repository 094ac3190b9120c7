//! Tables of a running cluster become what a backup says.

use super::super::Session;
use super::Args;
use super::compare::{Beside, Present, as_text};
use crate::agent_api::AgentApi;
use crate::agent_api::sql::{Asking, Statement};
use crate::failure::{DONE, Usage};
use crate::load::{self, Loader, RowWriter};
use crate::progress::ProgressLine;
use crate::table::{Column, Table};
use anyhow::{Context, bail};
use serde_json::{Value as Json, json};
use std::process::ExitCode;
use whither_model::sql::Value;
use whither_sql::import::{Depth, ImportError, Source, TableDefinition, check_backup};
use whither_tables::sql_text::quoted;

/// What a table took, or would take.
#[derive(Default)]
struct Done {
    name: String,
    /// It was not there.
    created: bool,
    written: u64,
    deleted: u64,
    same: u64,
    /// Rows that were left alone because they were written since.
    kept: u64,
}

pub(super) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let backup = check_backup(&args.file, Depth::Pages)?;
    let tables = chosen(args, backup.tables()?)?;
    let mut all = Vec::new();
    let mut place = None;
    for table in &tables {
        let mut restore = Restore::prepare(args, table, session)?;
        let mut loader = Loader::new(&session.api);
        restore.rows(&backup, &mut loader)?;
        place = loader.finish()?.or(place);
        all.push(restore.done);
    }
    report(args, &all, place.as_deref(), session)
}

fn chosen(args: &Args, tables: Vec<TableDefinition>) -> Result<Vec<TableDefinition>, Usage> {
    if args.all {
        return Ok(tables);
    }
    let find = |name: &String| {
        tables.iter().find(|table| table.name.eq_ignore_ascii_case(name)).cloned().ok_or_else(|| {
            let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            let names = if names.is_empty() { "no table".to_owned() } else { names.join(", ") };
            Usage(format!("{} has no table {name}; it has {names}", args.file.display()))
        })
    };
    args.table.iter().map(find).collect()
}

/// One table on its way.
struct Restore<'a> {
    args: &'a Args,
    /// Its columns that are on both sides, those of the key first.
    columns: Vec<&'a str>,
    /// How many of them are the key.
    key: usize,
    present: Present,
    done: Done,
}

impl<'a> Restore<'a> {
    /// Creates the table if it is missing, and reads what is in it.
    fn prepare(args: &'a Args, table: &'a TableDefinition, session: &mut Session) -> anyhow::Result<Self> {
        let key: Vec<&str> = table.key().iter().map(|column| column.name.as_str()).collect();
        let others = table.columns.iter().filter(|column| column.key == 0).map(|column| column.name.as_str());
        let mut columns: Vec<&str> = key.iter().copied().chain(others).collect();
        let there = columns_there(&session.api, &table.name)?;
        let done = Done { name: table.name.clone(), created: there.is_empty(), ..Done::default() };
        if there.is_empty() {
            let indexes = table.indexes.iter().map(|index| index.sql.clone());
            let sql: Vec<String> = std::iter::once(table.create_text()).chain(indexes).collect();
            session.api.change_schema(&sql.join(";\n"), args.dry_run).with_context(|| table.name.clone())?;
            return Ok(Self { args, columns, key: key.len(), present: Present::nothing(key.len()), done });
        }
        let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
        let there_key: Vec<&str> = there.iter().filter(|(_, key)| *key).map(|(name, _)| name.as_str()).collect();
        if there_key.len() != key.len() || !there_key.iter().all(|name| key.iter().any(|other| is(name, other))) {
            bail!(
                "{}: its primary key is ({}) now, and was ({}) in the backup; rename the table, and restore again: it is \
                 created anew",
                table.name,
                there_key.join(", "),
                key.join(", ")
            );
        }
        let gone: Vec<&str> =
            columns.iter().copied().filter(|name| !there.iter().any(|(other, _)| is(name, other))).collect();
        if !gone.is_empty() {
            session.console.warn(&format!("{}: not there any more, and left out: {}", table.name, gone.join(", ")));
        }
        columns.retain(|name| !gone.contains(name));
        let present = Present::read(&session.api, &table.name, &columns, key.len())?;
        Ok(Self { args, columns, key: key.len(), present, done })
    }

    /// First writes what is missing or different, then deletes what the backup does not have: at no moment is less there than
    /// before and after.
    fn rows(&mut self, backup: &Source, loader: &mut Loader<'_>) -> anyhow::Result<()> {
        let key = &self.columns[..self.key];
        let kept = if self.args.keep_newer { load::Present::Kept } else { load::Present::Overwritten };
        let writer = RowWriter::new(&self.done.name, &self.columns, key, kept);
        let texts = self.columns.iter().map(|column| as_text(column));
        let values = self.columns.iter().map(|column| quoted(column));
        let expressions: Vec<String> = texts.chain(values).collect();
        let (present, done, width) = (&mut self.present, &mut self.done, self.columns.len());
        let mut progress = ProgressLine::of_process();
        let name = done.name.clone();
        backup.rows::<RowsFailed>(&name, &expressions, |lot| {
            for mut row in lot {
                let values = row.split_off(width);
                let texts: Vec<String> = row.into_iter().map(text_of).collect();
                match present.meet(&texts) {
                    Beside::Same => done.same += 1,
                    Beside::Different if self.args.keep_newer => done.kept += 1,
                    Beside::Different | Beside::Missing => {
                        done.written += 1;
                        if !self.args.dry_run {
                            loader.push(writer.statement(&values))?;
                        }
                    }
                }
            }
            progress.show(|| format!("{name}: {} rows written, {} the same", done.written, done.same));
            Ok(())
        })?;
        let left = std::mem::replace(present, Present::nothing(self.key)).left();
        if self.args.keep_newer {
            done.kept += left.len() as u64;
            return Ok(());
        }
        for values in left {
            let values = values.with_context(|| format!("{name}: a key came that cannot be read"))?;
            done.deleted += 1;
            if !self.args.dry_run {
                loader.push(load::delete(&name, key, &values))?;
                progress.show(|| format!("{name}: {} rows deleted", done.deleted));
            }
        }
        Ok(())
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::Text(text) => text.into(),
        _ => String::new(),
    }
}

/// The columns of a table as it is now, and whether each is part of its key; none if it is not there.
fn columns_there(api: &AgentApi, table: &str) -> anyhow::Result<Vec<(String, bool)>> {
    let sql = "SELECT name, pk FROM pragma_table_info(?) WHERE name NOT LIKE '\\_whither\\_%' ESCAPE '\\'";
    let statement = Statement { sql: sql.into(), params: json!([table]) };
    let (_, rows) = api.query(&statement, &Asking::default())?.all()?;
    let column = |row: &Vec<Json>| Some((row.first()?.as_str()?.to_owned(), row.get(1)?.as_i64()? != 0));
    Ok(rows.iter().filter_map(column).collect())
}

/// Why rows stopped on their way.
#[derive(Debug, thiserror::Error)]
enum RowsFailed {
    #[error(transparent)]
    Backup(#[from] ImportError),
    #[error(transparent)]
    Agent(#[from] crate::agent_api::ApiError),
}

fn report(args: &Args, all: &[Done], place: Option<&str>, session: &mut Session) -> anyhow::Result<ExitCode> {
    if session.json {
        let tables: Vec<Json> = all
            .iter()
            .map(|done| {
                let Done { name, created, written, deleted, same, kept } = done;
                json!({"name": name, "created": created, "written": written, "deleted": deleted, "same": same, "kept": kept})
            })
            .collect();
        session.console.line(&json!({"tables": tables, "dry_run": args.dry_run, "place": place}).to_string())?;
        return Ok(DONE);
    }
    let mut table = Table::new(&["TABLE", "WRITTEN", "DELETED", "SAME", "KEPT"].map(Column::fixed));
    for done in all {
        let counts = [done.written, done.deleted, done.same, done.kept].map(|count| count.to_string().into());
        table.push(std::iter::once(done.name.as_str().into()).chain(counts));
    }
    session.console.table(&table)?;
    for done in all.iter().filter(|done| done.created) {
        let how = if args.dry_run { "would be created" } else { "was created" };
        session.console.note(&format!("{} {how}", done.name));
    }
    match place {
        _ if args.dry_run => session.console.note("nothing was changed: this is what would be"),
        Some(place) => session.console.note(&format!("restored at {place}")),
        None => session.console.note("there was nothing to change"),
    }
    Ok(DONE)
}
