//! The database's files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The name of users' tables in a data directory.
pub(crate) const NAME: &str = "tables.db";

/// The log of the database in `file`.
pub(crate) fn log_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Has the system put the log on the disk.
///
/// A commit is complete once its pages in the log are: SQLite itself would sync exactly that file, and whatever it has
/// checkpointed since it has synced before.
pub(crate) fn sync_log(file: &Path) -> io::Result<()> {
    match File::open(log_of(file)) {
        Ok(log) => log.sync_data(),
        // Nothing was written since the log was last emptied.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// How many bytes a file has; none if it is not there.
pub(crate) fn bytes(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}
