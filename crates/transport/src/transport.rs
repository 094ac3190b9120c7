//! The handle that callers hold, and the state its tasks share.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::accept::{accept, serve};
use crate::alarm::Alarm;
use crate::answering::Question;
use crate::ask::Dials;
use crate::certificate::tls_configs;
use crate::config::Config;
use crate::counters::{Counters, Tally, count, count_by};
use crate::deliver::work;
use crate::error::BindError;
use crate::limits;
use crate::open::Opener;
use crate::peer::{Peers, Posted};
use crate::seal::{DatagramKeys, Sealer};
use crate::socket::{self, DatagramSink, SharedSocket, canonical, reachable_from};

thread_local! {
    /// Where datagrams are sealed: one allocation per thread, not one per datagram.
    static SEALED: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(limits::DATAGRAM_BYTES_MAX));
}

/// What arrived, from a holder of the cluster's secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The payload of a sealed datagram.
    Datagram {
        /// Where the datagram came from: the peer's own port, since it sends from where it listens. Not proved; a
        /// member's datagram that somebody else passes on opens too, once.
        from: SocketAddr,
        /// The payload, at most [`DATAGRAM_PAYLOAD_MAX`](crate::DATAGRAM_PAYLOAD_MAX) bytes.
        bytes: Bytes,
    },
    /// A whole message.
    Message {
        /// The other end of the connection: the peer's own port, since it dials from where it listens.
        from: SocketAddr,
        /// The message, at most [`Config::message_bytes_max`] bytes; possibly empty.
        bytes: Bytes,
    },
}

/// A bound port and everything behind it. Clones share it; when the last one is dropped, it closes.
#[derive(Clone)]
pub struct Transport {
    inner: Arc<Inner>,
    _handle: Arc<CloseOnDrop>,
}

impl Transport {
    /// As [`Transport::bind_answering`], on a node where nobody answers questions: it refuses them.
    ///
    /// # Errors
    ///
    /// See [`BindError`]; in every case nothing was sent and nothing is left open.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time enabled.
    pub async fn bind(config: Config, inbound: mpsc::Sender<Inbound>) -> Result<Self, BindError> {
        Self::start(config, inbound, None).await
    }

    /// Binds the port and starts to receive into `inbound`, and questions of peers into `questions`.
    ///
    /// A datagram that finds `inbound` full is dropped and counted; a message waits, and makes its sender wait. The
    /// channel's capacity, in items, is the caller's bound on what waits there. A question that finds `questions` full is
    /// refused and counted.
    ///
    /// # Errors
    ///
    /// See [`BindError`]; in every case nothing was sent and nothing is left open.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time enabled.
    pub async fn bind_answering(
        config: Config,
        inbound: mpsc::Sender<Inbound>,
        questions: mpsc::Sender<Question>,
    ) -> Result<Self, BindError> {
        Self::start(config, inbound, Some(questions)).await
    }

    async fn start(
        config: Config,
        inbound: mpsc::Sender<Inbound>,
        questions: Option<mpsc::Sender<Question>>,
    ) -> Result<Self, BindError> {
        let tls = tls_configs(&config.secret, config.node).map_err(BindError::Identity)?;
        let quic = Arc::new(quic_limits(&config)?);
        let address = config.bind;
        let socket_error = |source| BindError::Socket { address, source };

        let socket = socket::bind(&config)?;
        let local_addr = socket.local_addr().map_err(socket_error)?;
        let sender = socket.try_clone().map_err(socket_error)?;
        let (tally, alarm) = (Arc::new(Tally::default()), Arc::new(Alarm::new()));
        let keys = DatagramKeys::new(&config.secret);
        let sealer = Sealer::new(&keys, config.node, config.epoch);
        let opener = Opener::new(keys, config.node, config.epoch);
        let sink = DatagramSink { opener, inbound: inbound.clone(), tally: tally.clone(), alarm: alarm.clone() };
        let (released_sender, released) = oneshot::channel();
        let shared = SharedSocket::new(socket, sink, released_sender).map_err(socket_error)?;

        let mut endpoint = Endpoint::new_with_abstract_socket(
            endpoint_config(&config),
            Some(server_config(tls.server, quic.clone())),
            Arc::new(shared),
            Arc::new(TokioRuntime),
        )
        .map_err(socket_error)?;
        let mut client = ClientConfig::new(Arc::new(tls.client));
        client.transport_config(quic);
        endpoint.set_default_client_config(client);

        let inner = Arc::new(Inner {
            local_addr,
            message_bytes_max: config.message_bytes_max,
            connections_max: config.connections_max,
            handshakes_max: config.handshakes_max,
            handshake_timeout: config.handshake_timeout,
            sealer,
            sender: RwLock::new(Some(sender)),
            peers: Peers::new(config.peer_queue_bytes_max, config.queue_bytes_max),
            handshakes: Arc::new(Semaphore::new(config.handshakes_max.clamp(1, Semaphore::MAX_PERMITS))),
            reassembly: Arc::new(Semaphore::new(config.reassembly_bytes_max.min(Semaphore::MAX_PERMITS))),
            inbound,
            questions,
            answering: Semaphore::new(limits::ANSWERING_MAX),
            asking: Arc::new(Semaphore::new(limits::ASKING_MAX)),
            dials: Dials::default(),
            tally,
            alarm,
            runtime: Handle::current(),
            endpoint: Mutex::new(Some(endpoint.clone())),
            released: Mutex::new(Some(released)),
            shutdown: watch::Sender::new(false),
        });
        inner.spawn(accept(inner.clone(), endpoint));
        Ok(Self { _handle: Arc::new(CloseOnDrop(inner.clone())), inner })
    }

    /// The address that was bound, with the port the system chose if it was asked to.
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr
    }

    /// Seals `payload` once and sends it to each address.
    ///
    /// Never blocks. What is too large, or what the kernel will not take at once, is dropped and counted, one per
    /// address.
    pub fn send_datagram(&self, to: &[SocketAddr], payload: &[u8]) {
        let inner = &*self.inner;
        SEALED.with_borrow_mut(|sealed| {
            if inner.sealer.seal(payload, sealed).is_err() {
                return count_by(&inner.tally.datagrams_dropped_oversized, to.len());
            }
            let sender = inner.sender.read().unwrap_or_else(PoisonError::into_inner);
            let Some(sender) = &*sender else {
                return count_by(&inner.tally.datagrams_dropped_send_failed, to.len());
            };
            let size = sealed.len();
            let send = |peer: &&SocketAddr| sender.send_to(sealed, reachable_from(inner.local_addr, **peer)).is_ok();
            let sent = to.iter().filter(send).count();
            count_by(&inner.tally.datagrams_sent, sent);
            count_by(&inner.tally.datagram_bytes_sent, sent * size);
            count_by(&inner.tally.datagrams_dropped_send_failed, to.len() - sent);
        });
    }

    /// Queues a message for `to`, over a connection that is there or will be dialled.
    ///
    /// Never blocks. It is dropped and counted if it is too large, if too many bytes wait already, or if the peer cannot
    /// be reached; it is sent again once if its connection dies. See the [crate](crate) on order and repetition.
    pub fn send_message(&self, to: SocketAddr, payload: Bytes) {
        let (inner, to) = (&self.inner, canonical(to));
        if payload.len() > inner.message_bytes_max {
            return count(&inner.tally.messages_dropped_oversized);
        }
        match inner.peers.post(to, payload) {
            Posted::Queued => {}
            Posted::NeedsWorker(wake) => inner.spawn(work(inner.clone(), to, wake)),
            Posted::Full => count(&inner.tally.messages_dropped_queue_full),
            Posted::Closed => count(&inner.tally.messages_dropped_closed),
        }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// What has been done so far.
    pub fn counters(&self) -> Counters {
        self.inner.tally.snapshot()
    }

    /// Tells connected peers goodbye, drops what is queued, and frees the port, also if other clones are still held.
    ///
    /// Takes a second at most. Calling it again does nothing.
    pub async fn close(&self) {
        let inner = &*self.inner;
        let endpoint = inner.endpoint();
        inner.begin_close();
        let Some(endpoint) = endpoint else { return };
        inner.shutdown.closed().await;
        // If a peer does not acknowledge in time, it will learn from a stateless reset, or from silence.
        let _ = timeout(limits::CLOSE_TIMEOUT, endpoint.wait_idle()).await;
        drop(endpoint);
        let released = inner.released.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(released) = released {
            // Ends with an error, which is the news: the sender has been dropped, and the socket before it.
            let _ = timeout(limits::CLOSE_TIMEOUT, released).await;
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Transport").field("local_addr", &self.inner.local_addr).finish_non_exhaustive()
    }
}

/// What the handle and the tasks share.
pub(crate) struct Inner {
    local_addr: SocketAddr,
    pub(crate) message_bytes_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) handshakes_max: usize,
    pub(crate) handshake_timeout: Duration,
    sealer: Sealer,
    /// The same socket as QUIC's; none once closed.
    sender: RwLock<Option<UdpSocket>>,
    pub(crate) peers: Peers,
    pub(crate) handshakes: Arc<Semaphore>,
    /// One permit per byte of incoming messages.
    pub(crate) reassembly: Arc<Semaphore>,
    pub(crate) inbound: mpsc::Sender<Inbound>,
    /// Where questions of peers go; none: nobody answers them.
    pub(crate) questions: Option<mpsc::Sender<Question>>,
    /// Held while a question of a peer is answered.
    pub(crate) answering: Semaphore,
    /// Held while a question of this node is open.
    pub(crate) asking: Arc<Semaphore>,
    pub(crate) dials: Dials,
    pub(crate) tally: Arc<Tally>,
    alarm: Arc<Alarm>,
    runtime: Handle,
    /// None once closed.
    endpoint: Mutex<Option<Endpoint>>,
    /// Resolves when the socket is closed.
    released: Mutex<Option<oneshot::Receiver<()>>>,
    /// Set to end all tasks; each holds a receiver until it has ended.
    shutdown: watch::Sender<bool>,
}

impl Inner {
    /// Runs `task` until it ends or the transport closes.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut shutdown = self.shutdown.subscribe();
        self.runtime.spawn(async move {
            tokio::select! {
                _ = shutdown.wait_for(|closing| *closing) => {}
                () = task => {}
            }
        });
    }

    /// The QUIC endpoint, until the transport closes.
    pub(crate) fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses a new connection in both directions, whoever opened it.
    pub(crate) fn attach(self: &Arc<Self>, connection: Connection) {
        let peer = canonical(connection.remote_address());
        self.peers.attach(peer, connection.clone());
        self.spawn(serve(self.clone(), connection, peer));
    }

    /// Counts a handshake that failed and, now and then, says so.
    pub(crate) fn suspect(&self, peer: SocketAddr, reason: &ConnectionError) {
        count(&self.tally.handshakes_failed);
        if let Some(suppressed) = self.alarm.may_warn() {
            // Escaped: the reason may hold text of the peer's choice.
            let (local, reason) = (self.local_addr, reason.to_string());
            let reason = reason.escape_debug();
            tracing::warn!(%peer, %local, %reason, suppressed, "handshake failed: the peer uses another cluster secret?");
        }
    }

    fn begin_close(&self) {
        // The endpoint first: what its streams do while their tasks end is no longer heard.
        let endpoint = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(endpoint) = endpoint {
            endpoint.close(VarInt::from_u32(0), b"closed");
        }
        self.shutdown.send_replace(true);
        self.sender.write().unwrap_or_else(PoisonError::into_inner).take();
        count_by(&self.tally.messages_dropped_closed, self.peers.close());
    }
}

/// Closes the transport when the last handle is gone. The tasks hold [`Inner`] only, and so do not count.
struct CloseOnDrop(Arc<Inner>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.begin_close();
    }
}

/// The bounds of every connection, whoever opened it.
fn quic_limits(config: &Config) -> Result<TransportConfig, BindError> {
    let idle = IdleTimeout::try_from(config.idle_timeout).map_err(|_| BindError::Limit("idle_timeout"))?;
    let mut limits = TransportConfig::default();
    limits
        .max_concurrent_bidi_streams(VarInt::from_u32(config.questions_per_connection_max))
        .max_concurrent_uni_streams(VarInt::from_u32(limits::STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(limits::STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(limits::CONNECTION_WINDOW_BYTES))
        .send_window(limits::SEND_WINDOW_BYTES)
        // Whole messages one after the other arrive sooner, on average, than all of them interleaved.
        .send_fairness(false)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(None)
        .initial_rtt(limits::INITIAL_RTT)
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0);
    Ok(limits)
}

fn server_config(tls: quinn::crypto::rustls::QuicServerConfig, quic: Arc<TransportConfig>) -> ServerConfig {
    let mut server = ServerConfig::with_crypto(Arc::new(tls));
    server
        .transport_config(quic)
        // A peer is known by its address: one that moves connects anew.
        .migration(false)
        .max_incoming(limits::INCOMING_MAX)
        .incoming_buffer_size(limits::INCOMING_BYTES)
        .incoming_buffer_size_total(limits::INCOMING_BYTES_TOTAL);
    server
}

/// Settings that outlive a boot: with the same keys, a rebooted node recognises the connections of its past by their
/// ids, and its peers believe it when it says that they are gone.
fn endpoint_config(config: &Config) -> EndpointConfig {
    let node = config.node.to_be_bytes();
    let reset_key = hmac::Key::new(hmac::HMAC_SHA256, &config.secret.derive("stateless reset key", &node));
    let id_key = config.secret.derive("connection id key", &node);
    let id_key = id_key.first_chunk().map_or(0, |key| u64::from_be_bytes(*key));
    let mut endpoint = EndpointConfig::new(Arc::new(reset_key));
    endpoint
        // Invariant: the bit that tells QUIC from sealed datagrams is set in every QUIC packet, ours and theirs.
        .grease_quic_bit(false)
        .min_reset_interval(limits::RESET_INTERVAL)
        .cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(id_key)));
    endpoint
}
