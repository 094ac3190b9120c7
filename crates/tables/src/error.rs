//! What can go wrong, and what it leaves behind.

use crate::clock::Ahead;
use std::path::PathBuf;

/// SQLite could not do it: a full disk, a broken page. Nothing of the present transaction may be kept: roll it back.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Fault(#[from] pub rusqlite::Error);

impl Fault {
    /// Whether the database itself is damaged.
    #[must_use]
    pub fn is_corruption(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        self.0.sqlite_error_code().is_some_and(|code| matches!(code, DatabaseCorrupt | NotADatabase))
    }

    /// Whether there was no room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }
}

/// Why the database was not opened. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It belongs to another program.
    #[error("{} is a database of another program; move it away, or choose another data directory", .0.display())]
    Foreign(PathBuf),
    /// It was written by a newer version.
    #[error("{} was written by a newer version of whither (layout {found}; this version knows {known}); run that version", file.display())]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Its layout.
        found: i32,
        /// The newest known here.
        known: i32,
    },
    /// It is damaged.
    #[error("{} is damaged ({detail}); move it away and start again: the other nodes give back what they have", file.display())]
    Corrupt {
        /// Which file.
        file: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// The system does not let it be served.
    #[error("{} cannot be served: {reason}", file.display())]
    NoThread {
        /// Which file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// It cannot be opened.
    #[error("{} cannot be opened: {source}", file.display())]
    Sqlite {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

/// A statement that was refused, and with it its transaction: nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("statement {}: {what}", index + 1)]
pub struct BadStatement {
    /// Which one, from 0.
    pub index: usize,
    /// Why, and what would be right.
    pub what: String,
}

/// Why a transaction was not made.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is the client's fault; nothing was changed.
    #[error(transparent)]
    Statement(#[from] BadStatement),
    /// It would be larger than others accept; nothing was changed.
    #[error("the transaction writes {bytes} bytes; at most {max}: make several of it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// SQLite could not do it.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(Fault(error))
    }
}

/// Why a change of the schema was refused. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadSchema {
    /// Where, from 1.
    pub line: usize,
    /// Why, and what would be right.
    pub what: String,
}

/// Why what another node said was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum NotApplied {
    /// Its clock is too far ahead.
    #[error("its author's clock is {:.1} s ahead of this node's", .0.by.as_secs_f64())]
    Ahead(Ahead),
    /// It cannot be read.
    #[error("it cannot be read")]
    Malformed,
}
