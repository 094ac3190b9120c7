//! The member table and the statements that wait to be piggybacked.

use crate::limits::{MEMBERS_MAX, STATEMENTS_MAX};
use crate::random::{Random, mix};
use crate::wire::Belief;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use whither_model::{MemberState, NodeId};

/// Everybody this node has heard of, except itself.
#[derive(Debug)]
pub(crate) struct Members {
    me: NodeId,
    table: BTreeMap<NodeId, Entry>,
    /// The order in which members are probed: shuffled, so that each is probed once per round (SWIM section 4.3).
    order: Vec<NodeId>,
    next: usize,
    /// Statements on their way, with how often they may still be sent.
    waiting: BTreeMap<NodeId, u32>,
    present: usize,
    alive: usize,
    digest: u64,
}

/// What is known of one member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) belief: Belief,
    /// Whether its word about its instances still counts.
    pub(crate) vouches: bool,
}

/// What hearing a belief changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Heard {
    /// What was believed before; `None` if the member is new.
    pub(crate) before: Option<Belief>,
    /// What is believed now.
    pub(crate) now: Belief,
}

impl Members {
    pub(crate) fn new(me: NodeId) -> Self {
        Self {
            me,
            table: BTreeMap::new(),
            order: Vec::new(),
            next: 0,
            waiting: BTreeMap::new(),
            present: 0,
            alive: 0,
            digest: mix(me.get()),
        }
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<&Entry> {
        self.table.get(&node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.table.values()
    }

    /// Members that take part: alive or merely suspected.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Belief> {
        self.table.values().map(|entry| &entry.belief).filter(|belief| belief.state.is_present())
    }

    pub(crate) fn present_count(&self) -> usize {
        self.present
    }

    pub(crate) fn alive_count(&self) -> usize {
        self.alive
    }

    pub(crate) fn is_present(&self, node: NodeId) -> bool {
        self.table.get(&node).is_some_and(|entry| entry.belief.state.is_present())
    }

    /// Digest of the ids of those that are present, this node included: the same on all who see the same.
    pub(crate) fn present_digest(&self) -> u64 {
        self.digest
    }

    /// Takes in a belief about somebody else. `None`: nothing new, or no room.
    pub(crate) fn hear(&mut self, belief: Belief, random: &mut Random) -> Option<Heard> {
        debug_assert!(belief.node != self.me, "beliefs about this node are answered, not stored");
        let before = match self.table.get_mut(&belief.node) {
            Some(entry) => {
                if !belief.overrides(&entry.belief) {
                    return None;
                }
                Some(core::mem::replace(&mut entry.belief, belief))
            }
            None => {
                if self.table.len() >= MEMBERS_MAX {
                    return None;
                }
                self.table.insert(belief.node, Entry { belief, vouches: false });
                let at = random.below(self.order.len() + 1);
                self.order.insert(at, belief.node);
                None
            }
        };
        self.alive += usize::from(belief.state == MemberState::Alive);
        self.alive -= usize::from(before.is_some_and(|before| before.state == MemberState::Alive));
        let was_present = before.is_some_and(|before| before.state.is_present());
        if was_present != belief.state.is_present() {
            self.digest ^= mix(belief.node.get());
            self.present = if was_present { self.present - 1 } else { self.present + 1 };
        }
        self.tell(belief.node);
        Some(Heard { before, now: belief })
    }

    pub(crate) fn set_vouches(&mut self, node: NodeId, vouches: bool) {
        if let Some(entry) = self.table.get_mut(&node) {
            entry.vouches = vouches;
        }
    }

    /// Corrects where a member is reached without making a new statement of it.
    pub(crate) fn set_address(&mut self, node: NodeId, address: core::net::SocketAddr) {
        if let Some(entry) = self.table.get_mut(&node) {
            entry.belief.address = address;
        }
    }

    /// Has what is believed of `node` told to others: each statement 3·⌈log2 n⌉ times (SWIM section 4.1, λ = 3 / ln 2).
    pub(crate) fn tell(&mut self, node: NodeId) {
        let sends = 3 * (usize::BITS - self.table.len().leading_zeros()).max(1);
        if self.waiting.len() < STATEMENTS_MAX || self.waiting.contains_key(&node) {
            self.waiting.insert(node, sends);
        }
    }

    /// Keeps what is believed of `node` to ourselves: it is memory, not news.
    pub(crate) fn keep_quiet_about(&mut self, node: NodeId) {
        self.waiting.remove(&node);
    }

    /// Up to `max` statements to piggyback, those that were sent least first.
    pub(crate) fn piggyback(&mut self, max: usize) -> Vec<Belief> {
        let mut chosen: Vec<(u32, NodeId)> = self.waiting.iter().map(|(node, left)| (*left, *node)).collect();
        if chosen.len() > max {
            chosen.select_nth_unstable_by(max, |a, b| b.cmp(a));
            chosen.truncate(max);
        }
        chosen
            .into_iter()
            .filter_map(|(left, node)| {
                if left <= 1 {
                    self.waiting.remove(&node);
                } else {
                    self.waiting.insert(node, left - 1);
                }
                self.table.get(&node).map(|entry| entry.belief)
            })
            .collect()
    }

    /// The next member to probe.
    pub(crate) fn next_to_probe(&mut self, random: &mut Random) -> Option<Belief> {
        for _ in 0..self.order.len() {
            if self.next >= self.order.len() {
                self.next = 0;
                random.shuffle(&mut self.order);
            }
            let node = self.order[self.next];
            self.next += 1;
            if let Some(entry) = self.table.get(&node)
                && entry.belief.state.is_present()
            {
                return Some(entry.belief);
            }
        }
        None
    }

    /// Up to `count` random present members other than `except`.
    pub(crate) fn sample(&self, count: usize, except: Option<NodeId>, random: &mut Random) -> Vec<Belief> {
        let wanted = |belief: &&Belief| Some(belief.node) != except;
        if self.present <= 4 * count {
            let mut all: Vec<Belief> = self.present().filter(wanted).copied().collect();
            random.shuffle(&mut all);
            all.truncate(count);
            return all;
        }
        let mut chosen: Vec<Belief> = Vec::with_capacity(count);
        // Rejection finds its few among many quickly; the bound keeps a table full of absent members from hanging it.
        for _ in 0..count * 16 {
            let node = self.order[random.below(self.order.len())];
            let Some(entry) = self.table.get(&node) else { continue };
            let taken = chosen.iter().any(|belief| belief.node == node);
            if entry.belief.state.is_present() && !taken && wanted(&&entry.belief) {
                chosen.push(entry.belief);
                if chosen.len() == count {
                    break;
                }
            }
        }
        chosen
    }

    /// A random member that is down, to see whether it came back.
    pub(crate) fn random_absent(&self, random: &mut Random) -> Option<Belief> {
        let absent: Vec<&Entry> = self.table.values().filter(|entry| entry.belief.state == MemberState::Down).collect();
        (!absent.is_empty()).then(|| absent[random.below(absent.len())].belief)
    }
}
