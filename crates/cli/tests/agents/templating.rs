//! `whither template`, and what it says it does.

use super::agent::{Process, command};
use super::{SOON, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

/// A `whither template` that keeps files up to date. Killed when dropped.
pub(crate) struct Templating {
    process: Process,
    said: PathBuf,
    words: PathBuf,
    /// Events that were waited for already.
    heard: usize,
}

impl Templating {
    /// Starts it in a directory; its files are named `name`.
    #[track_caller]
    pub(crate) fn start(door: &str, dir: &Path, name: &str, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let (said, words) = (dir.join(format!("{name}.events")), dir.join(format!("{name}.log")));
        let mut run = command(&["template", "--json", "--agent", door]);
        run.args(arguments).current_dir(dir).envs(env.iter().copied());
        let file = |path: &Path| Stdio::from(File::create(path).expect("a file"));
        let process = Process::spawn(run.stdout(file(&said)).stderr(file(&words)));
        Self { process, said, words, heard: 0 }
    }

    /// Waits for an event after those that were waited for.
    #[track_caller]
    pub(crate) fn hear(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let from = self.heard;
        let (at, event) = eventually(what, SOON, || {
            let events = self.events();
            let found = events.iter().enumerate().skip(from).find(|(_, event)| fits(event));
            found.map(|(at, event)| (at, event.clone())).ok_or_else(|| format!("{events:#?}\n{}", self.log()))
        });
        self.heard = at + 1;
        event
    }

    /// All that it has done so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        let said = fs::read_to_string(&self.said).unwrap_or_default();
        // The last line may be half written.
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// What it, and its commands, wrote for people.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.words).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.0), signal).expect("a child can be signalled");
    }

    /// Asks it to end, and waits until it did.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.process.await_end("whither template ends", SOON)
    }
}

/// Runs `whither template --once`, and waits for its end.
#[track_caller]
pub(crate) fn template_once(door: &str, dir: &Path, arguments: &[&str]) -> Output {
    let mut run = command(&["template", "--once", "--agent", door]);
    run.args(arguments).current_dir(dir).output().expect("the program runs")
}
