//! All that is known, in an order and with names that do not depend on the node: for comparing nodes.

use crate::encode;
use crate::error::Fault;
use crate::merge::Said;
use crate::schema::TableIx;
use crate::sql_text::quoted;
use crate::tables::Tables;
use std::collections::BTreeSet;

impl Tables {
    /// One line for every row that anything is known of: whether it lives, its cells, and who wrote each when. Two databases
    /// that have seen the same say the same.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn listing(&self) -> Result<Vec<String>, Fault> {
        self.lines(true)
    }

    /// The same without tombstones beside which there is nothing: each node drops them when it knows that it may.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn living(&self) -> Result<Vec<String>, Fault> {
        self.lines(false)
    }

    fn lines(&self, tombstones: bool) -> Result<Vec<String>, Fault> {
        let mut lines = Vec::new();
        for (name, ix) in self.schema.names.iter().filter(|(_, ix)| !self.schema.dropped.contains(ix)) {
            for key in self.all_keys(*ix)? {
                let state = self.state_of(*ix, &key)?;
                let bare = state.cells.is_empty() && state.life.is_some_and(|(_, alive)| !alive);
                if tombstones || !bare {
                    lines.push(self.line(name, &state));
                }
            }
        }
        lines.sort();
        Ok(lines)
    }

    fn line(&self, name: &str, state: &Said) -> String {
        let mut line = format!("{name} {}", values_in_words(&state.key));
        line.push_str(&match state.life {
            Some((author, alive)) => format!(" {} {}", if alive { "lives" } else { "died" }, author.in_words()),
            None => " unborn".into(),
        });
        let mut cells: Vec<String> = Vec::new();
        for (column, value, author) in &state.cells {
            // A value that stands in for one that nobody gave depends on who knows the column.
            let given = state.life.is_none_or(|(life, _)| life != *author);
            let name = self.schema.column_name(*column).unwrap_or("?");
            let by = if given { author.in_words() } else { String::new() };
            cells.push(format!(" {name}={value:?}{by}"));
        }
        cells.sort();
        line.extend(cells);
        line
    }

    fn all_keys(&self, ix: TableIx) -> Result<BTreeSet<Vec<u8>>, Fault> {
        let mut statement = self.conn.prepare("SELECT DISTINCT key FROM _whither_held WHERE tbl = ?1")?;
        let mut keys: BTreeSet<Vec<u8>> = statement.query_map([ix.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
        if let Some(table) = self.schema.tables.get(&ix) {
            let list: Vec<String> = table.key.iter().map(|at| quoted(&table.columns[*at].shown)).collect();
            let text = format!("SELECT {} FROM {}", list.join(","), quoted(&table.shown));
            let mut statement = self.conn.prepare(&text)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let mut key = Vec::new();
                for at in 0..list.len() {
                    encode::put_key(&mut key, &crate::capture::value(row.get_ref(at)?)?);
                }
                keys.insert(key);
            }
        }
        Ok(keys)
    }
}

fn values_in_words(mut key: &[u8]) -> String {
    std::iter::from_fn(|| encode::take(&mut key)).map(|value| format!("{value:?}")).collect::<Vec<_>>().join(",")
}
