//! Copies of all tables, from time to time, in a directory: the oldest go when there are too many.

use crate::moment;
use crate::whole_file::{UNFINISHED, WholeFile};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use whither_directory::Directory;
use whither_directory::sql::{BackedUp, SqlRefusal};
use whither_directory::vitals::TablesConcern;
use whither_sql::import::{Depth, ImportError, check_backup};

/// How long it takes at most until it tries again what did not work.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Where backups go, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BackupPlan {
    /// The directory. Created if it is missing; the only agent that uses it.
    pub(crate) dir: PathBuf,
    /// From one to the next.
    pub(crate) every: Duration,
    /// How many are kept; at least one.
    pub(crate) kept: usize,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
enum NoBackup {
    #[error(transparent)]
    Refused(#[from] SqlRefusal),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Bad(#[from] ImportError),
    #[error("this node is shutting down")]
    Stopping,
}

/// Makes backups as planned, for ever.
pub(super) async fn make(directory: Arc<Directory>, plan: BackupPlan) {
    let mut wait = due_in(&plan);
    loop {
        tokio::time::sleep(wait).await;
        let made = one(&directory, &plan).await;
        let vitals = directory.vitals();
        wait = match made {
            Ok((path, bytes)) => {
                tracing::info!(file = %path.display(), bytes, "users' tables are backed up");
                vitals.set_tables_problem(TablesConcern::Backups, None);
                plan.every
            }
            Err(error) => {
                tracing::warn!(%error, "users' tables are not backed up; it is tried again");
                vitals.set_tables_problem(TablesConcern::Backups, Some(format!("not backed up: {error}")));
                plan.every.min(RETRY_MAX)
            }
        };
    }
}

/// A restart does not begin the time anew, or an agent that is often restarted would have none.
fn due_in(plan: &BackupPlan) -> Duration {
    let newest = present(&plan.dir).pop().and_then(|path| fs::metadata(path).ok()?.modified().ok());
    let age = newest.and_then(|newest| SystemTime::now().duration_since(newest).ok());
    age.map_or(Duration::ZERO, |age| plan.every.saturating_sub(age))
}

async fn one(directory: &Directory, plan: &BackupPlan) -> Result<(PathBuf, u64), NoBackup> {
    let sql = directory.sql().ok_or(NoBackup::Stopping)?;
    let copy = sql.back_up().await?;
    let plan = plan.clone();
    let written = tokio::task::spawn_blocking(move || write(copy, &plan)).await;
    written.unwrap_or(Err(NoBackup::Stopping))
}

/// Writes a copy down, looks at what was written, and removes what is too old.
fn write(mut copy: BackedUp, plan: &BackupPlan) -> Result<(PathBuf, u64), NoBackup> {
    let path = plan.dir.join(format!("tables-{}.db", moment::now()));
    let trouble = |source| NoBackup::File { path: path.clone(), source };
    create(&plan.dir).map_err(trouble)?;
    let mut whole = WholeFile::begin(&path).map_err(trouble)?;
    io::copy(&mut copy.file, &mut whole.file).map_err(trouble)?;
    drop(check_backup(whole.part(), Depth::Pages)?);
    whole.keep().map_err(trouble)?;
    let all = present(&plan.dir);
    let old = &all[..all.len().saturating_sub(plan.kept)];
    for path in old.iter().cloned().chain(unfinished(&plan.dir)) {
        fs::remove_file(&path).map_err(|source| NoBackup::File { path, source })?;
    }
    Ok((path, copy.bytes))
}

/// Creates the directory for this user alone if it is missing.
fn create(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// The backups that there are, the oldest first.
fn present(dir: &Path) -> Vec<PathBuf> {
    ours(dir, ".db")
}

/// What an agent left behind that was killed while it made one.
fn unfinished(dir: &Path) -> Vec<PathBuf> {
    ours(dir, &format!(".db{UNFINISHED}"))
}

fn ours(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix("tables-").and_then(|rest| rest.strip_suffix(ending)).is_some_and(moment::is_one)
    };
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_ours).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_backups_of_its_own_making_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = ("tables-20261120T202807Z.db", "tables-20261121T000000Z.db");
        for name in [new, old, "tables-mine.db", "tables.db", "tables-20261121T000001Z.db.part", "notes"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(present(dir.path()), [old, new].map(|name| dir.path().join(name)));
        assert_eq!(unfinished(dir.path()), [dir.path().join("tables-20261121T000001Z.db.part")]);
    }

    #[test]
    fn the_first_is_due_at_once_and_the_next_when_the_last_is_old_enough() {
        let dir = tempfile::tempdir().unwrap();
        let plan = BackupPlan { dir: dir.path().join("missing"), every: Duration::from_secs(3_600), kept: 1 };
        assert_eq!(due_in(&plan), Duration::ZERO);
        let plan = BackupPlan { dir: dir.path().to_owned(), ..plan };
        fs::write(dir.path().join("tables-20261121T000000Z.db"), "").unwrap();
        assert!(due_in(&plan) > Duration::from_secs(3_000));
    }
}
