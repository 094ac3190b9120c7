//! What the detector finds out becomes visible: shown, stored, told; and what it wants said is sent.

use crate::Replica;
use crate::apply::profile_of;
use crate::spreading::News;
use crate::timers::Timer;
use crate::wire::{Nack, Packet, Ping, PingRequest, Pong, Statement, Verdict};
use alloc::sync::Arc;
use alloc::vec::Vec;
use whither_gossip::{Belief, Changed, Claim, Effects, Outgoing, Region, Word};
use whither_model::random::mix;
use whither_model::{MemberState, NodeId};

/// Everybody compares state with a newcomer while there are this many members; of more, about as many do.
const GREETERS: usize = 12;
/// Claims told in one piece of news.
const CLAIMS_PER_NEWS: usize = 8;

impl Replica {
    /// Does what the detector wants done since the last event.
    pub(crate) fn settle_membership(&mut self) {
        while self.detector.has_effects() {
            let mut effects: Effects = self.detector.take_effects();
            self.ready.impostor = self.ready.impostor.max(effects.impostor);
            for outgoing in effects.sends.drain(..) {
                self.send_word(&outgoing);
            }
            let claims: Vec<Claim> = core::mem::take(&mut effects.publish);
            for part in claims.chunks(CLAIMS_PER_NEWS) {
                self.tell_everybody(News { claims: part.to_vec(), changes: Vec::new(), made: Some(self.now.mono) });
            }
            for changed in core::mem::take(&mut effects.changes) {
                self.member_changed(changed);
            }
            self.detector.reuse(effects);
        }
    }

    fn send_word(&mut self, outgoing: &Outgoing) {
        let mut packet = Packet::default();
        match outgoing.word {
            Word::Nothing => {}
            Word::Ping { nonce, target } => {
                packet.ping = Some(Ping { nonce, target: target.map_or(0, NodeId::get) });
            }
            Word::Pong { nonce, target } => packet.pong = Some(Pong { nonce, target: target.get() }),
            Word::PingRequest { nonce, target } => {
                packet.ping_request = Some(PingRequest { nonce, target: Some(Statement::of(&target)) });
            }
            Word::Nack { nonce } => packet.nack = Some(Nack { nonce }),
            Word::Summons { nonce, target } => {
                packet.summons = Some(PingRequest { nonce, target: Some(Statement::of(&target)) });
            }
            Word::Verdict { nonce, reached } => packet.verdict = Some(Verdict { nonce, reached }),
        }
        match (outgoing.word, outgoing.to.node) {
            (Word::Ping { .. }, Some(node)) => packet.digest = self.digest_if_due(node),
            (Word::Pong { .. }, _) => packet.digest = self.agreement_with(outgoing.to.address),
            _ => {}
        }
        packet.statements.extend(outgoing.claim.as_ref().map(Statement::claim));
        if let Some(node) = outgoing.to.node {
            self.acknowledge_with(node, &mut packet);
        }
        self.send(&[outgoing.to.address], outgoing.route, packet);
    }

    /// Whether `node`'s word about its instances still counts.
    pub(crate) fn vouches(&self, node: NodeId, state: MemberState) -> bool {
        match state {
            MemberState::Alive | MemberState::Suspect => true,
            MemberState::Left => self.leaving.contains(&node),
            MemberState::Down => self.losses.is_held(node),
        }
    }

    fn member_changed(&mut self, changed: Changed) {
        let Changed { before, now } = changed;
        let was = before.map(|before| before.state);
        if before.is_none() {
            self.round_waits_for(now.node);
            self.tables_round_waits_for(now.node);
            self.place_member(now.node);
        }
        if now.state == MemberState::Left {
            // Heard once more of one whose grace is running, it is the same goodbye.
            if was.is_some_and(MemberState::is_present) {
                self.leaving.insert(now.node);
                self.timers.set(Timer::VouchEnd(now.node), self.now.mono + self.config.timing.leave_grace);
            }
        } else {
            self.leaving.remove(&now.node);
            self.timers.cancel(Timer::VouchEnd(now.node));
        }
        self.note_loss(now.node, now.state);
        self.show_member(now.node);
        self.store_member(now.node);
        // A suspect that objects was here all the time; greeting it would only burden one that is slow already.
        let objected = before.is_some_and(|before| {
            before.state == MemberState::Suspect && before.epoch == now.epoch && before.incarnation > 0
        });
        if now.state == MemberState::Alive && was != Some(MemberState::Alive) && !objected {
            self.greet(now);
        }
    }

    /// A member that is new or back: compare state with it at once instead of waiting for chance.
    fn greet(&mut self, member: Belief) {
        let others = self.detector.roster().present_count();
        if self.detector.roster().alive_count() == 1 {
            self.send_members(member.address, true);
        }
        // In a large cluster only a few greet a newcomer, or everybody would at once.
        if others > GREETERS && self.random.below(others) >= GREETERS {
            return;
        }
        // The ping measures its clock, so that answers have a provable age from the first exchange on.
        let ping = self.dialling_ping(Some(member.node));
        let digest = Some(self.offer_digest(member.node));
        self.send(&[member.address], whither_gossip::Route::Datagram, Packet { ping, digest, ..Packet::default() });
    }

    /// A ping outside the round of probes, whose pong is awaited.
    pub(crate) fn dialling_ping(&mut self, target: Option<NodeId>) -> Option<Ping> {
        match self.detector.dial(self.now.mono, target) {
            Word::Ping { nonce, target } => Some(Ping { nonce, target: target.map_or(0, NodeId::get) }),
            _ => None,
        }
    }

    pub(crate) fn vouching_over(&mut self, node: NodeId) {
        self.leaving.remove(&node);
        self.show_member(node);
    }

    /// Tells the detector in which region a member is, as far as its node row has arrived.
    pub(crate) fn place_member(&mut self, node: NodeId) {
        if let Some(profile) = profile_of(&self.rows, node) {
            self.detector.roster_mut().set_region(node, region_named(&profile.region));
        }
    }

    /// Tells every member, by way of the broadcast.
    pub(crate) fn tell_everybody(&mut self, news: News) {
        if self.detector.roster().present_count() > 0 {
            self.canary.spoke(self.now.mono);
        }
        self.broadcast.publish(self.now.mono, self.detector.roster_mut(), Arc::new(news));
    }
}

/// The number by which the broadcast knows a region. Should two names ever share one, they are spread to as one.
pub(crate) fn region_named(name: &str) -> Region {
    if name.is_empty() {
        return Region::NOWHERE;
    }
    let hash = name.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
    Region(u32::try_from(hash >> 32).unwrap_or(0).max(1))
}
