//! A data directory, opened: locked, migrated, loaded, and one epoch further.

use crate::commit::Database;
use crate::journal::{Journal, JournalConfig, Report};
use crate::load::{self, LoadError};
use crate::lock::{self, DirLock};
use crate::{CommitError, OpenError, probe, schema};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use whither_model::Epoch;
use whither_model::durable::Snapshot;

/// How long to wait for another program to close the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Page cache in KiB: rows are written in key order, so a small one does.
const CACHE_KIB: i64 = 4096;

/// The log file is cut back to this size when it starts anew after a burst.
const LOG_BYTES_KEPT: i64 = 32 << 20;

/// An opened data directory. The directory is locked as long as this, or the [`Journal`] made of it, lives.
pub struct Store {
    pub(crate) database: Database,
    pub(crate) dir: PathBuf,
    // Declared last: the database is closed before the lock is released.
    _lock: DirLock,
}

impl Store {
    /// Opens the data directory, creating it at the first boot, and returns what is stored there.
    ///
    /// When this returns, the snapshot's epoch is on the disk: the node may speak in it.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; no epoch has been handed out then.
    pub fn open(dir: &Path) -> Result<(Self, Snapshot), OpenError> {
        let dir = create_directory(dir).map_err(|source| OpenError::Directory { path: dir.to_owned(), source })?;
        let lock = DirLock::take(&dir)?;
        let file = dir.join("whither.db");
        create_file(&file).map_err(|source| OpenError::Directory { path: file.clone(), source })?;

        let sqlite = |error: rusqlite::Error| OpenError::sqlite(&file, &error);
        let mut conn = connect(&file).map_err(sqlite)?;
        let version = schema::identify(&conn, &file)?;
        configure(&conn).map_err(sqlite)?;
        schema::migrate(&mut conn, version).map_err(sqlite)?;
        let snapshot = load_and_advance(&mut conn).map_err(|error| match error {
            LoadError::Sqlite(error) => sqlite(error),
            LoadError::Impossible(what) => {
                OpenError::Corrupt { file: file.clone(), detail: format!("not as it was written: {what}") }
            }
            LoadError::Structure(detail) => OpenError::Corrupt { file: file.clone(), detail },
        })?;
        Ok((Self { database: Database::new(conn), dir, _lock: lock }, snapshot))
    }

    /// The directory, as an absolute path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Raises the stored epoch to at least `epoch`, on the disk when this returns; never lowers it. For a directory
    /// restored from a backup, whose node the cluster has already heard in a later boot.
    ///
    /// # Errors
    ///
    /// See [`CommitError`].
    pub fn raise_epoch(&mut self, epoch: Epoch) -> Result<(), CommitError> {
        self.database.raise_epoch(epoch).map_err(|error| CommitError::sqlite(&error, Some(&probe::ask(&self.dir))))
    }

    /// Starts the writer thread. `report` is called on that thread after each commit and when a failure begins, changes or
    /// ends; it must be quick, must not panic, and must not own the journal.
    ///
    /// # Panics
    ///
    /// If the operating system refuses a thread.
    pub fn into_journal(self, config: JournalConfig, report: impl FnMut(Report) + Send + 'static) -> Journal {
        Journal::start(self, config, Box::new(report))
    }
}

/// Creates the directory for this user alone if it is missing. Returns it as an absolute path, which SQLite cannot
/// mistake for a URI.
///
/// # Errors
/// It is not there and cannot be created.
pub fn create_directory(dir: &Path) -> io::Result<PathBuf> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    let dir = dir.canonicalize()?;
    if let Some(parent) = dir.parent() {
        sync_directory(parent);
    }
    Ok(dir)
}

/// Creates the database file for this user alone; SQLite gives its log the same permissions.
fn create_file(file: &Path) -> io::Result<()> {
    lock::private(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(file)?;
    if let Some(dir) = file.parent() {
        sync_directory(dir);
    }
    Ok(())
}

/// Makes names in a directory durable, where the system can and this user may. A parent of the data directory may well
/// be closed to us, so a failure is no reason not to start.
fn sync_directory(dir: &Path) {
    if let Err(error) = File::open(dir).and_then(|opened| opened.sync_all()) {
        tracing::debug!(dir = %dir.display(), %error, "cannot sync a directory");
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    // With the database to itself, SQLite keeps the index of its log in memory. Otherwise that is a mapped file, and a
    // disk without room for one of its pages kills the process with SIGBUS instead of failing a commit.
    conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    // Until it is known to be ours, closing must not change it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let text = format!("this file system has no write-ahead log for SQLite (journal mode is {mode})");
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        return Err(rusqlite::Error::SqliteFailure(code, Some(text)));
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    // Where "synced" means less than on the disk (macOS), ask for more; elsewhere without effect.
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    conn.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_KEPT, |_| Ok(()))?;
    // The writer checkpoints, after it has reported the commit.
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    checkpoint_leftovers(conn)
}

/// What a killed process left in the log may never have reached the disk. Copying it into the database settles that. The
/// log keeps its size, so that this boot's epoch fits into it even when the disk is full. A disk too full for the copy is
/// no reason not to start: the next checkpoint comes when there is room.
fn checkpoint_leftovers(conn: &Connection) -> rusqlite::Result<()> {
    match conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => Ok(()),
        outcome => outcome,
    }
}

/// Loads everything and makes the next epoch durable, in one transaction: what cannot be loaded costs no epoch.
fn load_and_advance(conn: &mut Connection) -> Result<Snapshot, LoadError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    load::check_structure(&tx)?;
    let last = load::epoch(&tx)?;
    let next = last.0.checked_add(1).ok_or(LoadError::Impossible("no epoch is left"))?;
    let snapshot = Snapshot {
        node: load::node(&tx)?,
        epoch: Epoch(next),
        rows: load::rows(&tx)?,
        seen: load::seen(&tx)?,
        members: load::members(&tx)?,
    };
    tx.execute("UPDATE meta SET value = ?1 WHERE key = 'epoch'", [next.cast_signed()])?;
    tx.commit()?;
    Ok(snapshot)
}
