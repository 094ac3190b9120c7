//! A connection, which for a TCP check is all there is to it.

use super::words;
use crate::finding::{Deadline, Finding};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

pub(super) async fn probe(at: SocketAddr, deadline: Deadline) -> Result<Finding, Finding> {
    connect(at, deadline).await?;
    Ok(Finding::passing(format!("connection accepted by {at}")))
}

/// A new connection to `at`, which is reset when it is dropped.
///
/// New for every run: a check must find out whether a caller that comes now would be let in, and an old connection answers
/// long after nobody is. Reset, because a closed one stays in the table of this host for a minute (TIME-WAIT, RFC 9293
/// section 3.6), and ten thousand checks per second would fill that.
pub(super) async fn connect(at: SocketAddr, deadline: Deadline) -> Result<TcpStream, Finding> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let no = |error| words::not_connected(&error, at);
    let socket = socket.map_err(no)?;
    socket.set_zero_linger().map_err(no)?;
    let late = || format!("no answer from {at} (the host is off, or a firewall drops)");
    deadline.on(late, socket.connect(at)).await?.map_err(no)
}

/// A connection that is over when it is dropped and not before: a goodbye right before a reset would be one more system
/// call and one more packet, in every run.
pub(super) struct WithoutGoodbye(pub(super) TcpStream);

impl AsyncRead for WithoutGoodbye {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for WithoutGoodbye {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
