//! The few ways in which drivers' and mappers' SQL differs from SQLite's, put right piece by piece. The rest goes through as it is,
//! and SQLite says what it does not like.

use crate::tokens::{Kind, Token};

/// What functions of PostgreSQL say of a session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    /// The user.
    pub(crate) user: String,
    /// The database that it asked for.
    pub(crate) database: String,
    /// The number of its connection.
    pub(crate) pid: i32,
}

/// The version that clients are told, as far as they decide by it.
pub(crate) const VERSION: &str = "16.6";

/// A statement as SQLite takes it.
pub(crate) fn translate(tokens: &[Token<'_>], facts: &Facts) -> String {
    let mut writer = Writer { tokens, facts, out: String::new(), marks: Vec::new() };
    let mut at = 0;
    while at < tokens.len() {
        at = writer.write(at);
    }
    writer.out
}

struct Writer<'a> {
    tokens: &'a [Token<'a>],
    facts: &'a Facts,
    out: String,
    /// Where in `out` each token's translation begins.
    marks: Vec<usize>,
}

impl Writer<'_> {
    fn is(&self, at: usize, word: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(word))
    }

    /// Writes the token at `at`, and whatever belongs to it; returns which is next.
    fn write(&mut self, at: usize) -> usize {
        let token = self.tokens[at];
        if token.is("::") {
            return self.cast(at);
        }
        // Space and comments come to one blank, so that no comment swallows what is added.
        if at > 0 && self.tokens[at - 1].end() < token.at && !self.out.is_empty() {
            self.out.push(' ');
        }
        let begin = self.out.len();
        let next = self.one(at, token);
        self.marks.resize(next, begin);
        next
    }

    fn one(&mut self, at: usize, token: Token<'_>) -> usize {
        // A name that belongs to a schema: ours has no name in SQLite, and PostgreSQL's own is only in the way.
        let belongs = self.is(at + 1, ".") && !(at > 0 && self.is(at - 1, "."));
        if belongs && matches!(token.name().as_deref(), Some("public" | "pg_catalog")) {
            return match self.tokens.get(at + 2) {
                Some(inner) => self.alone(at + 2, *inner),
                None => at + 2,
            };
        }
        if at > 0 && self.is(at - 1, ".") { self.plain(at, token) } else { self.alone(at, token) }
    }

    /// A token that is not part of a longer name.
    fn alone(&mut self, at: usize, token: Token<'_>) -> usize {
        let special = if token.kind == Kind::Word { self.word(at, token) } else { None };
        special.unwrap_or_else(|| self.plain(at, token))
    }

    fn plain(&mut self, at: usize, token: Token<'_>) -> usize {
        match token.kind {
            Kind::Param => self.out.push_str(&format!("?{}", &token.text[1..])),
            Kind::Escaped | Kind::Dollar => self.out.push_str(&literal(&token.string().unwrap_or_default())),
            _ => self.out.push_str(token.text),
        }
        at + 1
    }

    /// Words that mean something in PostgreSQL only; `None`: this one does not.
    fn word(&mut self, at: usize, token: Token<'_>) -> Option<usize> {
        let word = token.text.to_ascii_lowercase();
        if word == "ilike" {
            self.out.push_str("LIKE");
            return Some(at + 1);
        }
        let called = self.is(at + 1, "(") && self.is(at + 2, ")");
        let bare = matches!(word.as_str(), "current_user" | "session_user" | "current_catalog" | "current_schema");
        if !called && (!bare || self.is(at + 1, "(")) {
            return None;
        }
        let value = match word.as_str() {
            "now" | "statement_timestamp" | "transaction_timestamp" | "clock_timestamp" => "datetime('now')".to_owned(),
            "version" => literal(&format!("PostgreSQL {VERSION} (Whither {})", env!("CARGO_PKG_VERSION"))),
            "current_schema" => literal("public"),
            "current_database" | "current_catalog" => literal(&self.facts.database),
            "current_user" | "session_user" | "user" => literal(&self.facts.user),
            "pg_backend_pid" => self.facts.pid.to_string(),
            "pg_is_in_recovery" => "0".to_owned(),
            "gen_random_uuid" => RANDOM_UUID.to_owned(),
            _ => return None,
        };
        self.out.push_str(&value);
        let next = if called { at + 3 } else { at + 1 };
        // What stands alone in a select list is called as the function is.
        let qualified = if at > 0 && self.is(at - 1, ".") { 2 } else { 0 };
        let before = at.checked_sub(1 + qualified).and_then(|at| self.tokens.get(at));
        let alone = before.is_some_and(|token| token.is("select") || token.is(","));
        let last = self.tokens.get(next).is_none_or(|token| token.is(",") || token.is("from"));
        if alone && last && self.in_select_list(at) {
            self.out.push_str(&format!(" AS {word}"));
        }
        Some(next)
    }

    /// Whether what is at `at` is outside all parentheses, between SELECT and FROM.
    fn in_select_list(&self, at: usize) -> bool {
        let mut depth = 0_usize;
        let mut list = false;
        for token in &self.tokens[..at] {
            match token.text {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ if depth == 0 && token.is("select") => list = true,
                _ if depth == 0 && token.is("from") => list = false,
                _ => {}
            }
        }
        list && depth == 0
    }

    /// `operand::type` becomes `CAST(operand AS type)`, if the operand is simple and the type has a like in SQLite.
    fn cast(&mut self, at: usize) -> usize {
        let (kind, next) = self.type_at(at + 1);
        let operand = self.operand_before(at);
        let (Some(kind), Some(operand)) = (kind, operand) else {
            self.marks.resize(at + 1, self.out.len());
            self.out.push_str("::");
            return at + 1;
        };
        let begin = self.marks[operand];
        let inner = self.out.split_off(begin);
        let trimmed = inner.trim_start();
        self.out.push_str(&inner[..inner.len() - trimmed.len()]);
        match kind {
            "" => self.out.push_str(trimmed),
            kind => self.out.push_str(&format!("CAST({trimmed} AS {kind})")),
        }
        self.marks.resize(next, begin);
        // All of it is one operand now, should another cast follow.
        self.marks[operand..next].fill(begin);
        next
    }

    /// Where the operand begins that ends before `end`: a name, a literal, a placeholder, a call, or something in parentheses.
    fn operand_before(&self, end: usize) -> Option<usize> {
        let mut at = end.checked_sub(1)?;
        // A type behind an earlier cast, with what it belongs to.
        if let Some(cast) = (0..end).rev().find(|at| self.tokens[*at].is("::"))
            && self.type_at(cast + 1).1 == end
        {
            return self.operand_before(cast);
        }
        if self.tokens[at].is(")") {
            let mut depth = 0_usize;
            loop {
                match self.tokens[at].text {
                    ")" => depth += 1,
                    "(" => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                at = at.checked_sub(1)?;
            }
            let called = at.checked_sub(1).is_some_and(|name| {
                let token = self.tokens[name];
                matches!(token.kind, Kind::Quoted) || (token.kind == Kind::Word && !reserved(token.text))
            });
            if !called {
                return Some(at);
            }
            at -= 1;
        }
        if matches!(self.tokens[at].kind, Kind::Operator | Kind::Other) {
            return None;
        }
        while at >= 2 && self.is(at - 1, ".") && self.tokens[at].name().is_some() {
            at -= 2;
        }
        Some(at)
    }

    /// SQLite's name for the type at `at` (empty: none is needed; `None`: there is none), and what follows it.
    fn type_at(&self, at: usize) -> (Option<&'static str>, usize) {
        let mut at = at;
        if self.is(at, "pg_catalog") && self.is(at + 1, ".") {
            at += 2;
        }
        let Some(name) = self.tokens.get(at).and_then(Token::name) else { return (None, at) };
        at += 1;
        let kind = match name.as_str() {
            "int" | "int2" | "int4" | "int8" | "integer" | "bigint" | "smallint" | "oid" | "bool" | "boolean" => {
                "INTEGER"
            }
            "real" | "float" | "float4" | "float8" | "double" => "REAL",
            "numeric" | "decimal" => "NUMERIC",
            "text" | "varchar" | "char" | "character" | "bpchar" | "name" | "uuid" | "json" | "jsonb" | "date"
            | "time" | "timetz" | "timestamp" | "timestamptz" | "interval" => "TEXT",
            "bytea" => "BLOB",
            "unknown" | "regclass" | "regtype" | "regproc" | "regnamespace" => "",
            _ => return (None, at),
        };
        if self.is(at, "varying") || self.is(at, "precision") {
            at += 1;
        }
        if self.is(at, "(") {
            while at < self.tokens.len() && !self.is(at, ")") {
                at += 1;
            }
            at += 1;
        }
        if (self.is(at, "with") || self.is(at, "without")) && self.is(at + 1, "time") && self.is(at + 2, "zone") {
            at += 3;
        }
        if self.is(at, "[") {
            // Lists have no like.
            return (None, at);
        }
        (Some(kind), at)
    }
}

/// Words before a parenthesis that are no functions.
fn reserved(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "in",
        "and",
        "or",
        "not",
        "select",
        "values",
        "where",
        "on",
        "set",
        "when",
        "then",
        "else",
        "between",
        "like",
        "ilike",
        "is",
        "from",
        "join",
        "as",
        "using",
        "by",
        "having",
        "exists",
        "any",
        "all",
        "returning",
        "limit",
        "offset",
        "case",
    ];
    WORDS.iter().any(|reserved| word.eq_ignore_ascii_case(reserved))
}

/// A string as SQLite writes it. One with a zero in it has to be put together.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''").replace('\0', ""))
}

/// A random UUID of version 4 (RFC 9562 section 5.4).
const RANDOM_UUID: &str = "(lower(hex(randomblob(4))) || '-' || lower(hex(randomblob(2))) || '-4' || \
     substr(lower(hex(randomblob(2))), 2) || '-' || substr('89ab', 1 + abs(random() % 4), 1) || \
     substr(lower(hex(randomblob(2))), 2) || '-' || lower(hex(randomblob(6))))";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::tokens;

    fn translated(sql: &str) -> String {
        let facts = Facts { user: "ann".into(), database: "app".into(), pid: 7 };
        translate(&tokens(sql).unwrap(), &facts)
    }

    #[test]
    fn what_drivers_send_is_put_right() {
        for (sql, right) in [
            ("SELECT 1", "SELECT 1"),
            ("select a , b  from t", "select a , b from t"),
            ("select $1, $2 from t", "select ?1, ?2 from t"),
            ("select '$1', \"$2\" -- $3\n, $3 /* $4 */", "select '$1', \"$2\" , ?3"),
            ("select $$it's$$, E'a\\n'", "select 'it''s', 'a\n'"),
            ("select a::int from t", "select CAST(a AS INTEGER) from t"),
            ("select t.a::text", "select CAST(t.a AS TEXT)"),
            ("where id = $1::INTEGER and b = $2::VARCHAR", "where id = CAST(?1 AS INTEGER) and b = CAST(?2 AS TEXT)"),
            ("select '5'::int::text", "select CAST(CAST('5' AS INTEGER) AS TEXT)"),
            ("select (a + b)::float8", "select CAST((a + b) AS REAL)"),
            ("select length(a)::bigint", "select CAST(length(a) AS INTEGER)"),
            ("where a in ($1::int, $2::int)", "where a in (CAST(?1 AS INTEGER), CAST(?2 AS INTEGER))"),
            ("values ($1::double precision)", "values (CAST(?1 AS REAL))"),
            ("values ($1::TIMESTAMP WITHOUT TIME ZONE, $2)", "values (CAST(?1 AS TEXT), ?2)"),
            ("values ($1::character varying(20))", "values (CAST(?1 AS TEXT))"),
            ("select 'x'::pg_catalog.text", "select CAST('x' AS TEXT)"),
            ("select $1::text[]", "select ?1::text[]"),
            ("select -1::int", "select -CAST(1 AS INTEGER)"),
            ("select \"a b\".\"c\"::bool", "select CAST(\"a b\".\"c\" AS INTEGER)"),
            ("where a ILIKE 'x%'", "where a LIKE 'x%'"),
            ("select now()", "select datetime('now') AS now"),
            ("insert into t values (now())", "insert into t values (datetime('now'))"),
            ("select a from t where b > now()", "select a from t where b > datetime('now')"),
            ("select current_schema()", "select 'public' AS current_schema"),
            ("select current_database(), current_user", "select 'app' AS current_database, 'ann' AS current_user"),
            ("select pg_catalog.current_schema()", "select 'public' AS current_schema"),
            ("select pg_backend_pid()", "select 7 AS pg_backend_pid"),
            ("select * from public.users", "select * from users"),
            ("select t.version from t", "select t.version from t"),
            ("select version from t", "select version from t"),
            ("select a->>'$.b' from t", "select a->>'$.b' from t"),
            ("select true, false", "select true, false"),
        ] {
            assert_eq!(translated(sql), right, "{sql}");
        }
    }

    #[test]
    fn the_version_is_one_that_clients_can_read() {
        let text = translated("select pg_catalog.version()");
        assert!(text.starts_with("select 'PostgreSQL 16."), "{text}");
        assert!(text.ends_with(" AS version"), "{text}");
    }

    #[test]
    fn a_name_that_is_part_of_another_stays() {
        assert_eq!(translated("select t.public.x"), "select t.public.x");
        assert_eq!(translated("select a.ilike"), "select a.ilike");
    }
}
