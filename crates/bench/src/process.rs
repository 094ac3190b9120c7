//! Processes that do not outlive the run, known by their handles.

use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of a process that may wait to be read; beyond them it waits.
const LINES_MAX: usize = 10_000;
/// How often it is looked whether a process that fell silent has ended.
const ENDING_LOOKS: usize = 200;
/// Time between two looks.
const ENDING_PAUSE: Duration = Duration::from_millis(10);

static CHILDREN: Mutex<BTreeMap<u32, Child>> = Mutex::new(BTreeMap::new());

/// A child process. Killed when dropped, or by [`kill_all`].
#[derive(Debug)]
pub(crate) struct Process {
    what: String,
    pid: u32,
    lines: Receiver<String>,
}

impl Process {
    /// Starts it. Its standard output is read here; its standard input stays open as long as it and this program live.
    pub(crate) fn start(command: &mut Command, what: impl Into<String>) -> Result<Self> {
        let what = what.into();
        // Held while it starts, so that whoever kills all of them does not miss this one.
        let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {what} ({})", command.get_program().display()))?;
        let (sender, lines) = sync_channel(LINES_MAX);
        let output = child.stdout.take();
        let pid = child.id();
        children.insert(pid, child);
        drop(children);
        if let Some(output) = output {
            std::thread::spawn(move || read_lines(BufReader::new(output), &sender));
        }
        Ok(Self { what, pid, lines })
    }

    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// What follows `ready ` in the first line that begins so.
    pub(crate) fn ready(&self, patience: Duration) -> Result<String> {
        let until = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(rest) = line.strip_prefix("ready ") {
                        return Ok(rest.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("{} did not say \"ready\" within {patience:?}", self.what),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} ended before it was ready{}", self.what, self.ended_how())
                }
            }
        }
    }

    /// All that it says until it ends by itself.
    pub(crate) fn output(self, patience: Duration) -> Result<String> {
        let until = Instant::now() + patience;
        let mut text = String::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => text.extend([line.as_str(), "\n"]),
                Err(RecvTimeoutError::Disconnected) => return Ok(text),
                Err(RecvTimeoutError::Timeout) => return Err(anyhow!("{} did not end within {patience:?}", self.what)),
            }
        }
    }

    fn ended_how(&self) -> String {
        // It closes its output a moment before it is gone, if it goes at all.
        for _ in 0..ENDING_LOOKS {
            let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
            let status = children.get_mut(&self.pid).and_then(|child| child.try_wait().ok().flatten());
            drop(children);
            if let Some(status) = status {
                return format!(" ({status})");
            }
            std::thread::sleep(ENDING_PAUSE);
        }
        String::new()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.pid);
        if let Some(child) = child {
            end(child);
        }
    }
}

/// Kills all children. For the end of the program: whoever wants to start another one waits for that end.
pub(crate) fn kill_all() {
    let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *children).into_values().for_each(end);
    std::mem::forget(children);
}

fn end(mut child: Child) {
    // It fails only for a child that has been waited for already.
    drop(child.kill());
    drop(child.wait());
}

fn read_lines(output: impl BufRead, lines: &SyncSender<String>) {
    for line in output.lines() {
        let Ok(line) = line else { return };
        if lines.send(line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Process;
    use std::process::Command;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script]), "the script").unwrap()
    }

    #[test]
    fn a_child_says_ready_and_ends_when_dropped() {
        let child = shell("echo noise; echo ready now; cat");
        assert_eq!(child.ready(PATIENCE).unwrap(), "now");
        let proc = format!("/proc/{}", child.pid());
        assert!(std::path::Path::new(&proc).exists());
        drop(child);
        assert!(!std::path::Path::new(&proc).exists());
    }

    #[test]
    fn a_child_that_ends_early_is_told_apart_from_a_slow_one() {
        let problem = shell("exit 3").ready(PATIENCE).unwrap_err().to_string();
        assert_eq!(problem, "the script ended before it was ready (exit status: 3)");
        let problem = shell("cat").ready(Duration::from_millis(10)).unwrap_err().to_string();
        assert_eq!(problem, "the script did not say \"ready\" within 10ms");
        assert_eq!(shell("echo a; echo b").output(PATIENCE).unwrap(), "a\nb\n");
    }
}
