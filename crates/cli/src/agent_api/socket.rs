//! HTTP over a Unix socket, for ureq, which brings TCP only. Nothing is looked up: neither a name nor a port has a part in it.

use rustix::net::sockopt::{Timeout as Wait, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use ureq::{Error, Timeout};

/// Connects to one socket, whatever is asked.
#[derive(Debug)]
pub(super) struct SocketConnector(pub(super) PathBuf);

impl Connector for SocketConnector {
    type Out = SocketTransport;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<SocketTransport>, Error> {
        let stream = open(self, details.timeout.not_zero().map(|wait| *wait)).map_err(|error| match error.kind() {
            // The queue of who listens is full, and nobody takes from it.
            ErrorKind::WouldBlock => Error::Timeout(Timeout::Connect),
            _ => Error::Io(error),
        })?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(SocketTransport { stream, buffers }))
    }
}

fn open(SocketConnector(path): &SocketConnector, within: Option<Duration>) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path.as_path())?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // On Linux it bounds connecting too; the library's own way of connecting knows no bound.
    set_socket_timeout(&socket, Wait::Send, within)?;
    connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

/// A connection to a socket.
#[derive(Debug)]
pub(super) struct SocketTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl Transport for SocketTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        self.stream.set_write_timeout(Some(left(timeout, Instant::now())?).filter(|left| *left < Duration::MAX))?;
        self.stream.write_all(&self.buffers.output()[..amount]).map_err(|error| failed(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let begun = Instant::now();
        loop {
            self.stream.set_read_timeout(Some(left(timeout, begun)?).filter(|left| *left < Duration::MAX))?;
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(amount) => {
                    self.buffers.input_appended(amount);
                    return Ok(amount > 0);
                }
                // A signal that this process handles; reads with a time-out are not begun anew by the system (signal(7)).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error, timeout)),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // No connection is kept for a second request.
        false
    }
}

/// What is left of `timeout`, which began at `begun`; [`Duration::MAX`] if there is none.
fn left(timeout: NextTimeout, begun: Instant) -> Result<Duration, Error> {
    if timeout.after.is_not_happening() {
        return Ok(Duration::MAX);
    }
    let left = timeout.after.saturating_sub(begun.elapsed());
    if left.is_zero() { Err(Error::Timeout(timeout.reason)) } else { Ok(left) }
}

fn failed(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}

/// Looks nothing up.
#[derive(Debug)]
pub(super) struct NoNames;

impl Resolver for NoNames {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        // One is asked for; nobody uses it.
        addresses.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
        Ok(addresses)
    }
}
