//! What can go wrong, and what the caller is left holding.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// Why a data directory could not be opened. Whatever the variant: the lock is not held, and nothing has to be undone.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it could not be created or opened. What was there is unchanged.
    #[error("cannot use {}: {source}; the data directory must exist or be creatable, and be writable", path.display())]
    Directory {
        /// The directory or file in question.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process has the directory open. It goes on undisturbed; this one must not start.
    #[error(
        "the data directory {} is in use by another agent{}; stop that one, or give this one a directory of its own",
        dir.display(), holder(*pid)
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// Who has it, if it has said.
        pid: Option<u32>,
    },
    /// A newer version has written here, and this one cannot tell what its data means. Nothing was changed.
    #[error(
        "{} was written by a newer whither (schema {found}; this one supports up to {supported}); run that version again, \
         or move the data directory away to start afresh as a new node",
        file.display()
    )]
    Newer {
        /// The database.
        file: PathBuf,
        /// The schema it has.
        found: i32,
        /// The newest schema this software knows.
        supported: i32,
    },
    /// A SQLite database of some other program. Nothing was changed.
    #[error(
        "{} is a SQLite database of another program (application id {application_id:#x}); it was not touched: \
         choose another data directory",
        file.display()
    )]
    Foreign {
        /// The database.
        file: PathBuf,
        /// Whose it says it is; zero if it does not say.
        application_id: i32,
    },
    /// The database is damaged, or is none. The file is kept as it is; the node's identity may be lost with it.
    #[error(
        "{} is damaged: {detail}; it was kept as it is: move the data directory away, and the node comes back as a new \
         one and fetches from its peers what they know",
        file.display()
    )]
    Corrupt {
        /// The database.
        file: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A program that is no agent, a SQLite shell for example, has the database open. The agent needs it to itself. Nothing
    /// was changed; trying again once it is closed is safe.
    #[error("{} is open in another program; close it there first", file.display())]
    InUse {
        /// The database.
        file: PathBuf,
    },
    /// The database could not be read or written: the disk is full, broken or read-only. No epoch was handed out; what was stored before is still there. Trying again later is safe.
    #[error("cannot read or write {}: {detail}", file.display())]
    Disk {
        /// The database.
        file: PathBuf,
        /// What SQLite and the operating system said.
        detail: String,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

impl OpenError {
    pub(crate) fn sqlite(file: &Path, error: &rusqlite::Error) -> Self {
        let (file, detail) = (file.to_owned(), describe(error));
        match error {
            // Missing or mistyped data in tables that only we write: damage as well.
            rusqlite::Error::QueryReturnedNoRows | rusqlite::Error::InvalidColumnType(..) => {
                Self::Corrupt { file, detail }
            }
            _ if is_damage(error) => Self::Corrupt { file, detail },
            _ if is_busy(error) => Self::InUse { file },
            _ => Self::Disk { file, detail },
        }
    }
}

/// Why a commit failed.
///
/// From a running journal ([`Report::Failed`](crate::Report::Failed)): nothing was lost. The journal keeps all that it
/// could not write, takes further batches, and tries again until it succeeds or is closed; no receipt is given meanwhile.
///
/// From [`Journal::close`](crate::Journal::close): every batch with a receipt is stored; the others are lost.
///
/// From [`Store::raise_epoch`](crate::Store::raise_epoch): the stored epoch is the old one or the new one; nothing may be
/// said in the new one. Trying again is safe.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommitError {
    /// No room, on the disk or within [`JournalConfig::max_pages`](crate::JournalConfig::max_pages). Goes on as soon as
    /// there is some.
    #[error("no room left to store rows: {detail}")]
    Full {
        /// What SQLite and the operating system said.
        detail: String,
    },
    /// The disk could not be written or forced. May pass; if it does, everything is written anew, because nothing that
    /// was in flight can be trusted.
    #[error("the disk fails: {detail}")]
    Io {
        /// What SQLite and the operating system said.
        detail: String,
    },
    /// The database is damaged. It will not heal: what is stored from now on is lost to the next boot, which will say
    /// [`OpenError::Corrupt`]. The running node is complete and may go on serving.
    #[error("the database is damaged: {detail}")]
    Damaged {
        /// What SQLite said.
        detail: String,
    },
    /// Anything else; tried again all the same.
    #[error("cannot store rows: {detail}")]
    Other {
        /// What SQLite said.
        detail: String,
    },
}

impl CommitError {
    pub(crate) fn sqlite(error: &rusqlite::Error, disk_says: Option<&str>) -> Self {
        let mut detail = describe(error);
        if let Some(said) = disk_says {
            detail = format!("{detail}; {said}");
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { detail },
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => Self::Io { detail },
            _ if is_damage(error) => Self::Damaged { detail },
            _ => Self::Other { detail },
        }
    }

    /// Whether both are the same trouble, however they word it.
    pub(crate) fn is_same_trouble(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Whether the medium may have lost what it was given.
pub(crate) fn is_io(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// SQLite's words with its extended code, which alone tells a failed write from a failed sync.
fn describe(error: &rusqlite::Error) -> String {
    match error.sqlite_extended_error_code() {
        Some(code) => format!("{error} (SQLite code {code})"),
        None => error.to_string(),
    }
}
