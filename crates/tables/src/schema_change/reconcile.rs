//! Makes SQLite look as the table of all tables says: on the node where it was asked for and on every other alike.

use super::{COLLECTED, DROPPED, LIVE, SchemaRow};
use crate::error::Fault;
use crate::marks;
use crate::merge::{ALIVE, Said};
use crate::schema::{Kind, LIFE, SCHEMA, Schema, Table, TableIx};
use crate::sql_text::{self, quoted};
use crate::tables::Tables;
use rusqlite::params;
use std::collections::BTreeSet;

impl Tables {
    /// Brings the tables to what is wanted of them.
    pub(crate) fn reconcile(&mut self) -> Result<(), Fault> {
        self.schema_changed = true;
        let rows = self.schema_rows()?;
        let mut tables: Vec<&SchemaRow> = rows.iter().filter(|row| row.kind == "table").collect();
        // Those that go first: another may be given the name.
        tables.sort_by_key(|row| row.state == LIVE);
        self.make_room(&tables)?;
        for wanted in tables {
            let ix = self.schema.number_table(&self.conn, &wanted.table)?;
            if wanted.state != LIVE {
                self.drop_table(ix)?;
                if wanted.state == COLLECTED {
                    self.collect_table(ix)?;
                }
                continue;
            }
            let columns: Vec<&SchemaRow> =
                rows.iter().filter(|row| row.kind == "column" && row.table == wanted.table && is_sound(row)).collect();
            if columns.iter().all(|column| column.key == 0) {
                // What describes it is still under way.
                continue;
            }
            if self.schema.dropped.contains(&ix) {
                continue;
            }
            self.try_table(ix, wanted, &columns)?;
        }
        self.reconcile_indexes(&rows)
    }

    /// Tables with a name that another is to have step aside; their own turn comes.
    fn make_room(&mut self, tables: &[&SchemaRow]) -> Result<(), Fault> {
        let wanted = |id: &str| tables.iter().find(|row| row.table == id && row.state == LIVE).map(|row| &row.shown);
        let present: Vec<Table> = self.schema.tables.values().cloned().collect();
        for table in present.iter().filter(|table| wanted(&table.name).is_some_and(|name| *name != table.shown)) {
            let another = |row: &&SchemaRow| row.table != table.name && row.shown.eq_ignore_ascii_case(&table.shown);
            if tables.iter().filter(|row| row.state == LIVE).any(another) {
                self.rename_table(table, &format!("_whither_aside_{}", table.ix.0))?;
                self.schema = Schema::load(&self.conn)?;
            }
        }
        Ok(())
    }

    fn rename_table(&self, table: &Table, to: &str) -> Result<(), Fault> {
        self.conn.execute_batch(&format!("ALTER TABLE {} RENAME TO {}", quoted(&table.shown), quoted(to)))?;
        let text = "UPDATE _whither_tables SET shown = ?2 WHERE id = ?1";
        self.conn.prepare_cached(text)?.execute(params![table.ix.0, to])?;
        Ok(())
    }

    /// Makes one table what is wanted of it. If SQLite does not take that, as when two nodes have given two columns the same name, it stays
    /// as it was, and what is said of what it lacks is held: one definition must not keep everything else from being taken in.
    fn try_table(&mut self, ix: TableIx, wanted: &SchemaRow, columns: &[&SchemaRow]) -> Result<(), Fault> {
        self.conn.execute_batch("SAVEPOINT one_table")?;
        let outcome = match self.schema.tables.get(&ix) {
            None => self.create_table(ix, wanted, columns),
            Some(table) if !fits(table, wanted, columns) => self.rebuild_table(ix, wanted, columns),
            Some(_) => self.adjust_table(ix, wanted, columns),
        };
        if let Err(fault) = outcome {
            if !self.is_open() || fault.is_full() || fault.is_corruption() {
                return Err(fault);
            }
            tracing::warn!(table = wanted.shown, %fault, "a table cannot be made as the schema says; it stays as it was");
            self.conn.execute_batch("ROLLBACK TO one_table")?;
            self.conn.flush_prepared_statement_cache();
            self.schema = Schema::load(&self.conn)?;
            self.holding = marks::holding(&self.conn)?;
        }
        Ok(self.conn.execute_batch("RELEASE one_table")?)
    }

    fn create_table(&mut self, ix: TableIx, wanted: &SchemaRow, columns: &[&SchemaRow]) -> Result<(), Fault> {
        self.conn
            .prepare_cached("UPDATE _whither_tables SET shown = ?2, strict = ?3, state = 'live' WHERE id = ?1")?
            .execute(params![ix.0, wanted.shown, wanted.declared == "STRICT"])?;
        for column in columns.iter().filter(|column| column.state == LIVE) {
            self.describe_column(ix, column, &column.shown)?;
        }
        self.schema = Schema::load(&self.conn)?;
        if let Some(table) = self.schema.tables.get(&ix) {
            self.conn.execute_batch(&table.create_text())?;
            table.trigger(&self.conn)?;
        }
        self.settle_table(ix)
    }

    /// Notes how a column looks here.
    fn describe_column(&mut self, table: TableIx, wanted: &SchemaRow, shown: &str) -> Result<(), Fault> {
        let ix = self.schema.number_column(&self.conn, table, &wanted.name)?;
        let SchemaRow { declared, required, fallback, key, place, .. } = wanted;
        self.conn
            .prepare_cached(
                "UPDATE _whither_columns SET shown = ?2, type = ?3, required = ?4, fallback = ?5, key = ?6, place = ?7, state = 'live' \
                 WHERE id = ?1",
            )?
            .execute(params![ix.0, shown, declared, required, fallback, key, place])?;
        Ok(())
    }

    fn adjust_table(&mut self, ix: TableIx, wanted: &SchemaRow, columns: &[&SchemaRow]) -> Result<(), Fault> {
        let Some(mut table) = self.schema.tables.get(&ix).cloned() else { return Ok(()) };
        let as_wanted = |column: &&SchemaRow| {
            let known = table.columns.iter().find(|known| known.name == column.name);
            match known {
                Some(known) => {
                    column.state != COLLECTED
                        && known.hidden == (column.state == DROPPED)
                        && (known.hidden || known.shown == column.shown)
                }
                None => column.state != LIVE,
            }
        };
        if table.shown == wanted.shown && columns.iter().all(as_wanted) {
            return Ok(());
        }
        table.untrigger(&self.conn)?;
        if table.shown != wanted.shown {
            self.rename_table(&table, &wanted.shown)?;
        }
        let name = quoted(&wanted.shown);
        self.make_room_within(&mut table, &name, columns)?;
        let mut ordered = columns.to_vec();
        ordered.sort_by_key(|column| column.state == LIVE);
        for column in ordered {
            let known = table.columns.iter().find(|known| known.name == column.name);
            match known {
                Some(known) if column.state == COLLECTED => self.collect_column(&table, &name, known)?,
                Some(known) if column.state == DROPPED && !known.hidden => self.hide_column(&table, &name, known)?,
                Some(known) if column.state == LIVE && (known.hidden || known.shown != column.shown) => {
                    let (from, to) = (quoted(&known.shown), quoted(&column.shown));
                    self.conn.execute_batch(&format!("ALTER TABLE {name} RENAME COLUMN {from} TO {to}"))?;
                    self.describe_column(ix, column, &column.shown)?;
                }
                None if column.state == LIVE => {
                    let definition = kind(column).definition();
                    let to = quoted(&column.shown);
                    self.conn.execute_batch(&format!("ALTER TABLE {name} ADD COLUMN {to} {definition}"))?;
                    self.describe_column(ix, column, &column.shown)?;
                }
                _ => {}
            }
        }
        self.schema = Schema::load(&self.conn)?;
        if let Some(table) = self.schema.tables.get(&ix) {
            table.trigger(&self.conn)?;
        }
        self.settle_table(ix)
    }

    /// Columns with a name that another is to have step aside; their own turn comes.
    fn make_room_within(&self, table: &mut Table, name: &str, columns: &[&SchemaRow]) -> Result<(), Fault> {
        let live: Vec<&&SchemaRow> = columns.iter().filter(|column| column.state == LIVE).collect();
        for known in &mut table.columns {
            let moves = live.iter().any(|column| column.name == known.name && column.shown != known.shown);
            let another =
                |column: &&&SchemaRow| column.name != known.name && column.shown.eq_ignore_ascii_case(&known.shown);
            if moves && live.iter().any(another) {
                let aside = format!("_whither_aside_{}", known.ix.0);
                let (from, to) = (quoted(&known.shown), quoted(&aside));
                self.conn.execute_batch(&format!("ALTER TABLE {name} RENAME COLUMN {from} TO {to}"))?;
                known.shown = aside;
            }
        }
        Ok(())
    }

    /// Takes a column out of sight. What is in it stays until it is collected, and goes on being merged.
    fn hide_column(&self, table: &Table, name: &str, column: &crate::schema::Column) -> Result<(), Fault> {
        self.drop_indexes_on(&table.shown, Some(&column.shown))?;
        let hidden = format!("_whither_hidden_{}", column.ix.0);
        let (from, to) = (quoted(&column.shown), quoted(&hidden));
        self.conn.execute_batch(&format!("ALTER TABLE {name} RENAME COLUMN {from} TO {to}"))?;
        self.conn
            .prepare_cached("UPDATE _whither_columns SET shown = ?2, state = 'hidden' WHERE id = ?1")?
            .execute(params![column.ix.0, hidden])?;
        Ok(())
    }

    /// A column that was dropped goes for good, with whatever was in it. Only here does a change of the schema touch rows, and only
    /// this node's own.
    fn collect_column(&self, table: &Table, name: &str, column: &crate::schema::Column) -> Result<(), Fault> {
        if !column.hidden {
            self.drop_indexes_on(&table.shown, Some(&column.shown))?;
        }
        self.conn.execute_batch(&format!("ALTER TABLE {name} DROP COLUMN {}", quoted(&column.shown)))?;
        let numbers = params![table.ix.0, column.ix.0];
        self.conn.execute("DELETE FROM _whither_clock WHERE tbl = ?1 AND col = ?2", numbers)?;
        self.conn.execute("DELETE FROM _whither_held WHERE tbl = ?1 AND col = ?2", numbers)?;
        self.conn.execute("UPDATE _whither_columns SET state = 'collected' WHERE id = ?1", [column.ix.0])?;
        Ok(())
    }

    /// The same for a table.
    fn collect_table(&self, ix: TableIx) -> Result<(), Fault> {
        self.conn.flush_prepared_statement_cache();
        self.conn.execute_batch(&format!("DROP TABLE IF EXISTS {}", quoted(&format!("_whither_dropped_{}", ix.0))))?;
        self.conn.execute("DELETE FROM _whither_clock WHERE tbl = ?1", [ix.0])?;
        Ok(())
    }

    fn drop_table(&mut self, ix: TableIx) -> Result<(), Fault> {
        if self.schema.dropped.contains(&ix) {
            return Ok(());
        }
        if let Some(table) = self.schema.tables.get(&ix) {
            table.untrigger(&self.conn)?;
            self.drop_indexes_on(&table.shown, None)?;
            let to = quoted(&format!("_whither_dropped_{}", ix.0));
            self.conn.execute_batch(&format!("ALTER TABLE {} RENAME TO {to}", quoted(&table.shown)))?;
        }
        self.conn.execute("DELETE FROM _whither_held WHERE tbl = ?1", [ix.0])?;
        self.conn.execute("UPDATE _whither_tables SET state = 'dropped' WHERE id = ?1", [ix.0])?;
        self.schema = Schema::load(&self.conn)?;
        Ok(())
    }

    /// Drops the users' indexes on a table, or those that use one of its columns.
    fn drop_indexes_on(&self, table: &str, column: Option<&str>) -> Result<(), Fault> {
        let text = "SELECT name FROM sqlite_schema AS found WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL \
                    AND (?2 IS NULL OR EXISTS (SELECT 1 FROM pragma_index_xinfo(found.name) WHERE name = ?2) \
                         OR EXISTS (SELECT 1 FROM pragma_index_xinfo(found.name) WHERE cid = -2) \
                         OR found.sql LIKE '% WHERE %')";
        let mut statement = self.conn.prepare(text)?;
        let names: Vec<String> =
            statement.query_map(params![table, column], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for name in names {
            self.conn.execute_batch(&format!("DROP INDEX {}", quoted(&name)))?;
        }
        Ok(())
    }

    /// A table that two sides defined differently: all rows are taken out, and put into one as it is wanted now.
    fn rebuild_table(&mut self, ix: TableIx, wanted: &SchemaRow, columns: &[&SchemaRow]) -> Result<(), Fault> {
        let Some(table) = self.schema.tables.get(&ix).cloned() else { return Ok(()) };
        tracing::warn!(table = table.shown, "two nodes defined this table differently; it is made anew");
        let mut statement = self.conn.prepare(&format!("SELECT rowid FROM {}", quoted(&table.shown)))?;
        let rows: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(statement);
        for rowid in rows {
            self.take_out(&table, rowid)?;
        }
        self.conn.flush_prepared_statement_cache();
        self.conn.execute_batch(&format!("DROP TABLE {}", quoted(&table.shown)))?;
        self.conn.execute("UPDATE _whither_columns SET state = 'heard', key = 0 WHERE tbl = ?1", [ix.0])?;
        self.conn.execute("UPDATE _whither_tables SET state = 'heard' WHERE id = ?1", [ix.0])?;
        self.schema = Schema::load(&self.conn)?;
        self.create_table(ix, wanted, columns)
    }

    /// Takes a row out of its table and holds all that is known of it.
    fn take_out(&mut self, table: &Table, rowid: i64) -> Result<(), Fault> {
        let mut load = self.conn.prepare_cached(&table.texts.load)?;
        let key = load.query_row([rowid], |row| {
            let mut key = Vec::new();
            for at in &table.key {
                crate::encode::put_key(&mut key, &crate::capture::value(row.get_ref(*at)?)?);
            }
            Ok(key)
        })?;
        drop(load);
        let state = self.state_of(table.ix, &key)?;
        self.remove_placed(table.ix, rowid)?;
        if let Some((author, _)) = state.life {
            self.hold(&state, LIFE, author, ALIVE)?;
        }
        for (column, value, author) in &state.cells {
            self.hold(&state, *column, *author, value.clone())?;
        }
        Ok(())
    }

    /// Puts into a table whatever was held for want of a place in it.
    fn settle_table(&mut self, ix: TableIx) -> Result<(), Fault> {
        if !self.holding.contains(&ix) {
            return Ok(());
        }
        let mut statement = self.conn.prepare_cached("SELECT DISTINCT key FROM _whither_held WHERE tbl = ?1")?;
        let keys: Vec<Vec<u8>> = statement.query_map([ix.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(statement);
        for key in keys {
            let held = marks::held(&self.conn, &self.origins, ix, &key)?;
            if held.iter().any(|held| held.column == LIFE) {
                self.place(ix, &key)?;
                continue;
            }
            // Cells of a row that is there, whose columns have a place now.
            let life = self.state_of(ix, &key)?.life.filter(|(_, alive)| *alive);
            if life.is_none() {
                continue;
            }
            let mut said = Said { table: ix, key, life, cells: Vec::new() };
            for held in held.into_iter().filter(|held| self.place_of(ix, held.column).is_some()) {
                marks::release(&self.conn, ix, &said.key, held.column)?;
                said.cells.push((held.column, held.value, held.author));
            }
            self.join(said)?;
        }
        Ok(())
    }

    fn reconcile_indexes(&mut self, rows: &[SchemaRow]) -> Result<(), Fault> {
        let mut statement =
            self.conn.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")?;
        let present: std::collections::BTreeMap<String, String> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        drop(statement);
        let mut wanted = BTreeSet::new();
        for row in rows.iter().filter(|row| row.kind == "index" && row.state == LIVE && is_sound(row)) {
            wanted.insert(row.name.clone());
            let known = present.get(&row.name);
            if known == Some(&row.declared) {
                continue;
            }
            if known.is_some() {
                self.conn.execute_batch(&format!("DROP INDEX {}", quoted(&row.name)))?;
            }
            if let Err(error) = self.conn.execute_batch(&row.declared) {
                tracing::debug!(index = row.name, %error, "an index has to wait for its columns");
            }
        }
        for name in present.keys().filter(|name| !wanted.contains(*name) && !name.starts_with("_whither_")) {
            self.conn.execute_batch(&format!("DROP INDEX {}", quoted(name)))?;
        }
        Ok(())
    }
}

/// Whether what a row says can be put into a statement: other nodes check what their users say, but not everything that comes is from
/// a sound node.
fn is_sound(row: &SchemaRow) -> bool {
    let statements = sql_text::statements(&row.declared);
    let sound = if row.kind == "index" {
        let words: Vec<String> = statements
            .iter()
            .flat_map(|(tokens, _)| tokens.iter().take(2))
            .map(|token| token.text.to_uppercase())
            .collect();
        statements.len() == 1 && words == ["CREATE", "INDEX"]
    } else {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _(),".contains(&byte);
        row.declared.bytes().all(plain) && row.fallback.as_deref().is_none_or(is_one_expression)
    };
    if !sound {
        tracing::warn!(
            kind = row.kind,
            table = row.table,
            name = row.name,
            "a definition that makes no sense is left out"
        );
    }
    sound
}

/// Whether text is one expression and no more: nothing is closed that was not opened, and no statement ends in it.
fn is_one_expression(text: &str) -> bool {
    let mut depth = 0i32;
    let tokens = sql_text::tokens(text);
    let balanced = tokens.iter().all(|token| {
        depth += i32::from(token.text == "(") - i32::from(token.text == ")");
        depth >= 0 && token.text != ";"
    });
    let closed = |token: &sql_text::Token<'_>| token.kind != sql_text::TokenKind::Text || literal_is_closed(token.text);
    // A comma outside of parentheses would begin another column.
    let lone = !tokens.is_empty() && (tokens.len() == 1 || text.trim_start().starts_with(['(', '-', '+', 'x', 'X']));
    balanced && depth == 0 && lone && tokens.iter().all(closed)
}

fn literal_is_closed(text: &str) -> bool {
    text.len() >= 2 && text.ends_with('\'')
}

fn kind(row: &SchemaRow) -> Kind {
    Kind { declared: row.declared.clone(), not_null: row.required, default: row.fallback.clone(), key: row.key }
}

/// Whether a table can become what is wanted without being made anew.
fn fits(table: &Table, wanted: &SchemaRow, columns: &[&SchemaRow]) -> bool {
    let same = |column: &&SchemaRow| {
        let known = table.columns.iter().find(|known| known.name == column.name);
        // A column that has to be there and has no default cannot be added to rows that are there.
        let may_be_added = column.key == 0 && (column.state != LIVE || !column.required || column.fallback.is_some());
        known.map_or(may_be_added, |known| column.state != LIVE || known.kind == kind(column))
    };
    table.ix == SCHEMA || (table.strict == (wanted.declared == "STRICT") && columns.iter().all(same))
}
