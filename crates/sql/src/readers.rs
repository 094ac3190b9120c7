//! Connections that read: made when they are needed, kept, and lent to one question at a time.

use crate::catalog::{self, Pinned};
use crate::damage;
use crate::guard::Guard;
use crate::limits::{READ_CACHE_KIB, SQL_BYTES_MAX, VALUE_BYTES_MAX};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use whither_directory::Directory;

/// How many steps of SQLite's machine pass between two looks at the clock.
const STEPS_PER_LOOK: i32 = 4_000;
/// How long a writer that has just begun a new log may keep a reader out.
const BUSY: Duration = Duration::from_secs(5);
/// Statements kept prepared on each.
const STATEMENTS_KEPT: usize = 64;

/// A connection that reads.
pub(crate) struct Reader {
    pub(crate) conn: Connection,
    pub(crate) pinned: Pinned,
    pub(crate) guard: Guard,
    pub(crate) stop: Stop,
}

/// Ends a question that takes too long, or that nobody waits for any more.
#[derive(Clone, Default)]
pub(crate) struct Stop {
    deadline: Arc<Mutex<Option<Instant>>>,
    /// Whether nobody waits any more.
    abandoned: Arc<Mutex<Option<Abandoned>>>,
}

type Abandoned = Box<dyn Fn() -> bool + Send>;

impl Stop {
    /// From now on, it may take so long, and no longer than somebody waits for it.
    pub(crate) fn within(&self, time: Duration, abandoned: impl Fn() -> bool + Send + 'static) {
        *lock(&self.abandoned) = Some(Box::new(abandoned));
        *lock(&self.deadline) = Instant::now().checked_add(time);
    }

    /// It may take as long as it takes.
    pub(crate) fn never(&self) {
        *lock(&self.abandoned) = None;
        *lock(&self.deadline) = None;
    }

    /// How long it may still take.
    pub(crate) fn left(&self) -> Duration {
        let deadline = *lock(&self.deadline);
        deadline.map_or(Duration::from_secs(3_600), |deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether its time is over.
    pub(crate) fn is_over(&self) -> bool {
        let deadline = *lock(&self.deadline);
        deadline.is_some_and(|deadline| Instant::now() > deadline)
            || lock(&self.abandoned).as_ref().is_some_and(|abandoned| abandoned())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes and keeps readers.
#[derive(Debug)]
pub(crate) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Reader>>,
    directory: Arc<Directory>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Readers {
    pub(crate) fn new(file: &Path, directory: Arc<Directory>) -> Self {
        Self { file: file.to_owned(), idle: Mutex::default(), directory }
    }

    /// A reader that nobody else uses.
    pub(crate) fn take(&self) -> rusqlite::Result<Reader> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(reader) => Ok(reader),
            None => self.open(),
        }
    }

    /// Gives it back.
    pub(crate) fn give_back(&self, reader: Reader) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < crate::limits::QUERIES_AT_ONCE {
            idle.push(reader);
        }
    }

    /// Says that the database is damaged, if that is what an error means.
    pub(crate) fn note(&self, error: &rusqlite::Error) {
        if damage::is_damage(error) {
            damage::report(&self.directory, &self.file, &error.to_string());
        }
    }

    /// Lets it see the catalog as it is now, for one statement.
    pub(crate) fn pin(&self, reader: &Reader) {
        reader.pinned.pin(&self.directory);
    }

    fn open(&self) -> rusqlite::Result<Reader> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(&self.file, flags)?;
        conn.busy_timeout(BUSY)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        conn.pragma_update(None, "query_only", true)?;
        conn.pragma_update(None, "cache_size", -READ_CACHE_KIB)?;
        // What a large sort needs goes to a file instead of memory.
        conn.pragma_update(None, "temp_store", "FILE")?;
        conn.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX)?;
        conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
        conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        conn.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
        let (pinned, guard, stop) = (Pinned::default(), Guard::default(), Stop::default());
        catalog::install(&conn, &pinned)?;
        guard.install(&mut conn)?;
        let watched = stop.clone();
        conn.progress_handler(STEPS_PER_LOOK, Some(move || watched.is_over()))?;
        Ok(Reader { conn, pinned, guard, stop })
    }
}
