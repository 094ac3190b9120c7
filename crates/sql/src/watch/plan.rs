//! How a question can be kept up to date: row by row, or only by asking it again.
//!
//! Nothing here has to understand SQL. SQLite itself says which tables a statement reads and which functions it calls. If that is one
//! table and functions that look at nothing but their arguments, and no keyword occurs that relates rows to each other, then the
//! answer is what each row gives by itself. Whatever is in doubt is asked again, which is always right.

use super::shape::{Shape, Shapes};
use crate::guard::Touch;
use std::collections::BTreeSet;
use whither_model::sql::{Params, Statement, Value};
use whither_tables::sql_text::{Token, TokenKind, literal, tokens};

/// How a question is kept up to date.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Plan {
    /// Row by row of this table; `filter`: only rows with this value in this column can matter.
    Rows { table: String, filter: Option<(usize, Value)> },
    /// By asking again when any of these tables has changed, or the catalog if `catalog`.
    Again { tables: BTreeSet<String>, catalog: bool },
}

/// Words that relate rows to each other, or to something else than the row.
const RELATING: &[&str] = &[
    "JOIN",
    "GROUP",
    "HAVING",
    "DISTINCT",
    "LIMIT",
    "OFFSET",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "WITH",
    "OVER",
    "WINDOW",
    "VALUES",
    "EXPLAIN",
    "PRAGMA",
    "INDEXED",
    "EXISTS",
    "MATCH",
    "ROWID",
    "OID",
    "_ROWID_",
];

/// Functions that look at nothing but their arguments.
const PLAIN: &[&str] = &[
    "abs",
    "ceil",
    "ceiling",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "floor",
    "format",
    "glob",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_extract",
    "json_object",
    "json_quote",
    "json_type",
    "json_valid",
    "length",
    "like",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "mod",
    "nullif",
    "octet_length",
    "power",
    "printf",
    "quote",
    "replace",
    "round",
    "rtrim",
    "sign",
    "sqrt",
    "substr",
    "substring",
    "trim",
    "trunc",
    "typeof",
    "unhex",
    "unicode",
    "unlikely",
    "upper",
    "->",
    "->>",
];

impl Plan {
    /// The way to keep `statement` up to date, of which SQLite says that it reads and calls `touched`.
    pub(super) fn of(statement: &Statement, touched: &[Touch], shapes: &Shapes) -> Self {
        let mut tables = BTreeSet::new();
        let mut catalog = false;
        let mut plain = true;
        for touch in touched {
            match touch {
                Touch::Column(table, column) => {
                    let table = table.to_lowercase();
                    plain &= !column.is_empty() && !column.eq_ignore_ascii_case("rowid");
                    catalog |= !shapes.contains_key(&table);
                    tables.insert(table);
                }
                Touch::Function(name) => plain &= PLAIN.contains(&name.as_str()),
            }
        }
        let words = tokens(&statement.sql);
        if plain && !catalog && tables.len() == 1 && looks_at_rows_one_by_one(&words) {
            let table = tables.first().cloned().unwrap_or_default();
            let filter = shapes.get(&table).and_then(|shape| filter_of(&words, &statement.params, shape));
            return Self::Rows { table, filter };
        }
        Self::Again { tables, catalog }
    }
}

fn looks_at_rows_one_by_one(words: &[Token<'_>]) -> bool {
    let relating = |word: &Token<'_>| RELATING.iter().any(|keyword| word.is(keyword));
    let selects = words.iter().filter(|word| word.is("SELECT")).count();
    if selects != 1 || words.iter().any(relating) {
        return false;
    }
    // `x IN t` reads a whole table; `x IN (1, 2)` does not.
    let in_table = words.windows(2).any(|pair| pair[0].is("IN") && pair[1].text != "(");
    let Some(from) = words.iter().position(|word| word.is("FROM")) else { return false };
    let after = &words[from + 1..];
    let end = after.iter().position(|word| word.is("WHERE") || word.is("ORDER")).unwrap_or(after.len());
    // One name, perhaps with another one for it: no comma, no parenthesis.
    !in_table && end > 0 && after[..end].iter().all(|word| word.kind != TokenKind::Other || word.text == ".")
}

/// A condition that every row of the answer meets: a column of the table equals a value. Found only where the whole of `WHERE` is
/// conditions with AND between, and where SQLite compares as bytes do.
fn filter_of(words: &[Token<'_>], params: &Params, shape: &Shape) -> Option<(usize, Value)> {
    let from = words.iter().position(|word| word.is("WHERE"))?;
    let conditions = &words[from + 1..];
    let end = conditions.iter().position(|word| word.is("ORDER") || word.text == ";").unwrap_or(conditions.len());
    let conditions = &conditions[..end];
    let mut depth = 0i32;
    let mut parts: Vec<Vec<Token<'_>>> = vec![Vec::new()];
    for word in conditions {
        depth += i32::from(word.text == "(") - i32::from(word.text == ")");
        if depth == 0 && ["OR", "BETWEEN", "CASE"].iter().any(|keyword| word.is(keyword)) {
            return None;
        }
        if depth == 0 && word.is("AND") {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(*word);
        }
    }
    let marks_before = |at: usize| words.iter().filter(|word| word.at < at && word.text == "?").count();
    parts.iter().find_map(|part| {
        let equals = part.iter().position(|word| word.text == "=")?;
        let (left, mut right) = part.split_at(equals);
        // `==` is two tokens.
        while right.first().is_some_and(|word| word.text == "=") {
            right = &right[1..];
        }
        let column = match left {
            [column] | [_, Token { text: ".", .. }, column] => shape.column_at(&column.name()?)?,
            _ => return None,
        };
        let value = constant(right, params, marks_before)?;
        comparable(&shape.columns[column].1, &value).then_some((column, value))
    })
}

/// What a constant or a parameter stands for.
fn constant(words: &[Token<'_>], params: &Params, marks_before: impl Fn(usize) -> usize) -> Option<Value> {
    match (words, params) {
        ([one], _) if one.kind == TokenKind::Text || one.text.as_bytes()[0].is_ascii_digit() => literal(one.text),
        ([mark], Params::Positional(values)) if mark.text == "?" => values.get(marks_before(mark.at)).cloned(),
        ([sign, name], Params::Named(values)) if [":", "@", "$"].contains(&sign.text) => {
            let named = |(known, _): &&(String, Value)| known.trim_start_matches([':', '@', '$']) == name.text;
            values.iter().find(named).map(|(_, value)| value.clone())
        }
        _ => None,
    }
}

/// Whether SQLite finds a column of this declared type equal to the value exactly when both are the same value.
/// (<https://sqlite.org/datatype3.html>, sections 3.1 and 4.2)
fn comparable(declared: &str, value: &Value) -> bool {
    let declared = declared.to_ascii_uppercase();
    let whole = declared.contains("INT");
    let text = !whole && ["CHAR", "CLOB", "TEXT"].iter().any(|word| declared.contains(word));
    match value {
        Value::Text(_) => text,
        Value::Integer(_) => whole,
        Value::Null | Value::Real(_) | Value::Blob(_) => false,
    }
}
