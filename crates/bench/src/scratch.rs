//! Directories that do not outlive the run.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A new empty directory, removed when dropped, or by [`remove_all`].
#[derive(Debug)]
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// Makes one in `parent`.
    pub(crate) fn new(parent: &Path) -> Result<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let made = tempfile::Builder::new().prefix("whither-bench-").tempdir_in(parent);
        let made = made.with_context(|| format!("cannot make a directory in {}", parent.display()))?;
        open.insert(made.path().to_owned());
        Ok(Self(made))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(self.0.path());
    }
}

/// Removes every directory that is open. For the end of the program: whoever wants another one waits for that end.
pub(crate) fn remove_all() {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    for path in std::mem::take(&mut *open) {
        // Nobody is left to be told that it did not work.
        drop(std::fs::remove_dir_all(path));
    }
    std::mem::forget(open);
}

/// What the files below `dir` take up on the disk, bytes.
pub(crate) fn disk_bytes(dir: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    /// The unit of `st_blocks`, whatever the file system's own block is (stat(2)).
    const BLOCK_BYTES: u64 = 512;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * BLOCK_BYTES };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Scratch, disk_bytes};

    #[test]
    fn a_scratch_directory_is_measured_and_goes() {
        let scratch = Scratch::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().to_owned();
        std::fs::create_dir(path.join("below")).unwrap();
        std::fs::write(path.join("below/file"), [7; 10_000]).unwrap();
        // Written, so that the file system has given it blocks.
        std::fs::File::open(path.join("below/file")).unwrap().sync_all().unwrap();
        let bytes = disk_bytes(&path).unwrap();
        assert!((10_000..=40_000).contains(&bytes), "{bytes}");
        drop(scratch);
        assert!(!path.exists());
    }
}
