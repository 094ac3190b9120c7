//! The conditions of a question about the catalog: columns that are compared with what is given.

use super::Row;
use super::pattern::{Like, Regex};
use crate::problem::Problem;
use crate::tokens::{Kind, Token};
use whither_model::sql::Value;

/// A condition on a column.
pub(super) struct Condition {
    column: String,
    test: Test,
    /// It must not be so.
    not: bool,
}

enum Test {
    OneOf(Vec<String>),
    Regex(Regex),
    Like(Like),
}

impl Condition {
    /// Whether a row meets it, as far as it can be tested on it.
    pub(super) fn allows(&self, row: &Row) -> bool {
        let Some(value) = row.get(self.column.as_str()) else { return true };
        let value = match value {
            Value::Text(text) => text.to_string(),
            Value::Integer(number) => number.to_string(),
            _ => return self.not,
        };
        let meets = match &self.test {
            Test::OneOf(values) => values.contains(&value),
            Test::Regex(regex) => regex.matches(&value),
            Test::Like(like) => like.matches(&value),
        };
        meets != self.not
    }

    /// Whether it is met by this value of this column, and maybe by a few others.
    pub(super) fn asks_for(&self, column: &str, value: &str) -> bool {
        let listed = matches!(&self.test, Test::OneOf(values) if values.iter().any(|known| known == value));
        self.column == column && !self.not && listed
    }
}

/// The conditions that compare a column with what is given.
pub(super) fn conditions(tokens: &[Token<'_>], parameters: &[Value]) -> Result<Vec<Condition>, Problem> {
    const ENDS: [&str; 6] = ["and", "or", ")", "order", "group", "left"];
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is(word));
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(column) = token.name().filter(|_| matches!(token.kind, Kind::Word | Kind::Quoted)) else { continue };
        let begin = if at >= 2 && is(at - 1, ".") { first_of(tokens, at) } else { at };
        let ends = |at: usize| tokens.get(at).is_none_or(|token| ENDS.iter().any(|end| token.is(end)));
        if begin > 0 && is(begin - 1, "not") && ends(at + 1) {
            found.push(Condition { column, test: Test::OneOf(vec!["1".into()]), not: true });
            continue;
        }
        let mut next = at + 1;
        // `(c.relname)` is the column as well, and so is `c.relname::text`.
        while is(next, ")") || is(next, "::") {
            next += if is(next, "::") { 2 } else { 1 };
        }
        let not = is(next, "not");
        next += usize::from(not);
        let (operator, begin) = if is(next, "operator") && is(next + 1, "(") {
            let Some(close) = (next..tokens.len()).find(|at| tokens[*at].is(")")) else { continue };
            (tokens[close - 1].text, close + 1)
        } else {
            match tokens.get(next) {
                Some(operator) => (operator.text, next + 1),
                None => continue,
            }
        };
        let values = values(&tokens[begin.min(tokens.len())..], parameters);
        let Some(first) = values.first().cloned() else { continue };
        let test = match operator.to_ascii_lowercase().as_str() {
            "=" | "<>" | "!=" | "in" => Test::OneOf(values),
            "~" | "!~" => Test::Regex(Regex::new(&first)?),
            "like" | "~~" | "!~~" | "ilike" => Test::Like(Like::new(&first)),
            _ => continue,
        };
        found.push(Condition { column, test, not: not || matches!(operator, "<>" | "!=" | "!~" | "!~~") });
    }
    Ok(found)
}

/// Where a name of several parts begins that ends at `at`.
fn first_of(tokens: &[Token<'_>], at: usize) -> usize {
    let mut at = at;
    while at >= 2 && tokens[at - 1].is(".") {
        at -= 2;
    }
    at
}

/// What a column is compared with: one value, or several in parentheses or brackets. None: something else.
fn values(tokens: &[Token<'_>], parameters: &[Value]) -> Vec<String> {
    const WORDS: [&str; 6] = ["any", "array", "cast", "as", "pg_catalog", "."];
    let mut found: Vec<String> = Vec::new();
    let mut depth = 0_usize;
    let (mut cast, mut to_type) = (false, false);
    for token in tokens {
        if cast && token.is("regclass") {
            // A relation by its name, which may name its schema.
            if let Some(last) = found.last_mut() {
                let name = last.strip_prefix("public.").unwrap_or(last).trim_matches('"');
                *last = super::snapshot::oid(name).to_string();
            }
        }
        if depth == 0 && !found.is_empty() && !cast && !token.is("::") {
            break;
        }
        let value = match token.kind {
            Kind::Text | Kind::Escaped | Kind::Dollar => token.string(),
            Kind::Number => Some(token.text.to_owned()),
            Kind::Param => token.param().and_then(|at| parameters.get(at - 1)).map(|value| match value {
                Value::Text(text) => text.to_string(),
                Value::Integer(number) => number.to_string(),
                _ => String::new(),
            }),
            _ => None,
        };
        if let Some(value) = value {
            found.push(if to_type { super::kinds::oid_of(&value) } else { value });
        } else if token.is("(") || token.is("[") {
            depth += 1;
        } else if token.is(")") || token.is("]") {
            depth = depth.saturating_sub(1);
        } else if token.is("::") {
            cast = true;
            continue;
        } else if token.is("to_regtype") {
            to_type = true;
        } else if !(cast || depth > 0 && token.is(",") || WORDS.iter().any(|word| token.is(word))) {
            break;
        }
        cast = false;
    }
    // A list as one value: `{a,b}`.
    if let [only] = found.as_slice()
        && let Some(list) = only.strip_prefix('{').and_then(|list| list.strip_suffix('}'))
    {
        return list.split(',').map(|entry| entry.trim_matches('"').to_owned()).collect();
    }
    found
}
