//! PostgreSQL: `[postgres]`, and each `[[postgres.user]]`.
//!
//! Users are read from the file alone: what stands in flags and in the environment is seen by too many.

use super::error::{ConfigError, Problem, Source};
use crate::nearest::nearest;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// PostgreSQL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PostgresConfig {
    /// Where it listens, TCP. Port 0: the system chooses. Invariant: a loopback address if there are no users.
    pub(crate) bind: SocketAddr,
    /// Whether nobody may write.
    pub(crate) read_only: bool,
    /// The files with the certificate and its key; `None`: nothing is encrypted. Not opened yet.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Who may connect; empty: everybody who can reach it.
    pub(crate) users: Vec<PostgresUser>,
}

/// Somebody who may connect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PostgresUser {
    /// Its name.
    pub(crate) name: String,
    /// Its password.
    pub(crate) password: Password,
    /// Whether it may write.
    pub(crate) writes: bool,
}

/// A password, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Password {
    /// This.
    Given(String),
    /// In this file, not opened yet; without the end of its line.
    File(PathBuf),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Password {
    /// The password itself.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub(crate) fn read(self) -> std::io::Result<String> {
        match self {
            Self::Given(password) => Ok(password),
            Self::File(path) => Ok(std::fs::read_to_string(path)?.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }
}

/// One `[[postgres.user]]` as a file has it, with its line.
#[derive(Clone, Debug)]
pub(crate) struct RawUser {
    /// What it says.
    pub(crate) user: PostgresUser,
    /// Where it begins.
    pub(crate) source: Source,
}

/// The name of the list in `[postgres]`.
pub(super) const USER: &str = "user";

/// The fields of a `[[postgres.user]]`, for messages and for the reference page.
pub(crate) const FIELDS: &[(&str, &str)] = &[
    ("name", "What it is called: 1 to 63 bytes. Required"),
    ("password", "Its password. This or `password_file` is required"),
    ("password_file", "A file with its password, and nothing else but the end of the line"),
    ("writes", "Whether it may write: `true` or `false`. `false`, if left out"),
];

/// Reads one.
///
/// # Errors
/// The field that is wrong, empty if it is none in particular, and what would be right.
pub(super) fn read(table: &DeTable<'_>) -> Result<PostgresUser, (String, String)> {
    let (mut name, mut password, mut writes) = (None, None, false);
    for (key, value) in table {
        let field = key.get_ref().as_ref();
        let wrong = |expected: &str| Err((field.to_owned(), format!("expected {expected}")));
        match (field, value.get_ref()) {
            ("name", DeValue::String(text)) if (1..=63).contains(&text.len()) => name = Some(text.to_string()),
            ("name", _) => return wrong("a string of 1 to 63 bytes, for example \"app\""),
            ("password" | "password_file", _) if password.is_some() => {
                return Err((field.to_owned(), "is one too many; password or password_file is enough".into()));
            }
            ("password", DeValue::String(text)) if !text.is_empty() => {
                password = Some(Password::Given(text.to_string()))
            }
            ("password", _) => return wrong("a string that is not empty"),
            ("password_file", DeValue::String(text)) if !text.is_empty() => {
                password = Some(Password::File(PathBuf::from(text.as_ref())));
            }
            ("password_file", _) => return wrong("a path, for example \"/etc/whither/app.password\""),
            ("writes", DeValue::Boolean(value)) => writes = *value,
            ("writes", _) => return wrong("true or false, without quotes"),
            (other, _) => {
                let names = || FIELDS.iter().map(|(name, _)| *name);
                let advice = match nearest(other, names()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("a user has {}", names().collect::<Vec<_>>().join(", ")),
                };
                return Err((other.to_owned(), format!("is not a field; {advice}")));
            }
        }
    }
    let lacks = |field: &str| (String::new(), format!("has no {field}; give it one"));
    Ok(PostgresUser {
        name: name.ok_or_else(|| lacks("name"))?,
        password: password.ok_or_else(|| lacks("password or password_file"))?,
        writes,
    })
}

/// The users, each name once.
///
/// # Errors
/// A name that is there twice.
pub(super) fn settle(users: &[RawUser]) -> Result<Vec<PostgresUser>, ConfigError> {
    for (at, one) in users.iter().enumerate() {
        if users[..at].iter().any(|other| other.user.name == one.user.name) {
            let problem = format!("{:?} is there twice; each name is somebody else", one.user.name);
            return Err(Problem { source: Some(one.source.clone()), option: "postgres.user".into(), problem }.into());
        }
    }
    Ok(users.iter().map(|one| one.user.clone()).collect())
}

/// The entries of the list; `None`: it is no list of tables.
pub(super) fn entries<'a, 'b>(value: &'a DeValue<'b>) -> Option<Vec<(&'a DeTable<'b>, std::ops::Range<usize>)>> {
    let DeValue::Array(entries) = value else { return None };
    let one = |entry: &'a Spanned<DeValue<'b>>| match entry.get_ref() {
        DeValue::Table(table) => Some((table, entry.span())),
        _ => None,
    };
    entries.iter().map(one).collect()
}
