//! Who has written, and what has been seen of them, as this database numbers them.

use crate::clock::Stamp;
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};
use whither_model::durable::Seen;
use whither_model::{Epoch, NodeId, Origin, Ranges, Seq};

/// All authors.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    known: BTreeMap<Origin, Author>,
    by_id: BTreeMap<i64, Origin>,
    dirty: BTreeSet<Origin>,
}

#[derive(Debug)]
struct Author {
    id: i64,
    seen: Ranges,
}

impl Origins {
    pub(crate) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let mut origins = Self::default();
        let mut statement = conn.prepare("SELECT id, node, epoch, ranges FROM _whither_origins")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let node: i64 = row.get(1)?;
            let Some(node) = NodeId::new(node.cast_unsigned()) else { continue };
            let origin = Origin { node, epoch: Epoch(row.get::<_, i64>(2)?.cast_unsigned()) };
            let (id, ranges): (i64, Vec<u8>) = (row.get(0)?, row.get(3)?);
            origins.known.insert(origin, Author { id, seen: Ranges::from_untrusted(decode(&ranges)) });
            origins.by_id.insert(id, origin);
        }
        Ok(origins)
    }

    /// The number of `origin`, which it is given if it has none.
    pub(crate) fn id(&mut self, conn: &Connection, origin: Origin) -> rusqlite::Result<i64> {
        if let Some(author) = self.known.get(&origin) {
            return Ok(author.id);
        }
        let insert = "INSERT INTO _whither_origins (node, epoch) VALUES (?1, ?2)";
        let numbers = params![origin.node.get().cast_signed(), origin.epoch.0.cast_signed()];
        conn.prepare_cached(insert)?.execute(numbers)?;
        let id = conn.last_insert_rowid();
        self.known.insert(origin, Author { id, seen: Ranges::default() });
        self.by_id.insert(id, origin);
        Ok(id)
    }

    /// The number of `origin`, if anything is known of it.
    pub(crate) fn known_id(&self, origin: Origin) -> Option<i64> {
        self.known.get(&origin).map(|author| author.id)
    }

    /// Whose number this is.
    pub(crate) fn of(&self, id: i64) -> Option<Origin> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn has_seen(&self, origin: Origin, seq: Seq) -> bool {
        self.known.get(&origin).is_some_and(|author| author.seen.contains(seq.0))
    }

    /// Remembers that these have been seen. Returns whether any was new.
    pub(crate) fn see(&mut self, conn: &Connection, origin: Origin, first: u64, last: u64) -> rusqlite::Result<bool> {
        self.id(conn, origin)?;
        let new = self.known.get_mut(&origin).is_some_and(|author| author.seen.insert(first, last));
        if new {
            self.dirty.insert(origin);
        }
        Ok(new)
    }

    /// What is written down of `origin` is written again, with whatever goes along.
    pub(crate) fn touch(&mut self, conn: &Connection, origin: Origin) -> rusqlite::Result<()> {
        self.id(conn, origin)?;
        self.dirty.insert(origin);
        Ok(())
    }

    /// What has been seen of a stretch of `origin`'s transactions.
    pub(crate) fn seen_of(&self, origin: Origin, first: u64, last: u64) -> Vec<(u64, u64)> {
        let whole = Ranges::from_untrusted([(first, last)]);
        let Some(author) = self.known.get(&origin) else { return Vec::new() };
        whole.without(&Ranges::from_untrusted(whole.without(&author.seen)))
    }

    /// Forgets that anything was seen of anybody.
    pub(crate) fn forget(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        self.known.values_mut().for_each(|author| author.seen = Ranges::default());
        self.dirty.clear();
        conn.execute("UPDATE _whither_origins SET ranges = x'', collected = 0", []).map(drop)
    }

    /// The last that was seen of `origin`.
    pub(crate) fn last(&self, origin: Origin) -> u64 {
        self.known.get(&origin).and_then(|author| author.seen.as_slice().last()).map_or(0, |(_, last)| *last)
    }

    /// What has been seen of everybody.
    pub(crate) fn all(&self) -> Vec<Seen> {
        let seen = self.known.iter().filter(|(_, author)| !author.seen.is_empty());
        seen.map(|(origin, author)| Seen { origin: *origin, ranges: author.seen.as_slice().to_vec() }).collect()
    }

    /// Writes down what was seen since the last time.
    pub(crate) fn store(&mut self, conn: &Connection, clock: Stamp) -> rusqlite::Result<()> {
        let text = "UPDATE _whither_origins SET ranges = ?2, clock = ?3 WHERE id = ?1";
        let mut statement = conn.prepare_cached(text)?;
        for origin in std::mem::take(&mut self.dirty) {
            if let Some(author) = self.known.get(&origin) {
                let ranges = encode(author.seen.as_slice());
                statement.execute(params![author.id, ranges, clock.0.cast_signed()])?;
            }
        }
        Ok(())
    }
}

fn encode(ranges: &[(u64, u64)]) -> Vec<u8> {
    ranges.iter().flat_map(|(first, last)| [first.to_le_bytes(), last.to_le_bytes()]).flatten().collect()
}

fn decode(bytes: &[u8]) -> Vec<(u64, u64)> {
    let number = |word: &[u8]| word.try_into().map_or(0, u64::from_le_bytes);
    bytes.chunks_exact(16).map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect()
}
