//! What is too large for one message comes in parts, in any order.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// Which whole a part belongs to.
pub(crate) type WholeId = (u64, u64, u64);

/// Wholes that are not complete.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    wholes: BTreeMap<WholeId, Whole>,
    bytes: usize,
    /// Tells which was begun first.
    begun: u64,
}

#[derive(Debug)]
struct Whole {
    begun: u64,
    missing: u32,
    parts: Vec<Option<Bytes>>,
    bytes: usize,
}

/// Parts of one whole.
const PARTS_MAX: u32 = 256;
/// Bytes that wait for the rest of their whole, all together. Beyond that the oldest wholes are given up: they are fetched.
const BYTES_MAX: usize = 96 << 20;

impl Parts {
    /// Adds part `at` of `of`. Returns the whole once nothing of it is missing.
    pub(crate) fn add(&mut self, id: WholeId, at: u32, of: u32, part: &Bytes) -> Option<Bytes> {
        if of > PARTS_MAX || at >= of {
            return None;
        }
        self.begun += 1;
        let begun = self.begun;
        if !self.wholes.contains_key(&id) {
            // Its places take room before anything is in them.
            let bytes = of as usize * size_of::<Option<Bytes>>() + size_of::<Whole>();
            self.bytes += bytes;
            self.wholes.insert(id, Whole { begun, missing: of, parts: alloc::vec![None; of as usize], bytes });
        }
        let whole = self.wholes.get_mut(&id)?;
        let place = whole.parts.get_mut(at as usize)?;
        if place.is_some() {
            return None;
        }
        *place = Some(part.clone());
        whole.missing -= 1;
        whole.bytes += part.len();
        self.bytes += part.len();
        if whole.missing > 0 {
            self.give_up_oldest();
            return None;
        }
        let whole = self.wholes.remove(&id)?;
        self.bytes -= whole.bytes;
        let mut joined = BytesMut::with_capacity(whole.bytes);
        whole.parts.into_iter().flatten().for_each(|part| joined.extend_from_slice(&part));
        Some(joined.freeze())
    }

    fn give_up_oldest(&mut self) {
        while self.bytes > BYTES_MAX {
            let oldest = self.wholes.iter().min_by_key(|(_, whole)| whole.begun).map(|(id, _)| *id);
            let Some(whole) = oldest.and_then(|id| self.wholes.remove(&id)) else { return };
            self.bytes -= whole.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_a_whole_in_any_order_and_however_often_they_come() {
        let mut parts = Parts::default();
        let id = (1, 1, 1);
        for (at, text) in [(2, "c"), (0, "a"), (2, "c")] {
            assert_eq!(parts.add(id, at, 3, &Bytes::from(text)), None);
        }
        assert_eq!(parts.add(id, 1, 3, &Bytes::from("b")), Some(Bytes::from("abc")));
        assert_eq!((parts.bytes, parts.wholes.len()), (0, 0));
    }

    #[test]
    fn what_never_becomes_whole_is_given_up_when_it_takes_too_much_room() {
        let mut parts = Parts::default();
        let half = Bytes::from(alloc::vec![0; BYTES_MAX / 2]);
        for id in 0..5 {
            assert_eq!(parts.add((id, 1, 1), 0, 2, &half), None);
        }
        assert!(parts.bytes <= BYTES_MAX && parts.wholes.contains_key(&(4, 1, 1)));
        assert_eq!(parts.add((9, 9, 9), 7, 2, &half), None, "no such part");
        assert_eq!(parts.add((9, 9, 9), 0, u32::MAX, &half), None, "too many");
    }
}
