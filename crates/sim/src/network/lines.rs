//! Lines that bear only so much: what exceeds it waits, and what waits too long is dropped.
//!
//! A node has a line to the network, with a queue each way. Datagrams that find their queue full are dropped, as a kernel
//! drops them. Stream messages wait at their sender, who is told nothing and drops what exceeds its bound, as the transport
//! does; on the line they go in pieces, peer after peer and in turn with datagrams, so that nobody is starved.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What each node's line bears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Each way, headers included.
    pub bytes_per_second: u64,
    /// Bytes of datagrams that wait in front of it and behind it, before more are dropped.
    pub datagram_bytes_max: usize,
    /// Bytes of stream messages to one peer that wait or are on their way, before more are dropped.
    pub stream_bytes_max: usize,
}

/// What the headers and the seal of each packet cost beside its payload: 28 bytes of IPv4 and UDP, 41 of the seal.
pub const PACKET_OVERHEAD_BYTES: usize = 69;
/// A stream's payload in one packet.
const PIECE_BYTES: usize = 1_150;

/// Which queue of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Way {
    /// From the node to the network.
    Out,
    /// From the network to the node.
    In,
}

/// A datagram, or a piece of a stream message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Piece {
    /// The node that sends it.
    pub(crate) from: usize,
    /// The node it is for.
    pub(crate) to: usize,
    /// Whether it is a piece of a stream message.
    pub(crate) stream: bool,
    /// Its size, without what every packet costs.
    pub(crate) size: usize,
    /// The payload; of a stream message, the whole of it comes with the last piece.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// What lines have borne, and what waits in front of them and behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Bytes carried out of nodes, headers included.
    pub bytes_out: u64,
    /// Datagrams that found a queue full, at either end.
    pub datagrams_dropped: u64,
    /// Stream messages that found too many bytes waiting for their peer.
    pub messages_dropped: u64,
    /// Most bytes of datagrams that ever waited in one queue.
    pub datagram_bytes_most: usize,
    /// Most bytes of stream messages that one node ever had waiting or on their way.
    pub stream_bytes_most: usize,
}

/// One end of a node's line.
#[derive(Clone, Debug, Default)]
struct Queue {
    datagrams: VecDeque<Piece>,
    datagram_bytes: usize,
    streams: BTreeMap<usize, VecDeque<Piece>>,
    /// The peer whose stream had its turn last.
    turn: usize,
    /// A stream's piece went last.
    stream_was: bool,
    /// What is on the line.
    under_way: Option<Piece>,
}

/// The lines of all nodes.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    line: Line,
    queues: BTreeMap<(usize, Way), Queue>,
    /// Bytes of stream messages that have not arrived, by sender and receiver.
    unread: BTreeMap<(usize, usize), usize>,
    load: Load,
}

impl Lines {
    pub(crate) fn new(line: Line) -> Self {
        Self { line, queues: BTreeMap::new(), unread: BTreeMap::new(), load: Load::default() }
    }

    pub(crate) fn load(&self) -> Load {
        self.load
    }

    /// Bytes of stream messages from `node` that have not arrived.
    pub(crate) fn unread(&self, node: usize) -> usize {
        self.unread.range((node, 0)..=(node, usize::MAX)).map(|(_, bytes)| bytes).sum()
    }

    /// Takes in a packet that `from` sends. If its line was idle: how long until [`Lines::finish`].
    pub(crate) fn send(&mut self, from: usize, to: usize, stream: bool, bytes: Vec<u8>) -> Option<Duration> {
        if !stream {
            let size = bytes.len();
            return self.offer(Way::Out, Piece { from, to, stream, size, bytes: Some(bytes) });
        }
        let unread = self.unread.entry((from, to)).or_default();
        if *unread + bytes.len() > self.line.stream_bytes_max {
            self.load.messages_dropped += 1;
            return None;
        }
        *unread += bytes.len();
        self.load.stream_bytes_most = self.load.stream_bytes_most.max(self.unread(from));
        let mut left = bytes.len();
        let mut begins = None;
        while left > PIECE_BYTES {
            left -= PIECE_BYTES;
            let piece = Piece { from, to, stream, size: PIECE_BYTES, bytes: None };
            begins = begins.or(self.offer(Way::Out, piece));
        }
        begins.or(self.offer(Way::Out, Piece { from, to, stream, size: left, bytes: Some(bytes) }))
    }

    /// Puts a piece in its queue: at its sender's end, or at its receiver's. If that line was idle: how long until
    /// [`Lines::finish`].
    pub(crate) fn offer(&mut self, way: Way, piece: Piece) -> Option<Duration> {
        let (node, peer) = if way == Way::Out { (piece.from, piece.to) } else { (piece.to, piece.from) };
        let queue = self.queues.entry((node, way)).or_default();
        if piece.stream {
            queue.streams.entry(peer).or_default().push_back(piece);
        } else if queue.datagram_bytes + piece.size + PACKET_OVERHEAD_BYTES > self.line.datagram_bytes_max {
            self.load.datagrams_dropped += 1;
        } else {
            queue.datagram_bytes += piece.size + PACKET_OVERHEAD_BYTES;
            self.load.datagram_bytes_most = self.load.datagram_bytes_most.max(queue.datagram_bytes);
            queue.datagrams.push_back(piece);
        }
        if queue.under_way.is_some() { None } else { self.begin(node, way) }
    }

    /// What was on the line is through. Also how long the next takes, if there is one.
    pub(crate) fn finish(&mut self, node: usize, way: Way) -> (Option<Piece>, Option<Duration>) {
        let done = self.queues.get_mut(&(node, way)).and_then(|queue| queue.under_way.take());
        if let Some(done) = &done {
            match way {
                Way::Out => self.load.bytes_out += (done.size + PACKET_OVERHEAD_BYTES) as u64,
                Way::In => self.arrived(done),
            }
        }
        (done, self.begin(node, way))
    }

    /// A piece arrived or was lost: it waits no longer.
    pub(crate) fn arrived(&mut self, piece: &Piece) {
        if let Some(unread) = self.unread.get_mut(&(piece.from, piece.to)).filter(|_| piece.stream) {
            *unread -= piece.size;
        }
    }

    fn begin(&mut self, node: usize, way: Way) -> Option<Duration> {
        let queue = self.queues.get_mut(&(node, way))?;
        let next = queue.next()?;
        let bytes = (next.size + PACKET_OVERHEAD_BYTES) as u64;
        queue.under_way = Some(next);
        Some(Duration::from_micros((bytes * 1_000_000).div_ceil(self.line.bytes_per_second)))
    }
}

impl Queue {
    /// The next to go: datagrams and streams in turn, and each peer's stream in turn with the others'.
    fn next(&mut self) -> Option<Piece> {
        let stream = self.datagrams.is_empty() || (!self.stream_was && !self.streams.is_empty());
        self.stream_was = stream;
        if !stream {
            let next = self.datagrams.pop_front()?;
            self.datagram_bytes -= next.size + PACKET_OVERHEAD_BYTES;
            return Some(next);
        }
        let after = self.streams.range(self.turn + 1..).next();
        let (peer, _) = after.or_else(|| self.streams.iter().next())?;
        self.turn = *peer;
        let pieces = self.streams.get_mut(&self.turn)?;
        let next = pieces.pop_front();
        if pieces.is_empty() {
            self.streams.remove(&self.turn);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Line = Line { bytes_per_second: 1_000_000, datagram_bytes_max: 2_000, stream_bytes_max: 10_000 };

    /// Lets everything through that waits at one end: sizes and whether they are streams', in order.
    fn drain(lines: &mut Lines, node: usize, way: Way) -> Vec<(usize, bool)> {
        std::iter::from_fn(|| lines.finish(node, way).0).map(|piece| (piece.size, piece.stream)).collect()
    }

    #[test]
    fn a_line_takes_its_time() {
        let mut lines = Lines::new(LINE);
        assert_eq!(lines.send(0, 1, false, vec![0; 931]), Some(Duration::from_millis(1)));
        assert_eq!(lines.send(0, 1, false, vec![0; 431]), None);
        assert_eq!(lines.finish(0, Way::Out).1, Some(Duration::from_micros(500)));
        assert_eq!(lines.finish(0, Way::Out).1, None);
        assert_eq!(lines.load().bytes_out, 1_500);
    }

    #[test]
    fn datagrams_beyond_the_queue_are_dropped_and_those_in_it_are_not() {
        let mut lines = Lines::new(LINE);
        // The first is on the line at once, two wait, and the fourth is one too many.
        for _ in 0..4 {
            lines.send(0, 1, false, vec![0; 900]);
        }
        assert_eq!(lines.load().datagrams_dropped, 1);
        assert_eq!(drain(&mut lines, 0, Way::Out).len(), 3);
    }

    #[test]
    fn streams_and_datagrams_take_turns_and_so_do_peers() {
        let mut lines = Lines::new(LINE);
        lines.send(0, 1, true, vec![0; 3 * PIECE_BYTES]);
        lines.send(0, 2, true, vec![0; 7]);
        lines.send(0, 1, false, vec![0; 1]);
        lines.send(0, 1, false, vec![0; 2]);
        let expected =
            [(PIECE_BYTES, true), (1, false), (7, true), (2, false), (PIECE_BYTES, true), (PIECE_BYTES, true)];
        assert_eq!(drain(&mut lines, 0, Way::Out), expected);
    }

    #[test]
    fn what_a_peer_has_not_read_is_bounded() {
        let mut lines = Lines::new(LINE);
        lines.send(0, 1, true, vec![0; 9_000]);
        lines.send(0, 1, true, vec![0; 2_000]);
        lines.send(0, 2, true, vec![0; 2_000]);
        assert_eq!((lines.unread(0), lines.load().messages_dropped), (11_000, 1));
        while let (Some(piece), _) = lines.finish(0, Way::Out) {
            lines.offer(Way::In, piece);
        }
        assert_eq!(lines.unread(0), 11_000, "it left, and was not read");
        drain(&mut lines, 1, Way::In);
        assert_eq!(lines.unread(0), 2_000);
    }
}
