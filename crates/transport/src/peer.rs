//! What is kept per peer address: messages that wait, bytes under way, and a connection to reuse.
//!
//! One lock guards it all. Under it there is only bookkeeping, never a wait.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use quinn::Connection;
use tokio::sync::Notify;

use crate::limits::PEERS_MAX;

/// What a message costs beyond its bytes, so that empty ones are bounded too.
const LETTER_OVERHEAD_BYTES: usize = 64;

/// A message on its way to one peer.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) bytes: Bytes,
    /// A connection has died under it already.
    pub(crate) retried: bool,
}

impl Letter {
    fn cost(&self) -> usize {
        self.bytes.len() + LETTER_OVERHEAD_BYTES
    }
}

/// What became of a posted message.
pub(crate) enum Posted {
    /// It waits, and a worker knows of it.
    Queued,
    /// It waits, and the caller must start a worker that listens to this.
    NeedsWorker(Arc<Notify>),
    /// It was dropped: a bound was reached.
    Full,
    /// It was dropped: the transport is closed.
    Closed,
}

#[derive(Default)]
struct Entry {
    queue: VecDeque<Letter>,
    /// Messages queued or under way, and their cost. Invariant: the cost is part of the table's.
    letters: usize,
    cost: usize,
    /// Rung when there is a new message or a new connection.
    wake: Arc<Notify>,
    working: bool,
    connection: Option<Connection>,
    /// It has granted a stream for a question, over this connection or an earlier one.
    grants: bool,
}

#[derive(Default)]
struct Table {
    entries: HashMap<SocketAddr, Entry>,
    cost: usize,
    closed: bool,
}

impl Table {
    fn release(&mut self, peer: SocketAddr, letters: usize, cost: usize) {
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.letters -= letters;
            entry.cost -= cost;
            self.cost -= cost;
        }
    }

    fn forget_if_idle(&mut self, peer: SocketAddr) {
        if self.entries.get(&peer).is_some_and(|entry| !entry.working && entry.connection.is_none()) {
            self.entries.remove(&peer);
        }
    }
}

/// All peers.
pub(crate) struct Peers {
    table: Mutex<Table>,
    peer_cost_max: usize,
    cost_max: usize,
}

impl Peers {
    pub(crate) fn new(peer_bytes_max: usize, bytes_max: usize) -> Self {
        Self { table: Mutex::default(), peer_cost_max: peer_bytes_max, cost_max: bytes_max }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change below leaves the table whole before anything could panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message.
    pub(crate) fn post(&self, peer: SocketAddr, bytes: Bytes) -> Posted {
        let table = &mut *self.table();
        if table.closed {
            return Posted::Closed;
        }
        if table.entries.len() >= PEERS_MAX && !table.entries.contains_key(&peer) {
            return Posted::Full;
        }
        let letter = Letter { bytes, retried: false };
        let cost = letter.cost();
        let queued = table.entries.get(&peer).map_or(0, |entry| entry.cost);
        if queued + cost > self.peer_cost_max || table.cost + cost > self.cost_max {
            return Posted::Full;
        }
        let entry = table.entries.entry(peer).or_default();
        entry.queue.push_back(letter);
        entry.letters += 1;
        entry.cost += cost;
        table.cost += cost;
        if entry.working {
            entry.wake.notify_one();
            return Posted::Queued;
        }
        entry.working = true;
        Posted::NeedsWorker(entry.wake.clone())
    }

    /// Whether a message waits.
    pub(crate) fn has_waiting(&self, peer: SocketAddr) -> bool {
        self.table().entries.get(&peer).is_some_and(|entry| !entry.queue.is_empty())
    }

    /// Takes the next message. It counts as under way until [`settle`](Self::settle) or [`put_back`](Self::put_back).
    pub(crate) fn next(&self, peer: SocketAddr) -> Option<Letter> {
        self.table().entries.get_mut(&peer)?.queue.pop_front()
    }

    /// A message that was under way is done with, well or badly.
    pub(crate) fn settle(&self, peer: SocketAddr, letter: &Letter) {
        self.table().release(peer, 1, letter.cost());
    }

    /// A message that was under way shall be sent again, before all others.
    pub(crate) fn put_back(&self, peer: SocketAddr, letter: Letter) {
        if let Some(entry) = self.table().entries.get_mut(&peer) {
            entry.queue.push_front(letter);
        }
    }

    /// Drops all messages that wait and returns how many.
    pub(crate) fn drop_waiting(&self, peer: SocketAddr) -> usize {
        let table = &mut *self.table();
        let Some(entry) = table.entries.get_mut(&peer) else { return 0 };
        let dropped = std::mem::take(&mut entry.queue);
        table.release(peer, dropped.len(), dropped.iter().map(Letter::cost).sum());
        dropped.len()
    }

    /// The connection to use, if there is one that has not ended.
    pub(crate) fn connection(&self, peer: SocketAddr) -> Option<Connection> {
        let table = self.table();
        let connection = table.entries.get(&peer)?.connection.as_ref()?;
        connection.close_reason().is_none().then(|| connection.clone())
    }

    /// Uses this connection from now on. The newest is the best: an older one may belong to a past boot of the peer.
    pub(crate) fn attach(&self, peer: SocketAddr, connection: Connection) {
        let mut table = self.table();
        if table.closed || (table.entries.len() >= PEERS_MAX && !table.entries.contains_key(&peer)) {
            return;
        }
        let entry = table.entries.entry(peer).or_default();
        entry.connection = Some(connection);
        entry.wake.notify_one();
    }

    /// The peer has granted a stream for a question.
    pub(crate) fn granted(&self, peer: SocketAddr) {
        if let Some(entry) = self.table().entries.get_mut(&peer) {
            entry.grants = true;
        }
    }

    /// Whether the peer has ever granted a stream for a question, as far as is remembered.
    pub(crate) fn grants(&self, peer: SocketAddr) -> bool {
        self.table().entries.get(&peer).is_some_and(|entry| entry.grants)
    }

    /// Uses this connection no more.
    pub(crate) fn detach(&self, peer: SocketAddr, connection: usize) {
        let mut table = self.table();
        let Some(entry) = table.entries.get_mut(&peer) else { return };
        if entry.connection.as_ref().is_some_and(|current| current.stable_id() == connection) {
            entry.connection = None;
        }
        table.forget_if_idle(peer);
    }

    /// Lets the worker go, unless a message came meanwhile.
    pub(crate) fn retire_worker(&self, peer: SocketAddr) -> bool {
        let mut table = self.table();
        let Some(entry) = table.entries.get_mut(&peer) else { return true };
        if !entry.queue.is_empty() {
            return false;
        }
        entry.working = false;
        table.forget_if_idle(peer);
        true
    }

    /// Forgets everything, for good, and returns how many messages were queued or under way.
    pub(crate) fn close(&self) -> usize {
        let table = &mut *self.table();
        let letters = table.entries.values().map(|entry| entry.letters).sum();
        *table = Table { closed: true, ..Table::default() };
        letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn bytes_under_way_count_until_settled() {
        let peers = Peers::new(1000, 1500);
        let message = || Bytes::from(vec![0; 700]);
        assert!(matches!(peers.post(peer(1), message()), Posted::NeedsWorker(_)));
        let letter = peers.next(peer(1)).expect("a message waits");
        assert!(matches!(peers.post(peer(1), message()), Posted::Full), "the peer's bound");
        assert!(matches!(peers.post(peer(2), message()), Posted::Full), "everybody's bound");
        peers.put_back(peer(1), letter);
        let letter = peers.next(peer(1)).expect("it waits again");
        peers.settle(peer(1), &letter);
        assert!(matches!(peers.post(peer(1), message()), Posted::Queued));
        assert_eq!(peers.drop_waiting(peer(1)), 1);
        assert!(matches!(peers.post(peer(2), message()), Posted::NeedsWorker(_)));
    }

    #[test]
    fn empty_messages_are_bounded_too() {
        let peers = Peers::new(10 * LETTER_OVERHEAD_BYTES, usize::MAX);
        let accepted = (0..100).filter(|_| !matches!(peers.post(peer(1), Bytes::new()), Posted::Full)).count();
        assert_eq!(accepted, 10);
    }

    #[test]
    fn a_worker_leaves_only_an_empty_queue_and_leaves_nothing_behind() {
        let peers = Peers::new(1000, 1000);
        assert!(matches!(peers.post(peer(1), Bytes::new()), Posted::NeedsWorker(_)));
        assert!(!peers.retire_worker(peer(1)));
        let letter = peers.next(peer(1)).expect("a message waits");
        peers.settle(peer(1), &letter);
        assert!(peers.retire_worker(peer(1)));
        assert!(peers.table().entries.is_empty());
        assert_eq!(peers.table().cost, 0);
    }

    #[test]
    fn closing_counts_what_was_lost_and_takes_no_more() {
        let peers = Peers::new(1000, 1000);
        peers.post(peer(1), Bytes::new());
        peers.post(peer(1), Bytes::new());
        let _under_way = peers.next(peer(1));
        assert_eq!(peers.close(), 2);
        assert!(matches!(peers.post(peer(1), Bytes::new()), Posted::Closed));
        assert_eq!(peers.close(), 0);
    }
}
