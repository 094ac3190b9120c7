//! Who is suspected, by how many, and how long it has to object.

use crate::belief::Accusers;
use crate::timing::Timing;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;
use whither_model::{Instant, NodeId};

/// All suspicions that run.
#[derive(Debug, Default)]
pub(crate) struct Suspicions {
    open: BTreeMap<NodeId, Suspicion>,
    /// Their deadlines, in order: in a bad hour hundreds run at a time.
    deadlines: BTreeSet<(Instant, NodeId)>,
    /// Who has objected lately, how often, and when last.
    objections: BTreeMap<NodeId, (u32, Instant)>,
    /// When old objections were last forgotten.
    tidied: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspicion {
    pub(crate) began: Instant,
    pub(crate) accusers: Accusers,
    /// When somebody last heard from it.
    pub(crate) heard: Option<Instant>,
    deadline: Instant,
}

/// How long an objection is remembered to the suspect's credit.
const OBJECTION_COUNTS_FOR: Duration = Duration::from_secs(120);
/// Each objection trebles the patience with the next suspicion, this often.
const TREBLINGS_MAX: u32 = 3;

impl Suspicion {
    /// Whether the suspect was heard from so lately that hearing it again is no news.
    pub(crate) fn was_heard_lately(&self, now: Instant, timing: &Timing) -> bool {
        self.heard.is_some_and(|heard| now.since(heard) < timing.suspicion_max / 2)
    }
}

impl Suspicions {
    pub(crate) fn get(&self, node: NodeId) -> Option<&Suspicion> {
        self.open.get(&node)
    }

    /// Begins or strengthens the suspicion of `node`. Returns whether any of the accusers is new.
    pub(crate) fn accuse(
        &mut self,
        node: NodeId,
        by: Accusers,
        observers: usize,
        timing: &Timing,
        now: Instant,
    ) -> bool {
        let patience = self.patience(node, now);
        let before = self.open.get(&node).map(|suspicion| suspicion.deadline);
        let suspicion = self.open.entry(node).or_insert(Suspicion {
            began: now,
            accusers: Accusers::NONE,
            heard: None,
            deadline: now + timing.suspicion_max * patience,
        });
        let mut new = false;
        for accuser in by.iter() {
            new |= suspicion.accusers.insert(accuser);
        }
        let allowed = allowed(suspicion.accusers.count(), observers, timing) * patience;
        // Not in the past, however late the last accuser is heard: a timer that is overdue when it is set looks like a stall.
        suspicion.deadline = suspicion.deadline.min((suspicion.began + allowed).max(now));
        if let Some(heard) = suspicion.heard {
            suspicion.deadline = suspicion.deadline.max(heard + timing.suspicion_max);
        }
        let deadline = suspicion.deadline;
        self.put(node, before, deadline);
        new
    }

    /// Somebody has heard from `node` although it is suspected. Returns whether it is suspected here.
    pub(crate) fn heard(&mut self, node: NodeId, timing: &Timing, now: Instant) -> bool {
        let Some(suspicion) = self.open.get_mut(&node) else { return false };
        suspicion.heard = Some(now);
        let deadline = suspicion.deadline.max(now + timing.suspicion_max);
        self.wait_until(node, deadline);
        true
    }

    /// `node` has objected: the next suspicion of it will be more patient.
    pub(crate) fn objected(&mut self, node: NodeId, now: Instant) {
        // Not each time: when a whole cluster is in trouble, all of it objects.
        if self.tidied.is_none_or(|tidied| now.since(tidied) >= OBJECTION_COUNTS_FOR) {
            self.tidied = Some(now);
            self.objections.retain(|_, (_, last)| now.since(*last) < OBJECTION_COUNTS_FOR);
        }
        if self.patience(node, now) == 1 {
            self.objections.remove(&node);
        }
        let (count, last) = self.objections.entry(node).or_insert((0, now));
        *count = (*count + 1).min(TREBLINGS_MAX);
        *last = now;
    }

    fn patience(&self, node: NodeId, now: Instant) -> u32 {
        let recent = self.objections.get(&node).filter(|(_, last)| now.since(*last) < OBJECTION_COUNTS_FOR);
        recent.map_or(1, |(count, _)| 3u32.pow(*count))
    }

    pub(crate) fn close(&mut self, node: NodeId) {
        if let Some(suspicion) = self.open.remove(&node) {
            self.deadlines.remove(&(suspicion.deadline, node));
        }
    }

    /// Gives a suspicion another deadline.
    pub(crate) fn wait_until(&mut self, node: NodeId, deadline: Instant) {
        if let Some(suspicion) = self.open.get_mut(&node) {
            let before = core::mem::replace(&mut suspicion.deadline, deadline);
            self.put(node, Some(before), deadline);
        }
    }

    fn put(&mut self, node: NodeId, before: Option<Instant>, deadline: Instant) {
        if before != Some(deadline) {
            before.map(|before| self.deadlines.remove(&(before, node)));
            self.deadlines.insert((deadline, node));
        }
    }

    /// Puts every deadline off: nobody could have objected meanwhile.
    pub(crate) fn put_off(&mut self, by: Duration) {
        self.open.values_mut().for_each(|suspicion| suspicion.deadline = suspicion.deadline + by);
        self.deadlines = self.open.iter().map(|(node, suspicion)| (suspicion.deadline, *node)).collect();
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// A suspect whose time is over.
    pub(crate) fn due(&self, now: Instant) -> Option<NodeId> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, node)| *node)
    }
}

/// How many accusers make a quorum where `observers` others could have looked.
pub(crate) fn quorum(observers: usize, timing: &Timing) -> usize {
    timing.quorum.clamp(1, observers.max(1))
}

/// How long a suspect may object that `accusers` found silent: Lifeguard's LHA-Suspicion, from the longest time with one
/// accuser to the shortest with a quorum, by the logarithm of their number.
fn allowed(accusers: usize, observers: usize, timing: &Timing) -> Duration {
    let (longest, shortest) = (timing.suspicion_max, timing.suspicion_min);
    let further = quorum(observers, timing) - 1;
    let confirmed = accusers.saturating_sub(1).min(further);
    if confirmed >= further {
        return shortest;
    }
    // log(c + 1) / log(k + 1) in thousandths, from a table: the core does not depend on a floating-point library.
    const LOG2: [u32; 6] = [0, 1_000, 1_585, 2_000, 2_322, 2_585];
    let share = LOG2[confirmed] * 1_000 / LOG2[further.min(5)];
    longest - (longest - shortest) * share / 1_000
}
