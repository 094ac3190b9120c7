//! Network namespaces that do not outlive the run.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

static OPEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// What all of their names begin with.
const PREFIX: &str = "whither-";

/// A network namespace. Removed when dropped, or by [`remove_all`], with the interfaces in it.
#[derive(Debug)]
pub(super) struct Namespace(String);

impl Namespace {
    /// Makes number `number` of this process.
    pub(super) fn new(number: usize) -> Result<Self> {
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        // Held while it is made, so that whoever removes all of them does not miss this one.
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        ip(&["netns", "add", &name])?;
        open.insert(name.clone());
        Ok(Self(name))
    }

    /// What `ip netns` calls it.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Runs commands of `ip`, one per line, inside.
    pub(super) fn ip(&self, commands: &str) -> Result<()> {
        ip_batch(&["-n", &self.0, "-batch", "-"], commands)
    }

    /// A command that runs `program` inside. It becomes that program: its process is the one that is started.
    pub(super) fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if open.remove(&self.0) {
            remove(&self.0);
        }
    }
}

/// Removes every namespace that is open. For the end of the program: whoever wants another one waits for that end.
pub(crate) fn remove_all() {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *open).iter().for_each(|name| remove(name));
    std::mem::forget(open);
}

/// Removes what runs left behind that could not clean up after themselves, because they were killed.
pub(super) fn remove_leftovers() {
    let Ok(listed) = Command::new("ip").args(["netns", "list"]).output() else { return };
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        if maker(name).is_some_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()) {
            remove(name);
        }
    }
}

/// The process that made a namespace of this name, if it is one of ours.
fn maker(name: &str) -> Option<u32> {
    let (pid, number) = name.strip_prefix(PREFIX)?.split_once('-')?;
    number.parse::<usize>().ok()?;
    pid.parse().ok()
}

fn remove(name: &str) {
    // Nobody is left to be told that it did not work.
    drop(ip(&["netns", "del", name]));
}

/// Runs `ip` once.
fn ip(arguments: &[&str]) -> Result<()> {
    ip_batch(arguments, "")
}

/// Runs `ip` with `commands` as its input.
pub(super) fn ip_batch(arguments: &[&str], commands: &str) -> Result<()> {
    let started =
        Command::new("ip").args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = started.context("cannot run `ip` (iproute2)")?;
    if let Some(mut input) = child.stdin.take() {
        // If it ended before it had read all, it says why.
        drop(input.write_all(commands.as_bytes()));
    }
    let ended = child.wait_with_output().context("cannot wait for `ip`")?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        bail!("`ip {}` failed: {}{commands}", arguments.join(" "), said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::maker;

    #[test]
    fn only_our_own_names_are_known_again() {
        assert_eq!(maker("whither-4711-0"), Some(4711));
        for other in ["whither-4711", "whither-x-0", "whither-1-x", "mine-4711-0", "whither-4711-0-1", ""] {
            assert_eq!(maker(other), None, "{other}");
        }
    }
}
