//! The few patterns that clients compare names with.

use crate::problem::Problem;

/// A regular expression: names, dots, stars, alternatives. psql makes them of what is typed behind `\d`.
pub(super) struct Regex {
    alternatives: Vec<Vec<(Piece, bool)>>,
    begins: bool,
    ends: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Any,
    This(char),
}

/// Longest pattern, characters: more than any name has.
const LENGTH_MAX: usize = 256;

impl Regex {
    /// Understands a pattern.
    ///
    /// # Errors
    /// It is more than a pattern of names.
    pub(super) fn new(pattern: &str) -> Result<Self, Problem> {
        let strange =
            || Problem::unsupported(format!("the pattern {pattern:?} is not understood; names with . and * are"));
        if pattern.len() > LENGTH_MAX {
            return Err(strange());
        }
        let (begins, rest) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
        let (ends, rest) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
        let inner = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(rest);
        let mut alternatives = vec![Vec::new()];
        let mut rest = inner.chars().peekable();
        while let Some(next) = rest.next() {
            let piece = match next {
                '|' => {
                    alternatives.push(Vec::new());
                    continue;
                }
                '.' => Piece::Any,
                '\\' => Piece::This(rest.next().ok_or_else(strange)?),
                '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' | '*' | '+' | '?' => return Err(strange()),
                other => Piece::This(other),
            };
            let many = rest.next_if_eq(&'*').is_some();
            if let Some(last) = alternatives.last_mut() {
                last.push((piece, many));
            }
        }
        Ok(Self { alternatives, begins, ends })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let starts = if self.begins { 0..1 } else { 0..text.len() + 1 };
        let here = |start: usize| self.alternatives.iter().any(|pieces| self.continues(pieces, &text[start..]));
        starts.into_iter().any(here)
    }

    fn continues(&self, pieces: &[(Piece, bool)], text: &[char]) -> bool {
        // Which pieces may come next, after each character: no going back, so no pattern takes long.
        let skip = |mut reached: Vec<bool>| {
            for at in 0..pieces.len() {
                if reached[at] && pieces[at].1 {
                    reached[at + 1] = true;
                }
            }
            reached
        };
        let mut reached = vec![false; pieces.len() + 1];
        reached[0] = true;
        reached = skip(reached);
        for character in text {
            if !self.ends && reached[pieces.len()] {
                return true;
            }
            let mut next = vec![false; pieces.len() + 1];
            for (at, (piece, many)) in pieces.iter().enumerate().filter(|(at, _)| reached[*at]) {
                if *piece == Piece::Any || *piece == Piece::This(*character) {
                    next[if *many { at } else { at + 1 }] = true;
                }
            }
            reached = skip(next);
        }
        reached[pieces.len()]
    }
}

/// A pattern of LIKE.
pub(super) struct Like(Regex);

impl Like {
    pub(super) fn new(pattern: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = pattern.chars();
        while let Some(next) = rest.next() {
            pieces.push(match next {
                '%' => (Piece::Any, true),
                '_' => (Piece::Any, false),
                '\\' => (Piece::This(rest.next().unwrap_or('\\')), false),
                other => (Piece::This(other), false),
            });
        }
        Self(Regex { alternatives: vec![pieces], begins: true, ends: true })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_psql_match_names() {
        for (pattern, yes, no) in [
            ("^(users)$", "users", "users2"),
            ("^(u.*)$", "users", "ausers"),
            ("^(a|b.)$", "bx", "b"),
            ("^pg_", "pg_class", "apg_"),
            ("^(a\\.b)$", "a.b", "axb"),
            ("mid", "amidst", "mi"),
            ("^(.*x.*y)$", "axby", "ayx"),
        ] {
            let regex = Regex::new(pattern).unwrap();
            assert!(regex.matches(yes), "{pattern} {yes}");
            assert!(!regex.matches(no), "{pattern} {no}");
        }
        assert!(Regex::new("^(a[bc])$").is_err());
        assert!(Regex::new(&"a".repeat(1_000)).is_err());
    }

    #[test]
    fn like_matches_names() {
        assert!(Like::new("us%").matches("users") && !Like::new("us%").matches("a"));
        assert!(Like::new("u_").matches("ux") && !Like::new("u\\_").matches("ux"));
    }
}
