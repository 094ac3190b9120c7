//! When to render: the first change at once, changes that come close together in one go.

use crate::duration;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How long is waited for things to be quiet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wait {
    /// Nothing has changed for so long.
    pub(crate) quiet: Duration,
    /// But no longer than this after the first change.
    pub(crate) longest: Duration,
}

impl FromStr for Wait {
    type Err = String;

    /// `50ms:1s`, or only the first.
    fn from_str(text: &str) -> Result<Self, String> {
        let (quiet, longest) = text.split_once(':').unwrap_or((text, text));
        let wait = Self { quiet: duration::parse(quiet)?, longest: duration::parse(longest)? };
        if wait.longest < wait.quiet {
            return Err(format!("{text:?} waits longer for quiet than at most; expected MIN:MAX, for example 50ms:1s"));
        }
        Ok(wait)
    }
}

/// Gathers changes of what one template reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settle {
    wait: Wait,
    /// When it was last rendered.
    rendered: Option<Instant>,
    /// The first and the last change since then.
    changes: Option<(Instant, Instant)>,
}

impl Settle {
    pub(super) const fn new(wait: Wait) -> Self {
        Self { wait, rendered: None, changes: None }
    }

    /// Something changed.
    pub(super) fn changed(&mut self, now: Instant) {
        self.changes = Some((self.changes.map_or(now, |(first, _)| first), now));
    }

    /// When to render, if there is anything to.
    pub(super) fn due(&self) -> Option<Instant> {
        let (first, last) = self.changes?;
        let is_calm = self.rendered.is_none_or(|rendered| first >= rendered + self.wait.longest);
        // After a calm, a change is most likely alone, and somebody waits for it.
        Some(if is_calm { first } else { (last + self.wait.quiet).min(first + self.wait.longest) })
    }

    /// It is rendered now, with all changes so far.
    pub(super) fn rendered(&mut self, now: Instant) {
        (self.rendered, self.changes) = (Some(now), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_first_change_is_rendered_at_once_and_those_that_follow_together() {
        let t = Instant::now();
        let mut settle = Settle::new("50ms:1s".parse().unwrap());
        assert_eq!(settle.due(), None);
        settle.changed(t);
        assert_eq!(settle.due(), Some(t), "nothing was rendered yet");
        settle.rendered(t);
        settle.changed(t + at(10));
        assert_eq!(settle.due(), Some(t + at(60)), "quiet for the least time");
        settle.changed(t + at(40));
        assert_eq!(settle.due(), Some(t + at(90)), "not quiet yet");
        for more in 1..40 {
            settle.changed(t + at(40 + more * 30));
        }
        assert_eq!(settle.due(), Some(t + at(1010)), "never quiet, but waited for long enough");
        settle.rendered(t + at(1010));
        settle.changed(t + at(2010));
        assert_eq!(settle.due(), Some(t + at(2010)), "after a calm at once again");
    }

    #[test]
    fn a_wait_is_read_as_it_is_typed() {
        let wait = |text: &str| text.parse::<Wait>();
        assert_eq!(wait("5s").unwrap(), Wait { quiet: at(5000), longest: at(5000) });
        assert!(wait("2s:1s").unwrap_err().contains("expected MIN:MAX"));
        assert!(wait("1:2").is_err());
    }
}
