//! Backups of our own: whether one can be trusted.

use super::{ImportError, Source, fault};
use rusqlite::Connection;
use std::path::Path;
use whither_tables::OpenError;
use whither_tables::sql_text::quoted;

/// How closely a backup is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Whether every page can be read and is what it should be.
    Pages,
    /// That, whether every index has what its table has, and whether it is known of every row who wrote it. Takes several times
    /// as long.
    Everything,
}

/// Opens a backup of users' tables and looks at it before anybody relies on it.
///
/// # Errors
/// What it is instead, or what is wrong with it.
pub fn check_backup(file: &Path, depth: Depth) -> Result<Source, ImportError> {
    let source = Source::open(file)?;
    whither_tables::recognise(&source.conn, file).map_err(|error| match error {
        OpenError::Foreign(file) => ImportError::Foreign(file),
        OpenError::Newer { file, found, known } => ImportError::Newer { file, found, known },
        OpenError::Sqlite { source, .. } => fault(file, &source),
        other => ImportError::Damaged { file: file.to_owned(), detail: other.to_string() },
    })?;
    let damaged = |detail: String| ImportError::Damaged { file: file.to_owned(), detail };
    let broken = |error: rusqlite::Error| damaged(error.to_string());
    let pragma = if depth == Depth::Pages { "quick_check" } else { "integrity_check" };
    let said: String = source.conn.query_row(&format!("PRAGMA {pragma}(1)"), [], |row| row.get(0)).map_err(broken)?;
    if said != "ok" {
        return Err(damaged(said));
    }
    if depth == Depth::Everything
        && let Some(table) = unowned(&source.conn).map_err(broken)?
    {
        return Err(damaged(format!("of some rows of {table} it is not known who wrote them")));
    }
    Ok(source)
}

/// A table with a row of which nobody is known to have written it.
fn unowned(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let mut statement = conn.prepare("SELECT id, shown FROM _whither_tables WHERE state = 'live'")?;
    let tables = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let tables: Vec<(i64, String)> = tables.collect::<rusqlite::Result<_>>()?;
    for (ix, shown) in tables {
        let text = format!(
            "SELECT EXISTS (SELECT 1 FROM {} AS t WHERE NOT EXISTS \
             (SELECT 1 FROM _whither_clock AS c WHERE c.tbl = ?1 AND c.row = t.rowid AND c.col = 0))",
            quoted(&shown)
        );
        if conn.query_row(&text, [ix], |row| row.get(0))? {
            return Ok(Some(shown));
        }
    }
    Ok(None)
}

/// Has whatever is in the log of the database in `file` copied into it, so that the file alone is all there is. Nobody else may
/// have it open.
///
/// # Errors
/// It cannot be done; the file and its log are all there is.
pub fn fold_log(file: &Path) -> Result<(), ImportError> {
    let sqlite = |error: rusqlite::Error| fault(file, &error);
    let conn = Connection::open(file).map_err(sqlite)?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(sqlite)
}
