//! A group as one transaction, and what it takes to know that it is on the disk.

use crate::coalesce::Group;
use crate::{error, load, ranges};
use rusqlite::{Connection, Transaction, TransactionBehavior, ffi, params};
use whither_model::Epoch;

/// Pages in the log that are worth a checkpoint: 16 MiB. Fewer, and pages that change often are copied too often.
const CHECKPOINT_PAGES: i64 = 4096;

/// The connection, and how far its word can be taken.
pub(crate) struct Database {
    conn: Connection,
    /// Whether the connection is set to sync at every commit.
    syncing: bool,
    /// Whether something was committed without a sync after the last commit with one.
    owes_sync: bool,
    /// Whether an I/O error may have cost pages of the log that SQLite and the kernel believe written.
    distrusts_log: bool,
    /// Whether the last checkpoint failed: said once, not at every commit.
    checkpoint_fails: bool,
}

impl Database {
    /// Takes over a connection that is configured and set to sync at every commit.
    pub(crate) fn new(conn: Connection) -> Self {
        Self { conn, syncing: true, owes_sync: false, distrusts_log: false, checkpoint_fails: false }
    }

    /// Writes the group in one transaction. With `sync`, it and all that was committed before is on the disk afterwards.
    pub(crate) fn commit(&mut self, group: &Group, sync: bool) -> rusqlite::Result<()> {
        let outcome = self.try_commit(group, sync);
        if let Err(failure) = &outcome
            && error::is_io(failure)
        {
            self.distrusts_log = true;
        }
        outcome
    }

    fn try_commit(&mut self, group: &Group, sync: bool) -> rusqlite::Result<()> {
        self.settle_log()?;
        let owed = sync && self.owes_sync;
        if group.is_empty() && !owed {
            return Ok(());
        }
        self.set_syncing(sync)?;
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write(&tx, group)?;
        if owed {
            // SQLite writes no page whose bytes stay the same, and a transaction without pages syncs nothing. A row that
            // was committed unsynced and comes again, awaited, would be acknowledged without ever being forced to the
            // disk. So there is always a page to write.
            tx.prepare_cached("UPDATE meta SET value = value + 1 WHERE key = 'syncs'")?.execute([])?;
        }
        tx.commit()?;
        self.owes_sync = !sync;
        Ok(())
    }

    /// Raises the stored epoch to at least this, synced.
    pub(crate) fn raise_epoch(&mut self, epoch: Epoch) -> rusqlite::Result<()> {
        let mut group = Group::default();
        group.raise_epoch(epoch);
        self.commit(&group, true)
    }

    /// Limits the database to this many pages; what is stored already stays.
    pub(crate) fn set_max_pages(&mut self, pages: Option<u32>) -> rusqlite::Result<()> {
        let pages = pages.unwrap_or(u32::MAX - 1);
        self.conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    }

    /// Copies the log into the database once it has grown enough. Not part of a commit: what fails here is not lost, and
    /// only delays.
    pub(crate) fn checkpoint_if_due(&mut self) {
        let outcome = self.log_pages_pending().and_then(|pending| {
            if pending >= CHECKPOINT_PAGES {
                self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)").map(drop)
            } else {
                Ok(())
            }
        });
        match outcome {
            Ok(()) => self.checkpoint_fails = false,
            Err(failure) => {
                self.distrusts_log |= error::is_io(&failure);
                if !std::mem::replace(&mut self.checkpoint_fails, true) {
                    tracing::warn!(error = %failure, "cannot checkpoint the journal; its log grows until this succeeds");
                }
            }
        }
    }

    /// Copies the whole log into the database and empties it.
    pub(crate) fn checkpoint_all(&mut self) -> rusqlite::Result<()> {
        self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// After a failed sync the kernel counts pages as written that never were, and says so only once: a later sync that
    /// succeeds proves nothing about them, and one missing page of the log hides all after it. The pages can still be
    /// read, so they are copied to the database and synced there, and the log begins anew.
    fn settle_log(&mut self) -> rusqlite::Result<()> {
        if !self.distrusts_log {
            return Ok(());
        }
        self.checkpoint_all()?;
        self.distrusts_log = false;
        Ok(())
    }

    /// Runs a checkpoint. The database is ours alone, so there is no reader to stop it halfway; if there were one, the
    /// checkpoint would have failed.
    fn checkpoint(&self, pragma: &str) -> rusqlite::Result<()> {
        let stopped: bool = self.conn.prepare_cached(pragma)?.query_row([], |row| row.get(0))?;
        if !stopped {
            return Ok(());
        }
        let text = "another program keeps the log from being checkpointed".to_owned();
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), Some(text)))
    }

    /// How many pages of the log are not in the database yet.
    fn log_pages_pending(&self) -> rusqlite::Result<i64> {
        let mut statement = self.conn.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
        statement.query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))
    }

    fn set_syncing(&mut self, sync: bool) -> rusqlite::Result<()> {
        if self.syncing != sync {
            self.conn.pragma_update(None, "synchronous", if sync { "FULL" } else { "NORMAL" })?;
            self.syncing = sync;
        }
        Ok(())
    }
}

fn write(tx: &Transaction<'_>, group: &Group) -> rusqlite::Result<()> {
    // REPLACE on a table without further indexes overwrites in place; there is no delete behind it.
    let mut put =
        tx.prepare_cached("REPLACE INTO rows (node, tbl, key, epoch, seq, value) VALUES (?1,?2,?3,?4,?5,?6)")?;
    let mut drop = tx.prepare_cached("DELETE FROM rows WHERE node = ?1 AND tbl = ?2 AND key = ?3")?;
    for (key, row) in group.sorted_rows() {
        let Some(row) = row else {
            drop.execute(params![key.node.get().cast_signed(), key.table.0, &*key.key])?;
            continue;
        };
        put.execute(params![
            key.node.get().cast_signed(),
            key.table.0,
            &*key.key,
            row.version.epoch.0.cast_signed(),
            row.version.seq.0.cast_signed(),
            row.value.as_deref(),
        ])?;
    }
    let mut remember = tx.prepare_cached("REPLACE INTO seen (node, epoch, ranges) VALUES (?1, ?2, ?3)")?;
    let mut forget = tx.prepare_cached("DELETE FROM seen WHERE node = ?1 AND epoch = ?2")?;
    for (origin, seen) in group.seen() {
        let (node, epoch) = (origin.node.get().cast_signed(), origin.epoch.0.cast_signed());
        if seen.is_empty() {
            forget.execute(params![node, epoch])?;
        } else {
            remember.execute(params![node, epoch, ranges::encode(seen)])?;
        }
    }
    let mut meet = tx.prepare_cached(
        "REPLACE INTO members (node, address, epoch, incarnation, state, known_until) VALUES (?1,?2,?3,?4,?5,?6)",
    )?;
    for member in group.members() {
        meet.execute(params![
            member.node.get().cast_signed(),
            member.address.to_string(),
            member.epoch.0.cast_signed(),
            member.incarnation.cast_signed(),
            load::number_of(member.state),
            member.known_until.0.cast_signed(),
        ])?;
    }
    if let Some(epoch) = group.epoch() {
        raise_epoch(tx, epoch)?;
    }
    Ok(())
}

fn raise_epoch(tx: &Transaction<'_>, epoch: Epoch) -> rusqlite::Result<()> {
    // Compared here and not in SQL, where the stored number is signed.
    let stored: i64 = tx.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0))?;
    if stored.cast_unsigned() < epoch.0 {
        tx.execute("UPDATE meta SET value = ?1 WHERE key = 'epoch'", [epoch.0.cast_signed()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use whither_model::durable::{Batch, StoredMember};
    use whither_model::{MemberState, NodeId, WallTime};

    fn group(id: u64) -> Group {
        let member = StoredMember {
            node: NodeId::new(id).unwrap(),
            address: "10.0.0.1:1".parse().unwrap(),
            epoch: Epoch(1),
            incarnation: 1,
            state: MemberState::Alive,
            known_until: WallTime(1),
        };
        let mut group = Group::default();
        group.add(Batch { members: vec![member], ..Batch::default() });
        group
    }

    #[test]
    fn after_an_io_error_the_log_begins_anew_before_anything_is_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(dir.path()).unwrap();
        for id in 1..=200 {
            store.database.commit(&group(id), false).unwrap();
        }
        let log_bytes = || std::fs::metadata(store.dir.join("whither.db-wal")).unwrap().len();
        let before = log_bytes();
        store.database.distrusts_log = true;
        store.database.commit(&group(201), true).unwrap();
        assert!(!store.database.distrusts_log);
        assert!(log_bytes() < before / 10, "{before} bytes of log, and then {}", log_bytes());
        drop(store);
        assert_eq!(Store::open(dir.path()).unwrap().1.members.len(), 201);
    }
}
