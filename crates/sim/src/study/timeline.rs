//! How a run looked at moments that are evenly apart.

use crate::crowd::{Node, Told};
use std::collections::BTreeSet;
use whither_model::Instant;
use whither_population::{Index, Population, Watch};

/// How the crowd looked at a moment, and what happened since the moment before.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// How many nodes lived.
    pub living: u32,
    /// How many nodes each living node believed to be present, itself included, on average.
    pub present: f64,
    /// The least that any believed.
    pub present_min: u32,
    /// The most that any believed.
    pub present_max: u32,
    /// How many different beliefs there were about who is present.
    pub views: u32,
    /// Bytes sent since the sample before, headers included, all nodes together.
    pub bytes: u64,
    /// Messages sent since then.
    pub messages: u64,
    /// How often since then some node began to suspect another one, rightly or wrongly.
    pub suspicions: u64,
    /// How often since then some node declared another one down, rightly or wrongly.
    pub downs: u64,
}

impl Sample {
    /// Whether all who lived agreed that exactly they are present.
    #[must_use]
    pub const fn is_agreed(&self) -> bool {
        self.views == 1 && self.present_min == self.living && self.present_max == self.living
    }
}

/// Samples, and what is needed to take the next one.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) samples: Vec<Sample>,
    views: BTreeSet<u64>,
    bytes: u64,
    messages: u64,
    suspicions: u64,
    downs: u64,
}

impl Timeline {
    /// How many different beliefs about who is present there were, all samples together.
    pub(super) fn views(&self) -> usize {
        self.views.len()
    }

    /// Looks at everybody. `suspicions` and `downs` count since the beginning.
    pub(super) fn sample<W: Watch<Told>>(&mut self, crowd: &Population<Node, W>, suspicions: u64, downs: u64) {
        let (mut living, mut sum, mut least, mut most) = (0_u32, 0_u64, u32::MAX, 0);
        let mut views = Vec::with_capacity(crowd.len());
        let alive = |(index, _): &(Index, &Node)| crowd.is_alive(*index);
        for (_, node) in (0..).zip(crowd.nodes()).filter(alive) {
            let present = u32::try_from(node.present() + 1).unwrap_or(u32::MAX);
            (living, sum) = (living + 1, sum + u64::from(present));
            (least, most) = (least.min(present), most.max(present));
            views.push(node.view());
        }
        views.sort_unstable();
        views.dedup();
        let total = crowd.counters().total;
        self.samples.push(Sample {
            at: crowd.now(),
            living,
            present: sum as f64 / f64::from(living.max(1)),
            present_min: least.min(most),
            present_max: most,
            views: u32::try_from(views.len()).unwrap_or(u32::MAX),
            bytes: total.wire_bytes_sent - self.bytes,
            messages: total.messages_sent - self.messages,
            suspicions: suspicions - self.suspicions,
            downs: downs - self.downs,
        });
        self.views.extend(views);
        (self.bytes, self.messages) = (total.wire_bytes_sent, total.messages_sent);
        (self.suspicions, self.downs) = (suspicions, downs);
    }
}
