//! Everything that is stored, read once at boot.
//!
//! SQLite can notice damage to its own structure only. What is read here is checked once more, so that nothing which
//! could not have been written is handed to the node.

use rusqlite::{Connection, Row as SqlRow};
use std::sync::Arc;
use whither_model::durable::{Row, RowKey, Seen, StoredMember, TableId};
use whither_model::{Epoch, MemberState, NodeId, Origin, Seq, Version, WallTime};

use crate::ranges;

/// Why loading stopped.
pub(crate) enum LoadError {
    /// SQLite said so.
    Sqlite(rusqlite::Error),
    /// This cannot have been written by us.
    Impossible(&'static str),
    /// SQLite's check of its own structure found this.
    Structure(String),
}

impl From<rusqlite::Error> for LoadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

type Loaded<T> = Result<T, LoadError>;

/// Has SQLite check its structure, which costs half as much again as loading. Without it a page put in the wrong place
/// would be read as if it belonged there.
pub(crate) fn check_structure(conn: &Connection) -> Loaded<()> {
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(LoadError::Structure(found)) }
}

/// This node's id.
pub(crate) fn node(conn: &Connection) -> Loaded<NodeId> {
    let value = conn.query_row("SELECT value FROM meta WHERE key = 'node'", [], |row| unsigned(row, 0));
    NodeId::new(value?).ok_or(LoadError::Impossible("this node's id is zero"))
}

/// The number of the last boot; zero before the first.
pub(crate) fn epoch(conn: &Connection) -> Loaded<Epoch> {
    Ok(Epoch(conn.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| unsigned(row, 0))?))
}

/// All rows, tombstones included.
pub(crate) fn rows(conn: &Connection) -> Loaded<Vec<Row>> {
    all(conn, "SELECT node, tbl, key, epoch, seq, value FROM rows", |row| {
        let table = u32::try_from(row.get::<_, i64>(1)?).map_err(|_| LoadError::Impossible("a table's number"))?;
        let key = row.get_ref(2)?.as_blob().map_err(|_| LoadError::Impossible("the type of a row's key"))?;
        let value =
            row.get_ref(5)?.as_blob_or_null().map_err(|_| LoadError::Impossible("the type of a row's value"))?;
        Ok(Row {
            key: RowKey { node: owner(row)?, table: TableId(table), key: Arc::from(key) },
            version: Version { epoch: Epoch(unsigned(row, 3)?), seq: Seq(unsigned(row, 4)?) },
            value: value.map(Arc::from),
        })
    })
}

/// What has been seen of every origin.
pub(crate) fn seen(conn: &Connection) -> Loaded<Vec<Seen>> {
    all(conn, "SELECT node, epoch, ranges FROM seen", |row| {
        let bytes = row.get_ref(2)?.as_blob().map_err(|_| LoadError::Impossible("the type of seen ranges"))?;
        Ok(Seen {
            origin: Origin { node: owner(row)?, epoch: Epoch(unsigned(row, 1)?) },
            ranges: ranges::decode(bytes).ok_or(LoadError::Impossible("seen ranges out of order"))?,
        })
    })
}

/// The members of the last run.
pub(crate) fn members(conn: &Connection) -> Loaded<Vec<StoredMember>> {
    all(conn, "SELECT node, address, epoch, incarnation, state, known_until FROM members", |row| {
        let address: String = row.get(1)?;
        Ok(StoredMember {
            node: owner(row)?,
            address: address.parse().map_err(|_| LoadError::Impossible("a member's address"))?,
            epoch: Epoch(unsigned(row, 2)?),
            incarnation: unsigned(row, 3)?,
            state: state_of(row.get(4)?).ok_or(LoadError::Impossible("a member's state"))?,
            known_until: WallTime(unsigned(row, 5)?),
        })
    })
}

/// The number that stands for a state in the `members` table.
pub(crate) const fn number_of(state: MemberState) -> i64 {
    match state {
        MemberState::Alive => 0,
        MemberState::Suspect => 1,
        MemberState::Down => 2,
        MemberState::Left => 3,
    }
}

const fn state_of(number: i64) -> Option<MemberState> {
    Some(match number {
        0 => MemberState::Alive,
        1 => MemberState::Suspect,
        2 => MemberState::Down,
        3 => MemberState::Left,
        _ => return None,
    })
}

fn all<T>(conn: &Connection, sql: &str, mut read: impl FnMut(&SqlRow<'_>) -> Loaded<T>) -> Loaded<Vec<T>> {
    let mut statement = conn.prepare(sql)?;
    let mut found = statement.query([])?;
    let mut read_so_far = Vec::new();
    while let Some(row) = found.next()? {
        read_so_far.push(read(row)?);
    }
    Ok(read_so_far)
}

fn owner(row: &SqlRow<'_>) -> Loaded<NodeId> {
    NodeId::new(unsigned(row, 0)?).ok_or(LoadError::Impossible("a node's id is zero"))
}

fn unsigned(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}
