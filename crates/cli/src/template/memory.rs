//! What is remembered of a file beside it, so that a restart forgets neither its guards nor its command.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a file last had, and whether its command is owed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// Services of which it has instances, as the template calls them.
    pub(super) had: BTreeSet<String>,
    /// The command has not succeeded since the file changed.
    pub(super) owes: bool,
}

impl Memory {
    /// What is remembered of `output`. What cannot be read is not remembered: then it is as at the first time.
    pub(super) fn load(output: &Path) -> Self {
        fs::read(path(output)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Remembers it.
    ///
    /// # Errors
    /// The file beside the output cannot be written.
    pub(super) fn save(&self, output: &Path) -> io::Result<()> {
        let path = path(output);
        let temporary = path.with_extension("whither-memory");
        fs::write(&temporary, serde_json::to_vec(self)?)?;
        fs::rename(&temporary, &path)
    }
}

/// A dot before it, and no ending that anybody includes by: `/etc/haproxy/.haproxy.cfg.whither`.
fn path(output: &Path) -> PathBuf {
    output.with_file_name(format!(".{}.whither", output.file_name().unwrap_or_default().to_string_lossy()))
}
