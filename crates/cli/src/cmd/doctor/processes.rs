//! The processes of the host (proc(5)).

use super::host::{self, Host};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Processes that are looked at.
const PROCESSES_MAX: usize = 65_536;

/// A process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Process {
    /// Its id.
    pub(super) pid: u32,
    /// Its name, at most 15 characters.
    pub(super) name: String,
    /// What is known of it: its folder.
    pub(super) folder: PathBuf,
}

impl Process {
    /// `java (pid 4711)`
    pub(super) fn words(&self) -> String {
        format!("{} (pid {})", self.name, self.pid)
    }

    /// Whether it is one of these programs.
    pub(super) fn is_one_of(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }
}

/// All of them, by id.
///
/// # Errors
/// The system's, if there is no list.
pub(super) fn all(host: &Host) -> io::Result<Vec<Process>> {
    let mut processes: Vec<Process> = fs::read_dir(host.path("proc"))?
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            let pid = folder.file_name()?.to_str()?.parse().ok()?;
            // One that has ended since is no process.
            let name = host::settings(&folder.join("comm")).ok()?.text;
            let name = crate::table::visible(name.trim_end_matches('\n'));
            Some(Process { pid, name, folder })
        })
        .take(PROCESSES_MAX)
        .collect();
    processes.sort_unstable_by_key(|process| process.pid);
    Ok(processes)
}
