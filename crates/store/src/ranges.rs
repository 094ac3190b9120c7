//! Seen-ranges as bytes: the two ends of each inclusive range, eight bytes each, little-endian.

/// The ranges as bytes.
pub(crate) fn encode(ranges: &[(u64, u64)]) -> Vec<u8> {
    ranges.iter().flat_map(|(first, last)| [first.to_le_bytes(), last.to_le_bytes()]).flatten().collect()
}

/// The ranges these bytes stand for; `None` if `encode` cannot have made them from ranges in good order.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<(u64, u64)>> {
    let (words, []) = bytes.as_chunks::<8>() else { return None };
    let (pairs, []) = words.as_chunks::<2>() else { return None };
    let number = |word: &[u8; 8]| u64::from_le_bytes(*word);
    let ranges: Vec<_> = pairs.iter().map(|[first, last]| (number(first), number(last))).collect();
    (!ranges.is_empty() && in_order(&ranges)).then_some(ranges)
}

/// Whether the ranges ascend without touching and each has its ends the right way round.
pub(crate) fn in_order(ranges: &[(u64, u64)]) -> bool {
    ranges.iter().all(|(first, last)| first <= last)
        && ranges.windows(2).all(|pair| pair[0].1.checked_add(1).is_some_and(|next| next < pair[1].0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for ranges in [vec![(1, 1)], vec![(1, 5), (7, 7), (9, u64::MAX)], vec![(0, 0), (2, 3)]] {
            assert_eq!(decode(&encode(&ranges)), Some(ranges));
        }
    }

    #[test]
    fn disorder_is_refused() {
        for ranges in [vec![], vec![(2, 1)], vec![(1, 3), (4, 5)], vec![(1, 3), (2, 9)], vec![(5, u64::MAX), (1, 1)]] {
            assert_eq!(decode(&encode(&ranges)), None, "{ranges:?}");
        }
        assert_eq!(decode(&[0; 15]), None);
        assert_eq!(decode(&[0; 24]), None);
    }
}
