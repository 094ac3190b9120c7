//! What a network interface bears: one byte after the other.

use crate::nodes::Nodes;
use crate::protocol::Index;

/// All interfaces that have a limit.
#[derive(Debug, Default)]
pub(crate) struct Nics {
    /// Empty: nobody has a limit.
    each: Vec<Nic>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Nic {
    /// Zero: without limit.
    bytes_per_second: u64,
    /// When it has sent everything it was given. World time, nanoseconds: microseconds are too coarse for small messages.
    free_at: u128,
}

impl Nics {
    /// Sets the limit of some of `count` nodes.
    pub(crate) fn limit(&mut self, nodes: &Nodes, count: usize, bytes_per_second: Option<u64>) {
        if self.each.is_empty() && bytes_per_second.is_some() {
            self.each = vec![Nic::default(); count];
        }
        for node in nodes.iter() {
            if let Some(nic) = self.each.get_mut(node as usize) {
                nic.bytes_per_second = bytes_per_second.unwrap_or(0);
            }
        }
    }

    /// When the last byte has left, in microseconds, of what is given to the interface at `at`.
    pub(crate) fn leaves(&mut self, node: Index, at: u64, wire_bytes: u64) -> u64 {
        let Some(nic) = self.each.get_mut(node as usize).filter(|nic| nic.bytes_per_second > 0) else { return at };
        let takes = u128::from(wire_bytes) * 1_000_000_000 / u128::from(nic.bytes_per_second);
        nic.free_at = nic.free_at.max(u128::from(at) * 1_000) + takes;
        u64::try_from(nic.free_at.div_ceil(1_000)).unwrap_or(u64::MAX)
    }
}
