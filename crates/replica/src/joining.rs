//! Finding each other: seeds, lost members, exchanged lists, goodbyes, and what the disk remembers of members.

use crate::Replica;
use crate::apply::profile_of;
use crate::limits::{self, STATEMENTS_PER_MESSAGE_MAX};
use crate::timers::Timer;
use crate::wire::{MemberList, Packet, Statement};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use whither_gossip::{Belief, Claim, Route};
use whither_model::durable::StoredMember;
use whither_model::{Delta, Instant, Member, MemberState, NodeId, WallTime};

/// How long members of the last run are waited for before they are called down.
const BOOT_GRACE: Duration = Duration::from_secs(10);
/// How often the others hear a goodbye: it is not acknowledged.
const GOODBYES: usize = 3;
/// Member lists are compared at most this often …
const LISTS_PAUSE: Duration = Duration::from_millis(500);
/// … for each so many members.
const MEMBERS_PER_PAUSE: usize = 256;

impl Replica {
    pub(crate) fn join_seeds(&mut self, seeds: Vec<SocketAddr>) {
        for seed in seeds {
            self.config.seeds.retain(|known| *known != seed);
            self.config.seeds.push(seed);
        }
        let surplus = self.config.seeds.len().saturating_sub(limits::SEEDS_MAX);
        self.config.seeds.drain(..surplus);
        self.timers.set(Timer::Dial, self.now.mono);
    }

    /// Looks for the cluster while alone; otherwise, now and then, for seeds and members that were lost.
    pub(crate) fn dial(&mut self) {
        let alone = self.detector.roster().alive_count() == 0;
        let wait = if alone { self.config.timing.dial_interval } else { self.config.timing.dial_interval * 10 };
        // Half to one and a half times as long, so that nodes that were started together do not dial together for ever.
        let micros = usize::try_from(wait.as_micros()).unwrap_or(usize::MAX);
        let jitter = Duration::from_micros(self.random.below(micros) as u64);
        self.timers.set(Timer::Dial, self.now.mono + wait / 2 + jitter);
        if self.has_left() {
            return;
        }
        let mut to: Vec<(SocketAddr, Option<NodeId>)> = Vec::new();
        let known: Vec<SocketAddr> = self.detector.roster().present().map(|belief| belief.address).collect();
        let mut seeds: Vec<SocketAddr> =
            self.config.seeds.iter().filter(|seed| !known.contains(seed)).copied().collect();
        self.random.shuffle(&mut seeds);
        seeds.truncate(if alone { 8 } else { 1 });
        to.extend(seeds.into_iter().map(|seed| (seed, None)));
        if let Some(lost) = self.detector.roster().random_absent(&mut self.random) {
            // It hears that it is believed dead, and can object.
            let statements = alloc::vec![Statement::of(&lost)];
            self.send(&[lost.address], Route::Datagram, Packet { statements, ..Packet::default() });
            to.push((lost.address, Some(lost.node)));
        }
        if alone {
            let mut known: Vec<(SocketAddr, Option<NodeId>)> =
                self.detector.roster().iter().map(|entry| (entry.belief.address, None)).collect();
            self.random.shuffle(&mut known);
            to.extend(known.into_iter().take(8));
        }
        for (address, target) in to {
            let ping = self.dialling_ping(target);
            self.send(&[address], Route::Datagram, Packet { ping, ..Packet::default() });
        }
    }

    /// A peer believes others to be here than this node does: both tell all they know. In a large cluster the lists are
    /// long, so this is done the more rarely the longer they are.
    pub(crate) fn compare_members(&mut self, peer: SocketAddr) {
        let pause =
            LISTS_PAUSE * u32::try_from(1 + self.detector.roster().known_count() / MEMBERS_PER_PAUSE).unwrap_or(1);
        if self.now.mono.since(self.lists_compared) >= pause {
            self.lists_compared = self.now.mono;
            self.send_members(peer, true);
        }
    }

    pub(crate) fn send_members(&mut self, to: SocketAddr, answer_wanted: bool) {
        let statements = self.detector.roster().iter().map(|entry| Statement::of(&entry.belief)).collect();
        let members = Some(MemberList { statements, answer_wanted });
        self.send(&[to], Route::Stream, Packet { members, ..Packet::default() });
    }

    pub(crate) fn handle_members(&mut self, from: SocketAddr, list: &MemberList) {
        // Whether second-hand news of a death is believed, the detector decides: a list may be old, and the dead can object.
        for belief in list.statements.iter().take(STATEMENTS_PER_MESSAGE_MAX).filter_map(Statement::check) {
            self.detector.hear(self.now.mono, &Claim::plain(belief));
        }
        if list.answer_wanted {
            self.send_members(from, false);
        }
    }

    pub(crate) fn say_goodbye(&mut self) {
        if self.has_left() {
            return;
        }
        self.tell_own_changes();
        self.flush_outbox();
        self.detector.leave(self.now.mono);
        self.show_self();
        let to: Vec<SocketAddr> = self.detector.roster().present().map(|belief| belief.address).collect();
        for _ in 0..GOODBYES {
            self.send(&to, Route::Datagram, Packet::default());
        }
    }

    /// Shows a member with what it says of itself.
    pub(crate) fn show_member(&mut self, node: NodeId) {
        let Some(entry) = self.detector.roster().get(node).copied() else { return };
        let profile = profile_of(&self.rows, node);
        let maintenance = profile.as_ref().is_some_and(|profile| profile.maintenance);
        let (name, zone, region, software) = match profile {
            Some(profile) => (profile.name, profile.zone, profile.region, profile.software),
            None => (whither_model::NodeName::default(), Box::default(), Box::default(), Box::default()),
        };
        self.ready.deltas.push(Delta::Member(Member {
            id: node,
            name: Arc::new(name),
            address: entry.belief.address,
            epoch: entry.belief.epoch,
            state: entry.belief.state,
            vouches: self.vouches(node, entry.belief.state),
            held: self.losses.is_held(node),
            maintenance,
            zone,
            region,
            software,
        }));
    }

    pub(crate) fn store_member(&mut self, node: NodeId) {
        let Some(entry) = self.detector.roster().get(node).copied() else { return };
        let known = self.clocks.known_until(node);
        let age = u64::try_from(self.now.mono.since(known).as_millis()).unwrap_or(u64::MAX);
        // Zero stands for "never".
        let known_until = match known {
            Instant::DISTANT_PAST => WallTime(0),
            _ => WallTime(self.now.wall.0.saturating_sub(age)),
        };
        self.ready.journal.members.push(StoredMember {
            node,
            address: entry.belief.address,
            epoch: entry.belief.epoch,
            incarnation: entry.belief.incarnation,
            state: entry.belief.state,
            known_until,
        });
    }

    /// Writes down up to when members are known, so that after a restart old answers carry their true age.
    pub(crate) fn remember_freshness(&mut self) {
        // A second for each thousand members keeps this below a thousand rows per second.
        let pause = Duration::from_secs(self.detector.roster().known_count() as u64 / 1_000);
        self.timers.set(Timer::Remember, self.now.mono + self.config.timing.remember_interval + pause);
        let present: Vec<NodeId> = self.detector.roster().present().map(|belief| belief.node).collect();
        present.into_iter().for_each(|node| self.store_member(node));
    }

    /// Takes in the members of the last run. Those that were present probably still are: they are suspects with some time
    /// to show up, and until then their instances are served as they were, with the age that they have.
    pub(crate) fn remember_members(&mut self, stored: &[StoredMember]) {
        for member in stored.iter().take(limits::MEMBERS_MAX) {
            let &StoredMember { node, address, epoch, state, known_until, .. } = member;
            if node == self.me.node {
                continue;
            }
            // A wall clock behind what it once showed cannot tell how old anything is.
            let clock_went_on = known_until > WallTime(0) && known_until <= self.now.wall;
            if clock_went_on {
                self.clocks.raise(node, self.now.mono - self.now.wall.since(known_until));
            }
            let state = if state.is_present() { MemberState::Suspect } else { state };
            // Incarnations begin at 1, so any fresh word about it overrides this memory.
            let belief = Belief { node, epoch, incarnation: 0, state, address, run: 0 };
            let grace = self.config.timing.leave_grace.saturating_sub(self.now.wall.since(known_until));
            if state == MemberState::Left && clock_went_on && !grace.is_zero() {
                self.leaving.insert(node);
                self.timers.set(Timer::VouchEnd(node), self.now.mono + grace);
            }
            self.detector.remember(belief, BOOT_GRACE);
            self.known_dirty.insert(node);
            self.show_member(node);
        }
    }
}
