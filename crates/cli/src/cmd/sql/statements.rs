//! Where statements begin and end, as far as that can be told without a grammar.

use std::ops::Range;

/// A statement in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// Where, without the semicolon.
    pub(super) bytes: Range<usize>,
    /// In which line it begins, from 1.
    pub(super) line: usize,
}

/// Whether the first word says that a statement writes.
pub(super) fn begins_a_write(sql: &str) -> bool {
    let rest = &sql[content(sql, 0)..];
    let word = rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    ["INSERT", "UPDATE", "DELETE", "REPLACE"].iter().any(|verb| word.eq_ignore_ascii_case(verb))
}

/// The statements in `text`: what stands between semicolons that are in no quotes and no comment.
pub(super) fn split(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut from = 0;
    while from < text.len() {
        let end = end(text, from);
        let begin = content(text, from).min(end);
        let bytes = begin..begin + text[begin..end].trim_end().len();
        if !bytes.is_empty() {
            found.push(Found { line: text[..begin].matches('\n').count() + 1, bytes });
        }
        from = end + 1;
    }
    found
}

/// Where the statement at `from` ends: at its semicolon, or the text's end.
fn end(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(next) = text[at..].chars().next() {
        at = match next {
            ';' => return at,
            // A doubled quote within quotes reads as two quoted texts, which comes to the same.
            '\'' | '"' | '`' => past(text, at + 1, &next.to_string()),
            '[' => past(text, at + 1, "]"),
            '-' if text[at..].starts_with("--") => past(text, at, "\n"),
            '/' if text[at..].starts_with("/*") => past(text, at + 2, "*/"),
            other => at + other.len_utf8(),
        };
    }
    text.len()
}

/// The first place from `from` on that is neither space nor comment.
fn content(text: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        at = text.len() - text[at..].trim_start().len();
        at = match &text[at..] {
            rest if rest.starts_with("--") => past(text, at, "\n"),
            rest if rest.starts_with("/*") => past(text, at + 2, "*/"),
            _ => return at,
        };
    }
}

/// After the next `mark`, or the end.
fn past(text: &str, from: usize, mark: &str) -> usize {
    text[from..].find(mark).map_or(text.len(), |at| from + at + mark.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_quotes_and_comments_end_nothing() {
        let text =
            "-- seed; it\nINSERT INTO a VALUES ('x;''y', \"b;\");\n\n/* ; */ ;\nDELETE FROM [a;b] -- last; one\n";
        let found: Vec<(usize, &str)> = split(text).into_iter().map(|one| (one.line, &text[one.bytes])).collect();
        assert_eq!(
            found,
            [(2, "INSERT INTO a VALUES ('x;''y', \"b;\")"), (5, "DELETE FROM [a;b] -- last; one")],
            "a comment before a statement is not part of it"
        );
        assert!(split(" ;; -- nothing\n").is_empty() && split("").is_empty());
        assert_eq!(split("SELECT 'é"), [Found { bytes: 0..10, line: 1 }]);
    }

    #[test]
    fn a_write_is_told_by_its_first_word() {
        assert!(begins_a_write("  -- a\n/* b */ insert INTO a VALUES (1)"));
        assert!(begins_a_write("DELETE FROM a") && begins_a_write("replace into a values (1)"));
        assert!(!begins_a_write("WITH b AS (SELECT 1) DELETE FROM a"), "that is the database's to say");
        assert!(!begins_a_write("SELECT replace(a, 'x', 'y') FROM b") && !begins_a_write(""));
    }
}
