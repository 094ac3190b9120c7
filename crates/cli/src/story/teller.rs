//! Who tells a story: a line for each thing that happens, with the time since it began.

use crate::console::Console;
use serde_json::{Value, json};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// How long a person is given to read a line.
const BREATH: Duration = Duration::from_millis(700);

/// Tells a story to people, or keeps what it would have told for the document at the end.
pub(crate) struct Teller {
    pub(crate) console: Console,
    begun: Instant,
    /// What was said, where it is not said in words.
    told: Option<Vec<Value>>,
    breathes: bool,
}

impl Teller {
    /// One that speaks on this process's standard output: in words, or with `json` in one document at the end.
    pub(crate) fn of_process(json: bool) -> Self {
        Self {
            console: Console::of_process(),
            begun: Instant::now(),
            told: json.then(Vec::new),
            breathes: !json && io::stdout().is_terminal(),
        }
    }

    /// How long the story has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whether it speaks in words.
    pub(crate) const fn is_in_words(&self) -> bool {
        self.told.is_none()
    }

    /// Says that something happened.
    ///
    /// # Errors
    /// The stream's; a closed pipe among them.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        let at = self.elapsed();
        match &mut self.told {
            Some(told) => {
                told.push(json!({ "at_ms": super::millis(at), "says": text }));
                Ok(())
            }
            None => self.console.line(&format!("{:6.2} s  {text}", at.as_secs_f64())),
        }
    }

    /// Says more about the last thing, on lines of its own; in the document it is among the facts.
    ///
    /// # Errors
    /// As [`Teller::say`].
    pub(crate) fn more(&mut self, text: &str) -> io::Result<()> {
        if self.told.is_some() {
            return Ok(());
        }
        text.lines().try_for_each(|line| self.console.line(format!("          {line}").trim_end()))
    }

    /// Gives a person time to read. Where nobody looks, it takes none.
    pub(crate) fn breathe(&self) {
        if self.breathes {
            std::thread::sleep(BREATH);
        }
    }

    /// What was told, if it was not in words.
    pub(crate) fn take_told(&mut self) -> Option<Vec<Value>> {
        self.told.take()
    }
}
