//! What failed is tried again, ever less often.

use std::time::{Duration, Instant};

/// When to try again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    first: Duration,
    longest: Duration,
    pause: Duration,
    at: Option<Instant>,
}

impl Retry {
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, pause: Duration::ZERO, at: None }
    }

    /// It failed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.pause = (self.pause * 2).clamp(self.first, self.longest);
        self.at = Some(now + self.pause);
    }

    /// It worked, or trying again would not help.
    pub(super) fn settled(&mut self) {
        (self.pause, self.at) = (Duration::ZERO, None);
    }

    /// When to try again, if at all.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let t = Instant::now();
        let mut retry = Retry::new(Duration::from_secs(1), Duration::from_secs(3));
        let mut pauses = Vec::new();
        for _ in 0..3 {
            retry.failed(t);
            pauses.push(retry.due().unwrap() - t);
        }
        assert_eq!(pauses, [1, 2, 3].map(Duration::from_secs));
        retry.settled();
        assert_eq!(retry.due(), None);
        retry.failed(t);
        assert_eq!(retry.due(), Some(t + Duration::from_secs(1)));
    }
}
