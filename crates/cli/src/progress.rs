//! How far a long command is, in one line that is written again and again: on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is written anew.
const REDRAW: Duration = Duration::from_millis(200);

/// The line, on standard error. It goes when this is dropped.
pub(crate) struct ProgressLine {
    drawn: Option<Instant>,
    visible: bool,
}

impl ProgressLine {
    /// One that is shown if somebody sits there.
    pub(crate) fn of_process() -> Self {
        Self { drawn: None, visible: io::stderr().is_terminal() }
    }

    /// Shows how far it is, if it is time to.
    pub(crate) fn show(&mut self, line: impl FnOnce() -> String) {
        if !self.visible || self.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW) {
            return;
        }
        self.drawn = Some(Instant::now());
        // Erase the line (ECMA-48), and write it anew. Nobody looking is no reason to stop.
        let _ = write!(io::stderr(), "\r\x1b[K{}", line());
        let _ = io::stderr().flush();
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
