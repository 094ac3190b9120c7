//! Who hears what nodes have to tell.

use crate::protocol::Index;
use whither_model::Instant;

/// Someone outside of the world who sees everything that nodes tell, at the time of the world.
pub trait Watch<E> {
    /// `node` told `event` at `at`, which is world time and not that node's clock.
    fn event(&mut self, at: Instant, node: Index, event: E);
}

/// Nobody watches.
impl<E> Watch<E> for () {
    fn event(&mut self, _at: Instant, _node: Index, _event: E) {}
}

/// Everything is written down, in the order in which it happened.
impl<E> Watch<E> for Vec<(Instant, Index, E)> {
    fn event(&mut self, at: Instant, node: Index, event: E) {
        self.push((at, node, event));
    }
}
