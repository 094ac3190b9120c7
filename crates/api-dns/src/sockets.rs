//! Binding, apart from serving, so that "port in use" is known before anything runs.

use crate::config::{Config, ConfigError};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// Why the surface does not serve. Nothing is bound and nothing runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system refused something.
    #[error("DNS: {what}: {source}")]
    System {
        /// What was tried, and on which address.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl StartError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

/// Sockets that are bound and not served yet. Dropping them gives the ports back.
#[derive(Debug)]
pub struct Bound {
    pub(crate) listeners: Vec<Listener>,
}

/// The sockets of one address.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    /// One for each worker.
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) tcp: TcpListener,
}

impl Bound {
    /// Where it listens, UDP and TCP alike, in the order asked for, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.address).collect()
    }
}

/// What the kernel is asked to keep for a worker that is busy; it grants at most `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// Tries to find a port that is free for UDP and TCP.
const PORT_TRIES: usize = 64;
const TCP_BACKLOG: i32 = 1024;

/// Binds UDP and TCP on each of `addresses`. Port 0 stands for a port that the system chooses, the same for both.
///
/// Name the address that clients use: an answer from a socket bound to `0.0.0.0` or `[::]` leaves by whichever address
/// the system prefers for the way back, and clients that asked another one discard it.
///
/// # Errors
/// [`StartError`] for the first address that cannot be bound, which it names; the others are given back.
pub fn bind(addresses: &[SocketAddr], config: &Config) -> Result<Bound, StartError> {
    config.check()?;
    let listeners = addresses.iter().map(|address| listener(*address, config.workers)).collect::<Result<_, _>>()?;
    Ok(Bound { listeners })
}

fn listener(wanted: SocketAddr, workers: usize) -> Result<Listener, StartError> {
    let mut tries = 0;
    loop {
        let tcp = tcp(wanted).map_err(StartError::system(format!("cannot listen on TCP {wanted}")))?;
        let address =
            tcp.local_addr().map_err(StartError::system(format!("cannot tell the address of TCP {wanted}")))?;
        match udp(address, workers) {
            Ok(udp) => return Ok(Listener { address, udp, tcp }),
            // The port that the system chose for TCP is taken for UDP: try another.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && wanted.port() == 0 && tries < PORT_TRIES => {
                tries += 1;
            }
            Err(error) => return Err(StartError::system(format!("cannot bind UDP {address}"))(error)),
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    // Connections of the last run that are still being closed do not keep the port from this one.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(TCP_BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn udp(address: SocketAddr, workers: usize) -> io::Result<Vec<UdpSocket>> {
    // A port shared among workers is shared with every process of this user that asks for it, and a second server would
    // take half of the questions unnoticed. So ask first for all of it.
    let alone = socket(address, Type::DGRAM, Protocol::UDP)?;
    alone.bind(&address.into())?;
    if workers == 1 {
        alone.set_recv_buffer_size(RECEIVE_BUFFER)?;
        return Ok(vec![alone.into()]);
    }
    drop(alone);
    let shared = || {
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        socket.set_reuse_port(true)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    (0..workers).map(|_| shared()).collect()
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // So that 0.0.0.0 and [::] can both be bound, and an address means what it says.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
