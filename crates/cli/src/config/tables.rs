//! What is done for users' tables: `[tables]`.

use crate::agent::backups::BackupPlan;
use std::path::PathBuf;

/// What is done for users' tables.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct TablesConfig {
    /// Files, and directories of files, that say what tables there are.
    pub(crate) schema: Vec<PathBuf>,
    /// Where backups go, and when; `None`: none are made.
    pub(crate) backups: Option<BackupPlan>,
}
