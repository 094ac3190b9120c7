use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What a wheel should be, slowly: by time, then by the order of putting in.
#[derive(Default)]
struct Slow {
    items: BTreeMap<(u64, u64), u32>,
    count: u64,
    current: u64,
}

impl Slow {
    fn insert(&mut self, at: u64, item: u32) {
        self.items.insert((at.max(self.current), self.count), item);
        self.count += 1;
    }

    fn pop(&mut self, limit: u64) -> Option<(u64, u32)> {
        let (&(at, order), _) = self.items.first_key_value().filter(|((at, _), _)| *at <= limit)?;
        self.current = at;
        self.items.remove(&(at, order)).map(|item| (at, item))
    }

    fn next(&self) -> Option<u64> {
        self.items.first_key_value().map(|((at, _), _)| *at)
    }
}

/// Delays of all sizes, small ones often: equal times must happen.
fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..4, 0_u64..5_000, 0_u64..20_000_000, (0_u32..60).prop_map(|bits| 1 << bits)]
}

proptest! {
    #[test]
    fn a_wheel_is_a_sorted_map(
        start in prop_oneof![Just(0), Just(1 << 50), 0_u64..1 << 40],
        steps in prop::collection::vec((delay(), 0_usize..4, prop::option::of(delay())), 1..400),
    ) {
        let mut wheel = Wheel::new(start);
        let mut slow = Slow { current: start, ..Slow::default() };
        let mut now = start;
        for (item, (delay, pops, limit)) in (0..).zip(steps) {
            wheel.insert(now + delay, item);
            slow.insert(now + delay, item);
            let limit = limit.map_or(u64::MAX, |ahead| now + ahead);
            for _ in 0..pops {
                let popped = wheel.pop(limit);
                prop_assert_eq!(popped, slow.pop(limit));
                // An empty wheel has no time to come to; otherwise it has come as far as the limit.
                now = popped.map_or(if slow.next().is_some() { limit.max(now) } else { now }, |(at, _)| at);
                slow.current = slow.current.max(now);
            }
            prop_assert_eq!(wheel.len(), slow.items.len());
        }
        while let Some(expected) = slow.pop(u64::MAX) {
            prop_assert_eq!(wheel.pop(u64::MAX), Some(expected));
        }
        prop_assert_eq!(wheel.pop(u64::MAX), None);
        prop_assert!(wheel.is_empty());
    }
}

#[test]
fn a_limit_keeps_later_items_and_what_comes_before_them_may_still_be_put_in() {
    let mut wheel = Wheel::new(0);
    wheel.insert(1_000_000, 'b');
    assert_eq!(wheel.pop(999_999), None);
    wheel.insert(999_999, 'a');
    assert_eq!(wheel.pop(u64::MAX), Some((999_999, 'a')));
    assert_eq!(wheel.pop(u64::MAX), Some((1_000_000, 'b')));
}

#[test]
fn what_has_passed_counts_as_the_present() {
    let mut wheel = Wheel::new(500);
    wheel.insert(700, 'b');
    assert_eq!(wheel.pop(u64::MAX), Some((700, 'b')));
    wheel.insert(3, 'c');
    assert_eq!(wheel.pop(u64::MAX), Some((700, 'c')));
}

#[test]
fn entries_are_used_again() {
    let mut wheel = Wheel::new(0);
    for at in 0..10_000 {
        wheel.insert(at + 100, at);
        wheel.insert(at + 70_000, at);
        if at >= 100 {
            assert!(wheel.pop(at).is_some());
        }
    }
    let most = wheel.len() + 100;
    while wheel.pop(u64::MAX).is_some() {}
    for at in 0..most as u64 {
        wheel.insert(1 << 40, at);
    }
    assert!(wheel.entries.len() <= most, "{} entries for {most} items", wheel.entries.len());
}
