//! What every design is to the one who compares them.

use core::time::Duration;
use whither_model::Instant;
use whither_population::{Index, Outbox, Protocol, Setup};

/// Which update: dense, from zero, told apart by the experiment and not by its origin.
pub type Update = u32;

/// How large an update is: a row of an instance with its names, address and a few tags.
pub const UPDATE_BYTES: u32 = 200;
/// How large its name is: an origin of 16 bytes and a number of 8.
pub const UPDATE_ID_BYTES: u32 = 24;

/// A node heard of an update for the first time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Which.
    pub update: Update,
    /// Over how many steps it came; zero if that is not known.
    pub hops: u16,
}

/// What a node sent, and received in vain, for the sake of updates. What it does besides (membership, for example) is not
/// counted here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Messages sent.
    pub messages: u64,
    /// Their bytes, as the design says, without headers of the network.
    pub bytes: u64,
    /// Copies of updates in them.
    pub copies: u64,
    /// Messages among them that carried none.
    pub control: u64,
    /// Copies received of what was known already.
    pub duplicates: u64,
}

impl Traffic {
    /// Counts a message with so many copies.
    pub const fn sent(&mut self, bytes: u32, copies: u32) {
        self.messages += 1;
        self.bytes += bytes as u64;
        self.copies += copies as u64;
        self.control += (copies == 0) as u64;
    }

    /// What came together in all of these.
    #[must_use]
    pub fn sum(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            messages: sum.messages + one.messages,
            bytes: sum.bytes + one.bytes,
            copies: sum.copies + one.copies,
            control: sum.control + one.control,
            duplicates: sum.duplicates + one.duplicates,
        })
    }

    /// What came since an earlier sum.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            messages: self.messages - earlier.messages,
            bytes: self.bytes - earlier.bytes,
            copies: self.copies - earlier.copies,
            control: self.control - earlier.control,
            duplicates: self.duplicates - earlier.duplicates,
        }
    }
}

/// A node that spreads updates.
pub trait Spreader: Protocol {
    /// An update begins here.
    fn publish(&mut self, now: Instant, update: Update, out: &mut Outbox<Self::Message, Self::Event>);

    /// What it sent so far.
    fn traffic(&self) -> Traffic;

    /// What an event says of updates heard for the first time; `None` if it is about something else.
    fn heard(event: Self::Event) -> Option<Heard>;
}

/// Where nodes are: what a design may know of the network.
#[derive(Clone, Debug)]
pub struct Places {
    /// In which region each node is.
    pub region_of: Vec<u8>,
    /// Round trip between two regions, or within one.
    pub round_trip: Vec<Vec<Duration>>,
}

impl Places {
    /// Where the nodes of a world are, as the simulator will place them.
    #[must_use]
    pub fn of(setup: &Setup) -> Self {
        let regions = 0..setup.map.regions().len();
        let row = |from| regions.clone().map(|to| 2 * setup.map.between(from, to)).collect();
        Self { region_of: setup.map.assign(setup.nodes, setup.seed), round_trip: regions.clone().map(row).collect() }
    }

    /// How many nodes there are.
    #[must_use]
    pub fn members(&self) -> u32 {
        u32::try_from(self.region_of.len()).unwrap_or(u32::MAX)
    }

    /// The round trip between two nodes, without jitter.
    #[must_use]
    pub fn round_trip(&self, one: Index, other: Index) -> Duration {
        let region = |node: Index| usize::from(self.region_of[node as usize]);
        self.round_trip[region(one)][region(other)]
    }
}

/// How updates are spread.
pub trait Design {
    /// Its node.
    type Node: Spreader;

    /// What it is called in tables.
    fn name(&self) -> String;

    /// The nodes of a whole cluster, each of which knows all others.
    fn nodes(&self, places: &Places, seed: u64) -> Vec<Self::Node>;

    /// How many updates it learns from, before any is measured.
    fn learns_from(&self) -> u32 {
        0
    }

    /// Whether its nodes find out who is alive besides, which costs much to simulate where many look dead.
    fn has_membership(&self) -> bool {
        false
    }

    /// How long to leave them alone before the first update.
    fn settling(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// Which updates a node has heard of.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Vec<u64>);

impl Known {
    /// Remembers it; says whether it is new.
    pub(super) fn insert(&mut self, update: Update) -> bool {
        let (word, bit) = (update as usize / 64, 1_u64 << (update % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }
}
