//! Everybody once, in random order, without keeping the order.

use whither_model::random::mix;

/// A random permutation of `0..len` that takes no memory: four Feistel rounds over the next even number of bits, walked until
/// the result is in range. A shuffled list for each of ten thousand members would take half a gigabyte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    len: u32,
    half_bits: u32,
    key: u64,
}

impl Order {
    pub(super) fn new(len: u32, key: u64) -> Self {
        let bits = 32 - len.saturating_sub(1).leading_zeros();
        Self { len, half_bits: bits.div_ceil(2).max(1), key }
    }

    /// Who is at this place, which is below the length.
    pub(super) fn at(&self, place: u32) -> u32 {
        let mut value = place;
        loop {
            value = self.scrambled(value);
            if value < self.len {
                return value;
            }
        }
    }

    fn scrambled(&self, value: u32) -> u32 {
        let mask = (1_u32 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..4 {
            #[expect(clippy::cast_possible_truncation, reason = "masked to a few bits")]
            let noise = mix(self.key ^ (u64::from(right) << 8) ^ round) as u32 & mask;
            (left, right) = (right, left ^ noise);
        }
        (left << self.half_bits) | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_there_once() {
        for len in [1, 2, 3, 8, 100, 1000, 1025] {
            let order = Order::new(len, 7);
            let mut all: Vec<u32> = (0..len).map(|place| order.at(place)).collect();
            all.sort_unstable();
            assert_eq!(all, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn places_are_shared_evenly_between_orders() {
        let mut first = [0_u32; 10];
        for key in 0..10_000 {
            first[Order::new(10, mix(key)).at(3) as usize] += 1;
        }
        assert!(first.iter().all(|count| (850..1150).contains(count)), "{first:?}");
    }
}
