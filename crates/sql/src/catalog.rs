//! The catalog as tables, so that SQL can ask it and join it with users' tables.
//!
//! `services`, `instances`, `checks`, `nodes` and `members` are virtual tables over the [`View`] that everybody else answers
//! from: nothing is copied into SQLite, and nothing can be written. A table of a user's own that has one of these names hides
//! ours; under `whither_services` and so on they are found all the same.
//!
//! What a statement sees of the catalog is [`Pinned`]: one view, and one moment to tell ages by, however long it takes.

mod adapter;
mod cell;
mod checks;
mod instances;
mod nodes;
mod plan;
mod services;
mod table;

use arc_swap::ArcSwapOption;
use rusqlite::Connection;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;
use whither_directory::{Directory, View};
use whither_model::{Instant, NodeId};

/// The view that statements on one connection see. Set before a statement begins, the same until it ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pinned(Arc<ArcSwapOption<Snapshot>>);

impl Pinned {
    /// From now on, statements see the catalog as it is now. Those that have begun should have ended.
    pub(crate) fn pin(&self, directory: &Arc<Directory>) {
        self.0.store(Some(Arc::new(Snapshot::of(directory))));
    }
}

/// The catalog at one moment.
#[derive(Debug)]
struct Snapshot {
    view: Arc<View>,
    now: Instant,
    own: NodeId,
    /// How long ago, at most, what each node had said was known, by id.
    ages: Box<[(NodeId, Option<Duration>)]>,
}

impl Snapshot {
    /// The points up to which nodes are known move on while a statement runs, and belong to later views then. So ages are
    /// taken here, and before the view: it shows at least what was known by then, and no age is below the truth.
    fn of(directory: &Directory) -> Self {
        let now = directory.clock().now();
        let ages = directory.peek().nodes().iter().map(|node| (node.member.id, node.age(now))).collect();
        Self { view: directory.view(), now, own: directory.identity().node, ages }
    }

    /// How long ago, at most, what `node` had said was known; `None` if that cannot be said.
    fn age_of(&self, node: NodeId) -> Option<Duration> {
        if node == self.own {
            return Some(Duration::ZERO);
        }
        let at = self.ages.binary_search_by_key(&node, |(id, _)| *id).ok()?;
        self.ages.get(at)?.1
    }
}

/// Where the tables of one connection read from.
#[derive(Clone, Debug)]
struct Source {
    pinned: Pinned,
    /// Of rowids, which are hashes: nobody else can find two names that share one.
    keys: RandomState,
}

/// Adds the tables to a connection. They fail until something is pinned.
///
/// # Errors
/// What SQLite says.
pub(crate) fn install(conn: &Connection, pinned: &Pinned) -> rusqlite::Result<()> {
    let source = Source { pinned: pinned.clone(), keys: RandomState::new() };
    adapter::register::<services::Services>(conn, &source)?;
    adapter::register::<instances::Instances>(conn, &source)?;
    adapter::register::<checks::Checks>(conn, &source)?;
    adapter::register::<nodes::Nodes>(conn, &source)?;
    adapter::register::<nodes::Members>(conn, &source)
}

#[cfg(test)]
mod tests;
