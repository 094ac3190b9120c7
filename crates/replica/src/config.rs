//! What a node is told at boot.

use crate::guards::Guards;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use whither_model::NodeName;

/// Everything that does not change while the node runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// What people call it.
    pub name: NodeName,
    /// Where peers reach it. An unspecified IP means: where its packets come from.
    pub advertise: SocketAddr,
    /// Its failure domain; may be empty.
    pub zone: Box<str>,
    /// Its region; may be empty.
    pub region: Box<str>,
    /// Its software version, for people.
    pub software: Box<str>,
    /// Where to look for the cluster.
    pub seeds: Vec<SocketAddr>,
    /// Seeds everything random. Two runs with equal seeds and equal events are equal.
    pub seed: u64,
    /// The protocol's clockwork.
    pub timing: Timing,
    /// Which guards are on: all, outside of a simulator.
    pub guards: Guards,
}

/// So that canaries cost each node about five bytes a second, in a cluster of any size (experiment E1).
pub const CANARY_INTERVAL: Duration = Duration::from_secs(40);

/// The protocol's clockwork. The defaults suit a data centre.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How deaths are detected.
    pub detection: whither_gossip::Timing,
    /// How long instances count as they were after their node said goodbye.
    pub leave_grace: Duration,
    /// How often state is compared with a random member.
    pub sync_interval: Duration,
    /// How long a gap may be mere reordering before it is asked for.
    pub gap_grace: Duration,
    /// How often seeds are asked while nobody is known to be alive, and long-absent members while somebody is.
    pub dial_interval: Duration,
    /// How often it is written down up to when each member is known.
    pub remember_interval: Duration,
    /// While nobody says anything, one node of the cluster says that in about each so long, for the way of news to be
    /// measured; `None`: nobody does.
    pub canary_interval: Option<Duration>,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            detection: whither_gossip::Timing::default(),
            leave_grace: Duration::from_secs(60),
            sync_interval: Duration::from_secs(1),
            gap_grace: Duration::from_millis(15),
            dial_interval: Duration::from_secs(1),
            remember_interval: Duration::from_secs(5),
            canary_interval: Some(CANARY_INTERVAL),
        }
    }
}
