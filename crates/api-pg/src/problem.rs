//! Why something was not done, as PostgreSQL's clients read it: a code of five characters, and words.

use pgwire::messages::response::ErrorResponse;
use whither_directory::sql::SqlRefusal;

/// An error for a client.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Problem {
    /// Its SQLSTATE (PostgreSQL's manual, appendix A).
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// What would be right, if that is not in the message.
    pub(crate) hint: Option<String>,
    /// Whether the connection ends with it.
    pub(crate) fatal: bool,
}

/// The codes that are sent.
pub(crate) mod code {
    pub(crate) const PROTOCOL: &str = "08P01";
    pub(crate) const UNSUPPORTED: &str = "0A000";
    pub(crate) const BAD_VALUE: &str = "22P02";
    pub(crate) const BAD_PARAMETER: &str = "22023";
    pub(crate) const READ_ONLY: &str = "25006";
    pub(crate) const NO_TRANSACTION: &str = "25P01";
    pub(crate) const FAILED_TRANSACTION: &str = "25P02";
    pub(crate) const NO_STATEMENT: &str = "26000";
    pub(crate) const NOT_LET_IN: &str = "28000";
    pub(crate) const WRONG_PASSWORD: &str = "28P01";
    pub(crate) const NO_PORTAL: &str = "34000";
    pub(crate) const NO_SAVEPOINT: &str = "3B001";
    pub(crate) const CONFLICT: &str = "40001";
    pub(crate) const SYNTAX: &str = "42601";
    pub(crate) const DUPLICATE_STATEMENT: &str = "42P05";
    pub(crate) const UNKNOWN_SETTING: &str = "42704";
    pub(crate) const TOO_MANY_CONNECTIONS: &str = "53300";
    pub(crate) const LIMIT: &str = "54000";
    pub(crate) const CANCELLED: &str = "57014";
    pub(crate) const STOPPING: &str = "57P01";
    pub(crate) const NOT_READY: &str = "57P03";
}

impl Problem {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, fatal: false }
    }

    pub(crate) fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self { fatal: true, ..Self::new(code, message) }
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(code::UNSUPPORTED, message)
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(crate) fn response(&self) -> ErrorResponse {
        let severity = if self.fatal { "FATAL" } else { "ERROR" };
        // A message is text that a zero ends.
        let clean = |text: &str| text.replace('\0', "");
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', self.code.to_owned()),
            (b'M', clean(&self.message)),
        ];
        fields.extend(self.hint.iter().map(|hint| (b'H', clean(hint))));
        ErrorResponse::new(fields)
    }
}

/// What SQLite's texts contain, and the code that says the same. The first that fits counts.
const TEXTS: &[(&str, &str)] = &[
    ("syntax error", code::SYNTAX),
    ("incomplete input", code::SYNTAX),
    ("unrecognized token", code::SYNTAX),
    ("is empty", code::SYNTAX),
    ("values for", code::SYNTAX),
    ("more than one statement", code::SYNTAX),
    ("no such table", "42P01"),
    ("no such column", "42703"),
    ("no column named", "42703"),
    ("ambiguous column name", "42702"),
    ("no such function", "42883"),
    ("wrong number of arguments", "42883"),
    ("no such index", "42704"),
    ("already exists", "42P07"),
    ("misuse of aggregate", "42803"),
    ("UNIQUE constraint failed", "23505"),
    ("NOT NULL constraint failed", "23502"),
    ("CHECK constraint failed", "23514"),
    ("FOREIGN KEY constraint failed", "23503"),
    ("constraint failed", "23000"),
    ("datatype mismatch", "42804"),
    ("cannot store", "42804"),
    ("integer overflow", "22003"),
    ("malformed JSON", code::BAD_VALUE),
    ("is written by the agent alone", "42501"),
    ("is not for", "42501"),
    ("not allowed", "42501"),
    ("not authorized", "42501"),
    ("too big", code::LIMIT),
    ("too many", code::LIMIT),
    ("parameter", code::PROTOCOL),
    ("interrupted", code::CANCELLED),
];

/// The code for what SQLite says; that of a general error in a statement if it is nothing special.
fn code_of(what: &str) -> &'static str {
    TEXTS.iter().find(|(text, _)| what.contains(text)).map_or("42000", |(_, code)| code)
}

impl From<SqlRefusal> for Problem {
    fn from(refusal: SqlRefusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            // With one statement its number tells nothing.
            SqlRefusal::Statement { index: 0, what } => Self::new(code_of(&what), what),
            SqlRefusal::Statement { what, .. } => Self::new(code_of(&what), message),
            SqlRefusal::Schema { line: 1, what } => Self::new(code_of(&what), what),
            SqlRefusal::Schema { what, .. } => Self::new(code_of(&what), message),
            SqlRefusal::TooLarge(_) => Self::new(code::LIMIT, message),
            SqlRefusal::TimedOut(_) => Self::new(code::CANCELLED, message),
            SqlRefusal::NotSeen { .. } | SqlRefusal::TooFewNodes { .. } => Self::new("55000", message),
            SqlRefusal::Unknown(_) => Self::new("42P01", message),
            SqlRefusal::Disk(_) => Self::new("53100", message),
            SqlRefusal::NotNow(_) => Self::new("53300", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_sqlite_says_has_a_code() {
        for (what, code) in [
            ("near \"selec\": syntax error", "42601"),
            ("no such table: t", "42P01"),
            ("no such column: a", "42703"),
            ("table t has no column named a", "42703"),
            ("UNIQUE constraint failed: t.id", "23505"),
            ("NOT NULL constraint failed: t.id", "23502"),
            ("_whither_clock is written by the agent alone", "42501"),
            ("something else", "42000"),
        ] {
            let problem = Problem::from(SqlRefusal::Statement { index: 0, what: what.into() });
            assert_eq!((problem.code, problem.message.as_str()), (code, what));
        }
        assert_eq!(Problem::from(SqlRefusal::TimedOut(Duration::from_secs(1))).code, "57014");
        assert_eq!(Problem::from(SqlRefusal::Disk("full".into())).code, "53100");
        assert_eq!(Problem::from(SqlRefusal::NotNow("busy".into())).code, "53300");
        let third = Problem::from(SqlRefusal::Statement { index: 2, what: "no such table: t".into() });
        assert_eq!(third.message, "statement 3: no such table: t");
    }

    #[test]
    fn a_zero_ends_no_message_early() {
        let response = Problem::new(code::SYNTAX, "a\0b").response();
        assert!(response.fields.contains(&(b'M', "ab".to_owned())));
    }
}
