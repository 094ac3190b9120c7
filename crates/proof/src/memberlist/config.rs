//! What can be set, under memberlist's own names, and the settings of the paper and of the shipped defaults.

use super::Sizes;
use core::time::Duration;

/// Settings of every node of a cluster.
#[derive(Clone, Debug)]
pub struct Config {
    /// Time between two probes of one node (`ProbeInterval`).
    pub probe_interval: Duration,
    /// How long an ack may take before others are asked (`ProbeTimeout`).
    pub probe_timeout: Duration,
    /// How many others are asked (`IndirectChecks`, the paper's k).
    pub indirect_checks: usize,
    /// Sends per rumour: this times ⌈log10(n + 1)⌉ (`RetransmitMult`, the paper's λ).
    pub retransmit_mult: u32,
    /// Shortest suspicion: this times log10(n) probe intervals (`SuspicionMult`, the paper's α).
    pub suspicion_mult: u32,
    /// Longest suspicion, as a multiple of the shortest (`SuspicionMaxTimeoutMult`, the paper's β).
    pub suspicion_max_mult: u32,
    /// How many others must confirm a suspicion before it is as short as can be (the paper's K). Zero: LHA-Suspicion is off,
    /// suspicions are short from the beginning and not told again.
    pub confirmations: u32,
    /// LHA-Probe; `None`: off.
    pub awareness: Option<Awareness>,
    /// The buddy system: a ping to a suspect says so.
    pub buddy: bool,
    /// Time between two rounds of gossip (`GossipInterval`).
    pub gossip_interval: Duration,
    /// To how many each round goes (`GossipNodes`).
    pub gossip_nodes: usize,
    /// How long the dead are still gossiped to, and kept in the list (`GossipToTheDeadTime`).
    pub gossip_to_the_dead: Duration,
    /// Time between two exchanges of the whole state, up to 32 nodes (`PushPullInterval`).
    pub push_pull_interval: Duration,
    /// When a stream is given up (`TCPTimeout`).
    pub stream_timeout: Duration,
    /// How many bytes a datagram may have (`UDPBufferSize`).
    pub packet_bytes: u32,
    /// How long the thread that takes datagrams in is busy with each.
    ///
    /// 40 µs: memberlist 0.2.2 takes 36 µs for a ping that it answers and 31 to 46 µs for 10 to 30 rumours (decompression,
    /// msgpack, compression; measured without a network on an idle AMD EPYC).
    pub packet_cost: Duration,
    /// Whether longer rumours come first among those sent equally often, as today; newest first, as in 2017.
    pub longest_first: bool,
    /// How often one of the failed is tried again with an exchange of state: Serf's `ReconnectInterval`, above memberlist.
    /// `None`: memberlist alone.
    pub reconnect_interval: Option<Duration>,
    /// How long encoded messages are.
    pub sizes: Sizes,
}

/// Lifeguard's local health multiplier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Awareness {
    /// The worst score; time-outs are multiplied by up to one more than this (the paper's S; `AwarenessMaxMultiplier` less one).
    pub top: u32,
    /// Whether the time-out of the direct probe is multiplied too (the paper), or only the interval (memberlist).
    pub stretches_timeout: bool,
    /// Whether the next probe waits for the whole multiplied interval (the paper: `ProbeInterval` grows), or only for the next
    /// tick if this one is answered (memberlist).
    pub slows_rounds: bool,
    /// Whether a failed probe costs one even if all the helpers sent nacks (the paper's table of events), or does not
    /// (memberlist).
    pub failure_costs: bool,
    /// When a helper sends its nack, per mille of the time-out: 800 in the paper, 1 000 in memberlist.
    pub nack_per_mille: u32,
}

impl Awareness {
    /// As the paper describes it.
    pub const PAPER: Self =
        Self { top: 8, stretches_timeout: true, slows_rounds: true, failure_costs: true, nack_per_mille: 800 };
    /// As memberlist does it (`awareness.go`, `state.go`, `net.go`).
    pub const MEMBERLIST: Self =
        Self { top: 7, stretches_timeout: false, slows_rounds: false, failure_costs: false, nack_per_mille: 1_000 };
}

impl Config {
    /// The paper's baseline: memberlist of 2017 in Consul, Lifeguard off, suspicions of 5·log10(n) s (section V).
    #[must_use]
    pub const fn paper_swim() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            indirect_checks: 3,
            retransmit_mult: 4,
            suspicion_mult: 5,
            suspicion_max_mult: 1,
            confirmations: 0,
            awareness: None,
            buddy: false,
            gossip_interval: Duration::from_millis(200),
            gossip_nodes: 3,
            gossip_to_the_dead: Duration::from_secs(30),
            push_pull_interval: Duration::from_secs(30),
            stream_timeout: Duration::from_secs(10),
            packet_bytes: 1_400,
            packet_cost: Duration::from_micros(40),
            longest_first: false,
            reconnect_interval: Some(Duration::from_secs(30)),
            sizes: Sizes::CONSUL_2017,
        }
    }

    /// The baseline with all of Lifeguard, K = 3.
    #[must_use]
    pub const fn paper_lifeguard(alpha: u32, beta: u32) -> Self {
        Self { buddy: true, ..Self::paper_swim().with_suspicion(alpha, beta) }.with_probe()
    }

    /// The baseline with LHA-Probe.
    #[must_use]
    pub const fn with_probe(self) -> Self {
        Self { awareness: Some(Awareness::PAPER), ..self }
    }

    /// The baseline with LHA-Suspicion, K = 3.
    #[must_use]
    pub const fn with_suspicion(self, alpha: u32, beta: u32) -> Self {
        Self { suspicion_mult: alpha, suspicion_max_mult: beta, confirmations: 3, ..self }
    }

    /// The baseline with the buddy system.
    #[must_use]
    pub const fn with_buddy(self) -> Self {
        Self { buddy: true, ..self }
    }

    /// What memberlist ships today for one data centre (`DefaultLANConfig`); without Serf.
    #[must_use]
    pub const fn lan_default() -> Self {
        Self {
            suspicion_mult: 4,
            suspicion_max_mult: 6,
            confirmations: 2,
            awareness: Some(Awareness::MEMBERLIST),
            buddy: true,
            longest_first: true,
            reconnect_interval: None,
            sizes: Sizes::MEMBERLIST,
            ..Self::paper_swim()
        }
    }

    /// What memberlist ships today between data centres (`DefaultWANConfig`); without Serf.
    #[must_use]
    pub const fn wan_default() -> Self {
        Self {
            suspicion_mult: 6,
            confirmations: 4,
            probe_timeout: Duration::from_secs(3),
            probe_interval: Duration::from_secs(5),
            gossip_nodes: 4,
            gossip_interval: Duration::from_millis(500),
            push_pull_interval: Duration::from_secs(60),
            stream_timeout: Duration::from_secs(30),
            ..Self::lan_default()
        }
    }

    /// How often each rumour is sent in a cluster of `nodes` (`retransmitLimit`).
    #[must_use]
    pub(super) fn retransmit_limit(&self, nodes: usize) -> u32 {
        // ⌈log10(n + 1)⌉ is the number of digits of n.
        self.retransmit_mult * u32::try_from(nodes).unwrap_or(u32::MAX).checked_ilog10().map_or(0, |log| log + 1)
    }

    /// Shortest and longest suspicion in a cluster of `nodes` (`suspicionTimeout`: three decimals of the logarithm count).
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "n is small"
    )]
    pub(super) fn suspicion_bounds(&self, nodes: usize) -> (Duration, Duration) {
        let scale = (nodes.max(1) as f64).log10().max(1.0);
        let shortest = self.probe_interval * (self.suspicion_mult * (scale * 1_000.0) as u32) / 1_000;
        (shortest, shortest * self.suspicion_max_mult)
    }

    /// Time between two exchanges of state in a cluster of `nodes` (`pushPullScale`).
    #[must_use]
    pub(super) fn push_pull_interval(&self, nodes: usize) -> Duration {
        // One more interval at 33 nodes, 65, 129 and so on.
        let doublings = nodes.div_ceil(32).max(1).next_power_of_two().ilog2();
        self.push_pull_interval * (doublings + 1)
    }
}
