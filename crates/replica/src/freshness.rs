//! Proof of how current this node is with each other one, without synchronised clocks.
//!
//! When a pong arrives, its sender's clock reading lies between the moment the ping left and now; that bounds how far the
//! two clocks are apart. From then on any packet of that sender, stamped with its clock, is known to have left *no earlier*
//! than some point of our own clock. If we have seen everything up to the head it carries, then all that its sender had said
//! up to that point is known here. Ages are therefore never below the truth (design, promise P2).

use crate::Replica;
use crate::limits::CLOCK_DRIFT_PPM;
use alloc::collections::BTreeMap;
use core::time::Duration;
use whither_gossip::Region;
use whither_model::{Epoch, Instant, NodeId, Seq};

/// What is known of other nodes' clocks and heads.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    nodes: BTreeMap<NodeId, PeerClock>,
    /// Short round trips to each region, lately: for members that were hardly ever asked.
    trips: BTreeMap<Region, Trip>,
}

/// The shortest round trip lately: what there is without queues and repetitions. A way that has become longer is learned in
/// steps of an eighth.
#[derive(Clone, Copy, Debug)]
struct Trip {
    shortest: Duration,
    /// One answer alone may have been a late one.
    confirmed: bool,
}

impl Trip {
    fn measure(known: Option<Self>, took: Duration) -> Option<Self> {
        let Some(Self { shortest, .. }) = known else { return Some(Self { shortest: took, confirmed: false }) };
        Some(Self { shortest: took.min(shortest + shortest / 8), confirmed: true })
    }
}

#[derive(Clone, Copy, Debug)]
struct PeerClock {
    /// Up to when everything the node said is known.
    known_until: Instant,
    /// The boot whose clock `lead` is about.
    epoch: Epoch,
    /// At most how far its clock is ahead of ours, in microseconds, as of `measured`.
    lead: Option<(i64, Instant)>,
    /// At least how far: whatever it stamped was not here before it was sent.
    least: Option<(i64, Instant)>,
    /// How long it takes to answer.
    trip: Option<Trip>,
}

impl Clocks {
    pub(crate) fn known_until(&self, node: NodeId) -> Instant {
        self.nodes.get(&node).map_or(Instant::DISTANT_PAST, |clock| clock.known_until)
    }

    fn entry(&mut self, node: NodeId, epoch: Epoch) -> &mut PeerClock {
        let fresh = PeerClock { known_until: Instant::DISTANT_PAST, epoch, lead: None, least: None, trip: None };
        let clock = self.nodes.entry(node).or_insert(fresh);
        if clock.epoch < epoch {
            clock.epoch = epoch;
            (clock.lead, clock.least, clock.trip) = (None, None, None);
        }
        clock
    }

    /// Everything that `node` said up to `at` is known. Returns whether that is news.
    pub(crate) fn raise(&mut self, node: NodeId, at: Instant) -> bool {
        let clock = self.entry(node, Epoch(0));
        let news = at > clock.known_until;
        clock.known_until = clock.known_until.max(at);
        news
    }

    /// What was claimed to be known of `node` was not.
    pub(crate) fn forget(&mut self, node: NodeId) {
        if let Some(clock) = self.nodes.get_mut(&node) {
            clock.known_until = Instant::DISTANT_PAST;
        }
    }

    /// A pong says that `node`'s clock read `theirs` at some point not before `asked`.
    pub(crate) fn measure(&mut self, peer: (NodeId, Region), epoch: Epoch, asked: Instant, theirs: u64, now: Instant) {
        let (node, region) = peer;
        let lead = difference(theirs, asked.as_micros());
        let took = now.since(asked);
        if let Some(trip) = Trip::measure(self.trips.get(&region).copied(), took) {
            self.trips.insert(region, trip);
        }
        let clock = self.entry(node, epoch);
        if clock.epoch == epoch {
            clock.trip = Trip::measure(clock.trip, took);
        }
        if clock.epoch == epoch && clock.lead.is_none_or(|known| lead < drifted(known, now)) {
            clock.lead = Some((lead, now));
        }
    }

    /// A packet of `node` came, stamped with its clock.
    pub(crate) fn stamped(&mut self, node: NodeId, epoch: Epoch, theirs: u64, now: Instant) {
        let least = difference(theirs, now.as_micros());
        let clock = self.entry(node, epoch);
        if clock.epoch == epoch && clock.least.is_none_or(|known| least > receded(known, now)) {
            clock.least = Some((least, now));
        }
    }

    /// How long a packet that `node` in `region` stamped with `theirs` was under way, most likely: half of the shortest round
    /// trip (to its region, if it has hardly ever been asked itself), and by how much this packet came later than the quickest
    /// one; as far as the bounds of its clock allow it. It is wrong by half of the difference between the way there and back.
    pub(crate) fn under_way(&self, peer: (NodeId, Region), epoch: Epoch, theirs: u64, now: Instant) -> Duration {
        let usual = self.trips.get(&peer.1).map_or(Duration::ZERO, |trip| trip.shortest);
        let Some(clock) = self.nodes.get(&peer.0).filter(|clock| clock.epoch == epoch) else { return usual / 2 };
        let trip = match clock.trip {
            Some(Trip { shortest, confirmed: true }) => shortest,
            Some(Trip { shortest, confirmed: false }) => shortest.min(usual),
            None => usual,
        };
        let ago = i128::from(now.as_micros()) - i128::from(theirs);
        let way = |lead: i64| Duration::from_micros(u64::try_from((ago + i128::from(lead)).max(0)).unwrap_or(u64::MAX));
        let later = clock.least.map_or(Duration::ZERO, |least| way(receded(least, now)));
        let at_most = clock.lead.map_or(Duration::MAX, |lead| way(drifted(lead, now)));
        later.saturating_add(trip / 2).min(at_most)
    }

    /// The earliest point of our clock at which `node`'s clock can have read `theirs`.
    pub(crate) fn earliest(&self, node: NodeId, epoch: Epoch, theirs: u64, now: Instant) -> Option<Instant> {
        let clock = self.nodes.get(&node).filter(|clock| clock.epoch == epoch)?;
        let lead = drifted(clock.lead?, now);
        let ours = i128::from(theirs) - i128::from(lead);
        Some(Instant::from_micros(u64::try_from(ours).unwrap_or(0)).min(now))
    }
}

fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(i64::MAX)
}

/// An upper bound measured a while ago, widened by what the clocks may have drifted since.
fn drifted((lead, measured): (i64, Instant), now: Instant) -> i64 {
    lead.saturating_add(drift_since(measured, now))
}

/// The same for a lower bound.
fn receded((least, measured): (i64, Instant), now: Instant) -> i64 {
    least.saturating_sub(drift_since(measured, now))
}

fn drift_since(measured: Instant, now: Instant) -> i64 {
    let micros = u64::try_from(now.since(measured).as_micros()).unwrap_or(u64::MAX);
    let drift = micros / 1_000_000 * CLOCK_DRIFT_PPM + CLOCK_DRIFT_PPM;
    i64::try_from(drift).unwrap_or(i64::MAX)
}

impl Replica {
    /// In which region `node` is, as far as is known.
    pub(crate) fn region_of(&self, node: NodeId) -> Region {
        self.detector.roster().get(node).map_or(Region::NOWHERE, |entry| entry.region)
    }

    /// Takes in a head: `node` in `epoch` had said `head` changes, and had seen `past` of its own earlier boots, at a point
    /// not before `left_at` of our clock. The last `held` of them it has not told anybody yet.
    pub(crate) fn hear_head(
        &mut self,
        node: NodeId,
        epoch: Epoch,
        head: Seq,
        held: u64,
        past: u64,
        left_at: Option<Instant>,
    ) {
        let origin = whither_model::Origin { node, epoch };
        let watermark = self.rows.seen(origin).map_or(0, crate::rows::Ranges::watermark);
        if watermark < head.0 {
            let told = Seq(head.0.saturating_sub(held));
            if watermark < told.0 {
                self.notice_gap(node, epoch, told);
            }
            return;
        }
        let Some(left_at) = left_at else { return };
        if self.rows.past_digest(node, epoch) == past {
            self.raise_known(node, left_at);
        }
    }

    /// A peer that knows exactly what we know, and of the same members, was at most `age` behind each of them.
    pub(crate) fn adopt_age(&mut self, left_at: Instant, age: Duration) {
        let as_of = left_at - age;
        let present: alloc::vec::Vec<NodeId> = self.detector.roster().present().map(|belief| belief.node).collect();
        present.into_iter().for_each(|node| self.raise_known(node, as_of));
    }

    fn raise_known(&mut self, node: NodeId, as_of: Instant) {
        let first = self.clocks.known_until(node) == Instant::DISTANT_PAST;
        if self.clocks.raise(node, as_of) {
            self.known_dirty.insert(node);
            if first {
                // Not only at the next regular time: a crash before it would lose that anything was ever known.
                self.store_member(node);
            }
        }
    }

    /// The oldest age of what is known of any present member.
    pub(crate) fn oldest_age(&self) -> Duration {
        let oldest = self.detector.roster().present().map(|belief| self.clocks.known_until(belief.node)).min();
        oldest.map_or(Duration::ZERO, |known| self.now.mono.since(known))
    }
}
