//! SQL as text: quoting, literals, and where one statement ends and the next begins.

use whither_model::sql::Value;

/// An identifier, quoted.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A piece of SQL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token<'a> {
    /// What it is.
    pub kind: TokenKind,
    /// As it stands there.
    pub text: &'a str,
    /// The line it is in, from 1.
    pub line: usize,
    /// Where it begins.
    pub at: usize,
}

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in quotes.
    Quoted,
    /// Text in single quotes.
    Text,
    /// Anything else that is one piece.
    Other,
}

impl Token<'_> {
    /// Whether it is this keyword.
    #[must_use]
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// The name it stands for.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self.kind {
            TokenKind::Word => Some(self.text.to_owned()),
            TokenKind::Quoted => {
                let inner = self.text.get(1..self.text.len().checked_sub(1)?)?;
                Some(match self.text.as_bytes()[0] {
                    b'"' => inner.replace("\"\"", "\""),
                    b'`' => inner.replace("``", "`"),
                    _ => inner.to_owned(),
                })
            }
            TokenKind::Text | TokenKind::Other => None,
        }
    }
}

/// The tokens of SQL, comments left out.
#[must_use]
pub fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let rest = &sql[at..];
        let (length, kind) = match bytes[at] {
            byte if byte.is_ascii_whitespace() => (1, None),
            b'-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), None),
            b'/' if rest.starts_with("/*") => (rest[2..].find("*/").map_or(rest.len(), |end| end + 4), None),
            b'\'' => (quote_length(rest, b'\''), Some(TokenKind::Text)),
            quote @ (b'"' | b'`') => (quote_length(rest, quote), Some(TokenKind::Quoted)),
            b'[' => (rest.find(']').map_or(rest.len(), |end| end + 1), Some(TokenKind::Quoted)),
            byte if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => {
                let word = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || *byte >= 0x80);
                (rest.bytes().position(|byte| word(&byte)).unwrap_or(rest.len()), Some(TokenKind::Word))
            }
            _ => (1, Some(TokenKind::Other)),
        };
        if let Some(kind) = kind {
            found.push(Token { kind, text: &rest[..length], line, at });
        }
        line += rest[..length].bytes().filter(|byte| *byte == b'\n').count();
        at += length;
    }
    found
}

fn quote_length(rest: &str, quote: u8) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    bytes.len()
}

/// SQL cut into statements, each with its tokens and its text without the semicolon.
#[must_use]
pub fn statements(sql: &str) -> Vec<(Vec<Token<'_>>, &str)> {
    let all = tokens(sql);
    let mut found = Vec::new();
    for part in all.split(|token| token.text == ";") {
        let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
        found.push((part.to_vec(), &sql[first.at..last.at + last.text.len()]));
    }
    found
}

/// The value of a literal; `None` if `text` is anything else.
#[must_use]
pub fn literal(text: &str) -> Option<Value> {
    let text = text.trim();
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).map_or(text, str::trim);
    if inner.eq_ignore_ascii_case("null") {
        return Some(Value::Null);
    }
    if inner.eq_ignore_ascii_case("true") || inner.eq_ignore_ascii_case("false") {
        return Some(Value::Integer(i64::from(inner.eq_ignore_ascii_case("true"))));
    }
    let quoted = ['\'', '"'].iter().find_map(|quote| {
        let inside = inner.strip_prefix(*quote)?.strip_suffix(*quote)?;
        let doubled = format!("{quote}{quote}");
        (!inside.replace(&doubled, "").contains(*quote)).then(|| inside.replace(&doubled, &quote.to_string()))
    });
    if let Some(text) = quoted {
        return Some(Value::Text(text.into()));
    }
    if let Ok(number) = inner.parse::<i64>() {
        return Some(Value::Integer(number));
    }
    let numeric = inner.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    inner.parse::<f64>().ok().filter(|number| numeric && number.is_finite()).map(Value::Real)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_that_are_not_inside_something() {
        let sql = "CREATE TABLE a (x TEXT DEFAULT ';');\n-- one; two\nCREATE /* ; */ INDEX \"i;\" ON a (x)\n;;";
        let cut: Vec<(&str, usize)> = statements(sql).iter().map(|(tokens, text)| (*text, tokens[0].line)).collect();
        let second = "CREATE /* ; */ INDEX \"i;\" ON a (x)";
        assert_eq!(cut, [("CREATE TABLE a (x TEXT DEFAULT ';')", 1), (second, 3)]);
    }

    #[test]
    fn text_that_never_ends_is_no_reason_to_panic() {
        for sql in ["'", "\"a", "/*", "[", "--", "a'é", "é"] {
            assert!(statements(sql).len() <= 1, "{sql}");
        }
    }

    #[test]
    fn literals_are_read_and_expressions_are_not() {
        let text = |text: &str| Some(Value::Text(text.into()));
        assert_eq!(literal("'it''s'"), text("it's"));
        assert_eq!(literal("''"), text(""));
        assert_eq!(literal("(-3)"), Some(Value::Integer(-3)));
        assert_eq!(literal("1.5"), Some(Value::Real(1.5)));
        assert_eq!(literal("NULL"), Some(Value::Null));
        assert_eq!(literal("TRUE"), Some(Value::Integer(1)));
        for expression in ["datetime('now')", "CURRENT_TIMESTAMP", "'a' || 'b'", "infinity", "'"] {
            assert_eq!(literal(expression), None, "{expression}");
        }
    }
}
