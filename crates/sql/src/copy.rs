//! Copies of all tables: one snapshot each, made while others write.

use rusqlite::Connection;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use whither_directory::sql::{BackedUp, SqlRefusal};

/// Copies that may take room on the disk at the same time: one on its way to a slow client does not keep a scheduled one waiting.
const COPIES_AT_ONCE: usize = 2;
/// How the names of copies begin, in the data directory, for as long as they have one.
const PREFIX: &str = "tables.db.copy-";

/// Makes copies of the database in `file`.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    file: PathBuf,
    turns: Arc<Semaphore>,
    made: Arc<AtomicU64>,
}

impl Copies {
    /// Makes copies beside `file`. Those that an agent left there when it was killed are removed.
    pub(crate) fn new(file: &Path) -> Self {
        for left in leftovers(file) {
            if let Err(error) = std::fs::remove_file(&left) {
                tracing::warn!(file = %left.display(), %error, "an unfinished copy of users' tables cannot be removed");
            }
        }
        Self { file: file.to_owned(), turns: Arc::new(Semaphore::new(COPIES_AT_ONCE)), made: Arc::default() }
    }

    /// A turn to make a copy.
    pub(crate) fn turn(&self) -> Result<OwnedSemaphorePermit, SqlRefusal> {
        Arc::clone(&self.turns).try_acquire_owned().map_err(|_| {
            let words =
                format!("{COPIES_AT_ONCE} copies are being made or fetched already; try again when they are done");
            SqlRefusal::NotNow(words)
        })
    }

    /// Makes a copy. Takes a while, and does not keep writers waiting.
    pub(crate) fn make(&self, turn: OwnedSemaphorePermit) -> Result<BackedUp, SqlRefusal> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let path = self.file.with_file_name(format!("{PREFIX}{}-{number}", std::process::id()));
        let made = self.make_at(&path);
        // Whoever holds the file has all of it; without a name, nobody has to remember to remove it.
        let removed = std::fs::remove_file(&path);
        let file = made?;
        let trouble = |error: std::io::Error| SqlRefusal::Disk(format!("{}: {error}", path.display()));
        removed.map_err(trouble)?;
        let bytes = file.metadata().map_err(trouble)?.len();
        Ok(BackedUp { file, bytes, turn })
    }

    fn make_at(&self, path: &Path) -> Result<File, SqlRefusal> {
        let trouble = |error: &dyn std::fmt::Display| SqlRefusal::Disk(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        // Made before SQLite writes to it, and for this user alone: it holds what the database holds.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| trouble(&error))?;
        let conn = Connection::open(&self.file).map_err(|error| trouble(&error))?;
        // Rows keep their rowids, by which the notes of who wrote them find them; a test holds SQLite to it.
        conn.execute("VACUUM INTO ?1", [path.to_string_lossy()]).map_err(|error| trouble(&error))?;
        Ok(file)
    }
}

fn leftovers(file: &Path) -> Vec<PathBuf> {
    let Some(entries) = file.parent().and_then(|dir| std::fs::read_dir(dir).ok()) else { return Vec::new() };
    let is_copy =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_copy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use whither_model::sql::Statement;
    use whither_model::{Epoch, NodeId, Origin, WallTime};
    use whither_tables::Tables;

    fn origin(node: u64) -> Origin {
        Origin { node: NodeId::new(node).unwrap(), epoch: Epoch(1) }
    }

    fn write(tables: &mut Tables, wall: u64, statements: &[&str]) {
        tables.begin().unwrap();
        let statements: Vec<Statement> = statements.iter().map(|text| Statement::plain(*text)).collect();
        tables.transact(WallTime(wall), &statements).unwrap();
        tables.commit().unwrap();
    }

    #[test]
    fn a_copy_knows_of_every_row_who_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tables.db");
        let mut tables = Tables::open(&file, origin(1)).unwrap();
        tables.begin().unwrap();
        let schema = "CREATE TABLE t (a TEXT PRIMARY KEY, b); CREATE TABLE u (a INTEGER PRIMARY KEY, b, c)";
        tables.change_schema(WallTime(1_000), schema).unwrap();
        tables.commit().unwrap();
        // Holes in the rowids: whatever renumbers rows shows.
        let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)";
        write(&mut tables, 2_000, &[&format!("{fill} INSERT INTO t SELECT 'k' || i, i FROM n")]);
        write(&mut tables, 2_001, &[&format!("{fill} INSERT INTO u SELECT i, i, i FROM n")]);
        write(
            &mut tables,
            3_000,
            &["DELETE FROM t WHERE b % 3 = 0", "DELETE FROM u WHERE a < 200", "UPDATE u SET c = 0"],
        );
        let before = tables.listing().unwrap();

        let copies = Copies::new(&file);
        let mut copy = copies.make(copies.turn().unwrap()).unwrap();
        assert!(leftovers(&file).is_empty());
        let mut bytes = Vec::new();
        copy.file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, copy.bytes);
        let restored = dir.path().join("restored.db");
        std::fs::write(&restored, bytes).unwrap();
        let other = Tables::open(&restored, origin(2)).unwrap();
        assert_eq!(other.listing().unwrap(), before);
        assert_eq!(other.seen(), tables.seen());
    }

    #[test]
    fn there_are_only_so_many_copies_and_none_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tables.db");
        drop(Tables::open(&file, origin(1)).unwrap());
        let left = dir.path().join(format!("{PREFIX}1-1"));
        std::fs::write(&left, "half").unwrap();
        let copies = Copies::new(&file);
        assert!(!left.exists());
        let held: Vec<BackedUp> = (0..COPIES_AT_ONCE).map(|_| copies.make(copies.turn().unwrap()).unwrap()).collect();
        assert!(matches!(copies.turn(), Err(SqlRefusal::NotNow(_))));
        drop(held);
        assert!(copies.turn().is_ok());
    }
}
