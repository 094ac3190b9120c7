//! The list of members, made so that thousands of nodes in one simulation, or copies in one process, share what is the same.
//!
//! A [`Register`] is immutable and shared; each [`Roster`] keeps beside it only what it believes differently. When the
//! differences grow, they are folded into a register of its own. A production node pays nothing for this: its register is
//! simply not shared.

use crate::belief::Belief;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use whither_model::random::{Random, mix};
use whither_model::{MemberState, NodeId};

/// A set of nodes near each other, by number; [`Region::NOWHERE`] where nobody said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Region(pub u32);

impl Region {
    /// Of those whose region is not known.
    pub const NOWHERE: Self = Self(0);
}

/// A member and where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What is believed of it.
    pub belief: Belief,
    /// Its region.
    pub region: Region,
}

/// Members in the order of their ids, as a whole and by region.
#[derive(Debug, Default)]
pub struct Register {
    entries: Box<[Entry]>,
    regions: BTreeMap<Region, Box<[u32]>>,
    present: usize,
    alive: usize,
    digest: u64,
}

impl Register {
    /// The register of `entries`; of two with the same id, the last counts.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let by_id: BTreeMap<NodeId, Entry> = entries.into_iter().map(|entry| (entry.belief.node, entry)).collect();
        let entries: Box<[Entry]> = by_id.into_values().collect();
        let mut regions: BTreeMap<Region, Vec<u32>> = BTreeMap::new();
        for (position, entry) in (0u32..).zip(&*entries) {
            regions.entry(entry.region).or_default().push(position);
        }
        let states = || entries.iter().map(|entry| &entry.belief);
        Self {
            present: states().filter(|belief| belief.state.is_present()).count(),
            alive: states().filter(|belief| belief.state == MemberState::Alive).count(),
            digest: states()
                .filter(|belief| belief.state.is_present())
                .fold(0, |digest, belief| digest ^ mix(belief.node.get())),
            regions: regions.into_iter().map(|(region, positions)| (region, positions.into())).collect(),
            entries,
        }
    }

    /// Where `node` stands. Ids are drawn evenly, so a guess by proportion is nearly right.
    fn position(&self, node: NodeId) -> Option<usize> {
        let (first, last) = (self.entries.first()?.belief.node, self.entries.last()?.belief.node);
        if node < first || node > last {
            return None;
        }
        let (mut low, mut high) = (0, self.entries.len() - 1);
        // Three guesses bring the range down to a handful; halving finishes, however uneven the ids are.
        for guesses in 0.. {
            if low > high {
                return None;
            }
            let (bottom, top) = (self.entries[low].belief.node.get(), self.entries[high].belief.node.get());
            if node.get() < bottom || node.get() > top {
                return None;
            }
            let middle = if guesses < 3 && top > bottom {
                let share = u128::from(node.get() - bottom) * (high - low) as u128 / u128::from(top - bottom);
                low + usize::try_from(share).unwrap_or(0)
            } else {
                low.midpoint(high)
            };
            match self.entries[middle].belief.node.cmp(&node) {
                core::cmp::Ordering::Equal => return Some(middle),
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater if middle == 0 => return None,
                core::cmp::Ordering::Greater => high = middle - 1,
            }
        }
        None
    }
}

/// A part of the member list: those of one region with ids in a range, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    /// Of which region.
    pub region: Region,
    /// The lowest id.
    pub first: NodeId,
    /// The highest id.
    pub last: NodeId,
}

impl Scope {
    /// Whether a node of the scope's region with this id is in it.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.first <= node && node <= self.last
    }
}

/// Everybody one node has heard of, except itself.
#[derive(Debug)]
pub struct Roster {
    me: NodeId,
    register: Arc<Register>,
    /// What is believed otherwise than the register says, and who is not in it.
    changed: BTreeMap<NodeId, Entry>,
    /// Those who are not in the register, in the order in which they came.
    newcomers: Vec<NodeId>,
    present: usize,
    alive: usize,
    digest: u64,
    walk: Walk,
    /// Somebody's region changed, and the register's index by region does not know.
    regions_moved: bool,
}

/// An order in which everybody comes once per round, different for each node and round, that takes no memory: steps of one
/// size that has no divisor in common with the number of members.
#[derive(Clone, Copy, Debug, Default)]
struct Walk {
    among: usize,
    at: usize,
    step: usize,
    left: usize,
}

impl Walk {
    fn next(&mut self, among: usize, random: &mut Random) -> usize {
        if self.left == 0 || self.among != among {
            let mut step = 1 + random.below(among);
            while divisor(step, among) != 1 {
                step = 1 + random.below(among);
            }
            *self = Self { among, at: random.below(among), step: step % among, left: among };
        }
        self.left -= 1;
        self.at = (self.at + self.step) % self.among;
        self.at
    }
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// Differences that are kept beside a register before they are folded into it.
const CHANGES_MIN: usize = 64;

impl Roster {
    /// The roster of `me`, who believes what the register says. Whether `me` is in the register does not matter.
    #[must_use]
    pub fn new(me: NodeId, register: Arc<Register>) -> Self {
        let mut roster = Self {
            me,
            present: register.present,
            alive: register.alive,
            digest: register.digest,
            register,
            changed: BTreeMap::new(),
            newcomers: Vec::new(),
            walk: Walk::default(),
            regions_moved: false,
        };
        match roster.register.position(me).map(|position| roster.register.entries[position].belief.state) {
            Some(state) => {
                roster.present -= usize::from(state.is_present());
                roster.alive -= usize::from(state == MemberState::Alive);
                if !state.is_present() {
                    roster.digest ^= mix(me.get());
                }
            }
            None => roster.digest ^= mix(me.get()),
        }
        roster
    }

    /// What is known of `node`.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&Entry> {
        if node == self.me {
            return None;
        }
        if !self.changed.is_empty()
            && let Some(entry) = self.changed.get(&node)
        {
            return Some(entry);
        }
        self.register.position(node).map(|position| &self.register.entries[position])
    }

    /// Everybody, in no particular order that others should rely on.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        let kept = self.register.entries.iter().map(|entry| self.changed.get(&entry.belief.node).unwrap_or(entry));
        let new = self.newcomers.iter().filter_map(|node| self.changed.get(node));
        kept.chain(new).filter(|entry| entry.belief.node != self.me)
    }

    /// Members that take part: alive or merely suspected.
    pub fn present(&self) -> impl Iterator<Item = &Belief> {
        self.iter().map(|entry| &entry.belief).filter(|belief| belief.state.is_present())
    }

    /// How many take part, beside this node.
    #[must_use]
    pub fn present_count(&self) -> usize {
        self.present
    }

    /// How many are alive beyond doubt, beside this node.
    #[must_use]
    pub fn alive_count(&self) -> usize {
        self.alive
    }

    /// How many are known, in whatever state, beside this node.
    #[must_use]
    pub fn known_count(&self) -> usize {
        let itself = usize::from(self.register.position(self.me).is_some());
        self.register.entries.len() - itself + self.newcomers.len()
    }

    /// Whether `node` takes part.
    #[must_use]
    pub fn is_present(&self, node: NodeId) -> bool {
        self.get(node).is_some_and(|entry| entry.belief.state.is_present())
    }

    /// Digest of the ids of those that are present, this node included: the same on all who see the same.
    #[must_use]
    pub fn present_digest(&self) -> u64 {
        self.digest
    }

    /// Puts in a belief, in place of what was believed of that node.
    pub fn put(&mut self, belief: Belief) {
        debug_assert!(belief.node != self.me, "beliefs about this node are answered, not stored");
        let before = self.get(belief.node).copied();
        let region = before.map_or(Region::NOWHERE, |entry| entry.region);
        let was = before.map(|entry| entry.belief.state);
        self.alive += usize::from(belief.state == MemberState::Alive);
        self.alive -= usize::from(was == Some(MemberState::Alive));
        if was.is_some_and(MemberState::is_present) != belief.state.is_present() {
            self.digest ^= mix(belief.node.get());
            self.present = if belief.state.is_present() { self.present + 1 } else { self.present - 1 };
        }
        if before.is_none() {
            self.newcomers.push(belief.node);
        }
        self.changed.insert(belief.node, Entry { belief, region });
        self.fold_if_large();
    }

    /// Says where `node` is; nothing happens if it is not known.
    pub fn set_region(&mut self, node: NodeId, region: Region) {
        let Some(entry) = self.get(node).copied().filter(|entry| entry.region != region) else { return };
        self.changed.insert(node, Entry { region, ..entry });
        self.regions_moved = true;
    }

    /// Brings the index by region up to date, before [`Roster::part`] is asked.
    pub fn settle(&mut self) {
        if self.regions_moved {
            self.fold();
        }
    }

    /// Corrects where a member is reached, without making a new statement of it.
    pub fn set_address(&mut self, node: NodeId, address: core::net::SocketAddr) {
        let Some(mut entry) = self.get(node).copied() else { return };
        entry.belief.address = address;
        self.changed.insert(node, entry);
        self.fold_if_large();
    }

    fn fold_if_large(&mut self) {
        if self.changed.len() > CHANGES_MIN + self.register.entries.len() / 8 {
            self.fold();
        }
    }

    fn fold(&mut self) {
        let own = self.register.position(self.me).map(|position| self.register.entries[position]);
        let register = Register::new(self.iter().copied().chain(own));
        self.register = Arc::new(register);
        self.changed.clear();
        self.newcomers.clear();
        self.regions_moved = false;
    }

    fn at(&self, position: usize) -> NodeId {
        match position.checked_sub(self.register.entries.len()) {
            None => self.register.entries[position].belief.node,
            Some(new) => self.newcomers[new],
        }
    }

    fn positions(&self) -> usize {
        self.register.entries.len() + self.newcomers.len()
    }

    /// The next member to probe: each present one comes once per round, in an order that changes from round to round (SWIM
    /// section 4.3).
    pub fn next_to_probe(&mut self, random: &mut Random) -> Option<Belief> {
        if self.present == 0 {
            return None;
        }
        // A round, and another in case this call falls on the end of one.
        for _ in 0..2 * self.positions() {
            let mut walk = self.walk;
            let position = walk.next(self.positions(), random);
            self.walk = walk;
            if let Some(entry) = self.get(self.at(position)).filter(|entry| entry.belief.state.is_present()) {
                return Some(entry.belief);
            }
        }
        None
    }

    /// Up to `count` random present members other than `except`.
    pub fn sample(&self, count: usize, except: Option<NodeId>, random: &mut Random) -> Vec<Belief> {
        let wanted = |belief: &Belief| Some(belief.node) != except;
        if self.present <= 4 * count {
            let mut all: Vec<Belief> = self.present().filter(|belief| wanted(belief)).copied().collect();
            random.shuffle(&mut all);
            all.truncate(count);
            return all;
        }
        let mut chosen: Vec<Belief> = Vec::with_capacity(count);
        // Rejection finds its few among many quickly; the bound keeps a list full of absent members from hanging it.
        for _ in 0..count * 16 {
            let Some(entry) = self.get(self.at(random.below(self.positions()))) else { continue };
            let taken = chosen.iter().any(|belief| belief.node == entry.belief.node);
            if entry.belief.state.is_present() && !taken && wanted(&entry.belief) {
                chosen.push(entry.belief);
                if chosen.len() == count {
                    break;
                }
            }
        }
        chosen
    }

    /// A random member that is down, to see whether it came back.
    pub fn random_absent(&self, random: &mut Random) -> Option<Belief> {
        let absent = || self.iter().filter(|entry| entry.belief.state == MemberState::Down);
        let count = absent().count();
        (count > 0).then(|| absent().nth(random.below(count)).map(|entry| entry.belief))?
    }

    /// The regions that have members, in order.
    pub fn regions(&self) -> impl Iterator<Item = Region> + '_ {
        let unlisted = !self.register.regions.contains_key(&Region::NOWHERE) && !self.newcomers.is_empty();
        unlisted.then_some(Region::NOWHERE).into_iter().chain(self.register.regions.keys().copied())
    }

    /// Those in `scope`, present or not, by id.
    pub fn part(&self, scope: Scope) -> Part<'_> {
        let listed = self.register.regions.get(&scope.region).map_or(&[][..], |positions| &**positions);
        let id = |position: &u32| self.register.entries[*position as usize].belief.node;
        let from = listed.partition_point(|position| id(position) < scope.first);
        let to = listed.partition_point(|position| id(position) <= scope.last);
        // Newcomers have no region until their node row says it, and then they are folded in.
        let new = if scope.region == Region::NOWHERE { &*self.newcomers } else { &[] };
        let mut new: Vec<NodeId> = new.iter().copied().filter(|node| scope.contains(*node)).collect();
        new.sort_unstable();
        Part { roster: self, listed: &listed[from..to.max(from)], new, scope }
    }
}

/// Those in a scope, without looking at each of them.
#[derive(Debug)]
pub struct Part<'a> {
    roster: &'a Roster,
    listed: &'a [u32],
    new: Vec<NodeId>,
    scope: Scope,
}

impl Part<'_> {
    /// How many there are, present or not, this node included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed.len() + self.new.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those who take part, without this node.
    pub fn present(&self) -> impl Iterator<Item = &Belief> {
        let listed = self.listed.iter().map(|position| self.roster.register.entries[*position as usize].belief.node);
        listed
            .chain(self.new.iter().copied())
            .filter_map(|node| self.roster.get(node))
            .map(|entry| &entry.belief)
            .filter(|belief| belief.state.is_present())
    }

    /// One of them by its place; `None` if that is this node.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Belief> {
        let node = match self.listed.get(place) {
            Some(position) => self.roster.register.entries[*position as usize].belief.node,
            None => *self.new.get(place - self.listed.len())?,
        };
        self.roster.get(node).map(|entry| &entry.belief)
    }

    /// Cuts it into at most `parts` scopes of nearly equal size that together are the whole. Nearly: where there are
    /// newcomers, either they are spread evenly or the others are, whichever are more.
    #[must_use]
    pub fn split(&self, parts: usize) -> Vec<Scope> {
        let by_newcomers = self.new.len() > self.listed.len();
        let count = self.listed.len().max(self.new.len());
        let id = |place: usize| match by_newcomers {
            true => self.new.get(place).copied(),
            false => self.listed.get(place).map(|at| self.roster.register.entries[*at as usize].belief.node),
        };
        let parts = parts.min(count).max(1);
        let mut scopes = Vec::with_capacity(parts);
        let mut first = self.scope.first;
        for part in 1..=parts {
            let end = part * count / parts;
            let last = id(end).filter(|_| part < parts).map_or(self.scope.last, before);
            scopes.push(Scope { region: self.scope.region, first, last });
            first = after(last);
        }
        scopes
    }
}

fn before(node: NodeId) -> NodeId {
    NodeId::new(node.get() - 1).unwrap_or(node)
}

fn after(node: NodeId) -> NodeId {
    NodeId::new(node.get().saturating_add(1)).unwrap_or(node)
}
