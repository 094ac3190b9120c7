//! Databases of others, and backups of our own, read: which tables there are, what defines them, and their rows.
//!
//! A file is only read, and never changed: not even a log is begun beside it. All that is read is of one snapshot.

mod backup;
mod definition;
mod fitting;

pub use backup::{Depth, check_backup, fold_log};
pub use definition::{ColumnDefinition, IndexDefinition, TableDefinition};
pub use fitting::{Fitted, LeftOut, fit};

use crate::file::log_of;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use whither_model::sql::Value;
use whither_tables::sql_text::quoted;

/// Rows that are handed over together.
pub const ROWS_TOGETHER: usize = 1_000;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is no such file, or this user may not read it.
    #[error("{}: {source}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is no database of SQLite, or a damaged one.
    #[error("{}: {detail}", file.display())]
    Sqlite {
        /// Which.
        file: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// It is a database, but no backup.
    #[error("{} is no backup of users' tables: it is a database of another program", .0.display())]
    Foreign(PathBuf),
    /// It was written by a newer version.
    #[error("{} was written by a newer version of whither (layout {found}; this version knows {known}); use that version", file.display())]
    Newer {
        /// Which.
        file: PathBuf,
        /// Its layout.
        found: i32,
        /// The newest known here.
        known: i32,
    },
    /// What is in it does not fit together.
    #[error("{} is damaged: {detail}; use another backup", file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
        /// What was found.
        detail: String,
    },
}

/// A database that is read.
#[derive(Debug)]
pub struct Source {
    conn: Connection,
    file: PathBuf,
}

impl Source {
    /// Opens a database, of whatever program.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn open(file: &Path) -> Result<Self, ImportError> {
        let missing = |source| ImportError::File { file: file.to_owned(), source };
        std::fs::File::open(file).map_err(missing)?;
        let absolute = file.canonicalize().map_err(missing)?;
        let sqlite = |error: rusqlite::Error| fault(file, &error);
        // With a log beside it, the file alone is not all. Without, nothing but the file is looked at, and nobody need be able
        // to write beside it.
        let immutable = if log_of(&absolute).exists() { "" } else { "&immutable=1" };
        let uri = format!("file:{}?mode=ro{immutable}", escaped(&absolute));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(uri, flags).map_err(sqlite)?;
        // What is in a schema is not trusted: it may call functions.
        conn.pragma_update(None, "trusted_schema", false).map_err(sqlite)?;
        conn.execute_batch("BEGIN").map_err(sqlite)?;
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(sqlite)?;
        Ok(Self { conn, file: file.to_owned() })
    }

    /// The tables that `sql` creates, without rows. `name` stands for the file in errors.
    ///
    /// # Errors
    /// What SQLite does not understand.
    pub fn of_schema(name: &Path, sql: &str) -> Result<Self, ImportError> {
        let sqlite = |error: rusqlite::Error| fault(name, &error);
        let conn = Connection::open_in_memory().map_err(sqlite)?;
        // Rows that others wrote may stand in it as well; whether they keep a foreign key is not asked here.
        conn.pragma_update(None, "foreign_keys", false).map_err(sqlite)?;
        conn.execute_batch(sql).map_err(sqlite)?;
        Ok(Self { conn, file: name.to_owned() })
    }

    /// What it is read from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn count(&self, table: &str) -> Result<u64, ImportError> {
        let text = format!("SELECT count(*) FROM {}", quoted(table));
        let count = self.conn.query_row(&text, [], |row| row.get::<_, i64>(0));
        count.map(i64::cast_unsigned).map_err(|error| fault(&self.file, &error))
    }

    /// Hands over all rows of a table, [`ROWS_TOGETHER`] at a time, with the values of `expressions`, which are SQL.
    ///
    /// # Errors
    /// The file cannot be read, or whoever takes the rows fails.
    pub fn rows<E: From<ImportError>>(
        &self,
        table: &str,
        expressions: &[String],
        mut take: impl FnMut(Vec<Vec<Value>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sqlite = |error: rusqlite::Error| self.in_table(table, &error);
        let text = format!("SELECT {} FROM {}", expressions.join(", "), quoted(table));
        let mut statement = self.conn.prepare(&text).map_err(sqlite)?;
        let mut found = statement.query([]).map_err(sqlite)?;
        let mut lot = Vec::new();
        while let Some(row) = found.next().map_err(sqlite)? {
            let values = (0..expressions.len()).map(|at| whither_tables::value(row.get_ref(at)?));
            lot.push(values.collect::<rusqlite::Result<Vec<Value>>>().map_err(sqlite)?);
            if lot.len() == ROWS_TOGETHER {
                take(std::mem::take(&mut lot))?;
            }
        }
        if lot.is_empty() { Ok(()) } else { take(lot) }
    }

    fn in_table(&self, table: &str, error: &rusqlite::Error) -> ImportError {
        ImportError::Sqlite {
            file: self.file.clone(),
            detail: format!("{table}: {}", whither_tables::in_words(error, None)),
        }
    }
}

fn fault(file: &Path, error: &rusqlite::Error) -> ImportError {
    let detail = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => "it is no SQLite database".to_owned(),
        Some(rusqlite::ErrorCode::CannotOpen) if log_of(file).exists() => {
            "it has a log beside it (-wal), and SQLite cannot read both here; stop the program that writes it, or copy the \
             database, its -wal and its -shm to where you may write"
                .to_owned()
        }
        _ => whither_tables::in_words(error, None),
    };
    ImportError::Sqlite { file: file.to_owned(), detail }
}

/// A path as it stands in a URI.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => text.push(char::from(*byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests;
