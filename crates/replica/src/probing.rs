//! SWIM (Das, Gupta, Motivala 2002): probes, suspicion, and what is believed of whom.

use crate::limits::DIRECT_PEERS_MAX;
use crate::membership::Heard;
use crate::packets::Sender;
use crate::ready::Route;
use crate::timers::Timer;
use crate::wire::{Belief, Packet, Ping, PingRequest, Pong, Statement};
use crate::{Replica, limits};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use whither_model::{Instant, MemberState, NodeId};

/// Pings whose pongs are awaited.
#[derive(Debug, Default)]
pub(crate) struct Probing {
    /// The probe under way.
    probe: Option<Probe>,
    /// Pings to seeds and lost members, by nonce: when they left.
    dialled: BTreeMap<u64, Instant>,
    /// Pings on behalf of others, by nonce.
    errands: BTreeMap<u64, Errand>,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    target: Belief,
    nonce: u64,
    sent_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Errand {
    target: NodeId,
    asker: SocketAddr,
    begun: Instant,
}

/// Awaited pongs of each kind; beyond that, those that have waited longest are given up.
const AWAITED_MAX: usize = 256;
/// How long a pong is awaited.
const AWAITED_FOR: Duration = Duration::from_secs(10);

impl Probing {
    fn await_dialled(&mut self, nonce: u64, now: Instant) {
        self.dialled.retain(|_, begun| now.since(*begun) < AWAITED_FOR);
        if self.dialled.len() < AWAITED_MAX {
            self.dialled.insert(nonce, now);
        }
    }

    fn await_errand(&mut self, nonce: u64, errand: Errand) {
        self.errands.retain(|_, other| errand.begun.since(other.begun) < AWAITED_FOR);
        if self.errands.len() < AWAITED_MAX {
            self.errands.insert(nonce, errand);
        }
    }
}

impl Replica {
    pub(crate) fn probe_next(&mut self) {
        self.timers.set(Timer::ProbeNext, self.now.mono + self.config.timing.probe_interval);
        if self.left {
            return;
        }
        let Some(target) = self.members.next_to_probe(&mut self.random) else { return };
        let nonce = self.random.next();
        self.counters.probes += 1;
        self.probing.probe = Some(Probe { target, nonce, sent_at: self.now.mono });
        let ping = Ping { nonce, target: target.node.get() };
        self.send_about(target, Packet { ping: Some(ping), ..Packet::default() });
        self.timers.set(Timer::ProbeIndirect, self.now.mono + self.config.timing.probe_timeout);
        self.timers.set(Timer::ProbeEnd, self.now.mono + self.config.timing.probe_deadline);
    }

    /// Sends a packet to a member, with the accusation against it if there is one: the accused must hear first.
    pub(crate) fn send_about(&mut self, to: Belief, mut packet: Packet) {
        if to.state != MemberState::Alive {
            packet.statements.push(Statement::of(&to));
        }
        self.send(&[to.address], Route::Datagram, packet);
    }

    pub(crate) fn probe_indirectly(&mut self) {
        let Some(probe) = self.probing.probe else { return };
        let count = self.config.timing.indirect_probes;
        let witnesses = self.members.sample(count, Some(probe.target.node), &mut self.random);
        let request = PingRequest { nonce: probe.nonce, target: Some(Statement::of(&probe.target)) };
        let to: Vec<SocketAddr> = witnesses.iter().map(|witness| witness.address).collect();
        self.send(&to, Route::Datagram, Packet { ping_request: Some(request), ..Packet::default() });
        // The reliable fallback: a stream gets through where single datagrams are lost.
        let ping = Ping { nonce: probe.nonce, target: probe.target.node.get() };
        self.send(&[probe.target.address], Route::Stream, Packet { ping: Some(ping), ..Packet::default() });
    }

    pub(crate) fn probe_failed(&mut self) {
        let Some(probe) = self.probing.probe.take() else { return };
        self.counters.probes_failed += 1;
        let Some(entry) = self.members.get(probe.target.node) else { return };
        if entry.belief.state == MemberState::Alive && entry.belief.epoch == probe.target.epoch {
            self.hear(Belief { state: MemberState::Suspect, ..entry.belief });
        }
    }

    /// This node slept through `late`: what it did not hear says nothing about others.
    pub(crate) fn stood_still(&mut self, late: Duration) {
        self.counters.stalls += 1;
        self.probing.probe = None;
        self.timers.cancel(Timer::ProbeIndirect);
        self.timers.cancel(Timer::ProbeEnd);
        let grace = late + self.suspicion_length();
        self.timers.put_off(grace, |timer| matches!(timer, Timer::Suspicion(_)));
        // Renewals may have piled up unread while nobody was looking: leases get the time back.
        self.leases.put_off(late);
        self.timers.put_off(late, |timer| matches!(timer, Timer::Lease(_)));
    }

    fn suspicion_length(&self) -> Duration {
        // ⌈10·log10(n + 1)⌉ / 10 with n the others, at least 1: bits × 3.01 tenths.
        let bits = usize::BITS - (self.members.present_count() + 1).leading_zeros();
        let tenths = (bits * 3).max(10);
        self.config.timing.probe_interval * self.config.timing.suspicion_multiplier * tenths / 10
    }

    pub(crate) fn suspicion_over(&mut self, node: NodeId) {
        let Some(entry) = self.members.get(node) else { return };
        if entry.belief.state == MemberState::Suspect {
            self.counters.declared_down += 1;
            self.hear(Belief { state: MemberState::Down, ..entry.belief });
        }
    }

    pub(crate) fn vouching_over(&mut self, node: NodeId) {
        self.members.set_vouches(node, false);
        self.show_member(node);
    }

    /// Takes in what somebody believes of somebody.
    pub(crate) fn hear(&mut self, belief: Belief) {
        if belief.node == self.me.node {
            return self.hear_of_self(belief);
        }
        let known = self.members.get(belief.node).is_some();
        match self.members.hear(belief, &mut self.random) {
            Some(heard) => self.member_changed(heard),
            None if !known => self.counters.statements_dropped += 1,
            None => {}
        }
    }

    fn member_changed(&mut self, heard: Heard) {
        let node = heard.now.node;
        let was = heard.before.map(|before| before.state);
        self.timers.cancel(Timer::Suspicion(node));
        self.timers.cancel(Timer::VouchEnd(node));
        match heard.now.state {
            MemberState::Alive => self.members.set_vouches(node, true),
            MemberState::Suspect => {
                // Heard of first as a suspect: nobody here has seen it alive, but neither has anybody seen it dead.
                self.members.set_vouches(node, true);
                self.timers.set(Timer::Suspicion(node), self.now.mono + self.suspicion_length());
            }
            MemberState::Down => self.members.set_vouches(node, false),
            MemberState::Left => {
                // Heard once more of one whose grace is running, it is the same goodbye.
                let in_grace =
                    was == Some(MemberState::Left) && self.members.get(node).is_some_and(|entry| entry.vouches);
                self.members.set_vouches(node, in_grace || was.is_some_and(MemberState::is_present));
                self.timers.set(Timer::VouchEnd(node), self.now.mono + self.config.timing.leave_grace);
            }
        }
        self.show_member(node);
        self.store_member(node);
        self.outbox.urgent = true;
        let back = heard.before.is_some_and(|before| {
            before.state == MemberState::Suspect && before.epoch == heard.now.epoch && before.incarnation > 0
        });
        // A suspect that objects was here all the time; greeting it would only burden one that is slow already.
        if heard.now.state == MemberState::Alive && was != Some(MemberState::Alive) && !back {
            self.greet(heard.now);
        }
    }

    /// A member that is new or back: compare state with it at once instead of waiting for chance.
    fn greet(&mut self, member: Belief) {
        if self.members.alive_count() == 1 {
            self.send_members(member.address, true);
        }
        // The ping measures its clock, so that answers have a provable age from the first exchange on.
        let ping = self.dialling_ping(member.node.get());
        // In a large cluster only a few compare state with a newcomer, or everybody would send it everything.
        let present = self.members.present_count();
        let compares = present <= DIRECT_PEERS_MAX || self.random.below(present) < DIRECT_PEERS_MAX;
        let digest = compares.then(|| self.own_digest(true));
        self.send(&[member.address], Route::Datagram, Packet { ping: Some(ping), digest, ..Packet::default() });
    }

    /// A ping outside the round of probes, whose pong is awaited.
    pub(crate) fn dialling_ping(&mut self, target: u64) -> Ping {
        let nonce = self.random.next();
        self.probing.await_dialled(nonce, self.now.mono);
        Ping { nonce, target }
    }

    /// Somebody speaks of this node. If it is an accusation, a higher incarnation refutes it.
    fn hear_of_self(&mut self, belief: Belief) {
        if belief.epoch > self.me.epoch || belief.contradicts(&self.self_belief()) {
            self.ready.impostor = self.ready.impostor.max(Some(belief.epoch));
            return;
        }
        let accused = belief.epoch == self.me.epoch && belief.state != MemberState::Alive && !self.left;
        // At the last incarnation nothing can refute it; answering all the same would be answered for ever.
        if accused && (self.incarnation..limits::BOOTS_MAX).contains(&belief.incarnation) {
            self.incarnation = belief.incarnation.saturating_add(1);
            self.counters.refutations += 1;
            self.outbox.urgent = true;
        }
    }

    /// Hears the sender of a packet of itself: nobody needs to vouch for it.
    ///
    /// Returns whether it is to be believed: of two copies of a node, the one that was heard first is, and the other is told.
    pub(crate) fn hear_sender(&mut self, mut belief: Belief, from: SocketAddr) -> bool {
        if belief.address.ip().is_unspecified() {
            belief.address = SocketAddr::new(from.ip(), belief.address.port());
        }
        if let Some(entry) = self.members.get(belief.node).copied()
            && belief.contradicts(&entry.belief)
        {
            let statements = alloc::vec![Statement::of(&entry.belief)];
            self.send(&[from], Route::Stream, Packet { statements, ..Packet::default() });
            return false;
        }
        self.hear(belief);
        let Some(entry) = self.members.get(belief.node).copied() else { return true };
        let same = entry.belief.epoch == belief.epoch && entry.belief.incarnation == belief.incarnation;
        if same && entry.belief.address != belief.address && entry.belief.state.is_present() {
            self.members.set_address(belief.node, belief.address);
        }
        // It speaks, yet it is believed gone: tell it, so that it can object.
        let wronged = same && belief.state == MemberState::Alive && entry.belief.state != MemberState::Alive;
        if wronged && entry.belief.state != MemberState::Left {
            let statements = alloc::vec![Statement::of(&entry.belief)];
            self.send(&[belief.address], Route::Datagram, Packet { statements, ..Packet::default() });
        }
        true
    }

    pub(crate) fn handle_ping(&mut self, sender: &Sender, ping: &Ping) {
        if ping.target != 0 && ping.target != self.me.node.get() {
            return;
        }
        let pong = Pong { nonce: ping.nonce, target: self.me.node.get() };
        // The way it came: a stream is the fallback for when datagrams are lost.
        self.send(&[sender.from], sender.route, Packet { pong: Some(pong), ..Packet::default() });
    }

    pub(crate) fn handle_ping_request(&mut self, sender: &Sender, request: &PingRequest) {
        let Some(target) = request.target.as_ref().and_then(Statement::check) else { return };
        let errand = Errand { target: target.node, asker: sender.from, begun: self.now.mono };
        self.probing.await_errand(request.nonce, errand);
        let ping = Ping { nonce: request.nonce, target: target.node.get() };
        self.send(&[target.address], Route::Datagram, Packet { ping: Some(ping), ..Packet::default() });
    }

    /// Takes in a pong. Returns when the ping it answers left this node, if that was this node's own.
    pub(crate) fn handle_pong(&mut self, sender: NodeId, pong: &Pong) -> Option<Instant> {
        if let Some(errand) = self.probing.errands.get(&pong.nonce).copied()
            && errand.target == sender
        {
            self.probing.errands.remove(&pong.nonce);
            let pong = Pong { nonce: pong.nonce, target: pong.target };
            self.send(&[errand.asker], Route::Datagram, Packet { pong: Some(pong), ..Packet::default() });
        }
        if let Some(dialled) = self.probing.dialled.remove(&pong.nonce) {
            return (pong.target == sender.get()).then_some(dialled);
        }
        let probe =
            self.probing.probe.filter(|probe| probe.nonce == pong.nonce && probe.target.node.get() == pong.target)?;
        self.probing.probe = None;
        self.timers.cancel(Timer::ProbeIndirect);
        self.timers.cancel(Timer::ProbeEnd);
        (sender == probe.target.node).then_some(probe.sent_at)
    }
}
