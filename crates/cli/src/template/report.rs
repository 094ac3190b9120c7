//! What is said about what was done: a line for people, or a line of JSON for programs.

use super::error::{Kind, Trouble};
use super::spec::Spec;
use crate::console::Console;
use crate::duration;
use crate::table::visible;
use serde_json::{Value, json};
use std::io;
use std::time::Duration;

/// Where it is said.
pub(super) struct Report {
    pub(super) console: Console,
    /// Lines of JSON on standard output instead of words.
    pub(super) json: bool,
}

/// A rendering that came to its end.
pub(super) struct Made<'a> {
    pub(super) spec: &'a Spec,
    /// Whether the file says something new.
    pub(super) changed: bool,
    pub(super) bytes: usize,
    pub(super) took: Duration,
}

impl Report {
    fn event(&mut self, event: &Value) -> io::Result<()> {
        self.console.line(&event.to_string())
    }

    /// A file was made, or is as it should be.
    pub(super) fn made(&mut self, made: &Made<'_>) -> io::Result<()> {
        let Made { spec, changed, bytes, took } = made;
        if self.json {
            return self.event(&json!({
                "event": "rendered", "template": spec.template, "output": spec.output, "changed": changed,
                "bytes": bytes, "took_ms": millis(*took),
            }));
        }
        if *changed {
            let (output, took) = (spec.output.display(), millis(*took));
            self.console.note(&format!("{output}: written, {bytes} bytes, {took} ms"));
        }
        Ok(())
    }

    /// A command ran well.
    pub(super) fn ran(&mut self, spec: &Spec, command: &str, took: Duration) -> io::Result<()> {
        if self.json {
            return self.event(&json!({
                "event": "command", "output": spec.output, "command": command, "ok": true, "took_ms": millis(took),
            }));
        }
        self.console.note(&format!("{}: `{command}` is done, {} ms", spec.output.display(), millis(took)));
        Ok(())
    }

    /// Something did not work, for the `failures`th time; `again` is when it is tried again.
    pub(super) fn failed(
        &mut self,
        spec: &Spec,
        trouble: &Trouble,
        failures: u64,
        again: Option<Duration>,
    ) -> io::Result<()> {
        if self.json {
            return self.event(&json!({
                "event": if trouble.kind == Kind::Command { "command" } else { "kept" }, "ok": false,
                "template": spec.template, "output": spec.output, "kind": trouble.kind.as_str(), "why": trouble.text,
                "failures": failures, "again_ms": again.map(millis),
            }));
        }
        let what = in_words(spec, trouble);
        let again = again.map_or_else(String::new, |pause| format!("; trying again in {}", duration::exact(pause)));
        self.console.warn(&lines(&format!("{what}{again}")));
        Ok(())
    }

    /// Something that is not quite as it should be.
    pub(super) fn warn(&mut self, spec: &Spec, what: &str) -> io::Result<()> {
        if self.json {
            return self.event(&json!({
                "event": "warning", "template": spec.template, "output": spec.output, "why": what,
            }));
        }
        self.console.warn(&lines(&format!("{}: {what}", spec.output.display())));
        Ok(())
    }

    /// Something about the connection to the agent.
    pub(super) fn agent(&mut self, event: &str, words: &str) -> io::Result<()> {
        if self.json {
            return self.event(&json!({ "event": event, "why": words }));
        }
        if event == "lost" {
            self.console.warn(&lines(words))
        } else {
            self.console.note(&lines(words))
        }
        Ok(())
    }
}

/// What went wrong, and what one is left with.
pub(super) fn in_words(spec: &Spec, trouble: &Trouble) -> String {
    let output = spec.output.display();
    match trouble.kind {
        Kind::Command => format!("{output} is written, but {trouble}"),
        _ => format!("{output} stays as it is: {trouble}"),
    }
}

/// Control characters do not reach a terminal, whoever registered them; line ends are ours.
fn lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
