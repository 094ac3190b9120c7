//! QUIC: two transports of our own in this process, and nothing above them.

use crate::sample::Sample;
use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;
use whither_transport::{ClusterSecret, Config, Inbound, Transport};

/// What travels in a round trip: about one change.
const PAYLOAD_BYTES: usize = 135;
/// One message of a bulk transfer.
const MESSAGE_BYTES: usize = 256 * 1024;
/// Messages of a bulk transfer on their way: far below what the transport queues for one peer.
const MESSAGES_ON_THE_WAY: usize = 16;
/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(10);

struct End {
    transport: Transport,
    inbound: Receiver<Inbound>,
}

impl End {
    async fn new(secret: &ClusterSecret, node: u64) -> Result<Self> {
        let (sender, inbound) = channel(MESSAGES_ON_THE_WAY);
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let transport = Transport::bind(Config::new(bind, secret.clone(), node, 1), sender).await?;
        Ok(Self { transport, inbound })
    }

    fn address(&self) -> SocketAddr {
        self.transport.local_addr()
    }

    async fn next(&mut self) -> Result<Bytes> {
        let packet = timeout(PATIENCE, self.inbound.recv()).await.context("no message over QUIC")?;
        match packet.ok_or_else(|| anyhow!("the transport has closed"))? {
            Inbound::Message { bytes, .. } | Inbound::Datagram { bytes, .. } => Ok(bytes),
        }
    }
}

/// Two ends that know each other already.
async fn pair() -> Result<(End, End)> {
    let secret = ClusterSecret::generate();
    let (mut a, mut b) = (End::new(&secret, 1).await?, End::new(&secret, 2).await?);
    a.transport.send_message(b.address(), Bytes::from_static(b"hello"));
    b.next().await?;
    b.transport.send_message(a.address(), Bytes::from_static(b"hello"));
    a.next().await?;
    Ok((a, b))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no Tokio runtime")
}

/// How long a message there and one back take, microseconds, at most `n` times and `duration`. Each is a stream.
pub(crate) fn round_trips(n: usize, duration: Duration) -> Result<Sample> {
    runtime()?.block_on(async {
        let (mut a, mut b) = pair().await?;
        let (there, back) = (b.address(), a.address());
        let answering = tokio::spawn(async move {
            while let Ok(bytes) = b.next().await {
                b.transport.send_message(back, bytes);
            }
        });
        let payload = Bytes::from_static(&[7; PAYLOAD_BYTES]);
        let until = Instant::now() + duration;
        let mut taken = Vec::with_capacity(n);
        while taken.len() < n && Instant::now() < until {
            let begun = Instant::now();
            a.transport.send_message(there, payload.clone());
            a.next().await?;
            taken.push(begun.elapsed());
        }
        answering.abort();
        a.transport.close().await;
        Ok(Sample::micros(taken))
    })
}

/// What it takes to bring bytes from one end to the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    /// Time.
    pub(crate) elapsed: Duration,
    /// Processor time of both ends, seconds.
    pub(crate) cpu_seconds: f64,
}

/// Brings `bytes` from one end to the other in large messages.
pub(crate) fn transfer(bytes: usize) -> Result<Transfer> {
    runtime()?.block_on(async {
        let (a, mut b) = pair().await?;
        let there = b.address();
        let message = Bytes::from(vec![7; MESSAGE_BYTES]);
        let messages = bytes.div_ceil(MESSAGE_BYTES).max(1);
        let (begun, cpu) = (Instant::now(), own_cpu_seconds());
        let mut sent = 0;
        for received in 0..messages {
            while sent < messages && sent < received + MESSAGES_ON_THE_WAY {
                let size = MESSAGE_BYTES.min(bytes - sent * MESSAGE_BYTES);
                a.transport.send_message(there, message.slice(..size));
                sent += 1;
            }
            b.next().await?;
        }
        let transfer = Transfer { elapsed: begun.elapsed(), cpu_seconds: own_cpu_seconds() - cpu };
        a.transport.close().await;
        Ok(transfer)
    })
}

fn own_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(test)]
mod tests {
    use super::{MESSAGE_BYTES, MESSAGES_ON_THE_WAY, round_trips, transfer};
    use std::time::Duration;

    #[test]
    fn messages_go_there_and_back() {
        let sample = round_trips(5, Duration::from_secs(10)).unwrap();
        assert!(sample.len() > 0 && sample.p50() > 0.0);
    }

    #[test]
    fn a_transfer_of_more_than_the_window_ends() {
        let transfer = transfer((MESSAGES_ON_THE_WAY + 3) * MESSAGE_BYTES + 1).unwrap();
        assert!(transfer.cpu_seconds > 0.0 && !transfer.elapsed.is_zero());
    }
}
