//! Opening a connection, telling why it failed, and pausing before the next attempt.

use std::net::SocketAddr;
use std::time::Duration;

use quinn::{ConnectError, Connection, ConnectionError, Endpoint};
use tokio::time::Instant;

use crate::certificate::PEER_NAME;
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// Why there is no connection. Nothing is left open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// No packet was sent: not an address one can dial from here.
    #[error(transparent)]
    Impossible(#[from] ConnectError),
    /// The handshake failed.
    #[error(transparent)]
    Failed(#[from] ConnectionError),
    /// Nobody answered in time.
    #[error("no answer")]
    TimedOut,
}

impl DialError {
    /// The reason, if it is that the peer is not of our cluster.
    pub(crate) fn stranger(&self) -> Option<&ConnectionError> {
        match self {
            Self::Failed(reason) if is_tls_failure(reason) => Some(reason),
            _ => None,
        }
    }
}

/// Dials `peer` and waits, at most for `patience`, until it has proved that it is of our cluster.
pub(crate) async fn dial(endpoint: &Endpoint, peer: SocketAddr, patience: Duration) -> Result<Connection, DialError> {
    let connecting = endpoint.connect(peer, PEER_NAME)?;
    match tokio::time::timeout(patience, connecting).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(DialError::TimedOut),
    }
}

/// Whether a connection ended because one side did not accept the other's TLS. QUIC sets 256 error codes aside for that
/// (RFC 9000 section 20.1).
pub(crate) fn is_tls_failure(reason: &ConnectionError) -> bool {
    let code = match reason {
        ConnectionError::TransportError(error) => error.code.into(),
        ConnectionError::ConnectionClosed(close) => close.error_code.into(),
        _ => 0,
    };
    (0x100..0x200).contains(&code)
}

/// The pause before the next dial: doubles with each failure.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    pub(crate) fn failed(&mut self) {
        self.until = Some(Instant::now() + pause_after(self.failures));
        self.failures = self.failures.saturating_add(1);
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// When the next dial may begin.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }
}

/// The pause after one more failure, following `failures` others.
fn pause_after(failures: u32) -> Duration {
    BACKOFF_MIN.saturating_mul(1 << failures.min(16)).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_bound() {
        let pauses = [0, 1, 2, 3, 4, 5, 39, u32::MAX].map(|failures| pause_after(failures).as_millis());
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
    }
}
