//! SQLite alone: bare databases that are written side by side, with nothing that replicates, answers or is asked.

use crate::scratch::Scratch;
use anyhow::{Context, Result};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;
use std::time::Instant;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    /// Creates the table.
    pub(crate) schema: &'a str,
    /// Inserts a row.
    pub(crate) insert: &'a str,
    /// The row with this number.
    pub(crate) row: fn(usize) -> Vec<Value>,
    /// How many of them.
    pub(crate) rows: usize,
    /// How many share a commit.
    pub(crate) together: usize,
}

/// Rows per second until each of so many databases has all of them. A thread writes each, to a log that nobody syncs.
pub(crate) fn rows_per_second(dir: &Path, databases: usize, load: Load<'_>) -> Result<f64> {
    let scratch = Scratch::new(dir)?;
    let open = |at: usize| open(&scratch.path().join(format!("{at}.db")), load.schema);
    let opened: Vec<Connection> =
        (0..databases).map(open).collect::<rusqlite::Result<_>>().context("cannot open a bare database")?;
    let began = Instant::now();
    std::thread::scope(|scope| {
        let writers: Vec<_> = opened.into_iter().map(|conn| scope.spawn(move || write(conn, load))).collect();
        let written = |writer: std::thread::ScopedJoinHandle<'_, rusqlite::Result<()>>| {
            writer.join().map_err(|_| anyhow::anyhow!("a thread that writes has panicked"))?.context("cannot write")
        };
        writers.into_iter().try_for_each(written)
    })?;
    Ok(load.rows as f64 / began.elapsed().as_secs_f64())
}

fn open(file: &Path, schema: &str) -> rusqlite::Result<Connection> {
    let conn = Connection::open(file)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 16384")?;
    conn.execute_batch(schema)?;
    Ok(conn)
}

fn write(mut conn: Connection, load: Load<'_>) -> rusqlite::Result<()> {
    for first in (0..load.rows).step_by(load.together) {
        let tx = conn.transaction()?;
        let mut insert = tx.prepare_cached(load.insert)?;
        for row in first..load.rows.min(first + load.together) {
            insert.execute(params_from_iter((load.row)(row)))?;
        }
        drop(insert);
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Load, rows_per_second};

    #[test]
    fn all_rows_are_written_to_all_databases() {
        let load = Load {
            schema: "CREATE TABLE t (id INTEGER PRIMARY KEY)",
            insert: "INSERT INTO t VALUES (?)",
            row: |row| vec![(row as i64).into()],
            rows: 10,
            together: 3,
        };
        assert!(rows_per_second(&std::env::temp_dir(), 2, load).unwrap() > 0.0);
        let bad = Load { insert: "INSERT INTO nowhere VALUES (?)", ..load };
        assert!(rows_per_second(&std::env::temp_dir(), 2, bad).is_err());
    }
}
