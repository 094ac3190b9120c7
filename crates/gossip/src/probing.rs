//! Probes: direct, by others, and on a stream (SWIM sections 3.1 and 4.3; Lifeguard's LHA-Probe).

use crate::belief::{Accusers, Belief, Claim};
use crate::detector::{Detector, Outgoing, Peer, Route, Word};
use crate::roster::Region;
use alloc::collections::BTreeMap;
use core::time::Duration;
use whither_model::{Instant, MemberState, NodeId};

/// Pings whose pongs are awaited.
#[derive(Debug)]
pub(crate) struct Probing {
    next_probe: Instant,
    /// The probe under way.
    probe: Option<Probe>,
    /// Pings outside the round of probes, by nonce: when they left.
    dialled: BTreeMap<u64, Instant>,
    /// Pings on behalf of others, by nonce.
    errands: BTreeMap<u64, Errand>,
    /// The earliest time at which an asker is to be told that nothing came yet.
    next_nack: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    target: Belief,
    nonce: u64,
    sent_at: Instant,
    /// When the next thing happens: others are asked, or the probe has failed.
    due: Instant,
    end: Instant,
    asked: u32,
    nacks: u32,
}

#[derive(Clone, Copy, Debug)]
struct Errand {
    target: NodeId,
    asker: Peer,
    begun: Instant,
    /// When the asker is to be told that nothing came; [`Instant::DISTANT_FUTURE`] once it was.
    nack: Instant,
}

/// Awaited pongs of each kind; beyond that, further ones are not awaited.
const AWAITED_MAX: usize = 256;
/// How long a pong is awaited.
const AWAITED_FOR: Duration = Duration::from_secs(10);
/// From this local health on, a node looks for company: in each interval it pings as many members more as it is unwell.
const UNWELL: u32 = 2;

impl Probing {
    pub(crate) fn beginning(at: Instant) -> Self {
        Self {
            next_probe: at,
            probe: None,
            dialled: BTreeMap::new(),
            errands: BTreeMap::new(),
            next_nack: Instant::DISTANT_FUTURE,
        }
    }

    pub(crate) fn next(&self) -> Instant {
        let probe = self.probe.map_or(Instant::DISTANT_FUTURE, |probe| probe.due);
        self.next_probe.min(probe).min(self.next_nack)
    }

    pub(crate) fn give_up(&mut self) {
        self.probe = None;
        self.errands.clear();
        self.next_nack = Instant::DISTANT_FUTURE;
    }
}

impl Detector {
    pub(crate) fn probe_on(&mut self) {
        if self.probing.probe.is_some_and(|probe| probe.due <= self.now) {
            self.probe_due();
        }
        if self.probing.next_nack <= self.now {
            self.send_nacks();
        }
        if self.probing.next_probe <= self.now {
            self.probing.next_probe = self.now + self.timing.probe_interval;
            self.probe_next();
        }
    }

    fn probe_next(&mut self) {
        if self.me.state != MemberState::Alive {
            return;
        }
        if self.awareness.score() >= UNWELL {
            self.look_for_company();
        }
        // A probe that takes longer than an interval, because this node is unwell, goes on.
        if self.probing.probe.is_some() {
            return;
        }
        let Some(target) = self.roster.next_to_probe(&mut self.random) else { return };
        self.counters.probes += 1;
        let far = self.allowance(target.node);
        let nonce = self.nonce();
        self.probing.probe = Some(Probe {
            target,
            nonce,
            sent_at: self.now,
            due: self.now + self.awareness.stretch(self.timing.probe_timeout) + far,
            end: self.now + self.awareness.stretch(self.timing.probe_deadline) + 2 * far,
            asked: 0,
            nacks: 0,
        });
        self.send_ping(target, Route::Datagram, nonce);
    }

    /// Names a question among those that are open. 32 bits are enough for that, and short on the wire.
    pub(crate) fn nonce(&mut self) -> u64 {
        self.random.next() >> 32
    }

    /// What the way to `node` and back adds to every time-out.
    pub(crate) fn allowance(&self, node: NodeId) -> Duration {
        let region = self.roster.get(node).map_or(Region::NOWHERE, |entry| entry.region);
        let allowance = self.round_trips.allowance(region).unwrap_or_default();
        allowance.min(self.timing.probe_interval)
    }

    /// Pings `to`, with the accusation against it if there is one: the accused must hear first.
    pub(crate) fn send_ping(&mut self, to: Belief, route: Route, nonce: u64) {
        let word = Word::Ping { nonce, target: Some(to.node) };
        let accused = to.state != MemberState::Alive;
        let claim = if accused { self.claim(to.node).or(Some(Claim::plain(to))) } else { None };
        self.effects.sends.push(Outgoing { to: Peer::from(&to), route, word, claim });
    }

    /// One that hears few speaks to more: whoever hears it can say so, and every answer is a sign that it is not cut off.
    fn look_for_company(&mut self) {
        let company = self.awareness.score() as usize;
        for member in self.roster.sample(company, None, &mut self.random) {
            let word = self.dial(self.now, Some(member.node));
            self.effects.sends.push(Outgoing { to: Peer::from(&member), route: Route::Datagram, word, claim: None });
        }
    }

    /// A ping outside the round of probes, whose pong is awaited. Without a target: whoever is there.
    pub fn dial(&mut self, now: Instant, target: Option<NodeId>) -> Word {
        self.advance(now);
        let nonce = self.nonce();
        let now = self.now;
        if self.probing.dialled.len() >= AWAITED_MAX {
            self.probing.dialled.retain(|_, begun| now.since(*begun) < AWAITED_FOR);
        }
        if self.probing.dialled.len() < AWAITED_MAX {
            self.probing.dialled.insert(nonce, now);
        }
        Word::Ping { nonce, target }
    }

    fn probe_due(&mut self) {
        let Some(mut probe) = self.probing.probe else { return };
        if probe.due >= probe.end {
            self.probing.probe = None;
            return self.probe_failed(probe);
        }
        let helpers = self.roster.sample(self.timing.indirect_probes, Some(probe.target.node), &mut self.random);
        probe.due = probe.end;
        probe.asked = u32::try_from(helpers.len()).unwrap_or(u32::MAX);
        self.probing.probe = Some(probe);
        for helper in &helpers {
            let word = Word::PingRequest { nonce: probe.nonce, target: probe.target };
            self.effects.sends.push(Outgoing { to: Peer::from(helper), route: Route::Datagram, word, claim: None });
        }
        // A stream gets through where single datagrams are lost.
        self.send_ping(probe.target, Route::Stream, probe.nonce);
    }

    fn probe_failed(&mut self, probe: Probe) {
        self.counters.probes_failed += 1;
        // Those who tried in vain and said so show that this node is well heard (Lifeguard section IV.A).
        let missed = if probe.asked == 0 { 1 } else { probe.asked.saturating_sub(probe.nacks) };
        self.awareness.probe_failed(missed, probe.nacks == 0, self.now);
        if self.is_isolated() {
            self.counters.withheld += 1;
            return;
        }
        let Some(entry) = self.roster.get(probe.target.node).copied() else { return };
        if !entry.belief.is_same_life(&probe.target) {
            return;
        }
        match entry.belief.state {
            MemberState::Alive => self.summon(entry.belief),
            MemberState::Suspect => self.accuse(entry.belief, Accusers::from_iter([self.me.node])),
            MemberState::Down | MemberState::Left => {}
        }
    }

    /// Tells everybody that `target` is suspected.
    pub(crate) fn accuse(&mut self, target: Belief, accusers: Accusers) {
        let belief = Belief { state: MemberState::Suspect, ..target };
        let before = self.suspicions.get(target.node).map_or(0, |suspicion| suspicion.accusers.count());
        self.take_in(&Claim { belief, accusers, witness: None });
        let after = self.suspicions.get(target.node).map_or(0, |suspicion| suspicion.accusers.count());
        // Beyond a quorum, more of the same is no news.
        if after > before && before < self.timing.quorum && !self.awareness.is_cut_off() {
            self.effects.publish.extend(self.claim(target.node));
        }
    }

    /// Takes in a word from a member, which came from `from` by `route`. Returns when the ping that a pong answers left
    /// this node, if that ping was this node's own and the pong is from the member itself.
    pub fn handle_word(
        &mut self,
        now: Instant,
        sender: NodeId,
        from: Peer,
        route: Route,
        word: &Word,
    ) -> Option<Instant> {
        self.advance(now);
        match *word {
            Word::Nothing => {}
            Word::Ping { nonce, target } => {
                if target.is_none_or(|target| target == self.me.node) {
                    let word = Word::Pong { nonce, target: self.me.node };
                    // The way it came: a stream is the fallback for when datagrams are lost.
                    self.effects.sends.push(Outgoing { to: from, route, word, claim: None });
                }
            }
            Word::Pong { nonce, target } => return self.handle_pong(sender, nonce, target),
            Word::PingRequest { nonce, target } => self.run_errand(from, nonce, target),
            Word::Nack { nonce } => {
                if let Some(probe) = self.probing.probe.as_mut().filter(|probe| probe.nonce == nonce) {
                    probe.nacks += 1;
                }
            }
            Word::Summons { nonce, target } => self.handle_summons(from, nonce, target),
            Word::Verdict { nonce, reached } => self.handle_verdict(sender, nonce, reached),
        }
        None
    }

    fn run_errand(&mut self, asker: Peer, nonce: u64, target: Belief) {
        let now = self.now;
        if self.probing.errands.len() >= AWAITED_MAX {
            self.probing.errands.retain(|_, errand| now.since(errand.begun) < AWAITED_FOR);
        }
        if self.probing.errands.len() < AWAITED_MAX {
            let nack = now + self.timing.probe_timeout * 4 / 5;
            self.probing.errands.insert(nonce, Errand { target: target.node, asker, begun: now, nack });
            self.probing.next_nack = self.probing.next_nack.min(nack);
        }
        self.send_ping(target, Route::Datagram, nonce);
    }

    fn send_nacks(&mut self) {
        for (nonce, errand) in &mut self.probing.errands {
            if errand.nack <= self.now {
                errand.nack = Instant::DISTANT_FUTURE;
                let (to, word) = (errand.asker, Word::Nack { nonce: *nonce });
                self.effects.sends.push(Outgoing { to, route: Route::Datagram, word, claim: None });
            }
        }
        let now = self.now;
        self.probing.errands.retain(|_, errand| now.since(errand.begun) < AWAITED_FOR);
        let next = self.probing.errands.values().map(|errand| errand.nack).min();
        self.probing.next_nack = next.unwrap_or(Instant::DISTANT_FUTURE);
    }

    fn handle_pong(&mut self, sender: NodeId, nonce: u64, target: NodeId) -> Option<Instant> {
        if let Some(errand) = self.probing.errands.get(&nonce).copied().filter(|errand| errand.target == sender) {
            self.probing.errands.remove(&nonce);
            let word = Word::Pong { nonce, target };
            self.effects.sends.push(Outgoing { to: errand.asker, route: Route::Datagram, word, claim: None });
        }
        self.hear_in_court(sender, nonce);
        if let Some(dialled) = self.probing.dialled.remove(&nonce) {
            return (target == sender).then_some(dialled);
        }
        let probe = self.probing.probe.filter(|probe| probe.nonce == nonce && probe.target.node == target)?;
        self.probing.probe = None;
        self.awareness.well();
        if sender == probe.target.node {
            let region = self.roster.get(sender).map_or(Region::NOWHERE, |entry| entry.region);
            self.round_trips.measure(region, self.now.since(probe.sent_at));
        }
        (sender == probe.target.node).then_some(probe.sent_at)
    }
}
