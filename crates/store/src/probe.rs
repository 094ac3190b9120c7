//! What the operating system itself says about the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Large enough to need a block of its own.
const PROBE_BYTES: usize = 16 * 1024;

/// Writes and syncs a small file, because SQLite reports "full" and "I/O error" without the system's reason, and without
/// telling a full disk from a database at its configured limit.
pub(crate) fn ask(dir: &Path) -> String {
    let path = dir.join("whither.probe");
    let outcome = write(&path);
    // What is left of a failed probe is as small as the probe, and overwritten by the next.
    let _ = fs::remove_file(&path);
    match outcome {
        Ok(()) => format!("a test write to {} succeeded", dir.display()),
        Err(error) => format!("a test write to {} failed: {error}", dir.display()),
    }
}

fn write(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&[0; PROBE_BYTES])?;
    file.sync_all()
}
