//! How fast this node speaks: at once while the cluster keeps up, and in company when it does not.
//!
//! Lines and peers that are too busy show it by late acknowledgements. One piece of own news at a time is watched: how long
//! until half of those it was sent to have acknowledged it. Half, so that a few dead or slow peers slow nobody down. More than
//! usual means a queue somewhere, and the pause between own news grows; as usual, and it shrinks to nothing. What changes
//! meanwhile gathers, and only the last word about each row is told: so a storm costs what it changes and not how often.
//! (Delay as the signal: Brakmo and Peterson, TCP Vegas, 1995. Writers that slow down: van Renesse et al., Scuttlebutt, 2008.)

use core::time::Duration;
use whither_model::Instant;

/// The pace of one node's own news.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    /// Between own news.
    pause: Duration,
    /// Nothing of one's own leaves before.
    until: Instant,
    watched: Option<Watched>,
    usual: Usual,
}

/// News whose acknowledgements are counted.
#[derive(Debug)]
struct Watched {
    number: u64,
    sent_at: Instant,
    copies: u32,
    acknowledged: u32,
    /// Queueing that is not worth slowing down for.
    tolerated: Duration,
}

/// The shortest answer lately: what there is without a queue.
#[derive(Debug)]
struct Usual {
    before: Duration,
    now: Duration,
    left: u32,
}

/// The shortest pause that is worth a wake-up.
const PAUSE_MIN: Duration = Duration::from_millis(25);
/// The longest: with it, comparing replicas is quicker than telling.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Queueing that is not worth slowing down for ...
const QUEUE_TOLERATED: Duration = Duration::from_millis(40);
/// ... and so much more for each kilobyte of the news itself, which takes its time on any line: 10 MB a second.
const TOLERATED_PER_KB: Duration = Duration::from_micros(100);
/// When the answers to watched news are late beyond doubt.
const LATE: Duration = Duration::from_secs(1);
/// Who was silent for so long starts as if nothing had been.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// News after which the usual answer is found anew: a route may have become longer.
const USUAL_FOR: u32 = 64;

impl Default for Usual {
    fn default() -> Self {
        Self { before: Duration::MAX, now: Duration::MAX, left: USUAL_FOR }
    }
}

impl Usual {
    /// Takes in how long an answer took. Returns how much longer that is than usual.
    fn excess(&mut self, took: Duration) -> Duration {
        self.now = self.now.min(took);
        let excess = took.saturating_sub(self.before.min(self.now));
        self.left -= 1;
        if self.left == 0 {
            *self = Self { before: self.now, ..Self::default() };
        }
        excess
    }
}

impl Pacing {
    /// Whether own news may leave now.
    pub(crate) fn may_speak(&mut self, now: Instant) -> bool {
        if self.watched.as_ref().is_some_and(|watched| now.since(watched.sent_at) > LATE) {
            self.watched = None;
            self.slow_down();
        }
        now >= self.until
    }

    /// When own news may leave again.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Own news `number` of so many bytes left, to `copies` peers.
    pub(crate) fn spoke(&mut self, now: Instant, number: u64, copies: u32, bytes: usize) {
        if now.since(self.until) > FORGOTTEN {
            self.pause = Duration::ZERO;
        }
        self.until = now + self.pause;
        if self.watched.is_none() && copies > 0 {
            let kilobytes = u32::try_from(bytes / 1_000).unwrap_or(u32::MAX);
            let tolerated = QUEUE_TOLERATED + TOLERATED_PER_KB.saturating_mul(kilobytes);
            self.watched = Some(Watched { number, sent_at: now, copies, acknowledged: 0, tolerated });
        }
    }

    /// A peer acknowledged own news.
    pub(crate) fn acknowledged(&mut self, now: Instant, number: u64) {
        let Some(watched) = self.watched.as_mut().filter(|watched| watched.number == number) else { return };
        watched.acknowledged += 1;
        if watched.acknowledged * 2 < watched.copies {
            return;
        }
        let (took, tolerated) = (now.since(watched.sent_at), watched.tolerated);
        self.watched = None;
        if self.usual.excess(took) > tolerated {
            self.slow_down();
        } else {
            self.pause = self.pause * 3 / 4;
            if self.pause < PAUSE_MIN {
                self.pause = Duration::ZERO;
            }
        }
    }

    fn slow_down(&mut self) {
        self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(1_000_000_000 + millis * 1_000)
    }

    /// Tells news `number` to ten peers at `now`, of whom six acknowledge it `after` so many milliseconds.
    fn tell(pacing: &mut Pacing, number: u64, now: u64, after: u64) {
        pacing.spoke(at(now), number, 10, 200);
        (0..6).for_each(|_| pacing.acknowledged(at(now + after), number));
    }

    #[test]
    fn while_answers_are_as_usual_there_is_no_pause() {
        let mut pacing = Pacing::default();
        for number in 0..200 {
            assert!(pacing.may_speak(at(number * 7)), "news {number}");
            tell(&mut pacing, number, number * 7, 4 + number % 3);
        }
    }

    #[test]
    fn later_answers_than_usual_make_pauses_and_usual_ones_end_them() {
        let mut pacing = Pacing::default();
        tell(&mut pacing, 0, 0, 4);
        (1..5).for_each(|number| tell(&mut pacing, number, number * 500, 400));
        tell(&mut pacing, 5, 2_500, 400);
        assert!(!pacing.may_speak(at(2_501)));
        let paused = pacing.until();
        assert!(pacing.may_speak(paused));
        let mut now = at(2_500);
        for number in 6..40 {
            now = now.max(pacing.until());
            pacing.spoke(now, number, 10, 200);
            (0..6).for_each(|_| pacing.acknowledged(now + Duration::from_millis(4), number));
        }
        assert!(pacing.may_speak(now), "after answers as usual");
    }

    #[test]
    fn four_of_ten_that_never_answer_slow_nobody_down() {
        let mut pacing = Pacing::default();
        (0..50).for_each(|number| tell(&mut pacing, number, number * 5_000, 4));
        assert!(pacing.may_speak(at(50 * 5_000)));
    }

    #[test]
    fn silence_makes_longer_and_longer_pauses_up_to_a_bound() {
        let mut pacing = Pacing::default();
        let mut now = at(0);
        for number in 0..30 {
            pacing.spoke(now, number, 10, 200);
            now = now.max(pacing.until()) + LATE + Duration::from_millis(1);
            pacing.may_speak(now);
            assert!(pacing.until() <= now + PAUSE_MAX);
        }
        pacing.spoke(now, 30, 10, 200);
        assert!(!pacing.may_speak(now + Duration::from_millis(500)));
    }
}
