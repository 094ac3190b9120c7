//! What is on its way, in the order in which it arrives.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Things with a time, the earliest first; of equal times, the one that was put in first.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    waiting: BinaryHeap<Waiting<T>>,
    count: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    due: Instant,
    number: u64,
    what: T,
}

impl<T> Schedule<T> {
    /// Nothing is on its way.
    pub(super) fn new() -> Self {
        Self { waiting: BinaryHeap::new(), count: 0 }
    }

    /// `what` is due then.
    pub(super) fn push(&mut self, due: Instant, what: T) {
        self.count += 1;
        self.waiting.push(Waiting { due, number: self.count, what });
    }

    /// The next that is due at `now` or was before, with its time.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, T)> {
        self.next_due().filter(|due| *due <= now)?;
        self.waiting.pop().map(|waiting| (waiting.due, waiting.what))
    }

    /// When something will be due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|waiting| waiting.due)
    }
}

// A binary heap gives the greatest first: here that is the earliest.
impl<T> Ord for Waiting<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Waiting<T> {}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use std::time::{Duration, Instant};
    use whither_model::random::Random;

    #[test]
    fn things_come_out_in_the_order_of_their_times_and_then_of_their_coming() {
        let (start, mut random) = (Instant::now(), Random::new(3));
        let mut schedule = Schedule::new();
        let mut expected: Vec<(Instant, usize)> = Vec::new();
        for number in 0..5_000 {
            // Few different times, so that many are equal.
            let due = start + Duration::from_micros(random.below(300) as u64);
            schedule.push(due, number);
            expected.push((due, number));
        }
        expected.sort_unstable();
        let end = start + Duration::from_secs(1);
        let out: Vec<(Instant, usize)> = std::iter::from_fn(|| schedule.pop_due(end)).collect();
        assert_eq!(out, expected);
    }

    #[test]
    fn nothing_comes_before_its_time() {
        let start = Instant::now();
        let tick = Duration::from_micros(1);
        let mut schedule = Schedule::new();
        schedule.push(start + tick * 2, "later");
        schedule.push(start + tick, "sooner");
        assert_eq!((schedule.next_due(), schedule.pop_due(start)), (Some(start + tick), None));
        assert_eq!(schedule.pop_due(start + tick), Some((start + tick, "sooner")));
        assert_eq!(schedule.pop_due(start + tick), None);
        assert_eq!(schedule.pop_due(start + tick * 3), Some((start + tick * 2, "later")));
        assert_eq!(schedule.next_due(), None);
    }
}
