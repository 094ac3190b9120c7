//! That an awaited batch is forced to the disk even when SQLite sees nothing new in it.

use crate::scene::{Running, row, rows};
use rusqlite::Connection;
use std::time::Duration;
use whither_model::durable::Batch;
use whither_store::{JournalConfig, Store};

/// Takes the steps, and returns how often the journal had to write a page only for the sake of a sync.
fn syncs_after(steps: impl FnOnce(&Running)) -> i64 {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let running = Running::start(store, JournalConfig { window: Duration::ZERO, ..Default::default() });
    steps(&running);
    running.journal.close().unwrap();
    let conn = Connection::open(dir.path().join("whither.db")).unwrap();
    conn.query_row("SELECT value FROM meta WHERE key = 'syncs'", [], |row| row.get(0)).unwrap()
}

fn unsynced(running: &Running, batch: Batch) {
    let number = running.journal.append(batch, false);
    running.wait_for(number);
}

fn same() -> Batch {
    rows(vec![row(1, b"k", 1, Some(b"v"))])
}

#[test]
fn an_awaited_repetition_of_an_unsynced_row_is_synced() {
    let repeated = |running: &Running| {
        unsynced(running, same());
        running.commit(same());
    };
    assert_eq!(syncs_after(repeated), 1);
}

#[test]
fn an_awaited_empty_batch_syncs_what_came_before() {
    let barrier = |running: &Running| {
        unsynced(running, same());
        running.commit(Batch::default());
        unsynced(running, rows(vec![row(1, b"k", 2, Some(b"w"))]));
        running.commit(Batch::default());
    };
    assert_eq!(syncs_after(barrier), 2);
}

#[test]
fn closing_syncs_what_nobody_awaited() {
    assert_eq!(syncs_after(|running| unsynced(running, same())), 1);
}

#[test]
fn nothing_is_written_for_a_sync_that_is_not_owed() {
    let awaited = |running: &Running| {
        running.commit(same());
        running.commit(same());
        running.commit(Batch::default());
    };
    assert_eq!(syncs_after(awaited), 0);
}

#[cfg(unix)]
#[test]
fn only_the_agents_user_may_read_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a/b");
    let (store, _) = Store::open(&dir).unwrap();
    assert_eq!(store.dir(), dir.canonicalize().unwrap());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("whither.db-wal")), "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}
