//! What leaves the core, in an order that cannot be got wrong.

use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;
use whither_gossip::Route;
use whither_model::durable::Batch;
use whither_model::sql::TableWork;
use whither_model::{Delta, Epoch, Outcome, Refusal, Ticket};

/// Bytes for others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// For whom; the same bytes for each.
    pub to: Vec<SocketAddr>,
    /// How.
    pub route: Route,
    /// What, before sealing.
    pub bytes: Bytes,
}

/// Everything that has to be done after an event.
///
/// The epoch is durable before the node's first word, so `transmit` need not wait for the disk. Views are to be published
/// before `replies` go out, so that whoever is told sees it; `durable_replies` stay shut until the journal has made a
/// receipt for `journal`.
#[derive(Debug, Default)]
pub struct Ready {
    /// To send at once.
    pub transmit: Vec<Transmit>,
    /// To show, in order.
    pub deltas: Vec<Delta>,
    /// To answer once the deltas are shown.
    pub replies: Vec<(Ticket, Result<Outcome, Refusal>)>,
    /// To keep, as one atomic step.
    pub journal: Batch,
    /// To answer once `journal` is durable.
    pub durable_replies: DurableReplies,
    /// Somebody else speaks as this node, from this boot or a later one: raise the epoch past it and start again.
    pub impostor: Option<Epoch>,
    /// For whoever applies transactions to users' tables, in order. What comes of it is told with
    /// [`Replica::handle_tables_done`](crate::Replica::handle_tables_done).
    pub tables: Vec<TableWork>,
}

impl Ready {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transmit.is_empty()
            && self.deltas.is_empty()
            && self.replies.is_empty()
            && self.journal.is_empty()
            && self.durable_replies.0.is_empty()
            && self.impostor.is_none()
            && self.tables.is_empty()
    }
}

/// Answers that wait for the disk. Only whoever has the journal's word may open them.
#[derive(Debug, Default)]
pub struct DurableReplies(pub(crate) Vec<(Ticket, Outcome)>);

impl DurableReplies {
    /// Whether anybody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The answers, to be given now that the journal batch that came with them is durable.
    pub fn release(self) -> impl Iterator<Item = (Ticket, Outcome)> {
        self.0.into_iter()
    }
}
