//! Whose database this is, and how one of an older version becomes one of ours.

use crate::OpenError;
use rusqlite::{Connection, TransactionBehavior};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use whither_model::NodeId;

/// `whth`: how SQLite files of ours are told from everybody else's, by `file(1)` too.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"whth");

/// The steps from an empty file to the present schema. A released step is never edited; a change is a new one at the end.
const MIGRATIONS: &[&str] = &[include_str!("schema/0001_initial.sql")];

/// The schema this software writes: how many steps have been taken, kept in `PRAGMA user_version`.
const SUPPORTED: i32 = MIGRATIONS.len() as i32;

/// Reads whose database this is without changing it. Returns the version of its schema; zero for an empty file.
pub(crate) fn identify(conn: &Connection, file: &Path) -> Result<i32, OpenError> {
    let pragma = |name: &str| {
        conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(|e| OpenError::sqlite(file, &e))
    };
    let (application_id, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|e| OpenError::sqlite(file, &e))?;
    let fresh = application_id == 0 && version == 0 && tables == 0;
    if !fresh && application_id != APPLICATION_ID {
        return Err(OpenError::Foreign { file: file.to_owned(), application_id });
    }
    if version > SUPPORTED {
        return Err(OpenError::Newer { file: file.to_owned(), found: version, supported: SUPPORTED });
    }
    Ok(version)
}

/// Takes the steps after `version`, all in one transaction: a crash leaves the old schema or the new one.
pub(crate) fn migrate(conn: &mut Connection, version: i32) -> rusqlite::Result<()> {
    if version == SUPPORTED {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        tx.execute_batch(step)?;
    }
    if version == 0 {
        // In the same transaction, so that a database without an identity never exists.
        let insert = "INSERT INTO meta (key, value) VALUES ('node', ?1), ('epoch', 0), ('syncs', 0)";
        tx.execute(insert, [draw_node_id().get().cast_signed()])?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", SUPPORTED)?;
    tx.commit()
}

/// Sixty-four random bits. The standard library keys each `RandomState` from the operating system's random source, so a
/// keyed hash is as random as the key, also for two machines started from one image.
fn draw_node_id() -> NodeId {
    loop {
        let bits = RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now()));
        if let Some(node) = NodeId::new(bits) {
            return node;
        }
    }
}
