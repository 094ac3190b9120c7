//! A question about the catalog, read as far as it is needed: what it is about, which columns it wants, and its conditions.

use super::condition::{Condition, conditions};
use super::{Row, relation};
use crate::problem::Problem;
use crate::statement::outside;
use crate::tokens::{Kind, Token};
use whither_model::sql::Value;

/// A question about the catalog.
pub(super) struct Question<'a> {
    tokens: &'a [Token<'a>],
    /// What it wants of each row.
    pub(super) columns: Vec<Column>,
    /// What it reads first, outside all parentheses.
    pub(super) main: Option<String>,
    /// All that it names.
    pub(super) relations: Vec<String>,
    /// It only asks whether this question has an answer.
    pub(super) inner: Option<&'a [Token<'a>]>,
    /// It only asks how many rows there are.
    pub(super) counts: bool,
    conditions: Vec<Condition>,
}

/// What is wanted of a row.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Column {
    /// What it is called in the answer.
    pub(super) name: String,
    /// Where it comes from: a column, or a function.
    pub(super) source: String,
    /// What it is if nothing is known of it.
    pub(super) constant: Value,
}

impl<'a> Question<'a> {
    /// Reads a statement.
    ///
    /// # Errors
    /// It is not a question that can be read so.
    pub(super) fn read(tokens: &'a [Token<'a>], parameters: &[Value]) -> Result<Self, Problem> {
        let strange = || Problem::unsupported("this question about PostgreSQL's catalog is not understood here");
        let select = outside(tokens).find(|at| tokens[*at].is("select")).ok_or_else(strange)?;
        let from = outside(tokens).find(|at| *at > select && tokens[*at].is("from")).unwrap_or(tokens.len());
        let list = &tokens[select + 1..from];
        let list = if list.first().is_some_and(|token| token.is("distinct")) { &list[1..] } else { list };
        let columns: Vec<Column> = split(list).map(|item| column(item, parameters)).collect();
        if columns.iter().any(|column| column.source == "*") {
            let what = "SELECT * of PostgreSQL's catalog is not understood here";
            return Err(Problem::unsupported(what).hint("name the columns that are needed"));
        }
        let inner = match list {
            [exists, open, inner @ .., _] if exists.is("exists") && open.is("(") => Some(inner_of(inner)),
            _ => None,
        };
        let counts = matches!(list, [count, open, ..] if count.is("count") && open.is("(")) && columns.len() == 1;
        let main = (from + 1..tokens.len().min(from + 5)).find_map(|at| relation(tokens, at));
        let relations = (0..tokens.len()).filter_map(|at| relation(tokens, at)).collect();
        // What the columns are made of is no condition on rows.
        let conditions = conditions(&tokens[from.min(tokens.len())..], parameters)?;
        Ok(Self { tokens, columns, main, relations, inner, counts, conditions })
    }

    /// Whether a row meets all conditions that can be tested on it.
    pub(super) fn allows(&self, row: &Row) -> bool {
        self.conditions.iter().all(|condition| condition.allows(row))
    }

    /// Whether it wants only rows with this value.
    pub(super) fn asks_for(&self, column: &str, value: &str) -> bool {
        self.conditions.iter().any(|condition| condition.asks_for(column, value))
    }

    /// Whether rows need to have a partner in this relation.
    pub(super) fn joins(&self, relation: &str) -> bool {
        outside(self.tokens).any(|at| {
            let begin = if at >= 2 && self.tokens[at - 1].is(".") { at - 2 } else { at };
            let left = begin >= 2
                && self.tokens[begin - 1].is("join")
                && (self.tokens[begin - 2].is("left") || self.tokens[begin - 2].is("outer"));
            super::relation(self.tokens, at).as_deref() == Some(relation) && !left
        })
    }

    /// Whether it is about the indexes of relations, more than about relations.
    pub(super) fn lists_indexes(&self) -> bool {
        self.joins("pg_index") || (self.asks_for("relkind", "i") && !self.asks_for("relkind", "r"))
    }
}

/// Without parentheses around it.
fn inner_of<'a>(tokens: &'a [Token<'a>]) -> &'a [Token<'a>] {
    match tokens.iter().rposition(|token| token.is(")")) {
        // `EXISTS (…) AS name`: what follows the parenthesis is not part of it.
        Some(end)
            if outside(&tokens[..end]).all(|at| !tokens[at].is(")"))
                && outside(tokens).any(|at| at == end && at + 1 < tokens.len()) =>
        {
            &tokens[..end]
        }
        _ => tokens,
    }
}

/// The items of a list, cut at commas outside parentheses.
fn split<'t, 'a>(list: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    let mut cuts: Vec<usize> = brackets(list).filter(|at| list[*at].is(",")).collect();
    cuts.push(list.len());
    let mut begin = 0;
    cuts.into_iter().filter_map(move |end| {
        let item = &list[begin..end];
        begin = end + 1;
        (!item.is_empty()).then_some(item)
    })
}

/// As [`outside`], of square brackets too.
fn brackets<'t>(list: &'t [Token<'_>]) -> impl Iterator<Item = usize> + 't {
    let mut depth = 0_usize;
    outside(list).filter(move |at| {
        if list[*at].is("]") {
            depth = depth.saturating_sub(1);
        }
        let here = depth == 0;
        if list[*at].is("[") {
            depth += 1;
        }
        here
    })
}

/// What an item of a select list is called, and where it comes from.
fn column(item: &[Token<'_>], parameters: &[Value]) -> Column {
    let mut item = item;
    let mut alias = None;
    let names = |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Quoted);
    if let [rest @ .., word, last] = item
        && names(last)
        && !rest.is_empty()
        && !word.is(".")
        && !last.is("end")
        && (word.is("as")
            || word.is(")")
            || word.is("end")
            || matches!(word.kind, Kind::Word | Kind::Quoted | Kind::Text))
        && !(word.is("as") && rest.is_empty())
    {
        alias = last.name();
        item = if word.is("as") { rest } else { &item[..item.len() - 1] };
    }
    let source = source(item);
    let name = alias.unwrap_or_else(|| source.clone());
    let constant = match item {
        [token] if token.is("false") => Value::Integer(0),
        [token] if token.is("true") => Value::Integer(1),
        [token, rest @ ..] if rest.is_empty() || rest[0].is("::") => match token.kind {
            Kind::Number => token.text.parse().map_or(Value::Null, Value::Integer),
            Kind::Param => token.param().and_then(|at| parameters.get(at - 1).cloned()).unwrap_or_default(),
            _ => token.string().map_or(Value::Null, |text| Value::Text(text.into())),
        },
        _ => Value::Null,
    };
    Column { name, source, constant }
}

/// The last name of what is asked for: PostgreSQL calls it so, too.
fn source(item: &[Token<'_>]) -> String {
    let unknown = || "?column?".to_owned();
    let Some(first) = item.first() else { return unknown() };
    if first.is("(") {
        let inner = &item[1..];
        let inner = if inner.first().is_some_and(|token| token.is("select")) { &inner[1..] } else { inner };
        let end = outside(inner).find(|at| inner[*at].is("from") || inner[*at].is(")") || inner[*at].is(","));
        let found = column(&inner[..end.unwrap_or(inner.len())], &[]);
        // A subquery is called as what it selects is called.
        return found.name;
    }
    if first.is("case") || first.is("array") || first.is("exists") {
        return first.text.to_ascii_lowercase();
    }
    if first.is("cast") {
        return item.get(2..).map_or_else(unknown, source);
    }
    if first.is("*") || item.last().is_some_and(|last| last.is("*") && item.len() == 3) {
        return "*".to_owned();
    }
    let mut at = 0;
    while item.get(at + 1).is_some_and(|dot| dot.is(".")) {
        at += 2;
    }
    let named = item.get(at).filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted)).and_then(Token::name);
    named.unwrap_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::tokens;

    #[test]
    fn columns_are_called_as_postgresql_calls_them() {
        let sql = "SELECT c.oid, n.nspname as \"Schema\", pg_catalog.format_type(a.b, 1), (SELECT x.collname FROM x) AS y, \
                   CASE WHEN a THEN b END, false AS no, '' , count(*) total, (select pg_get_expr(a) from d), c.o::text FROM pg_class c";
        let tokens = tokens(sql).unwrap();
        let question = Question::read(&tokens, &[]).unwrap();
        let names: Vec<_> =
            question.columns.iter().map(|column| (column.name.as_str(), column.source.as_str())).collect();
        assert_eq!(
            names,
            [
                ("oid", "oid"),
                ("Schema", "nspname"),
                ("format_type", "format_type"),
                ("y", "collname"),
                ("case", "case"),
                ("no", "false"),
                ("?column?", "?column?"),
                ("total", "count"),
                ("pg_get_expr", "pg_get_expr"),
                ("o", "o"),
            ]
        );
        assert_eq!(question.main.as_deref(), Some("pg_class"));
    }

    #[test]
    fn conditions_are_applied() {
        let row = |name: &str, kind: &str| {
            Row::from([("relname", Value::Text(name.into())), ("relkind", Value::Text(kind.into()))])
        };
        let allows = |condition: &str, name: &str| {
            let sql = format!("select oid from pg_class c where {condition}");
            let tokens = tokens(&sql).unwrap();
            let parameters = [Value::Text("users".into()), Value::Text("{users,other}".into())];
            Question::read(&tokens, &parameters).unwrap().allows(&row(name, "r"))
        };
        for condition in [
            "c.relname = 'users'",
            "c.relname = $1::varchar",
            "relname in ('a', $1)",
            "relname = any (array['users', 'b'])",
            "relname = any ($2)",
            "relname OPERATOR(pg_catalog.~) '^(users)$' COLLATE pg_catalog.default",
            "relname !~ '^pg_'",
            "(c.relname) LIKE 'us%'",
            "relkind in ('r','p','') and relname <> 'x'",
            "relname not in ('x', 'y')",
        ] {
            assert!(allows(condition, "users"), "{condition}");
        }
        for condition in ["relname = 'x'", "relname !~ '^(users)$'", "relkind = 'i'", "relname not like 'u%'"] {
            assert!(!allows(condition, "users"), "{condition}");
        }
    }
}
