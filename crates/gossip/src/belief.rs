//! What somebody believes of a member, and on whose word.

use core::net::SocketAddr;
use whither_model::{Epoch, MemberState, NodeId};

/// What somebody believes of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Belief {
    /// Of whom.
    pub node: NodeId,
    /// Its boot.
    pub epoch: Epoch,
    /// How often it has objected in that boot (SWIM section 4.2); only it raises this.
    pub incarnation: u64,
    /// How it is.
    pub state: MemberState,
    /// Where it is reached.
    pub address: SocketAddr,
    /// Which run of that boot; zero if that is not known. There is one, unless a data directory was copied.
    pub run: u64,
}

impl Belief {
    /// Whether the two are about different runs that claim to be the same boot of the same node.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        (self.node, self.epoch) == (other.node, other.epoch) && self.run != other.run && self.run != 0 && other.run != 0
    }

    /// Later beliefs override earlier ones: a later boot, in it a later incarnation, in it the graver state.
    #[must_use]
    pub fn overrides(&self, other: &Self) -> bool {
        (self.epoch, self.incarnation, self.state) > (other.epoch, other.incarnation, other.state)
    }

    /// Whether both speak of the same boot and incarnation.
    #[must_use]
    pub fn is_same_life(&self, other: &Self) -> bool {
        (self.epoch, self.incarnation) == (other.epoch, other.incarnation)
    }
}

/// A belief as it travels: with who could not reach the member themselves, or who has just heard it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// What is believed.
    pub belief: Belief,
    /// Who found it silent, each by probes of its own. Empty unless the belief is a suspicion or a death.
    pub accusers: Accusers,
    /// Who has heard from it since it was suspected.
    pub witness: Option<NodeId>,
}

impl Claim {
    /// A belief that nobody accuses or defends.
    #[must_use]
    pub const fn plain(belief: Belief) -> Self {
        Self { belief, accusers: Accusers::NONE, witness: None }
    }
}

/// A few nodes that say the same independently of each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Accusers([Option<NodeId>; Accusers::MAX]);

impl Accusers {
    /// More than this many change nothing.
    pub const MAX: usize = 4;
    /// Nobody.
    pub const NONE: Self = Self([None; Self::MAX]);

    /// Adds one. Returns whether that changed anything: it was not in, and there was room.
    pub fn insert(&mut self, node: NodeId) -> bool {
        for place in &mut self.0 {
            match place {
                Some(known) if *known == node => return false,
                Some(_) => {}
                None => {
                    *place = Some(node);
                    return true;
                }
            }
        }
        false
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// Each, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.iter().flatten().copied()
    }
}

impl FromIterator<NodeId> for Accusers {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut accusers = Self::NONE;
        nodes.into_iter().for_each(|node| {
            accusers.insert(node);
        });
        accusers
    }
}
