//! A statement that writes: what it returns, and how many rows it will write, as far as that can be known before.

use super::outside;
use crate::dialect::{Facts, translate};
use crate::tokens::Token;
use std::sync::Arc;

/// A statement that writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Write {
    /// How it begins, for the answer.
    pub(crate) verb: Verb,
    /// What it returns, if it does: a question that has the same columns and no row.
    pub(crate) returning: Option<Shape>,
    /// How many rows it will write.
    pub(crate) rows: Told,
    /// Every name in it, among them those of the tables that it reads and writes; lower case.
    pub(crate) names: Vec<String>,
    /// The table that it writes, lower case.
    pub(crate) table: String,
}

/// How a statement that writes begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verb {
    /// INSERT or REPLACE.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

/// How many rows a statement will write, as far as it says itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// So many, if it is made.
    Rows(usize),
    /// As many as this question says.
    Ask(Shape),
    /// That cannot be known.
    Unknown,
}

/// A question about a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    /// Its text, for SQLite.
    pub(crate) sql: Arc<str>,
    /// How many parameters it has: the highest number of its placeholders.
    pub(crate) parameters: usize,
}

impl Verb {
    /// The answer to a statement that wrote so many rows.
    pub(crate) fn tag(self, rows: usize) -> String {
        match self {
            Self::Insert => format!("INSERT 0 {rows}"),
            Self::Update => format!("UPDATE {rows}"),
            Self::Delete => format!("DELETE {rows}"),
        }
    }
}

impl Write {
    /// Understands a statement whose verb is at `begin`.
    pub(super) fn parse(tokens: &[Token<'_>], begin: usize, facts: &Facts) -> Self {
        let verb = match tokens[begin].text.as_bytes()[0].to_ascii_lowercase() {
            b'u' => Verb::Update,
            b'd' => Verb::Delete,
            _ => Verb::Insert,
        };
        let find = |word: &str| outside(tokens).find(|at| *at > begin && tokens[*at].is(word));
        let target = target(tokens, begin, verb);
        let returning = find("returning").map(|at| {
            let (list, table) = (&tokens[at + 1..], translate(target, facts));
            shape(format!("SELECT {} FROM {table} LIMIT 0", translate(list, facts)), list)
        });
        // What stands before the verb, or between it and the table, makes it less simple.
        let simple = begin == 0 && !tokens.get(1).is_some_and(|token| token.is("or")) && !tokens[0].is("replace");
        let rows = match verb {
            _ if !simple => Told::Unknown,
            Verb::Insert => listed(tokens),
            Verb::Update if find("from").is_some() => Told::Unknown,
            Verb::Update | Verb::Delete => {
                let end = find("returning").unwrap_or(tokens.len());
                let condition = find("where").and_then(|at| tokens.get(at..end)).unwrap_or_default();
                let text = translate(condition, facts);
                Told::Ask(shape(format!("SELECT count(*) FROM {} {text}", translate(target, facts)), condition))
            }
        };
        let names = tokens.iter().filter_map(Token::name).map(|name| name.to_lowercase()).collect();
        let schema = target.get(1).is_some_and(|dot| dot.is("."));
        let table = target.get(if schema { 2 } else { 0 }).and_then(Token::name).unwrap_or_default().to_lowercase();
        Self { verb, returning, rows, names, table }
    }
}

fn shape(sql: String, of: &[Token<'_>]) -> Shape {
    Shape { sql: sql.into(), parameters: of.iter().filter_map(Token::param).max().unwrap_or(0) }
}

/// The table that is written, with the name that it is given in the statement.
fn target<'t, 'a>(tokens: &'t [Token<'a>], begin: usize, verb: Verb) -> &'t [Token<'a>] {
    const ENDS: [&str; 9] = ["set", "values", "select", "default", "using", "where", "returning", "(", "from"];
    // UPDATE t, UPDATE OR IGNORE t, INSERT INTO t, INSERT OR REPLACE INTO t, DELETE FROM t.
    let mut at = begin + 1;
    if verb == Verb::Update {
        at += if tokens.get(at).is_some_and(|token| token.is("or")) { 2 } else { 0 };
    } else {
        while tokens.get(at).is_some_and(|token| !token.is("into") && !token.is("from")) {
            at += 1;
        }
        at += 1;
    }
    let rest = tokens.get(at..).unwrap_or_default();
    let end = rest.iter().position(|token| ENDS.iter().any(|end| token.is(end))).unwrap_or(rest.len());
    &rest[..end]
}

/// The rows of `INSERT … VALUES`, if all of them are inserted whatever there is.
fn listed(tokens: &[Token<'_>]) -> Told {
    let find = |word: &str| outside(tokens).find(|at| tokens[*at].is(word));
    if find("conflict").is_some() || find("select").is_some() {
        return Told::Unknown;
    }
    match (find("values"), find("default")) {
        (Some(values), Some(default)) if default + 1 == values => Told::Rows(1),
        (Some(values), _) => {
            let end = find("returning").unwrap_or(tokens.len());
            let rows = tokens.get(values..end).unwrap_or_default();
            Told::Rows(outside(rows).filter(|at| rows[*at].is("(")).count())
        }
        (None, _) => Told::Unknown,
    }
}
