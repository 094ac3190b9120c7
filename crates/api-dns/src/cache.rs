//! Ready answers of one worker: bounded, private to its thread, never older than the view.

use crate::encode::Encoded;
use crate::resolve::Holds;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use whither_directory::{Index, View};

/// An answer to one question, ready to be copied.
#[derive(Debug)]
pub(crate) struct Entry {
    name: Box<[u8]>,
    qtype: u16,
    /// Which of the zones the name is in.
    pub(crate) zone: usize,
    /// The last view under which it was found to hold.
    checked: Index,
    holds: Holds,
    /// Which record comes first next time.
    pub(crate) turn: usize,
    /// The answer.
    pub(crate) encoded: Encoded,
}

impl Entry {
    /// An answer to the question for `qtype` under `name` that holds in the view of index `checked`.
    pub(crate) fn new(name: &[u8], qtype: u16, zone: usize, checked: Index, holds: Holds, encoded: Encoded) -> Self {
        Self { name: name.into(), qtype, zone, checked, holds, turn: 0, encoded }
    }

    /// The same, after record number `turn` was the first.
    pub(crate) fn after(mut self, turn: usize) -> Self {
        self.turn = turn;
        self
    }

    /// Whether the answer is what `view` would give. Costs one comparison while the view is the one last checked.
    pub(crate) fn holds_in(&mut self, view: &View) -> bool {
        if self.checked == view.index() {
            return true;
        }
        match &self.holds {
            Holds::Service(name, index) if view.service(name).is_some_and(|service| service.index() == *index) => {
                self.checked = view.index();
                true
            }
            Holds::Service(..) | Holds::View(_) | Holds::Never => false,
        }
    }

    fn octets(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.encoded.octets()
    }
}

/// Two generations: what was asked lately is in the young one. When that has half of what is allowed it becomes the old
/// one, and the old one is dropped as a whole. So a flood of names costs what it fills and no more.
#[derive(Debug)]
pub(crate) struct Cache {
    hasher: RandomState,
    young: Generation,
    old: Generation,
    entries_max: usize,
    octets_max: usize,
    evicted: u64,
}

#[derive(Debug, Default)]
struct Generation {
    table: HashTable<Entry>,
    octets: usize,
}

impl Cache {
    /// A cache that holds at most so much, both generations together.
    pub(crate) fn new(entries_max: usize, octets_max: usize) -> Self {
        Self {
            hasher: RandomState::default(),
            young: Generation::default(),
            old: Generation::default(),
            entries_max: entries_max / 2,
            octets_max: octets_max / 2,
            evicted: 0,
        }
    }

    fn hash(&self, name: &[u8], qtype: u16) -> u64 {
        self.hasher.hash_one((name, qtype))
    }

    /// The answer to this question, if there is one; it may no longer hold.
    pub(crate) fn get(&mut self, name: &[u8], qtype: u16) -> Option<&mut Entry> {
        let hash = self.hash(name, qtype);
        let same = |entry: &Entry| entry.qtype == qtype && *entry.name == *name;
        if self.young.table.find(hash, same).is_none() {
            let Ok(found) = self.old.table.find_entry(hash, same) else { return None };
            let (entry, _) = found.remove();
            self.old.octets -= entry.octets();
            self.insert(entry);
        }
        self.young.table.find_mut(hash, same)
    }

    /// Keeps `entry`, in place of an earlier answer to the same question. One that is too large is not kept.
    pub(crate) fn insert(&mut self, mut entry: Entry) {
        entry.encoded.shrink();
        let octets = entry.octets();
        let hash = self.hash(&entry.name, entry.qtype);
        let same = |present: &Entry| present.qtype == entry.qtype && present.name == entry.name;
        for generation in [&mut self.young, &mut self.old] {
            if let Ok(found) = generation.table.find_entry(hash, same) {
                let (earlier, _) = found.remove();
                generation.octets -= earlier.octets();
                break;
            }
        }
        if octets > self.octets_max || self.entries_max == 0 {
            return;
        }
        if self.young.table.len() >= self.entries_max || self.young.octets + octets > self.octets_max {
            self.evicted += self.old.table.len() as u64;
            self.old = std::mem::take(&mut self.young);
        }
        let hasher = &self.hasher;
        self.young.octets += octets;
        self.young.table.insert_unique(hash, entry, |entry| hasher.hash_one((&*entry.name, entry.qtype)));
    }

    /// Entries, the memory they take in octets, and how many were dropped to make room.
    pub(crate) fn size(&self) -> (usize, usize, u64) {
        (self.young.table.len() + self.old.table.len(), self.young.octets + self.old.octets, self.evicted)
    }
}
