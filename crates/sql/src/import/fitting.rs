//! A table of another program as one that many nodes may write: what cannot be kept is left out, and named.

use super::definition::{ColumnDefinition, IndexDefinition, TableDefinition};
use std::fmt;
use whither_tables::sql_text::{self, Token};

/// What became of a table's definition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fitted {
    /// As it can be; `None`: not at all.
    pub table: Option<TableDefinition>,
    /// What was left out, in the order of the definition.
    pub left_out: Vec<LeftOut>,
}

/// Something that was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// Of which table.
    pub table: String,
    /// What, and what that means.
    pub what: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.table, self.what)
    }
}

/// What stands in a table's definition and is left out of ours, and what that means.
const CONSTRAINTS: &[(&str, &str)] = &[
    ("CHECK", "CHECK is left out: it cannot be kept when cells of several writers are merged"),
    ("REFERENCES", "the foreign key (REFERENCES) is left out: it cannot be kept when several nodes write"),
    ("UNIQUE", "UNIQUE is left out: only the primary key can be unique"),
    ("COLLATE", "COLLATE is left out: columns compare byte by byte; use it in an index or a query"),
    ("WITHOUT", "WITHOUT ROWID is left out"),
    ("AUTOINCREMENT", "AUTOINCREMENT is left out: keys have to be given"),
    ("CONFLICT", "ON CONFLICT is left out: who wrote last decides"),
];

/// Makes of a definition one that our tables can have.
#[must_use]
pub fn fit(table: &TableDefinition) -> Fitted {
    let mut left_out = Vec::new();
    let mut leave = |what: String| left_out.push(LeftOut { table: table.name.clone(), what });
    let reason = if table.is_virtual {
        Some("it is a virtual table")
    } else if table.name.to_ascii_lowercase().starts_with("whither_") {
        Some("names that begin so are kept for the database itself")
    } else if table.columns.iter().all(|column| column.key == 0) {
        Some("it has no primary key, and rows that many nodes write need one")
    } else if table.key().iter().any(|column| column.generated) {
        Some("a generated column is part of its primary key")
    } else {
        None
    };
    if let Some(reason) = reason {
        leave(format!("the table is left out: {reason}"));
        return Fitted { table: None, left_out };
    }
    let tokens = sql_text::tokens(&table.sql);
    for (word, what) in CONSTRAINTS {
        if tokens.iter().any(|token| token.is(word)) {
            leave((*what).to_owned());
        }
    }
    if let [key] = table.key()[..]
        && key.declared.eq_ignore_ascii_case("INTEGER")
    {
        leave(format!("{} no longer numbers rows by itself: every node would give the same numbers", key.name));
    }
    let (gone, columns): (Vec<_>, Vec<_>) = table.columns.iter().cloned().partition(|column| column.generated);
    for column in &gone {
        let how = expression(&tokens, &column.name).map_or_else(String::new, |text| format!(": {text}"));
        leave(format!("the generated column {} is left out; compute it in the query{how}", column.name));
    }
    let indexes = table.indexes.iter().filter_map(|index| fit_index(index, &gone, &mut leave)).collect();
    let columns =
        columns.into_iter().map(|column| ColumnDefinition { not_null: column.not_null || column.key != 0, ..column });
    let fitted = TableDefinition { columns: columns.collect(), indexes, ..table.clone() };
    Fitted { table: Some(fitted), left_out }
}

fn fit_index(
    index: &IndexDefinition,
    gone: &[ColumnDefinition],
    leave: &mut impl FnMut(String),
) -> Option<IndexDefinition> {
    let tokens = sql_text::tokens(&index.sql);
    let names =
        |name: &str| tokens.iter().any(|token| token.name().is_some_and(|named| named.eq_ignore_ascii_case(name)));
    if let Some(column) = gone.iter().find(|column| names(&column.name)) {
        leave(format!("the index {} is left out: {} is generated", index.name, column.name));
        return None;
    }
    let mut fitted = IndexDefinition { unique: false, ..index.clone() };
    if let Some(unique) = tokens.iter().find(|token| token.is("UNIQUE")).filter(|_| index.unique) {
        leave(format!("the index {} is no longer UNIQUE: only the primary key can be", index.name));
        let after = unique.at + unique.text.len();
        fitted.sql = format!("{}{}", &index.sql[..unique.at], index.sql[after..].trim_start());
    }
    Some(fitted)
}

/// What a generated column is computed by, as it stands in the definition.
fn expression(tokens: &[Token<'_>], column: &str) -> Option<String> {
    let named = |token: &Token<'_>| token.name().is_some_and(|name| name.eq_ignore_ascii_case(column));
    // Where a column's definition begins: behind a parenthesis or a comma.
    let begins = |pair: &[Token<'_>]| matches!(pair[0].text, "(" | ",") && named(&pair[1]);
    let at = tokens.windows(2).position(begins)? + 1;
    let from = at + tokens[at..].iter().position(|token| token.is("AS"))? + 1;
    let mut depth = 0;
    let mut text = String::new();
    for token in &tokens[from..] {
        depth += i32::from(token.text == "(") - i32::from(token.text == ")");
        let word = |text: &str| text.ends_with(|last: char| last.is_alphanumeric() || last == '_');
        if word(&text) && token.text.starts_with(|first: char| first.is_alphanumeric() || first == '_') {
            text.push(' ');
        }
        text.push_str(token.text);
        if depth == 0 {
            return Some(text);
        }
    }
    None
}
