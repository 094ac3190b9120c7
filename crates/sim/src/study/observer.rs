//! Someone outside who sees what nodes tell, and knows what is true.

use super::deliveries::Postmarks;
use super::incidents::Incidents;
use super::plan::Span;
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

/// When which nodes are away, or out of reach of others.
#[derive(Debug, Default)]
pub(super) struct Absences {
    /// While the network is divided: which nodes are on the one side.
    pub(super) divided: Option<(Span, Nodes)>,
    /// While batches are restarted: when, and who.
    pub(super) restarted: Vec<(Span, Nodes)>,
    /// How long after the end somebody may still be catching up.
    pub(super) recovery: Duration,
}

/// What came of the absences.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    pub(super) divided: Excused,
    pub(super) restarted: Excused,
}

/// Sees everything.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) mourning: Option<Mourning>,
    pub(super) incidents: Incidents,
    pub(super) postmarks: Postmarks,
    pub(super) absences: Absences,
    pub(super) consequences: Consequences,
    /// Suspicions, right or wrong, so far.
    pub(super) suspicions: u64,
    /// Declarations of death, right or wrong, so far.
    pub(super) downs: u64,
}

impl Absences {
    /// Whether the two could not reach each other at `at`, or still have to find out that they can.
    fn parted(&self, at: Instant, one: Index, other: Index) -> bool {
        self.divided.as_ref().is_some_and(|(span, side)| {
            let across = side.contains(one) != side.contains(other);
            let aftermath = span.end <= at && at < span.end + self.recovery;
            span.contains(at) && across || aftermath
        })
    }

    /// Whether a node was away at `at`, or has been shortly before.
    fn is_away(&self, at: Instant, node: Index) -> bool {
        let near = |span: &Span| span.begin <= at && at < span.end + self.recovery;
        self.restarted.iter().any(|(span, batch)| near(span) && batch.contains(node))
    }
}

impl Observer {
    fn believes(&mut self, at: Instant, observer: Index, about: Index, state: MemberState) {
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
        let excused = if self.absences.parted(at, observer, about) {
            &mut self.consequences.divided
        } else if self.absences.is_away(at, about) {
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
