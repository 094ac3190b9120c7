//! What types the parameters of a statement most likely have, for clients that ask before they send them: the type of the column
//! that a parameter stands beside. A wrong guess harms little, because SQLite converts.

use super::{Failure, Session};
use crate::column::Kind;
use crate::decode::oid;
use crate::statement::Statement;
use crate::tokens::{Kind as Piece, Token, tokens};
use std::collections::HashMap;
use whither_model::sql::Value;

/// Tables whose columns are looked up.
const TABLES_MAX: usize = 16;

impl Session {
    /// Guesses the types that are 0; what cannot be guessed is text.
    pub(super) async fn infer(&mut self, statement: &Statement, kinds: &mut [u32]) -> Result<(), Failure> {
        let text = statement.text.clone();
        let tokens = tokens(&text)?;
        let mut columns = HashMap::new();
        let mut first = Vec::new();
        for (at, table) in tables(&tokens).into_iter().enumerate() {
            let found = self.columns_of(table, &mut columns).await?;
            if at == 0 {
                first = found;
            }
        }
        for (number, guess) in guesses(&tokens) {
            let Some(kind) = number.checked_sub(1).and_then(|at| kinds.get_mut(at)).filter(|kind| **kind == 0) else {
                continue;
            };
            *kind = match guess {
                Guess::Is(kind) => kind,
                Guess::Like(column) => columns.get(&column.to_ascii_lowercase()).copied().unwrap_or(0),
                Guess::Nth(column) => first.get(column).copied().unwrap_or(0),
            };
        }
        kinds.iter_mut().filter(|kind| **kind == 0).for_each(|kind| *kind = oid::TEXT);
        Ok(())
    }

    /// Adds a table's columns, by name; returns their types in order.
    async fn columns_of(&mut self, table: String, into: &mut HashMap<String, u32>) -> Result<Vec<u32>, Failure> {
        let question =
            self.question("SELECT name, type FROM pragma_table_info(?1)", 1, vec![Value::Text(table.into())]);
        let asking = self.sql.query(question);
        let reading = async {
            let mut rows = asking.await?;
            let mut all = Vec::new();
            while let Some(lot) = rows.rows.recv().await {
                all.extend(lot?);
            }
            Ok::<_, whither_directory::sql::SqlRefusal>(all)
        };
        let mut kinds = Vec::new();
        for row in self.patiently(reading).await? {
            if let [Value::Text(name), Value::Text(declared)] = row.as_slice() {
                let kind = Kind::of_declared(declared).map_or(oid::TEXT, Kind::oid);
                kinds.push(kind);
                // Of two columns with one name, neither is known.
                let known = into.entry(name.to_ascii_lowercase()).or_insert(kind);
                if *known != kind {
                    *known = 0;
                }
            }
        }
        Ok(kinds)
    }
}

/// What a parameter most likely is.
#[derive(PartialEq, Debug)]
enum Guess {
    /// Of this type.
    Is(u32),
    /// As this column.
    Like(String),
    /// As the column at this place, from 0, of the table that is named first.
    Nth(usize),
}

/// The tables that a statement names.
fn tables(tokens: &[Token<'_>]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| &tokens[at]);
        let begins = before.is_some_and(|word| ["from", "join", "into", "update", ","].iter().any(|one| word.is(one)));
        let Some(name) = token.name().filter(|_| begins) else { continue };
        let schema = name == "public" && tokens.get(at + 1).is_some_and(|dot| dot.is("."));
        let name = if schema { tokens.get(at + 2).and_then(Token::name) } else { Some(name) };
        found.extend(name.filter(|name| !found.contains(name)));
    }
    found.truncate(TABLES_MAX);
    found
}

fn guesses(tokens: &[Token<'_>]) -> Vec<(usize, Guess)> {
    let mut found = listed(tokens);
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is(word));
    for (at, token) in tokens.iter().enumerate() {
        let Some(number) = token.param() else { continue };
        let guess = if is(at + 1, "::") {
            tokens.get(at + 2).and_then(|kind| cast(&kind.text.to_ascii_lowercase())).map(Guess::Is)
        } else if at > 0 && (is(at - 1, "limit") || is(at - 1, "offset")) {
            Some(Guess::Is(oid::INT8))
        } else {
            beside(tokens, at).map(Guess::Like)
        };
        found.extend(guess.map(|guess| (number, guess)));
    }
    found
}

/// The column that a parameter is compared with, or set to.
fn beside(tokens: &[Token<'_>], at: usize) -> Option<String> {
    const OPERATORS: [&str; 9] = ["=", "<", ">", "<=", ">=", "<>", "!=", "like", "ilike"];
    let compares = |at: usize| OPERATORS.iter().any(|operator| tokens[at].is(operator));
    let column = |at: usize| {
        tokens.get(at).filter(|token| matches!(token.kind, Piece::Word | Piece::Quoted)).and_then(Token::name)
    };
    let mut before = at;
    // In a list of several, or after BETWEEN, the column stands before all of them.
    while before > 0
        && (tokens[before - 1].is(",") || tokens[before - 1].is("and"))
        && before > 1
        && tokens[before - 2].param().is_some()
    {
        before -= 2;
    }
    let before = before.checked_sub(1)?;
    if compares(before) || tokens[before].is("between") {
        return column(before.checked_sub(1)?);
    }
    if tokens[before].is("(") && before >= 2 && tokens[before - 1].is("in") {
        let not = usize::from(tokens[before - 2].is("not"));
        return column((before - 2).checked_sub(not)?);
    }
    if at + 2 < tokens.len() && compares(at + 1) {
        let last = if tokens.get(at + 3).is_some_and(|dot| dot.is(".")) { at + 4 } else { at + 2 };
        return column(last);
    }
    None
}

/// `INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)`, or without the names.
fn listed(tokens: &[Token<'_>]) -> Vec<(usize, Guess)> {
    let find = |word: &str, from: usize| (from..tokens.len()).find(|at| tokens[*at].is(word));
    let Some(values) = find("into", 0).and_then(|into| find("values", into)) else { return Vec::new() };
    let list = find("(", 0).filter(|open| *open < values).zip(find(")", 0).filter(|close| *close < values));
    let names: Option<Vec<String>> = list
        .map(|(open, close)| tokens.get(open + 1..close).unwrap_or_default().iter().filter_map(Token::name).collect());
    let mut found = Vec::new();
    let (mut depth, mut column) = (0_usize, 0);
    for token in &tokens[values + 1..] {
        match token.text {
            "(" => {
                depth += 1;
                column = if depth == 1 { 0 } else { column };
            }
            ")" => depth = depth.saturating_sub(1),
            "," if depth == 1 => column += 1,
            "," if depth == 0 => {}
            _ if depth == 0 => break,
            _ => {
                let guess = match &names {
                    Some(names) => names.get(column).cloned().map(Guess::Like),
                    None => Some(Guess::Nth(column)),
                };
                found.extend(token.param().zip(guess.filter(|_| depth == 1)));
            }
        }
    }
    found
}

fn cast(kind: &str) -> Option<u32> {
    Some(match kind {
        "int" | "integer" | "int4" | "bigint" | "int8" | "smallint" | "int2" => oid::INT8,
        "real" | "float" | "double" | "float4" | "float8" | "numeric" | "decimal" => oid::FLOAT8,
        "bool" | "boolean" => oid::BOOL,
        "bytea" => oid::BYTEA,
        "text" | "varchar" | "char" | "character" => oid::TEXT,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(sql: &str) -> Vec<String> {
        let tokens = tokens(sql).unwrap();
        let shown = |(number, guess)| match guess {
            Guess::Is(kind) => format!("{number}:{kind}"),
            Guess::Like(column) => format!("{number}:{column}"),
            Guess::Nth(column) => format!("{number}#{column}"),
        };
        guesses(&tokens).into_iter().map(shown).collect()
    }

    #[test]
    fn parameters_are_like_what_they_stand_beside() {
        assert_eq!(like("select * from t where id = $1 and t.name like $2"), ["1:id", "2:name"]);
        assert_eq!(like("insert into t (a, \"B\") values ($1, $2), (3, $3)"), ["1:a", "2:B", "3:B"]);
        assert_eq!(like("insert into t values ($1, 'x', $2)"), ["1#0", "2#2"]);
        assert_eq!(like("insert into t (a) values (lower($1))"), Vec::<String>::new());
        assert_eq!(like("update t set a = $1 where $2 < t.b"), ["1:a", "2:b"]);
        assert_eq!(like("select 1 where a in ($1, $2) limit $3"), ["1:a", "2:a", "3:20"]);
        assert_eq!(like("select 1 where a not in ($1) or b between $2 and $3"), ["1:a", "2:b", "3:b"]);
        assert_eq!(like("select $1::int, $2"), ["1:20"]);
    }

    #[test]
    fn tables_are_found_where_they_are_named() {
        let names = |sql: &str| tables(&tokens(sql).unwrap());
        assert_eq!(names("select a from t join public.u on t.a = u.a, w"), ["t", "u", "w"]);
        assert_eq!(names("insert into \"T t\" values ($1)"), ["T t"]);
        assert_eq!(names("update t set a = 1"), ["t"]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_said_panics(
            said in proptest::collection::vec(proptest::sample::select(crate::statement::tests::PIECES), 0..24)
        ) {
            if let Ok(tokens) = tokens(&said.join(" ")) {
                drop((guesses(&tokens), super::tables(&tokens)));
            }
        }
    }
}
