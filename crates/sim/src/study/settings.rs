//! What is to be tried.

use crate::crowd::Manner;
use std::time::Duration;
use whither_gossip::Timing;
use whither_population::{Bursts, Map, Setup, Weather};

/// In how many regions nodes are: in one, that is a data centre ([`Map::datacentre`]); in more, those of the world that have
/// most nodes ([`Map::largest`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Regions(u8);

impl Regions {
    /// All in one data centre.
    pub const ONE: Self = Self(1);
    /// In all regions of [`Map::world`].
    pub const WORLD: Self = Self(19);

    /// So many, from 1 to 19; `None` if there are not so many, or none.
    #[must_use]
    pub fn new(count: u8) -> Option<Self> {
        (Self::ONE.0..=Self::WORLD.0).contains(&count).then_some(Self(count))
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> u8 {
        self.0
    }

    /// Where they are.
    #[must_use]
    pub fn map(self) -> Map {
        if self == Self::ONE { Map::datacentre() } else { Map::largest(usize::from(self.0)) }
    }
}

/// Some nodes and the others do not reach each other for a while.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Partition {
    /// For how long.
    pub length: Duration,
    /// Which share of all nodes is on the one side, 0 to 1.
    pub share: f64,
}

/// Every node is restarted once, some at a time: each says goodbye, is away, and boots again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Deploy {
    /// Which share of all nodes is restarted together, 0 to 1.
    pub share: f64,
    /// How long each is away. The next ones follow as long after that.
    pub away: Duration,
}

/// What is to be tried. Public fields, so that a variation names only what it changes.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// How many nodes.
    pub nodes: u32,
    /// Where they are.
    pub regions: Regions,
    /// How often a node probes another one.
    pub probe_interval: Duration,
    /// How many times as long as usual a suspect may object: [`Timing::paced`].
    pub suspicion: u32,
    /// Which share of all messages is lost, 0 to 1.
    pub loss: f64,
    /// If losses come in bursts: how long these are on average.
    pub burst: Option<Duration>,
    /// How many nodes die at once.
    pub kill: u32,
    /// Whether the network is divided for a while.
    pub partition: Option<Partition>,
    /// Whether all nodes are restarted.
    pub deploy: Option<Deploy>,
    /// How many updates are told to everybody.
    pub updates: u32,
    /// How large each of them is, in bytes.
    pub update_bytes: u32,
    /// How much time is simulated; `None`: as long as all troubles take, and at least a minute.
    pub length: Option<Duration>,
    /// After how many messages received and wake-ups a run is given up; `None`: twenty times what is expected.
    pub budget: Option<u64>,
}

/// A data centre of a thousand nodes with the agent's presets, of which one per cent die.
impl Default for Settings {
    fn default() -> Self {
        Self {
            nodes: 1_000,
            regions: Regions::ONE,
            probe_interval: Timing::default().probe_interval,
            suspicion: 1,
            loss: 0.0,
            burst: None,
            kill: 10,
            partition: None,
            deploy: None,
            updates: 200,
            update_bytes: 200,
            length: None,
            budget: None,
        }
    }
}

/// Messages received and wake-ups that one probe causes, all nodes together.
const EVENTS_PER_PROBE: f64 = 5.0;
/// The same for each node that an update is told.
const EVENTS_PER_DELIVERY: f64 = 3.0;
/// The same for each node and each death that it learns of: several pieces of news, and passengers.
const EVENTS_PER_DEATH: f64 = 30.0;

/// How often an agent asks one that is down whether it came back, about.
const REDIAL: Duration = Duration::from_secs(10);

impl Settings {
    /// The clockwork of failure detection, as an agent makes it from the same two options.
    #[must_use]
    pub fn timing(&self) -> Timing {
        Timing::paced(self.probe_interval, self.suspicion)
    }

    /// How nodes behave.
    #[must_use]
    pub fn manner(&self) -> Manner {
        // Who is down matters to those who were divided; the dead do not answer, and finding one costs a walk through the list.
        let redial = self.partition.map(|_| REDIAL);
        Manner { timing: self.timing(), redial, canary: Some(whither_replica::CANARY_INTERVAL), ..Manner::default() }
    }

    /// The world for a run of `length`.
    #[must_use]
    pub fn setup(&self, seed: u64, length: Duration) -> Setup {
        let weather = match self.burst {
            None => Weather { loss: self.loss, ..Weather::default() },
            Some(burst) => {
                // A message passes two ends, and is to be lost as often as without bursts.
                let bursts = (self.loss > 0.0).then(|| Bursts::new(1.0 - (1.0 - self.loss).sqrt(), burst));
                Weather { bursts_in: bursts, bursts_out: bursts, ..Weather::default() }
            }
        };
        let budget = self.budget.unwrap_or_else(|| self.expected_events(length).saturating_mul(20) + 10_000_000);
        Setup { map: self.regions.map(), weather, budget, ..Setup::new(seed, self.nodes as usize) }
    }

    /// How many messages received and wake-ups a run is expected to have: for estimates, within a factor of a few.
    #[must_use]
    pub fn expected_events(&self, length: Duration) -> u64 {
        let nodes = f64::from(self.nodes);
        let probes = nodes * length.as_secs_f64() / self.probe_interval.as_secs_f64();
        let divided = self.partition.map_or(0.0, |partition| partition.share * (1.0 - partition.share) * nodes * nodes);
        let restarted = self.deploy.map_or(0.0, |_| nodes * nodes);
        let learnt = f64::from(self.kill) * nodes + 2.0 * divided + restarted;
        let lost = 1.0 + 10.0 * self.loss;
        let events = lost
            * (probes * EVENTS_PER_PROBE
                + nodes * f64::from(self.updates) * EVENTS_PER_DELIVERY
                + learnt * EVENTS_PER_DEATH);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, and not negative")]
        let events = events as u64;
        events
    }
}
