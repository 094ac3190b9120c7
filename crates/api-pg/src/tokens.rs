//! SQL as PostgreSQL's clients write it, cut into pieces: strings, comments and placeholders are told apart, nothing is understood.

use crate::problem::{Problem, code};

/// A piece of SQL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Where it begins, bytes.
    pub(crate) at: usize,
}

/// What a piece is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A keyword, or a name without quotes.
    Word,
    /// A name in double quotes.
    Quoted,
    /// `'text'`.
    Text,
    /// `E'text'`, with escapes.
    Escaped,
    /// `$tag$text$tag$`.
    Dollar,
    /// A number.
    Number,
    /// `$1`.
    Param,
    /// An operator: one or more of PostgreSQL's operator characters, or `::`.
    Operator,
    /// Anything else, one character.
    Other,
}

impl<'a> Token<'a> {
    /// Whether it is this word or sign, without regard to case.
    pub(crate) fn is(&self, word: &str) -> bool {
        !matches!(self.kind, Kind::Quoted | Kind::Text | Kind::Escaped | Kind::Dollar)
            && self.text.eq_ignore_ascii_case(word)
    }

    /// The name it stands for: without quotes as it is, folded to lower case as PostgreSQL does it.
    pub(crate) fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::Quoted => Some(self.inner().replace("\"\"", "\"")),
            _ => None,
        }
    }

    /// The text it stands for, if it is a string.
    pub(crate) fn string(&self) -> Option<String> {
        match self.kind {
            Kind::Text => Some(self.inner().replace("''", "'")),
            Kind::Escaped => Some(unescape(&self.text[2..self.text.len() - 1])),
            Kind::Dollar => {
                let tag = self.text[1..].find('$').map_or(0, |end| end + 2);
                Some(self.text[tag..self.text.len() - tag].to_owned())
            }
            _ => None,
        }
    }

    /// The number of a placeholder, from 1.
    pub(crate) fn param(&self) -> Option<usize> {
        let number = if self.kind == Kind::Param { self.text[1..].parse().ok() } else { None };
        number.filter(|number| *number > 0)
    }

    /// Where it ends, bytes.
    pub(crate) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    fn inner(&self) -> &'a str {
        &self.text[1..self.text.len() - 1]
    }
}

/// Cuts `sql` into tokens; comments are none.
///
/// # Errors
/// A string, name or comment that does not end.
pub(crate) fn tokens(sql: &str) -> Result<Vec<Token<'_>>, Problem> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < sql.len() {
        let (length, kind) = piece(&sql[at..]).map_err(|what| {
            Problem::new(code::SYNTAX, format!("{what} does not end: it begins at {:?}", beginning(&sql[at..])))
        })?;
        if let Some(kind) = kind {
            found.push(Token { kind, text: &sql[at..at + length], at });
        }
        at += length;
    }
    Ok(found)
}

/// The tokens of each statement, those that are empty left out.
pub(crate) fn statements<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    tokens.split(|token| token.is(";")).filter(|statement| !statement.is_empty())
}

/// A few characters of it, to show.
pub(crate) fn beginning(text: &str) -> String {
    const SHOWN: usize = 40;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// How long the first piece is, and what; `None`: space or a comment.
fn piece(rest: &str) -> Result<(usize, Option<Kind>), &'static str> {
    let bytes = rest.as_bytes();
    let second = bytes.get(1).copied().unwrap_or_default();
    Ok(match bytes[0] {
        byte if byte.is_ascii_whitespace() => (1, None),
        b'-' if second == b'-' => (rest.find('\n').unwrap_or(rest.len()), None),
        b'/' if second == b'*' => (comment(rest).ok_or("a comment")?, None),
        b'\'' => (quoted(rest, 0, false).ok_or("a string")?, Some(Kind::Text)),
        b'"' => (quoted(rest, 0, false).ok_or("a quoted name")?, Some(Kind::Quoted)),
        b'e' | b'E' if second == b'\'' => (quoted(rest, 1, true).ok_or("a string")?, Some(Kind::Escaped)),
        b'$' if second.is_ascii_digit() => (1 + count(&rest[1..], |byte| byte.is_ascii_digit()), Some(Kind::Param)),
        b'$' => match dollar(rest) {
            Some(length) => (length.ok_or("a string")?, Some(Kind::Dollar)),
            None => (1, Some(Kind::Other)),
        },
        b'.' if second.is_ascii_digit() => (number(rest), Some(Kind::Number)),
        byte if byte.is_ascii_digit() => (number(rest), Some(Kind::Number)),
        byte if begins_word(byte) => (count(rest, in_word), Some(Kind::Word)),
        b':' if second == b':' => (2, Some(Kind::Operator)),
        byte if is_operator(byte) => (operator(rest), Some(Kind::Operator)),
        _ => (rest.chars().next().map_or(1, char::len_utf8), Some(Kind::Other)),
    })
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn in_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?".contains(&byte)
}

fn count(rest: &str, belongs: impl Fn(u8) -> bool) -> usize {
    rest.bytes().position(|byte| !belongs(byte)).unwrap_or(rest.len())
}

/// As long as PostgreSQL takes it: a comment ends it, and a sign at its end only belongs to it in the company of some others.
fn operator(rest: &str) -> usize {
    let all = count(rest, is_operator);
    let comment = [rest[..all].find("--"), rest[..all].find("/*")].into_iter().flatten().min();
    let mut length = comment.unwrap_or(all).max(1);
    let special = |text: &str| text.contains(['~', '!', '@', '#', '%', '^', '&', '|', '`', '?']);
    while length > 1 && rest[..length].ends_with(['+', '-']) && !special(&rest[..length]) {
        length -= 1;
    }
    // A star is a column list more often than the end of an operator.
    while length > 1 && rest[..length].ends_with('*') && !rest[..length].contains('~') {
        length -= 1;
    }
    length
}

fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let sign = matches!(byte, b'+' | b'-') && matches!(bytes[at - 1], b'e' | b'E') && !rest.starts_with("0x");
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || sign) {
            break;
        }
        at += 1;
    }
    at
}

/// The length of a string whose first quote is at `open`; `None`: it does not end.
fn quoted(rest: &str, open: usize, escapes: bool) -> Option<usize> {
    let bytes = rest.as_bytes();
    let quote = bytes[open];
    let mut at = open + 1;
    while let Some(byte) = bytes.get(at) {
        if escapes && *byte == b'\\' {
            at += 1;
        } else if *byte == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return Some(at + 1);
            }
            at += 1;
        }
        at += 1;
    }
    None
}

/// The length of a comment; PostgreSQL's may contain others.
fn comment(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'*', Some(b'/')) => (at, depth) = (at + 2, depth - 1),
            (b'/', Some(b'*')) => (at, depth) = (at + 2, depth + 1),
            _ => at += 1,
        }
    }
    Some(at)
}

/// `None`: no such string begins here. `Some(None)`: it does not end.
fn dollar(rest: &str) -> Option<Option<usize>> {
    let tag = count(&rest[1..], |byte| in_word(byte) && byte != b'$');
    if rest.as_bytes().get(1 + tag) != Some(&b'$') {
        return None;
    }
    let tag = &rest[..tag + 2];
    Some(rest[tag.len()..].find(tag).map(|end| end + 2 * tag.len()))
}

/// What stands behind the escapes of `E'text'`.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '\'' => {
                // It is doubled.
                rest.next();
                plain.push('\'');
            }
            '\\' => match rest.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some('r') => plain.push('\r'),
                Some('b') => plain.push('\u{8}'),
                Some('f') => plain.push('\u{c}'),
                Some(kind @ ('x' | 'u' | 'U')) => {
                    let most = match kind {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let digits: String = rest.clone().take(most).take_while(char::is_ascii_hexdigit).collect();
                    for _ in 0..digits.len() {
                        rest.next();
                    }
                    plain.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
                }
                Some(other) => plain.push(other),
                None => {}
            },
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(sql: &str) -> Vec<(Kind, String)> {
        tokens(sql).unwrap().iter().map(|token| (token.kind, token.text.to_owned())).collect()
    }

    #[test]
    fn pieces_are_told_apart() {
        for (sql, kind) in [
            ("select", Kind::Word),
            ("\"a \"\" b\"", Kind::Quoted),
            ("'it''s $1; -- no'", Kind::Text),
            ("E'it\\'s'", Kind::Escaped),
            ("$$it's$$", Kind::Dollar),
            ("$q$ $$ $q$", Kind::Dollar),
            ("$12", Kind::Param),
            ("1.5e-3", Kind::Number),
            (".5", Kind::Number),
            ("::", Kind::Operator),
            ("!~*", Kind::Operator),
            ("->>", Kind::Operator),
            ("(", Kind::Other),
            ("größe", Kind::Word),
        ] {
            assert_eq!(kinds(sql), [(kind, sql.to_owned())], "{sql}");
        }
    }

    #[test]
    fn signs_and_stars_stay_apart() {
        let texts = |sql: &str| kinds(sql).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts("a=-1"), ["a", "=", "-", "1"]);
        assert_eq!(texts("1-1"), ["1", "-", "1"]);
        assert_eq!(texts("a.*,b"), ["a", ".", "*", ",", "b"]);
        assert_eq!(texts("a/*x*/b--c\n;"), ["a", "b", ";"]);
        assert_eq!(texts("a <>'x'"), ["a", "<>", "'x'"]);
    }

    #[test]
    fn comments_hide_what_they_contain() {
        assert_eq!(kinds("1 -- $1 'x\n/* ' /* nested */ $2 */ 2").len(), 2);
    }

    #[test]
    fn strings_have_their_text() {
        for (sql, text) in
            [("'it''s'", "it's"), ("E'a\\'b\\n\\x41\\u00e9'", "a'b\nA\u{e9}"), ("$x$a'$b$x$", "a'$b"), ("$$$$", "")]
        {
            assert_eq!(tokens(sql).unwrap()[0].string().as_deref(), Some(text), "{sql}");
        }
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for sql in ["'a", "\"a", "/* a", "$$ a", "$x$ a $y$", "E'a\\'"] {
            assert_eq!(tokens(sql).unwrap_err().code, "42601", "{sql}");
        }
    }

    #[test]
    fn statements_are_cut_at_semicolons_only() {
        let all = tokens("; select ';' ; ; select \"a;b\"; -- ;").unwrap();
        assert_eq!(statements(&all).map(<[_]>::len).collect::<Vec<_>>(), [2, 2]);
    }
}
