//! What SQL came to, as it is printed.

use crate::agent_api::Lines;
use crate::agent_api::sql::{Rows, StatementResult, Transacted};
use crate::cmd::services::counted;
use crate::console::Console;
use crate::duration;
use crate::failure::DONE;
use crate::table::{Cell, Column, Table, Tone};
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

/// Rows in one table: the widths of its columns are known when its last row is, and they wait in memory.
const ROWS_TOGETHER: usize = 10_000;
/// How an answer in CSV says that it is not whole.
const ENDS_EARLY: &str = "# the answer ends early: ";

/// Prints rows under their names.
pub(super) fn table(mut rows: Rows, console: &mut Console) -> anyhow::Result<ExitCode> {
    let (mut all, mut total) = (Vec::new(), 0_u64);
    loop {
        let row = rows.next()?;
        let is_last = row.is_none();
        total += u64::from(!is_last);
        all.extend(row);
        if is_last && all.len() as u64 == total {
            // All of it is here: on a terminal its heading stands above it.
            console.heading(&heading(&rows, total))?;
        }
        if all.len() == ROWS_TOGETHER || (is_last && (!all.is_empty() || total == 0)) {
            console.table(&of(&rows.columns, &all))?;
            all.clear();
        }
        if is_last {
            if total > ROWS_TOGETHER as u64 {
                console.note(&heading(&rows, total));
            }
            return Ok(DONE);
        }
    }
}

fn heading(rows: &Rows, total: u64) -> String {
    let end = rows.end.clone().unwrap_or_default();
    let took = end.time * 1000.0;
    let took = if took < 10.0 { format!("{took:.1} ms") } else { format!("{took:.0} ms") };
    format!("{} in {took} · known to within {}", counted(total, "row", "rows"), duration::words(end.age_ms))
}

fn of(names: &[String], rows: &[Vec<Value>]) -> Table {
    // The first column stays whatever the width is; the last one goes first.
    let order = |at: usize| u8::try_from(at).unwrap_or(u8::MAX);
    let columns: Vec<Column> = names.iter().enumerate().map(|(at, name)| Column::named(name, order(at))).collect();
    let mut table = Table::new(&columns);
    for row in rows {
        table.push(row.iter().map(cell));
    }
    table
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::new("NULL", Tone::Faint),
        Value::String(text) => text.into(),
        // Bytes, in hexadecimal.
        Value::Object(bytes) => Cell::from(bytes.get("$hex").and_then(Value::as_str).unwrap_or_default()),
        other => other.to_string().into(),
    }
}

/// Prints lines as they come.
pub(super) fn pass_on(mut lines: Lines, is_csv: bool, console: &mut Console) -> anyhow::Result<ExitCode> {
    let mut is_whole = is_csv;
    while let Some(line) = lines.next()? {
        let text = String::from_utf8_lossy(line).into_owned();
        if let Some(why) = text.strip_prefix(ENDS_EARLY).filter(|_| is_csv) {
            return Err(Lines::refused(why.trim_end().to_owned()).into());
        }
        console.line(&text)?;
        is_whole = is_whole || text.starts_with(r#"{"eoq""#);
        if !is_csv && text.starts_with(r#"{"error""#) {
            // Whoever reads the lines has it already; this is for the exit code, and for people.
            let said: Ended = lines.parse()?;
            return Err(Lines::refused(said.error).into());
        }
    }
    if is_whole { Ok(DONE) } else { Err(lines.ended().into()) }
}

/// The last line of an answer that is not whole.
#[derive(Deserialize)]
struct Ended {
    error: String,
}

/// Says how many rows a transaction changed, and prints those that it returned.
pub(super) fn transacted(done: &Transacted, console: &mut Console) -> anyhow::Result<()> {
    for StatementResult { columns, rows, .. } in &done.results {
        if !columns.is_empty() {
            console.table(&of(columns, rows))?;
        }
    }
    let changed: u64 = done.results.iter().map(|result| result.rows_affected).sum();
    let changed = format!("{} changed", counted(changed, "row", "rows"));
    Ok(console.line(&match &done.place {
        Some(place) => format!("{changed} · {place}"),
        None => changed,
    })?)
}
