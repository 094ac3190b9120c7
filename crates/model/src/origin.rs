//! Who said something, and when in the order of all that they said.

use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

/// Identity of an agent's data directory: drawn once, at random, and kept. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(NonZeroU64);

impl NodeId {
    /// No id is lower.
    pub const LOWEST: Self = Self(NonZeroU64::MIN);
    /// No id is higher.
    pub const HIGHEST: Self = Self(NonZeroU64::MAX);

    /// The node id with this value; `None` for zero, which stands for "nobody" on the wire.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        match NonZeroU64::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The value, never zero.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not sixteen hexadecimal digits, or all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotANodeId;

impl fmt::Display for NotANodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a node id: expected 16 hexadecimal digits, not all zero")
    }
}

impl FromStr for NodeId {
    type Err = NotANodeId;
    fn from_str(s: &str) -> Result<Self, NotANodeId> {
        crate::hex::parse(s).map(Self).ok_or(NotANodeId)
    }
}

/// A node's boot number: durable before the node's first word, one higher at every start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u64);

/// Position in what one origin has said: 1, 2, 3 … without gaps. Zero means "nothing yet".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// One run of one node: the author of a gapless sequence of changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin {
    /// The node that speaks.
    pub node: NodeId,
    /// Which of its boots.
    pub epoch: Epoch,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.epoch.0)
    }
}

/// The version of an owned row: where in its owner's speech it was last set. The higher one wins; no clock is involved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version {
    /// The owner's boot that set it.
    pub epoch: Epoch,
    /// The position in that boot's sequence.
    pub seq: Seq,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch.0, self.seq.0)
    }
}
