//! Everything the transport counts. One table makes the live counters, the snapshot and the list for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $help:literal])+ $name:ident,)+) => {
        /// The live counters.
        #[derive(Default)]
        pub(crate) struct Tally {
            $(pub(crate) $name: AtomicU64,)+
        }

        impl Tally {
            pub(crate) fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }

        /// What a transport has done since it was bound. Every number only grows.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $help])+ pub $name: u64,)+
        }

        impl Counters {
            /// Name, help text and value of each counter, in a stable order. Names are those of the fields, as
            /// `transport_…_total`.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + use<> {
                [$((concat!("transport_", stringify!($name), "_total"), concat!($($help),+).trim_ascii(), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Sealed datagrams handed to the kernel, one per destination
    datagrams_sent,
    /// Bytes of sealed datagrams handed to the kernel, seal included
    datagram_bytes_sent,
    /// Authentic datagrams passed on
    datagrams_received,
    /// Bytes of authentic datagrams passed on, seal included
    datagram_bytes_received,
    /// Incoming datagrams dropped: neither QUIC nor of our format
    datagrams_dropped_malformed,
    /// Incoming datagrams dropped: not sealed with a key of this cluster, or altered
    datagrams_dropped_unauthenticated,
    /// Incoming datagrams dropped: seen before, too old, or of a boot that has been succeeded
    datagrams_dropped_replayed,
    /// Incoming datagrams dropped: our own, sent back to us
    datagrams_dropped_reflected,
    /// Incoming datagrams dropped: the inbound channel was full or closed
    datagrams_dropped_queue_full,
    /// Outgoing datagrams dropped: the payload was too large
    datagrams_dropped_oversized,
    /// Outgoing datagrams dropped: the kernel would not take them, or the transport was closed
    datagrams_dropped_send_failed,
    /// Messages acknowledged by the peer
    messages_sent,
    /// Bytes of messages acknowledged by the peer
    message_bytes_sent,
    /// Messages passed on
    messages_received,
    /// Bytes of messages passed on
    message_bytes_received,
    /// Outgoing messages sent again because their connection died
    messages_retried,
    /// Outgoing messages dropped: larger than a message may be
    messages_dropped_oversized,
    /// Outgoing messages dropped: too many bytes wait already, for this peer or for all
    messages_dropped_queue_full,
    /// Outgoing messages dropped: the peer could not be reached or did not prove membership
    messages_dropped_dial_failed,
    /// Outgoing messages dropped: two connections died under them
    messages_dropped_connection_lost,
    /// Outgoing messages dropped: the peer would not read them
    messages_dropped_refused,
    /// Outgoing messages dropped: the transport was closed
    messages_dropped_closed,
    /// Incoming messages refused: larger than a message may be
    messages_refused_oversized,
    /// Incoming messages refused: too many bytes of messages wait already
    messages_refused_overload,
    /// Incoming messages given up: the stream ended or stalled before the message did
    messages_refused_incomplete,
    /// Incoming messages given up: nobody reads the inbound channel any more
    messages_refused_closed,
    /// Questions put to peers
    questions_asked,
    /// Answers that came back whole
    answers_received,
    /// Bytes of answers that came back whole
    answer_bytes_received,
    /// Questions put to peers that were not answered in time
    questions_timed_out,
    /// Questions put to peers that ended without an answer for another reason: unreachable, refused, broken off, taken back
    questions_failed,
    /// Outgoing questions dropped: larger than a question may be
    questions_dropped_oversized,
    /// Outgoing questions dropped: as many are open as there may be
    questions_dropped_busy,
    /// Questions of peers passed on
    questions_received,
    /// Answers acknowledged by the peer that asked
    answers_sent,
    /// Bytes of answers acknowledged by the peer that asked
    answer_bytes_sent,
    /// Questions of peers refused: nobody answers questions on this node
    questions_refused_nobody,
    /// Questions of peers refused: too many are being answered already
    questions_refused_overload,
    /// Questions of peers refused: larger than a question may be
    questions_refused_oversized,
    /// Questions of peers given up: the stream ended or stalled before the question did
    questions_refused_incomplete,
    /// Questions of peers that whoever answers here left without an answer, or did not answer in time
    answers_missing,
    /// Answers dropped: larger than a message may be
    answers_dropped_oversized,
    /// Answers dropped: the peer that asked no longer waited for them
    answers_dropped_unwanted,
    /// Connections opened by us
    connections_dialled,
    /// Connections opened by peers
    connections_accepted,
    /// Connections that have ended, whoever opened them
    connections_closed,
    /// Incoming connections turned away: there are too many
    connections_refused,
    /// Dials that led to no connection, for whatever reason
    dials_failed,
    /// Handshakes, either way, that did not prove membership of one cluster
    handshakes_failed,
    /// Incoming handshakes that were not finished in time
    handshakes_timed_out,
}

impl Counters {
    /// Connections open when the snapshot was taken.
    pub fn connections_open(&self) -> u64 {
        (self.connections_dialled + self.connections_accepted).saturating_sub(self.connections_closed)
    }

    /// All datagrams dropped, both ways, for whatever reason.
    pub fn datagrams_dropped(&self) -> u64 {
        self.sum_of("transport_datagrams_dropped_")
    }

    /// All outgoing messages dropped, for whatever reason.
    pub fn messages_dropped(&self) -> u64 {
        self.sum_of("transport_messages_dropped_")
    }

    fn sum_of(&self, prefix: &str) -> u64 {
        self.iter().filter(|(name, _, _)| name.starts_with(prefix)).map(|(_, _, value)| value).sum()
    }
}

/// Adds one. Relaxed: a counter orders nothing.
pub(crate) fn count(counter: &AtomicU64) {
    count_by(counter, 1);
}

/// Adds `amount`.
pub(crate) fn count_by(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_listed_with_a_help_text() {
        let tally = Tally::default();
        count(&tally.datagrams_dropped_replayed);
        count_by(&tally.datagrams_dropped_malformed, 2);
        let counters = tally.snapshot();
        assert_eq!(counters.datagrams_dropped(), 3);
        assert_eq!(counters.messages_dropped(), 0);
        assert!(
            counters
                .iter()
                .all(|(name, help, _)| name.starts_with("transport_") && name.ends_with("_total") && !help.is_empty())
        );
        assert_eq!(counters.iter().count() * size_of::<u64>(), size_of::<Counters>());
    }
}
