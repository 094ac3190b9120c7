//! Nodes that were lost, and whether that can be true.
//!
//! One dead node is believed: a quorum has looked for it. When half of all nodes are lost within a minute, it is more
//! likely that this side is cut off, or that something other than the nodes broke. Whoever then drops them all sends the whole
//! load to the few that are left. So they are kept in service, marked, until they are back, or an hour has passed.

use crate::Replica;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use whither_model::{Instant, MemberState, NodeId};

/// Losses so close together are one event.
const TOGETHER: Duration = Duration::from_secs(60);
/// Fewer than this are believed, whatever share of the cluster they are.
const BELIEVED: usize = 2;
/// How long nodes are kept in service that nobody hears of.
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);
/// Who has been suspected for so long would be down if anybody dared to say so: this node hears too few to be sure of itself, and keeps
/// its verdict back. That is marked like any other loss that is not believed.
const VERDICT_OVERDUE: Duration = Duration::from_secs(12);
/// When a majority is back for so long, those that are not are believed to be dead.
const SETTLED: Duration = Duration::from_secs(60);

/// The nodes that are down.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    lost: BTreeMap<NodeId, Lost>,
    /// Since when others have been suspects, and whether that is longer than a verdict takes.
    doubted: BTreeMap<NodeId, Lost>,
    /// When a node was last lost or came back.
    changed: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Lost {
    since: Instant,
    held: bool,
}

impl Losses {
    /// Whether this node, which is down or has been suspected for long, is kept in service all the same.
    pub(crate) fn is_held(&self, node: NodeId) -> bool {
        let held = |of: &BTreeMap<NodeId, Lost>| of.get(&node).is_some_and(|lost| lost.held);
        held(&self.lost) || held(&self.doubted)
    }

    /// How many are.
    pub(crate) fn held_count(&self) -> usize {
        self.lost.values().filter(|lost| lost.held).count()
    }
}

impl Replica {
    /// Takes in what is believed of a member now.
    pub(crate) fn note_loss(&mut self, node: NodeId, state: MemberState) {
        let now = self.now.mono;
        if state == MemberState::Suspect {
            self.losses.doubted.entry(node).or_insert(Lost { since: now, held: false });
        } else {
            self.losses.doubted.remove(&node);
        }
        if state != MemberState::Down {
            if self.losses.lost.remove(&node).is_some() {
                self.losses.changed = now;
            }
            return;
        }
        self.losses.lost.entry(node).or_insert_with(|| {
            self.losses.changed = now;
            Lost { since: now, held: false }
        });
        let together = |lost: &Lost| now.since(lost.since) < TOGETHER;
        let lost = self.losses.lost.values().filter(|lost| together(lost)).count();
        let present = self.detector.roster().present_count() + 1;
        if !self.config.guards.mass_loss || lost < BELIEVED || lost < present {
            return;
        }
        let mut held = Vec::new();
        for (node, lost) in &mut self.losses.lost {
            if together(lost) && !lost.held {
                lost.held = true;
                held.push(*node);
            }
        }
        self.counters.losses_held += held.len() as u64;
        held.into_iter().for_each(|node| self.show_member(node));
    }

    /// Believes at last that those are dead who were kept in service, if it is time.
    pub(crate) fn review_losses(&mut self) {
        let now = self.now.mono;
        let present = self.detector.roster().present_count() + 1;
        let settled = self.losses.held_count() < present && now.since(self.losses.changed) >= SETTLED;
        let mut believed = Vec::new();
        for (node, lost) in &mut self.losses.lost {
            if lost.held && (settled || now.since(lost.since) >= KEPT_FOR) {
                lost.held = false;
                believed.push(*node);
            }
        }
        for (node, lost) in &mut self.losses.doubted {
            if self.config.guards.mass_loss && !lost.held && now.since(lost.since) >= VERDICT_OVERDUE {
                lost.held = true;
                believed.push(*node);
            }
        }
        believed.into_iter().for_each(|node| self.show_member(node));
    }
}
