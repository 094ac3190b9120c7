//! News for everybody: each receiver is handed a part of the member list to inform.
//!
//! A node with news informs its own region itself, and in each other region a few delegates, each with a part of that
//! region. A receiver cuts its part into smaller ones and goes on, until parts are single nodes. So a message crosses
//! between regions a few times and not once per receiver, the depth is the logarithm of the cluster's size, everybody
//! sends about as much as they receive, and nobody keeps a tree: every message brings its own.
//!
//! Three things make up for losses. Delegates of one region inform each other, so the first copy that arrives serves all of
//! it. Every message is acknowledged by its receiver; without that it is sent again, and then to somebody else in the same
//! part. And what even that missed, anti-entropy finds: nothing here must be perfect, it must be fast.

use crate::belief::Belief;
use crate::recent::Recent;
use crate::roster::{Region, Roster, Scope};
use crate::round_trip::RoundTrips;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;
use whither_model::random::mix;
use whither_model::{Epoch, Instant, MemberState, NodeId};

/// Which news: who began to spread it, in which boot, and its number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rumour {
    /// Who began.
    pub origin: NodeId,
    /// In which boot.
    pub epoch: Epoch,
    /// 1, 2, 3 …
    pub number: u64,
}

impl Rumour {
    fn mark(&self) -> u64 {
        mix(self.origin.get() ^ mix(self.epoch.0 ^ mix(self.number)))
    }
}

/// What comes with the news: which, and whom the receiver is to inform.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaflet {
    /// Which news.
    pub rumour: Rumour,
    /// The part of the member list that the receiver informs; `None`: nobody.
    pub scope: Option<Scope>,
    /// Others who were given parts of the same region, with those parts.
    pub partners: Vec<(NodeId, Option<Scope>)>,
}

/// A copy of the news to send.
#[derive(Clone, Debug)]
pub struct Forward<P> {
    /// To whom.
    pub to: NodeId,
    /// What comes with it.
    pub leaflet: Leaflet,
    /// The news.
    pub payload: P,
}

/// How widely and how patiently news is spread.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Nodes that one receiver informs at most, of its own region.
    pub fanout: usize,
    /// Delegates in each other region.
    pub delegates: usize,
    /// How long an acknowledgement may wait for company. None is sent alone if something else goes the same way meanwhile.
    pub ack_delay: Duration,
    /// How long an acknowledgement from the own region is awaited before anything is known of round trips.
    pub patience_near: Duration,
    /// The same for other regions.
    pub patience_far: Duration,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            fanout: 16,
            delegates: 3,
            ack_delay: Duration::from_millis(3),
            patience_near: Duration::from_millis(20),
            patience_far: Duration::from_millis(400),
        }
    }
}

/// What has been counted since boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BroadcastCounters {
    /// Copies sent for the first time.
    pub sent: u64,
    /// Copies sent again, to the same or to another node.
    pub sent_again: u64,
    /// Copies received of what was known already.
    pub doubles: u64,
    /// Nodes, and parts of the list, that were left to anti-entropy after several attempts.
    pub left_to_repair: u64,
    /// Copies whose acknowledgement was not awaited, for want of room.
    pub untracked: u64,
}

/// A copy whose acknowledgement is awaited.
#[derive(Debug)]
struct Pending<P> {
    forward: Forward<P>,
    region: Region,
    sent_at: Instant,
    due: Instant,
    attempts: u32,
    /// How often others were asked in its place, because it did not answer or the one before did not.
    handovers: u32,
}

/// The spreading of news by one node.
#[derive(Debug)]
pub struct Broadcast<P> {
    me: NodeId,
    epoch: Epoch,
    region: Region,
    habits: Habits,
    number: u64,
    known: Recent,
    pending: BTreeMap<(Rumour, NodeId), Pending<P>>,
    due: BTreeSet<(Instant, Rumour, NodeId)>,
    /// Acknowledgements that wait for company.
    owed: BTreeMap<NodeId, Vec<Rumour>>,
    owed_until: Instant,
    /// Copies in a row that nobody acknowledged in time.
    unanswered: u32,
    /// How many copies may be sent again.
    retries: u32,
    /// Copies that were sent again and then acknowledged: a second acknowledgement says that the first was only late.
    repeated: Recent,
    /// How often what round trips say of when an acknowledgement is due is doubled.
    patience: u32,
    /// Acknowledgements in time since patience last changed.
    in_time: u32,
    /// Copies sent again for nothing since patience last changed.
    hasty: u32,
    round_trips: RoundTrips,
    /// Copies to send, in order.
    forwards: Vec<Forward<P>>,
    counters: BroadcastCounters,
}

/// Copies whose acknowledgements are awaited at once.
const PENDING_MAX: usize = 16_384;
/// Acknowledgements that one message carries.
pub const ACKS_MAX: usize = 64;
/// How often one node is tried before it is left to anti-entropy: in half a second or so near by, because bursts of loss
/// last as long as that.
const ATTEMPTS_MAX: u32 = 10;
/// The attempt with which others are asked: to take over its part, or to inform it. Once more is what loss explains; after
/// that it may be dead, or the way from here cut.
const OTHERS_AT: u32 = 3;
/// How often a part of the list is handed to somebody else before it is left to anti-entropy: who cannot reach that many is
/// likely cut off, and more copies would help nobody.
const HANDOVERS_MAX: u32 = 5;
/// After this many copies in a row that nobody acknowledged, the silence is likely ours, and more copies would be in vain ...
const UNANSWERED_MAX: u32 = 64;
/// ... but for one in so many, which find out when it is over.
const ONE_IN_SILENCE: u32 = 8;
/// Copies that may be sent again in a row: beyond it, each acknowledgement allows [`RETRIES_PER_ACK`] more. So where much is
/// delivered, loss is answered by repeating; where little is, repeating would only keep the rest from being delivered.
const RETRIES_MAX: u32 = 256;
/// See [`RETRIES_MAX`].
const RETRIES_PER_ACK: u32 = 2;
/// Longest that patience grows to, in doublings.
const PATIENCE_DOUBLINGS_MAX: u32 = 6;
/// Copies sent again for nothing, after which patience is doubled.
const HASTY: u32 = 4;
/// Answers in time, one after the other, after which patience is halved.
const IN_TIME: u32 = 64;
/// However late others are, a lost copy is sent again after this long.
const PATIENCE_MAX: Duration = Duration::from_secs(2);
/// However quick others were, an acknowledgement is given this long: a busy process answers late.
const PATIENCE_MIN: Duration = Duration::from_millis(10);

impl<P: Clone> Broadcast<P> {
    /// The broadcast of a node that has just booted.
    #[must_use]
    pub fn new(me: NodeId, epoch: Epoch, region: Region, habits: Habits) -> Self {
        Self {
            me,
            epoch,
            region,
            habits,
            number: 0,
            known: Recent::default(),
            pending: BTreeMap::new(),
            due: BTreeSet::new(),
            owed: BTreeMap::new(),
            owed_until: Instant::DISTANT_FUTURE,
            unanswered: 0,
            retries: RETRIES_MAX,
            repeated: Recent::default(),
            patience: 0,
            in_time: 0,
            hasty: 0,
            round_trips: RoundTrips::default(),
            forwards: Vec::new(),
            counters: BroadcastCounters::default(),
        }
    }

    /// What has been counted since boot.
    #[must_use]
    pub fn counters(&self) -> &BroadcastCounters {
        &self.counters
    }

    /// When [`Broadcast::wake`] wants to be called, at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Instant {
        self.due.first().map_or(Instant::DISTANT_FUTURE, |(due, _, _)| *due).min(self.owed_until)
    }

    /// The copies to send since the last call.
    pub fn take_forwards(&mut self) -> Vec<Forward<P>> {
        core::mem::take(&mut self.forwards)
    }

    /// Gives back an emptied list, so that its memory is used again.
    pub fn reuse(&mut self, mut forwards: Vec<Forward<P>>) {
        if self.forwards.is_empty() {
            forwards.clear();
            self.forwards = forwards;
        }
    }

    /// Tells everybody.
    pub fn publish(&mut self, now: Instant, roster: &mut Roster, payload: P) -> Rumour {
        roster.settle();
        self.number += 1;
        let rumour = Rumour { origin: self.me, epoch: self.epoch, number: self.number };
        self.known.insert(rumour.mark());
        let everywhere: Vec<Region> = roster.regions().collect();
        for region in everywhere {
            let scope = whole(region);
            if region == self.region {
                self.cover(now, roster, rumour, scope, &payload);
            } else {
                self.delegate(now, roster, rumour, scope, &payload);
            }
        }
        rumour
    }

    /// What `to` is to be told that it was received, now that something goes there anyway.
    pub fn take_acks(&mut self, to: NodeId) -> Vec<Rumour> {
        let acks = self.owed.remove(&to).unwrap_or_default();
        if self.owed.is_empty() {
            self.owed_until = Instant::DISTANT_FUTURE;
        }
        acks
    }

    /// Acknowledgements that have waited long enough: to whom.
    pub fn acks_due(&mut self, now: Instant) -> Vec<NodeId> {
        if self.owed_until > now {
            return Vec::new();
        }
        self.owed_until = Instant::DISTANT_FUTURE;
        self.owed.keys().copied().collect()
    }

    fn owe(&mut self, now: Instant, to: NodeId, rumour: Rumour) {
        if self.owed.is_empty() {
            self.owed_until = now + self.habits.ack_delay;
        }
        let owed = self.owed.entry(to).or_default();
        owed.push(rumour);
        if owed.len() >= ACKS_MAX {
            self.owed_until = now;
        }
    }

    /// News came from `from`. Returns whether it is new here.
    pub fn receive(&mut self, now: Instant, roster: &mut Roster, from: NodeId, leaflet: &Leaflet, payload: &P) -> bool {
        let mark = leaflet.rumour.mark();
        let new = self.known.insert(mark);
        if !new {
            self.counters.doubles += 1;
        }
        self.owe(now, from, leaflet.rumour);
        // Whoever sends the news has it, but not yet the part that it was to inform.
        if self.pending.get(&(leaflet.rumour, from)).is_some_and(|one| one.forward.leaflet.scope.is_none()) {
            self.acknowledged(now, from, leaflet.rumour);
        }
        if new {
            let me = self.me;
            for (partner, scope) in leaflet.partners.iter().filter(|(partner, _)| *partner != me && *partner != from) {
                let part = Leaflet { rumour: leaflet.rumour, scope: *scope, partners: Vec::new() };
                self.send(now, self.region, *partner, part, payload);
            }
        }
        // The same news may come twice with different parts to inform; each part is taken care of once.
        if let Some(scope) = leaflet.scope
            && self.known.insert(mark ^ mix(scope.first.get() ^ mix(scope.last.get())))
        {
            roster.settle();
            self.cover(now, roster, leaflet.rumour, scope, payload);
        }
        new
    }

    /// Whether this news was seen here.
    #[must_use]
    pub fn knows(&self, rumour: Rumour) -> bool {
        self.known.contains(rumour.mark())
    }

    /// `from` has the news.
    pub fn acknowledged(&mut self, now: Instant, from: NodeId, rumour: Rumour) {
        self.unanswered = 0;
        let Some(one) = self.forget(rumour, from) else { return self.heard_again(from, rumour) };
        self.retries = (self.retries + RETRIES_PER_ACK).min(RETRIES_MAX);
        if one.attempts == 1 {
            self.round_trips.measure(one.region, now.since(one.sent_at));
            self.in_time += 1;
            if self.in_time >= IN_TIME {
                self.in_time = 0;
                self.patience = self.patience.saturating_sub(1);
            }
        } else {
            self.repeated.insert(rumour.mark() ^ mix(from.get()));
        }
        if one.region == self.region {
            return;
        }
        // One delegate that has it sees to the others of its region.
        let of_rumour = (rumour, NodeId::LOWEST)..=(rumour, NodeId::HIGHEST);
        let region = one.region;
        let partners = self.pending.range(of_rumour).filter(|(_, other)| other.region == region);
        let partners: Vec<NodeId> = partners.map(|((_, partner), _)| *partner).collect();
        partners.into_iter().for_each(|partner| drop(self.forget(rumour, partner)));
    }

    /// An acknowledgement of what was acknowledged before. If the copy had been sent again, both arrived: the answer to the
    /// first was merely late, and more patience would have saved the second.
    fn heard_again(&mut self, from: NodeId, rumour: Rumour) {
        if self.repeated.remove(rumour.mark() ^ mix(from.get())) {
            self.in_time = 0;
            self.hasty += 1;
            if self.hasty >= HASTY {
                self.hasty = 0;
                self.patience = (self.patience + 1).min(PATIENCE_DOUBLINGS_MAX);
            }
        }
    }

    fn forget(&mut self, rumour: Rumour, to: NodeId) -> Option<Pending<P>> {
        let one = self.pending.remove(&(rumour, to))?;
        self.due.remove(&(one.due, rumour, to));
        Some(one)
    }

    /// The time has come that [`Broadcast::next_wake`] named.
    pub fn wake(&mut self, now: Instant, roster: &mut Roster) {
        while let Some((_, rumour, to)) = self.due.first().copied().filter(|(due, _, _)| *due <= now) {
            if let Some(one) = self.forget(rumour, to) {
                self.try_again(now, roster, one);
            }
        }
    }

    fn try_again(&mut self, now: Instant, roster: &mut Roster, mut one: Pending<P>) {
        self.unanswered = self.unanswered.saturating_add(1);
        let silence = self.unanswered > UNANSWERED_MAX && !self.unanswered.is_multiple_of(ONE_IN_SILENCE);
        let quiet = silence || self.retries == 0;
        self.retries = self.retries.saturating_sub(1);
        let present = roster.is_present(one.forward.to);
        one.attempts += 1;
        // Once to the same node: more often a datagram is lost than a node.
        if let Some(scope) = one.forward.leaflet.scope.filter(|_| !present || (one.attempts >= OTHERS_AT && !quiet)) {
            one.forward.leaflet.scope = None;
            self.hand_over(now, roster, scope, &one);
            one.handovers = one.handovers.max(1);
        } else if one.attempts >= OTHERS_AT && one.handovers == 0 && present && !quiet {
            one.handovers = 1;
            self.send_on_errand(now, roster, &one);
        }
        if one.attempts > ATTEMPTS_MAX || !present {
            self.counters.left_to_repair += 1;
            return;
        }
        one.due = now + self.patience(one.region) * (1 << ((one.attempts - 1) / 2).min(4));
        if !quiet {
            self.counters.sent_again += 1;
            one.sent_at = now;
            self.forwards.push(one.forward.clone());
        }
        self.keep(one);
    }

    /// Gives the part of one that does not answer to another node of that part.
    fn hand_over(&mut self, now: Instant, roster: &Roster, scope: Scope, from: &Pending<P>) {
        let Forward { leaflet, payload, .. } = &from.forward;
        let handovers = from.handovers + 1;
        let other = choose(roster, scope, |node| self.may_take_over(node, from), leaflet.rumour, handovers);
        let Some(other) = other.filter(|_| handovers <= HANDOVERS_MAX) else {
            self.counters.left_to_repair += 1;
            return;
        };
        self.counters.sent_again += 1;
        let leaflet = Leaflet { rumour: leaflet.rumour, scope: Some(scope), partners: Vec::new() };
        self.spread(now, from.region, other, leaflet, payload, handovers);
    }

    /// Whether `node` may be asked in the place of one that does not answer: not while a copy to it is under way, because its
    /// acknowledgement would count for both.
    fn may_take_over(&self, node: NodeId, silent: &Pending<P>) -> bool {
        let Forward { to, leaflet, .. } = &silent.forward;
        node != *to && !self.pending.contains_key(&(leaflet.rumour, node))
    }

    /// Asks another node to inform one that does not answer here: a part of the list with nobody else in it. Nobody sends on an
    /// errand what came as one.
    fn send_on_errand(&mut self, now: Instant, roster: &Roster, for_whom: &Pending<P>) {
        let Forward { to, leaflet, payload } = &for_whom.forward;
        let regions = [for_whom.region, self.region].into_iter().chain(roster.regions());
        let rumour = leaflet.rumour;
        let may = |node| self.may_take_over(node, for_whom);
        let someone = |region| Some((region, choose(roster, whole(region), may, rumour, OTHERS_AT)?));
        let Some((region, courier)) = regions.filter_map(someone).next() else { return };
        let scope = Some(Scope { region: for_whom.region, first: *to, last: *to });
        self.counters.sent_again += 1;
        self.spread(now, region, courier, Leaflet { rumour, scope, partners: Vec::new() }, payload, HANDOVERS_MAX);
    }

    /// Informs everybody in `scope`, some directly and some through others.
    fn cover(&mut self, now: Instant, roster: &Roster, rumour: Rumour, scope: Scope, payload: &P) {
        let part = roster.part(scope);
        if part.len() <= self.habits.fanout {
            let handovers = if scope.first == scope.last { HANDOVERS_MAX } else { 0 };
            for node in part.present().map(|belief| belief.node) {
                self.counters.sent += 1;
                let leaf = Leaflet { rumour, scope: None, partners: Vec::new() };
                self.spread(now, scope.region, node, leaf, payload, handovers);
            }
            return;
        }
        for smaller in part.split(self.habits.fanout) {
            if let Some(node) = choose(roster, smaller, |_| true, rumour, 0) {
                let leaflet = Leaflet { rumour, scope: narrowed(roster, smaller, node), partners: Vec::new() };
                self.send(now, scope.region, node, leaflet, payload);
            }
        }
    }

    /// Hands another region to a few delegates, who know of each other.
    fn delegate(&mut self, now: Instant, roster: &Roster, rumour: Rumour, scope: Scope, payload: &P) {
        let parts = roster.part(scope).split(self.habits.delegates);
        let chosen: Vec<(NodeId, Option<Scope>)> = parts
            .into_iter()
            .filter_map(|part| {
                choose(roster, part, |_| true, rumour, 0).map(|node| (node, narrowed(roster, part, node)))
            })
            .collect();
        for (node, part) in &chosen {
            let partners = chosen.iter().filter(|(other, _)| other != node).copied().collect();
            self.send(now, scope.region, *node, Leaflet { rumour, scope: *part, partners }, payload);
        }
    }

    fn send(&mut self, now: Instant, region: Region, to: NodeId, leaflet: Leaflet, payload: &P) {
        self.counters.sent += 1;
        self.spread(now, region, to, leaflet, payload, 0);
    }

    /// Sends a copy and awaits its acknowledgement.
    fn spread(&mut self, now: Instant, region: Region, to: NodeId, leaflet: Leaflet, payload: &P, handovers: u32) {
        let forward = Forward { to, leaflet, payload: payload.clone() };
        self.forwards.push(forward.clone());
        let due = now + self.patience(region);
        self.keep(Pending { forward, region, sent_at: now, due, attempts: 1, handovers });
    }

    fn keep(&mut self, one: Pending<P>) {
        if self.pending.len() >= PENDING_MAX {
            self.counters.untracked += 1;
            return;
        }
        let (rumour, to, due) = (one.forward.leaflet.rumour, one.forward.to, one.due);
        if let Some(before) = self.pending.insert((rumour, to), one) {
            self.due.remove(&(before.due, rumour, to));
        }
        self.due.insert((due, rumour, to));
    }

    fn patience(&self, region: Region) -> Duration {
        let usual = match self.round_trips.allowance(region) {
            Some(allowance) => allowance.max(PATIENCE_MIN),
            None if region == self.region => self.habits.patience_near,
            None => self.habits.patience_far,
        };
        (usual * (1 << self.patience)).min(PATIENCE_MAX.max(usual))
    }
}

/// Everybody in `region`.
fn whole(region: Region) -> Scope {
    Scope { region, first: NodeId::LOWEST, last: NodeId::HIGHEST }
}

/// The scope, or `None` if `node` is the only one in it.
fn narrowed(roster: &Roster, scope: Scope, node: NodeId) -> Option<Scope> {
    let part = roster.part(scope);
    let alone = part.len() <= LOOKED_AT && part.present().all(|belief| belief.node == node);
    (!alone).then_some(scope)
}

/// Members looked at before a part is gone through as a whole: the cost of choosing does not grow with the cluster.
const LOOKED_AT: usize = 16;

/// Somebody in `scope` to hand it to, of those who may have it: alive beyond doubt if there is one near the place where the
/// search begins. Which one depends on the news, so that the work is shared.
fn choose(roster: &Roster, scope: Scope, may: impl Fn(NodeId) -> bool, rumour: Rumour, attempt: u32) -> Option<NodeId> {
    let part = roster.part(scope);
    let count = part.len();
    if count == 0 {
        return None;
    }
    let salt = mix(rumour.mark() ^ u64::from(attempt));
    let start = usize::try_from(salt % count as u64).unwrap_or(0);
    let wanted = |belief: &&Belief| belief.state.is_present() && may(belief.node);
    let mut suspect = None;
    for step in 0..count {
        let Some(belief) = part.at((start + step) % count).filter(wanted) else { continue };
        if belief.state == MemberState::Alive {
            return Some(belief.node);
        }
        suspect = suspect.or(Some(belief.node));
        if step >= LOOKED_AT {
            break;
        }
    }
    suspect
}
