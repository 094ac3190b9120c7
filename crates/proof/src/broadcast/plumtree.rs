//! Plumtree (Leitão, Pereira, Rodrigues, SRDS 2007) in the form that Corrosion gave it (superfly/corrosion, `plum-foca`).
//!
//! Each node has eager neighbours, to whom it sends updates, and lazy ones, to whom it only says which it has. Corrosion's form
//! differs from the paper's: a neighbour is made lazy only when some update came more than five times; whoever sent an update
//! first is not made eager by that; and neighbours are chosen by round trip, half of them near, and two next to it in the
//! order of names, who stay eager for ever.

mod neighbours;
mod node;

use super::spreader::{Design, Places};
use core::time::Duration;
use whither_population::Route;

pub use node::PlumtreeNode;

/// The design, with the settings of production.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plumtree {
    /// How many eager neighbours each node begins with; lazy ones are half as many again, and at most twice as many.
    pub eager: usize,
    /// How long to wait for an update that a lazy neighbour has, before asking for it.
    pub patience: Duration,
    /// How often a node tells its lazy neighbours what it has.
    pub tick: Duration,
    /// How many rounds nearer a lazy neighbour must have been to be made eager for that.
    pub nearer: u16,
    /// How often an update may come before its sender is made lazy.
    pub copies: u16,
    /// Whether neighbours are chosen by round trip.
    pub near_first: bool,
    /// How messages are sent: streams of QUIC in production, datagrams in its own simulation.
    pub route: Route,
}

impl Plumtree {
    /// The settings of production, with eight eager neighbours.
    #[must_use]
    pub const fn new(route: Route) -> Self {
        Self {
            eager: 8,
            patience: Duration::from_millis(200),
            tick: Duration::from_millis(200),
            nearer: 5,
            copies: 5,
            near_first: true,
            route,
        }
    }
}

impl Design for Plumtree {
    type Node = PlumtreeNode;

    fn name(&self) -> String {
        let route = if self.route == Route::Datagram { "datagrams" } else { "streams" };
        let blind = if self.near_first { "" } else { ", blind" };
        format!("Plumtree {}{blind}, {route}", self.eager)
    }

    fn learns_from(&self) -> u32 {
        200
    }

    fn nodes(&self, places: &Places, seed: u64) -> Vec<PlumtreeNode> {
        (0..places.members()).map(|me| PlumtreeNode::new(me, *self, places, seed)).collect()
    }
}
