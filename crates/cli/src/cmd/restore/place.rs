//! A backup becomes the tables of a node whose agent is stopped.

use super::super::Session;
use super::super::backup::rows;
use super::super::services::counted;
use crate::failure::DONE;
use crate::moment;
use crate::whole_file::{WholeFile, sync_directory};
use anyhow::{Context, anyhow, bail};
use serde_json::json;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use whither_sql::import::{Depth, check_backup, fold_log};
use whither_store::{DirLock, OpenError, create_directory};

/// The file in a data directory.
const TABLES: &str = "tables.db";
/// What says that somebody uses the directory.
const LOCK: &str = "whither.lock";

pub(super) fn run(file: &Path, dir: &Path, session: &mut Session) -> anyhow::Result<ExitCode> {
    // Before anything is made: what is no backup is to leave no trace.
    drop(check_backup(file, Depth::Pages)?);
    if fs::metadata(suffixed(file, "-wal")).is_ok_and(|log| log.len() > 0) {
        bail!(
            "{} has a log beside it (-wal), so it is not all there is: it was copied from an agent, or one uses it; make a \
             backup with `whither backup`",
            file.display()
        );
    }
    let dir = create_directory(dir).with_context(|| format!("cannot use {}", dir.display()))?;
    let _lock = DirLock::take(&dir).map_err(|error| in_words(error, file))?;
    let target = dir.join(TABLES);
    let cannot = || format!("{} cannot be written", target.display());
    let mut whole = WholeFile::begin(&target).with_context(cannot)?;
    let mut from = File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    io::copy(&mut from, &mut whole.file).with_context(cannot)?;
    // What is put in place is what was looked at.
    let copy = check_backup(whole.part(), Depth::Everything)?;
    let rows = rows(&copy)?;
    drop(copy);
    let kept = set_aside(&target).with_context(|| format!("{} cannot be set aside", target.display()))?;
    whole.keep().with_context(cannot)?;
    give_to_owner(&dir, kept.as_deref()).with_context(cannot)?;
    let count: u64 = rows.iter().map(|(_, rows)| rows).sum();
    if session.json {
        let kept = kept.map(|path| path.display().to_string());
        let said = json!({"tables": rows.len(), "rows": count, "file": target.display().to_string(), "kept": kept});
        session.console.line(&said.to_string())?;
        return Ok(DONE);
    }
    let (count, tables) = (counted(count, "row", "rows"), counted(rows.len() as u64, "table", "tables"));
    session.console.line(&format!("{}: {count} in {tables}", target.display()))?;
    if let Some(kept) = kept {
        session.console.note(&format!("what was there before is {}", kept.display()));
    }
    session.console.note("start the agent: it gets from the other nodes what they have written since");
    Ok(DONE)
}

fn in_words(error: OpenError, file: &Path) -> anyhow::Error {
    let OpenError::Locked { dir, pid } = error else { return error.into() };
    let holder = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
    anyhow!(
        "an agent runs on {}{holder}; stop it first, or make rows of the running cluster what the backup says, with \
         `whither restore {} --table NAME` or `--all`",
        dir.display(),
        file.display()
    )
}

/// Keeps what is there under another name, which is returned. It stays in place as well, as far as that can be, until it is
/// replaced: there is no moment without a database.
fn set_aside(target: &Path) -> io::Result<Option<PathBuf>> {
    if !target.exists() {
        return Ok(None);
    }
    let kept = suffixed(target, &format!(".before-restore-{}", moment::now()));
    // With its log folded into it, it is one file. If it is too broken for that, its log is kept beside it: it must not be taken
    // for the log of what comes in its place.
    drop(fold_log(target));
    for log in ["-wal", "-shm"] {
        match fs::rename(suffixed(target, log), suffixed(&kept, log)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    // Not every file system has links.
    if fs::hard_link(target, &kept).is_err() {
        fs::rename(target, &kept)?;
    }
    sync_directory(target)?;
    Ok(Some(kept))
}

/// The agent may run as another user than whoever restores: what is in its directory is its own.
fn give_to_owner(dir: &Path, kept: Option<&Path>) -> io::Result<()> {
    let owner = fs::metadata(dir)?;
    for path in [dir.join(TABLES), dir.join(LOCK)].iter().map(PathBuf::as_path).chain(kept) {
        let file = fs::metadata(path)?;
        if (file.uid(), file.gid()) != (owner.uid(), owner.gid()) {
            std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    Ok(())
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
