//! Exists so that the protocol is a value: events go in with their time, effects come out when asked.
//!
//! Nothing here can wait, so nothing can deadlock; nothing reads a clock, so a cluster of thousands runs in one thread from
//! a seed. The build proves it: the crate is `no_std`, and its maps either have an order or cannot be iterated.
//!
//! Feed a [`Replica`] with [`handle_command`](Replica::handle_command), [`handle_packet`](Replica::handle_packet) and
//! [`handle_timeout`](Replica::handle_timeout); after each, drain [`poll_ready`](Replica::poll_ready) and sleep until
//! [`poll_timeout`](Replica::poll_timeout).
#![no_std]
extern crate alloc;

mod apply;
mod audit;
pub mod catalog;
mod collecting;
mod commands;
mod config;
mod counters;
mod freshness;
mod guards;
mod joining;
mod lag;
mod leases;
pub mod limits;
mod losses;
mod membership;
mod pacing;
mod packets;
mod ready;
mod removal;
mod repair;
mod rows;
mod sessions;
mod sharing;
mod spreading;
mod tables;
mod timers;
mod upkeep;
mod wire;
mod witnesses;

pub use config::{CANARY_INTERVAL, Config, Timing};
pub use counters::Counters;
pub use guards::Guards;
pub use lag::Lag;
pub use ready::{DurableReplies, Ready, Transmit};
pub use rows::{Ranges, RowIx, Rows};
pub use whither_gossip::{Route, Timing as Detection};
pub use wire::Malformed;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use apply::Count;
use audit::Audit;
use catalog::NodeProfile;
use collecting::Collecting;
use freshness::Clocks;
use guards::Budget;
use lag::Lags;
use leases::Leases;
use losses::Losses;
use pacing::Pacing;
use removal::Overrules;
use repair::Repair;
use sessions::Sessions;
use sharing::Sharing;
use spreading::News;
use tables::Tables;
use timers::{Timer, Timers};
use upkeep::Findings;
use whither_gossip::{Belief, Broadcast, Canary, Detector, Habits, Register, Roster};
use whither_model::durable::Snapshot;
use whither_model::random::{self, Random};
use whither_model::{Came, Delta, Epoch, Instant, MemberState, NodeId, Now, Origin, Seq, ServiceName, Version};

/// Of a service's leases, in percent, that may run out in a minute (Eureka expects 85 % of renewals).
const EXPIRIES_PERCENT: usize = 15;
/// Of a service's instances, in percent, that may be removed by name in a minute.
const REMOVALS_PERCENT: usize = 10;

/// One node's protocol: membership, catalog, gossip and sync.
///
/// Invariant: `me` is written by this value alone. Whatever a peer says about `me` beyond what this boot has said is either
/// this node's own past, or an impostor.
#[derive(Debug)]
pub struct Replica {
    config: Config,
    me: Origin,
    /// The last seq this boot has used.
    head: Seq,
    now: Now,
    random: Random,
    timers: Timers,
    detector: Detector,
    /// Those who said goodbye and whose instances still count as they were.
    leaving: BTreeSet<NodeId>,
    broadcast: Broadcast<Arc<News>>,
    canary: Canary,
    lags: Lags,
    /// When member lists were last compared with somebody.
    lists_compared: Instant,
    clocks: Clocks,
    rows: Rows,
    leases: Leases,
    sessions: Sessions,
    findings: Findings,
    overrules: Overrules,
    /// Rows that overrules may concern.
    overruled: BTreeSet<RowIx>,
    losses: Losses,
    /// Leases that ran out lately.
    expiries: Budget,
    /// Instances that were removed by name lately.
    removals: Budget,
    /// An operator took this node out of service.
    maintenance: bool,
    /// How many instances each service has.
    census: BTreeMap<ServiceName, Count>,
    /// Own changes that wait to be told: the last ones before the head, or none if they are to be gathered.
    outbox: alloc::vec::Vec<bytes::Bytes>,
    /// How the rows come that are being merged.
    coming: Came,
    /// Up to where own changes have been told.
    told: Seq,
    /// When the first of those that nobody was told of was made.
    untold_since: Instant,
    pacing: Pacing,
    tables: Tables,
    repair: Repair,
    audit: Audit,
    collecting: Collecting,
    sharing: Sharing,
    known_dirty: BTreeSet<NodeId>,
    ready: Ready,
    counters: Counters,
}

impl Replica {
    /// A node that has just booted with what its disk remembered. Its deltas, the last good state, are ready at once.
    #[must_use]
    pub fn new(config: Config, mut snapshot: Snapshot, now: Now) -> Self {
        let (rows_forgotten, seen_forgotten) = collecting::forget_if_stale(&mut snapshot, now);
        let me = Origin { node: snapshot.node, epoch: snapshot.epoch };
        let mut rows = Rows::default();
        snapshot.rows.into_iter().for_each(|row| rows.load_row(row));
        snapshot.seen.iter().for_each(|seen| rows.load_seen(seen));
        let mut random = Random::new(config.seed ^ random::mix(me.node.get() ^ random::mix(me.epoch.0)));
        let belief = Belief {
            node: me.node,
            epoch: me.epoch,
            incarnation: 1,
            state: MemberState::Alive,
            address: config.advertise,
            run: random.next().max(1),
        };
        let roster = Roster::new(me.node, Arc::new(Register::default()));
        let own = Random::new(random.next());
        let region = membership::region_named(&config.region);
        // Randomness of its own: whether there are canaries changes nothing else.
        let canaries = Random::new(random::mix(belief.run));
        let mut replica = Self {
            detector: Detector::new(belief, roster, config.timing.detection.clone(), own, now.mono),
            leaving: BTreeSet::new(),
            lists_compared: Instant::DISTANT_PAST,
            broadcast: Broadcast::new(me.node, me.epoch, region, Habits::default()),
            canary: Canary::new(config.timing.canary_interval, canaries, now.mono),
            lags: Lags::default(),
            me,
            head: Seq(0),
            now,
            random,
            timers: Timers::default(),
            clocks: Clocks::default(),
            rows,
            leases: Leases::default(),
            sessions: Sessions::default(),
            findings: Findings::default(),
            overrules: Overrules::default(),
            overruled: BTreeSet::new(),
            losses: Losses::default(),
            expiries: Budget::new(EXPIRIES_PERCENT),
            removals: Budget::new(REMOVALS_PERCENT),
            maintenance: false,
            census: BTreeMap::new(),
            outbox: alloc::vec::Vec::new(),
            coming: Came::Disk,
            told: Seq(0),
            untold_since: now.mono,
            pacing: Pacing::default(),
            tables: Tables::default(),
            repair: Repair::default(),
            audit: Audit::default(),
            collecting: Collecting::default(),
            sharing: Sharing::default(),
            known_dirty: BTreeSet::new(),
            ready: Ready::default(),
            counters: Counters::default(),
            config,
        };
        replica.maintenance = apply::profile_of(&replica.rows, me.node).is_some_and(|profile| profile.maintenance);
        replica.ready.journal.forgotten = rows_forgotten;
        replica.ready.journal.seen = seen_forgotten;
        replica.show_self();
        replica.remember_members(&snapshot.members);
        replica.show_loaded_rows();
        replica.introduce();
        replica.start_timers();
        replica
    }

    fn show_loaded_rows(&mut self) {
        let rows: alloc::vec::Vec<RowIx> = self.rows.iter().map(|(ix, _)| ix).collect();
        rows.into_iter().for_each(|ix| self.row_changed(ix, false));
    }

    /// Writes this boot's node row, so that every boot has a first change and earlier boots can be told from it.
    fn introduce(&mut self) -> Version {
        let profile = NodeProfile {
            name: self.config.name.clone(),
            zone: self.config.zone.clone(),
            region: self.config.region.clone(),
            software: self.config.software.clone(),
            maintenance: self.maintenance,
        };
        let record = profile.encode();
        let version = self.write(alloc::vec![(catalog::NODES, alloc::vec::Vec::new(), Some(record))]);
        self.show_self();
        version
    }

    fn start_timers(&mut self) {
        let timing = self.config.timing.clone();
        let mut phase = |interval: core::time::Duration| {
            let micros = usize::try_from(interval.as_micros()).unwrap_or(usize::MAX);
            core::time::Duration::from_micros(self.random.below(micros.max(1)) as u64)
        };
        // Random phases keep nodes that were started together from acting together.
        let starts = [
            (Timer::Sync, phase(timing.sync_interval)),
            (Timer::Dial, core::time::Duration::ZERO),
            (Timer::Remember, timing.remember_interval),
        ];
        starts.into_iter().for_each(|(timer, after)| self.timers.set(timer, self.now.mono + after));
    }

    /// Who this node is, in this boot.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.me
    }

    /// Whether this node has said goodbye.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.detector.me().state == MemberState::Left
    }

    /// All rows, for checkers and snapshots.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// What has been counted since boot.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.with(self.detector.counters(), self.broadcast.counters())
    }

    /// What membership believes of each other node it knows.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, Epoch, MemberState)> {
        self.detector.roster().iter().map(|entry| (entry.belief.node, entry.belief.epoch, entry.belief.state))
    }

    /// Up to when everything that `node` had said is known here.
    #[must_use]
    pub fn known_until(&self, node: NodeId) -> Instant {
        if node == self.me.node { self.now.mono } else { self.clocks.known_until(node) }
    }

    /// When [`Replica::handle_timeout`] wants to be called, at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.deadline().min(self.canary_due())
    }

    /// The same but for the canary, which is never late: when it is due changes with the number of members.
    fn deadline(&self) -> Instant {
        self.timers.next().min(self.detector.next_wake()).min(self.broadcast.next_wake())
    }

    /// Everything that has to be done after the last event, or `None` if that is nothing.
    pub fn poll_ready(&mut self) -> Option<Ready> {
        self.settle_membership();
        self.obey();
        self.flush_outbox();
        for node in core::mem::take(&mut self.known_dirty) {
            self.ready.deltas.push(Delta::Current { node, as_of: self.clocks.known_until(node) });
        }
        let (rows, forgotten, seen) = self.rows.take_dirty();
        self.ready.journal.rows = rows;
        self.ready.journal.forgotten.extend(forgotten);
        self.ready.journal.seen.extend(seen);
        let ready = core::mem::take(&mut self.ready);
        (!ready.is_empty()).then_some(ready)
    }

    /// The time has come that [`Replica::poll_timeout`] named.
    pub fn handle_timeout(&mut self, now: Now) {
        let late = now.mono.since(self.deadline());
        self.advance(now);
        if late > limits::STALL {
            // Renewals may have piled up unread while nobody was looking: leases get the time back.
            self.leases.put_off(late);
            self.timers.put_off(late, |timer| matches!(timer, Timer::Lease(_) | Timer::Session(_) | Timer::Removal(_)));
        }
        self.detector.wake(now.mono);
        self.broadcast.wake(now.mono, self.detector.roster_mut());
        self.sing();
        while let Some(timer) = self.timers.pop_due(now.mono) {
            match timer {
                Timer::VouchEnd(node) => self.vouching_over(node),
                Timer::Dial => self.dial(),
                Timer::Sync => self.compare_with_somebody(),
                Timer::Gap(node) => self.gap_due(node),
                Timer::TablesGap(node) => self.tables_gap_due(node),
                Timer::Lease(row) => self.lease_due(row),
                Timer::Session(session) => self.session_due(session),
                Timer::Removal(row) => self.removal_due(row),
                Timer::Ramp(row) => self.ramp_due(row),
                Timer::Remember => {
                    self.remember_freshness();
                    self.review_losses();
                    self.collect();
                    self.collect_tables();
                }
                // What waited is told when what is ready is next asked for.
                Timer::Speak => {}
            }
        }
    }

    /// The node is about to stop, for a restart: its peers hear a goodbye, its instances stay.
    pub fn handle_shutdown(&mut self, now: Now) {
        self.advance(now);
        self.say_goodbye();
        self.remember_freshness();
    }

    /// Invariant: time does not go backwards in here, whatever the caller's clocks do.
    fn advance(&mut self, now: Now) {
        let stood_still = now.mono.since(self.now.mono);
        self.now = Now { mono: now.mono.max(self.now.mono), wall: now.wall };
        if stood_still > collecting::HORIZON {
            self.forget_others();
        }
    }

    /// Shows this node in its own catalog.
    fn show_self(&mut self) {
        let belief = self.detector.me();
        self.ready.deltas.push(Delta::Member(whither_model::Member {
            id: self.me.node,
            name: Arc::new(self.config.name.clone()),
            address: belief.address,
            epoch: belief.epoch,
            state: belief.state,
            vouches: true,
            held: false,
            maintenance: self.maintenance,
            zone: self.config.zone.clone(),
            region: self.config.region.clone(),
            software: self.config.software.clone(),
        }));
    }
}
