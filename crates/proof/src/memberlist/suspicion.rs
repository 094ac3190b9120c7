//! Suspicions that grow shorter with each node that shares them: memberlist's `suspicion.go`, section IV-B of the paper.

use core::time::Duration;
use whither_model::Instant;
use whither_population::Index;

/// One suspicion.
#[derive(Debug)]
struct Suspicion {
    about: Index,
    begun: Instant,
    shortest: Duration,
    longest: Duration,
    /// How many independent ones make it as short as can be (K).
    wanted: u32,
    /// Who suspects: first the one it was first heard of, who does not count.
    suspecting: Vec<Index>,
    ends: Instant,
}

/// All that one node suspects: memberlist's `nodeTimers`.
#[derive(Debug)]
pub(super) struct Suspicions {
    running: Vec<Suspicion>,
    next: Instant,
}

impl Suspicions {
    /// None.
    pub(super) const fn new() -> Self {
        Self { running: Vec::new(), next: Instant::DISTANT_FUTURE }
    }

    /// When the first of them ends.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// `from` suspects `about`: a suspicion begins.
    pub(super) fn begin(
        &mut self,
        about: Index,
        from: Index,
        now: Instant,
        wanted: u32,
        (shortest, longest): (Duration, Duration),
    ) {
        // One that nobody has to confirm is short from the beginning.
        let ends = now + if wanted == 0 { shortest } else { longest };
        let suspecting = vec![from];
        self.running.push(Suspicion { about, begun: now, shortest, longest, wanted, suspecting, ends });
        self.next = self.next.min(ends);
    }

    /// `from` suspects `about` too. `None`: there is no suspicion of `about`; otherwise whether this is news (`Confirm`).
    pub(super) fn confirm(&mut self, about: Index, from: Index, now: Instant) -> Option<bool> {
        let one = self.running.iter_mut().find(|one| one.about == about)?;
        let confirmed = u32::try_from(one.suspecting.len()).unwrap_or(u32::MAX);
        // The first of them is not a confirmation, so as many have confirmed as this is going to be.
        if confirmed > one.wanted || one.suspecting.contains(&from) {
            return Some(false);
        }
        one.suspecting.push(from);
        let lasts = lasts(confirmed, one.wanted, one.shortest, one.longest);
        one.ends = (one.begun + lasts).max(now);
        self.next = self.next.min(one.ends);
        Some(true)
    }

    /// There is no suspicion of `about` any more.
    pub(super) fn end(&mut self, about: Index) {
        if let Some(at) = self.running.iter().position(|one| one.about == about) {
            self.running.swap_remove(at);
            self.next = self.running.iter().map(|one| one.ends).min().unwrap_or(Instant::DISTANT_FUTURE);
        }
    }

    /// A suspicion whose time has come, if there is one; it is over.
    pub(super) fn take_ended(&mut self, now: Instant) -> Option<Index> {
        let about = self.running.iter().filter(|one| one.ends <= now).min_by_key(|one| (one.ends, one.about))?.about;
        self.end(about);
        Some(about)
    }
}

/// How long a suspicion lasts that `confirmed` others share: max − (max − min)·log(C + 1)/log(K + 1), whole milliseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "time-outs are seconds")]
fn lasts(confirmed: u32, wanted: u32, shortest: Duration, longest: Duration) -> Duration {
    let share = f64::from(confirmed + 1).ln() / f64::from(wanted + 1).ln();
    let seconds = longest.as_secs_f64() - share * (longest.as_secs_f64() - shortest.as_secs_f64());
    Duration::from_millis((seconds * 1_000.0).floor().max(0.0) as u64).max(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section IV-B with α = 5, β = 6, n = 128, K = 3: 63.21 s less 0, 1/2, ln 3/ln 4 and all of 52.675 s.
    #[test]
    fn confirmations_shorten_by_the_logarithm() {
        let (shortest, longest) = (Duration::from_millis(10_535), Duration::from_millis(63_210));
        let of = |confirmed| lasts(confirmed, 3, shortest, longest).as_millis();
        assert_eq!([of(0), of(1), of(2), of(3)], [63_210, 36_872, 21_466, 10_535]);
    }

    #[test]
    fn each_node_confirms_once_and_the_first_does_not() {
        let now = Instant::START;
        let mut suspicions = Suspicions::new();
        suspicions.begin(7, 1, now, 3, (Duration::from_secs(10), Duration::from_secs(60)));
        assert_eq!(suspicions.confirm(8, 1, now), None);
        let heard = [1, 2, 2, 3, 4, 5].map(|from| suspicions.confirm(7, from, now));
        assert_eq!(heard, [Some(false), Some(true), Some(false), Some(true), Some(true), Some(false)]);
        assert_eq!(suspicions.next(), now + Duration::from_secs(10));
        assert_eq!(suspicions.take_ended(now + Duration::from_secs(9)), None);
        assert_eq!(suspicions.take_ended(now + Duration::from_secs(10)), Some(7));
        assert_eq!(suspicions.next(), Instant::DISTANT_FUTURE);
    }

    #[test]
    fn a_late_confirmation_ends_it_at_once() {
        let now = Instant::START;
        let late = now + Duration::from_secs(30);
        let mut suspicions = Suspicions::new();
        suspicions.begin(7, 1, now, 1, (Duration::from_secs(10), Duration::from_secs(60)));
        suspicions.confirm(7, 2, late);
        assert_eq!(suspicions.next(), late);
    }
}
