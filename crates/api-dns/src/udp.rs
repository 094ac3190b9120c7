//! The UDP worker: a thread that reads, answers and sends, with nothing between the system calls but the answer.

use crate::answerer::{Answerer, QUERY_MAX};
use crate::counters::Counters;
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often an idle worker looks whether it should stop.
const STOP_POLL: Duration = Duration::from_millis(100);
/// How long a worker waits for room to send before it drops the answer: the client will ask again.
const SEND_WAIT: Duration = Duration::from_millis(20);
/// How long a worker rests when the system refuses to read, so that a broken socket does not burn a core.
const ERROR_REST: Duration = Duration::from_millis(10);

/// Prepares `socket` for [`run`].
pub(crate) fn prepare(socket: &UdpSocket) -> io::Result<()> {
    socket.set_read_timeout(Some(STOP_POLL))?;
    socket.set_write_timeout(Some(SEND_WAIT))
}

/// Answers until `stop`.
pub(crate) fn run(socket: &UdpSocket, mut answerer: Answerer, counters: &Arc<Counters>, stop: &AtomicBool) {
    // One octet more than the longest query, so that a longer one shows.
    let mut query = [0; QUERY_MAX + 1];
    let mut out = Vec::with_capacity(QUERY_MAX);
    while !stop.load(Ordering::Relaxed) {
        match socket.recv_from(&mut query) {
            Ok((length, from)) => {
                if answerer.answer(&query[..length], &mut out) && socket.send_to(&out, from).is_err() {
                    counters.unsent.add(1);
                }
            }
            Err(error) if is_idle(error.kind()) => {}
            Err(error) => {
                counters.refused_by_system.add(1);
                tracing::debug!(%error, "DNS: cannot read UDP");
                std::thread::sleep(ERROR_REST);
            }
        }
    }
}

fn is_idle(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
