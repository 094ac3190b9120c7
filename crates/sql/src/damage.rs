//! A database whose pages are not what was written: noticed, said, and taken anew from the other nodes.
//!
//! SQLite notices a broken page when it reads it, which may be never. So all pages are read now and then. What is found is written
//! down in a file beside the database; at the next start the database is set aside, begun anew, and the other nodes give back what
//! they have. Not at once: until then, all that can be read is answered.

use crate::file;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use whither_directory::Directory;
use whither_directory::vitals::TablesConcern;
use whither_model::Origin;
use whither_tables::{OpenError, Tables};

/// After a start, before all pages are read for the first time: whoever starts has other things to do.
const FIRST: Duration = Duration::from_secs(20);
/// Between two readings of all pages.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How often somebody looks whether the node is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Where it is written down that the database is damaged.
fn mark_of(path: &Path) -> PathBuf {
    path.with_extension("db.is-damaged")
}

/// Opens the tables. If they are damaged they are set aside and begun anew.
pub(crate) fn open(path: &Path, me: Origin) -> Result<Tables, OpenError> {
    let found = std::fs::read_to_string(mark_of(path)).ok();
    let detail = match (found, Tables::open(path, me)) {
        (Some(detail), _) | (None, Err(OpenError::Corrupt { detail, .. })) => detail,
        (None, outcome) => return outcome,
    };
    let aside = path.with_extension(format!("db.damaged-{}", me.epoch.0));
    tracing::error!(
        file = %path.display(), aside = %aside.display(), detail,
        "users' tables are damaged: they are set aside, and the other nodes asked for what they have"
    );
    let failed = |error: std::io::Error| OpenError::NoThread { file: path.to_owned(), reason: error.to_string() };
    std::fs::rename(path, &aside).map_err(failed)?;
    // There may be no log.
    drop(std::fs::rename(file::log_of(path), file::log_of(&aside)));
    drop(std::fs::remove_file(mark_of(path)));
    Tables::open(path, me)
}

/// Says, and writes down for the next start, that the database is damaged.
pub(crate) fn report(directory: &Directory, path: &Path, detail: &str) {
    let mark = mark_of(path);
    if mark.exists() {
        return;
    }
    let problem = format!(
        "{} is damaged ({detail}): start the agent again, and it takes users' tables from the other nodes anew",
        path.display()
    );
    tracing::error!("{problem}");
    if let Err(error) = std::fs::write(&mark, detail) {
        tracing::error!(file = %mark.display(), %error, "cannot write that down");
    }
    directory.vitals().set_tables_problem(TablesConcern::Damage, Some(problem));
}

/// Reads all pages, now and then, on a thread of its own, for as long as the node is there.
pub(crate) fn watch(directory: &Arc<Directory>, path: &Path) -> std::io::Result<()> {
    let (directory, path) = (Arc::downgrade(directory), path.to_owned());
    let thread = std::thread::Builder::new().name("whither-tcheck".into());
    thread.spawn(move || read_now_and_then(&directory, &path)).map(drop)
}

fn read_now_and_then(directory: &Weak<Directory>, path: &Path) {
    let mut due = FIRST;
    loop {
        std::thread::sleep(LOOK);
        due = due.saturating_sub(LOOK);
        let Some(directory) = directory.upgrade() else { return };
        if due.is_zero() {
            due = EVERY;
            if let Some(detail) = look(path) {
                report(&directory, path, &detail);
            }
        }
    }
}

/// What is wrong with the pages; `None`: nothing, as far as can be read.
fn look(path: &Path) -> Option<String> {
    let check = || -> rusqlite::Result<String> {
        let conn = rusqlite::Connection::open(path)?;
        // Small, so that what others have in memory stays there.
        conn.pragma_update(None, "cache_size", -512)?;
        conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
    };
    match check() {
        Ok(found) => (found != "ok").then(|| found.lines().next().unwrap_or_default().to_owned()),
        Err(error) if is_damage(&error) => Some(error.to_string()),
        Err(_) => None,
    }
}

/// Whether an error says that the database is damaged.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    error.sqlite_error_code().is_some_and(|code| matches!(code, DatabaseCorrupt | NotADatabase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};
    use whither_model::sql::Statement;
    use whither_model::{Epoch, NodeId, WallTime};

    #[test]
    fn a_page_that_was_overwritten_is_found_and_the_next_start_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file::NAME);
        let me = |epoch| Origin { node: NodeId::new(1).unwrap(), epoch: Epoch(epoch) };
        let mut tables = open(&path, me(1)).unwrap();
        tables.begin().unwrap();
        tables.change_schema(WallTime(1), "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)").unwrap();
        let insert = "INSERT INTO t WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000) \
                      SELECT x, hex(randomblob(50)) FROM n";
        tables.transact(WallTime(1), &[Statement::plain(insert)]).unwrap();
        tables.commit().unwrap();
        tables.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        drop(tables);
        assert_eq!(look(&path), None);
        let mut file = std::fs::File::options().write(true).open(&path).unwrap();
        let pages = file.metadata().unwrap().len() / 4_096;
        file.seek(SeekFrom::Start(pages / 2 * 4_096)).unwrap();
        file.write_all(&[0xff; 4_096]).unwrap();
        drop(file);
        let detail = look(&path).expect("it is found");
        std::fs::write(mark_of(&path), detail).unwrap();
        let fresh = open(&path, me(2)).unwrap();
        assert!(fresh.seen().is_empty(), "nothing is known here any more");
        assert!(!mark_of(&path).exists() && path.with_extension("db.damaged-2").exists());
    }
}
