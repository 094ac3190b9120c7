//! What a statement is: who has to do it, and what is said when it is done.

mod write;

use crate::dialect::{Facts, translate};
use crate::limits::PARAMETERS_MAX;
use crate::problem::{Problem, code};
use crate::tokens::{Kind, Token, beginning};
use std::sync::Arc;
pub(crate) use write::{Told, Verb, Write};

/// A statement of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Statement {
    /// What it is.
    pub(crate) does: Does,
    /// Its text as the client wrote it, without what stood around it.
    pub(crate) text: Arc<str>,
    /// Its text for SQLite.
    pub(crate) sql: Arc<str>,
    /// How many parameters it has: the highest number of its placeholders.
    pub(crate) parameters: usize,
    /// Whether it reads from somewhere; `SELECT 1` does not.
    pub(crate) reads_tables: bool,
}

/// What a statement does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Does {
    /// It asks users' tables.
    Read,
    /// It asks PostgreSQL's own catalog.
    Catalog,
    /// It writes.
    Write(Write),
    /// It changes the schema; the words are for the answer.
    Schema(&'static str),
    /// It is about the transaction block.
    Block(Block),
    /// It sets a parameter of the session, or takes it back.
    Set {
        /// Its name.
        name: String,
        /// Its value; `None`: what it was at first.
        value: Option<String>,
        /// For the answer.
        tag: &'static str,
    },
    /// It asks for a parameter of the session.
    Show(String),
    /// It forgets everything that the session has said.
    DiscardAll,
    /// It forgets a prepared statement, or all of them.
    Deallocate(Option<String>),
    /// It needs nothing done; the words are for the answer.
    Nothing(&'static str),
}

/// About a transaction block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Block {
    /// It begins.
    Begin {
        /// Nothing is to be written in it.
        read_only: bool,
        /// For the answer.
        tag: &'static str,
    },
    /// It ends, and is made.
    Commit,
    /// It ends, and is not.
    RollBack,
    /// A place in it gets a name.
    Savepoint(String),
    /// The name is forgotten.
    Release(String),
    /// What came after the name is forgotten.
    RollBackTo(String),
}

impl Statement {
    /// Understands one statement. `tokens` are not empty.
    ///
    /// # Errors
    /// It is one that cannot be done here, and why.
    pub(crate) fn parse(sql: &str, tokens: &[Token<'_>], facts: &Facts) -> Result<Self, Problem> {
        let text = &sql[tokens[0].at..tokens[tokens.len() - 1].end()];
        let mut parameters = 0;
        for token in tokens.iter().filter(|token| token.kind == Kind::Param) {
            let number = token.param().filter(|number| (1..=PARAMETERS_MAX).contains(number));
            let number = number.ok_or_else(|| {
                Problem::new(
                    code::SYNTAX,
                    format!("there is no parameter {}; they are $1 to ${PARAMETERS_MAX}", token.text),
                )
            })?;
            parameters = parameters.max(number);
        }
        Ok(Self {
            does: does(tokens, facts)?,
            text: text.into(),
            sql: translate(tokens, facts).into(),
            parameters,
            reads_tables: tokens.iter().any(|token| token.is("from") || token.is("explain") || token.is("pragma")),
        })
    }
}

fn does(tokens: &[Token<'_>], facts: &Facts) -> Result<Does, Problem> {
    let word = |at: usize| tokens.get(at).map_or_else(String::new, |token| token.text.to_ascii_lowercase());
    let first = word(0);
    Ok(match first.as_str() {
        "select" | "values" | "(" | "explain" | "pragma" => read(tokens),
        "with" => match main_verb(tokens) {
            Some(at) if !tokens[at].is("select") && !tokens[at].is("values") => {
                Does::Write(Write::parse(tokens, at, facts))
            }
            _ => read(tokens),
        },
        "insert" | "replace" | "update" | "delete" => Does::Write(Write::parse(tokens, 0, facts)),
        "create" | "alter" | "drop" => Does::Schema(schema_tag(&first, &word(1))),
        "begin" | "start" => Does::Block(begin(tokens, if first == "start" { "START TRANSACTION" } else { "BEGIN" })?),
        "commit" | "end" if word(1) != "prepared" => Does::Block(Block::Commit),
        "rollback" | "abort" => match tokens.iter().position(|token| token.is("to")) {
            Some(to) => Does::Block(Block::RollBackTo(savepoint_name(tokens, to + 1)?)),
            None => Does::Block(Block::RollBack),
        },
        "savepoint" => Does::Block(Block::Savepoint(savepoint_name(tokens, 1)?)),
        "release" => Does::Block(Block::Release(savepoint_name(tokens, 1)?)),
        "set" => set(tokens)?,
        "reset" => Does::Set { name: setting_name(&tokens[1..])?.0, value: None, tag: "RESET" },
        "show" => Does::Show(setting_name(&tokens[1..])?.0),
        "discard" if word(1) == "all" => Does::DiscardAll,
        "discard" => Does::Nothing("DISCARD"),
        "deallocate" => {
            let name = if word(1) == "prepare" { 2 } else { 1 };
            match tokens.get(name) {
                Some(all) if all.is("all") => Does::Deallocate(None),
                Some(named) => Does::Deallocate(named.name()),
                None => return Err(Problem::new(code::SYNTAX, "DEALLOCATE names no statement; a name or ALL does")),
            }
        }
        "unlisten" => Does::Nothing("UNLISTEN"),
        "close" if word(1) == "all" => Does::Nothing("CLOSE CURSOR ALL"),
        _ => return Err(refused(&first, tokens)),
    })
}

/// Says of a statement that is none of SQLite's why it is not done.
fn refused(first: &str, tokens: &[Token<'_>]) -> Problem {
    let advice = match first {
        "copy" => "COPY is not spoken here; use INSERT with several rows, and SELECT",
        "listen" | "notify" => "LISTEN and NOTIFY are not there; watch a query or a table over the HTTP API",
        "declare" | "fetch" | "close" | "move" => {
            "cursors are not there; ask with a limit of rows in the protocol, or with LIMIT"
        }
        "prepare" | "execute" => {
            "PREPARE and EXECUTE are not there as statements; prepare with the protocol, as drivers do"
        }
        "truncate" => "TRUNCATE is not there; use DELETE FROM",
        "lock" => "locks are not there: every node writes on its own, and what they write is merged",
        "grant" | "revoke" => "rights are given in the agent's configuration, to each user",
        "vacuum" | "analyze" | "reindex" | "cluster" => "the agent looks after its database itself",
        "call" | "do" => "there are no procedures",
        _ => {
            let text = format!("{:?} begins no statement that is known here", beginning(tokens[0].text));
            return Problem::new(code::SYNTAX, text);
        }
    };
    Problem::unsupported(advice)
}

fn read(tokens: &[Token<'_>]) -> Does {
    if crate::pg_catalog::is_about(tokens) { Does::Catalog } else { Does::Read }
}

/// The verb that a statement with common table expressions is about.
fn main_verb(tokens: &[Token<'_>]) -> Option<usize> {
    const VERBS: [&str; 6] = ["select", "values", "insert", "replace", "update", "delete"];
    outside(tokens).find(|at| VERBS.iter().any(|verb| tokens[*at].is(verb)))
}

/// The places of the tokens that stand in no parentheses.
pub(crate) fn outside<'t>(tokens: &'t [Token<'_>]) -> impl Iterator<Item = usize> + 't {
    let mut depth = 0_usize;
    tokens.iter().enumerate().filter_map(move |(at, token)| {
        if token.is(")") {
            depth = depth.saturating_sub(1);
        }
        let here = depth == 0;
        if token.is("(") {
            depth += 1;
        }
        here.then_some(at)
    })
}

fn schema_tag(verb: &str, what: &str) -> &'static str {
    match (verb, what) {
        ("create", "table") => "CREATE TABLE",
        ("create", "index" | "unique") => "CREATE INDEX",
        ("create", _) => "CREATE",
        ("alter", "table") => "ALTER TABLE",
        ("alter", _) => "ALTER",
        (_, "table") => "DROP TABLE",
        (_, "index") => "DROP INDEX",
        _ => "DROP",
    }
}

fn savepoint_name(tokens: &[Token<'_>], at: usize) -> Result<String, Problem> {
    let at = if tokens.get(at).is_some_and(|token| token.is("savepoint")) { at + 1 } else { at };
    let name = tokens.get(at).and_then(Token::name);
    name.ok_or_else(|| Problem::new(code::SYNTAX, "a savepoint has a name, and none is given"))
}

fn begin(tokens: &[Token<'_>], tag: &'static str) -> Result<Block, Problem> {
    Ok(Block::Begin { read_only: is_read_only(tokens)?, tag })
}

/// What the modes of a transaction come to.
///
/// # Errors
/// They promise what is not there.
fn is_read_only(modes: &[Token<'_>]) -> Result<bool, Problem> {
    if modes.iter().any(|token| token.is("serializable") || token.is("repeatable")) {
        return Err(Problem::unsupported(
            "each statement that reads sees what is newest at its time; only READ COMMITTED is promised",
        ));
    }
    let only = |at: usize| modes[at].is("read") && modes.get(at + 1).is_some_and(|token| token.is("only"));
    Ok((0..modes.len()).any(only))
}

fn set(tokens: &[Token<'_>]) -> Result<Does, Problem> {
    let mut rest = &tokens[1..];
    while rest.first().is_some_and(|token| token.is("session") || token.is("local")) && rest.len() > 1 {
        rest = &rest[1..];
    }
    let (name, used) = setting_name(rest)?;
    rest = &rest[used..];
    if name == "transaction" || name == "characteristics" {
        let value = if is_read_only(rest)? { "on" } else { "off" };
        let name = if name == "transaction" { "transaction_read_only" } else { "default_transaction_read_only" };
        let says = rest.iter().any(|token| token.is("read") || token.is("only"));
        if says && !rest.iter().any(|token| token.is("isolation")) {
            return Ok(Does::Set { name: name.into(), value: Some(value.into()), tag: "SET" });
        }
        return Ok(Does::Nothing("SET"));
    }
    if rest.first().is_some_and(|token| token.is("=") || token.is("to")) {
        rest = &rest[1..];
    }
    let Some(first) = rest.first() else {
        return Err(Problem::new(code::SYNTAX, format!("SET {name} has no value")));
    };
    let value = match first {
        default if rest.len() == 1 && default.is("default") => None,
        text if rest.len() == 1 && text.string().is_some() => text.string(),
        _ => Some(rest.iter().map(|token| token.string().unwrap_or_else(|| token.text.to_owned())).collect::<String>()),
    };
    Ok(Does::Set { name, value, tag: "SET" })
}

/// The name of a parameter, in lower case, and how many tokens it takes.
fn setting_name(tokens: &[Token<'_>]) -> Result<(String, usize), Problem> {
    let words: Vec<String> = tokens.iter().take(3).map(|token| token.text.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match words[..] {
        ["time", "zone", ..] => ("timezone".into(), 2),
        ["transaction", "isolation", "level"] => ("transaction_isolation".into(), 3),
        ["characteristics", "as", "transaction"] => ("characteristics".into(), 3),
        ["session", "authorization", ..] => ("session_authorization".into(), 2),
        ["names", ..] => ("client_encoding".into(), 1),
        [_, ".", _] => (words.concat(), 3),
        [name, ..] if tokens[0].name().is_some() => {
            (tokens[0].name().unwrap_or_else(|| name.to_owned()).to_ascii_lowercase(), 1)
        }
        _ => return Err(Problem::new(code::SYNTAX, "no parameter is named")),
    })
}

#[cfg(test)]
pub(crate) mod tests;
