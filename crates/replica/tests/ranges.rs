//! Sets of seqs against the obvious model.

use proptest::prelude::*;
use std::collections::BTreeSet;
use whither_model::{Epoch, NodeId, Origin};
use whither_replica::Ranges;

fn set_of(ranges: &Ranges) -> BTreeSet<u64> {
    ranges.as_slice().iter().flat_map(|(first, last)| *first..=*last).collect()
}

fn spans() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((1u64..80, 0u64..6).prop_map(|(first, length)| (first, first + length)), 0..40)
}

proptest! {
    #[test]
    fn ranges_are_the_set_of_what_was_inserted(spans in spans()) {
        let mut model = BTreeSet::new();
        let mut ranges = Ranges::default();
        for (first, last) in spans {
            let news = (first..=last).any(|seq| !model.contains(&seq));
            model.extend(first..=last);
            prop_assert_eq!(ranges.insert(first, last), news);
            prop_assert_eq!(set_of(&ranges), model.clone());
            prop_assert!(ranges.as_slice().windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "merged and ascending");
        }
        let watermark = (1..).take_while(|seq| model.contains(seq)).last().unwrap_or(0);
        prop_assert_eq!(ranges.watermark(), watermark);
        prop_assert!((0..100).all(|seq| ranges.contains(seq) == model.contains(&seq)));
    }

    #[test]
    fn what_is_missing_is_the_difference(mine in spans(), theirs in spans()) {
        let (mine, theirs) = (Ranges::from_untrusted(mine), Ranges::from_untrusted(theirs));
        let missing = Ranges::from_untrusted(mine.without(&theirs));
        let expected: BTreeSet<u64> = set_of(&mine).difference(&set_of(&theirs)).copied().collect();
        prop_assert_eq!(set_of(&missing), expected);
    }

    #[test]
    fn digests_differ_when_sets_do(mine in spans(), theirs in spans()) {
        let (mine, theirs) = (Ranges::from_untrusted(mine), Ranges::from_untrusted(theirs));
        let origin = Origin { node: NodeId::new(7).unwrap(), epoch: Epoch(3) };
        prop_assert_eq!(mine.digest(origin) == theirs.digest(origin), mine == theirs);
    }
}

#[test]
fn hostile_ranges_do_no_harm() {
    let hostile = [(0, 5), (9, 3), (u64::MAX, u64::MAX), (1, u64::MAX), (u64::MAX - 1, u64::MAX)];
    assert_eq!(Ranges::from_untrusted(hostile).as_slice(), [(1, u64::MAX)]);
    let many = Ranges::from_untrusted((0..100_000).map(|n| (2 * n + 1, 2 * n + 1)));
    assert!(many.as_slice().len() <= whither_replica::limits::RANGES_MAX);
}
