//! What there is: rows, tombstones, bytes, and who writes.

use crate::query::broken;
use crate::readers::Readers;
use crate::{file, readers::Reader};
use std::path::Path;
use whither_directory::sql::{SqlRefusal, Stats, TableStats, WriterStats};
use whither_model::NodeId;

/// Counts everything. Reads all of it, so it may take a while.
pub(crate) fn stats(readers: &Readers, path: &Path) -> Result<Stats, SqlRefusal> {
    let reader = readers.take().map_err(|error| broken(&error))?;
    reader.stop.never();
    let outcome = count(&reader).map_err(|error| broken(&error));
    readers.give_back(reader);
    let counted = outcome?;
    Ok(Stats { file_bytes: file::bytes(path), log_bytes: file::bytes(&file::log_of(path)), ..counted })
}

fn number(row: &rusqlite::Row<'_>) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(0)?.cast_unsigned())
}

fn count(reader: &Reader) -> rusqlite::Result<Stats> {
    let conn = &reader.conn;
    let one = |text: &str, ix: i64| conn.prepare_cached(text)?.query_row([ix], number);
    let mut statement =
        conn.prepare("SELECT id, shown FROM _whither_tables WHERE state = 'live' AND id <> 1 ORDER BY shown")?;
    let known: Vec<(i64, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut tables = Vec::new();
    for (ix, name) in known {
        let bytes = "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE aggregate = TRUE AND name IN \
                     (SELECT name FROM sqlite_schema WHERE tbl_name = ?1)";
        tables.push(TableStats {
            rows: one("SELECT count(*) FROM _whither_clock WHERE tbl = ?1 AND col = 0", ix)?,
            dead: one("SELECT count(*) FROM _whither_held WHERE tbl = ?1 AND col = 0 AND value = 0", ix)?,
            later_cells: one("SELECT count(*) FROM _whither_clock WHERE tbl = ?1 AND col <> 0", ix)?,
            bytes: conn.prepare_cached(bytes)?.query_row([&name], number)?,
            name,
        });
    }
    let held = "SELECT count(*) FROM _whither_held WHERE NOT (col = 0 AND value = 0)";
    let held = conn.query_row(held, [], number)?;
    Ok(Stats { tables, writers: writers(reader)?, held, ..Stats::default() })
}

fn writers(reader: &Reader) -> rusqlite::Result<Vec<WriterStats>> {
    let text = "SELECT node, sum(length(ranges) / 16), group_concat(hex(ranges)), \
                (SELECT count(*) FROM _whither_clock JOIN _whither_origins AS o ON o.id = origin WHERE o.node = a.node) \
                FROM _whither_origins AS a GROUP BY node ORDER BY 4 DESC";
    let mut statement = reader.conn.prepare(text)?;
    let rows = statement.query_map([], |row| {
        let node: i64 = row.get(0)?;
        let ranges: Option<String> = row.get(2)?;
        Ok((node, ranges.unwrap_or_default(), row.get::<_, i64>(3)?.cast_unsigned()))
    })?;
    let mut writers = Vec::new();
    for row in rows {
        let (node, ranges, cells) = row?;
        let Some(node) = NodeId::new(node.cast_unsigned()) else { continue };
        writers.push(WriterStats { node, transactions: counted(&ranges), cells });
    }
    Ok(writers)
}

/// How many numbers are in ranges that are written as hexadecimal digits: pairs of eight bytes, the lower first.
fn counted(hex: &str) -> u64 {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let number = |digits: &[u8]| {
        let bytes = digits.chunks(2).rev();
        bytes.fold(0u64, |number, pair| {
            let byte = str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0);
            number << 8 | u64::from(byte)
        })
    };
    digits.chunks_exact(32).map(|pair| number(&pair[16..]).saturating_sub(number(&pair[..16])) + 1).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ranges_are_counted() {
        let hex = |first: u64, last: u64| {
            let bytes = [first.to_le_bytes(), last.to_le_bytes()].concat();
            bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>()
        };
        assert_eq!(super::counted(&format!("{}{},{}", hex(1, 5), hex(8, 8), hex(1, 300))), 306);
        assert_eq!(super::counted(""), 0);
    }
}
