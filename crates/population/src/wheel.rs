//! What happens next: a hierarchical timing wheel (Varghese, Lauck, SOSP 1987, scheme 7).
//!
//! A level has 2^[`BITS`] slots; a slot of level 0 is one microsecond, a slot of the next level a whole turn of the one below.
//! What lies beyond the present turn waits in a coarser slot, and is dealt out when time enters it. Bitmaps find the next
//! slot in use, so an empty hour costs no more than an empty microsecond.

/// Slots of a level, as a power of two: a turn of level 0 is 4 ms, of level 1 17 s, of level 2 19 h. Most of what is put in
/// is due within one turn of level 1, and is therefore moved once.
const BITS: u32 = 12;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 64_usize.div_ceil(BITS as usize);
/// No entry.
const NONE: u32 = u32::MAX;

/// Items by time in microseconds. Putting in and taking out take constant time and, once it has been as full as it gets, no
/// memory. Items of equal time come out in the order in which they were put in.
#[derive(Debug)]
pub struct Wheel<T> {
    /// The time of what was taken out last, or the beginning of the slot that was dealt out last.
    current: u64,
    levels: Vec<Level>,
    entries: Vec<Entry<T>>,
    /// The first of the unused entries.
    free: u32,
    len: usize,
}

#[derive(Debug)]
struct Entry<T> {
    at: u64,
    next: u32,
    item: T,
}

/// One turn of slots. Costs nothing before its first use.
#[derive(Debug, Default)]
struct Level {
    /// First and last entry of each slot.
    slots: Vec<(u32, u32)>,
    /// A bit for each slot in use.
    used: Vec<u64>,
    /// A bit for each word of `used` that is not zero.
    summary: u64,
}

impl<T: Copy> Wheel<T> {
    /// An empty wheel; the first time that can be put in is `start`.
    #[must_use]
    pub fn new(start: u64) -> Self {
        let levels = (0..LEVELS).map(|_| Level::default()).collect();
        Self { current: start, levels, entries: Vec::new(), free: NONE, len: 0 }
    }

    /// How many items are in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts `item` in, for the time `at`. A time that has passed counts as the present.
    pub fn insert(&mut self, at: u64, item: T) {
        let entry = Entry { at: at.max(self.current), next: NONE, item };
        let index = if self.free == NONE {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 items wait")
        } else {
            let index = self.free;
            self.free = self.entries[index as usize].next;
            self.entries[index as usize] = entry;
            index
        };
        self.len += 1;
        self.file(index);
    }

    /// Takes out the earliest item if its time is not after `limit`, with its time. If there is none, time has come as far as
    /// `limit`: nothing is put in before it any more.
    pub fn pop(&mut self, limit: u64) -> Option<(u64, T)> {
        loop {
            if let Some(slot) = self.levels[0].first_from(slot_of(self.current, 0)) {
                let at = (self.current & !(SLOTS as u64 - 1)) | slot as u64;
                if at > limit {
                    return None;
                }
                self.current = at;
                return Some((at, self.take(slot)));
            }
            self.deal(limit)?;
        }
    }

    /// Takes the first item out of a slot of level 0.
    fn take(&mut self, slot: usize) -> T {
        let index = self.levels[0].slots[slot].0;
        let entry = &mut self.entries[index as usize];
        let (item, next) = (entry.item, entry.next);
        entry.next = self.free;
        self.free = index;
        self.len -= 1;
        if next == NONE {
            self.levels[0].clear(slot);
        } else {
            self.levels[0].slots[slot].0 = next;
        }
        item
    }

    /// Enters the next coarse slot in use, if it begins by `limit`, and deals its entries out to finer ones.
    fn deal(&mut self, limit: u64) -> Option<()> {
        let (level, slot) = (1..LEVELS)
            .find_map(|level| Some((level, self.levels[level].first_from(slot_of(self.current, level))?)))?;
        let shift = BITS * u32::try_from(level).expect("few levels");
        let above = u64::MAX.checked_shl(shift + BITS).unwrap_or(0);
        let begins = (self.current & above) | ((slot as u64) << shift);
        if begins > limit {
            return None;
        }
        self.current = begins;
        let mut index = self.levels[level].slots[slot].0;
        self.levels[level].clear(slot);
        while index != NONE {
            let next = self.entries[index as usize].next;
            self.file(index);
            index = next;
        }
        Some(())
    }

    /// Appends an entry to its slot: the finest one that the present turn of its level reaches. Entries of one time are
    /// always in one slot, as all of them are dealt out before the first finer one is put in; so their order stays.
    fn file(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.next = NONE;
        let at = entry.at;
        let level = ((63 - ((at ^ self.current) | 1).leading_zeros()) / BITS) as usize;
        let slot = slot_of(at, level);
        if let Some(last) = self.levels[level].append(slot, index) {
            self.entries[last as usize].next = index;
        }
    }
}

/// In which slot of a level a time lies.
const fn slot_of(at: u64, level: usize) -> usize {
    (at >> (BITS as usize * level)) as usize & (SLOTS - 1)
}

impl Level {
    /// The first slot in use, from this one on.
    fn first_from(&self, slot: usize) -> Option<usize> {
        if self.summary == 0 {
            return None;
        }
        let word = slot / 64;
        let rest = self.used[word] >> (slot % 64);
        if rest != 0 {
            return Some(slot + rest.trailing_zeros() as usize);
        }
        let later = self.summary.checked_shr(u32::try_from(word).ok()? + 1).unwrap_or(0);
        if later == 0 {
            return None;
        }
        let word = word + 1 + later.trailing_zeros() as usize;
        Some(word * 64 + self.used[word].trailing_zeros() as usize)
    }

    /// Makes the entry the last of the slot, and names the one that was the last.
    fn append(&mut self, slot: usize, index: u32) -> Option<u32> {
        if self.slots.is_empty() {
            self.slots = vec![(NONE, NONE); SLOTS];
            self.used = vec![0; SLOTS / 64];
        }
        let (first, last) = self.slots[slot];
        if first == NONE {
            self.slots[slot] = (index, index);
            self.used[slot / 64] |= 1 << (slot % 64);
            self.summary |= 1 << (slot / 64);
            return None;
        }
        self.slots[slot].1 = index;
        Some(last)
    }

    fn clear(&mut self, slot: usize) {
        self.slots[slot] = (NONE, NONE);
        self.used[slot / 64] &= !(1 << (slot % 64));
        if self.used[slot / 64] == 0 {
            self.summary &= !(1 << (slot / 64));
        }
    }
}

const _: () = assert!(SLOTS / 64 <= 64, "one word summarises a level");

#[cfg(test)]
mod tests;
