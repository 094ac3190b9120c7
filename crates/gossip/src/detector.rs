//! Who is there: events in, effects out.

use crate::awareness::Awareness;
use crate::belief::{Accusers, Belief, Claim};
use crate::jury::Juries;
use crate::news::News;
use crate::probing::Probing;
use crate::roster::Roster;
use crate::round_trip::RoundTrips;
use crate::suspicion::{self, Suspicions};
use crate::timing::Timing;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use whither_model::random::Random;
use whither_model::{Instant, MemberState, NodeId};

/// How something is to travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// One datagram: may be lost, reordered or doubled.
    Datagram,
    /// One message on a stream: whole or not at all.
    Stream,
}

/// Who is spoken to, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Who, if that is known.
    pub node: Option<NodeId>,
    /// Where.
    pub address: SocketAddr,
}

impl From<&Belief> for Peer {
    fn from(belief: &Belief) -> Self {
        Self { node: Some(belief.node), address: belief.address }
    }
}

/// What detectors say to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// Nothing: only what comes along counts.
    Nothing,
    /// Are you there?
    Ping {
        /// For the answer to repeat.
        nonce: u64,
        /// Who is meant; `None`: whoever is there.
        target: Option<NodeId>,
    },
    /// I am; or: the one for whom you asked is.
    Pong {
        /// Of the ping.
        nonce: u64,
        /// Who was reached.
        target: NodeId,
    },
    /// Ping the target for me.
    PingRequest {
        /// For the answer to repeat.
        nonce: u64,
        /// Whom.
        target: Belief,
    },
    /// I tried, and it did not answer (yet).
    Nack {
        /// Of the request.
        nonce: u64,
    },
    /// I could not reach the target: judge for yourself.
    Summons {
        /// For the verdict to repeat.
        nonce: u64,
        /// Who is to be judged.
        target: Belief,
    },
    /// What a juror found.
    Verdict {
        /// Of the summons.
        nonce: u64,
        /// Whether the target answered.
        reached: bool,
    },
}

/// Something to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// To whom.
    pub to: Peer,
    /// How.
    pub route: Route,
    /// What.
    pub word: Word,
    /// A claim that must come along: the accused hears of it first (Lifeguard's buddy system).
    pub claim: Option<Claim>,
}

/// A belief that changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changed {
    /// What was believed before; `None` if the member is new.
    pub before: Option<Belief>,
    /// What is believed now.
    pub now: Belief,
}

/// What has to be done after an event.
#[derive(Debug, Default)]
pub struct Effects {
    /// To send, in order. Each gets news as passengers where there is room: [`Detector::news`].
    pub sends: Vec<Outgoing>,
    /// To tell everybody at once.
    pub publish: Vec<Claim>,
    /// What this node believes since then.
    pub changes: Vec<Changed>,
    /// Somebody speaks as this node, from this boot or a later one.
    pub impostor: Option<whither_model::Epoch>,
}

/// What has been counted since boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Probes begun.
    pub probes: u64,
    /// Probes to which no answer came in time.
    pub probes_failed: u64,
    /// Juries that reached whom this node could not reach.
    pub acquittals: u64,
    /// Accusations that were not made because this node hears hardly anybody.
    pub withheld: u64,
    /// Suspects whose time ran out here.
    pub declared_down: u64,
    /// Accusations against this node that it objected to.
    pub refutations: u64,
    /// Suspects that were heard from here.
    pub testimonies: u64,
    /// How often this node found that it had stood still.
    pub stalls: u64,
    /// Claims for which there was no room.
    pub claims_dropped: u64,
}

/// Who is there, in the eyes of one node.
#[derive(Debug)]
pub struct Detector {
    pub(crate) timing: Timing,
    pub(crate) me: Belief,
    pub(crate) now: Instant,
    pub(crate) random: Random,
    pub(crate) roster: Roster,
    pub(crate) suspicions: Suspicions,
    pub(crate) awareness: Awareness,
    pub(crate) probing: Probing,
    pub(crate) round_trips: RoundTrips,
    pub(crate) juries: Juries,
    pub(crate) effects: Effects,
    pub(crate) counters: Counters,
    news: News,
}

/// Members a node remembers.
pub const MEMBERS_MAX: usize = 100_000;
/// Highest incarnation that is believed.
pub const INCARNATION_MAX: u64 = u32::MAX as u64;

impl Detector {
    /// A node that has just booted and says `me` of itself. It begins to probe within one interval.
    #[must_use]
    pub fn new(me: Belief, roster: Roster, timing: Timing, mut random: Random, now: Instant) -> Self {
        // A random phase keeps nodes that were started together from acting together.
        let micros = usize::try_from(timing.probe_interval.as_micros()).unwrap_or(usize::MAX);
        let phase = Duration::from_micros(random.below(micros) as u64);
        Self {
            probing: Probing::beginning(now + phase),
            timing,
            me,
            now,
            random,
            roster,
            round_trips: RoundTrips::default(),
            suspicions: Suspicions::default(),
            awareness: Awareness::default(),
            juries: Juries::default(),
            effects: Effects::default(),
            counters: Counters::default(),
            news: News::default(),
        }
    }

    /// What this node says of itself.
    #[must_use]
    pub fn me(&self) -> Belief {
        self.me
    }

    /// Everybody else.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Everybody else, to set what the detector does not find out itself.
    pub fn roster_mut(&mut self) -> &mut Roster {
        &mut self.roster
    }

    /// What has been counted since boot.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How unwell this node thinks it is: 0 is well, 8 the worst (Lifeguard's local health).
    #[must_use]
    pub fn unwell(&self) -> u32 {
        self.awareness.score()
    }

    /// Whether this node hears so few that it accuses nobody.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.awareness.is_isolated(self.now, self.timing.isolation)
    }

    /// What has to be done since the last call.
    pub fn take_effects(&mut self) -> Effects {
        core::mem::take(&mut self.effects)
    }

    /// Whether [`Detector::take_effects`] would return anything.
    #[must_use]
    pub fn has_effects(&self) -> bool {
        let effects = &self.effects;
        !(effects.sends.is_empty() && effects.publish.is_empty() && effects.changes.is_empty())
            || effects.impostor.is_some()
    }

    /// Gives back an emptied [`Effects`], so that its memory is used again.
    pub fn reuse(&mut self, mut effects: Effects) {
        if !self.has_effects() {
            effects.sends.clear();
            effects.publish.clear();
            effects.changes.clear();
            effects.impostor = None;
            self.effects = effects;
        }
    }

    /// Invariant: time does not go backwards in here.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// When [`Detector::wake`] wants to be called, at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Instant {
        let suspicions = self.suspicions.next().unwrap_or(Instant::DISTANT_FUTURE);
        self.probing.next().min(self.juries.next()).min(suspicions)
    }

    /// The time has come that [`Detector::next_wake`] named.
    pub fn wake(&mut self, now: Instant) {
        let late = now.since(self.next_wake());
        self.advance(now);
        if late > self.timing.probe_timeout {
            self.stood_still(late);
        }
        self.probe_on();
        self.judge_on();
        while let Some(node) = self.suspicions.due(self.now) {
            self.suspicion_over(node);
        }
    }

    /// This node slept through `late`: what it did not hear says nothing about others.
    fn stood_still(&mut self, late: Duration) {
        self.counters.stalls += 1;
        self.awareness.worse();
        self.probing.give_up();
        self.juries.give_up();
        self.suspicions.put_off(late + self.timing.suspicion_min);
    }

    /// How many could have looked at a suspect: the others, less the suspect, and this node.
    pub(crate) fn observers(&self) -> usize {
        self.roster.present_count()
    }

    fn suspicion_over(&mut self, node: NodeId) {
        let entry = self.roster.get(node).copied();
        let Some(entry) = entry.filter(|entry| entry.belief.state == MemberState::Suspect) else {
            return self.suspicions.close(node);
        };
        if self.is_isolated() {
            self.counters.withheld += 1;
            return self.suspicions.wait_until(node, self.now + self.timing.suspicion_min);
        }
        self.counters.declared_down += 1;
        let accusers = self.suspicions.get(node).map_or(Accusers::NONE, |suspicion| suspicion.accusers);
        let belief = Belief { state: MemberState::Down, ..entry.belief };
        // Everybody's own clock says the same at about this time; one voice is enough for those who missed the accusation.
        if accusers.iter().next() == Some(self.me.node) && !self.awareness.is_cut_off() {
            self.effects.publish.push(Claim { belief, accusers, witness: None });
        }
        self.change(Some(entry.belief), belief);
    }

    /// Takes in what somebody says of somebody, to this node or in passing.
    pub fn hear(&mut self, now: Instant, claim: &Claim) {
        self.advance(now);
        let accused_here = self.is_first_accuser(claim.belief.node);
        self.take_in(claim);
        let refuted = self.roster.get(claim.belief.node).is_some_and(|entry| entry.belief.state == MemberState::Alive);
        if accused_here && refuted {
            // Whoever heard the objection told those who accuse. It is for the first of them to tell everybody.
            self.effects.publish.extend(self.claim(claim.belief.node));
        }
    }

    /// Takes in what everybody is told.
    pub fn hear_news(&mut self, now: Instant, claim: &Claim) {
        self.advance(now);
        self.take_in(claim);
    }

    fn is_first_accuser(&self, of: NodeId) -> bool {
        self.suspicions.get(of).is_some_and(|suspicion| suspicion.accusers.iter().next() == Some(self.me.node))
    }

    pub(crate) fn take_in(&mut self, claim: &Claim) {
        let mut belief = claim.belief;
        if belief.node == self.me.node {
            return self.hear_of_self(belief);
        }
        let Some(known) = self.roster.get(belief.node).map(|entry| entry.belief) else {
            if self.roster.known_count() >= MEMBERS_MAX {
                self.counters.claims_dropped += 1;
                return;
            }
            return self.begin(None, claim, belief);
        };
        // A death on the word of few is only a suspicion: lists may be old, accusers may be the ones who are ill, and the
        // accused can object.
        let few = claim.accusers.count() < suspicion::quorum(self.observers(), &self.timing);
        if belief.state == MemberState::Down && known.state.is_present() && few {
            belief.state = MemberState::Suspect;
        }
        if belief.overrides(&known) {
            self.begin(Some(known), claim, belief);
        } else if known.state == MemberState::Suspect && belief.is_same_life(&known) {
            self.strengthen(claim);
        }
    }

    fn begin(&mut self, before: Option<Belief>, claim: &Claim, belief: Belief) {
        self.change(before, belief);
        if belief.state == MemberState::Suspect {
            let observers = self.observers();
            self.suspicions.accuse(belief.node, claim.accusers, observers, &self.timing, self.now);
            if claim.witness.is_some() {
                self.suspicions.heard(belief.node, &self.timing, self.now);
            }
        }
    }

    fn strengthen(&mut self, claim: &Claim) {
        let node = claim.belief.node;
        let observers = self.observers();
        if self.suspicions.accuse(node, claim.accusers, observers, &self.timing, self.now) {
            self.spread_along(node);
        }
        if claim.witness.is_none() {
            return;
        }
        let lately = self.suspicions.get(node).is_some_and(|one| one.was_heard_lately(self.now, &self.timing));
        self.suspicions.heard(node, &self.timing, self.now);
        if !lately && claim.accusers.iter().next() == Some(self.me.node) {
            self.effects.publish.push(*claim);
        }
    }

    fn change(&mut self, before: Option<Belief>, now: Belief) {
        let was = before.map(|before| before.state);
        if now.state != MemberState::Suspect || before.is_none_or(|before| !before.is_same_life(&now)) {
            self.suspicions.close(now.node);
        }
        let objected = matches!(was, Some(MemberState::Suspect | MemberState::Down))
            && now.state == MemberState::Alive
            && before.is_some_and(|before| before.epoch == now.epoch && before.incarnation > 0);
        if objected {
            self.suspicions.objected(now.node, self.now);
        }
        self.roster.put(now);
        self.spread_along(now.node);
        self.effects.changes.push(Changed { before, now });
    }

    fn spread_along(&mut self, node: NodeId) {
        if !self.news.tell(node, self.roster.known_count()) {
            self.counters.claims_dropped += 1;
        }
    }

    /// Somebody speaks of this node. If it is an accusation, a higher incarnation refutes it.
    fn hear_of_self(&mut self, belief: Belief) {
        if belief.epoch > self.me.epoch || belief.contradicts(&self.me) {
            self.effects.impostor = self.effects.impostor.max(Some(belief.epoch));
            return;
        }
        let here = self.me.state == MemberState::Alive;
        let accused = belief.epoch == self.me.epoch && belief.state != MemberState::Alive && here;
        // At the last incarnation nothing can refute it; answering all the same would be answered for ever.
        if accused && (self.me.incarnation..INCARNATION_MAX).contains(&belief.incarnation) {
            self.me.incarnation = belief.incarnation.saturating_add(1);
            self.counters.refutations += 1;
            self.awareness.worse();
            self.effects.publish.push(Claim::plain(self.me));
        }
    }

    /// Hears the sender of a packet of itself: nobody needs to vouch for it. `from` is where the packet came from.
    ///
    /// Returns whether it is to be believed: of two copies of a node, the one that was heard first is, and the other is told.
    pub fn hear_sender(&mut self, now: Instant, mut belief: Belief, from: SocketAddr) -> bool {
        self.advance(now);
        if belief.address.ip().is_unspecified() {
            belief.address = SocketAddr::new(from.ip(), belief.address.port());
        }
        let known = self.roster.get(belief.node).map(|entry| entry.belief);
        if known == Some(belief) {
            return true;
        }
        if let Some(known) = known.filter(|known| belief.contradicts(known)) {
            let to = Peer { node: None, address: from };
            let claim = Some(Claim::plain(known));
            self.effects.sends.push(Outgoing { to, route: Route::Stream, word: Word::Nothing, claim });
            return false;
        }
        let accusers = self.suspicions.get(belief.node).map_or(Accusers::NONE, |suspicion| suspicion.accusers);
        self.take_in(&Claim::plain(belief));
        let Some(now_known) = self.roster.get(belief.node).map(|entry| entry.belief) else { return true };
        if now_known.state == MemberState::Alive && known.is_none_or(|known| known.epoch < now_known.epoch) {
            // First-hand news of a newcomer, or of a new boot. One that is merely back objects to its death itself.
            self.effects.publish.push(Claim::plain(now_known));
        }
        if now_known == belief && belief.state == MemberState::Alive && accusers.count() > 0 {
            self.testify(accusers, Claim::plain(belief));
        }
        if !now_known.is_same_life(&belief) {
            return true;
        }
        if now_known.address != belief.address && now_known.state.is_present() {
            self.roster.set_address(belief.node, belief.address);
        }
        if belief.state == MemberState::Alive && !matches!(now_known.state, MemberState::Alive | MemberState::Left) {
            self.hear_the_accused(now_known, belief);
        }
        true
    }

    /// It speaks, yet it is believed to be silent: tell it, so that it can object, and testify that it was heard.
    fn hear_the_accused(&mut self, known: Belief, heard: Belief) {
        let accusers = self.suspicions.get(known.node).map_or(Accusers::NONE, |suspicion| suspicion.accusers);
        let claim = Claim { belief: known, accusers, witness: None };
        self.effects.sends.push(Outgoing {
            to: Peer::from(&heard),
            route: Route::Datagram,
            word: Word::Nothing,
            claim: Some(claim),
        });
        let now = self.now;
        if self.suspicions.get(known.node).is_none_or(|suspicion| suspicion.was_heard_lately(now, &self.timing)) {
            return;
        }
        self.suspicions.heard(known.node, &self.timing, now);
        self.counters.testimonies += 1;
        self.testify(accusers, Claim { witness: Some(self.me.node), ..claim });
    }

    /// Many may hear the accused at the same moment. They tell those who accuse it, and one of these tells the rest.
    fn testify(&mut self, accusers: Accusers, testimony: Claim) {
        if accusers.iter().next() == Some(self.me.node) {
            self.effects.publish.push(testimony);
            return;
        }
        for accuser in accusers.iter() {
            let Some(entry) = self.roster.get(accuser) else { continue };
            let to = Peer::from(&entry.belief);
            let claim = Some(testimony);
            self.effects.sends.push(Outgoing { to, route: Route::Datagram, word: Word::Nothing, claim });
        }
    }

    /// The claim about `node` as it stands here.
    #[must_use]
    pub fn claim(&self, node: NodeId) -> Option<Claim> {
        let belief = self.roster.get(node)?.belief;
        let accusers = self.suspicions.get(node).map_or(Accusers::NONE, |suspicion| suspicion.accusers);
        Some(Claim { belief, accusers, witness: None })
    }

    /// Up to `max` pieces of news to go along with something that is sent anyway.
    pub fn news(&mut self, max: usize) -> Vec<Claim> {
        if self.news.is_empty() || max == 0 {
            return Vec::new();
        }
        self.news.take(max).into_iter().filter_map(|node| self.claim(node)).collect()
    }

    /// Takes in a member of the last run. It is memory, not news; a suspect has until `grace` is over to show up.
    pub fn remember(&mut self, belief: Belief, grace: Duration) {
        if belief.node == self.me.node || self.roster.known_count() >= MEMBERS_MAX {
            return;
        }
        let before = self.roster.get(belief.node).map(|entry| entry.belief);
        self.change(before, belief);
        self.news.forget(belief.node);
        if belief.state == MemberState::Suspect {
            let observers = self.observers();
            self.suspicions.accuse(belief.node, Accusers::NONE, observers, &self.timing, self.now);
            self.suspicions.wait_until(belief.node, self.now + grace);
        }
    }

    /// This node says goodbye: it accuses nobody any more, and objects to nothing.
    pub fn leave(&mut self, now: Instant) {
        self.advance(now);
        self.me.state = MemberState::Left;
        self.probing.give_up();
        self.juries.give_up();
        self.effects.publish.push(Claim::plain(self.me));
    }
}
