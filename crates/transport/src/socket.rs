//! The one UDP socket, and the sorting of what arrives: sealed datagrams to us, everything else to QUIC.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{mpsc, oneshot};

use crate::alarm::Alarm;
use crate::config::Config;
use crate::counters::{Tally, count, count_by};
use crate::error::BindError;
use crate::open::{OpenError, Opener};
use crate::port_owner::{PortKind, whose_port};
use crate::seal::QUIC_FIXED_BIT;
use crate::transport::Inbound;

/// Batches of sealed datagrams taken in a row before QUIC gets its turn: the lock of its endpoint is held meanwhile.
const BATCHES_MAX: usize = 4;

/// Binds the socket, non-blocking, with large buffers if the kernel grants them.
pub(crate) fn bind(config: &Config) -> Result<UdpSocket, BindError> {
    let address = config.bind;
    let bound = || -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // Best effort: where it fails, IPv4 peers are out of reach, and their dials say so.
            let _ = socket.set_only_v6(false);
        }
        // Best effort: the kernel caps both at its own limits, and smaller buffers only lose more in a burst.
        let _ = socket.set_recv_buffer_size(config.socket_buffer_bytes);
        let _ = socket.set_send_buffer_size(config.socket_buffer_bytes);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    bound().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::PortInUse { address, owner: whose_port(PortKind::Udp, address) },
        _ => BindError::Socket { address, source },
    })
}

/// The address as its owner would write it: IPv4 also where a socket for both families maps it into IPv6.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The address as a socket of the family of `local` needs it.
pub(crate) fn reachable_from(local: SocketAddr, address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if local.is_ipv6() => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        _ => address,
    }
}

/// Where opened datagrams go.
pub(crate) struct DatagramSink {
    pub(crate) opener: Opener,
    pub(crate) inbound: mpsc::Sender<Inbound>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) alarm: Arc<Alarm>,
}

impl DatagramSink {
    fn take(&mut self, from: SocketAddr, datagram: &mut [u8]) {
        let from = canonical(from);
        let size = datagram.len();
        let payload = match self.opener.open(datagram) {
            Ok(payload) => Bytes::copy_from_slice(payload),
            Err(error) => return self.refuse(from, error),
        };
        if self.inbound.try_send(Inbound::Datagram { from, bytes: payload }).is_err() {
            return count(&self.tally.datagrams_dropped_queue_full);
        }
        count(&self.tally.datagrams_received);
        count_by(&self.tally.datagram_bytes_received, size);
    }

    fn refuse(&self, from: SocketAddr, error: OpenError) {
        match error {
            OpenError::Malformed => count(&self.tally.datagrams_dropped_malformed),
            OpenError::Replayed => count(&self.tally.datagrams_dropped_replayed),
            OpenError::Reflected => count(&self.tally.datagrams_dropped_reflected),
            OpenError::Unauthenticated => {
                count(&self.tally.datagrams_dropped_unauthenticated);
                if let Some(suppressed) = self.alarm.may_warn() {
                    tracing::warn!(%from, suppressed, "a datagram could not be opened: the peer uses another cluster secret?");
                }
            }
        }
    }
}

/// The socket as QUIC sees it: without our datagrams.
pub(crate) struct SharedSocket {
    // Dropped before `released`, which tells that the port is free.
    inner: Arc<dyn AsyncUdpSocket>,
    sink: Mutex<DatagramSink>,
    _released: oneshot::Sender<()>,
}

impl SharedSocket {
    /// Takes over `socket`. `released` is dropped once the socket is closed.
    pub(crate) fn new(socket: UdpSocket, sink: DatagramSink, released: oneshot::Sender<()>) -> io::Result<Self> {
        let inner = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(Self { inner, sink: Mutex::new(sink), _released: released })
    }

    /// Takes our datagrams out of `count` filled buffers. What is left for QUIC is moved to the front; returns how many
    /// buffers that are.
    fn sort(&self, buffers: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta], count: usize) -> usize {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = 0;
        for index in 0..count {
            take_sealed(&mut sink, &mut buffers[index], &mut metas[index]);
            if metas[index].len > 0 {
                buffers.swap(kept, index);
                metas.swap(kept, index);
                kept += 1;
            }
        }
        kept
    }
}

/// Takes our datagrams out of one buffer, which the kernel may have filled with several: all `stride` bytes long, except
/// that the last may be shorter. Closing the gaps keeps it so.
fn take_sealed(sink: &mut DatagramSink, buffer: &mut [u8], meta: &mut RecvMeta) {
    let length = meta.len.min(buffer.len());
    if length == 0 {
        count(&sink.tally.datagrams_dropped_malformed);
    }
    let stride = meta.stride.max(1);
    let (mut start, mut kept) = (0, 0);
    while start < length {
        let end = (start + stride).min(length);
        if buffer[start] & QUIC_FIXED_BIT == 0 {
            sink.take(meta.addr, &mut buffer[start..end]);
        } else {
            if kept < start {
                buffer.copy_within(start..end, kept);
            }
            kept += end - start;
        }
        start = end;
    }
    meta.len = kept;
}

impl AsyncUdpSocket for SharedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(SharedPoller { inner: self.inner.clone().create_io_poller(), _socket: self })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        for _ in 0..BATCHES_MAX {
            let received = match self.inner.poll_recv(context, buffers, metas) {
                Poll::Ready(Ok(received)) => received,
                other => return other,
            };
            let kept = self.sort(buffers, metas, received);
            if kept > 0 {
                return Poll::Ready(Ok(kept));
            }
        }
        // There may be more, and nothing would wake us for it.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

impl fmt::Debug for SharedSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SharedSocket").field(&self.inner).finish()
    }
}

/// Waits for the socket to become writable; keeps it open meanwhile, and known to be open.
#[derive(Debug)]
struct SharedPoller {
    inner: Pin<Box<dyn UdpPoller>>,
    _socket: Arc<SharedSocket>,
}

impl UdpPoller for SharedPoller {
    fn poll_writable(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().inner.as_mut().poll_writable(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{DatagramKeys, Sealer};
    use crate::secret::ClusterSecret;

    fn sink(keys: &DatagramKeys) -> (DatagramSink, mpsc::Receiver<Inbound>) {
        let (inbound, receiver) = mpsc::channel(64);
        let opener = Opener::new(keys.clone(), 2, 1);
        (DatagramSink { opener, inbound, tally: Arc::default(), alarm: Arc::new(Alarm::new()) }, receiver)
    }

    #[test]
    fn a_train_of_both_kinds_is_sorted_and_its_gaps_closed() {
        let keys = DatagramKeys::new(&ClusterSecret::generate());
        let sealer = Sealer::new(&keys, 1, 1);
        let mut sealed = Vec::new();
        sealer.seal(b"abc", &mut sealed).expect("small enough");
        let stride = sealed.len();
        let quic = |mark: u8, size: usize| vec![QUIC_FIXED_BIT | mark; size];
        // Every way in which four full segments and a short one may be mixed; the short one is QUIC's.
        for pattern in 0..16_u32 {
            let (mut sink, mut receiver) = sink(&keys);
            let (mut buffer, mut expected, mut ours) = (Vec::new(), Vec::new(), 0);
            for position in 0..4 {
                if pattern & (1 << position) == 0 {
                    sealer.seal(b"abc", &mut sealed).expect("small enough");
                    buffer.extend_from_slice(&sealed);
                    ours += 1;
                } else {
                    buffer.extend(quic(position, stride));
                    expected.extend(quic(position, stride));
                }
            }
            buffer.extend(quic(9, 7));
            expected.extend(quic(9, 7));
            let mut meta = RecvMeta { len: buffer.len(), stride, ..RecvMeta::default() };
            take_sealed(&mut sink, &mut buffer, &mut meta);
            assert_eq!(buffer[..meta.len], expected, "pattern {pattern:04b}");
            let received = std::iter::from_fn(|| receiver.try_recv().ok()).count();
            assert_eq!(received, ours, "pattern {pattern:04b}");
        }
    }

    #[test]
    fn an_empty_datagram_is_counted_and_not_kept() {
        let (mut sink, _receiver) = sink(&DatagramKeys::new(&ClusterSecret::generate()));
        let mut meta = RecvMeta::default();
        take_sealed(&mut sink, &mut [0; 8], &mut meta);
        assert_eq!((meta.len, sink.tally.snapshot().datagrams_dropped_malformed), (0, 1));
    }
}
