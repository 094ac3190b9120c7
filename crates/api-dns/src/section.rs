//! Encoded records that can be copied in any order, whole or in part.

/// Records of one section, ready to be copied.
#[derive(Debug, Default)]
pub(crate) struct Section {
    octets: Vec<u8>,
    count: usize,
    /// The length of each record if all are equally long.
    stride: usize,
    /// Where each record ends, if not.
    ends: Vec<usize>,
}

impl Section {
    /// Adds the record that `write` writes.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.octets.len();
        write(&mut self.octets);
        let length = self.octets.len() - begin;
        if self.count == 0 {
            self.stride = length;
        } else if self.ends.is_empty() && length != self.stride {
            self.ends.extend((1..=self.count).map(|n| n * self.stride));
        }
        self.count += 1;
        if !self.ends.is_empty() {
            self.ends.push(self.octets.len());
        }
    }

    fn begin(&self, at: usize) -> usize {
        match at.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(at * self.stride),
            None => 0,
        }
    }

    /// Copies the records to `out`, beginning with number `turn` and going round, as long as `out` stays within
    /// `limit`. Returns how many.
    pub(crate) fn copy(&self, out: &mut Vec<u8>, turn: usize, limit: usize) -> usize {
        if self.count == 0 {
            return 0;
        }
        let turn = turn % self.count;
        if out.len() + self.octets.len() <= limit {
            let (last, first) = self.octets.split_at(self.begin(turn));
            out.extend_from_slice(first);
            out.extend_from_slice(last);
            return self.count;
        }
        let mut copied = 0;
        for at in (turn..self.count).chain(0..turn) {
            let record = &self.octets[self.begin(at)..self.begin(at + 1)];
            if out.len() + record.len() > limit {
                break;
            }
            out.extend_from_slice(record);
            copied += 1;
        }
        copied
    }

    /// How many records.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Memory held, octets.
    pub(crate) fn held(&self) -> usize {
        self.octets.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    /// Gives back the memory that was only needed while it grew.
    pub(crate) fn shrink(&mut self) {
        self.octets.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}
