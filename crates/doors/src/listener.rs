//! Where connections come from: a TCP port, a Unix socket, or both. Behind the door all are alike.

use rustix::net::{RecvFlags, recv};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A socket that clients connect to. Whoever binds it says who may: by the address, or by the mode of the file.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

impl Listener {
    fn shown(&self) -> io::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => listener.local_addr()?.to_string(),
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                address.as_pathname().map_or_else(|| "a nameless socket".into(), |path| path.display().to_string())
            }
        })
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        Poll::Ready(Ok(match self {
            Self::Tcp(listener) => {
                let (stream, from) = ready!(listener.poll_accept(context))?;
                Accepted::Tcp(stream, from)
            }
            Self::Unix(listener) => Accepted::Unix(ready!(listener.poll_accept(context))?.0),
        }))
    }
}

/// A connection that was just accepted.
pub(crate) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// Every listener of one server.
pub(crate) struct Listeners {
    doors: Vec<Door>,
    /// Which is looked at first: each in turn, so that a crowd at one does not lock the other.
    first: usize,
}

struct Door {
    listener: Listener,
    shown: String,
}

impl Listeners {
    /// # Errors
    /// One does not know its own address, so it cannot be a listener.
    pub(crate) fn new(listeners: Vec<Listener>) -> io::Result<Self> {
        let door = |listener: Listener| Ok(Door { shown: listener.shown()?, listener });
        Ok(Self { doors: listeners.into_iter().map(door).collect::<io::Result<_>>()?, first: 0 })
    }

    /// The next connection, or why there is none, and at which door. Loses nothing when it is dropped. Without a listener it
    /// never completes.
    pub(crate) async fn accept(&mut self) -> (&str, io::Result<Accepted>) {
        let doors = &self.doors;
        let (at, accepted) = poll_fn(|context| {
            for at in (self.first..doors.len()).chain(0..self.first) {
                if let Poll::Ready(accepted) = doors[at].listener.poll_accept(context) {
                    return Poll::Ready((at, accepted));
                }
            }
            Poll::Pending
        })
        .await;
        self.first = (at + 1) % doors.len();
        (&self.doors[at].shown, accepted)
    }

    /// All addresses, for the log.
    pub(crate) fn shown(&self) -> String {
        self.doors.iter().map(|door| &*door.shown).collect::<Vec<_>>().join(", ")
    }
}

/// What a server does with a connection beside reading and writing it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Before the first byte.
    fn prepare(&self) -> io::Result<()>;

    /// The first bytes that have arrived, which stay to be read; waits for one.
    fn peek(&self, into: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
}

impl Stream for TcpStream {
    fn prepare(&self) -> io::Result<()> {
        // An answer is one write, and the next question waits for it: nothing is gained by holding it back.
        self.set_nodelay(true)
    }

    fn peek(&self, into: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send {
        Self::peek(self, into)
    }
}

impl Stream for UnixStream {
    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    async fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        // Tokio peeks into TCP only.
        self.async_io(Interest::READABLE, || Ok(recv(self, &mut *into, RecvFlags::PEEK)?.0)).await
    }
}
