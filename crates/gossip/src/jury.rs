//! Before anybody is accused in public, a few others look for themselves.
//!
//! One failed probe says little: the prober may be the one that is ill, or a few datagrams were lost. So the prober summons a
//! handful of random members, each of which probes the target again and again for as long as a probe may take. If one of
//! them hears it, nothing was said; if a quorum does not, the accusation leaves with all their names on it and counts as a
//! strong one everywhere. The idea that several observers must agree is that of Rapid (Suresh et al. 2018, section 4.1);
//! asking them only when there is cause keeps idle traffic at SWIM's level.

use crate::belief::{Accusers, Belief};
use crate::detector::{Detector, Outgoing, Peer, Route, Word};
use crate::suspicion::quorum;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use whither_model::{Instant, MemberState, NodeId};

/// Trials this node has called for, and those it was called to.
#[derive(Debug, Default)]
pub(crate) struct Juries {
    trials: BTreeMap<NodeId, Trial>,
    inquests: BTreeMap<NodeId, Inquest>,
    next: Option<Instant>,
}

/// A judgement that others were asked for.
#[derive(Clone, Copy, Debug)]
struct Trial {
    target: Belief,
    nonce: u64,
    accusers: Accusers,
    jurors: usize,
    end: Instant,
}

/// A judgement that this node was asked for.
#[derive(Clone, Debug)]
struct Inquest {
    target: Belief,
    nonce: u64,
    askers: Vec<(Peer, u64)>,
    next_ping: Instant,
    end: Instant,
}

/// Judgements of each kind at once; beyond that, nobody is summoned and summonses are not answered.
const MAX: usize = 256;
/// Nodes that are told one inquest's outcome.
const ASKERS_MAX: usize = 8;

impl Juries {
    pub(crate) fn next(&self) -> Instant {
        self.next.unwrap_or(Instant::DISTANT_FUTURE)
    }

    pub(crate) fn give_up(&mut self) {
        *self = Self::default();
    }

    fn refresh(&mut self) {
        let trials = self.trials.values().map(|trial| trial.end);
        let inquests = self.inquests.values().map(|inquest| inquest.next_ping.min(inquest.end));
        self.next = trials.chain(inquests).min();
    }
}

impl Detector {
    /// Asks others to look at `target`, which did not answer this node.
    pub(crate) fn summon(&mut self, target: Belief) {
        if self.juries.trials.contains_key(&target.node) || self.juries.trials.len() >= MAX {
            return;
        }
        let jurors = self.roster.sample(self.timing.jurors, Some(target.node), &mut self.random);
        let accusers = Accusers::from_iter([self.me.node]);
        if jurors.is_empty() {
            return self.accuse(target, accusers);
        }
        let nonce = self.nonce();
        for juror in &jurors {
            let word = Word::Summons { nonce, target };
            self.effects.sends.push(Outgoing { to: Peer::from(juror), route: Route::Datagram, word, claim: None });
        }
        // As long as a juror takes, and the way there and back.
        let far = self.allowance(target.node);
        let end = self.now + self.awareness.stretch(self.timing.probe_deadline + self.timing.probe_timeout) + 2 * far;
        self.juries.trials.insert(target.node, Trial { target, nonce, accusers, jurors: jurors.len(), end });
        self.juries.refresh();
    }

    pub(crate) fn handle_verdict(&mut self, juror: NodeId, nonce: u64, reached: bool) {
        let Some(trial) = self.juries.trials.values_mut().find(|trial| trial.nonce == nonce) else { return };
        let target = trial.target;
        self.awareness.court_answered();
        if reached {
            self.counters.acquittals += 1;
            self.juries.trials.remove(&target.node);
            return self.juries.refresh();
        }
        trial.accusers.insert(juror);
        let accusers = trial.accusers;
        if accusers.count() >= quorum(self.roster.present_count(), &self.timing) {
            self.juries.trials.remove(&target.node);
            self.juries.refresh();
            self.accuse_unless_refuted(target, accusers);
        }
    }

    /// Too few jurors answered. If not one did, of many, it may well be this node that is not heard.
    fn end_without_quorum(&mut self, trial: &Trial) {
        let alone = trial.accusers.count() == 1 && trial.jurors >= self.timing.quorum;
        if alone && self.awareness.court_is_silent(self.now, self.timing.isolation) {
            self.counters.withheld += 1;
            return;
        }
        self.accuse_unless_refuted(trial.target, trial.accusers);
    }

    fn accuse_unless_refuted(&mut self, target: Belief, accusers: Accusers) {
        let known = self.roster.get(target.node).map(|entry| entry.belief);
        if known.is_some_and(|known| known.is_same_life(&target) && known.state.is_present()) && !self.is_isolated() {
            self.accuse(target, accusers);
        }
    }

    /// Another node could not reach `target` and asks this one to try.
    pub(crate) fn handle_summons(&mut self, from: Peer, nonce: u64, target: Belief) {
        let newer = self.roster.get(target.node).is_some_and(|entry| {
            let known = entry.belief;
            (known.epoch, known.incarnation) > (target.epoch, target.incarnation)
        });
        let itself = target.node == self.me.node;
        if newer || itself {
            let word = Word::Verdict { nonce, reached: true };
            self.effects.sends.push(Outgoing {
                to: from,
                route: Route::Datagram,
                word,
                claim: self.claim(target.node),
            });
            return;
        }
        if self.is_isolated() || self.me.state != MemberState::Alive {
            return;
        }
        if let Some(inquest) = self.juries.inquests.get_mut(&target.node) {
            if inquest.askers.len() < ASKERS_MAX && inquest.askers.iter().all(|(_, known)| *known != nonce) {
                inquest.askers.push((from, nonce));
            }
            return;
        }
        if self.juries.inquests.len() >= MAX {
            return;
        }
        let own = self.nonce();
        let inquest = Inquest {
            target,
            nonce: own,
            askers: alloc::vec![(from, nonce)],
            next_ping: self.now + self.ping_pause(),
            end: self.now + self.awareness.stretch(self.timing.probe_deadline) + self.allowance(target.node),
        };
        self.juries.inquests.insert(target.node, inquest);
        self.juries.refresh();
        self.send_ping(target, Route::Datagram, own);
        self.send_ping(target, Route::Stream, own);
    }

    fn ping_pause(&self) -> core::time::Duration {
        self.timing.probe_timeout / 2
    }

    /// Goes on with what is due: pings again, gives verdicts, ends trials.
    pub(crate) fn judge_on(&mut self) {
        if self.juries.next() > self.now {
            return;
        }
        let now = self.now;
        let ended: Vec<Trial> = self.juries.trials.values().filter(|trial| trial.end <= now).copied().collect();
        for trial in ended {
            self.juries.trials.remove(&trial.target.node);
            self.end_without_quorum(&trial);
        }
        let silent: Vec<NodeId> =
            self.juries.inquests.iter().filter(|(_, one)| one.end <= now).map(|(id, _)| *id).collect();
        silent.into_iter().for_each(|target| self.give_verdict(target, false));
        let pause = self.ping_pause();
        let mut again: Vec<(Belief, u64)> = Vec::new();
        for inquest in self.juries.inquests.values_mut().filter(|inquest| inquest.next_ping <= now) {
            inquest.next_ping = now + pause;
            again.push((inquest.target, inquest.nonce));
        }
        again.into_iter().for_each(|(target, nonce)| self.send_ping(target, Route::Datagram, nonce));
        self.juries.refresh();
    }

    fn give_verdict(&mut self, target: NodeId, reached: bool) {
        let Some(inquest) = self.juries.inquests.remove(&target) else { return };
        self.juries.refresh();
        if !reached && self.is_isolated() {
            return;
        }
        for (to, nonce) in inquest.askers {
            let word = Word::Verdict { nonce, reached };
            self.effects.sends.push(Outgoing { to, route: Route::Datagram, word, claim: None });
        }
    }

    /// A pong came: perhaps it is the answer that a jury waits for.
    pub(crate) fn hear_in_court(&mut self, sender: NodeId, nonce: u64) {
        if self.juries.inquests.get(&sender).is_some_and(|inquest| inquest.nonce == nonce) {
            self.give_verdict(sender, true);
        }
        // The prober itself may hear it after all.
        if self.juries.trials.remove(&sender).is_some() {
            self.juries.refresh();
        }
    }
}
