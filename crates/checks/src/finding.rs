//! What one run finds, and how long it may take to.

use crate::output::presentable;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use whither_model::Health;

/// A run that is told so much after its time was over has not waited for the instance but for its own host.
const STOOD_STILL: Duration = Duration::from_millis(500);

/// What a run found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Finding {
    /// `None`: this host could not check.
    pub(crate) status: Option<Health>,
    /// For a person.
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn passing(text: impl Into<String>) -> Self {
        Self { status: Some(Health::Passing), text: text.into() }
    }

    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Self { status: Some(Health::Warning), text: text.into() }
    }

    pub(crate) fn critical(text: impl Into<String>) -> Self {
        Self { status: Some(Health::Critical), text: text.into() }
    }

    pub(crate) fn unable(text: &str) -> Self {
        Self { status: None, text: format!("could not check, which says nothing about the instance: {text}") }
    }

    /// The same finding, with what the instance itself said below it.
    pub(crate) fn saying(mut self, said: &[u8]) -> Self {
        let said = presentable(&String::from_utf8_lossy(said));
        if !said.trim().is_empty() {
            self.text.push('\n');
            self.text.push_str(said.trim_end());
        }
        self
    }
}

/// Until when a run may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    allowed: Duration,
}

impl Deadline {
    /// `allowed` from now.
    pub(crate) fn after(allowed: Duration) -> Self {
        Self { at: Instant::now() + allowed, allowed }
    }

    pub(crate) const fn allowed(&self) -> Duration {
        self.allowed
    }

    /// Awaits one step of a run. What is late says `what` happened instead, as in "no answer" `within 2s`.
    pub(crate) async fn on<T>(
        &self,
        what: impl FnOnce() -> String,
        step: impl Future<Output = T>,
    ) -> Result<T, Finding> {
        timeout_at(self.at, step).await.map_err(|_| {
            if Instant::now() > self.at + STOOD_STILL {
                return Finding::unable("this agent did not get to run for longer than the check may take");
            }
            Finding::critical(format!("{} within {:?}", what(), self.allowed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_late_is_critical() {
        let late =
            Deadline::after(Duration::from_secs(2)).on(|| "no answer".into(), std::future::pending::<()>()).await;
        assert_eq!(late, Err(Finding::critical("no answer within 2s")));
        assert_eq!(Deadline::after(Duration::from_secs(2)).on(String::new, std::future::ready(7)).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_stood_still_accuses_nobody() {
        let deadline = Deadline::after(Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(5)).await;
        let late = deadline.on(|| "no answer".into(), std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(late.status, None, "{}", late.text);
    }

    #[test]
    fn what_was_said_stands_below_what_was_found() {
        assert_eq!(Finding::passing("fine").saying(b"all well\r\n").text, "fine\nall well");
        assert_eq!(Finding::passing("fine").saying(b" \n").text, "fine");
        assert_eq!(Finding::passing("fine").saying(b"\xff\x1b").text, "fine\n\u{fffd}\u{fffd}");
    }
}
