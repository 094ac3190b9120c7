//! Someone outside who sees what nodes tell, and knows what is true.

use super::deliveries::Postmarks;
use super::incidents::Incidents;
use super::plan::Span;
use super::restarts::Rollout;
use super::toll::Mourning;
use crate::crowd::Told;
use std::time::Duration;
use whither_model::{Instant, MemberState};
use whither_population::{Index, Nodes, Watch};

/// Beliefs that were wrong, and yet no fault: nobody could have known better.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Excused {
    /// How often a node began to suspect another one.
    pub(super) suspicions: u64,
    /// How often a node declared another one down.
    pub(super) downs: u64,
    /// Who was declared down.
    pub(super) nodes: Nodes,
}

/// Some nodes and the others do not reach each other.
#[derive(Debug)]
pub(super) struct Division {
    /// When.
    pub(super) span: Span,
    /// Which nodes are on the one side.
    pub(super) side: Nodes,
    /// How long after the end somebody may still be catching up.
    pub(super) recovery: Duration,
}

/// What came of troubles that were nobody's fault.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    /// Of a division.
    pub(super) divided: Excused,
    /// Of restarts, for those who missed a goodbye.
    pub(super) restarted: Excused,
}

/// Sees everything.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) mourning: Option<Mourning>,
    pub(super) incidents: Incidents,
    pub(super) postmarks: Postmarks,
    pub(super) division: Option<Division>,
    pub(super) rollout: Rollout,
    pub(super) consequences: Consequences,
    /// Suspicions, right or wrong, so far.
    pub(super) suspicions: u64,
    /// Declarations of death, right or wrong, so far.
    pub(super) downs: u64,
}

impl Division {
    /// Whether the two could not reach each other at `at`, or still have to find out that they can.
    fn parts(&self, at: Instant, one: Index, other: Index) -> bool {
        let across = self.side.contains(one) != self.side.contains(other);
        let aftermath = self.span.end <= at && at < self.span.end + self.recovery;
        self.span.contains(at) && across || aftermath
    }
}

impl Observer {
    fn believes(&mut self, at: Instant, observer: Index, about: Index, state: MemberState) {
        self.rollout.believes(at, observer, about, state);
        let down = match state {
            MemberState::Suspect => false,
            MemberState::Down => true,
            MemberState::Alive | MemberState::Left => {
                if let Some(mourning) = self.mourning.as_mut().filter(|mourning| mourning.is_dead(at, about)) {
                    mourning.believes(at, observer, about, state);
                }
                return;
            }
        };
        if down {
            self.downs += 1
        } else {
            self.suspicions += 1
        }
        if let Some(mourning) = self.mourning.as_mut().filter(|mourning| mourning.is_dead(at, about)) {
            return mourning.believes(at, observer, about, state);
        }
        let excused = if self.division.as_ref().is_some_and(|division| division.parts(at, observer, about)) {
            &mut self.consequences.divided
        } else if self.rollout.is_away(at, about) {
            &mut self.consequences.restarted
        } else {
            return self.incidents.accused(at, observer, about, down);
        };
        if down {
            excused.downs += 1;
            excused.nodes.insert(about);
        } else {
            excused.suspicions += 1;
        }
    }
}

impl Watch<Told> for Observer {
    fn event(&mut self, at: Instant, node: Index, event: Told) {
        match event {
            Told::Believes { about, state } => self.believes(at, node, about, state),
            Told::Heard { number } => self.postmarks.heard(at, node, number),
            Told::Doubled { .. } => self.postmarks.doubled(),
        }
    }
}
