//! The schema as it would be: every statement is tried on it, and on a database in memory that looks like it.

use super::{COLLECTED, DROPPED, LIVE, SchemaRow, SchemaStep};
use crate::error::BadSchema;
use crate::schema::{Kind, SCHEMA};
use crate::sql_text::{self, Token, TokenKind, quoted};
use crate::tables::Tables;
use crate::transact::in_words;
use rusqlite::{Connection, OptionalExtension, Result};
use std::collections::{BTreeMap, BTreeSet};

/// The schema as it would be.
pub(super) struct Draft {
    tables: Vec<DraftTable>,
    /// Names and statements of the indexes that there were.
    indexes: BTreeMap<String, String>,
    /// Id names that are taken, also by what was dropped.
    taken: BTreeSet<(String, String)>,
    dropped: Vec<SchemaRow>,
    before: Vec<SchemaRow>,
    scratch: Connection,
    pub(super) steps: Vec<SchemaStep>,
}

struct DraftTable {
    name: String,
    shown: String,
    strict: bool,
    columns: Vec<DraftColumn>,
}

struct DraftColumn {
    name: String,
    shown: String,
    kind: Kind,
}

/// What may not be part of a definition, and why.
const REFUSED_WORDS: &[(&str, &str)] = &[
    (
        "CHECK",
        "a CHECK cannot be kept when cells of several writers are merged; leave it out, and check in the application",
    ),
    ("REFERENCES", "a foreign key cannot be kept when several nodes write; leave REFERENCES out"),
    ("FOREIGN", "a foreign key cannot be kept when several nodes write; leave FOREIGN KEY out"),
    (
        "UNIQUE",
        "only the primary key can be unique: two nodes may insert the same value at the same time; leave UNIQUE out",
    ),
    ("AUTOINCREMENT", "every node would use the same numbers; choose keys yourself, for example random ones"),
    ("GENERATED", "generated columns are not replicated; leave it out, or compute it in the query"),
    ("COLLATE", "columns compare byte by byte; leave COLLATE out, and use it in an index or a query"),
    ("WITHOUT", "tables have a rowid; leave WITHOUT ROWID out"),
    ("CONFLICT", "conflicts are settled by who wrote last; leave ON CONFLICT out"),
    ("TEMP", "tables that are temporary are not replicated; leave TEMP out"),
    ("TEMPORARY", "tables that are temporary are not replicated; leave TEMPORARY out"),
    ("VIRTUAL", "virtual tables are not replicated"),
];

impl Draft {
    pub(super) fn of(tables: &Tables) -> Result<Self> {
        let before = tables.schema_rows()?;
        let known = tables.schema.tables.values().filter(|table| table.ix != SCHEMA);
        let drafted: Vec<DraftTable> = known
            .map(|table| DraftTable {
                name: table.name.clone(),
                shown: table.shown.clone(),
                strict: table.strict,
                columns: (table.columns.iter().filter(|column| !column.hidden))
                    .map(|column| DraftColumn {
                        name: column.name.clone(),
                        shown: column.shown.clone(),
                        kind: column.kind.clone(),
                    })
                    .collect(),
            })
            .collect();
        let scratch = Connection::open_in_memory()?;
        for table in &drafted {
            scratch.execute_batch(&table.create_text())?;
        }
        let mut indexes = BTreeMap::new();
        for row in before.iter().filter(|row| row.kind == "index" && row.state == LIVE) {
            // One whose columns are not there yet on this node is not tried.
            if scratch.execute_batch(&row.declared).is_ok() {
                indexes.insert(row.name.clone(), row.declared.clone());
            }
        }
        let taken = before.iter().map(|row| (row.table.clone(), row.name.clone())).collect();
        Ok(Self { tables: drafted, indexes, taken, dropped: Vec::new(), before, scratch, steps: Vec::new() })
    }

    /// Tries all statements of `sql`.
    pub(super) fn apply(&mut self, sql: &str) -> std::result::Result<(), BadSchema> {
        for (tokens, text) in sql_text::statements(sql) {
            let line = tokens[0].line;
            self.apply_one(&tokens, text).map_err(|(at, what)| BadSchema { line: at.unwrap_or(line), what })?;
        }
        Ok(())
    }

    fn apply_one(&mut self, tokens: &[Token<'_>], text: &str) -> std::result::Result<(), Bad> {
        let words: Vec<String> = tokens.iter().take(3).map(|token| token.text.to_ascii_uppercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["CREATE", "TABLE", ..] => self.create_table(tokens, text),
            ["CREATE", "UNIQUE", ..] => Err((None, "only the primary key can be unique; leave UNIQUE out".into())),
            ["CREATE", "INDEX", ..] => self.create_index(tokens, text),
            ["ALTER", "TABLE", ..] => self.alter_table(tokens, text),
            ["DROP", "TABLE", ..] => self.drop_table(tokens),
            ["DROP", "INDEX", ..] => self.drop_index(tokens),
            ["VACUUM"] => {
                self.collect();
                Ok(())
            }
            _ => Err((
                None,
                format!(
                    "{} has no place in a schema; CREATE TABLE, CREATE INDEX, ALTER TABLE, DROP TABLE, DROP INDEX and VACUUM have",
                    words.iter().take(2).copied().collect::<Vec<_>>().join(" ")
                ),
            )),
        }
    }

    fn find(&self, shown: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.shown.eq_ignore_ascii_case(shown))
    }

    fn create_table(&mut self, tokens: &[Token<'_>], text: &str) -> std::result::Result<(), Bad> {
        refuse_words(tokens)?;
        let wanted = described(text).map_err(|error| (None, error))?;
        let Some(at) = self.find(&wanted.shown) else {
            let id = self.free_name(&wanted.shown, "");
            self.scratch.execute_batch(&wanted.create_text()).map_err(|error| (None, in_words(&error, None)))?;
            self.steps.push(SchemaStep::CreateTable(wanted.shown.clone()));
            self.tables.push(DraftTable { name: id, ..wanted });
            return Ok(());
        };
        let present = &self.tables[at];
        let keys = |table: &DraftTable| {
            let mut keys: Vec<(u32, String)> = (table.columns.iter().filter(|column| column.kind.key != 0))
                .map(|column| (column.kind.key, column.shown.to_ascii_lowercase()))
                .collect();
            keys.sort();
            keys
        };
        if keys(present) != keys(&wanted) {
            let what =
                format!("{} exists with another primary key, which cannot change; create a new table", wanted.shown);
            return Err((None, what));
        }
        for column in wanted.columns {
            match self.tables[at].columns.iter().find(|known| known.shown.eq_ignore_ascii_case(&column.shown)) {
                Some(known) if known.kind.is_like(&column.kind) => {}
                Some(known) => {
                    let what = format!(
                        "{}.{} exists as `{}`; a column's definition cannot change: add a column with another name",
                        wanted.shown,
                        column.shown,
                        known.kind.definition()
                    );
                    return Err((None, what));
                }
                None => self.add_column(at, column)?,
            }
        }
        Ok(())
    }

    fn add_column(&mut self, at: usize, column: DraftColumn) -> std::result::Result<(), Bad> {
        let table = &self.tables[at];
        if column.kind.key != 0 {
            return Err((None, format!("{} is a new column and cannot be part of the primary key", column.shown)));
        }
        if column.kind.not_null && column.kind.default.is_none() {
            let what = format!(
                "{}.{} is new and NOT NULL: rows that are there have no value for it; give it a DEFAULT",
                table.shown, column.shown
            );
            return Err((None, what));
        }
        let (name, shown) = (table.name.clone(), table.shown.clone());
        let (column_name, definition) = (quoted(&column.shown), column.kind.definition());
        let alter = format!("ALTER TABLE {} ADD COLUMN {column_name} {definition}", quoted(&shown));
        self.scratch.execute_batch(&alter).map_err(|error| (None, in_words(&error, None)))?;
        let id = self.free_name(&name, &column.shown);
        self.steps.push(SchemaStep::AddColumn(shown, column.shown.clone()));
        self.tables[at].columns.push(DraftColumn { name: id, ..column });
        Ok(())
    }

    fn alter_table(&mut self, tokens: &[Token<'_>], text: &str) -> std::result::Result<(), Bad> {
        refuse_words(tokens)?;
        let Some(shown) = tokens.get(2).and_then(Token::name) else { return Err((None, "names no table".into())) };
        let rest = &tokens[3..];
        let is = |at: usize, word: &str| rest.get(at).is_some_and(|token| token.is(word));
        let name = |at: usize| rest.get(at).and_then(Token::name).ok_or((None, "names no column".to_owned()));
        let optional = usize::from(is(1, "COLUMN"));
        if is(0, "RENAME") && is(1, "TO") {
            return self.rename_table(&shown, name(2)?);
        }
        let Some(at) = self.find(&shown) else { return Err((None, format!("no table {shown} exists"))) };
        let column = |draft: &Self, name: &str| {
            draft.tables[at].columns.iter().position(|column| column.shown.eq_ignore_ascii_case(name))
        };
        if is(0, "RENAME") {
            let (from, to) = (name(1 + optional)?, name(3 + optional)?);
            return match (column(self, &from), column(self, &to)) {
                // Said before.
                (None, Some(_)) => Ok(()),
                (None, None) => Err((None, format!("{shown} has no column {from}"))),
                (Some(found), _) => {
                    self.run(text)?;
                    self.steps.push(SchemaStep::RenameColumn(shown, from, to.clone()));
                    self.tables[at].columns[found].shown = to;
                    Ok(())
                }
            };
        }
        if is(0, "DROP") {
            let dropped = name(1 + optional)?;
            let Some(found) = column(self, &dropped) else { return Ok(()) };
            if self.tables[at].columns[found].kind.key != 0 {
                return Err((None, format!("{dropped} is part of the primary key of {shown} and cannot be dropped")));
            }
            self.run(text)?;
            self.steps.push(SchemaStep::DropColumn(shown, dropped));
            let gone = self.tables[at].columns.remove(found);
            let row = self.tables[at].column_row(&gone, 0, DROPPED);
            self.dropped.push(row);
            return Ok(());
        }
        if !is(0, "ADD") {
            return Err((None, "ALTER TABLE can RENAME TO, RENAME COLUMN, ADD COLUMN and DROP COLUMN".into()));
        }
        let added = name(1 + optional)?;
        if column(self, &added).is_some() {
            return Ok(());
        }
        let definition = &text[rest[1 + optional].at - tokens[0].at..];
        let table = described(&format!("CREATE TABLE one (_whither_key PRIMARY KEY, {definition})"));
        let column = table.map_err(|error| (None, error))?.columns.pop();
        column.map_or(Ok(()), |column| self.add_column(at, column))
    }

    fn rename_table(&mut self, from: &str, to: String) -> std::result::Result<(), Bad> {
        match (self.find(from), self.find(&to)) {
            // Said before.
            (None, Some(_)) => Ok(()),
            (None, None) => Err((None, format!("no table {from} exists"))),
            (Some(at), _) => {
                check_name(&to).map_err(|what| (None, what))?;
                self.run(&format!("ALTER TABLE {} RENAME TO {}", quoted(from), quoted(&to)))?;
                self.steps.push(SchemaStep::RenameTable(from.to_owned(), to.clone()));
                self.tables[at].shown = to;
                Ok(())
            }
        }
    }

    fn drop_table(&mut self, tokens: &[Token<'_>]) -> std::result::Result<(), Bad> {
        let lenient = tokens.get(2).is_some_and(|token| token.is("IF"));
        let Some(shown) = tokens.get(if lenient { 4 } else { 2 }).and_then(Token::name) else {
            return Err((None, "names no table".into()));
        };
        let Some(at) = self.find(&shown) else {
            let once = self.before.iter().any(|row| row.kind == "table" && row.shown.eq_ignore_ascii_case(&shown));
            return if lenient || once { Ok(()) } else { Err((None, format!("no table {shown} exists"))) };
        };
        self.run(&format!("DROP TABLE {}", quoted(&shown)))?;
        self.steps.push(SchemaStep::DropTable(shown));
        let gone = self.tables.remove(at);
        self.dropped.push(gone.row(DROPPED));
        Ok(())
    }

    fn create_index(&mut self, tokens: &[Token<'_>], text: &str) -> std::result::Result<(), Bad> {
        let lenient = tokens.get(2).is_some_and(|token| token.is("IF"));
        let Some(name) = tokens.get(if lenient { 5 } else { 2 }).and_then(Token::name) else {
            return Err((None, "names no index".into()));
        };
        check_name(&name).map_err(|what| (None, what))?;
        let present = self.index_text(&name).map_err(|error| (None, in_words(&error, None)))?;
        let normal = |text: &str| {
            let words = sql_text::tokens(text).iter().map(|token| token.text.to_ascii_lowercase()).collect::<Vec<_>>();
            words.join(" ").replacen("if not exists ", "", 1)
        };
        if present.as_deref().is_some_and(|present| lenient || normal(present) == normal(text)) {
            return Ok(());
        }
        if present.is_some() {
            self.run(&format!("DROP INDEX {}", quoted(&name)))?;
        }
        self.run(text)?;
        self.steps.push(SchemaStep::CreateIndex(name));
        Ok(())
    }

    fn drop_index(&mut self, tokens: &[Token<'_>]) -> std::result::Result<(), Bad> {
        let lenient = tokens.get(2).is_some_and(|token| token.is("IF"));
        let Some(name) = tokens.get(if lenient { 4 } else { 2 }).and_then(Token::name) else {
            return Err((None, "names no index".into()));
        };
        let present = self.index_text(&name).map_err(|error| (None, in_words(&error, None)))?;
        if present.is_none() {
            let once = self.before.iter().any(|row| row.kind == "index" && row.name.eq_ignore_ascii_case(&name));
            return if lenient || once { Ok(()) } else { Err((None, format!("no index {name} exists"))) };
        }
        self.run(&format!("DROP INDEX {}", quoted(&name)))?;
        self.steps.push(SchemaStep::DropIndex(name));
        Ok(())
    }

    /// What was dropped before goes for good. Not what this very text drops: others may still write to it.
    fn collect(&mut self) {
        let hidden = self.before.iter().filter(|row| row.state == DROPPED && row.kind != "index");
        let rows: Vec<SchemaRow> = hidden.map(|row| SchemaRow { state: COLLECTED.into(), ..row.clone() }).collect();
        for row in &rows {
            let dot = if row.kind == "column" { format!(".{}", row.shown) } else { String::new() };
            self.steps.push(SchemaStep::Collect(format!("{} {}{dot}", row.kind, row.table)));
        }
        self.dropped.extend(rows);
    }

    fn run(&self, text: &str) -> std::result::Result<(), Bad> {
        self.scratch.execute_batch(text).map_err(|error| (None, in_words(&error, None)))
    }

    fn index_text(&self, name: &str) -> Result<Option<String>> {
        let text = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?1 COLLATE NOCASE";
        self.scratch.query_row(text, [name], |row| row.get(0)).optional()
    }

    /// An id name that nothing has had yet: of a table, or of a column of the table with the id name `table`.
    fn free_name(&mut self, table: &str, column: &str) -> String {
        let wanted = if column.is_empty() { table } else { column };
        let pair = |name: String| if column.is_empty() { (name, String::new()) } else { (table.to_owned(), name) };
        let candidates = (2..).map(|number| format!("{wanted}~{number}"));
        let name =
            std::iter::once(wanted.to_owned()).chain(candidates).find(|name| !self.taken.contains(&pair(name.clone())));
        let name = name.unwrap_or_default();
        self.taken.insert(pair(name.clone()));
        name
    }

    /// The rows that say so.
    pub(super) fn rows(&self) -> Result<Vec<SchemaRow>> {
        let mut rows = self.dropped.clone();
        for table in &self.tables {
            rows.push(table.row(LIVE));
            let columns = (0u32..).zip(&table.columns);
            rows.extend(columns.map(|(place, column)| table.column_row(column, place, LIVE)));
        }
        let text = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
        let mut statement = self.scratch.prepare(text)?;
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let present: BTreeMap<String, String> = found.collect::<Result<_>>()?;
        for name in self.indexes.keys().filter(|name| !present.contains_key(*name)) {
            rows.push(index_row(name, &self.indexes[name], DROPPED));
        }
        rows.extend(present.iter().map(|(name, text)| index_row(name, text, LIVE)));
        // Where a column stands was decided when it came; that others were dropped since changes nothing.
        for row in &mut rows {
            let known =
                self.before.iter().find(|old| (&old.kind, &old.table, &old.name) == (&row.kind, &row.table, &row.name));
            if let Some(known) = known {
                row.place = known.place;
            }
        }
        rows.retain(|row| !self.before.contains(row));
        Ok(rows)
    }
}

/// Where in the text, if not where the statement begins, and what is wrong.
type Bad = (Option<usize>, String);

fn index_row(name: &str, text: &str, state: &str) -> SchemaRow {
    SchemaRow {
        kind: "index".into(),
        table: String::new(),
        name: name.to_owned(),
        shown: name.to_owned(),
        declared: text.to_owned(),
        required: false,
        fallback: None,
        key: 0,
        place: 0,
        state: state.into(),
    }
}

impl DraftTable {
    fn row(&self, state: &str) -> SchemaRow {
        SchemaRow {
            kind: "table".into(),
            table: self.name.clone(),
            name: String::new(),
            shown: self.shown.clone(),
            declared: if self.strict { "STRICT".into() } else { String::new() },
            required: false,
            fallback: None,
            key: 0,
            place: 0,
            state: state.into(),
        }
    }

    fn column_row(&self, column: &DraftColumn, place: u32, state: &str) -> SchemaRow {
        SchemaRow {
            kind: "column".into(),
            table: self.name.clone(),
            name: column.name.clone(),
            shown: column.shown.clone(),
            declared: column.kind.declared.clone(),
            required: column.kind.not_null,
            fallback: column.kind.default.clone(),
            key: column.kind.key,
            place,
            state: state.into(),
        }
    }

    fn create_text(&self) -> String {
        let columns: Vec<crate::schema::Column> = (self.columns.iter())
            .map(|column| crate::schema::Column {
                ix: crate::schema::LIFE,
                name: column.name.clone(),
                shown: column.shown.clone(),
                kind: column.kind.clone(),
                hidden: false,
            })
            .collect();
        let ix = crate::schema::TableIx(0);
        crate::schema::Table::new(ix, self.name.clone(), self.shown.clone(), self.strict, columns).create_text()
    }
}

impl Kind {
    fn is_like(&self, other: &Self) -> bool {
        let fallback = |kind: &Self| kind.default.as_deref().map(|text| text.trim().to_owned());
        // Key columns are NOT NULL whether they say so or not.
        let required = |kind: &Self| kind.not_null || kind.key != 0;
        self.declared.eq_ignore_ascii_case(&other.declared)
            && required(self) == required(other)
            && fallback(self) == fallback(other)
    }
}

fn refuse_words(tokens: &[Token<'_>]) -> std::result::Result<(), Bad> {
    for token in tokens.iter().filter(|token| token.kind == TokenKind::Word) {
        if let Some((_, why)) = REFUSED_WORDS.iter().find(|(word, _)| token.is(word)) {
            return Err((Some(token.line), (*why).to_owned()));
        }
    }
    if let Some(token) = tokens.iter().find(|token| token.is("AS")) {
        return Err((
            Some(token.line),
            "CREATE TABLE AS and generated columns are not possible; list the columns".into(),
        ));
    }
    Ok(())
}

fn check_name(name: &str) -> std::result::Result<(), String> {
    let own = ["_whither_", "whither_", "sqlite_"].iter().any(|start| name.to_ascii_lowercase().starts_with(start));
    if own { Err(format!("the name {name} is kept for the database itself; choose another")) } else { Ok(()) }
}

/// The table that a `CREATE TABLE` describes, in SQLite's own reading.
fn described(text: &str) -> std::result::Result<DraftTable, String> {
    let conn = Connection::open_in_memory().map_err(|error| error.to_string())?;
    let run = || -> Result<DraftTable> {
        conn.execute_batch(text)?;
        let (shown, strict): (String, bool) = conn.query_row(
            "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut statement =
            conn.prepare("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?1)")?;
        let columns = statement.query_map([&shown], |row| {
            let name: String = row.get(0)?;
            let kind = Kind { declared: row.get(1)?, not_null: row.get(2)?, default: row.get(3)?, key: row.get(4)? };
            Ok(DraftColumn { name: name.clone(), shown: name, kind })
        })?;
        Ok(DraftTable { name: shown.clone(), shown, strict, columns: columns.collect::<Result<_>>()? })
    };
    let mut table = run().map_err(|error| in_words(&error, None))?;
    check_name(&table.shown)?;
    if table.columns.iter().all(|column| column.kind.key == 0) {
        return Err(format!("{} has no primary key; rows that many nodes write need one", table.shown));
    }
    for column in &mut table.columns {
        if column.shown != "_whither_key" {
            check_name(&column.shown)?;
        }
        column.kind.not_null |= column.kind.key != 0;
        // As it has to stand behind DEFAULT.
        if let Some(default) = column.kind.default.take() {
            let plain = sql_text::literal(&default).is_some() && !default.starts_with('(');
            column.kind.default =
                Some(if plain || default.starts_with('(') { default } else { format!("({default})") });
        }
    }
    Ok(table)
}
