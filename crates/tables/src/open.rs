//! A database, opened and brought to the present layout.

use crate::capture::Watch;
use crate::clock::{Hybrid, Stamp};
use crate::error::{Fault, OpenError};
use crate::guard::Guard;
use crate::marks;
use crate::origins::Origins;
use crate::schema::{SCHEMA, Schema};
use crate::tables::Tables;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use whither_model::Origin;

/// Marks the file as ours.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"whtt");
/// The steps from an empty file to the present layout. A released step is never edited; a change is a new one at the end.
const STEPS: &[&str] = &[include_str!("first.sql")];
/// The layout that this software writes.
const LAYOUT: i32 = STEPS.len() as i32;
/// How long another program may keep the database for itself.
const BUSY: Duration = Duration::from_secs(5);
/// Page cache of the connection that writes, in KiB.
const CACHE_KIB: i64 = 32 * 1024;
/// Prepared statements that are kept.
const STATEMENTS_KEPT: usize = 256;

impl Tables {
    /// Opens the database in `file`, or creates it, for `me` to write in.
    ///
    /// # Errors
    /// [`OpenError`]; the file is as it was.
    pub fn open(file: &Path, me: Origin) -> Result<Self, OpenError> {
        let sqlite = |source: rusqlite::Error| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => {
                OpenError::Corrupt { file: file.to_owned(), detail: source.to_string() }
            }
            Some(ErrorCode::NotADatabase) => OpenError::Foreign(file.to_owned()),
            _ => OpenError::Sqlite { file: file.to_owned(), source },
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(file, flags).map_err(sqlite)?;
        let layout = identify(&conn, file).map_err(|error| match error {
            Identity::Sqlite(error) => sqlite(error),
            Identity::Open(error) => error,
        })?;
        configure(&conn).map_err(sqlite)?;
        migrate(&mut conn, layout).map_err(sqlite)?;
        Self::over(conn, me).map_err(|fault| sqlite(fault.0))
    }

    /// A database in memory.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn in_memory(me: Origin) -> Result<Self, Fault> {
        let mut conn = Connection::open_in_memory()?;
        migrate(&mut conn, 0)?;
        Self::over(conn, me)
    }

    fn over(mut conn: Connection, me: Origin) -> Result<Self, Fault> {
        conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        // A row that is replaced is deleted first, and triggers are to tell of it.
        conn.pragma_update(None, "recursive_triggers", true)?;
        // Those in the file are there for other programs; this connection has its own.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        let (watch, guard) = (Watch::default(), Guard::default());
        watch.install(&mut conn)?;
        guard.install(&mut conn)?;
        let schema = Schema::load(&conn)?;
        let sealed: i64 =
            conn.query_row("SELECT count(*) FROM sqlite_schema WHERE name = '_whither_i1'", [], |row| row.get(0))?;
        if sealed == 0
            && let Some(table) = schema.tables.get(&SCHEMA)
        {
            table.seal_texts().try_for_each(|text| conn.execute_batch(&text))?;
        }
        for table in schema.tables.values() {
            table.watch_texts().iter().try_for_each(|text| conn.execute_batch(text))?;
        }
        let stamp: Option<i64> = conn.query_row("SELECT max(clock) FROM _whither_origins", [], |row| row.get(0))?;
        let origins = Origins::load(&conn)?;
        Ok(Self {
            head: origins.last(me),
            committed_head: origins.last(me),
            stored_clock: Stamp(stamp.unwrap_or(0).cast_unsigned()),
            me,
            clock: Hybrid::past(Stamp(stamp.unwrap_or(0).cast_unsigned())),
            origins,
            holding: marks::holding(&conn)?,
            schema,
            watch,
            guard,
            touched: BTreeMap::new(),
            schema_changed: false,
            as_one: false,
            concluding: false,
            unplaceable: 0,
            conn,
        })
    }

    /// The same database in a later boot: whatever was not committed is gone.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn boot(&mut self, me: Origin) -> Result<(), Fault> {
        self.me = me;
        self.committed_head = 0;
        self.roll_back()?;
        (self.head, self.committed_head) = (self.origins.last(me), self.origins.last(me));
        Ok(())
    }

    /// Forgets what was not committed.
    pub(crate) fn reload(&mut self) -> Result<(), Fault> {
        self.schema = Schema::load(&self.conn)?;
        self.origins = Origins::load(&self.conn)?;
        self.holding = marks::holding(&self.conn)?;
        self.head = self.committed_head;
        self.concluding = false;
        Ok(())
    }
}

enum Identity {
    Sqlite(rusqlite::Error),
    Open(OpenError),
}

impl From<rusqlite::Error> for Identity {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Whether a database holds users' tables, in a layout that is known here. Nothing is changed.
///
/// # Errors
/// What it is instead; or that it is damaged.
pub fn recognise(conn: &Connection, file: &Path) -> Result<(), OpenError> {
    match identify(conn, file) {
        Ok(0) => Err(OpenError::Foreign(file.to_owned())),
        Ok(_) => Ok(()),
        Err(Identity::Open(error)) => Err(error),
        Err(Identity::Sqlite(source)) => Err(OpenError::Sqlite { file: file.to_owned(), source }),
    }
}

/// Whose database this is, without changing it. Returns its layout; zero for an empty file.
fn identify(conn: &Connection, file: &Path) -> Result<i32, Identity> {
    conn.busy_timeout(BUSY)?;
    let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, layout) = (pragma("application_id")?, pragma("user_version")?);
    let things: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let fresh = application == 0 && layout == 0 && things == 0;
    if !fresh && application != APPLICATION_ID {
        return Err(Identity::Open(OpenError::Foreign(file.to_owned())));
    }
    if layout > LAYOUT {
        return Err(Identity::Open(OpenError::Newer { file: file.to_owned(), found: layout, known: LAYOUT }));
    }
    Ok(layout)
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // A commit does not wait for the disk; whoever wants to know syncs the log (`Tables::commit`).
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))
}

fn migrate(conn: &mut Connection, layout: i32) -> rusqlite::Result<()> {
    if layout == LAYOUT {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in STEPS.iter().skip(usize::try_from(layout).unwrap_or(0)) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", LAYOUT)?;
    tx.commit()
}
